// Tables: sorted by a click on a heading, the first rows at first, and nothing hidden in silence: rows that stand
// for nobody are always shown, and so is what the others sum to.

const FIRST_ROWS = 20;
/** Letters of the longest text that is kept on one line. */
const SHORT = 22;

/** Orders values of one column: numbers by size, texts by letters, what is unknown last. */
function compare(a, b, isDown) {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  const order = typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a < b ? -1 : a > b ? 1 : 0;
  return isDown ? -order : order;
}

class Tables {
  constructor(state, changed) {
    this.state = state;
    this.changed = changed;
    this.isWhole = new Set();
  }

  /** A heading that sorts. */
  heading(table, column, isNumber, label) {
    const sort = this.state.sorts.get(table);
    const isSorted = sort !== undefined && sort.key === column;
    const button = el("button", { type: "button" }, label);
    button.addEventListener("click", () => {
      const isDown = isSorted ? !sort.isDown : isNumber;
      this.state.sorts.set(table, { key: column, isDown });
      this.changed(`#${CSS.escape(`table-${table}`)} th[data-key="${CSS.escape(column)}"] button`);
    });
    const direction = isSorted ? (sort.isDown ? "descending" : "ascending") : null;
    return el("th", { scope: "col", class: isNumber ? "n" : "", "data-key": column, "aria-sort": direction }, button);
  }

  /** Writes a table: columns [key, label, look], rows of cells, and what all rows sum to. */
  write(target, table) {
    const { id, caption, columns, total } = table;
    if (!table.rows.length) {
      target.replaceChildren(el("p", { class: "none" }, "Nothing within these filters."));
      return;
    }
    const head = el("tr", {});
    for (const [key, label, look] of columns) head.append(this.heading(id, key, LOOKS.get(look).isNumber, label));
    const body = el("tbody", {});
    for (const row of this.shown(table)) body.append(this.row(columns, row));
    if (total) body.append(this.row(columns, { cells: total, isTotal: true }));
    const element = el("table", { id: `table-${id}` }, el("caption", { class: "hidden" }, caption), el("thead", {}, head), body);
    const box = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, element);
    target.replaceChildren(box, ...this.more(table));
  }

  row(columns, { cells, isTotal = false, isPinned = false, isLow = false }) {
    const row = el("tr", { class: isTotal ? "total" : isPinned ? "nobody" : isLow ? "low" : "" });
    cells.forEach((cell, at) => {
      const { write, isNumber } = LOOKS.get(columns[at][2]);
      const text = write(cell);
      const width = isNumber ? "n" : text.length <= SHORT ? "s" : "w";
      row.append(el(at === 0 && isTotal ? "th" : "td", { class: width, scope: at === 0 && isTotal ? "row" : null }, text));
    });
    return row;
  }

  /** The rows in order; of many the first, one for the others where they can be summed, and those of nobody. */
  shown({ id, columns, rows, others }) {
    const sort = this.state.sorts.get(id);
    const at = sort ? columns.findIndex(([key]) => key === sort.key) : -1;
    const ordered = at < 0 ? rows : [...rows].sort((a, b) => compare(a.cells[at], b.cells[at], sort.isDown));
    if (this.isWhole.has(id) || ordered.length <= FIRST_ROWS) return ordered;
    const named = ordered.filter((row) => !row.isPinned);
    const hidden = named.slice(FIRST_ROWS);
    const sum = others && hidden.length ? [{ cells: others(hidden), isPinned: true }] : [];
    return [...named.slice(0, FIRST_ROWS), ...sum, ...ordered.filter((row) => row.isPinned)];
  }

  more({ id, rows, caption }) {
    if (rows.length <= FIRST_ROWS) return [];
    const isWhole = this.isWhole.has(id);
    const label = isWhole ? `First ${FIRST_ROWS} rows` : `All ${rows.length} rows`;
    const button = el("button", { type: "button", class: "more", "data-more": id, "aria-label": `${label} of ${caption}` }, label);
    button.addEventListener("click", () => {
      if (!this.isWhole.delete(id)) this.isWhole.add(id);
      this.changed(`[data-more="${CSS.escape(id)}"]`);
    });
    return [button];
  }

  /** Makes the tables that stand in the page sortable, and hides the rows that the filters leave out. */
  prepare() {
    this.still = [...document.querySelectorAll("table[data-sort]")].map((table) => {
      const name = table.dataset.sort;
      const headings = [...table.tHead.rows[0].cells].map((cell) => ({ key: cell.dataset.key, label: cell.textContent, isNumber: cell.classList.contains("n") }));
      return { table, name, headings, rows: [...table.tBodies[0].rows] };
    });
  }

  /** Sorts and filters the tables that stand in the page. */
  arrange() {
    for (const still of this.still) {
      const { table, name, rows } = still;
      const sort = this.state.sorts.get(name);
      // Rows are moved only where their order is another one: that is what takes the time.
      if (!still.isArranged || still.sort !== sort) this.order(still, sort);
      const wanted = [...table.tBodies[0].rows].filter((row) => this.isWanted(row));
      const most = this.isWhole.has(name) ? wanted.length : FIRST_ROWS;
      const shown = new Set(wanted.slice(0, most));
      for (const row of rows) row.hidden = !shown.has(row);
      this.below(table, wanted, rows.length - wanted.length);
    }
  }

  order(still, sort) {
    const { table, name, headings, rows } = still;
    table.tHead.rows[0].replaceChildren(...headings.map(({ key, label, isNumber }) => this.heading(name, key, isNumber, label)));
    const at = sort ? headings.findIndex(({ key }) => key === sort.key) : -1;
    const value = (row) => cellValue(row.cells[at]);
    if (at >= 0) table.tBodies[0].append(...[...rows].sort((a, b) => compare(value(a), value(b), sort.isDown)));
    else if (still.isArranged) table.tBodies[0].append(...rows);
    Object.assign(still, { sort, isArranged: true });
  }

  /** What stands below a table of the page: how much of it is not shown, and why. */
  below(table, wanted, hidden) {
    const name = table.dataset.sort;
    const box = table.parentElement;
    let place = box.nextElementSibling;
    if (!place?.classList.contains("below")) {
      place = el("div", { class: "below" });
      box.after(place);
    }
    const note = el("p", { class: "note", role: "status" }, hidden ? `${hidden} of ${hidden + wanted.length} rows are outside these filters.` : "");
    place.replaceChildren(note, ...this.more({ id: name, rows: wanted, caption: table.caption.textContent }));
  }

  isWanted(row) {
    const { state } = this;
    const { team, workload, environment, model, from, to } = row.dataset;
    if (team === undefined) return true;
    const differs = (chosen, value) => chosen !== ANY && String(chosen) !== value;
    if (differs(state.team, team) || differs(state.workload, workload) || differs(state.environment, environment)) return false;
    if (state.model !== ANY && model && !model.split(" ").includes(String(state.model))) return false;
    return !(state.hasDates && from !== undefined && (Number(from) > state.to || Number(to) < state.from));
  }
}

/** What a cell sorts by: its exact value where it has one. Decimals are compared as units, not as doubles. */
function cellValue(cell) {
  const exact = cell.dataset.v;
  if (exact === undefined || exact === "") return cell.textContent === UNKNOWN ? null : cell.textContent;
  return /^-?\d+(\.\d{1,10})?$/.test(exact) ? units(exact) : Number(exact);
}
