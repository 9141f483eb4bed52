// Figures: what each section shows of the filtered facts.

/** Groups that a chart tells apart. */
const GROUPS = 8;
const OWNER = ["team", "workload", "environment", "model", "currency"];
const PARTS = ["volume", "tokens per query", "model mix", "cache", "price", "what is not tokens"];

class Figures {
  is(series, flag) {
    return (this.data.costs.keys.flags[series] & this.data.flags[flag]) !== 0;
  }

  /** A number for a chart, by the chosen days. */
  line(value) {
    return this.days.map((_, at) => value(this.from + at));
  }

  get code() {
    return this.data.names.currency[this.state.currency] ?? "";
  }

  get span() {
    return this.days.length ? `${dayText(this.state.from)} to ${dayText(this.state.to)}` : "no complete day";
  }

  /** Unblended cost of Usage, of series that pass. */
  usage(groups, groupOf, passes = this.passes) {
    const of = (series) => (passes[series] && this.is(series, "usage") ? groupOf(series) : -1);
    return new Sums(groups, this.data.days).add(this.data.costs.daily, of).add(this.data.costs.beyond, of);
  }

  // The day: against the day before, the same weekday, and the months.

  day() {
    const { data, state } = this;
    if (data.last_day === null) {
      byId("cards").replaceChildren(el("p", { class: "none" }, "No day is complete yet."));
      return;
    }
    const currencies = data.names.currency.length;
    const others = state.passing(data.costs.keys, OWNER.slice(0, 4));
    const currency = data.costs.keys.currency;
    const usage = this.usage(currencies, (series) => currency[series], others);
    const sums = (cells) => new Sums(currencies, data.months.length).add(cells, (series) => (others[series] ? currency[series] : -1));
    const [months, same] = [sums(data.costs.months), sums(data.costs.same_days)];
    const cards = currencies ? this.cards(usage, months, same) : [];
    if (currencies > 1) {
      const lines = data.names.currency.map((code, at) => [code, `${money(usage.exact(at, this.last))} · ${money(same.exact(at, 0))} to date`]);
      cards.push(this.card("Every currency", "", lines));
    }
    byId("cards").replaceChildren(...cards);
  }

  cards(usage, months, same) {
    const { data } = this;
    const at = this.state.currency;
    const now = usage.exact(at, this.last);
    const before = data.stored.has(this.last - 1) ? usage.exact(at, this.last - 1) : null;
    const weeks = [7, 14, 21, 28].map((days) => this.last - days);
    const isKnown = weeks.every((day) => data.stored.has(day));
    const mean = isKnown ? weeks.reduce((sum, day) => sum + usage.exact(at, day), 0n) / 4n : null;
    const against = (then) => (then === null ? UNKNOWN : `${change(now - then)}${growth(now, then)}`);
    const weekday = new Date(data.last_day * 86_400_000).toLocaleDateString("en", { weekday: "long", timeZone: "UTC" });
    const [month, ...earlier] = data.months;
    const toDate = same.exact(at, 0);
    const compared = earlier.map(([name, , hasDays], index) => {
      const then = hasDays ? same.exact(at, index + 1) : null;
      return [`${name}, first ${data.compared} days`, then === null ? UNKNOWN : `${change(toDate - then)}${growth(toDate, then)} to ${money(then)}`];
    });
    const whole = earlier.map(([name, isStored], index) => [`${name}, whole bill`, isStored ? money(months.exact(at, index + 1)) : UNKNOWN]);
    return [
      this.card(`Usage on ${weekday}, ${dayText(data.last_day)}`, money(now), [
        [`to ${dayText(data.last_day - 1)}`, against(before)],
        [`to the mean of 4 ${weekday}s`, against(mean)],
        [`mean of 4 ${weekday}s`, money(mean)],
      ]),
      this.card(`${month[0]}, first ${data.compared} days`, month[2] ? money(toDate) : UNKNOWN, compared),
      this.card(`${month[0]}, whole bill so far`, month[1] ? money(months.exact(at, 0)) : UNKNOWN, whole),
    ];
  }

