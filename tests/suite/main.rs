//! One test binary, since linking the SQL engine is what takes the time.

#[path = "../../fixtures/generator/world/mod.rs"]
mod world;

mod harness;

#[path = "support/model_ids.rs"]
mod model_ids;

#[path = "support/says.rs"]
mod says;

mod bad_input;
mod bills;
mod ce;
mod commands;
mod judgement;
mod layouts;
mod models;
mod published_usage_types;
mod queries;
mod random_worlds;
mod store;
mod tidy;
mod truth;
mod units;
mod unseen_usage_types;
mod usage_type_properties;
