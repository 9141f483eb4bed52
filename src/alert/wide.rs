//! Wide: what is seen of a whole account, a model or the whole bill, where the workloads that are seen on the day do
//! not explain it: a rise that is spread over many, each too small to be seen.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::history::{ACCOUNT, History, MODEL};
use super::rules::{CLEARLY, Floors, Rule, Severity, Signal, baseline_of, far};
use super::scope::Scope;
use crate::text::Text;

/// What is seen of a scope that is wider than a workload.
#[derive(Debug, Clone, PartialEq)]
pub struct Wide {
    /// Whose spend it is.
    pub scope: Scope,
    /// Currency.
    pub currency: String,
    /// Number of the day in the history.
    pub day: usize,
    /// Money beyond what was expected, units of 1e-10.
    pub excess: f64,
    /// What the scope cost on each day.
    pub costs: Vec<i128>,
    /// The series within it that has most beyond the day of the week before.
    pub mover: usize,
}

impl Wide {
    /// The severity: it is nobody's, so that it wakes nobody.
    pub fn severity(&self, floors: &Floors) -> Severity {
        floors.severity(self.excess, true).min(Severity::Warn)
    }
}

/// At most one of each day and currency: the account or model that has most, else the whole bill.
pub fn wide(history: &History, signals: &[Signal], floors: &Floors) -> Vec<Wide> {
    let costs = costs(history);
    let mut best: BTreeMap<(&str, usize), Wide> = BTreeMap::new();
    for ((currency, scope), costs) in &costs {
        let baseline = baseline_of(history, costs);
        for day in history.judged..history.days {
            let Some((excess, _)) = far(&baseline, day, CLEARLY, 1.3).filter(|(excess, _)| *excess >= floors.page)
            else {
                continue;
            };
            let Some(mover) = unexplained(history, signals, scope, currency, (day, excess)) else { continue };
            let found =
                Wide { scope: scope.clone(), currency: (*currency).into(), day, excess, costs: costs.clone(), mover };
            let is_better = |held: &Wide| {
                held.scope == Scope::Organisation || (*scope != Scope::Organisation && held.excess < excess)
            };
            match best.get_mut(&(*currency, day)) {
                Some(held) if is_better(held) => *held = found,
                Some(_) => {}
                None => drop(best.insert((currency, day), found)),
            }
        }
    }
    best.into_values().collect()
}

/// An account or a model: its position in [`Line::what`](super::history::Line::what), and its text.
type Named = (usize, Text);

/// What each scope costs on each day, in each currency.
fn costs(history: &History) -> BTreeMap<(&str, Scope), Vec<i128>> {
    // The account's or the model's text, or none for the whole bill.
    let mut sums: HashMap<(&str, Option<Named>), Vec<i128>> = HashMap::new();
    for line in history.complete() {
        let currency = history.owners[line.series].currency.as_str();
        let parts = [ACCOUNT, MODEL].map(|at| Some((at, line.what[at])));
        for part in parts.into_iter().chain([None]) {
            sums.entry((currency, part)).or_insert_with(|| vec![0; history.days])[line.day] += line.cost;
        }
    }
    let scope = |part: Option<Named>| match part {
        Some((ACCOUNT, account)) => Scope::Account(history.texts.str(account).to_string()),
        Some((_, model)) => Scope::Model(history.texts.str(model).to_string()),
        None => Scope::Organisation,
    };
    sums.into_iter().map(|((currency, part), costs)| ((currency, scope(part)), costs)).collect()
}

/// The series that moved most, where what is seen of series within the scope is less than half of what it has
/// beyond the usual.
fn unexplained(
    history: &History,
    signals: &[Signal],
    scope: &Scope,
    currency: &str,
    (day, excess): (usize, f64),
) -> Option<usize> {
    let of_day = |day: usize| {
        let lines = history.of_day(day).iter().filter(|line| history.is_within(line, scope, currency));
        let mut sums: BTreeMap<usize, i128> = BTreeMap::new();
        lines.for_each(|line| *sums.entry(line.series).or_default() += line.cost);
        sums
    };
    let (now, before) = (of_day(day), day.checked_sub(7).map(of_day).unwrap_or_default());
    let first = signals.partition_point(|signal| signal.day < day);
    let of_signals = signals[first..].iter().take_while(|signal| signal.day == day);
    let mut seen: BTreeMap<usize, f64> = BTreeMap::new();
    for signal in of_signals.filter(|signal| now.contains_key(&signal.series) && signal.rule != Rule::Relabelled) {
        let held = seen.entry(signal.series).or_default();
        *held = held.max(signal.excess);
    }
    if 2.0 * seen.values().sum::<f64>() >= excess {
        return None;
    }
    let more = |series: &usize| now[series] - before.get(series).copied().unwrap_or(0);
    now.keys().copied().max_by_key(more)
}
