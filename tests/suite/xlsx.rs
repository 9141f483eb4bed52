//! The report as a workbook: read back by openpyxl, reckoned anew by LibreOffice, and held against the queries.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use billtag::metrics::queries::BUILT_IN;
use billtag::money::{self, CENT};
use billtag::report::safe;
use proptest::prelude::*;

use crate::bills::{self, Line, NOVEMBER, batch, nova};
use crate::harness;
use crate::workbook::{self, Book, Cell, HEADER, Sheet};
use crate::world::{Shape, World};

const DAY: i64 = 86_400;

pub fn written(folder: &Path, name: &str, arguments: &[&str]) -> PathBuf {
    let path = folder.join(name);
    harness::stdout(folder, &[&["report", "-o", path.to_str().expect("a name")], arguments].concat());
    path
}

/// The workbook of the fixtures, written once and kept for people to look at.
fn fixtures() -> &'static Path {
    static BOOK: OnceLock<PathBuf> = OnceLock::new();
    BOOK.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("xlsx");
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("fixtures.xlsx");
        harness::stdout(harness::ingested(), &["report", "-o", path.to_str().expect("a name")]);
        path
    })
}

pub fn book() -> &'static Book {
    static BOOK: OnceLock<Book> = OnceLock::new();
    BOOK.get_or_init(|| workbook::read(fixtures()))
}

fn sheet_of(query: &str) -> String {
    let text = query.replace('_', " ");
    text[..1].to_uppercase() + &text[1..]
}

/// Every figure's sheet is the query's answer, digit for digit.
pub fn is_what_queries_say(book: &Book, folder: &Path, arguments: &[&str]) {
    for (query, _) in BUILT_IN {
        let sheet = &book.sheets[&sheet_of(query)];
        let text = harness::stdout(folder, &[&["query", query, "--format", "csv"], arguments].concat());
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let names: Vec<String> = reader.headers().expect("headers").iter().map(sheet_of).collect();
        let shown: Vec<&str> = (0..names.len()).map(|at| sheet.value(HEADER, at)).collect();
        assert_eq!(shown, names, "{query}");
        let mut row = HEADER;
        for record in reader.records() {
            row += 1;
            for (at, expected) in record.expect("a record").iter().enumerate() {
                let cell = sheet.cells.get(row).and_then(|row| row.get(at)).unwrap_or(&None);
                is_equal(cell, expected, &format!("{query}, row {row}, {}", names[at]));
            }
        }
        let next = sheet.cells.get(row + 1).map_or(&[][..], |cells| &cells[..names.len()]);
        assert!(next.iter().all(Option::is_none), "{query} has more rows: {next:?}");
    }
}

pub fn is_equal(cell: &Cell, expected: &str, place: &str) {
    let Some((kind, value, format)) = cell else {
        assert_eq!(expected, "", "{place}: unknown");
        return;
    };
    match kind.as_str() {
        "n" => {
            assert!(format != "General", "{place} has no format");
            // Ratios are doubles in the query too; amounts have ten places.
            let same_double = value.parse::<f64>().ok() == expected.parse::<f64>().ok();
            let same_amount = money::from_decimal_text(value) == money::from_decimal_text(expected);
            assert!(same_double || same_amount, "{place}: {value} is not {expected}");
        }
        "d" if format == "yyyy-mm" => assert_eq!(value, &format!("{expected}-01T00:00:00"), "{place}"),
        "d" => assert_eq!(value, &format!("{expected}T00:00:00"), "{place}"),
        "s" => assert_eq!(safe::csv(value), expected, "{place}"),
        "b" => assert_eq!(value, expected, "{place}"),
        other => panic!("{place} is a {other}: {value}"),
    }
}

