//! Points → hours: of everything that measured one thing in one hour, exactly one is taken.
//!
//! Three ways lead to the same tokens, and none is ever added to another: the two spellings of a
//! metric, the stream and the replies of several periods, and hourly beside daily points.
//!
//! Values stay as measured. Claude and Nova report input without its cached part; GPT-5.x models
//! report input *including* it, and whoever needs the uncached input must take that into account:
//! here nothing tells the one from the other.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::levels::{Levels, Measure, Verdict};
use super::series::{Origin, Series, SeriesName, Store};
use super::{HourSample, MetricSource, Source, Subject, Warning};

pub(super) const HOUR: i64 = 3600;
const DAY: i64 = 86_400;

/// A span of time that a value is placed in: an hour, or a whole day where the period is longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Slot {
    daily: bool,
    start: i64,
}

/// What one spelling from one origin has measured in a slot.
#[derive(Debug, Clone, Copy)]
struct Candidate<'a> {
    metric: &'a str,
    origin: Origin,
    count: Option<i64>,
    sum: i64,
}

/// What a series measures within its subject, whatever its spelling: its dimensions and the measure.
type Quantity<'a> = (&'a BTreeMap<String, String>, Measure);

/// The series of each quantity of each subject. One subject's hours are made at a time.
type Subjects<'a> = BTreeMap<Subject, BTreeMap<Quantity<'a>, Vec<&'a Series>>>;

/// Values in order of time.
type Slots<'a> = Vec<(Slot, Candidate<'a>)>;

/// Turns all points into samples of `grain` seconds, sorted by time and then by what they measure.
pub(super) fn samples(
    store: &Store,
    levels: &Levels,
    source: &MetricSource,
    grain: i64,
) -> (Vec<HourSample>, Vec<Warning>) {
    let mut subjects = Subjects::new();
    for series in store.series() {
        let name = &series.name;
        let Verdict::Read(measures) = levels.judge(&name.namespace, &name.metric, &name.dimensions) else {
            continue;
        };
        let quantities = subjects.entry(levels.subject(name)).or_default();
        for measure in measures {
            quantities.entry((&name.dimensions, measure)).or_default().push(series);
        }
    }
    let mut notes = BTreeSet::new();
    let mut samples: Vec<HourSample> = Vec::new();
    for (subject, quantities) in subjects {
        let subject = Arc::new(subject);
        let mut drafts = BTreeMap::new();
        for ((_, measure), series) in quantities {
            let chosen = choose_each(&series, measure, grain, &mut notes);
            for (slot, candidate) in one_per_day(chosen) {
                let draft = drafts.entry(slot).or_insert_with(|| Draft::of(&subject, slot));
                draft.add(measure, candidate, &series[0].name, &mut notes);
            }
        }
        samples.extend(drafts.into_values().map(Draft::finish));
    }
    // Subjects came in order, so this stays what samples of one time are sorted by.
    samples.sort_by_key(|sample| (sample.hour, sample.daily));
    let warnings = notes.into_iter().map(|text| Warning { file: source.path.clone(), line: None, text }).collect();
    (samples, warnings)
}

/// Sums a series' points into its slots.
fn by_slot<'a>(series: &'a Series, grain: i64, notes: &mut BTreeSet<String>) -> Slots<'a> {
    let period = match series.origin {
        Origin::Stream => 60,
        Origin::Reply { period, .. } => period,
    };
    let daily = period > HOUR;
    let length = if daily { DAY } else { grain };
    let mut slots = Slots::new();
    for (at, point) in series.points.iter() {
        let within = at.rem_euclid(length);
        // A point that covers more than a finer slot stands where it begins, which says nothing false of the hour.
        if within + period > length.max(HOUR) && series.origin != Origin::Stream {
            notes.insert(format!(
                "{} of {}: periods of {period} seconds do not end with the {}, and are counted where they begin",
                series.name.metric,
                series.name.describe(),
                if daily { "day" } else { "hour" },
            ));
        }
        let slot = Slot { daily, start: at - within };
        if slots.last().is_none_or(|(last, _)| *last != slot) {
            slots.push((slot, Candidate { metric: &series.name.metric, origin: series.origin, count: None, sum: 0 }));
        }
        if let Some((_, total)) = slots.last_mut() {
            total.sum = add(total.sum, point.sum, &series.name, notes);
            if let Some(count) = point.count {
                total.count = Some(total.count.unwrap_or(0).saturating_add(count));
            }
        }
    }
    slots
}