  card(heading, amount, lines) {
    const list = el("dl", {});
    for (const [term, text] of lines) list.append(el("div", {}, el("dt", {}, term), el("dd", {}, text)));
    const value = amount ? el("p", { class: "amount" }, amount, el("span", { class: "code" }, ` ${this.code}`)) : null;
    return el("div", { class: "card" }, el("h3", {}, heading), value, list);
  }

  // Movers: who moved since the day before, and why.

  movers() {
    const { data, state } = this;
    const target = byId("rows-movers");
    const isKnown = data.last_day !== null && data.stored.has(this.last - 1);
    const workload = data.costs.keys.workload;
    const usage = isKnown ? this.usage(data.names.workload.length, (series) => workload[series]) : null;
    const owners = this.owners();
    const rows = [];
    data.names.workload.forEach((name, at) => {
      if (!usage) return;
      const [now, before] = [usage.exact(at, this.last), usage.exact(at, this.last - 1)];
      if (now === before) return;
      rows.push({ cells: [name, owners.get(at) ?? null, now - before, now, before, this.causes(at, now - before)] });
    });
    const size = ({ cells }) => (cells[2] < 0n ? -cells[2] : cells[2]);
    rows.sort((a, b) => compare(size(a), size(b), true) || compare(a.cells[0], b.cells[0], false));
    const columns = [["workload", "Workload", "text"], ["owner", "Owner", "text"], ["change", "Change", "change"], ["cost", dayText(data.last_day ?? 0), "money"], ["previous", dayText((data.last_day ?? 0) - 1), "money"], ["causes", "Causes", "text"]];
    const others = (hidden) => {
      const sum = (at) => hidden.reduce((sum, row) => sum + row.cells[at], 0n);
      return [`(${hidden.length} others)`, null, sum(2), sum(3), sum(4), null];
    };
    const all = (at) => rows.reduce((sum, row) => sum + row.cells[at], 0n);
    const total = ["total of these", "", all(2), all(3), all(4), ""];
    this.tables.write(target, { id: "movers", caption: `Movers, ${this.code}`, columns, rows, others, total });
  }

  /** Teams and environments of each workload that pass. */
  owners() {
    const { keys } = this.data.costs;
    const { names } = this.data;
    const found = new Map();
    for (let at = 0; at < this.passes.length; at++) {
      // What nobody owns is no team's, whoever shares an account with it.
      if (!this.passes[at] || keys.workload[at] < RESERVED.workload) continue;
      const held = found.get(keys.workload[at]) ?? [new Set(), new Set()];
      if (keys.team[at] >= RESERVED.team) held[0].add(names.team[keys.team[at]]);
      if (keys.environment[at] >= RESERVED.environment) held[1].add(names.environment[keys.environment[at]]);
      found.set(keys.workload[at], held);
    }
    const words = ([teams, environments]) => [teams, environments].map((set) => [...set].sort().join(", ")).filter(Boolean).join(" / ");
    return new Map([...found].map(([workload, held]) => [workload, words(held) || null]));
  }

  /** Why a change was, where the causes are those of just this change. */
  causes(workload, difference) {
    const parts = this.data.causes.get(`${this.state.currency} ${workload}`);
    if (!parts || parts.reduce((sum, part) => sum + part, 0n) !== difference) return null;
    const size = (part) => (part < 0n ? -part : part);
    const told = parts.map((part, at) => [PARTS[at], part]).filter(([, part]) => size(part) >= ONE / 100n);
    told.sort((a, b) => compare(size(a[1]), size(b[1]), true));
    return told.map(([name, part]) => `${name} ${change(part)}`).join(" | ") || null;
  }

  // Spend, by whatever it is grouped.

