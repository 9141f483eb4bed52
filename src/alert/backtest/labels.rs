//! Labels: incidents that somebody knows of, which rules are judged by.

use std::ops::RangeInclusive;
use std::path::Path;

use serde::Deserialize;

use crate::clock;
use crate::error::{Error, Result};
use crate::metrics::Range;

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
    pub days: RangeInclusive<i32>,
    /// What it is: its words in lower case.
    pub kind: Vec<String>,
}

/// What words of kinds begin with that look like incidents and are none: whoever alerts on them is wrong.
const HARMLESS: [&str; 5] = ["partial", "restate", "relabel", "holiday", "weekend"];
/// What words of kinds begin with that are incidents, whatever day they fall on: a spike of a weekend is a spike.
const INCIDENTS: [&str; 9] = ["spike", "loop", "ramp", "flat", "mix", "cache", "verbose", "masked", "runaway"];
/// What words of kinds begin with that somebody announced: an alert on them is neither right nor wrong.
const PLANNED: [&str; 2] = ["launch", "planned"];

/// Reads labels.
///
/// # Errors
/// Where the file cannot be read or is no list of labels.
pub fn read(path: &Path) -> Result<Vec<Label>> {
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
        let kind = words(&label.kind);
        Ok(Self { workload: label.workload, start, days: clock::day_of(start)..=clock::day_of(last), kind })
    }

    fn has(&self, beginnings: &[&str]) -> bool {
        self.kind.iter().any(|word| beginnings.iter().any(|beginning| word.starts_with(beginning)))
    }

    /// Whether it only looks like an incident.
    pub fn is_harmless(&self) -> bool {
        let is_first_of_month = self.kind.concat().contains("firstofmonth");
        (self.has(&HARMLESS) || is_first_of_month) && !self.has(&INCIDENTS)
    }

    /// Whether somebody announced it.
    pub fn is_planned(&self) -> bool {
        self.has(&PLANNED) && !self.has(&["unplanned"])
    }

    /// Whether it begins on one of the days that are judged.
    pub fn is_within(&self, range: &Range) -> bool {
        let first = *self.days.start();
        range.from.is_none_or(|from| first >= from) && range.to.is_none_or(|to| first <= to)
    }

    /// Whether an alert on a day is about it; the day after its end still shows it.
    pub fn holds(&self, day: i32) -> bool {
        (*self.days.start()..=*self.days.end() + 1).contains(&day)
    }
}

/// The words of a kind, however they are put together: `partial day`, `partial_day`, `partialDay`.
fn words(kind: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for c in kind.chars() {
        if !c.is_alphanumeric() || (was_small && c.is_uppercase()) {
            words.push(String::new());
        }
        was_small = c.is_lowercase();
        if let Some(word) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A label of one day of the workload `wild`.
    pub fn label(kind: &str, day: i32) -> Label {
        let text = clock::day_text(20_000 + day);
        Label::of(Labelled { workload: "wild".into(), start: text.clone(), end: text, kind: kind.into() }).unwrap()
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

    #[test]
    fn a_kind_is_known_by_its_words() {
        for kind in
            ["partial day", "partial_day", "PartialDay", "restatement", "Holiday", "quiet weekend", "first-of-month"]
        {
            assert!(label(kind, 1).is_harmless(), "{kind}");
        }
        for kind in ["launch (planned)", "planned", "plannedLaunch"] {
            assert!(label(kind, 1).is_planned(), "{kind}");
        }
        for kind in ["unplanned outage", "loop after relaunch", "spike on a weekend", "new model", "Spike"] {
            assert!(!label(kind, 1).is_planned() && !label(kind, 1).is_harmless(), "{kind}");
        }
    }
}
