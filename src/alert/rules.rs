//! Rules: what makes a day of a workload worth a look, each on complete days and on what was known then.
//!
//! | rule | what it says |
//! |---|---|
//! | `R1`, `returned`, `relabelled`, `new` | what the query `anomalies` lists: the contract, see [`super::contract`] |
//! | `weekday` | far above the same weekday of the weeks before, see [`super::baseline`] |
//! | `ramp` | week over week over week, half again above the weeks before those |
//! | `layer` | one model or place of a workload far above its own weekdays, whatever the rest did |
//! | `scope` | a whole account, a model or the whole bill far above its own weekdays, which no workload explains |
//! | `new_model`, `new_region` | a model that the workload, a region that the account did not use in fourteen weeks |
//! | `new_principal` | a role or user that did not spend for weeks, where what it spends comes on top of the usual |
//! | `tokens_per_query`, `output_per_query` | longer prompts, longer answers |
//! | `cost_per_query` | dearer calls, for whatever reason |
//! | `cache_hit_rate` | of what is sent more is not read from the cache |
//! | `model_mix` | dearer models do more of the work |
//! | `cost_per_token` | dearer tokens, by models, cache or price, at the same volume |
//! | `flat_line` | tokens burn for two days while no more work is finished, where finished work is measured |
//!
//! A rule says that something is listed; how much money it is, and how far from the usual, says whether it
//! warns or pages.

mod units;

use std::collections::BTreeMap;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::baseline::{Baseline, COSTS};
use super::contract::Jump;
use super::history::{ACCOUNT, History, Line, MODEL, Newcomer, REGION};
use crate::clock;
use crate::config::Config;
use crate::cores;
use crate::text::Text;

/// A rule, by the name that people see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// At least so many times the day before.
    R1,
    /// At least so many times the last day with spend.
    Returned,
    /// Somebody else's spend until the day before.
    Relabelled,
    /// A workload seen first.
    New,
    /// Above the same weekday.
    Weekday,
    /// Week over week.
    Ramp,
    /// Part of a workload.
    Layer,
    /// More than workloads explain.
    Scope,
    /// A model seen first.
    NewModel,
    /// A region seen first.
    NewRegion,
    /// A principal seen first.
    NewPrincipal,
    /// Longer prompts.
    TokensPerQuery,
    /// Longer answers.
    OutputPerQuery,
    /// Dearer calls.
    CostPerQuery,
    /// Fewer reads from the cache.
    CacheHitRate,
    /// Dearer models.
    ModelMix,
    /// Dearer tokens.
    CostPerToken,
    /// Tokens without work.
    FlatLine,
}

impl Rule {
    /// All, in the order in which they are listed.
    pub const ALL: [Self; 18] = [
        Self::R1,
        Self::Returned,
        Self::Relabelled,
        Self::New,
        Self::Weekday,
        Self::Ramp,
        Self::Layer,
        Self::Scope,
        Self::NewModel,
        Self::NewRegion,
        Self::NewPrincipal,
        Self::TokensPerQuery,
        Self::OutputPerQuery,
        Self::CostPerQuery,
        Self::CacheHitRate,
        Self::ModelMix,
        Self::CostPerToken,
        Self::FlatLine,
    ];

    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Self::R1 => "R1",
            Self::Returned => "returned",
            Self::Relabelled => "relabelled",
            Self::New => "new",
            Self::Weekday => "weekday",
            Self::Ramp => "ramp",
            Self::Layer => "layer",
            Self::Scope => "scope",
            Self::NewModel => "new_model",
            Self::NewRegion => "new_region",
            Self::NewPrincipal => "new_principal",
            Self::TokensPerQuery => "tokens_per_query",
            Self::OutputPerQuery => "output_per_query",
            Self::CostPerQuery => "cost_per_query",
            Self::CacheHitRate => "cache_hit_rate",
            Self::ModelMix => "model_mix",
            Self::CostPerToken => "cost_per_token",
            Self::FlatLine => "flat_line",
        }
    }
}

