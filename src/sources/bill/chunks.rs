//! The bytes of a Parquet file, wherever it lies, as a decoder asks for them.
//!
//! Of a file in S3 only ranges are fetched. What belongs together is [loaded](Chunks::load) beforehand, in
//! few requests: the dictionaries of the columns that are tested, their pages, and the other columns
//! only where there are candidates. Of a local file a column chunk is read at once.

use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use super::pages::Kept;
use crate::aws::s3::Bucket;
use crate::error::{Error, Result};
use crate::place::{Entry, Place};

/// Bytes between two wanted ranges that may be fetched in vain, per thousand wanted ones.
const WASTE: u64 = 30;
/// Largest range of one request.
const REQUEST: u64 = 16 << 20;
/// What is fetched to find the footer, and most often is all of it.
const TAIL: u64 = 32 << 10;

/// Largest column chunk of a local file that is read at once; of a larger one, page by page.
const HELD: u64 = 8 << 20;

/// Where a file's bytes are.
#[derive(Debug, Clone)]
pub enum Origin {
    /// On this machine.
    Local(PathBuf),
    /// An object as it was listed.
    Remote {
        /// Its bucket.
        bucket: Arc<Bucket>,
        /// Its key.
        key: String,
        /// Its ETag: another object under the same key is not read.
        etag: String,
        /// Its bytes.
        size: u64,
    },
}

impl Origin {
    /// Where a listed file's bytes are.
    pub fn of(place: &Place, entry: &Entry) -> Self {
        match place {
            Place::Local(folder) => Self::Local(folder.join(&entry.path)),
            Place::S3(bucket, prefix) => Self::Remote {
                bucket: Arc::clone(bucket),
                key: format!("{prefix}{}", entry.path),
                etag: entry.tag.clone().unwrap_or_default(),
                size: entry.size,
            },
        }
    }

    /// Whether bytes come over the network.
    pub fn is_remote(&self) -> bool {
        matches!(self, Self::Remote { .. })
    }

    /// Opens the bytes.
    ///
    /// # Errors
    /// Where a local file cannot be opened.
    pub fn open(&self) -> Result<Chunks> {
        let bytes = match self {
            Self::Local(path) => Source::Local(File::open(path).map_err(Error::io(path, "open"))?),
            Self::Remote { size, .. } => Source::Remote(self.clone(), *size),
        };
        Ok(Chunks::of(bytes))
    }

    /// The end of the file, where its footer is.
    pub fn tail(&self) -> Vec<Range<u64>> {
        match self {
            Self::Local(_) => Vec::new(),
            Self::Remote { size, .. } => Vec::from([Range { start: size.saturating_sub(TAIL), end: *size }]),
        }
    }
}

#[derive(Debug)]
enum Source {
    Local(File),
    Remote(Origin, u64),
    /// A part of a file.
    Held(u64, Bytes),
}

/// An opened file; a copy is the same one.
#[derive(Debug, Clone)]
pub struct Chunks(Arc<Opened>);

#[derive(Debug)]
struct Opened {
    bytes: Source,
    loaded: Mutex<Vec<(u64, Bytes)>>,
    /// Why bytes could not be had, which the decoder's own error does not say.
    failure: Mutex<Option<Error>>,
    kept: Kept,
}

impl Chunks {
    fn of(bytes: Source) -> Self {
        Self(Arc::new(Opened { bytes, loaded: Mutex::default(), failure: Mutex::default(), kept: Kept::default() }))
    }

    /// What was decoded of a row group and is wanted again.
    pub fn kept(&self) -> &Kept {
        &self.0.kept
    }

