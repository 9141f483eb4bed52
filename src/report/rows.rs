//! Rows to CSV and JSON: written value by value into one text, since an answer may have a hundred thousand rows.

use std::collections::BTreeMap;
use std::ops::Range;
use std::thread;

use super::safe;
use crate::metrics::{Rows, Value};

/// Rows that are worth a thread.
const LEAST: usize = 20_000;

/// Rows as CSV, all columns as they are.
pub fn csv(rows: &dyn Rows) -> String {
    let mut out = String::new();
    let is_alone = rows.names().len() == 1;
    for (at, name) in rows.names().iter().enumerate() {
        separate(at, &mut out);
        quoted(name, is_alone, &mut out);
    }
    out.push('\n');
    in_parts(rows.height(), &mut out, |part, out| {
        let mut value = String::new();
        part.for_each(|row| csv_line(rows, row, &mut value, out));
    });
    out
}

fn csv_line(rows: &dyn Rows, row: usize, value: &mut String, out: &mut String) {
    let is_alone = rows.names().len() == 1;
    for column in 0..rows.names().len() {
        separate(column, out);
        match rows.value(row, column) {
            Value::Text(text) => {
                value.clear();
                safe::push_csv(text, value);
                quoted(value, is_alone, out);
            }
            Value::Null if is_alone => quoted("", is_alone, out),
            other => other.write(out),
        }
    }
    out.push('\n');
}

/// Writes rows by parts, each on a core of its own where there are many rows, and joins the parts.
fn in_parts(height: usize, out: &mut String, write: impl Fn(Range<usize>, &mut String) + Sync) {
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
    let workers = cores.min(height / LEAST).max(1);
    let part = |worker: usize| worker * height / workers..(worker + 1) * height / workers;
    thread::scope(|scope| {
        let write = &write;
        let others: Vec<_> = (1..workers)
            .map(|worker| {
                scope.spawn(move || {
                    let mut text = String::new();
                    write(part(worker), &mut text);
                    text
                })
            })
            .collect();
        write(part(0), out);
        for other in others {
            match other.join() {
                Ok(text) => out.push_str(&text),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
}

fn separate(column: usize, out: &mut String) {
    if column > 0 {
        out.push(',');
    }
}

/// A field, in quotes where it has to be. An empty line would be no record, so an empty field that is
/// alone is quoted.
fn quoted(field: &str, is_alone: bool, out: &mut String) {
    let is_plain = !field.bytes().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r'));
    if is_plain && !(is_alone && field.is_empty()) {
        out.push_str(field);
        return;
    }
    out.push('"');
    for part in field.split_inclusive('"') {
        out.push_str(part);
        if part.ends_with('"') {
            out.push('"');
        }
    }
    out.push('"');
}

/// Rows as a JSON array of objects, keys in their order; decimals, days and times as strings.
pub fn json(rows: &dyn Rows) -> String {
    let columns: BTreeMap<&str, usize> =
        rows.names().iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
    let keys: Vec<(String, usize)> = columns
        .into_iter()
        .enumerate()
        .map(|(at, (name, column))| {
            let mut key = if at == 0 { "\n    " } else { ",\n    " }.to_string();
            string(name, &mut key);
            key.push_str(": ");
            (key, column)
        })
        .collect();
    let mut out = "[".to_string();
    in_parts(rows.height(), &mut out, |part, out| {
        for row in part {
            out.push_str(if row == 0 { "\n  {" } else { ",\n  {" });
            for (key, column) in &keys {
                out.push_str(key);
                value(rows.value(row, *column), out);
            }
            out.push_str(if keys.is_empty() { "}" } else { "\n  }" });
        }
    });
    out.push_str(if rows.height() == 0 { "]\n" } else { "\n]\n" });
    out
}

fn value(value: Value<'_>, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Flag(_) => value.write(out),
        Value::Float(number) => out.push_str(&serde_json::json!(number).to_string()),
        Value::Count(count) if i64::try_from(count).is_ok() => value.write(out),
        Value::Text(text) => string(text, out),
        Value::Count(_) | Value::Decimal(..) | Value::Day(_) | Value::Time(_) => {
            out.push('"');
            value.write(out);
            out.push('"');
        }
    }
}

fn string(text: &str, out: &mut String) {
    if text.bytes().any(|byte| byte < b' ' || matches!(byte, b'"' | b'\\')) {
        out.push_str(&serde_json::json!(text).to_string());
    } else {
        out.push('"');
        out.push_str(text);
        out.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Cell, Grid};

    fn odd() -> Grid {
        let texts = ["", "a,b", "say \"so\"", "\"", "two\nlines", "=1+1", "tab\tüß\u{7f}\u{1}\\", "plain"];
        let mut rows: Vec<Vec<Cell>> = texts
            .iter()
            .map(|text| vec![Cell::Text((*text).into()), Cell::Count(i128::MAX), Cell::Float(1e-9), Cell::Flag(true)])
            .collect();
        rows.push(vec![Cell::Null, Cell::Decimal(-5, 10), Cell::Float(f64::NAN), Cell::Day(20_000)]);
        rows.push(vec![Cell::Time(1), Cell::Count(-7), Cell::Float(2.0), Cell::Decimal(10, 1)]);
        Grid { columns: ["b", "a,", "d", "c\""].map(String::from).to_vec(), rows }
    }

    fn only_first(mut grid: Grid) -> Grid {
        grid.columns.truncate(1);
        grid.rows.iter_mut().for_each(|row| row.truncate(1));
        grid
    }

    #[test]
    fn csv_is_what_the_library_writes() {
        for grid in [odd(), only_first(odd()), Grid::default()] {
            let mut writer = ::csv::Writer::from_writer(Vec::new());
            writer.write_record(&grid.columns).expect("written");
            for row in &grid.rows {
                let fields = row.iter().map(|cell| match cell {
                    Cell::Text(text) => safe::csv(text),
                    other => other.text(),
                });
                writer.write_record(fields.collect::<Vec<_>>()).expect("written");
            }
            let expected = String::from_utf8(writer.into_inner().expect("written")).expect("text");
            if !grid.columns.is_empty() {
                assert_eq!(csv(&grid), expected);
            }
        }
    }

    #[test]
    fn json_is_what_the_library_writes() {
        for grid in [odd(), only_first(odd()), Grid { rows: Vec::new(), ..odd() }, Grid::default()] {
            let object = |row: &Vec<Cell>| {
                let cells = grid.columns.iter().cloned().zip(row.iter().map(crate::report::render::json_cell));
                serde_json::Value::Object(cells.collect())
            };
            let value = serde_json::Value::Array(grid.rows.iter().map(object).collect());
            assert_eq!(json(&grid), serde_json::to_string_pretty(&value).expect("JSON") + "\n");
        }
    }
}
