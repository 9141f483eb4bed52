//! Read: what the store says of every day of every workload, as a forecast needs it.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::metrics::queries::Query;
use crate::metrics::{Engine, Rows, Value};

/// Costs of days, and whether they go on: Usage that the bill keeps by hours or days does, all else is billed once.
const LINES: &str = "\
-- cost: billed_cost
with lines as (select billing_period, day, workload, [scope] as scope, billing_currency, \
case when coalesce(attribution_method, '') = 'not_allocable' then 1 else 0 end as is_not_allocable, \
case when grain <> 'month' then 1 else 0 end as has_day, \
case when charge_category = 'Usage' and grain <> 'month' then 1 else 0 end as is_usage, billed_cost from cost_daily) \
select billing_period, day, workload, scope, is_not_allocable, billing_currency, has_day, is_usage, \
sum(billed_cost) as cost from lines \
group by billing_period, day, workload, scope, is_not_allocable, billing_currency, has_day, is_usage";

/// Whose cost it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// `allocated`, `unattributed` or `not_allocable`.
    pub allocation: &'static str,
    /// The workload; the allocation where there is none.
    pub workload: String,
}

/// What somebody's lines of a day cost.
#[derive(Debug)]
pub(super) struct Line {
    pub month: String,
    pub day: i32,
    pub owner: Owner,
    pub has_day: bool,
    pub is_usage: bool,
    pub cost: i128,
}

/// All lines by currency.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The first stored day.
    pub first: i32,
    by_currency: BTreeMap<String, Vec<Line>>,
}

impl Lines {
    /// Reads the store.
    pub fn read(engine: &Engine) -> Result<Self> {
        Self::read_of(engine, "billing_currency", |_| true)
    }

    /// Reads the lines that have a wanted value in a column of `cost_daily`.
    pub fn read_of(engine: &Engine, column: &str, is_wanted: impl Fn(&str) -> bool) -> Result<Self> {
        let sql = LINES.replace("[scope]", column);
        let answer = engine.answer(&Query { name: "forecast".into(), sql })?;
        let [month, day, workload, currency, scope] =
            answer.columns(["billing_period", "day", "workload", "billing_currency", "scope"]);
        let [not_allocable, has_day, is_usage, cost] =
            answer.columns(["is_not_allocable", "has_day", "is_usage", "cost"]);
        let first = engine.days.first().map_or(0, |day| day.day);
        let mut lines = Self { first, by_currency: BTreeMap::new() };
        for row in 0..answer.height() {
            let Some(day) = answer.cell(row, day).day() else { continue };
            if engine.range.to.is_some_and(|to| day > to) || !is_wanted(answer.cell(row, scope).as_text()) {
                continue;
            }
            let is = |at| answer.cell(row, at) == Value::Count(1);
            let (allocation, workload) = match answer.cell(row, workload) {
                Value::Text(name) => ("allocated", name),
                _ if is(not_allocable) => ("not_allocable", "not_allocable"),
                _ => ("unattributed", "unattributed"),
            };
            let line = Line {
                month: answer.cell(row, month).as_text().to_string(),
                day,
                owner: Owner { allocation, workload: workload.to_string() },
                has_day: is(has_day),
                is_usage: is(is_usage),
                cost: answer.cell(row, cost).amount().unwrap_or(0),
            };
            lines.by_currency.entry(answer.cell(row, currency).shown().into_owned()).or_default().push(line);
        }
        Ok(lines)
    }

    /// Currencies of a month's bill.
    pub fn currencies(&self, month: &str) -> Vec<String> {
        let has = |lines: &&Vec<Line>| lines.iter().any(|line| line.month == month);
        self.by_currency.iter().filter(|(_, lines)| has(lines)).map(|(currency, _)| currency.clone()).collect()
    }

    /// All currencies.
    pub fn all_currencies(&self) -> impl Iterator<Item = &String> {
        self.by_currency.keys()
    }

    /// The lines in a currency.
    pub fn of(&self, currency: &str) -> &[Line] {
        self.by_currency.get(currency).map_or(&[], Vec::as_slice)
    }

    /// Usage of each owner by day, from the first stored day to the one before `until`.
    pub fn series(&self, currency: &str, until: i32) -> (Vec<&Owner>, Vec<Vec<f64>>) {
        let days = (until - self.first).max(0) as usize;
        let mut sums: BTreeMap<&Owner, Vec<i128>> = BTreeMap::new();
        for line in self.of(currency).iter().filter(|line| line.is_usage) {
            let Ok(day) = usize::try_from(line.day - self.first) else { continue };
            let held = sums.entry(&line.owner).or_insert_with(|| vec![0; days]);
            if let Some(sum) = held.get_mut(day) {
                *sum += line.cost;
            }
        }
        let costs = sums.values().map(|days| days.iter().map(|units| to_float(*units)).collect());
        (sums.keys().copied().collect(), costs.collect())
    }
}

/// An amount as statistics take it.
fn to_float(units: i128) -> f64 {
    units as f64 / crate::money::ONE as f64
}
