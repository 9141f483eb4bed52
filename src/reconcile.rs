//! Reconcile: the bill against Cost Explorer by day and service, and its tokens against AWS's own
//! metrics by model; every gap with its cause, and what is left over.
//!
//! ```text
//!  store ──► bill ─────────────┬──► spend ──► show
//!  Cost Explorer ──► cache ────┘      │
//!  store ──► bill ──► tokens ──► rates ┘
//! ```
//!
//! [`spend`], [`tokens`] and [`rates`] are functions of their arguments; [`bill`] reads the store,
//! [`cost_explorer`] and [`cache`] the other side.

pub mod bill;
pub mod cache;
pub mod cost_explorer;
pub mod rates;
pub mod services;
mod show;
pub mod spend;
pub mod tokens;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::aws::{Access, Aws};
use crate::clock;
use crate::error::{Error, Result};
use crate::metrics::Engine;
use bill::Bill;
use cache::Cache;
use cost_explorer::{Answer, Question, Refusal};
use spend::DayState;

pub use show::document;

/// Days looked back without `--from`.
const WINDOW: i32 = 40;
/// Days that Cost Explorer's data may be late by.
const LATE: i32 = 2;

/// How Cost Explorer is asked.
#[derive(Debug)]
pub struct Asker<'a> {
    /// AWS.
    pub aws: &'a Aws,
    /// Role and region.
    pub access: Access,
    /// The named profile, where there is one.
    pub profile: Option<String>,
    /// Where answers are kept.
    pub cache: Cache,
    /// Whether to ask although an answer of the day is kept.
    pub refresh: bool,
}

/// What Cost Explorer's part cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Paid {
    /// Pages asked for by this run.
    pub pages: u32,
    /// Whether a kept answer served.
    pub is_cached: bool,
}

/// The whole comparison.
#[derive(Debug)]
pub struct Reconciliation {
    /// First and last day.
    pub range: Option<(i32, i32)>,
    /// Money column of the bill.
    pub basis: String,
    /// Metric of Cost Explorer.
    pub metric: &'static str,
    /// Days of the range that are not settled on one side or the other.
    pub days: BTreeMap<i32, DayState>,
    /// The day's cost of each service; `None` where Cost Explorer refused.
    pub spend: Option<Vec<spend::Cell>>,
    /// Why it refused.
    pub refusal: Option<Error>,
    /// What it cost.
    pub paid: Paid,
    /// Tokens.
    pub tokens: tokens::Comparison,
    /// Whether any of AWS's metrics are stored for these days.
    pub has_metrics: bool,
    /// Days at an unusual rate.
    pub rates: Vec<rates::RateGap>,
}

impl Reconciliation {
    /// Whether money above a cent or tokens above a hundredth are open.
    pub fn has_findings(&self) -> bool {
        self.spend.as_deref().is_some_and(spend::has_findings)
            || (self.has_metrics && self.tokens.rows.iter().any(tokens::Row::is_finding))
    }
}

/// Compares the stored days. The engine is let go before Cost Explorer is asked, so that a slow
/// answer holds up no ingest.
pub fn reconcile(engine: Engine, asker: &Asker<'_>) -> Result<Reconciliation> {
    let basis = engine.cost.clone().unwrap_or_else(|| "unblended_cost".into());
    let Some(metric) = cost_explorer::metric_of(&basis) else {
        return Err(Error::config(
            format!("--cost {}", basis.trim_end_matches("_cost")),
            "Cost Explorer knows no such cost",
            "use unblended (the default), billed or effective",
        ));
    };
    let today = clock::day_of(engine.as_of);
    let days = asked_days(&engine, today);
    let (mut reconciliation, bill) = begun(&engine, basis, metric, &days)?;
    drop(engine);
    if let Some(range) = reconciliation.range {
        match reconciliation.ask(asker, today, range) {
            Ok(answer) => reconciliation.compare(bill, &days, answer, asker, today)?,
            Err(refusal) => {
                reconciliation.paid.pages = refusal.pages;
                reconciliation.refusal = Some(refusal.failure.into());
            }
        }
    }
    Ok(reconciliation)
}

/// The comparison with what Cost Explorer said when it was last asked, and the day on which it was; nothing where no
/// answer is kept. It is not asked again.
pub fn kept(engine: &Engine, asker: &Asker<'_>) -> Result<Option<(i32, Reconciliation)>> {
    let basis = engine.cost.clone().unwrap_or_else(|| "unblended_cost".into());
    let Some(metric) = cost_explorer::metric_of(&basis) else { return Ok(None) };
    let today = clock::day_of(engine.as_of);
    let mut days = asked_days(engine, today);
    let Some(((first, _), (last, _))) = days.first_key_value().zip(days.last_key_value()) else { return Ok(None) };
    let question = asker.question((*first, *last));
    let Some((asked, answer)) = asker.cache.newest(today, &question) else { return Ok(None) };
    // Of days after the question nothing was said.
    let answered = answer.days();
    days.retain(|day, _| answered.contains_key(day));
    let (mut reconciliation, bill) = begun(engine, basis, metric, &days)?;
    reconciliation.paid.is_cached = true;
    reconciliation.compare(bill, &days, answer, asker, asked)?;
    Ok(Some((asked, reconciliation)))
}

