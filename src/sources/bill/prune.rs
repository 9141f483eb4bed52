//! Pruning: which tested columns of a row group can hold a value that passes, asked of their dictionaries.
//!
//! The smallest and largest value of a column cannot show that a value is absent; a dictionary that
//! all pages of the column use lists every value there is. Nothing is skipped on less than that, so
//! the lines that are found do not depend on how the bill was cut into row groups.

use std::ops::Range;
use std::sync::Arc;

use parquet::basic::{Encoding, Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;

use super::candidate::Tested;
use super::chunks::Chunks;
use super::file::BillFile;
use super::pages::{Dictionary, Leaf, Stop, passing};
use crate::error::Result;

/// The tested columns of a row group that may hold a value that passes; none where no line can.
///
/// # Errors
/// Where bytes cannot be had or are damaged.
pub fn open_columns<'a>(
    file: &BillFile,
    group: usize,
    bytes: &Chunks,
    tested: &[Tested<'a>],
) -> Result<Vec<Tested<'a>>> {
    let failed = |error: ParquetError| file.error(bytes, &error);
    let (wide, narrow): (Vec<Tested<'_>>, Vec<Tested<'_>>) = tested.iter().partition(|tested| tested.is_wide);
    // The first column alone decides most often. Where it may hold a candidate all of them are wanted anyway;
    // where it does not, the dictionaries of the others are fetched together.
    let (first, others) = narrow.split_at(narrow.len().min(1));
    let mut open = open_of(file, group, bytes, first).map_err(failed)?;
    if !open.is_empty() {
        let roots: Vec<usize> = tested.iter().map(|tested| tested.root).collect();
        bytes.load(&file.ranges(group, &roots)).map_err(failed)?;
    }
    open.extend(open_of(file, group, bytes, others).map_err(failed)?);
    open.extend(open_of(file, group, bytes, &wide).map_err(failed)?);
    // Their pages are looked at next, all of them.
    let roots: Vec<usize> = open.iter().map(|tested| tested.root).collect();
    bytes.load(&file.ranges(group, &roots)).map_err(failed)?;
    Ok(open)
}

fn open_of<'a>(
    file: &BillFile,
    group: usize,
    bytes: &Chunks,
    tested: &[Tested<'a>],
) -> Result<Vec<Tested<'a>>, ParquetError> {
    let leaves = |root: usize| file.leaves(root).into_iter().filter(|leaf| !is_key(file, *leaf));
    let columns = tested.iter().flat_map(|tested| leaves(tested.root));
    let ranges: Vec<_> = columns.filter_map(|leaf| dictionary_range(file.column(group, leaf))).collect();
    bytes.load(&ranges)?;
    let mut open = Vec::new();
    for tested in tested {
        for leaf in leaves(tested.root) {
            if may_pass(file, group, (leaf, bytes), tested)? {
                open.push(*tested);
                break;
            }
        }
    }
    Ok(open)
}

/// Whether a column may hold a value that passes.
fn may_pass(
    file: &BillFile,
    group: usize,
    (leaf, bytes): (usize, &Chunks),
    tested: &Tested<'_>,
) -> Result<bool, ParquetError> {
    let column = file.column(group, leaf);
    let rows = u64::try_from(column.num_values()).unwrap_or(0);
    if column.statistics().and_then(|known| known.null_count_opt()) == Some(rows) {
        return Ok(false);
    }
    if column.column_type() != Type::BYTE_ARRAY || dictionary_range(column).is_none() {
        return Ok(true);
    }
    let found = dictionary(file, group, leaf, bytes).and_then(|known| {
        bytes.kept().keep_dictionary(leaf, &known);
        passing(&known, tested.test)
    });
    match found {
        Ok(passing) => Ok(passing.contains(&true)),
        Err(Stop::Declined) => Ok(true),
        Err(Stop::Failed(error)) => Err(error),
    }
}

/// Whether a leaf holds a map's keys, which no test asks for.
fn is_key(file: &BillFile, leaf: usize) -> bool {
    let schema = file.metadata.metadata().file_metadata().schema_descr();
    let path = schema.column(leaf);
    let parts = path.path().parts();
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

/// The dictionary of a column that has one.
fn dictionary(file: &BillFile, group: usize, leaf: usize, bytes: &Chunks) -> Result<Arc<Dictionary>, Stop> {
    let mut leaf = Leaf::open(file, group, leaf, (bytes, false))?;
    leaf.read_dictionary()?;
    leaf.dictionary.ok_or(Stop::Declined)
}

/// Every instant of a time column, in the file's own unit, if its dictionary tells.
///
/// # Errors
/// Where bytes cannot be had or are damaged.
pub fn instants(file: &BillFile, group: usize, leaf: usize, bytes: &Chunks) -> Result<Option<Vec<i64>>, ParquetError> {
    let column = file.column(group, leaf);
    let Some(range) = dictionary_range(column).filter(|_| column.column_type() == Type::INT64) else { return Ok(None) };
    bytes.load(&[range])?;
    match dictionary(file, group, leaf, bytes) {
        Ok(known) => Ok(Some((0..known.count()).map_while(|at| known.fixed(at).map(i64::from_le_bytes)).collect())),
        Err(Stop::Declined) => Ok(None),
        Err(Stop::Failed(error)) => Err(error),
    }
}
