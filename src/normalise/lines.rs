//! From lines to charges: the state of one export's part of one billing period.

use std::collections::{BTreeMap, BTreeSet};

use super::costs::{self, BadCost, LineCosts};
use super::gathered::{Gathered, Sum};
use super::kinds::{Kind, Kinds, Look, Meaning, NO_USAGE_TYPE};
use super::known::Known;
use super::trust::{Tally, Trust};
use super::{Amounts, BILLED, UNBLENDED, select};
use crate::classify;
use crate::clock::{self, DAY, HOUR};
use crate::error::{Error, Result};
use crate::facts::law::Totals;
use crate::money;
use crate::sources::bill::columns::{AmountColumn, TextColumn, TimeColumn};
use crate::sources::bill::file::BillFile;
use crate::sources::bill::lines::{Lines, interval};
use crate::text::Texts;

/// Collects the charges of one export's part of one period.
#[derive(Debug)]
pub struct Collector<'a> {
    period: &'a str,
    /// Whether lines of other periods may come and must be passed over.
    mixed: bool,
    gathered: &'a mut Gathered,
    /// Payers whose lines another export counts.
    counted: &'a BTreeSet<String>,
    kinds: Kinds,
    /// Sums straight off the lines, by the number of account and currency.
    bill: Vec<BillSum>,
    carries_net: bool,
    collected: Collected,
}

/// Unblended and net cost of the lines of an account in a currency.
#[derive(Debug, Default, Clone, Copy)]
struct BillSum {
    unblended: i128,
    net: i128,
}

impl BillSum {
    fn add(&mut self, unblended: i128, net: i128) {
        self.unblended = self.unblended.saturating_add(unblended);
        self.net = self.net.saturating_add(net);
    }
}

/// What was collected beside the charges.
#[derive(Debug, Default)]
pub struct Collected {
    /// Sums straight off the lines, which what is stored is held against.
    bill: BTreeMap<[String; 2], BillSum>,
    /// Payers of all selected lines.
    pub payers: BTreeSet<String>,
    /// Lines that were left out because another export counts their payer.
    pub doubled: BTreeMap<String, Tally>,
    /// What the reader must know.
    pub trust: Trust,
    /// Whether its lines carry net costs.
    carries_net: bool,
}

impl Collected {
    /// Billed and unblended cost straight off the lines, by account and currency.
    pub fn bill(&self) -> Totals {
        let mut bill = Totals::default();
        for ([account, currency], sum) in &self.bill {
            let mut amounts = Amounts::default();
            amounts[UNBLENDED] = Some(sum.unblended);
            amounts[BILLED] = Some(if self.carries_net { sum.net } else { sum.unblended });
            bill.add(account, currency, &amounts);
        }
        bill
    }
}

impl<'a> Collector<'a> {
    /// An empty collector. Lines of payers that another export counts are left out.
    pub fn new(period: &'a str, mixed: bool, gathered: &'a mut Gathered, counted: &'a BTreeSet<String>) -> Self {
        let (kinds, bill, collected) = (Kinds::default(), Vec::new(), Collected::default());
        Self { period, mixed, gathered, counted, kinds, bill, carries_net: false, collected }
    }

    /// Takes a batch of candidates.
    ///
    /// # Errors
    /// Where a line's cost is none, or what does not fit into memory cannot be written out.
    pub fn take(&mut self, file: &BillFile, lines: &Lines) -> Result<()> {
        self.collected.trust.principal_column |= file.positions.text(TextColumn::Principal).is_some();
        self.collected.trust.principal_tags_column |= file.positions.can_hold_principal_tags();
        let mut known = Known::of(lines);
        for row in 0..lines.len {
            if !(self.mixed && self.other_period(lines, row)) {
                self.line(file, lines, row, &mut known)?;
            }
        }
        let beside = self.kinds.bytes();
        if self.gathered.is_full(beside) {
            let with_names = self.gathered.gives_up_names(beside);
            if with_names {
                self.forget_numbers();
            }
            self.gathered.write_out(with_names)?;
        }
        Ok(())
    }

    /// Keeps by name what was known by number.
    fn forget_numbers(&mut self) {
        let (kinds, bill) = (std::mem::take(&mut self.kinds), std::mem::take(&mut self.bill));
        let texts = &self.gathered.names.texts;
        let payers = kinds.payers.iter().filter_map(|payer| texts.get(*payer));
        self.collected.payers.extend(payers.map(String::from));
        for (key, sum) in kinds.sums.all().iter().zip(bill) {
            let key = key.map(|text| texts.str(text).to_string());
            self.collected.bill.entry(key).or_default().add(sum.unblended, sum.net);
        }
    }

    fn other_period(&self, lines: &Lines, row: usize) -> bool {
        // Layouts refuse mixed files with a line that has no time.
        lines.period_time(row).is_none_or(|time| clock::month_of(clock::day_of(time)) != self.period)
    }