/// Takes one candidate in each slot, and says so once where a quantity has two spellings.
fn choose_each<'a>(all: &[&'a Series], measure: Measure, grain: i64, notes: &mut BTreeSet<String>) -> Slots<'a> {
    if let [series] = all {
        return by_slot(series, grain, notes);
    }
    let mut slots: BTreeMap<Slot, Vec<Candidate<'a>>> = BTreeMap::new();
    for series in all {
        for (slot, candidate) in by_slot(series, grain, notes) {
            slots.entry(slot).or_default().push(candidate);
        }
    }
    let mut chosen = Slots::new();
    let mut doubled: BTreeSet<&str> = BTreeSet::new();
    for (slot, candidates) in slots {
        let spellings: BTreeSet<&str> = candidates.iter().map(|candidate| candidate.metric).collect();
        if spellings.len() > 1 {
            doubled.extend(spellings);
        }
        chosen.extend(choose(&candidates).map(|candidate| (slot, candidate)));
    }
    if !doubled.is_empty() {
        let spellings = Vec::from_iter(doubled).join(" and ");
        notes.insert(format!(
            "{} has {} under {spellings} in the same hours; the larger of them is taken in each hour, and they are never added",
            all[0].name.describe(),
            measure.name(),
        ));
    }
    chosen
}

/// Takes the best spelling of each origin, then the origin that has seen the most.
///
/// Among spellings one with data beats one that only says zero, then the larger count and sum win.
/// Replies know no count, so origins are compared by sum; on a tie the finest is kept.
fn choose<'a>(candidates: &[Candidate<'a>]) -> Option<Candidate<'a>> {
    let mut best: BTreeMap<Origin, Candidate<'a>> = BTreeMap::new();
    let spelling_rank =
        |candidate: &Candidate<'a>| (candidate.sum > 0, candidate.count, candidate.sum, Reverse(candidate.metric));
    for candidate in candidates {
        let kept = best.entry(candidate.origin).or_insert(*candidate);
        if spelling_rank(candidate) > spelling_rank(kept) {
            *kept = *candidate;
        }
    }
    best.into_values().max_by_key(|candidate| (candidate.sum, Reverse(candidate.origin)))
}

/// Lets each day be told either by its hours or by its daily value: the finer unless it saw less.
fn one_per_day(chosen: Slots<'_>) -> Slots<'_> {
    let mut hourly: BTreeMap<i64, i64> = BTreeMap::new();
    let whole: BTreeMap<i64, i64> =
        chosen.iter().filter(|(slot, _)| slot.daily).map(|(slot, candidate)| (slot.start, candidate.sum)).collect();
    if whole.is_empty() {
        return chosen;
    }
    let day_of = |slot: &Slot| slot.start - slot.start.rem_euclid(DAY);
    for (slot, candidate) in chosen.iter().filter(|(slot, _)| !slot.daily) {
        let sum = hourly.entry(day_of(slot)).or_default();
        *sum = sum.saturating_add(candidate.sum);
    }
    let by_hours = |day: i64| match (hourly.get(&day), whole.get(&day)) {
        (Some(hours), Some(whole)) => hours >= whole,
        (hours, _) => hours.is_some(),
    };
    chosen.into_iter().filter(|(slot, _)| slot.daily != by_hours(day_of(slot))).collect()
}

/// A sample being put together, with how many of its measures came which way.
struct Draft {
    sample: HourSample,
    from_stream: usize,
    from_replies: usize,
}

impl Draft {
    /// Nothing measured yet.
    fn of(subject: &Arc<Subject>, slot: Slot) -> Self {
        let sample = HourSample {
            hour: slot.start,
            daily: slot.daily,
            subject: Arc::clone(subject),
            source: Source::MetricStream,
            invocations: None,
            input_tokens: None,
            output_tokens: None,
            cache_read_tokens: None,
            cache_write_tokens: None,
            business_units: None,
        };
        Self { sample, from_stream: 0, from_replies: 0 }
    }

    /// Adds a value. Several series may measure one quantity of a subject, as projects do.
    fn add(&mut self, measure: Measure, candidate: Candidate<'_>, name: &SeriesName, notes: &mut BTreeSet<String>) {
        match candidate.origin {
            Origin::Stream => self.from_stream += 1,
            Origin::Reply { .. } => self.from_replies += 1,
        }
        let value = match measure {
            Measure::Invocations => &mut self.sample.invocations,
            Measure::InputTokens => &mut self.sample.input_tokens,
            Measure::OutputTokens => &mut self.sample.output_tokens,
            Measure::CacheReadTokens => &mut self.sample.cache_read_tokens,
            Measure::CacheWriteTokens => &mut self.sample.cache_write_tokens,
            Measure::BusinessUnits => &mut self.sample.business_units,
        };
        *value = Some(add(value.unwrap_or(0), candidate.sum, name, notes));
    }

    /// Names the origin that most measures came from.
    fn finish(self) -> HourSample {
        let source = if self.from_stream >= self.from_replies { Source::MetricStream } else { Source::GetMetricData };
        HourSample { source, ..self.sample }
    }
}

/// Adds, and stops at the largest number with a note rather than wrapping around.
fn add(left: i64, right: i64, name: &SeriesName, notes: &mut BTreeSet<String>) -> i64 {
    left.checked_add(right).unwrap_or_else(|| {
        notes.insert(format!("{} adds up to more than can be counted and is cut off; check its unit", name.describe()));
        i64::MAX
    })
}
