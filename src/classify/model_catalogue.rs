//! What is known of models: publishers, families and their ladders.

/// A publisher, as it is shown and as it stands in model ids (`anthropic.claude-…`) and before display names.
pub struct Publisher {
    pub name: &'static str,
    /// The part of a model id before the first dot.
    pub ids: &'static [&'static str],
    /// Words that may stand before a model's name.
    pub words: &'static [&'static [&'static str]],
}

pub const PUBLISHERS: &[Publisher] = &[
    Publisher { name: "Anthropic", ids: &["anthropic"], words: &[&["anthropic"]] },
    Publisher { name: "Amazon", ids: &["amazon"], words: &[&["amazon"], &["aws"]] },
    Publisher { name: "Meta", ids: &["meta"], words: &[&["meta"]] },
    Publisher { name: "Mistral AI", ids: &["mistral"], words: &[&["mistral", "ai"], &["mistralai"]] },
    Publisher { name: "Cohere", ids: &["cohere"], words: &[&["cohere"]] },
    Publisher { name: "AI21 Labs", ids: &["ai21"], words: &[&["ai", "21", "labs"], &["ai", "21"]] },
    Publisher { name: "OpenAI", ids: &["openai"], words: &[&["openai"], &["open", "ai"]] },
    Publisher { name: "DeepSeek", ids: &["deepseek"], words: &[] },
    Publisher { name: "Qwen", ids: &["qwen"], words: &[&["alibaba"]] },
    Publisher {
        name: "Moonshot AI",
        ids: &["moonshotai", "moonshot"],
        words: &[&["moonshot", "ai"], &["moonshotai"], &["moonshot"]],
    },
    Publisher { name: "MiniMax", ids: &["minimax"], words: &[] },
    Publisher { name: "Z.AI", ids: &["zai"], words: &[&["z", "ai"], &["zai"]] },
    Publisher { name: "xAI", ids: &["xai"], words: &[&["xai"], &["x", "ai"]] },
    Publisher { name: "Google", ids: &["google"], words: &[&["google"]] },
    Publisher { name: "NVIDIA", ids: &["nvidia"], words: &[&["nvidia"]] },
    Publisher { name: "Writer", ids: &["writer"], words: &[&["writer"]] },
    Publisher {
        name: "Stability AI",
        ids: &["stability"],
        words: &[&["stability", "ai"], &["stabilityai"], &["stability"]],
    },
    Publisher { name: "Luma AI", ids: &["luma"], words: &[&["luma", "ai"]] },
    Publisher { name: "TwelveLabs", ids: &["twelvelabs"], words: &[&["twelve", "labs"], &["twelvelabs"]] },
];

/// How the parts of a family's names are put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `Claude 3.5 Haiku` before version 4, `Claude Haiku 4.5` since.
    Claude,
    /// `Nova Lite`, `Nova 2.0 Lite`: the version first, and always with a decimal.
    Nova,
    /// `GPT-5.6 Luna`.
    Gpt,
    /// `Qwen3 32B`: the version is written onto the name, the size stands last.
    Qwen,
    /// `Llama 3.1 70B`: version, words, size.
    VersionFirst,
    /// `Kimi K3`, `DeepSeek V3.1`: in the order they come, a lone letter joined to its number.
    AsWritten,
}

/// A family of models.
pub struct Family {
    /// The words its names begin with.
    pub words: &'static [&'static str],
    pub display: &'static str,
    pub publisher: &'static str,
    pub shape: Shape,
    /// The publisher's ladder, from the small model to the large.
    pub ladder: &'static [&'static str],
    /// Other words that show a text to name a model although it has no number.
    pub known: &'static [&'static str],
    /// Words that every spelling may have or lack.
    pub noise: &'static [&'static str],
    /// Whether a trailing `v2` tells models apart; elsewhere it is a revision of the packaging.
    pub revised: bool,
}

const fn family(
    words: &'static [&'static str],
    display: &'static str,
    publisher: &'static str,
    shape: Shape,
) -> Family {
    Family { words, display, publisher, shape, ladder: &[], known: &[], noise: &[], revised: false }
}

const MISTRAL_LADDER: &[&str] = &["mini", "small", "medium", "large"];

