//! `reconcile` over the wire: moto's Cost Explorer, whose answers are queued, for the talk itself, and
//! a stand-in that looks at every request, since moto does not.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use billtag::clock;
use billtag::metrics::Grid;
use billtag::money;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness;
use crate::parts::{self, Emulator};
use crate::workbook;

/// moto, until dropped.
struct Moto {
    _server: Emulator,
    url: String,
}

impl Moto {
    fn start() -> Self {
        let server = parts::moto();
        Self { url: server.endpoint(), _server: server }
    }

    fn queue(&self, pages: &[Value]) {
        let body = json!({ "results": pages }).to_string();
        let mut stream = TcpStream::connect(self.url.trim_start_matches("http://")).expect("a connection");
        write!(
            stream,
            "POST /moto-api/static/ce/cost-and-usage-results HTTP/1.1\r\nHost: moto\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    }
}

type Hook = dyn FnMut(&str, &Value) -> (u16, Value) + Send;

/// A server that answers each request by a function of its head and body.
struct StandIn {
    url: String,
    asked: Arc<Mutex<usize>>,
}

impl StandIn {
    fn start(mut hook: impl FnMut(&str, &Value) -> (u16, Value) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let asked = Arc::new(Mutex::new(0));
        let counter = asked.clone();
        // The thread ends with the test binary.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                *counter.lock().expect("the counter") += 1;
                answer(stream, &mut hook);
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> usize {
        *self.asked.lock().expect("the counter")
    }
}

fn answer(stream: TcpStream, hook: &mut Hook) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).expect("a line of the head") > 0, "a request that ends early: {head}");
    }
    let head = head.to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()).expect("a length");
    let mut body = vec![0; length.parse().expect("a number")];
    reader.read_exact(&mut body).expect("a body");
    let (status, reply) = hook(&head, &serde_json::from_slice(&body).expect("JSON"));
    let reply = reply.to_string();
    write!(
        reader.into_inner(),
        "HTTP/1.1 {status} X\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{reply}",
        reply.len()
    )
    .expect("answered");
}

/// What Cost Explorer calls the service of a line.
fn service(entity: &str, code: &str, model: &str, line_type: &str) -> String {
    match (entity, code) {
        _ if line_type == "Tax" => "Tax".into(),
        ("AWS Marketplace", _) => format!("{model} (Amazon Bedrock Edition)"),
        (_, "AmazonBedrockAgentCore") => "Amazon Bedrock AgentCore".into(),
        _ => "Amazon Bedrock".into(),
    }
}

fn record_type(line_type: &str) -> &str {
    match line_type {
        "EdpDiscount" => "Enterprise Discount Program Discount",
        "Fee" => "Other out-of-cycle charges",
        other => other,
    }
}

/// A day's groups: service and type of record → amount.
type Groups = BTreeMap<(String, String), i128>;

/// The bill of the fixtures as Cost Explorer would show it, by day.
fn explorer(folder: &Path, from: &str, to: &str) -> BTreeMap<String, Groups> {
    let lines: Grid = harness::sql(
        folder,
        "select cast(charge_period_start as date) as day, billing_entity, service_code, model_name, line_item_type, \
         sum(unblended_cost) as cost from cost_facts group by 1, 2, 3, 4, 5",
    );
    let mut days: BTreeMap<String, Groups> = BTreeMap::new();
    for row in &lines.rows {
        let text = |name: &str| lines.text(row, name);
        let line_type = text("line_item_type");
        let name = service(&text("billing_entity"), &text("service_code"), &text("model_name"), &line_type);
        let groups = days.entry(text("day")).or_default();
        *groups.entry((name, record_type(&line_type).to_string())).or_default() +=
            lines.amount(row, "cost").expect("a cost");
    }
    days.retain(|day, _| day.as_str() >= from && day.as_str() <= to);
    assert!(days.values().any(|groups| !groups.is_empty()), "an empty bill proves nothing");
    days
}

