//! Incidents over days and runs: told once, to whom they concern, until they are over.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use serde_json::Value;
use tempfile::TempDir;

use crate::bills::{self, Line, batch, nova};
use crate::harness;
use crate::proxy::{Action, Plan, Proxy, Reply, Request};

/// 2026-11-01.
const NOVEMBER: i64 = 1_793_491_200;
const DAY: i64 = 86_400;

fn on(day: i64, mut line: Line) -> Line {
    line.start = NOVEMBER + day * DAY;
    line.end = line.start + 3_600;
    line
}

/// A bill of a workload's costs by day; it reaches to the end of the last of them.
fn bill(folder: &Path, costs: &[f64]) {
    let mut lines: Vec<Line> = (0..)
        .zip(costs)
        .map(|(day, cost)| on(day, nova().cost(*cost).tag("resourceTags/Workload", "checkout")))
        .collect();
    lines.push(on(costs.len() as i64, nova().text("line_item_product_code", "AmazonEC2").cost(0.0)));
    bills::write(&folder.join("bill/bill.parquet"), &batch(&lines));
    harness::ingest_folder(folder);
}

/// A server that takes what is posted, for as long as it is up.
struct Listener {
    server: Proxy,
    is_up: Arc<AtomicBool>,
}

impl Listener {
    fn start() -> Self {
        let is_up = Arc::new(AtomicBool::new(true));
        let up = Arc::clone(&is_up);
        let answer = move |_: usize, _: &Request| {
            let status = if up.load(SeqCst) { 202 } else { 400 };
            Action::Answer(Reply::new(status, "text/plain", "ok"))
        };
        let nobody = SocketAddr::from(([127, 0, 0, 1], 9));
        Self { server: Proxy::start(nobody, Plan::hook(answer)).expect("a server"), is_up }
    }

    fn bodies(&self) -> Vec<Value> {
        let parse = |request: &Request| serde_json::from_slice(&request.body).expect("JSON");
        self.server.requests().iter().map(|seen| parse(&seen.request)).collect()
    }

    /// What was said, and of how severe an incident.
    fn said(&self) -> Vec<String> {
        let word = |body: &Value| body["event"].as_str().or(body["event_action"].as_str()).unwrap_or("?").to_string();
        self.bodies().iter().map(word).collect()
    }
}

/// A folder whose only channel is a webhook to the listener.
fn folder(listener: &Listener, more: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let channel = format!(
        "[[channel]]\nname = \"hook\"\ntype = \"webhook\"\nurl = \"http://{}/in\"\n{more}",
        listener.server.address()
    );
    bills::configure(folder.path(), &channel);
    folder
}

fn alert(folder: &Path) -> i32 {
    harness::billtag(folder, &["alert", "-q"]).status.code().expect("an exit code")
}

fn calm(days: usize) -> Vec<f64> {
    (0..days).map(|day| [100.0, 104.0, 97.0][day % 3]).collect()
}

fn incidents(folder: &Path) -> Vec<Value> {
    let text = harness::stdout(folder, &["incidents", "list", "--all", "--format", "json"]);
    serde_json::from_str(&text).expect("an array")
}

#[test]
fn an_incident_is_told_once_and_again_when_it_is_over() {
    let listener = Listener::start();
    let folder = folder(&listener, "");
    bill(folder.path(), &calm(12));
    assert_eq!((alert(folder.path()), listener.said()), (0, vec![]));
    let mut costs = [&calm(12)[..], &[900.0]].concat();
    bill(folder.path(), &costs);
    for _ in 0..3 {
        assert_eq!((alert(folder.path()), listener.said()), (0, vec!["trigger".to_string()]));
    }
    let page = &listener.bodies()[0];
    assert_eq!((page["severity"].as_str(), page["labels"]["workload"].as_str()), (Some("page"), Some("checkout")));
    assert_eq!(page["key"], "billtag:workload:checkout:USD");
    // Still burning, but no more than before: nobody is told twice.
    costs.push(950.0);
    bill(folder.path(), &costs);
    alert(folder.path());
    assert_eq!(listener.said(), ["trigger"]);
    costs.push(100.0);
    bill(folder.path(), &costs);
    alert(folder.path());
    assert_eq!(listener.said(), ["trigger"], "one quiet day is no end");
    costs.push(101.0);
    bill(folder.path(), &costs);
    alert(folder.path());
    assert_eq!(listener.said(), ["trigger", "resolve"]);
    let bodies = listener.bodies();
    assert_eq!((&bodies[0]["key"], &bodies[0]["incident"]), (&bodies[1]["key"], &bodies[1]["incident"]));
    assert_eq!(incidents(folder.path()).len(), 1);
}

