//! From lines to charges: the state of one export's part of one billing period.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use hashbrown::HashMap;

use super::costs::{self, BadCost};
use super::gathered::{Gathered, Sum};
use super::known::Known;
use super::select::{self, Selection};
use super::trust::{Tally, Trust};
use super::{Amounts, BILLED, UNBLENDED};
use crate::classify::{self, Meter};
use crate::clock::{self, DAY, HOUR};
use crate::error::{Error, Result};
use crate::facts::law::Totals;
use crate::money;
use crate::schema::{CHARGE_TEXT_COUNT, ChargeText};
use crate::sources::bill::columns::{AmountColumn, TextColumn, TimeColumn};
use crate::sources::bill::file::BillFile;
use crate::sources::bill::lines::{Lines, interval};
use crate::text::Text;

/// Collects the charges of one export's part of one period.
#[derive(Debug)]
pub struct Collector<'a> {
    period: &'a str,
    /// Whether lines of other periods may come and must be passed over.
    mixed: bool,
    gathered: &'a mut Gathered,
    /// Payers whose lines another export counts.
    counted: &'a BTreeSet<String>,
    numbered: Numbered,
    carries_net: bool,
    collected: Collected,
}

/// What is known by the numbers of texts, which are others once charges were written out.
#[derive(Debug, Default)]
struct Numbered {
    meters: HashMap<Text, Option<Rc<KnownMeter>>>,
    models: HashMap<[Text; 5], [Text; 3]>,
    /// Payers of selected lines, and whether another export counts them.
    payers: HashMap<Text, bool>,
    /// Sums straight off the lines, by account and currency.
    bill: HashMap<[Text; 2], BillSum>,
}

/// What a usage type says, and its texts.
#[derive(Debug)]
struct KnownMeter {
    meter: Meter,
    texts: [(ChargeText, Text); 6],
}

