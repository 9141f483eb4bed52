//! The judge: the state of each required tag on one line's carriers.

use std::collections::{BTreeMap, BTreeSet};

use crate::attribute::carriers;
use crate::attribute::owner::{Vocabulary, canonical};
use crate::classify::{self, Likeness};
use crate::config::{Config, OWNER_NAMES};

use super::callers;
use super::state::{CARRIERS, Carrier, State, Why};

/// Position of the `Model` tag.
const MODEL: usize = 4;

/// The states of the owner keys of a line, by key.
pub type States = [State; OWNER_NAMES.len()];

/// What is said of a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The state of each key, whichever carrier has it.
    pub states: States,
    /// The same on each carrier alone, in the order of [`Carrier::ALL`].
    pub by_carrier: [States; CARRIERS],
}

impl Verdict {
    /// Whether there is nothing to mend.
    pub fn is_right(&self) -> bool {
        self.states.iter().all(State::is_right)
    }
}

/// What of a line the verdict follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Line<'a> {
    /// Tags, as JSON text.
    pub tags: &'a str,
    /// What named the owner.
    pub evidence: &'a str,
    /// Owner tags of the resource that called, as JSON text, where the store knows them.
    pub consumer: &'a str,
    /// The resource.
    pub resource: &'a str,
    /// What the principal can carry.
    pub principal: Bearing,
    /// The model that was billed.
    pub model: &'a str,
}

/// Whether something can carry tags.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Bearing {
    /// The line has none.
    #[default]
    Absent,
    /// It can.
    Able,
    /// It cannot.
    Unable,
}

/// What is required, and how values are spelled here.
#[derive(Debug)]
pub struct Judge {
    vocabulary: Vocabulary,
    required: [bool; OWNER_NAMES.len()],
    /// Tag keys as the config spells them, the proper one first.
    spellings: [Vec<String>; OWNER_NAMES.len()],
    allowed: [Vec<String>; OWNER_NAMES.len()],
    /// Keys whose values are capitalised by habit, such as `CC-1234`: their case is not judged.
    capitals: [bool; OWNER_NAMES.len()],
    /// By key: the tag key as AWS knows it, where it knows inactive ones alone.
    inactive: [Option<String>; OWNER_NAMES.len()],
}

/// What stands before a key, by carrier, in the order in which the ladder asks them.
const PREFIXES: [&[&str]; 3] = [&["resourceTags/"], &["iamPrincipal/", "userAttribute/"], &["accountTag/"]];

/// What begins a key that billing has normalised.
const NORMALISED: &str = "user_";

/// Names of keys where the config gives no spelling.
const PROPER: [&str; OWNER_NAMES.len()] = ["Workload", "Team", "Environment", "CostCenter", "Model"];

