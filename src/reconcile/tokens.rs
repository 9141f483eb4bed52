//! Tokens: what was billed and what AWS measured in, every gap by model and usage kind out.
//!
//! Days are compared one by one, since causes come and go by day; what no cause explains is added up
//! over the range, so that calls around midnight, which the two sides may date differently, cancel.

use std::collections::{BTreeMap, BTreeSet};

/// The usage kinds that AWS measures, in the order of the arrays here.
pub use crate::classify::TOKEN_KINDS;

/// A model's day somewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Day, UTC.
    pub day: i32,
    /// Account.
    pub account: String,
    /// Region.
    pub region: String,
    /// Model name, or what the metric calls it.
    pub model: String,
}

impl Place {
    fn whereabouts(&self) -> (String, String, String) {
        (self.account.clone(), self.region.clone(), self.model.clone())
    }
}

/// Whole tokens billed for one usage kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Billed {
    /// Where and when.
    pub place: Place,
    /// Index into [`TOKEN_KINDS`].
    pub kind: usize,
    /// Whether a batch job used them.
    pub is_batch: bool,
    /// Whole tokens.
    pub tokens: i128,
}

/// Tokens that AWS's own metrics counted; `None` where no series exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// Where and when.
    pub place: Place,
    /// By [`TOKEN_KINDS`].
    pub tokens: [Option<i128>; 4],
}

/// Everything that is compared.
#[derive(Debug, Clone, Default)]
pub struct Sides {
    /// The bill's tokens.
    pub billed: Vec<Billed>,
    /// AWS's tokens.
    pub measured: Vec<Measured>,
    /// The days to compare, and whether the bill's is complete.
    pub days: BTreeMap<i32, bool>,
    /// Accounts and models that pay for capacity, not for tokens.
    pub capacity: BTreeSet<(String, String)>,
}

/// Why the two sides differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Nothing that was looked for explains it.
    Unexplained,
    /// Measured tokens of a model for which the account has no token charge at all.
    NotInTheBill,
    /// Batch jobs, which real-time metrics do not see.
    Batch,
    /// Capacity that was bought: its tokens are measured, and none is billed.
    Provisioned,
    /// Billed tokens of a day without any data of that measure.
    MissingSeries,
    /// The bill's day is not whole yet.
    Incomplete,
    /// The metric counts cached tokens as input.
    CachedInput,
    /// Less than one token a day.
    Rounding,
}

impl Cause {
    /// Its name in the output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unexplained => "unexplained",
            Self::NotInTheBill => "not in the bill",
            Self::Batch => "batch",
            Self::Provisioned => "provisioned",
            Self::MissingSeries => "missing series",
            Self::Incomplete => "incomplete",
            Self::CachedInput => "cached input",
            Self::Rounding => "rounding",
        }
    }

    /// Whether it only says where tokens are missing, not why.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Unexplained | Self::NotInTheBill)
    }
}

/// Where a cause was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Billed less measured, whole tokens.
    pub tokens: i128,
    /// Accounts and regions.
    pub places: BTreeSet<(String, String)>,
    /// Days.
    pub days: BTreeSet<i32>,
}

/// A model's tokens of one usage kind over the range.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// Model.
    pub model: String,
    /// Index into [`TOKEN_KINDS`].
    pub kind: usize,
    /// Billed.
    pub billed: i128,
    /// Measured; `None` where no series has any data.
    pub measured: Option<i128>,
    /// What the difference is made of; its sum is the difference.
    pub causes: BTreeMap<Cause, Seen>,
}

impl Row {
    /// Billed less measured.
    pub fn difference(&self) -> i128 {
        self.billed - self.measured.unwrap_or(0)
    }

    /// What no cause explains.
    pub fn open(&self) -> i128 {
        self.causes.iter().filter(|(cause, _)| cause.is_open()).map(|(_, seen)| seen.tokens).sum()
    }

    /// Whether more than a hundredth of the billed tokens is open, whichever way.
    pub fn is_finding(&self) -> bool {
        let open = self.causes.iter().filter(|(cause, _)| cause.is_open()).map(|(_, seen)| seen.tokens.abs());
        open.sum::<i128>() * 100 > self.billed.abs()
    }
}

/// The comparison.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// By model and usage kind.
    pub rows: Vec<Row>,
    /// Days whose billed and measured tokens agree, with their usage kind.
    pub agreed: BTreeSet<(Place, usize)>,
}

#[derive(Default, Clone, Copy)]
struct Day {
    billed: [i128; 4],
    batch: [i128; 4],
    measured: [Option<i128>; 4],
}

