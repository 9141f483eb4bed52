//! The judge: the state of each required tag on one line's carriers.

use std::collections::{BTreeMap, BTreeSet};

use crate::attribute::carriers;
use crate::attribute::owner::{Vocabulary, canonical};
use crate::classify;
use crate::config::{Config, OWNER_NAMES};

/// Position of the `Model` tag.
const MODEL: usize = 4;

/// The state of one key.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Not required, or nothing that this carrier could say.
    #[default]
    NotApplicable,
    /// There, with a right value.
    Present,
    /// On no carrier of the line.
    Missing,
    /// There, but wrong: why.
    Invalid(String),
}

impl State {
    /// Whether there is nothing to mend.
    pub fn is_right(&self) -> bool {
        matches!(self, Self::NotApplicable | Self::Present)
    }

    /// In words.
    pub fn words(&self) -> String {
        match self {
            Self::NotApplicable => "not applicable".into(),
            Self::Present => "present".into(),
            Self::Missing => "missing".into(),
            Self::Invalid(why) => format!("invalid: {why}"),
        }
    }
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
}

/// Carriers in the order in which the ladder asks them.
const CARRIERS: [&[&str]; 3] = [&["resourceTags/"], &["iamPrincipal/", "userAttribute/"], &["accountTag/"]];

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
        }
    }

    /// The proper tag key of an owner key.
    pub fn tag_key(&self, key: usize) -> &str {
        self.spellings[key].first().map_or(PROPER[key], String::as_str)
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
    pub fn states(&self, tags: &str, evidence: &str, resource: &str, model: &str) -> [State; OWNER_NAMES.len()] {
        let tags = carriers::parse(tags);
        let mut states: [State; OWNER_NAMES.len()] = Default::default();
        for (key, state) in states.iter_mut().enumerate() {
            if self.required[key] {
                *state = self.state(key, &tags, evidence, resource, model);
            }
        }
        states
    }

    fn state(&self, key: usize, tags: &BTreeMap<String, String>, evidence: &str, resource: &str, model: &str) -> State {
        let one_model =
            classify::bedrock_arn(resource).is_some_and(|arn| classify::single_model_carrier(&arn.resource_type));
        if key == MODEL && !one_model {
            return State::NotApplicable;
        }
        for prefixes in CARRIERS {
            let found = tags.iter().filter_map(|(full, value)| {
                let (order, tag) =
                    prefixes.iter().enumerate().find_map(|(at, prefix)| Some((at, full.strip_prefix(prefix)?)))?;
                let (owner, alias) = self.vocabulary.key(tag)?;
                (owner == key).then_some(((value.trim().is_empty(), order, alias, tag), value))
            });
            if let Some(((_, _, _, tag), value)) = found.min() {
                return self.value(key, tag, value, model);
            }
        }
        // The tags of a calling resource are on its own rows; the evidence says that they were there.
        let by_consumer = format!("{}=consumer_tag:", OWNER_NAMES[key]);
        if evidence.split("; ").any(|part| part.starts_with(&by_consumer)) { State::Present } else { State::Missing }
    }

    fn value(&self, key: usize, tag: &str, value: &str, model: &str) -> State {
        let invalid = |why: String| State::Invalid(why);
        if value.trim().is_empty() {
            return invalid("empty".into());
        }
        if let Some(why) = self.key_fault(key, tag) {
            return invalid(why);
        }
        if key == MODEL {
            return model_state(value, model);
        }
        let allowed = &self.allowed[key];
        if allowed.iter().any(|allowed| allowed == value) {
            return State::Present;
        }
        if value.trim() != value {
            return invalid(format!("stray space in {value:?}"));
        }
        let meant = self.vocabulary.value(key, value).unwrap_or_default();
        if canonical(value).as_deref() != Some(meant.as_str()) {
            return invalid(format!("{value:?} is an alias of {meant:?}"));
        }
        let is_meant = |allowed: &&String| self.vocabulary.value(key, allowed).as_deref() == Some(meant.as_str());
        match allowed.iter().find(is_meant) {
            Some(allowed) => invalid(spelling_fault(value, allowed)),
            None if !allowed.is_empty() => invalid(format!("{value:?} is not an allowed value")),
            None if value == meant || self.is_habit(key, value, &meant) => State::Present,
            None => invalid(spelling_fault(value, &meant)),
        }
    }

    /// Capitals alone are no fault where they are the habit of the key.
    fn is_habit(&self, key: usize, value: &str, meant: &str) -> bool {
        self.capitals[key] && value.to_lowercase() == meant
    }

    /// What is wrong with a tag key's spelling, where the config says what is right. Keys that billing
    /// has normalised (`user_cost_center`) no longer show how they were spelled.
    fn key_fault(&self, key: usize, tag: &str) -> Option<String> {
        let spellings = &self.spellings[key];
        let proper = spellings.first()?;
        if tag.starts_with("user_") {
            let (_, alias) = self.vocabulary.key(tag)?;
            let is_alias = alias > 0 && self.vocabulary.key(proper) != Some((key, alias));
            return is_alias.then(|| format!("the key {tag:?} is an alias of {proper:?}"));
        }
        let bare = tag.strip_prefix("user:").unwrap_or(tag);
        if bare == proper {
            None
        } else if spellings.iter().any(|spelling| spelling == bare) {
            Some(format!("the key {bare:?} is an alias of {proper:?}"))
        } else if bare.eq_ignore_ascii_case(proper) {
            Some(format!("wrong case of the key: {bare:?}, not {proper:?}"))
        } else {
            Some(format!("the key is spelled {bare:?}, not {proper:?}"))
        }
    }
}