#[test]
fn a_first_monday_wakes_nobody_and_a_first_tuesday_does() {
    let listener = Listener::start();
    let folder = folder(&listener, "severity = \"page\"\n");
    // The first of November is a Sunday.
    bill(folder.path(), &[100.0, 900.0]);
    assert_eq!((alert(folder.path()), listener.said()), (0, vec![]));
    let listed = incidents(folder.path());
    assert_eq!((listed.len(), listed[0]["severity"].as_str()), (1, Some("warn")), "{listed:?}");
    bill(folder.path(), &[100.0, 900.0, 4_000.0]);
    assert_eq!((alert(folder.path()), listener.said()), (0, vec!["trigger".to_string()]));
}

#[test]
fn a_channel_that_is_down_is_told_by_the_next_run() {
    let listener = Listener::start();
    let folder = folder(&listener, "");
    bill(folder.path(), &calm(12));
    alert(folder.path());
    bill(folder.path(), &[&calm(12)[..], &[900.0]].concat());
    listener.is_up.store(false, SeqCst);
    let output = harness::billtag(folder.path(), &["alert", "-q"]);
    assert_eq!(output.status.code(), Some(4), "{}", harness::text(&output.stderr));
    assert!(harness::text(&output.stderr).contains("hook"), "{}", harness::text(&output.stderr));
    let before = listener.said().len();
    listener.is_up.store(true, SeqCst);
    assert_eq!(alert(folder.path()), 0);
    assert_eq!(listener.said().len(), before + 1);
    assert_eq!(alert(folder.path()), 0);
    assert_eq!(listener.said().len(), before + 1, "told once");
}

#[test]
fn what_was_owed_while_a_channel_was_down_is_told_although_it_is_over() {
    let listener = Listener::start();
    let folder = folder(&listener, "");
    bill(folder.path(), &calm(12));
    alert(folder.path());
    listener.is_up.store(false, SeqCst);
    bill(folder.path(), &[&calm(12)[..], &[900.0]].concat());
    alert(folder.path());
    bill(folder.path(), &[&calm(12)[..], &[900.0, 100.0, 100.0]].concat());
    alert(folder.path());
    let before = listener.said().len();
    listener.is_up.store(true, SeqCst);
    assert_eq!(alert(folder.path()), 0);
    assert_eq!(listener.said()[before..], ["trigger", "resolve"]);
}

#[test]
fn a_first_run_tells_nobody_of_what_was_over_long_ago() {
    let listener = Listener::start();
    let folder = folder(&listener, "");
    bill(folder.path(), &[&calm(8)[..], &[900.0], &calm(6)[..]].concat());
    assert_eq!((alert(folder.path()), listener.said()), (0, vec![]));
    let listed = incidents(folder.path());
    assert_eq!((listed.len(), listed[0]["state"].as_str()), (1, Some("resolved")));
}

#[test]
fn a_past_day_that_is_restated_pages_nobody() {
    let listener = Listener::start();
    let folder = folder(&listener, "");
    bill(folder.path(), &calm(14));
    alert(folder.path());
    let mut restated = calm(14);
    restated[9] = 2_000.0;
    bill(folder.path(), &restated);
    alert(folder.path());
    bill(folder.path(), &[&restated[..], &[100.0]].concat());
    assert_eq!((alert(folder.path()), listener.said()), (0, vec![]));
}

