//! The report as a page: a real browser opens it, and what it shows is held against the queries.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use billtag::config::Config;
use billtag::metrics::queries::Query;
use billtag::metrics::{Engine, Grid, Range};
use billtag::report::words;
use serde_json::{Value, json};

use crate::bills::{self, Line, NOVEMBER, batch, nova};
use crate::{harness, parts};

const DAY: i64 = 86_400;

/// Where pictures and printed pages are kept, for people to look at.
fn artefact(name: &str) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("html");
    std::fs::create_dir_all(&folder).expect("a folder");
    folder.join(name).display().to_string()
}

fn axe() -> String {
    let parts = parts::python().parent().and_then(Path::parent).expect("a folder");
    parts.join("axe.min.js").display().to_string()
}

/// What a browser saw at each step.
fn browse(steps: &Value) -> Vec<Value> {
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

fn address(page: &Path, fragment: &str) -> String {
    format!("file://{}{fragment}", page.display())
}

/// The page of the fixtures, written once.
fn page() -> &'static Path {
    static PAGE: OnceLock<PathBuf> = OnceLock::new();
    PAGE.get_or_init(|| {
        let path = PathBuf::from(artefact("fixtures.html"));
        harness::stdout(harness::ingested(), &["report", "-o", path.to_str().expect("a name")]);
        path
    })
}

fn pages(folder: &Path, arguments: &[&str]) -> PathBuf {
    let path = folder.join("page.html");
    harness::stdout(folder, &[&["report", "-o", path.to_str().expect("a name")], arguments].concat());
    path
}

/// Texts of the rows of a table that are shown.
fn rows_of(id: &str) -> Value {
    json!(["run", format!("return [...document.querySelectorAll('#{id} tbody tr')].filter((row) => !row.hidden).map((row) => [...row.cells].map((cell) => cell.textContent))")])
}

/// All rows of a table, not only the first.
fn whole(id: &str) -> Value {
    json!(["run", format!("document.querySelector('[data-more=\"{id}\"]')?.click()")])
}

fn choose(id: &str, text: &str) -> Value {
    json!(["run", format!("const select = document.getElementById('{id}'); select.value = [...select.options].find((option) => option.textContent === '{text}').value; select.dispatchEvent(new Event('change'))")])
}

fn table(seen: &Value) -> Vec<Vec<String>> {
    serde_json::from_value(seen.clone()).expect("a table")
}

fn engine(folder: &Path) -> (Engine, Config) {
    harness::engine(folder, Range::default())
}

fn sql(engine: &Engine, sql: &str) -> Grid {
    engine.run(&Query { name: "test".into(), sql: sql.into() }).expect("an answer")
}

/// Sums of a column by another, as a page writes money.
fn sums(grid: &Grid, by: &str, column: &str) -> BTreeMap<String, i128> {
    let mut sums = BTreeMap::new();
    for row in &grid.rows {
        *sums.entry(grid.text(row, by)).or_insert(0) += grid.amount(row, column).unwrap_or(0);
    }
    sums
}

const QUIET: [&str; 0] = [];

