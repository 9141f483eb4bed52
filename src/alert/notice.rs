//! Notices: what a channel is told, whatever the channel is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::rules::Severity;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// An incident began, doubled, or is open again.
    Trigger,
    /// Somebody looks after it.
    Acknowledge,
    /// It is over, or was none.
    Resolve,
    /// A run is done: silence means health.
    Heartbeat,
    /// The morning in few lines.
    Digest,
}

impl Event {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trigger => "trigger",
            Self::Acknowledge => "acknowledge",
            Self::Resolve => "resolve",
            Self::Heartbeat => "heartbeat",
            Self::Digest => "digest",
        }
    }
}

/// What a channel is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// What happened.
    pub event: Event,
    /// Identity towards channels, the same all the incident's life: no date, no amount, at most 255 characters.
    pub key: String,
    /// Name of the incident, as `billtag incidents` takes it; empty for what is of none.
    pub incident: String,
    /// How much it matters.
    pub severity: Severity,
    /// One line of plain text.
    pub summary: String,
    /// What is known of whose and where it is, by name: `workload`, `team`, `environment`, `cost_center`, `account`,
    /// `region`, `model`, `rule`, `currency`. No value is empty, and none is an amount.
    pub labels: BTreeMap<&'static str, String>,
    /// The first screen: headings and plain texts, in order.
    pub lines: Vec<(&'static str, String)>,
    /// All of it, as the one stable JSON object that programs read.
    pub body: serde_json::Value,
    /// The clock of the run; epoch seconds.
    pub at: i64,
    /// When it began; epoch seconds.
    pub started: i64,
    /// When the next run is surely done; epoch seconds.
    pub until: i64,
    /// Page that says what to do.
    pub runbook: Option<String>,
}
