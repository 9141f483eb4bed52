//! Owners: how tag keys are matched and tag values made canonical.

use std::collections::{BTreeMap, HashMap};

use crate::config::{Config, OWNER_NAMES, Owner as OwnerConfig};
use crate::spelling;
use crate::text::{Text, Texts};

/// Number of owner keys.
pub const KEYS: usize = OWNER_NAMES.len();
/// Position of the workload, whose rung names the method.
pub const WORKLOAD: usize = 0;

/// The owner columns of a row, in the order of [`crate::schema::OWNER_KEYS`].
pub type OwnerTexts = [Text; KEYS];

/// A canonical value: trimmed, lower case, runs of space, `_` and `-` as one `-`. `None` where
/// nothing is left.
pub fn canonical(value: &str) -> Option<String> {
    let mut out = String::with_capacity(value.len());
    let mut gap = false;
    for c in value.trim().chars() {
        if c.is_whitespace() || c == '_' || c == '-' {
            gap = true;
            continue;
        }
        if gap {
            out.push('-');
            gap = false;
        }
        out.extend(c.to_lowercase());
    }
    if gap {
        out.push('-');
    }
    (!out.is_empty()).then_some(out)
}

/// A tag key without case, space and separators.
pub fn squeezed(key: &str) -> String {
    key.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// What the config says about keys and values, ready to be asked.
#[derive(Debug)]
pub struct Vocabulary {
    /// Squeezed tag key to owner key and order of preference.
    keys: HashMap<String, (usize, usize)>,
    /// By owner key: canonical spelling to the value that it means.
    values: [BTreeMap<String, String>; KEYS],
}

impl Vocabulary {
    /// Reads the tables of the config.
    pub fn new(config: &Config) -> Self {
        let mut keys = HashMap::new();
        let mut values: [BTreeMap<String, String>; KEYS] = std::array::from_fn(|_| BTreeMap::new());
        for (at, name) in OWNER_NAMES.iter().enumerate() {
            keys.insert(squeezed(name), (at, 0));
            let aliases = config.tags.aliases.get(*name).map_or(&[][..], Vec::as_slice);
            for (order, alias) in aliases.iter().enumerate() {
                keys.entry(squeezed(alias)).or_insert((at, order + 1));
            }
            for (value, spellings) in config.tags.values.get(*name).into_iter().flatten() {
                for spelling in spellings.iter().chain([value]) {
                    if let (Some(spelling), Some(value)) = (canonical(spelling), canonical(value)) {
                        values[at].insert(spelling, value);
                    }
                }
            }
        }
        Self { keys, values }
    }

    /// The owner key that a tag key means, with its order of preference. The key comes without its
    /// carrier; `user:` and `user_` are how billing marks keys of users.
    pub fn key(&self, tag_key: &str) -> Option<(usize, usize)> {
        let bare = tag_key.strip_prefix("user:").or_else(|| tag_key.strip_prefix("user_"));
        bare.and_then(|bare| self.keys.get(&squeezed(bare))).or_else(|| self.keys.get(&squeezed(tag_key))).copied()
    }

    /// Of tags, as JSON text, those whose keys mean an owner key.
    pub fn owner_tags(&self, tags: &str) -> String {
        let mut tags = super::carriers::parse(tags);
        tags.retain(|full, _| self.key(full.split_once('/').map_or(full, |(_, tag)| tag)).is_some());
        serde_json::to_string(&tags).unwrap_or_default()
    }

    /// The owner key that a tag key is probably a typo of, where it means none.
    pub fn typo(&self, tag_key: &str) -> Option<usize> {
        if self.key(tag_key).is_some() {
            return None;
        }
        let bare = tag_key.strip_prefix("user:").or_else(|| tag_key.strip_prefix("user_")).unwrap_or(tag_key);
        let meant = spelling::typo_of(&squeezed(bare), self.keys.keys().map(String::as_str))?;
        self.keys.get(meant).map(|(key, _)| *key)
    }

    /// The canonical value of an owner key.
    pub fn value(&self, key: usize, value: &str) -> Option<String> {
        let canonical = canonical(value)?;
        Some(self.values[key].get(&canonical).cloned().unwrap_or(canonical))
    }

    /// The canonical value as an interned text.
    pub fn text(&self, key: usize, value: Option<&str>, texts: &mut Texts) -> Text {
        let value = value.and_then(|value| self.value(key, value));
        texts.intern_opt(value.as_deref())
    }

    /// An owner of the config.
    pub fn owner(&self, owner: &OwnerConfig, texts: &mut Texts) -> OwnerTexts {
        let values = [&owner.workload, &owner.team, &owner.environment, &owner.cost_center];
        let mut out = [Text::NULL; KEYS];
        for (key, value) in values.into_iter().enumerate() {
            out[key] = self.text(key, value.as_deref(), texts);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_trimmed_lowered_and_joined_by_single_dashes() {
        assert_eq!(canonical("  Checkout__Bot "), Some("checkout-bot".into()));
        assert_eq!(canonical("a - _b"), Some("a-b".into()));
        assert_eq!(canonical("ÄPFEL"), Some("äpfel".into()));
        assert_eq!(canonical(" \t"), None);
    }

    #[test]
    fn keys_match_ignoring_case_space_and_separators() {
        let mut config = Config::default();
        config.tags.aliases.insert("cost_center".into(), vec!["Kostenstelle".into()]);
        let vocabulary = Vocabulary::new(&config);
        for key in ["CostCenter", "user_cost_center", "user:Cost Center", "cost-center", "COST.CENTER"] {
            assert_eq!(vocabulary.key(key), Some((3, 0)), "{key}");
        }
        assert_eq!(vocabulary.key("user_kostenstelle"), Some((3, 1)));
        assert_eq!(vocabulary.key("user_costs"), None);
    }

    #[test]
    fn a_mistyped_key_is_told_from_one_of_another_meaning() {
        let mut config = Config::default();
        config.tags.aliases.insert("cost_center".into(), vec!["Kostenstelle".into()]);
        let vocabulary = Vocabulary::new(&config);
        for (key, meant) in [("Wrokload", 0), ("user_work-laod", 0), ("user:CostCentre", 3), ("Kostenstele", 3)] {
            assert_eq!(vocabulary.typo(key), Some(meant), "{key}");
        }
        for key in ["Workload", "user_team", "Name", "Project", "Mode of use", "aws:createdBy"] {
            assert_eq!(vocabulary.typo(key), None, "{key}");
        }
    }

    #[test]
    fn a_value_alias_comes_before_the_plain_canonical_form() {
        let mut config = Config::default();
        let spellings = BTreeMap::from([("prod".to_string(), vec!["Production".to_string()])]);
        config.tags.values.insert("environment".into(), spellings);
        let vocabulary = Vocabulary::new(&config);
        assert_eq!(vocabulary.value(2, "PRODUCTION "), Some("prod".into()));
        assert_eq!(vocabulary.value(2, "Prod"), Some("prod".into()));
        assert_eq!(vocabulary.value(1, "Production"), Some("production".into()));
    }
}
