//! What was found out about the values of a batch, so that a value is looked at once and not once a line.

use hashbrown::HashMap;

use super::select::Selection;
use super::tags;
use crate::classify::{self, Meter};
use crate::sources::bill::columns::{PairSource, TextColumn};
use crate::sources::bill::lines::Lines;
use crate::text::{Text, Texts};

/// The entries of a line's `product` map that mean something here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Product {
    /// `product_family`.
    pub family: Option<String>,
    /// `servicecode`.
    pub service_code: Option<String>,
    /// `product_name`.
    pub name: Option<String>,
    /// `model`.
    pub model: Option<String>,
    /// `provider`.
    pub provider: Option<String>,
    /// `region_code`.
    pub region_code: Option<String>,
    /// `region`.
    pub region: Option<String>,
}

impl Product {
    /// Reads a line's map. Of keys that differ in case only the last counts.
    pub fn of(lines: &Lines, row: usize) -> Self {
        let mut product = Self::default();
        lines.pairs(PairSource::Product, row, &mut |key, value| {
            let place = match key.to_ascii_lowercase().as_str() {
                "product_family" => &mut product.family,
                "servicecode" => &mut product.service_code,
                "product_name" => &mut product.name,
                "model" => &mut product.model,
                "provider" => &mut product.provider,
                "region_code" => &mut product.region_code,
                "region" => &mut product.region,
                _ => return,
            };
            if !value.is_empty() {
                *place = Some(value.to_string());
            }
        });
        product
    }
}

impl Product {
    /// Everything that it says, as one text.
    fn spelled(&self) -> String {
        let Self { family, service_code, name, model, provider, region_code, region } = self;
        let all = [family, service_code, name, model, provider, region_code, region];
        all.map(|text| text.as_deref().unwrap_or("")).join("\u{1f}")
    }

    /// Model, name and provider, interned.
    pub fn of_model(&self, texts: &mut Texts) -> [Text; 3] {
        [&self.model, &self.name, &self.provider].map(|text| texts.intern_opt(text.as_deref()))
    }
}

/// The base unit of a line's amount.
#[derive(Debug, Clone, Copy)]
pub struct KnownUnit {
    /// Its name.
    pub text: Text,
    /// How many base units a billed unit is.
    pub multiplier: u64,
    /// Whether it is one of the known ones.
    pub known: bool,
    /// Whether it is tokens.
    pub is_tokens: bool,
}

/// What is known of one batch.
#[derive(Debug)]
pub struct Known {
    /// By column and number of the value.
    texts: [Vec<Option<Text>>; TextColumn::ALL.len()],
    /// Tags and cost categories as JSON text, by what tells the line's pairs from others.
    tags: HashMap<Vec<u32>, [Text; 2]>,
    products: HashMap<Vec<u32>, usize>,
    /// Each distinct product once, and its spelling where it was asked for.
    product: Vec<(Product, Option<Text>)>,
    sign: Vec<u32>,
    units: HashMap<([u32; 2], Text, bool), KnownUnit>,
    /// By region columns, product and usage type; `None` where only the resource can say it.
    regions: HashMap<([u32; 2], usize, Text), Option<Text>>,
    /// Whether a line is Bedrock's, by all that says so but its resource.
    pub(super) selections: HashMap<([u32; 6], usize), Selection>,
}

impl Known {
    /// Nothing is known of a batch yet.
    pub fn of(lines: &Lines) -> Self {
        let values = |column: TextColumn| lines.words(column).map_or(0, |words| words.values());
        Self {
            texts: std::array::from_fn(|at| vec![None; values(TextColumn::ALL[at].0)]),
            tags: HashMap::new(),
            products: HashMap::new(),
            product: Vec::new(),
            sign: Vec::new(),
            units: HashMap::new(),
            regions: HashMap::new(),
            selections: HashMap::new(),
        }
    }

    /// The text of a line's column, interned.
    pub fn text(&mut self, lines: &Lines, column: TextColumn, row: usize, texts: &mut Texts) -> Text {
        let Some(words) = lines.words(column) else { return Text::NULL };
        let Some(key) = words.key(row) else { return Text::NULL };
        let known = &mut self.texts[column as usize][key];
        *known.get_or_insert_with(|| texts.intern_opt(words.value(key)))
    }