/// Whether somebody is woken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Listed.
    #[default]
    Note,
    /// Shown to the owner.
    Warn,
    /// Somebody is woken.
    Page,
}

impl Severity {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warn => "warn",
            Self::Page => "page",
        }
    }

    /// By its word; what is none is listed.
    pub fn of(word: &str) -> Self {
        [Self::Page, Self::Warn].into_iter().find(|severity| severity.as_str() == word).unwrap_or(Self::Note)
    }
}

/// A rule's finding on a day.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    /// The rule.
    pub rule: Rule,
    /// Number of the series in the history.
    pub series: usize,
    /// Number of the day in the history.
    pub day: usize,
    /// How much it matters.
    pub severity: Severity,
    /// Money that is beyond what was expected, units of 1e-10.
    pub excess: f64,
}

/// From how much money on a rule warns and pages, units of 1e-10.
#[derive(Debug, Clone, Copy)]
pub struct Floors {
    /// A fifth of the floor of a page.
    pub warn: f64,
    /// `[anomaly] page_above`.
    pub page: f64,
}

impl Floors {
    /// The config's.
    pub fn of(config: &Config) -> Self {
        let page = config.anomaly.page_above as f64;
        Self { warn: page / 5.0, page }
    }

    pub(super) fn severity(&self, excess: f64, is_clear: bool) -> Severity {
        match () {
            () if excess >= self.page && is_clear => Severity::Page,
            () if excess >= self.warn => Severity::Warn,
            () => Severity::Note,
        }
    }
}

/// So many times a day before is no more than it.
const AS_BEFORE: f64 = 1.5;
/// Stored days before which nothing can be called new.
const HISTORY: usize = 14;
/// Stored days before which what is new may be a job of every month, and wakes nobody.
const MONTH: usize = 35;
/// Spreads above the usual from which a day is far, and clearly so.
const FAR: f64 = 4.5;
pub(super) const CLEARLY: f64 = 5.0;
/// Spreads that count for days in a row.
const IN_A_ROW: f64 = 2.5;
/// So many times the expected is far from fewer spreads on.
const MANY_TIMES: (f64, f64) = (3.0, 3.5);

/// Everything that the rules find, by day: what the contract lists of complete days, and their own.
pub fn signals(history: &History, baselines: &[Baseline], jumps: &[Jump], floors: &Floors) -> Vec<Signal> {
    let listed = jumps.iter().filter(|jump| jump.is_complete);
    let mut found: Vec<Signal> = listed.filter_map(|jump| contract(history, jump, baselines, floors)).collect();
    for (series, baseline) in baselines.iter().enumerate() {
        for day in history.judged..history.days {
            found.extend(weekday(series, day, baseline, floors));
            found.extend(ramp(series, day, baseline, floors));
        }
    }
    // Roles come and go; those that spend little are nobody's news.
    let newcomers = history.newcomers.iter().filter(|newcomer| newcomer.cost as f64 >= floors.warn);
    found.extend(newcomers.map(|newcomer| new_principal(history, newcomer, baselines, floors)));
    let (of_parts, of_units) = cores::both(
        || {
            let mut found = Vec::new();
            parts(history, baselines, floors, &mut found);
            found
        },
        || {
            let mut found = Vec::new();
            units::units(history, baselines, floors, &mut found);
            units::flat_lines(history, baselines, floors, &mut found);
            found
        },
    );
    found.extend(of_parts);
    found.extend(of_units);
    found.sort_by_key(|signal| (signal.day, signal.series, signal.rule));
    found.dedup_by(|next, kept| {
        let same = (next.day, next.series, next.rule) == (kept.day, kept.series, kept.rule);
        if same && next.excess > kept.excess {
            *kept = next.clone();
        }
        same
    });
    found
}

