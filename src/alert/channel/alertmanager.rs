//! Alertmanager, as its API v2 takes it: an array of alerts.
//!
//! Alertmanager knows an alert by all of its labels together, so no amount is among them. The severity is, since
//! that is what it routes and inhibits by. An incident whose severity changes therefore becomes another alert, and
//! each post also ends the alerts of the same incident at the other severities that the channel sends. Should an
//! end get lost, or another label change, the old alert ends by itself: each holds only until the next run is done.
//!
//! It has no acknowledgement of its own: an incident that somebody looks after goes on, and an annotation says so.

use serde_json::{Map, Value, json};

use super::words::{self, clip};
use crate::alert::notice::{Event, Notice};
use crate::alert::rules::Severity;
use crate::clock;

/// What is appended to the base.
pub(super) const PATH: &str = "api/v2/alerts";
/// Longest value of a label: it is copied into every alert that is kept.
const LABEL: usize = 1_000;
/// Longest annotation.
const ANNOTATION: usize = 16_000;

/// The alerts of a notice, of a channel that sends what is at least so severe.
pub fn payload(notice: &Notice, least: Severity) -> Value {
    if notice.event == Event::Heartbeat {
        // It is for who watches that it is there, and routed by its name.
        return json!([alert(notice, "BilltagHeartbeat", "none", notice.until)]);
    }
    let all = [Severity::Page, Severity::Warn, Severity::Note];
    let alerts = all.into_iter().filter(|severity| *severity == notice.severity || *severity >= least);
    let alerts = alerts.map(|severity| {
        let is_on = severity == notice.severity && notice.event != Event::Resolve;
        alert(notice, "BilltagIncident", severity.as_str(), if is_on { notice.until } else { notice.at })
    });
    alerts.collect()
}

fn alert(notice: &Notice, name: &str, severity: &str, end: i64) -> Value {
    let mut labels = Map::new();
    for (name, value) in &notice.labels {
        labels.insert((*name).to_string(), clip(&words::line(value), LABEL).into());
    }
    labels.insert("alertname".into(), name.into());
    labels.insert("severity".into(), severity.into());
    labels.insert("key".into(), notice.key.as_str().into());
    let mut alert = Map::new();
    alert.insert("labels".into(), Value::Object(labels));
    alert.insert("annotations".into(), annotations(notice));
    alert.insert("startsAt".into(), clock::instant_text(notice.started).into());
    // An end before the beginning is refused, with all that comes with it.
    alert.insert("endsAt".into(), clock::instant_text(end.max(notice.started)).into());
    if let Some(runbook) = words::runbook(notice) {
        alert.insert("generatorURL".into(), runbook.into());
    }
    Value::Object(alert)
}

fn annotations(notice: &Notice) -> Value {
    let mut annotations = Map::new();
    let mut add = |name: &str, value: &str| {
        if !value.is_empty() {
            annotations.insert(name.to_string(), clip(value, ANNOTATION).into());
        }
    };
    let lines: Vec<String> =
        notice.lines.iter().map(|(heading, text)| format!("{heading}: {}", words::lines(text))).collect();
    add("summary", &words::line(&notice.summary));
    add("description", &lines.join("\n"));
    add("event", notice.event.as_str());
    add("incident", &words::line(&notice.incident));
    add("runbook_url", &words::runbook(notice).unwrap_or_default());
    Value::Object(annotations)
}
