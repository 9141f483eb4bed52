//! Metrics: facts in, small tables out. Every figure is one SQL file that an analyst can read and change.

pub mod answer;
pub mod days;
pub mod digits;
pub mod engine;
pub mod frames;
pub mod grid;
pub mod order;
pub mod queries;
pub mod reads;
pub mod stages;
pub mod stored;

pub use answer::Answer;
pub use engine::{Engine, Range};
pub use grid::{Cell, Grid, Rows, Value};
