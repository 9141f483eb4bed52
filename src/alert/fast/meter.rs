//! Meter: what was measured of late, priced, by whose it is.
//!
//! Series that carry their owner, and AWS's own of an owner's profile, make the owner's spend; both measure the same
//! calls, so the larger counts. AWS's own make the spend of their account, region and model, whoever owns it.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;

use super::learn::Learned;
use super::rates::{Asked, Price, Rates};
use crate::alert::causes::{Bought, Side};
use crate::alert::scope::Scope;
use crate::attribute::demand::{Profiles, owner_of};
use crate::attribute::owner::{Vocabulary, WORKLOAD};
use crate::classify::TOKEN_KINDS;
use crate::clock::{self, HOUR};
use crate::config::Config;
use crate::sources::cloudwatch::{self, HourSample, Subject};
use crate::text::Texts;

/// Seconds of a slot.
pub const SLOT: i64 = 300;

/// What was measured in a slot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// What it costs, units of 1e-10.
    pub cost: i128,
    /// How much of that is by list prices.
    pub listed: i128,
    /// Tokens that nobody knows a price of.
    pub unpriced: i64,
    /// Calls.
    pub calls: i64,
    /// Units of the business metric, where one is measured.
    pub finished: Option<i64>,
}

impl Spent {
    /// Adds what was measured elsewhere.
    pub fn add(&mut self, other: &Self) {
        self.cost += other.cost;
        self.listed += other.listed;
        self.unpriced = self.unpriced.saturating_add(other.unpriced);
        self.calls = self.calls.saturating_add(other.calls);
        if let Some(finished) = other.finished {
            self.finished = Some(self.finished.unwrap_or(0).saturating_add(finished));
        }
    }
}

/// The slots of a scope, by their beginning.
pub type Slots = BTreeMap<i64, Spent>;

/// Everything that was measured.
#[derive(Debug, Default)]
pub struct Metered {
    /// By scope and currency.
    pub scopes: BTreeMap<(Scope, String), Slots>,
    /// By workload and cell: what the last hour cost, for where it is.
    pub places: BTreeMap<(String, [String; 3]), BTreeMap<i64, i128>>,
    /// What the samples of each subject have in common, by where the subject lies.
    known: HashMap<*const Subject, Known>,
    /// By account and region: the newest slot with a point, which tells what is missing from what is zero.
    pub newest: BTreeMap<(String, String), i64>,
}

/// What the samples of a subject have in common.
#[derive(Debug)]
struct Known {
    /// What its workload's bill is beside its metrics.
    factor: f64,
    workload: Option<String>,
    cell: [String; 3],
    currency: String,
    prices: [Option<Price>; 4],
    scope: cloudwatch::Scope,
}

/// A workload, a currency, and who measured.
type Owned = (String, String, cloudwatch::Scope);

/// Prices samples.
pub fn meter(samples: &[HourSample], learned: &Learned, config: &Config) -> Metered {
    let rates = Rates::of(learned.bought.iter());
    let (profiles, vocabulary) = (Profiles::known(&learned.profiles), Vocabulary::new(config));
    let mut subjects: HashMap<*const Subject, Known> = HashMap::new();
    let mut metered = Metered::default();
    let mut owned: BTreeMap<Owned, Slots> = BTreeMap::new();
    // What stands for a whole day says nothing of its hours.
    for sample in samples.iter().filter(|sample| !sample.daily) {
        let known = subjects
            .entry(Arc::as_ptr(&sample.subject))
            .or_insert_with(|| Known::of(sample, learned, &rates, &profiles, &vocabulary));
        let spent = known.spent(sample);
        let place = (sample.subject.account_id.clone(), sample.subject.region.clone());
        let newest = metered.newest.entry(place).or_insert(sample.hour);
        *newest = sample.hour.max(*newest);
        if known.scope == cloudwatch::Scope::Native {
            let [account, region, model] = known.cell.clone();
            let cell = (Scope::Cell(account, region, model), known.currency.clone());
            metered.scopes.entry(cell).or_default().entry(sample.hour).or_default().add(&spent);
        }
        if let Some(workload) = &known.workload {
            let key = (workload.clone(), known.currency.clone(), known.scope);
            // What its metrics usually miss of its bill, or have beyond it.
            let spent = Spent { cost: (spent.cost as f64 * known.factor) as i128, ..spent };
            owned.entry(key).or_default().entry(sample.hour).or_default().add(&spent);
            let place = metered.places.entry((workload.clone(), known.cell.clone())).or_default();
            *place.entry(sample.hour).or_default() += spent.cost;
        }
    }
    for ((workload, currency, _), slots) in owned {
        let held = metered.scopes.entry((Scope::Workload(workload), currency)).or_default();
        for (at, spent) in slots {
            let kept = held.entry(at).or_default();
            let finished = kept.finished.max(spent.finished);
            if spent.cost > kept.cost || (spent.cost == kept.cost && spent.calls > kept.calls) {
                *kept = spent;
            }
            kept.finished = finished;
        }
    }
    metered.known = subjects;
    metered
}

