//! One canonical name for every spelling of a model.

use billtag::classify::{
    bedrock_arn, names_ai_publisher, recognise_model, routing_of_model_id, single_model_carrier, tier_word,
};

use crate::model_ids::MODELS;

const GEOS: &[&str] = &["us", "us-gov", "eu", "apac", "jp", "au", "ca", "in", "sa"];

fn name(text: &str) -> Option<String> {
    recognise_model(text).map(|model| model.name)
}

#[test]
fn every_model_id_has_its_name_publisher_and_tier() {
    for (id, expected, publisher, tier) in MODELS {
        let model = recognise_model(id).unwrap_or_else(|| panic!("{id} is not recognised"));
        assert_eq!(
            (model.name.as_str(), model.publisher.as_str(), model.tier.as_deref().unwrap_or("")),
            (*expected, *publisher, *tier),
            "{id}"
        );
    }
}

#[test]
fn geo_prefixes_and_arns_do_not_change_the_model() {
    for (id, expected, ..) in MODELS {
        for geo in GEOS.iter().chain(&["global"]) {
            let profile = format!("{geo}.{id}");
            assert_eq!(name(&profile).as_deref(), Some(*expected), "{profile}");
            let expected_routing = if *geo == "global" { "global" } else { "regional" };
            assert_eq!(routing_of_model_id(&profile), Some(expected_routing), "{profile}");
            let arn = format!("arn:aws:bedrock:us-east-1:123456789012:inference-profile/{profile}");
            assert_eq!(name(&arn).as_deref(), Some(*expected), "{arn}");
            assert_eq!(routing_of_model_id(&arn), Some(expected_routing), "{arn}");
        }
        for partition in ["aws", "aws-us-gov", "aws-cn"] {
            let arn = format!("arn:{partition}:bedrock:us-gov-west-1::foundation-model/{id}");
            assert_eq!(name(&arn).as_deref(), Some(*expected), "{arn}");
        }
        assert_eq!(routing_of_model_id(id), None, "{id}");
    }
}

#[test]
fn the_canonical_name_is_recognised_in_every_dress() {
    for (_, expected, ..) in MODELS {
        let edition = format!("  {}   (amazon bedrock Edition) ", expected.to_uppercase());
        let dashes = expected.replace(' ', "-");
        let texts = [
            (*expected).to_owned(),
            expected.to_lowercase(),
            edition,
            format!("{expected} (Amazon Bedrock Edition)"),
            dashes,
        ];
        for text in texts {
            assert_eq!(name(&text).as_deref(), Some(*expected), "{text}");
        }
    }
}

