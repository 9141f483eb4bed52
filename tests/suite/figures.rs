//! The figures and the report over small worlds: which days they cover, what they compare and say.

use std::path::Path;

use serde_json::Value;

use crate::bills::{self, Line, NOVEMBER, batch, nova};
use crate::harness;

const DAY: i64 = 86_400;

/// A line of an hour on a day of November, counted from the first.
fn on(day: i64, mut line: Line) -> Line {
    line.start = NOVEMBER + day * DAY;
    line.end = line.start + 3_600;
    line
}

/// A line of another service, so that the bill reaches to the end of a day.
fn until(day: i64) -> Line {
    on(day + 1, nova().text("line_item_product_code", "AmazonEC2").cost(0.0))
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&harness::stdout(folder, arguments)).expect("JSON")
}

#[test]
fn a_line_dated_outside_the_stored_months_is_in_every_total() {
    let folder = tempfile::tempdir().expect("a folder");
    bills::configure(folder.path(), "");
    // The folder says which period it is, whatever the lines' own dates.
    let refund = on(-61, nova().text("line_item_line_item_type", "Refund").cost(-3.0));
    let fee = on(40, nova().text("line_item_line_item_type", "Fee").cost(20.0));
    let lines = [on(0, nova().cost(100.0)), refund, fee, until(0)];
    bills::write(&folder.path().join("bill/BILLING_PERIOD=2026-11/bill.parquet"), &batch(&lines));
    harness::ingest_folder(folder.path());
    let total = |query: &str| {
        let rows = json(folder.path(), &["query", query, "--format", "json"]);
        let costs = rows.as_array().expect("rows").iter().map(|row| row["cost"].as_str().expect("a cost").to_string());
        costs.map(|cost| cost.parse::<f64>().expect("a number")).sum::<f64>().to_string()
    };
    for query in [
        "spend_by_workload",
        "spend_by_team",
        "spend_by_cost_center",
        "bill_identity",
        "attribution_methods",
        "unattributed",
    ] {
        assert_eq!(total(query), "117", "{query}");
    }
    let report = harness::stdout(folder.path(), &["report"]);
    assert!(report.contains("Purchase 20.00") && report.contains("Adjustment -3.00 = 117.00 USD"), "{report}");
}

#[test]
fn a_model_that_can_cache_and_never_does_has_a_rate_of_zero() {
    let model = |name: &'static str| on(0, nova().product("model", name).number("line_item_usage_amount", 10.0));
    let unknown = on(0, nova().text("line_item_usage_type", "USE1-WhollyNew-input-tokens"));
    let folder = bills::world(&batch(&[model("Claude Haiku 4.5"), model("Llama 3.3 70B"), unknown, until(0)]));
    harness::ingest_folder(folder.path());
    let rows = json(folder.path(), &["query", "cache_hit_rate", "--format", "json"]);
    let rate = |model: Option<&str>| {
        let row = rows.as_array().expect("rows").iter().find(|row| row["model_name"].as_str() == model).expect("a row");
        (row["hit_rate"].as_f64(), row["below_floor"].as_bool())
    };
    assert_eq!(rate(Some("Claude Haiku 4.5")), (Some(0.0), Some(true)));
    assert_eq!(rate(Some("Llama 3.3 70B")), (None, Some(false)));
    assert_eq!(rate(None), (None, Some(false)));
}

#[test]
fn a_small_jump_is_a_note_and_still_a_finding() {
    let of_w = |day: i64, cost: f64| on(day, nova().cost(cost).tag("resourceTags/Workload", "w"));
    let folder = bills::world(&batch(&[of_w(0, 1.0), of_w(1, 4.0), until(1)]));
    harness::ingest_folder(folder.path());
    let findings = json(folder.path(), &["alert", "--dry-run", "--format", "json"]);
    assert_eq!((findings[0]["rule"].as_str(), findings[0]["severity"].as_str()), (Some("R1"), Some("note")));
    for command in ["alert", "report"] {
        let code = harness::billtag(folder.path(), &[command, "--fail-on-findings"]).status.code();
        assert_eq!(code, Some(3), "{command}");
    }
}

#[test]
fn another_cost_basis_never_changes_what_jumped() {
    let of_w = |day: i64, cost: f64, net: f64| {
        on(day, nova().cost(cost).number("line_item_net_unblended_cost", net).tag("resourceTags/Workload", "w"))
    };
    // Unblended cost is four times the day before, billed cost less than twice.
    let folder = bills::world(&batch(&[of_w(0, 1.0, 1.0), of_w(1, 4.0, 1.5), until(1)]));
    harness::ingest_folder(folder.path());
    let anomalies = |arguments: &[&str]| {
        json(folder.path(), &[arguments, &["--format", "json"]].concat())["anomalies"].as_array().map(Vec::len)
    };
    assert_eq!(anomalies(&["report"]), Some(1));
    for basis in ["billed", "list"] {
        assert_eq!(anomalies(&["report", "--cost", basis]), Some(1), "{basis}");
    }
    let code = harness::billtag(folder.path(), &["run", "-q", "--cost", "billed", "--fail-on-findings"]).status.code();
    assert_eq!(code, Some(3));
}