  spend() {
    const { data, state } = this;
    const by = state.by;
    const names = data.names[by];
    const groupOf = (series) => (this.passes[series] ? data.costs.keys[by][series] : -1);
    const daily = new Sums(names.length, data.days).add(data.costs.daily, groupOf);
    const [months, same] = [data.costs.months, data.costs.same_days].map((cells) => new Sums(names.length, data.months.length).add(cells, groupOf));
    const known = (at, isKnown, sums) => data.months.map(([, ...stored], month) => (stored[isKnown] ? sums.exact(at, month) : null));
    const isShown = new Uint8Array(names.length);
    for (let series = 0; series < this.passes.length; series++) if (this.passes[series]) isShown[data.costs.keys[by][series]] = 1;
    const rows = [];
    names.forEach((name, at) => {
      if (!isShown[at]) return;
      const [costs, days] = [known(at, 0, months), known(at, 1, same)];
      const difference = days[0] === null || days[1] === null ? null : days[0] - days[1];
      rows.push({ cells: [name, daily.over(at, this.from, this.to), costs[0], difference, ...costs.slice(1)], isPinned: at < RESERVED[by], at });
    });
    rows.sort((a, b) => Number(a.isPinned) - Number(b.isPinned) || compare(a.cells[1], b.cells[1], true) || compare(a.cells[0], b.cells[0], false));
    const sum = (of) => of[0]?.cells.map((_, at) => (at === 0 ? "" : of.reduce((sum, row) => (sum === null || row.cells[at] === null ? null : sum + row.cells[at]), 0n)));
    const label = by[0].toUpperCase() + by.slice(1);
    const columns = [["name", label, "text"], ["days", `${this.days.length} days shown`, "money"], ["month_0", data.months[0][0], "money"], ["change", "To same days before", "change"], ...data.months.slice(1).map(([month], at) => [`month_${at + 1}`, month, "money"])];
    const total = sum(rows);
    if (total) total[0] = "total";
    const others = (hidden) => [`(${hidden.length} others)`, ...sum(hidden).slice(1)];
    this.tables.write(byId("rows-spend"), { id: "spend", caption: `Spend by ${by}, ${this.code}`, columns, rows, others, total });
    this.stack("spend", rows.map((row) => ({ name: row.cells[0], at: row.at, isPinned: row.isPinned })), daily, "money", `Spend by day and ${by}, ${this.code}, ${this.span}`);
  }

  /** Stacked bars of the largest groups, one for the rest, and those that are nobody's. */
  stack(id, ordered, sums, look, summary, more = {}) {
    const [from, days] = [more.from ?? this.from, more.days ?? this.days];
    const named = ordered.filter((group) => !group.isPinned);
    const rest = named.slice(GROUPS);
    const nobody = ordered.filter((group) => group.isPinned);
    const one = (name, colourName, groups) => ({
      name,
      colour: colourName,
      values: days.map((_, at) => groups.reduce((sum, group) => sum + sums.near(group.at, from + at), 0)),
      exact: (at) => groups.reduce((sum, group) => sum + sums.exact(group.at, from + at), 0n),
    });
    const series = named.slice(0, GROUPS).map((group, at) => one(group.name, `c${at}`, [group]));
    if (rest.length) series.push(one(`(${rest.length} others)`, "c8", rest));
    nobody.forEach((group, at) => series.push(one(group.name, at ? "n1" : "n0", [group])));
    const shown = series.filter((group) => group.values.some((value) => value !== 0));
    this.charts.show(id, { days, series: shown, isStacked: true, look, summary, ...more });
  }

  // Model tiers: does routing to small models work?

