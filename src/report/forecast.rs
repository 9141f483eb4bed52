//! Trend and forecast: the month to date beside the same number of complete days of the three months before, and
//! what the month will have cost at its end.
//!
//! A month's forecast is what is known and what is to come. **Known** is exact: every line of the month's bill but
//! Usage of days that are not complete, so monthly fees, purchases, tax and credits as far as they are billed. **To
//! come** is Usage of the days after the last complete one, by the weekdays and the level of each workload, with an
//! interval whose nominal level is [`model::LEVEL`]; [`model`] says how, [`backtest`] how often it was right. One-offs
//! that are billed later are not foreseen. An estimate is rounded to the cent and never below what is billed already.
//!
//! **Without incidents** is the same forecast as if what is open had ended on the last complete day: what its days had
//! beyond the usual is taken out of the history that says what is to come, not out of what is billed.
//!
//! On the first three days of a month the month before leads, since it is still closing; see [`leading`].

use std::collections::BTreeMap;
use std::ops::Range;

use crate::alert::incident::Incident;
use crate::alert::scope::Scope;
use crate::clock::{self, DAY};
use crate::config::Config;
use crate::error::Result;
use crate::metrics::Engine;
use crate::money;
use crate::report::budget::{self, Burn};
use crate::report::trust;
use model::{Interval, Model};
use read::{Lines, Owner};

pub mod backtest;
pub mod model;
mod read;
pub mod show;

/// Days of a month on which the month before leads.
const CLOSING: i64 = 3;
/// Months that the month to date is compared with.
pub const BEFORE: usize = 3;

/// What a month is expected to cost in a currency.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// The month, `YYYY-MM`.
    pub month: String,
    /// `open`, `closing` or `final`.
    pub state: &'static str,
    /// Currency.
    pub currency: String,
    /// Complete days of the month.
    pub days: i32,
    /// Days of the month.
    pub days_in_month: i32,
    /// The three months before, newest first.
    pub months_before: [String; BEFORE],
    /// The whole bill.
    pub total: Outcome,
    /// Each workload, the dearest first; what nobody owns has rows of its own.
    pub workloads: Vec<(Owner, Outcome)>,
}

/// What somebody's month costs and is expected to cost, units of 1e-10.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// Lines of the complete days.
    pub to_date: i128,
    /// Lines of the same number of days in the months before; unknown where a month is not stored by days.
    pub before: [Option<i128>; BEFORE],
    /// The bill as it stands, with days that are not complete and what is billed by the month.
    pub billed: i128,
    /// What the month will have cost; unknown where no day is complete.
    pub end: Option<End>,
    /// Open incidents whose excess [`End::without_incidents`] leaves out.
    pub incidents: usize,
}

/// What a month will have cost, to the cent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// Lower end of the interval.
    pub low: i128,
    /// The expected.
    pub middle: i128,
    /// Upper end of the interval.
    pub high: i128,
    /// The expected, had the open incidents ended.
    pub without_incidents: i128,
}

/// A part of the bill that is looked at on its own: a column of `cost_daily` and the value wanted in it.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// The column.
    pub column: &'a str,
    /// The value; all where absent.
    pub value: Option<&'a str>,
}

/// A part's month: what it costs, and how that adds up.
#[derive(Debug, Clone, Default)]
pub struct Course {
    /// What it costs and is expected to cost.
    pub outcome: Outcome,
    /// Each day of the month with all that is billed, or expected to be, up to its end.
    pub days: Vec<(i32, i128)>,
    /// Whether the month is stored, and any month has a line of the part in the currency.
    pub is_known: bool,
}

