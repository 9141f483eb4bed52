//! Trust: what a reader must know beside the figures. Counted while lines are read, shown in the
//! report's trust strip and by `doctor`, stored with the period.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::money;

/// Sums by currency. In JSON, decimal texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums(pub BTreeMap<String, i128>);

impl Sums {
    /// Adds an amount.
    pub fn add(&mut self, currency: &str, amount: i128) {
        let sum = self.0.entry(currency.to_string()).or_default();
        *sum = sum.saturating_add(amount);
    }

    /// Adds all sums of another.
    pub fn merge(&mut self, other: &Self) {
        for (currency, amount) in &other.0 {
            self.add(currency, *amount);
        }
    }
}

impl Serialize for Sums {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, amount)| (key, money::to_text(*amount))))
    }
}

impl<'de> Deserialize<'de> for Sums {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = BTreeMap::<String, String>::deserialize(deserializer)?;
        let sums = texts.into_iter().map(|(key, text)| {
            let amount = money::from_decimal_text(&text).map_err(serde::de::Error::custom)?;
            Ok((key, amount))
        });
        Ok(Self(sums.collect::<Result<_, D::Error>>()?))
    }
}

/// How many lines and how much unblended cost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Bill lines.
    pub lines: u64,
    /// Unblended cost by currency.
    pub cost: Sums,
}

impl Tally {
    /// Counts a line.
    pub fn add(&mut self, currency: &str, amount: i128) {
        self.lines += 1;
        self.cost.add(currency, amount);
    }
}

/// Tallies by name.
pub type Tallies = BTreeMap<String, Tally>;

/// What was seen of one period.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trust {
    /// Lines of all services.
    pub lines_read: u64,
    /// Lines that are Bedrock's.
    pub lines_selected: u64,
    /// Selected lines without an invoice id: the period is not final.
    pub lines_without_invoice: u64,
    /// Whether the export carries `line_item_iam_principal`; without it no line can, which is not the
    /// same as no principal having spent.
    pub principal_column: bool,
    /// Whether the export has a column that can hold tags of principals; without one no line can show any. A record
    /// of an older version does not say, and is believed to have one.
    #[serde(default = "believed")]
    pub principal_tags_column: bool,
    /// Usage types that the parser does not know.
    pub unknown_usage_types: Tallies,
    /// Units that are none of the known base units; their quantities are as billed.
    #[serde(default)]
    pub unknown_units: Tallies,
    /// Models that the catalogue does not know.
    pub unknown_models: Tallies,
    /// Line types beyond AWS's list, and lines that have none.
    pub unknown_line_types: Tallies,
    /// Product codes that begin as Bedrock's but are not on the list.
    pub unknown_codes: Tallies,
    /// Usage types whose cost is not their amount at the bill's rate, or beyond belief for a token: the
    /// unit may be wrong.
    pub unit_doubts: Tallies,
    /// Tag keys that mean nothing but are probably typos of an owner key, with the key.
    #[serde(default)]
    pub mistyped_keys: Tallies,
    /// Neighbours of Bedrock that were left out, by product name.
    pub adjacent: Tallies,
    /// Lines left out because another export holds the same payer and period.
    pub duplicate_payers: Tallies,
    /// Tokens that owners were measured to have used beyond what was billed, by account and model.
    pub measured_beyond_billed: BTreeMap<String, i64>,
    /// Values of the metrics' model dimension that name no model, with their tokens.
    pub unknown_metric_models: BTreeMap<String, i64>,
    /// Session names that match several differently tagged resources.
    pub ambiguous_consumers: Tallies,
    /// Owner tags of resources whose calls they name the owner of, by resource and the first day on which it
    /// had them: facts hold what they mean, and only the audit asks how they are spelled.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub consumer_tags: BTreeMap<String, BTreeMap<i32, String>>,
}

fn believed() -> bool {
    true
}

impl Trust {
    /// Whether principals are named whose tags no line could show.
    pub fn hides_principal_tags(&self) -> bool {
        self.principal_column && !self.principal_tags_column
    }

    /// Adds what another export's part of the period showed.
    pub fn merge(&mut self, other: Self) {
        self.lines_read += other.lines_read;
        self.lines_selected += other.lines_selected;
        self.lines_without_invoice += other.lines_without_invoice;
        self.principal_column |= other.principal_column;
        self.principal_tags_column |= other.principal_tags_column;
        for (resource, days) in other.consumer_tags {
            self.consumer_tags.entry(resource).or_default().extend(days);
        }
        let tallies = [
            (&mut self.unknown_usage_types, other.unknown_usage_types),
            (&mut self.unknown_units, other.unknown_units),
            (&mut self.unknown_models, other.unknown_models),
            (&mut self.unknown_line_types, other.unknown_line_types),
            (&mut self.unknown_codes, other.unknown_codes),
            (&mut self.unit_doubts, other.unit_doubts),
            (&mut self.mistyped_keys, other.mistyped_keys),
            (&mut self.adjacent, other.adjacent),
            (&mut self.duplicate_payers, other.duplicate_payers),
            (&mut self.ambiguous_consumers, other.ambiguous_consumers),
        ];
        for (to, from) in tallies {
            for (name, tally) in from {
                let known = to.entry(name).or_default();
                known.lines += tally.lines;
                known.cost.merge(&tally.cost);
            }
        }
    }
}
