// The table of sites: any number of rows, of which those in sight are on the page.
const HEIGHT = 24, BEYOND = 10;

export class Table {
  constructor(element, columns, events) {
    this.body = element.querySelector(".rows");
    this.room = element.querySelector(".room");
    this.head = element.querySelector(".head");
    this.columns = columns; // title, number(row) or text(row), show(row), width
    this.events = events; // chosen(row)
    this.rows = [];
    this.column = 0;
    this.descending = true;
    this.selected = -1;
    this.room.addEventListener("scroll", () => this.draw());
    this.body.addEventListener("click", (event) => {
      const line = event.target.closest("[data-row]");
      if (line) this.choose(Number(line.dataset.row));
    });
    this.head.addEventListener("click", (event) => {
      const cell = event.target.closest("[data-column]");
      if (cell) this.sortBy(Number(cell.dataset.column));
    });
    element.style.setProperty("--columns", columns.map((c) => c.width).join(" "));
  }

  choose(row) {
    this.selected = row;
    this.draw();
    this.events.chosen(row);
  }

  sortBy(column) {
    this.descending = column === this.column ? !this.descending : !!this.columns[column].number;
    this.column = column;
    this.show(this.rows);
  }

  show(rows) {
    const { number, text } = this.columns[this.column];
    const sign = this.descending ? -1 : 1;
    this.rows = rows;
    if (number) {
      const keys = new Map(rows.map((row) => [row, number(row)]));
      rows.sort((a, b) => sign * (keys.get(a) - keys.get(b)) || a - b);
    } else rows.sort((a, b) => sign * (text(a) < text(b) ? -1 : text(a) > text(b) ? 1 : a - b));
    this.head.replaceChildren(...this.columns.map((column, i) => this.title(column, i)));
    this.body.style.height = rows.length * HEIGHT + "px";
    this.draw();
  }

  title(column, i) {
    const cell = document.createElement("button");
    cell.dataset.column = i;
    cell.className = column.number ? "number" : "";
    cell.textContent = column.title + (i === this.column ? (this.descending ? " ▾" : " ▴") : "");
    return cell;
  }

  draw() {
    const from = Math.max(0, Math.floor(this.room.scrollTop / HEIGHT) - BEYOND);
    const to = Math.min(this.rows.length, Math.ceil((this.room.scrollTop + this.room.clientHeight) / HEIGHT) + BEYOND);
    const page = document.createDocumentFragment();
    for (let i = from; i < to; i++) page.append(this.line(this.rows[i], i));
    this.body.replaceChildren(page);
  }

  line(row, i) {
    const line = document.createElement("div");
    line.className = "row" + (row === this.selected ? " selected" : "");
    line.style.top = i * HEIGHT + "px";
    line.dataset.row = row;
    for (const column of this.columns) {
      const cell = document.createElement("span");
      cell.className = column.number ? "number" : "text";
      cell.textContent = column.show(row);
      line.append(cell);
    }
    return line;
  }

  move(by) {
    if (!this.rows.length) return;
    const at = this.rows.indexOf(this.selected);
    const next = Math.max(0, Math.min(this.rows.length - 1, at < 0 ? 0 : at + by));
    const top = next * HEIGHT, { scrollTop, clientHeight } = this.room;
    if (top < scrollTop) this.room.scrollTop = top;
    else if (top + HEIGHT > scrollTop + clientHeight) this.room.scrollTop = top + HEIGHT - clientHeight;
    this.choose(this.rows[next]);
  }
}