  tiers() {
    const { data } = this;
    const { keys } = data.costs;
    const tiers = this.tierNames;
    const tierOf = data.tiers.map((tier) => tiers.indexOf(tier));
    const isRouted = (flags) => (flags & data.flags.router) !== 0;
    const costs = new Sums(tiers.length, data.days).add(data.costs.daily, (at) => (this.passes[at] && this.is(at, "usage") && !isRouted(keys.flags[at]) ? tierOf[keys.model[at]] : -1));
    const { step, keys: tokenKeys, counts } = data.tokens;
    const tokens = new Sums(tiers.length, Math.ceil(data.days / step)).add(counts, (at) => (this.tokenPasses[at] && !isRouted(tokenKeys.flags[at]) ? tierOf[tokenKeys.model[at]] : -1));
    const [tokenFrom, tokenTo] = this.state.buckets(step);
    const rows = tiers.map((tier, at) => ({ tier, at, cost: costs.over(at, this.from, this.to), tokens: tokens.over(at, tokenFrom, tokenTo) }));
    const [cost, all] = [rows.reduce((sum, row) => sum + row.cost, 0n), rows.reduce((sum, row) => sum + row.tokens, 0n)];
    const shown = rows.filter((row) => row.cost !== 0n || row.tokens !== 0n).sort((a, b) => compare(a.cost, b.cost, true));
    const columns = [["tier", "Tier", "text"], ["cost", "Cost", "money"], ["share_of_cost", "of cost", "percent"], ["tokens", "Tokens", "count"], ["share_of_tokens", "of tokens", "percent"]];
    const cells = shown.map((row) => ({ cells: [row.tier, row.cost, quotient(row.cost, cost), row.tokens, quotient(row.tokens, all)] }));
    const target = byId("rows-tiers");
    if (!target.children.length) target.append(el("div", { id: "rows-tier" }), el("h3", {}, "Haiku to Sonnet by workload"), el("div", { id: "rows-ratio" }));
    this.tables.write(byId("rows-tier"), { id: "tiers", caption: `Model tiers, ${this.code}, ${this.span}`, columns, rows: cells, total: cells.length ? ["total", cost, quotient(cost, cost), all, quotient(all, all)] : null });
    const totals = this.line((day) => tiers.reduce((sum, _, at) => sum + Math.max(0, costs.near(at, day)), 0));
    const exactTotal = (at) => tiers.reduce((sum, _, tier) => sum + costs.exact(tier, this.from + at), 0n);
    const series = shown.map((row, at) => ({
      name: row.tier,
      colour: at < GROUPS ? `c${at}` : "c8",
      values: this.line((day) => Math.max(0, costs.near(row.at, day))).map((value, day) => (totals[day] > 0 ? value / totals[day] : 0)),
      exact: (day) => quotient(costs.exact(row.at, this.from + day), exactTotal(day)),
    }));
    this.charts.show("tiers", { days: this.days, series, isStacked: true, look: "percent", top: 1, tick: (value) => `${Math.round(value * 100)} %`, summary: `Share of each model tier in cost by day, ${this.code}, ${this.span}` });
    this.haiku(costs, tokens, step, tierOf, isRouted);
  }

