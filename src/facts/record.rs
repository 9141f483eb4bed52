//! The record of a stored period: what it was made from, what it sums to, what a reader must know.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::law::Totals;
use crate::normalise::trust::Trust;

/// What a period's facts were made from. Facts are fresh while all four are unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Manifest and files.
    pub bill: String,
    /// Metric input.
    pub metrics: String,
    /// Attribution config.
    pub rules: String,
    /// billtag's own version.
    pub version: String,
}

impl Fingerprint {
    /// Which of the four changed, in words.
    pub fn causes(&self, new: &Self) -> Vec<String> {
        let pairs = [
            ("bill", &self.bill, &new.bill),
            ("metrics", &self.metrics, &new.metrics),
            ("rule", &self.rules, &new.rules),
            ("version", &self.version, &new.version),
        ];
        let changed = pairs.into_iter().filter(|(_, old, new)| old != new);
        changed.map(|(name, ..)| name.to_string()).collect()
    }
}

/// One export's part of a period.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The export's path, as in the config.
    pub bill: String,
    /// Payers whose lines it holds.
    pub payers: Vec<String>,
    /// Latest end of an hourly or daily Usage line over all services; epoch seconds.
    pub watermark: Option<i64>,
    /// Whether it holds Bedrock lines alone, so that only the manifest's time says how far it reaches.
    pub bedrock_only: bool,
    /// What S3 knew its files and its manifest by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// When the manifest's own text, or S3, says that the export was made.
    pub manifest_time: Option<i64>,
    /// The manifest, relative to the export's folder; its file's time counts where nothing else says one.
    pub manifest: Option<String>,
}

/// What a stored period replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// `bill`, `metrics`, `rule`, `version`.
    pub causes: Vec<String>,
    /// Totals before.
    pub before: Totals,
    /// The clock of the run that saw it; epoch seconds.
    #[serde(default)]
    pub at: i64,
}

/// Accounts that used models, with the regions in which they did.
pub type Regions = BTreeMap<String, BTreeSet<String>>;

/// The record of a stored period.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// `YYYY-MM`.
    pub period: String,
    /// What it was made from.
    pub fingerprint: Fingerprint,
    /// Hash of each table's file.
    pub files: BTreeMap<String, String>,
    /// Sums by account and currency.
    pub totals: Totals,
    /// Where models were used.
    #[serde(default)]
    pub regions: Regions,
    /// Its exports.
    pub parts: Vec<Part>,
    /// What a reader must know.
    pub trust: Trust,
    /// What it replaced, the last time its figures changed.
    pub changed: Option<Change>,
}

impl Record {
    /// How far the bill reached when it was stored, over all its exports; epoch seconds.
    pub fn watermark(&self) -> Option<i64> {
        self.parts.iter().filter_map(|part| part.watermark).max()
    }
}
