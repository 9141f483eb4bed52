//! What a past morning's report showed can be shown again, and what changed since is told.

use std::path::Path;

use crate::bills::{self, NOVEMBER, batch, nova};
use crate::harness;

const DAY: i64 = 86_400;

/// A bill of some days of November, with one workload's cost by day.
fn deliver(folder: &Path, costs: &[f64]) {
    let lines: Vec<_> = (0_i64..)
        .zip(costs)
        .map(|(day, cost)| {
            let mut line = nova().tag("resourceTags/Workload", "checkout").cost(*cost);
            line.start = NOVEMBER + day * DAY + 23 * 3_600;
            line.end = line.start + 3_600;
            line
        })
        .collect();
    bills::write(&folder.join("bill/data/BILLING_PERIOD=2026-11/bill.parquet"), &batch(&lines));
}

fn run(folder: &Path, as_of: &str, arguments: &[&str]) -> String {
    harness::stdout(folder, &[arguments, &["--as-of", as_of]].concat())
}

fn morning(day: u32) -> String {
    format!("2026-11-{day:02}T07:00:00Z")
}

#[test]
fn a_past_mornings_report_is_shown_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    bills::configure(folder.path(), "");
    let mut shown = Vec::new();
    for (day, costs) in [(4, &[1.0, 2.0, 3.0][..]), (5, &[1.0, 2.0, 3.0, 4.0]), (6, &[1.0, 9.5, 3.0, 4.0, 5.0])] {
        deliver(folder.path(), costs);
        run(folder.path(), &morning(day), &["run", "-q"]);
        shown.push((day, harness::stdout(folder.path(), &["report", "--format", "md", "--as-of", &morning(day)])));
    }
    for (day, report) in shown {
        let day = format!("2026-11-{day:02}");
        let again = harness::stdout(folder.path(), &["report", "--format", "md", "--as-seen", &day]);
        assert_eq!(again, report, "{day}");
    }
    let page = |more: &[&str]| {
        harness::stdout(folder.path(), &[&["report", "--format", "html", "--as-of", &morning(6)], more].concat())
    };
    let kept = "Incidents are kept as they are now";
    assert!(
        !page(&[]).contains(kept) && page(&["--as-seen", "2026-11-04"]).contains(kept),
        "no incident of later days"
    );
    let early = harness::failure(folder.path(), &["report", "--as-seen", "2026-11-03"]);
    assert!(early.starts_with("exit 2") && early.contains("2026-11-04T07:00:00Z"), "{early}");
}

#[test]
fn a_restated_day_is_told_with_its_amounts_and_cause() {
    let folder = tempfile::tempdir().expect("a folder");
    bills::configure(folder.path(), "");
    deliver(folder.path(), &[1.0, 2.0, 3.0]);
    run(folder.path(), &morning(4), &["ingest", "-q"]);
    // A new day alone restates nothing.
    deliver(folder.path(), &[1.0, 2.0, 3.0, 4.0]);
    run(folder.path(), &morning(5), &["ingest", "-q"]);
    let changes = "select day, workload, causes, previous_billed_cost, billed_cost from changes order by day";
    assert!(harness::sql(folder.path(), changes).rows.is_empty());
    deliver(folder.path(), &[1.0, 9.5, 3.0, 4.0, 5.0]);
    run(folder.path(), &morning(6), &["ingest", "-q"]);
    let grid = harness::sql(folder.path(), changes);
    assert_eq!(grid.rows.len(), 1);
    let row = &grid.rows[0];
    assert_eq!((grid.text(row, "day").as_str(), grid.text(row, "workload").as_str()), ("2026-11-02", "checkout"));
    assert_eq!((grid.text(row, "previous_billed_cost").as_str(), grid.text(row, "billed_cost").as_str()), ("2", "9.5"));
    assert_eq!(grid.text(row, "causes"), "bill");
    let report = run(folder.path(), &morning(6), &["report", "--format", "md"]);
    assert!(
        report.contains("Changed since the last run") && report.contains("2026-11-02") && report.contains("7.50"),
        "{report}"
    );
}

#[test]
fn versions_that_no_kept_run_saw_are_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    bills::configure(folder.path(), "[store]\nkeep_days = 2\n");
    for day in 4_u32..10 {
        let costs: Vec<f64> = (0..day - 1).map(|at| f64::from(at + day)).collect();
        deliver(folder.path(), &costs);
        run(folder.path(), &morning(day), &["ingest", "-q"]);
    }
    let files = |name: &str| {
        let all = harness::bytes_below(&folder.path().join(".billtag").join(name));
        all.into_iter().map(|(path, _)| path.display().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(files("runs"), ["2026-11-07T070000Z.json", "2026-11-08T070000Z.json", "2026-11-09T070000Z.json"]);
    assert_eq!(files("history/periods").len(), 2);
    assert_eq!(files("history/cost_daily").len(), 2);
    harness::stdout(folder.path(), &["report", "--as-seen", "2026-11-07"]);
}

#[test]
fn a_clock_that_is_set_back_or_far_ahead_takes_no_history_away() {
    let folder = tempfile::tempdir().expect("a folder");
    bills::configure(folder.path(), "");
    deliver(folder.path(), &[1.0, 2.0]);
    run(folder.path(), &morning(4), &["ingest", "-q"]);
    let seen = |folder: &Path| harness::stdout(folder, &["report", "--format", "md", "--as-seen", "2026-11-04"]);
    let before = seen(folder.path());
    deliver(folder.path(), &[8.0, 2.0, 3.0]);
    run(folder.path(), &morning(5), &["ingest", "-q"]);
    deliver(folder.path(), &[9.0, 2.0, 3.0]);
    run(folder.path(), &morning(4), &["ingest", "-q"]);
    assert_eq!(seen(folder.path()), before);
    run(folder.path(), "2031-11-05T07:00:00Z", &["ingest", "-q"]);
    assert_eq!(seen(folder.path()), before);
}
