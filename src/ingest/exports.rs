//! Exports: the files of each period, found and, where they are needed, opened.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::{AGAIN, Summary, Unread, refuse};
use crate::aws::Aws;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::place::Place;
use crate::sources::bill::file::BillFile;
use crate::sources::bill::known::Known;
use crate::sources::bill::layout::{self, BillPeriod};
use crate::sources::bill::{fingerprint, scan};

/// One export's files of one period.
pub(super) struct Export {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) period: BillPeriod,
    /// Opened when they are needed: an unchanged object in S3 is not.
    files: OnceCell<Vec<BillFile>>,
}

impl Export {
    pub(super) fn files(&self) -> Result<&[BillFile]> {
        match self.files.get() {
            Some(files) => Ok(files),
            None => {
                let files = scan::open(&self.place, &self.period)?;
                Ok(self.files.get_or_init(|| files))
            }
        }
    }

    pub(super) fn fingerprint(&self) -> Result<String> {
        let (hash, files) = fingerprint::of(&self.place, &self.period)?;
        if let Some(files) = files {
            self.files.get_or_init(|| files);
        }
        Ok(hash)
    }
}

/// Finds the exports of every period. An export that fails altogether fails alone.
pub(super) fn find_exports(
    config: &Config,
    aws: &Arc<Aws>,
    known: &mut Known,
    summary: &mut Summary,
    unread: &mut Unread,
) -> BTreeMap<String, Vec<Export>> {
    let mut exports: BTreeMap<String, Vec<Export>> = BTreeMap::new();
    for bill in &config.bill {
        let place = config.place_of(bill, aws);
        let mut found = layout::detect(&place, known);
        for tried in 0..AGAIN.0 {
            // A manifest that is written just now is there in a moment.
            let Err(Error::Changed { .. }) = found else { break };
            std::thread::sleep(AGAIN.1 * 2_u32.pow(tried));
            found = layout::detect(&place, known);
        }
        let layout = match found {
            Ok(layout) => layout,
            Err(error) => {
                let text = error.to_string();
                let which = if text.contains(&bill.path) { "bill" } else { &format!("bill `{}`", bill.path) };
                summary.failures.push(format!("{which}: {text}\n  hint: {}", error.hint()));
                unread.bills.insert(bill.path.clone());
                continue;
            }
        };
        summary.warnings.extend(layout.warnings);
        for (period, error) in &layout.refused {
            refuse(summary, period, error);
        }
        for period in layout.periods {
            let export = Export { name: bill.path.clone(), place: place.clone(), period, files: OnceCell::new() };
            exports.entry(export.period.period.clone()).or_default().push(export);
        }
    }
    exports
}