/// A family whose words begin with another's stands before it.
pub const FAMILIES: &[Family] = &[
    Family {
        ladder: &["instant", "haiku", "sonnet", "opus", "fable", "mythos"],
        known: &["preview"],
        noise: &["long", "context"],
        revised: true,
        ..family(&["claude"], "Claude", "Anthropic", Shape::Claude)
    },
    Family {
        ladder: &["micro", "lite", "pro", "premier"],
        known: &["canvas", "reel", "sonic", "omni", "act", "multimodal", "embeddings"],
        ..family(&["nova"], "Nova", "Amazon", Shape::Nova)
    },
    // The first price lists leave the family out.
    Family { known: &["canvas"], ..family(&["canvas"], "Nova Canvas", "Amazon", Shape::AsWritten) },
    Family {
        ladder: &["lite", "express", "premier"],
        known: &["text", "embed", "embeddings", "embedding", "image", "multimodal"],
        revised: true,
        ..family(&["titan"], "Titan", "Amazon", Shape::AsWritten)
    },
    Family {
        revised: true,
        known: &["english", "multilingual"],
        ..family(&["rerank"], "Cohere Rerank", "Cohere", Shape::AsWritten)
    },
    Family { revised: true, ..family(&["rerank"], "Amazon Rerank", "Amazon", Shape::AsWritten) },
    Family {
        ladder: &["scout", "maverick", "behemoth"],
        noise: &["instruct", "chat", "vision"],
        ..family(&["llama"], "Llama", "Meta", Shape::VersionFirst)
    },
    Family {
        ladder: MISTRAL_LADDER,
        noise: &["instruct"],
        ..family(&["mistral"], "Mistral", "Mistral AI", Shape::AsWritten)
    },
    Family { noise: &["instruct"], ..family(&["mixtral"], "Mixtral", "Mistral AI", Shape::AsWritten) },
    Family { noise: &["instruct"], ..family(&["ministral"], "Ministral", "Mistral AI", Shape::AsWritten) },
    Family { ladder: MISTRAL_LADDER, ..family(&["magistral"], "Magistral", "Mistral AI", Shape::AsWritten) },
    Family { ladder: MISTRAL_LADDER, ..family(&["devstral"], "Devstral", "Mistral AI", Shape::AsWritten) },
    Family { ladder: MISTRAL_LADDER, ..family(&["codestral"], "Codestral", "Mistral AI", Shape::AsWritten) },
    Family { ladder: MISTRAL_LADDER, ..family(&["voxtral"], "Voxtral", "Mistral AI", Shape::AsWritten) },
    Family { ladder: MISTRAL_LADDER, ..family(&["pixtral"], "Pixtral", "Mistral AI", Shape::AsWritten) },
    Family {
        known: &["r", "light", "plus", "a"],
        noise: &["text"],
        ..family(&["command"], "Cohere Command", "Cohere", Shape::AsWritten)
    },
    Family {
        known: &["english", "multilingual"],
        revised: true,
        ..family(&["embed"], "Cohere Embed", "Cohere", Shape::AsWritten)
    },
    Family {
        ladder: &["mini", "large"],
        known: &["instruct"],
        ..family(&["jamba"], "Jamba", "AI21 Labs", Shape::AsWritten)
    },
    Family { ladder: &["mid", "ultra"], ..family(&["jurassic"], "Jurassic", "AI21 Labs", Shape::AsWritten) },
    Family { ladder: &["mid", "ultra"], ..family(&["j"], "Jurassic", "AI21 Labs", Shape::AsWritten) },
    Family { known: &["safeguard"], ..family(&["gpt", "oss"], "gpt-oss", "OpenAI", Shape::Gpt) },
    Family {
        ladder: &["luna", "terra", "sol", "astra"],
        known: &["mini", "nano"],
        ..family(&["gpt"], "GPT", "OpenAI", Shape::Gpt)
    },
    Family { revised: true, ..family(&["deepseek"], "DeepSeek", "DeepSeek", Shape::AsWritten) },
    Family {
        known: &["coder", "next", "vl", "max"],
        noise: &["instruct"],
        ..family(&["qwen"], "Qwen", "Qwen", Shape::Qwen)
    },
    Family { known: &["thinking"], ..family(&["kimi"], "Kimi", "Moonshot AI", Shape::AsWritten) },
    family(&["minimax"], "MiniMax", "MiniMax", Shape::AsWritten),
    Family { known: &["flash", "air"], ..family(&["glm"], "GLM", "Z.AI", Shape::AsWritten) },
    Family { known: &["fast", "mini"], ..family(&["grok"], "Grok", "xAI", Shape::AsWritten) },
    Family { noise: &["it"], ..family(&["gemma"], "Gemma", "Google", Shape::AsWritten) },
    Family {
        ladder: &["nano", "super", "ultra"],
        revised: true,
        ..family(&["nemotron"], "Nemotron", "NVIDIA", Shape::AsWritten)
    },
    Family { known: &["vision"], ..family(&["palmyra"], "Palmyra", "Writer", Shape::AsWritten) },
    Family { known: &["xl"], ..family(&["sdxl"], "Stable Diffusion XL", "Stability AI", Shape::AsWritten) },
    Family {
        ladder: &["medium", "large"],
        known: &["xl"],
        ..family(&["stable", "diffusion"], "Stable Diffusion", "Stability AI", Shape::AsWritten)
    },
    Family { ladder: &["medium", "large"], ..family(&["sd"], "Stable Diffusion", "Stability AI", Shape::AsWritten) },
    Family {
        ladder: &["core", "ultra"],
        known: &["erase", "inpaint", "control", "remove", "search", "style"],
        ..family(&["stable", "image"], "Stable Image", "Stability AI", Shape::AsWritten)
    },
    Family {
        known: &["conservative", "creative", "fast", "outpaint", "style", "upscale"],
        ..family(&["stable"], "Stable", "Stability AI", Shape::AsWritten)
    },
    Family { revised: true, ..family(&["luma", "ray"], "Luma Ray", "Luma AI", Shape::AsWritten) },
    Family { revised: true, ..family(&["ray"], "Luma Ray", "Luma AI", Shape::AsWritten) },
    Family { noise: &["embed"], ..family(&["marengo"], "Marengo Embed", "TwelveLabs", Shape::AsWritten) },
    family(&["pegasus"], "Pegasus", "TwelveLabs", Shape::AsWritten),
];