/// What a scope bought in the hour before a time and in the hour before that, and its calls: of a workload by the
/// series that have more of it.
pub fn bought(samples: &[HourSample], metered: &Metered, scope: &Scope, end: i64) -> (Vec<Bought>, Option<[i128; 2]>) {
    let mut by: BTreeMap<cloudwatch::Scope, (Vec<Bought>, [i128; 2])> = BTreeMap::new();
    for sample in samples.iter().filter(|sample| !sample.daily && (end - 2 * HOUR..end).contains(&sample.hour)) {
        let Some(known) = metered.known.get(&Arc::as_ptr(&sample.subject)).filter(|known| known.is_in(scope)) else {
            continue;
        };
        let hour = usize::from(sample.hour >= end - HOUR);
        let (bought, calls) = by.entry(known.scope).or_default();
        calls[hour] += i128::from(sample.invocations.unwrap_or(0).max(0));
        let factor = if scope.workload().is_some() { known.factor } else { 1.0 };
        for (kind, tokens, price) in known.tokens(sample) {
            let (mut count, mut cost) = ([0; 2], [0; 2]);
            let price = price.map_or(0, |price| price.of(tokens));
            (count[hour], cost[hour]) = (i128::from(tokens), (price as f64 * factor) as i128);
            bought.push(Bought {
                side: Side::of(kind),
                model: known.cell[2].clone(),
                kind: kind.to_string(),
                tokens: count,
                cost,
            });
        }
    }
    let cost = |all: &[Bought]| -> i128 { all.iter().flat_map(|bought| bought.cost).sum() };
    let (bought, calls) = by.into_values().max_by_key(|(bought, _)| cost(bought)).unwrap_or_default();
    (bought, calls.iter().all(|count| *count > 0).then_some(calls))
}

impl Known {
    fn of(
        sample: &HourSample,
        learned: &Learned,
        rates: &Rates<'_>,
        profiles: &Profiles,
        vocabulary: &Vocabulary,
    ) -> Self {
        let subject = &sample.subject;
        let mut texts = Texts::default();
        let account = subject.account_id.as_str();
        let id = subject.model_id.as_deref();
        let measured = id.and_then(|id| profiles.resolve(account, id, &mut texts)).unwrap_or_default();
        let tier = measured.tier.or(measured.model[2]);
        let asked = Asked {
            account,
            region: &subject.region,
            model: texts.str(measured.model[1]),
            tier: texts.str(tier),
            routing: texts.str(measured.routing),
        };
        let prices = TOKEN_KINDS.map(|kind| rates.price(&asked, kind));
        let model = [asked.model, id.unwrap_or_default()].into_iter().find(|name| !name.is_empty()).unwrap_or_default();
        let cell = [account, &subject.region, model].map(String::from);
        let workload = match subject.scope {
            cloudwatch::Scope::Owner => {
                let owner = owner_of(sample, vocabulary, &mut texts);
                Some(texts.str(owner[WORKLOAD]).to_string())
            }
            cloudwatch::Scope::Native => id
                .and_then(|id| profiles.owner(account, id, clock::day_of(sample.hour)))
                .map(|owner| owner[WORKLOAD].clone()),
        };
        let currency = rates.currency(account).to_string();
        let workload = workload.filter(|name| !name.is_empty());
        let gap = workload.as_ref().and_then(|workload| learned.band.gaps.get(workload));
        Self { factor: gap.map_or(1.0, |(factor, _)| *factor), workload, cell, currency, prices, scope: subject.scope }
    }

    /// Whether it measures a scope.
    fn is_in(&self, scope: &Scope) -> bool {
        match scope {
            Scope::Workload(name) => self.workload.as_ref() == Some(name),
            Scope::Cell(account, region, model) => {
                self.scope == cloudwatch::Scope::Native && self.cell == [account, region, model].map(String::clone)
            }
            _ => false,
        }
    }

    /// Kinds, tokens and prices of a sample.
    fn tokens(&self, sample: &HourSample) -> impl Iterator<Item = (&'static str, i64, Option<Price>)> {
        let tokens = [sample.input_tokens, sample.output_tokens, sample.cache_read_tokens, sample.cache_write_tokens];
        let tokens = tokens.map(|tokens| tokens.unwrap_or(0).max(0));
        TOKEN_KINDS.into_iter().zip(tokens).zip(self.prices).map(|((kind, tokens), price)| (kind, tokens, price))
    }

    fn spent(&self, sample: &HourSample) -> Spent {
        let calls = sample.invocations.unwrap_or(0).max(0);
        let mut spent = Spent { calls, finished: sample.business_units, ..Spent::default() };
        for (_, tokens, price) in self.tokens(sample) {
            match price {
                Some(price) => {
                    let cost = price.of(tokens);
                    spent.cost += cost;
                    spent.listed += if price.is_list { cost } else { 0 };
                }
                None => spent.unpriced = spent.unpriced.saturating_add(tokens),
            }
        }
        spent
    }
}
