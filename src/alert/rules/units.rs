//! Units: what the total hides. What a query or a token costs, and what is burnt without more work being finished.

use hashbrown::HashMap;

use super::{CLEARLY, Floors, Rule, Severity, Signal, far};
use crate::alert::baseline::{Baseline, COSTS, RATIOS};
use crate::alert::causes::Side;
use crate::alert::history::{History, KIND, Line, MODEL};
use crate::text::Text;

/// What a series bought on a day.
#[derive(Debug, Clone, Copy, Default)]
struct Calls {
    cost: f64,
    sent: f64,
    returned: f64,
    /// Of what was sent, what was read from the cache.
    cached: f64,
    /// What the tokens would cost at each model's own mean price.
    at_mean: f64,
    cost_sent: f64,
    cost_returned: f64,
}

/// What a query or a token costs, whatever their number.
pub(super) fn units(history: &History, costs: &[Baseline], floors: &Floors, found: &mut Vec<Signal>) {
    let mut calls = vec![vec![Calls::default(); history.days]; history.owners.len()];
    let means = mean_prices(history);
    let (sides, cache_read) = (sides(history), history.texts.find("cache_read"));
    for line in history.complete() {
        let day = &mut calls[line.series][line.day];
        let (cost, tokens) = (line.cost as f64, line.tokens as f64);
        if line.what[KIND] == cache_read {
            day.cached += tokens;
        }
        match sides[line.what[KIND].number()] {
            Some(Side::Sent) => {
                day.sent += tokens;
                day.cost_sent += cost;
            }
            Some(Side::Returned) => {
                day.returned += tokens;
                day.cost_returned += cost;
            }
            None => continue,
        }
        day.cost += cost;
        day.at_mean += tokens * means.get(&(line.series, line.what[MODEL])).copied().unwrap_or(0.0);
    }
    for (series, calls) in calls.iter().enumerate() {
        let queries = &history.queries[series];
        let counted = |day: usize| queries.get(&day).map_or(0.0, |count| *count as f64);
        let is_counted = (0..history.days).any(|day| counted(day) > 0.0);
        let of = |value: &dyn Fn(usize, &Calls) -> f64| -> Vec<f64> {
            let values = calls.iter().enumerate().map(|(day, calls)| value(day, calls));
            values.map(|value| if value.is_finite() { value } else { 0.0 }).collect()
        };
        let per = |day: usize, calls: &Calls| if is_counted { counted(day) } else { calls.sent };
        let mut judge = |rule, values: Vec<f64>, share: Share<'_>| {
            if calls.iter().skip(history.judged).all(|calls| share(calls) < floors.warn) {
                return;
            }
            let baseline = Baseline::since(history.judged, values, RATIOS);
            let first = found.len();
            unit(rule, (series, history.judged), &baseline, (calls, share), floors, found);
            // Who spends no more than usual can wait for the morning.
            let is_cheap =
                |day: usize| costs[series].expected(day).is_some_and(|usual| costs[series].value(day) <= usual.middle);
            for signal in found[first..].iter_mut().filter(|signal| is_cheap(signal.day)) {
                signal.severity = signal.severity.min(Severity::Warn);
            }
        };
        judge(Rule::CostPerToken, of(&|_, calls| calls.cost / (calls.sent + calls.returned)), &|calls| calls.cost);
        judge(Rule::ModelMix, of(&|_, calls| calls.at_mean / (calls.sent + calls.returned)), &|calls| calls.cost);
        if calls.iter().any(|calls| calls.cached > 0.0) {
            let missed = |_, calls: &Calls| (calls.sent - calls.cached) / calls.sent;
            judge(Rule::CacheHitRate, of(&missed), &|calls| calls.cost_sent);
        }
        judge(Rule::OutputPerQuery, of(&|day, calls| calls.returned / per(day, calls)), &|calls| calls.cost_returned);
        if is_counted {
            judge(Rule::CostPerQuery, of(&|day, calls| calls.cost / counted(day)), &|calls| calls.cost);
            judge(Rule::TokensPerQuery, of(&|day, calls| calls.sent / counted(day)), &|calls| calls.cost_sent);
        }
    }
}

/// What a token of each model costs a series in the mean of its days, whatever its kind: by these weights a day
/// differs from another only in how its tokens are spread over models.
fn mean_prices(history: &History) -> HashMap<(usize, Text), f64> {
    let mut sums: HashMap<(usize, Text), (i128, i128)> = HashMap::new();
    let sides = sides(history);
    let is_call = |line: &&Line| sides[line.what[KIND].number()].is_some();
    for line in history.complete().iter().filter(is_call) {
        let sum = sums.entry((line.series, line.what[MODEL])).or_default();
        *sum = (sum.0 + line.cost, sum.1 + line.tokens);
    }
    sums.into_iter()
        .filter(|(_, (_, tokens))| *tokens > 0)
        .map(|(key, (cost, tokens))| (key, cost as f64 / tokens as f64))
        .collect()
}

