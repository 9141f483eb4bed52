//! The morning in less than a screen: what it says, and who is told of it how often.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use serde_json::Value;
use tempfile::TempDir;

use crate::bills::{self, NOVEMBER, batch, nova};
use crate::harness;
use crate::parts;
use crate::proxy::{Action, Plan, Proxy, Reply, Request};

const DAY: i64 = 86_400;

/// Lines of a screen, less those of a prompt.
const SCREEN: usize = 24;

/// A bill of some workloads, the same on each day of November up to one, and through the morning after it.
fn bill(folder: &Path, workloads: &[&'static str], through: i64) {
    let lines: Vec<_> = (0..=through)
        .flat_map(|day| {
            workloads.iter().zip(10_u32..).map(move |(workload, cost)| {
                let cost = if day == through { 0.0 } else { f64::from(cost) + day as f64 };
                let mut line = nova().tag("resourceTags/Workload", workload).cost(cost);
                line.start = NOVEMBER + day * DAY + if day == through { 0 } else { 9 * 3_600 };
                line.end = line.start + 3_600;
                line
            })
        })
        .collect();
    bills::write(&folder.join("bill/data/BILLING_PERIOD=2026-11/bill.parquet"), &batch(&lines));
}

/// A server that takes what is posted while it is up.
fn server() -> (Proxy, Arc<AtomicBool>) {
    let is_up = Arc::new(AtomicBool::new(true));
    let up = Arc::clone(&is_up);
    let answer = move |_: usize, _: &Request| {
        Action::Answer(Reply::new(if up.load(SeqCst) { 200 } else { 400 }, "text/plain", "ok"))
    };
    (Proxy::start(SocketAddr::from(([127, 0, 0, 1], 9)), Plan::hook(answer)).expect("a server"), is_up)
}

fn posted(server: &Proxy) -> Vec<Value> {
    server.requests().iter().map(|seen| serde_json::from_slice(&seen.request.body).expect("JSON")).collect()
}

/// A folder that tells a channel of Slack.
fn folder(server: &Proxy) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("hook"), format!("http://{}/in", server.address())).expect("a file");
    bills::configure(
        folder.path(),
        "[[channel]]\nname = \"finops\"\ntype = \"slack\"\nsecret_file = \"hook\"\n\
         [digest]\nchannels = [\"finops\"]\nlink = \"https://reports.example/today?a=1&b=2\"\n",
    );
    folder
}

fn run(folder: &Path, day: i64) -> i32 {
    let as_of = format!("2026-11-{:02}T07:00:00Z", day + 1);
    harness::billtag(folder, &["run", "-q", "--as-of", &as_of]).status.code().expect("an exit code")
}

#[test]
fn the_morning_fits_on_a_screen_and_its_figures_are_the_reports() {
    let text = harness::stdout(harness::ingested(), &["digest"]);
    assert!(text.lines().count() <= SCREEN && text.lines().all(|line| line.chars().count() <= 185), "{text}");
    let report: Value =
        serde_json::from_str(&harness::stdout(harness::ingested(), &["report", "--format", "json"])).expect("JSON");
    let digest: Value =
        serde_json::from_str(&harness::stdout(harness::ingested(), &["digest", "--format", "json"])).expect("JSON");
    assert_eq!((&digest[0]["spend"], &digest[0]["movers"]), (&report["day"], &report["movers"]));
    let shown = harness::stdout(harness::ingested(), &["report"]);
    let figure = text.split(": ").nth(2).and_then(|rest| rest.split(' ').next()).expect("an amount");
    assert!(figure.ends_with(char::is_numeric) && shown.contains(figure), "{figure}");
    let rows = harness::stdout(harness::ingested(), &["digest", "--format", "csv"]);
    assert!(rows.starts_with("heading,text\nTitle,") && rows.contains("\nMovers,"), "{rows}");
}

