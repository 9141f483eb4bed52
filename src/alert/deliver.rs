//! Deliver: tells channels what is due, and keeps what each was told.
//!
//! What a channel is owed is kept before it is told, and that it was told after it took it. A run that is killed in
//! between leaves the next one to tell it again, under the same key.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::channel::{self, Post};
use super::incident::{Incident, State};
use super::ledger::{Desk, Ledger};
use super::notice::{Event, Notice};
use crate::clock;
use crate::config::Config;
use crate::config::alerts::PLACES;
use crate::config::channels::{Channel, Kind};
use crate::error::{Error, Result};
use crate::money;
use crate::report::daily::digest::Digest;

/// The clock of a run, and when the next one is surely done; epoch seconds.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// Now.
    pub at: i64,
    /// When the next run is surely done.
    pub until: i64,
}

/// Longest time for all channels together: decisions of people and the next run wait for it.
const LONGEST: Duration = Duration::from_secs(40);
/// Notices that a channel may refuse in a run before the rest is left to the next.
const REFUSED: usize = 3;

/// Seconds until the next run of the daily job is surely done.
pub const DAILY: i64 = 26 * clock::HOUR;

/// Tells every channel what it is due, and the heartbeat's that the run is done. What could not be told is told by
/// the next run.
///
/// # Errors
/// Where the incidents cannot be kept. That a channel does not take what it is told is no error but in the answer.
pub fn deliver(desk: &Desk, ledger: &mut Ledger, post: &Post<'_>, config: &Config, run: Run) -> Result<Vec<Error>> {
    let mut failures = answer(desk, ledger, post, config, run)?;
    if let Some(name) = &config.alerts.heartbeat {
        let beat = channel::heartbeat(run.at, run.until);
        let channel = config.channel.iter().find(|channel| channel.name == *name);
        failures.extend(channel.and_then(|channel| post.send(channel, &beat).err()));
    }
    Ok(failures)
}

/// What channels were told of mornings, by name: the last day.
const DIGESTS: &str = "digests.json";

/// Tells the channels that want it of a morning, each of every complete day once; what could not be told is told by
/// the next run, of its own morning.
///
/// # Errors
/// Where it cannot be kept whom was told. That a channel does not take it is no error but in the answer.
pub fn digest(desk: &Desk, post: &Post<'_>, config: &Config, digest: &Digest, at: i64) -> Result<Vec<Error>> {
    let Some(day) = digest.day else { return Ok(Vec::new()) };
    let mut told: BTreeMap<String, String> = desk.read(DIGESTS)?.unwrap_or_default();
    let notice = channel::digest(digest, at, config.digest.link.as_deref(), false);
    let mut failures = Vec::new();
    for name in &config.digest.channels {
        let Some(channel) = config.channel.iter().find(|channel| channel.name == *name) else { continue };
        // Days as texts are in the order of time.
        if told.get(name).is_some_and(|told| *told >= clock::day_text(day)) {
            continue;
        }
        match post.send(channel, &notice) {
            Ok(()) => {
                told.insert(name.clone(), clock::day_text(day));
                desk.write(DIGESTS, &told)?;
            }
            Err(failure) => failures.push(failure),
        }
    }
    Ok(failures)
}

/// Tells every channel what it is due.
///
/// # Errors
/// As [`deliver`].
pub fn answer(desk: &Desk, ledger: &mut Ledger, post: &Post<'_>, config: &Config, run: Run) -> Result<Vec<Error>> {
    owe(ledger, config, run);
    desk.keep(ledger)?;
    let mut failures = Vec::new();
    let mut order: Vec<usize> = (0..ledger.incidents.len()).collect();
    order.sort_by_key(|at| (std::cmp::Reverse(ledger.incidents[*at].severity), ledger.incidents[*at].opened));
    let begun = Instant::now();
    for channel in &config.channel {
        let mut refused = 0;
        for at in &order {
            if begun.elapsed() > LONGEST {
                failures.push(late(channel));
                break;
            }
            let Err(failure) = tell(desk, ledger, *at, post, channel, config, run)? else { continue };
            failures.push(failure);
            refused += 1;
            // One notice may be refused for what it says; a channel that is down is not asked a hundred times.
            if refused == REFUSED {
                break;
            }
        }
    }
    Ok(failures)
}

fn late(channel: &Channel) -> Error {
    Error::input(
        channel.place(),
        "there was no time left to tell it",
        "the channels before it took too long; the next run tells it what it is due",
    )
}

/// Notes who is to be told of what is news.
fn owe(ledger: &mut Ledger, config: &Config, run: Run) {
    for incident in &mut ledger.incidents {
        if incident.is_news && incident.state == State::Open {
            let notice = notice(incident, Event::Trigger, config, run);
            for channel in channel::wanted(&config.channel, &notice) {
                incident.owe(&channel.name);
            }
        }
    }
}

