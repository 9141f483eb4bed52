//! Totals: which columns of a figure add up, what they come to, and the formulas that say so.
//!
//! A total is of one currency, and of one month where a figure is by month. The formula adds the sheet's own cells and
//! rounds away what doubles add of their own; what stands in the cell until somebody reckons is the exact sum.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::cell::{is_number, nearest, safe, serial};
use crate::clock;
use crate::metrics::{Rows, Value};
use crate::money;

/// Columns of which a sum says something.
const ADDITIVE: [&str; 34] = [
    "cost",
    "cost_same_days",
    "previous_month_cost_same_days",
    "usage_cost",
    "purchase_cost",
    "tax_cost",
    "credit_cost",
    "adjustment_cost",
    "other_cost",
    "workload_cost",
    "team_cost",
    "environment_cost",
    "cost_center_cost",
    "one_model_cost",
    "model_tag_cost",
    "haiku_cost",
    "sonnet_cost",
    "haiku_tokens",
    "sonnet_tokens",
    "tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "input_tokens",
    "net_saving",
    "cost_counted",
    "cost_total",
    "own_cost",
    "spread_cost",
    "compliant_cost",
    "exempt_cost",
    "debt",
    "bill_cost",
    "cost_explorer_cost",
    "difference",
];

/// Columns that are a quotient of sums: name, dividend, divisors.
const RATIOS: [(&str, &str, &[&str]); 10] = [
    ("workload_share", "workload_cost", &["cost"]),
    ("team_share", "team_cost", &["cost"]),
    ("environment_share", "environment_cost", &["cost"]),
    ("cost_center_share", "cost_center_cost", &["cost"]),
    ("model_tag_share", "model_tag_cost", &["one_model_cost"]),
    ("cost_per_invocation", "cost_counted", &["invocations"]),
    ("covered_share", "cost_counted", &["cost_total"]),
    ("ratio_by_cost", "haiku_cost", &["sonnet_cost"]),
    ("ratio_by_tokens", "haiku_tokens", &["sonnet_tokens"]),
    ("hit_rate", "cache_read_tokens", &["cache_read_tokens", "cache_write_tokens", "input_tokens"]),
];

/// Whether the sum of a column says something. Costs of what jumped are no part of a whole.
fn adds_up(figure: &str, column: &str) -> bool {
    figure != "anomalies" && (ADDITIVE.contains(&column) || column == "invocations")
}

/// Columns of a figure whose sums say something and are exact: what is known of them is all whole or decimal.
pub fn additive(figure: &str, rows: &dyn Rows) -> Vec<usize> {
    let is_exact = |at: usize| (0..rows.height()).map(|row| rows.value(row, at)).all(can_add);
    summable(figure, rows).filter(|at| is_exact(*at)).collect()
}

/// Columns that would add up were they not of doubles, or of something that is no number.
pub fn inexact(figure: &str, rows: &dyn Rows) -> Vec<String> {
    let added = additive(figure, rows);
    summable(figure, rows).filter(|at| !added.contains(at)).map(|at| rows.names()[at].clone()).collect()
}

fn summable<'a>(figure: &'a str, rows: &'a dyn Rows) -> impl Iterator<Item = usize> + 'a {
    let names = rows.names();
    (0..names.len()).filter(move |at| adds_up(figure, &names[*at]))
}

fn can_add(value: Value<'_>) -> bool {
    value == Value::Null || value.amount().is_some()
}

/// A column that is a quotient of sums, the same on sheets and in charts.
#[derive(Debug, Clone, Copy)]
pub struct Ratio {
    column: &'static str,
    dividend: &'static str,
    divisors: &'static [&'static str],
}

/// The quotient of sums that a column is, if it is one.
pub fn ratio(column: &str) -> Option<Ratio> {
    let (column, dividend, divisors) = *RATIOS.iter().find(|(name, ..)| *name == column)?;
    Some(Ratio { column, dividend, divisors })
}

impl Ratio {
    /// Columns that are summed: the dividend, then the divisors.
    pub fn parts(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.dividend).chain(self.divisors.iter().copied())
    }

    /// Whether only rows count that have the quotient: models that cannot cache have no rate.
    pub fn is_of_known(&self) -> bool {
        self.column == "hit_rate"
    }

    /// Whether a row counts that has this quotient. Every number does, a negative one too, as in the formula.
    pub fn takes(&self, quotient: Value<'_>) -> bool {
        !self.is_of_known() || is_number(quotient)
    }
}

