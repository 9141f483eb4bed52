//! Documents to text: a terminal's table, Markdown, JSON, CSV.

use serde_json::{Map, Value, json};

use super::aligned::Texts;
use super::document::{Block, Document, Look, Table};
use super::{rows, safe, words};
use crate::cli::Format;
use crate::error::{Error, Result};
use crate::metrics::{Cell, Rows};

/// Documents in a format, as one valid text of it. Tables wrap to a width, where a terminal has one.
pub fn documents(documents: &[Document], format: Format, width: Option<u16>) -> Result<String> {
    let joined = |text: &dyn Fn(&Document) -> String| documents.iter().map(text).collect::<Vec<_>>().join("\n");
    match (format, documents) {
        (Format::Table, _) => Ok(joined(&|document| terminal(document, width))),
        (Format::Md, _) => Ok(joined(&markdown)),
        (Format::Json, [one]) => json(&document_json(one)),
        (Format::Json, _) => {
            let named = documents.iter().map(|document| (document.name.to_string(), document_json(document)));
            json(&Value::Object(named.collect()))
        }
        (Format::Csv, _) => long_csv(documents),
        (Format::Html | Format::Xlsx, _) => Err(only_the_report(format)),
    }
}

/// A query's answer in a format: all columns as they are.
pub fn answer(answer: &dyn Rows, format: Format, width: Option<u16>) -> Result<String> {
    Ok(match format {
        Format::Table => answer_table(answer, false).aligned(width),
        Format::Md => answer_table(answer, true).markdown(),
        Format::Json => rows::json(answer),
        Format::Csv => rows::csv(answer),
        Format::Html | Format::Xlsx => return Err(only_the_report(format)),
    })
}

/// What a page or a workbook is made of is more than a document.
pub fn only_the_report(format: Format) -> Error {
    let (name, what) = if format == Format::Xlsx { ("xlsx", "workbook") } else { ("html", "page") };
    let hint = format!("use `billtag report --format {name}`; for this command, --format table, md, json or csv");
    Error::config(format!("--format {name}"), format!("only the report is written as a {what}"), hint)
}

/// A value as text.
///
/// # Errors
/// None that is known.
pub fn json(value: &Value) -> Result<String> {
    let mut text = serde_json::to_string_pretty(value).map_err(|error| unwritable(&error))?;
    text.push('\n');
    Ok(text)
}

fn unwritable(error: &dyn std::fmt::Display) -> Error {
    Error::input("output", error.to_string(), "please report this")
}

fn object<'a>(columns: impl Iterator<Item = &'a str>, row: &[Cell]) -> Value {
    Value::Object(columns.zip(row).map(|(name, cell)| (name.to_string(), json_cell(cell))).collect::<Map<_, _>>())
}

/// A cell in JSON: decimals, days and times as strings.
pub fn json_cell(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Flag(flag) => json!(flag),
        Cell::Float(value) => json!(value),
        Cell::Count(count) => i64::try_from(*count).map_or_else(|_| json!(count.to_string()), |count| json!(count)),
        Cell::Text(_) | Cell::Decimal(..) | Cell::Day(_) | Cell::Time(_) => json!(cell.text()),
    }
}

fn csv_cell(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => safe::csv(text),
        other => other.text(),
    }
}

fn document_json(document: &Document) -> Value {
    let mut notes = Vec::new();
    let mut headings = Map::new();
    let mut root = Map::new();
    root.insert("title".into(), json!(document.title));
    for block in &document.blocks {
        match block {
            Block::Text(text) => notes.push(json!(text)),
            Block::Commands(commands) => {
                root.insert("commands".into(), json!(commands));
            }
            Block::Table(table) => {
                let names = || table.columns.iter().map(|column| column.name);
                let rows: Vec<Value> = table.rows.iter().map(|row| object(names(), row)).collect();
                root.insert(table.name.into(), Value::Array(rows));
                let named = table.columns.iter().map(|column| (column.name.to_string(), json!(column.heading)));
                headings.insert(table.name.into(), Value::Object(named.collect()));
            }
        }
    }
    root.insert("notes".into(), Value::Array(notes));
    root.insert("headings".into(), Value::Object(headings));
    Value::Object(root)
}

/// Everything that documents say as one table of one shape, a value in each row. Titles, sentences and
/// commands are sections of their own; what a table says about itself stands in rows without a number.
fn long_csv(documents: &[Document]) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["document", "section", "row", "column", "value"]).map_err(|error| unwritable(&error))?;
    for document in documents {
        for [section, row, column, value] in long_rows(document) {
            writer
                .write_record([document.name, &section, &row, &column, &value])
                .map_err(|error| unwritable(&error))?;
        }
    }
    finish_csv(writer)
}