/// Tells a channel what it is due of an incident.
fn tell(
    desk: &Desk,
    ledger: &mut Ledger,
    at: usize,
    post: &Post<'_>,
    channel: &Channel,
    config: &Config,
    run: Run,
) -> Result<std::result::Result<(), Error>> {
    let refreshes = channel.kind == Kind::Alertmanager;
    if !ledger.incidents[at].told.contains_key(&channel.name) {
        return Ok(Ok(()));
    }
    let mut last = None;
    while let Some(event) = ledger.incidents[at].due(&channel.name, refreshes).filter(|event| last != Some(*event)) {
        let notice = notice(&ledger.incidents[at], event, config, run);
        if let Err(failure) = post.send(channel, &notice) {
            return Ok(Err(failure));
        }
        ledger.incidents[at].tell(&channel.name, event, run.at);
        desk.keep(ledger)?;
        last = Some(event);
    }
    Ok(Ok(()))
}

/// What a channel is told of an incident.
pub fn notice(incident: &Incident, event: Event, config: &Config, run: Run) -> Notice {
    let labels: BTreeMap<&'static str, String> =
        incident.labels.iter().filter_map(|(name, value)| Some((label(name)?, value.clone()))).collect();
    let runbook = config.alerts.runbook.as_ref().map(|runbook| address(runbook, &labels));
    let mut lines: Vec<(&'static str, String)> =
        incident.screen.lines.iter().filter_map(|(name, text)| Some((heading(name)?, text.clone()))).collect();
    lines.extend(
        [("State", state(incident)), ("Do", to_do(incident, event))].into_iter().filter(|line| !line.1.is_empty()),
    );
    let lead = match event {
        Event::Trigger => "",
        Event::Acknowledge => "Acknowledged: ",
        Event::Resolve => "Over: ",
        Event::Heartbeat | Event::Digest => "Run: ",
    };
    let summary = format!("{lead}{}", incident.screen.summary);
    let mut notice = Notice {
        event,
        key: incident.key.clone(),
        incident: incident.id.clone(),
        severity: incident.severity,
        summary,
        labels,
        lines,
        body: Value::Null,
        at: run.at,
        started: incident.began,
        until: run.until,
        runbook,
    };
    notice.body = body(incident, &notice);
    notice
}

/// All of it, as programs read it. Its names stay; new ones may come. It is the same until the incident changes,
/// since receivers know by its bytes that they were told before.
fn body(incident: &Incident, notice: &Notice) -> Value {
    let lines: Map<String, Value> =
        notice.lines.iter().map(|(name, text)| (name.to_lowercase(), json!(text))).collect();
    json!({
        "version": 1,
        "event": notice.event.as_str(),
        "incident": incident.id,
        "key": incident.key,
        "state": incident.state.as_str(),
        "severity": incident.severity.as_str(),
        "summary": notice.summary,
        "labels": notice.labels,
        "rules": incident.rules,
        "billing_currency": incident.currency,
        "excess": money::to_text(incident.excess),
        "peak": money::to_text(incident.peak.bill.max(incident.peak.rate)),
        "is_estimate": incident.is_estimate,
        "began": clock::instant_text(incident.began),
        "opened": clock::instant_text(incident.opened),
        "resolved": incident.resolved.map(clock::instant_text),
        "changed": incident.log.last().map(|entry| clock::instant_text(entry.at)),
        "lines": lines,
        "runbook": notice.runbook,
        "finding": incident.screen.finding,
    })
}

/// Where an incident stands, and what happened last.
fn state(incident: &Incident) -> String {
    let last = incident.log.last().map_or("", |entry| entry.what.as_str());
    let estimate = if incident.is_estimate { ", estimated out of metrics" } else { "" };
    format!("{}{estimate}; {last}", incident.state.as_str())
}

fn to_do(incident: &Incident, event: Event) -> String {
    let id = &incident.id;
    match event {
        Event::Trigger => {
            format!("billtag incidents show {id} | ack {id} | planned {id} --until DATE | false-positive {id}")
        }
        _ => String::new(),
    }
}

/// Names of labels.
const LABELS: [&str; 9] =
    ["workload", "team", "environment", "cost_center", "account", "region", "model", "rule", "currency"];
/// Headings of a screen.
const HEADINGS: [&str; 7] = ["What", "Now", "Why", "Where", "Suspects", "Change", "Data"];

fn label(name: &str) -> Option<&'static str> {
    LABELS.into_iter().find(|known| *known == name)
}

fn heading(name: &str) -> Option<&'static str> {
    HEADINGS.into_iter().find(|known| *known == name)
}

/// The runbook's address for an incident. A name in it is data, whatever it holds.
fn address(runbook: &str, labels: &BTreeMap<&'static str, String>) -> String {
    PLACES.into_iter().fold(runbook.to_string(), |address, place| {
        let value = labels.get(place).map_or("", String::as_str);
        address.replace(&format!("{{{place}}}"), &encoded(value))
    })
}

/// A text as a part of an address (RFC 3986).
fn encoded(text: &str) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    text.bytes()
        .map(|byte| if is_plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_lead_a_runbook_elsewhere() {
        let labels = BTreeMap::from([("workload", "a/../b?c=d&é".to_string())]);
        assert_eq!(address("https://x/{workload}/{team}", &labels), "https://x/a%2F..%2Fb%3Fc%3Dd%26%C3%A9/");
    }
}
