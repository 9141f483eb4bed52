//! Band: how far the estimate of a day was from its bill, on the stored days that have both.
//!
//! Each day is estimated as it would have been at its time: its measured tokens at the rates of the days before it.
//! What metrics do not see of a workload, batch jobs and what is no tokens, is taken to be what it was lately.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::learn::{RATE_DAYS, ask};
use super::rates::{Asked, Bought, Rates};
use crate::alert::baseline::median;
use crate::classify::TOKEN_KINDS;
use crate::error::Result;
use crate::metrics::{Answer, Engine, Rows, Value};
use crate::money::ONE;

/// Days that are estimated once more.
pub const DAYS: i32 = 28;
/// Days of a workload by which its usual gap is known.
const GAP_DAYS: usize = 7;
/// Days on which a band of the days before them is judged.
const JUDGED: i32 = 7;
/// From so much a day on, units of 1e-10, a workload's days say how good estimates are.
const LEAST: i128 = 10 * ONE;
/// The share of days that the band must have covered.
const COVERED: f64 = 0.95;

/// How far estimates were from the bill.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// Days of workloads that were estimated, each of ten or more a day.
    pub days: usize,
    /// Half of them were at most so far off, as a share of the bill.
    pub median: Option<f64>,
    /// Nineteen of twenty of all but the last seven days were.
    pub width: Option<f64>,
    /// Share of the last seven days that were within that.
    pub covered: Option<f64>,
    /// By workload: bill over measured, and what is not measured a day, units of 1e-10.
    pub gaps: BTreeMap<String, (f64, i128)>,
}

impl Band {
    /// An amount's least and most, where the band is known.
    pub fn around(&self, amount: i128) -> Option<(i128, i128)> {
        let part = (amount as f64 * self.width?) as i128;
        Some((amount - part, amount + part))
    }
}

/// A workload's days: measured cost, real-time bill and whole bill of each; units of 1e-10.
type Days = BTreeMap<i32, [i128; 3]>;

/// Estimates the stored days once more, by what each day and those before it bought.
///
/// # Errors
/// Where the store cannot be read.
pub fn band(engine: &Engine, last: i32, bought: &[(i32, Bought)]) -> Result<Band> {
    let mut workloads = billed(engine, last)?;
    measure(engine, last, bought, &mut workloads)?;
    let (mut errors, mut lately): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
    let mut gaps = BTreeMap::new();
    for (workload, days) in &workloads {
        for (day, [measured, _, bill]) in days.iter().filter(|(_, [measured, ..])| *measured > 0) {
            let before: Vec<&[i128; 3]> = days.range(..day).rev().take(GAP_DAYS).map(|(_, costs)| costs).collect();
            if before.len() < GAP_DAYS || *bill < LEAST {
                continue;
            }
            let (factor, rest) = gap(&before);
            let estimate = *measured as f64 * factor + rest as f64;
            let error = (estimate - *bill as f64).abs() / *bill as f64;
            if *day > last - JUDGED { lately.push(error) } else { errors.push(error) }
        }
        let newest: Vec<&[i128; 3]> = days.values().rev().take(GAP_DAYS).collect();
        if newest.iter().any(|[measured, ..]| *measured > 0) {
            gaps.insert(workload.clone(), gap(&newest));
        }
    }
    errors.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| errors.get(((errors.len() as f64 * share).ceil() as usize).saturating_sub(1)).copied();
    // A band of a few days would be a guess, and none is narrower than a percent.
    let width = at(COVERED).filter(|_| errors.len() >= 2 * GAP_DAYS).map(|width| width.max(0.01));
    let within = |width: f64| lately.iter().filter(|error| **error <= width).count() as f64 / lately.len() as f64;
    let covered = width.filter(|_| !lately.is_empty()).map(within);
    Ok(Band { days: errors.len() + lately.len(), median: at(0.5), width, covered, gaps })
}

/// The usual ratio of bill to measured, and what is not measured on a day.
fn gap(days: &[&[i128; 3]]) -> (f64, i128) {
    let ratios = days.iter().filter(|[measured, ..]| *measured > 0);
    let mut ratios: Vec<f64> = ratios.map(|[measured, seen, _]| *seen as f64 / *measured as f64).collect();
    let mut rests: Vec<f64> = days.iter().map(|[_, seen, bill]| (bill - seen) as f64).collect();
    // Beyond twice and half nothing was measured that the bill would know.
    let factor = median(&mut ratios).filter(|ratio| (0.5..=2.0).contains(ratio)).unwrap_or(1.0);
    (factor, median(&mut rests).unwrap_or(0.0) as i128)
}

