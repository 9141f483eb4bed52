//! Rows to Parquet: portable files that any engine reads as they are.

mod chunk;
mod hybrid;
mod read;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::arrow::{ArrowSchemaConverter, add_encoded_arrow_schema_to_metadata};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;

use super::Days;
use super::changes::Changed;
use crate::attribute::{Facts, Ownership};
use crate::error::{Error, Result};
use crate::normalise::{AMOUNT_COUNT, Charge, Charges, Dimensions};
use crate::schema::{CHARGE_TEXT_COUNT, DAILY_TEXTS, MEASURES, Table, USAGE_TEXTS};
use crate::text::{Text, Texts};
use chunk::Chunk;
pub use read::{read_changes, read_costs};

/// Rows of a row group.
const ROW_GROUP: usize = 131_072;
/// Owner columns.
const KEYS: usize = crate::attribute::owner::KEYS;

/// A row of `usage`.
#[derive(Debug, Clone)]
pub struct Usage {
    /// Start of the hour, or of the day where the source has no hours; epoch seconds.
    pub start: i64,
    /// Text columns, in table order.
    pub texts: [Text; USAGE_TEXTS.len()],
    /// Measures, in table order.
    pub measures: [Option<i64>; MEASURES.len()],
}

/// Writes a range of rows into every column.
type Fill<'a> = &'a mut dyn FnMut(&mut [Chunk], Range<usize>) -> Result<(), ParquetError>;

/// A table's file while it is written, stretch by stretch. Its bytes do not depend on the stretches.
pub struct Writer {
    inner: SerializedFileWriter<Hashing<BufWriter<File>>>,
    chunks: Vec<Chunk>,
    /// Rows of the row group.
    rows: usize,
    path: PathBuf,
}

impl Writer {
    /// Creates a table's file.
    ///
    /// # Errors
    /// Where it cannot be created.
    pub fn create(table: Table, path: PathBuf) -> Result<Self> {
        let file = File::create(&path).map_err(Error::io(&path, "create"))?;
        let failed = |error| unwritten(&path, error);
        let name = format!("billtag {}", env!("CARGO_PKG_VERSION"));
        let mut properties = WriterProperties::builder().set_created_by(name).build();
        let schema = table.schema();
        add_encoded_arrow_schema_to_metadata(&schema, &mut properties);
        let columns = ArrowSchemaConverter::new().convert(&schema).map_err(failed)?;
        let hashing = Hashing { inner: BufWriter::new(file), hash: blake3::Hasher::new() };
        let inner = SerializedFileWriter::new(hashing, columns.root_schema_ptr(), Arc::new(properties));
        let inner = inner.map_err(failed)?;
        let chunks = table.columns().iter().map(|(_, kind)| Chunk::new(*kind)).collect::<std::io::Result<_>>();
        Ok(Self { inner, chunks: chunks.map_err(Error::io(&path, "write"))?, rows: 0, path })
    }

    /// Adds rows of `charges`.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn charges(&mut self, charges: &Charges) -> Result<()> {
        let Charges { texts, dimensions, rows } = charges;
        self.add(rows.len(), texts, &mut |chunks, range| {
            let mut chunks = chunks.iter_mut();
            let rows = &rows[range];
            write_charges(&mut chunks, rows.iter(), &|row| dimensions.get(row.dimensions), texts)
        })
    }

    /// Adds rows of `cost_facts`, whose texts and dimensions are those of their charges.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn facts(&mut self, facts: &Facts, charges: &Charges) -> Result<()> {
        let Charges { texts, dimensions, .. } = charges;
        let Facts { ownerships, rows } = facts;
        self.add(rows.len(), texts, &mut |chunks, range| {
            let mut chunks = chunks.iter_mut();
            let rows = &rows[range];
            let charged = rows.iter().map(|row| &row.charge);
            write_charges(&mut chunks, charged, &|row| dimensions.get(row.dimensions), texts)?;
            let owned: Vec<&Ownership> = rows.iter().map(|row| ownerships.get(row.ownership)).collect();
            for (key, chunk) in chunks.by_ref().take(KEYS).enumerate() {
                owned.iter().try_for_each(|owned| chunk.text(owned.owner[key], texts))?;
            }
            let [method, evidence, is_router] = three(&mut chunks);
            owned.iter().try_for_each(|owned| method.name(owned.method.name()))?;
            owned.iter().try_for_each(|owned| evidence.text(owned.evidence, texts))?;
            owned.iter().try_for_each(|owned| is_router.flag(owned.is_router))
        })
    }

    /// Adds rows of `cost_daily`.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn daily(&mut self, days: &Days) -> Result<()> {
        let Days { texts, kept, owners, rows } = days;
        self.add(rows.len(), texts, &mut |chunks, range| {
            let mut chunks = chunks.iter_mut();
            let rows = &rows[range];
            let day = next(&mut chunks);
            rows.iter().try_for_each(|row| day.whole(Some(i64::from(row.day))))?;
            for (key, chunk) in chunks.by_ref().take(KEYS).enumerate() {
                rows.iter().try_for_each(|row| chunk.text(owners.get(row.owner).owner[key], texts))?;
            }
            let method = next(&mut chunks);
            rows.iter().try_for_each(|row| method.name(owners.get(row.owner).method.name()))?;
            let is_router = next(&mut chunks);
            rows.iter().try_for_each(|row| is_router.flag(owners.get(row.owner).is_router))?;
            for (at, chunk) in chunks.by_ref().take(DAILY_TEXTS.len()).enumerate() {
                rows.iter().try_for_each(|row| chunk.text(kept.get(row.kept)[at], texts))?;
            }
            for (at, chunk) in chunks.enumerate() {
                rows.iter().try_for_each(|row| chunk.amount(row.amounts[at]))?;
            }
            Ok(())
        })
    }

    /// Adds rows, of which `write` writes a range into every column.
    fn add(&mut self, rows: usize, texts: &Texts, write: Fill<'_>) -> Result<()> {
        self.chunks.iter_mut().for_each(|chunk| chunk.turn_to(texts));
        let mut at = 0;
        while at < rows {
            let end = rows.min(at + ROW_GROUP - self.rows);
            write(&mut self.chunks, at..end).map_err(|error| unwritten(&self.path, error))?;
            self.rows += end - at;
            at = end;
            if self.rows == ROW_GROUP {
                self.end_group()?;
            }
        }
        Ok(())
    }

    fn end_group(&mut self) -> Result<()> {
        let Self { inner, chunks, rows, path } = self;
        let columns: Vec<_> = inner.schema_descr().columns().to_vec();
        let write = || {
            let mut group = inner.next_row_group()?;
            for (chunk, column) in chunks.iter_mut().zip(columns) {
                let (bytes, close) = chunk.end(column)?;
                group.append_column(&bytes, close)?;
            }
            group.close()
        };
        write().map_err(|error| unwritten(path, error))?;
        *rows = 0;
        Ok(())
    }

    /// Makes the file durable and returns the hash of its bytes.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn finish(mut self) -> Result<String> {
        if self.rows > 0 {
            self.end_group()?;
        }
        let Self { inner, path, .. } = self;
        let hashing = inner.into_inner().map_err(|error| unwritten(&path, error))?;
        let hash = hashing.hash.finalize().to_hex()[..32].to_string();
        let file = hashing.inner.into_inner().map_err(|error| Error::Io {
            path: path.clone(),
            doing: "write",
            source: error.into_error(),
        })?;
        file.sync_all().map_err(Error::io(&path, "sync"))?;
        Ok(hash)
    }
}

