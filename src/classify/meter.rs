//! What a usage type says.

use std::borrow::Cow;

/// The meaning of one usage type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meter {
    /// What is counted: `input`, `cache_write`, `image_t2i`, `agentcore_runtime_vcpu`, …
    pub kind: Cow<'static, str>,
    /// How long a cache write lives, where the string or its grammar says so.
    pub cache_ttl: Option<&'static str>,
    pub pricing_model: &'static str,
    pub routing: &'static str,
    pub context: &'static str,
    pub endpoint: &'static str,
    /// The AWS region of the billing prefix.
    pub region: Option<String>,
    /// The model as the string spells it.
    pub model: Option<String>,
    pub measure: Measure,
    /// Whether the string is an AWS Marketplace dimension (`MP:`), whose amounts are millions unless they say otherwise.
    pub marketplace: bool,
}

/// What the amount of a line counts once its unit is normalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    Tokens,
    Images,
    Seconds,
    Minutes,
    Searches,
    /// Text units of guardrails.
    TextUnits,
    Requests,
    Pages,
    VcpuHours,
    GbHours,
    Bytes,
    ModelUnitHours,
    /// Tokens per minute, held for an hour.
    TpmHours,
    /// Minutes of a custom model unit.
    CmuMinutes,
    ModelMonths,
    /// Something without a unit of its own.
    Units,
}

impl Measure {
    /// The base unit's name in the tables.
    pub fn unit(self) -> &'static str {
        match self {
            Measure::Tokens => "tokens",
            Measure::Images => "images",
            Measure::Seconds => "seconds",
            Measure::Minutes => "minutes",
            Measure::Searches => "searches",
            Measure::TextUnits => "text units",
            Measure::Requests => "requests",
            Measure::Pages => "pages",
            Measure::VcpuHours => "vcpu-hours",
            Measure::GbHours => "gb-hours",
            Measure::Bytes => "gb",
            Measure::ModelUnitHours => "hours",
            Measure::TpmHours => "tpm-hours",
            Measure::CmuMinutes => "cmu-minutes",
            Measure::ModelMonths => "model-months",
            Measure::Units => "units",
        }
    }
}
