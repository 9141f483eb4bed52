//! Which metrics are read: namespace, metric name and the exact set of dimension names.
//!
//! CloudWatch publishes one quantity at several levels, and each set of dimension names is a level
//! of its own. Levels measure the same calls, so exactly one of each namespace is read and the
//! others are never added to it. `EstimatedTPMQuotaUsage` is an estimate against a quota, not usage,
//! and stands in no list here.

use std::collections::{BTreeMap, BTreeSet};

use super::series::SeriesName;
use super::{CloudWatchError, Endpoint, MetricSource, Scope, Subject};

/// The owner key whose dimension names the model.
const MODEL_KEY: &str = "model";

/// A quantity of the `usage` table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Measure {
    Invocations,
    InputTokens,
    OutputTokens,
    CacheReadTokens,
    CacheWriteTokens,
    BusinessUnits,
}

impl Measure {
    const ALL: [Self; 6] = [
        Self::Invocations,
        Self::InputTokens,
        Self::OutputTokens,
        Self::CacheReadTokens,
        Self::CacheWriteTokens,
        Self::BusinessUnits,
    ];

    /// The measure's name, as in the `usage` table and in the configuration.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Invocations => "invocations",
            Self::InputTokens => "input_tokens",
            Self::OutputTokens => "output_tokens",
            Self::CacheReadTokens => "cache_read_tokens",
            Self::CacheWriteTokens => "cache_write_tokens",
            Self::BusinessUnits => "business_units",
        }
    }

    /// Whether it counts tokens, which a metric in another unit than Count cannot.
    pub(super) fn is_tokens(self) -> bool {
        !matches!(self, Self::Invocations | Self::BusinessUnits)
    }

    /// The spellings of `AWS/Bedrock`. The cache metrics exist under two; either may hold the data.
    fn of_runtime(metric: &str) -> Option<Self> {
        Some(match metric {
            "Invocations" => Self::Invocations,
            "InputTokenCount" => Self::InputTokens,
            "OutputTokenCount" => Self::OutputTokens,
            "CacheReadInputTokenCount" | "CacheReadInputTokens" => Self::CacheReadTokens,
            "CacheWriteInputTokenCount" | "CacheWriteInputTokens" => Self::CacheWriteTokens,
            _ => return None,
        })
    }

    /// The spellings of `AWS/BedrockMantle`, whose `Total…` metrics belong to other levels.
    fn of_mantle(metric: &str) -> Option<Self> {
        Some(match metric {
            "Inferences" => Self::Invocations,
            "InputTokens" => Self::InputTokens,
            "OutputTokens" => Self::OutputTokens,
            _ => return None,
        })
    }

    /// What people call these quantities in namespaces of their own, without case and separators.
    pub(super) fn of_custom(metric: &str) -> Option<Self> {
        let plain: String = metric.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
        Some(match plain.as_str() {
            "invocations" | "invocationcount" | "inferences" | "requests" | "requestcount" | "calls" | "queries" => {
                Self::Invocations
            }
            "inputtokens" | "inputtokencount" | "totalinputtokens" | "prompttokens" => Self::InputTokens,
            "outputtokens" | "outputtokencount" | "totaloutputtokens" | "completiontokens" => Self::OutputTokens,
            "cachereadtokens" | "cachereadinputtokens" | "cachereadinputtokencount" => Self::CacheReadTokens,
            "cachewritetokens" | "cachewriteinputtokens" | "cachewriteinputtokencount" | "cachecreationinputtokens" => {
                Self::CacheWriteTokens
            }
            _ => return None,
        })
    }
}

/// Whether a metric is read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is of the level that is read, and measures these (a configured name may serve two).
    Read(Vec<Measure>),
    /// It measures something that is read, but at another level.
    OtherLevel,
    /// It is none of our metrics.
    NotOurs,
}

/// The levels that one source reads.
pub(super) struct Levels {
    namespace: Option<String>,
    dimensions: BTreeMap<String, String>,
    names: BTreeMap<Measure, String>,
}