/// What can be said before Cost Explorer has answered, and the bill's side of what cannot.
fn begun(
    engine: &Engine,
    basis: String,
    metric: &'static str,
    days: &BTreeMap<i32, bool>,
) -> Result<(Reconciliation, Bill)> {
    let mut bill = bill::read(engine, &days.keys().copied().collect::<Vec<_>>())?;
    let range = days.keys().next().copied().zip(days.keys().next_back().copied());
    let has_metrics = !bill.measured.is_empty();
    let tokens = tokens::compare(&tokens::Sides {
        billed: std::mem::take(&mut bill.billed),
        measured: std::mem::take(&mut bill.measured),
        days: days.clone(),
        capacity: std::mem::take(&mut bill.capacity),
    });
    let reconciliation = Reconciliation {
        range,
        basis,
        metric,
        days: BTreeMap::new(),
        spend: None,
        refusal: None,
        paid: Paid::default(),
        has_metrics,
        rates: rates::find(std::mem::take(&mut bill.priced), &tokens.agreed),
        tokens,
    };
    Ok((reconciliation, bill))
}

impl Asker<'_> {
    fn question(&self, (from, to): (i32, i32)) -> Question {
        Question {
            from: clock::day_text(from),
            to: clock::day_text(to),
            role_arn: self.access.role_arn.clone(),
            profile: self.profile.clone(),
        }
    }
}

/// The days to compare, and whether the bill's is complete: the stored complete days of the window,
/// or all days of the range that was asked for.
fn asked_days(engine: &Engine, today: i32) -> BTreeMap<i32, bool> {
    let stored: BTreeMap<i32, bool> = engine.days.iter().map(|day| (day.day, day.is_complete)).collect();
    let range = engine.range;
    if let (Some(from), Some(to)) = (range.from, range.to) {
        let days = from..=to.min(today);
        return days.map(|day| (day, stored.get(&day).copied().unwrap_or(false))).collect();
    }
    let last = range.to.unwrap_or(today).min(today);
    // An end within the usual window leaves its beginning where it is, so that the day's answer serves.
    let usual = today - WINDOW;
    let first = range.from.unwrap_or(if last >= usual { usual } else { last - WINDOW + 1 });
    stored.into_iter().filter(|(day, is_complete)| (first..=last).contains(day) && *is_complete).collect()
}

impl Reconciliation {
    /// The kept answer of the day, or a new one. A question within the usual window asks for the
    /// whole of it, so that one call a day serves every range.
    fn ask(&mut self, asker: &Asker<'_>, today: i32, (from, to): (i32, i32)) -> Result<Answer, Refusal> {
        if !asker.refresh
            && let Some(answer) = asker.cache.find(today, &asker.question((from, to)))
        {
            self.paid.is_cached = true;
            return Ok(answer);
        }
        let usual = (today - WINDOW)..today;
        let is_usual = usual.contains(&from) && usual.contains(&to);
        let (from, to) = if is_usual { (usual.start, usual.end - 1) } else { (from, to) };
        let answer = cost_explorer::ask(asker.aws, &asker.access, asker.question((from, to)))?;
        self.paid.pages = answer.pages;
        Ok(answer)
    }

    fn compare(
        &mut self,
        bill: Bill,
        complete: &BTreeMap<i32, bool>,
        answer: Answer,
        asker: &Asker<'_>,
        today: i32,
    ) -> Result<()> {
        // What was paid for is kept, even if this metric of it is of no use.
        if !self.paid.is_cached {
            asker.cache.keep(today, &answer)?;
        }
        let costs = match answer.costs(self.metric) {
            Ok(costs) => costs,
            Err(error) => {
                self.refusal = Some(error);
                return Ok(());
            }
        };
        let answered = answer.days();
        let state = |(day, is_complete): (&i32, &bool)| {
            let estimated = answered.get(day);
            let state = DayState {
                is_complete: *is_complete,
                is_answered: estimated.is_some(),
                is_estimated: estimated.copied().unwrap_or(false),
                is_fresh: estimated.copied().unwrap_or(false) && *day >= today - LATE,
            };
            (*day, state)
        };
        self.days = complete.iter().map(state).collect();
        let earlier = asker.cache.earlier(today, &answer.question).into_iter().filter_map(|(asked, answer)| {
            let costs = answer.costs(self.metric).ok()?;
            Some(spend::Earlier { asked, days: answer.days().into_keys().collect(), costs })
        });
        let earlier: Vec<spend::Earlier> = earlier.collect();
        self.spend = Some(spend::compare(spend::Sides {
            bill: bill.costs,
            explorer: costs,
            days: self.days.clone(),
            earlier,
            changes: bill.changes,
        }));
        Ok(())
    }
}
