//! Looking: what exports and sources of metrics hold.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::find::{self, Found};
use super::{Seen, SeenBill, SeenMetrics};
use crate::attribute::carriers;
use crate::attribute::owner::{Vocabulary, squeezed};
use crate::attribute::principal;
use crate::aws::{Access, Aws};
use crate::config::{Config, Limits, OWNER_NAMES};
use crate::error::{Error, Result};
use crate::normalise::gathered::Gathered;
use crate::normalise::lines::Collector;
use crate::normalise::trust::Sums;
use crate::normalise::{Charges, UNBLENDED};
use crate::place::{Entry, Place, s3_address};
use crate::schema::ChargeText;
use crate::sources::bill::columns::TextColumn;
use crate::sources::bill::known::Known;
use crate::sources::bill::layout::{self, BillPeriod};
use crate::sources::bill::scan;
use crate::sources::cloudwatch::survey::Survey;
use crate::watch::Silent;

/// Files of a folder that are tried before it counts as none of metrics.
const TRIED: usize = 5;
/// Files of a source that are looked at, the newest.
const SURVEYED: usize = 200;
/// Larger files are not looked at for their metrics.
const BYTES_MAX: u64 = 64 << 20;
/// Charges that are looked at together, where a day has so many.
const STRETCH: usize = 50_000;
/// Periods of an export that are read for tags and accounts, the newest first, until one has lines.
const PERIODS: usize = 2;

/// What to look at.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// Folders and `s3://` addresses; the present folder where there are none.
    pub paths: &'a [String],
    /// The folder that the config's relative paths start at, where it is not the present one.
    pub folder: Option<&'a Path>,
    /// The profile of the command line.
    pub profile: Option<&'a str>,
}

/// Looks at everything that is wanted.
///
/// # Errors
/// Where a folder that was named is not there.
pub fn look(wanted: &Wanted<'_>, aws: &Arc<Aws>) -> Result<Seen> {
    let mut seen = Seen { profile: wanted.profile.map(String::from), ..Seen::default() };
    let here = [String::from(".")];
    let paths = if wanted.paths.is_empty() { &here[..] } else { wanted.paths };
    if paths.iter().any(|path| s3_address(path).is_some()) {
        identify(aws, &mut seen);
    }
    for path in paths {
        let is_local = s3_address(path).is_none();
        if is_local && !Path::new(path).is_dir() {
            let hint = "name folders, or `s3://bucket/prefix`";
            return Err(Error::config(path.as_str(), "there is no such folder", hint));
        }
        let root = Root { path: path.trim_end_matches('/'), wanted, aws };
        match find::below(&root.place("")) {
            Ok(found) => {
                let before = (seen.bills.len(), seen.metrics.len());
                root.look(found, &mut seen);
                if !wanted.paths.is_empty() && before == (seen.bills.len(), seen.metrics.len()) {
                    seen.notes.push(format!("{path}: neither an export nor metrics were found there"));
                }
            }
            Err(error) => {
                seen.notes.push(note(&error));
                // It was named, so it is meant.
                seen.bills.push(SeenBill { path: root.written(""), ..SeenBill::default() });
            }
        }
    }
    Ok(seen)
}

fn note(error: &Error) -> String {
    format!("{error}\n  hint: {}", error.hint())
}

fn identify(aws: &Arc<Aws>, seen: &mut Seen) {
    match aws.identity(&Access::default()) {
        Ok((account, arn)) => {
            seen.identity = Some(format!("account {account}, {}", principal::without_session(&arn)));
        }
        Err(failure) => seen.notes.push(note(&Error::from(failure))),
    }
}

/// Where a search begins.
struct Root<'a> {
    path: &'a str,
    wanted: &'a Wanted<'a>,
    aws: &'a Arc<Aws>,
}