impl Judge {
    /// Reads the config, and the habits of spelling from the sets of tags that will be judged.
    pub fn new<'a>(config: &Config, sets: impl Iterator<Item = &'a str>) -> Self {
        let vocabulary = Vocabulary::new(config);
        let of = |table: &BTreeMap<String, Vec<String>>| {
            OWNER_NAMES.map(|name| table.get(name).cloned().unwrap_or_default())
        };
        let capitals = habits(sets, &vocabulary);
        Self {
            required: OWNER_NAMES.map(|name| config.tags.required.iter().any(|required| required == name)),
            spellings: of(&config.tags.aliases),
            allowed: of(&config.tags.allowed),
            vocabulary,
            capitals,
            inactive: Default::default(),
        }
    }

    /// Takes from AWS's list of cost allocation tags which keys nobody activated.
    pub fn heed(&mut self, listed: &BTreeMap<String, bool>) {
        for (key, inactive) in self.inactive.iter_mut().enumerate() {
            let of = listed.iter().filter(|(tag, _)| self.vocabulary.key(tag).is_some_and(|(of, _)| of == key));
            let of: Vec<(&String, &bool)> = of.collect();
            let is_inactive = of.iter().all(|(_, is_active)| !**is_active);
            *inactive = of.first().filter(|_| is_inactive).map(|(tag, _)| (*tag).clone());
        }
    }

    /// The tag key that nobody activated, as AWS knows it.
    pub fn inactive_key(&self, key: usize) -> Option<&str> {
        self.inactive[key].as_deref()
    }

    /// Whether a key is required.
    pub fn requires(&self, key: usize) -> bool {
        self.required[key]
    }

    /// The owner key that a tag key means.
    pub fn key_of(&self, tag: &str) -> Option<usize> {
        self.vocabulary.key(tag).map(|(key, _)| key)
    }

    /// A value as owners are compared.
    pub fn canonical(&self, key: usize, value: &str) -> Option<String> {
        self.vocabulary.value(key, value)
    }

    /// The canonical value of a key on the first of some carriers that has one.
    pub fn value_on(&self, key: usize, tags: &BTreeMap<String, String>, prefixes: &[&str]) -> Option<String> {
        prefixes.iter().find_map(|prefix| {
            let of = tags.iter().filter_map(|(full, value)| Some((full.strip_prefix(prefix)?, value)));
            let ranked = of.filter_map(|(tag, value)| {
                let (owner, order) = self.vocabulary.key(tag)?;
                let value = self.vocabulary.value(key, value)?;
                (owner == key).then_some((order, tag, value))
            });
            ranked.min().map(|(_, _, value)| value)
        })
    }

    /// The proper tag key of an owner key.
    pub fn tag_key(&self, key: usize) -> &str {
        self.spellings[key].first().map_or(PROPER[key], String::as_str)
    }

    /// Whether the config names the only right values of a key.
    pub fn names_values(&self, key: usize) -> bool {
        !self.allowed[key].is_empty()
    }

    /// A canonical value as it ought to be tagged; `None` where it is not allowed.
    pub fn right_value(&self, key: usize, value: &str) -> Option<String> {
        let allowed = &self.allowed[key];
        if allowed.is_empty() {
            return Some(value.to_string());
        }
        allowed.iter().find(|allowed| self.vocabulary.value(key, allowed).as_deref() == Some(value)).cloned()
    }

    /// The state of every owner key on a line.
    pub fn verdict(&self, line: &Line<'_>) -> Verdict {
        let tags = carriers::parse(line.tags);
        let caller = carriers::parse(line.consumer);
        let arn = classify::bedrock_arn(line.resource);
        let is_project = arn.as_ref().is_some_and(|arn| arn.resource_type == PROJECT);
        let one_model = arn.is_some_and(|arn| classify::single_model_carrier(&arn.resource_type));
        let resource = if is_taggable(line.resource) { Bearing::Able } else { Bearing::Unable };
        let mut verdict = Verdict::default();
        for key in 0..OWNER_NAMES.len() {
            if !self.required[key] || (key == MODEL && !one_model) {
                continue;
            }
            let on = |at: usize, bearing: Bearing| self.on(key, &tags, PREFIXES[at], line.model, bearing);
            let (own, principal, account) = (on(0, resource), on(1, line.principal), on(2, Bearing::Able));
            // No caller is asked for tags, but those that it has must be right.
            let consumer = match self.on(key, &caller, PREFIXES[0], line.model, Bearing::Absent) {
                // A store of an older version knows only that they were there.
                State::NotApplicable if line.consumer.is_empty() && callers::names(line.evidence, key) => {
                    State::Present
                }
                state => state,
            };
            let of_line = [&own, &principal, &consumer, &account];
            verdict.states[key] = self.together(key, of_line, resource, line.principal);
            let (resource, project) =
                if is_project { (State::NotApplicable, own) } else { (own, State::NotApplicable) };
            // A model is a matter of what serves it: no caller and no account lacks its tag.
            let or_nothing = |state: State| if key == MODEL && !state.is_there() { State::default() } else { state };
            let by_carrier = [resource, project, or_nothing(principal), consumer, or_nothing(account)];
            for (states, state) in verdict.by_carrier.iter_mut().zip(by_carrier) {
                states[key] = state;
            }
        }
        verdict
    }

    /// The state of a key whichever carrier has it: the first that does.
    fn together(&self, key: usize, states: [&State; 4], resource: Bearing, principal: Bearing) -> State {
        if let Some(state) = states.into_iter().find(|state| state.is_there()) {
            return state.clone();
        }
        match (resource, principal) {
            _ if self.inactive[key].is_some() => State::NotActivated,
            (Bearing::Able, _) | (_, Bearing::Able) => State::Missing,
            _ => State::CannotBeTagged,
        }
    }

    /// The state of a key on one carrier.
    fn on(&self, key: usize, tags: &BTreeMap<String, String>, prefixes: &[&str], model: &str, on: Bearing) -> State {
        let found = tags.iter().filter_map(|(full, value)| {
            let (order, tag) =
                prefixes.iter().enumerate().find_map(|(at, prefix)| Some((at, full.strip_prefix(prefix)?)))?;
            let (owner, alias) = self.vocabulary.key(tag)?;
            // A key that billing has normalised stands beside the one as it was spelled, which alone shows how.
            let is_normalised = tag.starts_with(NORMALISED);
            (owner == key).then_some(((value.trim().is_empty(), order, alias, is_normalised, tag), value))
        });
        match (found.min(), on) {
            (Some(((.., tag), value)), _) => self.value(key, tag, value, model),
            (None, Bearing::Absent) => State::NotApplicable,
            (None, Bearing::Unable) => State::CannotBeTagged,
            (None, Bearing::Able) if self.inactive[key].is_some() => State::NotActivated,
            (None, Bearing::Able) => State::Missing,
        }
    }

    fn value(&self, key: usize, tag: &str, value: &str, model: &str) -> State {
        if value.trim().is_empty() {
            return State::Invalid(Why::Empty, "empty".into());
        }
        if let Some((why, words)) = self.key_fault(key, tag) {
            return State::Invalid(why, words);
        }
        if key == MODEL {
            return model_state(value, model);
        }
        let allowed = &self.allowed[key];
        if allowed.iter().any(|allowed| allowed == value) {
            return State::Present;
        }
        if value.trim() != value {
            return State::Invalid(Why::Space, format!("stray space in {value:?}"));
        }
        let meant = self.vocabulary.value(key, value).unwrap_or_default();
        if canonical(value).as_deref() != Some(meant.as_str()) {
            return State::Invalid(Why::Alias, format!("{value:?} is an alias of {meant:?}"));
        }
        let is_meant = |allowed: &&String| self.vocabulary.value(key, allowed).as_deref() == Some(meant.as_str());
        match allowed.iter().find(is_meant) {
            Some(allowed) => spelling_fault(value, allowed),
            None if !allowed.is_empty() => {
                State::Invalid(Why::NotAllowed, format!("{value:?} is not an allowed value"))
            }
            None if value == meant || self.is_habit(key, value, &meant) => State::Present,
            None => spelling_fault(value, &meant),
        }
    }

    /// Capitals alone are no fault where they are the habit of the key.
    fn is_habit(&self, key: usize, value: &str, meant: &str) -> bool {
        self.capitals[key] && value.to_lowercase() == meant
    }

    /// What is wrong with a tag key's spelling, where the config says what is right. Keys that billing
    /// has normalised (`user_cost_center`) no longer show how they were spelled.
    fn key_fault(&self, key: usize, tag: &str) -> Option<(Why, String)> {
        let spellings = &self.spellings[key];
        let proper = spellings.first()?;
        if tag.starts_with(NORMALISED) {
            let (_, alias) = self.vocabulary.key(tag)?;
            let is_alias = alias > 0 && self.vocabulary.key(proper) != Some((key, alias));
            return is_alias.then(|| (Why::Alias, format!("the key {tag:?} is an alias of {proper:?}")));
        }
        let bare = tag.strip_prefix("user:").unwrap_or(tag);
        if bare == proper {
            None
        } else if spellings.iter().any(|spelling| spelling == bare) {
            Some((Why::Alias, format!("the key {bare:?} is an alias of {proper:?}")))
        } else if bare.eq_ignore_ascii_case(proper) {
            Some((Why::Case, format!("wrong case of the key: {bare:?}, not {proper:?}")))
        } else {
            Some((Why::Spelling, format!("the key is spelled {bare:?}, not {proper:?}")))
        }
    }
}

