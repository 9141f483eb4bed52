//! Init: a first config, written by looking at what is there.
//!
//! | step | in → out |
//! |---|---|
//! | `find` | a folder or a bucket's prefix → folders that may be exports or metrics |
//! | `look` | those folders → what they hold: periods, tags, accounts, namespaces |
//! | `write` | what they hold → a config with a comment for every key |
//!
//! Nothing is guessed in silence: what was seen is active, what only seems so stands there commented out.

use std::collections::{BTreeMap, BTreeSet};

use crate::normalise::trust::Sums;

mod find;
mod look;
mod write;

pub use look::{Wanted, look};
pub use write::config;

/// Everything that was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Exports, by path.
    pub bills: Vec<SeenBill>,
    /// Metrics, by path.
    pub metrics: Vec<SeenMetrics>,
    /// The month of the tags and accounts.
    pub month: String,
    /// Tag keys on Bedrock lines, without case and separators.
    pub tags: BTreeMap<String, SeenTag>,
    /// Accounts with their names and cost.
    pub accounts: BTreeMap<String, (String, Sums)>,
    /// Whose credentials were at hand, where AWS was asked.
    pub identity: Option<String>,
    /// The profile that they came from, where one was named.
    pub profile: Option<String>,
    /// What could not be looked at, with what to do.
    pub notes: Vec<String>,
}

/// A tag key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeenTag {
    /// How it is spelled, without its carrier.
    pub spellings: BTreeSet<String>,
    /// Cost of the lines that it is on.
    pub cost: Sums,
}

/// An export.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeenBill {
    /// Its path, as the config writes it.
    pub path: String,
    /// The periods that it holds, sorted; none where it could not be looked at.
    pub periods: Vec<String>,
    /// Whether its lines carry who called.
    pub has_principals: bool,
}

/// A source of metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeenMetrics {
    /// Its path, as the config writes it.
    pub path: String,
    /// Whether it holds metrics of AWS's own.
    pub has_native: bool,
    /// A namespace of people's own that names workloads: its name, and owner key to dimension.
    pub owners: Option<(String, BTreeMap<String, String>)>,
    /// Other namespaces and levels, in words.
    pub others: Vec<String>,
}
