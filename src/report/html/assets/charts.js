// Charts: uPlot draws them; here is which series in which colour, and the table of the same figures beside each.

const SECONDS = 86_400;
const HEIGHT = 220;
const PRINT_WIDTH = 660;


class Charts {
  constructor() {
    this.shown = new Map();
    this.waiting = new Map();
    this.colours = new Map();
    this.widths = new Map();
    this.observer = new ResizeObserver((entries) => {
      for (const { target, contentRect } of entries) {
        this.widths.set(target.closest("figure").id, contentRect.width);
        this.fit(target.closest("figure").id);
      }
    });
  }

  /** Notes which charts can be seen. */
  watch() {
    this.seen = new Set();
    const watcher = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        if (isIntersecting) this.seen.add(target.id);
        else this.seen.delete(target.id);
      }
    });
    for (const figure of document.querySelectorAll("figure.chart")) watcher.observe(figure);
  }

  /** A colour of the style sheet, as it is now. */
  colour(name) {
    if (!this.colours.has(name)) this.colours.set(name, getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim());
    return this.colours.get(name);
  }

  /** Draws a chart: at once where it can be seen, else when there is time, so that a filter answers quickly. */
  show(id, chart) {
    this.waiting.set(id, chart);
  }

  /** Draws what waits. */
  async flush() {
    const turn = (this.turn = {});
    const all = [...this.waiting.keys()];
    const isSeen = (id) => this.seen.has(`chart-${id}`);
    for (const id of all.filter(isSeen)) this.take(id);
    for (const id of all.filter((id) => !isSeen(id))) {
      await new Promise((resolve) => setTimeout(resolve));
      if (this.turn !== turn) return;
      this.take(id);
    }
  }

  take(id) {
    const chart = this.waiting.get(id);
    this.waiting.delete(id);
    if (chart) this.draw(id, chart);
  }

  /**
   * Draws a chart now. `days` are day numbers; each series has a name, a colour, values (null where unknown), and what
   * a table shows of each. Bars are stacked in their order; lines and points are not.
   */
  draw(id, chart) {
    const figure = byId(`chart-${id}`);
    const held = this.shown.get(figure.id);
    held?.plot?.destroy();
    const box = figure.querySelector(".plot");
    box.replaceChildren();
    box.setAttribute("aria-label", chart.summary);
    this.legend(figure, chart);
    const plot = chart.days.length && chart.series.length ? new uPlot(this.options(figure, chart), this.values(chart), box) : null;
    if (!plot) box.append(el("p", { class: "none" }, "Nothing within these filters."));
    this.shown.set(figure.id, { plot, chart });
    if (!held) {
      this.observer.observe(box);
      const details = figure.querySelector("details");
      details.addEventListener("toggle", () => this.table(figure));
    }
    figure.querySelector(".readout").textContent = "";
    this.table(figure);
  }

  /** The figures of a chart as a table; made when somebody opens it. */
  table(figure) {
    const { chart } = this.shown.get(figure.id);
    const details = figure.querySelector("details");
    const target = details.querySelector(".data");
    if (!details.open) return target.replaceChildren();
    const { write } = LOOKS.get(chart.look);
    const head = el("tr", {}, el("th", { scope: "col" }, chart.dayLabel ?? "Day"));
    for (const { name, look } of chart.series) head.append(el("th", { scope: "col", class: look === "text" ? "" : "n" }, name));
    const body = el("tbody", {});
    for (let at = chart.days.length - 1; at >= 0; at--) {
      const row = el("tr", {}, el("th", { scope: "row" }, this.dayLabel(chart, at)));
      for (const series of chart.series) {
        const shown = series.exact(at);
        row.append(el("td", { class: series.look === "text" ? "" : "n" }, series.look ? LOOKS.get(series.look).write(shown) : write(shown)));
      }
      body.append(row);
    }
    const caption = figure.querySelector("figcaption").textContent;
    const table = el("table", {}, el("caption", { class: "hidden" }, caption), el("thead", {}, head), body);
    target.replaceChildren(el("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": `${caption}: the data` }, table));
  }

  dayLabel(chart, at) {
    return chart.firsts && chart.firsts[at] !== chart.days[at]
      ? `${dayText(chart.firsts[at])} to ${dayText(chart.days[at])}`
      : dayText(chart.days[at]);
  }

  legend(figure, chart) {
    const items = chart.series.filter((series) => !series.isHidden);
    const item = (series) => el("li", {}, el("span", { class: `swatch k-${series.colour}${series.isPoint ? " point" : series.dash ? " dash" : ""}` }), series.name);
    figure.querySelector(".legend").replaceChildren(...items.map(item));
  }

  /** What uPlot draws: of stacked bars the sums from below, the highest first, so that each covers the next. */
  values(chart) {
    const days = chart.days.map((day) => day * SECONDS);
    if (!chart.isStacked) return [days, ...chart.series.map((series) => series.values)];
    const sums = new Float64Array(days.length);
    const stacked = chart.series.map((series) => series.values.map((value, at) => (sums[at] += Math.max(0, value ?? 0))));
    return [days, ...stacked.reverse()];
  }

  options(figure, chart) {
    const bars = uPlot.paths.bars({ size: [0.86, 40], align: 0 });
    const text = this.colour("ink-2");
    const series = chart.series.map((one) => {
      const ink = this.colour(one.colour);
      if (one.isPoint) return { label: one.name, paths: () => null, points: { show: true, size: 8, fill: ink, stroke: this.colour("paper") } };
      if (chart.isStacked) return { label: one.name, paths: bars, fill: ink, width: 0, points: { show: false } };
      return { label: one.name, stroke: ink, width: one.dash ? 1 : 2, dash: one.dash, points: { show: false }, spanGaps: false };
    });
    if (chart.isStacked) series.reverse();
    const half = (SECONDS * (chart.step ?? 1)) / 2;
    const axis = { stroke: text, font: "12px system-ui, sans-serif", grid: { stroke: this.colour("line"), width: 1 }, ticks: { stroke: this.colour("line"), width: 1 } };
    const ticks = chart.tick ?? short;
    return {
      width: this.width(figure),
      height: HEIGHT,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, points: { show: !chart.isStacked } },
      scales: {
        x: { time: true, range: (_, min, max) => [min - half, max + half] },
        y: { range: (_, min, max) => [Math.min(0, min ?? 0), chart.top ?? ((max ?? 0) > 0 ? max * 1.06 : 1)] },
      },
      axes: [
        { ...axis, space: 70, values: (_, splits) => splits.map((second) => dayText(Math.round(second / SECONDS)).slice(5)), incrs: [1, 2, 7, 14, 28].map((days) => days * SECONDS) },
        { ...axis, size: 56, values: (_, splits) => splits.map((value) => ticks(value)) },
      ],
      series: [{}, ...series],
      hooks: { setCursor: [(plot) => this.readout(figure, plot.cursor.idx)] },
    };
  }

  /** What stands under the pointer, in exact words. */
  readout(figure, at) {
    const { chart } = this.shown.get(figure.id) ?? {};
    const line = figure.querySelector(".readout");
    if (!chart || at === null || at === undefined) {
      line.textContent = "";
      return;
    }
    const { write } = LOOKS.get(chart.look);
    const told = chart.series.filter((series) => !series.isHidden && series.values[at] !== null && series.values[at] !== 0);
    const parts = told.map((series) => `${series.name} ${series.look ? LOOKS.get(series.look).write(series.exact(at)) : write(series.exact(at))}`);
    line.textContent = `${this.dayLabel(chart, at)}: ${parts.join(" · ") || "nothing"}`;
  }

  width(figure) {
    if (this.isPrinted) return PRINT_WIDTH;
    return Math.max(240, this.widths.get(figure.id) ?? figure.querySelector(".plot").clientWidth);
  }

  fit(id) {
    const held = this.shown.get(id);
    const width = this.width(byId(id));
    if (held?.plot && Math.abs(held.plot.width - width) > 1) held.plot.setSize({ width, height: HEIGHT });
  }

  /** Draws everything again, in the colours of now. */
  again() {
    this.colours.clear();
    for (const id of [...this.waiting.keys()]) this.take(id);
    for (const [id, { chart }] of [...this.shown]) this.draw(id.replace("chart-", ""), chart);
  }
}
