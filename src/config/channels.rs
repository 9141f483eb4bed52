//! Channels: who is told of incidents, which of them, and how each is reached.
//!
//! A secret never stands in the config's text: the config names a variable or a file that holds it, and what
//! the parser says of this part of the text leaves the text itself out.

use lettre::message::Mailbox;
use reqwest::Url;
use serde::Deserialize;

use super::{Config, unknown_key_hint};
use crate::alert::rules::Severity;
use crate::error::Result;

/// Keys that people would write a secret behind.
const SECRET_KEYS: [&str; 7] = ["secret", "password", "token", "routing_key", "api_key", "key", "webhook_url"];
/// Longest name of a channel.
const NAME_MAX: usize = 64;
/// A word without a `_` that is as long as this is a secret and no variable's name.
const SECRET_LENGTH: usize = 24;

/// What a channel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `PagerDuty`, by its Events API v2.
    Pagerduty,
    /// An incoming webhook of Slack.
    Slack,
    /// A topic of Amazon SNS.
    Sns,
    /// Prometheus's Alertmanager.
    Alertmanager,
    /// Any server, signed as Standard Webhooks says.
    Webhook,
    /// Mail, through a server that takes it.
    Email,
    /// Standard output.
    Stdout,
}

impl Kind {
    /// The word in the config.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pagerduty => "pagerduty",
            Self::Slack => "slack",
            Self::Sns => "sns",
            Self::Alertmanager => "alertmanager",
            Self::Webhook => "webhook",
            Self::Email => "email",
            Self::Stdout => "stdout",
        }
    }

    /// Keys that it must have beside its name, and those that it may have.
    fn keys(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Self::Pagerduty => (&[SECRET], &["url"]),
            Self::Slack => (&[SECRET], &[]),
            Self::Sns => (&["topic_arn"], &["role_arn", "external_id"]),
            Self::Alertmanager => (&["url"], &["user", SECRET]),
            Self::Webhook => (&["url"], &[SECRET]),
            Self::Email => (&["smtp", "from", "to"], &["user", SECRET, "tls"]),
            Self::Stdout => (&[], &[]),
        }
    }
}

/// Both keys that name a secret, as one.
const SECRET: &str = "secret_env";

/// How a mail server is spoken to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// In the open first, then encrypted; a server that cannot is refused.
    #[default]
    Starttls,
    /// Encrypted from the first byte.
    Implicit,
    /// Never encrypted: to this machine alone.
    None,
}

/// One channel.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// Its name on the command line and in messages.
    pub name: String,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Least severity that is sent; see [`Channel::least`].
    pub severity: Option<Severity>,
    /// Globs over teams; all where empty.
    #[serde(default)]
    pub team: Vec<String>,
    /// Globs over environments; all where empty.
    #[serde(default)]
    pub environment: Vec<String>,
    /// Globs over workloads; all where empty.
    #[serde(default)]
    pub workload: Vec<String>,
    /// It gets what no other channel takes.
    #[serde(default)]
    pub fallback: bool,
    /// Whether it is told of incidents; else of mornings and heartbeats alone.
    #[serde(default = "told")]
    pub incidents: bool,
    /// Where it is posted to; of an Alertmanager the base.
    pub url: Option<String>,
    /// Environment variable that holds its secret.
    pub secret_env: Option<String>,
    /// File that holds its secret.
    pub secret_file: Option<String>,
    /// User that the secret is the password of.
    pub user: Option<String>,
    /// Topic.
    pub topic_arn: Option<String>,
    /// Role to assume for the topic.
    pub role_arn: Option<String>,
    /// External id that the role asks for.
    pub external_id: Option<String>,
    /// Mail server, `host:port`.
    pub smtp: Option<String>,
    /// Sender of mail.
    pub from: Option<String>,
    /// Receivers of mail.
    #[serde(default)]
    pub to: Vec<String>,
    /// How the mail server is spoken to; `starttls` where absent.
    pub tls: Option<Tls>,
}

/// Channels are there for incidents.
fn told() -> bool {
    true
}