fn page(days: &[(&String, &Groups)], estimated_from: &str, next: Option<&str>) -> Value {
    let results = days.iter().map(|(day, groups)| {
        let number = clock::day_of(clock::parse(day).expect("a day"));
        let cost = |amount: i128| json!({ "Amount": money::to_text(amount), "Unit": "USD" });
        let groups = groups.iter().map(|((service, record), amount)| {
            json!({ "Keys": [service, record], "Metrics": {
                "UnblendedCost": cost(*amount), "NetUnblendedCost": cost(*amount),
                "AmortizedCost": cost(*amount), "NetAmortizedCost": cost(*amount),
            } })
        });
        let other = json!({ "Keys": ["Amazon Elastic Compute Cloud - Compute", "Usage"], "Metrics": { "UnblendedCost": cost(1) } });
        json!({
            "TimePeriod": { "Start": day, "End": clock::day_text(number + 1) },
            "Total": {}, "Estimated": day.as_str() >= estimated_from,
            "Groups": groups.chain([other]).collect::<Vec<_>>(),
        })
    });
    let mut page = json!({
        "ResultsByTime": results.collect::<Vec<_>>(), "GroupDefinitions": [], "DimensionValueAttributes": [],
    });
    if let Some(next) = next {
        page["NextPageToken"] = json!(next);
    }
    page
}

/// The usual window of the fixtures' clock.
const WINDOW: (&str, &str) = ("2026-10-13", "2026-11-21");

fn pages(days: &BTreeMap<String, Groups>) -> Vec<Value> {
    let days: Vec<(&String, &Groups)> = days.iter().collect();
    let (first, second) = days.split_at(days.len() / 2);
    vec![page(first, "2026-11-01", Some("page-2")), page(second, "2026-11-01", None)]
}

fn run(folder: &Path, url: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_billtag"))
        .arg("reconcile")
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env("AWS_ENDPOINT_URL_COST_EXPLORER", url)
        .env("AWS_ACCESS_KEY_ID", "AKIATEST")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .output()
        .expect("the binary runs")
}

fn told(output: &Output, code: i32) -> (String, String) {
    let (out, err) = (harness::text(&output.stdout), harness::text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
    (out, err)
}

fn json_of(output: &Output, code: i32) -> Value {
    serde_json::from_str(&told(output, code).0).expect("JSON")
}

fn world() -> TempDir {
    let folder = harness::fixtures();
    harness::ingest_folder(folder.path());
    folder
}

/// An address where nobody answers.
const NOBODY: &str = "http://127.0.0.1:9";

#[test]
fn the_bill_is_compared_with_cost_explorer_once_a_day_and_the_run_says_what_it_cost() {
    let folder = world();
    let moto = Moto::start();
    moto.queue(&pages(&explorer(folder.path(), WINDOW.0, WINDOW.1)));
    let (first, _) = told(&run(folder.path(), &moto.url, &[]), 0);
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("reconcile_table", first);
    });
    assert!(first.contains("Cost Explorer: 2 pages, $0.02."), "{first}");
    assert!(first.contains("every gap has a cause") && first.contains("tax"), "{first}");
    drop(moto);
    // The second run of the day asks nothing, whatever range within the window it is for.
    let (second, _) = told(&run(folder.path(), NOBODY, &[]), 0);
    assert_eq!(second, first.replace("2 pages, $0.02.", "cached, $0.00."));
    let few = ["--from", "2026-11-02", "--to", "2026-11-21"];
    let (few, _) = told(&run(folder.path(), NOBODY, &few), 0);
    assert!(few.contains("USD: equal, ") && few.contains("on each of 20 days"), "{few}");
    // Asked again it must ask, and says so where nobody answers; tokens are shown all the same.
    let (tokens, error) = told(&run(folder.path(), NOBODY, &["--refresh"]), 4);
    assert!(tokens.contains("Tokens by model") && !tokens.contains("Cost by service"), "{tokens}");
    assert!(error.contains("ce:GetCostAndUsage") && error.contains("hint: "), "{error}");
}