/// Compares the two sides.
pub fn compare(sides: &Sides) -> Comparison {
    let days = days(sides);
    let has_charges: BTreeSet<(String, String, String)> =
        days.iter().filter(|(_, day)| day.billed != [0; 4]).map(|(place, _)| place.whereabouts()).collect();
    let mut rows: BTreeMap<(String, usize), Row> = BTreeMap::new();
    // What is left over, by account, region, model and kind.
    let mut left: BTreeMap<((String, String, String), usize), Seen> = BTreeMap::new();
    let mut comparison = Comparison::default();
    for (place, day) in &days {
        for kind in 0..TOKEN_KINDS.len() {
            if day.billed[kind] == 0 && day.measured[kind].unwrap_or(0) == 0 {
                continue;
            }
            let row = rows.entry((place.model.clone(), kind)).or_default();
            row.billed += day.billed[kind];
            if let Some(measured) = day.measured[kind] {
                row.measured = Some(row.measured.unwrap_or(0) + measured);
            }
            let is_complete = sides.days.get(&place.day).copied().unwrap_or(false);
            let has_capacity = sides.capacity.contains(&(place.account.clone(), place.model.clone()));
            let (named, rest) = causes(day, kind, is_complete, has_capacity);
            let is_named = named.iter().any(|(cause, _)| *cause != Cause::Batch);
            for (cause, tokens) in named {
                row.causes.entry(cause).or_default().add(place, tokens);
            }
            if rest.abs() <= 1 && day.measured[kind].is_some() && !is_named {
                comparison.agreed.insert((place.clone(), kind));
            }
            if rest != 0 {
                left.entry((place.whereabouts(), kind)).or_default().add(place, rest);
            }
        }
    }
    for ((place, kind), seen) in left.into_iter().filter(|(_, seen)| seen.tokens != 0) {
        let cause = match () {
            () if seen.tokens.unsigned_abs() <= seen.days.len() as u128 => Cause::Rounding,
            () if !has_charges.contains(&place) => Cause::NotInTheBill,
            () => Cause::Unexplained,
        };
        let row = rows.entry((place.2, kind)).or_default();
        row.causes.entry(cause).or_default().merge(seen);
    }
    comparison.rows = rows.into_iter().map(|((model, kind), row)| Row { model, kind, ..row }).collect();
    comparison
}

impl Seen {
    fn add(&mut self, place: &Place, tokens: i128) {
        self.tokens += tokens;
        self.places.insert((place.account.clone(), place.region.clone()));
        self.days.insert(place.day);
    }

    fn merge(&mut self, other: Self) {
        self.tokens += other.tokens;
        self.places.extend(other.places);
        self.days.extend(other.days);
    }
}

fn days(sides: &Sides) -> BTreeMap<Place, Day> {
    let mut days: BTreeMap<Place, Day> = BTreeMap::new();
    for billed in sides.billed.iter().filter(|billed| sides.days.contains_key(&billed.place.day)) {
        let day = days.entry(billed.place.clone()).or_default();
        day.billed[billed.kind] += billed.tokens;
        if billed.is_batch {
            day.batch[billed.kind] += billed.tokens;
        }
    }
    for measured in sides.measured.iter().filter(|measured| sides.days.contains_key(&measured.place.day)) {
        let day = days.entry(measured.place.clone()).or_default();
        for (sum, tokens) in day.measured.iter_mut().zip(measured.tokens) {
            if let Some(tokens) = tokens {
                *sum = Some(sum.unwrap_or(0) + tokens);
            }
        }
    }
    days
}

/// The causes of a day's gap, and what is left.
fn causes(day: &Day, kind: usize, is_complete: bool, has_capacity: bool) -> (Vec<(Cause, i128)>, i128) {
    let gap = day.billed[kind] - day.measured[kind].unwrap_or(0);
    if gap == 0 {
        return (Vec::new(), 0);
    }
    if !is_complete {
        return (vec![(Cause::Incomplete, gap)], 0);
    }
    if gap < 0 {
        let cached = day.measured[2].unwrap_or(0) + day.measured[3].unwrap_or(0);
        return match () {
            // GPT-5.x models are measured so.
            () if kind == 0 && cached > 0 && (gap + cached).abs() <= 1 => (vec![(Cause::CachedInput, gap)], 0),
            () if has_capacity => (vec![(Cause::Provisioned, gap)], 0),
            () => (Vec::new(), gap),
        };
    }
    let batch = gap.min(day.batch[kind].max(0));
    let mut named = if batch > 0 { vec![(Cause::Batch, batch)] } else { Vec::new() };
    let rest = gap - batch;
    if rest > 0 && day.measured[kind].is_none() {
        named.push((Cause::MissingSeries, rest));
        return (named, 0);
    }
    (named, rest)
}
