//! Posts over HTTP: few attempts, short waits, no redirects, and errors that tell no secret.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};

use super::secret::Secret;
use super::{Pace, words};
use crate::aws::Aws;
use crate::clock;
use crate::config::channels::{Channel, Kind};
use crate::error::{Error, Result};

/// Bytes of an answer that are looked at.
const READ: usize = 4_096;
/// Characters of an answer that are told.
const TOLD: usize = 200;

/// What is posted.
pub(super) struct Request {
    /// Where to.
    pub(super) url: Url,
    /// Headers beside the content's type.
    pub(super) headers: Vec<(&'static str, String)>,
    /// User, with the channel's secret as the password.
    pub(super) user: Option<String>,
    /// A JSON text.
    pub(super) body: String,
}

/// The client of all posts.
pub(super) fn client(pace: &Pace) -> reqwest::Result<Client> {
    Client::builder()
        .user_agent(concat!("billtag/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(pace.connect)
        .timeout(pace.attempt)
        // Another host would get what was meant for this one.
        .redirect(Policy::none())
        .build()
}

/// Why a post was not taken.
struct Failure {
    /// Status of the answer, where there was one.
    status: Option<StatusCode>,
    what: String,
    /// How long the server asks to wait.
    after: Option<Duration>,
}

impl Failure {
    /// Whether the same post may be taken later.
    fn is_transient(&self) -> bool {
        self.status.is_none_or(|status| status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS)
    }
}

/// Posts, again where that may help.
///
/// # Errors
/// What the server answered or why it did not, and what to do.
pub(super) fn post(
    (aws, client, pace): (&Aws, &Client, &Pace),
    channel: &Channel,
    request: &Request,
    secret: Option<&Secret>,
) -> Result<()> {
    let mut waits = pace.waits.iter().copied();
    loop {
        let Err(failure) = aws.run(attempt(client, channel, request, secret)) else { return Ok(()) };
        let wait = waits.next().filter(|_| failure.is_transient());
        let wait = wait.map(|wait| failure.after.map_or(wait, |after| after.max(wait)));
        // Who wants to be left alone for longer is asked by the next run.
        let Some(wait) = wait.filter(|wait| *wait <= pace.longest) else {
            let what = secret.map_or_else(|| failure.what.clone(), |secret| secret.hide(&failure.what));
            return Err(Error::input(channel.place(), what, hint(channel, failure.status)));
        };
        std::thread::sleep(wait);
    }
}

async fn attempt(
    client: &Client,
    channel: &Channel,
    request: &Request,
    secret: Option<&Secret>,
) -> Result<(), Failure> {
    let mut post = client.post(request.url.clone()).header(CONTENT_TYPE, "application/json");
    for (name, value) in &request.headers {
        post = post.header(*name, value);
    }
    if let Some(user) = &request.user {
        post = post.basic_auth(user, secret.map(Secret::expose));
    }
    let answer = post.body(request.body.clone()).send().await.map_err(|error| lost(error, &request.url))?;
    let status = answer.status();
    let is_taken = match channel.kind {
        Kind::Pagerduty => status == StatusCode::ACCEPTED,
        _ => status.is_success(),
    };
    if is_taken {
        return Ok(());
    }
    let after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let after = after.and_then(|value| retry_after(value, clock::now()));
    let said = body(answer).await;
    // Before it is cut, since half a secret would not be found.
    let said = secret.map_or_else(|| said.clone(), |secret| secret.hide_posted(request.user.as_deref(), &said));
    let said = words::clip(&words::line(said.trim()), TOLD);
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    let pause = after.map_or_else(String::new, |after| format!(", asking for {} s of quiet", after.as_secs()));
    Err(Failure { status: Some(status), what: format!("it answered {status}{pause}{said}"), after })
}

/// As much of an answer's text as is looked at.
async fn body(mut answer: Response) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() >= READ {
            break;
        }
    }
    bytes.truncate(READ);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// No answer: in few words, and without the address, which may be the secret.
fn lost(error: reqwest::Error, url: &Url) -> Failure {
    let error = error.without_url();
    let mut deepest: &dyn std::error::Error = &error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    let host = words::line(url.host_str().unwrap_or_default());
    let what = match () {
        () if error.is_timeout() && error.is_connect() => format!("no connection to {host} in time"),
        () if error.is_timeout() => format!("no answer of {host} in time"),
        () if error.is_connect() => format!("no connection to {host} ({deepest})"),
        () => format!("the connection to {host} was lost ({deepest})"),
    };
    Failure { status: None, what, after: None }
}

/// What to do about an answer, or about none.
fn hint(channel: &Channel, status: Option<StatusCode>) -> String {
    let name = &channel.name;
    let later = format!("try again in a while, by hand with `billtag alert --test {name}`");
    let address = match channel.kind {
        Kind::Slack => "make a new webhook in Slack, and put its address into the channel's secret",
        _ => "check the channel's `url`",
    };
    let Some(status) = status else {
        return format!("check the network, any proxy and the channel's address, then {later}");
    };
    match status.as_u16() {
        300..=399 => "redirects are not followed: name the address that it leads to".into(),
        401 | 403 => "check the channel's secret".into(),
        404 | 410 => address.into(),
        429 | 500..=599 => later,
        400 if channel.kind == Kind::Pagerduty => {
            "check the channel's secret: it is the routing key of an integration with the Events API v2".into()
        }
        _ => format!("check the channel's settings against what its server says, with `billtag alert --test {name}`"),
    }
}

/// How long a server asks to wait: seconds, or a time.
fn retry_after(value: &str, now: i64) -> Option<Duration> {
    let seconds = value.trim().parse::<u64>().ok();
    let until = || clock::parse_http(value).map(|until| u64::try_from(until - now).unwrap_or(0));
    seconds.or_else(until).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_may_ask_for_seconds_or_for_a_time() {
        let now = clock::parse("2026-11-22T12:00:00Z").expect("a time");
        let seconds = |value: &str| retry_after(value, now).map(|wait| wait.as_secs());
        assert_eq!(seconds(" 7 "), Some(7));
        assert_eq!(seconds("Sun, 22 Nov 2026 12:00:09 GMT"), Some(9));
        assert_eq!(seconds("Sun, 22 Nov 2026 11:00:00 GMT"), Some(0));
        assert_eq!(seconds("soon"), None);
    }
}
