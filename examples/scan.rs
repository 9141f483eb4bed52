//! Times the scan of a bill alone: `cargo run --release --example scan -- FOLDER`, or `s3://…`.
//!
//! What is read is what `billtag ingest` reads: the columns it needs, of the lines that may be
//! Bedrock's, on all cores. Nothing is stored.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use billtag::aws::Access;
use billtag::error::Result;
use billtag::place::Place;
use billtag::sources::bill::known::Known;
use billtag::sources::bill::{layout, scan};

fn main() -> Result<()> {
    let mut out = std::io::stdout().lock();
    for folder in std::env::args().skip(1) {
        let place = Place::of(&folder, Path::new("."), &Arc::default(), &Access::default());
        for period in layout::detect(&place, &mut Known::default())?.periods {
            let start = Instant::now();
            let files = scan::open(&place, &period)?;
            let mut candidates = 0;
            let seen = scan::candidates(&files, &billtag::watch::Silent, &mut |_, lines| {
                candidates += lines.len;
                Ok(())
            })?;
            let seconds = start.elapsed().as_secs_f64();
            let line = format!("{}: {candidates} candidates of {} lines in {seconds:.2} s", period.period, seen.lines);
            drop(writeln!(out, "{line}"));
        }
    }
    Ok(())
}
