//! Measured demand: every metric source, read once and sorted by billing period.

use std::collections::BTreeMap;

use super::{Summary, Unread};
use crate::clock;
use crate::config::Config;
use crate::sources::cloudwatch::{self, HourSample, MetricSource, Scope};

/// Reads every metric source; samples by billing period, equal ones once.
pub(super) fn read_metrics(
    config: &Config,
    summary: &mut Summary,
    unread: &mut Unread,
) -> BTreeMap<String, Vec<HourSample>> {
    let mut all: BTreeMap<String, BTreeMap<SeriesKey, HourSample>> = BTreeMap::new();
    for metrics in &config.metrics {
        let source = MetricSource {
            path: config.resolve(&metrics.path),
            namespace: metrics.namespace.clone(),
            dimensions: metrics.dimensions.clone(),
            names: metrics.names.clone(),
            account: metrics.account.clone(),
            region: metrics.region.clone(),
        };
        match cloudwatch::read(&source) {
            Ok(read) => {
                summary
                    .failures
                    .extend(read.failures.iter().map(|failure| format!("metrics `{}`: {failure}", metrics.path)));
                for warning in &read.warnings {
                    let line = warning.line.map(|line| format!(", line {line}")).unwrap_or_default();
                    summary.warnings.push(format!("{}{line}: {}", warning.file.display(), warning.text));
                }
                for sample in read.samples {
                    let month = clock::month_of(clock::day_of(sample.hour));
                    // Two sources may return the same series of AWS's own, each perhaps not all of it.
                    let known =
                        all.entry(month).or_default().entry(series_key(&sample)).or_insert_with(|| sample.clone());
                    known.settle_with(&sample);
                }
            }
            Err(error) => {
                unread.metrics = true;
                let hint = error.hint();
                summary.failures.push(format!("metrics `{}`: {error}\n  hint: {hint}", metrics.path));
            }
        }
    }
    all.into_iter().map(|(month, samples)| (month, samples.into_values().collect())).collect()
}

type SeriesKey = (i64, bool, Scope, [String; 5], BTreeMap<String, String>);

/// What tells one measured series and hour from another.
fn series_key(sample: &HourSample) -> SeriesKey {
    let texts = [
        sample.account_id.clone(),
        sample.region.clone(),
        sample.namespace.clone(),
        sample.model_id.clone().unwrap_or_default(),
        sample.endpoint.map_or("", |endpoint| endpoint.as_str()).to_string(),
    ];
    (sample.hour, sample.daily, sample.scope, texts, sample.owner.clone())
}