#[test]
fn people_decide_and_the_channel_hears_it() {
    let listener = Listener::start();
    let folder = folder(&listener, "");
    bill(folder.path(), &calm(12));
    alert(folder.path());
    let mut costs = [&calm(12)[..], &[900.0]].concat();
    bill(folder.path(), &costs);
    alert(folder.path());
    harness::stdout(folder.path(), &["incidents", "ack", "checkout", "--note", "it is the new prompt"]);
    assert_eq!(listener.said(), ["trigger", "acknowledge"]);
    costs.push(1_100.0);
    bill(folder.path(), &costs);
    alert(folder.path());
    assert_eq!(listener.said().len(), 2, "no repeat while somebody looks after it");
    costs.push(2_500.0);
    bill(folder.path(), &costs);
    alert(folder.path());
    assert_eq!(listener.said(), ["trigger", "acknowledge", "trigger"], "it doubled");
    harness::stdout(
        folder.path(),
        &["incidents", "planned", "checkout", "--until", "2026-11-17", "--as-of", "2026-11-16T00:00:00Z"],
    );
    let past = harness::failure(folder.path(), &["incidents", "planned", "checkout", "--until", "2026-11-17"]);
    assert!(past.contains("is past"), "{past}");
    assert_eq!(listener.said().last().map(String::as_str), Some("resolve"));
    costs.extend([2_500.0, 2_600.0]);
    bill(folder.path(), &costs);
    alert(folder.path());
    assert_eq!(listener.said().len(), 4, "what is planned is silent until its end");
    costs.push(2_700.0);
    bill(folder.path(), &costs);
    alert(folder.path());
    assert_eq!(listener.said().len(), 5, "and not longer");
    harness::stdout(folder.path(), &["incidents", "false-positive", "checkout"]);
    let list = harness::stdout(folder.path(), &["incidents", "list"]);
    assert!(list.contains("0 of 1 judged incidents were real"), "{list}");
    let shown = harness::stdout(folder.path(), &["incidents", "show", "checkout"]);
    for said in ["it is the new prompt", "it doubled", "false-positive by hand", "Why", "Where"] {
        assert!(shown.contains(said), "{said}: {shown}");
    }
    let error = harness::failure(folder.path(), &["incidents", "ack", "chekout"]);
    assert!(error.contains("checkout"), "{error}");
}

#[test]
fn a_run_of_some_days_or_a_trial_changes_nothing() {
    let listener = Listener::start();
    let folder = folder(&listener, "");
    bill(folder.path(), &calm(12));
    alert(folder.path());
    bill(folder.path(), &[&calm(12)[..], &[900.0]].concat());
    for arguments in [&["alert", "--dry-run"][..], &["alert", "--from", "2026-11-10"], &["report"]] {
        harness::stdout(folder.path(), arguments);
    }
    assert_eq!((listener.said(), incidents(folder.path()).len()), (vec![], 0));
}

#[test]
fn a_heartbeat_says_that_a_run_is_done_whatever_it_found() {
    let listener = Listener::start();
    let folder = folder(&listener, "[alerts]\nheartbeat = \"hook\"\nrunbook = \"https://wiki.example/{workload}\"\n");
    bill(folder.path(), &calm(12));
    alert(folder.path());
    assert_eq!(listener.said(), ["heartbeat"]);
    bill(folder.path(), &[&calm(12)[..], &[900.0]].concat());
    harness::billtag(folder.path(), &["run", "-q"]);
    assert_eq!(listener.said(), ["heartbeat", "trigger", "heartbeat"]);
    assert_eq!(listener.bodies()[1]["runbook"], "https://wiki.example/checkout");
    bills::configure(folder.path(), "[alerts]\nheartbeat = \"hok\"\n");
    assert!(harness::failure(folder.path(), &["alert"]).contains("there is no channel `hok`"));
    bills::configure(folder.path(), "[alerts]\nrunbook = \"https://x/{workloads}\"\n");
    assert!(harness::failure(folder.path(), &["alert"]).contains("{workload}"));
}

