//! What holds for every string.

use std::hint::black_box;

use billtag::classify::{
    base_unit, bedrock_arn, names_ai_publisher, parse_usage_type, recognise_model, routing_of_model_id,
};
use proptest::prelude::*;

const SEEDS: &[&str] = &[
    "USE1-MP:USE1_CacheWrite1hInputTokenCount_Global-Units",
    "USE1-openai.gpt-5.6-luna-mantle-cache-write-tokens-5m-long-ctx-flex",
    "USE1-Nova2.0Pro-text-input-tokens-priority-cross-region-global",
    "USE1-Memory:Consumption-based:Long-Term-Memory-Retrieval",
    "USE1-TitanText-Premier-ProvisionedThroughput-Custom-NoCommit-ModelUnits",
    "arn:aws:bedrock:us-west-2::foundation-model/anthropic.claude-3-5-sonnet-20240620-v1:0",
    "us.anthropic.claude-haiku-4-5-20251001-v1:0",
    "Claude Sonnet 4.6 (Amazon Bedrock Edition)",
    "AWS Marketplace software usage|us-west-2|Million Input Tokens",
];

fn everything(text: &str) {
    let meter = parse_usage_type(text);
    drop(recognise_model(text));
    drop(bedrock_arn(text));
    black_box(routing_of_model_id(text));
    black_box(names_ai_publisher(text));
    drop(base_unit(Some(text), Some(text), meter.as_ref(), false));
    drop(base_unit(None, Some(text), meter.as_ref(), true));
}

/// One dimension and what it must read as; the parts may come in any order.
fn modifiers() -> impl Strategy<Value = Vec<&'static str>> {
    let tier = prop::sample::select(vec!["", "batch", "flex", "priority", "latency-optimized"]);
    let routing = prop::sample::select(vec!["", "cross-region-global", "global", "cross-region-geo"]);
    let context = prop::sample::select(vec!["", "long-context", "long-ctx"]);
    let ttl = prop::sample::select(vec!["", "5m", "30m", "1h"]);
    (tier, routing, context, ttl).prop_map(|(a, b, c, d)| vec![a, b, c, d]).prop_shuffle()
}

proptest! {
    #[test]
    fn no_text_makes_the_parsers_panic(text in any::<String>()) {
        everything(&text);
    }

    #[test]
    fn no_damage_to_a_real_text_makes_the_parsers_panic(
        seed in prop::sample::select(SEEDS.to_vec()), at in 0_usize..80, cut in 0_usize..10, insert in "\\PC{0,4}",
    ) {
        let signs: Vec<char> = seed.chars().collect();
        let at = at.min(signs.len());
        let end = (at + cut).min(signs.len());
        let text: String = signs[..at].iter().copied().chain(insert.chars()).chain(signs[end..].iter().copied()).collect();
        everything(&text);
    }

    #[test]
    fn what_is_put_together_is_taken_apart(
        prefix in prop::sample::select(vec![("", None), ("USE1-", Some("us-east-1")), ("EU-", Some("eu-west-1"))]),
        model in "[A-Z][a-z]{3,8}[0-9]\\.[0-9](Zeta|Haiku|Lite)?",
        parts in modifiers(),
        mantle in any::<bool>(),
    ) {
        let middle = if mantle { "-mantle" } else { "" };
        let tail: String = parts.iter().filter(|part| !part.is_empty()).map(|part| format!("-{part}")).collect();
        let text = format!("{}{model}{middle}-cache-write-tokens{tail}", prefix.0);
        let meter = parse_usage_type(&text);
        prop_assert!(meter.is_some(), "{text}");
        let meter = meter.expect("checked above");
        let has = |word: &str| parts.contains(&word);
        prop_assert_eq!(meter.kind.as_ref(), "cache_write");
        prop_assert_eq!(meter.model, Some(model));
        prop_assert_eq!(meter.region.as_deref(), prefix.1);
        prop_assert_eq!(meter.endpoint == "mantle", mantle);
        prop_assert_eq!(meter.context == "long", has("long-context") || has("long-ctx"));
        prop_assert_eq!(meter.routing == "global", has("global") || has("cross-region-global"));
        prop_assert_eq!(meter.routing == "geo", has("cross-region-geo"));
        prop_assert_eq!(meter.pricing_model == "batch", has("batch"));
        prop_assert_eq!(meter.pricing_model == "latency_optimized", has("latency-optimized"));
        for ttl in ["5m", "30m", "1h"] {
            prop_assert_eq!(meter.cache_ttl == Some(ttl), has(ttl));
        }
    }

    #[test]
    fn an_unknown_use_of_the_cache_is_never_read_as_another_kind(
        verb in "[a-z]{3,8}", noun in prop::sample::select(vec!["input", "output", "text input", "batch input", ""]),
        tail in prop::sample::select(vec!["", "global", "1h", "long ctx flex"]),
    ) {
        let known = ["read", "write", "storage", "validation"];
        prop_assume!(!known.iter().any(|word| verb.starts_with(word)));
        let sentence = format!("cache {verb} {noun} token count {tail}");
        let words: Vec<&str> = sentence.split_whitespace().collect();
        let camel: String = words.iter().map(|word| word[..1].to_uppercase() + &word[1..]).collect();
        let texts = [
            format!("USE1-Nova-{}", words.join("-")),
            format!("USE1-acme.super-model-9-mantle-{}-standard", words.join("-")),
            format!("USE1-MP:USE1_{}-Units", words.join("_")),
            format!("USE1-MP:USE1_{camel}-Units"),
            format!("USE1-Nova-{camel}"),
        ];
        for text in texts {
            prop_assert_eq!(parse_usage_type(&text), None, "{}", text);
        }
    }
}

