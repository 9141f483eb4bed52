// Data: the cube of the page. An amount is two numbers, whole units and units of 1e-10, which sums of hundreds of
// thousands keep exact; what is shown is made a BigInt first.

const WHOLE = 1e10;

/** Bytes that hold numbers of any size, seven bits each. */
class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  /** The next number: a double while that is exact, else a BigInt. */
  next() {
    const start = this.at;
    let value = 0;
    let factor = 1;
    for (;;) {
      const byte = this.bytes[this.at++];
      value += (byte & 127) * factor;
      if (byte < 128) return value;
      factor *= 128;
      if (factor >= 2 ** 49) return this.large(start);
    }
  }

  large(start) {
    this.at = start;
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.bytes[this.at++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  }
}

async function inflate(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The filled buckets of all series: where each series begins, and for each cell its bucket and amount. */
async function unpack(packed, series) {
  const bytes = await inflate(packed.data);
  const [gapsAt, quotientsAt] = packed.starts;
  const heads = new Reader(bytes.subarray(0, gapsAt));
  const gaps = new Reader(bytes.subarray(gapsAt, quotientsAt));
  const quotients = new Reader(bytes.subarray(quotientsAt));
  const starts = new Int32Array(series + 1);
  const divisors = [];
  for (let at = 0; at < series; at++) {
    const cells = heads.next();
    starts[at + 1] = starts[at] + cells;
    divisors.push(cells ? heads.next() : 1);
  }
  const buckets = new Uint16Array(starts[series]);
  const whole = new Float64Array(starts[series]);
  const rest = new Float64Array(starts[series]);
  for (let at = 0; at < series; at++) {
    let bucket = 0;
    for (let cell = starts[at]; cell < starts[at + 1]; cell++) {
      bucket += gaps.next();
      buckets[cell] = bucket++;
      const amount = product(quotients.next(), divisors[at]);
      if (typeof amount === "number") {
        whole[cell] = Math.trunc(amount / WHOLE);
        rest[cell] = amount - whole[cell] * WHOLE;
      } else {
        whole[cell] = Number(amount / ONE);
        rest[cell] = Number(amount % ONE);
      }
    }
  }
  return { starts, buckets, whole, rest };
}

/** A quotient, whose lowest bit is the sign, times its divisor: a double while that is exact. */
function product(coded, divisor) {
  if (typeof coded === "number" && typeof divisor === "number") {
    const quotient = coded % 2 ? -(coded + 1) / 2 : coded / 2;
    const amount = quotient * divisor;
    if (Math.abs(amount) <= Number.MAX_SAFE_INTEGER) return amount;
  }
  const large = BigInt(coded);
  return (large % 2n ? -(large + 1n) / 2n : large / 2n) * BigInt(divisor);
}

/** Sums by group and bucket. */
class Sums {
  constructor(groups, buckets) {
    this.groups = groups;
    this.buckets = buckets;
    this.whole = new Float64Array(groups * buckets);
    this.rest = new Float64Array(groups * buckets);
  }

  /** Adds cells of the series that have a group; a group below 0 is left out. */
  add(cells, groupOf) {
    const { starts, buckets, whole, rest } = cells;
    for (let series = 0; series + 1 < starts.length; series++) {
      const group = groupOf(series);
      if (group < 0) continue;
      const base = group * this.buckets;
      for (let cell = starts[series]; cell < starts[series + 1]; cell++) {
        const at = base + buckets[cell];
        this.whole[at] += whole[cell];
        this.rest[at] += rest[cell];
      }
    }
    return this;
  }

  /** A sum, exactly. */
  exact(group, bucket) {
    const at = group * this.buckets + bucket;
    return BigInt(this.whole[at]) * ONE + BigInt(this.rest[at]);
  }

  /** The sum of some buckets, exactly. */
  over(group, from, to) {
    let whole = 0;
    let rest = 0;
    for (let at = group * this.buckets + from; at <= group * this.buckets + to; at++) {
      whole += this.whole[at];
      rest += this.rest[at];
    }
    return BigInt(whole) * ONE + BigInt(rest);
  }

  /** A sum as a number for a chart. */
  near(group, bucket) {
    const at = group * this.buckets + bucket;
    return this.whole[at] + this.rest[at] / WHOLE;
  }
}

/** The page's facts, unpacked. */
async function load() {
  const data = JSON.parse(byId("data").textContent);
  const costs = data.costs;
  const series = costs.keys.flags.length;
  for (const part of ["daily", "beyond", "months", "same_days"]) costs[part] = await unpack(costs[part], series);
  data.tokens.counts = await unpack(data.tokens.counts, data.tokens.keys.flags.length);
  for (const part of ["invocations", "missed", "haiku", "sonnet", "units"]) {
    data.calls[part] = await unpack(data.calls[part], data.calls.keys.workload.length);
  }
  for (const jump of data.jumps) jump[5] = units(jump[5]);
  for (const saving of data.savings) saving[3] = saving[3] === null ? null : units(saving[3]);
  data.stored = new Set(data.stored);
  data.causes = new Map(data.movers.map(([currency, workload, parts]) => [`${currency} ${workload}`, parts.map(units)]));
  return data;
}

/** Units of 1e-10 of a decimal text. */
function units(text) {
  const [whole, rest = ""] = text.replace("-", "").split(".");
  const size = BigInt(whole) * ONE + BigInt(rest.padEnd(10, "0").slice(0, 10));
  return text.startsWith("-") ? -size : size;
}