#[test]
fn what_is_told_again_by_the_next_run_is_the_same_so_that_receivers_can_tell() {
    // The first run never hears that the page was taken, as if it had been killed.
    let seen = Arc::new(AtomicBool::new(false));
    let is_first = Arc::clone(&seen);
    let answer = move |_: usize, _: &Request| match is_first.swap(true, SeqCst) {
        false => Action::Answer(Reply::new(400, "text/plain", "lost")),
        true => Action::Answer(Reply::new(202, "text/plain", "ok")),
    };
    let nobody = SocketAddr::from(([127, 0, 0, 1], 9));
    let server = Proxy::start(nobody, Plan::hook(answer)).expect("a server");
    let listener = Listener { server, is_up: Arc::new(AtomicBool::new(true)) };
    let folder = folder(&listener, "");
    bill(folder.path(), &calm(12));
    alert(folder.path());
    bill(folder.path(), &[&calm(12)[..], &[900.0]].concat());
    alert(folder.path());
    alert(folder.path());
    let ids: Vec<String> = listener
        .server
        .requests()
        .iter()
        .filter_map(|seen| seen.request.header("webhook-id").map(String::from))
        .collect();
    assert_eq!(ids.len(), 2, "{ids:?}");
    assert_eq!(ids[0], ids[1], "the receiver can tell that it is the same");
}

#[test]
fn two_runs_at_once_tell_once() {
    let listener = Listener::start();
    let folder = folder(&listener, "");
    bill(folder.path(), &calm(12));
    alert(folder.path());
    bill(folder.path(), &[&calm(12)[..], &[900.0]].concat());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(alert(folder.path()), 0));
        }
    });
    assert_eq!(listener.said(), ["trigger"]);
}

#[test]
fn incidents_that_cannot_be_read_are_never_replaced() {
    let listener = Listener::start();
    let folder = folder(&listener, "");
    bill(folder.path(), &calm(12));
    alert(folder.path());
    let file = folder.path().join(".billtag/alerts/incidents.json");
    std::fs::write(&file, "{ cut").expect("cut");
    let error = harness::failure(folder.path(), &["alert", "-q"]);
    assert!(error.contains("damaged") && error.contains("incidents.json"), "{error}");
    assert_eq!(std::fs::read_to_string(&file).expect("still there"), "{ cut");
}

#[test]
fn killed_at_any_moment_a_page_is_told_at_least_once_and_always_as_the_same() {
    let listener = Listener::start();
    let folder = folder(&listener, "");
    bill(folder.path(), &calm(12));
    alert(folder.path());
    bill(folder.path(), &[&calm(12)[..], &[900.0]].concat());
    for step in 1..24_u64 {
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_billtag"))
            .args(["alert", "-q"])
            .current_dir(folder.path())
            .env("HOME", folder.path())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("it starts");
        std::thread::sleep(std::time::Duration::from_millis(step * 17));
        drop(child.kill());
        child.wait().expect("it ends");
    }
    assert_eq!(alert(folder.path()), 0);
    let told = listener.said().len();
    assert!(told >= 1 && listener.said().iter().all(|event| event == "trigger"), "{:?}", listener.said());
    let bodies = listener.bodies();
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    assert_eq!((alert(folder.path()), listener.said().len()), (0, told), "and not again");
}

