//! Columns: which ones a bill's file has under which name and type, and how to read them by row.
//!
//! Columns may be absent, all null, of any text or time type, maps or flattened; the readers here
//! hide that. What is absent reads as `None`.

use arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array, ListArray, MapArray, RecordBatch, StringArray,
    StructArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, Schema, TimeUnit};
use arrow::error::ArrowError;

use crate::clock;
use crate::money::{self, NotAnAmount};

/// A column name as every layout spells it: the rule by which AWS derives Athena names from
/// `category/Name`: an underscore before each capital, lower case, the rest to single underscores.
pub fn canonical_name(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 8);
    // A name without a lower-case letter is upper-cased as a whole, as warehouses do.
    let snake = !name.chars().any(|c| c == '/' || c == ':' || c.is_ascii_uppercase())
        || !name.chars().any(|c| c.is_ascii_lowercase());
    for c in name.chars() {
        if c.is_ascii_uppercase() && !snake {
            out.push('_');
        }
        out.push(if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' });
    }
    let parts: Vec<&str> = out.split('_').filter(|part| !part.is_empty()).collect();
    parts.join("_")
}

macro_rules! columns {
    ($(#[$doc:meta])* $name:ident { $($variant:ident => $names:expr),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(usize)]
        #[expect(missing_docs, reason = "each is the bill's column of that name")]
        pub enum $name { $($variant),+ }

        impl $name {
            /// Every column with the canonical names it goes by, the preferred first.
            pub const ALL: &[(Self, &[&str])] = &[$((Self::$variant, &$names)),+];
        }
    };
}

columns! {
    /// Text columns of a bill line.
    TextColumn {
        ProductCode => ["line_item_product_code"],
        BillingEntity => ["bill_billing_entity"],
        PayerAccount => ["bill_payer_account_id"],
        InvoiceId => ["bill_invoice_id"],
        InvoicingEntity => ["bill_invoicing_entity", "line_item_legal_entity"],
        UsageAccount => ["line_item_usage_account_id"],
        UsageAccountName => ["line_item_usage_account_name"],
        LineItemType => ["line_item_line_item_type"],
        UsageType => ["line_item_usage_type"],
        Operation => ["line_item_operation"],
        ResourceId => ["line_item_resource_id"],
        Currency => ["line_item_currency_code", "pricing_currency"],
        Description => ["line_item_line_item_description"],
        Principal => ["line_item_iam_principal"],
        PricingUnit => ["pricing_unit"],
        ProductFamily => ["product_product_family", "product_family"],
        ServiceCode => ["product_servicecode", "servicecode"],
        ProductName => ["product_product_name", "product_name"],
        ProductModel => ["product_model", "model"],
        ProductProvider => ["product_provider", "provider"],
        RegionCode => ["product_region_code", "region_code"],
        ProductRegion => ["product_region"],
        TimeInterval => ["identity_time_interval"],
        ReservationArn => ["reservation_reservation_a_r_n", "reservation_reservation_arn"],
    }
}

columns! {
    /// Time columns of a bill line.
    TimeColumn {
        PeriodStart => ["bill_billing_period_start_date"],
        UsageStart => ["line_item_usage_start_date"],
        UsageEnd => ["line_item_usage_end_date"],
    }
}

columns! {
    /// Number columns of a bill line.
    AmountColumn {
        UsageAmount => ["line_item_usage_amount"],
        UnblendedCost => ["line_item_unblended_cost"],
        UnblendedRate => ["line_item_unblended_rate"],
        NetUnblendedCost => ["line_item_net_unblended_cost"],
        ListCost => ["pricing_public_on_demand_cost"],
        ReservationEffective => ["reservation_effective_cost"],
        ReservationNetEffective => ["reservation_net_effective_cost"],
        UnusedUpfront => ["reservation_unused_amortized_upfront_fee_for_billing_period"],
        UnusedRecurring => ["reservation_unused_recurring_fee"],
        SavingsPlanEffective => ["savings_plan_savings_plan_effective_cost"],
        SavingsPlanNetEffective => ["savings_plan_net_savings_plan_effective_cost"],
        CommitmentToDate => ["savings_plan_total_commitment_to_date"],
        UsedCommitment => ["savings_plan_used_commitment"],
    }
}

/// Where a tag came from; written before its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PairSource {
    /// `product`: attributes, not tags.
    Product,
    /// `resource_tags`.
    ResourceTags,
    /// `tags`, whose keys name their carrier themselves.
    Tags,
    /// `cost_category`.
    CostCategory,
}

