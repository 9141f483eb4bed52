//! From lines to charges: the state of one export's part of one billing period.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::costs::{self, BadCost, LineCosts};
use super::select::{self, Selection};
use super::tags;
use super::trust::{Tally, Trust};
use super::{Amounts, BILLED, Charge, UNBLENDED, add};
use crate::classify::{self, Meter};
use crate::clock::{self, DAY, HOUR};
use crate::error::{Error, Result};
use crate::facts::law::Totals;
use crate::money;
use crate::schema::{CHARGE_TEXT_COUNT, ChargeText};
use crate::sources::bill::columns::{AmountColumn, TextColumn, TimeColumn};
use crate::sources::bill::lines::{Lines, interval};
use crate::sources::bill::file::BillFile;
use crate::text::{Text, Texts};

/// Collects the charges of one export's part of one period.
#[derive(Debug)]
pub struct Collector {
    period: String,
    /// Whether lines of other periods may come and must be passed over.
    mixed: bool,
    texts: Texts,
    sums: HashMap<(i64, [Text; CHARGE_TEXT_COUNT]), Sum>,
    meters: HashMap<Text, Option<Meter>>,
    models: HashMap<[Text; 5], [Text; 3]>,
    carries_net: bool,
    /// Payers whose lines another export counts.
    counted: BTreeSet<Text>,
    /// Payers of selected lines.
    payers: BTreeSet<Text>,
    /// Lines of payers that another export counts, by payer.
    doubled: BTreeMap<Text, Tally>,
    /// Sums straight off the lines, which what is stored is held against.
    bill: BTreeMap<[Text; 2], BillSum>,
    /// What the reader must know.
    pub trust: Trust,
}

/// Unblended and net cost of the lines of an account in a currency.
#[derive(Debug, Default, Clone, Copy)]
struct BillSum {
    unblended: i128,
    net: i128,
}

/// What was collected.
#[derive(Debug)]
pub struct Collected {
    /// All texts.
    pub texts: Texts,
    /// Equal lines joined, in no particular order.
    pub rows: Vec<Charge>,
    /// Billed and unblended cost straight off the lines, by account and currency.
    pub bill: Totals,
    /// Payers of all selected lines.
    pub payers: BTreeSet<Text>,
    /// Lines that were left out because another export counts their payer.
    pub doubled: BTreeMap<Text, Tally>,
    /// What the reader must know.
    pub trust: Trust,
}

#[derive(Debug, Default, Clone, Copy)]
struct Sum {
    quantity: Option<i128>,
    list: Option<i128>,
    unblended: i128,
    net: i128,
    effective: i128,
    effective_net: i128,
}

impl Collector {
    /// An empty collector. Lines of payers that another export counts are left out.
    pub fn new(period: &str, mixed: bool, texts: Texts, counted: BTreeSet<Text>) -> Self {
        Self {
            period: period.to_string(),
            mixed,
            texts,
            sums: HashMap::new(),
            meters: HashMap::new(),
            models: HashMap::new(),
            carries_net: false,
            counted,
            payers: BTreeSet::new(),
            doubled: BTreeMap::new(),
            bill: BTreeMap::new(),
            trust: Trust::default(),
        }
    }

    /// Takes a batch of candidates.
    pub fn take(&mut self, file: &BillFile, lines: &Lines) -> Result<()> {
        self.trust.principal_column |= file.positions.text(TextColumn::Principal).is_some();
        for row in 0..lines.len {
            if self.mixed && self.other_period(lines, row) {
                continue;
            }
            match select::select(lines, row) {
                Selection::Bedrock => self.line(file, lines, row)?,
                Selection::Adjacent(_) if self.is_doubled(lines, row) => {}
                Selection::Adjacent(name) => {
                    let cost = lines.amount(AmountColumn::UnblendedCost, row);
                    let currency = lines.text(TextColumn::Currency, row).unwrap_or("");
                    if let Some(Ok(cost)) = cost {
                        self.trust.adjacent.entry(name).or_default().add(currency, cost);
                    }
                }
                Selection::Other => {}
            }
        }
        Ok(())
    }

    fn other_period(&self, lines: &Lines, row: usize) -> bool {
        // Layouts refuse mixed files with a line that has no time.
        lines.period_time(row).is_none_or(|time| clock::month_of(clock::day_of(time)) != self.period)
    }

