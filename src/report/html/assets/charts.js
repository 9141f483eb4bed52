// Charts: uPlot draws them; here is which series in which colour, and the table of the same figures beside each.

const SECONDS = 86_400;
const HEIGHT = 220;
const PRINT_WIDTH = 660;

/** A colour of the style sheet, as it is now. */
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

class Charts {
  constructor() {
    this.shown = new Map();
    this.observer = new ResizeObserver((entries) => {
      for (const { target } of entries) this.fit(target.closest("figure").id);
    });
  }

  /**
   * Draws a chart. `days` are day numbers; each series has a name, a colour, values (null where unknown), and what
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
    target.replaceChildren(el("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": caption }, table));
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
    const text = colour("ink-2");
    const series = chart.series.map((one) => {
      const ink = colour(one.colour);
      if (one.isPoint) return { label: one.name, paths: () => null, points: { show: true, size: 8, fill: ink, stroke: colour("paper") } };
      if (chart.isStacked) return { label: one.name, paths: bars, fill: ink, width: 0, points: { show: false } };
      return { label: one.name, stroke: ink, width: one.dash ? 1 : 2, dash: one.dash, points: { show: false }, spanGaps: false };
    });
    if (chart.isStacked) series.reverse();
    const half = (SECONDS * (chart.step ?? 1)) / 2;
    const axis = { stroke: text, font: "12px system-ui, sans-serif", grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line"), width: 1 } };
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
    return this.isPrinted ? PRINT_WIDTH : Math.max(240, figure.querySelector(".plot").clientWidth);
  }

  fit(id) {
    const held = this.shown.get(id);
    const width = this.width(byId(id));
    if (held?.plot && Math.abs(held.plot.width - width) > 1) held.plot.setSize({ width, height: HEIGHT });
  }

  /** Draws everything again, in the colours of now. */
  again() {
    for (const [id, { chart }] of [...this.shown]) this.draw(id.replace("chart-", ""), chart);
  }
}
