//! Which metrics are read.

use super::super::levels::{Levels, Measure, Verdict};
use super::*;

fn levels(names: &[(&str, &str)]) -> Levels {
    Levels::of(&MetricSource {
        namespace: Some("Acme/GenAI".to_owned()),
        dimensions: pairs(&[("workload", "Workload"), ("model", "Model")]),
        names: pairs(names),
        ..MetricSource::default()
    })
    .unwrap()
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn judge(namespace: &str, metric: &str, dimensions: &[&str]) -> Verdict {
    let dimensions: Vec<(&str, &str)> = dimensions.iter().map(|name| (*name, "x")).collect();
    levels(&[]).judge(namespace, metric, &pairs(&dimensions))
}

#[test]
fn bedrock_is_read_at_model_id_alone() {
    use Verdict::{NotOurs, OtherLevel, Read};
    assert_eq!(judge("AWS/Bedrock", "InputTokenCount", &["ModelId"]), Read(vec![Measure::InputTokens]));
    assert_eq!(judge("AWS/Bedrock", "InputTokenCount", &["ModelId", "ServiceTier"]), OtherLevel);
    assert_eq!(judge("AWS/Bedrock", "InputTokenCount", &[]), OtherLevel);
    assert_eq!(judge("AWS/Bedrock", "EstimatedTPMQuotaUsage", &["ModelId"]), NotOurs);
    assert_eq!(judge("AWS/Bedrock", "InvocationLatency", &["ModelId"]), NotOurs);
}

#[test]
fn mantle_is_read_at_project_and_model_without_its_totals() {
    use Verdict::{NotOurs, OtherLevel, Read};
    assert_eq!(judge("AWS/BedrockMantle", "InputTokens", &["Project", "Model"]), Read(vec![Measure::InputTokens]));
    assert_eq!(judge("AWS/BedrockMantle", "Inferences", &["Project", "Model"]), Read(vec![Measure::Invocations]));
    assert_eq!(judge("AWS/BedrockMantle", "Inferences", &["Model"]), OtherLevel);
    assert_eq!(judge("AWS/BedrockMantle", "TotalInputTokens", &["Model"]), NotOurs);
}

#[test]
fn other_namespaces_are_not_ours() {
    for namespace in ["AWS/Bedrock/Agents", "AWS/Bedrock/Guardrails", "AWS/EC2", "Other/GenAI", "acme/genai"] {
        assert_eq!(judge(namespace, "InputTokenCount", &["ModelId"]), Verdict::NotOurs, "{namespace}");
    }
}

#[test]
fn a_custom_namespace_is_read_at_the_configured_set_alone() {
    use Verdict::{OtherLevel, Read};
    assert_eq!(judge("Acme/GenAI", "InputTokens", &["Workload", "Model"]), Read(vec![Measure::InputTokens]));
    assert_eq!(judge("Acme/GenAI", "InputTokens", &["Workload"]), OtherLevel);
    assert_eq!(judge("Acme/GenAI", "InputTokens", &["Workload", "Model", "Team"]), OtherLevel);
    assert_eq!(judge("Acme/GenAI", "InputTokens", &["workload", "Model"]), OtherLevel);
}

#[test]
fn natural_spellings_match_without_case_and_separators() {
    for (spelling, measure) in [
        ("input_tokens", Measure::InputTokens),
        ("gen-ai.prompt tokens", Measure::BusinessUnits),
        ("Prompt Tokens", Measure::InputTokens),
        ("completion.tokens", Measure::OutputTokens),
        ("CACHE-CREATION-INPUT-TOKENS", Measure::CacheWriteTokens),
        ("cacheReadInputTokenCount", Measure::CacheReadTokens),
        ("request_count", Measure::Invocations),
    ] {
        let expected = Some(measure).filter(|measure| *measure != Measure::BusinessUnits);
        assert_eq!(Measure::of_custom(spelling), expected, "{spelling}");
    }
}

#[test]
fn a_configured_name_replaces_the_natural_spellings_of_its_measure() {
    let levels = levels(&[("input_tokens", "OutputTokens"), ("invocations", "Tickets"), ("business_units", "Tickets")]);
    assert_eq!(levels.custom_measures("OutputTokens"), [Measure::InputTokens]);
    assert_eq!(levels.custom_measures("InputTokens"), []);
    assert_eq!(levels.custom_measures("CompletionTokens"), [Measure::OutputTokens]);
    assert_eq!(levels.custom_measures("Tickets"), [Measure::Invocations, Measure::BusinessUnits]);
}

#[test]
fn an_unknown_measure_in_the_configuration_is_an_error_that_lists_the_known_ones() {
    let source = MetricSource { names: pairs(&[("tokens_in", "X")]), ..MetricSource::default() };
    let error = Levels::of(&source).err().unwrap().to_string();
    assert!(error.contains("tokens_in") && error.contains("cache_read_tokens"), "{error}");
}