/// What is wrong with a channel: the key, what, and what to do.
type Wrong = (&'static str, String, String);

impl Channel {
    /// The channel as messages name it.
    pub fn place(&self) -> String {
        format!("channel {}", self.name)
    }

    /// Least severity that is sent: who is woken is woken for pages alone.
    pub fn least(&self) -> Severity {
        let usual = if self.kind == Kind::Pagerduty { Severity::Page } else { Severity::Warn };
        self.severity.unwrap_or(usual)
    }

    /// Region of the topic.
    pub fn topic_region(&self) -> Option<&str> {
        self.topic_arn.as_ref()?.split(':').nth(3)
    }

    /// Host and port of the mail server; an IPv6 address without its brackets.
    pub fn mail_server(&self) -> Option<(&str, u16)> {
        let (host, port) = self.smtp.as_ref()?.rsplit_once(':')?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        Some((host, port.parse().ok().filter(|port| *port > 0)?)).filter(|(host, _)| !host.is_empty())
    }

    /// Each key that only some channels have, and whether it is there.
    fn given(&self) -> [(&'static str, bool); 10] {
        [
            ("url", self.url.is_some()),
            (SECRET, self.secret_env.is_some() || self.secret_file.is_some()),
            ("user", self.user.is_some()),
            ("topic_arn", self.topic_arn.is_some()),
            ("role_arn", self.role_arn.is_some()),
            ("external_id", self.external_id.is_some()),
            ("smtp", self.smtp.is_some()),
            ("from", self.from.is_some()),
            ("to", !self.to.is_empty()),
            ("tls", self.tls.is_some()),
        ]
    }

    fn check(&self) -> Result<(), Wrong> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if self.name.is_empty() || self.name.len() > NAME_MAX || !self.name.chars().all(is_plain) {
            let hint = "letters, digits, `-`, `_` and `.`, since it is typed on the command line";
            return Err(("name", format!("a name has 1 to {NAME_MAX} plain characters"), hint.into()));
        }
        if self.fallback && [&self.team, &self.environment, &self.workload].iter().any(|globs| !globs.is_empty()) {
            let what = "a fallback gets what no other channel takes, so it has no `team`, `environment` or `workload`";
            return Err(("fallback", what.into(), "write two channels, one for each".into()));
        }
        self.check_keys()?;
        self.check_secret()?;
        match self.kind {
            Kind::Sns => self.check_topic(),
            Kind::Email => self.check_mail(),
            _ => self.url.as_deref().map_or(Ok(()), |url| self.check_url(url)),
        }
    }

    /// Whether every key is there that must be, and none that the channel would ignore.
    fn check_keys(&self) -> Result<(), Wrong> {
        let (required, optional) = self.kind.keys();
        let kind = self.kind.as_str();
        for (key, is_there) in self.given() {
            if is_there && key == "url" && self.kind == Kind::Slack {
                let hint = "who knows it can post: put it into a variable or a file, and name that with `secret_env` \
                            or `secret_file`";
                return Err((key, "the address of a Slack webhook is itself the secret".into(), hint.into()));
            }
            if is_there && !required.contains(&key) && !optional.contains(&key) {
                return Err((key, format!("a channel of type `{kind}` has no such key"), "take it out".into()));
            }
            if !is_there && required.contains(&key) {
                let hint = match key {
                    SECRET => "name the variable that holds its secret with `secret_env`, or a file with `secret_file`",
                    "url" => "write where it is posted to: `url = \"https://…\"`",
                    _ => "add it; `billtag init` shows every key in use",
                };
                return Err((key, format!("a channel of type `{kind}` needs it"), hint.into()));
            }
        }
        Ok(())
    }

    fn check_secret(&self) -> Result<(), Wrong> {
        if self.secret_env.is_some() && self.secret_file.is_some() {
            let what = "a channel has either `secret_env` or `secret_file`";
            return Err((SECRET, what.into(), "take one of them out".into()));
        }
        if let Some(name) = &self.secret_env {
            let is_word = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            // Whoever wrote the secret itself here must not find it in an error's text.
            if !is_word || (name.len() >= SECRET_LENGTH && !name.contains('_')) {
                let hint = "name a variable, such as `secret_env = \"BILLTAG_SLACK_URL\"`, and put the secret into it";
                return Err((SECRET, "it holds the name of an environment variable".into(), hint.into()));
            }
        }
        if self.secret_file.as_ref().is_some_and(|file| file.trim().is_empty() || file.contains("://")) {
            let hint = "name a file, and put the secret into it";
            return Err(("secret_file", "it holds the path of a file".into(), hint.into()));
        }
        let has_secret = self.secret_env.is_some() || self.secret_file.is_some();
        let (_, optional) = self.kind.keys();
        if optional.contains(&"user") && self.user.is_some() != has_secret {
            let hint = "add `user` and `secret_env` (or `secret_file`), or take both out";
            return Err(("user", "a user comes with a password, and a password with a user".into(), hint.into()));
        }
        Ok(())
    }

    /// Whether an address may be posted to. What stands in it is not told: it may hold a secret.
    fn check_url(&self, url: &str) -> Result<(), Wrong> {
        let wrong = |what: &str, hint: &str| Err(("url", what.into(), hint.into()));
        let Some(url) = Url::parse(url).ok().filter(Url::has_host) else {
            return wrong("it is not an address", "write it as `https://host/path`");
        };
        if !url.username().is_empty() || url.password().is_some() {
            let hint = "name the variable that holds it with `secret_env`, or a file with `secret_file`";
            return wrong("a password never stands in the config's text", hint);
        }
        if self.kind == Kind::Alertmanager && (url.query().is_some() || url.fragment().is_some()) {
            return wrong("`/api/v2/alerts` is appended, so it ends with a path", "take out what begins with ? or #");
        }
        match url.scheme() {
            "https" => Ok(()),
            // It usually lies beside the one who asks, in the same cluster.
            "http" if self.kind == Kind::Alertmanager || is_loopback(&url) => Ok(()),
            _ => wrong("only `https` is posted to, so that nobody reads along", "write it with `https://`"),
        }
    }

    fn check_topic(&self) -> Result<(), Wrong> {
        let parts: Vec<&str> = self.topic_arn.iter().flat_map(|arn| arn.split(':')).collect();
        let is_topic = matches!(parts[..], ["arn", partition, "sns", region, account, topic]
            if [partition, region, topic].iter().all(|part| !part.is_empty()) && account.len() == 12);
        if is_topic {
            return Ok(());
        }
        let hint = "write it as `arn:aws:sns:us-east-1:123456789012:incidents`";
        Err(("topic_arn", "it is not the ARN of a topic".into(), hint.into()))
    }

    fn check_mail(&self) -> Result<(), Wrong> {
        let Some((host, _)) = self.mail_server() else {
            let hint = "write it as `smtp = \"mail.example.com:587\"`";
            return Err(("smtp", "it names no server and port".into(), hint.into()));
        };
        if self.tls == Some(Tls::None) && !is_loopback_host(host) {
            let hint = "write `starttls` or `implicit`";
            return Err(("tls", "mail leaves this machine encrypted only".into(), hint.into()));
        }
        let addresses = self.from.iter().map(|from| ("from", from));
        for (key, address) in addresses.chain(self.to.iter().map(|to| ("to", to))) {
            if address.parse::<Mailbox>().is_err() {
                let hint = "write it as `name@example.com` or `Name <name@example.com>`";
                return Err((key, format!("`{address}` is not an address of mail"), hint.into()));
            }
        }
        Ok(())
    }
}

/// Whether an address leads to this machine.
pub fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| is_loopback_host(host.trim_matches(['[', ']'])))
}