/// The course of a part of the bill over a month in a currency.
///
/// # Errors
/// Where the store cannot be read.
pub fn course(engine: &Engine, part: Part<'_>, month: &str, currency: &str) -> Result<Course> {
    let lines = Lines::read_of(engine, part.column, |value| part.value.is_none_or(|wanted| wanted == value))?;
    let before = [(); BEFORE].map(|()| String::new());
    let Some(span) = Span::of(engine, month, &before) else { return Ok(Course::default()) };
    let (outcome, _) = outcomes(engine, &lines, currency, &span, &[]);
    let mut by_day = vec![0; (span.next - span.first) as usize];
    let is_known = |line: &&read::Line| lines.months[line.month].0 == month && !span.is_to_come(line);
    for line in lines.of(currency).iter().filter(is_known) {
        // What is dated outside the month is in its bill from the first day on, or only at its end.
        by_day[(line.day.clamp(span.first, span.next - 1) - span.first) as usize] += line.cost;
    }
    if span.is_known {
        let (_, costs) = lines.series(currency, span.until);
        let known = costs.first().map_or(0, Vec::len);
        let to_come = Model::of(costs, known).days_to_come(known, (span.next - span.until) as usize);
        let dated = (span.until - span.first) as usize..;
        dated.zip(to_come).for_each(|(at, cost)| by_day[at] += (cost * money::ONE as f64).round() as i128);
    }
    let mut sum = 0;
    let add = |(day, cost): (i32, i128)| {
        sum += cost;
        (day, sum)
    };
    let is_stored = engine.records.iter().any(|record| record.period == month);
    let is_known = is_stored && !lines.of(currency).is_empty();
    Ok(Course { outcome, days: (span.first..).zip(by_day).map(add).collect(), is_known })
}

/// What is to come: forecasts, and how far budgets are used.
#[derive(Debug, Clone, Default)]
pub struct Outlook {
    /// Of each month that is shown and each currency, the leading month first.
    pub forecasts: Vec<Forecast>,
    /// Budgets of the config.
    pub burns: Vec<Burn>,
}

impl Outlook {
    /// Reads the store.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn read(engine: &Engine, config: &Config, incidents: &[Incident]) -> Result<Self> {
        Ok(Self { forecasts: forecasts(engine, incidents)?, burns: budget::burns(engine, config)? })
    }

    /// Whether a budget is crossed.
    pub fn has_findings(&self) -> bool {
        self.burns.iter().any(Burn::is_crossed)
    }
}

/// Forecasts of the month that is open and, on its first days, of the one before, which then comes first.
///
/// # Errors
/// Where the store cannot be read.
pub fn forecasts(engine: &Engine, incidents: &[Incident]) -> Result<Vec<Forecast>> {
    let lines = Lines::read(engine)?;
    let mut found = Vec::new();
    for month in leading(engine) {
        for currency in lines.currencies(&month) {
            found.extend(forecast(engine, &lines, &month, &currency, incidents));
        }
    }
    Ok(found)
}

/// The months that are shown, the leading one first.
pub fn leading(engine: &Engine) -> Vec<String> {
    let is_stored = |month: &String| engine.records.iter().any(|record| record.period == *month);
    let today = engine.range.to.unwrap_or(i32::MAX).min(clock::day_of(engine.as_of));
    let this = clock::month_of(today);
    let mut months = Vec::new();
    if clock::day_of_month(today) <= CLOSING {
        months.extend(month_before(&this).filter(is_stored));
    }
    months.extend(Some(this).filter(is_stored));
    if months.is_empty() {
        months.extend(engine.records.last().map(|record| record.period.clone()));
    }
    months
}

/// The month before one.
pub fn month_before(month: &str) -> Option<String> {
    clock::month_range(month).map(|(first, _)| clock::month_of(first - 1))
}

fn forecast(engine: &Engine, lines: &Lines, month: &str, currency: &str, incidents: &[Incident]) -> Option<Forecast> {
    let record = engine.records.iter().find(|record| record.period == month)?;
    let mut earlier = month.to_string();
    let months_before = [(); BEFORE].map(|()| {
        earlier = month_before(&earlier).unwrap_or_default();
        earlier.clone()
    });
    let span = Span::of(engine, month, &months_before)?;
    let open: Vec<&Incident> = incidents.iter().filter(|one| !one.is_over() && one.currency == currency).collect();
    let (total, workloads) = outcomes(engine, lines, currency, &span, &open);
    let state = trust::period_state(record, engine.as_of);
    let days = (span.until - span.first, span.next - span.first);
    let currency = currency.to_string();
    let month = month.to_string();
    Some(Forecast { month, state, currency, days: days.0, days_in_month: days.1, months_before, total, workloads })
}

