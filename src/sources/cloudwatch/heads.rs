//! What the heads of records mean, each understood once: one parse a series, not one a minute.

use hashbrown::HashMap;

/// Bytes of heads that all readers keep together. A stream of more series than that is read all the
/// same, only that their heads are parsed again now and then.
const BYTES_MAX: usize = 32 << 20;
/// What a head takes beside its own bytes.
const ENTRY_BYTES: usize = 64;

/// What is to be done with the records of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Nothing: they are of a metric or a level that is not read.
    PassedOver,
    /// Their points belong to the series at this position of the reader's store.
    Series {
        position: usize,
        /// Whether it counts tokens, which decides about units.
        is_tokens: bool,
    },
    /// They are for the parser, which has something to say about each.
    Parsed,
}

/// Heads by their bytes; looked up and never walked.
pub(super) struct Heads {
    known: HashMap<Box<[u8]>, Meaning>,
    bytes: usize,
    bytes_max: usize,
}

impl Heads {
    /// None yet, for one of so many readers.
    pub(super) fn of_reader_among(readers: usize) -> Self {
        Self { known: HashMap::new(), bytes: 0, bytes_max: BYTES_MAX / readers.max(1) }
    }

    /// What is known of a head.
    pub(super) fn meaning(&self, head: &[u8]) -> Option<Meaning> {
        self.known.get(head).copied()
    }

    /// Keeps what was understood; all others are forgotten when there is no more room.
    pub(super) fn learn(&mut self, head: &[u8], meaning: Meaning) {
        let bytes = head.len() + ENTRY_BYTES;
        if self.bytes + bytes > self.bytes_max {
            self.known.clear();
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.known.insert(head.into(), meaning);
    }
}
