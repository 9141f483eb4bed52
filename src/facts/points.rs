//! Points: measured series as they are kept between runs, so that what was read once is not read again.
//!
//! One file for each source and month, named by its hash, and one state that names the files: a source's
//! state is replaced in one step, and files that it does not name are leftovers.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::store::{Store, hash};
use crate::aws::s3::Condition;
use crate::clock;
use crate::error::{Error, Result};
use crate::sources::cloudwatch::{Origin, Point, Points, Series, SeriesName};

/// Columns, in order: a series' name and origin, then the point.
const COLUMNS: [(&str, DataType); 11] = [
    ("account_id", DataType::Utf8),
    ("region", DataType::Utf8),
    ("namespace", DataType::Utf8),
    ("metric", DataType::Utf8),
    ("dimensions", DataType::Utf8),
    ("period", DataType::Int64),
    ("phase", DataType::Int64),
    ("is_sample_count", DataType::Boolean),
    ("start", DataType::Int64),
    ("count", DataType::Int64),
    ("sum", DataType::Int64),
];

/// Files of points, by month: their hashes.
pub type Months = BTreeMap<String, String>;

fn path(source: &str, month: &str, hash: &str) -> String {
    format!("points/{source}/{month}-{hash}.parquet")
}

impl Store {
    /// The kept points of a source and month.
    pub fn points(&self, source: &str, months: &Months, month: &str) -> Result<Vec<Series>> {
        let Some(hash) = months.get(month) else { return Ok(Vec::new()) };
        let path = path(source, month, hash);
        let damaged = |error: &dyn std::fmt::Display| {
            Error::input(
                self.place().address(&path),
                format!("the stored points are missing or damaged ({error})"),
                format!("remove the folder points/{source} of the store; the metrics are then read again"),
            )
        };
        let (bytes, _) = self.place().get(&path)?.ok_or_else(|| damaged(&"there is no such file"))?;
        read(bytes).map_err(|error| damaged(&error))
    }

    /// Adds points to what is kept; says which months are other ones by now. What they replace stays
    /// until [`Store::tidy_points`].
    pub fn add_points(&self, source: &str, months: &mut Months, series: Vec<Series>) -> Result<()> {
        let mut by_month: BTreeMap<String, Vec<Series>> = BTreeMap::new();
        for one in series {
            for (month, points) in parts(&one.points) {
                let part = Series { name: one.name.clone(), origin: one.origin, points };
                by_month.entry(month).or_default().push(part);
            }
        }
        for (month, new) in by_month {
            let known = self.points(source, months, &month)?;
            let all = merged(known, new);
            let bytes = write(&all).map_err(|error| Error::input("points", error.to_string(), "please report this"))?;
            let hash = hash(&bytes);
            if months.get(&month) != Some(&hash) {
                self.place().put(&path(source, &month, &hash), &bytes, &Condition::Always)?;
                months.insert(month, hash);
            }
        }
        Ok(())
    }

    /// Removes files of points that their source's state does not name. A source that the config does not
    /// name now keeps its points: CloudWatch may have forgotten them.
    pub fn tidy_points(&self, named: &BTreeMap<String, Months>) -> Result<()> {
        for entry in self.place().below("points/")? {
            let Some((source, name)) = entry.path.strip_prefix("points/").and_then(|path| path.split_once('/')) else {
                continue;
            };
            let is_named = |months: &Months| {
                name == "state.json" || months.iter().any(|(month, hash)| entry.path == path(source, month, hash))
            };
            if named.get(source).is_some_and(|months| !is_named(months)) {
                self.place().remove(&entry.path)?;
            }
        }
        Ok(())
    }
}

/// The points of each month, in order.
fn parts(points: &Points) -> Vec<(String, Points)> {
    let mut parts: Vec<(String, Points)> = Vec::new();
    let mut last = None;
    for (at, point) in points.iter() {
        let day = clock::day_of(at);
        if last != Some(day) {
            last = Some(day);
            let month = clock::month_of(day);
            if parts.last().is_none_or(|(last, _)| *last != month) {
                parts.push((month, Points::default()));
            }
        }
        if let Some((_, points)) = parts.last_mut() {
            points.settle(at, point);
        }
    }
    parts
}

/// Two lists of series as one; of a point that both have the larger stays, as of a redelivered one.
pub fn merged(known: Vec<Series>, new: Vec<Series>) -> Vec<Series> {
    let mut all: BTreeMap<(SeriesName, Origin), Points> = BTreeMap::new();
    for series in known.into_iter().chain(new) {
        all.entry((series.name, series.origin)).or_default().absorb(series.points);
    }
    all.into_iter().map(|((name, origin), points)| Series { name, origin, points }).collect()
}

/// Series as the bytes of a Parquet file.
///
/// # Errors
/// None that can happen: all of it is texts and numbers.
pub fn write(series: &[Series]) -> Result<Bytes, ParquetError> {
    let fields: Vec<Field> = COLUMNS.iter().map(|(name, kind)| Field::new(*name, kind.clone(), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_created_by(format!("billtag {}", env!("CARGO_PKG_VERSION")))
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), Arc::clone(&schema), Some(properties))?;
    for one in series {
        writer.write(&RecordBatch::try_new(Arc::clone(&schema), columns(one))?)?;
    }
    Ok(Bytes::from(writer.into_inner()?))
}

