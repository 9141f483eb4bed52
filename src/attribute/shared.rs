//! The policy that spreads tax, credits, refunds and discounts over usage, for those who want it.
//!
//! A charge goes to the owners of its account's usage in the period and currency, in proportion to
//! their billed cost; else to those of its payer's; else it stays where it is.

use std::collections::BTreeMap;

use super::{Fact, Method};
use crate::attribute::owner::KEYS;
use crate::money;
use crate::normalise::{Amounts, BILLED, Charge};
use crate::schema::ChargeText;
use crate::text::Texts;

type Owners = BTreeMap<[String; KEYS], i128>;

/// What the owners of usage have spent over a period, by which the rest is spread.
#[derive(Debug, Default)]
pub struct Shares {
    /// By payer, currency and account.
    by_account: BTreeMap<[String; 3], Owners>,
    /// By payer and currency.
    by_payer: BTreeMap<[String; 2], Owners>,
}

impl Shares {
    /// Adds what usage has cost.
    pub fn add(&mut self, facts: &[Fact], texts: &Texts) {
        for fact in facts.iter().filter(|fact| texts.str(fact.charge.text(ChargeText::ChargeCategory)) == "Usage") {
            let [payer, currency, account] = key(&fact.charge, texts);
            let cost = fact.charge.amounts[BILLED].unwrap_or(0);
            let name = fact.owner.map(|text| texts.str(text).to_string());
            let of_payer = self.by_payer.entry([payer.clone(), currency.clone()]).or_default();
            for owners in [self.by_account.entry([payer, currency, account]).or_default(), of_payer] {
                let sum = owners.entry(name.clone()).or_default();
                *sum = sum.saturating_add(cost);
            }
        }
    }

    /// Spreads every not allocable fact.
    pub fn spread(&self, facts: Vec<Fact>, texts: &mut Texts) -> Vec<Fact> {
        let mut out = Vec::with_capacity(facts.len());
        for fact in facts {
            let parts = if fact.method == Method::NotAllocable { self.parts(&fact, texts) } else { None };
            match parts {
                Some(parts) => out.extend(parts),
                None => out.push(fact),
            }
        }
        out
    }

    fn parts(&self, fact: &Fact, texts: &mut Texts) -> Option<Vec<Fact>> {
        let [payer, currency, account] = key(&fact.charge, texts);
        let of_account = self.by_account.get(&[payer.clone(), currency.clone(), account.clone()]);
        let of_account = of_account.filter(|owners| owners.values().any(|cost| *cost > 0));
        let (scope, id, owners) = match of_account {
            Some(owners) => ("account", account, owners),
            None => {
                let owners = self.by_payer.get(&[payer.clone(), currency])?;
                ("payer", payer, owners)
            }
        };
        let evidence = texts.intern(&format!("workload=pro_rata:{scope} {id}"));
        let parts = split(fact, owners, texts)?;
        Some(parts.into_iter().map(|part| Fact { evidence, ..part }).collect())
    }
}

fn key(charge: &Charge, texts: &Texts) -> [String; 3] {
    let columns = [ChargeText::BillingAccountId, ChargeText::BillingCurrency, ChargeText::SubAccountId];
    columns.map(|column| texts.str(charge.text(column)).to_string())
}

fn split(fact: &Fact, owners: &Owners, texts: &mut Texts) -> Option<Vec<Fact>> {
    let shares: Vec<(&[String; KEYS], i128)> = owners.iter().map(|(name, cost)| (name, *cost)).collect();
    let mut parts = vec![Amounts::default(); shares.len()];
    for (column, amount) in fact.charge.amounts.iter().enumerate() {
        if let Some(amount) = amount {
            for (part, share) in parts.iter_mut().zip(money::split(*amount, &shares)?) {
                part[column] = Some(share);
            }
        }
    }
    let with_share = shares.iter().zip(parts).filter(|((_, cost), _)| *cost > 0);
    let part = |((name, _), amounts): (&(&[String; KEYS], i128), Amounts)| Fact {
        charge: Charge { amounts, ..fact.charge.clone() },
        owner: name.each_ref().map(|text| texts.intern(text)),
        method: Method::ProRata,
        ..fact.clone()
    };
    Some(with_share.map(part).collect())
}
