//! What people and programs see of the checks.

use super::{Check, State, count};
use crate::clock;
use crate::metrics::{Cell, Grid};
use crate::report::document::{Look, Table, column, text};
use crate::report::{Document, words};

/// The checks for people.
pub fn document(checks: &[Check], as_of: i64) -> Document {
    let counts = [State::Failure, State::Warning, State::Ok].map(|state| count(checks, state));
    let title = format!(
        "Doctor, as of {}: {}, {}, {} ok",
        clock::instant_text(as_of),
        words::counted(counts[0], "failure"),
        words::counted(counts[1], "warning"),
        counts[2]
    );
    let columns = vec![
        column("state", "", Look::Plain),
        column("check", "Check", Look::Plain),
        column("on", "On", Look::Plain),
        column("finding", "Finding", Look::Plain),
    ];
    let mut table = Table::new("checks", "Checks", "", columns);
    for check in checks {
        let finding =
            if check.fix.is_empty() { check.detail.clone() } else { format!("{}. Fix: {}", check.detail, check.fix) };
        table.rows.push([check.state.word(), &check.what, &check.on, &finding].map(text).to_vec());
    }
    let mut document = Document { name: "doctor", title, blocks: Vec::new() };
    document.table(table);
    document
}

/// The checks for programs.
pub fn grid(checks: &[Check]) -> Grid {
    let columns = ["state", "check", "on", "detail", "fix"].map(String::from).to_vec();
    let rows = checks.iter().map(|check| {
        let texts = [check.state.word(), &check.what, &check.on, &check.detail, &check.fix];
        texts.map(|text| if text.is_empty() { Cell::Null } else { Cell::Text(text.into()) }).to_vec()
    });
    Grid { columns, rows: rows.collect() }
}
