//! Who owns what, who is told, and which dollar is judged: small worlds with an answer by hand.

use serde_json::Value;

use crate::bills::{self, Line, NOVEMBER, batch, nova};
use crate::harness;

const PROFILE: &str = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc123def456";

/// A line of another service, so that the bill reaches to the end of a day.
fn until(day: i64) -> Line {
    let mut line = nova().text("line_item_product_code", "AmazonEC2").cost(0.0);
    line.start = NOVEMBER + (day + 1) * 86_400;
    line.end = line.start + 3_600;
    line
}

fn on(day: i64, mut line: Line) -> Line {
    line.start = NOVEMBER + day * 86_400;
    line.end = line.start + 3_600;
    line
}

fn json(folder: &std::path::Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&harness::stdout(folder, arguments)).expect("JSON")
}

fn audit(lines: &[Line]) -> (Value, Option<i32>) {
    let folder = bills::world(&batch(lines));
    bills::configure(folder.path(), "[tags]\nrequired = [\"workload\"]\n");
    harness::ingest_folder(folder.path());
    let code = harness::billtag(folder.path(), &["audit", "--fail-on-findings"]).status.code();
    (json(folder.path(), &["audit", "--format", "json"]), code)
}

#[test]
fn every_dollar_is_judged_and_one_good_line_hides_none() {
    let role = |session: &'static str| nova().text("line_item_iam_principal", session);
    let good = role("arn:aws:sts::111122223333:assumed-role/app/one").tag("iamPrincipal/Workload", "chat").cost(100.0);
    let bad = role("arn:aws:sts::111122223333:assumed-role/app/two").cost(99.0);
    let (items, code) = audit(&[good, bad, until(0)]);
    let item = &items[0];
    assert_eq!((item["cost"].as_str(), item["compliant_cost"].as_str()), (Some("199"), Some("100")));
    assert_eq!((item["is_compliant"].as_bool(), item["is_fixed"].as_bool(), code), (Some(false), Some(false), Some(3)));
    assert_eq!(item["workload_tag"], "missing");
    assert!(item["fix"].as_str().is_some_and(|fix| fix.starts_with("aws iam tag-role --role-name app")));
}

#[test]
fn money_under_a_mistyped_tag_key_is_counted_and_shown() {
    let typo = nova().tag("resourceTags/Wrokload", "chat").cost(5.0);
    let other = nova().tag("iamPrincipal/work-laod", "chat").tag("iamPrincipal/Stage", "x").cost(2.0);
    let right = nova().tag("resourceTags/Workload", "chat").tag("resourceTags/Workloads", "many").cost(1.0);
    let tax = nova().text("line_item_line_item_type", "Tax").tag("resourceTags/Wrokload", "chat").cost(3.0);
    let folder = bills::world(&batch(&[typo, other, right, tax, until(0)]));
    harness::ingest_folder(folder.path());
    let report = harness::stdout(folder.path(), &["report"]);
    let line = report.lines().find(|line| line.trim_start().starts_with("mistyped tag keys")).expect("a row");
    assert!(line.contains(" 2 (7.00 USD) "), "{line}");
    assert!(line.ends_with("Wrokload (workload?), work-laod (workload?)"), "{line}");
}

#[test]
fn coverage_of_the_model_tag_is_over_resources_of_one_model() {
    let profile = nova().text("line_item_resource_id", PROFILE);
    let tagged = profile.clone().tag("resourceTags/Model", "Nova Lite").cost(3.0);
    let system = nova()
        .text("line_item_resource_id", "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0")
        .cost(100.0);
    let folder = bills::world(&batch(&[profile.cost(1.0), tagged, system, until(0)]));
    harness::ingest_folder(folder.path());
    let coverage = json(folder.path(), &["query", "allocation_coverage", "--format", "json"]);
    let row = &coverage[0];
    assert_eq!(coverage.as_array().map(Vec::len), Some(1));
    assert_eq!((row["cost"].as_str(), row["one_model_cost"].as_str()), (Some("104"), Some("4")));
    assert_eq!((row["model_tag_cost"].as_str(), row["model_tag_share"].as_f64()), (Some("3"), Some(0.75)));
    let report = harness::stdout(folder.path(), &["report"]);
    assert!(report.contains("model 75.0 % of 4.00 on resources of one model"), "{report}");
}

#[test]
fn a_fix_shows_at_once_and_is_listed() {
    let bare = nova().text("line_item_resource_id", PROFILE).cost(10.0);
    let tagged = bare.clone().tag("resourceTags/Workload", "chat");
    let (items, code) = audit(&[on(0, bare), on(1, tagged), until(1)]);
    assert_eq!(
        (items[0]["is_compliant"].as_bool(), items[0]["is_fixed"].as_bool(), code),
        (Some(true), Some(true), Some(0))
    );
}