impl Root<'_> {
    /// A folder below it, as it was named.
    fn join(&self, folder: &str) -> String {
        match (self.path, folder) {
            (root, "") => root.to_string(),
            (".", folder) => folder.to_string(),
            (root, folder) => format!("{root}/{folder}"),
        }
    }

    fn place(&self, folder: &str) -> Place {
        Place::of(&self.join(folder), Path::new(""), self.aws, &Access::default())
    }

    /// A folder below it, as the config writes it: from the config's own folder.
    fn written(&self, folder: &str) -> String {
        let path = self.join(folder);
        if s3_address(&path).is_some() || self.wanted.folder.is_none() {
            return path;
        }
        let absolute = std::path::absolute(&path).unwrap_or_else(|_| PathBuf::from(&path));
        absolute.display().to_string()
    }

    fn look(&self, found: Found, seen: &mut Seen) {
        if found.is_cut {
            seen.notes.push(format!("{}: there are too many files to look at all; name the folders", self.path));
        }
        let mut exports = Vec::new();
        for (folder, is_layout) in found.exports {
            match self.export(&folder) {
                Ok(Some(periods)) => exports.push((folder, periods)),
                Ok(None) => {}
                Err(error) if is_layout => seen.notes.push(note(&error)),
                // Parquet files of something else.
                Err(_) => {}
            }
        }
        let above = |folder: &str| exports.iter().any(|(below, _)| find::is_below(below, folder));
        for (folder, periods) in exports.iter().filter(|(folder, _)| !above(folder)) {
            let mut bill = SeenBill { path: self.written(folder), ..SeenBill::default() };
            bill.periods = periods.iter().map(|period| period.period.clone()).collect();
            if let Err(error) = self.read(folder, periods, &mut bill, seen) {
                seen.notes.push(note(&error));
            }
            seen.bills.push(bill);
        }
        for (folder, files) in &found.metrics {
            let survey = self.survey(folder, files);
            if !survey.is_empty() {
                seen.metrics.push(metrics(self.written(folder), &survey));
            }
        }
    }

    /// The periods of an export; none where the files are no bill's.
    fn export(&self, folder: &str) -> Result<Option<Vec<BillPeriod>>> {
        let place = self.place(folder);
        let layout = layout::detect(&place, &mut Known::default())?;
        let Some(newest) = layout.periods.last() else { return Ok(None) };
        for file in scan::open(&place, newest)? {
            file.check()?;
        }
        Ok(Some(layout.periods))
    }

    /// Reads tags and accounts of the newest period that has Bedrock lines.
    fn read(&self, folder: &str, periods: &[BillPeriod], bill: &mut SeenBill, seen: &mut Seen) -> Result<()> {
        let place = self.place(folder);
        for period in periods.iter().rev().take(PERIODS) {
            let files = scan::open(&place, period)?;
            bill.has_principals |= files.iter().any(|file| file.positions.text(TextColumn::Principal).is_some());
            let mut gathered = Gathered::new(Limits::default().bytes() / 4);
            let none = BTreeSet::new();
            let mut collector = Collector::new(&period.period, period.mixed, &mut gathered, &none);
            scan::candidates(&files, &Silent, &mut |file, lines| collector.take(file, lines))?;
            if collector.finish().trust.lines_selected == 0 {
                continue;
            }
            gathered.end()?;
            seen.month = seen.month.clone().max(period.period.clone());
            for stretch in gathered.stretches((STRETCH, usize::MAX), &|_| true) {
                let charges = gathered.load(&stretch)?;
                add_charges(seen, &charges);
            }
            return Ok(());
        }
        Ok(())
    }

    fn survey(&self, folder: &str, files: &[Entry]) -> Survey {
        let place = self.place("");
        let mut survey = Survey::default();
        let newest = files.iter().rev().filter(|file| file.size <= BYTES_MAX).take(SURVEYED);
        for (number, file) in newest.enumerate() {
            if number >= TRIED && survey.is_empty() {
                break;
            }
            if let Ok(bytes) = place.read(file) {
                survey.add(&bytes);
            }
        }
        // Replies need their requests, which may be the oldest files of their folder.
        if survey.is_empty() && !folder.is_empty() {
            for file in files.iter().filter(|file| file.size <= BYTES_MAX).take(TRIED) {
                place.read(file).iter().for_each(|bytes| survey.add(bytes));
            }
        }
        survey
    }
}

