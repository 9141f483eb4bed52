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
    /// What it is, in lower case and without separators.
    pub kind: String,
}

/// Words of kinds that look like incidents and are none: whoever alerts on them is wrong.
const HARMLESS: [&str; 6] = ["partial", "restate", "relabel", "holiday", "weekend", "firstofmonth"];
/// Words of kinds that somebody announced: an alert on them is neither right nor wrong.
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
        let kind = label.kind.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
        Ok(Self { workload: label.workload, start, days: clock::day_of(start)..=clock::day_of(last), kind })
    }

    /// Whether it only looks like an incident.
    pub fn is_harmless(&self) -> bool {
        HARMLESS.iter().any(|word| self.kind.contains(word))
    }

    /// Whether somebody announced it.
    pub fn is_planned(&self) -> bool {
        PLANNED.iter().any(|word| self.kind.contains(word))
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
}
