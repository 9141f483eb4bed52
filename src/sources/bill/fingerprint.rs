//! Fingerprints: what a period's facts were made from.
//!
//! Of a Parquet file the footer and the bytes of the columns that billtag reads are hashed, not the
//! file's times: a copy of the same bill is the same bill, and a change of a single cell is seen.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::layout::BillPeriod;
use super::scan::BillFile;
use crate::error::{Error, Result};

/// Bytes read at once.
const CHUNK: usize = 1 << 20;

/// Hash of everything in a period's files and manifest that reaches its facts.
pub fn of(root: &Path, period: &BillPeriod, files: &[BillFile]) -> Result<String> {
    let mut hash = blake3::Hasher::new();
    if let Some(manifest) = &period.manifest {
        let bytes = std::fs::read(manifest).map_err(Error::io(manifest, "read"))?;
        hash.update(&bytes);
    }
    for file in files {
        let name = file.path.strip_prefix(root).unwrap_or(&file.path);
        hash.update(name.to_string_lossy().as_bytes());
        hash_file(file, &mut hash).map_err(Error::io(&file.path, "read"))?;
    }
    Ok(hash.finalize().to_hex()[..32].to_string())
}

fn hash_file(bill: &BillFile, hash: &mut blake3::Hasher) -> std::io::Result<()> {
    let file = File::open(&bill.path)?;
    let length = file.metadata()?.len();
    hash.update(&length.to_le_bytes());
    let mut buffer = vec![0; CHUNK];
    let mut range = |start: u64, end: u64| -> std::io::Result<()> {
        let mut at = start;
        while at < end {
            let want = CHUNK.min((end - at) as usize);
            file.read_exact_at(&mut buffer[..want], at)?;
            hash.update(&buffer[..want]);
            at += want as u64;
        }
        Ok(())
    };
    let metadata = bill.metadata.metadata();
    let schema = metadata.file_metadata().schema_descr();
    let wanted = bill.positions.all();
    for group in metadata.row_groups() {
        for (leaf, column) in group.columns().iter().enumerate() {
            if wanted.contains(&schema.get_column_root_idx(leaf)) {
                let (start, size) = column.byte_range();
                range(start, (start + size).min(length))?;
            }
        }
    }
    // The footer: its length stands in the four bytes before the closing magic.
    let mut tail = [0; 8];
    file.read_exact_at(&mut tail, length.saturating_sub(8))?;
    let footer = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    range(length.saturating_sub(8 + footer), length)
}
