//! One file of a bill, opened: its footer, where its columns are, and what it can be asked.

use std::ops::Range;

use arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::reader::Length;

use super::chunks::{Chunks, Origin};
use super::columns::{AmountColumn, PairSource, Positions, TextColumn, TimeColumn};
use crate::error::{Error, Result};
use crate::place::{Entry, Place};
use crate::shield::shielded;

/// Lines in a decoded batch.
const BATCH: usize = 8_192;
/// Where the first column of a Parquet file can start: behind the four bytes that open it.
const MAGIC: u64 = 4;

/// One file, opened: its metadata and where its columns are.
#[derive(Debug, Clone)]
pub struct BillFile {
    /// Its address, as messages name it.
    pub name: String,
    /// The file as it was listed.
    pub entry: Entry,
    /// Where its bytes are.
    pub origin: Origin,
    /// Parquet's own metadata.
    pub metadata: ArrowReaderMetadata,
    /// The wanted columns.
    pub positions: Positions,
}

impl BillFile {
    /// Opens a file and finds its columns.
    ///
    /// # Errors
    /// Where it cannot be read or is no Parquet file.
    pub fn open(place: &Place, entry: &Entry) -> Result<Self> {
        let (name, origin) = (place.address(&entry.path), Origin::of(place, entry));
        let bytes = origin.open()?;
        let read = shielded(|| bytes.load(&origin.tail()).and_then(|()| read_footer(&bytes)));
        let metadata = match read {
            Ok(Ok(metadata)) => metadata,
            Ok(Err(error)) => return Err(bytes.failure().unwrap_or_else(|| broken(&name, &error))),
            Err(panic) => return Err(broken(&name, &panic)),
        };
        let size = if origin.is_remote() { entry.size } else { bytes.len() };
        check_ranges(metadata.metadata(), size).map_err(|what| broken(&name, &what))?;
        let positions = Positions::of(metadata.schema());
        Ok(Self { name, entry: entry.clone(), origin, metadata, positions })
    }

    /// Refuses a file that cannot be a bill.
    ///
    /// # Errors
    /// What is missing from it.
    pub fn check(&self) -> Result<()> {
        let refuse = |what: &str, hint: &str| Err(Error::input(&self.name, what, hint));
        if self.row_groups() == 0 && self.metadata.metadata().file_metadata().num_rows() == 0 {
            return Ok(());
        }
        if self.positions.amount(AmountColumn::UnblendedCost).is_none() {
            return if self.metadata.schema().field_with_name("BilledCost").is_ok() {
                refuse(
                    "this is a FOCUS export, which billtag does not read",
                    "export CUR 2.0 (table COST_AND_USAGE_REPORT) as Parquet",
                )
            } else {
                refuse(
                    "the bill has no cost column (`line_item_unblended_cost`)",
                    "add the column to the export's SQL and export again",
                )
            };
        }
        let times = [TimeColumn::UsageStart, TimeColumn::PeriodStart];
        let timed = times.iter().any(|column| self.positions.time(*column).is_some());
        if !timed && self.positions.text(TextColumn::TimeInterval).is_none() {
            return refuse(
                "the bill has no time column (`line_item_usage_start_date`)",
                "add the column to the export's SQL and export again",
            );
        }
        let selectors =
            [TextColumn::ProductCode, TextColumn::ResourceId, TextColumn::ProductName, TextColumn::ProductFamily];
        if selectors.iter().all(|column| self.positions.text(*column).is_none())
            && self.positions.map(PairSource::Product).is_none()
        {
            return refuse(
                "nothing in the bill says which lines are Bedrock's (no `line_item_product_code`)",
                "add `line_item_product_code`, `line_item_resource_id` and `product` to the export's SQL",
            );
        }
        Ok(())
    }

    /// How many row groups it has.
    pub fn row_groups(&self) -> usize {
        self.metadata.metadata().num_row_groups()
    }

    /// The columns of the file, leaf by leaf, that belong to a top-level field.
    pub fn leaves(&self, root: usize) -> Vec<usize> {
        let schema = self.metadata.metadata().file_metadata().schema_descr();
        (0..schema.num_columns()).filter(|leaf| schema.get_column_root_idx(*leaf) == root).collect()
    }