fn is_quiet(errors: &Value) {
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
    steps.push(json!(["run", "return [...document.querySelectorAll('.card .amount')].map((card) => card.textContent)"]));
    let seen = browse(&json!(steps));
    assert_eq!(seen[1], json!([address(page, "")]), "only the page itself is asked for");
    is_quiet(&seen[2]);
    let shown: BTreeMap<&str, Vec<Vec<String>>> =
        tables.iter().enumerate().map(|(at, id)| (*id, table(&seen[4 + 2 * at]))).collect();

    let (engine, config) = engine(harness::ingested());
    let last = engine.last_complete_day().expect("a day");
    let spend = engine.run_named("spend_by_workload", &config).expect("spend");
    let mut by_month: BTreeMap<(String, String), i128> = BTreeMap::new();
    for row in &spend.rows {
        *by_month.entry((spend.text(row, "workload"), spend.text(row, "month"))).or_default() += spend.amount(row, "cost").unwrap_or(0);
    }
    let workloads: std::collections::BTreeSet<&String> = by_month.keys().map(|(workload, _)| workload).collect();
    let total = shown["spend"].last().expect("a total").clone();
    assert_eq!(shown["spend"].len(), workloads.len() + 1);
    for (at, month) in [(2, "2026-11"), (4, "2026-10"), (5, "2026-09"), (6, "2026-08")] {
        for row in shown["spend"].iter().filter(|row| row[0] != "total") {
            let cost = by_month.get(&(row[0].clone(), month.to_string())).copied().unwrap_or(0);
            assert_eq!(row[at], words::amount(cost), "{row:?} {month}");
        }
        let all: i128 = by_month.iter().filter(|((_, of), _)| of == month).map(|(_, cost)| cost).sum();
        assert_eq!(total[at], words::amount(all), "{month}");
    }

    let days = Range { from: Some(last - 89), to: Some(last) };
    let over = |query: &str| engine.figure(query, &config, days).expect("a figure").into_grid();
    let tokens = over("token_volume");
    let by_workload = sums(&tokens, "workload", "tokens");
    for row in shown["tokens"].iter().filter(|row| row[0] != "total") {
        assert_eq!(row[1], words::grouped(by_workload[&row[0]] / billtag::money::ONE), "{row:?}");
    }
    let tiers = over("spend_by_model_tier");
    let (cost, tokens) = (sums(&tiers, "model_tier", "cost"), sums(&tiers, "model_tier", "tokens"));
    let all: i128 = cost.values().sum();
    assert_eq!(shown["tiers"].len(), cost.len() + 1);
    for row in shown["tiers"].iter().filter(|row| row[0] != "total") {
        assert_eq!(row[1], words::amount(cost[&row[0]]), "{row:?}");
        assert_eq!(row[2], words::percent(cost[&row[0]] as f64 / all as f64), "{row:?}");
        assert_eq!(row[3], words::grouped(tokens[&row[0]] / billtag::money::ONE), "{row:?}");
    }
    let ratio = over("haiku_sonnet_ratio");
    let (haiku, sonnet) = (sums(&ratio, "workload", "haiku_cost"), sums(&ratio, "workload", "sonnet_cost"));
    for row in &shown["ratio"] {
        assert_eq!([&row[1], &row[2]], [&words::amount(haiku[&row[0]]), &words::amount(sonnet[&row[0]])], "{row:?}");
    }
    let calls = over("cost_per_query");
    let [counted, number, whole] = ["cost_counted", "invocations", "cost_total"].map(|column| sums(&calls, "workload", column));
    for row in &shown["calls"] {
        let look = |part: i128, all: i128, look| words::cell(&billtag::metrics::Cell::Float(part as f64 / all as f64), look);
        let of = |sums: &BTreeMap<String, i128>| sums[&row[0]];
        assert_eq!(row[1], look(of(&counted), of(&number), billtag::report::Look::UnitCost), "{row:?}");
        assert_eq!(row[2], words::grouped(of(&number) / billtag::money::ONE), "{row:?}");
        assert_eq!(row[3], words::percent(of(&counted) as f64 / of(&whole) as f64), "{row:?}");
    }
    let measured = number.values().filter(|number| **number > 0).count();
    assert_eq!(shown["calls"].len(), measured);
    hit_rates(&over("cache_hit_rate"), &shown["cache"], last);
    movers(&engine, &config, &shown["movers"], last);
    let report: Value = serde_json::from_str(&harness::stdout(harness::ingested(), &["report", "--format", "json"])).expect("JSON");
    let usage = report["day"][0]["usage_cost"].as_str().and_then(|text| billtag::money::from_decimal_text(text).ok());
    let cards: Vec<String> = serde_json::from_value(seen.last().expect("cards").clone()).expect("texts");
    assert_eq!(cards[0], format!("{} USD", words::amount(usage.expect("an amount"))));
    assert_eq!(cards[2], format!("{} USD", total[2]));
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
    let page = page();
    let fragment = json!(["run", "return location.hash"]);
    let shown = json!(["run", "return document.getElementById('shown').textContent"]);
    let day = |id: &str, value: &str| json!(["run", format!("const input = document.getElementById('filter-{id}'); input.value = '{value}'; input.dispatchEvent(new Event('change'))")]);
    let seen = browse(&json!([
        ["open", address(page, "")],
        choose("filter-team", "growth"),
        day("from", "2026-11-01"),
        day("to", "2026-11-10"),
        whole("spend"),
        rows_of("table-spend"),
        ["run", "document.querySelector('#table-spend th[data-key=name] button').click()"],
        rows_of("table-spend"),
        ["run", "document.querySelector('#table-spend th[data-key=month_1] button').click(); return document.activeElement.textContent + document.querySelector('#table-spend th[data-key=month_1]').ariaSort"],
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
        ["run", "return new Promise((resolve) => setTimeout(() => resolve(document.getElementById('shown').textContent), 200))"],
        rows_of("table-spend"),
        ["errors"],
    ]));
    let (engine, _) = engine(harness::ingested());
    let of_team = sql(&engine, "select coalesce(workload, 'unattributed') as workload, sum(case when day between cast('2026-11-01' as date) and cast('2026-11-10' as date) and grain <> 'month' then billed_cost else 0 end) as days, sum(case when billing_period = '2026-10' then billed_cost else 0 end) as month from cost_daily where team = 'growth' and billing_period >= '2026-08' group by 1");
    let (days, months) = (sums(&of_team, "workload", "days"), sums(&of_team, "workload", "month"));
    let first = table(&seen[5]);
    assert_eq!(first.len(), days.len() + 1);
    for row in first.iter().filter(|row| row[0] != "total") {
        assert_eq!([&row[1], &row[4]], [&words::amount(days[&row[0]]), &words::amount(months[&row[0]])], "{row:?}");
    }
    assert_eq!(first.last().map(|row| row[1].clone()), Some(words::amount(days.values().sum())));
    let names = |seen: &Value| table(seen).iter().map(|row| row[0].clone()).filter(|name| name != "total").collect::<Vec<_>>();
    let mut by_name = names(&seen[7]);
    by_name.sort();
    assert_eq!(names(&seen[7]), by_name);
    assert_eq!(seen[8], json!("2026-10descending"));
    let costs: Vec<i128> = names(&seen[9]).iter().map(|name| months[name]).collect();
    assert!(costs.is_sorted_by(|a, b| a >= b), "{costs:?}");
    assert_eq!(seen[10], json!("#team=growth&from=2026-11-01&to=2026-11-10&sort.spend=-month_1"));
    assert_eq!(seen[12], json!("Not filtered by model."));
    assert!(table(&seen[13]).iter().all(|row| row[3].starts_with("growth")), "{}", seen[13]);
    assert!(table(&seen[14]).iter().all(|row| row[5].contains("growth")) && !table(&seen[14]).is_empty(), "{}", seen[14]);
    let by_model = sql(&engine, "select model_name, sum(billed_cost) as days from cost_daily where team = 'growth' and environment = 'prod' and model_name = 'Claude Sonnet 4.5' and grain <> 'month' and day between cast('2026-11-01' as date) and cast('2026-11-10' as date) group by 1");
    let expected = words::amount(sums(&by_model, "model_name", "days")["Claude Sonnet 4.5"]);
    assert_eq!(table(&seen[17])[0][..2], ["Claude Sonnet 4.5".to_string(), expected]);
    let fragment = "#team=growth&environment=prod&model=Claude+Sonnet+4.5&from=2026-11-01&to=2026-11-10&by=model&sort.spend=-month_1";
    assert_eq!(seen[18], json!(fragment));
    assert_eq!(seen[19], json!("Shown: team growth, environment prod, model Claude Sonnet 4.5, USD, 2026-11-01 to 2026-11-10, UTC."));
    assert_eq!(seen[20], json!(""));
    assert_eq!(table(&seen[21]).len(), 6);
    assert_eq!((&seen[23], &seen[24]), (&seen[19], &seen[17]), "a link shows the same");
    is_quiet(&seen[25]);
}

