//! The commands, end to end: what they print, in which format, with which exit code.

use serde_json::Value;

use crate::bills::{self, batch, nova};
use crate::harness;

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn run_does_the_daily_job_and_says_the_same_twice() {
    let folder = harness::fixtures();
    let first = harness::stdout(folder.path(), &["run", "-q"]);
    assert_eq!(harness::stdout(folder.path(), &["run", "-q"]), first);
    for part in ["PAGE: Amazon Bedrock spend, 2026-11-21", "the bill (billed cost)", "Alerts,", "Tagging audit,"] {
        assert!(first.contains(part), "{part} is missing:\n{first}");
    }
    let all = json(&harness::stdout(folder.path(), &["run", "-q", "--format", "json"]));
    assert!(
        all["report"]["spend"].is_array() && all["alert"]["findings"].is_array() && all["audit"]["debt"].is_array()
    );
}

#[test]
fn the_report_reads_as_it_was_read_by_a_person() {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("report_table", harness::stdout(harness::ingested(), &["report"]));
        insta::assert_snapshot!("report_markdown", harness::stdout(harness::ingested(), &["report", "--format", "md", "--by", "team"]));
        insta::assert_snapshot!("alert_table", harness::stdout(harness::ingested(), &["alert", "--dry-run"]));
        insta::assert_snapshot!("audit_table", harness::stdout(harness::ingested(), &["audit"]));
        insta::assert_snapshot!("explain_table", harness::stdout(harness::ingested(), &["explain", "support-agent", "--day", "2026-11-20"]));
    });
}

#[test]
fn every_format_of_every_command_is_well_formed() {
    let folder = harness::ingested();
    let commands: [&[&str]; 5] =
        [&["report"], &["alert", "--dry-run"], &["audit"], &["explain", "checkout-bot"], &["query", "spend_by_team"]];
    for command in commands {
        let with = |format: &str| harness::stdout(folder, &[command, &["--format", format]].concat());
        json(&with("json"));
        let text = with("csv");
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        assert!(reader.records().all(|record| record.is_ok()), "{command:?}");
        assert!(with("md").contains("| --- |") || with("md").contains("---:"), "{command:?}");
        assert!(!with("table").is_empty());
    }
}

#[test]
fn a_report_lists_anomalies_of_ninety_days_unless_more_are_asked_for() {
    let report = |more: &[&str]| harness::stdout(harness::ingested(), &[&["report"], more].concat());
    assert!(report(&[]).contains("(2026-08-24 to 2026-11-21; earlier days with `billtag alert --from DATE`)"));
    assert!(report(&["--to", "2026-11-10"]).contains("(2026-08-13 to 2026-11-10; earlier days"));
    assert!(report(&["--from", "2026-08-02"]).contains("(2026-08-02 to 2026-11-21)"));
    let page = harness::stdout(harness::ingested(), &["report", "--format", "html"]);
    assert!(page.contains("2026-08-24 to 2026-11-21; unblended cost of Usage; earlier days"));
}

#[test]
fn the_readme_shows_what_the_fixtures_say() {
    let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let report: Vec<String> = harness::stdout(harness::ingested(), &["report"]).lines().map(squeezed).collect();
    let readme = std::fs::read_to_string(harness::root().join("README.md")).expect("the README");
    let (_, sample) = readme.split_once("```text\n").expect("a sample");
    let (sample, _) = sample.split_once("```").expect("its end");
    for line in sample.lines().map(squeezed).filter(|line| line != "…") {
        assert!(report.contains(&line), "no longer in the report: {line}");
    }
}

#[test]
fn a_run_as_csv_is_one_table_that_says_what_the_others_say() {
    let folder = harness::fixtures();
    let text = harness::stdout(folder.path(), &["run", "-q", "--format", "csv"]);
    // The reader refuses a record whose number of cells is not the header's.
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    assert_eq!(reader.headers().expect("headers"), vec!["document", "section", "row", "column", "value"]);
    let rows: Vec<[String; 5]> = reader.deserialize().map(|row| row.expect("a record of one shape")).collect();
    let has = |document: &str, section: &str, column: &str, start: &str| {
        let is = |row: &&[String; 5]| row[0] == document && row[1] == section && row[3] == column;
        assert!(rows.iter().filter(is).any(|row| row[4].starts_with(start)), "{document} {section} {column} {start}");
    };
    has("report", "title", "text", "PAGE: Amazon Bedrock spend, 2026-11-21");
    has("report", "notes", "text", "Bill through 2026-11-22T09:00:00Z");
    has("report", "notes", "text", "2026-11: Usage 6,306.87 + ");
    has("report", "day", "note", "Usage is unblended cost of Usage");
    has("report", "spend", "month_0", "1421.5");
    has("alert", "title", "text", "Alerts, 2026-08-01 to 2026-11-21");
    has("alert", "findings", "workload", "review-bot");
    has("audit", "commands", "command", "aws bedrock tag-resource");
}