/// What each workload's days cost, by the bill: in real time, and all.
fn billed(engine: &Engine, last: i32) -> Result<BTreeMap<String, Days>> {
    const SQL: &str = "\
        with lines as (select day, workload, unblended_cost, case when REAL_TIME then unblended_cost end as seen \
        from cost_daily where charge_category = 'Usage' and grain <> 'month' and workload is not null \
        and day in (select day from asked_days)) \
        select day, workload, sum(seen) as seen, sum(unblended_cost) as bill from lines group by day, workload";
    let answer = ask(engine, "fast days", SQL, last, DAYS)?;
    let [day, workload, seen, bill] = answer.columns(["day", "workload", "seen", "bill"]);
    let mut workloads: BTreeMap<String, Days> = BTreeMap::new();
    for row in 0..answer.height() {
        let Some(day) = answer.cell(row, day).day() else { continue };
        let amount = |at| answer.cell(row, at).amount().unwrap_or(0);
        let name = answer.cell(row, workload).as_text().to_string();
        workloads.entry(name).or_default().insert(day, [0, amount(seen), amount(bill)]);
    }
    Ok(workloads)
}

/// Adds what the measured tokens of each day cost at the rates of the days before it. Series with owners and AWS's
/// own measure the same calls: the larger counts.
fn measure(engine: &Engine, last: i32, bought: &[(i32, Bought)], workloads: &mut BTreeMap<String, Days>) -> Result<()> {
    const SQL: &str = "\
        with lines as (select cast(charge_period_start as date) as day, scope, workload, sub_account_id, region_id, \
        model_name, model_tier, routing, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens \
        from usage where workload is not null and cast(charge_period_start as date) in (select day from asked_days)) \
        select day, scope, workload, sub_account_id, region_id, model_name, model_tier, routing, \
        sum(input_tokens) as input, sum(output_tokens) as output, sum(cache_read_tokens) as cache_read, \
        sum(cache_write_tokens) as cache_write from lines \
        group by day, scope, workload, sub_account_id, region_id, model_name, model_tier, routing";
    let answer = ask(engine, "fast usage", SQL, last, DAYS)?;
    for (day, rows) in rows_by_day(&answer) {
        let first = bought.partition_point(|(bought, _)| *bought < day - RATE_DAYS);
        let until = bought.partition_point(|(bought, _)| *bought < day);
        let rates = Rates::of(bought[first..until].iter().map(|(_, bought)| bought));
        for ((workload, _), cost) in largest(&answer, &rows, &rates) {
            if let Some(costs) = workloads.get_mut(workload).and_then(|days| days.get_mut(&day)) {
                costs[0] = costs[0].max(cost);
            }
        }
    }
    Ok(())
}

fn rows_by_day(answer: &Answer) -> BTreeMap<i32, Vec<usize>> {
    let day = answer.column("day");
    let mut rows: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
    for row in 0..answer.height() {
        if let Some(day) = answer.cell(row, day).day() {
            rows.entry(day).or_default().push(row);
        }
    }
    rows
}

/// What each workload's measured tokens cost, by who measured.
fn largest<'a>(answer: &'a Answer, rows: &[usize], rates: &Rates<'_>) -> BTreeMap<(&'a str, &'a str), i128> {
    let [scope, workload, account, region, model, tier, routing] =
        answer.columns(["scope", "workload", "sub_account_id", "region_id", "model_name", "model_tier", "routing"]);
    let tokens = answer.columns(TOKEN_KINDS);
    let mut costs: BTreeMap<(&str, &str), i128> = BTreeMap::new();
    for row in rows {
        let text = |at| answer.cell(*row, at).as_text();
        let asked = Asked {
            account: text(account),
            region: text(region),
            model: text(model),
            tier: text(tier),
            routing: text(routing),
        };
        let cost = costs.entry((text(workload), text(scope))).or_default();
        for (kind, at) in TOKEN_KINDS.iter().zip(tokens) {
            let count = whole(answer, *row, at);
            *cost += rates.price(&asked, kind).filter(|_| count > 0).map_or(0, |price| price.of(count));
        }
    }
    costs
}

/// A whole number, however the engine has it.
fn whole(answer: &Answer, row: usize, at: Option<usize>) -> i64 {
    match answer.cell(row, at) {
        Value::Count(count) => i64::try_from(count).unwrap_or(i64::MAX),
        other => other.amount().map_or(0, |units| i64::try_from(units / ONE).unwrap_or(i64::MAX)),
    }
}
