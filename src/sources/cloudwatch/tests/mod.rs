//! The reader from files to samples.

mod alternatives;
mod files;
mod forms;
mod levels;
mod pages;
mod properties;
mod replies;
mod streams;

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

use super::*;

/// 2026-10-01T00:00:00Z in epoch seconds.
const MIDNIGHT: i64 = 1_790_812_800;
const ACCOUNT: &str = "111111111111";
const REGION: &str = "us-east-1";
const HAIKU: &str = "us.anthropic.claude-haiku-4-5-20251001-v1:0";

/// Id, status, and points as minute and value.
type Answer<'a> = (&'a str, &'a str, &'a [(i64, i64)]);

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        write(folder.path(), name, text.as_bytes());
    }
    folder
}

fn write(folder: &Path, name: &str, bytes: &[u8]) {
    let file = folder.join(name);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, bytes).unwrap();
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// A source that reads native metrics and `Acme/GenAI` by workload and model.
fn source(path: &Path) -> MetricSource {
    let pairs = [("workload", "Workload"), ("model", "Model")];
    MetricSource {
        path: path.to_owned(),
        namespace: Some("Acme/GenAI".to_owned()),
        dimensions: pairs.map(|(key, name)| (key.to_owned(), name.to_owned())).into(),
        ..MetricSource::default()
    }
}

/// A source that reads native metrics alone.
fn native(path: &Path) -> MetricSource {
    MetricSource { path: path.to_owned(), ..MetricSource::default() }
}

/// Reads native metrics from these files.
fn read_files(files: &[(&str, &str)]) -> Read {
    let folder = folder(files);
    read(&native(folder.path())).unwrap()
}

/// A metric-stream record of `AWS/Bedrock` for Haiku, `minute` minutes after midnight.
fn record(metric: &str, minute: i64, count: i64, sum: i64) -> String {
    let dimensions = format!(r#"{{"ModelId":"{HAIKU}"}}"#);
    record_of("AWS/Bedrock", metric, &dimensions, minute, &format!(r#"{{"count":{count}.0,"sum":{sum}.0}}"#), "Count")
}

/// A record of the custom namespace.
fn owned(metric: &str, dimensions: &str, minute: i64, sum: i64) -> String {
    record_of("Acme/GenAI", metric, dimensions, minute, &format!(r#"{{"count":1.0,"sum":{sum}.0}}"#), "Count")
}

fn record_of(namespace: &str, metric: &str, dimensions: &str, minute: i64, value: &str, unit: &str) -> String {
    let timestamp = (MIDNIGHT + minute * 60) * 1000;
    format!(
        r#"{{"metric_stream_name":"s","account_id":"{ACCOUNT}","region":"{REGION}","namespace":"{namespace}","metric_name":"{metric}","dimensions":{dimensions},"timestamp":{timestamp},"value":{value},"unit":"{unit}"}}"#
    )
}

/// A request whose queries ask `AWS/Bedrock` for Haiku: id, metric, period.
fn request(queries: &[(&str, &str, i64)]) -> String {
    let queries: Vec<String> = queries.iter().map(|(id, metric, period)| query(id, metric, *period, "Sum")).collect();
    format!(r#"{{"MetricDataQueries":[{}]}}"#, queries.join(","))
}

fn query(id: &str, metric: &str, period: i64, stat: &str) -> String {
    format!(
        r#"{{"Id":"{id}","MetricStat":{{"Metric":{{"Namespace":"AWS/Bedrock","MetricName":"{metric}","Dimensions":[{{"Name":"ModelId","Value":"{HAIKU}"}}]}},"Period":{period},"Stat":"{stat}"}}}}"#
    )
}

/// A reply of that account and region.
fn reply(results: &[Answer<'_>]) -> String {
    format!(r#"{{"account_id":"{ACCOUNT}","region":"{REGION}","MetricDataResults":[{}]}}"#, results_text(results))
}

fn results_text(results: &[Answer<'_>]) -> String {
    let result = |(id, status, points): &Answer<'_>| {
        let stamps: Vec<String> = points.iter().map(|(minute, _)| (MIDNIGHT + minute * 60).to_string()).collect();
        let values: Vec<String> = points.iter().map(|(_, value)| format!("{value}.0")).collect();
        let (stamps, values) = (stamps.join(","), values.join(","));
        format!(r#"{{"Id":"{id}","StatusCode":"{status}","Timestamps":[{stamps}],"Values":[{values}]}}"#)
    };
    results.iter().map(result).collect::<Vec<_>>().join(",")
}

/// Hour (from midnight) and input tokens of each sample.
fn inputs(read: &Read) -> Vec<(i64, Option<i64>)> {
    read.samples.iter().map(|sample| ((sample.hour - MIDNIGHT) / 3600, sample.input_tokens)).collect()
}

/// Whether one of the texts contains `part`.
fn said(texts: impl IntoIterator<Item = impl AsRef<str>>, part: &str) -> bool {
    texts.into_iter().any(|text| text.as_ref().contains(part))
}

fn warned(read: &Read, part: &str) -> bool {
    said(read.warnings.iter().map(|warning| &warning.text), part)
}

/// Nothing was left out.
fn is_clean(read: &Read) -> bool {
    read.warnings.is_empty() && read.failures.is_empty()
}
