//! Findings beside tags: an environment's traffic in another, spend that a policy forbids, exemptions
//! that have run out.
//!
//! An environment is one of production or one of development by the words below, after the config's
//! own spellings; any other word (`shared`) accuses nobody. Traffic is what the resource's or else the
//! principal's tag says, its place what the account's tag or `[accounts]` says, else the resource's.

use std::collections::{BTreeMap, HashMap};

use wildmatch::WildMatch;

use super::Carrier;
use super::judge::Judge;
use crate::attribute::carriers;
use crate::classify;
use crate::config::Config;

/// Position of the environment among the owner keys.
const ENVIRONMENT: usize = 2;
/// Words for production.
const PRODUCTION: [&str; 4] = ["prod", "production", "prd", "live"];
/// Words for what is not yet production.
const DEVELOPMENT: [&str; 16] = [
    "dev",
    "develop",
    "development",
    "test",
    "testing",
    "qa",
    "uat",
    "int",
    "integration",
    "stage",
    "staging",
    "sandbox",
    "nonprod",
    "non-prod",
    "preprod",
    "pre-prod",
];

/// Kinds of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Traffic of development in production.
    DevInProd,
    /// Traffic of production in development.
    ProdInDev,
    /// A routing that the environment's policy does not name.
    Routing,
    /// A region that the environment's policy does not name.
    Region,
    /// An exemption that has run out.
    ExpiredExemption,
}

impl Kind {
    /// Its name in data.
    pub fn name(self) -> &'static str {
        match self {
            Self::DevInProd => "dev_in_prod",
            Self::ProdInDev => "prod_in_dev",
            Self::Routing => "routing_outside_policy",
            Self::Region => "region_outside_policy",
            Self::ExpiredExemption => "expired_exemption",
        }
    }
}

/// What is found of a carrier, beside its tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind.
    pub kind: Kind,
    /// What it is about; nothing where an exemption is about nothing that pays.
    pub on: Option<(Carrier, String)>,
    /// Account; empty where unknown.
    pub account: String,
    /// Currency; empty where unknown.
    pub currency: String,
    /// In words.
    pub words: String,
    /// Billed cost of the judged days.
    pub cost: i128,
}

/// What of a line a finding follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Line<'a> {
    /// Tags, as JSON text.
    pub tags: &'a str,
    /// Account.
    pub account: &'a str,
    /// The environment that the facts name.
    pub environment: &'a str,
    /// Routing.
    pub routing: &'a str,
    /// Region.
    pub region: &'a str,
    /// Resource.
    pub resource: &'a str,
    /// The model that was billed.
    pub model: &'a str,
}

/// What is said of a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// Kinds with their words.
    pub found: Vec<(Kind, String)>,
    /// Whether a policy could say nothing, for want of an environment or a routing.
    pub is_unknown: bool,
}

/// What environments may do.
#[derive(Debug)]
pub struct Watchman<'a> {
    judge: &'a Judge,
    accounts: BTreeMap<&'a str, String>,
    policies: BTreeMap<String, (&'a [String], Vec<WildMatch>)>,
    known: HashMap<Line<'a>, Said>,
}

impl<'a> Watchman<'a> {
    /// Reads the config.
    pub fn new(config: &'a Config, judge: &'a Judge) -> Self {
        let canonical = |value: &str| judge.canonical(ENVIRONMENT, value);
        let of_account = |(id, owner): (&'a String, &'a crate::config::Owner)| {
            Some((id.as_str(), canonical(owner.environment.as_deref()?)?))
        };
        let policies = config.policy.iter().filter_map(|(name, policy)| {
            let regions = policy.regions.iter().map(|glob| WildMatch::new(glob)).collect();
            Some((canonical(name)?, (policy.routing.as_slice(), regions)))
        });
        Self {
            judge,
            accounts: config.accounts.iter().filter_map(of_account).collect(),
            policies: policies.collect(),
            known: HashMap::new(),
        }
    }

    /// What is to be said of a line.
    pub fn look(&mut self, line: Line<'a>) -> &Said {
        if !self.known.contains_key(&line) {
            let mut said = Said::default();
            said.found.extend(self.environments(&line));
            self.policy(&line, &mut said);
            self.known.insert(line, said);
        }
        &self.known[&line]
    }

    /// An environment's traffic in another. A dollar is in one such finding at most.
    fn environments(&self, line: &Line<'_>) -> Option<(Kind, String)> {
        let tags = carriers::parse(line.tags);
        let on = |prefixes: &[&str]| self.judge.value_on(ENVIRONMENT, &tags, prefixes);
        let (resource, principal) = (on(&["resourceTags/"]), on(&["iamPrincipal/", "userAttribute/"]));
        let account = on(&["accountTag/"]).or_else(|| self.accounts.get(line.account).cloned());
        let pairs = [
            (("resource", &resource), ("account", &account)),
            (("principal", &principal), ("account", &account)),
            (("principal", &principal), ("resource", &resource)),
        ];
        pairs.into_iter().find_map(|((traffic, of), (place, at))| {
            let (of, at) = (of.as_deref()?, at.as_deref()?);
            let kind = match (is_production(of)?, is_production(at)?) {
                (false, true) => Kind::DevInProd,
                (true, false) => Kind::ProdInDev,
                _ => return None,
            };
            Some((kind, format!("the {traffic} is {of:?}, the {place} is {at:?}")))
        })
    }