/// A month and how much of it is known.
struct Span<'a> {
    month: &'a str,
    first: i32,
    /// The first day that is not complete.
    until: i32,
    next: i32,
    is_known: bool,
    before: &'a [String; BEFORE],
}

fn outcomes(
    engine: &Engine,
    lines: &Lines,
    currency: &str,
    span: &Span<'_>,
    incidents: &[&Incident],
) -> (Outcome, Vec<(Owner, Outcome)>) {
    let mut total = Outcome::default();
    for (at, month) in span.before.iter().enumerate() {
        let has_days = engine.days.iter().any(|day| clock::month_of(day.day) == *month);
        total.before[at] = has_days.then_some(0);
    }
    let blank = total.clone();
    let months: Vec<OfMonth> = lines.months.iter().map(|(month, days)| span.of_month(month, days)).collect();
    let mut of_owners: Vec<Option<(Outcome, i128)>> = vec![None; lines.owners.len()];
    for line in lines.of(currency) {
        let (held, known) = of_owners[line.owner].get_or_insert_with(|| (blank.clone(), 0));
        for outcome in [&mut *held, &mut total] {
            months[line.month].add(line, outcome);
        }
        if months[line.month].is_it && !span.is_to_come(line) {
            *known += line.cost;
        }
    }
    let found = lines.owners.iter().zip(of_owners).filter_map(|(owner, found)| Some((owner, found?)));
    let (mut owners, mut known) = (BTreeMap::new(), BTreeMap::new());
    for (owner, (outcome, cost)) in found {
        owners.insert(owner, outcome);
        known.insert(owner, cost);
    }
    if span.is_known {
        let ends = Ends::of(lines, currency, span, incidents);
        let all: i128 = known.values().sum();
        (total.end, total.incidents) = (Some(ends.total.end(all, total.billed)), ends.incidents.values().sum());
        for (owner, outcome) in &mut owners {
            let own = known.get(owner).copied().unwrap_or(0);
            let to_come = ends.each.get(owner).copied().unwrap_or_default();
            outcome.end = Some(to_come.end(own, outcome.billed));
            outcome.incidents = ends.incidents.get(owner).copied().unwrap_or(0);
        }
    }
    let is_of_interest = |(_, outcome): &(&Owner, Outcome)| {
        outcome.billed != 0 || outcome.to_date != 0 || outcome.before.iter().flatten().any(|before| *before != 0)
    };
    let mut workloads: Vec<(Owner, Outcome)> =
        owners.into_iter().filter(is_of_interest).map(|(owner, outcome)| (owner.clone(), outcome)).collect();
    let size = |outcome: &Outcome| outcome.end.map_or(outcome.billed, |end| end.middle);
    workloads.sort_by(|a, b| {
        let is_nameless = |owner: &Owner| owner.allocation != "allocated";
        (is_nameless(&a.0), size(&b.1), &a.0).cmp(&(is_nameless(&b.0), size(&a.1), &b.0))
    });
    (total, workloads)
}

impl<'a> Span<'a> {
    fn of(engine: &Engine, month: &'a str, before: &'a [String; BEFORE]) -> Option<Self> {
        let (first, next) = clock::month_range(month)?;
        let complete = engine.last_complete_day();
        // A month after the last complete day has none; one before it has all.
        let until = complete.map_or(first, |day| (day + 1).clamp(first, next));
        Some(Self { month, first, until, next, is_known: complete.is_some(), before })
    }

    /// Whether a line is Usage of a day that is foreseen as a whole.
    fn is_to_come(&self, line: &read::Line) -> bool {
        line.is_usage && (self.until..self.next).contains(&line.day)
    }

