//! The store: a period is replaced whole, skipped only when nothing changed, and survives a kill.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration;

use billtag::config::SharedPolicy;
use billtag::facts::store::Store;
use billtag::ingest::{self, Outcome};
use billtag::schema::Table;

use crate::bills::{self, batch, nova};
use crate::harness;

fn copy_file(folder: &std::path::Path, period: &str) -> std::path::PathBuf {
    folder.join(format!("cur2/bedrock-export/data/BILLING_PERIOD={period}/bedrock-export-00002.snappy.parquet"))
}

#[test]
fn the_same_input_gives_the_same_bytes_wherever_it_lies() {
    let (one, two) = (harness::fixtures(), harness::fixtures());
    harness::ingest_folder(one.path());
    harness::ingest_folder(two.path());
    let store = |folder: &std::path::Path| harness::bytes_below(&folder.join(".billtag"));
    assert!(store(one.path()) == store(two.path()));
}

#[test]
fn what_does_not_fit_into_memory_ends_in_the_same_bytes() {
    let stored = |memory_mib: Option<usize>, policy: SharedPolicy| {
        let folder = harness::fixtures();
        let mut config = harness::config(folder.path());
        // Nothing fits into none: every batch is written out, and every day taken by the hour where it may be.
        config.limits.memory_mib = memory_mib;
        config.shared.policy = policy;
        let (store, clock) = (Store::new(config.store()), harness::clock(&config));
        ingest::ingest(&config, &store, &config.aws(None), clock, &billtag::watch::Silent).expect("ingested");
        harness::bytes_below(&folder.path().join(".billtag"))
    };
    for policy in [SharedPolicy::Keep, SharedPolicy::ProRata] {
        assert!(stored(None, policy) == stored(Some(0), policy), "{policy:?}");
    }
}

#[test]
fn a_second_run_writes_nothing() {
    let folder = harness::fixtures();
    harness::ingest_folder(folder.path());
    let times = |folder: &std::path::Path| -> BTreeMap<_, _> {
        let files = harness::bytes_below(&folder.join(".billtag"));
        let time = |path: &std::path::PathBuf| {
            std::fs::metadata(folder.join(".billtag").join(path)).expect("there").modified().expect("a time")
        };
        files.into_iter().map(|(path, _)| (path.clone(), time(&path))).collect()
    };
    let before = times(folder.path());
    let summary = bills::ingest(folder.path());
    assert!(summary.periods.values().all(|outcome| *outcome == Outcome::Unchanged), "{:?}", summary.periods);
    assert_eq!(times(folder.path()), before);
}

#[test]
fn only_what_changed_is_made_again_and_the_cause_is_named() {
    let folder = harness::fixtures();
    harness::ingest_folder(folder.path());
    // The restated September is August's file: other amounts under the same name.
    std::fs::copy(copy_file(folder.path(), "2026-08"), copy_file(folder.path(), "2026-09")).expect("copied");
    let summary = bills::ingest(folder.path());
    assert_eq!(summary.periods["2026-09"], Outcome::Replaced(vec!["bill".into()]));
    assert_eq!(summary.periods["2026-08"], Outcome::Unchanged);
    let record = Store::new(folder.path().join(".billtag")).record("2026-09").expect("readable").expect("stored");
    assert_eq!(record.changed.expect("a change").causes, ["bill"]);

    let config = folder.path().join("billtag.toml");
    let text = std::fs::read_to_string(&config).expect("the config");
    std::fs::write(&config, text.replace("workload = \"nightly\"", "workload = \"night-shift\"")).expect("written");
    let summary = bills::ingest(folder.path());
    assert!(
        summary.periods.values().all(|outcome| *outcome == Outcome::Replaced(vec!["rule".into()])),
        "{:?}",
        summary.periods
    );

    let stream = folder.path().join("cloudwatch/late.jsonl");
    let late = r#"{"metric_stream_name":"s","account_id":"111122223333","region":"us-east-1","namespace":"AWS/Bedrock","metric_name":"Invocations","dimensions":{"ModelId":"amazon.nova-lite-v1:0"},"timestamp":1788220800000,"value":{"max":1.0,"min":1.0,"sum":4.0,"count":4.0},"unit":"Count"}"#;
    std::fs::write(stream, late).expect("written");
    let summary = bills::ingest(folder.path());
    assert_eq!(summary.periods["2026-09"], Outcome::Replaced(vec!["metrics".into()]));
    assert_eq!(summary.periods["2026-10"], Outcome::Unchanged);
}

