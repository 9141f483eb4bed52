//! Spend: two tables of costs in, every gap by day and service out, with its cause.
//!
//! The gaps of a cell add up to its difference, exactly. A cause is named only on evidence: a kind of
//! record that one side alone holds, an earlier answer of Cost Explorer that equals the bill, a change
//! of the bill of just this amount, days that are not whole. What is left is unexplained.

use std::collections::{BTreeMap, BTreeSet};

use super::services::{self, Service};
use crate::clock;
use crate::money::{self, CENT};

/// What a cost is: usage and fees, or something that the two sides may file differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Record {
    /// Usage, fees and commitments.
    Charge,
    /// Tax.
    Tax,
    /// Credits.
    Credit,
    /// Refunds.
    Refund,
    /// Private and other discounts.
    Discount,
}

/// Number of kinds of records.
const RECORDS: usize = 5;

impl Record {
    /// Of a `line_item_type` of the bill or a `RECORD_TYPE` of Cost Explorer, which spell them with spaces.
    pub fn of(text: &str) -> Self {
        let text: String = text.to_ascii_lowercase().split_whitespace().collect();
        match text.as_str() {
            "tax" => Self::Tax,
            "credit" => Self::Credit,
            "refund" => Self::Refund,
            text if text.ends_with("discount") || text.ends_with("discounts") => Self::Discount,
            _ => Self::Charge,
        }
    }
}

/// One cost of one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    /// Day, UTC.
    pub day: i32,
    /// Service.
    pub service: Service,
    /// Currency.
    pub currency: String,
    /// What it is.
    pub record: Record,
    /// Units of 1e-10.
    pub amount: i128,
}

/// How far a day can be trusted on either side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DayState {
    /// Whether the bill's day is complete.
    pub is_complete: bool,
    /// Whether Cost Explorer's answer has the day.
    pub is_answered: bool,
    /// Whether Cost Explorer calls it estimated.
    pub is_estimated: bool,
    /// Whether it ended so shortly before Cost Explorer was asked that its data may be on the way.
    pub is_fresh: bool,
}

impl DayState {
    /// A day on which both sides have said their last word.
    pub fn settled() -> Self {
        Self { is_complete: true, is_answered: true, ..Self::default() }
    }

    /// Whether a gap on this day means something.
    pub fn is_settled(&self) -> bool {
        self.is_complete && self.is_answered && !self.is_fresh
    }
}

/// What Cost Explorer said on an earlier day.
#[derive(Debug, Clone)]
pub struct Earlier {
    /// When it was asked.
    pub asked: i32,
    /// The days of that answer.
    pub days: BTreeSet<i32>,
    /// The costs.
    pub costs: Vec<Cost>,
}

/// How the stored bill of a period changed when it was last replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BillChange {
    /// `YYYY-MM`.
    pub period: String,
    /// Currency.
    pub currency: String,
    /// After less before, units of 1e-10.
    pub amount: i128,
}

/// Everything that is compared.
#[derive(Debug, Clone, Default)]
pub struct Sides {
    /// The bill's costs.
    pub bill: Vec<Cost>,
    /// Cost Explorer's costs.
    pub explorer: Vec<Cost>,
    /// The days to compare.
    pub days: BTreeMap<i32, DayState>,
    /// Earlier answers, newest first.
    pub earlier: Vec<Earlier>,
    /// Changes of the bill.
    pub changes: Vec<BillChange>,
}

/// Why the two sides differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Nothing that was looked for explains it.
    Unexplained,
    /// Cost Explorer knows a service that the bill does not.
    NotInTheBill,
    /// The bill knows a service that Cost Explorer does not.
    NotInCostExplorer,
    /// One side's day is not whole yet.
    Incomplete,
    /// One side changed since the other was read.
    Restated,
    /// The same amount of the same month, on other days.
    Dated,
    /// Tax.
    Tax,
    /// Credits.
    Credit,
    /// Refunds.
    Refund,
    /// Discounts.
    Discount,
    /// Less than a cent.
    Rounding,
}

impl Cause {
    /// Its name in the output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unexplained => "unexplained",
            Self::NotInTheBill => "not in the bill",
            Self::NotInCostExplorer => "not in Cost Explorer",
            Self::Incomplete => "incomplete",
            Self::Restated => "restated",
            Self::Dated => "dated",
            Self::Tax => "tax",
            Self::Credit => "credit",
            Self::Refund => "refund",
            Self::Discount => "discount",
            Self::Rounding => "rounding",
        }
    }

    /// Whether it only says where the money is missing, not why.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Unexplained | Self::NotInTheBill | Self::NotInCostExplorer)
    }
}

/// A part of a difference and its cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Why.
    pub cause: Cause,
    /// Bill less Cost Explorer, units of 1e-10.
    pub amount: i128,
    /// The evidence.
    pub because: String,
}