fn spelling_fault(value: &str, right: &str) -> State {
    if value.to_lowercase() == right.to_lowercase() {
        State::Invalid(Why::Case, format!("wrong case: {value:?}, not {right:?}"))
    } else {
        State::Invalid(Why::Spelling, format!("spelled {value:?}, not {right:?}"))
    }
}

/// The `Model` tag against the model that was billed: a family, a tier or a less full name may be meant.
fn model_state(tag: &str, billed: &str) -> State {
    match classify::likeness(tag, billed) {
        None | Some(Likeness::Same) => State::Present,
        Some(Likeness::Other) => State::Contradicts(format!("says {tag:?}, billed is {billed:?}")),
        Some(Likeness::None) => State::Invalid(Why::NoModel, format!("{tag:?} names no model; {billed:?} is billed")),
    }
}

/// Whether most distinct values of a key have capitals.
fn habits<'a>(sets: impl Iterator<Item = &'a str>, vocabulary: &Vocabulary) -> [bool; OWNER_NAMES.len()] {
    let mut values: [BTreeSet<String>; OWNER_NAMES.len()] = Default::default();
    for (full, value) in sets.flat_map(carriers::parse) {
        let tag = full.split_once('/').map_or(full.as_str(), |(_, tag)| tag);
        if let Some((key, _)) = vocabulary.key(tag) {
            values[key].insert(value.trim().to_string());
        }
    }
    values.map(|values| {
        let capitals = values.iter().filter(|value| value.chars().any(char::is_uppercase)).count();
        capitals * 2 > values.len() && values.len() > 2
    })
}

/// Resource type of a project or workspace.
const PROJECT: &str = "project";

/// Kinds of resources that AWS made for everybody, whatever account their ARN names, and sessions, which
/// end before anybody could tag them.
const OF_AWS: [&str; 5] =
    ["foundation-model", "inference-profile", "default-prompt-router", "guardrail-profile", "session"];

