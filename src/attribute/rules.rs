//! Rung 4: the user's own rules, and rung 6's account map.

use std::collections::{BTreeMap, HashMap};

use wildmatch::WildMatch;

use super::carriers;
use super::owner::{KEYS, OwnerTexts, Vocabulary};
use super::principal;
use crate::config::{Config, Owner, OwnerRule};
use crate::normalise::Dimensions;
use crate::schema::ChargeText;
use crate::text::{Text, Texts};

/// The rules, ready to be asked.
#[derive(Debug)]
pub struct Rules {
    rules: Vec<Rule>,
    accounts: BTreeMap<String, OwnerTexts>,
    router_principals: Vec<WildMatch>,
    router_profiles: Vec<WildMatch>,
    /// When rules begin or end, sorted.
    turns: Vec<i64>,
    /// Answers by everything that a rule can look at but the time.
    known: HashMap<[Text; 4], Vec<usize>>,
}

#[derive(Debug)]
struct Rule {
    principal: Option<WildMatch>,
    resource: Option<WildMatch>,
    account: Option<WildMatch>,
    cost_category: Option<(Option<String>, WildMatch)>,
    from: Option<i64>,
    until: Option<i64>,
    owner: OwnerTexts,
    id: Text,
}

impl Rules {
    /// Compiles the config's rules.
    pub fn new(config: &Config, vocabulary: &Vocabulary, texts: &mut Texts) -> Self {
        let rules = config.owner.iter().enumerate();
        let rules = rules.map(|(at, rule)| Rule::new(at + 1, rule, vocabulary, texts)).collect();
        let accounts = config.accounts.iter();
        let accounts = accounts.map(|(id, owner)| (id.clone(), vocabulary.owner(owner, texts))).collect();
        let mut turns: Vec<i64> = config.owner.iter().flat_map(|rule| [rule.from, rule.until]).flatten().collect();
        turns.sort_unstable();
        let globs = |patterns: &[String]| patterns.iter().map(|pattern| WildMatch::new(pattern)).collect();
        Self {
            rules,
            accounts,
            router_principals: globs(&config.router.principals),
            router_profiles: globs(&config.router.profiles),
            turns,
            known: HashMap::new(),
        }
    }

    /// The number of the time between two turns of rules, within which they say the same.
    pub fn turn(&self, time: i64) -> usize {
        self.turns.partition_point(|turn| *turn <= time)
    }

    /// For each owner key the value of the first rule that matches at a time and gives it, with the rule's id.
    pub fn owner(&mut self, of: &Dimensions, time: i64, texts: &Texts) -> [(Text, Text); KEYS] {
        let columns =
            [ChargeText::PrincipalArn, ChargeText::ResourceId, ChargeText::SubAccountId, ChargeText::CostCategories];
        let key = columns.map(|column| of[column as usize]);
        if !self.known.contains_key(&key) {
            let matching = self.rules.iter().enumerate().filter(|(_, rule)| rule.matches(key, texts));
            let matching = matching.map(|(at, _)| at).collect();
            self.known.insert(key, matching);
        }
        let mut found = [(Text::NULL, Text::NULL); KEYS];
        for at in &self.known[&key] {
            let rule = &self.rules[*at];
            if rule.from.is_some_and(|from| time < from) || rule.until.is_some_and(|until| time >= until) {
                continue;
            }
            for (found, value) in found.iter_mut().zip(rule.owner) {
                if found.0.is_null() && !value.is_null() {
                    *found = (value, rule.id);
                }
            }
        }
        found
    }

    /// The owner of a whole account.
    pub fn account(&self, account: &str) -> OwnerTexts {
        self.accounts.get(account).copied().unwrap_or_default()
    }

    /// Whether charges are a router's traffic.
    pub fn is_router(&self, of: &Dimensions, texts: &Texts) -> bool {
        let arn = texts.str(of[ChargeText::PrincipalArn as usize]);
        let resource = texts.str(of[ChargeText::ResourceId as usize]);
        let short = resource.rsplit('/').next().unwrap_or("");
        any_principal(&self.router_principals, arn)
            || (!resource.is_empty()
                && self.router_profiles.iter().any(|glob| glob.matches(resource) || glob.matches(short)))
    }
}

impl Rule {
    fn new(number: usize, rule: &OwnerRule, vocabulary: &Vocabulary, texts: &mut Texts) -> Self {
        let glob = |pattern: &Option<String>| pattern.as_deref().map(WildMatch::new);
        let owner = Owner {
            workload: rule.workload.clone(),
            team: rule.team.clone(),
            environment: rule.environment.clone(),
            cost_center: rule.cost_center.clone(),
        };
        let cost_category = rule.cost_category.as_deref().map(|pattern| match pattern.split_once('=') {
            Some((category, value)) => (Some(category.trim().to_lowercase()), WildMatch::new(value.trim())),
            None => (None, WildMatch::new(pattern)),
        });
        Self {
            principal: glob(&rule.principal),
            resource: glob(&rule.resource),
            account: glob(&rule.account),
            cost_category,
            from: rule.from,
            until: rule.until,
            owner: vocabulary.owner(&owner, texts),
            id: texts.intern(&number.to_string()),
        }
    }

    fn matches(&self, [arn, resource, account, categories]: [Text; 4], texts: &Texts) -> bool {
        let arn = texts.str(arn);
        let plain = |glob: &Option<WildMatch>, text: Text| {
            glob.as_ref().is_none_or(|glob| !text.is_null() && glob.matches(texts.str(text)))
        };
        let principal = self.principal.as_ref().is_none_or(|glob| any_principal(std::slice::from_ref(glob), arn));
        let category = self.cost_category.as_ref().is_none_or(|(name, glob)| {
            carriers::parse(texts.str(categories)).iter().any(|(category, value)| {
                name.as_ref().is_none_or(|name| category.to_lowercase() == *name) && glob.matches(value)
            })
        });
        principal && plain(&self.resource, resource) && plain(&self.account, account) && category
    }
}

/// Whether a glob matches a principal's ARN, with its session or without.
fn any_principal(globs: &[WildMatch], arn: &str) -> bool {
    !arn.is_empty() && globs.iter().any(|glob| glob.matches(arn) || glob.matches(principal::without_session(arn)))
}