/// A service's day in a currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// Day, UTC.
    pub day: i32,
    /// Service, as Cost Explorer names it where it does.
    pub service: String,
    /// Currency.
    pub currency: String,
    /// The bill's cost, units of 1e-10.
    pub bill: i128,
    /// Cost Explorer's, units of 1e-10.
    pub explorer: i128,
    /// Whether Cost Explorer calls the day estimated.
    pub is_estimated: bool,
    /// What the difference is made of; its sum is the difference.
    pub gaps: Vec<Gap>,
}

impl Cell {
    /// Bill less Cost Explorer.
    pub fn difference(&self) -> i128 {
        self.bill - self.explorer
    }

    /// What no cause explains.
    pub fn open(&self) -> i128 {
        self.gaps.iter().filter(|gap| gap.cause.is_open()).map(|gap| gap.amount).sum()
    }
}

type Key = (i32, String, String);
type Records = [i128; RECORDS];

/// A cell on its way to its causes.
struct Draft {
    key: Key,
    name: String,
    bill: Records,
    explorer: Records,
    gaps: Vec<Gap>,
    /// What has no cause yet.
    rest: i128,
}

impl Draft {
    fn close(&mut self, cause: Cause, because: impl Into<String>) {
        self.gaps.push(Gap { cause, amount: self.rest, because: because.into() });
        self.rest = 0;
    }
}

/// Compares the two sides.
pub fn compare(sides: Sides) -> Vec<Cell> {
    let Sides { mut bill, mut explorer, days, earlier, changes } = sides;
    bill.retain(|cost| days.contains_key(&cost.day));
    explorer.retain(|cost| days.contains_key(&cost.day));
    let own_keys: Vec<String> = explorer.iter().map(|cost| cost.service.key.clone()).collect();
    services::align(&mut bill, &mut explorer, &days);
    let keys = own_keys.into_iter().zip(explorer.iter().map(|cost| cost.service.key.clone())).collect();
    let mut drafts = drafts(&bill, &explorer);
    by_record(&mut drafts);
    by_completeness(&mut drafts, &days, |day, rest| {
        if !day.is_answered {
            Some("Cost Explorer's answer has no such day")
        } else if !day.is_complete {
            Some("the bill's day is not complete")
        } else if day.is_fresh && rest > 0 {
            Some("Cost Explorer's data of this day may still be on the way")
        } else {
            None
        }
    });
    by_earlier_answers(&mut drafts, &earlier, &keys);
    by_bill_changes(&mut drafts, &changes);
    by_month(&mut drafts);
    by_absence(&mut drafts, &bill, &explorer);
    // An estimate may still grow; that it is too large already is no matter of time.
    by_completeness(&mut drafts, &days, |day, rest| {
        (day.is_estimated && rest > 0).then_some("Cost Explorer still estimates this day")
    });
    for draft in drafts.iter_mut().filter(|draft| draft.rest != 0) {
        draft.close(Cause::Unexplained, "");
    }
    drafts.into_iter().map(|draft| cell(draft, &days)).collect()
}

fn drafts(bill: &[Cost], explorer: &[Cost]) -> Vec<Draft> {
    let mut drafts: BTreeMap<Key, Draft> = BTreeMap::new();
    for (at, costs) in [bill, explorer].into_iter().enumerate() {
        for cost in costs {
            let key = (cost.day, cost.service.key.clone(), cost.currency.clone());
            let draft = drafts.entry(key.clone()).or_insert_with(|| Draft {
                key,
                name: cost.service.name.clone(),
                bill: [0; RECORDS],
                explorer: [0; RECORDS],
                gaps: Vec::new(),
                rest: 0,
            });
            let side = if at == 0 { &mut draft.bill } else { &mut draft.explorer };
            side[cost.record as usize] += cost.amount;
        }
    }
    drafts.into_values().collect()
}

/// The kinds of records that one side alone holds, and what is then left; nothing where the sums agree.
fn named_records(bill: &Records, explorer: &Records) -> (Vec<Gap>, i128) {
    let total: i128 = bill.iter().sum::<i128>() - explorer.iter().sum::<i128>();
    if total.abs() < CENT {
        return (Vec::new(), total);
    }
    let named = [
        (Record::Tax, Cause::Tax),
        (Record::Credit, Cause::Credit),
        (Record::Refund, Cause::Refund),
        (Record::Discount, Cause::Discount),
    ];
    let gaps = named.into_iter().filter_map(|(record, cause)| {
        let because = match (bill[record as usize], explorer[record as usize]) {
            (0, 0) => return None,
            (_, 0) if record == Record::Tax => "Cost Explorer files tax under a service of its own",
            (_, 0) => "the bill alone holds records of this type",
            (0, _) => "Cost Explorer alone holds records of this type",
            _ => return None,
        };
        let amount = bill[record as usize] - explorer[record as usize];
        Some(Gap { cause, amount, because: because.into() })
    });
    let gaps: Vec<Gap> = gaps.collect();
    let rest = total - gaps.iter().map(|gap| gap.amount).sum::<i128>();
    (gaps, rest)
}

