//! Report: small tables in, text for people out. Together with alert and audit the only place that
//! rounds or formats.

pub mod aligned;
pub mod budget;
pub mod coverage;
pub mod daily;
pub mod document;
pub mod forecast;
pub mod html;
pub mod render;
pub mod rows;
pub mod safe;
pub mod showback;
pub mod trust;
pub mod words;
pub mod xlsx;

pub use document::{Block, Column, Document, Look, Table};
