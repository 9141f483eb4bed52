//! Series: stored rows summed as the query `anomalies` reads them, and no more of them than it looks at.
//!
//! The query sums Usage by day and series before all else, and sums of sums are the same sums. Of days before the first
//! that is asked it looks at the same weekdays of four weeks, and at the last day on which a series had spend: whether
//! it had any, and how much. Of resources and principals it asks where a series appears, on that day and the one before.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use hashbrown::{HashMap, HashSet};
use polars::prelude::*;

use super::frames::dates;
use super::lines::{Keep, Lines, UNKNOWN, Wanted};
use crate::money::{PRECISION, SCALE};
use crate::schema::Table;

/// Days before a judged one that its weekday is compared with.
const WEEKDAYS: i32 = 28;

/// Usage that has a day.
pub(super) const USAGE: [Keep<'static>; 2] =
    [Keep::OneOf("charge_category", &["Usage"]), Keep::NoneOf("grain", &["month"])];

/// What is read of the facts to see who else paid for a resource or a role.
pub(super) const CARRIERS: Wanted<'static> = Wanted {
    table: Table::CostFacts,
    columns: &[
        "day",
        "workload",
        "attribution_method",
        "sub_account_id",
        "billing_currency",
        "resource_id",
        "principal_arn",
        "unblended_cost",
    ],
    keep: &[],
};

/// Workload, account where nobody owns it, currency; all by number.
type Series = [u32; 3];

/// Unblended cost of Usage by day and series.
pub(super) struct Sums<'a> {
    daily: &'a Lines,
    sums: HashMap<(i32, Series), i128>,
}

impl<'a> Sums<'a> {
    /// Sums the rows of `cost_daily`.
    pub fn of(daily: &'a Lines) -> Self {
        let [usage, monthly] =
            [("charge_category", "Usage"), ("grain", "month")].map(|(column, text)| daily.number(column, text));
        let [categories, grains, accounts, workloads, currencies] =
            ["charge_category", "grain", "sub_account_id", "workload", "billing_currency"]
                .map(|name| daily.numbers(name));
        let (days, costs, is_nobodys) = (daily.days(), daily.amounts("unblended_cost"), nobodys(daily));
        let mut sums: HashMap<(i32, Series), i128> = HashMap::new();
        for row in 0..daily.height() {
            let is_usage = categories[row] == usage && ![monthly, UNKNOWN].contains(&grains[row]);
            if is_usage && !is_nobodys(row) {
                let account = if workloads[row] == UNKNOWN { accounts[row] } else { UNKNOWN };
                let key = (days[row], [workloads[row], account, currencies[row]]);
                *sums.entry(key).or_default() += costs.of(row).unwrap_or(0);
            }
        }
        Self { daily, sums }
    }

    /// Of some days those on which a series has spend that had none the day before, and those days before; in order.
    pub fn appeared(&self, days: impl Iterator<Item = i32>) -> Vec<i32> {
        let days: HashSet<i32> = days.collect();
        let has_spend = |day: i32, series: Series| self.sums.get(&(day, series)).is_some_and(|cost| *cost > 0);
        let spent = self.sums.iter().filter(|((day, _), cost)| **cost > 0 && days.contains(day));
        let appeared = spent.filter(|((day, series), _)| !has_spend(day - 1, *series)).map(|((day, _), _)| *day);
        let found: BTreeSet<i32> = appeared.flat_map(|day| [day - 1, day]).collect();
        found.into_iter().collect()
    }

    /// Rows that say the same to the query as all of `cost_daily`, where it is asked of the days from `from` on.
    pub fn frame(&self, from: Option<i32>) -> PolarsResult<DataFrame> {
        let first = from.map_or(i32::MIN, |from| from - WEEKDAYS);
        let mut rows: Vec<(i32, Series, i128)> =
            self.sums.iter().map(|((day, series), cost)| (*day, *series, *cost)).collect();
        // The newest first, so that the first spend before the days that are kept is the last there was.
        rows.sort_unstable_by_key(|(day, series, _)| (Reverse(*day), *series));
        let mut has_last: HashSet<Series> = HashSet::new();
        rows.retain(|(day, series, cost)| *day >= first || (*cost > 0 && has_last.insert(*series)));
        let named = |at: usize, name: &str| named(self.daily, name, rows.iter().map(|(_, series, _)| series[at]));
        let columns = vec![
            dates(rows.iter().map(|(day, ..)| Some(*day)).collect(), "day")?,
            named(0, "workload"),
            named(1, "sub_account_id"),
            named(2, "billing_currency"),
            same("attribution_method", "unattributed", rows.len()),
            costs(rows.iter().map(|(.., cost)| Some(*cost)).collect())?,
        ];
        usage(rows.len(), columns)
    }
}

/// Rows that say the same to the query as those of `cost_facts` on their days. Their time is the day.
pub(super) fn carriers(lines: &Lines) -> PolarsResult<DataFrame> {
    let lines = lines.summed("unblended_cost");
    let [resources, principals] = ["resource_id", "principal_arn"].map(|name| lines.numbers(name));
    let is_nobodys = nobodys(&lines);
    let is_carried = |row: &usize| resources[*row] != UNKNOWN || principals[*row] != UNKNOWN;
    let rows: Vec<usize> = (0..lines.height()).filter(is_carried).filter(|row| !is_nobodys(*row)).collect();
    let named = |name: &str| {
        let numbers = lines.numbers(name);
        named(&lines, name, rows.iter().map(|row| numbers[*row]))
    };
    let amounts = lines.amounts("unblended_cost");
    let columns = vec![
        dates(rows.iter().map(|row| Some(lines.days()[*row])).collect(), "charge_period_start")?,
        named("workload"),
        named("attribution_method"),
        named("sub_account_id"),
        named("billing_currency"),
        named("resource_id"),
        named("principal_arn"),
        costs(rows.iter().map(|row| amounts.of(*row)).collect())?,
    ];
    usage(rows.len(), columns)
}

/// Whether a row is to be allocated to nobody.
fn nobodys(lines: &Lines) -> impl Fn(usize) -> bool + '_ {
    let (workloads, methods) = (lines.numbers("workload"), lines.numbers("attribution_method"));
    let method = lines.number("attribution_method", "not_allocable");
    move |row| workloads[row] == UNKNOWN && methods[row] == method
}

/// Rows that are all Usage of days.
fn usage(height: usize, mut columns: Vec<Column>) -> PolarsResult<DataFrame> {
    columns.extend([same("charge_category", "Usage", height), same("grain", "day", height)]);
    DataFrame::new(height, columns)
}

fn named(lines: &Lines, name: &str, numbers: impl Iterator<Item = u32>) -> Column {
    let texts = lines.texts(name);
    let texts: StringChunked = numbers.map(|number| texts.get(number as usize).map(String::as_str)).collect();
    Column::from(texts.with_name(name.into()).into_series())
}

fn same(name: &str, text: &str, height: usize) -> Column {
    Column::new_scalar(name.into(), Scalar::from(PlSmallStr::from(text)), height)
}

fn costs(units: Vec<Option<i128>>) -> PolarsResult<Column> {
    let units: Int128Chunked = units.into_iter().collect();
    let costs = units.with_name("unblended_cost".into()).into_decimal(PRECISION as usize, SCALE as usize)?;
    Ok(Column::from(costs.into_series()))
}