fn by_record(drafts: &mut [Draft]) {
    for draft in drafts {
        (draft.gaps, draft.rest) = named_records(&draft.bill, &draft.explorer);
        if draft.rest != 0 && draft.rest.abs() < CENT {
            draft.close(Cause::Rounding, "");
        }
    }
}

fn by_completeness(
    drafts: &mut [Draft],
    days: &BTreeMap<i32, DayState>,
    why: impl Fn(&DayState, i128) -> Option<&'static str>,
) {
    for draft in drafts.iter_mut().filter(|draft| draft.rest != 0) {
        if let Some(because) = days.get(&draft.key.0).and_then(|day| why(day, draft.rest)) {
            draft.close(Cause::Incomplete, because);
        }
    }
}

/// Cost Explorer once said what the bill says, and says something else now.
fn by_earlier_answers(drafts: &mut [Draft], earlier: &[Earlier], keys: &BTreeMap<String, String>) {
    for answer in earlier {
        let mut known: BTreeMap<Key, Records> = BTreeMap::new();
        for cost in &answer.costs {
            let key = keys.get(&cost.service.key).unwrap_or(&cost.service.key);
            let records = known.entry((cost.day, key.clone(), cost.currency.clone())).or_default();
            records[cost.record as usize] += cost.amount;
        }
        for draft in drafts.iter_mut().filter(|draft| draft.rest != 0 && answer.days.contains(&draft.key.0)) {
            let Some(then) = known.get(&draft.key) else { continue };
            let (_, rest) = named_records(&draft.bill, then);
            if rest.abs() < CENT {
                let asked = clock::day_text(answer.asked);
                draft.close(Cause::Restated, format!("Cost Explorer said what the bill says when asked on {asked}"));
            }
        }
    }
}

/// What is open in a period is just what the bill changed by, so Cost Explorer holds what it was.
fn by_bill_changes(drafts: &mut [Draft], changes: &[BillChange]) {
    for change in changes.iter().filter(|change| change.amount.abs() >= CENT) {
        let is_of = |draft: &Draft| clock::month_of(draft.key.0) == change.period && draft.key.2 == change.currency;
        let open: i128 = drafts.iter().filter(|draft| is_of(draft)).map(|draft| draft.rest).sum();
        if (open - change.amount).abs() >= CENT {
            continue;
        }
        let by = money::to_text(change.amount);
        for draft in drafts.iter_mut().filter(|draft| is_of(draft) && draft.rest != 0) {
            let because = format!("the bill of {} changed by {by}; Cost Explorer holds what it was", change.period);
            draft.close(Cause::Restated, because);
        }
    }
}

/// A service's month agrees, so its days are only dated differently.
fn by_month(drafts: &mut [Draft]) {
    let month = |draft: &Draft| (clock::month_of(draft.key.0), draft.key.1.clone(), draft.key.2.clone());
    let mut open: BTreeMap<(String, String, String), i128> = BTreeMap::new();
    for draft in drafts.iter().filter(|draft| draft.rest != 0) {
        *open.entry(month(draft)).or_default() += draft.rest;
    }
    for draft in drafts.iter_mut().filter(|draft| draft.rest != 0) {
        if open.get(&month(draft)).is_some_and(|sum| sum.abs() < CENT) {
            draft.close(Cause::Dated, "the month's sums agree");
        }
    }
}

/// A service that one side never names.
fn by_absence(drafts: &mut [Draft], bill: &[Cost], explorer: &[Cost]) {
    let paid = |costs: &[Cost]| -> BTreeSet<(String, String)> {
        let paid = costs.iter().filter(|cost| cost.amount != 0);
        paid.map(|cost| (cost.service.key.clone(), cost.currency.clone())).collect()
    };
    let (ours, theirs) = (paid(bill), paid(explorer));
    for draft in drafts.iter_mut().filter(|draft| draft.rest != 0) {
        let service = (draft.key.1.clone(), draft.key.2.clone());
        if !ours.contains(&service) {
            draft.close(Cause::NotInTheBill, "no line of the bill is of this service");
        } else if !theirs.contains(&service) {
            draft.close(Cause::NotInCostExplorer, "Cost Explorer names no such service");
        }
    }
}

fn cell(draft: Draft, days: &BTreeMap<i32, DayState>) -> Cell {
    let (day, _, currency) = draft.key;
    Cell {
        day,
        service: draft.name,
        currency,
        bill: draft.bill.iter().sum(),
        explorer: draft.explorer.iter().sum(),
        is_estimated: days.get(&day).is_some_and(|state| state.is_estimated),
        gaps: draft.gaps,
    }
}

/// Whether anything above a cent is open in a currency.
pub fn has_findings(cells: &[Cell]) -> bool {
    let mut open: BTreeMap<&str, i128> = BTreeMap::new();
    for gap in cells.iter().flat_map(|cell| cell.gaps.iter().map(move |gap| (cell, gap))) {
        if gap.1.cause.is_open() {
            *open.entry(&gap.0.currency).or_default() += gap.1.amount.abs();
        }
    }
    open.values().any(|amount| *amount > CENT)
}