    /// Whether another export counts a line's payer. A payer that the export does not name is nobody's double.
    fn is_doubled(&mut self, lines: &Lines, row: usize) -> bool {
        let payer = self.texts.intern_opt(lines.text(TextColumn::PayerAccount, row));
        !payer.is_null() && self.counted.contains(&payer)
    }

    fn line(&mut self, file: &BillFile, lines: &Lines, row: usize) -> Result<()> {
        let payer = self.texts.intern_opt(lines.text(TextColumn::PayerAccount, row));
        self.payers.insert(payer);
        // A line that does not say what it is costs money all the same: it is taken as Usage, and counted.
        let line_type = lines.text(TextColumn::LineItemType, row).unwrap_or("Usage");
        let usage_type = self.texts.intern_opt(lines.text(TextColumn::UsageType, row));
        let marketplace = lines.text(TextColumn::BillingEntity, row).is_some_and(select::is_marketplace)
            || self.meter_of(usage_type).is_some_and(|meter| meter.marketplace);
        let line_costs =
            costs::read(lines, row, line_type, marketplace).map_err(|bad| bad_cost(file, lines, row, bad))?;
        let currency = lines.text(TextColumn::Currency, row).unwrap_or("");
        if self.is_doubled(lines, row) {
            self.doubled.entry(payer).or_default().add(currency, line_costs.unblended);
            return Ok(());
        }
        self.count(lines, row, line_type, currency, line_costs.unblended);
        let (start, grain) = when(lines, row, line_type, &self.period);
        let mut texts = self.plain_texts(lines, row, line_type, grain);
        let quantity = self
            .meter(lines, row, line_type, marketplace, line_costs.unblended, &mut texts)
            .map_err(|error| bad_cost(file, lines, row, BadCost::NotAnAmount("line_item_usage_amount", error)))?;
        self.carries_net |= line_costs.carries_net;
        let bill = [ChargeText::SubAccountId, ChargeText::BillingCurrency].map(|column| texts[column as usize]);
        let bill = self.bill.entry(bill).or_default();
        bill.unblended = bill.unblended.saturating_add(line_costs.unblended);
        bill.net = bill.net.saturating_add(line_costs.net);
        let sum = self.sums.entry((start, texts)).or_default();
        sum.add(quantity, &line_costs).ok_or_else(|| {
            bad_cost(file, lines, row, BadCost::NotAnAmount("sum of the hour", money::NotAnAmount::TooLarge))
        })
    }

    fn count(&mut self, lines: &Lines, row: usize, line_type: &str, currency: &str, cost: i128) {
        self.trust.lines_selected += 1;
        self.trust.lines_without_invoice += u64::from(lines.text(TextColumn::InvoiceId, row).is_none());
        let is_silent = lines.text(TextColumn::LineItemType, row).is_none();
        if is_silent || !costs::is_known_line_type(line_type) {
            let name = if is_silent { NO_LINE_TYPE } else { line_type };
            self.trust.unknown_line_types.entry(name.to_string()).or_default().add(currency, cost);
        }
        if let Some(code) = lines.text(TextColumn::ProductCode, row)
            && select::is_bedrock_code(code)
            && !select::is_known_code(code)
        {
            self.trust.unknown_codes.entry(code.to_string()).or_default().add(currency, cost);
        }
    }

    /// The columns that are copied, and those that follow from the line's type and time.
    fn plain_texts(&mut self, lines: &Lines, row: usize, line_type: &str, grain: &str) -> [Text; CHARGE_TEXT_COUNT] {
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
        let mut texts = [Text::NULL; CHARGE_TEXT_COUNT];
        for (to, from) in COPIED {
            texts[to as usize] = self.texts.intern_opt(lines.text(from, row));
        }
        texts[ChargeText::Grain as usize] = self.texts.intern(grain);
        texts[ChargeText::ChargeCategory as usize] = self.texts.intern(costs::category(line_type));
        texts[ChargeText::Tags as usize] = self.texts.intern_opt(tags::json(lines, row).as_deref());
        let categories = tags::cost_categories(lines, row);
        texts[ChargeText::CostCategories as usize] = self.texts.intern_opt(categories.as_deref());
        texts
    }