/// Flattened tag columns: prefix of the canonical name, what they belong to, carrier to write.
const FLAT_TAGS: [(&str, PairSource, &str); 10] = [
    ("resource_tags_", PairSource::ResourceTags, ""),
    ("tags_iam_principal_", PairSource::Tags, "iamPrincipal/"),
    ("tags_account_tag_", PairSource::Tags, "accountTag/"),
    ("tags_resource_tags_", PairSource::Tags, "resourceTags/"),
    ("tags_user_attribute_", PairSource::Tags, "userAttribute/"),
    ("iam_principal_", PairSource::Tags, "iamPrincipal/"),
    ("account_tag_", PairSource::Tags, "accountTag/"),
    ("user_attribute_", PairSource::Tags, "userAttribute/"),
    ("user_", PairSource::ResourceTags, "user_"),
    ("cost_category_", PairSource::CostCategory, ""),
];

/// The wanted columns of one file, as positions among its top-level fields.
#[derive(Debug, Clone, Default)]
pub struct Positions {
    texts: Vec<(TextColumn, usize)>,
    times: Vec<(TimeColumn, usize)>,
    amounts: Vec<(AmountColumn, usize)>,
    maps: Vec<(PairSource, usize)>,
    flat: Vec<(PairSource, String, usize)>,
}

impl Positions {
    /// Finds the wanted columns of a file.
    pub fn of(schema: &Schema) -> Self {
        let names: Vec<String> = schema.fields().iter().map(|field| canonical_name(field.name())).collect();
        let position = |wanted: &[&str]| wanted.iter().find_map(|wanted| names.iter().position(|name| name == wanted));
        let mut found = Self::default();
        for (column, wanted) in TextColumn::ALL {
            found.texts.extend(position(wanted).map(|at| (*column, at)));
        }
        for (column, wanted) in TimeColumn::ALL {
            found.times.extend(position(wanted).map(|at| (*column, at)));
        }
        for (column, wanted) in AmountColumn::ALL {
            found.amounts.extend(position(wanted).map(|at| (*column, at)));
        }
        for (at, name) in names.iter().enumerate() {
            let source = match name.as_str() {
                "product" => Some(PairSource::Product),
                "resource_tags" => Some(PairSource::ResourceTags),
                "tags" => Some(PairSource::Tags),
                "cost_category" | "cost_categories" => Some(PairSource::CostCategory),
                _ => None,
            };
            if let Some(source) = source {
                found.maps.push((source, at));
            } else if let Some((prefix, source, carrier)) =
                FLAT_TAGS.iter().find(|(prefix, ..)| name.starts_with(prefix))
            {
                found.flat.push((*source, format!("{carrier}{}", &name[prefix.len()..]), at));
            }
        }
        found
    }

    /// Position of a text column.
    pub fn text(&self, column: TextColumn) -> Option<usize> {
        self.texts.iter().find(|(known, _)| *known == column).map(|(_, at)| *at)
    }

    /// Position of a time column.
    pub fn time(&self, column: TimeColumn) -> Option<usize> {
        self.times.iter().find(|(known, _)| *known == column).map(|(_, at)| *at)
    }

    /// Position of a number column.
    pub fn amount(&self, column: AmountColumn) -> Option<usize> {
        self.amounts.iter().find(|(known, _)| *known == column).map(|(_, at)| *at)
    }

    /// Position of a map column.
    pub fn map(&self, source: PairSource) -> Option<usize> {
        self.maps.iter().find(|(known, _)| *known == source).map(|(_, at)| *at)
    }