#[test]
fn findings_have_owner_expectation_lines_and_a_stable_key() {
    let folder = harness::ingested();
    let findings = json(&harness::stdout(folder, &["alert", "--dry-run", "--format", "json"]));
    let page = &findings[0];
    assert_eq!(page["severity"], "page");
    assert_eq!(page["workload"], "review-bot");
    assert_eq!(page["team"], "growth");
    assert_eq!((page["expected"].as_str(), page["actual"].as_str()), (Some("9.9"), Some("79.2")));
    assert_eq!(page["key"], "billtag:workload:review-bot:USD");
    assert_eq!(page["rules"][0], "R1");
    let amount = |value: &Value| value.as_str().expect("an amount").parse::<f64>().expect("a number");
    let parts: f64 = page["causes"].as_object().expect("causes").values().map(amount).sum();
    assert!((parts - amount(&page["increase"])).abs() < 1e-9, "{}", page["causes"]);
    assert_eq!(page["evidence"][0]["attribution_method"], "resource_tag");
    assert!(page["lines"][0]["resource_id"].as_str().is_some_and(|id| id.starts_with("arn:aws:bedrock:")));
}

#[test]
fn exactly_three_times_is_a_finding_and_a_hair_less_is_none() {
    let day = |at: i64, cost: f64| {
        let mut line = nova().cost(cost).tag("resourceTags/Workload", "w");
        line.start += at * 86_400;
        line.end = line.start + 3_600;
        line
    };
    // A line of another service shows how far the bill reaches.
    let mut later = nova().text("line_item_product_code", "AmazonEC2");
    later.start += 5 * 86_400;
    later.end = later.start + 3_600;
    let rules = |second: f64| {
        let folder = bills::world(&batch(&[day(0, 1.1), day(1, second), later.clone()]));
        harness::ingest_folder(folder.path());
        let findings = json(&harness::stdout(folder.path(), &["alert", "--format", "json"]));
        findings.as_array().expect("an array").iter().map(|finding| finding["rule"].to_string()).collect::<Vec<_>>()
    };
    assert_eq!(rules(3.3), ["\"R1\""]);
    assert_eq!(rules(3.299_999_999_9), Vec::<String>::new());
}

#[test]
fn alert_looks_at_every_complete_day_since_the_last_run() {
    let folder = harness::fixtures();
    harness::ingest_folder(folder.path());
    let days = |arguments: &[&str]| {
        let findings = json(&harness::stdout(folder.path(), arguments));
        findings
            .as_array()
            .expect("an array")
            .iter()
            .map(|finding| finding["day"].as_str().expect("a day").to_string())
            .collect::<Vec<_>>()
    };
    let early = ["alert", "--format", "json", "--as-of", "2026-11-19T00:00:00Z"];
    assert!(days(&early).contains(&"2026-11-18".to_string()));
    assert_eq!(days(&early), days(&early), "the same run says the same");
    assert_eq!(days(&["alert", "--format", "json"]), ["2026-11-20"], "only what came since");
}