    /// A leaf's column chunk of a row group.
    pub fn column(&self, group: usize, leaf: usize) -> &ColumnChunkMetaData {
        self.metadata.metadata().row_group(group).column(leaf)
    }

    /// Where the chunks of top-level fields lie in the file.
    pub fn ranges(&self, group: usize, roots: &[usize]) -> Vec<Range<u64>> {
        let leaves = roots.iter().flat_map(|root| self.leaves(*root));
        leaves.map(|leaf| chunk_range(self.column(group, leaf))).collect()
    }

    /// Bytes of the wanted columns of a row group.
    pub fn bytes(&self, group: usize) -> u64 {
        self.ranges(group, &self.positions.all()).iter().map(|range| range.end - range.start).sum()
    }

    /// Lines of a row group.
    pub fn rows(&self, group: usize) -> u64 {
        u64::try_from(self.metadata.metadata().row_group(group).num_rows()).unwrap_or(0)
    }

    /// Lines of the file before a row group.
    pub fn rows_before(&self, group: usize) -> u64 {
        (0..group).map(|group| self.rows(group)).sum()
    }

    /// Whether a column has a value in a row group, as far as its statistics tell.
    pub fn has_values(&self, group: usize, column: Option<usize>) -> bool {
        let Some(column) = column else { return false };
        let rows = self.rows(group);
        let nulls = |leaf: usize| self.column(group, leaf).statistics().and_then(|known| known.null_count_opt());
        self.leaves(column).into_iter().map(nulls).any(|nulls| nulls.is_none_or(|nulls| nulls < rows))
    }

    /// A mask of top-level fields.
    pub fn mask(&self, roots: impl IntoIterator<Item = usize>) -> ProjectionMask {
        ProjectionMask::roots(self.metadata.metadata().file_metadata().schema_descr(), roots)
    }

    /// The general reader of one row group.
    pub fn reader(&self, group: usize, bytes: &Chunks) -> ParquetRecordBatchReaderBuilder<Chunks> {
        ParquetRecordBatchReaderBuilder::new_with_metadata(bytes.clone(), self.metadata.clone())
            .with_row_groups(vec![group])
            .with_batch_size(BATCH)
    }

    /// The error of a decoder that failed on these bytes: why they could not be had, or that they are damaged.
    pub fn error(&self, bytes: &Chunks, error: &dyn std::fmt::Display) -> Error {
        bytes.failure().unwrap_or_else(|| broken(&self.name, error))
    }

    /// A file whose columns are not of a type that a bill's can be.
    pub fn unfit(&self, error: &ArrowError) -> Error {
        Error::input(
            &self.name,
            format!("a column cannot be read as a bill's ({error})"),
            "export the column as AWS types it: text, double or decimal, and timestamps",
        )
    }
}

fn read_footer(bytes: &Chunks) -> Result<ArrowReaderMetadata, ParquetError> {
    ArrowReaderMetadata::load(bytes, ArrowReaderOptions::new())
}

/// Where a column chunk lies. The footer's own words were checked when the file was opened.
pub fn chunk_range(column: &ColumnChunkMetaData) -> Range<u64> {
    let start = column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
    let start = u64::try_from(start).unwrap_or(0);
    start..start.saturating_add(u64::try_from(column.compressed_size()).unwrap_or(0))
}

/// A footer whose columns lie outside of the file is damaged, whatever else it says.
fn check_ranges(metadata: &ParquetMetaData, size: u64) -> Result<(), String> {
    for (number, group) in metadata.row_groups().iter().enumerate() {
        if u32::try_from(group.num_rows()).is_err() {
            return Err(format!("row group {number} has {} rows", group.num_rows()));
        }
        for column in group.columns() {
            let range = chunk_range(column);
            let is_inside = column.compressed_size() == 0 || (range.start >= MAGIC && range.end <= size);
            if column.compressed_size() < 0 || !is_inside {
                return Err(format!("column {} of row group {number} lies outside of the file", column.column_path()));
            }
        }
    }
    Ok(())
}

/// A file that is not, or no longer, Parquet.
pub fn broken(name: &str, error: &dyn std::fmt::Display) -> Error {
    Error::input(
        name,
        format!("the Parquet file is cut or damaged ({error})"),
        "copy the file again; what was stored of its period stays as it was",
    )
}
