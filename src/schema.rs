//! The tables: their columns, types and order. The one place that says so; everything checks against it.
//!
//! Column names are the snake_case of the FOCUS Column IDs where FOCUS has the thing, the field's
//! standard terms otherwise. Unknown is null in every column, never an empty text and never zero.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};

use crate::money::{PRECISION, SCALE};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// Money or quantity, `Decimal(38,10)`.
    Amount,
    /// Microseconds since the epoch, UTC.
    Timestamp,
    /// Calendar day, UTC.
    Day,
    /// Whole count.
    Count,
    /// Yes or no.
    Flag,
}

impl Kind {
    /// The Arrow type in which the column is stored.
    pub fn data_type(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Amount => DataType::Decimal128(PRECISION, SCALE),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Day => DataType::Date32,
            Self::Count => DataType::Int64,
            Self::Flag => DataType::Boolean,
        }
    }
}

/// Text columns of a charge, in table order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(usize)]
#[expect(missing_docs, reason = "each is the column of the same name, documented in `CHARGE_TEXTS`")]
pub enum ChargeText {
    Grain,
    BillingAccountId,
    SubAccountId,
    SubAccountName,
    RegionId,
    BillingEntity,
    InvoiceId,
    InvoiceIssuerName,
    ChargeCategory,
    LineItemType,
    ServiceCode,
    UsageType,
    Operation,
    PublisherName,
    ModelName,
    ModelTier,
    UsageKind,
    CacheTtl,
    PricingModel,
    Routing,
    Context,
    Endpoint,
    ResourceId,
    PrincipalArn,
    Tags,
    CostCategories,
    ConsumedUnit,
    BillingCurrency,
}

/// Number of text columns of a charge.
pub const CHARGE_TEXT_COUNT: usize = 28;

/// Names of [`ChargeText`], by index, with what they hold.
///
/// `grain` is the length of the bill line (`hour`, `day`, `month`), `tags` and `cost_categories` are
/// JSON text with sorted keys, each tag key led by its carrier.
pub const CHARGE_TEXTS: [&str; CHARGE_TEXT_COUNT] = [
    "grain",
    "billing_account_id",
    "sub_account_id",
    "sub_account_name",
    "region_id",
    "billing_entity",
    "invoice_id",
    "invoice_issuer_name",
    "charge_category",
    "line_item_type",
    "service_code",
    "usage_type",
    "operation",
    "publisher_name",
    "model_name",
    "model_tier",
    "usage_kind",
    "cache_ttl",
    "pricing_model",
    "routing",
    "context",
    "endpoint",
    "resource_id",
    "principal_arn",
    "tags",
    "cost_categories",
    "consumed_unit",
    "billing_currency",
];

/// Amount columns of a charge, in table order. The law of conservation holds for each.
pub const AMOUNTS: [&str; 5] = ["consumed_quantity", "billed_cost", "unblended_cost", "effective_cost", "list_cost"];

/// Owner columns, in the order in which owners are compared.
pub const OWNER_KEYS: [&str; 5] = ["workload", "team", "environment", "cost_center", "model_tag"];

/// The text columns of a charge that `cost_daily` keeps.
pub const DAILY_TEXTS: [ChargeText; 15] = [
    ChargeText::Grain,
    ChargeText::BillingAccountId,
    ChargeText::SubAccountId,
    ChargeText::RegionId,
    ChargeText::PublisherName,
    ChargeText::ModelName,
    ChargeText::ModelTier,
    ChargeText::UsageKind,
    ChargeText::CacheTtl,
    ChargeText::PricingModel,
    ChargeText::Routing,
    ChargeText::Context,
    ChargeText::ChargeCategory,
    ChargeText::ConsumedUnit,
    ChargeText::BillingCurrency,
];

/// The place of a column among [`DAILY_TEXTS`].
///
/// # Panics
/// Where `cost_daily` does not keep it.
pub fn daily_place(column: ChargeText) -> usize {
    DAILY_TEXTS.iter().position(|kept| *kept == column).expect("a column that `cost_daily` keeps")
}

/// Measures of a usage row, in table order. Null where no series exists.
pub const MEASURES: [&str; 6] =
    ["invocations", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "business_units"];

