//! `[alerts]`: what all channels are told alike.

use serde::Deserialize;

use super::Config;
use super::channels::Kind;
use crate::error::Result;
use crate::spelling;

/// What all channels are told alike.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Alerts {
    /// Page that says what to do; `{workload}`, `{team}`, `{environment}`, `{account}` and `{rule}` stand for those of
    /// the incident.
    pub runbook: Option<String>,
    /// Name of the channel that is told of every run, so that silence can be told from health.
    pub heartbeat: Option<String>,
}

/// What a runbook's address may name.
pub const PLACES: [&str; 5] = ["workload", "team", "environment", "account", "rule"];

impl Config {
    /// Checks what names channels.
    pub(super) fn check_alerts(&self, wrong: &dyn Fn(String, String, &str) -> Result<()>) -> Result<()> {
        if let Some(runbook) = &self.alerts.runbook {
            let named = runbook.split('{').skip(1).map(|part| part.split('}').next().unwrap_or_default());
            if let Some(unknown) = named.into_iter().find(|name| !PLACES.contains(name)) {
                let rest = format!("the names are {}", PLACES.map(|name| format!("{{{name}}}")).join(", "));
                let hint = spelling::hint(unknown, PLACES, &rest);
                return wrong("[alerts] runbook".into(), format!("`{{{unknown}}}` stands for nothing"), &hint);
            }
        }
        let Some(name) = &self.alerts.heartbeat else { return Ok(()) };
        match self.channel.iter().find(|channel| channel.name == *name) {
            None => {
                let names = self.channel.iter().map(|channel| channel.name.as_str());
                let hint = spelling::hint(name, names, "name one of the `[[channel]]`");
                wrong("[alerts] heartbeat".into(), format!("there is no channel `{name}`"), &hint)
            }
            Some(channel) if channel.kind == Kind::Pagerduty => wrong(
                "[alerts] heartbeat".into(),
                "PagerDuty knows no heartbeat".into(),
                "name a channel of another type, which can tell that it stays away",
            ),
            Some(_) => Ok(()),
        }
    }
}