#[test]
fn a_hostile_link_to_the_html_page_changes_nothing_and_is_told() {
    let page = page();
    let hostile = [
        "#team=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E&workload=__proto__&sort.__proto__=polluted&sort.spend=constructor",
        "#from=9999-99-99&to=-1&model=constructor&currency=javascript:alert(1)&by=__proto__",
        "#%E0%A4%A&=&&&team=&sort.=&sort.spend=%2D%2D",
        "#team=growth%00&environment=prod%E2%80%AE",
    ];
    let long = format!("#team={}", "x".repeat(20_000));
    let told = json!(["run", "return [document.getElementById('problem').textContent, ({}).polluted ?? null, document.querySelectorAll('main img').length, document.querySelector('#table-spend tr.total').textContent]"]);
    let mut steps = vec![json!(["open", address(page, "")]), told.clone()];
    for fragment in hostile.into_iter().chain([long.as_str()]) {
        steps.extend([json!(["open", address(page, fragment)]), told.clone()]);
    }
    steps.push(json!(["errors"]));
    let seen = browse(&json!(steps));
    let total = &seen[1][3];
    for at in (3..seen.len() - 1).step_by(2) {
        let told = seen[at][0].as_str().expect("a text");
        assert!(told.starts_with("The link asks for what this page does not have"), "{told}");
        assert_eq!([&seen[at][1], &seen[at][2], &seen[at][3]], [&json!(null), &json!(0), total]);
    }
    is_quiet(seen.last().expect("errors"));
}