#[test]
fn an_xlsx_holds_what_cost_explorer_said_last_and_asks_nothing() {
    let folder = world();
    let written = |name: &str| {
        let path = folder.path().join(name);
        harness::stdout(folder.path(), &["report", "-o", name]);
        workbook::read(&path)
    };
    assert!(!written("before.xlsx").sheets.contains_key("Cost Explorer"), "nothing was asked yet");
    let moto = Moto::start();
    let days = explorer(folder.path(), WINDOW.0, WINDOW.1);
    moto.queue(&pages(&days));
    told(&run(folder.path(), &moto.url, &[]), 0);
    drop(moto);
    let book = written("after.xlsx");
    let sheet = &book.sheets["Cost Explorer"];
    assert!(sheet.value(1, 0).contains("The answer of 2026-11-22"), "{}", sheet.value(1, 0));
    // Tax is filed under a service of its own, which is not Bedrock's.
    let bedrocks = days.values().flatten().filter(|((service, _), _)| service != "Tax");
    let said: i128 = bedrocks.map(|(_, amount)| amount).sum();
    let reckoned = workbook::reckoned(&folder.path().join("after.xlsx"));
    let sheet = &reckoned.sheets["Cost Explorer"];
    let amount =
        |row: usize, heading: &str| money::from_decimal_text(sheet.value(row, sheet.column(heading))).expect("money");
    let total = (0..sheet.cells.len()).find(|row| sheet.value(*row, 0) == "Total").expect("a total");
    assert!((amount(total, "Cost explorer cost") - said).abs() < 100, "{said}");
    for row in workbook::HEADER + 1..total - 1 {
        let difference = amount(row, "Bill cost") - amount(row, "Cost explorer cost");
        assert_eq!(amount(row, "Difference"), difference, "row {row}");
        assert_eq!(difference == 0, sheet.value(row, sheet.column("Cause")).is_empty(), "row {row}");
    }
}

#[test]
fn an_empty_answer_is_no_answer() {
    let folder = world();
    let moto = Moto::start();
    let (out, error) = told(&run(folder.path(), &moto.url, &[]), 4);
    assert!(error.contains("the answer holds no day"), "{error}");
    assert!(out.contains("Cost Explorer: 1 page, $0.01.") && out.contains("Tokens by model"), "{out}");
}

#[test]
fn the_request_asks_for_all_services_by_day_and_follows_every_token() {
    let folder = world();
    let pages = pages(&explorer(folder.path(), WINDOW.0, WINDOW.1));
    let mut last = None;
    let server = StandIn::start(move |head, body| {
        assert!(head.contains("x-amz-target: awsinsightsindexservice.getcostandusage"), "{head}");
        assert!(head.contains("/us-east-1/ce/aws4_request"), "signed for the region that answers: {head}");
        assert_eq!(body["TimePeriod"], json!({ "Start": "2026-10-13", "End": "2026-11-22" }));
        assert_eq!(body["Granularity"], "DAILY");
        let groups = json!([{ "Type": "DIMENSION", "Key": "SERVICE" }, { "Type": "DIMENSION", "Key": "RECORD_TYPE" }]);
        assert_eq!(body["GroupBy"], groups);
        assert!(body["Metrics"].as_array().expect("metrics").contains(&json!("NetUnblendedCost")));
        assert_eq!(body.get("Filter"), None, "a filter on names misses editions");
        let token = body["NextPageToken"].as_str().map(String::from);
        let known = (last.take(), token.as_deref());
        last = Some(());
        match known {
            (None, None) => (200, pages[0].clone()),
            (Some(()), Some("page-2")) => (200, pages[1].clone()),
            other => (400, json!({ "__type": "ValidationException", "message": format!("{other:?}") })),
        }
    });
    let (out, _) = told(&run(folder.path(), &server.url, &["--fail-on-findings"]), 0);
    assert!(out.contains("2 pages, $0.02.") && server.asked() == 2, "{out}");
    // Another basis is in the same answer.
    told(&run(folder.path(), NOBODY, &["--cost", "effective"]), 0);
}

#[test]
fn a_page_that_fails_tells_what_was_paid_before_and_keeps_nothing() {
    let folder = world();
    let pages = pages(&explorer(folder.path(), WINDOW.0, WINDOW.1));
    let denied = json!({ "__type": "AccessDeniedException", "message": "User: x is not authorized" });
    let server = StandIn::start(move |_, body| match body["NextPageToken"].as_str() {
        None => (200, pages[0].clone()),
        Some(_) => (400, denied.clone()),
    });
    for _ in 0..2 {
        let (out, error) = told(&run(folder.path(), &server.url, &["--fail-on-findings"]), 4);
        assert!(out.contains("Cost Explorer: 1 page, $0.01.") && out.contains("Tokens by model"), "{out}");
        assert!(error.contains("\"Action\": \"ce:GetCostAndUsage\", \"Resource\": \"*\""), "{error}");
    }
    assert_eq!(server.asked(), 4, "half an answer is not kept");
}

