//! Mail: plain text, each with an id of its own, all of an incident in one thread.
//!
//! A thread is known by an id that all its mails refer to. That id is made from the incident's key and belongs to
//! no mail, so that nobody needs to know which one was the first.

use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{SmtpTransport, Transport};

use super::secret::Secret;
use super::{Pace, words};
use crate::alert::notice::Notice;
use crate::config::channels::{self, Channel};
use crate::error::{Error, Result};

/// Longest subject; beyond it programs cut it anyway.
const SUBJECT: usize = 200;
/// Longest answer of a server that is told.
const TOLD: usize = 200;

/// The mail of a notice, dated `now`.
///
/// # Errors
/// An address that is none, which the config's check refuses already.
pub fn message(channel: &Channel, notice: &Notice, now: i64) -> Result<Message> {
    let wrong = |what: String| Error::input(channel.place(), what, "check its `from` and `to`");
    let mailbox = |text: &str| text.parse::<Mailbox>().map_err(|error| wrong(format!("`{text}`: {error}")));
    let from = mailbox(channel.from.as_deref().unwrap_or_default())?;
    let id = |name: String| format!("<{name}@{}>", from.email.domain());
    let thread = id(format!("incident-{}", &words::digest(&[&notice.key])[..32]));
    let mut mail = Message::builder()
        .message_id(Some(id(words::identity(notice))))
        .references(thread.clone())
        .in_reply_to(thread)
        .subject(words::clip(&format!("[billtag] {}", words::title(notice)), SUBJECT))
        .date(UNIX_EPOCH + Duration::from_secs(u64::try_from(now).unwrap_or(0)))
        // Programs that answer while somebody is away leave it alone.
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".into()))
        .header(ContentType::TEXT_PLAIN);
    for to in &channel.to {
        mail = mail.to(mailbox(to)?);
    }
    mail.from(from).body(words::screen(notice)).map_err(|error| wrong(error.to_string()))
}

/// Hands a mail to the server, again where that may help.
///
/// # Errors
/// What the server answered or why it did not, and what to do.
pub(super) fn send(channel: &Channel, notice: &Notice, secret: Option<&Secret>, pace: &Pace, now: i64) -> Result<()> {
    let mail = message(channel, notice, now)?;
    let transport = transport(channel, secret, pace)?;
    let mut waits = pace.waits.iter();
    loop {
        let Err(error) = transport.send(&mail) else { return Ok(()) };
        match waits.next().filter(|_| !error.is_permanent() && !error.is_tls() && !error.is_client()) {
            Some(wait) => std::thread::sleep(*wait),
            None => return Err(refused(channel, secret, &error)),
        }
    }
}

fn transport(channel: &Channel, secret: Option<&Secret>, pace: &Pace) -> Result<SmtpTransport> {
    let wrong = |what: String, hint: &str| Error::input(channel.place(), what, hint);
    let server = channel.mail_server();
    let (host, port) = server.ok_or_else(|| wrong("it names no mail server".into(), "add `smtp = \"host:port\"`"))?;
    let encrypted = || {
        let hint = "check the machine's root certificates";
        TlsParameters::new(host.to_string()).map_err(|error| wrong(deepest(&error), hint))
    };
    let tls = match channel.tls.unwrap_or_default() {
        channels::Tls::Starttls => Tls::Required(encrypted()?),
        channels::Tls::Implicit => Tls::Wrapper(encrypted()?),
        channels::Tls::None => Tls::None,
    };
    let transport = SmtpTransport::builder_dangerous(host).port(port).tls(tls).timeout(Some(pace.attempt));
    let credentials = channel.user.clone().zip(secret);
    let credentials = credentials.map(|(user, secret)| Credentials::new(user, secret.expose().to_string()));
    Ok(match credentials {
        Some(credentials) => transport.credentials(credentials).build(),
        None => transport.build(),
    })
}

fn refused(channel: &Channel, secret: Option<&Secret>, error: &lettre::transport::smtp::Error) -> Error {
    let said = match error.status() {
        // The server's own words stand one below.
        Some(status) => format!("the mail server answered {status}: {}", deepest(error)),
        None if error.is_timeout() => "no answer of the mail server in time".to_string(),
        None => format!("no mail could be handed over: {}", deepest(error)),
    };
    let said = secret.map_or_else(|| said.clone(), |secret| secret.hide(&said));
    let hint = match error.status().map(u16::from) {
        Some(530 | 534 | 535 | 538) => "check the channel's `user` and secret",
        Some(550..=559) => "check the channel's `from` and `to`, and what the server lets its user send",
        Some(_) => "see what the server says, and try again with `billtag alert --test`",
        None if error.is_tls() => {
            "check the channel's `tls` (port 587 is usually `starttls`, 465 `implicit`) and the server's certificate"
        }
        None => "check the channel's `smtp` and `tls`, and the network",
    };
    Error::input(channel.place(), words::clip(&words::line(&said), TOLD), hint)
}

fn deepest(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}