#[test]
fn explain_tells_tax_from_what_nobody_named() {
    let tax = nova().text("line_item_line_item_type", "Tax").cost(7.0);
    let folder = bills::world(&batch(&[nova().cost(100.0), tax, until(0)]));
    harness::ingest_folder(folder.path());
    let first =
        |name: &str| harness::stdout(folder.path(), &["explain", name]).lines().nth(2).expect("a total").to_string();
    assert!(first("not_allocable").starts_with("7.00 USD billed"), "{}", first("not_allocable"));
    assert!(first("unattributed").starts_with("100.00 USD billed"), "{}", first("unattributed"));
}

#[test]
fn a_measurement_of_a_profile_claims_that_profiles_tokens() {
    let profile = nova().text("line_item_resource_id", PROFILE).number("line_item_usage_amount", 1_000.0).cost(1.0);
    let other = nova().number("line_item_usage_amount", 1_000.0).cost(5.0);
    let folder = bills::world(&batch(&[profile, other, until(0)]));
    bills::configure(
        folder.path(),
        "[[metrics]]\npath = \"metrics\"\nnamespace = \"A/B\"\ndimensions = { workload = \"Workload\", model = \"Model\" }\n",
    );
    std::fs::create_dir(folder.path().join("metrics")).expect("a folder");
    let record = format!(
        r#"{{"metric_stream_name":"s","account_id":"111122223333","region":"us-east-1","namespace":"A/B","metric_name":"InputTokens","dimensions":{{"Workload":"chat","Model":"abc123def456"}},"timestamp":{NOVEMBER}000,"value":{{"max":1.0,"min":1.0,"sum":400000.0,"count":4.0}},"unit":"Count"}}"#
    );
    std::fs::write(folder.path().join("metrics/a.jsonl"), record).expect("written");
    harness::ingest_folder(folder.path());
    let grid = harness::sql(
        folder.path(),
        "select attribution_method, sum(billed_cost) as cost from cost_facts where workload = 'chat' group by 1",
    );
    assert_eq!(grid.rows.len(), 1);
    assert_eq!(
        (grid.text(&grid.rows[0], "attribution_method"), grid.text(&grid.rows[0], "cost")),
        ("token_metric".into(), "0.4".into())
    );
}

#[test]
fn a_lambda_that_calls_the_model_names_its_calls() {
    let call =
        nova().text("line_item_iam_principal", "arn:aws:sts::111122223333:assumed-role/fn-role/chat-fn").cost(3.0);
    let lambda = nova()
        .text("line_item_product_code", "AWSLambda")
        .text("line_item_resource_id", "arn:aws:lambda:us-east-1:111122223333:function:chat-fn")
        .tag("resourceTags/Workload", "chat");
    let elsewhere = lambda
        .clone()
        .text("line_item_usage_account_id", "999900001111")
        .text("line_item_resource_id", "arn:aws:lambda:us-east-1:999900001111:function:chat-fn");
    let owner = |lines: &[Line]| {
        let folder = bills::world(&batch(lines));
        harness::ingest_folder(folder.path());
        let grid =
            harness::sql(folder.path(), "select workload, attribution_method, attribution_evidence from cost_facts");
        ["workload", "attribution_method", "attribution_evidence"].map(|name| grid.text(&grid.rows[0], name))
    };
    let evidence = "workload=consumer_tag:arn:aws:lambda:us-east-1:111122223333:function:chat-fn";
    assert_eq!(owner(&[call.clone(), lambda]), ["chat", "consumer_tag", evidence]);
    assert_eq!(owner(&[call, elsewhere])[1], "unattributed");
}

#[test]
fn a_report_to_a_day_is_about_that_day() {
    let lines: Vec<Line> = (0..4).map(|day| on(day, nova().cost(f64::from(1 << day)))).chain([until(3)]).collect();
    let folder = bills::world(&batch(&lines));
    harness::ingest_folder(folder.path());
    let report = json(folder.path(), &["report", "--to", "2026-11-02", "--format", "json"]);
    let day = &report["day"][0];
    assert_eq!(
        (day["day"].as_str(), day["usage_cost"].as_str(), day["change"].as_str()),
        (Some("2026-11-02"), Some("2"), Some("1"))
    );
    assert!(report["notes"].to_string().contains("2026-11 to 2026-11-02: Usage 3.00"), "{}", report["notes"]);
}

#[test]
fn a_range_leaves_no_note_of_the_run() {
    let lines: Vec<Line> = [1.0, 9.0, 9.0, 90.0]
        .iter()
        .zip(0..)
        .map(|(cost, day)| on(day, nova().cost(*cost).tag("resourceTags/Workload", "w")))
        .chain([until(3)])
        .collect();
    let folder = bills::world(&batch(&lines));
    harness::stdout(folder.path(), &["run", "-q", "--from", "2026-11-04"]);
    let findings = json(folder.path(), &["alert", "--format", "json"]);
    assert_eq!(findings.as_array().map(Vec::len), Some(2), "{findings}");
}