/// Whether a resource can carry tags of its own: a Bedrock resource of an account, not what AWS made for
/// everybody, nor the project that stands in for none.
pub fn is_taggable(resource: &str) -> bool {
    classify::bedrock_arn(resource).is_some_and(|arn| {
        // In place of an account, AWS's own have none or `aws`.
        let of_account = arn.account.is_some_and(|account| account.bytes().all(|byte| byte.is_ascii_digit()));
        // The profiles of data automation that AWS made are named like the models': geography, then name.
        let is_profile_of_aws = arn.resource_type == "data-automation-profile" && arn.resource_id.contains('.');
        let is_default = arn.resource_type == PROJECT && arn.resource_id == "default";
        of_account && !is_default && !is_profile_of_aws && !OF_AWS.contains(&arn.resource_type.as_str())
    })
}

/// The carrier that a taggable resource is.
pub fn carrier_of(resource: &str) -> Carrier {
    let is_project = classify::bedrock_arn(resource).is_some_and(|arn| arn.resource_type == PROJECT);
    if is_project { Carrier::Project } else { Carrier::Resource }
}

/// Whether a principal can carry tags: roles and users can, a root or federated user cannot.
pub fn bearing(principal: &str) -> Bearing {
    let Some(kind) = principal.splitn(6, ':').nth(5) else {
        return if principal.is_empty() { Bearing::Absent } else { Bearing::Unable };
    };
    match kind.split_once('/') {
        Some(("role" | "assumed-role" | "user", name)) if !name.is_empty() => Bearing::Able,
        _ => Bearing::Unable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(config: &Config) -> Judge {
        Judge::new(config, [].into_iter())
    }

    const PROFILE: &str = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc";

    fn config() -> Config {
        let mut config = Config::default();
        config.tags.allowed.insert("environment".into(), vec!["prod".into(), "dev".into()]);
        let spellings = BTreeMap::from([("prod".to_string(), vec!["production".to_string()])]);
        config.tags.values.insert("environment".into(), spellings);
        config
    }

    fn states(judge: &Judge, tags: &str, evidence: &str, resource: &str, model: &str) -> States {
        judge.verdict(&Line { tags, evidence, consumer: "", resource, principal: Bearing::Absent, model }).states
    }

    fn environment(value: &str) -> String {
        let tags = serde_json::json!({ "resourceTags/Environment": value }).to_string();
        states(&judge(&config()), &tags, "", PROFILE, "")[2].words()
    }

    #[test]
    fn every_fault_of_a_value_is_named() {
        assert_eq!(environment("prod"), "present");
        assert_eq!(environment(""), "invalid: empty");
        assert!(environment("Prod").contains("wrong case"));
        assert!(environment("prod ").contains("stray space"));
        assert!(environment("production").contains("alias"));
        assert!(environment("qa").contains("not an allowed value"));
    }

    #[test]
    fn a_missing_tag_is_missing_unless_the_caller_has_it() {
        let judge = judge(&config());
        assert_eq!(states(&judge, "{}", "", PROFILE, "")[0], State::Missing);
        let states = states(&judge, "{}", "workload=consumer_tag:arn:aws:lambda:r:1:function:f", PROFILE, "");
        assert_eq!(states[0], State::Present);
    }

    #[test]
    fn the_model_tag_is_judged_only_where_one_model_is_served() {
        let judge = judge(&config());
        let tags = r#"{"resourceTags/Model":"Claude Haiku 4.5"}"#;
        assert_eq!(states(&judge, tags, "", PROFILE, "Claude Haiku 4.5")[4], State::Present);
        assert!(matches!(states(&judge, tags, "", PROFILE, "Claude Sonnet 4.6")[4], State::Contradicts(_)));
        assert_eq!(states(&judge, "{}", "", "", "Claude Haiku 4.5")[4], State::NotApplicable);
        let tier = r#"{"resourceTags/Model":"haiku"}"#;
        assert_eq!(states(&judge, tier, "", PROFILE, "Claude Haiku 4.5")[4], State::Present);
        let family = r#"{"resourceTags/Model":"Haiku 4.5"}"#;
        assert_eq!(states(&judge, family, "", PROFILE, "Claude Haiku 4.5")[4], State::Present);
    }

    #[test]
    fn an_alias_key_is_valid_for_attribution_and_named_by_the_audit() {
        let mut config = config();
        config.tags.aliases.insert("cost_center".into(), vec!["CostCenter".into(), "cost-center".into()]);
        let judge = judge(&config);
        let state =
            |key: &str| states(&judge, &format!(r#"{{"resourceTags/{key}":"cc-1"}}"#), "", PROFILE, "")[3].clone();
        assert_eq!(state("CostCenter"), State::Present);
        assert_eq!(state("user_cost_center"), State::Present);
        assert!(state("cost-center").words().contains("alias"));
        assert!(state("COSTCENTER").words().contains("wrong case"));
    }
}