/// The quotient of what parts come to, the dividend first; unknown where a part is, and by nothing nothing is divided.
pub fn quotient(parts: &[Option<i128>]) -> Option<f64> {
    let known: Vec<i128> = parts.iter().copied().collect::<Option<_>>()?;
    let (dividend, divisors) = known.split_first()?;
    let whole: i128 = divisors.iter().sum();
    (whole != 0).then(|| *dividend as f64 / whole as f64)
}

/// What a total is of: newest month first.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// First day of the month, where the figure is by month.
    pub month: Option<Reverse<i32>>,
    /// Currency, where the figure has one; empty where the bill names none.
    pub currency: Option<String>,
}

/// A sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    /// Units of 1e-10.
    pub units: i128,
    /// Without signs, which says how much doubles may be off.
    pub size: i128,
    /// Rows that are known.
    pub known: u32,
}

impl Sum {
    /// Adds an amount.
    pub fn add(&mut self, units: i128) {
        self.units = self.units.saturating_add(units);
        self.size = self.size.saturating_add(units.saturating_abs());
        self.known += 1;
    }

    /// Places to which a sum of doubles is sure: their errors walk like drunkards.
    pub fn places(&self) -> i8 {
        let size = self.size as f64 / money::ONE as f64;
        let error = 5e-16 * size * f64::from(self.known).sqrt();
        if error == 0.0 { money::SCALE } else { (-error.log10()).floor().clamp(2.0, 10.0) as i8 }
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &Self) {
        self.units = self.units.saturating_add(other.units);
        self.size = self.size.saturating_add(other.size);
        self.known += other.known;
    }

    /// The sum to those places, halves away from zero as spreadsheets round; units of 1e-10.
    pub fn rounded(&self) -> i128 {
        let step = 10_i128.pow((money::SCALE - self.places()).unsigned_abs().into());
        let half = step / 2 * self.units.signum();
        self.units.saturating_add(half) / step * step
    }

    /// What a formula comes to that rounds to those places.
    pub fn result(&self) -> f64 {
        nearest(self.rounded())
    }
}

/// The sums of a figure.
#[derive(Debug, Clone, Default)]
pub struct Sums {
    /// By key: rows, sums by column, and sums over the rows whose quotient is known.
    pub by_key: BTreeMap<Key, Group>,
    /// Whether the figure is by month.
    pub is_by_month: bool,
}

/// The sums of one key.
#[derive(Debug, Clone, Default)]
pub struct Group {
    /// Rows.
    pub rows: u32,
    /// Sums by column.
    pub sums: BTreeMap<usize, Sum>,
    /// Of rows that have a quotient of known rows alone, sums by that column and the other.
    pub known: BTreeMap<(usize, usize), Sum>,
}

/// The key columns of a figure.
pub fn key_columns(rows: &dyn Rows) -> [Option<usize>; 2] {
    ["month", "billing_currency"].map(|name| rows.names().iter().position(|column| column == name))
}

impl Sums {
    /// Adds up the columns that can be.
    pub fn of(figure: &str, rows: &dyn Rows) -> Self {
        let names = rows.names();
        let additive = additive(figure, rows);
        let quotients: Vec<(usize, Ratio)> =
            (0..names.len()).filter_map(|at| Some((at, ratio(&names[at]).filter(Ratio::is_of_known)?))).collect();
        let [month, currency] = key_columns(rows);
        let mut by_key: BTreeMap<Key, Group> = BTreeMap::new();
        for row in 0..rows.height() {
            let key = Key {
                month: month
                    .and_then(|at| clock::month_range(rows.value(row, at).as_text()))
                    .map(|(day, _)| Reverse(day)),
                currency: currency.map(|at| rows.value(row, at).as_text().to_string()),
            };
            let group = by_key.entry(key).or_default();
            group.rows += 1;
            for at in &additive {
                let Some(units) = rows.value(row, *at).amount() else { continue };
                group.sums.entry(*at).or_default().add(units);
                for (quotient, _) in quotients.iter().filter(|(of, ratio)| ratio.takes(rows.value(row, *of))) {
                    group.known.entry((*quotient, *at)).or_default().add(units);
                }
            }
        }
        Self { by_key, is_by_month: month.is_some() }
    }

    /// The keys that have a total. Rows without a month of a figure by month have none: a formula without a month would
    /// add all months.
    pub fn totals(&self) -> impl Iterator<Item = (&Key, &Group)> {
        self.by_key.iter().filter(|(key, _)| key.month.is_some() || !self.is_by_month)
    }
}

