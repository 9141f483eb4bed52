//! Pruning: whether a row group can hold a line of Bedrock's at all, asked of its dictionaries.
//!
//! The smallest and largest value of a column cannot show that a value is absent; a dictionary that
//! all pages of the column use lists every value there is. Nothing is skipped on less than that, so
//! the lines that are found do not depend on how the bill was cut into row groups.

use arrow::array::AsArray;
use parquet::basic::{Encoding, Type};
use parquet::column::page::{Page, PageReader};
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::serialized_reader::SerializedPageReader;
use std::ops::Range;
use std::sync::Arc;

use super::chunks::Chunks;
use super::file::BillFile;
use crate::error::Result;

/// What makes a value a candidate's.
pub type Test = fn(&str) -> bool;

/// What a column of a row group says about a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// No value passes.
    Absent,
    /// Some value passes.
    Present,
    /// The dictionary does not list every value.
    Unsaid,
}

/// The values that are tested: top-level field and test. Those of `wide` have so many values that
/// they are asked last.
pub struct Tested<'a> {
    /// Columns with few values.
    pub narrow: &'a [(usize, Test)],
    /// Columns with many.
    pub wide: &'a [(usize, Test)],
}

/// Whether some line of a row group may pass a test.
///
/// # Errors
/// Where bytes cannot be had or are damaged.
pub fn can_hold(file: &BillFile, group: usize, bytes: &Chunks, tested: &Tested<'_>) -> Result<bool> {
    // The first column alone decides most often; where it finds nothing the others are fetched together.
    let (first, others) = tested.narrow.split_at(tested.narrow.len().min(1));
    for columns in [first, others] {
        let verdicts = verdicts(file, group, bytes, columns).map_err(|error| file.error(bytes, &error))?;
        if verdicts.iter().any(|verdict| *verdict != Verdict::Absent) {
            return Ok(true);
        }
    }
    for (root, test) in tested.wide {
        let verdict = verdicts(file, group, bytes, &[(*root, *test)]).map_err(|error| file.error(bytes, &error))?;
        let found = match verdict.first() {
            Some(Verdict::Present) => true,
            Some(Verdict::Unsaid) => any_value(file, group, bytes, *root, *test)?,
            _ => false,
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

fn verdicts(
    file: &BillFile,
    group: usize,
    bytes: &Chunks,
    columns: &[(usize, Test)],
) -> Result<Vec<Verdict>, ParquetError> {
    let leaves: Vec<(usize, Test)> = columns
        .iter()
        .flat_map(|(root, test)| file.leaves(*root).into_iter().map(|leaf| (leaf, *test)))
        .filter(|(leaf, _)| !is_key(file, *leaf))
        .collect();
    let ranges: Vec<_> = leaves.iter().filter_map(|(leaf, _)| dictionary_range(file.column(group, *leaf))).collect();
    bytes.load(&ranges)?;
    leaves
        .into_iter()
        .map(|(leaf, test)| {
            let column = file.column(group, leaf);
            let Some(texts) = dictionary(column, bytes)? else { return Ok(Verdict::Unsaid) };
            let is_present = texts.iter().any(|text| std::str::from_utf8(text).is_ok_and(test));
            Ok(if is_present { Verdict::Present } else { Verdict::Absent })
        })
        .collect()
}

/// Whether a leaf holds a map's keys, which no test asks for.
fn is_key(file: &BillFile, leaf: usize) -> bool {
    let schema = file.metadata.metadata().file_metadata().schema_descr();
    let parts = schema.column(leaf).path().parts().to_vec();
    parts.len() > 1 && parts.last().is_some_and(|name| name == "key")
}

/// Whether every page of a column is encoded by its dictionary, so that the dictionary lists all values.
fn is_all_dictionary(column: &ColumnChunkMetaData) -> bool {
    let by_dictionary = |encoding| matches!(encoding, Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY);
    match column.page_encoding_stats_mask() {
        Some(mask) => mask.encodings().all(by_dictionary),
        // Without statistics by page only the older writers' lists are clear: a page that fell back is
        // `PLAIN`, and the dictionary itself is not listed as such.
        None => {
            let mut encodings = column.encodings();
            let mut found = false;
            let only = encodings.all(|encoding| {
                found |= encoding == Encoding::PLAIN_DICTIONARY;
                #[expect(deprecated, reason = "old writers list it for levels")]
                let of_levels = matches!(encoding, Encoding::RLE | Encoding::BIT_PACKED);
                of_levels || encoding == Encoding::PLAIN_DICTIONARY
            });
            only && found
        }
    }
}

/// Where the dictionary of a column lies, if it tells all.
fn dictionary_range(column: &ColumnChunkMetaData) -> Option<Range<u64>> {
    let start = u64::try_from(column.dictionary_page_offset()?).ok()?;
    let end = u64::try_from(column.data_page_offset()).ok()?;
    let limit = start + u64::try_from(column.compressed_size()).ok()?;
    (is_all_dictionary(column) && start < end && end <= limit).then_some(start..end)
}

/// Every value of a text column, if its dictionary tells.
fn dictionary(column: &ColumnChunkMetaData, bytes: &Chunks) -> Result<Option<Vec<bytes::Bytes>>, ParquetError> {
    let rows = u64::try_from(column.num_values()).unwrap_or(0);
    if column.statistics().and_then(|known| known.null_count_opt()) == Some(rows) {
        return Ok(Some(Vec::new()));
    }
    if column.column_type() != Type::BYTE_ARRAY || dictionary_range(column).is_none() {
        return Ok(None);
    }
    let Some((buffer, count)) = dictionary_page(column, bytes)? else { return Ok(None) };
    Ok(plain_texts(&buffer, count))
}

fn dictionary_page(column: &ColumnChunkMetaData, bytes: &Chunks) -> Result<Option<(bytes::Bytes, u32)>, ParquetError> {
    let mut pages = SerializedPageReader::new(Arc::new(bytes.clone()), column, 0, None)?;
    match pages.get_next_page()? {
        Some(Page::DictionaryPage {
            buf, num_values, encoding: Encoding::PLAIN | Encoding::PLAIN_DICTIONARY, ..
        }) => Ok(Some((buf, num_values))),
        _ => Ok(None),
    }
}

/// Texts as Parquet writes them plainly: four bytes of length before each. `None` where they do not fit.
fn plain_texts(buffer: &bytes::Bytes, count: u32) -> Option<Vec<bytes::Bytes>> {
    let mut texts = Vec::with_capacity(usize::try_from(count).ok()?.min(buffer.len() / 4));
    let mut at = 0;
    for _ in 0..count {
        let length = buffer.get(at..at + 4)?;
        let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize;
        at += 4;
        if buffer.len() - at < length {
            return None;
        }
        texts.push(buffer.slice(at..at + length));
        at += length;
    }
    Some(texts)
}

/// Every instant of a time column, in the file's own unit, if its dictionary tells.
///
/// # Errors
/// Where bytes cannot be had or are damaged.
pub fn instants(file: &BillFile, group: usize, leaf: usize, bytes: &Chunks) -> Result<Option<Vec<i64>>, ParquetError> {
    let column = file.column(group, leaf);
    let Some(range) = dictionary_range(column).filter(|_| column.column_type() == Type::INT64) else { return Ok(None) };
    bytes.load(&[range])?;
    let Some((buffer, count)) = dictionary_page(column, bytes)? else { return Ok(None) };
    let values = buffer.chunks_exact(8).take(count as usize);
    Ok(Some(values.map(|value| i64::from_le_bytes(value.try_into().unwrap_or_default())).collect()))
}

/// Whether a column that no dictionary speaks for has a value that passes.
fn any_value(file: &BillFile, group: usize, bytes: &Chunks, root: usize, test: Test) -> Result<bool> {
    bytes.load(&file.ranges(group, &[root])).map_err(|error| file.error(bytes, &error))?;
    let reader = file.reader(group, bytes).with_projection(file.mask([root])).build();
    for batch in reader.map_err(|error| file.error(bytes, &error))? {
        let batch = batch.map_err(|error| file.error(bytes, &error))?;
        let column = batch.column(0);
        let found = match column.data_type() {
            arrow::datatypes::DataType::Utf8View => column.as_string_view().iter().flatten().any(test),
            _ => {
                let texts = super::columns::texts(column).map_err(|error| file.unfit(&error))?;
                texts.iter().flatten().any(test)
            }
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}
