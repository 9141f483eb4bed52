//! `[audit]`, `[policy.<environment>]` and `[[exempt]]`: what the audit lets pass, and what it does not.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use super::{Config, OWNER_NAMES};
use crate::attribute::owner::canonical;
use crate::error::Result;
use crate::money;
use crate::spelling;

/// When findings of `--fail-on-findings` are worth failing for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// Share of cost with every required tag right, below which the audit fails. Units of 1e-10.
    #[serde(deserialize_with = "some_amount")]
    pub fail_below_compliance: Option<i128>,
    /// Cost without them, above which the audit fails, in each billing currency. Units of 1e-10.
    #[serde(deserialize_with = "some_amount")]
    pub fail_above_debt: Option<i128>,
}

/// What an environment may use.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// `regional`, `geo` and `global`; all where empty.
    pub routing: Vec<String>,
    /// Globs over regions; all where empty.
    pub regions: Vec<String>,
}

/// Routings that a policy may name.
pub const ROUTINGS: [&str; 3] = ["regional", "geo", "global"];

/// What need not be tagged, why, and for how long: every condition that is given must match.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exempt {
    /// Glob over the principal's ARN, with or without its session.
    pub principal: Option<String>,
    /// Glob over the resource id.
    pub resource: Option<String>,
    /// Glob over the account id.
    pub account: Option<String>,
    /// `Category=glob` over the line's cost categories, or a glob over any category's value.
    pub cost_category: Option<String>,
    /// Owner keys that may be wrong; all, and every other finding, where empty.
    #[serde(default)]
    pub keys: Vec<String>,
    /// Why.
    pub reason: String,
    /// First day on which it no longer holds; epoch seconds.
    #[serde(deserialize_with = "instant")]
    pub until: i64,
}

impl Config {
    /// Checks what the audit goes by.
    pub(super) fn check_audit(&self, wrong: &dyn Fn(String, String, &str) -> Result<()>) -> Result<()> {
        if self.audit.fail_below_compliance.is_some_and(|share| !(0..=money::ONE).contains(&share)) {
            let hint = "0.95 means that 95 % of the cost must be fully tagged";
            return wrong("[audit] fail_below_compliance".into(), "a share lies between 0 and 1".into(), hint);
        }
        if self.audit.fail_above_debt.is_some_and(|most| most < 0) {
            let hint = "0 fails for any cost that is not fully tagged";
            return wrong("[audit] fail_above_debt".into(), "a cost to bear is not below 0".into(), hint);
        }
        let mut named: BTreeMap<String, &String> = BTreeMap::new();
        for environment in self.policy.keys() {
            let name = canonical(environment).unwrap_or_default();
            if let Some(other) = named.insert(name, environment) {
                let what = format!("[policy.{other}] is of the same environment");
                return wrong(format!("[policy.{environment}]"), what, "put both into one");
            }
        }
        for (environment, policy) in &self.policy {
            let place = format!("[policy.{environment}]");
            if policy.routing.is_empty() && policy.regions.is_empty() {
                let hint = "give `routing`, `regions` or both; without either, leave the policy out";
                return wrong(place, "it forbids nothing".into(), hint);
            }
            if let Some(unknown) = policy.routing.iter().find(|name| !ROUTINGS.contains(&name.as_str())) {
                let hint = spelling::hint(unknown, ROUTINGS, "the routings are regional, geo and global");
                return wrong(format!("{place} routing"), format!("`{unknown}` is no routing"), &hint);
            }
        }
        for (number, exempt) in self.exempt.iter().enumerate() {
            check_exempt(exempt)
                .or_else(|(what, hint)| wrong(format!("[[exempt]] number {}", number + 1), what, &hint))?;
        }
        Ok(())
    }
}

fn check_exempt(exempt: &Exempt) -> Result<(), (String, String)> {
    let conditions = [&exempt.principal, &exempt.resource, &exempt.account, &exempt.cost_category];
    if conditions.iter().all(|condition| condition.is_none()) {
        let what = "it has no condition (principal, resource, account or cost_category)".into();
        return Err((what, "say what is exempt; `account = \"*\"` is everything".into()));
    }
    if exempt.reason.trim().is_empty() {
        return Err(("its reason is empty".into(), "say why, for whoever reads it when it ends".into()));
    }
    match exempt.keys.iter().find(|key| !OWNER_NAMES.contains(&key.as_str())) {
        Some(key) => {
            let rest = "the owner keys are workload, team, environment, cost_center and model";
            Err((format!("`{key}` is not an owner key"), spelling::hint(key, OWNER_NAMES, rest)))
        }
        None => Ok(()),
    }
}

fn some_amount<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i128>, D::Error> {
    super::amount(deserializer).map(Some)
}

fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    super::instant(deserializer)?.ok_or_else(|| serde::de::Error::custom("expected a date such as \"2026-11-22\""))
}