  haiku(costs, tokens, step, tierOf, isRouted) {
    const { data } = this;
    const [haiku, sonnet] = ["haiku", "sonnet"].map((tier) => this.tierNames.indexOf(tier));
    const both = haiku >= 0 && sonnet >= 0;
    const byCost = (at) => (sonnet < 0 ? null : quotient(haiku < 0 ? 0n : costs.exact(haiku, this.from + at), costs.exact(sonnet, this.from + at)));
    const series = [{ name: "by cost", colour: "c0", values: this.days.map((_, at) => byCost(at)), exact: byCost }];
    if (step === 1) {
      const byTokens = (at) => (sonnet < 0 ? null : quotient(haiku < 0 ? 0n : tokens.exact(haiku, this.from + at), tokens.exact(sonnet, this.from + at)));
      series.push({ name: "by tokens", colour: "c1", values: this.days.map((_, at) => byTokens(at)), exact: byTokens });
    }
    const workloads = data.names.workload.length;
    const { ofWorkload, ofDay } = this.tierCalls(workloads);
    const byCalls = (at) => quotient(ofDay[0].exact(0, this.from + at), ofDay[1].exact(0, this.from + at));
    const calls = this.days.map((_, at) => byCalls(at));
    if (calls.some((value) => value !== null)) series.push({ name: "by calls", colour: "c2", values: calls, exact: byCalls });
    const hasAny = series.some(({ values }) => values.some((value) => value !== null));
    this.charts.show("ratio", { days: hasAny ? this.days : [], series, look: "ratio", summary: `Cost, tokens and calls of Haiku divided by those of Sonnet by day, ${this.code}, ${this.span}` });
    const { keys } = data.costs;
    const of = (tier) => {
      const groupOf = (at) => (tier >= 0 && this.passes[at] && this.is(at, "usage") && !isRouted(keys.flags[at]) && tierOf[keys.model[at]] === tier ? keys.workload[at] : -1);
      return new Sums(workloads, data.days).add(data.costs.daily, groupOf);
    };
    const [small, large] = both || haiku >= 0 || sonnet >= 0 ? [of(haiku), of(sonnet)] : [null, null];
    const rows = [];
    data.names.workload.forEach((name, at) => {
      if (!small) return;
      const [a, b] = [small.over(at, this.from, this.to), large.over(at, this.from, this.to)];
      const [few, many] = ofWorkload.map((sums) => sums.over(at, this.from, this.to));
      if (a + b !== 0n) rows.push({ cells: [name, a, b, quotient(a, b), quotient(few, many)] });
    });
    rows.sort((a, b) => compare(a.cells[1] + a.cells[2], b.cells[1] + b.cells[2], true) || compare(a.cells[0], b.cells[0], false));
    const columns = [["workload", "Workload", "text"], ["haiku", "Haiku", "money"], ["sonnet", "Sonnet", "money"], ["ratio", "Haiku ÷ Sonnet", "ratio"], ["ratio_by_calls", "by calls", "ratio"]];
    this.tables.write(byId("rows-ratio"), { id: "ratio", caption: `Haiku to Sonnet by workload, ${this.code}, ${this.span}`, columns, rows });
  }

  /** Calls of Haiku and of Sonnet, of workloads that the filters leave whole: by workload, and of all. */
  tierCalls(workloads) {
    const { data, state } = this;
    const { keys } = data.calls;
    const whole = this.wholeWorkloads();
    const isWhole = (at) => state.model === ANY && keys.currency[at] === state.currency && whole.has(keys.workload[at]);
    const tiers = [data.calls.haiku, data.calls.sonnet];
    return {
      ofWorkload: tiers.map((cells) => new Sums(workloads, data.days).add(cells, (at) => (isWhole(at) ? keys.workload[at] : -1))),
      ofDay: tiers.map((cells) => new Sums(1, data.days).add(cells, (at) => (isWhole(at) ? 0 : -1))),
    };
  }

  // Tokens, and what the cache spares of them.

  tokenSums(groups, groupOf) {
    const { step, counts } = this.data.tokens;
    return new Sums(groups, Math.ceil(this.data.days / step)).add(counts, (at) => (this.tokenPasses[at] ? groupOf(at) : -1));
  }

  /** The steps of tokens: last days, first days, and which buckets are chosen. */
  steps() {
    const { step } = this.data.tokens;
    const [from, to] = this.state.buckets(step);
    const buckets = Math.ceil(this.data.days / step);
    const lastOf = (bucket) => this.data.last_day - (buckets - 1 - bucket) * step;
    const days = [];
    for (let bucket = from; bucket <= to; bucket++) days.push(lastOf(bucket));
    const firsts = days.map((day) => Math.max(this.data.first_day, day - step + 1));
    return { from, to, days: this.data.last_day === null ? [] : days, firsts, step, dayLabel: step > 1 ? "Days" : "Day" };
  }

