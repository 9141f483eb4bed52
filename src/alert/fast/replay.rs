//! Replay: the fast clock's rules over stored history, hour by hour, as they would have seen each hour at its end.
//!
//! What metrics have measured is taken at what the bill says that it cost, by whole hours: the store does not keep
//! minutes. Only workloads and days of which there are metrics are replayed, since of others the fast clock sees
//! nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::judge::Hour;
use super::learn::ask;
use super::meter::{SLOT, Slots, Spent};
use super::usual::{Usual, WEEK, WEEKS};
use crate::alert::history::{History, Owner};
use crate::alert::rules::{Floors, Severity};
use crate::clock::{DAY, HOUR};
use crate::error::Result;
use crate::metrics::{Engine, Rows, Value};
use crate::money::ONE;

/// An hour that a rule would have alerted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hourly {
    /// Number of the series in the history.
    pub series: usize,
    /// The end of the hour, epoch seconds.
    pub end: i64,
    /// The rules.
    pub rules: Vec<&'static str>,
    /// Whether it pages.
    pub pages: bool,
}

/// Hours of a workload: cost of each from the first stored hour on, units of 1e-10.
type Costs = BTreeMap<usize, Vec<i128>>;

/// Every hour that warns or pages, from a day on.
///
/// # Errors
/// Where the store cannot be read.
pub fn replay(engine: &Engine, history: &History, floors: &Floors, ratio: i128, from: i32) -> Result<Vec<Hourly>> {
    let measured = measured(engine, history)?;
    let mut found = Vec::new();
    for (series, costs) in costs(engine, history, &measured)? {
        for day in history.number(from).unwrap_or(0).max(8)..history.days {
            if measured.contains(&(series, day)) {
                found.extend(of_day(history, series, &costs, day, floors, ratio));
            }
        }
    }
    Ok(found)
}

/// A day of a workload, hour by hour, against the weeks before it.
fn of_day(history: &History, series: usize, costs: &[i128], day: usize, floors: &Floors, ratio: i128) -> Vec<Hourly> {
    let first = (day * 24).saturating_sub(WEEKS * WEEK);
    let before: Vec<f64> = costs[first..day * 24].iter().map(|cost| *cost as f64 / ONE as f64).collect();
    let begun = before.iter().position(|cost| *cost > 0.0).map(|hour| hour / 24 * 24);
    let start = i64::from(history.first) * DAY;
    let midnight = start + day as i64 * DAY;
    let usual = begun.map(|begun| Usual::of(&before[begun..], midnight));
    let mut found = Vec::new();
    for hour in day * 24..(day + 1) * 24 {
        let end = start + (hour as i64 + 1) * HOUR;
        let last = |hours: usize| hour.saturating_sub(hours - 1)..=hour;
        let slots: Slots = last(2).flat_map(|hour| slots(start + hour as i64 * HOUR, costs[hour])).collect();
        let past = last(48).map(|hour| (start + hour as i64 * HOUR, costs[hour])).collect();
        let judged = Hour { slots: &slots, past: &past, usual: usual.as_ref(), end, ratio, floors };
        if let Some(seen) = judged.judge().filter(|seen| seen.severity > Severity::Note) {
            found.push(Hourly { series, end, rules: seen.rules, pages: seen.severity == Severity::Page });
        }
    }
    found
}

/// An hour as even slots.
fn slots(from: i64, cost: i128) -> impl Iterator<Item = (i64, Spent)> {
    let count = HOUR / SLOT;
    (0..count).map(move |slot| (from + slot * SLOT, Spent { cost: cost / i128::from(count), ..Spent::default() }))
}

/// Workloads and days of which there are metrics, by their numbers.
fn measured(engine: &Engine, history: &History) -> Result<BTreeSet<(usize, usize)>> {
    const SQL: &str = "\
        with lines as (select cast(charge_period_start as date) as day, workload from usage \
        where workload is not null and cast(charge_period_start as date) in (select day from asked_days)) \
        select day, workload from lines group by day, workload";
    let last = history.first + history.days as i32 - 1;
    let answer = ask(engine, "replayed days", SQL, last, history.days as i32)?;
    let [day, workload] = answer.columns(["day", "workload"]);
    let mut measured = BTreeSet::new();
    for row in 0..answer.height() {
        let Some(day) = answer.cell(row, day).day().and_then(|day| history.number(day)) else { continue };
        let name = answer.cell(row, workload).as_text();
        let of_name = history.owners.iter().enumerate().filter(|(_, owner)| owner.workload == name);
        measured.extend(of_name.map(|(series, _)| (series, day)));
    }
    Ok(measured)
}

fn costs(engine: &Engine, history: &History, measured: &BTreeSet<(usize, usize)>) -> Result<Costs> {
    const SQL: &str = "\
        with lines as (select charge_period_start, workload, billing_currency, unblended_cost from cost_facts \
        where REAL_TIME and grain = 'hour' and workload is not null \
        and cast(charge_period_start as date) in (select day from asked_days)) \
        select charge_period_start, workload, billing_currency, sum(unblended_cost) as cost from lines \
        group by charge_period_start, workload, billing_currency";
    let mut all = Costs::new();
    if measured.is_empty() {
        return Ok(all);
    }
    let last = history.first + history.days as i32 - 1;
    let answer = ask(engine, "replayed hours", SQL, last, history.days as i32)?;
    let [time, workload, currency, cost] =
        answer.columns(["charge_period_start", "workload", "billing_currency", "cost"]);
    let wanted: BTreeSet<usize> = measured.iter().map(|(series, _)| *series).collect();
    for row in 0..answer.height() {
        let Value::Time(micros) = answer.cell(row, time) else { continue };
        let hour = (micros.div_euclid(1_000_000) - i64::from(history.first) * DAY) / HOUR;
        let text = |at| answer.cell(row, at).as_text().to_string();
        let owner = Owner { workload: text(workload), account: String::new(), currency: text(currency) };
        let Some(series) = history.series(&owner).filter(|series| wanted.contains(series)) else { continue };
        let costs = all.entry(series).or_insert_with(|| vec![0; history.days * 24]);
        if let Some(held) = usize::try_from(hour).ok().and_then(|hour| costs.get_mut(hour)) {
            *held += answer.cell(row, cost).amount().unwrap_or(0);
        }
    }
    Ok(all)
}
