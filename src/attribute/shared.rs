//! The policy that spreads tax, credits, refunds and discounts over usage, for those who want it.
//!
//! A charge goes to the owners of its account's usage in the period and currency, in proportion to
//! their billed cost; else to those of its payer's; else it stays where it is.

use std::collections::BTreeMap;

use super::{Fact, Method};
use crate::attribute::owner::{KEYS, OwnerTexts};
use crate::money;
use crate::normalise::{Amounts, BILLED, Charge};
use crate::schema::ChargeText;
use crate::text::{Text, Texts};

type Owners = BTreeMap<[String; KEYS], (OwnerTexts, i128)>;

/// Spreads every not allocable fact.
pub fn spread(facts: Vec<Fact>, texts: &mut Texts) -> Vec<Fact> {
    let mut by_account: BTreeMap<(Text, Text, Text), Owners> = BTreeMap::new();
    let mut by_payer: BTreeMap<(Text, Text), Owners> = BTreeMap::new();
    let key = |charge: &Charge| {
        (
            charge.text(ChargeText::BillingAccountId),
            charge.text(ChargeText::BillingCurrency),
            charge.text(ChargeText::SubAccountId),
        )
    };
    let usage = texts.intern("Usage");
    for fact in facts.iter().filter(|fact| fact.charge.text(ChargeText::ChargeCategory) == usage) {
        let (payer, currency, account) = key(&fact.charge);
        let cost = fact.charge.amounts[BILLED].unwrap_or(0);
        let name = fact.owner.map(|text| texts.str(text).to_string());
        for owners in
            [by_account.entry((payer, currency, account)).or_default(), by_payer.entry((payer, currency)).or_default()]
        {
            let sum = &mut owners.entry(name.clone()).or_insert((fact.owner, 0)).1;
            *sum = sum.saturating_add(cost);
        }
    }
    let mut out = Vec::with_capacity(facts.len());
    for fact in facts {
        if fact.method != Method::NotAllocable {
            out.push(fact);
            continue;
        }
        let (payer, currency, account) = key(&fact.charge);
        let by = by_account
            .get(&(payer, currency, account))
            .map(|owners| ("account", account, owners))
            .filter(|(.., owners)| owners.values().any(|(_, cost)| *cost > 0))
            .or_else(|| by_payer.get(&(payer, currency)).map(|owners| ("payer", payer, owners)));
        match by.and_then(|(scope, id, owners)| {
            Some((format!("workload=pro_rata:{scope} {}", texts.str(id)), split(&fact, owners)?))
        }) {
            Some((evidence, parts)) => {
                let evidence = texts.intern(&evidence);
                out.extend(parts.into_iter().map(|part| Fact { evidence, ..part }));
            }
            None => out.push(fact),
        }
    }
    out
}

fn split(fact: &Fact, owners: &Owners) -> Option<Vec<Fact>> {
    let shares: Vec<(&[String; KEYS], i128)> = owners.iter().map(|(name, (_, cost))| (name, *cost)).collect();
    let mut parts = vec![Amounts::default(); shares.len()];
    for (column, amount) in fact.charge.amounts.iter().enumerate() {
        if let Some(amount) = amount {
            for (part, share) in parts.iter_mut().zip(money::split(*amount, &shares)?) {
                part[column] = Some(share);
            }
        }
    }
    let with_share = owners.values().zip(parts).filter(|((_, cost), _)| *cost > 0);
    Some(
        with_share
            .map(|((owner, _), amounts)| Fact {
                charge: Charge { amounts, ..fact.charge.clone() },
                owner: *owner,
                method: Method::ProRata,
                ..fact.clone()
            })
            .collect(),
    )
}