    /// The numbers of a line's values in some columns; zero where it has none.
    pub(super) fn numbers<const COUNT: usize>(lines: &Lines, columns: [TextColumn; COUNT], row: usize) -> [u32; COUNT] {
        columns.map(|column| lines.words(column).and_then(|words| words.key(row)).map_or(0, |key| key as u32 + 1))
    }

    /// The base unit of a line.
    pub fn unit(
        &mut self,
        lines: &Lines,
        row: usize,
        (usage_type, meter): (Text, Option<&Meter>),
        marketplace: bool,
        texts: &mut Texts,
    ) -> KnownUnit {
        let columns = [TextColumn::PricingUnit, TextColumn::Description];
        let key = (Self::numbers(lines, columns, row), usage_type, marketplace);
        *self.units.entry(key).or_insert_with(|| {
            let [unit, description] = columns.map(|column| lines.text(column, row));
            let unit = classify::base_unit(unit, description, meter, marketplace);
            let is_tokens = unit.unit == "tokens";
            KnownUnit { text: texts.intern(&unit.unit), multiplier: unit.multiplier, known: unit.known, is_tokens }
        })
    }

    /// The region of a line: its columns', its product's, its usage type's, its resource's.
    pub fn region(
        &mut self,
        lines: &Lines,
        row: usize,
        (usage_type, meter): (Text, Option<&Meter>),
        texts: &mut Texts,
    ) -> Text {
        let columns = [TextColumn::RegionCode, TextColumn::ProductRegion];
        let number = self.product_of(lines, row);
        let key = (Self::numbers(lines, columns, row), number, usage_type);
        let product = &self.product[number].0;
        let known = *self.regions.entry(key).or_insert_with(|| {
            let looks_right = |text: &&str| text.contains('-') && text.ends_with(|c: char| c.is_ascii_digit());
            let [code, region] = columns.map(|column| lines.text(column, row));
            let region = code
                .or(region)
                .filter(looks_right)
                .or(product.region_code.as_deref().filter(looks_right))
                .or(product.region.as_deref().filter(looks_right))
                .or_else(|| meter?.region.as_deref());
            region.map(|region| texts.intern(region))
        });
        known.unwrap_or_else(|| {
            let of_resource = || classify::bedrock_arn(lines.text(TextColumn::ResourceId, row)?)?.region;
            texts.intern_opt(of_resource().as_deref())
        })
    }

    /// The number of a line's product, for [`Known::product`].
    pub fn product_of(&mut self, lines: &Lines, row: usize) -> usize {
        self.sign.clear();
        lines.sign(PairSource::Product, row, &mut self.sign);
        if let Some(known) = self.products.get(&self.sign) {
            return *known;
        }
        self.product.push((Product::of(lines, row), None));
        self.products.insert(self.sign.clone(), self.product.len() - 1);
        self.product.len() - 1
    }

    /// A product by its number.
    pub fn product(&self, number: usize) -> &Product {
        &self.product[number].0
    }

    /// What tells a line's product from others, in any batch.
    pub fn product_text(&mut self, lines: &Lines, row: usize, texts: &mut Texts) -> Text {
        let number = self.product_of(lines, row);
        let (product, spelled) = &mut self.product[number];
        *spelled.get_or_insert_with(|| texts.intern(&product.spelled()))
    }

    /// A line's tags and cost categories as JSON text.
    pub fn tags(&mut self, lines: &Lines, row: usize, texts: &mut Texts) -> [Text; 2] {
        self.sign.clear();
        for source in [PairSource::ResourceTags, PairSource::Tags, PairSource::CostCategory] {
            lines.sign(source, row, &mut self.sign);
        }
        if let Some(known) = self.tags.get(&self.sign) {
            return *known;
        }
        let found = [tags::json(lines, row), tags::cost_categories(lines, row)];
        let found = found.map(|json| texts.intern_opt(json.as_deref()));
        self.tags.insert(self.sign.clone(), found);
        found
    }
}
