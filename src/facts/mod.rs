//! Facts: the tables of one billing period, in memory and as Parquet.
//!
//! The law of conservation is asserted here, where facts are made: for each account and currency and
//! each amount column, the sums of lines, charges, facts and days are equal to the last unit.

pub mod changes;
pub mod history;
pub mod law;
pub mod lock;
pub mod parquet;
pub mod points;
pub mod record;
pub mod store;

use hashbrown::HashMap;

use crate::attribute::owner::OwnerTexts;
use crate::attribute::{self, Fact, Method};
use crate::clock;
use crate::error::{Error, Result};
use crate::normalise::gathered::Renaming;
use crate::normalise::{Amounts, Charge, add};
use crate::schema::{ChargeText, DAILY_TEXTS};
use crate::text::{Text, Texts};

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

/// Makes charges and facts what is stored: sessions hidden unless allowed, sorted, equal rows joined.
///
/// # Errors
/// Where a sum leaves what a column can hold.
pub fn as_stored(charges: &mut Vec<Charge>, facts: &mut Vec<Fact>, sessions: bool, texts: &mut Texts) -> Result<()> {
    let hidden = charges.iter_mut().chain(facts.iter_mut().map(|fact| &mut fact.charge));
    hidden.for_each(|charge| hide_session(charge, sessions, texts));
    let ranks = texts.ranks();
    charges.sort_unstable_by(|a, b| a.compare(b, &ranks));
    join(charges, |a, b| a.start == b.start && a.texts == b.texts, |row| &mut row.amounts)?;
    let rest = |row: &Fact| (row.owner.map(|text| ranks.of(text)), row.method, ranks.of(row.evidence), row.is_router);
    facts.sort_unstable_by(|a, b| a.charge.compare(&b.charge, &ranks).then_with(|| rest(a).cmp(&rest(b))));
    let same =
        |a: &Fact, b: &Fact| a.charge.start == b.charge.start && a.charge.texts == b.charge.texts && rest(a) == rest(b);
    join(facts, same, |row| &mut row.charge.amounts)
}

/// Joins neighbours that are the same but for their amounts.
fn join<Row>(
    rows: &mut Vec<Row>,
    same: impl Fn(&Row, &Row) -> bool,
    amounts: impl Fn(&mut Row) -> &mut Amounts,
) -> Result<()> {
    let mut fits = true;
    rows.dedup_by(|next, kept| {
        let equal = same(next, kept);
        if equal {
            fits &= add(amounts(kept), amounts(next));
        }
        equal
    });
    if fits { Ok(()) } else { Err(too_large()) }
}

fn hide_session(charge: &mut Charge, sessions: bool, texts: &mut Texts) {
    let principal = &mut charge.texts[ChargeText::PrincipalArn as usize];
    *principal = attribute::shown_principal(*principal, sessions, texts);
}

type DailyKey = (i32, OwnerTexts, Method, bool, [Text; DAILY_TEXTS.len()]);

/// Facts as they are summed by day.
#[derive(Debug, Default)]
pub struct Rollup {
    sums: HashMap<DailyKey, Amounts>,
    texts: Texts,
}

impl Rollup {
    /// Adds the facts of a stretch of time.
    ///
    /// # Errors
    /// Where a sum leaves what a column can hold.
    pub fn add(&mut self, facts: &[Fact], texts: &Texts) -> Result<()> {
        let mut known = Renaming::new(texts);
        for fact in facts {
            let mut own = |text: Text| known.rename(text, &mut self.texts);
            let kept = DAILY_TEXTS.map(|column| own(fact.charge.text(column)));
            let owner = fact.owner.map(own);
            let key = (clock::day_of(fact.charge.start), owner, fact.method, fact.is_router, kept);
            sum(self.sums.entry(key).or_default(), &fact.charge.amounts)?;
        }
        Ok(())
    }

    /// The days, sorted, with their texts.
    pub fn finish(self) -> (Vec<Daily>, Texts) {
        let Self { sums, texts } = self;
        let rows = sums.into_iter().map(|((day, owner, method, is_router, texts), amounts)| Daily {
            day,
            owner,
            method,
            is_router,
            texts,
            amounts,
        });
        let mut rows: Vec<Daily> = rows.collect();
        let ranks = texts.ranks();
        rows.sort_unstable_by_key(|row| {
            let order = |text: Text| ranks.of(text);
            (row.day, row.owner.map(order), row.method, row.texts.map(order), row.is_router)
        });
        (rows, texts)
    }
}

fn sum(to: &mut Amounts, from: &Amounts) -> Result<()> {
    if add(to, from) { Ok(()) } else { Err(too_large()) }
}

fn too_large() -> Error {
    Error::input(
        "bill",
        "a sum is larger than 28 digits before the point",
        "look for a line with an absurd amount; the period is left as it was",
    )
}
