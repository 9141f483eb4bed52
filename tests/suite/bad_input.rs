//! Bad input: one clear message naming the file and what to do, nothing lost, nothing half-written.

use std::path::Path;

use billtag::facts::store::Store;
use billtag::ingest::Outcome;

use crate::bills::{self, batch, nova};
use crate::harness;

fn snapshot(name: &str, text: &str) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(format!("error_{name}"), text);
    });
}

fn stored(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    harness::bytes_below(&folder.join(".billtag"))
}

#[test]
fn a_truncated_file_leaves_the_stored_period_as_it_was() {
    let folder = bills::world(&batch(&[nova()]));
    harness::ingest_folder(folder.path());
    let before = stored(folder.path());
    let file = folder.path().join("bill/bill.parquet");
    let bytes = std::fs::read(&file).expect("bytes");
    std::fs::write(&file, &bytes[..bytes.len() / 2]).expect("cut");
    let message = harness::failure(folder.path(), &["ingest"]);
    assert!(message.starts_with("exit 4") && message.contains("bill.parquet") && message.contains("hint"), "{message}");
    assert_eq!(stored(folder.path()), before);
}

#[test]
fn a_damaged_page_leaves_the_stored_period_as_it_was() {
    let folder = harness::fixtures();
    harness::ingest_folder(folder.path());
    let before = stored(folder.path());
    let file =
        folder.path().join("cur2/bedrock-export/data/BILLING_PERIOD=2026-09/bedrock-export-00001.snappy.parquet");
    let mut bytes = std::fs::read(&file).expect("bytes");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 20_000].fill(0xff);
    std::fs::write(&file, &bytes).expect("damaged");
    let message = harness::failure(folder.path(), &["ingest", "-q"]);
    assert!(message.starts_with("exit 4") && message.contains("2026-09 is left as it was"), "{message}");
    assert_eq!(stored(folder.path()), before);
}

#[test]
fn a_manifest_that_names_a_missing_file_is_refused() {
    let folder = harness::fixtures();
    let file = "cur2/bedrock-export/data/BILLING_PERIOD=2026-09/bedrock-export-00002.snappy.parquet";
    std::fs::remove_file(folder.path().join(file)).expect("removed");
    let message = harness::failure(folder.path(), &["ingest", "-q"]);
    snapshot("missing_file", &message);
    // A period is whole or absent: not even the other payer's part of it is stored.
    let periods = Store::new(folder.path().join(".billtag")).records().expect("records");
    let periods: Vec<&str> = periods.iter().map(|record| record.period.as_str()).collect();
    assert_eq!(periods, ["2026-08", "2026-10", "2026-11"]);
}

#[test]
fn a_cost_that_is_no_amount_refuses_the_period_with_its_row() {
    for (cost, word) in
        [(Some(f64::NAN), "finite"), (Some(f64::INFINITY), "finite"), (None, "null"), (Some(1e300), "larger")]
    {
        let bad = nova().number("line_item_unblended_cost", cost);
        let folder = bills::world(&batch(&[nova(), nova().text("line_item_product_code", "AmazonEC2"), bad]));
        let summary = bills::ingest(folder.path());
        let Outcome::Refused(reason) = &summary.periods["2026-11"] else { panic!("{cost:?} was taken") };
        assert!(reason.contains(word) && reason.contains("row 3"), "{reason}");
        assert!(Store::new(folder.path().join(".billtag")).records().expect("records").is_empty());
    }
}

#[test]
fn a_bad_cost_of_another_service_is_none_of_our_business() {
    let other = nova().text("line_item_product_code", "AmazonEC2").cost(f64::NAN);
    let folder = bills::world(&batch(&[nova(), other]));
    assert_eq!(bills::ingest(folder.path()).periods["2026-11"], Outcome::New);
}

#[test]
fn a_bill_without_what_it_needs_says_which_column() {
    let without = |name: &str| {
        let full = batch(&[nova()]);
        let keep: Vec<usize> = (0..full.num_columns()).filter(|at| full.schema().field(*at).name() != name).collect();
        let folder = bills::world(&full.project(&keep).expect("projected"));
        harness::failure(folder.path(), &["ingest"])
    };
    snapshot("no_cost_column", &without("line_item_unblended_cost"));
    snapshot("no_time_column", &without("line_item_usage_start_date"));
}

#[test]
fn an_empty_or_missing_folder_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    bills::configure(folder.path(), "");
    snapshot("missing_folder", &harness::failure(folder.path(), &["run"]));
    std::fs::create_dir(folder.path().join("bill")).expect("a folder");
    snapshot("empty_folder", &harness::failure(folder.path(), &["run"]));
}