  cache() {
    const { data } = this;
    const { keys } = data.tokens;
    const kinds = ["cache_read", "cache_write", "input"].map((kind) => data.names.kind.indexOf(kind));
    const isSent = (at) => kinds.includes(keys.kind[at]) && !(keys.flags[at] & data.flags.batch) && data.can_cache[keys.model[at]];
    const all = this.tokenSums(3, (at) => (isSent(at) ? kinds.indexOf(keys.kind[at]) : -1));
    const steps = this.steps();
    const rate = (reads, writes, input) => quotient(reads, reads + writes + input);
    const byStep = (at) => rate(...[0, 1, 2].map((kind) => all.exact(kind, steps.from + at)));
    const floor = { name: `floor ${percent(data.floor)}`, colour: "warn", dash: [6, 4], values: steps.days.map(() => data.floor), exact: () => data.floor };
    const series = [{ name: "hit rate", colour: "c0", values: steps.days.map((_, at) => byStep(at)), exact: byStep }, floor];
    const hasAny = series[0].values.some((value) => value !== null);
    this.charts.show("cache", { ...steps, days: hasAny ? steps.days : [], series, look: "percent", top: 1, tick: (value) => `${Math.round(value * 100)} %`, summary: `Cache hit rate by day with its floor, ${this.span}` });
    this.cacheRows(steps, kinds, isSent, rate);
  }

  cacheRows(steps, kinds, isSent, rate) {
    const { data } = this;
    const { keys } = data.tokens;
    const models = data.names.model.length;
    const places = new Map();
    const placeOf = (at) => {
      const place = keys.workload[at] * models + keys.model[at];
      if (!places.has(place)) places.set(place, places.size);
      return places.get(place) * 3 + kinds.indexOf(keys.kind[at]);
    };
    const groups = Array.from(keys.kind, (_, at) => (this.tokenPasses[at] && isSent(at) ? placeOf(at) : -1));
    const sums = this.tokenSums(places.size * 3, (at) => groups[at]);
    const whole = this.wholeWorkloads();
    const savings = new Map(data.savings.filter(([currency, workload]) => currency === this.state.currency && whole.has(workload)).map(([, workload, model, saving]) => [workload * models + model, saving]));
    const rows = [];
    for (const [place, at] of places) {
      const [reads, writes, input] = [0, 1, 2].map((kind) => sums.over(at * 3 + kind, steps.from, steps.to));
      if (reads + writes + input <= 0n) continue;
      const hit = rate(reads, writes, input);
      const isLow = hit < data.floor;
      rows.push({ isLow, cells: [isLow ? "LOW" : "", data.names.workload[Math.floor(place / models)], data.names.model[place % models], hit, savings.get(place) ?? null, reads + writes + input] });
    }
    rows.sort((a, b) => Number(b.isLow) - Number(a.isLow) || compare(a.cells[4], b.cells[4], false) || compare(a.cells[5], b.cells[5], true));
    const columns = [["flag", "Flag", "text"], ["workload", "Workload", "text"], ["model", "Model", "text"], ["hit_rate", "Hit rate", "percent"], ["net_saving", `Net saving, ${data.months[0][0]}`, "change"], ["prompt_tokens", "Prompt tokens", "count"]];
    this.tables.write(byId("rows-cache"), { id: "cache", caption: `Prompt cache, ${this.code}, ${this.span}`, columns, rows });
  }

