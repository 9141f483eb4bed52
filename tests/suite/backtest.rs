//! Rules judged on worlds whose incidents are known. What they were tuned on are other seeds.

use std::path::Path;

use crate::bills::{self, NOVEMBER, batch, nova};
use crate::harness;
use crate::world::labelled;

const DAY: i64 = 86_400;

struct Score {
    rule: String,
    recall: Option<f64>,
    precision: Option<f64>,
    hours: Option<f64>,
    false_pages: f64,
}

fn backtest(folder: &Path, labels: &Path) -> Vec<Score> {
    let labels = labels.to_str().expect("a path");
    let text = harness::stdout(folder, &["backtest", "--labels", labels, "--format", "json"]);
    let scores: Vec<serde_json::Value> = serde_json::from_str(&text).expect("an array");
    let score = |score: &serde_json::Value| {
        let names: Vec<&String> = score.as_object().expect("an object").keys().collect();
        assert_eq!(names, ["false_pages_per_month", "median_hours_to_detect", "precision", "recall", "rule"]);
        Score {
            rule: score["rule"].as_str().expect("a name").to_string(),
            recall: score["recall"].as_f64(),
            precision: score["precision"].as_f64(),
            hours: score["median_hours_to_detect"].as_f64(),
            false_pages: score["false_pages_per_month"].as_f64().expect("a number"),
        }
    };
    scores.iter().map(score).collect()
}

#[test]
fn labelled_incidents_of_unseen_worlds_are_found_and_little_else() {
    const PUBLISHED: [&str; 5] = ["plain_3x", "litellm", "optscale", "zscore_30", "weekday_mad"];
    for seed in [201, 202] {
        let folder = tempfile::tempdir().expect("a folder");
        labelled::write(folder.path(), seed, 100).expect("a world");
        harness::ingest_folder(folder.path());
        let scores = backtest(folder.path(), &folder.path().join("incidents.json"));
        let of = |rule: &str| scores.iter().find(|score| score.rule == rule).expect("every rule is scored");
        let all = of("all");
        let (recall, precision) = (all.recall.expect("incidents"), all.precision.expect("alerts"));
        assert!(recall >= 0.95 && precision >= 0.90, "seed {seed}: recall {recall}, precision {precision}");
        assert!(all.false_pages <= 1.0, "seed {seed}: {} false pages a month", all.false_pages);
        for rule in PUBLISHED.map(of) {
            assert!(rule.recall.is_none_or(|other| other <= recall), "seed {seed}: {} finds more", rule.rule);
            assert!(rule.precision.is_none_or(|other| other < precision), "seed {seed}: {} is righter", rule.rule);
        }
    }
}

#[test]
fn a_month_that_is_delivered_day_by_day_is_judged_day_by_day() {
    let folder = tempfile::tempdir().expect("a folder");
    labelled::write_delivered(folder.path(), 206, 20).expect("a world");
    let labels = folder.path().join("incidents.json");
    let text = std::fs::read_to_string(&labels).expect("labels");
    assert!(text.contains("restatement") && text.contains("partial day"), "{text}");
    harness::stdout(folder.path(), &["ingest", "-q", "--as-of", "2026-09-01T12:00:00Z"]);
    let mut days: Vec<_> = std::fs::read_dir(folder.path().join("deliveries"))
        .expect("deliveries")
        .map(|entry| entry.expect("a day").file_name().into_string().expect("a date"))
        .collect();
    days.sort_unstable();
    for day in &days {
        harness::copy(&folder.path().join("deliveries").join(day).join("cur2"), &folder.path().join("cur2"));
        harness::stdout(folder.path(), &["ingest", "-q", "--as-of", &format!("{day}T12:00:00Z")]);
    }
    let scores = backtest(folder.path(), &labels);
    let all = scores.iter().find(|score| score.rule == "all").expect("the whole");
    assert!(all.recall >= Some(0.95) && all.precision >= Some(0.9), "{:?} {:?}", all.recall, all.precision);
    assert!(all.false_pages <= 1.0, "{}", all.false_pages);
    // What no run noted is judged by the next, and the whole is no worse off.
    let versions = folder.path().join("store/history/periods");
    std::fs::remove_dir_all(&versions).expect("removed");
    let said = harness::billtag(folder.path(), &["backtest", "--labels", labels.to_str().expect("a path")]);
    assert!(said.status.success() && harness::text(&said.stderr).contains("no longer kept"));
}