/// Text columns of a usage row.
pub const USAGE_TEXTS: [&str; 14] = [
    "sub_account_id",
    "region_id",
    "model_id",
    "publisher_name",
    "model_name",
    "model_tier",
    "routing",
    "endpoint",
    "workload",
    "team",
    "environment",
    "cost_center",
    "source",
    "scope",
];

/// A stored table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// One row per hour (or day, if that is the bill's grain) and everything but money and quantity.
    Charges,
    /// Measured demand by hour.
    Usage,
    /// Charges split by owner.
    CostFacts,
    /// Cost facts by day: what the figures read.
    CostDaily,
    /// What restated days said before.
    Changes,
}

impl Table {
    /// All tables, in the data's order.
    pub const ALL: [Self; 5] = [Self::Charges, Self::Usage, Self::CostFacts, Self::CostDaily, Self::Changes];

    /// The folder and SQL name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Charges => "charges",
            Self::Usage => "usage",
            Self::CostFacts => "cost_facts",
            Self::CostDaily => "cost_daily",
            Self::Changes => "changes",
        }
    }

    /// Names and kinds of the columns, in order.
    pub fn columns(self) -> Vec<(&'static str, Kind)> {
        let texts = |names: &[&'static str]| names.iter().map(|name| (*name, Kind::Text)).collect::<Vec<_>>();
        let amounts = AMOUNTS.map(|name| (name, Kind::Amount));
        let owner = || texts(&OWNER_KEYS);
        match self {
            Self::Charges => {
                let mut columns = vec![("charge_period_start", Kind::Timestamp)];
                columns.extend(texts(&CHARGE_TEXTS));
                columns.extend(amounts);
                columns
            }
            Self::CostFacts => {
                let mut columns = Self::Charges.columns();
                columns.extend(owner());
                columns.extend(texts(&["attribution_method", "attribution_evidence"]));
                columns.push(("is_router", Kind::Flag));
                columns
            }
            Self::CostDaily => {
                let mut columns = vec![("day", Kind::Day)];
                columns.extend(owner());
                columns.push(("attribution_method", Kind::Text));
                columns.push(("is_router", Kind::Flag));
                columns.extend(DAILY_TEXTS.map(|text| (CHARGE_TEXTS[text as usize], Kind::Text)));
                columns.extend(amounts);
                columns
            }
            Self::Usage => {
                let mut columns = vec![("charge_period_start", Kind::Timestamp)];
                columns.extend(texts(&USAGE_TEXTS));
                columns.extend(MEASURES.map(|name| (name, Kind::Count)));
                columns
            }
            Self::Changes => {
                let mut columns = vec![("changed_at", Kind::Timestamp), ("day", Kind::Day)];
                columns.extend(texts(&["workload", "billing_currency", "causes"]));
                columns.extend([("previous_billed_cost", Kind::Amount), ("billed_cost", Kind::Amount)]);
                columns
            }
        }
    }

    /// The Arrow schema of the stored files. `billing_period` is the partition, not a column.
    pub fn schema(self) -> Arc<Schema> {
        let fields: Vec<Field> =
            self.columns().into_iter().map(|(name, kind)| Field::new(name, kind.data_type(), true)).collect();
        Arc::new(Schema::new(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cost_column_is_an_exact_decimal() {
        for table in Table::ALL {
            for (name, kind) in table.columns() {
                assert_eq!(name.ends_with("_cost") || name == "consumed_quantity", kind == Kind::Amount, "{name}");
            }
        }
    }

    #[test]
    fn no_table_names_a_column_twice() {
        for table in Table::ALL {
            let mut names: Vec<_> = table.columns().into_iter().map(|(name, _)| name).collect();
            names.sort_unstable();
            let count = names.len();
            names.dedup();
            assert_eq!(names.len(), count, "{}", table.name());
        }
    }

    #[test]
    fn the_last_text_of_a_charge_is_the_last_name() {
        assert_eq!(CHARGE_TEXTS[ChargeText::BillingCurrency as usize], "billing_currency");
        assert_eq!(CHARGE_TEXTS[ChargeText::UsageKind as usize], "usage_kind");
    }
}
