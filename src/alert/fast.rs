//! Fast: the clock that runs every few minutes. Tokens measured since the last look, priced as the bill prices
//! them, against what the same hours usually cost.
//!
//! ```text
//! bill ─► learn ─► rates, usual hours, profiles, suspects, band
//! metrics ─► points of the last hours ─► meter ─► judge ─► sightings ─► ledger ─► deliver
//! ```
//!
//! | step | in → out | holds afterwards |
//! |---|---|---|
//! | [`learn`] | store → what the rest needs of it | read anew only when the store has changed |
//! | [`rates`] | sums of cost and tokens → prices | the customer's own; a list price is marked |
//! | [`usual`] | hours of the bill → hours of a week | medians, so that one wild day is forgotten |
//! | [`meter`] | points → spend by scope and slot | the same calls are never counted twice |
//! | [`judge`] | slots → what is seen of the trailing hour | missing points are not zero |
//! | [`replay`] | stored hours → what the rules would have alerted on | by whole hours |
//! | [`backtest`] | stored days → how far estimates were from the bill | at the rates of the days before |
//!
//! An incident that it opens is an estimate until [`super::follow`] confirms, corrects or cancels it by the bill.

pub mod backtest;
pub mod judge;
pub mod learn;
pub mod meter;
pub mod rates;
pub mod replay;
pub mod show;
pub mod usual;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::causes::Causes;
use super::ledger::{Desk, Ledger};
use super::rules::{Floors, Severity};
use super::scope::Scope;
use crate::aws::Aws;
use crate::clock::{self, DAY, HOUR};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::facts::points;
use crate::facts::store::{Store, hash};
use crate::ingest::recent::{Look, Recent, Seen};
use crate::metrics::Engine;
use crate::money::ONE;
use crate::sources::cloudwatch::api::{Requests, Window};
use crate::sources::cloudwatch::{self, HourSample, MetricSource, Series};
use judge::Hour;
use learn::Learned;
use meter::{Metered, SLOT};

/// Seconds of points that are kept: two hours that are compared, and what may come late.
const KEPT: i64 = 3 * HOUR;
/// Seconds that a clock may be ahead of this one.
const SKEW: i64 = 300;
/// Seconds after which points that stay away are missing, and say nothing.
const LATE: i64 = 30 * 60;
/// Seconds of hours that are kept.
const HOURS: i64 = 2 * DAY;
/// Stored days before which nothing can be called new.
const KNOWN_FOR: i32 = 14;
/// What was learned.
const LEARNED: &str = "learned.json";
/// Where the clock stands.
const CLOCK: &str = "fast.json";
/// Seconds between two runs, where there was none before.
const USUALLY: i64 = 300;

/// Where the clock stands between runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Clock {
    /// The last run, epoch seconds.
    at: Option<i64>,
    /// What was read.
    seen: Seen,
    /// By scope and currency: cost of hours, units of 1e-10.
    hours: Vec<(Scope, String, BTreeMap<i64, i128>)>,
}

/// What a run of the fast clock saw.
#[derive(Debug, Default)]
pub struct Fast {
    /// Where the trailing hour ends, epoch seconds; nothing where no point has come.
    pub end: Option<i64>,
    /// What was seen, the worst first.
    pub seen: Vec<(Scope, String, judge::Seen)>,
    /// By currency: what was measured since midnight, and how much of it at list prices; units of 1e-10.
    pub today: BTreeMap<String, (i128, i128)>,
    /// Scopes that were measured.
    pub scopes: usize,
    /// Tokens of the trailing hour that nobody knows a price of.
    pub unpriced: i64,
    /// What was learned of the bill.
    pub learned: Learned,
    /// What was asked of CloudWatch.
    pub requests: Requests,
    /// Seconds since the run before.
    pub since: i64,
    /// Sources that failed or are late, each with what to do.
    pub failures: Vec<String>,
}

