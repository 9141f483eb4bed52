//! Metrics: facts in, small tables out. Every figure is one SQL file that an analyst can read and change.

pub mod days;
pub mod engine;
pub mod frames;
pub mod grid;
pub mod queries;
pub mod stages;

pub use engine::{Engine, Range};
pub use grid::{Cell, Grid};