/// What each series is expected to cost on each complete day, by what it cost.
pub fn baselines(history: &History, costs: &[Vec<i128>]) -> Vec<Baseline> {
    cores::each(costs.len(), |series| baseline_of(history, &costs[series][..history.days]))
}

pub(super) fn baseline_of(history: &History, costs: &[i128]) -> Baseline {
    Baseline::since(history.judged, costs.iter().map(|cost| *cost as f64).collect(), COSTS)
}

/// A role that takes over from another costs nothing more, and is only noted.
fn new_principal(history: &History, newcomer: &Newcomer, baselines: &[Baseline], floors: &Floors) -> Signal {
    let Newcomer { day, series, cost } = *newcomer;
    let (excess, is_on_top) = on_top(&baselines[series], day, cost);
    let is_known = day >= history.begun() + HISTORY;
    let severity = if is_known && is_on_top { floors.severity(excess, true) } else { Severity::Note };
    Signal { rule: Rule::NewPrincipal, series, day, severity, excess }
}

/// What something new adds to what the day was expected to cost, and whether that is most of it.
fn on_top(baseline: &Baseline, day: usize, cost: i128) -> (f64, bool) {
    let usual = baseline.expected(day).map_or(0.0, |expected| expected.middle);
    let excess = (cost as f64).min((baseline.value(day) - usual).max(0.0));
    (excess, 2.0 * excess >= cost as f64)
}

/// What the contract lists, as severe as it says at most: what the same weekday spends as well is only noted.
fn contract(history: &History, jump: &Jump, baselines: &[Baseline], floors: &Floors) -> Option<Signal> {
    let rule = Rule::ALL.into_iter().find(|rule| rule.name() == jump.rule)?;
    let (series, day) = (history.series(&jump.owner)?, history.number(jump.day)?);
    let baseline = &baselines[series];
    let is_usual = [Rule::R1, Rule::Returned].contains(&rule)
        && match baseline.expected(day) {
            Some(_) => far(baseline, day, FAR, 1.3).is_none(),
            // Where no week is known yet: a Monday is what the Friday was, whatever the Sunday.
            None => (0..day).any(|before| AS_BEFORE * baseline.value(before) >= baseline.value(day)),
        };
    let excess = jump.increase as f64;
    let is_young = (rule == Rule::New && day < history.begun() + MONTH)
        || (rule == Rule::R1 && is_after_rest_alone(history, baseline, day));
    let most = Severity::of(&jump.severity).min(if is_young { Severity::Warn } else { Severity::Page });
    let severity = if is_usual { Severity::Note } else { floors.severity(excess, true).min(most) };
    Some(Signal { rule, series, day, severity, excess })
}

/// Whether a day is a working day, and those with spend before it are of weekends: what it usually costs to work is
/// not known yet.
fn is_after_rest_alone(history: &History, baseline: &Baseline, day: usize) -> bool {
    let is_rest = |day: usize| clock::weekday(history.first + day as i32) > 5;
    !is_rest(day) && (0..day).all(|before| baseline.value(before) <= 0.0 || is_rest(before))
}

fn weekday(series: usize, day: usize, baseline: &Baseline, floors: &Floors) -> Option<Signal> {
    far(baseline, day, FAR, 1.3).filter(|(excess, _)| *excess >= floors.warn).map(|(excess, score)| Signal {
        rule: Rule::Weekday,
        series,
        day,
        severity: floors
            .severity(excess, score >= CLEARLY && baseline.value(day) >= 1.5 * (baseline.value(day) - excess)),
        excess,
    })
}

