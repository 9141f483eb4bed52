//! billtag

pub mod error;

pub mod clock;

pub mod money;

pub mod text;

pub mod schema;

pub mod config;

pub mod sources;

pub mod classify;

pub mod normalise;

pub mod attribute;

pub mod facts;

pub mod ingest;

pub mod metrics;

pub mod report;

pub mod alert;

pub mod audit;

pub mod explain;

pub mod cli;
