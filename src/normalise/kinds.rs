//! Kinds of lines: what follows from everything that a line says but its time and its money.
//!
//! A bill repeats the same few thousand kinds in every hour, so each is looked at once: whether it is
//! Bedrock's, what it measures, of which model, in which unit, and what a reader must be told of it.

use std::collections::BTreeSet;
use std::rc::Rc;

use hashbrown::HashMap;

use super::Dimensions;
use super::costs;
use super::known::{Known, KnownUnit};
use super::select::{self, Selection};
use super::trust::Trust;
use crate::classify::{self, Meter, TOKEN_KINDS};
use crate::distinct::Distinct;
use crate::schema::{CHARGE_TEXT_COUNT, ChargeText};
use crate::sources::bill::columns::TextColumn;
use crate::sources::bill::lines::Lines;
use crate::text::{Text, Texts};

/// Everything that tells one kind from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Said {
    /// By column; of the line's own time only the grain counts.
    texts: [Text; TextColumn::ALL.len()],
    product: Text,
    tags: [Text; 2],
    grain: &'static str,
    has_amount: bool,
}

/// What a line is.
#[derive(Debug)]
pub enum Kind<'a> {
    /// Bedrock's.
    Bedrock(&'a Meaning),
    /// Not Bedrock's, but near enough that a reader would ask: the product's name.
    Adjacent(String),
    /// Somebody else's, or a neighbour that another export counts.
    Other,
}

/// What a line of Bedrock's means. Of one that another export counts only what it costs is asked, so that the rest
/// is not found out.
#[derive(Debug, Default)]
pub struct Meaning {
    /// Number of the charge's dimensions.
    pub dimensions: u32,
    /// Number of its account and currency, see [`Kinds::sums`].
    pub sum: u32,
    /// Who pays, where another export counts that payer's lines.
    pub doubled: Option<Text>,
    /// Whether AWS Marketplace bills it.
    pub marketplace: bool,
    /// Whether it is on an invoice.
    pub is_invoiced: bool,
    /// Base units of a billed unit; `None` where the line carries no quantity.
    pub multiplier: Option<u64>,
    /// Usage kind of tokens paid in dollars, whose rate can be beyond belief.
    pub priced: Option<Text>,
    /// Usage type, as messages name it.
    pub usage_type: Text,
    /// What the reader must be told, by name.
    pub told: Vec<(Told, String)>,
}

/// What a reader must be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// A usage type that the parser does not know.
    UsageType,
    /// A unit that is none of the known ones.
    Unit,
    /// A model that the catalogue does not know.
    Model,
    /// A line type beyond AWS's list, or none.
    LineType,
    /// A product code beyond the known ones.
    Code,
}

impl Told {
    /// Where it is counted.
    pub fn tallies(self, trust: &mut Trust) -> &mut super::trust::Tallies {
        match self {
            Self::UsageType => &mut trust.unknown_usage_types,
            Self::Unit => &mut trust.unknown_units,
            Self::Model => &mut trust.unknown_models,
            Self::LineType => &mut trust.unknown_line_types,
            Self::Code => &mut trust.unknown_codes,
        }
    }
}

/// What a usage type says, and its texts.
#[derive(Debug)]
struct KnownMeter {
    meter: Meter,
    texts: [(ChargeText, Text); 6],
}

/// What is known by the numbers of texts, which are others once charges were written out.
#[derive(Debug, Default)]
pub struct Kinds {
    said: Distinct<Said>,
    meanings: Vec<Meaning>,
    /// Bytes of what the reader must be told.
    told: usize,
    meters: HashMap<Text, Option<Rc<KnownMeter>>>,
    models: HashMap<[Text; 5], [Text; 3]>,
    /// Payers of Bedrock's lines.
    pub payers: BTreeSet<Text>,
    /// Accounts and currencies of Bedrock's lines.
    pub sums: Distinct<[Text; 2]>,
}

/// Stand in the tallies for texts that are not there.
const NO_LINE_TYPE: &str = "(no line type)";
/// Stands in the tallies for a usage type that is not there.
pub const NO_USAGE_TYPE: &str = "(no usage type)";

/// Bytes of an entry of [`Meaning::told`] beside its text.
const TOLD: usize = size_of::<(Told, String)>();

