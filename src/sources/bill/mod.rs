//! The bill: Parquet in any of its layouts, streamed as batches of candidate lines.

pub mod columns;
pub mod fingerprint;
pub mod layout;
pub mod manifest;
pub mod scan;
