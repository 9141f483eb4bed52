//! Units and the powers of ten between them.

use billtag::classify::{Meter, Unit, base_unit, parse_usage_type, plausible_token_rate};

fn meter(text: &str) -> Meter {
    parse_usage_type(text).unwrap_or_else(|| panic!("{text} is not read"))
}

fn unit(multiplier: u64, unit: &str) -> Unit {
    Unit { multiplier, unit: unit.to_owned() }
}

const DASH: &str = "USE1-NovaLite-input-tokens";
const MANTLE: &str = "USE1-xai.grok-4.3-mantle-input-tokens-standard";
const MARKETPLACE: &str = "USE1-MP:USE1_InputTokenCount-Units";

#[test]
fn a_named_unit_says_its_power_of_ten() {
    let cases = [
        ("1K tokens", 1_000, "tokens"),
        ("1k Tokens", 1_000, "tokens"),
        ("1M tokens", 1_000_000, "tokens"),
        ("  1M   Tokens ", 1_000_000, "tokens"),
        ("1m tokens", 1_000_000, "tokens"),
        ("Million tokens", 1_000_000, "tokens"),
        ("1 million input tokens", 1_000_000, "tokens"),
        ("Units (=1M tokens)", 1_000_000, "tokens"),
        ("MillionBatchInputTokens", 1_000_000, "tokens"),
        ("1,000 tokens", 1_000, "tokens"),
        ("1000 tokens", 1_000, "tokens"),
        ("1,000,000 tokens", 1_000_000, "tokens"),
        ("thousand tokens", 1_000, "tokens"),
        ("Tokens", 1, "tokens"),
        ("Training tokens", 1, "tokens"),
        ("image", 1, "images"),
        ("Images Processed", 1, "images"),
        ("Second", 1, "seconds"),
        ("1K seconds", 1_000, "seconds"),
        ("Search Units", 1, "searches"),
        ("hour", 1, "hours"),
        ("Hrs", 1, "hours"),
        ("1 minute", 1, "minutes"),
        ("TextUnit", 1, "text units"),
        ("per 1000 requests", 1_000, "requests"),
        ("1M TPM Hour", 1_000_000, "tpm-hours"),
        ("1K TPM Hour", 1_000, "tpm-hours"),
        ("vCPU-Hours", 1, "vcpu-hours"),
        ("GB-Hours", 1, "gb-hours"),
        ("CMU-minute", 1, "cmu-minutes"),
        ("Invocations", 1, "invocations"),
        ("Queries", 1, "queries"),
        ("  Fancy   Thing ", 1, "fancy thing"),
        ("60 seconds", 1, "60 seconds"),
        ("1000", 1, "1000"),
        ("99999999999999999999 tokens", 1, "tokens"),
    ];
    for (text, multiplier, name) in cases {
        assert_eq!(base_unit(Some(text), None, Some(&meter(DASH)), false), unit(multiplier, name), "{text}");
    }
}

#[test]
fn marketplace_units_are_what_the_description_says() {
    let cases = [
        (Some("Units"), Some("AWS Marketplace software usage|us-west-2|Million Input Tokens"), 1_000_000),
        (Some("Units"), Some("AWS Marketplace software usage|us-west-2|million response tokens"), 1_000_000),
        (Some("Units"), Some("AWS Marketplace software usage|us-west-2|Thousand Input Tokens"), 1_000),
        (Some("Units"), Some("AWS Marketplace software usage|us-west-2|Input tokens, per thousand"), 1_000),
        (Some("units"), Some("AWS Marketplace software usage|us-west-2|Input Tokens"), 1_000_000),
        (Some("Units"), None, 1_000_000),
        (None, None, 1_000_000),
    ];
    for (pricing_unit, description, multiplier) in cases {
        assert_eq!(
            base_unit(pricing_unit, description, Some(&meter(MARKETPLACE)), true),
            unit(multiplier, "tokens"),
            "{description:?}"
        );
    }
    let description = Some("AWS Marketplace software usage|us-west-2|Million Input Tokens");
    assert_eq!(base_unit(Some("Units"), description, None, true), unit(1_000_000, "tokens"));
    assert_eq!(
        base_unit(Some("Units"), None, Some(&meter("USE1-MP:USE1_search_units-Units")), true),
        unit(1, "searches")
    );
    assert_eq!(
        base_unit(Some("Units"), None, Some(&meter("USE1-MP:USE1_created_image-Units")), true),
        unit(1, "images")
    );
    let reserved = meter("USE1-MP:USE1_Reserved_1Month_InputTPM_Geo-Units");
    assert_eq!(base_unit(Some("Units"), None, Some(&reserved), true), unit(1_000_000, "tpm-hours"));
}

#[test]
fn a_missing_unit_is_the_grammars() {
    assert_eq!(base_unit(None, None, Some(&meter(DASH)), false), unit(1_000, "tokens"));
    assert_eq!(base_unit(Some(""), None, Some(&meter(MANTLE)), false), unit(1_000, "tokens"));
    assert_eq!(
        base_unit(None, Some("$1.25 per 1M input tokens for grok-4.3"), Some(&meter(MANTLE)), false),
        unit(1_000_000, "tokens")
    );
    assert_eq!(base_unit(None, None, Some(&meter(MARKETPLACE)), false), unit(1_000_000, "tokens"));
    assert_eq!(base_unit(None, None, Some(&meter("USE1-NovaCanvas-T2I-1024-Premium")), false), unit(1, "images"));
    assert_eq!(base_unit(None, None, None, false), unit(1, "units"));
}

#[test]
fn rates_a_thousand_times_off_are_noticed() {
    for (kind, rate) in [
        ("input", 3.0),
        ("output", 15.0),
        ("cache_read", 0.3),
        ("cache_write", 3.75),
        ("input", 5.0),
        ("cache_read", 0.5),
    ] {
        assert!(plausible_token_rate(kind, rate), "{kind} {rate}");
        assert!(!plausible_token_rate(kind, rate * 1000.0), "{kind} {rate} × 1000");
        assert!(!plausible_token_rate(kind, rate / 1000.0), "{kind} {rate} ÷ 1000");
    }
    for (kind, rate) in [
        ("input", 0.01),
        ("input", 0.0175),
        ("output", 0.02),
        ("cache_read", 0.0044),
        ("cache_write", 0.07),
        ("output", 137.5),
        ("cache_write", 0.0),
    ] {
        assert!(plausible_token_rate(kind, rate), "{kind} {rate}");
    }
    assert!(plausible_token_rate("input", -3.0) && !plausible_token_rate("input", f64::NAN));
    assert!(plausible_token_rate("image_t2i", 40_000.0));
}
