//! The policy that spreads tax, credits, refunds and discounts over usage, for those who want it.
//!
//! A charge goes to the owners of its account's usage in the period and currency, in proportion to
//! their billed cost; else to those of its payer's; else it stays where it is.

use std::collections::BTreeMap;

use super::{Fact, Facts, Method, Ownership};
use crate::attribute::owner::KEYS;
use crate::distinct::Distinct;
use crate::money;
use crate::normalise::{Amounts, BILLED, Charge, Charges, Dimensions};
use crate::schema::ChargeText;
use crate::text::{Text, Texts};

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
    pub fn add(&mut self, facts: &Facts, charges: &Charges) {
        let mut costs: BTreeMap<(u32, u32), i128> = BTreeMap::new();
        for Fact { charge, ownership } in &facts.rows {
            let sum = costs.entry((charge.dimensions, *ownership)).or_default();
            *sum = sum.saturating_add(charge.amounts[BILLED].unwrap_or(0));
        }
        let text = |text: Text| charges.texts.str(text).to_string();
        for ((set, ownership), cost) in costs {
            let set = charges.dimensions.get(set);
            if charges.texts.str(set[ChargeText::ChargeCategory as usize]) != "Usage" {
                continue;
            }
            let [payer, currency, account] = key(set, &charges.texts);
            let name = facts.ownerships.get(ownership).owner.map(text);
            let of_payer = self.by_payer.entry([payer.clone(), currency.clone()]).or_default();
            for owners in [self.by_account.entry([payer, currency, account]).or_default(), of_payer] {
                let sum = owners.entry(name.clone()).or_default();
                *sum = sum.saturating_add(cost);
            }
        }
    }

    /// Spreads every not allocable fact.
    pub fn spread(&self, facts: Facts, charges: &mut Charges) -> Facts {
        let Facts { mut ownerships, rows } = facts;
        let mut spread = Vec::with_capacity(rows.len());
        for fact in rows {
            let is_spread = ownerships.get(fact.ownership).method == Method::NotAllocable;
            let parts = if is_spread { self.parts(&fact, charges, &mut ownerships) } else { None };
            match parts {
                Some(parts) => spread.extend(parts),
                None => spread.push(fact),
            }
        }
        Facts { ownerships, rows: spread }
    }

    fn parts(&self, fact: &Fact, charges: &mut Charges, ownerships: &mut Distinct<Ownership>) -> Option<Vec<Fact>> {
        let texts = &mut charges.texts;
        let [payer, currency, account] = key(charges.dimensions.get(fact.charge.dimensions), texts);
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
        let is_router = ownerships.get(fact.ownership).is_router;
        let part = |(name, amounts): (&[String; KEYS], Amounts)| {
            let owner = name.each_ref().map(|text| texts.intern(text));
            let ownership = Ownership { owner, method: Method::ProRata, evidence, is_router };
            let charge = Charge { amounts, ..fact.charge.clone() };
            Fact { charge, ownership: ownerships.number(ownership) }
        };
        Some(split(&fact.charge.amounts, owners)?.into_iter().map(part).collect())
    }
}

fn key(set: &Dimensions, texts: &Texts) -> [String; 3] {
    let columns = [ChargeText::BillingAccountId, ChargeText::BillingCurrency, ChargeText::SubAccountId];
    columns.map(|column| texts.str(set[column as usize]).to_string())
}

/// The amounts of each owner who has spent; `None` where nobody has.
fn split<'a>(amounts: &Amounts, owners: &'a Owners) -> Option<Vec<(&'a [String; KEYS], Amounts)>> {
    let shares: Vec<(&[String; KEYS], i128)> = owners.iter().map(|(name, cost)| (name, *cost)).collect();
    let mut parts = vec![Amounts::default(); shares.len()];
    for (column, amount) in amounts.iter().enumerate() {
        if let Some(amount) = amount {
            for (part, share) in parts.iter_mut().zip(money::split(*amount, &shares)?) {
                part[column] = Some(share);
            }
        }
    }
    let with_share = shares.into_iter().zip(parts).filter(|((_, cost), _)| *cost > 0);
    Some(with_share.map(|((name, _), amounts)| (name, amounts)).collect())
}
