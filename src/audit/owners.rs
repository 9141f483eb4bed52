//! Likely owners: who should be asked about what has no full name, and how sure that is.
//!
//! The first rule that names somebody counts:
//!
//! | rule | confidence |
//! |---|---|
//! | the facts name it by its own tags, its caller's, or a rule of the config | high |
//! | tags or rules that it had earlier in the month, until the day that is named | medium |
//! | its principal has one owner everywhere else | medium |
//! | its own or its principal's name holds one known workload, as whole words | medium |
//! | the facts name it by measured tokens | medium |
//! | the facts name it by its account | low |
//! | one team has four fifths of what is named in its account, in its currency | low |
//!
//! Where the tags of its callers or sessions name several workloads, the evidence is split: up to three are
//! named, with low confidence. A team that is not said is the one that the same workload has elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;

use crate::attribute::owner::canonical;
use crate::attribute::principal;

/// How sure an owner is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// It says so itself, or the config does.
    High,
    /// Something that belongs to it says so.
    Medium,
    /// Its neighbours say so.
    Low,
}

impl Confidence {
    /// Its name in data.
    pub fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

/// Who probably owns something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Likely {
    /// Workload; empty where only the team is known.
    pub workload: String,
    /// Team; empty where unknown.
    pub team: String,
    /// How sure that is.
    pub confidence: Confidence,
    /// Why.
    pub reason: String,
}

/// What of a line tells owners.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// Its own resource, where it can be tagged; empty elsewhere.
    pub resource: &'a str,
    /// Principal.
    pub principal: &'a str,
    /// Account.
    pub account: &'a str,
    /// Currency.
    pub currency: &'a str,
    /// What named the owner.
    pub evidence: &'a str,
    /// Workload.
    pub workload: &'a str,
    /// Team.
    pub team: &'a str,
    /// Cost center.
    pub cost_center: &'a str,
}

/// What else its lines say of an item's owner.
#[derive(Debug, Default)]
pub struct Beside<'a> {
    /// Workloads and teams that tags or rules name on the wrong lines of its last day.
    pub workloads: BTreeSet<&'a str>,
    /// Their teams.
    pub teams: BTreeSet<&'a str>,
    /// Workload and team that tags or rules named last, and until which day.
    pub earlier: Option<(String, String, String)>,
}

/// A team that has this share of an account's named cost speaks for the rest: four of five.
const MOST: (i128, i128) = (4, 5);
/// Workloads that split evidence may name: more are nobody's.
const SPLIT: usize = 3;
/// Names shorter than this are found in too many others.
const SHORT: usize = 4;

/// What all lines tell about owners.
#[derive(Debug, Default)]
pub struct Clues<'a> {
    /// Owners by role, where anything but the account names them.
    by_principal: HashMap<&'a str, BTreeSet<(&'a str, &'a str)>>,
    /// Named cost by team, by account and currency.
    teams: HashMap<(&'a str, &'a str), BTreeMap<&'a str, i128>>,
    /// Teams and cost centers by workload.
    workloads: BTreeMap<&'a str, [BTreeSet<&'a str>; 2]>,
}

impl<'a> Clues<'a> {
    /// Takes what a line tells.
    pub fn add(&mut self, line: &Line<'a>, cost: i128) {
        let rung = rung_of(line.evidence, "workload");
        if line.workload.is_empty() || rung == "account_tag" {
            return;
        }
        let held = self.workloads.entry(line.workload).or_default();
        for ((held, value), key) in held.iter_mut().zip([line.team, line.cost_center]).zip(["team", "cost_center"]) {
            // What an account says of all that is in it, says nothing of the workload.
            if !value.is_empty() && rung_of(line.evidence, key) != "account_tag" {
                held.insert(value);
            }
        }
        // A role that a rule or measured tokens name may call for others too.
        if !line.principal.is_empty() && rung != "token_metric" {
            let role = principal::without_session(line.principal);
            self.by_principal.entry(role).or_default().insert((line.workload, line.team));
        }
        if !line.team.is_empty() {
            let teams = self.teams.entry((line.account, line.currency)).or_default();
            *teams.entry(line.team).or_default() += cost;
        }
    }