impl Levels {
    /// Takes the levels from the source's configuration.
    pub(super) fn of(source: &MetricSource) -> Result<Self, CloudWatchError> {
        let mut names = BTreeMap::new();
        for (key, metric) in &source.names {
            let Some(measure) = Measure::ALL.into_iter().find(|measure| measure.name() == key) else {
                let known = Measure::ALL.map(Measure::name).join(", ");
                return Err(CloudWatchError::UnknownMeasure { name: key.clone(), known });
            };
            names.insert(measure, metric.clone());
        }
        Ok(Self { namespace: source.namespace.clone(), dimensions: source.dimensions.clone(), names })
    }

    /// Decides whether a metric is read, and as what.
    pub(super) fn judge(&self, namespace: &str, metric: &str, dimensions: &BTreeMap<String, String>) -> Verdict {
        let (measures, is_level) = match namespace {
            "AWS/Bedrock" => (Vec::from_iter(Measure::of_runtime(metric)), dimensions.keys().eq(["ModelId"])),
            "AWS/BedrockMantle" => {
                (Vec::from_iter(Measure::of_mantle(metric)), dimensions.keys().eq(["Model", "Project"]))
            }
            _ if self.namespace.as_deref() == Some(namespace) => (
                self.custom_measures(metric),
                self.custom_dimensions().iter().copied().eq(dimensions.keys().map(String::as_str)),
            ),
            _ => return Verdict::NotOurs,
        };
        if measures.is_empty() {
            Verdict::NotOurs
        } else if is_level {
            Verdict::Read(measures)
        } else {
            Verdict::OtherLevel
        }
    }

    /// The dimension names of the custom level.
    pub(super) fn custom_dimensions(&self) -> BTreeSet<&str> {
        self.dimensions.values().map(String::as_str).collect()
    }

    /// Says that no metric of the custom namespace is of its level, and at which levels there are some.
    pub(super) fn no_custom_metric<'a>(
        &self,
        namespace: &str,
        seen: impl IntoIterator<Item = &'a BTreeSet<String>>,
    ) -> String {
        let braced = |names: Vec<&str>| format!("{{{}}}", names.join(", "));
        let seen: Vec<String> =
            seen.into_iter().map(|level| braced(level.iter().map(String::as_str).collect())).collect();
        let seen = match seen.is_empty() {
            true => "none of its token metrics was seen".to_owned(),
            false => format!("it has {}", seen.join(" and ")),
        };
        let wanted = braced(self.custom_dimensions().into_iter().collect());
        format!("no metric of {namespace} has exactly the configured dimensions {wanted}; {seen}")
    }

    /// The custom namespace, where one is configured.
    pub(super) fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// A configured name replaces every natural spelling of its measure, and is taken for no other.
    pub(super) fn custom_measures(&self, metric: &str) -> Vec<Measure> {
        let configured: Vec<Measure> =
            self.names.iter().filter(|(_, name)| *name == metric).map(|(measure, _)| *measure).collect();
        if !configured.is_empty() {
            return configured;
        }
        Measure::of_custom(metric).into_iter().filter(|measure| !self.names.contains_key(measure)).collect()
    }

    /// Says whose calls a series of a level that is read has measured.
    ///
    /// Values stay raw text: an owner's canonical form and a model's name are found later.
    pub(super) fn subject(&self, name: &SeriesName) -> Subject {
        let value = |dimension: &str| name.dimensions.get(dimension).filter(|value| !value.trim().is_empty()).cloned();
        let (scope, endpoint, model_id) = match name.namespace.as_str() {
            "AWS/Bedrock" => (Scope::Native, Some(Endpoint::Runtime), value("ModelId")),
            "AWS/BedrockMantle" => (Scope::Native, Some(Endpoint::Mantle), value("Model")),
            _ => (Scope::Owner, None, self.dimensions.get(MODEL_KEY).and_then(|dimension| value(dimension))),
        };
        let owners = self.dimensions.iter().filter(|(key, _)| scope == Scope::Owner && *key != MODEL_KEY);
        Subject {
            account_id: name.account_id.clone(),
            region: name.region.clone(),
            scope,
            namespace: name.namespace.clone(),
            model_id,
            owner: owners.filter_map(|(key, dimension)| Some((key.clone(), value(dimension)?))).collect(),
            endpoint,
        }
    }
}