/// Which rows a formula adds, beside those of its key.
#[derive(Debug, Clone, Copy)]
pub enum Condition<'a> {
    /// Those whose column is this text.
    Is(&'a str, &'a str),
    /// Those whose column is a number.
    IsNumber(&'a str),
}

/// Cells of a sheet that formulas look at.
#[derive(Debug, Clone, Default)]
pub struct Ranges {
    /// By column name: the range, with its sheet.
    pub columns: BTreeMap<String, String>,
    /// Every currency, so that no criterion takes one for another.
    pub currencies: Vec<String>,
}

impl Ranges {
    /// The sum of a column for a key and other conditions, without `=`. Criteria of SUMIFS read `<`, `=`, `*` and the
    /// like and ignore case, so that only plain codes of currencies and texts of ours are such; and none is met by all
    /// numbers and nothing else.
    pub fn sum(&self, column: &str, key: &Key, others: &[Condition<'_>]) -> Option<String> {
        let values = self.columns.get(column)?;
        let mut criteria = String::new();
        let mut exact = String::new();
        let mut is_plain = true;
        for condition in others {
            match condition {
                Condition::Is(name, wanted) => {
                    let range = self.columns.get(*name)?;
                    criteria.push_str(&format!(",{range},\"{wanted}\""));
                    exact.push_str(&format!("--EXACT({range},\"{wanted}\"),"));
                }
                Condition::IsNumber(name) => {
                    is_plain = false;
                    exact.push_str(&format!("--ISNUMBER({}),", self.columns.get(*name)?));
                }
            }
        }
        if let Some(Reverse(day)) = key.month {
            let (range, day) = (self.columns.get("month")?, serial(day)?);
            criteria.push_str(&format!(",{range},{day}"));
            exact.push_str(&format!("--({range}={day}),"));
        }
        if let Some(currency) = &key.currency {
            let range = self.columns.get("billing_currency")?;
            // A formula holds no longer text, and none that XML cannot.
            if currency.len() > 200 || safe(currency) != *currency {
                return None;
            }
            is_plain &= self.is_plain(currency);
            criteria.push_str(&format!(",{range},\"{currency}\""));
            exact.push_str(&format!("--EXACT({range},\"{}\"),", currency.replace('"', "\"\"")));
        }
        Some(match () {
            () if exact.is_empty() => format!("SUM({values})"),
            () if is_plain => format!("SUMIFS({values}{criteria})"),
            () => format!("SUMPRODUCT({exact}{values})"),
        })
    }

    fn is_plain(&self, currency: &str) -> bool {
        let is_code = currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_uppercase());
        is_code && self.currencies.iter().filter(|other| other.eq_ignore_ascii_case(currency)).count() == 1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::{Cell, Grid};

    fn ranges(currencies: &[&str]) -> Ranges {
        let columns = [("cost", "S!$C$5:$C$9"), ("month", "S!$A$5:$A$9"), ("billing_currency", "S!$B$5:$B$9")];
        Ranges {
            columns: columns.map(|(name, range)| (name.into(), range.into())).into(),
            currencies: currencies.iter().map(|one| (*one).to_string()).collect(),
        }
    }

    fn key(currency: &str) -> Key {
        Key { month: None, currency: Some(currency.into()) }
    }

    #[test]
    fn only_plain_codes_are_criteria() {
        let both = ranges(&["USD", "usd", "EUR", "<>", ""]);
        let sum = |currency: &str| both.sum("cost", &key(currency), &[]).expect("a formula");
        assert_eq!(sum("EUR"), "SUMIFS(S!$C$5:$C$9,S!$B$5:$B$9,\"EUR\")");
        assert_eq!(sum("USD"), "SUMPRODUCT(--EXACT(S!$B$5:$B$9,\"USD\"),S!$C$5:$C$9)");
        assert!(sum("<>").starts_with("SUMPRODUCT") && sum("").starts_with("SUMPRODUCT"));
        assert_eq!(both.sum("cost", &Key::default(), &[]), Some("SUM(S!$C$5:$C$9)".into()));
        assert_eq!(both.sum("no_such", &Key::default(), &[]), None);
        assert_eq!(both.sum("cost", &key(&"X".repeat(300)), &[]), None, "no formula holds it");
    }

    #[test]
    fn sums_are_by_month_and_currency_and_of_what_is_known() {
        let row = |month: &str, currency: &str, units: Option<i128>| {
            let cost = units.map_or(Cell::Null, |units| Cell::Decimal(units, money::SCALE));
            vec![Cell::Text(month.into()), Cell::Text(currency.into()), cost]
        };
        let rows = vec![row("2026-11", "USD", Some(5)), row("2026-11", "EUR", None), row("2026-11", "USD", Some(-7))];
        let columns = ["month", "billing_currency", "cost"].map(String::from).to_vec();
        let sums = Sums::of("spend_by_team", &Grid { columns, rows });
        let found: Vec<_> =
            sums.by_key.values().map(|group| group.sums.get(&2).map(|sum| (sum.units, sum.size))).collect();
        assert_eq!(found, [None, Some((-2, 12))]);
    }

    #[test]
    fn rows_without_a_month_have_no_total_where_others_have_one() {
        let row = |month: Cell, units| vec![month, Cell::Text("USD".into()), Cell::Decimal(units, money::SCALE)];
        let known = Cell::Text("2026-11".into());
        let mut grid = Grid {
            columns: ["month", "billing_currency", "cost"].map(String::from).to_vec(),
            rows: vec![row(known, 5), row(Cell::Null, 7), row(Cell::Text("soon".into()), 8)],
        };
        let sums = Sums::of("spend_by_team", &grid);
        let found: Vec<i128> = sums.totals().map(|(_, group)| group.sums[&2].units).collect();
        assert_eq!(found, [5], "the rest has no month");
        grid.columns[0] = "team".into();
        assert_eq!(Sums::of("spend_by_team", &grid).totals().count(), 1, "the figure is not by month");
    }

    #[test]
    fn doubles_are_no_totals() {
        let row = |cost: f64, tokens: i128| vec![Cell::Float(cost), Cell::Decimal(tokens, 0), Cell::Null];
        let columns = ["cost", "tokens", "debt"].map(String::from).to_vec();
        let grid = Grid { columns, rows: vec![row(0.5, 1), row(1.5, 2)] };
        assert_eq!(additive("x", &grid), [1, 2]);
        assert_eq!(inexact("x", &grid), ["cost"]);
        let sums = Sums::of("x", &grid);
        assert_eq!(sums.by_key[&Key::default()].sums.keys().copied().collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn every_number_is_a_rate_that_counts_and_nothing_else_is() {
        let row = |rate: Cell, read: i128| {
            let tokens = |count: i128| Cell::Decimal(count, 0);
            vec![Cell::Text("USD".into()), tokens(read), tokens(0), tokens(10), rate]
        };
        let rates = [Cell::Float(-0.5), Cell::Float(0.5), Cell::Null, Cell::Float(f64::INFINITY)];
        let rows = rates.into_iter().zip([-3, 5, 100, 1000]).map(|(rate, read)| row(rate, read)).collect();
        let columns = ["billing_currency", "cache_read_tokens", "cache_write_tokens", "input_tokens", "hit_rate"];
        let sums = Sums::of("cache_hit_rate", &Grid { columns: columns.map(String::from).to_vec(), rows });
        let group = &sums.by_key[&key("USD")];
        assert_eq!([1, 3].map(|at| group.known[&(4, at)].units / money::ONE), [2, 20]);
        let mut sheet = ranges(&["USD"]);
        sheet.columns.insert("hit_rate".into(), "S!$D$5:$D$9".into());
        assert_eq!(
            sheet.sum("cost", &key("USD"), &[Condition::IsNumber("hit_rate")]).expect("a formula"),
            "SUMPRODUCT(--ISNUMBER(S!$D$5:$D$9),--EXACT(S!$B$5:$B$9,\"USD\"),S!$C$5:$C$9)"
        );
        assert_eq!(quotient(&[Some(2), Some(0), Some(20)]), Some(0.1));
        assert_eq!([quotient(&[Some(2), None]), quotient(&[Some(2), Some(0)]), quotient(&[])], [None; 3]);
    }

    proptest! {
        #[test]
        fn doubles_that_are_added_and_rounded_are_the_exact_sum(
            amounts in prop::collection::vec(prop_oneof![-10_i128.pow(10)..10_i128.pow(10), 0..10_i128.pow(16)], 1..2000)
        ) {
            let mut sum = Sum::default();
            amounts.iter().for_each(|units| sum.add(*units));
            let added: f64 = amounts.iter().map(|units| nearest(*units)).sum();
            let factor = 10_f64.powi(sum.places().into());
            let off = ((added - sum.result()) * factor).abs();
            // Half a step is what rounding takes away.
            prop_assert!(off < 0.7, "{added} {} {}", sum.result(), sum.places());
        }
    }
}