#[test]
fn fail_on_findings_exits_with_3() {
    let output = harness::billtag(harness::ingested(), &["audit", "--fail-on-findings"]);
    assert_eq!(output.status.code(), Some(3));
    let output = harness::billtag(harness::ingested(), &["audit"]);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_tag_value_cannot_break_any_output() {
    let value = "=cmd|' /C calc'!A0 \u{1b}[31m\u{202e}|<script>\n\"x\" 🙂 `a` [b](http://c)";
    let value: &'static str = Box::leak(value.to_string().into_boxed_str());
    let line = nova()
        .cost(9.0)
        .tag("resourceTags/Workload", value)
        .text("line_item_resource_id", "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc");
    let folder = bills::world(&batch(&[line]));
    harness::ingest_folder(folder.path());
    let commands: [&[&str]; 4] =
        [&["report"], &["audit"], &["query", "spend_by_workload"], &["query", "-e", "select workload from cost_facts"]];
    for command in commands {
        let with = |format: &str| harness::stdout(folder.path(), &[command, &["--format", format]].concat());
        for format in ["table", "md"] {
            let text = with(format);
            assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{command:?} {format}");
        }
        assert!(!with("md").contains("<script>"), "{command:?}");
        let text = with("csv");
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
        for record in reader.records() {
            for cell in &record.expect("a record") {
                let number = cell.parse::<f64>().is_ok();
                assert!(number || !cell.starts_with(['=', '+', '-', '@']), "{command:?}: {cell}");
            }
        }
        json(&with("json"));
    }
}

#[test]
fn output_goes_to_a_file_in_the_format_of_its_extension() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("report.json");
    let name = path.to_str().expect("a name");
    assert_eq!(harness::stdout(harness::ingested(), &["report", "-o", name]), "");
    json(&std::fs::read_to_string(&path).expect("written"));
}

#[test]
#[cfg(unix)]
fn output_goes_to_devices_and_through_symlinks_and_replaces_neither() {
    use std::os::unix::fs::{FileTypeExt, symlink};
    let folder = harness::fixtures();
    harness::ingest_folder(folder.path());
    let query = ["query", "bill_identity"];
    let plain = harness::stdout(folder.path(), &query);
    let to = |name: &str| harness::stdout(folder.path(), &[&query[..], &["-o", name]].concat());
    let at = |name: &str| folder.path().join(name);
    // By links of the test's own, lest a defect replaces the machine's devices.
    symlink("/proc/self/fd/1", at("stdout")).expect("a link");
    symlink("/dev/null", at("null")).expect("a link");
    if at("stdout").exists() {
        assert_eq!(to("stdout"), plain, "a device has no extension and takes the table");
    }
    assert_eq!(to("null"), "");
    assert!(at("null").is_symlink());
    // A chain of links, the last of which leads to a file that is not there yet.
    std::fs::create_dir(at("sub")).expect("a folder");
    symlink("sub/second.txt", at("first.txt")).expect("a link");
    symlink("real.txt", at("sub/second.txt")).expect("a link");
    for _ in 0..2 {
        assert_eq!(to("first.txt"), "");
        assert_eq!(std::fs::read_to_string(at("sub/real.txt")).expect("written"), plain);
        assert!(at("first.txt").is_symlink() && at("sub/second.txt").is_symlink());
    }
    // A pipe with somebody at its end.
    let pipe = at("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs");
    assert!(made.success());
    let reader = {
        let pipe = pipe.clone();
        std::thread::spawn(move || std::fs::read_to_string(pipe).expect("read"))
    };
    to("pipe");
    assert_eq!(reader.join().expect("read"), plain);
    assert!(std::fs::metadata(&pipe).expect("there").file_type().is_fifo());
}

#[test]
fn a_query_may_be_text_or_a_file() {
    let folder = harness::ingested();
    let rows = json(&harness::stdout(
        folder,
        &["query", "-e", "select count(*) as n, sum(billed_cost) as cost from cost_daily", "--format", "json"],
    ));
    assert!(rows[0]["n"].is_number() && rows[0]["cost"].is_string());
    let file = tempfile::NamedTempFile::with_suffix(".sql").expect("a file");
    std::fs::write(file.path(), "select day, is_complete from days order by day desc limit 1").expect("written");
    let rows = json(&harness::stdout(folder, &["query", file.path().to_str().expect("a name"), "--format", "json"]));
    assert_eq!((rows[0]["day"].as_str(), rows[0]["is_complete"].as_bool()), (Some("2026-11-22"), Some(false)));
}

#[test]
fn a_trust_strip_of_a_part_of_a_month_says_what_is_of_the_whole() {
    let report = |more: &[&str]| harness::stdout(harness::ingested(), &[&["report"], more].concat());
    let note = "the rest of the whole month";
    assert!(report(&["--to", "2026-11-10"]).contains(note));
    assert!(!report(&[]).contains(note) && !report(&["--from", "2026-08-02"]).contains(note));
}
