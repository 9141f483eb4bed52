//! Explain: why a workload costs what it costs, down to the bill lines' resources and principals.

use crate::clock;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::metrics::queries::Query;
use crate::metrics::{Cell, Engine, Grid, Range};
use crate::report::document::column;
use crate::report::{Document, Look, Table, words};
use crate::schema::AMOUNTS;

/// The condition on `cost_facts` for a workload as the reports name it.
fn condition(workload: &str, known: bool) -> String {
    if known {
        // The only text that reaches SQL from outside; quotes are doubled, nothing else can end a literal.
        return format!("workload = '{}'", workload.replace('\'', "''"));
    }
    match workload {
        "not_allocable" => "workload is null and attribution_method = 'not_allocable'".into(),
        _ => "workload is null and attribution_method <> 'not_allocable'".into(),
    }
}

/// Takes a workload's cost apart.
pub fn explain(engine: &Engine, config: &Config, workload: &str, range: Range) -> Result<Document> {
    let vocabulary = crate::attribute::owner::Vocabulary::new(config);
    let canonical = vocabulary.value(0, workload).unwrap_or_else(|| workload.to_string());
    let names = engine.run(&Query {
        name: "explain".into(),
        sql: "select distinct workload from cost_facts where workload is not null order by workload".into(),
    })?;
    let known: Vec<String> = names.rows.iter().map(|row| names.text(row, "workload")).collect();
    let is_known = known.contains(&canonical);
    if !is_known && !matches!(workload, "unattributed" | "not_allocable") {
        return Err(unknown(workload, &canonical, &known));
    }
    let canonical = if is_known { canonical } else { workload.to_string() };
    let (from, to) = window(engine, range);
    let days: Vec<i32> = (from..=to).collect();
    let condition = condition(&canonical, is_known);
    let filter = format!("{condition} and cast(charge_period_start as date) in (select day from asked_days)");
    let scope = Scope { engine, filter: &filter, days: &days };
    let title = format!("Why {canonical} costs this, {} to {}, UTC", clock::day_text(from), clock::day_text(to));
    let mut document = Document { name: "explain", title, blocks: Vec::new() };
    total(&scope, &mut document)?;
    let parts: [(&'static str, &str, &[&'static str]); 4] = [
        ("by_model", "By model and usage kind", &["model_name", "usage_kind", "pricing_model", "routing"]),
        ("by_evidence", "By evidence", &["attribution_method", "attribution_evidence"]),
        ("by_owner", "By owner", &["team", "environment", "cost_center"]),
        (
            "by_line",
            "By resource and principal of the bill's lines",
            &["sub_account_id", "region_id", "resource_id", "principal_arn", "usage_type"],
        ),
    ];
    for (name, heading, columns) in parts {
        document.table(part(&scope, name, heading, columns)?);
    }
    Ok(document)
}

/// Which facts are explained.
struct Scope<'a> {
    engine: &'a Engine,
    filter: &'a str,
    days: &'a [i32],
}

impl Scope<'_> {
    /// The money column that is shown.
    fn basis(&self) -> &'static str {
        let asked = self.engine.cost.as_deref();
        AMOUNTS.into_iter().find(|column| Some(*column) == asked).unwrap_or("billed_cost")
    }

    fn run(&self, sql: String) -> Result<Grid> {
        self.engine.run_over(&Query { name: "explain".into(), sql }, self.days)
    }
}

/// The asked range; without one the month of the last complete day, to that day.
fn window(engine: &Engine, range: Range) -> (i32, i32) {
    let today = clock::day_of(engine.as_of);
    let last = engine.last_complete_day().or(engine.days.last().map(|day| day.day)).unwrap_or(today);
    let to = range.to.unwrap_or_else(|| range.from.map_or(last, |from| from.max(last)));
    let month = clock::month_range(&clock::month_of(to)).map_or(to, |(first, _)| first);
    (range.from.unwrap_or(month), to)
}

