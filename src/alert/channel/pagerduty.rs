//! `PagerDuty`, as its Events API v2 takes it: an alert that is opened, acknowledged and closed by its key.

use serde_json::{Map, Value, json};

use super::words::{self, clip};
use crate::alert::notice::{Event, Notice};
use crate::alert::rules::Severity;
use crate::clock;

/// Where events go that are not the EU's.
pub const URL: &str = "https://events.pagerduty.com/v2/enqueue";
/// Longest key.
const KEY: usize = 255;
/// Longest summary.
const SUMMARY: usize = 1_024;
/// Longest name of a component and the like; long ones break lists.
const NAME: usize = 255;
/// Longest text of the details: an event is refused beyond 512 KiB.
const DETAIL: usize = 4_000;
/// Details that are sent.
const DETAILS: usize = 40;

/// The event of a notice.
pub fn payload(notice: &Notice, routing_key: &str) -> Value {
    let mut event = Map::new();
    event.insert("routing_key".into(), routing_key.into());
    event.insert("event_action".into(), notice.event.as_str().into());
    event.insert("dedup_key".into(), key(notice).into());
    // The rest would be ignored where an alert is only closed.
    if notice.event == Event::Trigger {
        event.insert("payload".into(), trigger(notice));
        event.insert("client".into(), "billtag".into());
        if let Some(runbook) = words::runbook(notice) {
            event.insert("links".into(), json!([{ "href": runbook, "text": "Runbook" }]));
        }
    }
    Value::Object(event)
}

/// A key that fits, the same for the same incident.
fn key(notice: &Notice) -> String {
    if notice.key.encode_utf16().count() <= KEY {
        return notice.key.clone();
    }
    words::digest(&[&notice.key])
}

fn trigger(notice: &Notice) -> Value {
    let severity = match notice.severity {
        Severity::Page => "critical",
        Severity::Warn => "warning",
        Severity::Note => "info",
    };
    let label = |name: &str| notice.labels.get(name).map(|value| clip(&words::line(value), NAME));
    let source = label("account").map_or_else(|| "Amazon Bedrock".into(), |account| format!("AWS account {account}"));
    let mut payload = Map::new();
    payload.insert("summary".into(), clip(&words::title(notice), SUMMARY).into());
    payload.insert("source".into(), clip(&source, NAME).into());
    payload.insert("severity".into(), severity.into());
    payload.insert("timestamp".into(), clock::instant_text(notice.at).into());
    for (field, name) in [("component", "workload"), ("group", "team"), ("class", "rule")] {
        if let Some(value) = label(name) {
            payload.insert(field.into(), value.into());
        }
    }
    payload.insert("custom_details".into(), details(notice));
    Value::Object(payload)
}

fn details(notice: &Notice) -> Value {
    let mut details = Map::new();
    let mut add = |heading: &str, text: &str| {
        let text = clip(&words::lines(text), DETAIL);
        let before = details.get(heading).and_then(Value::as_str).map(|before| format!("{before}\n"));
        details.insert(heading.to_string(), (before.unwrap_or_default() + &text).into());
    };
    for (heading, text) in notice.lines.iter().take(DETAILS) {
        add(heading, text);
    }
    for (name, value) in &notice.labels {
        add(name, value);
    }
    if !notice.incident.is_empty() {
        add("incident", &notice.incident);
    }
    Value::Object(details)
}