  tokens() {
    const { data } = this;
    const { keys } = data.tokens;
    const kinds = data.names.kind;
    const steps = this.steps();
    const byKind = this.tokenSums(kinds.length, (at) => keys.kind[at]);
    const ordered = kinds.map((name, at) => ({ name, at, isPinned: at < RESERVED.kind, sum: byKind.over(at, steps.from, steps.to) })).filter(({ sum }) => sum !== 0n);
    ordered.sort((a, b) => compare(a.sum, b.sum, true));
    this.stack("tokens", ordered, byKind, "count", `Tokens by kind, ${steps.step > 1 ? "in weeks" : "by day"}, ${this.span}`, steps);
    const main = ordered.slice(0, 5);
    const placeOf = new Map(main.map(({ at }, place) => [at, place]));
    const width = main.length + 1;
    const sums = this.tokenSums(data.names.workload.length * width, (at) => keys.workload[at] * width + (placeOf.get(keys.kind[at]) ?? main.length));
    const rows = [];
    data.names.workload.forEach((name, workload) => {
      const cells = Array.from({ length: width }, (_, place) => sums.over(workload * width + place, steps.from, steps.to));
      const total = cells.reduce((sum, cell) => sum + cell, 0n);
      if (total !== 0n) rows.push({ isPinned: workload < RESERVED.workload, cells: [name, total, ...cells] });
    });
    rows.sort((a, b) => Number(a.isPinned) - Number(b.isPinned) || compare(a.cells[1], b.cells[1], true));
    const hasRest = ordered.length > main.length;
    const kept = hasRest ? width : main.length;
    const cut = (cells) => cells.slice(0, 2 + kept);
    const add = (of, label) => Array.from({ length: 2 + kept }, (_, at) => (at === 0 ? label : of.reduce((sum, row) => sum + row.cells[at], 0n)));
    const columns = cut([["workload", "Workload", "text"], ["tokens", "Tokens", "count"], ...main.map(({ name, at }) => [`kind_${at}`, name, "count"]), ["kind_rest", "other kinds", "count"]]);
    const total = rows.length ? add(rows, "total") : null;
    const others = (hidden) => add(hidden, `(${hidden.length} others)`);
    this.tables.write(byId("rows-tokens"), { id: "tokens", caption: `Tokens by workload, ${this.span}`, columns, rows: rows.map((row) => ({ ...row, cells: cut(row.cells) })), others, total });
  }

  // Calls, which are known of whole workloads.

  /** Workloads of the currency that lie wholly within the team and environment that are chosen. */
  wholeWorkloads() {
    const { data, state } = this;
    const { keys } = data.costs;
    const [inside, outside] = [new Set(), new Set()];
    const passes = state.passing(keys, ["team", "workload", "environment"]);
    for (let at = 0; at < passes.length; at++) {
      if (keys.currency[at] !== state.currency || !this.is(at, "usage")) continue;
      (passes[at] ? inside : outside).add(keys.workload[at]);
    }
    return new Set([...inside].filter((workload) => !outside.has(workload)));
  }

  /** Usage of whole workloads, on the basis of unit costs; the same whatever else is filtered. */
  wholeUsage() {
    const { data, state } = this;
    if (!this.unfiltered.has(state.currency)) {
      const { keys } = data.costs;
      const of = (at) => (keys.currency[at] === state.currency && this.is(at, "usage") ? keys.workload[at] : -1);
      const sums = new Sums(data.names.workload.length, data.days).add(data.costs.daily, of);
      this.unfiltered.set(state.currency, data.unit_is_shown ? sums : sums.add(data.costs.beyond, of));
    }
    return this.unfiltered.get(state.currency);
  }

