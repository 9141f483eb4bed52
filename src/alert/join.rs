//! Join: rules that saw the same dollars on the same day become one finding.

use std::collections::BTreeMap;

use super::baseline::Baseline;
use super::causes::{Bought, Causes, Side};
use super::contract::Jump;
use super::finding::Finding;
use super::history::{History, KIND, Line, MODEL, Owner};
use super::rules::{Floors, Rule, Severity, Signal, baseline_of};
use super::scope::Scope;
use super::wide::Wide;
use crate::clock;
use crate::money;

/// The world that findings are made of.
pub struct Seen<'a> {
    /// The days.
    pub history: &'a History,
    /// What each series is expected to cost.
    pub baselines: &'a [Baseline],
    /// What each series cost.
    pub costs: &'a [Vec<i128>],
    /// What the contract lists.
    pub jumps: &'a [Jump],
    /// The clock, epoch seconds.
    pub as_of: i64,
}

impl Seen<'_> {
    /// One finding for each series and day that some rule saw.
    pub fn findings(&self, signals: &[Signal]) -> Vec<Finding> {
        let mut by_day: BTreeMap<(usize, usize), Vec<&Signal>> = BTreeMap::new();
        for signal in signals {
            by_day.entry((signal.series, signal.day)).or_default().push(signal);
        }
        let listed: BTreeMap<(&Owner, i32), &Jump> =
            self.jumps.iter().map(|jump| ((&jump.owner, jump.day), jump)).collect();
        let mut findings: Vec<Finding> = Vec::new();
        for ((series, day), signals) in &by_day {
            let owner = &self.history.owners[*series];
            let jump = listed.get(&(owner, self.history.first + *day as i32)).copied();
            findings.push(self.finding(*series, *day, signals, jump));
        }
        let is_seen = |jump: &Jump| {
            let place = self.history.series(&jump.owner).zip(self.history.number(jump.day));
            place.is_some_and(|place| by_day.contains_key(&place))
        };
        findings.extend(self.jumps.iter().filter(|jump| !is_seen(jump)).map(|jump| self.listed(jump)));
        findings
    }

    fn finding(&self, series: usize, day: usize, signals: &[&Signal], jump: Option<&Jump>) -> Finding {
        let compared = match jump {
            Some(jump) => jump.compared,
            None => like(&self.costs[series], &self.baselines[series], day)
                .map(|like| (self.history.first + like as i32, self.costs[series][like])),
        };
        let actual = self.costs[series][day];
        let mut rules: Vec<Rule> = signals.iter().map(|signal| signal.rule).collect();
        rules.sort_unstable();
        let excess = signals.iter().map(|signal| signal.excess).fold(0.0, f64::max);
        let owner = &self.history.owners[series];
        Finding {
            severity: signals.iter().map(|signal| signal.severity).max().unwrap_or(Severity::Note),
            rules,
            expected: compared.map(|(_, cost)| cost),
            compared_day: compared.map(|(day, _)| day),
            increase: actual - compared.map_or(0, |(_, cost)| cost),
            excess: excess as i128,
            moved_from: jump.map_or_else(String::new, |jump| jump.moved_from.clone()),
            weekday_band: jump.and_then(|jump| jump.weekday_band),
            usual: usual(&self.baselines[series], day),
            ..self.blank(owner, self.history.first + day as i32, actual)
        }
    }

    /// What the contract lists of a day that no other rule looks at, since it is not complete.
    fn listed(&self, jump: &Jump) -> Finding {
        Finding {
            severity: Severity::of(&jump.severity),
            rules: Rule::ALL.into_iter().filter(|rule| rule.name() == jump.rule).collect(),
            expected: jump.compared.map(|(_, cost)| cost),
            compared_day: jump.compared.map(|(day, _)| day),
            increase: jump.increase,
            excess: jump.increase,
            moved_from: jump.moved_from.clone(),
            weekday_band: jump.weekday_band,
            is_complete: jump.is_complete,
            ..self.blank(&jump.owner, jump.day, jump.cost)
        }
    }

    fn blank(&self, owner: &Owner, day: i32, actual: i128) -> Finding {
        let scope = match owner.account.is_empty() && owner.workload != "unattributed" {
            true => Scope::Workload(owner.workload.clone()),
            false => Scope::Unattributed(owner.account.clone()),
        };
        Finding {
            scope,
            currency: owner.currency.clone(),
            severity: Severity::Note,
            rules: Vec::new(),
            day,
            owner: Default::default(),
            expected: None,
            actual,
            increase: actual,
            excess: 0,
            compared_day: None,
            moved_from: String::new(),
            usual: None,
            weekday_band: None,
            is_complete: true,
            is_final: is_final(day, self.as_of),
            causes: None,
            queries: None,
            lines: Vec::new(),
            began: None,
            principals: Vec::new(),
            evidence: Vec::new(),
        }
    }

    /// What is seen of wider scopes, as findings.
    pub fn wide(&self, all: Vec<Wide>, floors: &Floors) -> Vec<Finding> {
        let one = |wide: Wide| {
            let baseline = baseline_of(self.history, &wide.costs);
            let usual = usual(&baseline, wide.day);
            let compared = like(&wide.costs, &baseline, wide.day);
            let expected = compared.map(|day| wide.costs[day]);
            let actual = wide.costs[wide.day];
            let nobody = Owner { workload: String::new(), account: String::new(), currency: wide.currency.clone() };
            Finding {
                severity: wide.severity(floors),
                rules: vec![Rule::Scope],
                expected,
                compared_day: compared.map(|day| self.history.first + day as i32),
                increase: actual - expected.unwrap_or(0),
                excess: wide.excess as i128,
                usual,
                scope: wide.scope,
                ..self.blank(&nobody, self.history.first + wide.day as i32, actual)
            }
        };
        all.into_iter().map(one).collect()
    }

    /// Takes the increases of findings apart.
    pub fn explain(&self, findings: &mut [Finding]) {
        for finding in findings {
            if finding.rules.first() == Some(&Rule::Scope) {
                let number = |day: i32| self.history.number(day);
                let (before, day) = (finding.compared_day.and_then(number), number(finding.day));
                let bought = day.map(|day| self.bought_within(&finding.scope, &finding.currency, before, day));
                finding.causes = bought.map(|bought| Causes::of(&bought, None));
                continue;
            }
            let owner = Owner {
                workload: finding.scope.workload().unwrap_or("unattributed").to_string(),
                account: finding.scope.account().unwrap_or_default().to_string(),
                currency: finding.currency.clone(),
            };
            let Some((series, day)) = self.history.series(&owner).zip(self.history.number(finding.day)) else {
                continue;
            };
            let before = match finding.compared_day {
                None => None,
                // A day before those that were read cannot be taken apart.
                Some(before) => match self.history.number(before) {
                    None => continue,
                    before => before,
                },
            };
            let counted = &self.history.queries[series];
            finding.queries = before.and_then(|before| Some([*counted.get(&before)?, *counted.get(&day)?]));
            let bought = bought(self.history, series, before, day);
            finding.causes = Some(Causes::of(&bought, finding.queries));
        }
    }

    /// What everybody within a scope bought on two days.
    fn bought_within(&self, scope: &Scope, currency: &str, before: Option<usize>, day: usize) -> Vec<Bought> {
        let history = self.history;
        let mut bought = Vec::new();
        for (at, day) in before.into_iter().map(|day| (0, day)).chain([(1, day)]) {
            let within = history.of_day(day).iter().filter(|line| history.is_within(line, scope, currency));
            bought.extend(within.map(|line| one(history, line, at)));
        }
        bought
    }
}

