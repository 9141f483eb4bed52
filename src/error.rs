//! What can go wrong, said so that the reader can act: what, where, and what to do.

use std::path::{Path, PathBuf};

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure that ends the command, or, where a caller decides so, ends one source or one period.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The user's configuration or arguments do not make sense.
    #[error("{place}: {what}")]
    Config {
        /// The file, flag or key at fault.
        place: String,
        /// What is wrong with it.
        what: String,
        /// What to do about it.
        hint: String,
    },
    /// A bill, metric file or query that cannot be used as it is.
    #[error("{place}: {what}")]
    Input {
        /// The file, with row or field where known.
        place: String,
        /// What is wrong with it.
        what: String,
        /// What to do about it.
        hint: String,
    },
    /// The operating system refused something.
    #[error("{path}: cannot {doing}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The verb that failed, for example `read`.
        doing: &'static str,
        /// The system's own words.
        source: std::io::Error,
    },
    /// An object was replaced while it was read; what was read of it is not used.
    #[error("{place}: the object was replaced while it was read")]
    Changed {
        /// Its address.
        place: String,
    },
    /// A sum that must be equal is not: a defect of billtag, never of the bill.
    #[error("{0}")]
    Conservation(Box<Breach>),
}

/// Where the law of conservation is broken.
#[derive(Debug, thiserror::Error)]
#[error(
    "conservation broken in {period}: {column} of {from} is {expected}, of {to} it is {found} (difference {difference})"
)]
pub struct Breach {
    /// Billing period, account and currency.
    pub period: String,
    /// Money column.
    pub column: &'static str,
    /// The table or step before.
    pub from: &'static str,
    /// The table or step after.
    pub to: &'static str,
    /// Sum before, in the billing currency.
    pub expected: String,
    /// Sum after.
    pub found: String,
    /// Found less expected.
    pub difference: String,
}

impl Error {
    /// Configuration or usage error.
    pub fn config(place: impl Into<String>, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Config { place: place.into(), what: what.into(), hint: hint.into() }
    }

    /// Input error about a place in the data.
    pub fn input(place: impl Into<String>, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Input { place: place.into(), what: what.into(), hint: hint.into() }
    }

    /// Wraps an I/O error with the path and the verb.
    pub fn io(path: &Path, doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { path, doing, source }
    }

    /// What the user can do, one sentence.
    pub fn hint(&self) -> String {
        match self {
            Self::Config { hint, .. } | Self::Input { hint, .. } => hint.clone(),
            Self::Io { source, .. } => match source.kind() {
                std::io::ErrorKind::NotFound => {
                    "check the path in the config; relative paths start at the config file's folder".into()
                }
                std::io::ErrorKind::PermissionDenied => "give the user that runs billtag the right to this path".into(),
                std::io::ErrorKind::StorageFull => {
                    "free some disk space and run again; what was stored before is untouched".into()
                }
                _ => "run again; what was stored before is untouched".into(),
            },
            Self::Changed { .. } => "the export is being delivered; run again when it is done".into(),
            Self::Conservation { .. } => {
                "nothing was stored; please report this with the period's name and the three figures".into()
            }
        }
    }

    /// The process exit code: 2 for wrong usage or configuration, 1 for the rest.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config { .. } => 2,
            Self::Input { .. } | Self::Changed { .. } | Self::Io { .. } | Self::Conservation(_) => 1,
        }
    }
}