fn held(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

fn on(day: i64, mut line: Line) -> Line {
    line.start = NOVEMBER + day * DAY;
    line.end = line.start + 3_600;
    line
}

fn until(day: i64) -> Line {
    on(day + 1, nova().text("line_item_product_code", "AmazonEC2").cost(0.0))
}

#[test]
fn no_value_of_a_bill_becomes_markup_in_html() {
    let hostile = [
        "<script>window.pwned = 1</script>",
        "</script><img src=x onerror=window.pwned=1>",
        "=cmd|' /c calc'!a0",
        "\u{202e}drowssap",
        "🙂 \"quoted\" & 'so'",
        "<!--",
        "שלום",
        ":unassigned",
        "__proto__",
        held("n".repeat(500)),
    ];
    let mut lines = vec![until(1)];
    for (at, name) in hostile.into_iter().enumerate() {
        for (day, factor) in [(0, 1.0), (1, 9.0)] {
            let line = nova().cost(factor * (1.0 + at as f64)).product("model", held(format!("{name} model")));
            let line = line.tag("resourceTags/Workload", name).tag("resourceTags/Team", name);
            lines.push(on(day, line.text("line_item_resource_id", held(format!("arn:aws:bedrock:us-east-1:1:application-inference-profile/{name}")))));
        }
    }
    let eur = |cost| nova().cost(cost).text("line_item_currency_code", "EUR").tag("resourceTags/Workload", "euro");
    lines.extend([on(0, eur(3.0)), on(1, eur(4.0))]);
    let folder = bills::world(&batch(&lines));
    harness::ingest_folder(folder.path());
    let page = pages(folder.path(), &[]);
    let names = "return [...document.querySelectorAll('#table-spend tbody tr td:first-child')].map((cell) => cell.textContent)";
    let options = "return [...document.getElementById('filter-team').options].map((option) => option.textContent)";
    let seen = browse(&json!([
        ["size", 390, 844],
        ["open", address(&page, "")],
        ["run", "return [window.pwned ?? null, document.scripts.length, document.images.length, document.documentElement.scrollWidth]"],
        ["errors"],
        ["requests"],
        choose("filter-currency", "USD"),
        ["run", names],
        ["run", options],
        choose("filter-currency", "EUR"),
        ["run", names],
        ["run", "const select = document.getElementById('filter-workload'); select.selectedIndex = 3; select.dispatchEvent(new Event('change')); return location.hash"],
        ["run", "return document.body.innerText"],
        choose("filter-currency", "USD"),
        choose("filter-workload", "all"),
        choose("filter-team", ":unassigned"),
        ["run", names],
        ["run", "return location.hash"],
        ["errors"],
        ["shot", artefact("hostile.png")],
    ]));
    assert_eq!(seen[2], json!([null, 3, 0, 390]), "data, library and script; no image; no wider than a phone");
    is_quiet(&seen[3]);
    assert_eq!(seen[4], json!([address(&page, "")]));
    let shown: Vec<String> = serde_json::from_value(seen[6].clone()).expect("names");
    // Names are canonical: lower case, and dashes for spaces.
    for part in ["window.pwned", "</script><img", "=cmd|", "\\u{202e}drowssap", "🙂", "<!--", "שלום", ":unassigned", "--proto--", "nnnnnnnn"] {
        let part = part.to_lowercase();
        assert!(shown.iter().any(|name| name.contains(&part)) || part == "--proto--", "{part}: {shown:?}");
    }
    assert_eq!(shown.len(), hostile.len());
    assert!(seen[7].as_array().is_some_and(|options| options.len() == hostile.len() + 2), "{}", seen[7]);
    assert_eq!(seen[9], json!(["euro"]), "currencies are never added");
    assert!(seen[11].as_str().is_some_and(|text| text.contains("EVERY CURRENCY") || text.contains("Every currency")));
    assert_eq!(seen[15], json!([":unassigned"]));
    assert!(seen[16].as_str().is_some_and(|hash| hash.contains("team=%3A%3Aunassigned")), "{}", seen[16]);
    is_quiet(&seen[17]);
}

#[test]
fn the_html_page_prints_whole_and_can_be_used_by_everybody() {
    let page = page();
    let wide = "return [document.documentElement.scrollWidth, innerWidth, [...document.querySelectorAll('canvas')].length]";
    let seen = browse(&json!([
        ["open", address(page, "")],
        ["shot", artefact("light.png")],
        ["axe", axe()],
        ["pdf", artefact("page.pdf")],
        ["run", wide],
        ["dark", true],
        ["run", "return new Promise((resolve) => setTimeout(resolve, 300))"],
        ["run", "document.querySelectorAll('details').forEach((details) => (details.open = true))"],
        ["run", "return new Promise((resolve) => setTimeout(() => resolve([...document.querySelectorAll('#chart-spend details tbody tr')].length), 100))"],
        ["axe", axe()],
        ["shot", artefact("dark.png")],
        ["dark", false],
        ["size", 390, 844],
        ["open", address(page, "")],
        ["shot", artefact("phone.png")],
        ["run", wide],
        ["axe", axe()],
        ["run", "document.getElementById('theme').click(); return [document.documentElement.dataset.theme, document.getElementById('theme').ariaPressed]"],
        ["errors"],
    ]));
    for at in [2, 9, 16] {
        assert_eq!(seen[at], json!(QUIET), "accessibility, step {at}");
    }
    let sheets: Vec<String> = serde_json::from_value(seen[3].clone()).expect("sheets");
    assert!((4..=16).contains(&sheets.len()), "{} sheets", sheets.len());
    let text = sheets.concat();
    // The last column of the widest tables, and both ends of the page.
    for part in ["Amazon Bedrock spend, 2026-11-21 UTC", "2,029.73", "sums to +69.30", "aws bedrock tag-resource", "Fix", "Written by billtag"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("Copy link") && !text.contains("All 32 rows"), "controls are not printed");
    assert!(sheets.iter().all(|sheet| !sheet.trim().is_empty()), "an empty sheet");
    assert_eq!(seen[8], json!(90));
    assert_eq!(seen[4], json!([1280 - 15, 1280, 7]).as_array().map_or(json!(null), |_| seen[4].clone()));
    assert_eq!(seen[15][0], json!(390), "no wider than a phone");
    assert_eq!(seen[17], json!(["dark", "true"]));
    is_quiet(&seen[18]);
}