#[test]
fn what_no_cause_explains_is_a_finding_until_cost_explorer_restates_it() {
    let folder = world();
    let mut days = explorer(folder.path(), WINDOW.0, WINDOW.1);
    let haiku = ("Claude Haiku 4.5 (Amazon Bedrock Edition)".to_string(), "Usage".to_string());
    *days.get_mut("2026-10-20").and_then(|groups| groups.get_mut(&haiku)).expect("haiku's day") -= 2 * money::ONE;
    // Cost Explorer has more than the bill: no estimate explains that.
    *days.get_mut("2026-11-10").and_then(|groups| groups.get_mut(&haiku)).expect("haiku's day") += money::ONE;
    let whole = pages(&days);
    let server = StandIn::start(move |_, body| (200, whole[usize::from(body["NextPageToken"].is_string())].clone()));
    let arguments = ["--format", "json", "--fail-on-findings"];
    let found = json_of(&run(folder.path(), &server.url, &arguments), 3);
    let open: Vec<(&str, &str)> = found["spend_gaps"]
        .as_array()
        .expect("gaps")
        .iter()
        .filter(|gap| gap["cause"] == "unexplained")
        .map(|gap| (gap["day"].as_str().expect("a day"), gap["gap"].as_str().expect("a decimal text")))
        .collect();
    assert_eq!(open, [("2026-10-20", "2"), ("2026-11-10", "-1")]);
    assert_eq!(found["cost_explorer"][0]["usd"], "0.02");
    assert!(found["spend"].as_array().is_some_and(|cells| cells.len() > 200), "every day of every service");
    // Asked again it says what the bill says; the day after it says something else once more.
    let right = pages(&explorer(folder.path(), WINDOW.0, WINDOW.1));
    let server = StandIn::start(move |_, body| (200, right[usize::from(body["NextPageToken"].is_string())].clone()));
    told(&run(folder.path(), &server.url, &["--refresh"]), 0);
    let mut later = days.clone();
    later.insert("2026-11-22".into(), Groups::new());
    let later = pages(&later);
    let server = StandIn::start(move |_, body| (200, later[usize::from(body["NextPageToken"].is_string())].clone()));
    let next_day = [&arguments[..], &["--as-of", "2026-11-23T06:00:00Z", "--to", "2026-11-21"]].concat();
    let restated = json_of(&run(folder.path(), &server.url, &next_day), 0);
    let causes = restated["spend_causes"].as_array().expect("causes");
    assert!(causes.iter().any(|cause| cause["cause"] == "restated" && cause["bill_more"] == "2"), "{causes:?}");
    assert!(!causes.iter().any(|cause| cause["cause"] == "unexplained"), "{causes:?}");
}

#[test]
fn a_basis_without_a_counterpart_and_an_unknown_key_are_refused() {
    let folder = world();
    let (_, error) = told(&run(folder.path(), NOBODY, &["--cost", "list"]), 2);
    assert!(error.contains("Cost Explorer knows no such cost"), "{error}");
    let config = folder.path().join("billtag.toml");
    let text = std::fs::read_to_string(&config).expect("a config");
    std::fs::write(&config, format!("{text}\n[cost_explorer]\nrole = \"x\"\n")).expect("written");
    let (_, error) = told(&run(folder.path(), NOBODY, &[]), 2);
    assert!(error.contains("role_arn"), "{error}");
}

#[test]
fn the_test_door_sends_every_request_to_one_address() {
    let server = StandIn::start(|head, _| {
        assert!(head.contains("getcostandusage"), "{head}");
        let day =
            json!({ "TimePeriod": { "Start": "2026-11-01", "End": "2026-11-02" }, "Groups": [], "Estimated": true });
        (200, json!({ "ResultsByTime": [day] }))
    });
    let question = billtag::reconcile::cost_explorer::Question {
        from: "2026-11-01".into(),
        to: "2026-11-01".into(),
        ..Default::default()
    };
    let ask = |aws: billtag::aws::Aws, access: billtag::aws::Access| {
        billtag::reconcile::cost_explorer::ask(&aws, &access, question.clone()).expect("an answer")
    };
    let answer = ask(billtag::aws::Aws::for_endpoint(&server.url), billtag::aws::Access::default());
    assert_eq!((answer.pages, answer.days), (1, BTreeMap::from([("2026-11-01".to_string(), true)])));
}