    /// The team or cost center of a workload, where it has one alone wherever that is said.
    pub fn of_same_workload(&self, key: usize, workload: &str) -> Option<&'a str> {
        let held = &self.workloads.get(workload)?[key.checked_sub(1)? / 2];
        held.first().filter(|_| held.len() == 1).copied()
    }

    /// Who probably owns an item, by its dearest wrong line and what its lines say beside that.
    pub fn likely(&self, line: &Line<'_>, beside: &Beside<'_>) -> Option<Likely> {
        let is_shared = !line.resource.is_empty();
        if beside.workloads.len() > 1 {
            let joined = |names: &BTreeSet<&str>| names.iter().copied().collect::<Vec<_>>().join(", ");
            let is_few = beside.workloads.len() <= SPLIT;
            let whose = if is_shared { "its callers'" } else { "its sessions'" };
            return is_few.then(|| Likely {
                workload: joined(&beside.workloads),
                team: joined(&beside.teams),
                confidence: Confidence::Low,
                reason: format!("{whose} tags, which differ"),
            });
        }
        let rung = rung_of(line.evidence, if line.workload.is_empty() { "team" } else { "workload" });
        let by_facts = |confidence: Confidence, reason: &str| {
            let elsewhere = line.team.is_empty().then(|| self.of_same_workload(1, line.workload)).flatten();
            let (workload, team) = (line.workload.to_string(), elsewhere.unwrap_or(line.team).to_string());
            let reason = format!("{reason}{}", elsewhere.map_or("", |_| "; the team is its workload's elsewhere"));
            (!workload.is_empty() || !team.is_empty()).then_some(Likely { workload, team, confidence, reason })
        };
        let by_own = || match rung {
            "principal_tag" if is_shared => by_facts(Confidence::High, "its caller's tags"),
            "resource_tag" | "principal_tag" => by_facts(Confidence::High, "its own tags"),
            "consumer_tag" => by_facts(Confidence::High, "the tags of what called it"),
            "owner_rule" => by_facts(Confidence::High, "a rule of the config"),
            _ => None,
        };
        let by_tokens = || (rung == "token_metric").then(|| by_facts(Confidence::Medium, "measured tokens")).flatten();
        let by_account = || (rung == "account_tag").then(|| by_facts(Confidence::Low, "its account")).flatten();
        let by_earlier = || {
            let (workload, team, until) = beside.earlier.clone()?;
            let reason = format!("tags or rules until {until}");
            Some(Likely { workload, team, confidence: Confidence::Medium, reason })
        };
        by_own()
            .or_else(by_earlier)
            .or_else(|| self.by_role(line.principal))
            .or_else(|| self.by_name(line))
            .or_else(by_tokens)
            .or_else(by_account)
            .or_else(|| self.by_siblings(line))
    }

    fn by_role(&self, arn: &str) -> Option<Likely> {
        let owners = self.by_principal.get(principal::without_session(arn))?;
        let workloads: BTreeSet<&str> = owners.iter().map(|(workload, _)| *workload).collect();
        let [workload] = workloads.into_iter().collect::<Vec<_>>()[..] else { return None };
        Some(self.of_workload(workload, "its principal's other calls"))
    }

    fn by_name(&self, line: &Line<'_>) -> Option<Likely> {
        let named = [(line.principal, "its principal's name"), (line.resource, "its name")];
        named.into_iter().find_map(|(arn, reason)| {
            let name = canonical(&name_of(arn).replace(['/', '.', ':'], "-"))?;
            let words = format!("-{name}-");
            let holds = |workload: &&&str| workload.len() >= SHORT && words.contains(&format!("-{workload}-"));
            let longest = self.workloads.keys().filter(holds).max_by_key(|workload| workload.len())?;
            // What lies within the longest is the longest's; two that lie apart are nobody's.
            let is_alone = self.workloads.keys().filter(holds).all(|workload| longest.contains(workload));
            is_alone.then(|| self.of_workload(longest, reason))
        })
    }

    fn by_siblings(&self, line: &Line<'_>) -> Option<Likely> {
        let teams = self.teams.get(&(line.account, line.currency))?;
        let whole: i128 = teams.values().filter(|cost| **cost > 0).sum();
        let (team, cost) = teams.iter().max_by_key(|(team, cost)| (**cost, std::cmp::Reverse(**team)))?;
        let is_most = whole > 0 && cost * MOST.1 >= whole * MOST.0;
        is_most.then(|| Likely {
            workload: String::new(),
            team: (*team).to_string(),
            confidence: Confidence::Low,
            reason: "what else is named in its account".into(),
        })
    }

    fn of_workload(&self, workload: &str, reason: &str) -> Likely {
        let team = self.of_same_workload(1, workload).unwrap_or_default().to_string();
        Likely { workload: workload.into(), team, confidence: Confidence::Medium, reason: reason.into() }
    }
}

