//! What the tests share: the fixtures' store, made once, and the binary.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use billtag::config::Config;
use billtag::facts::store::Store;
use billtag::ingest;
use billtag::metrics::{Engine, Grid, Range};
use tempfile::TempDir;

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Copies a folder.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder to copy") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
        if name == ".billtag" || name == "generator" {
            continue;
        }
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("copied");
        }
    }
}

/// A copy of the fixtures with an empty store.
pub fn fixtures() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    copy(&root().join("fixtures"), folder.path());
    folder
}

/// The fixtures, ingested once for all tests that only read.
pub fn ingested() -> &'static Path {
    static STORE: OnceLock<TempDir> = OnceLock::new();
    let folder = STORE.get_or_init(|| {
        let folder = fixtures();
        ingest_folder(folder.path());
        folder
    });
    folder.path()
}

/// Ingests the bill of a folder; panics where anything failed.
pub fn ingest_folder(folder: &Path) {
    let config = config(folder);
    let summary = ingest::ingest(
        &config,
        &Store::new(config.store()),
        &config.aws(None),
        clock(&config),
        &billtag::watch::Silent,
    )
    .expect("ingested");
    assert_eq!(summary.failures, Vec::<String>::new());
}

/// The clock of a config.
pub fn clock(config: &Config) -> i64 {
    config.as_of.unwrap_or_else(billtag::clock::now)
}

/// The config of a folder.
pub fn config(folder: &Path) -> Config {
    Config::load(&folder.join("billtag.toml")).expect("a config")
}

/// An engine over a folder's store.
pub fn engine(folder: &Path, range: Range) -> (Engine, Config) {
    let config = config(folder);
    let as_of = config.as_of.expect("a clock");
    let engine = Engine::open(Store::new(config.store()).snapshot().expect("a snapshot"), &config, as_of, range)
        .expect("a store");
    (engine, config)
}

/// The answer to SQL over a folder's store.
pub fn sql(folder: &Path, sql: &str) -> Grid {
    let (engine, _) = engine(folder, Range::default());
    let query = billtag::metrics::queries::Query { name: "test".into(), sql: sql.into() };
    engine.run(&query).expect("an answer")
}

/// Runs the binary.
pub fn billtag(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_billtag"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("XDG_CONFIG_HOME")
        .env("HOME", folder)
        .output()
        .expect("the binary runs")
}

/// Standard output of a run that must succeed.
pub fn stdout(folder: &Path, arguments: &[&str]) -> String {
    let output = billtag(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Bytes as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// Exit code and messages of a run, with the folder's path replaced.
pub fn failure(folder: &Path, arguments: &[&str]) -> String {
    let output = billtag(folder, arguments);
    let code = output.status.code().expect("an exit code");
    let errors = text(&output.stderr).replace(&folder.display().to_string(), "[DIR]");
    format!("exit {code}\n{errors}")
}

/// Every file below a folder with its bytes, sorted, for comparing stores.
pub fn bytes_below(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = std::fs::read(&path).expect("bytes");
                files.push((path.strip_prefix(folder).expect("below").to_path_buf(), bytes));
            }
        }
    }
    files.sort();
    files
}

/// Moments at which a run is killed, up to the length of a run; `BILLTAG_KILLS` says how many, else `usual`.
pub fn moments(usual: u64, longest: Duration) -> impl Iterator<Item = Duration> {
    let count = std::env::var("BILLTAG_KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(usual);
    // The golden ratio spreads any number of moments evenly, in no order.
    (1..=count).map(move |at| longest.mul_f64((at as f64 * 0.618_033_988_75).fract()))
}

/// How long a run takes.
pub fn length_of(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}