#[test]
fn a_cost_basis_is_shown_under_its_name_or_refused() {
    let folder = harness::ingested();
    let explain = |arguments: &[&str]| json(folder, &[&["explain", "form-filler"], arguments].concat());
    let own = explain(&["--format", "json"]);
    let list = explain(&["--format", "json", "--cost", "list"]);
    assert!(own["by_model"][0]["billed_cost"].is_string(), "{own}");
    assert!(list["by_model"][0]["billed_cost"].is_null() && list["headings"]["by_model"]["list_cost"] == "List");
    let report = harness::stdout(folder, &["report", "--cost", "effective"]);
    assert!(report.contains("Evidence, 2026-11\n(effective cost, all charges)"), "{report}");
    assert!(report.contains("effective cost of Usage in cells with counted calls"), "{report}");
    for command in [&["alert"][..], &["audit"], &["query", "anomalies"], &["query", "-e", "select 1 as one"]] {
        let message = harness::failure(folder, &[command, &["--cost", "list"]].concat());
        assert!(
            message.starts_with("exit 2\nerror: --cost") && message.contains("hint: leave --cost out"),
            "{message}"
        );
    }
}

#[test]
fn spend_by_whatever_column_covers_the_same_days_and_compares_the_same() {
    let folder = harness::ingested();
    for range in [&[][..], &["--to", "2026-11-10"]] {
        let total = |by: &str| {
            let report = json(folder, &[&["report", "--format", "json", "--by", by], range].concat());
            let total = report["spend"].as_array().expect("rows").last().expect("a total").clone();
            assert_eq!(total["name"], "total", "{by}");
            total
        };
        let by_team = total("team");
        assert!(by_team["change"].is_string() && by_team["month_3"].is_string(), "{by_team}");
        for by in ["workload", "cost_center", "environment", "account", "region", "model"] {
            assert_eq!(total(by), by_team, "{by} {range:?}");
        }
    }
}

#[test]
fn spend_without_an_environment_is_a_row_of_its_own() {
    let report = json(harness::ingested(), &["report", "--format", "json", "--by", "environment"]);
    let names: Vec<&str> =
        report["spend"].as_array().expect("rows").iter().filter_map(|row| row["name"].as_str()).collect();
    assert_eq!(names, ["prod", "staging", "dev", "unassigned", "not_allocable", "total"]);
}

#[test]
fn the_title_is_as_severe_as_the_worst_finding_below_it() {
    let of_w = |day: i64, cost: f64| on(day, nova().cost(cost).tag("resourceTags/Workload", "w"));
    let title = |costs: &[f64]| {
        let days: Vec<Line> = (0..).zip(costs).map(|(day, cost)| of_w(day, *cost)).collect();
        let folder = bills::world(&batch(&[&days[..], &[until(days.len() as i64 - 1)]].concat()));
        harness::ingest_folder(folder.path());
        harness::stdout(folder.path(), &["report"]).lines().next().expect("a title").to_string()
    };
    // The jump is on Tuesday; the last complete day is quiet.
    assert!(title(&[10.0, 10.0, 100.0, 100.0]).starts_with("PAGE: "), "{}", title(&[10.0, 10.0, 100.0, 100.0]));
    assert!(title(&[1.0, 3.0, 3.0]).starts_with("NOTE: "));
    assert!(title(&[1.0, 1.0, 1.0]).starts_with("OK: "));
}

/// A text that a line may hold.
fn held(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

#[test]
fn many_rows_in_one_currency_hide_none_in_another() {
    let caller = |at: usize, currency: &'static str| {
        let arn = held(format!("arn:aws:sts::111122223333:assumed-role/app{at}/x"));
        let line = nova().product("model", "Claude Sonnet 4.6").text("line_item_iam_principal", arn);
        line.tag("iamPrincipal/Workload", held(format!("w{at}"))).text("line_item_currency_code", currency)
    };
    let mut lines = vec![until(1)];
    for at in 0..40 {
        let currency = if at == 0 { "USD" } else { "EUR" };
        lines.push(on(0, caller(at, currency).cost(1.0 + at as f64)));
        lines.push(on(1, caller(at, currency).cost(10.0 + 10.0 * at as f64)));
    }
    let folder = bills::world(&batch(&lines));
    harness::ingest_folder(folder.path());
    let run = json(folder.path(), &["run", "-q", "--format", "json"]);
    let currencies = |table: &Value| {
        let rows = table.as_array().expect("rows").iter();
        let of = |currency: &str| rows.clone().filter(|row| row["billing_currency"] == currency).count();
        (of("EUR"), of("USD"))
    };
    for figure in ["tag_debt", "anomalies", "haiku_to_sonnet", "cache"] {
        assert_eq!(currencies(&run["report"][figure]), (10, 1), "{figure}");
    }
    assert_eq!(currencies(&run["audit"]["debt"]), (25, 1));
    let last = run["audit"]["debt"].as_array().and_then(|rows| rows.last()).expect("a row").clone();
    assert_eq!((last["number"].as_i64(), last["billing_currency"].as_str()), (Some(26), Some("USD")));
}

#[test]
fn the_audit_judges_from_the_day_that_is_asked_for() {
    let folder =
        bills::world(&batch(&[on(0, nova().cost(1.0)), on(8, nova().cost(2.0)), on(9, nova().cost(4.0)), until(9)]));
    harness::ingest_folder(folder.path());
    let cost = |arguments: &[&str]| {
        let items = json(folder.path(), &[&["audit", "--format", "json"], arguments].concat());
        (items[0]["cost"].as_str().map(String::from), items[0]["month_cost"].as_str().map(String::from))
    };
    let (some, month) = (|text: &str| Some(text.to_string()), Some("7".to_string()));
    assert_eq!(cost(&[]), (some("6"), month.clone()));
    assert_eq!(cost(&["--from", "2026-11-10"]), (some("4"), month.clone()));
    assert_eq!(cost(&["--from", "2026-11-01", "--to", "2026-11-09"]), (some("3"), some("3")));
    let people = harness::stdout(folder.path(), &["audit", "--from", "2026-11-10"]);
    assert!(
        people.starts_with("Tagging audit, 2026-11-10 to 2026-11-10, UTC") && people.contains(" 1 day "),
        "{people}"
    );
}
