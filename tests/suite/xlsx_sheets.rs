//! The report as a workbook, sheet by sheet: what is said on each, and what is beside the queries' answers.

use std::collections::BTreeSet;
use std::path::Path;

use billtag::money::{self, CENT};

use crate::bills::{self, batch, nova};
use crate::harness;
use crate::workbook::{self, HEADER};
use crate::xlsx::{book, is_equal, is_what_queries_say, on, rows_named, written};

/// The records of a command's CSV, with its headings first.
fn csv_of(folder: &Path, arguments: &[&str]) -> Vec<csv::StringRecord> {
    let text = harness::stdout(folder, &[arguments, &["--format", "csv"]].concat());
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    reader.records().map(|record| record.expect("a record")).collect()
}

#[test]
fn a_month_that_an_xlsx_cuts_is_called_a_part() {
    let scratch = tempfile::tempdir().expect("a folder");
    let path = scratch.path().join("to.xlsx");
    let range = ["--to", "2026-11-10"];
    harness::stdout(harness::ingested(), &[&["report", "-o", path.to_str().expect("a name")], &range[..]].concat());
    let book = workbook::read(&path);
    is_what_queries_say(&book, harness::ingested(), &range);
    let summary = &book.sheets["Summary"];
    assert!(summary.value(3, 0).contains("Days to 2026-11-10 alone"), "{}", summary.value(3, 0));
    let months = rows_named(summary, "Month")[0];
    assert!(summary.value(months - 1, 0).contains("a part where the month goes on after 2026-11-10"));
    let states: Vec<[&str; 2]> = (months + 1..)
        .map(|row| [0, 1].map(|at| summary.value(row, at)))
        .take_while(|[month, _]| !month.is_empty())
        .collect();
    assert!(states.len() > 1, "{states:?}");
    for [month, state] in states {
        let is_cut = month.starts_with("2026-11");
        assert_eq!(state == "part, days to 2026-11-10", is_cut, "{month}: {state}");
    }
    let whole = &crate::xlsx::book().sheets["Summary"];
    let note = whole.value(rows_named(whole, "Month")[0] - 1, 0);
    assert!(note.contains("whole bills;") && whole.value(3, 0).is_empty(), "{note}");
}

#[test]
fn an_xlsx_holds_what_every_rule_found_and_every_incident() {
    let folder = harness::fixtures();
    harness::ingest_folder(folder.path());
    let before = workbook::read(&written(folder.path(), "before.xlsx", &[]));
    let unkept = &before.sheets["Incidents"];
    assert!(unkept.value(1, 0).contains("No incident is kept yet") && unkept.cells.len() == HEADER + 1);
    let note = before.sheets["Anomalies"].value(2, 0);
    assert!(note.contains("the query alone; Findings has what every rule found"), "{note}");
    let findings = csv_of(folder.path(), &["alert", "--dry-run"]);
    let sheet = &before.sheets["Findings"];
    assert!(findings.len() > 5 && sheet.cells.len() == HEADER + findings.len(), "{} findings", findings.len());
    for (row, record) in (HEADER + 1..).zip(&findings[1..]) {
        for (at, expected) in record.iter().enumerate() {
            let cell = sheet.cells[row].get(at).unwrap_or(&None);
            is_equal(cell, expected, &format!("finding {row}, {}", &findings[0][at]));
        }
    }
    let known = |row: &csv::StringRecord| row[2].to_string();
    let rules: BTreeSet<String> = findings[1..].iter().map(known).collect();
    let query = csv_of(folder.path(), &["query", "anomalies"]);
    let at = query[0].iter().position(|name| name == "rule").expect("a column");
    let of_query: BTreeSet<String> = query[1..].iter().map(|row| row[at].to_string()).collect();
    assert!(!rules.is_subset(&of_query), "{rules:?} are all in {of_query:?}");
    harness::billtag(folder.path(), &["alert"]);
    let incidents = csv_of(folder.path(), &["incidents", "list", "--all"]);
    let after = workbook::read(&written(folder.path(), "after.xlsx", &[]));
    let sheet = &after.sheets["Incidents"];
    assert!(incidents.len() > 1 && sheet.cells.len() == HEADER + incidents.len(), "{incidents:?}");
    for (row, record) in (HEADER + 1..).zip(&incidents[1..]) {
        for (heading, name) in [("Incident", "incident"), ("State", "state"), ("Beyond the usual", "excess")] {
            let at = incidents[0].iter().position(|one| one == name).expect("a column");
            is_equal(&sheet.cells[row][sheet.column(heading)], &record[at], heading);
        }
        assert_eq!(sheet.cells[row][sheet.column("Opened")].as_ref().map(|(kind, ..)| kind.as_str()), Some("d"));
    }
}

#[test]
fn an_xlsx_counts_the_charges_that_a_money_column_does_not_know() {
    let facts = harness::sql(
        harness::ingested(),
        "select count(*) - count(list_cost) as list, count(*) - count(billed_cost) as billed from charges",
    );
    let sheet = &book().sheets["Reconciliation"];
    let (name, count) = (sheet.column("Money column"), sheet.column("Charges without it"));
    let is_row = |row: &usize| sheet.value(*row, 1) != "Total";
    let sum = |wanted: &str| -> i64 {
        let rows = (HEADER + 1..sheet.cells.len()).filter(is_row).filter(|row| sheet.value(*row, name) == wanted);
        rows.map(|row| sheet.value(row, count).parse::<i64>().expect("a count")).sum()
    };
    let counted = |name: &str| facts.cell(&facts.rows[0], name).text().parse::<i64>().expect("a count");
    assert!(counted("list") > 0, "the fixtures have lines of the Marketplace");
    assert_eq!([sum("list_cost"), sum("billed_cost")], [counted("list"), counted("billed")]);
}