/// A line that is looked at, and what is written of it.
pub struct Look<'a> {
    /// The batch.
    pub lines: &'a Lines,
    /// The line.
    pub row: usize,
    /// What is known of the batch.
    pub known: &'a mut Known,
    /// The texts of charges.
    pub texts: &'a mut Texts,
    /// Dimensions of charges.
    pub dimensions: &'a mut Distinct<Dimensions>,
    /// Payers whose lines another export counts.
    pub counted: &'a BTreeSet<String>,
    /// Type of the line; `Usage` where it has none.
    pub line_type: &'a str,
    /// Length of the line.
    pub grain: &'static str,
    /// Whether it has an amount of usage.
    pub has_amount: bool,
}

impl Kinds {
    /// The kind of a line. Nothing is kept of lines that are not Bedrock's.
    pub fn of(&mut self, mut look: Look<'_>) -> Kind<'_> {
        match select::select(look.lines, look.row, look.known) {
            Selection::Bedrock => {}
            Selection::Other => return Kind::Other,
            Selection::Adjacent(name) => {
                return if look.doubled().is_some() { Kind::Other } else { Kind::Adjacent(name) };
            }
        }
        let number = self.said.number(look.said());
        if number as usize == self.meanings.len() {
            self.payers.insert(look.text(TextColumn::PayerAccount));
            let meaning = self.meaning(&mut look);
            self.told += meaning.told.iter().map(|(_, name)| name.len() + TOLD).sum::<usize>();
            self.meanings.push(meaning);
        }
        Kind::Bedrock(&self.meanings[number as usize])
    }

    /// Bytes that are held.
    pub fn bytes(&self) -> usize {
        const MODEL: usize = 8 * size_of::<Text>() + 1;
        let meanings = self.meanings.capacity() * size_of::<Meaning>();
        self.said.bytes() + meanings + self.told + self.models.capacity() * MODEL
    }

    fn meaning(&mut self, look: &mut Look<'_>) -> Meaning {
        let usage_type = look.text(TextColumn::UsageType);
        let known_meter = self.meter_of(usage_type, look.texts);
        let meter = known_meter.as_deref().map(|known| &known.meter);
        let entity = look.lines.text(TextColumn::BillingEntity, look.row);
        let marketplace = entity.is_some_and(select::is_marketplace) || meter.is_some_and(|meter| meter.marketplace);
        let doubled = look.doubled();
        if doubled.is_some() {
            return Meaning { doubled, marketplace, ..Meaning::default() };
        }
        let mut told = look.told();
        let mut texts = look.plain_texts();
        let metered = matches!(costs::category(look.line_type), "Usage" | "Purchase");
        match &known_meter {
            Some(known) => known.texts.iter().for_each(|(column, text)| texts[*column as usize] = *text),
            None if metered => {
                told.push((Told::UsageType, look.texts.get(usage_type).unwrap_or(NO_USAGE_TYPE).to_string()));
            }
            None => {}
        }
        told.extend(self.model(look, (meter, metered), &mut texts));
        let Look { lines, row, known, texts: interned, .. } = look;
        texts[ChargeText::RegionId as usize] = known.region(lines, *row, (usage_type, meter), interned);
        let unit = look.unit((usage_type, meter), marketplace);
        if let Some(unit) = unit {
            texts[ChargeText::ConsumedUnit as usize] = unit.text;
            if !unit.known {
                told.push((Told::Unit, look.texts.str(unit.text).to_string()));
            }
        }
        let currency = texts[ChargeText::BillingCurrency as usize];
        let is_priced = unit.is_some_and(|unit| unit.is_tokens) && look.texts.str(currency) == "USD";
        Meaning {
            dimensions: look.dimensions.number(texts),
            sum: self.sums.number([texts[ChargeText::SubAccountId as usize], currency]),
            doubled,
            marketplace,
            is_invoiced: !texts[ChargeText::InvoiceId as usize].is_null(),
            multiplier: unit.map(|unit| unit.multiplier),
            priced: (is_priced && meter.is_some()).then_some(texts[ChargeText::UsageKind as usize]),
            usage_type,
            told,
        }
    }

    fn meter_of(&mut self, usage_type: Text, texts: &mut Texts) -> Option<Rc<KnownMeter>> {
        if let Some(known) = self.meters.get(&usage_type) {
            return known.clone();
        }
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
        self.meters.insert(usage_type, known.clone());
        known
    }

    /// The first recognised of product model, product name, resource and usage type names the model.
    /// Returns what is spelled of a model that is not known.
    fn model(
        &mut self,
        look: &mut Look<'_>,
        (meter, metered): (Option<&Meter>, bool),
        texts: &mut Dimensions,
    ) -> Option<(Told, String)> {
        let flat = [TextColumn::ProductModel, TextColumn::ProductName, TextColumn::ProductProvider];
        let flat = flat.map(|column| look.text(column));
        let interned = &mut *look.texts;
        let product = look.known.product_of(look.lines, look.row);
        let mapped = look.known.product(product).of_model(interned);
        let [model, name, provider] = [0, 1, 2].map(|at| flat[at].or(mapped[at]));
        let (resource, usage_type) = (texts[ChargeText::ResourceId as usize], texts[ChargeText::UsageType as usize]);
        let found = *self.models.entry([model, name, resource, usage_type, provider]).or_insert_with(|| {
            let spelled = meter.and_then(|meter| meter.model.as_deref());
            let candidates = [interned.get(model), interned.get(name), interned.get(resource), spelled];
            let recognised = candidates.into_iter().flatten().find_map(classify::recognise_model);
            match recognised {
                Some(found) => [
                    interned.intern(&found.publisher),
                    interned.intern(&found.name),
                    interned.intern_opt(found.tier.as_deref()),
                ],
                None => [provider, Text::NULL, Text::NULL],
            }
        });
        let columns = [ChargeText::PublisherName, ChargeText::ModelName, ChargeText::ModelTier];
        columns.into_iter().zip(found).for_each(|(column, text)| texts[column as usize] = text);
        if !found[1].is_null() || !metered {
            return None;
        }
        let edition = interned.get(name).filter(|name| select::is_bedrock_edition(name));
        let spelled = interned.get(model).or_else(|| meter?.model.as_deref()).or(edition);
        // Tokens are always some model's; of other meters only a spelled model is unknown.
        let is_tokens = meter.is_some_and(|meter| TOKEN_KINDS.contains(&meter.kind.as_ref()));
        let unnamed = is_tokens.then(|| interned.str(usage_type));
        spelled.or(unnamed).map(|spelled| (Told::Model, spelled.to_string()))
    }
}

impl Look<'_> {
    fn text(&mut self, column: TextColumn) -> Text {
        self.known.text(self.lines, column, self.row, self.texts)
    }

