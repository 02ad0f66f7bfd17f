// The page's data (html.c writes it): columns of numbers, unpacked into typed arrays.
//
// Nodes are those of the tree of all stacks, outermost frame first, in preorder: `up` says how many levels a node's parent
// lies above the node before it, so a parent's number is below its children's. Rows are stacks, in the nodes' order.

async function inflate(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Response(stream).text();
}

function makeNodes(data) {
  const n = data.up.length;
  const parent = new Int32Array(n), depth = new Int32Array(n);
  const path = [-1];
  for (let i = 0; i < n; i++) {
    path.length -= data.up[i];
    parent[i] = path[path.length - 1];
    depth[i] = path.length - 1;
    path.push(i);
  }
  return new Tree(Int32Array.from(data.line), parent, depth);
}

export class Tree {
  constructor(line, parent, depth) {
    this.count = line.length;
    this.line = line; // into lines; -1 of the root alone
    this.parent = parent;
    this.depth = depth;
    this.total = new Float64Array(this.count);
    this.before = new Float64Array(this.count); // of the old dump, where there is one
    this.first = new Int32Array(this.count + 1).fill(-1); // child; the last one is that of the roots
    this.next = new Int32Array(this.count).fill(-1);
    for (let i = this.count - 1; i >= 0; i--) {
      const above = parent[i] < 0 ? this.count : parent[i];
      this.next[i] = this.first[above];
      this.first[above] = i;
    }
  }

  // What is each node's own is there; children come before parents from the end.
  addUp() {
    for (let i = this.count - 1; i >= 0; i--) {
      if (this.parent[i] < 0) continue;
      this.total[this.parent[i]] += this.total[i];
      this.before[this.parent[i]] += this.before[i];
    }
  }

  children(node) {
    const all = [];
    for (let i = this.first[node < 0 ? this.count : node]; i >= 0; i = this.next[i])
      if (this.total[i] || this.before[i]) all.push(i);
    return all.sort((a, b) => Math.max(this.total[b], this.before[b]) - Math.max(this.total[a], this.before[a]));
  }
}

export async function load() {
  const data = JSON.parse(await inflate(document.getElementById("data").textContent.trim()));
  const rows = data.rows.node.length;
  let node = 0;
  data.tree = makeNodes(data);
  data.count = rows;
  data.rows.node = Int32Array.from(data.rows.node, (step) => (node += step));
  data.rows.verdict = Uint8Array.from(data.rows.verdict);
  data.rows.values = data.rows.values.map((column) => Float64Array.from(column));
  data.rows.before = data.rows.before.map((column) => Float64Array.from(column));
  return data;
}

// The lines of a row's stack, innermost first.
export function stackOf(data, row) {
  const lines = [];
  for (let at = data.rows.node[row]; at >= 0; at = data.tree.parent[at]) lines.push(data.tree.line[at]);
  return lines;
}

export const nameOf = (data, line) => data.names[data.functions.name[data.lines.function[line]]];
export const fileOf = (data, line) => data.names[data.functions.file[data.lines.function[line]]];

export function placeOf(data, line) {
  const file = fileOf(data, line);
  return file ? file.split("/").slice(-2).join("/") + (data.lines.line[line] ? ":" + data.lines.line[line] : "") : "";
}

// By who was called: the innermost frame is the root. Made when it is first asked for, of the rows that have a value.
export function invert(data, has) {
  const line = [], parent = [], depth = [];
  const known = new Map();
  for (let row = 0; row < data.count; row++) {
    if (!has(row)) continue;
    let above = -1;
    for (let at = data.rows.node[row], level = 0; at >= 0; at = data.tree.parent[at], level++) {
      const key = (above + 1) * data.lines.function.length + data.tree.line[at];
      let node = known.get(key);
      if (node === undefined) {
        node = line.length;
        line.push(data.tree.line[at]);
        parent.push(above);
        depth.push(level);
        known.set(key, node);
      }
      above = node;
    }
  }
  const tree = new Tree(Int32Array.from(line), Int32Array.from(parent), Int32Array.from(depth));
  return { tree, fill: (values, before, shows) => fillInverted(data, tree, known, values, before, shows) };
}

// In this tree each node on a row's way has all of the row: nothing is added up afterwards.
function fillInverted(data, tree, known, values, before, shows) {
  tree.total.fill(0);
  tree.before.fill(0);
  for (let row = 0; row < data.count; row++) {
    if (!shows(row)) continue;
    let above = -1;
    for (let at = data.rows.node[row]; at >= 0; at = data.tree.parent[at]) {
      above = known.get((above + 1) * data.lines.function.length + data.tree.line[at]);
      if (above === undefined) break;
      tree.total[above] += values[row];
      tree.before[above] += before ? before[row] : 0;
    }
  }
}