/// No sheet has an error, and every formula comes to what stood beside it.
fn is_reckoned_as_written(book: &Book, reckoned: &Book) -> usize {
    let mut count = 0;
    for (name, sheet) in &reckoned.sheets {
        let cells = sheet.results.iter().flatten().flatten();
        for (kind, value, _) in cells {
            assert!(kind != "e" && !value.starts_with("Err:") && !value.starts_with("#"), "{name}: {value}");
        }
        for ((row, column), text, result) in book.sheets[name].formulas() {
            count += 1;
            let found = sheet.value(row, column);
            let (result, found) = (result.parse::<f64>(), found.parse::<f64>());
            match (result, found) {
                (Ok(result), Ok(found)) => {
                    let off = (result - found).abs();
                    assert!(
                        off <= 1e-13 * result.abs().max(1.0),
                        "{name} {row},{column} {text}: {found}, not {result}"
                    );
                }
                (result, found) => assert!(
                    result.is_err() && found.is_err(),
                    "{name} {row},{column} {text}: {found:?}, not {result:?}"
                ),
            }
        }
    }
    count
}

/// Every difference between bill, facts and figures is 0, and is a formula.
fn agrees(reckoned: &Book, written: &Book) {
    for (name, columns) in [("Reconciliation", 8..11), ("Totals", 6..7)] {
        let sheet = &reckoned.sheets[name];
        assert!(sheet.cells.len() > HEADER + 1, "{name} is empty");
        for row in HEADER + 1..sheet.cells.len() {
            for column in columns.clone() {
                let is_known = !sheet.value(row, 4).is_empty();
                let found = sheet.value(row, column);
                assert_eq!(found.parse::<f64>().ok(), is_known.then_some(0.0), "{name} {row},{column}");
                let cell = &written.sheets[name].cells[row].get(column).cloned().flatten();
                assert_eq!(
                    cell.as_ref().map(|(kind, ..)| kind == "f"),
                    is_known.then_some(true),
                    "{name} {row},{column}"
                );
            }
        }
    }
}

#[test]
fn every_sheet_of_an_xlsx_is_what_its_query_says() {
    is_what_queries_say(book(), harness::ingested(), &[]);
    for (query, _) in BUILT_IN {
        let sheet = &book().sheets[&sheet_of(query)];
        assert!(sheet.frozen.as_deref().is_some_and(|cell| cell.ends_with('5')), "{query}: {:?}", sheet.frozen);
        assert!(sheet.filter.as_deref().is_some_and(|range| range.starts_with("A4:")), "{query}: {:?}", sheet.filter);
        let question = sheet.value(0, 0);
        assert!(question.ends_with('?') && sheet.value(1, 0).contains(&format!("billtag query {query}")), "{question}");
    }
    let names: Vec<&str> = book().order.iter().map(String::as_str).collect();
    assert_eq!([names[0], names[1], names[names.len() - 2]], ["Summary", "Spend by workload", "Methods"]);
    assert_eq!(book().created, "2026-11-22T12:00:00");
    for name in
        ["Spend by workload", "Spend by team", "Daily spend", "Spend by model tier", "Cache hit rate", "Token volume"]
    {
        assert!(book().sheets[name].charts > 0, "{name} has no chart");
    }
    let said = book().sheets["Chart data"].value(1, 0);
    assert!(said.contains("Owners: the newest month as billed; days: complete days alone"), "{said}");
    let methods = &book().sheets["Methods"];
    let unattributed = book().sheets["Unattributed"].value(2, 0);
    assert!(unattributed.contains("which Summary's months keep apart"), "{unattributed}");
    assert_eq!(rows_named(methods, "Unattributed").len(), 2, "a query and a rule");
    let charts = rows_named(methods, "Charts")[0];
    assert!(
        methods.value(charts, 1).starts_with("Owners: the newest month as billed;"),
        "{}",
        methods.value(charts, 1)
    );
}

#[test]
fn an_xlsx_is_reckoned_by_libreoffice_to_the_facts_and_without_errors() {
    let reckoned = workbook::reckoned(fixtures());
    let formulas = is_reckoned_as_written(book(), &reckoned);
    assert!(formulas > 100, "{formulas} formulas");
    agrees(&reckoned, book());
    totals_are_the_facts(&reckoned, harness::ingested());
}

