//! Saved requests and replies of GetMetricData, as text → values.
//!
//! A reply names nothing but the ids of its request's queries, so the two are read apart and paired
//! later. Queries come as a request (`--cli-input-json`), as a bare array of them
//! (`--metric-data-queries`), or together with their reply in one object.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::number::{Scalar, Stamp};
use super::whereabouts::Whereabouts;

/// A query that is understood: one statistic of one metric.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Query {
    /// The account that the query asks for, where it says so.
    pub(super) account_id: Option<String>,
    pub(super) namespace: String,
    pub(super) metric: String,
    pub(super) dimensions: BTreeMap<String, String>,
    /// Seconds that each point covers, where it says so.
    pub(super) period: Option<i64>,
    pub(super) stat: String,
    pub(super) unit: Option<String>,
}

/// What was asked, by query id; a query that is not understood holds the reason.
#[derive(Debug, Default)]
pub(super) struct Request {
    pub(super) whereabouts: Whereabouts,
    pub(super) queries: BTreeMap<String, Result<Query, String>>,
}

/// One page of what was answered.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) whereabouts: Whereabouts,
    pub(super) results: Vec<MetricResult>,
    /// Whether another page follows.
    pub(super) has_next: bool,
    /// What CloudWatch had to say.
    pub(super) messages: Vec<String>,
}

/// The points of one query.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct MetricResult {
    pub(super) id: String,
    #[serde(default)]
    pub(super) status_code: Option<String>,
    #[serde(default)]
    pub(super) timestamps: Vec<Stamp>,
    #[serde(default)]
    pub(super) values: Vec<Scalar>,
    #[serde(default)]
    messages: Option<Vec<Value>>,
}

/// What one JSON object holds.
#[derive(Debug)]
pub(super) enum Document {
    /// A request, with the replies that stand in the same object.
    Request(Request, Vec<Reply>),
    /// A reply alone.
    Reply(Reply),
    /// One query of a bare array.
    Query(String, Result<Query, String>),
    /// Something else.
    Foreign,
}

/// The members by which requests and replies are told; all others are passed over.
#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "MetricDataResults")]
    results: Option<Vec<MetricResult>>,
    #[serde(rename = "MetricDataQueries")]
    queries: Option<Vec<Value>>,
    #[serde(rename = "NextToken")]
    next_token: Option<Value>,
    #[serde(rename = "Messages")]
    messages: Option<Vec<Value>>,
    #[serde(rename = "Id")]
    id: Option<Value>,
    #[serde(rename = "MetricStat")]
    metric_stat: Option<Value>,
    #[serde(rename = "Expression")]
    expression: Option<Value>,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

/// Reads one object; the error says why it is no JSON, or a damaged reply.
pub(super) fn parse(bytes: &[u8]) -> Result<Document, serde_json::Error> {
    let envelope: Envelope = serde_json::from_slice(bytes)?;
    if envelope.id.is_some() && (envelope.metric_stat.is_some() || envelope.expression.is_some()) {
        let value: Value = serde_json::from_slice(bytes)?;
        return Ok(query(&value).map_or(Document::Foreign, |(id, query)| Document::Query(id, query)));
    }
    document(envelope)
}

/// Sorts an envelope's parts, opening the ones inside it.
fn document(mut envelope: Envelope) -> Result<Document, serde_json::Error> {
    let outer = Whereabouts::of(&envelope.others);
    let mut request =
        envelope.queries.take().map(|values| Request { whereabouts: outer.clone(), queries: queries(&values) });
    let mut replies = Vec::from_iter(reply(&mut envelope, &outer));
    for (key, value) in std::mem::take(&mut envelope.others) {
        match (key.to_ascii_lowercase().as_str(), value) {
            ("request", Value::Array(values)) => {
                request = Some(Request { whereabouts: outer.clone(), queries: queries(&values) });
            }
            ("request", value @ Value::Object(_)) => {
                let inner: Envelope = serde_json::from_value(value)?;
                let whereabouts = Whereabouts::of(&inner.others).or(&outer);
                request = inner.queries.map(|values| Request { whereabouts, queries: queries(&values) }).or(request);
            }
            ("response" | "responses" | "reply" | "replies" | "pages", value) => {
                let pages = if let Value::Array(pages) = value { pages } else { vec![value] };
                for page in pages.into_iter().filter(Value::is_object) {
                    replies.extend(reply(&mut serde_json::from_value(page)?, &outer));
                }
            }
            _ => {}
        }
    }
    Ok(match request {
        Some(request) => Document::Request(request, replies),
        None => replies.pop().map_or(Document::Foreign, Document::Reply),
    })
}