/// What a day has beyond the expected, and by how many spreads, where it is so many times that and so far: alone,
/// or together with the one or two days before it, which were above the expected too and which chance would
/// hardly put in a row.
pub(super) fn far(baseline: &Baseline, day: usize, score: f64, ratio: f64) -> Option<(f64, f64)> {
    let (value, expected) = (baseline.value(day), baseline.expected(day)?);
    if value < ratio * expected.middle || baseline.is_habit(day) {
        return None;
    }
    let scores = (0..3).map_while(|back| {
        let day = day.checked_sub(back)?;
        let found = baseline.expected(day)?.score(baseline.value(day));
        (back == 0 || found >= IN_A_ROW).then_some(found)
    });
    // Of normal scores the sum over the root of their number is normal, too.
    let sums = scores.scan((0.0, 0.0_f64), |(sum, count), found| {
        (*sum, *count) = (*sum + found, *count + 1.0);
        Some(*sum / count.sqrt())
    });
    let together = sums.fold(f64::MIN, f64::max);
    let alone = expected.score(value);
    let is_far =
        (alone >= IN_A_ROW && together >= score) || (alone >= MANY_TIMES.1 && value >= MANY_TIMES.0 * expected.middle);
    is_far.then_some((value - expected.middle, together))
}

fn ramp(series: usize, day: usize, baseline: &Baseline, floors: &Floors) -> Option<Signal> {
    let week = |before: usize| baseline.sum_before((day + 1).checked_sub(7 * before)?, 7);
    let (last, second, third) = (week(0)?, week(1)?, week(2)?);
    let mut base: Vec<f64> = (2..6).filter_map(week).filter(|sum| *sum > 0.0).collect();
    if base.len() < 2 {
        return None;
    }
    let base = super::baseline::median(&mut base)?;
    let grows = last >= 1.4 * base && last >= 1.12 * second && second >= 1.05 * third && outgrows(baseline, day);
    // What is over already is no ramp, though its week still shows it.
    let is_on =
        (day - 1..=day).all(|day| baseline.long_before(day).is_some_and(|before| baseline.value(day) >= 1.35 * before));
    let excess = (last - base) / 7.0;
    (grows && is_on && excess >= floors.warn).then(|| Signal {
        rule: Rule::Ramp,
        series,
        day,
        severity: floors.severity(excess, last >= 2.0 * base),
        excess,
    })
}

/// Whether the last two weeks grew by more than the weeks before them, and by more than those were uneven.
fn outgrows(baseline: &Baseline, day: usize) -> bool {
    let step = |weeks: usize| {
        let week = |before: usize| baseline.sum_before((day + 1).checked_sub(7 * before)?, 7);
        Some((week(weeks)?, week(weeks + 1)?))
            .filter(|(_, before)| *before > 0.0)
            .map(|(last, before)| (last / before).ln())
    };
    let mut before: Vec<f64> = (2..8).filter_map(step).collect();
    let usual = super::baseline::median(&mut before).unwrap_or(0.0).max(0.0);
    let mut off: Vec<f64> = before.iter().map(|step| (step - usual).abs()).collect();
    let uneven = super::baseline::median(&mut off).unwrap_or(0.0) * 1.4826;
    let now = (step(0).unwrap_or(0.0) + step(1).unwrap_or(0.0)) / 2.0;
    now - usual >= f64::max(0.1, 1.5 * uneven) && is_broad(baseline, day)
}

/// Whether most of the last seven days cost more than those a week before: some dear days alone are no ramp.
fn is_broad(baseline: &Baseline, day: usize) -> bool {
    let days = (day.saturating_sub(6)..=day)
        .filter_map(|day| Some((baseline.value(day), baseline.value(day.checked_sub(7)?))));
    let spent: Vec<(f64, f64)> = days.filter(|(now, before)| now + before > 0.0).collect();
    5 * spent.iter().filter(|(now, before)| now > before).count() >= 3 * spent.len()
}