fn spelling_fault(value: &str, right: &str) -> String {
    if value.to_lowercase() == right.to_lowercase() {
        format!("wrong case: {value:?}, not {right:?}")
    } else {
        format!("spelled {value:?}, not {right:?}")
    }
}

/// The `Model` tag against the model that was billed: a name or a tier may be meant.
fn model_state(tag: &str, billed: &str) -> State {
    let Some(model) = classify::recognise_model(billed) else { return State::Present };
    let agrees = match (classify::tier_word(tag), classify::recognise_model(tag)) {
        (Some(tier), _) => model.tier.as_deref() == Some(tier),
        (None, Some(tagged)) => tagged.name == model.name,
        (None, None) => return State::Invalid(format!("{tag:?} names no model; {billed:?} is billed")),
    };
    if agrees { State::Present } else { State::Invalid(format!("says {tag:?}, billed is {billed:?}")) }
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

/// Whether a resource can carry tags of its own: a Bedrock resource of an account, not a model or a
/// profile that AWS made for everybody.
pub fn is_taggable(resource: &str) -> bool {
    classify::bedrock_arn(resource).is_some_and(|arn| {
        let of_account = arn.account.is_some_and(|account| !account.is_empty());
        of_account && !matches!(arn.resource_type.as_str(), "foundation-model" | "inference-profile")
    })
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

    fn environment(value: &str) -> String {
        let tags = serde_json::json!({ "resourceTags/Environment": value }).to_string();
        judge(&config()).states(&tags, "", PROFILE, "")[2].words()
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
        assert_eq!(judge.states("{}", "", PROFILE, "")[0], State::Missing);
        let states = judge.states("{}", "workload=consumer_tag:arn:aws:lambda:r:1:function:f", PROFILE, "");
        assert_eq!(states[0], State::Present);
    }

    #[test]
    fn the_model_tag_is_judged_only_where_one_model_is_served() {
        let judge = judge(&config());
        let tags = r#"{"resourceTags/Model":"Claude Haiku 4.5"}"#;
        assert_eq!(judge.states(tags, "", PROFILE, "Claude Haiku 4.5")[4], State::Present);
        assert!(matches!(judge.states(tags, "", PROFILE, "Claude Sonnet 4.6")[4], State::Invalid(_)));
        assert_eq!(judge.states("{}", "", "", "Claude Haiku 4.5")[4], State::NotApplicable);
        let tier = r#"{"resourceTags/Model":"haiku"}"#;
        assert_eq!(judge.states(tier, "", PROFILE, "Claude Haiku 4.5")[4], State::Present);
    }

    #[test]
    fn an_alias_key_is_valid_for_attribution_and_named_by_the_audit() {
        let mut config = config();
        config.tags.aliases.insert("cost_center".into(), vec!["CostCenter".into(), "cost-center".into()]);
        let judge = judge(&config);
        let state =
            |key: &str| judge.states(&format!(r#"{{"resourceTags/{key}":"cc-1"}}"#), "", PROFILE, "")[3].clone();
        assert_eq!(state("CostCenter"), State::Present);
        assert_eq!(state("user_cost_center"), State::Present);
        assert!(state("cost-center").words().contains("alias"));
        assert!(state("COSTCENTER").words().contains("wrong case"));
    }
}
