//! Channels: who is told, and the one place that tells them.
//!
//! Each kind of channel has a module that makes of a [`Notice`] what its server takes, as a function of its
//! arguments. [`wanted`] says who is to be told, and [`Post`] tells them: it reads the secret, sends, tries again
//! where that may help, and says in an error what the server answered, without the secret.

pub mod alertmanager;
pub mod email;
mod http;
pub mod pagerduty;
pub mod secret;
pub mod slack;
pub mod sns;
pub mod stdout;
pub mod webhook;
pub mod words;

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::{Client, Url};
use serde_json::json;
use wildmatch::WildMatch;

use self::http::Request;
use self::secret::Secret;
use super::notice::{Event, Notice};
use super::rules::Severity;
use crate::aws::Aws;
use crate::clock;
use crate::config::Config;
use crate::config::channels::{Channel, Kind, is_loopback};
use crate::error::{Error, Result};
use crate::report::daily::digest::Digest;

/// Seconds for which an alert of a test holds, should its end get lost.
const TEST: i64 = 300;

/// The channels that are told of a notice, in the config's order. Severity, team, environment and workload decide;
/// what no other channel takes goes to those that are the fallback. Standard output wakes nobody, so it does not
/// count as somebody who is told.
///
/// An acknowledgement or an end must carry the highest severity that its incident had, so that it reaches whoever
/// was told of the beginning. A heartbeat or a digest is not routed: it is sent by name.
pub fn wanted<'a>(channels: &'a [Channel], notice: &Notice) -> Vec<&'a Channel> {
    if matches!(notice.event, Event::Heartbeat | Event::Digest) {
        return Vec::new();
    }
    let takes =
        |channel: &Channel| channel.incidents && channel.least() <= notice.severity && is_routed(channel, notice);
    let is_taken = channels.iter().any(|channel| !channel.fallback && channel.kind != Kind::Stdout && takes(channel));
    channels.iter().filter(|channel| takes(channel) && !(channel.fallback && is_taken)).collect()
}

fn is_routed(channel: &Channel, notice: &Notice) -> bool {
    let lists = [("team", &channel.team), ("environment", &channel.environment), ("workload", &channel.workload)];
    lists.into_iter().all(|(name, globs)| {
        let value = notice.labels.get(name);
        globs.is_empty() || value.is_some_and(|value| globs.iter().any(|glob| WildMatch::new(glob).matches(value)))
    })
}

/// Whether somebody is told of every page, whosever it is.
pub fn takes_every_page(channels: &[Channel]) -> bool {
    let is_open = |channel: &Channel| {
        [&channel.team, &channel.environment, &channel.workload].into_iter().all(Vec::is_empty)
            && channel.kind != Kind::Stdout
            && channel.incidents
    };
    channels.iter().any(is_open)
}

/// Whether a kind of channel can be told that a run is done: `PagerDuty` knows incidents alone.
pub fn can_beat(kind: Kind) -> bool {
    kind != Kind::Pagerduty
}

/// Whether a kind of channel can be told of a morning: some know alerts alone.
pub fn can_digest(kind: Kind) -> bool {
    !matches!(kind, Kind::Pagerduty | Kind::Alertmanager)
}

/// The notice of a morning, at a time, with the address of the whole report. Each day is a thread of its own, and what
/// is sent by hand another.
pub fn digest(digest: &Digest, at: i64, link: Option<&str>, is_by_hand: bool) -> Notice {
    let day = digest.day.map_or_else(|| "none".to_string(), clock::day_text);
    let by_hand = if is_by_hand { format!(":{}", clock::instant_text(at)) } else { String::new() };
    let key = format!("billtag:digest:{day}{by_hand}");
    let mut body = digest.body.clone();
    body["key"] = key.as_str().into();
    body["link"] = link.into();
    Notice {
        event: Event::Digest,
        key,
        incident: String::new(),
        severity: digest.severity,
        summary: digest.title.clone(),
        labels: BTreeMap::new(),
        lines: digest.lines.clone(),
        body,
        at,
        started: digest.day.map_or(at, |day| i64::from(day) * clock::DAY),
        until: at,
        runbook: link.map(String::from),
    }
}

