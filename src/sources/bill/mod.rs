//! The bill: Parquet in any of its layouts, streamed as batches of candidate lines.

pub mod candidate;
pub mod chunks;
pub mod columns;
pub mod file;
pub mod fingerprint;
pub mod known;
pub mod layout;
pub mod lines;
pub mod manifest;
pub mod numbers;
pub mod pages;
pub mod prune;
pub mod reach;
pub mod scan;
pub mod take;
pub mod words;