/// Adds what charges say of tags and accounts.
fn add_charges(seen: &mut Seen, charges: &Charges) {
    let texts = &charges.texts;
    let mut keys = BTreeMap::new();
    for row in &charges.rows {
        let text = |column| texts.str(charges.text(row, column));
        let (currency, cost) = (text(ChargeText::BillingCurrency), row.amounts[UNBLENDED].unwrap_or(0));
        let tags = charges.text(row, ChargeText::Tags);
        let keys = keys.entry(tags).or_insert_with(|| bare_keys(texts.str(tags)));
        for (key, spellings) in keys.iter() {
            let tag = seen.tags.entry(key.clone()).or_default();
            tag.spellings.extend(spellings.iter().cloned());
            tag.cost.add(currency, cost);
        }
        let account = seen.accounts.entry(text(ChargeText::SubAccountId).to_string()).or_default();
        // Of several names any will do, as long as it is the same in every run.
        account.0 = account.0.clone().max(text(ChargeText::SubAccountName).to_string());
        account.1.add(currency, cost);
    }
}

/// The keys of some tags, without case and separators, each with its spellings: without their carriers
/// and the marks that billing adds.
fn bare_keys(tags: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for key in carriers::parse(tags).into_keys() {
        let bare = key.split_once('/').map_or(key.as_str(), |(_, bare)| bare);
        let bare = bare.strip_prefix("user_").or_else(|| bare.strip_prefix("user:")).unwrap_or(bare);
        keys.entry(squeezed(bare)).or_default().insert(bare.to_string());
    }
    keys
}

fn metrics(path: String, survey: &Survey) -> SeenMetrics {
    let vocabulary = Vocabulary::new(&Config::default());
    let mut seen = SeenMetrics { path, has_native: survey.has_native(), ..SeenMetrics::default() };
    let mut best: Option<(usize, usize)> = None;
    for (namespace, levels) in survey.custom() {
        for (dimensions, series) in levels {
            let owners = owners(dimensions, &vocabulary);
            let rank = (dimensions.len(), series);
            let words = || {
                let names: Vec<&str> = dimensions.iter().map(String::as_str).collect();
                format!("{namespace} by {}", if names.is_empty() { "nothing".into() } else { names.join(", ") })
            };
            match owners {
                Some(owners) if best.is_none_or(|best| rank > best) => {
                    best = Some(rank);
                    let old = seen.owners.replace((namespace.to_string(), owners));
                    let old = old.map(|(namespace, owners)| {
                        format!("{namespace} by {}", owners.into_values().collect::<Vec<_>>().join(", "))
                    });
                    seen.others.extend(old);
                }
                _ => seen.others.push(words()),
            }
        }
    }
    seen.others.sort();
    seen
}

/// Owner key to dimension, where every dimension means one and one of them the workload.
fn owners(dimensions: &BTreeSet<String>, vocabulary: &Vocabulary) -> Option<BTreeMap<String, String>> {
    let mut owners = BTreeMap::new();
    for name in dimensions {
        let is_model = ["modelid", "modelname"].contains(&squeezed(name).as_str());
        let key = if is_model { OWNER_NAMES[4] } else { OWNER_NAMES[vocabulary.key(name)?.0] };
        if owners.insert(key.to_string(), name.clone()).is_some() {
            return None;
        }
    }
    owners.contains_key(OWNER_NAMES[0]).then_some(owners)
}

/// Sums of all currencies, the largest first, for people.
pub(super) fn largest(sums: &Sums) -> i128 {
    sums.0.values().copied().max().unwrap_or(0)
}