/// Section, row, column and value of everything in a document, in its order.
fn long_rows(document: &Document) -> Vec<[String; 4]> {
    let text = |section: &str, row: String, column: &str, value: &str| {
        [section.to_string(), row, column.to_string(), safe::csv(value)]
    };
    let mut rows = vec![text("title", "1".into(), "text", &document.title)];
    let mut sentences = 0;
    for block in &document.blocks {
        match block {
            Block::Text(sentence) => {
                sentences += 1;
                rows.push(text("notes", sentences.to_string(), "text", sentence));
            }
            Block::Commands(commands) => {
                let numbered = (1..).zip(commands).map(|(at, command): (usize, _)| (at.to_string(), command));
                rows.extend(numbered.map(|(at, command)| text("commands", at, "command", command)));
            }
            Block::Table(table) => {
                rows.push(text(table.name, String::new(), "heading", &table.heading));
                if !table.note.is_empty() {
                    rows.push(text(table.name, String::new(), "note", &table.note));
                }
                for (number, row) in table.rows.iter().enumerate() {
                    let cells = table.columns.iter().zip(row).map(|(column, cell)| {
                        [table.name.to_string(), (number + 1).to_string(), column.name.to_string(), csv_cell(cell)]
                    });
                    rows.extend(cells);
                }
            }
        }
    }
    rows
}

fn finish_csv(writer: csv::Writer<Vec<u8>>) -> Result<String> {
    let bytes = writer.into_inner().map_err(|error| unwritable(&error))?;
    String::from_utf8(bytes).map_err(|error| unwritable(&error))
}

fn terminal(document: &Document, width: Option<u16>) -> String {
    let mut out = format!("{}\n", safe::plain(&document.title));
    for block in &document.blocks {
        out.push('\n');
        match block {
            Block::Text(text) => {
                for line in text.lines() {
                    out.push_str(&safe::plain(line));
                    out.push('\n');
                }
            }
            Block::Commands(commands) => {
                for command in commands {
                    out.push_str(&format!("{}\n", safe::plain(command)));
                }
            }
            Block::Table(table) => {
                out.push_str(&safe::plain(&table.heading));
                out.push('\n');
                if !table.note.is_empty() {
                    out.push_str(&format!("({})\n", safe::plain(&table.note)));
                }
                out.push_str(&people_table(table, false).aligned(width));
            }
        }
    }
    out
}

fn markdown(document: &Document) -> String {
    let mut out = format!("# {}\n", safe::markdown(&document.title));
    for block in &document.blocks {
        out.push('\n');
        match block {
            Block::Text(text) => {
                for line in text.lines() {
                    out.push_str(&format!("{}  \n", safe::markdown(line)));
                }
            }
            Block::Commands(commands) => out.push_str(&code_block(commands)),
            Block::Table(table) => {
                out.push_str(&format!("## {}\n\n", safe::markdown(&table.heading)));
                if !table.note.is_empty() {
                    out.push_str(&format!("{}\n\n", safe::markdown(&table.note)));
                }
                out.push_str(&people_table(table, true).markdown());
            }
        }
    }
    out
}

/// Lines in a fence that is longer than any run of backticks in them.
fn code_block(lines: &[String]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| safe::plain(line)).collect();
    let longest = lines.iter().flat_map(|line| line.split(|c| c != '`')).map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}sh\n{}\n{fence}\n", lines.join("\n"))
}

fn people_table(table: &Table, is_markdown: bool) -> Texts {
    let safe = |text: String| if is_markdown { safe::markdown(&text) } else { text };
    let headings = table.columns.iter().map(|column| safe(column.heading.clone()));
    let mut texts =
        Texts::new(headings.collect(), table.columns.iter().map(|column| column.look != Look::Plain).collect());
    for row in &table.rows {
        for (cell, column) in row.iter().zip(&table.columns) {
            texts.push(|out| out.push_str(&safe(words::cell(cell, column.look))));
        }
    }
    texts
}

fn answer_table(answer: &dyn Rows, is_markdown: bool) -> Texts {
    let push = |text: &str, out: &mut String| {
        if is_markdown { out.push_str(&safe::markdown(text)) } else { safe::push_plain(text, out) }
    };
    let heading = |name: &String| {
        let mut heading = String::new();
        push(name, &mut heading);
        heading
    };
    let columns = 0..answer.names().len();
    let is_right = |at: usize| (0..answer.height()).any(|row| answer.value(row, at).is_number());
    let headings = answer.names().iter().map(heading).collect();
    let mut texts = Texts::new(headings, columns.clone().map(is_right).collect());
    let mut text = String::new();
    for row in 0..answer.height() {
        for column in columns.clone() {
            text.clear();
            answer.value(row, column).write(&mut text);
            texts.push(|out| push(&text, out));
        }
    }
    texts
}