#[test]
fn each_complete_day_is_told_once_and_what_was_refused_with_the_next_run() {
    let (server, is_up) = server();
    let folder = folder(&server);
    bill(folder.path(), &["checkout", "search"], 5);
    assert_eq!((run(folder.path(), 5), run(folder.path(), 5)), (0, 0));
    let first = posted(&server);
    assert_eq!(first.len(), 1, "a second run of the same morning says nothing");
    let text = first[0].to_string();
    for said in ["2026-11-05", "29.00 USD", "checkout", "https://reports.example/today?a=1&amp;b=2|Report"] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert!(first[0]["blocks"].as_array().expect("blocks").len() <= 8);

    is_up.store(false, SeqCst);
    bill(folder.path(), &["checkout", "search"], 6);
    assert_eq!(run(folder.path(), 6), 4);
    is_up.store(true, SeqCst);
    let before = posted(&server).len();
    assert_eq!((run(folder.path(), 6), run(folder.path(), 6)), (0, 0));
    let then = posted(&server);
    assert_eq!(then.len(), before + 1);
    assert!(then[before].to_string().contains("2026-11-06"));
    // Who judged what is open sleeps on: see the life of incidents. By hand it is told as often as somebody asks.
    harness::stdout(folder.path(), &["digest", "--send", "finops", "--as-of", "2026-11-07T07:00:00Z"]);
    assert_eq!(posted(&server).len(), before + 2);
}

#[test]
fn a_mail_of_a_morning_has_its_status_in_the_subject_and_a_thread_of_its_own() {
    let mails = tempfile::tempdir().expect("a folder");
    let smtp = parts::smtp(&[&mails.path().display().to_string()]);
    let folder = tempfile::tempdir().expect("a folder");
    let channel = format!(
        "[[channel]]\nname = \"mail\"\ntype = \"email\"\nsmtp = \"{}\"\ntls = \"none\"\n\
         from = \"billtag@example.com\"\nto = [\"finops@example.com\"]\n[digest]\nchannels = [\"mail\"]\n",
        smtp.address()
    );
    bills::configure(folder.path(), &channel);
    bill(folder.path(), &["checkout"], 4);
    assert_eq!(run(folder.path(), 4), 0);
    let mail: Value =
        serde_json::from_slice(&std::fs::read(mails.path().join("1.json")).expect("a mail")).expect("JSON");
    let text = mail["text"].as_str().expect("a text");
    assert!(text.contains("Subject: [billtag] OK: Amazon Bedrock spend, 2026-11-04: 13.00 USD"), "{text}");
    assert!(text.lines().count() <= 2 * SCREEN, "{text}");
}

#[test]
fn names_cannot_break_a_digest_out_of_its_lines() {
    let (server, _) = server();
    let folder = folder(&server);
    let long: &'static str = Box::leak("x".repeat(500).into_boxed_str());
    let names = ["<!channel> *bold*", "=cmd|' /C calc'!A0", "\u{202e}evil\nSpend", "<script>alert(1)</script>", long];
    bill(folder.path(), &names, 5);
    assert_eq!(run(folder.path(), 5), 0);
    let post = &posted(&server)[0];
    let text = post.to_string();
    assert!(!text.contains("<!channel>") && !text.contains("<script>") && !text.contains('\u{202e}'), "{text}");
    let shown = harness::stdout(folder.path(), &["digest", "--as-of", "2026-11-06T07:00:00Z"]);
    assert!(shown.lines().all(|line| line.chars().count() <= 185), "{shown}");
    assert_eq!(shown.lines().filter(|line| *line == "Spend").count(), 1, "{shown}");
    assert!(shown.lines().count() <= SCREEN, "{shown}");
}

#[test]
fn a_digest_goes_only_where_one_can_be_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let pager = "[[channel]]\nname = \"pager\"\ntype = \"pagerduty\"\nsecret_env = \"KEY\"\n";
    for (digest, says) in [
        ("channels = [\"pager\"]", "type pagerduty, which knows alerts alone"),
        ("channels = [\"pagr\"]", "there is no channel `pagr`"),
        ("link = \"reports\"", "`reports` is no address of a page"),
    ] {
        bills::configure(folder.path(), &format!("{pager}[digest]\n{digest}\n"));
        let said = harness::failure(folder.path(), &["digest"]);
        assert!(said.starts_with("exit 2") && said.contains(says), "{said}");
    }
    bills::configure(folder.path(), pager);
    bill(folder.path(), &["checkout"], 4);
    harness::stdout(folder.path(), &["ingest", "-q"]);
    let said = harness::failure(folder.path(), &["digest", "--send", "pager"]);
    assert!(said.contains("it knows alerts alone"), "{said}");
    let said = harness::failure(folder.path(), &["digest", "--format", "html"]);
    assert!(said.contains("only the report"), "{said}");
}