/// Totals of sheets, and months of the summary, against SQL over the facts.
fn totals_are_the_facts(book: &Book, folder: &Path) {
    let facts = "select billing_period, billing_currency, sum(billed_cost) as cost from cost_facts group by 1, 2";
    let facts = harness::sql(folder, facts);
    for query in ["spend_by_workload", "spend_by_team", "spend_by_cost_center"] {
        let sheet = &book.sheets[&sheet_of(query)];
        let totals: Vec<usize> = rows_named(sheet, "Total");
        assert!(!totals.is_empty(), "{query}");
        for row in totals {
            let month = &sheet.value(row, 0)[..7];
            let currency = sheet.value(row, sheet.column("Billing currency"));
            let is_its = |fact: &&Vec<billtag::metrics::Cell>| {
                facts.text(fact, "billing_period") == month && facts.text(fact, "billing_currency") == currency
            };
            let fact = facts.rows.iter().find(is_its).unwrap_or_else(|| panic!("{query}: {month} {currency}"));
            let cost = facts.amount(fact, "cost").expect("an amount");
            let total = money::from_decimal_text(sheet.value(row, sheet.column("Cost"))).expect("a number");
            assert!((cost - total).abs() <= CENT / 1_000_000, "{query} {month} {currency}: {total}, not {cost}");
        }
    }
    let summary = &book.sheets["Summary"];
    let months = rows_named(summary, "Month")[0] + 1..rows_named(summary, "Month")[0] + 1 + facts.rows.len().min(4);
    for row in months {
        let parts: Vec<i128> =
            (3..7).map(|at| money::from_decimal_text(summary.value(row, at)).expect("a number")).collect();
        assert!((parts[0] - parts[1] - parts[2] - parts[3]).abs() <= 10, "{parts:?}");
    }
}

pub fn rows_named(sheet: &Sheet, name: &str) -> Vec<usize> {
    let is_its = |row: &usize| (0..3).any(|at| sheet.value(*row, at) == name);
    (0..sheet.cells.len()).filter(is_its).collect()
}

/// An amount as a spreadsheet shows it: to the cent, halves away from zero.
fn cents(units: i128) -> String {
    let cents = (units.abs() + CENT / 2) / CENT;
    let sign = if units < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", billtag::report::words::grouped(cents / 100), cents % 100)
}

#[test]
fn what_an_xlsx_shows_is_the_query_at_its_stated_rounding() {
    let shown = workbook::shown(fixtures());
    let mut count = 0;
    for (query, names) in [
        ("spend_by_workload", &["cost", "cost_same_days", "previous_month_cost_same_days"][..]),
        ("daily_spend", &["cost", "usage_cost"]),
        ("bill_identity", &["usage_cost", "cost"]),
    ] {
        let text = harness::stdout(harness::ingested(), &["query", query, "--format", "csv"]);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let places: Vec<usize> = {
            let headers = reader.headers().expect("headers");
            names.iter().map(|name| headers.iter().position(|one| one == *name).expect("a column")).collect()
        };
        let rows = &shown[&sheet_of(query)];
        for (record, row) in reader.records().map(|record| record.expect("a record")).zip(&rows[HEADER + 1..]) {
            for at in &places {
                let expected = &record[*at];
                let expected = money::from_decimal_text(expected).map_or(String::new(), cents);
                assert_eq!(row[*at], expected, "{query} {record:?}");
                count += 1;
            }
        }
        assert!(rows[HEADER + 1][0].starts_with("2026-"), "{:?}", rows[HEADER + 1]);
    }
    assert!(count > 500, "{count}");
}

fn held(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

pub fn on(day: i64, mut line: Line) -> Line {
    line.start = NOVEMBER + day * DAY;
    line.end = line.start + 3_600;
    line
}

/// Names that would be markup, formulas, links, escapes or invisible, were they taken for that.
fn hostile() -> Vec<&'static str> {
    let long = held("n".repeat(500));
    vec![
        "<script>alert(1)</script>",
        "=cmd|' /c calc'!a0",
        "+1",
        "-2+3",
        "@sum(1)",
        "\u{202e}drowssap\u{200f}",
        "🙂 \"quoted\" & 'so'",
        "https://evil.example/",
        "_x0041_",
        "שלום",
        "total",
        "a\u{1}b",
        long,
    ]
}