    /// What the usage type, the model and the unit say; returns the quantity in base units.
    fn meter(
        &mut self,
        lines: &Lines,
        row: usize,
        line_type: &str,
        marketplace: bool,
        cost: i128,
        texts: &mut [Text; CHARGE_TEXT_COUNT],
    ) -> Result<Option<i128>, money::NotAnAmount> {
        let usage_type = texts[ChargeText::UsageType as usize];
        let meter = self.meter_of(usage_type);
        let metered = matches!(costs::category(line_type), "Usage" | "Purchase");
        let currency = lines.text(TextColumn::Currency, row).unwrap_or("");
        if let Some(meter) = &meter {
            texts[ChargeText::UsageKind as usize] = self.texts.intern(&meter.kind);
            texts[ChargeText::CacheTtl as usize] = self.texts.intern_opt(meter.cache_ttl);
            texts[ChargeText::PricingModel as usize] = self.texts.intern(meter.pricing_model);
            texts[ChargeText::Routing as usize] = self.texts.intern(meter.routing);
            texts[ChargeText::Context as usize] = self.texts.intern(meter.context);
            texts[ChargeText::Endpoint as usize] = self.texts.intern(meter.endpoint);
        } else if metered {
            let name = self.texts.get(usage_type).unwrap_or(NO_USAGE_TYPE).to_string();
            self.trust.unknown_usage_types.entry(name).or_default().add(currency, cost);
        }
        self.model(lines, row, meter.as_ref(), metered.then_some((currency, cost)), texts);
        let region = region(lines, row, meter.as_ref());
        texts[ChargeText::RegionId as usize] = self.texts.intern_opt(region.as_deref());
        if !select::is_usage_type_of_line(line_type) {
            return Ok(None);
        }
        let Some(amount) = lines.amount(AmountColumn::UsageAmount, row).transpose()? else {
            return Ok(None);
        };
        let unit = classify::base_unit(
            lines.text(TextColumn::PricingUnit, row),
            lines.text(TextColumn::Description, row),
            meter.as_ref(),
            marketplace,
        );
        texts[ChargeText::ConsumedUnit as usize] = self.texts.intern(&unit.unit);
        if !unit.known {
            self.trust.unknown_units.entry(unit.unit.clone()).or_default().add(currency, cost);
        }
        let quantity = amount.checked_mul(i128::from(unit.multiplier)).ok_or(money::NotAnAmount::TooLarge)?;
        let is_dollars_for_tokens = unit.unit == "tokens" && currency == "USD";
        let is_beyond_belief =
            meter.as_ref().is_some_and(|meter| is_dollars_for_tokens && implausible(&meter.kind, cost, quantity));
        // A rate that is no number says nothing, and decides nothing but this doubt.
        let rate = lines.amount(AmountColumn::UnblendedRate, row).and_then(Result::ok);
        if is_beyond_belief || rate.is_some_and(|rate| !costs::fits_rate(cost, amount, rate)) {
            let name = self.texts.get(usage_type).unwrap_or(NO_USAGE_TYPE).to_string();
            self.trust.unit_doubts.entry(name).or_default().add(currency, cost);
        }
        Ok(Some(quantity))
    }

    fn meter_of(&mut self, usage_type: Text) -> Option<Meter> {
        if let Some(known) = self.meters.get(&usage_type) {
            return known.clone();
        }
        let meter = self.texts.get(usage_type).and_then(classify::parse_usage_type);
        self.meters.insert(usage_type, meter.clone());
        meter
    }

    /// The first recognised of product model, product name, resource and usage type names the model.
    fn model(
        &mut self,
        lines: &Lines,
        row: usize,
        meter: Option<&Meter>,
        counted: Option<(&str, i128)>,
        texts: &mut [Text; CHARGE_TEXT_COUNT],
    ) {
        let flat = |column, key| lines.text(column, row).map(String::from).or_else(|| lines.product(key, row));
        let model = flat(TextColumn::ProductModel, "model");
        let name = flat(TextColumn::ProductName, "product_name");
        let provider = flat(TextColumn::ProductProvider, "provider");
        let key = [
            self.texts.intern_opt(model.as_deref()),
            self.texts.intern_opt(name.as_deref()),
            texts[ChargeText::ResourceId as usize],
            texts[ChargeText::UsageType as usize],
            self.texts.intern_opt(provider.as_deref()),
        ];
        let known = match self.models.get(&key) {
            Some(known) => *known,
            None => {
                let spelled = meter.and_then(|meter| meter.model.as_deref());
                let candidates = [self.texts.get(key[0]), self.texts.get(key[1]), self.texts.get(key[2]), spelled];
                let found = candidates.into_iter().flatten().find_map(classify::recognise_model);
                let known = match found {
                    Some(found) => [
                        self.texts.intern(&found.publisher),
                        self.texts.intern(&found.name),
                        self.texts.intern_opt(found.tier.as_deref()),
                    ],
                    None => [key[4], Text::NULL, Text::NULL],
                };
                self.models.insert(key, known);
                known
            }
        };
        texts[ChargeText::PublisherName as usize] = known[0];
        texts[ChargeText::ModelName as usize] = known[1];
        texts[ChargeText::ModelTier as usize] = known[2];
        if let (true, Some((currency, cost))) = (known[1].is_null(), counted) {
            let edition = name.filter(|name| select::is_bedrock_edition(name));
            let spelled = model.or_else(|| meter?.model.clone()).or(edition);
            // Tokens are always some model's; of other meters only a spelled model is unknown.
            let is_tokens = meter.is_some_and(|meter| TOKENS.contains(&meter.kind.as_ref()));
            let unnamed = is_tokens.then(|| self.texts.str(texts[ChargeText::UsageType as usize]).to_string());
            if let Some(spelled) = spelled.or(unnamed) {
                self.trust.unknown_models.entry(spelled).or_default().add(currency, cost);
            }
        }
    }

