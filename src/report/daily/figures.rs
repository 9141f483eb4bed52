//! The six figures, month to date: totals are ratios of sums, never means of ratios.

use std::borrow::Cow;
use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::Facts;
use crate::cores;
use crate::error::Result;
use crate::metrics::{Answer, Cell, Rows, Value};
use crate::report::document::{column, first_of_each, money, text};
use crate::report::{Look, Table, words};

/// Rows of each figure, in each currency.
const SHOWN: usize = 10;

/// All figures.
pub fn tables(facts: &Facts<'_>) -> Result<Vec<Table>> {
    let figures = [tiers, haiku_to_sonnet, cache, unit_cost, tokens];
    cores::each(figures.len(), |at| figures[at](facts)).into_iter().collect()
}

/// Sums of columns by text columns, over the month's days up to the last complete one. A sum is
/// unknown where every value is.
fn sums<const K: usize, const S: usize>(
    facts: &Facts<'_>,
    answer: &Answer,
    keys: [&str; K],
    columns: [&str; S],
) -> BTreeMap<[String; K], [Option<i128>; S]> {
    sums_where(facts, answer, keys, columns, |_| true)
}

/// Sums over the rows that are wanted.
fn sums_where<const K: usize, const S: usize>(
    facts: &Facts<'_>,
    answer: &Answer,
    keys: [&str; K],
    columns: [&str; S],
    is_wanted: impl Fn(usize) -> bool,
) -> BTreeMap<[String; K], [Option<i128>; S]> {
    let Some((first, last)) = facts.month_to_date() else { return BTreeMap::new() };
    let (day, keys, columns) = (answer.column("day"), answer.columns(keys), answer.columns(columns));
    let mut sums: HashMap<[Cow<'_, str>; K], [Option<i128>; S]> = HashMap::new();
    for row in 0..answer.height() {
        let is_within = answer.cell(row, day).day().is_some_and(|day| (first..=last).contains(&day));
        if !is_within || !is_wanted(row) {
            continue;
        }
        let held = sums.entry(keys.map(|key| answer.cell(row, key).shown())).or_insert([None; S]);
        for (held, column) in held.iter_mut().zip(columns) {
            if let Some(amount) = answer.cell(row, column).amount() {
                *held = Some(held.unwrap_or(0) + amount);
            }
        }
    }
    // In the order of the keys, for those who read it.
    let named = sums.into_iter().map(|(keys, sums)| (keys.map(Cow::into_owned), sums));
    named.collect()
}

fn ratio(part: Option<i128>, whole: Option<i128>) -> Cell {
    match (part, whole) {
        (Some(part), Some(whole)) if whole != 0 => Cell::Float(part as f64 / whole as f64),
        _ => Cell::Null,
    }
}

fn amount(amount: Option<i128>) -> Cell {
    amount.map_or(Cell::Null, money)
}

fn note(facts: &Facts<'_>, rest: &str) -> String {
    format!("{} to date; {rest}", facts.month)
}

fn tiers(facts: &Facts<'_>) -> Result<Table> {
    let answer = facts.figure("spend_by_model_tier")?;
    let sums = sums(facts, &answer, ["billing_currency", "model_tier"], ["cost", "tokens", "invocations"]);
    let columns = vec![
        column("billing_currency", "", Look::Plain),
        column("model_tier", "Tier", Look::Plain),
        column("cost", "Cost", Look::Money),
        column("share_of_cost", "of cost", Look::Percent),
        column("tokens", "Tokens", Look::Count),
        column("share_of_tokens", "of tokens", Look::Percent),
        column("invocations", "Invocations", Look::Count),
    ];
    let mut table = Table::new(
        "tiers",
        "Model tiers",
        note(facts, &format!("{} of Usage, without routers", facts.basis())),
        columns,
    );
    let mut totals: BTreeMap<&str, [i128; 2]> = BTreeMap::new();
    for ([currency, _], [cost, tokens, _]) in &sums {
        let total = totals.entry(currency).or_default();
        total[0] += cost.unwrap_or(0);
        total[1] += tokens.unwrap_or(0);
    }
    let mut rows: Vec<_> = sums.iter().collect();
    rows.sort_by(|a, b| (&a.0[0], b.1[0], &a.0[1]).cmp(&(&b.0[0], a.1[0], &b.0[1])));
    for ([currency, tier], [cost, tokens, invocations]) in rows {
        let total = totals.get(currency.as_str()).copied().unwrap_or_default();
        table.rows.push(vec![
            text(words::currency(currency)),
            text(tier),
            amount(*cost),
            ratio(*cost, Some(total[0])),
            amount(*tokens),
            ratio(*tokens, Some(total[1])),
            amount(*invocations),
        ]);
    }
    Ok(table)
}

fn haiku_to_sonnet(facts: &Facts<'_>) -> Result<Table> {
    let answer = facts.figure("haiku_sonnet_ratio")?;
    let names =
        ["haiku_cost", "sonnet_cost", "haiku_tokens", "sonnet_tokens", "haiku_invocations", "sonnet_invocations"];
    let sums = sums(facts, &answer, ["billing_currency", "workload"], names);
    let columns = vec![
        column("billing_currency", "", Look::Plain),
        column("workload", "Workload", Look::Plain),
        column("haiku_cost", "Haiku", Look::Money),
        column("sonnet_cost", "Sonnet", Look::Money),
        column("ratio_by_cost", "by cost", Look::Ratio),
        column("ratio_by_tokens", "by tokens", Look::Ratio),
        column("ratio_by_invocations", "by calls", Look::Ratio),
    ];
    let what = note(facts, &format!("{} of Usage, without routers; no ratio where there is no Sonnet", facts.basis()));
    let mut table = Table::new("haiku_to_sonnet", "Haiku to Sonnet", what, columns);
    let mut rows: Vec<_> = sums.iter().collect();
    let both = |sums: &[Option<i128>; 6]| sums[0].unwrap_or(0) + sums[1].unwrap_or(0);
    rows.retain(|(_, sums)| both(sums) != 0);
    rows.sort_by(|a, b| (&a.0[0], both(b.1), &a.0[1]).cmp(&(&b.0[0], both(a.1), &b.0[1])));
    for ([currency, workload], sums) in first_of_each(rows, SHOWN, |row| &row.0[0]) {
        table.rows.push(vec![
            text(words::currency(currency)),
            text(workload),
            amount(sums[0]),
            amount(sums[1]),
            ratio(sums[0], sums[1]),
            ratio(sums[2], sums[3]),
            ratio(sums[4], sums[5]),
        ]);
    }
    Ok(table)
}

fn cache(facts: &Facts<'_>) -> Result<Table> {
    let answer = facts.figure("cache_hit_rate")?;
    // Where a model cannot cache there is no rate to judge.
    let rate = answer.column("hit_rate");
    let is_judged = |row| answer.cell(row, rate) != Value::Null;
    let names = ["cache_read_tokens", "cache_write_tokens", "input_tokens", "net_saving"];
    let sums = sums_where(facts, &answer, ["billing_currency", "workload", "model_name"], names, is_judged);
    let columns = vec![
        column("flag", "", Look::Plain),
        column("billing_currency", "", Look::Plain),
        column("workload", "Workload", Look::Plain),
        column("model_name", "Model", Look::Plain),
        column("hit_rate", "Hit rate", Look::Percent),
        column("net_saving", "Net saving", Look::Change),
        column("prompt_tokens", "Prompt tokens", Look::Count),
    ];
    let what = note(
        facts,
        &format!(
            "reads ÷ (reads + writes + input), real-time; net saving in {} at this bill's own rates; LOW is below the floor",
            facts.engine.basis("unblended_cost")
        ),
    );
    let mut table = Table::new("cache", "Prompt cache", what, columns);
    let floor = facts.config.cache.hit_floor;
    let mut rows: Vec<_> = sums.iter().collect();
    let prompt = |sums: &[Option<i128>; 4]| sums[..3].iter().flatten().sum::<i128>();
    rows.retain(|(_, sums)| prompt(sums) > 0);
    let is_low = |sums: &[Option<i128>; 4]| {
        // Compared in whole tokens: reads ÷ prompt < floor.
        let reads = crate::money::to_whole(sums[0].unwrap_or(0));
        reads.saturating_mul(crate::money::ONE) < crate::money::to_whole(prompt(sums)).saturating_mul(floor)
    };
    // Within a currency flags first, the dearest first; of equal savings the largest prompt.
    let order = |sums: &[Option<i128>; 4]| (!is_low(sums), sums[3].is_none(), sums[3], std::cmp::Reverse(prompt(sums)));
    rows.sort_by(|a, b| (&a.0[0], order(a.1), a.0).cmp(&(&b.0[0], order(b.1), b.0)));
    for ([currency, workload, model], sums) in first_of_each(rows, SHOWN, |row| &row.0[0]) {
        table.rows.push(vec![
            text(if is_low(sums) { "LOW" } else { "" }),
            text(words::currency(currency)),
            text(workload),
            text(model),
            ratio(Some(sums[0].unwrap_or(0)), Some(prompt(sums))),
            amount(sums[3]),
            money(prompt(sums)),
        ]);
    }
    Ok(table)
}

fn unit_cost(facts: &Facts<'_>) -> Result<Table> {
    let names = ["cost_counted", "invocations", "cost_total", "business_units"];
    // Where nothing was measured, no call has a cost.
    let sums = match facts.engine.may_count("cost_per_query", facts.config)? {
        true => sums(facts, &facts.figure("cost_per_query")?, ["billing_currency", "workload"], names),
        false => BTreeMap::new(),
    };
    let columns = vec![
        column("billing_currency", "", Look::Plain),
        column("workload", "Workload", Look::Plain),
        column("cost_per_invocation", "Per invocation", Look::UnitCost),
        column("invocations", "Invocations", Look::Count),
        column("covered_share", "of its cost", Look::Percent),
        column("cost_per_business_unit", "Per business unit", Look::UnitCost),
    ];
    let what = note(
        facts,
        &format!(
            "{} of Usage in cells with counted calls ÷ those calls; beside it the share of cost that is so covered",
            facts.engine.basis("unblended_cost")
        ),
    );
    let mut table = Table::new("unit_cost", "Cost per invocation", what, columns);
    let mut rows: Vec<_> = sums.iter().filter(|(_, sums)| sums[1].is_some() || sums[3].is_some()).collect();
    rows.sort_by(|a, b| (&a.0[0], b.1[2], &a.0[1]).cmp(&(&b.0[0], a.1[2], &b.0[1])));
    for ([currency, workload], [counted, invocations, total, units]) in first_of_each(rows, SHOWN, |row| &row.0[0]) {
        table.rows.push(vec![
            text(words::currency(currency)),
            text(workload),
            ratio(*counted, *invocations),
            amount(*invocations),
            ratio(*counted, *total),
            ratio(*total, *units),
        ]);
    }
    Ok(table)
}

fn tokens(facts: &Facts<'_>) -> Result<Table> {
    let answer = facts.figure("token_volume")?;
    let sums = sums(facts, &answer, ["usage_kind"], ["tokens"]);
    let columns = vec![column("usage_kind", "Kind", Look::Plain), column("tokens", "Tokens", Look::Count)];
    let mut table = Table::new("tokens", "Tokens", note(facts, "Usage lines billed by the token"), columns);
    let mut rows: Vec<_> = sums.iter().collect();
    rows.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
    for ([kind], [tokens]) in rows {
        table.rows.push(vec![text(if kind.is_empty() { "(unknown)" } else { kind }), amount(*tokens)]);
    }
    Ok(table)
}