/// Unblended and net cost of the lines of an account in a currency.
#[derive(Debug, Default, Clone, Copy)]
struct BillSum {
    unblended: i128,
    net: i128,
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
        let (numbered, collected) = (Numbered::default(), Collected::default());
        Self { period, mixed, gathered, counted, numbered, carries_net: false, collected }
    }

    /// Takes a batch of candidates.
    ///
    /// # Errors
    /// Where a line's cost is none, or what does not fit into memory cannot be written out.
    pub fn take(&mut self, file: &BillFile, lines: &Lines) -> Result<()> {
        self.collected.trust.principal_column |= file.positions.text(TextColumn::Principal).is_some();
        let mut known = Known::of(lines);
        for row in 0..lines.len {
            if self.mixed && self.other_period(lines, row) {
                continue;
            }
            match select::select(lines, row, &mut known) {
                Selection::Bedrock => self.line(file, lines, row, &mut known)?,
                Selection::Adjacent(_) if self.is_doubled(lines, row, &mut known).1 => {}
                Selection::Adjacent(name) => {
                    let cost = lines.amount(AmountColumn::UnblendedCost, row);
                    let currency = lines.text(TextColumn::Currency, row).unwrap_or("");
                    if let Some(Ok(cost)) = cost {
                        self.collected.trust.adjacent.entry(name).or_default().add(currency, cost);
                    }
                }
                Selection::Other => {}
            }
        }
        if self.gathered.is_full() {
            self.forget_numbers();
            self.gathered.write_out()?;
        }
        Ok(())
    }

    /// Keeps by name what was known by number.
    fn forget_numbers(&mut self) {
        let Numbered { payers, bill, .. } = std::mem::take(&mut self.numbered);
        let name = |text: Text| self.gathered.texts.str(text).to_string();
        self.collected.payers.extend(payers.into_keys().filter(|payer| !payer.is_null()).map(name));
        for (key, sum) in bill {
            let held = self.collected.bill.entry(key.map(name)).or_default();
            held.unblended = held.unblended.saturating_add(sum.unblended);
            held.net = held.net.saturating_add(sum.net);
        }
    }

    fn other_period(&self, lines: &Lines, row: usize) -> bool {
        // Layouts refuse mixed files with a line that has no time.
        lines.period_time(row).is_none_or(|time| clock::month_of(clock::day_of(time)) != self.period)
    }

    /// A line's payer, and whether another export counts it. A payer that the export does not name is
    /// nobody's double.
    fn is_doubled(&mut self, lines: &Lines, row: usize, known: &mut Known) -> (Text, bool) {
        let texts = &mut self.gathered.texts;
        let payer = known.text(lines, TextColumn::PayerAccount, row, texts);
        let counted = self.counted;
        (payer, !payer.is_null() && counted.contains(texts.str(payer)))
    }

    fn line(&mut self, file: &BillFile, lines: &Lines, row: usize, known: &mut Known) -> Result<()> {
        let (payer, is_doubled) = self.is_doubled(lines, row, known);
        self.numbered.payers.entry(payer).or_insert(is_doubled);
        // A line that does not say what it is costs money all the same: it is taken as Usage, and counted.
        let line_type = lines.text(TextColumn::LineItemType, row).unwrap_or("Usage");
        let usage_type = known.text(lines, TextColumn::UsageType, row, &mut self.gathered.texts);
        let meter = self.meter_of(usage_type);
        let marketplace = lines.text(TextColumn::BillingEntity, row).is_some_and(select::is_marketplace)
            || meter.as_ref().is_some_and(|known| known.meter.marketplace);
        let line_costs =
            costs::read(lines, row, line_type, marketplace).map_err(|bad| bad_cost(file, lines, row, bad))?;
        let currency = lines.text(TextColumn::Currency, row).unwrap_or("");
        if is_doubled {
            let payer = self.gathered.texts.str(payer).to_string();
            self.collected.doubled.entry(payer).or_default().add(currency, line_costs.unblended);
            return Ok(());
        }
        self.count(lines, row, line_type, currency, line_costs.unblended);
        let (start, grain) = when(lines, row, line_type, self.period);
        let mut texts = self.plain_texts(lines, row, known, (line_type, grain));
        let line = Line { lines, row, line_type, marketplace, currency, cost: line_costs.unblended };
        let quantity = self
            .meter(&line, meter.as_deref(), known, &mut texts)
            .map_err(|error| bad_cost(file, lines, row, BadCost::NotAnAmount("line_item_usage_amount", error)))?;
        self.carries_net |= line_costs.carries_net;
        let bill = [ChargeText::SubAccountId, ChargeText::BillingCurrency].map(|column| texts[column as usize]);
        let bill = self.numbered.bill.entry(bill).or_default();
        bill.unblended = bill.unblended.saturating_add(line_costs.unblended);
        bill.net = bill.net.saturating_add(line_costs.net);
        self.gathered.add(start, texts, &Sum::of(quantity, &line_costs)).ok_or_else(|| {
            bad_cost(file, lines, row, BadCost::NotAnAmount("sum of the hour", money::NotAnAmount::TooLarge))
        })
    }

    fn count(&mut self, lines: &Lines, row: usize, line_type: &str, currency: &str, cost: i128) {
        let trust = &mut self.collected.trust;
        trust.lines_selected += 1;
        trust.lines_without_invoice += u64::from(lines.text(TextColumn::InvoiceId, row).is_none());
        let is_silent = lines.text(TextColumn::LineItemType, row).is_none();
        if is_silent || !costs::is_known_line_type(line_type) {
            let name = if is_silent { NO_LINE_TYPE } else { line_type };
            trust.unknown_line_types.entry(name.to_string()).or_default().add(currency, cost);
        }
        if let Some(code) = lines.text(TextColumn::ProductCode, row)
            && select::is_bedrock_code(code)
            && !select::is_known_code(code)
        {
            trust.unknown_codes.entry(code.to_string()).or_default().add(currency, cost);
        }
    }

    /// The columns that are copied, and those that follow from the line's type and time.
    fn plain_texts(
        &mut self,
        lines: &Lines,
        row: usize,
        known: &mut Known,
        (line_type, grain): (&str, &str),
    ) -> [Text; CHARGE_TEXT_COUNT] {
        const COPIED: [(ChargeText, TextColumn); 13] = [
            (ChargeText::BillingAccountId, TextColumn::PayerAccount),
            (ChargeText::SubAccountId, TextColumn::UsageAccount),
            (ChargeText::SubAccountName, TextColumn::UsageAccountName),
            (ChargeText::BillingEntity, TextColumn::BillingEntity),
            (ChargeText::InvoiceId, TextColumn::InvoiceId),
            (ChargeText::InvoiceIssuerName, TextColumn::InvoicingEntity),
            (ChargeText::LineItemType, TextColumn::LineItemType),
            (ChargeText::ServiceCode, TextColumn::ProductCode),
            (ChargeText::UsageType, TextColumn::UsageType),
            (ChargeText::Operation, TextColumn::Operation),
            (ChargeText::ResourceId, TextColumn::ResourceId),
            (ChargeText::PrincipalArn, TextColumn::Principal),
            (ChargeText::BillingCurrency, TextColumn::Currency),
        ];
        let interned = &mut self.gathered.texts;
        let mut texts = [Text::NULL; CHARGE_TEXT_COUNT];
        for (to, from) in COPIED {
            texts[to as usize] = known.text(lines, from, row, interned);
        }
        texts[ChargeText::Grain as usize] = interned.intern(grain);
        texts[ChargeText::ChargeCategory as usize] = interned.intern(costs::category(line_type));
        let [tags, categories] = known.tags(lines, row, interned);
        texts[ChargeText::Tags as usize] = tags;
        texts[ChargeText::CostCategories as usize] = categories;
        texts
    }

    /// What the usage type, the model and the unit say; returns the quantity in base units.
    fn meter(
        &mut self,
        line: &Line<'_>,
        meter: Option<&KnownMeter>,
        known: &mut Known,
        texts: &mut [Text; CHARGE_TEXT_COUNT],
    ) -> Result<Option<i128>, money::NotAnAmount> {
        let Line { lines, row, line_type, currency, cost, .. } = *line;
        let usage_type = texts[ChargeText::UsageType as usize];
        let metered = matches!(costs::category(line_type), "Usage" | "Purchase");
        if let Some(meter) = meter {
            meter.texts.iter().for_each(|(column, text)| texts[*column as usize] = *text);
        } else if metered {
            let name = self.gathered.texts.get(usage_type).unwrap_or(NO_USAGE_TYPE).to_string();
            self.collected.trust.unknown_usage_types.entry(name).or_default().add(currency, cost);
        }
        let meter = meter.map(|known| &known.meter);
        let product = known.product_of(lines, row);
        self.model(line, known, product, (meter, metered), texts);
        texts[ChargeText::RegionId as usize] = known.region(lines, row, (usage_type, meter), &mut self.gathered.texts);
        if !select::is_usage_type_of_line(line_type) {
            return Ok(None);
        }
        let Some(amount) = lines.amount(AmountColumn::UsageAmount, row).transpose()? else {
            return Ok(None);
        };
        let unit = known.unit(lines, row, (usage_type, meter), line.marketplace, &mut self.gathered.texts);
        texts[ChargeText::ConsumedUnit as usize] = unit.text;
        let trust = &mut self.collected.trust;
        if !unit.known {
            let name = self.gathered.texts.str(unit.text).to_string();
            trust.unknown_units.entry(name).or_default().add(currency, cost);
        }
        let quantity = amount.checked_mul(i128::from(unit.multiplier)).ok_or(money::NotAnAmount::TooLarge)?;
        let is_dollars_for_tokens = unit.is_tokens && currency == "USD";
        let is_beyond_belief =
            meter.is_some_and(|meter| is_dollars_for_tokens && implausible(&meter.kind, cost, quantity));
        // A rate that is no number says nothing, and decides nothing but this doubt.
        let rate = lines.amount(AmountColumn::UnblendedRate, row).and_then(Result::ok);
        if is_beyond_belief || rate.is_some_and(|rate| !costs::fits_rate(cost, amount, rate)) {
            let name = self.gathered.texts.get(usage_type).unwrap_or(NO_USAGE_TYPE).to_string();
            trust.unit_doubts.entry(name).or_default().add(currency, cost);
        }
        Ok(Some(quantity))
    }

    fn meter_of(&mut self, usage_type: Text) -> Option<Rc<KnownMeter>> {
        if let Some(known) = self.numbered.meters.get(&usage_type) {
            return known.clone();
        }
        let texts = &mut self.gathered.texts;
        let meter = texts.get(usage_type).and_then(classify::parse_usage_type);
        let known = meter.map(|meter| {
            let texts = [
                (ChargeText::UsageKind, texts.intern(&meter.kind)),
                (ChargeText::CacheTtl, texts.intern_opt(meter.cache_ttl)),
                (ChargeText::PricingModel, texts.intern(meter.pricing_model)),
                (ChargeText::Routing, texts.intern(meter.routing)),
                (ChargeText::Context, texts.intern(meter.context)),
                (ChargeText::Endpoint, texts.intern(meter.endpoint)),
            ];
            Rc::new(KnownMeter { meter, texts })
        });
        self.numbered.meters.insert(usage_type, known.clone());
        known
    }

    /// The first recognised of product model, product name, resource and usage type names the model.
    fn model(
        &mut self,
        line: &Line<'_>,
        known: &mut Known,
        product: usize,
        (meter, metered): (Option<&Meter>, bool),
        texts: &mut [Text; CHARGE_TEXT_COUNT],
    ) {
        let interned = &mut self.gathered.texts;
        let flat = [TextColumn::ProductModel, TextColumn::ProductName, TextColumn::ProductProvider];
        let flat = flat.map(|column| known.text(line.lines, column, line.row, interned));
        let mapped = known.product(product).of_model(interned);
        let [model, name, provider] = [0, 1, 2].map(|at| flat[at].or(mapped[at]));
        let (resource, usage_type) = (texts[ChargeText::ResourceId as usize], texts[ChargeText::UsageType as usize]);
        let key = [model, name, resource, usage_type, provider];
        let found = match self.numbered.models.get(&key) {
            Some(found) => *found,
            None => {
                let spelled = meter.and_then(|meter| meter.model.as_deref());
                let candidates = [interned.get(model), interned.get(name), interned.get(resource), spelled];
                let found = candidates.into_iter().flatten().find_map(classify::recognise_model);
                let found = match found {
                    Some(found) => [
                        interned.intern(&found.publisher),
                        interned.intern(&found.name),
                        interned.intern_opt(found.tier.as_deref()),
                    ],
                    None => [provider, Text::NULL, Text::NULL],
                };
                self.numbered.models.insert(key, found);
                found
            }
        };
        texts[ChargeText::PublisherName as usize] = found[0];
        texts[ChargeText::ModelName as usize] = found[1];
        texts[ChargeText::ModelTier as usize] = found[2];
        if found[1].is_null() && metered {
            let edition = interned.get(name).filter(|name| select::is_bedrock_edition(name));
            let spelled = interned.get(model).or_else(|| meter?.model.as_deref()).or(edition);
            // Tokens are always some model's; of other meters only a spelled model is unknown.
            let is_tokens = meter.is_some_and(|meter| TOKENS.contains(&meter.kind.as_ref()));
            let unnamed = is_tokens.then(|| interned.str(usage_type));
            if let Some(spelled) = spelled.or(unnamed) {
                let tally = self.collected.trust.unknown_models.entry(spelled.to_string()).or_default();
                tally.add(line.currency, line.cost);
            }
        }
    }

    /// What was collected, once all lines are in.
    pub fn finish(mut self) -> Collected {
        self.forget_numbers();
        self.gathered.end_export(self.carries_net);
        Collected { carries_net: self.carries_net, ..self.collected }
    }
}

/// A line, and what was found of it so far.
struct Line<'a> {
    lines: &'a Lines,
    row: usize,
    line_type: &'a str,
    marketplace: bool,
    currency: &'a str,
    cost: i128,
}

/// Stand in the tallies for texts that are not there.
const NO_LINE_TYPE: &str = "(no line type)";
const NO_USAGE_TYPE: &str = "(no usage type)";

/// Kinds that only models have.
const TOKENS: [&str; 4] = ["input", "output", "cache_read", "cache_write"];

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
