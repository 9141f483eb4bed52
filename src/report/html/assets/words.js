// Words: numbers as people read them. Amounts are BigInt in units of 1e-10 and are rounded once, half-even, as
// the command line does; what is unknown is a dash, never a zero.

const ONE = 10n ** 10n;
const UNKNOWN = "–";

/** A BigInt divided by a unit, rounded half-even. */
function rounded(value, unit) {
  const size = value < 0n ? -value : value;
  let whole = size / unit;
  const rest = (size % unit) * 2n;
  if (rest > unit || (rest === unit && whole % 2n === 1n)) whole += 1n;
  return value < 0n ? -whole : whole;
}

function grouped(value) {
  const digits = (value < 0n ? -value : value).toString().replace(/\B(?=(\d{3})+$)/g, ",");
  return value < 0n ? `-${digits}` : digits;
}

/** Money to the cent. */
function money(units) {
  if (units === null) return UNKNOWN;
  const cents = rounded(units, ONE / 100n);
  const size = cents < 0n ? -cents : cents;
  const sign = cents < 0n ? "-" : "";
  return `${sign}${grouped(size / 100n)}.${String(size % 100n).padStart(2, "0")}`;
}

/** Money with its sign. */
function change(units) {
  if (units === null) return UNKNOWN;
  return rounded(units, ONE / 100n) > 0n ? `+${money(units)}` : money(units);
}

function count(units) {
  return units === null ? UNKNOWN : grouped(rounded(units, ONE));
}

/** A number to some places; of two that are as near the even one, as the command line has it. */
function fixed(value, places) {
  const near = value.toFixed(places);
  // All digits of a double of this size: a tie is seen, not guessed.
  const exact = Math.abs(value).toFixed(60);
  const rest = exact.slice(exact.indexOf(".") + 1 + places);
  if (!/^50*$/.test(rest)) return near;
  const cut = exact.slice(0, exact.length - rest.length).replace(/\.$/, "");
  const isEven = "02468".includes(cut[cut.length - 1]);
  return isEven ? (value < 0 ? `-${cut}` : cut) : near;
}

/** A ratio as percent to one place. */
function percent(ratio) {
  return ratio === null ? UNKNOWN : `${fixed(ratio * 100, 1)} %`;
}

/** A change as percent, with its sign. */
function growth(now, before) {
  if (before === null || before <= 0n) return "";
  const ratio = Number(now - before) / Number(before);
  const text = percent(ratio);
  return ratio > 0 && text !== "0.0 %" ? ` (+${text})` : ` (${text.replace("-0.0", "0.0")})`;
}

function ratio(value) {
  return value === null ? UNKNOWN : fixed(value, 2);
}

/** A cost per unit to four significant digits. */
function unitCost(value) {
  if (value === null) return UNKNOWN;
  if (value === 0) return "0";
  const places = Math.min(12, Math.max(2, 3 - Math.floor(Math.log10(Math.abs(value)))));
  return fixed(value, places);
}

/** The quotient of two amounts; unknown where there is nothing to divide by. */
function quotient(part, whole) {
  return part === null || whole === null || whole === 0n ? null : Number(part) / Number(whole);
}

/** A day number as a date, UTC. */
function dayText(day) {
  return new Date(day * 86_400_000).toISOString().slice(0, 10);
}

/** The day number of a date; null where the text is none. */
function dayOf(text) {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return null;
  const time = Date.parse(`${text}T00:00:00Z`);
  return Number.isNaN(time) || new Date(time).toISOString().slice(0, 10) !== text ? null : time / 86_400_000;
}

/** A number for an axis: short, since the table beside it is exact. */
function short(value) {
  const size = Math.abs(value);
  for (const [unit, letter] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (size >= unit) return `${Number((value / unit).toPrecision(3))}${letter}`;
  }
  return String(Number(value.toPrecision(3)));
}

/** How a column of each look is written, and whether it holds numbers. */
const LOOKS = new Map([
  ["text", { write: (value) => (value === null ? UNKNOWN : value), isNumber: false }],
  ["day", { write: (value) => (value === null ? UNKNOWN : dayText(value)), isNumber: false }],
  ["money", { write: money, isNumber: true }],
  ["change", { write: change, isNumber: true }],
  ["count", { write: count, isNumber: true }],
  ["percent", { write: percent, isNumber: true }],
  ["ratio", { write: ratio, isNumber: true }],
  ["unit", { write: unitCost, isNumber: true }],
]);

/** An element with attributes and children; texts are texts, never markup. */
function el(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

function byId(id) {
  return document.getElementById(id);
}