#[test]
fn a_change_of_one_cell_is_seen_though_name_size_and_time_stay() {
    let folder = bills::world(&batch(&[nova().cost(1.25), nova().cost(1.5), nova().cost(1.75)]));
    harness::ingest_folder(folder.path());
    let file = folder.path().join("bill/bill.parquet");
    let (before, time) = (
        std::fs::metadata(&file).expect("there").len(),
        std::fs::metadata(&file).expect("there").modified().expect("a time"),
    );
    bills::write(&file, &batch(&[nova().cost(1.25), nova().cost(1.375), nova().cost(1.75)]));
    assert_eq!(std::fs::metadata(&file).expect("there").len(), before, "the test needs files of one size");
    std::fs::File::options().write(true).open(&file).expect("open").set_modified(time).expect("set");
    assert_eq!(bills::ingest(folder.path()).periods["2026-11"], Outcome::Replaced(vec!["bill".into()]));
}

#[test]
fn a_period_that_left_the_bill_keeps_its_facts() {
    let folder = harness::fixtures();
    harness::ingest_folder(folder.path());
    for part in [
        "cur2/bedrock-export/data/BILLING_PERIOD=2026-08",
        "cur2/bedrock-export/metadata/BILLING_PERIOD=2026-08",
        "legacy/acme-legacy/acme-legacy/year=2026/month=8",
    ] {
        std::fs::remove_dir_all(folder.path().join(part)).expect("removed");
    }
    let summary = bills::ingest(folder.path());
    assert_eq!(summary.periods["2026-08"], Outcome::Gone);
    let grid = harness::sql(folder.path(), "select count(*) as n from cost_facts where billing_period = '2026-08'");
    assert_ne!(grid.text(&grid.rows[0], "n"), "0");
}

#[test]
fn a_lost_or_damaged_stored_file_is_made_again() {
    let folder = harness::fixtures();
    harness::ingest_folder(folder.path());
    let whole = harness::bytes_below(&folder.path().join(".billtag"));
    let path = |table: &str| folder.path().join(format!(".billtag/{table}/billing_period=2026-10/part-0.parquet"));
    std::fs::remove_file(path("cost_daily")).expect("removed");
    std::fs::write(path("charges"), b"PAR1 not really").expect("damaged");
    bills::ingest(folder.path());
    assert!(harness::bytes_below(&folder.path().join(".billtag")) == whole);
}

#[test]
fn a_kill_between_commit_and_rename_is_the_new_state() {
    let folder = harness::fixtures();
    harness::ingest_folder(folder.path());
    let whole = harness::bytes_below(&folder.path().join(".billtag"));
    // As after a kill: the record names files that still lie beside the old ones.
    let store = Store::new(folder.path().join(".billtag"));
    let record = store.record("2026-10").expect("readable").expect("stored");
    let staged = |table: &str| format!(".part-0.{}.new", record.files[table]);
    for table in ["cost_facts", "cost_daily"] {
        let period = folder.path().join(format!(".billtag/{table}/billing_period=2026-10"));
        std::fs::rename(period.join("part-0.parquet"), period.join(staged(table))).expect("renamed");
        std::fs::copy(
            folder.path().join(format!(".billtag/{table}/billing_period=2026-09/part-0.parquet")),
            period.join("part-0.parquet"),
        )
        .expect("an older file");
    }
    assert!(store.file(Table::CostFacts, &record).expect("found").ends_with(staged("cost_facts")));
    harness::sql(folder.path(), "select count(*) from cost_facts");
    bills::ingest(folder.path());
    assert!(harness::bytes_below(&folder.path().join(".billtag")) == whole);
}

