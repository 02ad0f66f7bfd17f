// The page: what is chosen above holds for the flame graph and the table alike.
import { load, invert, nameOf, placeOf, fileOf, stackOf } from "./data.js";
import { Flame } from "./flame.js";
import { Table } from "./table.js";
import { drawTimeline } from "./timeline.js";
import * as format from "./format.js";

const $ = (id) => document.getElementById(id);
const VERDICTS = ["not judged", "leaked", "led to by leaked", "maybe leaked", "in use", "suppressed"];

function fill(select, words, chosen) {
  select.replaceChildren(...words.map((word, i) => new Option(word, String(i - (select.dataset.any ? 1 : 0)))));
  select.value = String(chosen);
}

class Page {
  constructor(data) {
    this.data = data;
    this.state = { data, tree: data.tree, diff: data.diff, upwards: false, searching: false, matches: () => false };
    this.inverted = null;
    this.isInverted = false;
    const number = (i) => ({ number: (row) => data.rows.values[i][row], show: (row) => this.amount(i, data.rows.values[i][row]) });
    const values = data.values.map((value, i) => ({ title: value.short, width: value.bytes ? "5.5em" : "6.5em", ...number(i) }));
    const change = data.diff ? [{ title: "Change", width: "8em", number: (row) => this.change(row), show: (row) => this.signed(this.change(row)) }] : [];
    this.columns = [
      ...change,
      ...values.slice(0, 2),
      { title: "Site", width: "minmax(12em, 2fr)", text: (row) => this.site(row), show: (row) => this.site(row) },
      { title: "At", width: "minmax(8em, 1fr)", text: (row) => placeOf(data, data.rows.name[row]), show: (row) => placeOf(data, data.rows.name[row]) },
      { title: "Verdict", width: "8em", text: (row) => VERDICTS[data.rows.verdict[row]], show: (row) => VERDICTS[data.rows.verdict[row]] },
      { title: "Oldest", width: "5em", number: (row) => data.rows.age[row], show: (row) => (data.rows.age[row] < 0 ? "" : format.age(data.rows.age[row])) },
      ...values.slice(2),
    ];
    this.valueColumns = data.values.map((_, i) => this.columns.indexOf(values[i]));
    this.flame = new Flame($("flame"), this.state, { zoomed: (node) => this.zoomed(node), hovered: (node) => this.hovered(node) });
    this.table = new Table($("table"), this.columns, { chosen: (row) => this.chosen(row) });
    fill($("value"), data.values.map((value) => value.title), data.first);
    fill($("verdict"), ["any verdict", ...VERDICTS], -1);
    fill($("thread"), ["any thread", ...data.threads], -1);
    if (!data.diff) this.table.column = this.valueColumns[data.first];
    this.listen();
  }

  amount(i, value) { return (this.data.sampled && value ? "~" : "") + (this.data.values[i].bytes ? format.bytes(value) : format.count(value)); }
  signed(value) { return (value > 0 ? "+" : "") + this.amount(this.value, value).replace("~-", "-~"); }
  change(row) { return this.data.rows.values[this.value][row] - (this.data.rows.before[this.value]?.[row] ?? 0); }
  site(row) { return nameOf(this.data, this.data.rows.name[row]); }
  get value() { return Number($("value").value); }

  shows(row) {
    const verdict = Number($("verdict").value), thread = Number($("thread").value);
    return (verdict < 0 || this.data.rows.verdict[row] === verdict) && (thread < 0 || this.data.rows.thread[row] === thread);
  }

  // A line is found where its function or its file has the text; a row where one of its lines is.
  search() {
    const wanted = $("search").value.toLowerCase(), { data } = this;
    this.state.searching = wanted !== "";
    const found = data.functions.name.map((name, i) => wanted !== "" &&
      (data.names[name].toLowerCase().includes(wanted) || data.names[data.functions.file[i]].toLowerCase().includes(wanted)));
    this.state.matches = (line) => found[data.lines.function[line]];
    const on = new Uint8Array(data.tree.count); // a node, or one above it
    for (let i = 0; i < on.length; i++) on[i] = (data.tree.parent[i] >= 0 && on[data.tree.parent[i]]) || found[data.lines.function[data.tree.line[i]]] ? 1 : 0;
    this.rowFound = (row) => wanted === "" || on[data.rows.node[row]] === 1;
  }

  update(keepZoom) {
    const { data } = this, values = data.rows.values[this.value], before = data.rows.before[this.value];
    this.search();
    const rows = [];
    let sum = 0, found = 0, all = 0;
    for (let row = 0; row < data.count; row++) {
      const value = values[row] || before?.[row];
      all += values[row];
      if (!value || !this.shows(row)) continue;
      sum += values[row];
      if (!this.rowFound(row)) continue;
      found += values[row];
      rows.push(row);
    }
    if (this.isInverted) {
      this.inverted ??= invert(data, () => true);
      this.state.tree = this.inverted.tree;
      this.inverted.fill(values, before, (row) => this.shows(row));
    } else {
      const { tree } = data;
      this.state.tree = tree;
      tree.total.fill(0);
      tree.before.fill(0);
      for (let row = 0; row < data.count; row++) {
        if (!this.shows(row)) continue;
        tree.total[data.rows.node[row]] += values[row];
        if (before) tree.before[data.rows.node[row]] += before[row];
      }
      tree.addUp();
    }
    if (!keepZoom) this.flame.zoom = this.flame.focus = -1;
    this.sum = sum;
    this.flame.draw();
    this.table.show(rows);
    $("sum").textContent = `${this.amount(this.value, sum)} of ${this.amount(this.value, all)} at ${format.count(rows.length)} ${rows.length === 1 ? "site" : "sites"}` +
      (this.state.searching ? `; found ${this.amount(this.value, found)} (${format.percent(found, sum)})` : "");
    this.hovered(-1);
  }