/// A run's surroundings.
pub struct Surroundings<'a> {
    /// The config.
    pub config: &'a Config,
    /// The store.
    pub store: &'a Store,
    /// The door to AWS.
    pub aws: &'a Arc<Aws>,
    /// The clock, epoch seconds.
    pub at: i64,
    /// Whether nothing is kept of the run.
    pub is_trial: bool,
}

/// Seconds until the next run is surely done.
pub const NEXT: i64 = HOUR;

/// Looks at what was measured since the last run, and lets the incidents follow. `engine` reads the store.
///
/// # Errors
/// Where the store cannot be read or written.
pub fn run(around: &Surroundings<'_>, desk: &Desk, ledger: &mut Ledger, engine: &Engine) -> Result<Fast> {
    let learned = learned(desk, engine)?;
    // What cannot be read of the clock is read anew from the metrics.
    let mut clock: Clock = desk.read(CLOCK).ok().flatten().unwrap_or_default();
    let window = Window { from: around.at - KEPT, until: around.at + SKEW };
    let look = Look {
        config: around.config,
        store: around.store,
        aws: around.aws,
        at: around.at,
        regions: &learned.regions,
        window,
    };
    let Recent { series, failures, requests } = look.read(&mut clock.seen)?;
    let samples = samples(desk, series, window, around.is_trial)?;
    let metered = meter::meter(&samples, &learned, around.config);
    clock.take(&metered, window.from, around.at);
    let since = clock.at.map_or(USUALLY, |last| (around.at - last).max(60));
    let mut fast = Fast { scopes: metered.scopes.len(), requests, since, failures, ..Fast::default() };
    fast.end = end(&metered, around.at);
    fast.late(&metered, around);
    let judged = Judged {
        metered: &metered,
        learned: &learned,
        samples: &samples,
        clock: &clock,
        config: around.config,
        past: clock.hours.iter().map(|(scope, currency, hours)| ((scope, currency.as_str()), hours)).collect(),
        floors: Floors::of(around.config),
    };
    if let Some(end) = fast.end {
        fast.seen = judged.all(end);
        // A note is listed alone, so that nothing more is asked of it.
        for (scope, currency, seen) in fast.seen.iter().filter(|(.., seen)| seen.severity > Severity::Note) {
            ledger.see(show::sighting(scope, currency, seen, &judged, end), around.at);
        }
        judged.check(ledger, end, around.at);
        fast.unpriced = judged.unpriced(end);
        fast.today = judged.today(end);
    }
    if !around.is_trial {
        desk.keep(ledger)?;
        clock.at = Some(around.at);
        // Last, so that a run that is killed reads the same files again.
        desk.write(CLOCK, &clock)?;
    }
    fast.learned = learned;
    Ok(fast)
}

/// What was learned of the store as it is now.
fn learned(desk: &Desk, engine: &Engine) -> Result<Learned> {
    let known: Option<Learned> = desk.read(LEARNED).ok().flatten();
    match known.filter(|known| known.from == learn::state_of(engine)) {
        Some(known) => Ok(known),
        None => {
            let learned = learn::learn(engine)?;
            desk.write(LEARNED, &learned)?;
            Ok(learned)
        }
    }
}

/// The samples of the window, of points that came now and before.
fn samples(
    desk: &Desk,
    new: Vec<(MetricSource, Vec<Series>)>,
    window: Window,
    is_trial: bool,
) -> Result<Vec<HourSample>> {
    let mut samples = Vec::new();
    for (source, series) in new {
        let path = format!("points-{}.parquet", &hash(format!("{source:?}").as_bytes())[..16]);
        let damaged = |error: &dyn std::fmt::Display| Error::input(&path, error.to_string(), "please report this");
        // Points that cannot be read any more are missing, as if they had never come.
        let known = desk.read_bytes(&path)?.map(points::read).and_then(std::result::Result::ok).unwrap_or_default();
        let before = known.clone();
        let kept = within(points::merged(known, series), window);
        if kept != before && !is_trial {
            let bytes = points::write(&kept).map_err(|error| damaged(&error))?;
            desk.write_bytes(&path, &bytes)?;
        }
        let found = cloudwatch::samples_by(kept, &source, SLOT);
        samples.extend(found.map_err(|error| Error::config("[[metrics]]", error.to_string(), error.hint()))?.0);
    }
    // Points of the future wait for their time. Two sources may have the same series of AWS's own.
    samples.retain(|sample| sample.hour < window.until);
    Ok(cloudwatch::settled(samples))
}

