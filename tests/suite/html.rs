//! The report as a page: a real browser opens it, and what it shows is held against the queries.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use billtag::config::Config;
use billtag::metrics::queries::Query;
use billtag::metrics::{Cell, Engine, Grid, Range};
use billtag::report::words;
use serde_json::{Value, json};

use crate::{harness, parts};

/// Where pictures and printed pages are kept, for people to look at.
pub fn artefact(name: &str) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("html");
    std::fs::create_dir_all(&folder).expect("a folder");
    folder.join(name).display().to_string()
}

pub fn axe() -> String {
    let parts = parts::python().parent().and_then(Path::parent).expect("a folder");
    parts.join("axe.min.js").display().to_string()
}

/// What a browser saw at each step.
pub fn browse(steps: &Value) -> Vec<Value> {
    let mut child = Command::new(parts::python())
        .arg(harness::root().join("tests/parts/browser.py"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python runs");
    let mut input = child.stdin.take().expect("its input");
    input.write_all(steps.to_string().as_bytes()).expect("written");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", harness::text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

pub fn address(page: &Path, fragment: &str) -> String {
    format!("file://{}{fragment}", page.display())
}

/// The page of the fixtures, written once.
pub fn page() -> &'static Path {
    static PAGE: OnceLock<PathBuf> = OnceLock::new();
    PAGE.get_or_init(|| {
        let path = PathBuf::from(artefact("fixtures.html"));
        harness::stdout(harness::ingested(), &["report", "-o", path.to_str().expect("a name")]);
        path
    })
}

pub fn pages(folder: &Path, arguments: &[&str]) -> PathBuf {
    let path = folder.join("page.html");
    harness::stdout(folder, &[&["report", "-o", path.to_str().expect("a name")], arguments].concat());
    path
}

/// Texts of the rows of a table that are shown.
pub fn rows_of(id: &str) -> Value {
    json!([
        "run",
        format!(
            "return [...document.querySelectorAll('#{id} tbody tr')].filter((row) => !row.hidden).map((row) => [...row.cells].map((cell) => cell.textContent))"
        )
    ])
}

/// All rows of a table, not only the first.
pub fn whole(id: &str) -> Value {
    json!(["run", format!("document.querySelector('[data-more=\"{id}\"]')?.click()")])
}

pub fn choose(id: &str, text: &str) -> Value {
    json!([
        "run",
        format!(
            "const select = document.getElementById('{id}'); select.value = [...select.options].find((option) => option.textContent === '{text}').value; select.dispatchEvent(new Event('change'))"
        )
    ])
}

pub fn table(seen: &Value) -> Vec<Vec<String>> {
    serde_json::from_value(seen.clone()).expect("a table")
}

pub fn engine(folder: &Path) -> (Engine, Config) {
    harness::engine(folder, Range::default())
}

pub fn sql(engine: &Engine, sql: &str) -> Grid {
    engine.run(&Query { name: "test".into(), sql: sql.into() }).expect("an answer")
}

/// Sums of a column by another, as a page writes money.
pub fn sums(grid: &Grid, by: &str, column: &str) -> BTreeMap<String, i128> {
    let mut sums = BTreeMap::new();
    for row in &grid.rows {
        *sums.entry(grid.text(row, by)).or_insert(0) += grid.amount(row, column).unwrap_or(0);
    }
    sums
}

pub const QUIET: [&str; 0] = [];

pub fn is_quiet(errors: &Value) {
    assert_eq!(errors, &json!(QUIET));
}

#[test]
fn the_html_page_asks_for_nothing_and_shows_what_the_queries_say() {
    let page = page();
    let tables = ["spend", "tiers", "calls", "tokens", "cache", "movers", "ratio"];
    let mut steps = vec![json!(["open", address(page, "")]), json!(["requests"]), json!(["errors"])];
    for id in tables {
        steps.extend([whole(id), rows_of(&format!("table-{id}"))]);
    }
    steps
        .push(json!(["run", "return [...document.querySelectorAll('.card .amount')].map((card) => card.textContent)"]));
    let seen = browse(&json!(steps));
    assert_eq!(seen[1], json!([address(page, "")]), "only the page itself is asked for");
    is_quiet(&seen[2]);
    let shown: BTreeMap<&str, Vec<Vec<String>>> =
        tables.iter().enumerate().map(|(at, id)| (*id, table(&seen[4 + 2 * at]))).collect();

    let (engine, config) = engine(harness::ingested());
    let last = engine.last_complete_day().expect("a day");
    months(&engine, &config, &shown["spend"]);
    let days = Range { from: Some(last - 89), to: Some(last) };
    let over = |query: &str| engine.figure(query, &config, days).expect("a figure").into_grid();
    volumes(&over("token_volume"), &shown["tokens"]);
    tiers(&over("spend_by_model_tier"), &shown["tiers"]);
    ratios(&over("haiku_sonnet_ratio"), &shown["ratio"]);
    calls(&over("cost_per_query"), &shown["calls"]);
    hit_rates(&over("cache_hit_rate"), &shown["cache"], last);
    movers(&engine, &config, &shown["movers"], last);
    let total = shown["spend"].last().expect("a total");
    let report: Value =
        serde_json::from_str(&harness::stdout(harness::ingested(), &["report", "--format", "json"])).expect("JSON");
    let usage = report["day"][0]["usage_cost"].as_str().and_then(|text| billtag::money::from_decimal_text(text).ok());
    let cards: Vec<String> = serde_json::from_value(seen.last().expect("cards").clone()).expect("texts");
    assert_eq!(cards[0], format!("{} USD", words::amount(usage.expect("an amount"))));
    assert_eq!(cards[2], format!("{} USD", total[2]));
}

/// Whole bills of the month and the three before.
fn months(engine: &Engine, config: &Config, shown: &[Vec<String>]) {
    let spend = engine.run_named("spend_by_workload", config).expect("spend");
    let mut by_month: BTreeMap<(String, String), i128> = BTreeMap::new();
    for row in &spend.rows {
        *by_month.entry((spend.text(row, "workload"), spend.text(row, "month"))).or_default() +=
            spend.amount(row, "cost").unwrap_or(0);
    }
    let workloads: std::collections::BTreeSet<&String> = by_month.keys().map(|(workload, _)| workload).collect();
    let total = shown.last().expect("a total").clone();
    assert_eq!(shown.len(), workloads.len() + 1);
    for (at, month) in [(2, "2026-11"), (4, "2026-10"), (5, "2026-09"), (6, "2026-08")] {
        for row in shown.iter().filter(|row| row[0] != "total") {
            let cost = by_month.get(&(row[0].clone(), month.to_string())).copied().unwrap_or(0);
            assert_eq!(row[at], words::amount(cost), "{row:?} {month}");
        }
        let all: i128 = by_month.iter().filter(|((_, of), _)| of == month).map(|(_, cost)| cost).sum();
        assert_eq!(total[at], words::amount(all), "{month}");
    }
}

fn volumes(answer: &Grid, shown: &[Vec<String>]) {
    let by_workload = sums(answer, "workload", "tokens");
    for row in shown.iter().filter(|row| row[0] != "total") {
        assert_eq!(row[1], words::grouped(by_workload[&row[0]] / billtag::money::ONE), "{row:?}");
    }
}

fn tiers(answer: &Grid, shown: &[Vec<String>]) {
    let (cost, tokens) = (sums(answer, "model_tier", "cost"), sums(answer, "model_tier", "tokens"));
    let all: i128 = cost.values().sum();
    assert_eq!(shown.len(), cost.len() + 1);
    for row in shown.iter().filter(|row| row[0] != "total") {
        assert_eq!(row[1], words::amount(cost[&row[0]]), "{row:?}");
        assert_eq!(row[2], words::percent(cost[&row[0]] as f64 / all as f64), "{row:?}");
        assert_eq!(row[3], words::grouped(tokens[&row[0]] / billtag::money::ONE), "{row:?}");
    }
}

fn ratios(answer: &Grid, shown: &[Vec<String>]) {
    let (haiku, sonnet) = (sums(answer, "workload", "haiku_cost"), sums(answer, "workload", "sonnet_cost"));
    let [few, many] = ["haiku_invocations", "sonnet_invocations"].map(|column| sums(answer, "workload", column));
    for row in shown {
        assert_eq!([&row[1], &row[2]], [&words::amount(haiku[&row[0]]), &words::amount(sonnet[&row[0]])], "{row:?}");
        let (few, many) = (few[&row[0]], many[&row[0]]);
        let ratio = if many == 0 { Cell::Null } else { Cell::Float(few as f64 / many as f64) };
        assert_eq!(row[4], words::cell(&ratio, billtag::report::Look::Ratio), "{row:?}");
    }
}

fn calls(answer: &Grid, shown: &[Vec<String>]) {
    let [counted, number, whole] =
        ["cost_counted", "invocations", "cost_total"].map(|column| sums(answer, "workload", column));
    for row in shown {
        let look = |part: i128, all: i128, look| words::cell(&Cell::Float(part as f64 / all as f64), look);
        let of = |sums: &BTreeMap<String, i128>| sums[&row[0]];
        assert_eq!(row[1], look(of(&counted), of(&number), billtag::report::Look::UnitCost), "{row:?}");
        assert_eq!(row[2], words::grouped(of(&number) / billtag::money::ONE), "{row:?}");
        assert_eq!(row[3], words::percent(of(&counted) as f64 / of(&whole) as f64), "{row:?}");
    }
    let measured = number.values().filter(|number| **number > 0).count();
    assert_eq!(shown.len(), measured);
}

/// Rates by workload and model, and this month's savings.
fn hit_rates(answer: &Grid, shown: &[Vec<String>], last: i32) {
    let month = last - billtag::clock::day_of_month(last) as i32 + 1;
    let mut expected: BTreeMap<(String, String), ([i128; 3], Option<i128>)> = BTreeMap::new();
    for row in answer.rows.iter().filter(|row| answer.float(row, "hit_rate").is_some()) {
        let held = expected.entry((answer.text(row, "workload"), answer.text(row, "model_name"))).or_default();
        for (sum, name) in held.0.iter_mut().zip(["cache_read_tokens", "cache_write_tokens", "input_tokens"]) {
            *sum += answer.amount(row, name).unwrap_or(0);
        }
        if let Some(saving) = answer.amount(row, "net_saving").filter(|_| answer.day(row, "day") >= Some(month)) {
            held.1 = Some(held.1.unwrap_or(0) + saving);
        }
    }
    assert_eq!(shown.len(), expected.len());
    for row in shown {
        let ([reads, writes, input], saving) = expected[&(row[1].clone(), row[2].clone())];
        let rate = reads as f64 / (reads + writes + input) as f64;
        assert_eq!(row[3], words::percent(rate), "{row:?}");
        assert_eq!(row[0] == "LOW", rate < 0.6, "{row:?}");
        assert_eq!(row[4], saving.map_or("–".into(), words::change), "{row:?}");
    }
}

fn movers(engine: &Engine, config: &Config, shown: &[Vec<String>], last: i32) {
    let daily = engine.run_named("daily_spend", config).expect("days");
    let mut moved: BTreeMap<String, i128> = BTreeMap::new();
    for row in &daily.rows {
        let sign = match daily.day(row, "day") {
            Some(day) if day == last => 1,
            Some(day) if day == last - 1 => -1,
            _ => continue,
        };
        *moved.entry(daily.text(row, "workload")).or_default() += sign * daily.amount(row, "usage_cost").unwrap_or(0);
    }
    moved.retain(|_, change| *change != 0);
    assert_eq!(shown.len(), moved.len() + 1);
    for row in shown.iter().filter(|row| !row[0].starts_with("total")) {
        assert_eq!(row[2], words::change(moved[&row[0]]), "{row:?}");
    }
    assert!(shown.iter().any(|row| row[5].contains("volume")), "{shown:?}");
}

#[test]
fn html_filters_and_sorting_do_what_they_say_and_live_in_the_link() {
    let seen = browse(&clicks(page()));
    let (engine, _) = engine(harness::ingested());
    team_and_days(&engine, &seen);
    model_and_environment(&engine, &seen);
    is_quiet(&seen[25]);
}

/// What somebody chooses and clicks.
fn clicks(page: &Path) -> Value {
    let fragment = json!(["run", "return location.hash"]);
    let shown = json!(["run", "return document.getElementById('shown').textContent"]);
    let day = |id: &str, value: &str| {
        json!([
            "run",
            format!(
                "const input = document.getElementById('filter-{id}'); input.value = '{value}'; input.dispatchEvent(new Event('change'))"
            )
        ])
    };
    json!([
        ["open", address(page, "")],
        choose("filter-team", "growth"),
        day("from", "2026-11-01"),
        day("to", "2026-11-10"),
        whole("spend"),
        rows_of("table-spend"),
        ["run", "document.querySelector('#table-spend th[data-key=name] button').click()"],
        rows_of("table-spend"),
        [
            "run",
            "document.querySelector('#table-spend th[data-key=month_1] button').click(); return document.activeElement.textContent + document.querySelector('#table-spend th[data-key=month_1]').ariaSort"
        ],
        rows_of("table-spend"),
        fragment,
        choose("filter-model", "Claude Sonnet 4.5"),
        ["run", "return document.querySelector('#calls .unfiltered').textContent"],
        rows_of("table-findings"),
        rows_of("table-debt"),
        choose("filter-environment", "prod"),
        choose("by", "model"),
        rows_of("table-spend"),
        fragment,
        shown,
        ["run", "window.kept = location.href; document.getElementById('reset').click(); return location.hash"],
        rows_of("table-findings"),
        ["run", "location.href = window.kept"],
        [
            "run",
            "return new Promise((resolve) => setTimeout(() => resolve(document.getElementById('shown').textContent), 200))"
        ],
        rows_of("table-spend"),
        ["errors"],
    ])
}

fn team_and_days(engine: &Engine, seen: &[Value]) {
    let of_team = sql(
        engine,
        "select coalesce(workload, 'unattributed') as workload, sum(case when day between cast('2026-11-01' as date) and cast('2026-11-10' as date) and grain <> 'month' then billed_cost else 0 end) as days, sum(case when billing_period = '2026-10' then billed_cost else 0 end) as month from cost_daily where team = 'growth' and billing_period >= '2026-08' group by 1",
    );
    let (days, months) = (sums(&of_team, "workload", "days"), sums(&of_team, "workload", "month"));
    let first = table(&seen[5]);
    assert_eq!(first.len(), days.len() + 1);
    for row in first.iter().filter(|row| row[0] != "total") {
        assert_eq!([&row[1], &row[4]], [&words::amount(days[&row[0]]), &words::amount(months[&row[0]])], "{row:?}");
    }
    assert_eq!(first.last().map(|row| row[1].clone()), Some(words::amount(days.values().sum())));
    let names =
        |seen: &Value| table(seen).iter().map(|row| row[0].clone()).filter(|name| name != "total").collect::<Vec<_>>();
    let mut by_name = names(&seen[7]);
    by_name.sort();
    assert_eq!(names(&seen[7]), by_name);
    assert_eq!(seen[8], json!("2026-10descending"));
    let costs: Vec<i128> = names(&seen[9]).iter().map(|name| months[name]).collect();
    assert!(costs.is_sorted_by(|a, b| a >= b), "{costs:?}");
    assert_eq!(seen[10], json!("#team=growth&from=2026-11-01&to=2026-11-10&sort.spend=-month_1"));
    assert_eq!(seen[12], json!("Not filtered by model."));
    assert!(table(&seen[13]).iter().all(|row| row[3].starts_with("growth")), "{}", seen[13]);
    assert!(
        table(&seen[14]).iter().all(|row| row[5].contains("growth")) && !table(&seen[14]).is_empty(),
        "{}",
        seen[14]
    );
}

fn model_and_environment(engine: &Engine, seen: &[Value]) {
    let by_model = sql(
        engine,
        "select model_name, sum(billed_cost) as days from cost_daily where team = 'growth' and environment = 'prod' and model_name = 'Claude Sonnet 4.5' and grain <> 'month' and day between cast('2026-11-01' as date) and cast('2026-11-10' as date) group by 1",
    );
    let expected = words::amount(sums(&by_model, "model_name", "days")["Claude Sonnet 4.5"]);
    assert_eq!(table(&seen[17])[0][..2], ["Claude Sonnet 4.5".to_string(), expected]);
    let fragment = "#team=growth&environment=prod&model=Claude+Sonnet+4.5&from=2026-11-01&to=2026-11-10&by=model&sort.spend=-month_1";
    assert_eq!(seen[18], json!(fragment));
    assert_eq!(
        seen[19],
        json!("Shown: team growth, environment prod, model Claude Sonnet 4.5, USD, 2026-11-01 to 2026-11-10, UTC.")
    );
    assert_eq!(seen[20], json!(""));
    assert_eq!(table(&seen[21]).len(), 6);
    assert_eq!((&seen[23], &seen[24]), (&seen[19], &seen[17]), "a link shows the same");
}
