//! Demand: what owners were measured to have used, in the bill's own words.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::owner::{KEYS, OwnerTexts, Vocabulary};
use super::{Fact, Facts};
use crate::classify;
use crate::clock;
use crate::config::OWNER_NAMES;
use crate::normalise::trust::Trust;
use crate::normalise::{Charges, Dimensions, UNBLENDED};
use crate::schema::ChargeText;
use crate::sources::cloudwatch::{HourSample, Scope, Subject};
use crate::text::{Text, Texts};

/// Which models a measurement speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ModelMatch {
    /// One model.
    Model(Text),
    /// Any model of a tier.
    Tier(Text),
    /// Any model.
    Any,
}

/// One owner's measured tokens of one hour (or day).
#[derive(Debug, Clone)]
pub struct Demand {
    /// Who.
    pub owner: OwnerTexts,
    /// Start of the hour, or of the day.
    pub start: i64,
    /// Whether it speaks of a whole day.
    pub daily: bool,
    /// Where.
    pub account: Text,
    /// Where.
    pub region: Text,
    /// Of what.
    pub model: ModelMatch,
    /// By which routing, where the model's id says so.
    pub routing: Text,
    /// Whether the id is a model's own, without a profile's prefix: regional, unless the day's bill
    /// has no regional tokens of the model, and the id was only a name.
    pub is_bare_id: bool,
    /// The application inference profile, where the metric names one: its short id.
    pub profile: Text,
    /// The measuring namespace.
    pub namespace: Text,
    /// Tokens by [`classify::TOKEN_KINDS`]; `None` where no series exists.
    pub tokens: [Option<i64>; 4],
}

/// What a model text of a metric means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MeasuredModel {
    /// Publisher, name and tier of one model.
    pub model: [Text; 3],
    /// A bare tier.
    pub tier: Text,
    /// Routing where the id says so.
    pub routing: Text,
    /// Whether the text is a model's own id, without a profile's prefix.
    pub is_bare_id: bool,
}

/// Account and short id of a profile.
type ProfileKey = (String, String);

/// Application inference profiles of the bill that metrics speak of.
#[derive(Debug, Default)]
pub struct Profiles {
    /// Those that metrics may mean; of others nothing is kept.
    asked: BTreeSet<ProfileKey>,
    /// Cost by publisher, name and tier of the model.
    models: BTreeMap<ProfileKey, BTreeMap<[String; 3], i128>>,
    /// Cost by day and owner, since a profile may change hands.
    owners: BTreeMap<ProfileKey, BTreeMap<i32, BTreeMap<[String; KEYS], i128>>>,
}

/// What is known of a profile from days that are past.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownProfile {
    /// Account.
    pub account: String,
    /// Short id.
    pub id: String,
    /// Publisher, name and tier of its model.
    pub model: [String; 3],
    /// Workload, team, environment, cost center.
    pub owner: [String; 4],
}

impl Profiles {
    /// Profiles that are known from days that are past.
    pub fn known(all: &[KnownProfile]) -> Self {
        let mut profiles = Self::default();
        for known in all {
            let key = (known.account.clone(), known.id.clone());
            let mut owner: [String; KEYS] = Default::default();
            owner.iter_mut().zip(&known.owner).for_each(|(held, text)| held.clone_from(text));
            profiles.models.insert(key.clone(), BTreeMap::from([(known.model.clone(), 1)]));
            profiles.owners.insert(key, BTreeMap::from([(0, BTreeMap::from([(owner, 1)]))]));
        }
        profiles
    }

    /// The profiles that samples may mean.
    pub fn asked_by(samples: &[HourSample]) -> Self {
        // Samples of one subject share it, so that each is looked at once.
        let mut seen = HashSet::new();
        let subjects = samples.iter().map(|sample| &sample.subject).filter(|subject| seen.insert(Arc::as_ptr(subject)));
        let key = |subject: &Arc<Subject>| {
            Some((subject.account_id.clone(), short_id(subject.model_id.as_deref()?).to_string()))
        };
        Self { asked: subjects.filter_map(key).collect(), ..Self::default() }
    }