    /// Every wanted position, sorted, each once.
    pub fn all(&self) -> Vec<usize> {
        let mut all: Vec<usize> = self.texts.iter().map(|(_, at)| *at).collect();
        all.extend(self.times.iter().map(|(_, at)| *at));
        all.extend(self.amounts.iter().map(|(_, at)| *at));
        all.extend(self.maps.iter().map(|(_, at)| *at));
        all.extend(self.flat.iter().map(|(_, _, at)| *at));
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The positions that hold tags.
    pub fn tags(&self) -> Vec<usize> {
        let tag = |source: &PairSource| matches!(source, PairSource::ResourceTags | PairSource::Tags);
        let maps = self.maps.iter().filter(|(source, _)| tag(source)).map(|(_, at)| *at);
        maps.chain(self.flat.iter().filter(|(source, ..)| tag(source)).map(|(_, _, at)| *at)).collect()
    }

    /// The map column of each source and the flattened columns, for [`Lines`].
    fn pair_columns(&self) -> impl Iterator<Item = (PairSource, Option<&str>, usize)> {
        let maps = self.maps.iter().map(|(source, at)| (*source, None, *at));
        maps.chain(self.flat.iter().map(|(source, key, at)| (*source, Some(key.as_str()), *at)))
    }
}

/// A batch of bill lines with every column ready to be read by row.
#[derive(Debug)]
pub struct Lines {
    /// Number of lines.
    pub len: usize,
    texts: [Option<StringArray>; TextColumn::ALL.len()],
    times: [Option<Int64Array>; TimeColumn::ALL.len()],
    amounts: [Option<Numbers>; AmountColumn::ALL.len()],
    pairs: Vec<(PairSource, Pairs)>,
    rows: Option<Int64Array>,
}

impl Lines {
    /// Takes a projected batch apart. `fields` are the names of the file's fields.
    pub fn new(batch: &RecordBatch, positions: &Positions, file: &Schema) -> Result<Self, ArrowError> {
        let column = |at: usize| batch.column_by_name(file.field(at).name());
        let mut lines = Self {
            len: batch.num_rows(),
            texts: std::array::from_fn(|_| None),
            times: std::array::from_fn(|_| None),
            amounts: std::array::from_fn(|_| None),
            pairs: Vec::new(),
            rows: batch.column_by_name(ROW_NUMBER).map(|rows| rows.as_primitive::<Int64Type>().clone()),
        };
        for (text, at) in &positions.texts {
            let is_account = matches!(text, TextColumn::PayerAccount | TextColumn::UsageAccount);
            let read = if is_account { accounts } else { texts };
            lines.texts[*text as usize] = column(*at).map(read).transpose()?;
        }
        for (time, at) in &positions.times {
            lines.times[*time as usize] = column(*at).map(times).transpose()?;
        }
        for (amount, at) in &positions.amounts {
            lines.amounts[*amount as usize] = column(*at).map(Numbers::new).transpose()?;
        }
        for (source, key, at) in positions.pair_columns() {
            if let Some(array) = column(at) {
                lines.pairs.push((source, Pairs::new(array, key)?));
            }
        }
        Ok(lines)
    }

    /// A text; empty is unknown.
    pub fn text(&self, column: TextColumn, row: usize) -> Option<&str> {
        let array = self.texts[column as usize].as_ref()?;
        (array.is_valid(row) && !array.value(row).is_empty()).then(|| array.value(row))
    }

    /// An instant in epoch seconds.
    pub fn time(&self, column: TimeColumn, row: usize) -> Option<i64> {
        let array = self.times[column as usize].as_ref()?;
        array.is_valid(row).then(|| array.value(row).div_euclid(1_000_000))
    }

    /// The instant that decides to which period a line belongs; epoch seconds.
    pub fn period_time(&self, row: usize) -> Option<i64> {
        let interval = || interval(self.text(TextColumn::TimeInterval, row)?).map(|(start, _)| start);
        self.time(TimeColumn::PeriodStart, row).or_else(|| self.time(TimeColumn::UsageStart, row)).or_else(interval)
    }

    /// A number in units of 1e-10.
    pub fn amount(&self, column: AmountColumn, row: usize) -> Option<Result<i128, NotAnAmount>> {
        self.amounts[column as usize].as_ref()?.get(row)
    }

    /// Whether the file has a number column at all.
    pub fn has_amount(&self, column: AmountColumn) -> bool {
        self.amounts[column as usize].is_some()
    }

    /// Calls `each` with every key and value of a source's maps and flattened columns.
    pub fn pairs(&self, source: PairSource, row: usize, each: &mut dyn FnMut(&str, &str)) {
        for (known, pairs) in &self.pairs {
            if *known == source {
                pairs.each(row, each);
            }
        }
    }

    /// The value of a key in the `product` map.
    pub fn product(&self, key: &str, row: usize) -> Option<String> {
        let mut found = None;
        self.pairs(PairSource::Product, row, &mut |known, value| {
            if known.eq_ignore_ascii_case(key) && !value.is_empty() {
                found = Some(value.to_string());
            }
        });
        found
    }

