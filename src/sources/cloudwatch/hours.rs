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

use super::levels::{Levels, Measure, Verdict};
use super::series::{Origin, Series, SeriesName, Store};
use super::{HourSample, MetricSource, Source, Warning};

const HOUR: i64 = 3600;
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

/// What a series measures, whatever its spelling: its name with the measure for the metric.
type Subject = (SeriesName, Measure);

/// The values in each slot of one subject.
type Slots<'a> = BTreeMap<Slot, Vec<Candidate<'a>>>;

/// Turns all points into samples, sorted by time and then by what they measure.
pub(super) fn samples(store: &Store, levels: &Levels, source: &MetricSource) -> (Vec<HourSample>, Vec<Warning>) {
    let mut notes = BTreeSet::new();
    let mut subjects: BTreeMap<Subject, Slots<'_>> = BTreeMap::new();
    for series in store.series() {
        let name = &series.name;
        let Verdict::Read(measures) = levels.judge(&name.namespace, &name.metric, &name.dimensions) else {
            continue;
        };
        let slots = by_slot(series, &mut notes);
        for measure in measures {
            let subject = (SeriesName { metric: String::new(), ..name.clone() }, measure);
            let all = subjects.entry(subject).or_default();
            for (slot, candidate) in &slots {
                all.entry(*slot).or_default().push(*candidate);
            }
        }
    }
    let mut drafts = BTreeMap::new();
    for ((name, measure), slots) in &subjects {
        let chosen = choose_each(name, *measure, slots, &mut notes);
        for (slot, candidate) in one_per_day(&chosen) {
            add_to_draft(&mut drafts, levels, name, *measure, slot, candidate, &mut notes);
        }
    }
    let mut samples: Vec<HourSample> = drafts.into_values().map(Draft::finish).collect();
    samples.sort_by(|left, right| order(left).cmp(&order(right)));
    let warnings = notes.into_iter().map(|text| Warning { file: source.path.clone(), line: None, text }).collect();
    (samples, warnings)
}

/// Sums a series' points into its slots.
fn by_slot<'a>(series: &'a Series, notes: &mut BTreeSet<String>) -> BTreeMap<Slot, Candidate<'a>> {
    let period = match series.origin {
        Origin::Stream => 60,
        Origin::Reply { period, .. } => period,
    };
    let daily = period > HOUR;
    let length = if daily { DAY } else { HOUR };
    let mut slots: BTreeMap<Slot, Candidate<'a>> = BTreeMap::new();
    for (at, point) in &series.points {
        let within = at.rem_euclid(length);
        if within + period > length && series.origin != Origin::Stream {
            notes.insert(format!(
                "{} of {}: periods of {period} seconds do not end with the {}, and are counted where they begin",
                series.name.metric,
                series.name.describe(),
                if daily { "day" } else { "hour" },
            ));
        }
        let slot = Slot { daily, start: at - within };
        let empty = Candidate { metric: &series.name.metric, origin: series.origin, count: None, sum: 0 };
        let total = slots.entry(slot).or_insert(empty);
        total.sum = add(total.sum, point.sum, &series.name, notes);
        if let Some(count) = point.count {
            total.count = Some(total.count.unwrap_or(0).saturating_add(count));
        }
    }
    slots
}

