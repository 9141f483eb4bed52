//! Standard error: messages as lines for people or as JSON for programs, and a bar while a person waits.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Map, Value};

use super::{Common, LogFormat};
use crate::clock;
use crate::error::Error;
use crate::report::safe;
use crate::watch::{Level, Message, Watch};

/// Work that is shorter than this many bytes is done before a bar could be read.
const WORTH_A_BAR: u64 = 8 << 20;

/// Standard error of one command.
pub struct Console {
    format: LogFormat,
    quiet: bool,
    bars: bool,
    bar: Mutex<Option<ProgressBar>>,
    files: AtomicU64,
    rows: AtomicU64,
    all_files: AtomicU64,
}

impl Console {
    /// As the command line asks.
    pub fn new(common: &Common) -> Self {
        let format = common.log_format.unwrap_or(LogFormat::Text);
        let bars = format == LogFormat::Text && !common.quiet && std::io::stderr().is_terminal();
        let counters = [(); 3].map(|()| AtomicU64::new(0));
        let [files, rows, all_files] = counters;
        Self { format, quiet: common.quiet, bars, bar: Mutex::default(), files, rows, all_files }
    }

    /// Tells an error that ends the command.
    pub fn fails(&self, error: &Error) {
        let message = Message { hint: Some(error.hint()), ..Message::new(Level::Error, error.to_string()) };
        self.tells(&message.with("exit_code", error.exit_code().to_string()));
    }

    fn write(&self, text: &str) {
        let bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody is left to hear that standard error is closed.
        let write = || drop(writeln!(std::io::stderr().lock(), "{text}"));
        match &*bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    fn counts(&self) -> String {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        format!("{}/{} files, {} rows", read(&self.files), read(&self.all_files), read(&self.rows))
    }
}

impl Watch for Console {
    fn begins(&self, what: &str, files: u64, bytes: u64) {
        for counter in [&self.files, &self.rows] {
            counter.store(0, Ordering::Relaxed);
        }
        self.all_files.store(files, Ordering::Relaxed);
        if !self.bars || bytes < WORTH_A_BAR {
            return;
        }
        let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr());
        let style = "{prefix} [{bar:24}] {bytes}/{total_bytes}, {msg}, {eta} left";
        bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(safe::plain(what));
        *self.bar.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar);
    }

    fn does(&self, bytes: u64, rows: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
        if let Some(bar) = &*self.bar.lock().unwrap_or_else(PoisonError::into_inner) {
            bar.set_message(self.counts());
            bar.inc(bytes);
        }
    }

    fn ends_file(&self) {
        self.files.fetch_add(1, Ordering::Relaxed);
    }

    fn ends(&self) {
        if let Some(bar) = self.bar.lock().unwrap_or_else(PoisonError::into_inner).take() {
            bar.finish_and_clear();
        }
    }

    fn tells(&self, message: &Message) {
        if self.quiet && message.level != Level::Error {
            return;
        }
        self.write(&match self.format {
            LogFormat::Text => as_text(message),
            LogFormat::Json => as_json(message, clock::now()),
        });
    }
}

/// Lines for people; tags and paths in them cannot break the terminal.
fn as_text(message: &Message) -> String {
    let lead = match message.level {
        Level::Info => "",
        Level::Warning => "warning: ",
        Level::Error => "error: ",
    };
    let mut lines: Vec<String> = message.text.lines().map(safe::plain).collect();
    if let Some(first) = lines.first_mut() {
        first.insert_str(0, lead);
    }
    lines.extend(message.hint.iter().map(|hint| format!("hint: {}", safe::plain(hint))));
    lines.join("\n")
}

/// One object a line.
fn as_json(message: &Message, now: i64) -> String {
    let mut object = Map::new();
    let mut put = |name: &str, value: &str| drop(object.insert(name.to_string(), Value::from(value)));
    put("time", &clock::instant_text(now));
    put("level", message.level.as_str());
    put("message", &message.text);
    if let Some(hint) = &message.hint {
        put("hint", hint);
    }
    for (name, value) in &message.fields {
        put(name, value);
    }
    Value::Object(object).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_a_line_for_people_and_an_object_for_programs() {
        let message = Message { hint: Some("wait".into()), ..Message::new(Level::Warning, "late\u{1b}[1m") };
        let message = message.with("period", "2026-11");
        assert_eq!(as_text(&message), format!("warning: {}\nhint: wait", safe::plain("late\u{1b}[1m")));
        let object: Value = serde_json::from_str(&as_json(&message, 0)).unwrap();
        assert_eq!(object["time"], "1970-01-01T00:00:00Z");
        assert_eq!((&object["level"], &object["period"]), (&Value::from("warning"), &Value::from("2026-11")));
    }
}