#[test]
fn usage_types_and_display_names_agree_with_ids() {
    let spellings = [
        ("Claude4.6Sonnet", "Claude Sonnet 4.6"),
        ("Claude 4.6 Sonnet", "Claude Sonnet 4.6"),
        ("claude haiku 4.5", "Claude Haiku 4.5"),
        ("Anthropic Claude Haiku 4.5", "Claude Haiku 4.5"),
        ("Claude3-5Haiku", "Claude 3.5 Haiku"),
        ("claude35", "Claude 35"),
        ("Claude3Haiku", "Claude 3 Haiku"),
        ("Claude3-5Sonnetv2", "Claude 3.5 Sonnet v2"),
        ("Claude 3.5 Sonnet V2", "Claude 3.5 Sonnet v2"),
        ("Claude Opus 4.1", "Claude Opus 4.1"),
        ("Claude Instant (100K) (Amazon Bedrock Edition)", "Claude Instant"),
        ("Claude (Amazon Bedrock Edition)", "Claude"),
        ("NovaMicro", "Nova Micro"),
        ("novamicro", "Nova Micro"),
        ("Amazon Nova Micro", "Nova Micro"),
        ("Nova2.0Lite", "Nova 2.0 Lite"),
        ("Amazon Nova 2 Lite", "Nova 2.0 Lite"),
        ("NovaSonic2.0", "Nova 2.0 Sonic"),
        ("Nova Sonic 2.0", "Nova 2.0 Sonic"),
        ("NovaMultiModalEmbeddings", "Nova Multimodal Embeddings"),
        ("Canvas", "Nova Canvas"),
        ("Llama3-1-405B", "Llama 3.1 405B"),
        ("Meta Llama 3.1 405B Instruct", "Llama 3.1 405B"),
        ("Llama 2 Chat 13B", "Llama 2 13B"),
        ("Llama4-Maverick-17B", "Llama 4 Maverick 17B"),
        ("TitanEmbeddingV2-Text", "Titan Text Embeddings V2"),
        ("TitanEmbeddingsG1-Image", "Titan Multimodal Embeddings G1"),
        ("TitanEmbeddingsG1-Text", "Titan Embeddings G1 Text"),
        ("TitanTextG1-Lite", "Titan Text Lite"),
        ("TitanText-Premier", "Titan Text Premier"),
        ("TitanImageGeneratorG1", "Titan Image Generator G1"),
        ("GPT-OSS-Safeguard-120B", "gpt-oss-safeguard-120b"),
        ("OpenAI GPT-6 Astra", "GPT-6 Astra"),
        ("gpt-oss-120b", "gpt-oss-120b"),
        ("DeepSeekV3-1", "DeepSeek V3.1"),
        ("DeepSeek-R1", "DeepSeek R1"),
        ("Ministral-3-14b-Instruct", "Ministral 14B 3.0"),
        ("MistralLarge2407", "Mistral Large 24.07"),
        ("Mistral Large (24.07)", "Mistral Large 24.07"),
        ("PixtralLarge2502", "Pixtral Large 25.02"),
        ("Pixtral Large 25.02", "Pixtral Large 25.02"),
        ("Mixtral 8x7B Instruct", "Mixtral 8x7B"),
        ("Gemma-3-4B-IT", "Gemma 3 4B"),
        ("Qwen3-32B", "Qwen3 32B"),
        ("Qwen3 Coder 480B A35B Instruct", "Qwen3 Coder 480B"),
        ("Kimi K3", "Kimi K3"),
        ("Minimax M2.1", "MiniMax M2.1"),
        ("xai.grok-4.3", "Grok 4.3"),
        ("Luma Ray v2", "Luma Ray V2"),
        ("Ray-V2", "Luma Ray V2"),
        ("TwelveLabs Pegasus 1.2", "Pegasus 1.2"),
        ("Cohere Embed 4 Model (Amazon Bedrock Edition)", "Cohere Embed 4"),
        ("Cohere Rerank 3.5", "Cohere Rerank 3.5"),
        ("Cohere Command R+", "Cohere Command R Plus"),
        ("AmazonRerank-v1", "Amazon Rerank 1.0"),
        ("stable_image_core", "Stable Image Core"),
        ("Stable Diffusion 3.5 Large", "Stable Diffusion 3.5 Large"),
        ("SDXL 1.0", "Stable Diffusion XL"),
        ("stability.stable-diffusion-xl-v1", "Stable Diffusion XL"),
        ("Stable Image Ultra 1.0", "Stable Image Ultra"),
        ("US Anthropic Claude Haiku 4.5", "Claude Haiku 4.5"),
        ("GLOBAL Anthropic Claude Sonnet 4.5", "Claude Sonnet 4.5"),
        ("TwelveLabs Pegasus", "Pegasus"),
        ("arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:300k/abcdef123456", "Nova Lite"),
    ];
    for (text, expected) in spellings {
        assert_eq!(name(text).as_deref(), Some(expected), "{text}");
    }
}

#[test]
fn newer_models_get_their_own_name() {
    let newer = [
        ("Claude Haiku 9", "Claude Haiku 9", "Anthropic", Some("haiku")),
        ("Claude9Haiku", "Claude Haiku 9", "Anthropic", Some("haiku")),
        ("anthropic.claude-haiku-9-20290101-v1:0", "Claude Haiku 9", "Anthropic", Some("haiku")),
        ("anthropic.claude-saga-7", "Claude Saga 7", "Anthropic", None),
        ("Claude Opus 4.10", "Claude Opus 4.10", "Anthropic", Some("opus")),
        ("Nova 5 Ultra", "Nova 5.0 Ultra", "Amazon", None),
        ("us.amazon.nova-5-premier-v1:0", "Nova 5.0 Premier", "Amazon", Some("premier")),
        ("openai.gpt-9-zeta", "GPT-9 Zeta", "OpenAI", None),
        ("global.openai.gpt-9.2-luna", "GPT-9.2 Luna", "OpenAI", Some("luna")),
        ("openai.o9-large", "O9 Large", "OpenAI", None),
        ("meta.llama7-2-900b-instruct-v1:0", "Llama 7.2 900B", "Meta", None),
        ("Kimi K9", "Kimi K9", "Moonshot AI", None),
        ("deepseek.v9", "DeepSeek V9", "DeepSeek", None),
    ];
    for (text, expected, publisher, tier) in newer {
        let model = recognise_model(text).unwrap_or_else(|| panic!("{text} is not recognised"));
        assert_eq!(
            (model.name.as_str(), model.publisher.as_str(), model.tier.as_deref()),
            (expected, publisher, tier),
            "{text}"
        );
    }
}

