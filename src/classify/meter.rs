//! What a usage type says.

use std::borrow::Cow;

/// The meaning of one usage type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meter {
    /// What is counted: `input`, `cache_write`, `image_t2i`, `agentcore_runtime_vcpu`, …
    pub kind: Cow<'static, str>,
    /// How long a cache write lives, where the string or its grammar says so.
    pub cache_ttl: Option<&'static str>,
    /// `on_demand`, `batch`, `flex`, `priority`, `latency_optimized`, `provisioned`, `reserved`, `custom_model`.
    pub pricing_model: &'static str,
    /// `global`, `geo`, else `regional`.
    pub routing: &'static str,
    /// `standard` or `long`.
    pub context: &'static str,
    /// `runtime` or `mantle`.
    pub endpoint: &'static str,
    /// The AWS region of the billing prefix.
    pub region: Option<String>,
    /// The model as the string spells it.
    pub model: Option<String>,
    /// What the amount counts.
    pub measure: Measure,
    /// Whether the string is an AWS Marketplace dimension (`MP:`), whose amounts are millions unless they say otherwise.
    pub marketplace: bool,
}

/// What the amount of a line counts once its unit is normalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Tokens.
    Tokens,
    /// Images.
    Images,
    /// Seconds.
    Seconds,
    /// Minutes.
    Minutes,
    /// Searches.
    Searches,
    /// Text units of guardrails.
    TextUnits,
    /// Requests.
    Requests,
    /// Pages.
    Pages,
    /// Hours of a virtual processor.
    VcpuHours,
    /// Gigabytes of memory for an hour.
    GbHours,
    /// Gigabytes.
    Bytes,
    /// Hours of a model unit.
    ModelUnitHours,
    /// Tokens per minute, held for an hour.
    TpmHours,
    /// Minutes of a custom model unit.
    CmuMinutes,
    /// Months of a stored model.
    ModelMonths,
    /// Something without a unit of its own.
    Units,
}

impl Measure {
    /// The base unit's name in the tables.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Tokens => "tokens",
            Self::Images => "images",
            Self::Seconds => "seconds",
            Self::Minutes => "minutes",
            Self::Searches => "searches",
            Self::TextUnits => "text units",
            Self::Requests => "requests",
            Self::Pages => "pages",
            Self::VcpuHours => "vcpu-hours",
            Self::GbHours => "gb-hours",
            Self::Bytes => "gb",
            Self::ModelUnitHours => "hours",
            Self::TpmHours => "tpm-hours",
            Self::CmuMinutes => "cmu-minutes",
            Self::ModelMonths => "model-months",
            Self::Units => "units",
        }
    }
}
