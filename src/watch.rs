//! What long work tells while it goes on: how far it is, and what happened. The work does not know who
//! listens: a person at a terminal, a scheduler's log, or nobody.

/// How a message is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// It went as it should.
    Info,
    /// The reader should know it.
    Warning,
    /// Something could not be done.
    Error,
}

impl Level {
    /// The word of a log line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A message, and the parts of it that a program may want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// How it is meant.
    pub level: Level,
    /// For people.
    pub text: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// For programs, in order.
    pub fields: Vec<(&'static str, String)>,
}

impl Message {
    /// A message without parts.
    pub fn new(level: Level, text: impl Into<String>) -> Self {
        Self { level, text: text.into(), hint: None, fields: Vec::new() }
    }

    /// Adds a part.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }
}

/// Told how long work goes on.
pub trait Watch: Sync {
    /// Work of so many files and bytes begins.
    fn begins(&self, _what: &str, _files: u64, _bytes: u64) {}

    /// So many bytes and rows more are done.
    fn does(&self, _bytes: u64, _rows: u64) {}

    /// A file more is done.
    fn ends_file(&self) {}

    /// The work is done, well or not.
    fn ends(&self) {}

    /// Something is to be told.
    fn tells(&self, _message: &Message) {}
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Watch for Silent {}