  calls() {
    const { data, state } = this;
    const { keys, invocations, missed, units: business } = data.calls;
    const whole = this.wholeWorkloads();
    const usage = this.wholeUsage();
    const size = data.names.workload.length;
    const of = (at) => (keys.currency[at] === state.currency && whole.has(keys.workload[at]) ? keys.workload[at] : -1);
    const [calls, gaps, metric] = [invocations, missed, business].map((cells) => new Sums(size, data.days).add(cells, of));
    const isCounted = new Uint8Array(size * data.days);
    keys.workload.forEach((workload, at) => {
      if (of(at) < 0) return;
      for (let cell = invocations.starts[at]; cell < invocations.starts[at + 1]; cell++) isCounted[workload * data.days + invocations.buckets[cell]] = 1;
    });
    const rows = [];
    const [dayCosts, dayCalls] = [new Sums(1, this.days.length), new Sums(1, this.days.length)];
    for (const workload of whole) {
      const own = new Sums(1, 1);
      for (let at = 0; at < this.days.length; at++) {
        const place = workload * data.days + this.from + at;
        if (!isCounted[place]) continue;
        for (const part of ["whole", "rest"]) {
          const cost = usage[part][place] - gaps[part][place];
          own[part][0] += cost;
          dayCosts[part][at] += cost;
          dayCalls[part][at] += calls[part][place];
        }
      }
      const [number, units, total] = [calls, metric, usage].map((sums) => sums.over(workload, this.from, this.to));
      const cost = own.exact(0, 0);
      if (number !== 0n || units !== 0n) rows.push({ total, cells: [data.names.workload[workload], quotient(cost, number), number || null, quotient(cost, total), quotient(total, units)] });
    }
    rows.sort((a, b) => compare(a.total, b.total, true));
    const columns = [["workload", "Workload", "text"], ["per_invocation", "Per invocation", "unit"], ["invocations", "Invocations", "count"], ["covered", "of its cost", "percent"], ["per_unit", "Per business unit", "unit"]];
    const hasUnits = rows.some((row) => row.cells[4] !== null);
    const cut = (cells) => (hasUnits ? cells : cells.slice(0, 4));
    this.tables.write(byId("rows-calls"), { id: "calls", caption: `Cost per invocation, ${this.code}, ${this.span}`, columns: cut(columns), rows: rows.map((row) => ({ cells: cut(row.cells) })) });
    const byDay = (at) => quotient(dayCosts.exact(0, at), dayCalls.exact(0, at));
    const series = [{ name: `per invocation, ${this.code}`, colour: "c0", values: this.days.map((_, at) => byDay(at)), exact: byDay }];
    this.charts.show("calls", { days: series[0].values.some((value) => value !== null) ? this.days : [], series, look: "unit", summary: `Cost per counted invocation by day, ${this.code}, ${this.span}` });
  }

  // Days and what jumped.

  daily() {
    const { data, state } = this;
    const usage = this.usage(1, () => 0);
    const values = this.line((day) => usage.near(0, day));
    const seen = new Set();
    for (let at = 0; at < this.passes.length; at++) if (this.passes[at]) seen.add(data.costs.keys.workload[at]);
    const jumps = data.jumps.filter(([currency, workload, day]) => currency === state.currency && seen.has(workload) && day >= this.from && day <= this.to);
    const byDay = new Map();
    for (const [, , day, severity] of jumps) {
      const held = byDay.get(day - this.from) ?? { page: 0, warn: 0, note: 0 };
      held[severity] = (held[severity] ?? 0) + 1;
      byDay.set(day - this.from, held);
    }
    const worst = (at) => ["page", "warn", "note"].find((severity) => byDay.get(at)?.[severity]);
    const marks = ["page", "warn", "note"].map((severity) => ({
      name: severity,
      colour: severity,
      isPoint: true,
      look: "text",
      values: values.map((value, at) => (worst(at) === severity ? value : null)),
      exact: (at) => String(byDay.get(at)?.[severity] ?? 0),
    }));
    const series = [{ name: `Usage, ${this.code}`, colour: "c0", values, exact: (at) => usage.exact(0, this.from + at) }, ...marks];
    this.charts.show("daily", { days: this.days, series: values.some((value) => value !== 0) ? series : [], look: "money", summary: `Usage by day, ${this.code}, ${this.span}, with ${jumps.length} anomalies marked` });
    const rank = { page: 0, warn: 1, note: 2 };
    const rows = jumps.map(([, workload, day, severity, rule, increase]) => ({ severity, day, cells: [severity, data.first_day + day, data.names.workload[workload], rule, increase] }));
    rows.sort((a, b) => rank[a.severity] - rank[b.severity] || b.day - a.day || compare(a.cells[4], b.cells[4], true));
    const columns = [["severity", "Severity", "text"], ["day", "Day", "day"], ["workload", "Workload", "text"], ["rule", "Rule", "text"], ["increase", "Increase", "change"]];
    this.tables.write(byId("rows-daily"), { id: "daily", caption: `Listed days, ${this.code}, ${this.span}`, columns, rows });
  }
}
