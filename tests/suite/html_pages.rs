//! Pages of hostile bills, hostile links, many workloads, paper and phones.

use billtag::report::words;
use serde_json::json;

use crate::bills::{self, Line, NOVEMBER, batch, nova};
use crate::harness;
use crate::html::{
    QUIET, address, artefact, axe, browse, choose, engine, is_quiet, page, pages, rows_of, sql, sums, table, whole,
};

const DAY: i64 = 86_400;

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
    let told = json!([
        "run",
        "return [document.getElementById('problem').textContent, ({}).polluted ?? null, document.querySelectorAll('main img').length, document.querySelector('#table-spend tr.total').textContent]"
    ]);
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

/// Names that would be markup, formulas, links or invisible, were they taken for that.
fn hostile() -> [&'static str; 10] {
    [
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
    ]
}

/// Two days of a bill whose owners, models and resources have such names, and one line in another currency.
fn hostile_lines() -> Vec<Line> {
    let mut lines = vec![until(1)];
    for (at, name) in hostile().into_iter().enumerate() {
        for (day, factor) in [(0, 1.0), (1, 9.0)] {
            let line = nova().cost(factor * (1.0 + at as f64)).product("model", held(format!("{name} model")));
            let line = line.tag("resourceTags/Workload", name).tag("resourceTags/Team", name);
            lines.push(on(
                day,
                line.text(
                    "line_item_resource_id",
                    held(format!("arn:aws:bedrock:us-east-1:1:application-inference-profile/{name}")),
                ),
            ));
        }
    }
    let eur = |cost| nova().cost(cost).text("line_item_currency_code", "EUR").tag("resourceTags/Workload", "euro");
    lines.extend([on(0, eur(3.0)), on(1, eur(4.0))]);
    lines
}