/// Writes the columns that charges and facts have in common.
fn write_charges<'a, 'r>(
    chunks: &mut impl Iterator<Item = &'a mut Chunk>,
    rows: impl Iterator<Item = &'r Charge> + Clone,
    dimensions: &dyn Fn(&'r Charge) -> &'r Dimensions,
    texts: &Texts,
) -> Result<(), ParquetError> {
    let start = next(chunks);
    rows.clone().try_for_each(|row| start.whole(Some(row.start * 1_000_000)))?;
    let sets: Vec<&Dimensions> = rows.clone().map(dimensions).collect();
    for (at, chunk) in chunks.by_ref().take(CHARGE_TEXT_COUNT).enumerate() {
        sets.iter().try_for_each(|set| chunk.text(set[at], texts))?;
    }
    for (at, chunk) in chunks.by_ref().take(AMOUNT_COUNT).enumerate() {
        rows.clone().try_for_each(|row| chunk.amount(row.amounts[at]))?;
    }
    Ok(())
}

fn next<'a>(chunks: &mut impl Iterator<Item = &'a mut Chunk>) -> &'a mut Chunk {
    chunks.next().expect("a chunk for each column of the table")
}

fn three<'a>(chunks: &mut impl Iterator<Item = &'a mut Chunk>) -> [&'a mut Chunk; 3] {
    std::array::from_fn(|_| next(chunks))
}

fn unwritten(path: &Path, error: ParquetError) -> Error {
    Error::Io { path: path.to_path_buf(), doing: "write", source: io_error(error) }
}

/// Writes usage.
///
/// # Errors
/// Where the file cannot be written.
pub fn usage(path: PathBuf, rows: &[Usage], texts: &Texts) -> Result<String> {
    let mut writer = Writer::create(Table::Usage, path)?;
    writer.add(rows.len(), texts, &mut |chunks, range| {
        let mut chunks = chunks.iter_mut();
        let rows = &rows[range];
        let start = next(&mut chunks);
        rows.iter().try_for_each(|row| start.whole(Some(row.start * 1_000_000)))?;
        for (at, chunk) in chunks.by_ref().take(USAGE_TEXTS.len()).enumerate() {
            rows.iter().try_for_each(|row| chunk.text(row.texts[at], texts))?;
        }
        for (at, chunk) in chunks.enumerate() {
            rows.iter().try_for_each(|row| chunk.whole(row.measures[at]))?;
        }
        Ok(())
    })?;
    writer.finish()
}

/// Writes changes.
///
/// # Errors
/// Where the file cannot be written.
pub fn changes(path: PathBuf, rows: &[Changed]) -> Result<String> {
    let mut writer = Writer::create(Table::Changes, path)?;
    writer.add(rows.len(), &Texts::default(), &mut |chunks, range| {
        let [at, day, workload, currency, causes, before, after] = chunks else {
            unreachable!("a chunk for each column of the table");
        };
        for row in &rows[range] {
            at.whole(Some(row.at * 1_000_000))?;
            day.whole(Some(i64::from(row.day)))?;
            workload.name(&row.workload)?;
            currency.name(&row.currency)?;
            causes.name(&row.causes)?;
            before.amount(Some(row.before))?;
            after.amount(Some(row.after))?;
        }
        Ok(())
    })?;
    writer.finish()
}

/// The system's error inside Parquet's, so that a full disk is called a full disk.
fn io_error(error: ParquetError) -> std::io::Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            return std::io::Error::new(io.kind(), io.to_string());
        }
        cause = inner.source();
    }
    // Parquet turns some of the system's errors into text.
    let is_full = error.to_string().contains("No space left");
    let kind = if is_full { std::io::ErrorKind::StorageFull } else { std::io::ErrorKind::Other };
    std::io::Error::new(kind, error)
}

struct Hashing<W> {
    inner: W,
    hash: blake3::Hasher,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}
