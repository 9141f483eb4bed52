//! Pages of teams: each holds what is its team's and nothing else, and all of them together the bill.

use std::path::Path;

use billtag::metrics::Range;
use billtag::report::words;
use serde_json::Value;

use crate::bills::{self, NOVEMBER, batch, nova};
use crate::harness;

/// The data of a page.
fn data(page: &str) -> Value {
    let (_, rest) = page.split_once("<script type=\"application/json\" id=\"data\">").expect("data");
    serde_json::from_str(rest.split_once("</script>").expect("an end").0).expect("JSON")
}

fn names(page: &str, of: &str) -> Vec<String> {
    serde_json::from_value(data(page)["names"][of].clone()).expect("names")
}

#[test]
fn the_html_page_of_a_team_names_nobody_else() {
    let folder = harness::ingested();
    let page = harness::stdout(folder, &["report", "--format", "html", "--team", "growth"]);
    let (engine, config) = harness::engine(folder, Range::default());
    let spend = engine.run_named("spend_by_team", &config).expect("spend");
    let of = |wanted: &dyn Fn(&str) -> bool| -> i128 {
        let rows = spend.rows.iter().filter(|row| spend.text(row, "month") == "2026-11");
        rows.filter(|row| wanted(&spend.text(row, "team"))).map(|row| spend.amount(row, "cost").unwrap_or(0)).sum()
    };
    let (own, all) = (of(&|team| team == "growth"), of(&|_| true));
    let share = words::percent(own as f64 / all as f64);
    let says = format!(
        "Only what the team growth owns: {} of {} USD in 2026-11 ({share}), billed cost.",
        words::amount(own),
        words::amount(all)
    );
    assert!(page.contains(&says), "{says}");
    assert_eq!(names(&page, "team"), ["unassigned", "not_allocable", "growth"]);
    let whole = harness::stdout(folder, &["report", "--format", "html"]);
    let ours = names(&page, "workload");
    for other in names(&whole, "workload").iter().filter(|name| !ours.contains(name)) {
        assert!(!page.contains(&format!(">{other}<")) && !page.contains(&format!("\"{other}\"")), "{other}");
    }
    for amount in ["6,306.87", "1,148.87"] {
        assert!(whole.contains(amount) && !page.contains(amount), "{amount}");
    }
    assert!(page.contains("review-bot") && page.contains("PAGE: Amazon Bedrock spend of growth"), "its own findings");
    let error = harness::failure(folder, &["report", "--format", "html", "--team", "grwoth"]);
    assert!(error.starts_with("exit 2\nerror: --team grwoth") && error.contains("did you mean `growth`?"), "{error}");
}

#[test]
fn html_split_by_team_writes_the_whole_bill_and_an_index() {
    let folder = harness::fixtures();
    harness::ingest_folder(folder.path());
    let split = ["report", "--format", "html", "--split-by", "team", "-o", "pages"];
    harness::stdout(folder.path(), &split);
    let pages = harness::bytes_below(&folder.path().join("pages"));
    harness::stdout(folder.path(), &split);
    assert_eq!(pages, harness::bytes_below(&folder.path().join("pages")), "same input, same bytes");
    let index = harness::text(&pages.iter().find(|(path, _)| path == Path::new("index.html")).expect("an index").1);
    let names: Vec<String> = pages.iter().map(|(path, _)| path.display().to_string()).collect();
    assert!(
        names.contains(&"growth.html".to_string()) && names.contains(&"unattributed.html".to_string()),
        "{names:?}"
    );
    for name in names.iter().filter(|name| *name != "index.html") {
        assert!(index.contains(&format!("href=\"{name}\"")), "{name}");
    }
    let mut sum = 0;
    let mut total = 0;
    for row in index.split("<tr").filter(|row| row.contains("data-v=\"")) {
        let cost = row.split("data-v=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a cost");
        let cost = billtag::money::from_decimal_text(cost).expect("an amount");
        if row.contains("\"total\"") { total += cost } else { sum += cost }
    }
    assert_eq!(sum, total);
    assert!(index.contains("6,946.33"), "{index}");
    assert!(!index.contains("unsafe-") && index.contains("script-src &#39;none&#39;"));
}

