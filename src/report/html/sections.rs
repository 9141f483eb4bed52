//! Sections: what stands on a page, in the order in which FinOps reads it. What a filter changes is left empty here
//! and written by the page's script.

use super::cube::{CURRENCY, TEAM};
use super::figures::Page;
use super::markup::Markup;
use super::scope::Scope;
use super::{Report, lists};
use crate::clock;
use crate::error::Result;
use crate::metrics::Cell;
use crate::metrics::queries::{BUILT_IN, Query};
use crate::report::daily;
use crate::report::document::{column, money, text};
use crate::report::{Block, Look, Table, trust, words};

/// A section that the script writes: id, heading, what its figures are, and the filters that it can follow.
struct Drawn {
    id: &'static str,
    heading: &'static str,
    note: String,
    filters: &'static str,
    /// Charts of the section: id and heading.
    charts: &'static [(&'static str, &'static str)],
    has_table: bool,
}

const ALL: &str = "team workload environment model date";
const ALL_BUT_DATE: &str = "team workload environment model";

/// The title of a page: its status first, as a subject line has it.
pub fn title(report: &Report<'_>, scope: &Scope) -> String {
    let day = report.span.last.map_or_else(|| "no complete day".into(), |day| format!("{} UTC", clock::day_text(day)));
    let of = scope.team(&report.cube).map_or(String::new(), |team| format!(" of {team}"));
    format!("{}: Amazon Bedrock spend{of}, {day}", status(report, scope))
}