    /// The charges, once all lines are in.
    pub fn finish(self) -> Collected {
        let Self { texts, payers, doubled, trust, carries_net: net, .. } = self;
        let rows = self.sums.into_iter();
        let rows = rows.map(|((start, texts), sum)| Charge { start, texts, amounts: sum.amounts(net) }).collect();
        let mut bill = Totals::default();
        for ([account, currency], sum) in self.bill {
            let mut amounts = Amounts::default();
            amounts[UNBLENDED] = Some(sum.unblended);
            amounts[BILLED] = Some(if net { sum.net } else { sum.unblended });
            bill.add(texts.str(account), texts.str(currency), &amounts);
        }
        Collected { texts, rows, bill, payers, doubled, trust }
    }
}

impl Sum {
    fn add(&mut self, quantity: Option<i128>, costs: &LineCosts) -> Option<()> {
        let sum = |a: i128, b: i128| a.checked_add(b);
        let option = |a: Option<i128>, b: Option<i128>| match (a, b) {
            (Some(a), Some(b)) => a.checked_add(b).map(Some),
            (a, b) => Some(a.or(b)),
        };
        self.quantity = option(self.quantity, quantity)?;
        self.list = option(self.list, costs.list)?;
        self.unblended = sum(self.unblended, costs.unblended)?;
        self.net = sum(self.net, costs.net)?;
        self.effective = sum(self.effective, costs.effective)?;
        self.effective_net = sum(self.effective_net, costs.effective_net)?;
        let fits = |net: bool| add(&mut Amounts::default(), &self.amounts(net));
        (fits(true) && fits(false)).then_some(())
    }

    fn amounts(&self, net: bool) -> Amounts {
        let (billed, effective) = if net { (self.net, self.effective_net) } else { (self.unblended, self.effective) };
        [self.quantity, Some(billed), Some(self.unblended), Some(effective), self.list]
    }
}

/// Stand in the tallies for texts that are not there.
const NO_LINE_TYPE: &str = "(no line type)";
const NO_USAGE_TYPE: &str = "(no usage type)";

/// Kinds that only models have.
const TOKENS: [&str; 4] = ["input", "output", "cache_read", "cache_write"];

/// Start and grain of a line.
fn when(lines: &Lines, row: usize, line_type: &str, period: &str) -> (i64, &'static str) {
    let spelled = lines.text(TextColumn::TimeInterval, row).and_then(interval);
    let start = lines.time(TimeColumn::UsageStart, row).or(spelled.map(|(start, _)| start));
    let end = lines.time(TimeColumn::UsageEnd, row).or(spelled.map(|(_, end)| end));
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

fn region(lines: &Lines, row: usize, meter: Option<&Meter>) -> Option<String> {
    let looks_right = |text: &String| text.contains('-') && text.ends_with(|c: char| c.is_ascii_digit());
    lines
        .text(TextColumn::RegionCode, row)
        .or_else(|| lines.text(TextColumn::ProductRegion, row))
        .map(String::from)
        .filter(looks_right)
        .or_else(|| lines.product("region_code", row).filter(looks_right))
        .or_else(|| lines.product("region", row).filter(looks_right))
        .or_else(|| meter.and_then(|meter| meter.region.clone()))
        .or_else(|| classify::bedrock_arn(lines.text(TextColumn::ResourceId, row)?)?.region)
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