/// Whether a tag or a rule names a key, which is no guess.
pub fn is_said(evidence: &str, key: &str) -> bool {
    matches!(rung_of(evidence, key), "resource_tag" | "principal_tag" | "consumer_tag" | "owner_rule")
}

/// The rung that named a key.
fn rung_of<'a>(evidence: &'a str, key: &str) -> &'a str {
    let of_key = evidence.split("; ").find_map(|part| part.strip_prefix(key)?.strip_prefix('='));
    of_key.and_then(|rung| rung.split(':').next()).unwrap_or_default()
}

/// The name in an ARN: of a role, user or resource, without a session.
fn name_of(arn: &str) -> &str {
    let resource = principal::without_session(arn).splitn(6, ':').nth(5).unwrap_or_default();
    resource.split_once('/').map_or(resource, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: Line<'static> = Line {
        resource: "",
        principal: "",
        account: "1",
        currency: "USD",
        evidence: "",
        workload: "",
        team: "",
        cost_center: "",
    };

    fn role(name: &str) -> String {
        format!("arn:aws:sts::1:assumed-role/{name}")
    }

    fn told(clues: &Clues<'_>, line: &Line<'_>) -> Option<(String, String, &'static str)> {
        clues.likely(line, &Beside::default()).map(|likely| (likely.workload, likely.team, likely.confidence.name()))
    }

    #[test]
    fn each_rule_names_an_owner_with_its_confidence() {
        let named = |workload: &'static str, team: &'static str, principal: &'static str| {
            let evidence = "workload=resource_tag:arn; team=resource_tag:arn";
            Line { principal, workload, team, evidence, ..EMPTY }
        };
        let mut clues = Clues::default();
        clues.add(&named("checkout-bot", "payments", "arn:aws:sts::1:assumed-role/app"), 90);
        clues.add(&named("search", "web", ""), 10);
        let of = |workload: &str, team: &str, how: &'static str| Some((workload.to_string(), team.to_string(), how));
        assert_eq!(told(&clues, &named("search", "web", "")), of("search", "web", "high"));
        let app = role("app");
        assert_eq!(told(&clues, &Line { principal: &app, ..EMPTY }), of("checkout-bot", "payments", "medium"));
        let by_name = role("prod_Checkout-Bot.runner");
        assert_eq!(told(&clues, &Line { principal: &by_name, ..EMPTY }), of("checkout-bot", "payments", "medium"));
        let other = role("researcher");
        assert_eq!(told(&clues, &Line { principal: &other, ..EMPTY }), of("", "payments", "low"));
        assert_eq!(told(&clues, &Line { principal: &other, account: "2", ..EMPTY }), None);
        let by_account = Line { evidence: "team=account_tag:2", team: "shop", account: "2", ..EMPTY };
        assert_eq!(told(&clues, &by_account), of("", "shop", "low"));
    }

    #[test]
    fn a_name_that_holds_two_workloads_is_nobodys() {
        let mut clues = Clues::default();
        for workload in ["search", "checkout"] {
            clues.add(&Line { workload, evidence: "workload=resource_tag:arn", ..EMPTY }, 1);
        }
        let both = role("search-and-checkout");
        assert_eq!(told(&clues, &Line { principal: &both, ..EMPTY }), None);
    }
}