    fn line(&mut self, file: &BillFile, lines: &Lines, row: usize, known: &mut Known) -> Result<()> {
        // A line that does not say what it is costs money all the same: it is taken as Usage, and counted.
        let line_type = lines.text(TextColumn::LineItemType, row).unwrap_or("Usage");
        let amount = lines.amount(AmountColumn::UsageAmount, row);
        let (start, grain) = when(lines, row, line_type, self.period);
        let (texts, dimensions) = (&mut self.gathered.names.texts, &mut self.gathered.names.dimensions);
        let (counted, has_amount) = (self.counted, amount.is_some());
        let look = Look { lines, row, known, texts, dimensions, counted, line_type, grain, has_amount };
        let trust = &mut self.collected.trust;
        let meaning = match self.kinds.of(look) {
            Kind::Bedrock(meaning) => meaning,
            Kind::Adjacent(name) => {
                if let Some(Ok(cost)) = lines.amount(AmountColumn::UnblendedCost, row) {
                    let currency = lines.text(TextColumn::Currency, row).unwrap_or("");
                    trust.adjacent.entry(name.clone()).or_default().add(currency, cost);
                }
                return Ok(());
            }
            Kind::Other => return Ok(()),
        };
        let refused = |bad| bad_cost(file, lines, row, bad);
        let costs = costs::read(lines, row, line_type, meaning.marketplace).map_err(refused)?;
        let line = Line { lines, row, meaning, costs };
        let texts = &self.gathered.names.texts;
        if let Some(payer) = meaning.doubled {
            let payer = texts.str(payer).to_string();
            self.collected.doubled.entry(payer).or_default().add(line.currency(), costs.unblended);
            return Ok(());
        }
        let not_an_amount = |error| refused(BadCost::NotAnAmount("line_item_usage_amount", error));
        let quantity = line.quantity(amount, texts, trust).map_err(not_an_amount)?;
        line.count(trust);
        self.carries_net |= costs.carries_net;
        self.bill.resize(self.bill.len().max(meaning.sum as usize + 1), BillSum::default());
        self.bill[meaning.sum as usize].add(costs.unblended, costs.net);
        self.gathered
            .add(start, meaning.dimensions, &Sum::of(quantity, &costs))
            .ok_or_else(|| refused(BadCost::NotAnAmount("sum of the hour", money::NotAnAmount::TooLarge)))
    }

    /// What was collected, once all lines are in.
    pub fn finish(mut self) -> Collected {
        self.forget_numbers();
        self.gathered.end_export(self.carries_net);
        Collected { carries_net: self.carries_net, ..self.collected }
    }
}

/// A line of Bedrock's.
struct Line<'a> {
    lines: &'a Lines,
    row: usize,
    meaning: &'a Meaning,
    costs: LineCosts,
}

impl<'a> Line<'a> {
    fn currency(&self) -> &'a str {
        self.lines.text(TextColumn::Currency, self.row).unwrap_or("")
    }

    /// Counts what a reader must know of the line.
    fn count(&self, trust: &mut Trust) {
        trust.lines_selected += 1;
        trust.lines_without_invoice += u64::from(!self.meaning.is_invoiced);
        for (told, name) in &self.meaning.told {
            told.tallies(trust).entry(name.clone()).or_default().add(self.currency(), self.costs.unblended);
        }
    }

    /// The quantity in base units; one that does not fit its cost is counted.
    fn quantity(
        &self,
        amount: Option<Result<i128, money::NotAnAmount>>,
        texts: &Texts,
        trust: &mut Trust,
    ) -> Result<Option<i128>, money::NotAnAmount> {
        let (Some(multiplier), Some(amount)) = (self.meaning.multiplier, amount) else { return Ok(None) };
        let (amount, cost) = (amount?, self.costs.unblended);
        let quantity = amount.checked_mul(i128::from(multiplier)).ok_or(money::NotAnAmount::TooLarge)?;
        let is_beyond_belief = self.meaning.priced.is_some_and(|kind| implausible(texts.str(kind), cost, quantity));
        // A rate that is no number says nothing, and decides nothing but this doubt.
        let rate = self.lines.amount(AmountColumn::UnblendedRate, self.row).and_then(Result::ok);
        if is_beyond_belief || rate.is_some_and(|rate| !costs::fits_rate(cost, amount, rate)) {
            let name = texts.get(self.meaning.usage_type).unwrap_or(NO_USAGE_TYPE).to_string();
            trust.unit_doubts.entry(name).or_default().add(self.currency(), cost);
        }
        Ok(Some(quantity))
    }
}

/// Start and grain of a line.
fn when(lines: &Lines, row: usize, line_type: &str, period: &str) -> (i64, &'static str) {
    let spelled = || lines.text(TextColumn::TimeInterval, row).and_then(interval);
    let start = lines.time(TimeColumn::UsageStart, row).or_else(|| spelled().map(|(start, _)| start));
    let end = lines.time(TimeColumn::UsageEnd, row).or_else(|| spelled().map(|(_, end)| end));
    let Some(start) = start.or_else(|| lines.time(TimeColumn::PeriodStart, row)) else {
        // A line without any time belongs to its period and to no day.
        let first = clock::month_range(period).map_or(0, |(first, _)| i64::from(first) * DAY);
        return (first, "month");
    };
    let length = end.map_or(HOUR, |end| end - start);
    let grain = match length {
        1..=HOUR => "hour",
        0 if select::is_usage_type_of_line(line_type) => "hour",
        _ if length > HOUR && length <= DAY => "day",
        _ => "month",
    };
    let start = if grain == "hour" { start.div_euclid(HOUR) * HOUR } else { start };
    (start, grain)
}

/// Whether cost per million tokens is beyond belief. Amounts are integers of one scale, so their
/// quotient is the rate.
fn implausible(kind: &str, cost: i128, quantity: i128) -> bool {
    if cost == 0 || quantity <= 0 {
        return false;
    }
    let rate = cost as f64 / quantity as f64 * 1e6;
    !classify::plausible_token_rate(kind, rate.abs())
}

fn bad_cost(file: &BillFile, lines: &Lines, row: usize, bad: BadCost) -> Error {
    let place = format!("{}: row {}", file.name, lines.row_number(row));
    let what = match bad {
        BadCost::Missing => "line_item_unblended_cost is null on a Bedrock line".to_string(),
        BadCost::NotAnAmount(column, error) => format!("{column} {error}"),
    };
    Error::input(
        place,
        what,
        "the period is refused, stored facts stay as they were; export the period again, or ask AWS support about the row",
    )
}
