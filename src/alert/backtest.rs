//! Backtest: history replayed through every rule, as each day was seen at its time, against labelled incidents,
//! beside rules that others publish.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::baseline::median;
use super::contract::Jump;
use super::fast::judge::RULES;
use super::fast::replay::Hourly;
use super::history::History;
use super::rules::{self, Floors, Rule, Severity, Signal};
use crate::clock::{self, DAY, HOUR};
use crate::error::{Error, Result};
use crate::metrics::{Cell, Grid};
use crate::money;

/// A labelled incident, as the file says it; whatever else it says is its author's.
#[derive(Debug, Clone, Deserialize)]
struct Labelled {
    workload: String,
    start: String,
    end: String,
    kind: String,
}

/// A labelled incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Workload.
    pub workload: String,
    /// When it began, epoch seconds.
    pub start: i64,
    /// Day numbers.
    pub days: std::ops::RangeInclusive<i32>,
    /// What it is, in lower case and without separators.
    pub kind: String,
}

/// Words of kinds that look like incidents and are none: whoever alerts on them is wrong.
const HARMLESS: [&str; 6] = ["partial", "restate", "relabel", "holiday", "weekend", "firstofmonth"];
/// Words of kinds that somebody announced: an alert on them is neither right nor wrong.
const PLANNED: [&str; 2] = ["launch", "planned"];

/// Hours after a day's end until the bill holds it all: AWS delivers several times a day, and is complete within
/// a day.
const DELIVERY: i64 = 24 * HOUR;
/// Days without an alert after which the next one is another incident.
const GAP: usize = 2;

/// Reads labels.
///
/// # Errors
/// Where the file cannot be read or is no list of labels.
pub fn read_labels(path: &Path) -> Result<Vec<Label>> {
    let text = std::fs::read_to_string(path).map_err(Error::io(path, "read"))?;
    let wrong = |what: String| {
        let hint = "write a JSON array of {\"workload\", \"start\", \"end\", \"kind\"}, with dates or times in UTC";
        Error::input(path.display().to_string(), what, hint)
    };
    let labels: Vec<Labelled> = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    labels.into_iter().map(|label| Label::of(label).map_err(wrong)).collect()
}

impl Label {
    fn of(label: Labelled) -> std::result::Result<Self, String> {
        let time = |text: &str| clock::parse(text).map_err(|error| format!("label of {}: {error}", label.workload));
        let (start, end) = (time(&label.start)?, time(&label.end)?);
        if end < start {
            return Err(format!("label of {}: it ends on {} before it starts", label.workload, label.end));
        }
        // An end at midnight that is spelled as a time is the end of the day before.
        let is_date = label.end.trim().len() == "2026-11-20".len();
        let last = if is_date || end == start { end } else { end - 1 };
        let kind = label.kind.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
        Ok(Self { workload: label.workload, start, days: clock::day_of(start)..=clock::day_of(last), kind })
    }

    fn is_harmless(&self) -> bool {
        HARMLESS.iter().any(|word| self.kind.contains(word))
    }

    fn is_planned(&self) -> bool {
        PLANNED.iter().any(|word| self.kind.contains(word))
    }

    /// Whether an alert on a day is about it; the day after its end still shows it.
    fn holds(&self, day: i32) -> bool {
        (*self.days.start()..=*self.days.end() + 1).contains(&day)
    }
}

/// An alert of a rule.
#[derive(Debug, Clone, Copy)]
struct Alert {
    series: usize,
    day: usize,
    pages: bool,
    /// When it could be known, epoch seconds.
    known: i64,
}

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