fn within(series: Vec<Series>, window: Window) -> Vec<Series> {
    let cut = |series: Series| {
        let mut points = cloudwatch::Points::default();
        for (at, point) in series.points.iter().filter(|(at, _)| (window.from..window.until + DAY).contains(at)) {
            points.settle(at, point);
        }
        Series { points, ..series }
    };
    series.into_iter().map(cut).filter(|series| !series.points.is_empty()).collect()
}

fn cell_scope([account, region, model]: &[String; 3]) -> Scope {
    Scope::Cell(account.clone(), region.clone(), model.clone())
}

/// Where the trailing hour ends: after the newest slot with a point, but not after now.
fn end(metered: &Metered, at: i64) -> Option<i64> {
    let newest = metered.newest.values().copied().max()?;
    Some((newest + SLOT).min(at - at.rem_euclid(SLOT)))
}

impl Clock {
    /// Adds the hours that the slots make; of an hour that is told twice the larger counts.
    fn take(&mut self, metered: &Metered, from: i64, at: i64) {
        let mut hours: BTreeMap<(Scope, String), BTreeMap<i64, i128>> = BTreeMap::new();
        for (scope, currency, known) in self.hours.drain(..) {
            hours.insert((scope, currency), known);
        }
        for (key, slots) in &metered.scopes {
            let known = hours.entry(key.clone()).or_default();
            let mut sums: BTreeMap<i64, i128> = BTreeMap::new();
            for (slot, spent) in slots {
                *sums.entry(slot - slot.rem_euclid(HOUR)).or_default() += spent.cost;
            }
            for (hour, sum) in sums {
                let held = known.entry(hour).or_default();
                // An hour that began before the points that are kept is no longer whole.
                *held = if hour >= from { sum } else { sum.max(*held) };
            }
        }
        for known in hours.values_mut() {
            known.retain(|hour, _| *hour >= at - HOURS);
        }
        hours.retain(|_, known| !known.is_empty());
        self.hours = hours.into_iter().map(|((scope, currency), known)| (scope, currency, known)).collect();
    }
}

impl Fast {
    /// Whether anything was seen beyond notes.
    pub fn has_findings(&self) -> bool {
        self.seen.iter().any(|(.., seen)| seen.severity > Severity::Note)
    }

    /// Says where points stay away.
    fn late(&mut self, metered: &Metered, around: &Surroundings<'_>) {
        if around.config.metrics.is_empty() {
            self.failures.push(
                "metrics: the config has no [[metrics]]\n  hint: the fast clock reads token metrics; add a source"
                    .into(),
            );
            return;
        }
        let newest = metered.newest.values().copied().max();
        if newest.is_none_or(|newest| newest + SLOT < around.at - LATE) {
            let newest = newest.map_or_else(
                || "no point has come in hours".to_string(),
                |newest| format!("the newest point is of {}", clock::instant_text(newest)),
            );
            let hint = "what is missing is not zero, so nothing was judged by it; check the metric stream's delivery";
            self.failures.push(format!("metrics: {newest}\n  hint: {hint}"));
            self.end = None;
        }
    }
}

/// What is judged, and by what.
pub struct Judged<'a> {
    /// What was measured.
    pub metered: &'a Metered,
    /// What was learned of the bill.
    pub learned: &'a Learned,
    samples: &'a [HourSample],
    clock: &'a Clock,
    /// The config.
    pub config: &'a Config,
    /// By scope and currency: cost of past hours.
    past: BTreeMap<(&'a Scope, &'a str), &'a BTreeMap<i64, i128>>,
    floors: Floors,
}

