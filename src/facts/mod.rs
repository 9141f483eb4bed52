//! Facts: the tables of one billing period, in memory and as Parquet.
//!
//! The law of conservation is asserted here, where facts are made: for each account and currency and
//! each amount column, the sums of lines, charges, facts and days are equal to the last unit.

pub mod law;
pub mod parquet;
pub mod store;

use std::collections::HashMap;

use crate::attribute::owner::OwnerTexts;
use crate::attribute::{self, Fact, Method};
use crate::clock;
use crate::error::{Error, Result};
use crate::normalise::{Amounts, Charge, add};
use crate::schema::{CHARGE_TEXT_COUNT, ChargeText, DAILY_TEXTS};
use crate::text::{Ranks, Text, Texts};

/// A row of `cost_daily`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Daily {
    /// Day number.
    pub day: i32,
    /// Owner columns.
    pub owner: OwnerTexts,
    /// Method.
    pub method: Method,
    /// Router traffic.
    pub is_router: bool,
    /// The kept text columns of the charge.
    pub texts: [Text; DAILY_TEXTS.len()],
    /// Amounts.
    pub amounts: Amounts,
}

/// Charges as they are stored: sessions hidden unless allowed, equal rows joined, sorted.
pub fn stored_charges(rows: Vec<Charge>, sessions: bool, texts: &mut Texts) -> Result<Vec<Charge>> {
    let mut sums: HashMap<(i64, [Text; CHARGE_TEXT_COUNT]), Amounts> = HashMap::new();
    for mut row in rows {
        hide_session(&mut row, sessions, texts);
        sum(sums.entry((row.start, row.texts)).or_default(), &row.amounts)?;
    }
    let ranks = texts.ranks();
    let rows = sums.into_iter().map(|((start, texts), amounts)| Charge { start, texts, amounts });
    let mut rows: Vec<Charge> = rows.collect();
    rows.sort_unstable_by_key(|row| row.sort_key(&ranks));
    Ok(rows)
}

type FactKey = (i64, [Text; CHARGE_TEXT_COUNT], OwnerTexts, Method, Text, bool);

/// Facts as they are stored.
pub fn stored_facts(rows: Vec<Fact>, sessions: bool, texts: &mut Texts) -> Result<Vec<Fact>> {
    let mut sums: HashMap<FactKey, Amounts> = HashMap::new();
    for mut row in rows {
        hide_session(&mut row.charge, sessions, texts);
        let key = (row.charge.start, row.charge.texts, row.owner, row.method, row.evidence, row.is_router);
        sum(sums.entry(key).or_default(), &row.charge.amounts)?;
    }
    let ranks = texts.ranks();
    let rows = sums.into_iter().map(|((start, texts, owner, method, evidence, is_router), amounts)| Fact {
        charge: Charge { start, texts, amounts },
        owner,
        method,
        evidence,
        is_router,
    });
    let mut rows: Vec<Fact> = rows.collect();
    rows.sort_unstable_by_key(|row| {
        let owner = row.owner.map(|text| ranks.of(text));
        (row.charge.sort_key(&ranks), owner, row.method, ranks.of(row.evidence), row.is_router)
    });
    Ok(rows)
}

fn hide_session(charge: &mut Charge, sessions: bool, texts: &mut Texts) {
    let principal = &mut charge.texts[ChargeText::PrincipalArn as usize];
    *principal = attribute::shown_principal(*principal, sessions, texts);
}

type DailyKey = (i32, OwnerTexts, Method, bool, [Text; DAILY_TEXTS.len()]);

/// Facts by day.
pub fn daily(facts: &[Fact], ranks: &Ranks) -> Result<Vec<Daily>> {
    let mut sums: HashMap<DailyKey, Amounts> = HashMap::new();
    for fact in facts {
        let texts = DAILY_TEXTS.map(|column| fact.charge.text(column));
        let key = (clock::day_of(fact.charge.start), fact.owner, fact.method, fact.is_router, texts);
        sum(sums.entry(key).or_default(), &fact.charge.amounts)?;
    }
    let rows = sums.into_iter().map(|((day, owner, method, is_router, texts), amounts)| Daily {
        day,
        owner,
        method,
        is_router,
        texts,
        amounts,
    });
    let mut rows: Vec<Daily> = rows.collect();
    rows.sort_unstable_by_key(|row| {
        let order = |text: Text| ranks.of(text);
        (row.day, row.owner.map(order), row.method, row.texts.map(order), row.is_router)
    });
    Ok(rows)
}

fn sum(to: &mut Amounts, from: &Amounts) -> Result<()> {
    if add(to, from) {
        return Ok(());
    }
    Err(Error::input(
        "bill",
        "a sum is larger than 28 digits before the point",
        "look for a line with an absurd amount; the period is left as it was",
    ))
}
