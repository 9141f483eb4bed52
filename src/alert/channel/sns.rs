//! Amazon SNS: a short subject for mail, the one body for programs, and attributes to filter by.

use std::collections::BTreeMap;

use aws_sdk_sns::Client;
use aws_sdk_sns::types::MessageAttributeValue;

use super::words;
use crate::alert::notice::Notice;
use crate::aws::failure::{Failure, Kind};
use crate::aws::{Access, Aws};
use crate::config::channels::Channel;
use crate::error::{Error, Result};

/// SNS takes fewer than a hundred characters.
const SUBJECT: usize = 99;
/// Longest value of an attribute; SNS itself counts all of them with the message.
const ATTRIBUTE: usize = 256;

/// What is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Printable ASCII.
    pub subject: String,
    /// A JSON object.
    pub message: String,
    /// Attributes, all of them texts.
    pub attributes: BTreeMap<&'static str, String>,
    /// Group and deduplication id, for topics that keep an order.
    pub order: (String, String),
}

/// The message of a notice.
pub fn message(notice: &Notice) -> Message {
    let mut attributes = BTreeMap::from([
        ("event", notice.event.as_str().to_string()),
        ("severity", notice.severity.as_str().to_string()),
    ]);
    for name in ["workload", "team", "environment"] {
        let value = notice.labels.get(name).map(|value| words::clip(&allowed(&words::line(value)), ATTRIBUTE));
        attributes.extend(value.filter(|value| !value.is_empty()).map(|value| (name, value)));
    }
    let ascii = |c: char| if matches!(c, ' '..='~') { c } else { '?' };
    let subject = format!("billtag {}", words::title(notice));
    let subject = subject.chars().map(ascii).take(SUBJECT);
    Message {
        subject: subject.collect::<String>().trim_end().to_string(),
        message: allowed(&notice.body.to_string()),
        attributes,
        order: (words::digest(&[&notice.key]), words::identity(notice)),
    }
}

/// Text without the two characters of a plane that SNS takes none of; in a JSON text they stand in strings alone.
fn allowed(text: &str) -> String {
    text.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
}

/// Publishes.
///
/// # Errors
/// What AWS refuses, and what to do.
pub(super) fn publish(aws: &Aws, access: &Access, channel: &Channel, notice: &Notice) -> Result<()> {
    let topic = channel.topic_arn.as_deref().unwrap_or_default();
    let message = message(notice);
    let client = Client::new(&aws.config(access));
    let mut request = client.publish().topic_arn(topic).subject(message.subject).message(message.message);
    for (name, value) in message.attributes {
        let value = MessageAttributeValue::builder().data_type("String").string_value(value).build();
        let value = value.map_err(|error| Error::input(channel.place(), error.to_string(), "please report this"))?;
        request = request.message_attributes(name, value);
    }
    if topic.ends_with(".fifo") {
        let (group, id) = message.order;
        request = request.message_group_id(group).message_deduplication_id(id);
    }
    let sent = aws.run(request.send());
    sent.map(|_| ()).map_err(|error| refused(channel, Failure::of("sns:Publish", topic, error)))
}

/// A refusal, said of the channel.
fn refused(channel: &Channel, failure: Failure) -> Error {
    let hint = match failure.kind {
        Kind::Missing => Some("check the topic's ARN, with its region and account"),
        Kind::Refused => Some("check the topic and its settings"),
        Kind::Unreachable => Some("check the network, the topic's region and any proxy"),
        Kind::Throttled | Kind::Server => Some("try again in a few minutes"),
        _ => None,
    };
    let missing = (failure.kind == Kind::Missing).then(|| format!("there is no such topic ({})", failure.said));
    let error = Error::from(failure);
    let hint = hint.map_or_else(|| error.hint(), String::from);
    Error::input(channel.place(), missing.unwrap_or_else(|| error.to_string()), hint)
}