#[test]
fn a_role_that_spends_for_the_first_time_is_named_and_one_that_takes_over_is_not_blamed() {
    let folder = |last: &[(&'static str, f64)]| {
        let folder = tempfile::tempdir().expect("a folder");
        bills::configure(folder.path(), "");
        let arn = "arn:aws:sts::111122223333:assumed-role/usual/s";
        let of = |day: i64, principal: &'static str, cost: f64| {
            let line = nova().cost(cost).tag("resourceTags/Workload", "checkout");
            on(day, line.text("line_item_iam_principal", principal))
        };
        let mut lines: Vec<Line> = (0..).zip(calm(20)).map(|(day, cost)| of(day, arn, cost)).collect();
        lines.extend(last.iter().map(|(principal, cost)| of(20, principal, *cost)));
        lines.push(on(21, nova().text("line_item_product_code", "AmazonEC2").cost(0.0)));
        bills::write(&folder.path().join("bill/bill.parquet"), &batch(&lines));
        harness::ingest_folder(folder.path());
        let text = harness::stdout(folder.path(), &["alert", "--dry-run", "--format", "json"]);
        let findings: Vec<Value> = serde_json::from_str(&text).expect("an array");
        findings.into_iter().find(|finding| finding["rules"].to_string().contains("new_principal"))
    };
    let stranger = "arn:aws:sts::111122223333:assumed-role/stranger/s";
    let added = folder(&[("arn:aws:sts::111122223333:assumed-role/usual/s", 100.0), (stranger, 80.0)]).expect("found");
    assert_eq!(added["severity"], "page", "{added}");
    assert!(added["principals"].to_string().contains("assumed-role/stranger"), "{added}");
    let moved = folder(&[(stranger, 101.0)]).expect("listed");
    assert_eq!(moved["severity"], "note", "{moved}");
}

#[test]
fn what_comes_late_is_warned_of_and_wakes_nobody() {
    let listener = Listener::start();
    let folder = folder(&listener, "");
    let mut costs = calm(14);
    bill(folder.path(), &costs);
    alert(folder.path());
    costs[13] = 2_000.0;
    costs.push(100.0);
    bill(folder.path(), &costs);
    for _ in 0..2 {
        alert(folder.path());
    }
    assert_eq!(listener.said(), ["trigger"]);
    let told = &listener.bodies()[0];
    assert_eq!(told["severity"], "warn");
    assert!(told["summary"].as_str().is_some_and(|text| text.contains("came late")), "{told}");
}

#[test]
fn what_is_refused_holds_nothing_else_back() {
    let is_refused = |request: &Request| String::from_utf8_lossy(&request.body).contains("\"noisy\"");
    let answer = move |_: usize, request: &Request| {
        Action::Answer(Reply::new(if is_refused(request) { 413 } else { 202 }, "text/plain", "ok"))
    };
    let nobody = SocketAddr::from(([127, 0, 0, 1], 9));
    let server = Proxy::start(nobody, Plan::hook(answer)).expect("a server");
    let listener = Listener { server, is_up: Arc::new(AtomicBool::new(true)) };
    let folder = folder(&listener, "");
    let write = |last: [f64; 2]| {
        let mut lines = Vec::new();
        for (workload, last) in ["noisy", "checkout"].into_iter().zip(last) {
            let costs = [&calm(12)[..], &[last]].concat();
            let line = |(day, cost): (i64, f64)| on(day, nova().cost(cost).tag("resourceTags/Workload", workload));
            lines.extend((0..).zip(costs).map(line));
        }
        lines.push(on(13, nova().text("line_item_product_code", "AmazonEC2").cost(0.0)));
        bills::write(&folder.path().join("bill/bill.parquet"), &batch(&lines));
        harness::ingest_folder(folder.path());
    };
    write([2_000.0, 900.0]);
    assert_eq!(alert(folder.path()), 4);
    let took: Vec<Value> =
        listener.bodies().into_iter().filter(|body| body["labels"]["workload"] == "checkout").collect();
    assert_eq!(took.len(), 1, "{took:?}");
}

#[test]
fn a_new_workload_of_one_day_is_over_when_it_is() {
    let listener = Listener::start();
    let folder = folder(&listener, "");
    let write = |days: i64| {
        let mut lines: Vec<Line> =
            (0..days).map(|day| on(day, nova().cost(100.0).tag("resourceTags/Workload", "steady"))).collect();
        lines.push(on(16, nova().cost(500.0).tag("resourceTags/Workload", "meteor")));
        lines.push(on(days, nova().text("line_item_product_code", "AmazonEC2").cost(0.0)));
        bills::write(&folder.path().join("bill/bill.parquet"), &batch(&lines));
        harness::ingest_folder(folder.path());
        alert(folder.path());
    };
    (17..20).for_each(write);
    assert_eq!(listener.said(), ["trigger", "resolve"]);
}