/// Scores every rule and the whole, and the rules of others.
pub fn scores(history: &History, jumps: &[Jump], hourly: &[Hourly], floors: &Floors, labels: &[Label]) -> Vec<Score> {
    let costs = history.costs();
    let mut signals = rules::signals(history, &rules::baselines(history, &costs), jumps, floors);
    let wide = super::wide::wide(history, &signals, floors).into_iter();
    signals.extend(wide.map(|wide| Signal {
        rule: Rule::Scope,
        series: wide.mover,
        day: wide.day,
        severity: wide.severity(floors),
        excess: wide.excess,
    }));
    let counts: Vec<_> = signals.iter().filter(|signal| signal.severity >= Severity::Warn).collect();
    let by_bill = |wanted: &dyn Fn(Rule) -> bool| -> Vec<Alert> {
        let wanted = counts.iter().filter(|signal| wanted(signal.rule));
        let alert =
            |signal: &&&Signal| by_the_bill(history, signal.series, signal.day, signal.severity == Severity::Page);
        wanted.map(|signal| alert(&signal)).collect()
    };
    let by_hour = |wanted: &dyn Fn(&str) -> bool| -> Vec<Alert> {
        let wanted = hourly.iter().filter(|hour| hour.rules.iter().any(|rule| wanted(rule)));
        let alert = |hour: &Hourly| {
            let day = clock::day_of(hour.end - 1) - history.first;
            Alert { series: hour.series, day: day.max(0) as usize, pages: hour.pages, known: hour.end }
        };
        wanted.map(alert).collect()
    };
    let world = World { history, labels, costs, floor: floors.warn };
    let all = [by_bill(&|_| true), by_hour(&|_| true)].concat();
    let mut scores = vec![world.score("all", &all)];
    scores.extend(Rule::ALL.map(|rule| world.score(rule.name(), &by_bill(&|found| found == rule))));
    scores.extend(RULES.map(|rule| world.score(rule, &by_hour(&|found| found == rule))));
    scores.extend(PUBLISHED.map(|(name, rule)| world.score(name, &world.published(rule))));
    scores
}

/// An alert that the bill gives, when a day's delivery is complete.
fn by_the_bill(history: &History, series: usize, day: usize, pages: bool) -> Alert {
    let known = (i64::from(history.first) + day as i64 + 1) * DAY + DELIVERY;
    Alert { series, day, pages, known }
}

struct World<'a> {
    history: &'a History,
    labels: &'a [Label],
    costs: Vec<Vec<i128>>,
    floor: f64,
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
        let months = self.history.days as f64 / 30.0;
        Score {
            rule: rule.to_string(),
            recall: share(found, missed),
            precision: share(right, wrong),
            hours: median(&mut hours),
            false_pages: if months > 0.0 { f64::from(false_pages) / months } else { 0.0 },
        }
    }

    /// Incidents of workloads: alerts without a gap.
    fn incidents(&self, alerts: &[Alert]) -> Vec<Incident<'_>> {
        let mut days: BTreeMap<&str, BTreeMap<usize, bool>> = BTreeMap::new();
        for alert in alerts {
            let workload = self.history.owners[alert.series].workload.as_str();
            *days.entry(workload).or_default().entry(alert.day).or_default() |= alert.pages;
        }
        let mut incidents: Vec<Incident<'_>> = Vec::new();
        for (workload, days) in days {
            let mut last: Option<usize> = None;
            for (day, pages) in days {
                if last.is_none_or(|last| day > last + GAP) {
                    incidents.push(Incident { workload, days: Vec::new(), pages: false });
                }
                if let Some(incident) = incidents.last_mut() {
                    incident.days.push(self.history.first + day as i32);
                    incident.pages |= pages;
                }
                last = Some(day);
            }
        }
        incidents
    }

    /// Whether a label is an incident above the floor on a stored day.
    fn must_be_found(&self, label: &Label) -> bool {
        !label.is_harmless()
            && !label.is_planned()
            && self.series_of(&label.workload).any(|series| {
                let days = label.days.clone().filter_map(|day| self.history.number(day));
                days.map(|day| self.costs[series][day] as f64).fold(0.0, f64::max) >= self.floor
            })
    }

    fn series_of<'a>(&'a self, workload: &'a str) -> impl Iterator<Item = usize> + 'a {
        let owners = self.history.owners.iter().enumerate();
        owners.filter(move |(_, owner)| owner.workload == workload).map(|(series, _)| series)
    }

    /// When an incident could be known first; what was known before it began was about something else.
    fn first_alert(&self, label: &Label, alerts: &[Alert]) -> Option<i64> {
        let is_about = |alert: &&Alert| {
            self.history.owners[alert.series].workload == label.workload
                && label.holds(self.history.first + alert.day as i32)
                && alert.known > label.start
        };
        alerts.iter().filter(is_about).map(|alert| alert.known).min()
    }

    fn published(&self, rule: Published) -> Vec<Alert> {
        let mut alerts = Vec::new();
        for (series, costs) in self.costs.iter().enumerate() {
            let costs: Vec<f64> = costs[..self.history.days].iter().map(|cost| *cost as f64).collect();
            alerts.extend(
                (0..costs.len())
                    .filter(|day| rule(&costs, *day))
                    .map(|day| by_the_bill(self.history, series, day, true)),
            );
        }
        alerts
    }
}

