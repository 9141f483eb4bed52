//! Back-test: how often a month's Usage lay in the interval that was given for it, from each of its days, by what was
//! known on that day. One-offs are left out on both sides: what is billed once is not foreseen.

use std::collections::BTreeMap;

use super::model::{Model, median_of};
use super::read::Lines;
use crate::clock;
use crate::error::Result;
use crate::metrics::Engine;

/// Stored days before a month, without which it says nothing of the model.
const HISTORY: i32 = 28;
/// The parts of a month whose coverage is told apart: their first and last day.
pub const PARTS: [(&str, usize, usize); 4] =
    [("1 to 10", 1, 10), ("11 to 20", 11, 20), ("from 21", 21, 31), ("all", 1, 31)];

/// How right forecasts were.
#[derive(Debug, Clone, PartialEq)]
pub struct Coverage {
    /// Currency.
    pub currency: String,
    /// `total` or `workloads`.
    pub of: &'static str,
    /// Days of the month that were complete.
    pub days: &'static str,
    /// Month ends.
    pub months: usize,
    /// Forecasts that were made.
    pub forecasts: usize,
    /// Those whose month ended within the interval.
    pub inside: usize,
    /// Median distance from the month's end, as a share of it.
    pub error: Option<f64>,
}

impl Coverage {
    /// The share that was inside.
    pub fn share(&self) -> f64 {
        self.inside as f64 / self.forecasts.max(1) as f64
    }
}

/// One forecast, judged.
struct Judged {
    is_total: bool,
    day: usize,
    is_inside: bool,
    error: f64,
}

/// Judges every month that is complete, from each of its days but the last.
///
/// # Errors
/// Where the store cannot be read.
pub fn backtest(engine: &Engine) -> Result<Vec<Coverage>> {
    let lines = Lines::read(engine)?;
    let Some(last) = engine.last_complete_day() else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for currency in lines.all_currencies() {
        let (_, costs) = lines.series(currency, last + 1);
        let model = Model::of(costs, 0);
        let mut judged: BTreeMap<String, Vec<Judged>> = BTreeMap::new();
        for record in &engine.records {
            let Some((first, next)) = clock::month_range(&record.period) else { continue };
            if first - lines.first >= HISTORY && next <= last + 1 {
                let range = ((first - lines.first) as usize, (next - lines.first) as usize);
                judged.insert(record.period.clone(), judge(&model, range));
            }
        }
        let all: Vec<&Judged> = judged.values().flatten().collect();
        found.extend(coverages(currency, judged.len(), &all));
    }
    Ok(found)
}

fn judge(model: &Model, (first, next): (usize, usize)) -> Vec<Judged> {
    let mut judged = Vec::new();
    for known in first + 1..next {
        let outlook = model.outlook(known, next - known);
        let each = outlook.each.iter().enumerate().chain([(model.total(), &outlook.total)]);
        for (series, interval) in each.filter(|(_, interval)| interval.middle > 0.0) {
            let (so_far, rest) = (model.cost(series, first, known), model.cost(series, known, next));
            // Half a cent is what rounding takes.
            let is_inside = (interval.low - 0.005..=interval.high + 0.005).contains(&rest);
            let whole = so_far + rest;
            let error = if whole > 0.0 { (interval.middle - rest).abs() / whole } else { 1.0 };
            judged.push(Judged { is_total: series == model.total(), day: known - first, is_inside, error });
        }
    }
    judged
}

fn coverages(currency: &str, months: usize, judged: &[&Judged]) -> Vec<Coverage> {
    let mut found = Vec::new();
    for (of, is_total) in [("total", true), ("workloads", false)] {
        for (days, first, last) in PARTS {
            let is_of = |one: &&&Judged| one.is_total == is_total && (first..=last).contains(&one.day);
            let own: Vec<&&Judged> = judged.iter().filter(is_of).collect();
            let inside = own.iter().filter(|one| one.is_inside).count();
            let error = median_of(own.iter().map(|one| one.error));
            if !own.is_empty() {
                let currency = currency.to_string();
                found.push(Coverage { currency, of, days, months, forecasts: own.len(), inside, error });
            }
        }
    }
    found
}