#[test]
fn no_name_of_a_bill_becomes_a_formula_in_an_xlsx() {
    let mut lines = vec![on(2, nova().text("line_item_product_code", "AmazonEC2").cost(0.0))];
    for (at, name) in hostile().into_iter().enumerate() {
        for (day, factor) in [(0, 1.0), (1, 9.0)] {
            let line = nova().cost(factor * (1.0 + at as f64) / 3.0).product("model", held(format!("{name} model")));
            let line = line.tag("resourceTags/Workload", name).tag("resourceTags/Team", name);
            lines.push(on(day, line));
        }
    }
    let other = |cost, currency| {
        nova().cost(cost).text("line_item_currency_code", currency).tag("resourceTags/Workload", "other")
    };
    for currency in ["EUR", "usd", "<>0", "*", "=1+1", ""] {
        lines.extend([on(0, other(3.0, currency)), on(1, other(4.0, currency))]);
    }
    let folder = bills::world(&batch(&lines));
    harness::ingest_folder(folder.path());
    let path = written(folder.path(), "hostile.xlsx", &[]);
    let book = workbook::read(&path);
    is_what_queries_say(&escaped(&book), folder.path(), &[]);
    let stored = harness::sql(folder.path(), "select distinct workload from cost_facts where workload is not null");
    let sheet = &book.sheets["Spend by workload"];
    let shown: Vec<&str> =
        (HEADER + 1..sheet.cells.len()).map(|row| sheet.value(row, sheet.column("Workload"))).collect();
    assert!(stored.rows.len() >= hostile().len());
    for row in &stored.rows {
        let name = stored.text(row, "workload").replace('\u{1}', "\\u{1}");
        assert!(shown.contains(&name.as_str()), "{name:?} is not among {shown:?}");
    }
    for (name, sheet) in &book.sheets {
        for (_, text, _) in sheet.formulas() {
            let is_ours = ["=ROUND(", "=IF("].iter().any(|start| text.starts_with(start));
            assert!(is_ours && !text.contains("cmd|") && !text.contains("script"), "{name}: {text}");
        }
    }
    let reckoned = workbook::reckoned(&path);
    is_reckoned_as_written(&book, &reckoned);
    agrees(&reckoned, &book);
}

/// Control characters are shown by their numbers in cells, and as they are in CSV.
fn escaped(book: &Book) -> Book {
    let mut book = book.clone();
    for cell in book.sheets.values_mut().flat_map(|sheet| sheet.cells.iter_mut().flatten().flatten()) {
        cell.1 = cell.1.replace("\\u{1}", "\u{1}");
    }
    book
}

#[test]
fn the_same_facts_give_the_same_xlsx_bytes_in_a_file_and_a_pipe() {
    let folder = harness::ingested();
    let bytes = std::fs::read(fixtures()).expect("a workbook");
    let output = harness::billtag(folder, &["report", "--format", "xlsx"]);
    assert!(output.status.success());
    assert!(output.stdout == bytes, "two runs, two workbooks");
}

#[test]
fn another_basis_is_named_and_read_in_an_xlsx() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("list.xlsx");
    let name = path.to_str().expect("a name");
    harness::stdout(harness::ingested(), &["report", "-o", name, "--cost", "list"]);
    let book = workbook::read(&path);
    assert!(book.sheets["Spend by team"].value(1, 0).contains("list cost"));
    let summary = &book.sheets["Summary"];
    let known = "of lines whose list cost is known";
    for note in [summary.value(rows_named(summary, "Month")[0] - 1, 0), book.sheets["Showback"].value(1, 0)] {
        assert!(note.contains(known), "{note}");
    }
    let told = harness::stdout(harness::ingested(), &["showback", "--cost", "list"]);
    assert!(told.lines().any(|line| line.contains("the rows are the bill") && line.contains(known)), "{told}");
    is_basis(&book, "list");
    let reckoned = workbook::reckoned(&path);
    is_reckoned_as_written(&book, &reckoned);
    agrees(&reckoned, &book);
}

fn is_basis(book: &Book, basis: &str) {
    let text = harness::stdout(harness::ingested(), &["query", "spend_by_team", "--format", "csv", "--cost", basis]);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let sheet = &book.sheets["Spend by team"];
    for (record, row) in reader.records().zip(HEADER + 1..) {
        is_equal(&sheet.cells[row][4], &record.expect("a record")[4], basis);
    }
}