/// The notice that a run is done, at a time, and that the next is done until another.
pub fn heartbeat(at: i64, until: i64) -> Notice {
    let body = json!({
        "version": 1,
        "event": Event::Heartbeat.as_str(),
        "at": clock::instant_text(at),
        "until": clock::instant_text(until),
    });
    Notice {
        event: Event::Heartbeat,
        key: "billtag:heartbeat".into(),
        incident: String::new(),
        severity: Severity::Note,
        summary: format!(
            "billtag ran at {} and is due again until {}",
            clock::instant_text(at),
            clock::instant_text(until)
        ),
        labels: BTreeMap::new(),
        lines: Vec::new(),
        body,
        at,
        started: at,
        until,
        runbook: None,
    }
}

/// A notice that says of itself that it is a test. It is as severe as what the channel is told otherwise, so that
/// it goes the same way.
fn trial(channel: &Channel, event: Event, at: i64) -> Notice {
    let summary = format!("TEST of the channel {}: nothing happened, and nothing is to be done", channel.name);
    let key = format!("billtag:test:{}", channel.name);
    let body = json!({
        "version": 1,
        "event": event.as_str(),
        "test": true,
        "key": key,
        "severity": channel.least().as_str(),
        "summary": summary,
        "at": clock::instant_text(at),
    });
    Notice {
        event,
        key,
        incident: String::new(),
        severity: channel.least(),
        summary,
        labels: BTreeMap::new(),
        lines: vec![("Test", "Sent by `billtag alert --test`, to see whether it arrives.".into())],
        body,
        at,
        started: at,
        until: at + TEST,
        runbook: None,
    }
}

/// How long is waited for a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    /// For a connection.
    pub connect: Duration,
    /// For a whole attempt, the connection included.
    pub attempt: Duration,
    /// Before each further attempt.
    pub waits: [Duration; 2],
    /// Before a further attempt, where the server asks for more.
    pub longest: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        let waits = [Duration::from_millis(500), seconds(2)];
        Self { connect: seconds(5), attempt: seconds(10), waits, longest: seconds(20) }
    }
}

/// Whoever tells the channels.
#[derive(Debug)]
pub struct Post<'a> {
    aws: &'a Aws,
    config: &'a Config,
    pace: Pace,
    client: OnceCell<Client>,
    printed: RefCell<String>,
}

impl<'a> Post<'a> {
    /// For the channels of a config.
    pub fn new(aws: &'a Aws, config: &'a Config) -> Self {
        Self::at_pace(aws, config, Pace::default())
    }

    /// The same, that waits otherwise.
    pub fn at_pace(aws: &'a Aws, config: &'a Config, pace: Pace) -> Self {
        Self { aws, config, pace, client: OnceCell::new(), printed: RefCell::default() }
    }

    /// What is to be printed, of the channels that are standard output; it is given once.
    pub fn printed(&self) -> String {
        self.printed.take()
    }

    /// Tells a channel of a notice, whether or not it is routed there.
    ///
    /// # Errors
    /// The secret cannot be read, or the server did not take it.
    pub fn send(&self, channel: &Channel, notice: &Notice) -> Result<()> {
        if notice.event == Event::Heartbeat && !can_beat(channel.kind) {
            let hint = "send heartbeats to a channel of another type, which can tell that they stay away";
            return Err(Error::config(channel.place(), "PagerDuty knows no heartbeat", hint));
        }
        if notice.event == Event::Digest && !can_digest(channel.kind) {
            let hint = "send it to a channel of type slack, email, sns, webhook or stdout";
            return Err(Error::config(channel.place(), "it knows alerts alone, and a digest is none", hint));
        }
        match channel.kind {
            Kind::Stdout => {
                self.printed.borrow_mut().push_str(&stdout::text(notice));
                Ok(())
            }
            Kind::Sns => sns::publish(self.aws, &self.config.channel_access(channel), channel, notice),
            Kind::Email => {
                let secret = Secret::read(self.config, channel)?;
                email::send(channel, notice, secret.as_ref(), &self.pace, clock::now())
            }
            Kind::Pagerduty | Kind::Slack | Kind::Alertmanager | Kind::Webhook => {
                let secret = Secret::read(self.config, channel)?;
                let request = request(channel, notice, secret.as_ref())?;
                http::post((self.aws, self.client(channel)?, &self.pace), channel, &request, secret.as_ref())
            }
        }
    }