    /// Row number within the file, from 1, for messages.
    pub fn row_number(&self, row: usize) -> Option<i64> {
        self.rows.as_ref().map(|rows| rows.value(row) + 1)
    }
}

/// Start and end of `identity_time_interval`: `2026-11-01T00:00:00Z/2026-11-01T01:00:00Z`.
pub fn interval(text: &str) -> Option<(i64, i64)> {
    let (start, end) = text.split_once('/')?;
    Some((clock::parse(start).ok()?, clock::parse(end).ok()?))
}

/// Name of the virtual column of row numbers.
pub const ROW_NUMBER: &str = "__billtag_row_number";

/// Any text-like column as plain text.
pub fn texts(array: &ArrayRef) -> Result<StringArray, ArrowError> {
    Ok(cast(array, &DataType::Utf8)?.as_string::<i32>().clone())
}

/// Account ids as text. Whole numbers are ids that lost their leading zeros.
fn accounts(array: &ArrayRef) -> Result<StringArray, ArrowError> {
    let text = texts(array)?;
    if array.data_type().is_integer() {
        let padded = text.iter().map(|value| value.map(|value| format!("{value:0>12}")));
        return Ok(padded.collect());
    }
    Ok(text)
}

/// Any time column as microseconds since the epoch, UTC. A time without a zone is UTC.
pub fn times(array: &ArrayRef) -> Result<Int64Array, ArrowError> {
    let zone = match array.data_type() {
        DataType::Timestamp(_, zone) => zone.clone(),
        _ => None,
    };
    if array.data_type().is_integer() {
        let whole = cast(array, &DataType::Int64)?;
        return Ok(whole.as_primitive::<Int64Type>().unary(epoch_micros));
    }
    let array = match array.data_type() {
        DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::Dictionary(..) => return text_times(&texts(array)?),
        _ => cast(array, &DataType::Timestamp(TimeUnit::Microsecond, zone))?,
    };
    Ok(cast(&array, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
}

/// Times written as text. A text that is no time is an error, since a line without a time belongs to no day.
fn text_times(texts: &StringArray) -> Result<Int64Array, ArrowError> {
    let read = |text: Option<&str>| match text.filter(|text| !text.trim().is_empty()) {
        None => Ok(None),
        Some(text) => clock::parse(text).map(|second| Some(second * 1_000_000)).map_err(ArrowError::ParseError),
    };
    texts.iter().map(read).collect()
}

/// Microseconds of a whole number since the epoch, whose unit shows in its size.
fn epoch_micros(value: i64) -> i64 {
    match value.unsigned_abs() {
        0..100_000_000_000 => value * 1_000_000,
        100_000_000_000..100_000_000_000_000 => value * 1_000,
        100_000_000_000_000..100_000_000_000_000_000 => value,
        _ => value / 1_000,
    }
}

/// A number column in whichever type the file has it.
#[derive(Debug)]
enum Numbers {
    Double(Float64Array),
    Decimal(Decimal128Array),
    Text(StringArray),
}

impl Numbers {
    fn new(array: &ArrayRef) -> Result<Self, ArrowError> {
        let data_type = array.data_type();
        Ok(match data_type {
            DataType::Decimal128(..) => Self::Decimal(array.as_primitive().clone()),
            DataType::Float64 => Self::Double(array.as_primitive().clone()),
            // A float of 32 bits has a shorter decimal form of its own than as a double, and a whole
            // number may have more digits than a double keeps.
            DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
            | DataType::Dictionary(..)
            | DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::Float16
            | DataType::Float32
            | DataType::Decimal32(..)
            | DataType::Decimal64(..)
            | DataType::Decimal256(..) => Self::Text(texts_or_none(array)?),
            DataType::Null => Self::Text(StringArray::new_null(array.len())),
            _ if data_type.is_integer() => Self::Text(texts_or_none(array)?),
            _ => return Err(ArrowError::SchemaError(format!("a cost or amount column is of type {data_type}"))),
        })
    }

    fn get(&self, row: usize) -> Option<Result<i128, NotAnAmount>> {
        match self {
            Self::Double(array) => array.is_valid(row).then(|| money::from_f64(array.value(row))),
            Self::Decimal(array) => array.is_valid(row).then(|| money::from_decimal(array.value(row), array.scale())),
            Self::Text(array) => {
                (array.is_valid(row) && !array.value(row).trim().is_empty()).then(|| number_text(array.value(row)))
            }
        }
    }
}

fn number_text(text: &str) -> Result<i128, NotAnAmount> {
    money::from_decimal_text(text).map_err(|error| {
        let finite = text.trim().parse::<f64>().map_or(true, f64::is_finite);
        if finite { error } else { NotAnAmount::NotFinite }
    })
}

/// Keys and values by row, from a map, JSON text, a struct or one flattened column.
#[derive(Debug)]
enum Pairs {
    Map { offsets: OffsetBuffer<i32>, keys: StringArray, values: StringArray, valid: ArrayRef },
    Json(StringArray),
    Struct(Vec<(String, StringArray)>),
    Flat(String, StringArray),
}

impl Pairs {
    fn new(array: &ArrayRef, key: Option<&str>) -> Result<Self, ArrowError> {
        if let Some(key) = key {
            return Ok(Self::Flat(key.to_string(), texts_or_none(array)?));
        }
        match array.data_type() {
            DataType::Map(..) => {
                let map: &MapArray = array.as_map();
                Ok(Self::Map {
                    offsets: map.offsets().clone(),
                    keys: texts(map.keys())?,
                    values: texts_or_none(map.values())?,
                    valid: array.clone(),
                })
            }
            DataType::LargeList(field) => Self::new(&cast(array, &DataType::List(std::sync::Arc::clone(field)))?, None),
            DataType::List(field) if matches!(field.data_type(), DataType::Struct(_)) => {
                let list: &ListArray = array.as_list();
                let entries: &StructArray = list.values().as_struct();
                let named =
                    |name: &str, at: usize| entries.column_by_name(name).or_else(|| entries.columns().get(at)).cloned();
                let (Some(keys), Some(values)) = (named("key", 0), named("value", 1)) else {
                    return Err(ArrowError::SchemaError("a list of pairs has no key and value".into()));
                };
                Ok(Self::Map {
                    offsets: list.offsets().clone(),
                    keys: texts(&keys)?,
                    values: texts_or_none(&values)?,
                    valid: array.clone(),
                })
            }
            DataType::Struct(fields) => {
                let columns = array.as_struct().columns();
                let named = fields.iter().zip(columns);
                Ok(Self::Struct(
                    named.map(|(field, column)| Ok((field.name().clone(), texts_or_none(column)?))).collect::<Result<
                        _,
                        ArrowError,
                    >>(
                    )?,
                ))
            }
            _ => Ok(Self::Json(texts_or_none(array)?)),
        }
    }

    fn each(&self, row: usize, each: &mut dyn FnMut(&str, &str)) {
        match self {
            Self::Map { offsets, keys, values, valid } => {
                if valid.is_null(row) {
                    return;
                }
                for at in offsets[row] as usize..offsets[row + 1] as usize {
                    if keys.is_valid(at) && values.is_valid(at) {
                        each(keys.value(at), values.value(at));
                    }
                }
            }
            Self::Json(texts) => {
                if texts.is_null(row) {
                    return;
                }
                let parsed = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(texts.value(row));
                for (key, value) in parsed.into_iter().flatten() {
                    match value {
                        serde_json::Value::Null => {}
                        serde_json::Value::String(text) => each(&key, &text),
                        other => each(&key, &other.to_string()),
                    }
                }
            }
            Self::Struct(fields) => {
                for (name, values) in fields {
                    if values.is_valid(row) {
                        each(name, values.value(row));
                    }
                }
            }
            Self::Flat(key, values) => {
                if values.is_valid(row) {
                    each(key, values.value(row));
                }
            }
        }
    }
}

/// Text where the type can be text; a column of pure nulls is text without values.
fn texts_or_none(array: &ArrayRef) -> Result<StringArray, ArrowError> {
    if array.data_type() == &DataType::Null {
        return Ok(StringArray::new_null(array.len()));
    }
    Ok(cast(array, &DataType::Utf8)?.as_string::<i32>().clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_column_has_one_name() {
        for name in ["line_item_usage_type", "lineItem/UsageType", "LINE_ITEM_USAGE_TYPE"] {
            assert_eq!(canonical_name(name), "line_item_usage_type");
        }
        assert_eq!(canonical_name("resourceTags/user:Team"), "resource_tags_user_team");
        assert_eq!(canonical_name("savingsPlan/SavingsPlanARN"), "savings_plan_savings_plan_a_r_n");
        assert_eq!(canonical_name("product"), "product");
    }
}