    /// The bytes of a column chunk: of a local file read at once, unless they are too many.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn hold(&self, range: &Range<u64>) -> parquet::errors::Result<Self> {
        match &self.0.bytes {
            Source::Local(file) if range.end - range.start <= HELD => {
                let bytes = file.get_bytes(range.start, (range.end - range.start) as usize)?;
                Ok(Self::of(Source::Held(range.start, bytes)))
            }
            _ => Ok(self.clone()),
        }
    }

    /// Why bytes could not be had, if that is why decoding failed.
    pub fn failure(&self) -> Option<Error> {
        self.0.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The bytes of a part from some place on.
    fn part(&self, start: u64) -> parquet::errors::Result<Bytes> {
        let outside = || ParquetError::EOF(format!("a page at {start} lies outside of its column"));
        let Source::Held(first, bytes) = &self.0.bytes else { return Err(outside()) };
        let skip = start.checked_sub(*first).and_then(|skip| usize::try_from(skip).ok());
        skip.filter(|skip| *skip <= bytes.len()).map(|skip| bytes.slice(skip..)).ok_or_else(outside)
    }

    /// The loaded bytes from `start` on, at least `length` of them.
    fn piece(&self, start: u64, length: u64) -> Option<Bytes> {
        let loaded = self.0.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let at = |start: u64| {
            loaded.iter().find_map(|(first, bytes)| {
                let skip = usize::try_from(start.checked_sub(*first)?).ok()?;
                (skip < bytes.len()).then(|| bytes.slice(skip..))
            })
        };
        let first = at(start)?;
        if first.len() as u64 >= length {
            return Some(first);
        }
        // What one request began another may have brought the rest of.
        let mut joined = first.to_vec();
        while (joined.len() as u64) < length {
            joined.extend_from_slice(&at(start + joined.len() as u64)?);
        }
        Some(Bytes::from(joined))
    }

    fn bytes_from(&self, start: u64, length: u64) -> parquet::errors::Result<Bytes> {
        if let Some(piece) = self.piece(start, length) {
            return Ok(piece);
        }
        self.load(&[Range { start, end: start.saturating_add(length.max(1)) }])?;
        self.piece(start, length).ok_or_else(|| ParquetError::EOF(format!("no bytes at {start}")))
    }

    /// Fetches what of the ranges is not there yet.
    ///
    /// # Errors
    /// Where it cannot be had; [`Chunks::failure`] says why.
    pub fn load(&self, ranges: &[Range<u64>]) -> parquet::errors::Result<()> {
        let Source::Remote(Origin::Remote { bucket, key, etag, .. }, size) = &self.0.bytes else { return Ok(()) };
        if ranges.iter().any(|range| range.end > *size || range.start > range.end) {
            return Err(ParquetError::EOF(format!("the file ends at {size}, before what its footer says")));
        }
        let missing: Vec<Range<u64>> = {
            let loaded = self.0.loaded.lock().unwrap_or_else(PoisonError::into_inner);
            ranges.iter().flat_map(|range| without(range, &loaded)).collect()
        };
        let requests = coalesced(missing);
        match bucket.ranges(key, etag, &requests) {
            Ok(fetched) => {
                let mut loaded = self.0.loaded.lock().unwrap_or_else(PoisonError::into_inner);
                loaded.extend(requests.iter().map(|range| range.start).zip(fetched));
                Ok(())
            }
            Err(failure) => {
                let text = format!("{failure:?}");
                *self.0.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure.into());
                Err(ParquetError::General(text))
            }
        }
    }
}

/// The parts of a range that are not loaded.
fn without(range: &Range<u64>, loaded: &[(u64, Bytes)]) -> Vec<Range<u64>> {
    let mut parts = vec![range.clone()];
    for (start, bytes) in loaded {
        let end = start + bytes.len() as u64;
        parts = parts
            .into_iter()
            .flat_map(|part| [part.start..part.end.min(*start), part.start.max(end)..part.end])
            .filter(|part| part.start < part.end)
            .collect();
    }
    parts
}

/// Ranges that touch become one, and so do near ones while the bytes between them stay few; large
/// ones are cut into several requests.
fn coalesced(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.retain(|range| range.start < range.end);
    ranges.sort_by_key(|range| (range.start, range.end));
    let wanted: u64 = ranges.iter().map(|range| range.end - range.start).sum();
    let mut gaps: Vec<u64> = ranges.windows(2).map(|pair| pair[1].start.saturating_sub(pair[0].end)).collect();
    gaps.sort_unstable();
    // The largest gap that still fits when all smaller ones are bridged.
    let mut budget = wanted * WASTE / 1_000;
    let mut widest = 0;
    for gap in gaps {
        if gap > budget {
            break;
        }
        budget -= gap;
        widest = gap;
    }
    // Of several gaps of the widest size some may not fit.
    let mut budget = wanted * WASTE / 1_000;
    let mut merged: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start.saturating_sub(last.end) <= widest.min(budget) => {
                budget -= range.start.saturating_sub(last.end);
                last.end = last.end.max(range.end);
            }
            _ => merged.push(range),
        }
    }
    merged.into_iter().flat_map(cut).collect()
}

