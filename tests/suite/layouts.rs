//! Layouts: which files make up a period, whatever lies around them.

use std::path::Path;

use billtag::facts::store::Store;
use billtag::ingest::{Outcome, Summary};

use crate::bills::{self, NOVEMBER, batch, nova};
use crate::harness;

fn total(folder: &Path) -> String {
    let grid = harness::sql(folder, "select sum(unblended_cost) as cost from cost_facts");
    grid.text(&grid.rows[0], "cost")
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    bills::configure(folder.path(), "");
    folder
}

fn bill(folder: &Path, path: &str, cost: f64) {
    bills::write(&folder.join("bill").join(path), &batch(&[nova().cost(cost)]));
}

fn text(folder: &Path, path: &str, text: &str) {
    let path = folder.join("bill").join(path);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, text).expect("written");
}

fn refusal(summary: &Summary) -> &str {
    match &summary.periods["2026-11"] {
        Outcome::Refused(reason) => reason,
        other => panic!("{other:?}"),
    }
}

const DATA: &str = "data/BILLING_PERIOD=2026-11";
const METADATA: &str = "metadata/BILLING_PERIOD=2026-11/e-Manifest.json";

#[test]
fn only_the_files_that_the_manifest_names_count() {
    let folder = folder();
    bill(folder.path(), &format!("{DATA}/e-00001.snappy.parquet"), 1.0);
    bill(folder.path(), &format!("{DATA}/e-00002.snappy.parquet"), 64.0);
    let forms = [
        r#"{"dataFiles":["s3://b/p/e/data/BILLING_PERIOD=2026-11/e-00001.snappy.parquet"]}"#,
        r#"{"dataFiles":[],"reportKeys":["p/e/data/BILLING_PERIOD=2026-11/e-00001.snappy.parquet"]}"#,
        r#"{"DataFiles":[{"s3Uri":"s3://b/p/e/data/BILLING_PERIOD%3D2026-11/e-00001.snappy.parquet","size":1}]}"#,
        r#"{"manifest":{"dataFiles":{"files":[{"url":"s3://b/data/BILLING_PERIOD=2026-11/e-00001.snappy.parquet"}]}}}"#,
        "\u{feff}{\"dataFiles\":[\"s3://b/data/BILLING_PERIOD=2026-11/e-00001.snappy.parquet\",\"s3://b/data/BILLING_PERIOD=2026-11/e-00001.snappy.parquet\"]}",
    ];
    for form in forms {
        text(folder.path(), METADATA, form);
        let summary = bills::ingest(folder.path());
        assert_eq!(summary.failures, Vec::<String>::new(), "{form}");
        assert_eq!(total(folder.path()), "1", "{form}");
    }
}

#[test]
fn a_manifest_that_says_nothing_readable_refuses_its_period() {
    let folder = folder();
    bill(folder.path(), &format!("{DATA}/e-00001.snappy.parquet"), 1.0);
    for form in ["{}", r#"{"dataFiles":[]}"#, r#"{"dataFiles":["s3://b/x/e-00001"]}"#, "not JSON"] {
        text(folder.path(), METADATA, form);
        let summary = bills::ingest(folder.path());
        assert!(refusal(&summary).contains("Manifest.json"), "{form}");
    }
}