    /// Whether metrics may mean any.
    pub fn is_asked(&self) -> bool {
        !self.asked.is_empty()
    }

    /// Learns the models of profiles from the bill's own lines; of several the one with the highest
    /// cost counts.
    pub fn learn_models(&mut self, charges: &Charges) {
        let asked = self.asked_of(charges);
        let mut costs: Vec<Option<i128>> = vec![None; asked.len()];
        for charge in charges.rows.iter().filter(|charge| asked[charge.dimensions as usize].is_some()) {
            let sum = costs[charge.dimensions as usize].get_or_insert(0);
            *sum = sum.saturating_add(charge.amounts[UNBLENDED].unwrap_or(0));
        }
        for ((set, key), cost) in charges.dimensions.all().iter().zip(asked).zip(costs) {
            let (Some(key), Some(cost)) = (key, cost) else { continue };
            let model = [ChargeText::PublisherName, ChargeText::ModelName, ChargeText::ModelTier];
            let model = model.map(|column| charges.texts.str(set[column as usize]).to_string());
            let sum = self.models.entry(key).or_default().entry(model).or_default();
            *sum = sum.saturating_add(cost);
        }
    }

    /// Learns the owners of profiles from facts; of several on a day the one with the highest cost counts.
    pub fn learn_owners(&mut self, facts: &Facts, charges: &Charges) {
        let asked = self.asked_of(charges);
        let mut costs: BTreeMap<(u32, u32, i32), i128> = BTreeMap::new();
        for Fact { charge, ownership } in &facts.rows {
            if asked[charge.dimensions as usize].is_some() {
                let sum = costs.entry((charge.dimensions, *ownership, clock::day_of(charge.start))).or_default();
                *sum = sum.saturating_add(charge.amounts[UNBLENDED].unwrap_or(0));
            }
        }
        for ((set, ownership, day), cost) in costs {
            let Some(key) = &asked[set as usize] else { continue };
            let owner = facts.ownerships.get(ownership).owner;
            let owner = owner.map(|text| charges.texts.str(text).to_string());
            let days = self.owners.entry(key.clone()).or_default();
            let sum = days.entry(day).or_default().entry(owner).or_default();
            *sum = sum.saturating_add(cost);
        }
    }

    /// By dimensions: the profile that metrics may mean.
    fn asked_of(&self, charges: &Charges) -> Vec<Option<ProfileKey>> {
        let text = |set: &Dimensions, column: ChargeText| charges.texts.str(set[column as usize]).to_string();
        let key = |set: &Dimensions| {
            if self.asked.is_empty() {
                return None;
            }
            let resource = text(set, ChargeText::ResourceId);
            let key = (text(set, ChargeText::SubAccountId), profile_id(&resource)?.to_string());
            self.asked.contains(&key).then_some(key)
        };
        charges.dimensions.all().iter().map(key).collect()
    }

    /// Who owned a profile on a day: as its bill lines of that day say, else of the last day before,
    /// else of the first after.
    pub fn owner(&self, account: &str, id: &str, day: i32) -> Option<&[String; KEYS]> {
        let days = self.owners.get(&(account.to_string(), short_id(id).to_string()))?;
        let then = days.range(..=day).next_back().or_else(|| days.range(day..).next());
        dearest(then?.1)
    }

    /// The short id of a profile of the bill, where a metric's model text is one.
    pub fn id<'a>(&self, account: &str, id: &'a str) -> Option<&'a str> {
        let short = short_id(id);
        self.models.contains_key(&(account.to_string(), short.to_string())).then_some(short)
    }

    /// What a metric's model text means; `None` where it means nothing known.
    pub fn resolve(&self, account: &str, id: &str, texts: &mut Texts) -> Option<MeasuredModel> {
        if let Some(models) = self.models.get(&(account.to_string(), short_id(id).to_string())) {
            let model = dearest(models)?.each_ref().map(|text| texts.intern(text));
            return Some(MeasuredModel { model, ..MeasuredModel::default() });
        }
        if let Some(tier) = classify::tier_word(id) {
            return Some(MeasuredModel { tier: texts.intern(tier), ..MeasuredModel::default() });
        }
        let model = classify::recognise_model(id)?;
        let profile = classify::routing_of_model_id(id);
        let is_bare_id = profile.is_none() && is_model_id(id);
        let routing = profile.or(is_bare_id.then_some("regional"));
        Some(MeasuredModel {
            model: [texts.intern(&model.publisher), texts.intern(&model.name), texts.intern_opt(model.tier.as_deref())],
            routing: texts.intern_opt(routing),
            is_bare_id,
            ..MeasuredModel::default()
        })
    }
}

