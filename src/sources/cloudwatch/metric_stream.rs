//! A record of a CloudWatch metric stream in JSON: one data point of one metric.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};

use super::number::Scalar;

/// One data point of a metric stream. Further statistics beside count and sum are ignored.
#[derive(Debug, Deserialize)]
pub(super) struct Record<'a> {
    /// The account that the metric belongs to, which is not always the stream's own.
    #[serde(borrow, default)]
    pub(super) account_id: Cow<'a, str>,
    /// The region of the metric.
    #[serde(borrow, default)]
    pub(super) region: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) namespace: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) metric_name: Cow<'a, str>,
    #[serde(default)]
    pub(super) dimensions: BTreeMap<String, String>,
    /// Milliseconds since 1970, UTC. The hour in an object's key is its arrival and never used.
    pub(super) timestamp: Scalar,
    pub(super) value: Statistics,
    #[serde(default)]
    pub(super) unit: Option<String>,
}

/// The two statistics that matter: tokens are in `sum`, the number of samples in `count`.
#[derive(Debug, Deserialize)]
pub(super) struct Statistics {
    #[serde(default)]
    pub(super) count: Scalar,
    #[serde(default)]
    pub(super) sum: Scalar,
}

/// All of a record that its series' points have in common. Its members are taken as [`Record`]'s are.
#[derive(Debug, Deserialize)]
pub(super) struct Head<'a> {
    #[serde(borrow, default)]
    pub(super) account_id: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) region: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) namespace: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) metric_name: Cow<'a, str>,
    #[serde(default)]
    pub(super) dimensions: BTreeMap<String, String>,
    #[serde(default)]
    timestamp: Seen,
    #[serde(default)]
    value: Seen,
    #[serde(default)]
    unit: Seen,
}

/// Whether a member is there, whatever it holds.
#[derive(Debug, Default)]
struct Seen(bool);

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self(true))
    }
}

/// Reads a head, which must be a whole object; `None` where it is none, or holds what is not for a head.
pub(super) fn parse_head(object: &[u8]) -> Option<Head<'_>> {
    let head: Head<'_> = serde_json::from_slice(object).ok()?;
    let has_tail = head.timestamp.0 || head.value.0 || head.unit.0;
    (!has_tail).then_some(head)
}

/// Reads a record from the text of one object; an error where the object is something else.
pub(super) fn parse(bytes: &[u8]) -> Result<Record<'_>, serde_json::Error> {
    serde_json::from_slice(bytes)
}

/// Whether the text begins with a whole record, whatever follows it.
pub(super) fn begins_with_record(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii_start();
    text.starts_with(b"{")
        && matches!(serde_json::Deserializer::from_slice(text).into_iter::<Record<'_>>().next(), Some(Ok(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_statistics_and_unknown_members_are_ignored() {
        let text = br#"{"metric_stream_name":"S","account_id":"1","region":"r","namespace":"AWS/EC2","metric_name":"M",
            "dimensions":{"A":"b"},"timestamp":1611929698000,"new":[1],
            "value":{"count":3.0,"sum":20.0,"max":18.0,"min":0.0,"p99.9":17.8,"TM(25%:75%)":16.4},"unit":"Seconds"}"#;
        let record = parse(text).unwrap();
        assert_eq!((record.value.count, record.value.sum), (Scalar::Real(3.0), Scalar::Real(20.0)));
        assert_eq!(record.unit.as_deref(), Some("Seconds"));
    }

    #[test]
    fn another_object_is_no_record() {
        assert!(parse(br#"{"MetricDataResults":[]}"#).is_err());
        assert!(!begins_with_record(br#"{"Name":"ModelId","Value":"x"}"#));
    }
}