#[test]
fn a_config_typo_is_refused_with_the_line() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in [
        ("config_unknown_key", "[[bill]]\npath = \"bill\"\n[anomaly]\nratoi = 3\n"),
        ("config_no_bill", "[anomaly]\nratio = 3\n"),
        ("config_bad_rule", "[[bill]]\npath = \"bill\"\n[[owner]]\nworkload = \"x\"\n"),
        ("config_bad_key", "[[bill]]\npath = \"bill\"\n[tags]\nrequired = [\"workloda\"]\n"),
        (
            "config_unknown_measure",
            "[[bill]]\npath = \"b\"\n[[metrics]]\npath = \"m\"\nnames = { inptu_tokens = \"In\" }\n",
        ),
        ("config_unknown_value", "[[bill]]\npath = \"bill\"\n[shared]\npolicy = \"prorata\"\n"),
        ("config_far_key", "[[bill]]\npath = \"bill\"\n[anomaly]\nthreshold = 3\n"),
        ("config_s3", "[[bill]]\npath = \"s3://bucket/prefix\"\n"),
    ] {
        std::fs::write(folder.path().join("billtag.toml"), text).expect("written");
        snapshot(name, &harness::failure(folder.path(), &["report"]));
    }
    std::fs::remove_file(folder.path().join("billtag.toml")).expect("removed");
    snapshot("config_missing", &harness::failure(folder.path(), &["report"]));
}

#[test]
fn a_metric_line_that_is_not_json_costs_only_itself() {
    let folder = bills::world(&batch(&[nova()]));
    bills::configure(folder.path(), "[[metrics]]\npath = \"metrics\"\n");
    std::fs::create_dir(folder.path().join("metrics")).expect("a folder");
    let good = r#"{"metric_stream_name":"s","account_id":"111122223333","region":"us-east-1","namespace":"AWS/Bedrock","metric_name":"Invocations","dimensions":{"ModelId":"amazon.nova-lite-v1:0"},"timestamp":1793491200000,"value":{"max":1.0,"min":1.0,"sum":4.0,"count":4.0},"unit":"Count"}"#;
    std::fs::write(folder.path().join("metrics/a.jsonl"), format!("{good}\n{{broken\n")).expect("written");
    let summary = bills::ingest(folder.path());
    assert!(summary.warnings.iter().any(|warning| warning.contains("a.jsonl, line 2")), "{:?}", summary.warnings);
    let grid = harness::sql(folder.path(), "select invocations from usage");
    assert_eq!(grid.text(&grid.rows[0], "invocations"), "4");
}

#[test]
fn a_reply_without_its_request_is_a_failed_source() {
    let folder = bills::world(&batch(&[nova()]));
    bills::configure(folder.path(), "[[metrics]]\npath = \"metrics\"\n");
    std::fs::create_dir(folder.path().join("metrics")).expect("a folder");
    let reply = r#"{"MetricDataResults":[{"Id":"a","Label":"x","Timestamps":["2026-11-01T00:00:00Z"],"Values":[1.0],"StatusCode":"Complete"}]}"#;
    std::fs::write(folder.path().join("metrics/reply.json"), reply).expect("written");
    let message = harness::failure(folder.path(), &["ingest", "-q"]);
    assert!(message.starts_with("exit 4") && message.contains("reply.json"), "{message}");
}

#[test]
fn a_period_without_bedrock_lines_is_said_and_is_not_an_error() {
    let folder = bills::world(&batch(&[nova().text("line_item_product_code", "AmazonEC2")]));
    let summary = bills::ingest(folder.path());
    assert_eq!(summary.periods["2026-11"], Outcome::New);
    assert!(
        summary.warnings.iter().any(|warning| warning.contains("none of the bill's 1 lines")),
        "{:?}",
        summary.warnings
    );
    assert!(harness::stdout(folder.path(), &["report"]).contains("Amazon Bedrock spend"));
}

#[test]
fn wrong_usage_exits_with_2_and_a_hint() {
    let folder = harness::ingested();
    snapshot("bare_format_name", &harness::failure(folder, &["report", "-o", "json"]));
    snapshot("unknown_query", &harness::failure(folder, &["query", "no_such_query"]));
    snapshot("unknown_workload", &harness::failure(folder, &["explain", "no-such-workload"]));
    snapshot("bad_sql", &harness::failure(folder, &["query", "-e", "select nothing from nowhere"]));
    snapshot("dates_swapped", &harness::failure(folder, &["report", "--from", "2026-11-02", "--to", "2026-11-01"]));
}

#[test]
fn a_damaged_byte_anywhere_is_an_error_or_harmless_and_never_a_panic() {
    let folder = tempfile::tempdir().expect("a folder");
    bills::configure(folder.path(), "");
    let bill = folder.path().join("bill/data/BILLING_PERIOD=2026-11/bill.parquet");
    let lines: Vec<_> = (0_u32..40).map(|at| nova().cost(f64::from(at)).tag("resourceTags/Workload", "a")).collect();
    bills::write(&bill, &batch(&lines));
    let whole = std::fs::read(&bill).expect("bytes");
    let mut refused = 0;
    for at in (0..whole.len()).step_by(whole.len() / 150) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        std::fs::write(&bill, &damaged).expect("written");
        // The first byte that is damaged makes the bill another one, so nothing is skipped as unchanged.
        let summary = bills::ingest(folder.path());
        refused += usize::from(!summary.failures.is_empty());
    }
    assert!(refused > 20, "{refused} damages were seen");
    std::fs::write(&bill, &whole).expect("written");
    harness::ingest_folder(folder.path());
}