/// By number of a text: the side of a call that it is the usage kind of.
fn sides(history: &History) -> Vec<Option<Side>> {
    history.texts.all().map(Side::of).collect()
}

/// The part of a day's cost that a ratio is about.
type Share<'a> = &'a dyn Fn(&Calls) -> f64;

fn unit(
    rule: Rule,
    (series, judged): (usize, usize),
    baseline: &Baseline,
    (calls, share): (&[Calls], Share<'_>),
    floors: &Floors,
    found: &mut Vec<Signal>,
) {
    for (day, calls) in calls.iter().enumerate().skip(judged) {
        let Some((beyond, score)) = far(baseline, day, CLEARLY, 1.2) else { continue };
        // Of what it cost, the part that it would not have cost at the usual ratio.
        let excess = share(calls) * beyond / baseline.value(day);
        if excess >= floors.warn && score >= CLEARLY {
            let severity = floors.severity(excess, true);
            found.push(Signal { rule, series, day, severity, excess });
        }
    }
}

/// So many times the usual tokens are more, and so many times the usual work is no more.
const FLAT: (f64, f64) = (1.5, 1.1);

/// Two days in a row that burn more tokens, while no more work is finished than usual, where that is measured.
pub(super) fn flat_lines(history: &History, costs: &[Baseline], floors: &Floors, found: &mut Vec<Signal>) {
    let mut tokens = vec![vec![0.0; history.days]; history.owners.len()];
    for line in history.complete() {
        tokens[line.series][line.day] += line.tokens as f64;
    }
    for (series, finished) in history.finished.iter().enumerate().filter(|(_, finished)| !finished.is_empty()) {
        let work = (0..history.days).map(|day| finished.get(&day).map_or(0.0, |count| *count as f64));
        let since = |values: Vec<f64>| Baseline::since(history.judged, values, COSTS);
        let (work, tokens) = (since(work.collect()), since(std::mem::take(&mut tokens[series])));
        let burns = |day: usize| {
            let (usual, done) = (tokens.expected(day)?.middle, work.expected(day)?.middle);
            let is_known = finished.contains_key(&day);
            Some(is_known && tokens.value(day) >= FLAT.0 * usual && work.value(day) <= FLAT.1 * done)
        };
        for day in history.judged.max(1)..history.days {
            if burns(day - 1) != Some(true) || burns(day) != Some(true) {
                continue;
            }
            let Some(usual) = costs[series].expected(day) else { continue };
            let excess = costs[series].value(day) - usual.middle;
            if excess >= floors.warn {
                let severity = floors.severity(excess, true);
                found.push(Signal { rule: Rule::FlatLine, series, day, severity, excess });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::history::Owner;
    use crate::alert::rules::{Severity, baselines};
    use crate::money::ONE;
    use std::collections::BTreeMap;

    /// Eight weeks of a workload with weekends, of which the last three days burn twice the tokens.
    fn history(finished: impl Fn(usize) -> Option<i128>) -> History {
        let owner = Owner { workload: "w".into(), account: String::new(), currency: "USD".into() };
        let mut history = History { first: 20_000, days: 56, stored: 56, owners: vec![owner], ..History::default() };
        history.queries = vec![BTreeMap::new()];
        history.finished = vec![(0..56).filter_map(|day| Some((day, finished(day)?))).collect()];
        let burnt = |day: usize| (if day % 7 < 5 { 100 } else { 40 }) * (if day >= 53 { 2 } else { 1 });
        history.lines = (0..56)
            .map(|day| {
                let tokens = burnt(day) * ONE;
                Line { day, series: 0, what: [Text::NULL; 4], cost: tokens, tokens: tokens * 1_000 }
            })
            .collect();
        history
    }

    fn found(history: &History) -> Vec<(usize, Severity)> {
        let floors = Floors { warn: 10.0 * ONE as f64, page: 50.0 * ONE as f64 };
        let mut found = Vec::new();
        flat_lines(history, &baselines(history, &history.costs()), &floors, &mut found);
        found.into_iter().map(|signal| (signal.day, signal.severity)).collect()
    }

    #[test]
    fn tokens_that_burn_for_days_without_more_work_are_a_flat_line() {
        let weekly = |day: usize| Some(if day % 7 < 5 { 1_000 } else { 400 });
        // Both are of the weekend that ends the store, of which a day has forty beyond the usual.
        assert_eq!(found(&history(weekly)), [(54, Severity::Warn), (55, Severity::Warn)]);
        // Nothing at all that is finished is no more either.
        let stopped = |day: usize| weekly(day).map(|count| if day >= 53 { 0 } else { count });
        assert_eq!(found(&history(stopped)).len(), 2);
    }

    #[test]
    fn more_work_or_work_that_nobody_measures_is_no_flat_line() {
        assert!(found(&history(|day| Some(if day >= 53 { 2_000 } else { 1_000 }))).is_empty());
        assert!(found(&history(|_| None)).is_empty());
        assert!(found(&history(|day| (day < 54).then_some(1_000))).is_empty());
    }
}