/// Of several the one with the highest cost, and of those the one that is spelled last.
fn dearest<Named: Ord>(costs: &BTreeMap<Named, i128>) -> Option<&Named> {
    costs.iter().max_by_key(|(named, cost)| (**cost, *named)).map(|(named, _)| named)
}

/// A profile's short id, from that or its ARN.
fn short_id(id: &str) -> &str {
    profile_id(id).unwrap_or(id)
}

/// Whether a text that names a model is its id (`vendor.model…`, or the model's ARN) and no display name.
fn is_model_id(text: &str) -> bool {
    let id = text.rsplit('/').next().unwrap_or(text);
    id.split_once('.').is_some_and(|(vendor, model)| {
        vendor.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
            && model.starts_with(|c: char| c.is_ascii_lowercase())
            && !model.contains(char::is_whitespace)
    })
}

/// The short id of an application inference profile's ARN.
pub fn profile_id(resource: &str) -> Option<&str> {
    let (_, id) = resource.split_once(":application-inference-profile/")?;
    (!id.is_empty()).then_some(id)
}

/// The owners of a custom series, canonical.
pub fn owner_of(sample: &HourSample, vocabulary: &Vocabulary, texts: &mut Texts) -> OwnerTexts {
    let mut owner = [Text::NULL; KEYS];
    // The model dimension says what was called, it is no owner.
    for (key, name) in OWNER_NAMES.iter().enumerate().take(KEYS - 1) {
        owner[key] = vocabulary.text(key, sample.subject.owner.get(*name).map(String::as_str), texts);
    }
    owner
}

/// The owner series of a stretch of time as demands. Model texts without a meaning are counted.
pub fn demands(
    samples: &[&HourSample],
    profiles: &Profiles,
    vocabulary: &Vocabulary,
    texts: &mut Texts,
    trust: &mut Trust,
) -> Vec<Demand> {
    let mut demands = Vec::new();
    for sample in samples.iter().filter(|sample| sample.subject.scope == Scope::Owner) {
        let owner = owner_of(sample, vocabulary, texts);
        let tokens = [sample.input_tokens, sample.output_tokens, sample.cache_read_tokens, sample.cache_write_tokens];
        if owner[super::owner::WORKLOAD].is_null() || tokens.iter().all(Option::is_none) {
            continue;
        }
        let account = &sample.subject.account_id;
        let profile = sample.subject.model_id.as_deref().and_then(|id| profiles.id(account, id)).map(String::from);
        let measured = match sample.subject.model_id.as_deref() {
            None => Some(MeasuredModel::default()),
            Some(id) => profiles.resolve(account, id, texts),
        };
        let Some(measured) = measured else {
            let name = sample.subject.model_id.clone().unwrap_or_default();
            *trust.unknown_metric_models.entry(name).or_default() += tokens.iter().flatten().sum::<i64>();
            continue;
        };
        let model = match (measured.model[1], measured.tier) {
            (model, _) if !model.is_null() => ModelMatch::Model(model),
            (_, tier) if !tier.is_null() => ModelMatch::Tier(tier),
            _ => ModelMatch::Any,
        };
        demands.push(Demand {
            owner,
            start: sample.hour,
            daily: sample.daily,
            account: texts.intern(account),
            region: texts.intern(&sample.subject.region),
            model,
            routing: measured.routing,
            is_bare_id: measured.is_bare_id,
            profile: texts.intern_opt(profile.as_deref()),
            namespace: texts.intern(&sample.subject.namespace),
            tokens,
        });
    }
    demands
}