    fn policy(&self, line: &Line<'_>, said: &mut Said) {
        if self.policies.is_empty() {
            return;
        }
        let Some((routings, regions)) = self.policies.get(line.environment) else {
            said.is_unknown |= line.environment.is_empty();
            return;
        };
        let may = |routing: &str| routings.iter().any(|allowed| allowed == routing);
        let environment = line.environment;
        if !routings.is_empty() && is_routed(line) {
            match routings_of(line) {
                [] => said.is_unknown = true,
                possible if possible.iter().all(|routing| may(routing)) => {}
                possible if possible.iter().any(|routing| may(routing)) => said.is_unknown = true,
                possible => {
                    let words = format!("{environment:?} may not use {} routing", possible.join(" or "));
                    said.found.push((Kind::Routing, words));
                }
            }
        }
        if regions.is_empty() {
            return;
        }
        match line.region {
            "" => said.is_unknown = true,
            region if regions.iter().any(|glob| glob.matches(region)) => {}
            region => said.found.push((Kind::Region, format!("{environment:?} may not use {region:?}"))),
        }
    }
}

/// Whether calls of a line could have been routed at all: guardrails and runtimes serve no model, and what is
/// provisioned or a customer's own model is in one place.
fn is_routed(line: &Line<'_>) -> bool {
    const FIXED: [&str; 4] = ["provisioned-model", "custom-model", "custom-model-deployment", "imported-model"];
    let kind = classify::bedrock_arn(line.resource).map(|arn| arn.resource_type).unwrap_or_default();
    !line.model.is_empty() && !FIXED.contains(&kind.as_str())
}

/// The routings that a line may have had. Geo profiles are billed as regional: only a profile's id, or
/// a bill that says so, tells them apart.
fn routings_of(line: &Line<'_>) -> &'static [&'static str] {
    match (line.routing, classify::routing_of_model_id(line.resource)) {
        ("global", _) => &["global"],
        ("geo", _) | ("regional", Some("regional")) => &["geo"],
        ("regional", _) => &["regional", "geo"],
        _ => &[],
    }
}

fn is_production(environment: &str) -> Option<bool> {
    if PRODUCTION.contains(&environment) {
        return Some(true);
    }
    DEVELOPMENT.contains(&environment).then_some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line<'a>(tags: &'a str, routing: &'a str, resource: &'a str) -> Line<'a> {
        let model = "Claude Haiku 4.5";
        Line { tags, account: "111122223333", environment: "prod", routing, region: "eu-west-1", resource, model }
    }

    fn config(text: &str) -> Config {
        toml::from_str(text).expect("a config")
    }

    fn kinds(config: &Config, line: Line<'_>) -> (Vec<Kind>, bool) {
        let judge = Judge::new(config, [].into_iter());
        let mut watchman = Watchman::new(config, &judge);
        let said = watchman.look(line).clone();
        (said.found.into_iter().map(|(kind, _)| kind).collect(), said.is_unknown)
    }

    #[test]
    fn traffic_is_compared_with_its_place() {
        let account = config("[accounts.111122223333]\nenvironment = \"Production\"\n");
        let of = |config: &Config, tags: &str| kinds(config, line(tags, "regional", "")).0;
        assert_eq!(of(&account, r#"{"resourceTags/Environment":"dev"}"#), [Kind::DevInProd]);
        assert_eq!(of(&account, r#"{"resourceTags/Environment":"shared"}"#), []);
        assert_eq!(of(&account, r#"{"resourceTags/Environment":"PROD"}"#), []);
        let nothing = config("");
        let tags = r#"{"iamPrincipal/Environment":"prod","resourceTags/Environment":"dev"}"#;
        assert_eq!(of(&nothing, tags), [Kind::ProdInDev]);
        assert_eq!(of(&nothing, r#"{"resourceTags/Environment":"dev"}"#), []);
    }

    #[test]
    fn geo_is_unknown_unless_a_profile_id_shows_it() {
        let geo =
            "arn:aws:bedrock:eu-west-1:111122223333:inference-profile/eu.anthropic.claude-haiku-4-5-20251001-v1:0";
        let only = |routing: &str| config(&format!("[policy.prod]\nrouting = [\"{routing}\"]\n"));
        assert_eq!(kinds(&only("regional"), line("", "regional", geo)), (vec![Kind::Routing], false));
        assert_eq!(kinds(&only("regional"), line("", "regional", "")), (vec![], true));
        assert_eq!(kinds(&only("geo"), line("", "regional", geo)), (vec![], false));
        assert_eq!(kinds(&only("geo"), line("", "global", geo)), (vec![Kind::Routing], false));
        assert_eq!(kinds(&only("global"), line("", "regional", "")), (vec![Kind::Routing], false));
        let both = config("[policy.prod]\nrouting = [\"regional\", \"geo\"]\nregions = [\"us-*\"]\n");
        assert_eq!(kinds(&both, line("", "regional", "")), (vec![Kind::Region], false));
    }
}