#[test]
fn an_xlsx_says_on_its_first_sheet_that_the_facts_are_the_bill() {
    let facts = harness::sql(
        harness::ingested(),
        "select billing_currency, sum(billed_cost) as cost from cost_facts group by 1",
    );
    let summary = &book().sheets["Summary"];
    let first = rows_named(summary, "Bill lines / facts / difference")[0] + 3;
    for row in first..first + facts.rows.len() {
        let currency = summary.value(row, 0);
        let fact = facts.rows.iter().find(|fact| facts.text(fact, "billing_currency") == currency).expect("a currency");
        let cost = facts.amount(fact, "cost").expect("an amount");
        let shown = [1, 2, 3].map(|at| money::from_decimal_text(summary.value(row, at)).expect("a number"));
        assert!(
            (shown[0] - cost).abs() <= CENT / 1_000_000 && shown[0] == shown[1] && shown[2] == 0,
            "{shown:?} {cost}"
        );
        let formulas = summary.formulas().iter().filter(|((at, _), ..)| *at == row).count();
        assert_eq!(formulas, 3, "{currency}");
    }
    let sheet = &book().sheets["Reconciliation"];
    let months = harness::sql(harness::ingested(), "select distinct billing_period, billing_currency from cost_facts");
    assert_eq!(rows_named(sheet, "Total").len(), months.rows.len());
    let totals = &book().sheets["Totals"];
    assert_eq!(rows_named(totals, "Showback").len(), facts.rows.len());
    // The bill of a month that is cut is not held against a part of its facts.
    let scratch = tempfile::tempdir().expect("a folder");
    let path = scratch.path().join("to.xlsx");
    let arguments = ["report", "--to", "2026-11-10", "-o", path.to_str().expect("a name")];
    harness::stdout(harness::ingested(), &arguments);
    let cut = workbook::read(&path);
    assert!(rows_named(&cut.sheets["Totals"], "Showback").is_empty());
}

#[test]
fn a_sheet_prints_its_table_with_headings_on_every_page_and_fixes_whole() {
    for name in ["Daily spend", "Spend by workload", "Token volume", "Tag debt", "Reconciliation"] {
        let sheet = &book().sheets[name];
        let last = sheet.filter.as_deref().and_then(|range| range.split(':').nth(1)).expect("a filter");
        let last = last.trim_end_matches(|c: char| c.is_ascii_digit());
        let printed = sheet.printed.replace('$', "");
        let area = printed.rsplit('!').next().expect("a range");
        let filled = |row: &usize| (0..sheet.cells[*row].len()).any(|at| !sheet.value(*row, at).is_empty());
        let rows = (0..sheet.cells.len()).rfind(filled).expect("a row") + 1;
        assert_eq!(area, format!("A1:{last}{rows}"), "{name}: {}", sheet.printed);
        assert_eq!(sheet.repeated.as_deref().map(|rows| rows.replace('$', "")), Some("4:4".into()), "{name}");
    }
    let debt = &book().sheets["Tag debt"];
    let fix = debt.column("Fix");
    assert_eq!(debt.wrapped, [char::from(b'A' + fix as u8).to_string()]);
}

#[test]
fn a_query_of_ones_own_is_named_and_has_no_total_that_is_not_exact() {
    let folder = bills::world(&batch(&[on(0, nova().cost(1.0)), on(1, nova().cost(2.0)), on(2, nova().cost(3.0))]));
    let queries = folder.path().join("own");
    std::fs::create_dir(&queries).expect("a folder");
    let own = |name: &str, columns: &str| {
        let sql = format!(
            "-- question: whose?\n-- grain: line\n-- cost: billed_cost\nselect {columns} from cost_daily order by billed_cost"
        );
        std::fs::write(queries.join(name), sql).expect("a query");
    };
    own(
        "spend_by_team.sql",
        "billing_period as month, sub_account_id, billing_currency, cast(billed_cost as double) as cost",
    );
    let dated = "case when billed_cost > 1.5 then billing_period end as month, sub_account_id, billing_currency, billed_cost as cost";
    own("spend_by_cost_center.sql", dated);
    let config = folder.path().join("billtag.toml");
    let text = std::fs::read_to_string(&config).expect("a config") + "\n[queries]\npath = \"own\"\n";
    std::fs::write(&config, text).expect("a config");
    harness::ingest_folder(folder.path());
    let path = written(folder.path(), "own.xlsx", &[]);
    let book = workbook::read(&path);
    let said = book.sheets["Summary"].value(3, 0);
    assert!(said.contains("in place of built-in ones: Spend by team, Spend by cost center;"), "{said}");
    let team = &book.sheets["Spend by team"];
    assert!(team.value(2, 0).starts_with("No totals: cost is a double"), "{}", team.value(2, 0));
    assert!(team.cells.len() == HEADER + 4 && rows_named(team, "Total").is_empty());
    let center = &book.sheets["Spend by cost center"];
    let totals: Vec<&str> = rows_named(center, "Total").into_iter().map(|row| center.value(row, 3)).collect();
    assert_eq!(totals, ["5"], "a row without a month has no total, and is in none");
    assert!(crate::xlsx::book().sheets["Summary"].value(3, 0).is_empty());
}