#[test]
fn html_pages_of_teams_that_are_gone_go_and_nothing_else_does() {
    let folder = harness::fixtures();
    harness::ingest_folder(folder.path());
    let at = |name: &str| folder.path().join("pages").join(name);
    let split = ["report", "--format", "html", "--split-by", "team", "-o", "pages"];
    harness::stdout(folder.path(), &split);
    let index = std::fs::read_to_string(at("index.html")).expect("an index");
    let with = |name: &str| format!("<a href=\"{name}\">x</a>");
    let links: String = ["gone.html", "mine.html", "../outside.html", "missing.html"].map(with).concat();
    std::fs::write(at("index.html"), format!("{index}{links}")).expect("an index of more teams");
    for name in ["gone.html", "unlinked.html", "../outside.html"] {
        std::fs::copy(at("growth.html"), at(name)).expect("a page of ours");
    }
    std::fs::write(at("mine.html"), "somebody's own").expect("a page of somebody else");
    harness::stdout(folder.path(), &split);
    assert!(!at("gone.html").exists(), "no team has it any more");
    for name in ["growth.html", "mine.html", "unlinked.html", "../outside.html"] {
        assert!(at(name).exists(), "{name}");
    }
}

#[test]
fn names_of_teams_make_safe_files_and_safe_links_in_html() {
    let teams = ["../../etc", "index", "<b>x</b>", "a/b", "größe"];
    let line = |day: i64, team: &'static str| {
        let mut line = nova().cost(2.0).tag("resourceTags/Workload", team).tag("resourceTags/Team", team);
        (line.start, line.end) = (NOVEMBER + day * 86_400, NOVEMBER + day * 86_400 + 3_600);
        line
    };
    let lines: Vec<_> = teams.into_iter().map(|team| line(0, team)).chain([line(2, "index")]).collect();
    let folder = bills::world(&batch(&lines));
    harness::ingest_folder(folder.path());
    harness::stdout(folder.path(), &["report", "--format", "html", "--split-by", "team", "-o", "out"]);
    let pages = harness::bytes_below(&folder.path().join("out"));
    assert_eq!(pages.len(), teams.len() + 1);
    let is_safe = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    assert!(pages.iter().all(|(path, _)| path.display().to_string().chars().all(is_safe)), "{pages:?}");
    let index = harness::text(&pages.iter().find(|(path, _)| path == Path::new("index.html")).expect("an index").1);
    assert!(index.contains("&lt;b&gt;x&lt;/b&gt;") && !index.contains("<b>x"), "{index}");
}

#[test]
fn html_is_of_the_report_alone_and_says_so() {
    let folder = harness::ingested();
    for command in [
        &["audit"][..],
        &["alert", "--dry-run"],
        &["query", "anomalies"],
        &["run"],
        &["doctor"],
        &["incidents", "list"],
    ] {
        for format in [&["--format", "html"][..], &["-o", "x.html"]] {
            let error = harness::failure(folder, &[command, format].concat());
            assert!(
                error.starts_with("exit 2\nerror: --format html") && error.contains("billtag report --format html"),
                "{command:?} {error}"
            );
        }
    }
    assert!(!folder.join("x.html").exists());
    for (arguments, says) in [
        (&["--team", "growth"][..], "add --format html"),
        (&["--split-by", "team", "--format", "html"], "add -o FOLDER"),
        (&["--split-by", "team", "-o", "folder"], "add --format html"),
        (&["--format", "html", "--by", "region"], "workload, team, environment or model"),
        (&["--format", "html", "--team", "a", "--split-by", "team"], "cannot be used with"),
    ] {
        let error = harness::failure(folder, &[&["report"], arguments].concat());
        assert!(error.starts_with("exit 2") && error.contains(says), "{arguments:?} {error}");
    }
}

#[test]
fn the_same_facts_make_the_same_html_byte_for_byte() {
    let page = || harness::stdout(harness::ingested(), &["report", "--format", "html"]);
    let first = page();
    assert_eq!(first, page());
    assert!(!first.contains(&harness::ingested().display().to_string()), "a path of the machine");
    for host in ["http://", "https://"] {
        let addresses = first.matches(host).count();
        assert!(addresses <= 4, "{addresses} {host}: only in comments and licences");
    }
}

#[test]
fn html_shows_another_basis_under_its_name() {
    let page = harness::stdout(harness::ingested(), &["report", "--format", "html", "--cost", "list"]);
    assert_eq!(data(&page)["basis"], "list cost");
    assert!(
        page.contains("List cost; months are whole bills") && !page.contains("Billed cost; months are whole bills")
    );
}