/// One model, or one account and region, of a workload: what the rest of it hides.
fn parts(history: &History, baselines: &[Baseline], floors: &Floors, found: &mut Vec<Signal>) {
    let mut models: HashMap<(usize, Text), Vec<i128>> = HashMap::new();
    let mut places: HashMap<(usize, [Text; 2]), Vec<i128>> = HashMap::new();
    let none = || vec![0; history.days];
    for Line { day, series, what, cost, .. } in history.complete() {
        models.entry((*series, what[MODEL])).or_insert_with(none)[*day] += cost;
        places.entry((*series, [what[ACCOUNT], what[REGION]])).or_insert_with(none)[*day] += cost;
    }
    let (models, places): (BTreeMap<_, _>, BTreeMap<_, _>) =
        (models.into_iter().collect(), places.into_iter().collect());
    let begun: BTreeMap<usize, usize> = first_days(&models);
    for ((series, model), costs) in &models {
        layer(history, *series, costs, floors, found);
        let first = costs.iter().position(|cost| *cost > 0);
        if let (Some(day), false) = (first, model.is_null())
            && day >= history.begun() + HISTORY
            && begun.get(series).is_some_and(|begun| day >= begun + HISTORY)
        {
            let (excess, is_on_top) = on_top(&baselines[*series], day, costs[day]);
            let most = if is_on_top { Severity::Warn } else { Severity::Note };
            let severity = floors.severity(excess, true).min(most);
            found.push(Signal { rule: Rule::NewModel, series: *series, day, severity, excess });
        }
    }
    places.iter().for_each(|((series, _), costs)| layer(history, *series, costs, floors, found));
    new_regions(history.begun(), &places, floors, found);
}

/// A region in which nobody of an account ever bought anything: whoever does so first.
fn new_regions(
    begun: usize,
    places: &BTreeMap<(usize, [Text; 2]), Vec<i128>>,
    floors: &Floors,
    found: &mut Vec<Signal>,
) {
    let first = |costs: &Vec<i128>| costs.iter().position(|cost| *cost > 0);
    let mut accounts: BTreeMap<Text, usize> = BTreeMap::new();
    let mut regions: BTreeMap<[Text; 2], (usize, usize)> = BTreeMap::new();
    for ((series, place), costs) in places {
        let Some(day) = first(costs) else { continue };
        let begun = accounts.entry(place[0]).or_insert(day);
        *begun = day.min(*begun);
        let held = regions.entry(*place).or_insert((day, *series));
        *held = (day, *series).min(*held);
    }
    for (place, (day, series)) in regions {
        let is_new = day >= begun + HISTORY && accounts.get(&place[0]).is_some_and(|begun| day >= begun + HISTORY);
        if !is_new || place[1].is_null() {
            continue;
        }
        let costs = places.iter().filter(|((_, other), _)| *other == place).map(|(_, costs)| costs[day]);
        let excess = costs.sum::<i128>() as f64;
        found.push(Signal { rule: Rule::NewRegion, series, day, severity: floors.severity(excess, true), excess });
    }
}

/// By series: its first day with spend.
fn first_days(models: &BTreeMap<(usize, Text), Vec<i128>>) -> BTreeMap<usize, usize> {
    let mut first = BTreeMap::new();
    for ((series, _), costs) in models {
        if let Some(day) = costs.iter().position(|cost| *cost > 0) {
            let held = first.entry(*series).or_insert(day);
            *held = day.min(*held);
        }
    }
    first
}

fn layer(history: &History, series: usize, costs: &[i128], floors: &Floors, found: &mut Vec<Signal>) {
    // What costs less on each day cannot cost so much more on one.
    if costs[history.judged.min(costs.len())..].iter().all(|cost| (*cost as f64) < floors.warn) {
        return;
    }
    let baseline = baseline_of(history, costs);
    for day in history.judged..costs.len() {
        if let Some((excess, _)) = far(&baseline, day, CLEARLY, 1.5)
            && excess >= floors.warn
        {
            let severity = floors.severity(excess, true);
            found.push(Signal { rule: Rule::Layer, series, day, severity, excess });
        }
    }
}