    fn said(&mut self) -> Said {
        let mut texts = [Text::NULL; TextColumn::ALL.len()];
        for (column, _) in TextColumn::ALL.iter().filter(|(column, _)| *column != TextColumn::TimeInterval) {
            texts[*column as usize] = self.text(*column);
        }
        let Self { lines, row, known, texts: interned, grain, has_amount, .. } = self;
        let product = known.product_text(lines, *row, interned);
        let tags = known.tags(lines, *row, interned);
        Said { texts, product, tags, grain, has_amount: *has_amount }
    }

    /// The payer, where another export counts its lines. One that the export does not name is nobody's double.
    fn doubled(&mut self) -> Option<Text> {
        let payer = self.lines.text(TextColumn::PayerAccount, self.row)?;
        self.counted.contains(payer).then(|| self.text(TextColumn::PayerAccount))
    }

    /// What the line's type and product code tell.
    fn told(&self) -> Vec<(Told, String)> {
        let mut told = Vec::new();
        let is_silent = self.lines.text(TextColumn::LineItemType, self.row).is_none();
        if is_silent || !costs::is_known_line_type(self.line_type) {
            told.push((Told::LineType, if is_silent { NO_LINE_TYPE } else { self.line_type }.to_string()));
        }
        if let Some(code) = self.lines.text(TextColumn::ProductCode, self.row)
            && select::is_bedrock_code(code)
            && !select::is_known_code(code)
        {
            told.push((Told::Code, code.to_string()));
        }
        told
    }

    /// The columns that are copied, and those that follow from the line's type and time.
    fn plain_texts(&mut self) -> Dimensions {
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
            texts[to as usize] = self.text(from);
        }
        texts[ChargeText::Grain as usize] = self.texts.intern(self.grain);
        texts[ChargeText::ChargeCategory as usize] = self.texts.intern(costs::category(self.line_type));
        let [tags, categories] = self.known.tags(self.lines, self.row, self.texts);
        texts[ChargeText::Tags as usize] = tags;
        texts[ChargeText::CostCategories as usize] = categories;
        texts
    }

    /// The base unit, where the line carries a quantity.
    fn unit(&mut self, (usage_type, meter): (Text, Option<&Meter>), marketplace: bool) -> Option<KnownUnit> {
        let Self { lines, row, known, texts, .. } = self;
        let is_there = self.has_amount && select::is_usage_type_of_line(self.line_type);
        is_there.then(|| known.unit(lines, *row, (usage_type, meter), marketplace, texts))
    }
}