fn columns(series: &Series) -> Vec<ArrayRef> {
    let (mut starts, mut counts, mut sums) = (Vec::new(), Vec::new(), Vec::new());
    for (at, point) in series.points.iter() {
        starts.push(at);
        counts.push(point.count);
        sums.push(point.sum);
    }
    let count = starts.len();
    let text = |text: &str| Arc::new(StringArray::from(vec![text; count])) as ArrayRef;
    let number = |number: Option<i64>| Arc::new(Int64Array::from(vec![number; count])) as ArrayRef;
    let SeriesName { account_id, region, namespace, metric, dimensions } = &series.name;
    let (period, phase, is_sample_count) = match series.origin {
        Origin::Stream => (None, None, None),
        Origin::Reply { period, phase, sample_count } => (Some(period), Some(phase), Some(sample_count)),
    };
    vec![
        text(account_id),
        text(region),
        text(namespace),
        text(metric),
        // A map of texts cannot fail to be JSON.
        text(&serde_json::to_string(dimensions).unwrap_or_default()),
        number(period),
        number(phase),
        Arc::new(BooleanArray::from(vec![is_sample_count; count])),
        Arc::new(Int64Array::from(starts)),
        Arc::new(Int64Array::from(counts)),
        Arc::new(Int64Array::from(sums)),
    ]
}

/// The series of a file that [`fn@write`] made.
///
/// # Errors
/// Where it is damaged.
pub fn read(bytes: Bytes) -> Result<Vec<Series>, ParquetError> {
    let mut all: Vec<Series> = Vec::new();
    // What names the last series, as it is written.
    let mut last: Option<([String; 5], Origin)> = None;
    for batch in ParquetRecordBatchReaderBuilder::try_new(bytes)?.build()? {
        let batch = batch?;
        let text = |at: usize| batch.column(at).as_string::<i32>();
        let number = |at: usize| batch.column(at).as_primitive::<Int64Type>();
        let optional = |at: usize, row: usize| number(at).is_valid(row).then(|| number(at).value(row));
        for row in 0..batch.num_rows() {
            let origin = match (optional(5, row), optional(6, row)) {
                (Some(period), Some(phase)) => {
                    Origin::Reply { period, phase, sample_count: batch.column(7).as_boolean().value(row) }
                }
                _ => Origin::Stream,
            };
            let texts = [0, 1, 2, 3, 4].map(|at| text(at).value(row));
            if !last.as_ref().is_some_and(|(last, of)| *last == texts && *of == origin) {
                let texts = texts.map(String::from);
                all.push(Series { name: name(&texts)?, origin, points: Points::default() });
                last = Some((texts, origin));
            }
            if let Some(series) = all.last_mut() {
                series
                    .points
                    .settle(number(8).value(row), Point { count: optional(9, row), sum: number(10).value(row) });
            }
        }
    }
    Ok(all)
}

/// A series' name out of the columns that hold it.
fn name(texts: &[String; 5]) -> Result<SeriesName, ParquetError> {
    let [account_id, region, namespace, metric, dimensions] = texts.clone();
    let dimensions =
        serde_json::from_str(&dimensions).map_err(|error| ParquetError::General(format!("dimensions: {error}")))?;
    Ok(SeriesName { account_id, region, namespace, metric, dimensions })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(metric: &str, origin: Origin, points: &[(i64, i64)]) -> Series {
        let name = SeriesName {
            account_id: "111122223333".into(),
            region: "us-east-1".into(),
            namespace: "AWS/Bedrock".into(),
            metric: metric.into(),
            dimensions: BTreeMap::from([("ModelId".into(), "a \"b\"".into())]),
        };
        let points = points.iter().map(|(at, sum)| (*at, Point { count: Some(1), sum: *sum })).collect();
        Series { name, origin, points }
    }

    #[test]
    fn points_come_back_as_they_were_kept_and_a_redelivered_one_counts_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("store"));
        let hour = Origin::Reply { period: 3_600, phase: 0, sample_count: false };
        let october = clock::parse("2026-10-31T23:00:00Z").unwrap();
        let mut months = Months::new();
        let first = vec![
            series("Invocations", Origin::Stream, &[(october, 5)]),
            series("Invocations", hour, &[(october, 7), (october + 3_600, 8)]),
        ];
        store.add_points("s", &mut months, first.clone()).unwrap();
        assert_eq!(months.keys().collect::<Vec<_>>(), ["2026-10", "2026-11"]);
        let before = months.clone();
        store.add_points("s", &mut months, first).unwrap();
        assert_eq!(months, before, "the same again changes nothing");
        store.add_points("s", &mut months, vec![series("Invocations", hour, &[(october, 9)])]).unwrap();
        let kept = store.points("s", &months, "2026-10").unwrap();
        assert_eq!(
            kept,
            [series("Invocations", Origin::Stream, &[(october, 5)]), series("Invocations", hour, &[(october, 9)])]
        );
        store.tidy_points(&BTreeMap::from([("s".to_string(), months)])).unwrap();
        assert_eq!(store.place().below("points/").unwrap().len(), 2);
    }
}
