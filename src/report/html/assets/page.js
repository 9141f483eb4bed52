// Page: the controls, and everything that follows from what they choose.

class Page extends Figures {
  constructor(data) {
    super();
    this.data = data;
    this.state = new State(data);
    this.tables = new Tables(this.state, (focus) => this.update(focus));
    this.charts = new Charts();
    this.last = data.days - 1;
    this.tierNames = [...new Set(data.tiers)].sort();
    this.unfiltered = new Map();
  }

  /** Everything that follows from the state. */
  update(focus) {
    const { data, state } = this;
    this.passes = state.passing(data.costs.keys, OWNER);
    this.tokenPasses = state.passing(data.tokens.keys, OWNER);
    [this.from, this.to] = data.last_day === null ? [0, -1] : state.buckets(1);
    this.days = [];
    for (let at = this.from; at <= this.to; at++) this.days.push(data.first_day + at);
    this.controls();
    for (const section of ["day", "movers", "spend", "tiers", "cache", "tokens", "calls", "daily"]) this[section]();
    this.tables.arrange();
    state.write();
    if (focus) document.querySelector(focus)?.focus();
    return this.charts.flush();
  }

  controls() {
    const { data, state } = this;
    for (const dimension of DIMENSIONS) byId(`filter-${dimension}`).value = String(state[dimension]);
    for (const end of ["from", "to"]) byId(`filter-${end}`).value = state[end] === null ? "" : dayText(state[end]);
    byId("by").value = state.by;
    const chosen = DIMENSIONS.slice(0, 4).filter((dimension) => state[dimension] !== ANY).map((dimension) => `${dimension} ${data.names[dimension][state[dimension]]}`);
    const shown = [chosen.join(", ") || "everything", this.code, this.span].filter(Boolean);
    byId("shown").textContent = `Shown: ${shown.join(", ")}, UTC.`;
    const active = DIMENSIONS.slice(0, 4).filter((dimension) => state[dimension] !== ANY);
    if (state.hasDates) active.push("date");
    for (const section of document.querySelectorAll("section[data-filters]")) {
      const filters = section.dataset.filters.split(" ");
      const missing = active.filter((dimension) => !filters.includes(dimension));
      const note = section.querySelector(".unfiltered");
      note.hidden = !missing.length;
      note.textContent = missing.length ? `Not filtered by ${missing.join(", ")}.` : "";
    }
  }

  /** Fills the controls and lets them act. */
  prepare() {
    const { data, state } = this;
    for (const dimension of DIMENSIONS) {
      const select = byId(`filter-${dimension}`);
      if (dimension !== "currency") select.append(el("option", { value: String(ANY) }, "all"));
      const used = new Set(data.costs.keys[dimension]);
      data.names[dimension].forEach((name, at) => used.has(at) && select.append(el("option", { value: String(at) }, name)));
      if (dimension === "currency" && data.names.currency.length < 2) select.closest(".field").hidden = true;
      select.addEventListener("change", () => {
        state[dimension] = Number(select.value);
        this.update();
      });
    }
    for (const end of ["from", "to"]) {
      const input = byId(`filter-${end}`);
      if (data.first_day !== null) Object.assign(input, { min: dayText(data.first_day), max: dayText(data.last_day) });
      input.addEventListener("change", () => {
        if (!state.take(end, input.value)) state[end] = end === "from" ? data.first_day : data.last_day;
        this.update();
      });
    }
    byId("by").addEventListener("change", () => {
      state.by = byId("by").value;
      this.update();
    });
    byId("reset").addEventListener("click", () => {
      state.clear();
      this.update();
    });
    byId("link").addEventListener("click", () => this.copy());
    for (const link of document.querySelectorAll("[data-jump], #skip")) {
      link.addEventListener("click", (event) => {
        event.preventDefault();
        const section = byId(link.dataset.jump ?? "day");
        section.scrollIntoView();
        section.focus({ preventScroll: true });
      });
    }
    addEventListener("hashchange", () => this.open());
    this.tables.prepare();
    this.charts.watch();
    this.paint();
  }

  async copy() {
    const button = byId("link");
    try {
      await navigator.clipboard.writeText(location.href);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Copy it from the address bar";
    }
    setTimeout(() => (button.textContent = "Copy link"), 2000);
  }

  /** Takes the fragment. */
  open() {
    const unknown = this.state.read(location.hash.slice(1));
    byId("problem").textContent = unknown.length ? `The link asks for what this page does not have (${unknown.slice(0, 5).join(", ")}); the rest of it is followed.` : "";
    return this.update();
  }

  // Light, dark and paper.

  paint() {
    const root = document.documentElement;
    const button = byId("theme");
    const system = matchMedia("(prefers-color-scheme: dark)");
    const isDark = () => (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
    const show = () => {
      button.setAttribute("aria-pressed", String(isDark()));
      this.charts.again();
    };
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      show();
    });
    system.addEventListener("change", show);
    let held = null;
    let buttons = [];
    addEventListener("beforeprint", () => {
      held = root.dataset.theme ?? "";
      // A heading that holds a control is not repeated on the next sheet.
      buttons = [...document.querySelectorAll("thead button")].map((sort) => [sort.parentElement, sort]);
      for (const [heading, sort] of buttons) heading.replaceChildren(sort.textContent);
      root.dataset.theme = "light";
      this.charts.isPrinted = true;
      this.charts.again();
    });
    addEventListener("afterprint", () => {
      if (held) root.dataset.theme = held;
      else delete root.dataset.theme;
      for (const [heading, sort] of buttons) heading.replaceChildren(sort);
      this.charts.isPrinted = false;
      this.charts.again();
    });
    button.setAttribute("aria-pressed", String(isDark()));
  }
}

load().then(
  async (data) => {
    const page = new Page(data);
    page.prepare();
    await page.open();
    document.documentElement.dataset.ready = "yes";
  },
  (error) => {
    byId("problem").textContent = `The figures cannot be read in this browser (${error.message}). A browser of 2023 or later can.`;
  },
);
