//! Metrics: facts in, small tables out. Every figure is one SQL file that an analyst can read and change.

pub mod answer;
pub mod days;
pub mod digits;
pub mod engine;
pub mod frames;
pub mod grid;
mod groups;
pub mod lines;
pub mod order;
pub mod queries;
pub mod reads;
mod series;
pub mod stages;
pub mod stored;

pub use answer::Answer;
pub use engine::{Engine, Part, Range};
pub use grid::{Cell, Grid, Rows, Value};
pub use lines::{Keep, Lines, Wanted};
