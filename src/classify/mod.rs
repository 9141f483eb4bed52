//! Says what a bill line is for: which meter, in which unit, of which model.
//!
//! ```text
//! usage_type  text of the bill line ──> Meter   (prefix, words, modifiers, one grammar per family of strings)
//! units       Meter + unit + description ──> base unit and power of ten
//! model       id, ARN, display name ──> canonical model (catalogue of families and aliases)
//! ```

mod arn;
mod grammar_agentcore;
mod grammar_capacity;
mod grammar_features;
mod grammar_media;
mod grammar_tokens;
mod meter;
mod model;
mod model_catalogue;
mod model_likeness;
mod model_name;
mod model_spellings;
mod modifiers;
mod prefix;
mod units;
mod usage_type;
mod vocabulary;
mod words;

pub use arn::{BedrockArn, bedrock_arn, single_model_carrier};
pub use meter::{Measure, Meter};
pub use model::{Model, names_ai_publisher, recognise_model, routing_of_model_id, tier_word};
pub use model_likeness::{Likeness, likeness};
pub use units::{Unit, base_unit, plausible_token_rate};
pub use usage_type::parse_usage_type;

/// The usage kinds of a model's tokens: those that only models have, and that metrics see.
pub const TOKEN_KINDS: [&str; 4] = ["input", "output", "cache_read", "cache_write"];