#[test]
fn texts_that_name_no_model_stay_unknown() {
    let others = [
        "",
        " ",
        "-",
        ".",
        "haiku",
        "Sonnet",
        "lite",
        "pro",
        "AgentCore",
        "Guardrails",
        "usage",
        "a1b2c3d4e5f6",
        "Data Automation",
        "Knowledge Base (AgentCore)",
        "Custom Model Import (OSS)",
        "Claude Platform on AWS",
        "Claude Code for Enterprise",
        "Nova",
        "my-claude-profile",
        "acme.super-model-9",
        "us.acme.super-model-9",
        "arn:aws:s3:::claude-haiku-4-5",
        "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/ab12cd34ef56",
        "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/ab12cd34ef56",
        "Amazon Bedrock",
        "(Amazon Bedrock Edition)",
        "v1:0",
    ];
    for text in others {
        assert_eq!(recognise_model(text), None, "{text}");
    }
    assert_eq!(recognise_model(&"claude 4 ".repeat(2000)), None);
}

#[test]
fn neighbouring_versions_never_share_a_name() {
    let names: std::collections::BTreeSet<_> = (0..20)
        .flat_map(|minor| {
            [
                name(&format!("Claude Opus 4.{minor}")),
                name(&format!("openai.gpt-5.{minor}")),
                name(&format!("zai.glm-5.{minor}")),
            ]
        })
        .collect();
    assert_eq!(names.len(), 60);
}

#[test]
fn tier_words_stand_alone() {
    assert_eq!(tier_word(" Haiku "), Some("haiku"));
    assert_eq!(tier_word("PREMIER"), Some("premier"));
    assert_eq!(tier_word("claude haiku"), None);
    assert_eq!(tier_word(""), None);
}

#[test]
fn models_that_cache_are_known() {
    let caching = [
        "Claude 3.5 Haiku",
        "Claude 3.5 Sonnet v2",
        "Claude 3.7 Sonnet",
        "Claude Opus 4",
        "Claude Haiku 9",
        "Nova Micro",
        "Nova 2.0 Pro",
        "GPT-5.4",
        "GPT-6 Luna",
        "Grok 4.3",
    ];
    let others = [
        "Claude 3 Haiku",
        "Claude 3.5 Sonnet",
        "Claude Instant",
        "Nova Canvas",
        "Nova Sonic",
        "gpt-oss-120b",
        "Llama 3.1 70B",
        "Titan Text Lite",
    ];
    for text in caching {
        assert_eq!(recognise_model(text).map(|model| model.caches), Some(true), "{text}");
    }
    for text in others {
        assert_eq!(recognise_model(text).map(|model| model.caches), Some(false), "{text}");
    }
}

#[test]
fn only_arns_of_bedrock_are_read() {
    let arn = bedrock_arn("arn:aws:bedrock:us-west-2::foundation-model/anthropic.claude-3-5-sonnet-20240620-v1:0")
        .expect("a model's ARN");
    assert_eq!((arn.service.as_str(), arn.region.as_deref(), arn.account), ("bedrock", Some("us-west-2"), None));
    assert_eq!(
        (arn.resource_type.as_str(), arn.resource_id.as_str()),
        ("foundation-model", "anthropic.claude-3-5-sonnet-20240620-v1:0")
    );
    let arn = bedrock_arn("arn:aws:bedrock-agentcore:eu-west-1:123456789012:runtime/agent-1").expect("a runtime's ARN");
    assert_eq!(
        (arn.service.as_str(), arn.account.as_deref(), arn.resource_type.as_str()),
        ("bedrock-agentcore", Some("123456789012"), "runtime")
    );
    assert!(bedrock_arn("arn:aws-cn:bedrock-mantle:cn-north-1:123456789012:project/default").is_some());
    for text in [
        "",
        "arn:aws:s3:::bucket",
        "arn:aws:bedrock",
        "arn:aws:bedrocket:us-east-1:1:x/y",
        "arn:evil:bedrock:r:1:x/y",
        "bedrock",
        "arn:aws:bedrock:us-east-1:1:",
    ] {
        assert_eq!(bedrock_arn(text), None, "{text}");
    }
    assert!(single_model_carrier("application-inference-profile") && single_model_carrier("provisioned-model"));
    assert!(!single_model_carrier("foundation-model") && !single_model_carrier("inference-profile"));
}

#[test]
fn neighbours_on_marketplace_are_noticed() {
    for text in [
        "Claude Platform on AWS",
        "Anthropic Claude Enterprise",
        "OpenAI ChatGPT Enterprise",
        "Mistral AI Studio",
        "DeepSeek R1 on GPU",
        "Llama 3 Guard",
    ] {
        assert!(names_ai_publisher(text), "{text}");
    }
    for text in ["Datadog Pro", "CentOS 7", "NVIDIA GPU-Optimized AMI", "", "Claudette CRM", "Terraform Cloud"] {
        assert!(!names_ai_publisher(text), "{text}");
    }
}