    fn of_month(&self, month: &str, days: &Range<i32>) -> OfMonth {
        // Days of the month alone: a refund may be dated months before the bill that holds it.
        let compared = days.start..days.end.min(days.start + (self.until - self.first));
        let before = self.before.iter().position(|known| known == month);
        OfMonth { is_it: month == self.month, before, compared }
    }
}

/// What the lines of a month's bill count for.
struct OfMonth {
    /// Whether it is the month that is looked at.
    is_it: bool,
    /// Which of the months before it is.
    before: Option<usize>,
    /// Days that are compared.
    compared: Range<i32>,
}

impl OfMonth {
    fn add(&self, line: &read::Line, outcome: &mut Outcome) {
        if self.is_it {
            outcome.billed += line.cost;
        }
        if !line.has_day || !self.compared.contains(&line.day) {
            return;
        }
        if self.is_it {
            outcome.to_date += line.cost;
        }
        if let Some(at) = self.before {
            outcome.before[at] = outcome.before[at].map(|sum| sum + line.cost);
        }
    }
}

/// What is to come, with and without what is open.
#[derive(Debug, Clone, Copy, Default)]
struct ToCome {
    as_is: Interval,
    without: f64,
}

impl ToCome {
    fn end(&self, known: i128, billed: i128) -> End {
        let at = |to_come: f64| (known + cents(to_come)).max(billed);
        End {
            low: at(self.as_is.low),
            middle: at(self.as_is.middle),
            high: at(self.as_is.high),
            without_incidents: at(self.without),
        }
    }
}

/// An estimate, to the cent.
fn cents(estimate: f64) -> i128 {
    (estimate * 100.0).round() as i128 * (money::ONE / 100)
}

/// What is to come of all series.
struct Ends<'a> {
    total: ToCome,
    each: BTreeMap<&'a Owner, ToCome>,
    incidents: BTreeMap<&'a Owner, usize>,
}

impl<'a> Ends<'a> {
    fn of(lines: &'a Lines, currency: &str, span: &Span<'_>, incidents: &[&Incident]) -> Self {
        let (owners, costs) = lines.series(currency, span.until);
        let (known, days) = (costs.first().map_or(0, Vec::len), (span.next - span.until).max(0) as usize);
        let mut quiet = costs.clone();
        let mut taken = BTreeMap::new();
        for (at, owner) in owners.iter().enumerate() {
            let own: Vec<i32> = incidents.iter().filter(|one| is_of(one, owner)).map(|one| began(one)).collect();
            if let Some(began) = own.iter().min() {
                let from = usize::try_from(began - lines.first).unwrap_or(0).min(known);
                for (day, cost) in quiet[at].iter_mut().enumerate().skip(from) {
                    *cost = cost.min(model::usual(&costs[at], from, day));
                }
                taken.insert(*owner, own.len());
            }
        }
        let since = model::looks_back_to(known, days);
        let as_is = Model::of(costs, since).outlook(known, days);
        let without = match taken.is_empty() {
            true => as_is.clone(),
            false => Model::of(quiet, known).outlook(known, days),
        };
        let to_come = |as_is: &Interval, without: &Interval| ToCome { as_is: *as_is, without: without.middle };
        let each = as_is.each.iter().zip(&without.each).map(|(as_is, without)| to_come(as_is, without));
        let each = owners.iter().copied().zip(each).collect();
        Self { total: to_come(&as_is.total, &without.total), each, incidents: taken }
    }
}

fn began(incident: &Incident) -> i32 {
    incident.began.div_euclid(DAY) as i32
}

/// Whether an incident is one workload's, or of what nobody owns. Those of whole accounts and models are made of
/// workloads' own, and are not taken out twice.
fn is_of(incident: &Incident, owner: &Owner) -> bool {
    match &incident.scope {
        Scope::Workload(name) => owner.allocation == "allocated" && *name == owner.workload,
        Scope::Unattributed(_) => owner.allocation == "unattributed",
        _ => false,
    }
}
