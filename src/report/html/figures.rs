//! Figures that a page cannot sum out of the cube: calls, which are measured twice and counted once, and what the
//! cache saved, which needs rates. Both are taken from their queries, by workload.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::cube::{CURRENCY, Cube, DAYS, FLAGS, NOBODY, NOT_ALLOCABLE, OTHERS, Span, USAGE, WORKLOAD};
use super::encode::Dictionary;
use super::pack::{Series, pack};
use super::scope::Scope;
use crate::config::Config;
use crate::cores;
use crate::error::Result;
use crate::metrics::{Answer, Engine, Range, Rows, Value as Cell};
use crate::money;

/// Calls of a workload, by day.
#[derive(Debug, Clone, Default)]
struct Calls {
    counted: BTreeMap<usize, i128>,
    invocations: BTreeMap<usize, i128>,
    /// Of Haiku and of Sonnet, where they are known.
    tiers: [BTreeMap<usize, i128>; 2],
    units: BTreeMap<usize, i128>,
}

/// By currency, allocation and workload.
type Named<T> = BTreeMap<[String; 3], T>;

/// What the queries say.
#[derive(Debug, Default)]
pub struct Figures {
    calls: Named<Calls>,
    /// And by model; unknown where a rate is.
    savings: BTreeMap<[String; 4], Option<i128>>,
}

/// Asks the queries.
///
/// # Errors
/// Where the store cannot be read, or the user's own query of a name cannot be run.
pub fn read(engine: &Engine, config: &Config, span: &Span) -> Result<Figures> {
    let mut figures = Figures::default();
    let (Some(first), Some(last)) = (span.first(), span.last) else { return Ok(figures) };
    let days = |from: i32| Range { from: Some(from), to: Some(last) };
    let month = last - span.compared + 1;
    let asked = [("cache_hit_rate", month), ("cost_per_query", first), ("haiku_sonnet_ratio", first)];
    let answers = cores::each(asked.len(), |at| {
        let (name, from) = asked[at];
        // Calls are of what was measured.
        let is_asked = at == 0 || engine.may_count(name, config)?;
        if is_asked { engine.figure(name, config, days(from)).map(Some) } else { Ok(None) }
    });
    let answers = answers.into_iter().collect::<Result<Vec<_>>>()?;
    let mut found = Named::default();
    for (at, answer) in answers.iter().enumerate().filter_map(|(at, answer)| Some((at, answer.as_ref()?))) {
        match at {
            0 => figures.take_savings(answer, month..=last),
            1 => take_calls(&mut found, answer, first),
            _ => take_tiers(&mut found, answer, first),
        }
    }
    figures.calls = found;
    Ok(figures)
}

impl Figures {
    fn take_savings(&mut self, answer: &Answer, days: std::ops::RangeInclusive<i32>) {
        let [day, rate, saving] = answer.columns(["day", "hit_rate", "net_saving"]);
        let names = answer.columns(["billing_currency", "allocation", "workload", "model_name"]);
        for row in 0..answer.height() {
            let is_within = answer.cell(row, day).day().is_some_and(|day| days.contains(&day));
            // Where a model cannot cache there is nothing to save.
            if !is_within || answer.cell(row, rate) == Cell::Null {
                continue;
            }
            let names = names.map(|at| answer.cell(row, at).as_text().to_string());
            let held = self.savings.entry(names).or_default();
            if let Some(saving) = answer.cell(row, saving).amount() {
                *held = Some(held.unwrap_or(0) + saving);
            }
        }
    }

    /// Calls of a page's workloads. Of their cost, what the calls do not cover is kept: most often nothing. Where
    /// another basis was asked for, it is that of all amounts here.
    ///
    /// # Errors
    /// None that can happen: everything is written to memory.
    pub fn calls(&self, cube: &Cube, page: &Page<'_>, is_replaced: bool) -> Result<Value> {
        let usage = usage(cube, is_replaced);
        let mut found: BTreeMap<(u32, u32), Calls> = BTreeMap::new();
        for ([currency, allocation, workload], calls) in &self.calls {
            let Some((place, costs)) = page.place(currency, allocation, workload, cube) else { continue };
            let costs = usage.get(&costs);
            let of = found.entry(place).or_default();
            for (bucket, count) in &calls.invocations {
                *of.invocations.entry(*bucket).or_default() += count;
                let whole = costs.map_or(0, |costs| costs[*bucket]);
                let missed = whole - calls.counted.get(bucket).copied().unwrap_or(0);
                *of.counted.entry(*bucket).or_default() += missed;
            }
            for (of, tier) in of.tiers.iter_mut().zip(&calls.tiers) {
                tier.iter().for_each(|(bucket, count)| *of.entry(*bucket).or_default() += count);
            }
            for (bucket, count) in &calls.units {
                *of.units.entry(*bucket).or_default() += count;
            }
        }
        let series = |of: &dyn Fn(&Calls) -> &BTreeMap<usize, i128>| {
            let series = found.values().map(|calls| of(calls).iter().map(|(at, amount)| (*at, *amount)).collect());
            pack(&series.collect::<Vec<Series>>())
        };
        Ok(json!({
            "keys": {
                "currency": found.keys().map(|(currency, _)| *currency).collect::<Vec<_>>(),
                "workload": found.keys().map(|(_, workload)| *workload).collect::<Vec<_>>(),
            },
            "invocations": series(&|calls| &calls.invocations)?,
            "missed": series(&|calls| &calls.counted)?,
            "haiku": series(&|calls| &calls.tiers[0])?,
            "sonnet": series(&|calls| &calls.tiers[1])?,
            "units": series(&|calls| &calls.units)?,
        }))
    }

