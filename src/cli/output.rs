//! Where output goes: data to standard output or a file, everything else to standard error.

use std::io::{IsTerminal, Write};
use std::path::Path;

use super::{Common, Format};
use crate::error::{Error, Result};
use crate::place::write_atomically;
use crate::report::safe;

/// The format of a command's data: as asked, else by the file's extension, else a table.
pub fn format(common: &Common) -> Result<Format> {
    let Some(path) = &common.output else { return Ok(common.format.unwrap_or(Format::Table)) };
    let by_extension = path.extension().and_then(|extension| extension.to_str()).and_then(named);
    if common.format.is_none() && by_extension.is_none() {
        let name = path.display().to_string();
        let hint = if named(&name).is_some() {
            format!("`-o` names a file; did you mean `--format {name}`?")
        } else {
            "end the file's name in .md, .json, .csv or .txt, or add --format".into()
        };
        return Err(Error::config(format!("-o {name}"), "the file's name does not say which format to write", hint));
    }
    Ok(common.format.or(by_extension).unwrap_or(Format::Table))
}

fn named(text: &str) -> Option<Format> {
    match text.to_ascii_lowercase().as_str() {
        "md" | "markdown" => Some(Format::Md),
        "json" => Some(Format::Json),
        "csv" => Some(Format::Csv),
        "txt" | "table" => Some(Format::Table),
        _ => None,
    }
}

/// Writes a command's data.
pub fn write(common: &Common, text: &str) -> Result<()> {
    match &common.output {
        Some(path) => write_atomically(path, text.as_bytes()),
        None if colour(common) && format(common)? == Format::Table => to_stdout(&painted(text)),
        None => to_stdout(text),
    }
}

/// Colours the severities that lead a line of a table.
fn painted(text: &str) -> String {
    const SEVERITIES: [(&str, &str); 7] = [
        ("PAGE", "1;31"),
        ("page", "1;31"),
        ("WARN", "33"),
        ("warn", "33"),
        ("LOW", "33"),
        ("failure", "1;31"),
        ("warning", "33"),
    ];
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let word = line.trim_start();
        let lead = &line[..line.len() - word.len()];
        let led_by = |severity: &str| word.strip_prefix(severity).filter(|rest| rest.starts_with([' ', ':', '\n']));
        match SEVERITIES.iter().find_map(|(severity, code)| Some((severity, code, led_by(severity)?))) {
            Some((severity, code, rest)) => {
                out.push_str(&format!("{lead}\u{1b}[{code}m{severity}\u{1b}[0m{rest}"));
            }
            None => out.push_str(line),
        }
    }
    out
}

fn to_stdout(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // A reader that has seen enough, such as `head`, is no failure.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(Error::io(Path::new("standard output"), "write")),
    }
}

/// Columns of the terminal, where a command's data goes to one.
pub fn width(common: &Common) -> Option<u16> {
    let is_terminal = common.output.is_none() && std::io::stdout().is_terminal();
    is_terminal.then(terminal_size::terminal_size).flatten().map(|(width, _)| width.0.max(60))
}

/// Whether a command's data may hold colour.
fn colour(common: &Common) -> bool {
    let forbidden = common.no_color || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !forbidden && common.output.is_none() && std::io::stdout().is_terminal()
}

/// Says something on standard error; tags and paths in it cannot break the terminal.
pub fn say(text: &str) {
    let text: Vec<String> = text.lines().map(safe::plain).collect();
    let text = text.join("\n");
    // Nobody is left to hear that standard error is closed.
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}