#[test]
fn the_newest_execution_counts_and_a_broken_newest_manifest_is_no_excuse_for_an_older_one() {
    let folder = folder();
    let executions = ["20261105T060000Z-aaaaaaaa", "20261106T060000Z-bbbbbbbb"];
    for (execution, cost) in executions.iter().zip([1.0, 2.0]) {
        bill(folder.path(), &format!("{DATA}/{execution}/e-00001.snappy.parquet"), cost);
        let manifest = format!(r#"{{"dataFiles":["s3://b/e/{DATA}/{execution}/e-00001.snappy.parquet"]}}"#);
        text(folder.path(), &format!("metadata/BILLING_PERIOD=2026-11/{execution}/e-Manifest.json"), &manifest);
    }
    bills::ingest(folder.path());
    assert_eq!(total(folder.path()), "2");
    text(folder.path(), &format!("metadata/BILLING_PERIOD=2026-11/{}/e-Manifest.json", executions[1]), "cut");
    assert!(refusal(&bills::ingest(folder.path())).contains("bbbbbbbb"));
    assert_eq!(total(folder.path()), "2");
}

#[test]
fn several_assemblies_without_a_deciding_manifest_are_refused() {
    let folder = folder();
    for (assembly, cost) in
        [("0b6a8c1e-1111-4222-8333-444455556666", 1.0), ("f3b1c2d4-1111-4222-8333-444455556666", 2.0)]
    {
        bill(folder.path(), &format!("20261101-20261201/{assembly}/r-00001.snappy.parquet"), cost);
    }
    assert!(refusal(&bills::ingest(folder.path())).contains("2 folders"));
}

#[test]
fn legacy_manifests_may_lie_beside_the_partitions_of_athena() {
    let folder = folder();
    bill(folder.path(), "r/year=2026/month=11/r-00001.snappy.parquet", 3.0);
    text(
        folder.path(),
        "20261101-20261201/r-Manifest.json",
        r#"{"reportKeys":["p/r/r/year=2026/month=11/r-00001.snappy.parquet"]}"#,
    );
    assert_eq!(bills::ingest(folder.path()).failures, Vec::<String>::new());
    assert_eq!(total(folder.path()), "3");
}

#[test]
fn two_exports_under_one_path_are_refused() {
    let folder = folder();
    bill(folder.path(), &format!("one/{DATA}/e-00001.snappy.parquet"), 1.0);
    bill(folder.path(), &format!("two/{DATA}/e-00001.snappy.parquet"), 1.0);
    let message = harness::failure(folder.path(), &["ingest"]);
    assert!(message.contains("2 exports") && message.contains("one `[[bill]]` for each"), "{message}");
}

#[test]
fn a_plain_file_gives_each_line_to_its_own_period() {
    let folder = folder();
    let mut october = nova().cost(1.0);
    (october.start, october.end) = (NOVEMBER - 7_200, NOVEMBER - 3_600);
    bills::write(&folder.path().join("bill/all.parquet"), &batch(&[october, nova().cost(2.0)]));
    bills::ingest(folder.path());
    let grid = harness::sql(
        folder.path(),
        "select billing_period, sum(billed_cost) as cost from charges group by 1 order by 1",
    );
    let rows: Vec<String> = grid
        .rows
        .iter()
        .map(|row| format!("{} {}", grid.text(row, "billing_period"), grid.text(row, "cost")))
        .collect();
    assert_eq!(rows, ["2026-10 1", "2026-11 2"]);
}

#[test]
fn links_show_no_line_twice() {
    let folder = folder();
    bill(folder.path(), "sub/a.parquet", 5.0);
    std::os::unix::fs::symlink("sub", folder.path().join("bill/latest")).expect("a link");
    std::os::unix::fs::symlink(".", folder.path().join("bill/loop")).expect("a link");
    bills::ingest(folder.path());
    assert_eq!(total(folder.path()), "5");
}

#[test]
fn two_exports_that_name_no_payer_are_both_counted() {
    let folder = folder();
    bills::configure(folder.path(), "[[bill]]\npath = \"other\"\n");
    bills::write(&folder.path().join("bill/a.parquet"), &batch(&[nova().text("bill_payer_account_id", "").cost(1.0)]));
    bills::write(&folder.path().join("other/a.parquet"), &batch(&[nova().text("bill_payer_account_id", "").cost(2.0)]));
    bills::ingest(folder.path());
    assert_eq!(total(folder.path()), "3");
}

#[test]
fn a_part_of_a_period_that_vanished_is_not_forgotten() {
    let folder = folder();
    bills::configure(folder.path(), "[[bill]]\npath = \"other\"\n");
    bill(folder.path(), "a.parquet", 1.0);
    let mut october = nova().text("bill_payer_account_id", "000099998888").cost(4.0);
    bills::write(
        &folder.path().join("other/nov.parquet"),
        &batch(&[nova().text("bill_payer_account_id", "000099998888").cost(2.0)]),
    );
    (october.start, october.end) = (NOVEMBER - 7_200, NOVEMBER - 3_600);
    bills::write(&folder.path().join("other/oct.parquet"), &batch(&[october]));
    bills::ingest(folder.path());
    assert_eq!(total(folder.path()), "7");
    std::fs::remove_file(folder.path().join("other/nov.parquet")).expect("removed");
    assert!(refusal(&bills::ingest(folder.path())).contains("cannot be read now"));
    assert_eq!(total(folder.path()), "7");
}

#[test]
fn a_sum_that_no_column_holds_is_refused_before_it_is_stored() {
    let folder = folder();
    let lines = [nova().cost(6e27), nova().cost(6e27).text("line_item_usage_type", "USE1-NovaLite-output-tokens")];
    bills::write(&folder.path().join("bill/a.parquet"), &batch(&lines));
    assert!(refusal(&bills::ingest(folder.path())).contains("28 digits"));
    assert!(Store::new(folder.path().join(".billtag")).records().expect("readable").is_empty());
}
