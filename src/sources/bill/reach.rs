//! How far row groups reach: the watermark is over all services, so lines count that nobody wants
//! otherwise, but hardly any of them has to be read for it.
//!
//! A line of at most a day ends at most a day after its start. So the instants that the two columns
//! hold bound the end of every such line, and only a row group whose bound lies beyond what is known
//! already is looked at, the farthest first.

use std::cell::Cell;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::errors::ParquetError;

use super::chunks::Chunks;
use super::columns::{TextColumn, TimeColumn};
use super::file::{BillFile, broken};
use super::lines::Lines;
use super::numbers::times;
use super::prune;
use super::take::{Rows, take};
use crate::clock;
use crate::error::Result;
use crate::normalise::select;
use crate::shield::shielded;

/// Longest hourly or daily line, in microseconds.
const LONGEST: i64 = clock::DAY * 1_000_000;

/// The watermark of row groups and what is known already: the latest end of an hourly or daily Usage line
/// over all services; epoch seconds.
///
/// # Errors
/// Where bytes cannot be had or are damaged.
pub fn watermark<'a>(known: Option<i64>, groups: impl Iterator<Item = (&'a BillFile, usize)>) -> Result<Option<i64>> {
    let mut known = known;
    let mut bounds: Vec<(i64, &BillFile, usize)> =
        groups.filter_map(|(file, group)| Some((bound_of_statistics(file, group)?, file, group))).collect();
    bounds.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| (&a.1.name, a.2).cmp(&(&b.1.name, b.2))));
    for (bound, file, group) in bounds {
        if known.is_some_and(|known| bound <= known) {
            break;
        }
        let look = || look(file, group, &file.origin.open()?, known);
        known = shielded(look).unwrap_or_else(|panic| Err(broken(&file.name, &panic)))?;
    }
    Ok(known)
}

/// The watermark of one row group, if it lies beyond what is known.
///
/// # Errors
/// Where bytes cannot be had or are damaged.
pub fn look(file: &BillFile, group: usize, bytes: &Chunks, known: Option<i64>) -> Result<Option<i64>> {
    let is_known = |bound: Option<i64>| bound.is_none_or(|bound| known.is_some_and(|known| bound <= known));
    if is_known(bound_of_statistics(file, group)) {
        return Ok(known);
    }
    let bound = bound_of_dictionaries(file, group, bytes).map_err(|error| file.error(bytes, &error))?;
    if bound.is_some() && is_known(bound) {
        return Ok(known);
    }
    let times = [TimeColumn::UsageStart, TimeColumn::UsageEnd].map(|column| file.positions.time(column));
    let roots: Vec<usize> =
        times.into_iter().chain([file.positions.text(TextColumn::LineItemType)]).flatten().collect();
    let latest = Cell::new(known);
    take(file, group, bytes, (Rows::First(file.rows(group)), &roots), &|lines| {
        latest.set(latest.get().max(of_lines(&lines)));
        true
    })?;
    Ok(latest.get())
}

/// The latest end of an hourly or daily Usage line; epoch seconds.
fn of_lines(lines: &Lines) -> Option<i64> {
    let types = lines.words(TextColumn::LineItemType);
    let is_usage = |row: usize| types.is_none_or(|types| types.get(row).is_some_and(select::is_usage_type_of_line));
    let end = |row: usize| {
        let (start, end) = (lines.time(TimeColumn::UsageStart, row)?, lines.time(TimeColumn::UsageEnd, row)?);
        (start < end && end - start <= clock::DAY && is_usage(row)).then_some(end)
    };
    (0..lines.len).filter_map(end).max()
}

fn roots(file: &BillFile) -> Option<[usize; 2]> {
    Some([file.positions.time(TimeColumn::UsageStart)?, file.positions.time(TimeColumn::UsageEnd)?])
}

/// A bound by the largest values, in epoch seconds; `None` where no line can have an end.
fn bound_of_statistics(file: &BillFile, group: usize) -> Option<i64> {
    let [start, end] = roots(file)?.map(|root| largest(file, group, root).unwrap_or(i64::MAX));
    Some(end.min(start.saturating_add(LONGEST)).div_euclid(1_000_000))
}

/// The largest value of a time column, in microseconds, where the statistics say it.
fn largest(file: &BillFile, group: usize, root: usize) -> Option<i64> {
    let metadata = file.metadata.metadata();
    let schema = metadata.file_metadata().schema_descr();
    let name = file.metadata.schema().field(root).name();
    let converter = StatisticsConverter::try_new(name, file.metadata.schema(), schema).ok()?;
    let values = times(&converter.row_group_maxes([metadata.row_group(group)]).ok()?).ok()?;
    values.is_valid(0).then(|| values.value(0))
}

/// A bound by all values: the latest end that has a start at most a day before it.
fn bound_of_dictionaries(file: &BillFile, group: usize, bytes: &Chunks) -> Result<Option<i64>, ParquetError> {
    let Some(roots) = roots(file) else { return Ok(None) };
    let mut values = Vec::with_capacity(2);
    for root in roots {
        let [leaf] = file.leaves(root)[..] else { return Ok(None) };
        let Some(raw) = prune::instants(file, group, leaf, bytes)? else { return Ok(None) };
        let Some(instants) = microseconds(raw, file.metadata.schema().field(root).data_type()) else {
            return Ok(None);
        };
        values.push(instants);
    }
    let [mut starts, mut ends] = [values.swap_remove(0), values.swap_remove(0)];
    starts.sort_unstable();
    ends.sort_unstable();
    let follows = |end: &&i64| {
        let before = starts.partition_point(|start| start < *end);
        before > 0 && **end - starts[before - 1] <= LONGEST
    };
    // Where no end follows a start, no line is short: the smallest bound says so.
    let bound = ends.iter().rev().find(follows).copied();
    Ok(Some(bound.map_or(i64::MIN, |bound| bound.div_euclid(1_000_000))))
}

fn microseconds(raw: Vec<i64>, data_type: &DataType) -> Option<Vec<i64>> {
    let raw: ArrayRef = Arc::new(Int64Array::from(raw));
    let instants = times(&cast(&raw, data_type).ok()?).ok()?;
    Some(instants.iter().flatten().collect())
}
