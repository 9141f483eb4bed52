//! Several readers at work: files are taken in order, each by whoever is free.
//!
//! Points are the same whoever reads them; all else is put in the order of the files afterwards, so that
//! what is said does not depend on who was faster.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{io, panic, thread};

use super::MetricSource;
use super::folder::Content;
use super::levels::Levels;
use super::reader::{FileRead, Reader};
use super::reading::Reading;
use super::replies::Saved;

/// More would wait for the disk, and each keeps points and heads of its own.
const READERS_MAX: usize = 8;

/// Readers and what they have read.
pub(super) struct Crew<'a> {
    readers: Vec<Reader<'a>>,
}

impl<'a> Crew<'a> {
    /// One reader for each processor.
    pub(super) fn of(source: &'a MetricSource, levels: &Arc<Levels>) -> Self {
        let count = thread::available_parallelism().map_or(1, NonZero::get).min(READERS_MAX);
        Self { readers: (0..count).map(|_| Reader::of(source, levels, count)).collect() }
    }

    /// Reads files; gives what is there beside points in the order of the files.
    pub(super) fn read<F: Sync>(
        &mut self,
        files: &[F],
        open: impl Fn(&F) -> (PathBuf, io::Result<Content>) + Sync,
    ) -> Vec<FileRead> {
        let next = AtomicUsize::new(0);
        let work = |reader: &mut Reader<'a>| {
            let mut found: Vec<(usize, FileRead)> = Vec::new();
            while let at = next.fetch_add(1, Ordering::Relaxed)
                && let Some(file) = files.get(at)
            {
                let (path, content) = open(file);
                let read = reader.read(&path, content);
                if !read.is_empty() {
                    found.push((at, read));
                }
            }
            found
        };
        let count = files.len().clamp(1, self.readers.len());
        let mut found = match &mut self.readers[..count] {
            [reader] => work(reader),
            readers => thread::scope(|scope| {
                let threads: Vec<_> = readers.iter_mut().map(|reader| scope.spawn(|| work(reader))).collect();
                let found = threads.into_iter().map(|thread| thread.join());
                found.flat_map(|found| found.unwrap_or_else(|cause| panic::resume_unwind(cause))).collect()
            }),
        };
        found.sort_by_key(|(at, _)| *at);
        found.into_iter().map(|(_, read)| read).collect()
    }

    /// Bytes that the points take.
    pub(super) fn size(&self) -> usize {
        self.readers.iter().map(|reader| reader.store.size()).sum()
    }

    /// Hands over all points.
    pub(super) fn give(self, reading: &mut Reading<'a>) {
        for reader in self.readers {
            reading.store.absorb(reader.store);
        }
    }
}

impl Reading<'_> {
    /// Takes over what else the files held; what was saved is understood when all of it is there.
    pub(super) fn take(&mut self, found: Vec<FileRead>, saved: &mut Saved) {
        for read in found {
            self.notes.absorb(read.notes);
            saved.absorb(read.saved);
        }
    }
}