    /// What the cache saved a page's workloads this month, by model.
    pub fn savings(&self, cube: &Cube, page: &Page<'_>) -> Value {
        let mut found: BTreeMap<(u32, u32, u32), Option<i128>> = BTreeMap::new();
        for ([currency, allocation, workload, model], saving) in &self.savings {
            let Some(((currency, workload), _)) = page.place(currency, allocation, workload, cube) else { continue };
            let model = page.dictionary.names[super::cube::MODEL].find(model).unwrap_or(0);
            let held = found.entry((currency, workload, model)).or_default();
            if let Some(saving) = saving {
                *held = Some(held.unwrap_or(0) + saving);
            }
        }
        let rows = found.into_iter().map(|((currency, workload, model), saving)| {
            json!([currency, workload, model, saving.map(money::to_text)])
        });
        rows.collect()
    }
}

fn take_calls(found: &mut Named<Calls>, answer: &Answer, first: i32) {
    let [counted, calls, units] = answer.columns(["cost_counted", "invocations", "business_units"]);
    let amount = |row, at| answer.cell(row, at).amount();
    let is_known = |row| amount(row, calls).is_some() || amount(row, units).is_some();
    take(found, answer, first, is_known, |row, bucket, of| {
        if let Some(calls) = amount(row, calls) {
            of.invocations.insert(bucket, calls);
            of.counted.insert(bucket, amount(row, counted).unwrap_or(0));
        }
        if let Some(units) = amount(row, units) {
            of.units.insert(bucket, units);
        }
    });
}

fn take_tiers(found: &mut Named<Calls>, answer: &Answer, first: i32) {
    let tiers = answer.columns(["haiku_invocations", "sonnet_invocations"]);
    let calls = |row| tiers.map(|at| answer.cell(row, at).amount());
    let is_known = |row| calls(row).into_iter().flatten().any(|calls| calls != 0);
    take(found, answer, first, is_known, |row, bucket, of| {
        for (of, calls) in of.tiers.iter_mut().zip(calls(row)) {
            of.extend(calls.map(|calls| (bucket, calls)));
        }
    });
}

/// Takes the wanted rows of an answer by day and workload.
fn take(
    found: &mut Named<Calls>,
    answer: &Answer,
    first: i32,
    is_wanted: impl Fn(usize) -> bool,
    add: impl Fn(usize, usize, &mut Calls),
) {
    let day = answer.column("day");
    let names = answer.columns(["billing_currency", "allocation", "workload"]);
    for row in (0..answer.height()).filter(|row| is_wanted(*row)) {
        let bucket = answer.cell(row, day).day().and_then(|day| usize::try_from(day - first).ok());
        let Some(bucket) = bucket.filter(|bucket| *bucket < DAYS) else { continue };
        let names = names.map(|at| answer.cell(row, at).as_text().to_string());
        add(row, bucket, found.entry(names).or_default());
    }
}

/// The page that figures are shown on.
pub struct Page<'a> {
    /// Its dictionary.
    pub dictionary: &'a Dictionary,
    /// Whose it is.
    pub scope: &'a Scope,
    /// Workloads of which other pages show a part, so that what is known of the whole is nobody's alone.
    pub shared: &'a BTreeSet<String>,
}

impl Page<'_> {
    /// Whether what is known of a whole workload belongs on the page.
    pub fn owns(&self, workload: &str) -> bool {
        match (self.scope, workload) {
            (Scope::Whole, _) => true,
            (Scope::Team(team), "unattributed") => *team == NOBODY,
            _ => !self.shared.contains(workload) && self.dictionary.names[WORKLOAD].find(workload).is_some(),
        }
    }

    /// The page's numbers of a currency and workload, and the cube's; none where the page does not show them.
    fn place(&self, currency: &str, allocation: &str, workload: &str, cube: &Cube) -> Option<((u32, u32), (u32, u32))> {
        let reserved = match allocation {
            "allocated" => None,
            "not_allocable" => Some(NOT_ALLOCABLE),
            _ => Some(NOBODY),
        };
        if self.shared.contains(workload) {
            return None;
        }
        let others = (*self.scope == Scope::Whole).then_some(OTHERS);
        let currencies = [&self.dictionary.names, &cube.names].map(|names| names[CURRENCY].find(currency));
        let own = reserved.or_else(|| self.dictionary.names[WORKLOAD].find(workload)).or(others)?;
        let in_cube = reserved.or_else(|| cube.names[WORKLOAD].find(workload))?;
        Some(((currencies[0]?, own), (currencies[1]?, in_cube)))
    }
}

/// Cost of Usage by currency, workload and day: unblended, or on the basis that was asked for.
fn usage(cube: &Cube, is_replaced: bool) -> BTreeMap<(u32, u32), Vec<i128>> {
    let mut sums: BTreeMap<(u32, u32), Vec<i128>> = BTreeMap::new();
    for (key, costs) in cube.costs.iter().filter(|(key, _)| key[FLAGS] & USAGE != 0) {
        let sum = sums.entry((key[CURRENCY], key[WORKLOAD])).or_insert_with(|| vec![0; DAYS]);
        for (sum, (cost, beyond)) in sum.iter_mut().zip(costs.daily.iter().zip(&costs.beyond)) {
            *sum += cost + if is_replaced { 0 } else { *beyond };
        }
    }
    sums
}