/// Takes one candidate in each slot, and says so once where a subject has two spellings.
fn choose_each<'a>(
    name: &SeriesName,
    measure: Measure,
    slots: &Slots<'a>,
    notes: &mut BTreeSet<String>,
) -> BTreeMap<Slot, Candidate<'a>> {
    let mut chosen = BTreeMap::new();
    let mut doubled: BTreeSet<&str> = BTreeSet::new();
    for (slot, candidates) in slots {
        let spellings: BTreeSet<&str> = candidates.iter().map(|candidate| candidate.metric).collect();
        if spellings.len() > 1 {
            doubled.extend(spellings);
        }
        if let Some(candidate) = choose(candidates) {
            chosen.insert(*slot, candidate);
        }
    }
    if !doubled.is_empty() {
        let spellings = Vec::from_iter(doubled).join(" and ");
        notes.insert(format!(
            "{} has {} under {spellings} in the same hours; the larger of them is taken in each hour, and they are never added",
            name.describe(),
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
fn one_per_day<'a>(chosen: &BTreeMap<Slot, Candidate<'a>>) -> Vec<(Slot, Candidate<'a>)> {
    let day_of = |slot: &Slot| slot.start - slot.start.rem_euclid(DAY);
    let mut hourly: BTreeMap<i64, i64> = BTreeMap::new();
    for (slot, candidate) in chosen.iter().filter(|(slot, _)| !slot.daily) {
        let sum = hourly.entry(day_of(slot)).or_default();
        *sum = sum.saturating_add(candidate.sum);
    }
    let by_hours = |day: i64| match (hourly.get(&day), chosen.get(&Slot { daily: true, start: day })) {
        (Some(hours), Some(whole)) => *hours >= whole.sum,
        (hours, _) => hours.is_some(),
    };
    chosen
        .iter()
        .filter(|(slot, _)| slot.daily != by_hours(day_of(slot)))
        .map(|(slot, candidate)| (*slot, *candidate))
        .collect()
}

/// A sample being put together, with how many of its measures came which way.
struct Draft {
    sample: HourSample,
    from_stream: usize,
    from_replies: usize,
}

impl Draft {
    /// Names the origin that most measures came from.
    fn finish(self) -> HourSample {
        let source = if self.from_stream >= self.from_replies { Source::MetricStream } else { Source::GetMetricData };
        HourSample { source, ..self.sample }
    }
}

type DraftKey = (Slot, String, String, String, Option<String>, BTreeMap<String, String>);

/// Adds a value to the sample that it belongs to. Several series may share one, as projects do.
fn add_to_draft(
    drafts: &mut BTreeMap<DraftKey, Draft>,
    levels: &Levels,
    name: &SeriesName,
    measure: Measure,
    slot: Slot,
    candidate: Candidate<'_>,
    notes: &mut BTreeSet<String>,
) {
    let identity = levels.identity(&name.namespace, &name.dimensions);
    let key = (
        slot,
        name.account_id.clone(),
        name.region.clone(),
        name.namespace.clone(),
        identity.model_id.clone(),
        identity.owner.clone(),
    );
    let draft = drafts.entry(key).or_insert_with(|| Draft {
        sample: HourSample {
            hour: slot.start,
            daily: slot.daily,
            account_id: name.account_id.clone(),
            region: name.region.clone(),
            namespace: name.namespace.clone(),
            scope: identity.scope,
            source: Source::MetricStream,
            model_id: identity.model_id,
            owner: identity.owner,
            endpoint: identity.endpoint,
            invocations: None,
            input_tokens: None,
            output_tokens: None,
            cache_read_tokens: None,
            cache_write_tokens: None,
            business_units: None,
        },
        from_stream: 0,
        from_replies: 0,
    });
    match candidate.origin {
        Origin::Stream => draft.from_stream += 1,
        Origin::Reply { .. } => draft.from_replies += 1,
    }
    let value = match measure {
        Measure::Invocations => &mut draft.sample.invocations,
        Measure::InputTokens => &mut draft.sample.input_tokens,
        Measure::OutputTokens => &mut draft.sample.output_tokens,
        Measure::CacheReadTokens => &mut draft.sample.cache_read_tokens,
        Measure::CacheWriteTokens => &mut draft.sample.cache_write_tokens,
        Measure::BusinessUnits => &mut draft.sample.business_units,
    };
    *value = Some(add(value.unwrap_or(0), candidate.sum, name, notes));
}

/// Adds, and stops at the largest number with a note rather than wrapping around.
fn add(left: i64, right: i64, name: &SeriesName, notes: &mut BTreeSet<String>) -> i64 {
    left.checked_add(right).unwrap_or_else(|| {
        notes.insert(format!("{} adds up to more than can be counted and is cut off; check its unit", name.describe()));
        i64::MAX
    })
}

/// What samples are sorted by; no two samples agree on all of it.
fn order(sample: &HourSample) -> impl Ord + '_ {
    (
        sample.hour,
        sample.daily,
        &sample.account_id,
        &sample.region,
        sample.scope,
        &sample.namespace,
        &sample.model_id,
        &sample.owner,
    )
}
