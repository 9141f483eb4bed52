// State: what is filtered and sorted. It lives in the fragment, so that a link shows the same; a fragment may be
// anybody's, so that only what the page knows is taken from it.

const DIMENSIONS = ["team", "workload", "environment", "model", "currency"];
/** Values that are no names: their place at the beginning of each dimension. */
const RESERVED = { team: 2, workload: 3, environment: 2, model: 1, currency: 0, kind: 1 };
const LONGEST = 8000;
const ANY = -1;

class State {
  constructor(data) {
    this.data = data;
    this.clear();
  }

  /** Nothing filtered, everything in its first order. */
  clear() {
    for (const dimension of DIMENSIONS) this[dimension] = ANY;
    this.currency = this.data.names.currency.length ? 0 : ANY;
    this.from = this.data.first_day;
    this.to = this.data.last_day;
    this.by = this.data.by;
    this.sorts = new Map();
  }

  /** The name of a value in a link; what is no name is led by a colon. */
  code(dimension, value) {
    const name = this.data.names[dimension][value];
    if (value < RESERVED[dimension]) return `:${name}`;
    return name.startsWith(":") ? `:${name}` : name;
  }

  /** Takes a fragment; returns what in it is not known here. */
  read(fragment) {
    this.clear();
    if (fragment.length > LONGEST) return ["a link that is too long"];
    const unknown = [];
    for (const [key, value] of new URLSearchParams(fragment)) {
      if (!this.take(key, value)) unknown.push(key.slice(0, 40));
    }
    return unknown;
  }

  take(key, value) {
    if (DIMENSIONS.includes(key)) {
      const names = this.data.names[key];
      const found = names.findIndex((_, at) => this.code(key, at) === value);
      if (found < 0) return false;
      this[key] = found;
      return true;
    }
    if (key === "from" || key === "to") {
      const day = dayOf(value);
      if (day === null || this.data.last_day === null) return false;
      this[key] = Math.min(this.data.last_day, Math.max(this.data.first_day, day));
      if (this.from > this.to) [this.from, this.to] = [this.to, this.from];
      return true;
    }
    if (key === "by") {
      if (!["workload", "team", "environment", "model"].includes(value)) return false;
      this.by = value;
      return true;
    }
    const sort = /^sort\.([a-z_]{1,20})$/.exec(key);
    const order = /^(-?)([a-z0-9_]{1,40})$/.exec(value);
    if (!sort || !order) return false;
    this.sorts.set(sort[1], { key: order[2], isDown: order[1] === "-" });
    return true;
  }

  /** The fragment of a link that shows the same; empty where nothing is chosen. */
  fragment() {
    const chosen = new URLSearchParams();
    for (const dimension of DIMENSIONS) {
      const isFirst = dimension === "currency" ? this.currency <= 0 : this[dimension] === ANY;
      if (!isFirst) chosen.set(dimension, this.code(dimension, this[dimension]));
    }
    if (this.from !== this.data.first_day) chosen.set("from", dayText(this.from));
    if (this.to !== this.data.last_day) chosen.set("to", dayText(this.to));
    if (this.by !== this.data.by) chosen.set("by", this.by);
    for (const [table, { key, isDown }] of this.sorts) chosen.set(`sort.${table}`, `${isDown ? "-" : ""}${key}`);
    return chosen.toString();
  }

  write() {
    const fragment = this.fragment();
    if (fragment === location.hash.slice(1)) return;
    try {
      history.replaceState(null, "", fragment ? `#${fragment}` : location.pathname + location.search);
    } catch {
      location.hash = fragment;
    }
  }

  /** Whether some series pass; dimensions that are not named are not looked at. */
  passing(keys, dimensions) {
    const chosen = dimensions.filter((dimension) => this[dimension] !== ANY);
    const passes = new Uint8Array(keys.currency.length).fill(1);
    for (const dimension of chosen) {
      const values = keys[dimension];
      const wanted = this[dimension];
      for (let at = 0; at < passes.length; at++) if (values[at] !== wanted) passes[at] = 0;
    }
    return passes;
  }

  get hasDates() {
    return this.from !== this.data.first_day || this.to !== this.data.last_day;
  }

  /** First and last bucket of the chosen days; with steps of several days, those that lie wholly within. */
  buckets(step) {
    const { first_day: first, last_day: last, days } = this.data;
    if (step === 1) return [this.from - first, this.to - first];
    const buckets = Math.ceil(days / step);
    const fromEnd = (day) => last - day;
    const begin = buckets - Math.floor((fromEnd(this.from) + 1) / step);
    const end = buckets - 1 - Math.ceil(fromEnd(this.to) / step);
    return [this.from === first ? 0 : begin, end];
  }
}