#[test]
fn an_xlsx_that_cannot_be_written_is_refused_with_what_to_do() {
    let folder = harness::ingested();
    let failure = |arguments: &[&str]| harness::failure(folder, arguments);
    let other = failure(&["audit", "--format", "xlsx"]);
    assert!(other.starts_with("exit 2") && other.contains("only the report is written as a workbook"), "{other}");
    let team = failure(&["report", "--team", "growth", "--format", "xlsx"]);
    assert!(team.starts_with("exit 2") && team.contains("--format html"), "{team}");
    let bare = failure(&["report", "-o", "xlsx"]);
    assert!(bare.contains("did you mean `--format xlsx`?"), "{bare}");
    let place = failure(&["report", "-o", "billtag.toml/report.xlsx"]);
    assert!(place.starts_with("exit 1") && place.contains("billtag.toml"), "{place}");
    let full = failure(&["report", "--format", "xlsx", "-o", "/dev/full"]);
    assert!(full.starts_with("exit 1") && full.contains("/dev/full"), "{full}");
    let no_room = Command::new(env!("CARGO_BIN_EXE_billtag"))
        .args(["report", "--format", "xlsx"])
        .current_dir(folder)
        .env("TMPDIR", folder.join("no-such-folder"))
        .output()
        .expect("the binary runs");
    let told = harness::text(&no_room.stderr);
    assert!(no_room.status.code() == Some(1) && told.contains("another one in TMPDIR"), "{told}");
    let empty = harness::fixtures();
    let nothing = harness::failure(empty.path(), &["report", "-o", "report.xlsx"]);
    assert!(nothing.starts_with("exit 1") && nothing.contains("holds no facts yet"), "{nothing}");
    assert!(!empty.path().join("report.xlsx").exists());
}

#[test]
fn an_xlsx_never_goes_to_a_terminal() {
    let call = format!("{} report --format xlsx", env!("CARGO_BIN_EXE_billtag"));
    let seen = Command::new("script")
        .args(["-qec", &call, "/dev/null"])
        .current_dir(harness::ingested())
        .stdin(Stdio::null())
        .output()
        .expect("script runs");
    let text = harness::text(&seen.stdout);
    assert_eq!(seen.status.code(), Some(2), "{text}");
    assert!(text.contains("no text for a terminal") && text.contains("-o report.xlsx"), "{text}");
}

#[test]
fn an_xlsx_of_a_bill_without_a_complete_day_is_one_all_the_same() {
    let folder = bills::world(&batch(&[on(0, nova().cost(1.0).text("line_item_currency_code", "JPY"))]));
    harness::ingest_folder(folder.path());
    let path = written(folder.path(), "young.xlsx", &[]);
    let book = workbook::read(&path);
    assert!(book.sheets["Summary"].value(0, 0).starts_with("NO COMPLETE DAY"));
    is_what_queries_say(&book, folder.path(), &[]);
    let reckoned = workbook::reckoned(&path);
    is_reckoned_as_written(&book, &reckoned);
    agrees(&reckoned, &book);
}

#[test]
fn an_xlsx_groups_spend_as_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("by.xlsx");
    harness::stdout(harness::ingested(), &["report", "-o", path.to_str().expect("a name"), "--by", "account"]);
    let book = workbook::read(&path);
    let summary = &book.sheets["Summary"];
    assert!(!rows_named(summary, "Spend by account").is_empty());
    let total = *rows_named(summary, "total").last().expect("a total");
    assert!(summary.formulas().iter().any(|((row, _), text, _)| *row == total && text.contains("SUM(")));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_xlsx_of_any_world_is_its_queries_and_its_facts(
        seed in any::<u64>(),
        months in 1_u32..3,
        workloads in 1_u32..10,
        with_metrics: bool,
        currencies in 1_u32..3,
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let shape = Shape { with_metrics, currencies, ..Shape::small(months, workloads) };
        World::generate(seed, &shape).write(folder.path()).expect("written");
        harness::ingest_folder(folder.path());
        let path = written(folder.path(), "world.xlsx", &[]);
        let book = workbook::read(&path);
        is_what_queries_say(&book, folder.path(), &[]);
        let reckoned = workbook::reckoned(&path);
        is_reckoned_as_written(&book, &reckoned);
        agrees(&reckoned, &book);
        totals_are_the_facts(&reckoned, folder.path());
    }
}