/// The reply that an envelope directly holds.
fn reply(envelope: &mut Envelope, outer: &Whereabouts) -> Option<Reply> {
    let results = envelope.results.take()?;
    let own = envelope.messages.take().unwrap_or_default();
    let messages =
        own.iter().chain(results.iter().flat_map(|result| result.messages.iter().flatten())).map(message).collect();
    let has_next =
        envelope.next_token.as_ref().is_some_and(|token| token.as_str().is_some_and(|token| !token.is_empty()));
    Some(Reply { whereabouts: Whereabouts::of(&envelope.others).or(outer), results, has_next, messages })
}

/// A message of CloudWatch in one line.
fn message(value: &Value) -> String {
    let part = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
    format!("{} {}", part("Code"), part("Value")).trim().to_owned()
}

/// Reads all queries that have an id.
fn queries(values: &[Value]) -> BTreeMap<String, Result<Query, String>> {
    values.iter().filter_map(query).collect()
}

/// The shape of a query that names one metric.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawQuery {
    account_id: Option<Value>,
    metric_stat: Option<RawStat>,
    #[serde(default)]
    period: Scalar,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawStat {
    metric: RawMetric,
    #[serde(default)]
    period: Scalar,
    #[serde(default)]
    stat: String,
    unit: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawMetric {
    namespace: String,
    metric_name: String,
    dimensions: Option<Vec<RawDimension>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawDimension {
    name: String,
    value: String,
}

/// Reads one query with its id, or nothing where it has none.
fn query(value: &Value) -> Option<(String, Result<Query, String>)> {
    let id = value.get("Id")?.as_str()?.to_owned();
    let raw = match RawQuery::deserialize(value) {
        Ok(raw) => raw,
        Err(error) => {
            return Some((id, Err(format!("cannot be read ({error}); compare it with the API's MetricDataQuery"))));
        }
    };
    let Some(stat) = raw.metric_stat else {
        let reason = "is an expression, and only MetricStat is understood; ask for the metric itself with Stat Sum";
        return Some((id, Err(reason.to_owned())));
    };
    let query = Query {
        account_id: raw.account_id.as_ref().and_then(super::whereabouts::account_text),
        namespace: stat.metric.namespace,
        metric: stat.metric.metric_name,
        dimensions: stat
            .metric
            .dimensions
            .unwrap_or_default()
            .into_iter()
            .map(|dimension| (dimension.name, dimension.value))
            .collect(),
        period: stat.period.whole().or_else(|| raw.period.whole()),
        stat: stat.stat,
        unit: stat.unit,
    };
    Some((id, Ok(query)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_a_reply_a_bare_query_and_something_else_are_told_apart() {
        let kind = |text: &str| match parse(text.as_bytes()).unwrap() {
            Document::Request(_, replies) => format!("request with {}", replies.len()),
            Document::Reply(_) => "reply".to_owned(),
            Document::Query(..) => "query".to_owned(),
            Document::Foreign => "foreign".to_owned(),
        };
        assert_eq!(kind(r#"{"MetricDataQueries":[]}"#), "request with 0");
        assert_eq!(kind(r#"{"MetricDataResults":[],"Messages":null,"ResponseMetadata":{"x":1}}"#), "reply");
        assert_eq!(kind(r#"{"MetricDataQueries":[],"MetricDataResults":[]}"#), "request with 1");
        assert_eq!(
            kind(r#"{"request":{"MetricDataQueries":[]},"response":{"MetricDataResults":[]}}"#),
            "request with 1"
        );
        let pages =
            r#"{"Request":{"MetricDataQueries":[]},"Responses":[{"MetricDataResults":[]},{"MetricDataResults":[]}]}"#;
        assert_eq!(kind(pages), "request with 2");
        assert_eq!(kind(r#"{"Id":"a","Expression":"SUM(METRICS())"}"#), "query");
        assert_eq!(kind(r#"{"region":{"x":1},"request":"GET /","metadata":4}"#), "foreign");
    }

    #[test]
    fn a_query_is_read_with_its_account_and_an_expression_says_what_to_ask_instead() {
        let text = r#"{"MetricDataQueries":[
            {"Id":"a","AccountId":"111111111111","MetricStat":{"Metric":{"Namespace":"N","MetricName":"M",
             "Dimensions":[{"Name":"D","Value":"v"}]},"Period":300,"Stat":"Sum"}},
            {"Id":"e","Expression":"a*2"},{"Id":"bad","MetricStat":{"Metric":3}}]}"#;
        let Document::Request(request, _) = parse(text.as_bytes()).unwrap() else { panic!("a request") };
        let query = request.queries["a"].clone().unwrap();
        assert_eq!(
            (query.account_id.as_deref(), query.period, query.dimensions["D"].as_str()),
            (Some("111111111111"), Some(300), "v")
        );
        assert!(request.queries["e"].clone().unwrap_err().contains("only MetricStat is understood"));
        assert!(request.queries["bad"].clone().unwrap_err().contains("cannot be read"));
    }
}