  hovered(node) {
    if (node < 0) node = this.flame.zoom;
    const { tree } = this.state;
    if (node < 0) { $("hover").textContent = "Click to zoom, Escape to go back, ? for keys"; return; }
    const line = tree.line[node];
    $("hover").textContent = `${nameOf(this.data, line)} ${placeOf(this.data, line)}: ${this.amount(this.value, tree.total[node])}, ` +
      format.percent(tree.total[node], this.sum) + (this.state.diff ? `, before ${this.amount(this.value, tree.before[node])}` : "");
  }

  zoomed(node) {
    $("reset").hidden = node < 0;
    this.hovered(node);
  }

  chosen(row) {
    const { data } = this, list = document.createElement("ol");
    for (const line of stackOf(data, row)) {
      const item = document.createElement("li");
      const name = document.createElement("b"), place = document.createElement("span");
      name.textContent = nameOf(data, line);
      place.textContent = (fileOf(data, line) ? " " + fileOf(data, line) + (data.lines.line[line] ? ":" + data.lines.line[line] : "") : "") +
        (data.lines.inlined[line] ? " (inlined)" : "");
      item.append(name, place);
      list.append(item);
    }
    const words = document.createElement("p");
    words.textContent = data.values.map((value, i) => `${value.title} ${this.amount(i, data.rows.values[i][row])}`).join(", ") +
      `; ${VERDICTS[data.rows.verdict[row]]}` + (data.rows.thread[row] >= 0 ? `; mostly by thread ${data.threads[data.rows.thread[row]]}` : "") +
      (data.rows.low[row] >= 0 ? `; 95 %: ${format.bytes(data.rows.low[row])} to ${format.bytes(data.rows.high[row])} live` : "");
    $("detail").replaceChildren(words, list);
    $("detail").hidden = false;
    if (!this.isInverted) this.flame.zoomTo(data.rows.node[row]);
  }

  theme() {
    const dark = document.documentElement.dataset.theme === "dark" ||
      (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
    document.documentElement.dataset.theme = dark ? "light" : "dark";
    this.timeline();
  }

  timeline() {
    $("timeline").hidden = !this.data.timeline;
    if (this.data.timeline) drawTimeline($("timeline"), this.data.timeline);
  }

  invert() {
    this.isInverted = !this.isInverted;
    $("invert").setAttribute("aria-pressed", this.isInverted);
    this.update(false);
  }

  turn() {
    this.state.upwards = !this.state.upwards;
    $("turn").setAttribute("aria-pressed", this.state.upwards);
    this.flame.draw();
  }

  key(event) {
    const typing = /^(INPUT|SELECT)$/.test(event.target.tagName);
    if (event.key === "Escape") {
      if (typing) event.target.blur();
      if (!$("keys").hidden) $("keys").hidden = true;
      else if (typing && $("search").value) { $("search").value = ""; this.update(true); }
      else this.flame.zoomTo(-1);
      return;
    }
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const actions = { "/": () => $("search").focus(), i: () => this.invert(), f: () => this.turn(), t: () => this.theme(),
      j: () => this.table.move(1), k: () => this.table.move(-1), "?": () => ($("keys").hidden = !$("keys").hidden),
      Enter: () => this.flame.focus >= 0 && this.flame.zoomTo(this.flame.focus),
      Backspace: () => this.flame.zoom >= 0 && this.flame.zoomTo(this.state.tree.parent[this.flame.zoom]) };
    if (/^Arrow/.test(event.key)) this.flame.move(event.key);
    else if (actions[event.key]) actions[event.key]();
    else return;
    event.preventDefault();
  }

  listen() {
    let wait = 0;
    $("value").addEventListener("change", () => { if (!this.state.diff) this.table.column = this.valueColumns[this.value]; });
    for (const id of ["value", "verdict", "thread"]) $(id).addEventListener("change", () => this.update(false));
    $("search").addEventListener("input", () => { clearTimeout(wait); wait = setTimeout(() => this.update(true), 120); });
    $("invert").addEventListener("click", () => this.invert());
    $("turn").addEventListener("click", () => this.turn());
    $("theme").addEventListener("click", () => this.theme());
    $("reset").addEventListener("click", () => this.flame.zoomTo(-1));
    document.addEventListener("keydown", (event) => this.key(event));
    addEventListener("resize", () => { this.flame.draw(); this.table.draw(); this.timeline(); });
  }
}

function head(data) {
  $("title").textContent = data.title;
  $("facts").replaceChildren(...data.facts.map((fact) => Object.assign(document.createElement("div"), { textContent: fact })));
  $("reasons").replaceChildren(...data.reasons.map((reason) => Object.assign(document.createElement("div"), { textContent: reason })));
}

load().then((data) => {
  head(data);
  const page = new Page(data);
  page.update(false);
  page.timeline();
  document.body.dataset.ready = Math.round(performance.now());
}).catch((error) => { $("hover").textContent = "This page cannot be shown: " + error; throw error; });