#[test]
fn no_value_of_a_bill_becomes_markup_in_html() {
    let folder = bills::world(&batch(&hostile_lines()));
    harness::ingest_folder(folder.path());
    let page = pages(folder.path(), &[]);
    let names =
        "return [...document.querySelectorAll('#table-spend tbody tr td:first-child')].map((cell) => cell.textContent)";
    let options = "return [...document.getElementById('filter-team').options].map((option) => option.textContent)";
    let seen = browse(&json!([
        ["size", 390, 844],
        ["open", address(&page, "")],
        [
            "run",
            "return [window.pwned ?? null, document.scripts.length, document.images.length, document.documentElement.scrollWidth]"
        ],
        ["errors"],
        ["requests"],
        choose("filter-currency", "USD"),
        ["run", names],
        ["run", options],
        choose("filter-currency", "EUR"),
        ["run", names],
        [
            "run",
            "const select = document.getElementById('filter-workload'); select.selectedIndex = 3; select.dispatchEvent(new Event('change')); return location.hash"
        ],
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
    // Names are canonical: lower case, and one dash for spaces and the like.
    for part in [
        "<script>window.pwned",
        "</script><img",
        "=cmd|",
        "\\u{202e}drowssap",
        "🙂",
        "<!-",
        "שלום",
        ":unassigned",
        "nnnnnnnn",
    ] {
        assert!(shown.iter().any(|name| name.contains(part)), "{part}: {shown:?}");
    }
    assert_eq!(shown.len(), hostile().len());
    assert!(seen[7].as_array().is_some_and(|options| options.len() == hostile().len() + 2), "{}", seen[7]);
    assert_eq!(seen[9], json!(["euro"]), "currencies are never added");
    assert!(seen[11].as_str().is_some_and(|text| text.contains("EVERY CURRENCY") || text.contains("Every currency")));
    assert_eq!(seen[15], json!([":unassigned"]));
    assert!(seen[16].as_str().is_some_and(|hash| hash.contains("team=%3A%3Aunassigned")), "{}", seen[16]);
    is_quiet(&seen[17]);
}

#[test]
fn the_html_page_prints_whole_and_can_be_used_by_everybody() {
    let page = page();
    let wide =
        "return [document.documentElement.scrollWidth, innerWidth, [...document.querySelectorAll('canvas')].length]";
    let seen = browse(&json!([
        ["open", address(page, "")],
        ["shot", artefact("light.png")],
        ["axe", axe()],
        ["pdf", artefact("page.pdf")],
        ["run", wide],
        ["dark", true],
        ["run", "return new Promise((resolve) => setTimeout(resolve, 300))"],
        ["run", "document.querySelectorAll('details').forEach((details) => (details.open = true))"],
        [
            "run",
            "return new Promise((resolve) => setTimeout(() => resolve([...document.querySelectorAll('#chart-spend details tbody tr')].length), 100))"
        ],
        ["axe", axe()],
        ["shot", artefact("dark.png")],
        ["dark", false],
        ["size", 390, 844],
        ["open", address(page, "")],
        ["shot", artefact("phone.png")],
        ["run", wide],
        ["axe", axe()],
        [
            "run",
            "document.getElementById('theme').click(); return [document.documentElement.dataset.theme, document.getElementById('theme').ariaPressed]"
        ],
        ["errors"],
    ]));
    for at in [2, 9, 16] {
        assert_eq!(seen[at], json!(QUIET), "accessibility, step {at}");
    }
    let sheets: Vec<String> = serde_json::from_value(seen[3].clone()).expect("sheets");
    assert!((4..=16).contains(&sheets.len()), "{} sheets", sheets.len());
    // Lines are broken where the sheet ends.
    let packed = |text: &str| text.split_whitespace().collect::<String>();
    let text = packed(&sheets.concat());
    // The last column of the widest tables, and both ends of the page.
    for part in [
        "Amazon Bedrock spend, 2026-11-21 UTC",
        "2,029.73",
        "sums to +69.30",
        "aws bedrock tag-resource",
        "Fix",
        "Written by billtag",
    ] {
        assert!(text.contains(&packed(part)), "{part}: {text}");
    }
    assert!(!text.contains("Copylink") && !text.contains("All32rows"), "controls are not printed");
    assert!(text.matches("Likelyowner").count() > 1, "a table's heading stands on each of its sheets");
    assert!(sheets.iter().all(|sheet| !sheet.trim().is_empty()), "an empty sheet");
    assert_eq!(seen[8], json!(90));
    assert_eq!(seen[4][2], json!(7), "every chart is drawn");
    assert_eq!(seen[15][0], json!(390), "no wider than a phone");
    assert_eq!(seen[17], json!(["dark", "true"]));
    is_quiet(&seen[18]);
}

#[test]
fn html_of_many_workloads_stays_small_and_quick() {
    let models = ["Claude Haiku 4.5", "Claude Sonnet 4.6"];
    let mut lines = vec![until(29)];
    for at in 0..400_i64 {
        let name = held(format!("workload-{at:03}"));
        let team = held(format!("team-{:02}", at % 20));
        for day in 0..30 {
            let cost = 1.0 + ((at * 7 + day * 13) % 97) as f64 / 7.0;
            let line = nova().cost(cost).number("line_item_usage_amount", 1_000.0 + (at * day) as f64);
            let line = line.product("model", models[(at % 2) as usize]);
            lines.push(on(day, line.tag("resourceTags/Workload", name).tag("resourceTags/Team", team)));
        }
    }
    let folder = bills::world(&batch(&lines));
    harness::ingest_folder(folder.path());
    let page = pages(folder.path(), &[]);
    let bytes = std::fs::metadata(&page).expect("a page").len();
    assert!(bytes < 1_000_000, "{bytes} bytes");
    let filtered = "const select = document.getElementById('filter-team'); const times = []; for (let at = 3; at < 13; at++) { select.selectedIndex = at; const start = performance.now(); select.dispatchEvent(new Event('change')); times.push(performance.now() - start); } return times.sort((a, b) => a - b)[5]";
    let seen = browse(&json!([
        ["open", address(&page, "")],
        ["run", filtered],
        ["run", "return document.querySelector('#table-spend tr.total').cells[2].textContent"],
        whole("spend"),
        rows_of("table-spend"),
        ["run", "document.getElementById('reset').click()"],
        ["run", "return document.querySelector('#table-spend tr.total').cells[2].textContent"],
        ["errors"],
        ["shot", artefact("many.png")],
    ]));
    // Other tests run at the same time; alone on two cores both are a fraction of this.
    let (paint, filter) = (seen[0].as_f64().expect("a time"), seen[1].as_f64().expect("a time"));
    assert!(paint < 3_000.0 && filter < 300.0, "first paint {paint} ms, filter {filter} ms");
    let (engine, _) = engine(folder.path());
    let spend = sql(
        &engine,
        "select coalesce(team, 'unassigned') as team, sum(billed_cost) as cost from cost_daily group by 1",
    );
    let spend = sums(&spend, "team", "cost");
    assert_eq!(seen[2], json!(words::amount(spend["team-11"])), "the last team that was chosen");
    assert_eq!(table(&seen[4]).len(), 400 / 20 + 1);
    assert_eq!(seen[6], json!(words::amount(spend.values().sum())));
    is_quiet(&seen[7]);
}
