//! All data points by series, each point once.
//!
//! Delivery is at least once and in any order, so a point is keyed by everything that names it and
//! of two values the larger (by count, then sum) stays: the result does not depend on the order in
//! which files are read.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::points::Points;
use super::{IgnoredLevel, MetricSource};

/// One data point: how many samples it had, where that is known, and their sum.
///
/// The order of the members is the rule by which a redelivered point is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Point {
    /// Samples, where that is known.
    pub count: Option<i64>,
    /// Their sum, in whole tokens or calls.
    pub sum: i64,
}

/// How a series of points reached us. Points of two origins measure the same and are never added.
///
/// The order prefers, where nothing else decides, the stream, then the finest period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A metric stream, whose points cover a minute.
    Stream,
    /// A reply of GetMetricData.
    Reply {
        /// Seconds that a point covers.
        period: i64,
        /// Where the periods begin, as the remainder of their start. Points of different phase overlap.
        phase: i64,
        /// The statistic SampleCount rather than Sum.
        sample_count: bool,
    },
}

/// The name of a series of metric points.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SeriesName {
    /// The account that made the calls.
    pub account_id: String,
    /// The region in which they were made.
    pub region: String,
    /// The metric's namespace.
    pub namespace: String,
    /// The metric's name as it is published.
    pub metric: String,
    /// Dimension name → value: exactly this set.
    pub dimensions: BTreeMap<String, String>,
}

impl SeriesName {
    /// Names all but the metric in a message.
    pub(super) fn describe(&self) -> String {
        let dimensions: Vec<String> = self.dimensions.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{} {{{}}} in {} {}", self.namespace, dimensions.join(", "), self.account_id, self.region)
    }
}

/// One series and its points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// What is measured.
    pub name: SeriesName,
    /// How the points reached us.
    pub origin: Origin,
    /// By their start in epoch seconds.
    pub points: Points,
}

/// All series of one source.
#[derive(Default)]
pub(super) struct Store {
    /// Position in `series` by written name; a map that is looked up and never walked.
    index: HashMap<String, usize>,
    series: Vec<Series>,
    /// Distinct series of each level that is not read.
    ignored: BTreeMap<(String, BTreeSet<String>), BTreeSet<String>>,
    /// Kept to spare an allocation for each point.
    key: String,
}

impl Store {
    /// Adds a point, or settles it with the one already there.
    pub(super) fn add(&mut self, name: &NameRef<'_>, origin: Origin, at: i64, point: Point) {
        let position = self.position(name, origin);
        self.add_at(position, at, point);
    }

    /// Adds a point to the series at a position.
    pub(super) fn add_at(&mut self, position: usize, at: i64, point: Point) {
        self.series[position].points.settle(at, point);
    }

    /// Adds a series, or its points to those already there.
    pub(super) fn add_series(&mut self, series: Series) {
        let Series { name, origin, points } = series;
        let SeriesName { account_id, region, namespace, metric, dimensions } = &name;
        let position = self.position(&NameRef { account_id, region, namespace, metric, dimensions }, origin);
        self.series[position].points.absorb(points);
    }

    /// Adds what another store holds.
    pub(super) fn absorb(&mut self, other: Self) {
        other.series.into_iter().for_each(|series| self.add_series(series));
        for (level, series) in other.ignored {
            self.ignored.entry(level).or_default().extend(series);
        }
    }

    /// Where a series stands, which stays so; it is made where it is new.
    pub(super) fn position(&mut self, name: &NameRef<'_>, origin: Origin) -> usize {
        self.key.clear();
        name.write(&mut self.key);
        if let Origin::Reply { period, phase, sample_count } = origin {
            for part in [period, phase, i64::from(sample_count)] {
                self.key.push_str(&part.to_string());
                self.key.push(BETWEEN);
            }
        }
        if let Some(position) = self.index.get(&self.key) {
            return *position;
        }
        let position = self.series.len();
        self.index.insert(self.key.clone(), position);
        self.series.push(Series { name: name.to_owned(), origin, points: Points::default() });
        position
    }

    /// Remembers that a series of another level was seen.
    pub(super) fn ignore(&mut self, name: &NameRef<'_>) {
        let mut key = String::new();
        name.write(&mut key);
        let level = (name.namespace.to_owned(), name.dimensions.keys().cloned().collect());
        self.ignored.entry(level).or_default().insert(key);
    }

    /// Bytes that the points take.
    pub(super) fn size(&self) -> usize {
        self.series.iter().map(|series| series.points.size()).sum()
    }

    /// The levels that were seen and not read.
    pub(super) fn ignored_levels(&self) -> Vec<IgnoredLevel> {
        self.ignored
            .iter()
            .map(|((namespace, dimensions), series)| IgnoredLevel {
                namespace: namespace.clone(),
                dimensions: dimensions.clone(),
                series: u64::try_from(series.len()).unwrap_or(u64::MAX),
            })
            .collect()
    }

    /// All series, in the order in which they were first seen.
    pub(super) fn series(&self) -> &[Series] {
        &self.series
    }

    /// All series, by name and origin.
    pub(super) fn into_sorted(mut self) -> Vec<Series> {
        self.series.sort_by(|a, b| (&a.name, a.origin).cmp(&(&b.name, b.origin)));
        self.series
    }
}

/// Separates the parts of a written key. CloudWatch allows no control characters in names.
const BETWEEN: char = '\u{1f}';

/// A series name that borrows its parts.
pub(super) struct NameRef<'a> {
    pub(super) account_id: &'a str,
    pub(super) region: &'a str,
    pub(super) namespace: &'a str,
    pub(super) metric: &'a str,
    pub(super) dimensions: &'a BTreeMap<String, String>,
}

impl<'a> NameRef<'a> {
    /// The name with the account and the region that are configured, where it tells none itself.
    pub(super) fn or_configured(self, source: &'a MetricSource) -> Option<Self> {
        let or = |own: &'a str, configured: &'a Option<String>| {
            Some(own).filter(|own| !own.is_empty()).or(configured.as_deref())
        };
        let account_id = or(self.account_id, &source.account)?;
        let region = or(self.region, &source.region)?;
        Some(Self { account_id, region, ..self })
    }
    fn write(&self, key: &mut String) {
        let names = [self.account_id, self.region, self.namespace, self.metric];
        let dimensions = self.dimensions.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
        for part in names.into_iter().chain(dimensions) {
            key.push_str(part);
            key.push(BETWEEN);
        }
    }

    fn to_owned(&self) -> SeriesName {
        SeriesName {
            account_id: self.account_id.to_owned(),
            region: self.region.to_owned(),
            namespace: self.namespace.to_owned(),
            metric: self.metric.to_owned(),
            dimensions: self.dimensions.clone(),
        }
    }
}