fn is_loopback_host(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl Config {
    pub(super) fn check_channels(&self, wrong: &dyn Fn(String, String, &str) -> Result<()>) -> Result<()> {
        for (number, channel) in self.channel.iter().enumerate() {
            let checked = channel.check().and_then(|()| {
                if self.channel[..number].iter().all(|other| other.name != channel.name) {
                    return Ok(());
                }
                Err(("name", "another channel has this name".into(), "give each a name of its own".into()))
            });
            if let Err((key, what, hint)) = checked {
                let name = if key == "name" { String::new() } else { format!(" of `{}`", channel.name) };
                return wrong(format!("[[channel]] number {}: {key}{name}", number + 1), what, &hint);
            }
        }
        Ok(())
    }
}

/// What the parser refuses where a secret may stand: what and what to do, without the line itself.
pub(super) fn refusal(text: &str, error: &toml::de::Error) -> Option<(String, String)> {
    let start = error.span()?.start;
    let end = text.get(start..)?.find('\n').map_or(text.len(), |length| start + length);
    let read = text.get(..end)?;
    let message = error.message();
    let key = message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
    let place = format!("line {}", text.get(..start)?.matches('\n').count() + 1);
    if let Some(key) = key.filter(|key| SECRET_KEYS.contains(key)) {
        let what = format!("{place}: `{key}`: a secret never stands in the config's text");
        let hint = "put it into an environment variable or a file, and name that with `secret_env` or `secret_file`";
        return Some((what, hint.into()));
    }
    let mut heads =
        read.lines().map(str::trim_start).filter(|line| line.starts_with('[') || line.starts_with("channel"));
    let head = heads.next_back()?.trim_start_matches(['[', ' ']);
    let of = key_of(text, start).map(|key| format!("{key}: ")).unwrap_or_default();
    head.starts_with("channel").then(|| (format!("{place}: {of}{message}"), unknown_key_hint(message)))
}

/// The key on the line of a place, where it is a plain word.
fn key_of(text: &str, place: usize) -> Option<&str> {
    let line = &text[text[..place].rfind('\n').map_or(0, |end| end + 1)..];
    let key = line.split_once('=')?.0.trim();
    (!key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<(), Wrong> {
        toml::from_str::<Channel>(text).expect("a channel").check()
    }

    #[test]
    fn a_loopback_host_is_one_of_this_machine_alone() {
        let is_own = |url: &str| is_loopback(&Url::parse(url).expect("an address"));
        assert!(["http://127.0.0.1:1/x", "http://localhost", "http://[::1]:8080"].iter().all(|url| is_own(url)));
        assert!(
            !["http://127.0.0.1.example.com", "http://10.0.0.1", "http://localhost.evil"].iter().any(|u| is_own(u))
        );
    }

    #[test]
    fn a_mail_server_is_a_host_and_a_port() {
        let text = "name = \"a\"\ntype = \"email\"\nfrom = \"a@b.c\"\nto = [\"Ä <d@e.f>\"]\n";
        for (server, is_right) in
            [("mail:587", true), ("[::1]:25", true), ("mail", false), (":25", false), ("a:0", false)]
        {
            assert_eq!(checked(&format!("{text}smtp = \"{server}\"")).is_ok(), is_right, "{server}");
        }
        assert_eq!(checked(&format!("{text}smtp = \"mail:25\"\ntls = \"none\"")).unwrap_err().0, "tls");
        assert!(checked(&format!("{text}smtp = \"127.0.0.1:25\"\ntls = \"none\"")).is_ok());
    }
}
