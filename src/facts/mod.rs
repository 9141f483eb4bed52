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
use crate::attribute::{self, Facts, Method};
use crate::clock;
use crate::distinct::{self, Distinct};
use crate::error::Result;
use crate::normalise::gathered::Renaming;
use crate::normalise::{Amounts, Charges, add, too_large};
use crate::schema::{ChargeText, DAILY_TEXTS};
use crate::text::{Text, Texts};

/// Makes charges and facts what is stored: sessions hidden unless allowed, sorted, equal rows joined.
///
/// # Errors
/// Where a sum leaves what a column can hold.
pub fn as_stored(charges: &mut Charges, facts: &mut Facts, sessions: bool) -> Result<()> {
    if !sessions {
        hide_sessions(charges, facts);
    }
    let ranks = charges.texts.ranks();
    let sets = ranks_of(charges.dimensions.all(), |set| set.map(|text| ranks.of(text)));
    let owners = ranks_of(facts.ownerships.all(), |by| {
        (by.owner.map(|text| ranks.of(text)), by.method, ranks.of(by.evidence), by.is_router)
    });
    charges.rows.sort_by_cached_key(|row| (row.start, sets[row.dimensions as usize]));
    join(&mut charges.rows, |a, b| (a.start, a.dimensions) == (b.start, b.dimensions), |row| &mut row.amounts)?;
    facts.rows.sort_by_cached_key(|row| {
        (row.charge.start, sets[row.charge.dimensions as usize], owners[row.ownership as usize])
    });
    join(
        &mut facts.rows,
        |a, b| {
            let key = |row: &attribute::Fact| (row.charge.start, row.charge.dimensions, row.ownership);
            key(a) == key(b)
        },
        |row| &mut row.charge.amounts,
    )
}

/// By number: the place of a value in sorted order.
fn ranks_of<Value, Key: Ord>(values: &[Value], key: impl Fn(&Value) -> Key) -> Vec<u32> {
    let mut order: Vec<u32> = (0..values.len() as u32).collect();
    order.sort_by_cached_key(|at| key(&values[*at as usize]));
    distinct::places(&order)
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
    if fits { Ok(()) } else { Err(too_large("bill")) }
}

/// Principals as outputs show them: rows that differ in their sessions alone have the same dimensions then.
fn hide_sessions(charges: &mut Charges, facts: &mut Facts) {
    let mut shown = Distinct::default();
    let mut hidden = Vec::with_capacity(charges.dimensions.all().len());
    for set in charges.dimensions.all() {
        let mut set = *set;
        let principal = &mut set[ChargeText::PrincipalArn as usize];
        *principal = attribute::shown_principal(*principal, false, &mut charges.texts);
        hidden.push(shown.number(set));
    }
    charges.dimensions = shown;
    let rows = charges.rows.iter_mut().chain(facts.rows.iter_mut().map(|fact| &mut fact.charge));
    rows.for_each(|row| row.dimensions = hidden[row.dimensions as usize]);
}

/// The text columns of a charge that a day keeps.
pub type Kept = [Text; DAILY_TEXTS.len()];

/// Who owns a day's cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DayOwner {
    /// Owner columns.
    pub owner: OwnerTexts,
    /// Method.
    pub method: Method,
    /// Router traffic.
    pub is_router: bool,
}

/// A row of `cost_daily`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Daily {
    /// Day number.
    pub day: i32,
    /// Number of what it keeps of its charges.
    pub kept: u32,
    /// Number of its owner.
    pub owner: u32,
    /// Amounts.
    pub amounts: Amounts,
}

/// Rows of `cost_daily`.
#[derive(Debug, Default)]
pub struct Days {
    /// Every text of the rows.
    pub texts: Texts,
    /// What the rows keep of their charges.
    pub kept: Distinct<Kept>,
    /// Owners of the rows.
    pub owners: Distinct<DayOwner>,
    /// The rows, sorted.
    pub rows: Vec<Daily>,
}

/// Facts as they are summed by day.
#[derive(Debug, Default)]
pub struct Rollup {
    sums: HashMap<(i32, u32, u32), Amounts>,
    texts: Texts,
    kept: Distinct<Kept>,
    owners: Distinct<DayOwner>,
}

impl Rollup {
    /// Adds the facts of a stretch of time.
    ///
    /// # Errors
    /// Where a sum leaves what a column can hold.
    pub fn add(&mut self, facts: &Facts, charges: &Charges) -> Result<()> {
        let mut known = Renaming::new(&charges.texts);
        let mut own = |text: Text| known.rename(text, &mut self.texts);
        let sets = charges.dimensions.all().iter();
        let kept: Vec<u32> =
            sets.map(|set| self.kept.number(DAILY_TEXTS.map(|column| own(set[column as usize])))).collect();
        let owned = facts.ownerships.all().iter();
        let owners: Vec<u32> = owned
            .map(|by| {
                let (owner, method, is_router) = (by.owner.map(&mut own), by.method, by.is_router);
                self.owners.number(DayOwner { owner, method, is_router })
            })
            .collect();
        for fact in &facts.rows {
            let day = clock::day_of(fact.charge.start);
            let key = (day, kept[fact.charge.dimensions as usize], owners[fact.ownership as usize]);
            if !add(self.sums.entry(key).or_default(), &fact.charge.amounts) {
                return Err(too_large("bill"));
            }
        }
        Ok(())
    }

    /// The days, sorted.
    pub fn finish(self) -> Days {
        let Self { sums, texts, kept, owners } = self;
        let ranks = texts.ranks();
        let order = |text: Text| ranks.of(text);
        // Owner and method come before what is kept, and the router's flag after it.
        let kept_rank = ranks_of(kept.all(), |kept| kept.map(order));
        let owner_rank = ranks_of(owners.all(), |by| (by.owner.map(order), by.method, by.is_router));
        let first: Vec<u32> = (0..owners.all().len() as u32)
            .map(|at| {
                let by = *owners.get(at);
                let plain = owners.find(&DayOwner { is_router: false, ..by });
                owner_rank[plain.unwrap_or(at) as usize]
            })
            .collect();
        let rows = sums.into_iter().map(|((day, kept, owner), amounts)| Daily { day, kept, owner, amounts });
        let mut rows: Vec<Daily> = rows.collect();
        rows.sort_by_cached_key(|row| {
            let owner = row.owner as usize;
            (row.day, first[owner], kept_rank[row.kept as usize], owner_rank[owner])
        });
        Days { texts, kept, owners, rows }
    }
}