struct Incident<'a> {
    workload: &'a str,
    days: Vec<i32>,
    pages: bool,
}

/// Whether a rule of others alerts on a day; costs in units of 1e-10.
type Published = fn(&[f64], usize) -> bool;

/// Rules of others, as they are published; all of their alerts page.
const PUBLISHED: [(&str, Published); 5] = [
    ("plain_3x", |costs, day| day > 0 && costs[day - 1] > 0.0 && costs[day] >= 3.0 * costs[day - 1]),
    // LiteLLM: above three times the mean of seven days and at least ten dollars.
    ("litellm", |costs, day| {
        day >= 7 && costs[day] >= 10.0 * money::ONE as f64 && costs[day] > 3.0 * mean(&costs[day - 7..day])
    }),
    // OptScale: above the mean of seven days by more than a threshold, here a quarter.
    ("optscale", |costs, day| {
        day >= 7 && mean(&costs[day - 7..day]) > 0.0 && costs[day] > 1.25 * mean(&costs[day - 7..day])
    }),
    ("zscore_30", |costs, day| {
        day >= 30 && costs[day] > mean(&costs[day - 30..day]) + 3.0 * deviation(&costs[day - 30..day])
    }),
    ("weekday_mad", weekday_mad),
];

/// Above the median of the same weekday of eight weeks by three scaled median absolute deviations.
fn weekday_mad(costs: &[f64], day: usize) -> bool {
    let mut same: Vec<f64> = (1..=8).filter_map(|week| day.checked_sub(7 * week)).map(|day| costs[day]).collect();
    if same.len() < 3 {
        return false;
    }
    let Some(middle) = median(&mut same) else { return false };
    same.iter_mut().for_each(|cost| *cost = (*cost - middle).abs());
    costs[day] > middle + 3.0 * 1.4826 * median(&mut same).unwrap_or(0.0)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn deviation(values: &[f64]) -> f64 {
    let mean = mean(values);
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
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
    use super::*;
    use crate::alert::history::{Line, Owner};
    use crate::text::Text;

    /// Sixty days of a workload at a hundred dollars, and the same with an incident on day 50.
    fn history() -> History {
        let owner =
            |workload: &str| Owner { workload: workload.into(), account: String::new(), currency: "USD".into() };
        let mut history = History { first: 20_000, days: 60, stored: 60, ..History::default() };
        history.owners = vec![owner("calm"), owner("wild")];
        history.queries = vec![BTreeMap::new(); 2];
        let model = history.texts.intern("m");
        let mut what = [Text::NULL; 4];
        what[crate::alert::history::MODEL] = model;
        for day in 0..60 {
            for series in 0..2 {
                let cost = if series == 1 && day == 50 { 900 } else { 100 + (day as i128 % 3) };
                let cost = cost * money::ONE;
                history.lines.push(Line { day, series, what, cost, tokens: 0 });
            }
        }
        history
    }

    fn label(kind: &str, day: i32) -> Label {
        let text = clock::day_text(20_000 + day);
        Label::of(Labelled { workload: "wild".into(), start: text.clone(), end: text, kind: kind.into() }).unwrap()
    }

    fn floors() -> Floors {
        Floors { warn: 10.0 * money::ONE as f64, page: 50.0 * money::ONE as f64 }
    }

    /// What the contract lists of it.
    fn jump() -> Jump {
        let (cost, before) = (900 * money::ONE, 101 * money::ONE);
        Jump {
            owner: Owner { workload: "wild".into(), account: String::new(), currency: "USD".into() },
            day: 20_050,
            rule: "R1".into(),
            severity: "page".into(),
            cost,
            compared: Some((20_049, before)),
            increase: cost - before,
            moved_from: String::new(),
            weekday_band: None,
            is_complete: true,
        }
    }

    fn score(labels: &[Label], rule: &str) -> Score {
        scores(&history(), &[jump()], &[], &floors(), labels).into_iter().find(|score| score.rule == rule).unwrap()
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

    #[test]
    fn an_end_before_the_start_is_refused() {
        let labelled = Labelled {
            workload: "w".into(),
            start: "2026-11-02".into(),
            end: "2026-11-01".into(),
            kind: "loop".into(),
        };
        assert!(Label::of(labelled).is_err());
    }
}