/// Of a scope that was never measured.
static NO_SLOTS: meter::Slots = meter::Slots::new();
static NO_HOURS: BTreeMap<i64, i128> = BTreeMap::new();

impl Judged<'_> {
    /// Everything that is seen of the hour before a time, the worst first. What a workload's own hour shows is not
    /// said again of its account, region and model.
    fn all(&self, end: i64) -> Vec<(Scope, String, judge::Seen)> {
        let mut seen: Vec<(Scope, String, judge::Seen)> = Vec::new();
        for ((scope, currency), slots) in &self.metered.scopes {
            let judged = self.hour(scope, currency, slots, end).judge();
            seen.extend(judged.map(|seen| (scope.clone(), currency.clone(), seen)));
        }
        let explained = self.explained(&seen, end);
        seen.retain(|(scope, currency, seen)| {
            let Scope::Cell(account, region, model) = scope else { return true };
            // An owner that names a tier, or no model, may mean any model there.
            let is_there = |cell: &[String; 3]| {
                let is_known = || self.metered.scopes.contains_key(&(cell_scope(cell), currency.clone()));
                cell[0] == *account && cell[1] == *region && (cell[2] == *model || !is_known())
            };
            let known = explained.iter().filter(|((cell, of), _)| of == currency && is_there(cell));
            2 * known.map(|(_, part)| part).sum::<i128>() < seen.cost - seen.expected
        });
        self.note_moved(&mut seen, end);
        seen.sort_by(|a, b| (b.2.severity, b.2.rate, &b.0).cmp(&(a.2.severity, a.2.rate, &a.0)));
        seen
    }

    /// What a workload that the bill does not know spends is no new spend where others fell silent at the same time:
    /// somebody mended a name. In a young store everything is new.
    fn note_moved(&self, seen: &mut [(Scope, String, judge::Seen)], end: i64) {
        let silent = |currency: &str| -> f64 {
            let known = self.learned.usual.iter().filter(|(scope, of, _)| scope.workload().is_some() && of == currency);
            let lost = known.filter_map(|(scope, of, usual)| {
                let slots = self.metered.scopes.get(&(scope.clone(), of.clone()));
                let is_silent = slots.is_none_or(|slots| slots.range(end - HOUR..end).next().is_none());
                is_silent.then(|| usual.expected(end - HOUR, end) * ONE as f64)
            });
            lost.sum()
        };
        let is_new = |(scope, _, seen): &&mut (Scope, String, judge::Seen)| {
            scope.workload().is_some() && seen.severity > Severity::Note && seen.rules.contains(&"hour_new")
        };
        for (_, currency, seen) in seen.iter_mut().filter(is_new) {
            if self.learned.days < KNOWN_FOR || 2.0 * silent(currency) >= seen.cost as f64 {
                seen.severity = Severity::Note;
            }
        }
    }

    /// By cell and currency: what workloads that are seen have beyond the usual there.
    fn explained(&self, seen: &[(Scope, String, judge::Seen)], end: i64) -> BTreeMap<([String; 3], String), i128> {
        let mut explained = BTreeMap::new();
        for (scope, currency, seen) in seen {
            let Some(workload) = scope.workload() else { continue };
            let places = self.places(workload, end);
            let whole: i128 = places.iter().map(|(_, cost)| cost).sum();
            for (cell, cost) in places {
                let share = cost as f64 / whole.max(1) as f64;
                let part = ((seen.cost - seen.expected) as f64 * share) as i128;
                *explained.entry((cell, currency.clone())).or_default() += part;
            }
        }
        explained
    }

    /// Where a workload's last hour was, dearest first.
    pub fn places(&self, workload: &str, end: i64) -> Vec<([String; 3], i128)> {
        let first = (workload.to_string(), <[String; 3]>::default());
        let of_workload = self.metered.places.range(first..).take_while(|((name, _), _)| name == workload);
        let cost = |slots: &BTreeMap<i64, i128>| slots.range(end - HOUR..end).map(|(_, cost)| cost).sum();
        let mut places: Vec<([String; 3], i128)> =
            of_workload.map(|((_, cell), slots)| (cell.clone(), cost(slots))).filter(|(_, cost)| *cost > 0).collect();
        places.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        places
    }

    /// What an hour of a scope is judged by.
    fn hour<'a>(&'a self, scope: &'a Scope, currency: &'a str, slots: &'a meter::Slots, end: i64) -> Hour<'a> {
        Hour {
            slots,
            past: self.past.get(&(scope, currency)).copied().unwrap_or(&NO_HOURS),
            usual: self.usual(scope, currency),
            end,
            ratio: self.config.anomaly.ratio,
            floors: &self.floors,
        }
    }

    /// The usual hours of a scope, where the bill knows it.
    pub fn usual(&self, scope: &Scope, currency: &str) -> Option<&usual::Usual> {
        let all = &self.learned.usual;
        let place = all.binary_search_by(|(known, of, _)| (known, of.as_str()).cmp(&(scope, currency)));
        place.ok().map(|place| &all[place].2)
    }

    /// Ends incidents that metrics alone have seen, after two whole hours that no longer burn. An hour of an account
    /// and region of which no point has come is missing, and says nothing.
    fn check(&self, ledger: &mut Ledger, end: i64, at: i64) {
        let whole = end - end.rem_euclid(HOUR) - HOUR;
        for incident in ledger.incidents.iter_mut().filter(|one| one.is_estimate && !one.is_over()) {
            let is_new = incident.hour.is_none_or(|hour| whole > hour) && whole >= incident.began;
            // Of another account or region something may have come.
            let label = |name: &str| incident.screen.labels.get(name).cloned().unwrap_or_default();
            let newest = self.metered.newest.get(&(label("account"), label("region")));
            let is_heard = newest.is_some_and(|newest| *newest >= whole);
            if !is_new || !is_heard {
                continue;
            }
            incident.hour = Some(whole);
            let is_quiet = self.hour(&incident.scope, &incident.currency, &NO_SLOTS, end).is_quiet(whole);
            incident.check(is_quiet, clock::day_of(whole), at);
        }
    }

    fn unpriced(&self, end: i64) -> i64 {
        let slots = self.metered.scopes.values().flat_map(|slots| slots.range(end - HOUR..end));
        slots.map(|(_, spent)| spent.unpriced).fold(0, i64::saturating_add)
    }

    /// What has been measured since midnight, as far as this clock has run: by AWS's own series or by those of
    /// owners, whichever have more, since they measure the same calls.
    fn today(&self, end: i64) -> BTreeMap<String, (i128, i128)> {
        let midnight = end - end.rem_euclid(DAY);
        let mut sums: BTreeMap<(&str, bool), (i128, i128)> = BTreeMap::new();
        for (scope, currency, hours) in &self.clock.hours {
            let sum = sums.entry((currency, matches!(scope, Scope::Cell(..)))).or_default();
            sum.0 += hours.range(midnight..).map(|(_, cost)| cost).sum::<i128>();
        }
        for ((scope, currency), slots) in &self.metered.scopes {
            let sum = sums.entry((currency, matches!(scope, Scope::Cell(..)))).or_default();
            sum.1 += slots.range(midnight..).map(|(_, spent)| spent.listed).sum::<i128>();
        }
        let mut today: BTreeMap<String, (i128, i128)> = BTreeMap::new();
        for ((currency, _), sum) in sums {
            let held = today.entry(currency.to_string()).or_default();
            *held = sum.max(*held);
        }
        today
    }

    /// The change of the trailing hour against the hour before it, taken apart.
    pub fn causes(&self, scope: &Scope, end: i64) -> Causes {
        let (bought, calls) = meter::bought(self.samples, self.metered, scope, end);
        Causes::of(&bought, calls)
    }
}