fn unknown(workload: &str, canonical: &str, known: &[String]) -> Error {
    let mut near: Vec<&String> =
        known.iter().filter(|name| name.contains(canonical) || canonical.contains(name.as_str())).collect();
    if near.is_empty() {
        near = known.iter().take(8).collect();
    }
    let near: Vec<&str> = near.into_iter().map(String::as_str).collect();
    Error::config(
        format!("workload `{workload}`"),
        "no stored spend has this name",
        format!("known names: {}; also `unattributed` and `not_allocable`", near.join(", ")),
    )
}

fn total(scope: &Scope<'_>, document: &mut Document) -> Result<()> {
    let sql = format!(
        "select billing_currency, sum(billed_cost) as billed_cost, sum(unblended_cost) as unblended_cost, \
         sum(effective_cost) as effective_cost, sum(list_cost) as list_cost \
         from cost_facts where {} group by billing_currency order by billing_currency",
        scope.filter
    );
    let basis = scope.basis();
    let others = ["billed_cost", "unblended_cost", "effective_cost"].into_iter().filter(|name| *name != basis);
    let others: Vec<&str> = others.collect();
    let answer = scope.run(sql)?;
    if answer.rows.is_empty() {
        document.say("No spend in these days.");
    }
    for row in &answer.rows {
        let amount = |name: &str| answer.amount(row, name).map_or(words::UNKNOWN.into(), words::amount);
        let named = |name: &str| name.trim_end_matches("_cost").to_string();
        let currency = answer.text(row, "billing_currency");
        let beside: Vec<String> = others.iter().map(|name| format!("{} {}", amount(name), named(name))).collect();
        document.say(format!(
            "{} {} {} ({}).",
            amount(basis),
            words::currency(&currency),
            named(basis),
            beside.join(", ")
        ));
    }
    Ok(())
}

fn part(scope: &Scope<'_>, name: &'static str, heading: &str, by: &[&'static str]) -> Result<Table> {
    let list = by.join(", ");
    // A quantity needs its unit beside it, so it is shown where rows are of one usage type.
    let unit = if by.contains(&"usage_kind") || by.contains(&"usage_type") { ", consumed_unit" } else { "" };
    let basis = scope.basis();
    let sql = format!(
        "select billing_currency, {list}{unit}, sum({basis}) as {basis}, \
         sum(consumed_quantity) as consumed_quantity from cost_facts where {} \
         group by billing_currency, {list}{unit}",
        scope.filter
    );
    let mut answer = scope.run(sql)?;
    let cost = |row: &Vec<Cell>, answer: &Grid| answer.amount(row, basis);
    let mut rows = std::mem::take(&mut answer.rows);
    rows.sort_by(|a, b| {
        let text = |row: &Vec<Cell>| row.iter().map(Cell::text).collect::<Vec<_>>();
        let currency = |row: &Vec<Cell>| answer.text(row, "billing_currency");
        currency(a)
            .cmp(&currency(b))
            .then_with(|| cost(b, &answer).cmp(&cost(a, &answer)))
            .then_with(|| text(a).cmp(&text(b)))
    });
    let mut columns = vec![column("billing_currency", "", Look::Plain), column(basis, heading_of(basis), Look::Money)];
    columns.extend(by.iter().map(|name| column(name, heading_of(name), Look::Plain)));
    if !unit.is_empty() {
        columns.push(column("consumed_quantity", "Quantity", Look::Count));
        columns.push(column("consumed_unit", "Unit", Look::Plain));
    }
    let mut table = Table::new(name, heading, "", columns);
    for row in &rows {
        table.push_from(&answer, row);
    }
    Ok(table)
}

fn heading_of(name: &str) -> &'static str {
    match name {
        "billed_cost" => "Billed",
        "unblended_cost" => "Unblended",
        "effective_cost" => "Effective",
        "list_cost" => "List",
        "model_name" => "Model",
        "usage_kind" => "Kind",
        "pricing_model" => "Pricing",
        "routing" => "Routing",
        "attribution_method" => "Method",
        "attribution_evidence" => "Evidence",
        "team" => "Team",
        "environment" => "Environment",
        "cost_center" => "Cost center",
        "sub_account_id" => "Account",
        "region_id" => "Region",
        "resource_id" => "Resource",
        "principal_arn" => "Principal",
        _ => "Usage type",
    }
}