#[test]
fn the_labels_of_the_fixtures_are_found() {
    let labels = harness::root().join("fixtures/truth/incidents.json");
    let scores = backtest(harness::ingested(), &labels);
    let all = scores.iter().find(|score| score.rule == "all").expect("the whole");
    assert_eq!((all.recall, all.precision), (Some(1.0), Some(1.0)));
    // Those of measured workloads are seen by the hour, those of others when the bill is there.
    let by_hour = scores.iter().find(|score| score.rule == "hour_usual").expect("rules of hours are scored");
    assert!(by_hour.recall.is_some_and(|recall| recall > 0.0));
}

/// A bill of the days of November up to one, as it is delivered the morning after: day 12 costs nine times as much
/// from the 18th on, and half of day 15 comes a day late.
fn deliver(folder: &Path, through: i64) {
    let lines: Vec<_> = (1..=through)
        .flat_map(|day| {
            let cost = match day {
                12 if through >= 17 => 900.0,
                15 if through == 15 => 40.0,
                20 => 900.0,
                _ => 100.0 + (day % 3) as f64,
            };
            // Something else is billed to the day's end, so that the day seems to be whole.
            [("checkout", cost, 9), ("search", 5.0, 23)].map(|(workload, cost, hour)| {
                let mut line = nova().tag("resourceTags/Workload", workload).cost(cost);
                line.start = NOVEMBER + (day - 1) * DAY + hour * 3_600;
                line.end = line.start + 3_600;
                line
            })
        })
        .collect();
    bills::write(&folder.join("bill/data/BILLING_PERIOD=2026-11/bill.parquet"), &batch(&lines));
}

#[test]
fn each_day_is_judged_on_the_bill_that_its_run_saw() {
    let label = |day: u32, kind: &str| {
        let day = format!("2026-11-{day:02}");
        serde_json::json!({ "workload": "checkout", "start": day, "end": day, "kind": kind })
    };
    let labels = serde_json::json!([label(12, "restatement"), label(15, "partial day"), label(20, "spike")]);
    let judged = |runs: std::ops::RangeInclusive<i64>| {
        let folder = tempfile::tempdir().expect("a folder");
        bills::configure(folder.path(), "");
        for through in runs {
            deliver(folder.path(), through);
            let morning = format!("2026-11-{:02}T07:00:00Z", through + 1);
            harness::stdout(folder.path(), &["ingest", "-q", "--as-of", &morning]);
        }
        let file = folder.path().join("incidents.json");
        std::fs::write(&file, labels.to_string()).expect("a file");
        let scores = backtest(folder.path(), &file);
        let all = scores.into_iter().find(|score| score.rule == "all").expect("the whole");
        (all.recall, all.precision, all.hours)
    };
    // Day by day nothing is wrong; it is known as soon as the run of the next morning looks.
    assert_eq!(judged(9..=24), (Some(1.0), Some(1.0), Some(31.0)));
    // Read at once, what was restated looks as if it had been seen.
    assert_eq!(judged(24..=24), (Some(1.0), Some(0.5), Some(48.0)));
}

#[test]
fn labels_that_cannot_be_read_say_what_is_wrong_and_what_to_write() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("labels.json");
    let label = |label: &str| {
        std::fs::write(&file, label).expect("a file");
        harness::failure(harness::ingested(), &["backtest", "--labels", file.to_str().expect("a path")])
    };
    // A workload that nobody knows is said, and found by nobody.
    std::fs::write(&file, r#"[{"workload":"chekout","start":"2026-11-01","end":"2026-11-01","kind":"loop"}]"#)
        .expect("a file");
    let told = harness::billtag(harness::ingested(), &["backtest", "--labels", file.to_str().expect("a path")]);
    assert!(harness::text(&told.stderr).contains("the label of chekout: the store knows no such workload"));
    for (text, says) in [
        ("{", "labels.json"),
        (r#"[{"workload":"a","start":"2026-11-01","end":"2026-10-01","kind":"loop"}]"#, "ends on 2026-10-01"),
        (r#"[{"workload":"a","start":"soon","end":"2026-10-01","kind":"loop"}]"#, "label of a"),
        (r#"[{"workload":"a","start":"2026-11-01","finish":"2026-11-01","kind":"loop"}]"#, "missing field `end`"),
    ] {
        let said = label(text);
        assert!(said.contains(says) && said.contains("JSON array"), "{said}");
    }
}
