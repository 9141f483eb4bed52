//! Units and the powers of ten between them.

use billtag::classify::{Meter, Unit, base_unit, parse_usage_type, plausible_token_rate};

fn meter(text: &str) -> Meter {
    parse_usage_type(text).unwrap_or_else(|| panic!("{text} is not read"))
}

fn unit(multiplier: u64, unit: &str) -> Unit {
    Unit { multiplier, unit: unit.to_owned(), known: true }
}

/// What a pricing unit means on a line that bills tokens.
fn of_tokens(text: &str) -> Unit {
    base_unit(Some(text), None, Some(&meter(DASH)), false)
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
        ("60 seconds", 60, "seconds"),
    ];
    for (text, multiplier, name) in cases {
        assert_eq!(of_tokens(text), unit(multiplier, name), "{text}");
    }
}

#[test]
fn a_number_is_read_in_every_spelling() {
    let cases = [
        ("1 K tokens", 1_000, "tokens"),
        ("1KTokens", 1_000, "tokens"),
        ("1K-tokens", 1_000, "tokens"),
        ("1-K-tokens", 1_000, "tokens"),
        ("1 M tokens", 1_000_000, "tokens"),
        ("1MM tokens", 1_000_000, "tokens"),
        ("1MTokens", 1_000_000, "tokens"),
        ("1 million tokens", 1_000_000, "tokens"),
        ("Millions of tokens", 1_000_000, "tokens"),
        ("1,000,000 tokens", 1_000_000, "tokens"),
        ("1000tokens", 1_000, "tokens"),
        ("2K tokens", 2_000, "tokens"),
        ("128K tokens", 128_000, "tokens"),
        ("500 tokens", 500, "tokens"),
        ("Thousand tokens", 1_000, "tokens"),
        ("Per 1K tokens", 1_000, "tokens"),
        ("1k Tokens ", 1_000, "tokens"),
        ("1\u{a0}K\u{a0}tokens", 1_000, "tokens"),
        ("1B tokens", 1_000_000_000, "tokens"),
        ("2 billion output tokens", 2_000_000_000, "tokens"),
        ("18446744073709551615 tokens", u64::MAX, "tokens"),
        ("1K cached input tokens", 1_000, "tokens"),
        ("1Kinputtokens", 1_000, "tokens"),
        ("1K seconds", 1_000, "seconds"),
        ("1K images", 1_000, "images"),
        ("1K text units", 1_000, "text units"),
        ("1K Units", 1_000, "units"),
        ("1M minutes", 1_000_000, "minutes"),
        ("1 min", 1, "minutes"),
        ("1 model unit", 1, "hours"),
        ("1 GB", 1, "gb"),
    ];
    for (text, multiplier, name) in cases {
        assert_eq!(of_tokens(text), unit(multiplier, name), "{text}");
    }
}

#[test]
fn a_unit_that_cannot_be_read_stays_as_it_is_billed() {
    let texts = [
        "Bananas",
        "5 bananas",
        "1K bananas",
        "1X tokens",
        "1xtokens",
        "X tokens",
        "tokens/5",
        "tokens (K)",
        "1K tokens/5",
        "1e6 tokens",
        "10^6 tokens",
        "1/1000 tokens",
        "-1K tokens",
        "0 tokens",
        "0K tokens",
        "1.5 tokens",
        "1.000 tokens",
        "1,5 tokens",
        "1000,000 tokens",
        "1,00,000 tokens",
        ", tokens",
        "1 000 tokens",
        "1KK tokens",
        "1 million thousand tokens",
        "dozen tokens",
        "multitokens",
        "1 multitokens",
        "99999999999999999999 tokens",
        "18446744073709551615K tokens",
        "1000",
        "1K",
        "K",
        "Input Units",
        "Units (=1X tokens)",
        "Units (bananas)",
        "Par 1K jetons",
        "1K токенов",
    ];
    for text in texts {
        let unknown = Unit { multiplier: 1, unit: text.to_lowercase(), known: false };
        for usage_type in [DASH, MANTLE, MARKETPLACE, "USE1-NovaCanvas-T2I-1024-Premium"] {
            let description = Some("$0.00006 per 1K input tokens");
            assert_eq!(base_unit(Some(text), description, Some(&meter(usage_type)), false), unknown, "{text}");
        }
        assert_eq!(base_unit(Some(text), None, None, false), unknown, "{text}");
    }
    let tidied = Unit { multiplier: 1, unit: "fancy thing".to_owned(), known: false };
    assert_eq!(of_tokens("  Fancy   Thing "), tidied);
}

#[test]
fn a_description_is_read_by_its_number() {
    let described =
        |text: &str, usage_type: &str| base_unit(Some("Units"), Some(text), Some(&meter(usage_type)), false);
    let tokens = [
        ("$0.00006 per 1K input tokens for Nova Lite in US East", 1_000),
        ("$0.06 per 1 M input tokens for Nova Lite", 1_000_000),
        ("$0.06 per 1MM input tokens for Nova Lite", 1_000_000),
        ("$0.06 per 1,000,000 input tokens for Nova Lite", 1_000_000),
        ("AWS Marketplace software usage|us-west-2|MillionBatchInputTokens", 1_000_000),
        ("$3 per 128K context, per million tokens", 1_000_000),
        ("$0.1 per input tokens of whatever", 1_000),
    ];
    for (text, multiplier) in tokens {
        assert_eq!(described(text, DASH), unit(multiplier, "tokens"), "{text}");
    }
    for part in ["1x input tokens", "1e6 tokens", "128k context tokens", "99999999999999999999 tokens"] {
        let unknown = Unit { multiplier: 1, unit: part.to_owned(), known: false };
        assert_eq!(described(&format!("$3 per {part}"), DASH), unknown, "{part}");
    }
    let image = "USE1-NovaCanvas-T2I-1024-Premium";
    assert_eq!(described("$0.04 per 1024x1024 image", image), unit(1, "images"));
    assert_eq!(
        base_unit(None, Some("$1 per 1K pages"), None, false),
        unit(1_000, "pages"),
        "a line without a meter has only its description"
    );
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
