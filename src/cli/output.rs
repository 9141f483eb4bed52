//! Where output goes: data to standard output or a file, everything else to standard error.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use super::console::Console;
use super::{Common, Format};
use crate::error::{Error, Result};
use crate::place::write_atomically;
use crate::watch::{Level, Message, Watch};

/// The format of a command's data: as asked, else by the file's extension, else a table.
pub fn format(common: &Common) -> Result<Format> {
    let Some(path) = &common.output else { return Ok(common.format.unwrap_or(Format::Table)) };
    let by_extension = path.extension().and_then(|extension| extension.to_str()).and_then(named);
    if common.format.is_none() && by_extension.is_none() && !is_stream(path) {
        let name = path.display().to_string();
        let hint = if named(&name).is_some() {
            format!("`-o` names a file; did you mean `--format {name}`?")
        } else {
            "end the file's name in .md, .json, .csv, .txt, .html or .xlsx, or add --format".into()
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
        "html" | "htm" => Some(Format::Html),
        "xlsx" => Some(Format::Xlsx),
        _ => None,
    }
}

/// Writes a command's data.
pub fn write(common: &Common, text: &str) -> Result<()> {
    match &common.output {
        Some(path) => to_file(path, text.as_bytes()),
        None if colour(common) && format(common)? == Format::Table => to_stdout(painted(text).as_bytes()),
        None => to_stdout(text.as_bytes()),
    }
}

/// Writes data that is no text.
pub fn write_bytes(common: &Common, bytes: &[u8]) -> Result<()> {
    common.output.as_ref().map_or_else(|| to_stdout(bytes), |path| to_file(path, bytes))
}

/// Whether data would go to a terminal, where it has to be text.
pub fn is_to_terminal(common: &Common) -> bool {
    common.output.as_deref().is_none_or(is_stdout) && std::io::stdout().is_terminal()
}

/// Writes a script: to a file, or to standard output where the file is `-`.
pub fn write_script(path: &Path, text: &str) -> Result<()> {
    if path == Path::new("-") { to_stdout(text.as_bytes()) } else { to_file(path, text.as_bytes()) }
}

/// What channels that are standard output were told, after the data; beside data for programs it is a message.
pub fn say(common: &Common, console: &Console, text: &str) -> Result<()> {
    let is_for_people = matches!(format(common)?, Format::Table | Format::Md) || common.output.is_some();
    match text.is_empty() {
        true => Ok(()),
        false if is_for_people => to_stdout(text.as_bytes()),
        false => {
            console.tells(&Message::new(Level::Info, text.trim_end()));
            Ok(())
        }
    }
}

/// Writes to a file of any kind. A regular file is replaced whole, where a symlink leads to it; a
/// device or a pipe takes the bytes as they come.
fn to_file(path: &Path, bytes: &[u8]) -> Result<()> {
    if is_stdout(path) {
        return to_stdout(bytes);
    }
    if is_stream(path) {
        let mut stream = File::options().append(true).open(path).map_err(Error::io(path, "open"))?;
        return ended_well(stream.write_all(bytes), path);
    }
    let target = std::path::absolute(resolved(path)).map_err(Error::io(path, "find"))?;
    write_atomically(&target, bytes)
}

/// Whether a path is a name of standard output.
fn is_stdout(path: &Path) -> bool {
    ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].iter().any(|name| path == Path::new(name))
}

/// Whether something is there already that is neither a file nor a folder.
fn is_stream(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// What a chain of symlinks leads to, whether it exists yet or not.
fn resolved(path: &Path) -> PathBuf {
    let mut target = path.to_path_buf();
    // As many links as Linux follows; a circle is left for the system to refuse.
    for _ in 0..40 {
        let Ok(next) = std::fs::read_link(&target) else { break };
        target = target.parent().unwrap_or(Path::new("")).join(next);
    }
    target
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

fn to_stdout(bytes: &[u8]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    ended_well(out.write_all(bytes).and_then(|()| out.flush()), Path::new("standard output"))
}

/// A reader that has seen enough, such as `head`, is no failure.
fn ended_well(result: std::io::Result<()>, path: &Path) -> Result<()> {
    match result {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(Error::io(path, "write")),
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
