//! Strings that stand in no list: built from the grammars, with models that do not exist yet.

use billtag::classify::{Measure, parse_usage_type};

fn reads(text: &str, expected: &str) {
    let meter = parse_usage_type(text);
    assert_eq!(meter.as_ref().map(crate::says::says).as_deref(), Some(expected), "{text}");
}

fn model(text: &str) -> Option<String> {
    parse_usage_type(text).unwrap_or_else(|| panic!("{text} is not read")).model
}

const PREFIXES: &[(&str, Option<&str>)] = &[
    ("USE1-", Some("us-east-1")),
    ("EU-", Some("eu-west-1")),
    ("APS3-", Some("ap-south-1")),
    ("ZZZ9-", None),
    ("", None),
];

const MODELS: &[&str] = &["Claude9Haiku", "acme.super-model-9", "Llama7-1-2T"];

/// Words of a tier and the pricing model they mean.
const TIERS: &[(&str, &str)] = &[
    ("", ""),
    ("-batch", " batch"),
    ("-flex", " flex"),
    ("-priority", " priority"),
    ("-latency-optimized", " latency_optimized"),
    ("-custom-model", " custom_model"),
    ("-flex-batch", " batch"),
];

#[test]
fn dash_strings_read_with_modifiers_in_every_order() {
    let directions = [
        ("input-tokens", "input"),
        ("output-tokens", "output"),
        ("text-input-tokens", "input"),
        ("text-output-tokens", "output"),
        ("speech-input-tokens", "input_speech"),
        ("speech-output-tokens", "output_speech"),
        ("input-image-token-count", "input_image"),
        ("input-audio-token-count", "input_audio"),
        ("input-video-token-count", "input_video"),
        ("output-image-token-count", "output_image"),
        ("cache-read-input-token-count", "cache_read"),
        ("cache-write-input-token-count", "cache_write"),
    ];
    let routings = [("", ""), ("-cross-region-global", " global"), ("-cross-region-geo", " geo")];
    let contexts = [("", ""), ("-long-context", " long"), ("-long-ctx", " long")];
    let mut read = 0;
    for (prefix, region) in PREFIXES {
        for name in MODELS {
            for (direction, kind) in directions {
                for (tier, pricing) in TIERS {
                    for (route, routing) in routings {
                        for (long, context) in contexts {
                            let expected = format!("{kind}{pricing}{routing}{context}");
                            let orders =
                                [[*tier, route, long], [long, route, tier], [route, tier, long], [long, tier, route]];
                            for order in orders {
                                let text = format!("{prefix}{name}-{direction}{}", order.concat());
                                let meter = parse_usage_type(&text).unwrap_or_else(|| panic!("{text} is not read"));
                                assert_eq!(crate::says::says(&meter), expected, "{text}");
                                assert_eq!(meter.model.as_deref(), Some(*name), "{text}");
                                assert_eq!(meter.region.as_deref(), *region, "{text}");
                                assert_eq!(meter.measure, Measure::Tokens, "{text}");
                                read += 1;
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(read > 20_000, "{read}");
}

#[test]
fn mantle_strings_read_with_every_modifier() {
    let directions =
        [("input", "input"), ("output", "output"), ("cache-read", "cache_read"), ("cache-write", "cache_write")];
    for (direction, kind) in directions {
        for ttl in ["", "5m", "30m", "1h"] {
            for (long, context) in [("", ""), ("-long-ctx", " long")] {
                for (global, routing) in [("", ""), ("-global", " global")] {
                    for tier in ["standard", "flex", "priority", "batch"] {
                        let dash = if ttl.is_empty() { "" } else { "-" };
                        let text = format!(
                            "EUC1-acme.super-model-9-mantle-{direction}-tokens{dash}{ttl}{long}{global}-{tier}"
                        );
                        let space =
                            if ttl.is_empty() || kind != "cache_write" { String::new() } else { format!(" {ttl}") };
                        let pricing = if tier == "standard" { String::new() } else { format!(" {tier}") };
                        reads(&text, &format!("{kind}{space}{pricing}{routing}{context} mantle"));
                        assert_eq!(model(&text).as_deref(), Some("acme.super-model-9"));
                    }
                }
            }
        }
    }
    reads(
        "EUC1-acme.super-model-9-mantle-cache-write-tokens-1h-long-ctx-global-priority",
        "cache_write 1h priority global long mantle",
    );
}

#[test]
fn marketplace_camel_case_reads_with_every_suffix() {
    let directions = [
        ("InputTokenCount", "input"),
        ("OutputTokenCount", "output"),
        ("ResponseTokenCount", "output"),
        ("CacheReadInputTokenCount", "cache_read"),
        ("CacheWriteInputTokenCount", "cache_write 5m"),
        ("CacheWrite5mInputTokenCount", "cache_write 5m"),
        ("CacheWrite30mInputTokenCount", "cache_write 30m"),
        ("CacheWrite1hInputTokenCount", "cache_write 1h"),
    ];
    let suffixes = [
        ("", ""),
        ("_Global", " global"),
        ("_Batch", " batch"),
        ("_Global_Batch", " batch global"),
        ("_Batch_Global", " batch global"),
        ("_LatencyOptimized", " latency_optimized"),
        ("_LCtx", " long"),
        ("_LCtx_Global", " global long"),
        ("_LCtx_Global_Batch", " batch global long"),
        ("_Global_LCtx_Flex", " flex global long"),
    ];
    for (direction, kind) in directions {
        for (suffix, says) in suffixes {
            for prefix in ["APN1", "EU", "UGE1"] {
                reads(&format!("{prefix}-MP:{prefix}_{direction}{suffix}-Units"), &format!("{kind}{says}"));
            }
            reads(&format!("MP:{direction}{suffix}-Units"), &format!("{kind}{says}"));
        }
    }
    reads("APN1-MP:APN1_OutputTokenCount_LCtx_Global_Batch-Units", "output batch global long");
    reads("USE1-MP:USE1_MillionBatchOutputTokens-Units", "output batch");
    reads("USE1-MP:USE1_MillionInputTokens-Units", "input");
}

#[test]
fn marketplace_snake_case_reads_with_every_part() {
    for (direction, kind) in
        [("input", "input"), ("output", "output"), ("cache_read", "cache_read"), ("cache_write", "cache_write")]
    {
        for ttl in ["", "_1h", "_30m", "_5m"] {
            for (long, context) in [("", ""), ("_long_ctx", " long")] {
                for (global, routing) in [("", ""), ("_global", " global")] {
                    for (tier, pricing) in
                        [("_standard", ""), ("_batch", " batch"), ("_priority", " priority"), ("_flex", " flex")]
                    {
                        let lifetime = match (kind, ttl) {
                            ("cache_write", "") => " 5m".to_owned(),
                            ("cache_write", ttl) => format!(" {}", &ttl[1..]),
                            _ => String::new(),
                        };
                        let text = format!("SAE1-MP:SAE1_{direction}_tokens{ttl}{long}{global}{tier}-Units");
                        reads(&text, &format!("{kind}{lifetime}{pricing}{routing}{context}"));
                    }
                }
            }
        }
    }
}

#[test]
fn cache_writes_keep_the_lifetime_their_grammar_names() {
    reads("USE1-Claude4.6Opus-cache-write-input-token-count", "cache_write");
    reads("USE1-Claude4.6Opus-cache-write-input-token-count-1h", "cache_write 1h");
    reads("USE1-Claude4.6Opus-cache-write-input-token-count-1h-cross-region-global", "cache_write 1h global");
    reads(
        "USE1-Claude4.6Opus-cache-write-input-token-count-cross-region-global-1h-batch",
        "cache_write 1h batch global",
    );
    reads("USE1-qwen.qwen3-coder-next-cache-write-tokens", "cache_write");
    reads("USE1-MP:USE1_CacheStorage_Global-Units", "cache_storage global");
    reads("USE1-Claude9Opus-cache-storage", "cache_storage");
}

#[test]
fn the_model_loses_modifiers_but_keeps_its_spelling() {
    assert_eq!(model("USE1-Llama3-1-70B-LatencyOptimized-input-tokens").as_deref(), Some("Llama3-1-70B"));
    reads("USE1-Llama3-1-70B-LatencyOptimized-input-tokens", "input latency_optimized");
    assert_eq!(model("USE1-TitanEmbeddingV2-Text-input-tokens").as_deref(), Some("TitanEmbeddingV2-Text"));
    assert_eq!(model("USE1-Nova2.0Pro-text-input-tokens").as_deref(), Some("Nova2.0Pro"));
    assert_eq!(model("USE1-MP:USE1_InputTokenCount-Units"), None);
}

#[test]
fn features_read() {
    let cases = [
        ("USE1-Guardrail-TopicPolicyUnitsConsumed", "guardrail_topic"),
        ("USE1-Guardrail-WordPolicyUnitsConsumed", "guardrail_word"),
        ("USE1-Guardrail-AutomatedReasoningPolicyUnitsConsumed", "guardrail_automated_reasoning"),
        ("EU-Guardrail-SensitiveInformationPolicyFreeUnitsConsumed", "guardrail_pii_free"),
        ("USE1-Guardrail-ContentPolicyImageUnitsConsumed", "guardrail_content_image"),
        ("USE1-Guardrail-NovelPolicyUnitsConsumed", "guardrail_novel"),
        ("USE1-GuardrailChecks-ContentFilterCheckUnitsConsumed", "guardrail_content_filter"),
        ("USE1-GuardrailChecks-SensitiveInformationCheckUnitsConsumed", "guardrail_pii"),
        ("USE1-DataAutomation-Custom-PagesProcessed", "bda_custom_pages"),
        ("USE1-DataAutomation-Standard-ImagesProcessed", "bda_standard_images"),
        ("USE1-DataAutomation-Standard-AudioMinutesProcessed", "bda_standard_audio_minutes"),
        ("USE1-BedrockFlows-NodeTransitions", "flow_transition"),
        ("USE1-Flows-NodeTransition", "flow_transition"),
        ("USE1-OptimizePrompt-Tokens", "prompt_optimization"),
        ("USE1-NovaPro-prompt-routing-requests", "prompt_routing"),
        ("USE1-Prompt-Routing-Requests", "prompt_routing"),
        ("USE1-Nova2.0Lite-nova-grounding", "nova_grounding"),
        ("USE1-GenerateSQL-Queries", "kb_generate_sql"),
        ("USE1-StructuredRetrieve-GenerateSQL", "kb_generate_sql"),
        ("USE1-StructuredRetrieve-Queries", "kb_structured_retrieve"),
        ("USE1-ModelEvaluation-HumanTasks", "evaluation"),
        ("USE1-Evaluations-HumanTaskCompleted", "evaluation"),
        ("USE1-anthropic.claude-opus-9-web-search-requests", "web_search"),
        ("USE1-WebSearch", "web_search"),
    ];
    for (text, expected) in cases {
        reads(text, expected);
    }
}

#[test]
fn capacity_and_customisation_read() {
    let cases = [
        (
            "USE1-Claude9Sonnet-reserved-1-month-output-tokens-per-minute-cross-region-global",
            "reserved_1month_output_tpm reserved global",
        ),
        ("EU-Claude9Sonnet-reserved-3-month-input-tokens-per-minute", "reserved_3month_input_tpm reserved"),
        ("APS7-MP:APS7_Reserved_6Month_OutputTPM_Geo-Units", "reserved_6month_output_tpm reserved geo"),
        ("USE1-Qwen3-32B-ProvisionedThroughput-NoCommit-ModelUnits", "model_unit_hour provisioned"),
        ("USE1-Claude9-ProvisionedThroughput-1MonthCommit-ModelUnits", "model_unit_hour provisioned"),
        ("USE1-Claude9-ProvisionedThroughput-Custom-6MonthsCommit-ModelUnits", "model_unit_hour provisioned"),
        ("USW2-MP:USW2_ProvisionedThroughput_6MonthsCommit_ModelUnits_Usage-Units", "model_unit_hour provisioned"),
        ("USE1-NovaPro-Customization-Training", "training"),
        ("USE1-NovaPro-Customization-Storage", "storage"),
        ("USE1-Nova2.0Lite-rft-training", "training"),
        ("USE1-Nova2.0Lite-Customization-rft-training", "training"),
        ("USE1-Llama-CustomModelImport-Inference-v1:0", "cmi_inference"),
        ("USE1-OSS-CustomModelImport-Inference-v2:0", "cmi_inference"),
        ("USE1-Llama-CustomModelImport-Storage-v1:0", "storage"),
    ];
    for (text, expected) in cases {
        reads(text, expected);
    }
    assert_eq!(model("USE1-Nova2.0Lite-Customization-rft-training").as_deref(), Some("Nova2.0Lite"));
    assert_eq!(model("USE1-Claude9-ProvisionedThroughput-Custom-6MonthsCommit-ModelUnits").as_deref(), Some("Claude9"));
}

#[test]
fn media_read() {
    let cases = [
        ("USE1-NovaCanvas-I2I-2048-Premium", "image_i2i"),
        ("USE1-NovaCanvas-T2I-512-Standard-batch", "image_t2i batch"),
        ("USE1-TitanImageGeneratorG1-T2I-1024-Premium-Custom", "image_t2i"),
        ("USE1-TitanEmbeddingsG1-Image-input-tokens", "input"),
        ("USE1-NovaMultiModalEmbeddings-input-video-second", "input_video_second"),
        ("USE1-NovaMultiModalEmbeddings-input-standard-image", "input_image"),
        ("USE1-NovaMultiModalEmbeddings-input-document-image", "input_document_image"),
        ("USE1-NovaReel-T2V-Medfps-HDRes", "video_second"),
        ("USW2-Ray-V2-Medfps-StandardRes", "video_second"),
        ("USE1-NovaReel-HDResolution-output-seconds", "video_second"),
        ("USW2-AmazonRerank-v1-searchunits", "search_unit"),
        ("USE1-MP:USE1_CreatedImage-Units", "image_created"),
        ("USE1-MP:USE1_inputAudioSecond-Units", "input_audio_second"),
        ("USE1-MP:USE1_search_units_Global-Units", "search_unit global"),
    ];
    for (text, expected) in cases {
        reads(text, expected);
    }
}

#[test]
fn agentcore_reads() {
    let cases = [
        ("USE1-Runtime:Consumption-based:vCPU", "agentcore_runtime_vcpu"),
        ("USE1-Runtime:Consumption-based:Memory", "agentcore_runtime_memory"),
        ("Memory:Consumption-based:Short-Term-Memory", "agentcore_stm"),
        ("USE1-Memory:Consumption-based:Long-Term-Memory-Storage:Built-in-memory", "agentcore_ltm_storage"),
        ("USE1-Knowledge-Base:Consumption-based:AgenticRetrieval", "kb_agentic_retrieval"),
        ("USE1-Knowledge-Base:Consumption-based:Storage", "kb_storage"),
        ("USE1-Identity:Consumption-based:Token-Requests", "agentcore_identity_token_requests"),
        ("USE1-Policy:Consumption-based:Authorization-Requests", "agentcore_policy_authorization_requests"),
        ("USE1-Evaluations:Consumption-based:BuiltIn-Input:Tier1", "agentcore_evaluations_built_in_input_tier_1"),
        ("USE1-WebSearchTool:Consumption-based:Queries", "agentcore_web_search_queries"),
        ("USE1-DataTransfer-Out-Bytes", "other"),
        ("DataTransfer-Regional-Bytes", "other"),
        ("USE1-USW2-AWS-Out-Bytes", "other"),
    ];
    for (text, expected) in cases {
        reads(text, expected);
    }
}

#[test]
fn strings_of_other_services_are_unknown() {
    let long = "USE1-input-tokens-".repeat(600);
    let others = [
        "",
        " ",
        "-",
        "USE1-",
        "USE1-MP:USE1_-Units",
        "MP:",
        "USE1-BoxUsage:m5.large",
        "USE1-Requests-Tier1",
        "USW2-MP:USW2_ml.g5.xlarge-Units",
        "USE1-TimedStorage-ByteHrs",
        "USE1-Lambda-GB-Second",
        "USE1-NatGateway-Bytes",
        "APN1-LoadBalancerUsage",
        "USE1-EBS:VolumeUsage.gp3",
        "USE1-ReadCapacityUnit-Hrs",
        "USE1-Claude4.6Sonnet",
        "USE1-NovaLite",
        "anthropic.claude-opus-5",
        "USE1-input-tokens",
        "USE1-NovaLite-input-tokens-surprise",
        "Claude-token",
        "héllo-input-tokens",
        "日本-output-tokens",
        "USE1-MP:USE1_SoftwareUsage:t3.micro-Units",
        &long,
        "USE1-Evaluations",
        "Global-Route53-Queries",
        "USE1-AWSSecretsManager-Secrets",
        "USE1-CW:Requests",
        "USE1-KMS-Requests",
    ];
    for text in others {
        assert_eq!(parse_usage_type(text), None, "{text}");
    }
}

#[test]
fn every_billing_prefix_gives_its_region() {
    let regions = [
        ("USE1", "us-east-1"),
        ("USE2", "us-east-2"),
        ("USW1", "us-west-1"),
        ("USW2", "us-west-2"),
        ("EU", "eu-west-1"),
        ("EUW2", "eu-west-2"),
        ("EUC1", "eu-central-1"),
        ("EUN1", "eu-north-1"),
        ("EUS2", "eu-south-2"),
        ("APS1", "ap-southeast-1"),
        ("APS3", "ap-south-1"),
        ("APS7", "ap-southeast-5"),
        ("APN3", "ap-northeast-3"),
        ("APE1", "ap-east-1"),
        ("CAN2", "ca-west-1"),
        ("SAE1", "sa-east-1"),
        ("MEC1", "me-central-1"),
        ("ILC1", "il-central-1"),
        ("UGW1", "us-gov-west-1"),
        ("UGE1", "us-gov-east-1"),
        ("MXC1", "mx-central-1"),
        ("AFS1", "af-south-1"),
        ("CNN1", "cn-north-1"),
    ];
    for (prefix, region) in regions {
        for text in [format!("{prefix}-NovaLite-input-tokens"), format!("{prefix}-MP:{prefix}_InputTokenCount-Units")] {
            assert_eq!(parse_usage_type(&text).and_then(|meter| meter.region).as_deref(), Some(region), "{text}");
        }
    }
    assert_eq!(parse_usage_type("QQX7-NovaLite-input-tokens").and_then(|meter| meter.region), None);
    assert_eq!(parse_usage_type("NovaLite-input-tokens").and_then(|meter| meter.region), None);
}