#[test]
fn an_unknown_use_of_the_cache_is_an_unknown_kind() {
    let texts = [
        "USE1-Nova-cache-purge-input-token-count",
        "USE1-Nova-cache-purge-input-token-count-flex",
        "USE1-Nova-cache-purge-output-tokens",
        "USE1-Nova-cache-input-tokens",
        "USE1-Nova-cached-input-tokens",
        "USE1-Nova-caching-input-tokens",
        "USE1-Nova-CACHEPURGE-INPUT-TOKENS",
        "USE1-Nova-cache-purge-cache-read-input-token-count",
        "USE1-Nova-cache-purge-text-input-tokens",
        "USE1-Nova-cache-purge-batch-input-tokens",
        "USE1-Nova-cache-purge-reserved-1-month-input-tokens-per-minute",
        "USE1-Nova-cache-purge-search-units",
        "USE1-xai.grok-4.3-mantle-cache-purge-tokens-standard",
        "USE1-xai.grok-4.3-mantle-cache-purge-input-tokens-standard",
        "USE1-xai.grok-4.3-cache-purge-mantle-input-tokens-standard",
        "USE1-MP:USE1_cache_purge_tokens_global_standard-Units",
        "USE1-MP:USE1_cache_purge_input_tokens_standard-Units",
        "USE1-MP:USE1_cache_purge_1h_input_tokens-Units",
        "USE1-MP:USE1_CachePurgeInputTokenCount-Units",
        "USE1-MP:USE1_CachePurgeInputTokenCount_Global-Units",
        "USE1-MP:USE1_CachePurge1hInputTokenCount-Units",
        "USE1-MP:USE1_cachepurgeinputtokencount-Units",
        "CachePurgeInputTokenCount",
    ];
    for text in texts {
        for text in [text.to_owned(), text.to_lowercase(), text.to_uppercase()] {
            assert_eq!(parse_usage_type(&text), None, "{text}");
        }
    }
}

#[test]
fn hostile_texts_are_refused_quickly() {
    let texts = ["in".repeat(5_000), "inputtokens".repeat(20), "USE1-".repeat(2_000), "é".repeat(150)];
    for text in texts {
        everything(&text);
        assert_eq!(parse_usage_type(&text), None);
    }
}