/// The worst of what is listed or still open.
fn status(report: &Report<'_>, scope: &Scope) -> &'static str {
    if report.span.last.is_none() {
        return "NO COMPLETE DAY";
    }
    match lists::worst(report, scope).map(|severity| severity.as_str()) {
        Some("page") => "PAGE",
        Some("warn") => "WARN",
        Some("note") => "NOTE",
        _ => "OK",
    }
}

/// Writes a page.
///
/// # Errors
/// Where the store cannot be read.
pub fn write(report: &Report<'_>, page: &Page<'_>, out: &mut Markup) -> Result<()> {
    let is_whole = *page.scope == Scope::Whole;
    let drawn = drawn(report);
    out.raw("<a class=\"skip\" href=\"#day\" id=\"skip\">Skip to the figures</a>\n");
    head(report, page, out);
    navigation(report, is_whole, &drawn, out);
    filters(out);
    out.raw("<main id=\"main\">\n<noscript><p class=\"note\">The figures are summed by a script within this file. Allow it, or use <code>billtag report --format md</code>.</p></noscript>\n<p id=\"problem\" class=\"note\" role=\"status\"></p>\n");
    let mut drawn = drawn.iter();
    drawn.by_ref().take(1).for_each(|section| placeholder(section, out));
    if let Some(forecast) = report.sources.forecast.as_ref().filter(|_| is_whole) {
        begin("forecast", "Outlook", "", out);
        blocks(&forecast.0, out);
        out.close("section");
    }
    if is_whole {
        trust_strip(report, out)?;
    }
    drawn.by_ref().take(1).for_each(|section| placeholder(section, out));
    begin("anomalies", "Anomalies", "team workload environment model date", out);
    lists::anomalies(report, page, out);
    out.close("section");
    drawn.for_each(|section| placeholder(section, out));
    begin("debt", "Tag debt", ALL_BUT_DATE, out);
    lists::debt(report, page, out);
    out.close("section");
    appendix(report, page, out)?;
    out.raw("</main>\n<footer><p>Written by billtag ").text(env!("CARGO_PKG_VERSION"));
    out.raw(". All days and times are UTC. Charts: uPlot (MIT).</p></footer>\n");
    Ok(())
}

fn drawn(report: &Report<'_>) -> [Drawn; 8] {
    let [basis, unit] = ["billed_cost", "unblended_cost"].map(|own| sentence(&report.sources.engine.basis(own)));
    let lower = basis.to_lowercase();
    let section =
        |id, heading, note: String, filters, charts, has_table| Drawn { id, heading, note, filters, charts, has_table };
    let floor = words::percent(report.sources.config.cache.hit_floor as f64 / crate::money::ONE as f64);
    let month = &report.span.months[0];
    [
        section("day", "The day", format!("Usage is unblended cost of Usage; the month is {lower} of its complete days, all charges"), ALL_BUT_DATE, &[], false),
        section("movers", "Movers", "Unblended cost of Usage, against the day before. Causes of a change sum to it; they are known of a workload as a whole".into(), ALL_BUT_DATE, &[], true),
        section("spend", "Spend", format!("{basis}; months are whole bills, the days shown hold what is billed by the hour or day, without monthly fees, tax and credits; the change compares the same number of complete days"), ALL, &[("spend", "Spend by day")], true),
        section("tiers", "Model tiers", format!("{basis} of Usage, without routers. Calls are counted by workload: with a team or environment chosen, workloads that lie wholly within it; with a model chosen, none"), ALL, &[("tiers", "Share of each tier in cost"), ("ratio", "Haiku to Sonnet")], true),
        section("cache", "Prompt cache", format!("Reads ÷ (reads + writes + input), real-time tokens of models that can cache; below {floor} is flagged. Net saving in {} at this bill's own rates, {month} to date", unit.to_lowercase()), ALL, &[("cache", "Cache hit rate")], true),
        section("tokens", "Tokens", "Usage lines billed by the token".into(), ALL, &[("tokens", "Tokens by kind")], true),
        section("calls", "Cost per invocation", format!("{unit} of Usage in cells with counted calls ÷ those calls. Calls are counted by workload: with a team or environment chosen, workloads that lie wholly within it"), "team workload environment date", &[("calls", "Cost per invocation")], true),
        section("daily", "Daily spend and anomalies", "Unblended cost of Usage; a mark is a day that the rule R1 and its kin list".into(), ALL, &[("daily", "Usage by day")], true),
    ]
}

/// A text with a capital letter.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

fn head(report: &Report<'_>, page: &Page<'_>, out: &mut Markup) {
    let status = status(report, page.scope);
    let engine = report.sources.engine;
    out.raw("<header>\n<div class=\"title\">");
    out.element("span", &[("class", &format!("status {}", status.to_lowercase().replace(' ', "-")))], status);
    let day = report.span.last.map_or_else(|| "no complete day".into(), |day| format!("{} UTC", clock::day_text(day)));
    let team = page.scope.team(&report.cube);
    let of = team.map_or(String::new(), |team| format!(" of {team}"));
    out.element("h1", &[], &format!("Amazon Bedrock spend{of}, {day}"));
    out.raw("<button type=\"button\" id=\"theme\" aria-pressed=\"false\">Dark</button></div>\n");
    out.element("p", &[], &format!("{} As of {}.", trust::completeness(engine), clock::instant_text(engine.as_of)));
    if let Some(team) = team {
        let shares = report.shares(page.scope).join("; ");
        out.element(
            "p",
            &[("class", "scope")],
            &format!("Only what the team {team} owns: {shares}, {}.", engine.basis("billed_cost")),
        );
        if !page.shared.is_empty() {
            let what = "Calls, causes and marked days of workloads that several teams share are left out; findings of them stand with the team that pays most.";
            out.element("p", &[("class", "note")], what);
        }
    } else if report.folded > 0 {
        let others = format!(
            "The {} smallest workloads share the row (other workloads), so that the page stays small; --team writes a page of their own.",
            report.folded
        );
        out.element("p", &[("class", "note")], &others);
    }
    out.raw("</header>\n");
}

fn navigation(report: &Report<'_>, is_whole: bool, drawn: &[Drawn], out: &mut Markup) {
    out.raw("<nav aria-label=\"Sections\"><ul>");
    let mut links = vec![("day", "Day")];
    if is_whole && report.sources.forecast.is_some() {
        links.push(("forecast", "Outlook"));
    }
    if is_whole {
        links.push(("trust", "Trust"));
    }
    links.extend([("movers", "Movers"), ("anomalies", "Anomalies")]);
    links.extend(drawn.iter().skip(2).map(|section| (section.id, section.heading)));
    links.extend([("debt", "Tag debt"), ("appendix", "Appendix")]);
    for (id, heading) in links {
        // The fragment holds the filters, so that the script jumps and the fragment stays.
        out.raw("<li>").element("a", &[("href", &format!("#{id}")), ("data-jump", id)], heading).raw("</li>");
    }
    out.raw("</ul></nav>\n");
}

fn filters(out: &mut Markup) {
    out.raw("<form id=\"filters\" aria-label=\"Filters\">\n");
    for (id, label) in [
        ("team", "Team"),
        ("workload", "Workload"),
        ("environment", "Environment"),
        ("model", "Model"),
        ("currency", "Currency"),
    ] {
        out.raw("<div class=\"field\">").element("label", &[("for", &format!("filter-{id}"))], label);
        out.element("select", &[("id", &format!("filter-{id}")), ("autocomplete", "off")], "").raw("</div>\n");
    }
    for (id, label) in [("from", "From"), ("to", "To")] {
        out.raw("<div class=\"field\">").element("label", &[("for", &format!("filter-{id}"))], label);
        out.open("input", &[("type", "date"), ("id", &format!("filter-{id}")), ("autocomplete", "off")])
            .raw("</div>\n");
    }
    out.raw("<div class=\"field buttons\"><button type=\"button\" id=\"reset\">Clear</button><button type=\"button\" id=\"link\">Copy link</button></div>\n");
    out.raw("<p id=\"shown\" role=\"status\"></p>\n</form>\n");
}

fn begin(id: &str, heading: &str, filters: &str, out: &mut Markup) {
    let label = format!("heading-{id}");
    out.open("section", &[("id", id), ("aria-labelledby", &label), ("data-filters", filters), ("tabindex", "-1")]);
    out.element("h2", &[("id", &label)], heading).raw("<p class=\"unfiltered\" hidden></p>\n");
}

fn placeholder(section: &Drawn, out: &mut Markup) {
    begin(section.id, section.heading, section.filters, out);
    out.element("p", &[("class", "note")], &section.note);
    if section.id == "spend" {
        out.raw("<div class=\"field\"><label for=\"by\">Grouped by</label><select id=\"by\" autocomplete=\"off\">");
        for by in ["workload", "team", "environment", "model"] {
            out.element("option", &[("value", by)], by);
        }
        out.raw("</select></div>");
    }
    if section.charts.len() > 1 {
        out.raw("<div class=\"charts\">");
    }
    for (id, heading) in section.charts {
        out.open("figure", &[("class", "chart"), ("id", &format!("chart-{id}"))]);
        out.element("figcaption", &[], heading);
        out.raw("<p class=\"readout\" aria-hidden=\"true\"></p><div class=\"plot\" role=\"img\"></div><ul class=\"legend\"></ul>");
        out.raw("<details><summary>")
            .text(&format!("{heading}: the data"))
            .raw("</summary><div class=\"data\"></div></details></figure>");
    }
    if section.charts.len() > 1 {
        out.raw("</div>");
    }
    if section.id == "day" {
        out.raw("<div id=\"cards\"></div>");
    }
    if section.has_table {
        out.open("div", &[("id", &format!("rows-{}", section.id))]).close("div");
    }
    out.close("section").raw("\n");
}

fn trust_strip(report: &Report<'_>, out: &mut Markup) -> Result<()> {
    let (engine, config) = (report.sources.engine, report.sources.config);
    let month = &report.span.months[0];
    begin("trust", "Trust", "", out);
    for line in daily::identity(engine, config, month)? {
        out.element("p", &[("class", "law")], &line);
    }
    out.table(&trust::strip(engine, config, month)?, |_| Vec::new());
    if let Some((sentence, table)) = daily::since_last_run(engine)? {
        out.element("h3", &[], "Since the last run").element("p", &[], &sentence);
        if !table.rows.is_empty() {
            out.table(&table, |_| Vec::new());
        }
    }
    out.close("section");
    Ok(())
}

fn appendix(report: &Report<'_>, page: &Page<'_>, out: &mut Markup) -> Result<()> {
    let (engine, config) = (report.sources.engine, report.sources.config);
    begin("appendix", "Appendix", "", out);
    if *page.scope == Scope::Whole {
        out.element("h3", &[], "Evidence")
            .table(&trust::methods(engine, config, &report.span.months[0])?, |_| Vec::new());
    }
    out.element("h3", &[], "Methods").table(&methods()?, |_| Vec::new());
    let mut inputs = trust::inputs(engine);
    if *page.scope != Scope::Whole {
        // What everybody was billed is no team's business; the fingerprints say what its page was made from.
        without(&mut inputs, &["billed_cost", "billing_currency", "lines_read", "lines_selected"]);
    }
    out.element("h3", &[], "Inputs").table(&inputs, |_| Vec::new());
    out.close("section").raw("\n");
    Ok(())
}

/// What each query answers, by its own header.
fn methods() -> Result<Table> {
    let columns = ["query", "question", "grain", "cost"];
    let headings = ["Query", "Question", "A row for each", "Cost"];
    let columns = columns.into_iter().zip(headings).map(|(name, heading)| column(name, heading, Look::Plain));
    let note = "`billtag query NAME` shows a query's answer, and its file under queries/ says how";
    let mut table = Table::new("queries", "Methods", note, columns.collect());
    for (name, _) in BUILT_IN {
        let query = Query::find(name, None)?;
        let header = |key: &str| text(query.header(key).unwrap_or_default());
        table.rows.push(vec![text(*name), header("question"), header("grain"), header("cost")]);
    }
    Ok(table)
}

fn without(table: &mut Table, names: &[&str]) {
    let kept: Vec<bool> = table.columns.iter().map(|column| !names.contains(&column.name)).collect();
    let mut at = kept.iter();
    table.columns.retain(|_| at.next() == Some(&true));
    for row in &mut table.rows {
        let mut at = kept.iter();
        row.retain(|_| at.next() == Some(&true));
    }
    table.rows.dedup();
}

fn blocks(blocks: &[Block], out: &mut Markup) {
    for block in blocks {
        match block {
            Block::Text(text) => {
                out.element("p", &[], text);
            }
            Block::Table(table) => {
                out.element("h3", &[], &table.heading).table(table, |_| Vec::new());
            }
            Block::Commands(commands) => {
                commands.iter().for_each(|command| {
                    out.element("pre", &[], command);
                });
            }
        }
    }
}

/// The page that leads to those of the teams: their cost adds up to the bill.
pub fn index(report: &Report<'_>, teams: &[Scope]) -> String {
    let month = &report.span.months[0];
    let mut columns = vec![column("team", "Team", Look::Plain), column("billing_currency", "Currency", Look::Plain)];
    columns.extend([column("cost", month.as_str(), Look::Money), column("share", "Share", Look::Percent)]);
    columns.push(column("findings", "Findings", Look::Count));
    let note = format!("{}, all charges of the month so far", report.sources.engine.basis("billed_cost"));
    let mut table = Table::new("teams", "Teams", note, columns);
    let mut files = Vec::new();
    for scope in teams {
        let team = scope.team(&report.cube).unwrap_or_default();
        for (currency, (part, whole)) in super::scope::shares(scope, &report.cube) {
            if !report
                .cube
                .costs
                .keys()
                .any(|key| scope.holds(key) && report.cube.names[CURRENCY].name(key[CURRENCY]) == currency)
            {
                continue;
            }
            let share = words::share(part, whole).map_or(Cell::Null, Cell::Float);
            let findings = Cell::Count(lists::count(report, scope) as i128);
            table.rows.push(vec![text(team), text(words::currency(&currency)), money(part), share, findings]);
            files.push(scope.file(&report.cube));
        }
    }
    for (currency, (_, whole)) in super::scope::shares(&Scope::Whole, &report.cube) {
        let share = words::share(whole, whole).map_or(Cell::Null, Cell::Float);
        table.rows.push(vec![text("total"), text(words::currency(&currency)), money(whole), share, Cell::Null]);
    }
    let day = report.span.last.map_or_else(|| "no complete day".into(), |day| format!("{} UTC", clock::day_text(day)));
    let title = format!("Amazon Bedrock spend by team, {day}");
    let mut out = Markup::default();
    out.raw("<header>").element("h1", &[], &title);
    let engine = report.sources.engine;
    out.element("p", &[], &format!("{} As of {}.", trust::completeness(engine), clock::instant_text(engine.as_of)));
    out.raw("</header>\n<main id=\"main\">\n");
    out.linked_table(&table, &files);
    out.raw("</main>\n");
    super::shell::page(&title, &out.into_text(), None)
}

/// Whether the cube knows the team of a name.
pub fn team_number(page: &Page<'_>, team: &str) -> Option<u32> {
    page.dictionary.names[TEAM].find(team)
}