/// What a series bought on a day, and on the day that it is compared with.
pub fn bought(history: &History, series: usize, before: Option<usize>, day: usize) -> Vec<Bought> {
    let days = before.into_iter().map(|day| (0, day)).chain([(1, day)]);
    let mut bought = Vec::new();
    for (at, day) in days {
        bought.extend(history.bought(series, day).iter().map(|line| one(history, line, at)));
    }
    bought
}

/// A line as what was bought on the first or the second of two days.
fn one(history: &History, line: &Line, at: usize) -> Bought {
    let kind = history.texts.str(line.what[KIND]);
    let (mut tokens, mut cost) = ([0; 2], [0; 2]);
    (tokens[at], cost[at]) = (line.tokens / money::ONE, line.cost);
    let model = history.texts.str(line.what[MODEL]).to_string();
    Bought { side: Side::of(kind), model, kind: kind.to_string(), tokens, cost }
}

/// What a day was expected to cost, and the least and most that its series usually does then.
fn usual(baseline: &Baseline, day: usize) -> Option<[i128; 3]> {
    let expected = baseline.expected(day)?;
    Some([expected.middle, expected.at(-2.0), expected.at(2.0)].map(|cost| cost.round() as i128))
}

/// The day that a day without a contract is compared with: of the same weekdays of four weeks the one nearest to what
/// was expected, else the last day with spend.
fn like(costs: &[i128], baseline: &Baseline, day: usize) -> Option<usize> {
    let middle = baseline.expected(day).map(|expected| expected.middle);
    let same = (1..=4).filter_map(|week| day.checked_sub(7 * week)).filter(|day| costs[*day] > 0);
    let distance = |day: &usize| middle.map_or(0.0, |middle| (costs[*day] as f64 / middle).ln().abs());
    same.min_by(|a, b| distance(a).total_cmp(&distance(b))).or_else(|| (0..day).rev().find(|day| costs[*day] > 0))
}

/// Days of the next month until which AWS may still change a month's bill.
const CLOSING: i64 = 5;

/// Whether the bill of a day's month is closed.
fn is_final(day: i32, as_of: i64) -> bool {
    let next = clock::month_range(&clock::month_of(day)).map(|(_, next)| next);
    next.is_some_and(|next| as_of >= (i64::from(next) + CLOSING) * clock::DAY)
}
