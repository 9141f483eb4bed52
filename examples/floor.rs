//! The floor of a scan: `cargo run --release --example floor -- FOLDER`.
//!
//! Reads and decompresses, on all cores, only the pages that cannot be left out, and decodes none of them: of a row
//! group with Bedrock's lines every page of the columns that billtag needs, of another one the dictionaries of the
//! columns that tell whether a line is Bedrock's, and all pages of those of them that no dictionary speaks for. The last
//! line says the seconds; finding out which row group is which is not counted.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use billtag::aws::Access;
use billtag::error::{Error, Result};
use billtag::place::Place;
use billtag::sources::bill::chunks::Origin;
use billtag::sources::bill::columns::TextColumn;
use billtag::sources::bill::file::{BillFile, broken};
use billtag::sources::bill::known::Known;
use billtag::sources::bill::{layout, scan};
use parquet::basic::Encoding;
use parquet::column::page::PageReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::serialized_reader::SerializedPageReader;

/// The columns that tell whether a line is Bedrock's.
const TELLING: [TextColumn; 6] = [
    TextColumn::ProductCode,
    TextColumn::BillingEntity,
    TextColumn::ServiceCode,
    TextColumn::ProductFamily,
    TextColumn::ProductName,
    TextColumn::ResourceId,
];

/// The column chunks of one row group, each with whether its dictionary is all that is read.
struct Task {
    path: PathBuf,
    rows: usize,
    chunks: Vec<(ColumnChunkMetaData, bool)>,
}

fn main() -> Result<()> {
    let mut tasks = Vec::new();
    for folder in std::env::args().skip(1) {
        let place = Place::of(&folder, Path::new("."), &Arc::default(), &Access::default());
        for period in layout::detect(&place, &mut Known::default())?.periods {
            for file in scan::open(&place, &period)? {
                tasks.extend(tasks_of(&file)?);
            }
        }
    }
    let (next, bytes) = (AtomicUsize::new(0), AtomicU64::new(0));
    let start = Instant::now();
    let work = || -> Result<(), ParquetError> {
        while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
            bytes.fetch_add(read(task)?, Ordering::Relaxed);
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| {
            let ended = worker.join().unwrap_or_else(|_| Err(ParquetError::General("a reader failed".into())));
            ended.map_err(|error| broken("the bill", &error))
        })
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let said = format!("{} row groups, {} bytes decompressed\nseconds {seconds:.6}", tasks.len(), bytes.into_inner());
    drop(writeln!(std::io::stdout(), "{said}"));
    Ok(())
}

fn tasks_of(file: &BillFile) -> Result<Vec<Task>> {
    let Origin::Local(path) = &file.origin else {
        return Err(Error::input(&file.name, "the floor is that of local files", "name a folder of this machine"));
    };
    let telling: Vec<usize> = TELLING.iter().filter_map(|column| file.positions.text(*column)).collect();
    let mut tasks = Vec::new();
    for group in 0..file.row_groups() {
        let is_needed = !scan::candidate_rows(file, group, &file.origin.open()?)?.is_empty();
        let roots = if is_needed { file.positions.all() } else { telling.clone() };
        let leaves = roots.iter().flat_map(|root| file.leaves(*root));
        let chunks = leaves.map(|leaf| file.column(group, leaf).clone());
        let chunks = chunks.map(|chunk| (!is_needed && is_all_dictionary(&chunk), chunk));
        tasks.push(Task {
            path: path.clone(),
            rows: usize::try_from(file.rows(group)).unwrap_or(usize::MAX),
            chunks: chunks.map(|(only_dictionary, chunk)| (chunk, only_dictionary)).collect(),
        });
    }
    Ok(tasks)
}

fn is_all_dictionary(chunk: &ColumnChunkMetaData) -> bool {
    let by_dictionary = |encoding| matches!(encoding, Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY);
    chunk.page_encoding_stats_mask().is_some_and(|mask| mask.encodings().all(by_dictionary))
}

/// Reads and decompresses the pages of a task; returns their bytes.
fn read(task: &Task) -> Result<u64, ParquetError> {
    let file = Arc::new(File::open(&task.path)?);
    let mut bytes = 0;
    for (chunk, only_dictionary) in &task.chunks {
        let mut pages = SerializedPageReader::new(Arc::clone(&file), chunk, task.rows, None)?;
        while let Some(page) = pages.get_next_page()? {
            bytes += page.buffer().len() as u64;
            if *only_dictionary {
                break;
            }
        }
    }
    Ok(bytes)
}
