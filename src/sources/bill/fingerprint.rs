//! Fingerprints: what a period's facts were made from.
//!
//! Of a Parquet file the footer and the bytes of the columns that billtag reads are hashed, not the
//! file's times: a copy of the same bill is the same bill, and a change of a single cell is seen.

use parquet::file::reader::{ChunkReader, Length};

use super::chunks::Origin;
use super::file::BillFile;
use super::layout::BillPeriod;
use crate::error::{Error, Result};
use crate::place::{Entry, Place};
use crate::shield::shielded;

/// Bytes read at once.
const CHUNK: u64 = 1 << 20;

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
        for file in &files {
            hash.update(file.entry.path.as_bytes());
            add_file(file, &mut hash)?;
        }
        Some(files)
    };
    Ok((hash.finalize().to_hex()[..32].to_string(), files))
}

fn add_entry(hash: &mut blake3::Hasher, entry: &Entry) {
    let tag = entry.tag.as_deref().unwrap_or_default();
    hash.update(format!("{}\n{}\n{tag}\n", entry.path, entry.size).as_bytes());
}

fn add_file(bill: &BillFile, hash: &mut blake3::Hasher) -> Result<()> {
    let Origin::Local(path) = &bill.origin else { return Ok(()) };
    let file = std::fs::File::open(path).map_err(Error::io(path, "open"))?;
    let length = file.len();
    hash.update(&length.to_le_bytes());
    let mut range = |start: u64, end: u64| -> Result<()> {
        let mut at = start;
        while at < end {
            let want = CHUNK.min(end - at);
            let bytes = file.get_bytes(at, want as usize).map_err(|error| super::file::broken(&bill.name, &error))?;
            hash.update(&bytes);
            at += want;
        }
        Ok(())
    };
    let wanted = bill.positions.all();
    for group in 0..bill.row_groups() {
        for chunk in bill.ranges(group, &wanted) {
            range(chunk.start, chunk.end.min(length))?;
        }
    }
    // The footer: its length stands in the four bytes before the closing magic.
    let tail = shielded(|| file.get_bytes(length.saturating_sub(8), 8));
    let Ok(Ok(tail)) = tail else { return Ok(()) };
    let footer = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    range(length.saturating_sub(8 + footer), length)
}
