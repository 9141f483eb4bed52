//! The benchmark at a small size: every shape of a bill and every job, held against an engine that shares no code
//! with billtag. How long that takes is not asked.

use std::path::Path;
use std::process::Command;

use crate::{harness, parts};

#[test]
fn every_answer_of_the_benchmark_is_that_of_another_engine() {
    let data = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench");
    // What an older generator wrote would not be made again.
    drop(std::fs::remove_dir_all(&data));
    let run = Command::new(parts::python())
        .arg(harness::root().join("bench/run"))
        .args(["--check", "--peers", "duckdb", "--billtag", env!("CARGO_BIN_EXE_billtag"), "--data"])
        .arg(&data)
        .output()
        .expect("python runs");
    let said = harness::text(&run.stdout);
    assert!(run.status.success(), "{said}\n{}", harness::text(&run.stderr));
    assert!(said.contains("All answers agree."), "{said}");
}