    /// Sends a notice that says of itself that it is a test, and its end where the channel keeps a state.
    ///
    /// # Errors
    /// As [`Post::send`].
    pub fn test(&self, channel: &Channel) -> Result<()> {
        let now = clock::now();
        self.send(channel, &trial(channel, Event::Trigger, now))?;
        match channel.kind {
            Kind::Pagerduty | Kind::Alertmanager => self.send(channel, &trial(channel, Event::Resolve, now)),
            _ => Ok(()),
        }
    }

    fn client(&self, channel: &Channel) -> Result<&Client> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let made = http::client(&self.pace).map_err(|error| {
            let hint = "check the machine's root certificates and any proxy in the environment";
            Error::input(channel.place(), error.without_url().to_string(), hint)
        })?;
        Ok(self.client.get_or_init(|| made))
    }
}

/// What is posted to a channel.
fn request(channel: &Channel, notice: &Notice, secret: Option<&Secret>) -> Result<Request> {
    let key = || {
        let hint = "name the variable that holds it with `secret_env`, or a file with `secret_file`";
        secret.map(Secret::expose).ok_or_else(|| Error::input(channel.place(), "it has no secret", hint))
    };
    let (mut headers, mut user) = (Vec::new(), None);
    let (url, body) = match channel.kind {
        Kind::Pagerduty => (
            channel.url.as_deref().unwrap_or(pagerduty::URL).to_string(),
            pagerduty::payload(notice, key()?).to_string(),
        ),
        Kind::Slack => (key()?.to_string(), slack::payload(notice).to_string()),
        Kind::Alertmanager => {
            user.clone_from(&channel.user);
            let base = channel.url.as_deref().unwrap_or_default().trim_end_matches('/');
            let url = format!("{base}/{}", alertmanager::PATH);
            (url, alertmanager::payload(notice, channel.least()).to_string())
        }
        _ => {
            let body = webhook::body(notice);
            headers = signed(channel, secret, &webhook::id(notice), clock::now(), &body)?;
            (channel.url.clone().unwrap_or_default(), body)
        }
    };
    Ok(Request { url: address(channel, &url)?, headers, user, body })
}

/// The headers of a webhook; without a key they sign nothing.
fn signed(
    channel: &Channel,
    secret: Option<&Secret>,
    id: &str,
    now: i64,
    body: &str,
) -> Result<Vec<(&'static str, String)>> {
    let mut headers = vec![("webhook-id", id.to_string()), ("webhook-timestamp", now.to_string())];
    if let Some(secret) = secret {
        let signature = webhook::signature(secret.expose(), id, now, body).ok_or_else(|| {
            let hint = "what follows `whsec_` is base64; a key that is not begins with something else";
            Error::input(channel.place(), "its secret is no signing key", hint)
        })?;
        headers.push(("webhook-signature", signature));
    }
    Ok(headers)
}

/// An address, which may be the secret itself and is not told.
fn address(channel: &Channel, text: &str) -> Result<Url> {
    let url = Url::parse(text).ok().filter(Url::has_host);
    let is_safe = |url: &Url| url.scheme() == "https" || channel.kind == Kind::Alertmanager || is_loopback(url);
    url.filter(is_safe).ok_or_else(|| {
        let (what, hint) = match channel.kind {
            Kind::Slack => ("its secret is no https address", "put the whole address of the webhook into the secret"),
            _ => ("its `url` is no https address", "write it as `https://host/path`"),
        };
        Error::input(channel.place(), what, hint)
    })
}

/// Whether the secret of a channel can be read and is what the channel needs; nothing is sent.
///
/// # Errors
/// As [`Post::send`] would say it.
pub fn check_secret(config: &Config, channel: &Channel) -> Result<()> {
    let secret = Secret::read(config, channel)?;
    match channel.kind {
        Kind::Slack => address(channel, secret.as_ref().map(Secret::expose).unwrap_or_default()).map(|_| ()),
        Kind::Webhook => signed(channel, secret.as_ref(), "", 0, "").map(|_| ()),
        _ => Ok(()),
    }
}