fn cut(range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let Range { start, end } = range;
    (start..end).step_by(REQUEST as usize).map(move |at| at..(at + REQUEST).min(end))
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        match &self.0.bytes {
            Source::Local(file) => file.len(),
            Source::Remote(_, size) => *size,
            Source::Held(start, bytes) => start + bytes.len() as u64,
        }
    }
}

/// A reader of a file from some place on.
pub enum Reading {
    /// Of a local file.
    File(BufReader<File>),
    /// Of a part.
    Held(Cursor<Bytes>),
    /// Of fetched bytes, from one piece into the next.
    Fetched(Chunks, u64),
}

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Held(bytes) => bytes.read(buffer),
            Self::Fetched(chunks, at) => {
                if *at >= chunks.len() {
                    return Ok(0);
                }
                let piece = chunks.bytes_from(*at, 1).map_err(std::io::Error::other)?;
                let count = piece.len().min(buffer.len());
                buffer[..count].copy_from_slice(&piece[..count]);
                *at += count as u64;
                Ok(count)
            }
        }
    }
}

impl ChunkReader for Chunks {
    type T = Reading;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Reading> {
        match &self.0.bytes {
            Source::Local(file) => file.get_read(start).map(Reading::File),
            Source::Held(..) => self.part(start).map(|bytes| Reading::Held(Cursor::new(bytes))),
            Source::Remote(..) => Ok(Reading::Fetched(self.clone(), start)),
        }
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        match &self.0.bytes {
            Source::Local(file) => file.get_bytes(start, length),
            Source::Held(..) => {
                let part = self.part(start)?;
                if part.len() < length {
                    return Err(ParquetError::EOF(format!("{length} bytes at {start} leave their column")));
                }
                Ok(part.slice(..length))
            }
            Source::Remote(..) => Ok(self.bytes_from(start, length as u64)?.slice(..length)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Starts and ends.
    fn requests(ranges: &[(u64, u64)]) -> Vec<(u64, u64)> {
        let ranges = ranges.iter().map(|(start, end)| *start..*end).collect();
        coalesced(ranges).into_iter().map(|range| (range.start, range.end)).collect()
    }

    #[test]
    fn near_ranges_are_fetched_together_while_little_is_fetched_in_vain() {
        assert_eq!(requests(&[(0, 1_000), (1_000, 2_000)]), [(0, 2_000)]);
        assert_eq!(requests(&[(0, 1_000), (1_010, 2_000), (2_500, 2_600)]), [(0, 2_000), (2_500, 2_600)]);
        assert_eq!(requests(&[(0, 10), (5, 20), (20, 20)]), [(0, 20)]);
        let many: Vec<(u64, u64)> = (0..100).map(|at| (at * 110, at * 110 + 100)).collect();
        let fetched: u64 = requests(&many).iter().map(|(start, end)| end - start).sum();
        assert!((10_000..=10_300).contains(&fetched), "{fetched}");
    }

    #[test]
    fn a_large_range_is_asked_for_in_parts() {
        let parts = [(5, REQUEST + 5), (REQUEST + 5, 2 * REQUEST + 5), (2 * REQUEST + 5, 2 * REQUEST + 6)];
        assert_eq!(requests(&[(5, 2 * REQUEST + 6)]), parts);
    }

    #[test]
    fn bytes_of_several_requests_are_read_as_one() {
        let place = Place::of("s3://b", std::path::Path::new(""), &Arc::default(), &Default::default());
        let entry = Entry { path: "k".into(), size: 10, tag: Some("t".into()), modified: None };
        let source = Origin::of(&place, &entry).open().unwrap();
        *source.0.loaded.lock().unwrap() = vec![(8, Bytes::from_static(b"89")), (5, Bytes::from_static(b"567"))];
        assert_eq!(source.piece(6, 3).as_deref(), Some(&b"6789"[..]));
        assert_eq!(source.piece(6, 1).as_deref(), Some(&b"67"[..]));
        assert_eq!(source.piece(8, 3), None);
        assert_eq!(source.piece(4, 1), None);
        let mut text = String::new();
        Reading::Fetched(source, 6).take(4).read_to_string(&mut text).unwrap();
        assert_eq!(text, "6789");
    }

    #[test]
    fn what_is_there_is_not_fetched_again() {
        let loaded = [(10, Bytes::from_static(&[0; 10]))];
        assert_eq!(without(&(0..30), &loaded), [0..10, 20..30]);
        assert!(without(&(12..18), &loaded).is_empty());
    }
}
