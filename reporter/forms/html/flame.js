// The flame graph: frames as boxes as wide as what was made below them. Only what is a pixel wide or more is on the page,
// so that it is drawn in some milliseconds however many stacks there are; zooming draws what was too narrow before.
import { nameOf, placeOf } from "./data.js";

const HEIGHT = 19, LEAST = 1, MOST = 6000; // pixels of a frame; narrower ones are left out; so many at most

export class Flame {
  constructor(element, state, events) {
    this.element = element;
    this.state = state; // data, tree, format, upwards, matches(line), selectedNode
    this.events = events; // zoomed(node), hovered(node)
    this.zoom = -1;
    this.focus = -1;
    this.order = [];
    element.addEventListener("click", (event) => this.pick(event, true));
    element.addEventListener("mouseover", (event) => this.pick(event, false));
    element.addEventListener("mouseleave", () => events.hovered(-1));
  }

  pick(event, click) {
    const box = event.target.closest(".frame");
    const node = box ? Number(box.dataset.node) : -1;
    if (!click) this.events.hovered(node);
    else if (box) this.zoomTo(node);
  }

  zoomTo(node) {
    this.zoom = node;
    this.focus = node;
    this.draw();
    this.events.zoomed(node);
  }

  colour(node) {
    const { tree, diff } = this.state;
    if (diff) {
      const change = tree.total[node] - tree.before[node];
      const part = Math.min(1, Math.abs(change) / Math.max(tree.total[node], tree.before[node], 1));
      if (!change) return "hsl(0 0% var(--even))";
      return `hsl(${change > 0 ? 6 : 212} ${Math.round(25 + 60 * part)}% var(--frame))`;
    }
    const name = nameOf(this.state.data, tree.line[node]);
    let hash = 7;
    for (let i = 0; i < name.length; i++) hash = (hash * 31 + name.charCodeAt(i)) >>> 0;
    return name.startsWith("(") ? "hsl(0 0% var(--even))" : `hsl(${18 + (hash % 40)} ${55 + (hash % 30)}% var(--frame))`;
  }

  size(node) {
    const { tree, diff } = this.state;
    return diff ? Math.max(tree.total[node], tree.before[node]) : tree.total[node];
  }

  // The chain of parents above the zoomed frame stays, as wide as all.
  draw() {
    const { tree } = this.state;
    const width = this.element.clientWidth || 800;
    const above = [];
    for (let at = this.zoom; at >= 0; at = tree.parent[at]) above.unshift(at);
    this.order = [];
    const rows = [];
    const place = (node, x, w, level, faded, many) => {
      if (this.order.length >= MOST) return;
      this.order.push({ node, x, w, level, faded, many });
      rows[level] = true;
    };
    const below = (node, x, w, level) => {
      const children = tree.children(node);
      const sum = children.reduce((all, child) => all + this.size(child), 0);
      const scale = w / Math.max(node < 0 ? sum : this.size(node), sum, 1);
      for (const [i, child] of children.entries()) {
        const own = this.size(child) * scale;
        if (own < LEAST) { // they are sorted: the rest is one box
          const rest = children.slice(i).reduce((all, other) => all + this.size(other), 0) * scale;
          if (rest >= LEAST) place(-1, x, rest, level, false, children.length - i);
          break;
        }
        place(child, x, own, level, false);
        below(child, x, own, level + 1);
        x += own;
      }
    };
    above.forEach((node, level) => place(node, 0, width, level, node !== this.zoom));
    below(this.zoom, 0, width, above.length);
    this.show(rows.length, width);
  }

  show(levels, width) {
    const page = document.createDocumentFragment();
    for (const box of this.order) page.append(this.box(box, levels));
    this.element.style.height = levels * HEIGHT + 2 + "px";
    this.element.replaceChildren(page);
    this.width = width;
  }

  box({ node, x, w, level, faded, many }, levels) {
    const { data, tree, upwards, matches, searching } = this.state;
    const line = tree.line[node], box = document.createElement("div");
    const top = upwards ? (levels - 1 - level) * HEIGHT : level * HEIGHT;
    if (many) {
      box.className = "rest";
      box.style.cssText = `left:${x.toFixed(1)}px;top:${top}px;width:${Math.max(w - 0.5, 0.8).toFixed(1)}px`;
      if (w > 28) box.textContent = `... ${many.toLocaleString("en-US")} more, each little`;
      return box;
    }
    box.className = "frame" + (faded ? " faded" : "") + (searching && matches(line) ? " found" : "") + (node === this.focus ? " focus" : "");
    box.dataset.node = node;
    box.style.cssText = `left:${x.toFixed(1)}px;top:${top}px;width:${Math.max(w - 0.5, 0.8).toFixed(1)}px;background:${this.colour(node)}`;
    if (w > 28) box.textContent = nameOf(data, line) + (w > 260 && placeOf(data, line) ? "  " + placeOf(data, line) : "");
    return box;
  }

  // Among what is drawn: to the frame above, below, beside.
  move(key) {
    const { tree } = this.state;
    const at = this.order.find((box) => box.node === this.focus);
    const inward = this.state.upwards ? "ArrowUp" : "ArrowDown", outward = this.state.upwards ? "ArrowDown" : "ArrowUp";
    let next;
    if (!at) next = this.order[0];
    else if (key === inward) next = this.order.find((box) => tree.parent[box.node] === at.node);
    else if (key === outward) next = this.order.find((box) => box.node === tree.parent[at.node]);
    else {
      const level = this.order.filter((box) => box.level === at.level && box.node >= 0).sort((a, b) => a.x - b.x);
      next = level[level.indexOf(at) + (key === "ArrowRight" ? 1 : -1)];
    }
    if (!next) return;
    this.focus = next.node;
    this.element.querySelector(".focus")?.classList.remove("focus");
    const box = this.element.querySelector(`[data-node="${next.node}"]`);
    box?.classList.add("focus");
    box?.scrollIntoView({ block: "nearest" });
    this.events.hovered(next.node);
  }
}
