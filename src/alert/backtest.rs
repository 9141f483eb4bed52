//! Backtest: history replayed through every rule, each day as the run saw it that looked at it first, against labelled
//! incidents, beside rules that others publish.
//!
//! ```text
//! kept runs ─► seen (each on the bill as it was delivered to it) ─► alerts ─┐
//! labels ───────────────────────────────────────────────────────────────────┴► scores
//! ```

pub mod labels;
mod published;
pub mod seen;

use std::collections::BTreeMap;

use super::baseline::median;
use super::fast::judge::RULES;
use super::history::History;
use super::rules::Rule;
use crate::clock::HOUR;
use crate::metrics::{Cell, Grid, Range};
use labels::Label;
use published::PUBLISHED;
use seen::{Alert, Seen};

/// Days without an alert after which the next one is another incident.
const GAP: i32 = 2;

/// How well a rule did.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// Its name.
    pub rule: String,
    /// Share of labelled incidents above the floor that it found; unknown where there are none.
    pub recall: Option<f64>,
    /// Share of its incidents that are labelled ones; unknown where it had none.
    pub precision: Option<f64>,
    /// Hours from the start of an incident until it could be known.
    pub hours: Option<f64>,
    /// Pages in thirty days that were about nothing.
    pub false_pages: f64,
}

/// Scores every rule and the whole, and the rules of others, by what was seen and by what the bill says now.
/// Only incidents that begin within the range must be found; an alert may be about any.
pub fn scores(seen: &Seen, now: &History, floor: f64, labels: &[Label], range: Range) -> Vec<Score> {
    let world = World { now, labels, range, costs: now.costs(), floor, days: seen.days };
    // A rule of both clocks is one rule.
    let hourly = RULES.into_iter().filter(|name| Rule::ALL.iter().all(|rule| rule.name() != *name));
    let own: Vec<&'static str> = Rule::ALL.map(Rule::name).into_iter().chain(hourly).collect();
    let of = |rule: &&'static str| seen.alerts.get(rule).map_or(&[][..], Vec::as_slice);
    let all: Vec<Alert> = own.iter().flat_map(of).cloned().collect();
    let others = PUBLISHED.map(|(name, _)| name);
    let by_rule = own.iter().chain(&others).map(|rule| world.score(rule, of(rule)));
    std::iter::once(world.score("all", &all)).chain(by_rule).collect()
}

struct World<'a> {
    /// The bill as it is now.
    now: &'a History,
    labels: &'a [Label],
    range: Range,
    costs: Vec<Vec<i128>>,
    floor: f64,
    /// Days that were judged.
    days: usize,
}