#[test]
fn a_kill_at_any_moment_ends_in_the_same_bytes() {
    let (undisturbed, folder) = (harness::fixtures(), harness::fixtures());
    let run = |folder: &std::path::Path| drop(harness::stdout(folder, &["ingest", "-q"]));
    let length = harness::length_of(|| run(undisturbed.path()));
    let kill = |moment: Duration| {
        let mut run = Command::new(env!("CARGO_BIN_EXE_billtag"))
            .arg("ingest")
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary runs");
        std::thread::sleep(moment);
        run.kill().expect("killed");
        run.wait().expect("ended");
    };
    harness::moments(8, length).for_each(kill);
    run(folder.path());
    // A restated month, whose replaced version is kept.
    for folder in [undisturbed.path(), folder.path()] {
        std::fs::copy(copy_file(folder, "2026-08"), copy_file(folder, "2026-09")).expect("copied");
    }
    harness::moments(8, length / 2).for_each(kill);
    run(undisturbed.path());
    run(folder.path());
    let store = |folder: &std::path::Path| harness::bytes_below(&folder.join(".billtag"));
    assert!(store(folder.path()) == store(undisturbed.path()));
}

#[test]
fn two_runs_at_once_end_in_the_same_bytes() {
    let undisturbed = harness::fixtures();
    harness::ingest_folder(undisturbed.path());
    let whole = harness::bytes_below(&undisturbed.path().join(".billtag"));
    let folder = harness::fixtures();
    let start = || {
        Command::new(env!("CARGO_BIN_EXE_billtag"))
            .args(["ingest", "-q"])
            .current_dir(folder.path())
            .spawn()
            .expect("the binary runs")
    };
    let runs = [start(), start()];
    for mut run in runs {
        assert!(run.wait().expect("ended").success());
    }
    assert!(harness::bytes_below(&folder.path().join(".billtag")) == whole);
}

#[test]
fn a_damaged_period_is_not_made_again_from_a_part_of_its_bills() {
    let folder = harness::fixtures();
    harness::ingest_folder(folder.path());
    std::fs::remove_file(folder.path().join(".billtag/usage/billing_period=2026-10/part-0.parquet")).expect("removed");
    let (here, away) = (folder.path().join("legacy"), folder.path().join("away"));
    std::fs::rename(&here, &away).expect("moved");
    let before = harness::bytes_below(&folder.path().join(".billtag"));
    let message = harness::failure(folder.path(), &["ingest", "-q"]);
    assert!(message.starts_with("exit 4") && message.contains("2026-10 is left as it was"), "{message}");
    assert!(harness::bytes_below(&folder.path().join(".billtag")) == before);
    std::fs::rename(&away, &here).expect("moved back");
    harness::ingest_folder(folder.path());
}

#[test]
fn a_source_that_cannot_be_read_takes_nothing_away() {
    let folder = harness::fixtures();
    harness::ingest_folder(folder.path());
    let whole = harness::bytes_below(&folder.path().join(".billtag"));
    for part in ["legacy", "cloudwatch"] {
        let (here, away) = (folder.path().join(part), folder.path().join("away"));
        std::fs::rename(&here, &away).expect("moved");
        let message = harness::failure(folder.path(), &["ingest", "-q"]);
        assert!(message.starts_with("exit 4") && message.contains(part), "{message}");
        assert!(harness::bytes_below(&folder.path().join(".billtag")) == whole, "{part}");
        std::fs::rename(&away, &here).expect("moved back");
    }
    harness::ingest_folder(folder.path());
    assert!(harness::bytes_below(&folder.path().join(".billtag")) == whole);
}

#[test]
fn a_sum_that_is_not_the_records_is_a_breach_in_any_column_and_account() {
    let lines = [nova().cost(1.0), nova().cost(3.0).text("line_item_usage_account_id", "444455556666")];
    let folder = bills::world(&batch(&lines));
    harness::ingest_folder(folder.path());
    let path = folder.path().join(".billtag/periods/2026-11.json");
    let whole = std::fs::read_to_string(&path).expect("the record");
    let changes = [
        ("consumed_quantity", "\"consumed_quantity\": \"1000\"", "\"consumed_quantity\": \"1001\""),
        ("list_cost", "\"list_cost\": \"0.00006\"", "\"list_cost\": \"0.00007\""),
        // The sums over all accounts stay what they were.
        ("account 777788889999", "\"account\": \"444455556666\"", "\"account\": \"777788889999\""),
    ];
    for (what, from, to) in changes {
        std::fs::write(&path, whole.replacen(from, to, 1)).expect("written");
        let message = harness::failure(folder.path(), &["query", "bill_identity"]);
        assert!(message.contains("conservation broken") && message.contains(what), "{what}: {message}");
    }
    std::fs::write(&path, whole).expect("written");
    harness::stdout(folder.path(), &["query", "bill_identity"]);
}
