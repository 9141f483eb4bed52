//! Fingerprints: what a period's facts were made from.
//!
//! Of a Parquet file the footer and the bytes of the columns that billtag reads are hashed, not the
//! file's times: a copy of the same bill is the same bill, and a change of a single cell is seen.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicUsize, Ordering};

use parquet::file::reader::Length;

use super::chunks::Origin;
use super::file::BillFile;
use super::layout::BillPeriod;
use crate::error::{Error, Result};
use crate::place::{Entry, Place};

/// Bytes read at once.
const CHUNK: u64 = 1 << 18;
/// Length of the footer and the magic that closes a file.
const TRAILER: u64 = 8;

/// Hash of everything in a period's files and manifest that reaches its facts. Of what S3 lists the
/// ETags say it, so nothing is read; local files are opened, and are returned.
///
/// # Errors
/// Where a local file cannot be read.
pub fn of(place: &Place, period: &BillPeriod) -> Result<(String, Option<Vec<BillFile>>)> {
    let mut hash = blake3::Hasher::new();
    if let Some(manifest) = &period.manifest {
        match &manifest.tag {
            Some(_) => add_entry(&mut hash, manifest),
            None => {
                hash.update(&place.read(manifest)?);
            }
        }
    }
    let files = if period.files.iter().all(|file| file.tag.is_some()) {
        period.files.iter().for_each(|file| add_entry(&mut hash, file));
        None
    } else {
        let files = super::scan::open(place, period)?;
        for (file, hashes) in files.iter().zip(hashes(&files)?) {
            hash.update(file.entry.path.as_bytes());
            for part in hashes {
                hash.update(&part);
            }
        }
        Some(files)
    };
    Ok((hash.finalize().to_hex()[..32].to_string(), files))
}

fn add_entry(hash: &mut blake3::Hasher, entry: &Entry) {
    let tag = entry.tag.as_deref().unwrap_or_default();
    hash.update(format!("{}\n{}\n{tag}\n", entry.path, entry.size).as_bytes());
}

/// By file: hashes of its footer and of what is read of its row groups, taken side by side.
fn hashes(files: &[BillFile]) -> Result<Vec<Vec<[u8; 32]>>> {
    let parts = |(at, file): (usize, &BillFile)| (0..=file.row_groups()).map(move |part| (at, part));
    let parts: Vec<(usize, usize)> = files.iter().enumerate().flat_map(parts).collect();
    let next = AtomicUsize::new(0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from).min(parts.len());
    let hash_some = || {
        let mut found = Vec::new();
        while let Some((file, part)) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
            found.push(((*file, *part), hash_part(&files[*file], *part)));
        }
        found
    };
    let mut found: BTreeMap<(usize, usize), Result<[u8; 32]>> = BTreeMap::new();
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..cores).map(|_| scope.spawn(hash_some)).collect();
        found.extend(hash_some());
        for other in others {
            found.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
    });
    let mut hashes = vec![Vec::new(); files.len()];
    for ((file, _), hash) in found {
        hashes[file].push(hash?);
    }
    Ok(hashes)
}

/// Hash of what is read of a row group, or of the footer, which comes last.
fn hash_part(bill: &BillFile, part: usize) -> Result<[u8; 32]> {
    let mut hash = blake3::Hasher::new();
    let Origin::Local(path) = &bill.origin else { return Ok(*hash.finalize().as_bytes()) };
    let file = std::fs::File::open(path).map_err(Error::io(path, "open"))?;
    let length = file.len();
    let mut buffer = vec![0; CHUNK as usize];
    let mut range = |start: u64, end: u64| -> Result<()> {
        let mut part = &file;
        part.seek(SeekFrom::Start(start)).map_err(Error::io(path, "read"))?;
        let mut left = end.saturating_sub(start);
        while left > 0 {
            let some = &mut buffer[..left.min(CHUNK) as usize];
            part.read_exact(some).map_err(Error::io(path, "read"))?;
            hash.update(some);
            left -= some.len() as u64;
        }
        Ok(())
    };
    if part < bill.row_groups() {
        let wanted = bill.positions.all();
        let chunks = bill.ranges(part, &wanted);
        chunks.into_iter().try_for_each(|chunk| range(chunk.start, chunk.end.min(length)))?;
    } else if length >= TRAILER {
        // The footer's length stands in the four bytes before the closing magic.
        let mut trailer = [0; TRAILER as usize];
        (&file).seek(SeekFrom::Start(length - TRAILER)).map_err(Error::io(path, "read"))?;
        (&file).read_exact(&mut trailer).map_err(Error::io(path, "read"))?;
        let footer = u64::from(u32::from_le_bytes([trailer[0], trailer[1], trailer[2], trailer[3]]));
        range(length.saturating_sub(TRAILER + footer), length)?;
    }
    hash.update(&length.to_le_bytes());
    Ok(*hash.finalize().as_bytes())
}