impl World<'_> {
    fn score(&self, rule: &str, alerts: &[Alert]) -> Score {
        let mut right = 0;
        let (mut wrong, mut false_pages) = (0, 0);
        for incident in self.incidents(alerts) {
            let labels = self.labels.iter().filter(|label| label.workload == incident.workload);
            let mut about = labels.filter(|label| incident.days.iter().any(|day| label.holds(*day))).peekable();
            let is_planned = about.peek().is_some_and(|label| label.is_planned());
            if about.any(|label| !label.is_harmless() && !label.is_planned()) {
                right += 1;
            } else if !is_planned {
                wrong += 1;
                false_pages += u32::from(incident.pages);
            }
        }
        let (mut found, mut missed, mut hours) = (0, 0, Vec::new());
        for label in self.labels.iter().filter(|label| self.must_be_found(label)) {
            match self.first_alert(label, alerts) {
                Some(known) => {
                    found += 1;
                    hours.push((known - label.start) as f64 / HOUR as f64);
                }
                None => missed += 1,
            }
        }
        let share = |part: u32, rest: u32| (part + rest > 0).then(|| f64::from(part) / f64::from(part + rest));
        let months = self.days as f64 / 30.0;
        Score {
            rule: rule.to_string(),
            recall: share(found, missed),
            precision: share(right, wrong),
            hours: median(&mut hours),
            false_pages: if months > 0.0 { f64::from(false_pages) / months } else { 0.0 },
        }
    }

    /// Incidents of workloads: alerts without a gap.
    fn incidents<'b>(&self, alerts: &'b [Alert]) -> Vec<Incident<'b>> {
        let mut days: BTreeMap<&str, BTreeMap<i32, bool>> = BTreeMap::new();
        for alert in alerts {
            *days.entry(&alert.workload).or_default().entry(alert.day).or_default() |= alert.pages;
        }
        let mut incidents: Vec<Incident<'b>> = Vec::new();
        for (workload, days) in days {
            let mut last: Option<i32> = None;
            for (day, pages) in days {
                if last.is_none_or(|last| day > last + GAP) {
                    incidents.push(Incident { workload, days: Vec::new(), pages: false });
                }
                if let Some(incident) = incidents.last_mut() {
                    incident.days.push(day);
                    incident.pages |= pages;
                }
                last = Some(day);
            }
        }
        incidents
    }

    /// Whether a label is an incident above the floor on a stored day.
    fn must_be_found(&self, label: &Label) -> bool {
        label.is_within(&self.range)
            && !label.is_harmless()
            && !label.is_planned()
            && self.series_of(&label.workload).any(|series| {
                let days = label.days.clone().filter_map(|day| self.now.number(day));
                let days = days.filter(|day| *day < self.now.days);
                days.map(|day| self.costs[series][day] as f64).fold(0.0, f64::max) >= self.floor
            })
    }

    fn series_of<'a>(&'a self, workload: &'a str) -> impl Iterator<Item = usize> + 'a {
        let owners = self.now.owners.iter().enumerate();
        owners.filter(move |(_, owner)| owner.workload == workload).map(|(series, _)| series)
    }

    /// When an incident could be known first; what was known before it began was about something else.
    fn first_alert(&self, label: &Label, alerts: &[Alert]) -> Option<i64> {
        let is_about =
            |alert: &&Alert| alert.workload == label.workload && label.holds(alert.day) && alert.known > label.start;
        alerts.iter().filter(is_about).map(|alert| alert.known).min()
    }
}

struct Incident<'a> {
    workload: &'a str,
    days: Vec<i32>,
    pages: bool,
}

/// Scores as a table.
pub fn grid(scores: &[Score]) -> Grid {
    let columns = ["rule", "recall", "precision", "median_hours_to_detect", "false_pages_per_month"];
    let or_null = |value: Option<f64>| value.map_or(Cell::Null, Cell::Float);
    let row = |score: &Score| {
        let rule = Cell::Text(score.rule.clone());
        vec![
            rule,
            or_null(score.recall),
            or_null(score.precision),
            or_null(score.hours),
            Cell::Float(score.false_pages),
        ]
    };
    Grid { columns: columns.map(String::from).to_vec(), rows: scores.iter().map(row).collect() }
}

#[cfg(test)]
mod tests {
    use super::labels::tests::label;
    use super::*;
    use crate::alert::backtest::seen::tests::{history, seen};

    fn score(labels: &[Label], rule: &str) -> Score {
        let floor = 10.0 * crate::money::ONE as f64;
        scores(&seen(), &history(), floor, labels, Range::default())
            .into_iter()
            .find(|score| score.rule == rule)
            .unwrap()
    }

    #[test]
    fn a_found_incident_counts_and_its_hours_run_until_the_bill_is_there() {
        for rule in ["all", "R1", "weekday", "plain_3x", "litellm"] {
            let score = score(&[label("spike", 50)], rule);
            assert_eq!((score.recall, score.precision, score.hours), (Some(1.0), Some(1.0), Some(48.0)), "{rule}");
            assert!(score.false_pages.abs() < 1e-9);
        }
    }

    #[test]
    fn an_alert_on_what_is_harmless_is_false_and_on_what_is_planned_neither() {
        let holiday = score(&[label("Holiday", 50)], "all");
        assert_eq!((holiday.recall, holiday.precision, holiday.false_pages), (None, Some(0.0), 0.5));
        let launch = score(&[label("launch (planned)", 50), label("planned", 50)], "all");
        assert_eq!((launch.recall, launch.precision), (None, None));
    }

    #[test]
    fn what_nobody_labelled_is_false_and_what_nobody_found_is_missed() {
        let score = score(&[label("loop", 20)], "all");
        assert_eq!((score.recall, score.precision), (Some(0.0), Some(0.0)));
    }
}
