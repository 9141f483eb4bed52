//! One test binary, since linking the SQL engine is what takes the time.

#[path = "../../fixtures/generator/world/mod.rs"]
mod world;

mod habits;
mod harness;
mod history;

#[path = "support/model_ids.rs"]
mod model_ids;

#[path = "support/says.rs"]
mod says;

#[path = "support/workbook.rs"]
mod workbook;

mod audit;
mod audit_carriers;
#[cfg(unix)]
mod audit_fixes;
mod audit_owners;
mod backtest;
mod bad_input;
mod bench;
mod bills;
mod ce;
mod channels;
mod channels_config;
mod channels_forms;
mod channels_mail;
mod cloudwatch_api;
mod commands;
mod deployment;
mod digest;
mod doctor;
mod fast;
mod figures;
mod forecast;
mod html;
mod html_pages;
mod html_teams;
mod incidents;
mod init;
mod judgement;
mod layouts;
mod lines;
mod live;
mod models;
mod parts;
mod policy;
mod proxy;
mod published_usage_types;
mod queries;
mod random_worlds;
mod s3;
mod s3_metrics;
mod s3_store;
mod store;
mod tidy;
mod truth;
mod units;
mod unseen_usage_types;
mod usage_type_properties;
mod xlsx;
mod xlsx_sheets;
