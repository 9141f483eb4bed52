//! Layouts: from a folder to billing periods and their files, detected, never configured.
//!
//! Three layouts exist in the wild, and mixtures: CUR 2.0 (`data/BILLING_PERIOD=…` beside
//! `metadata/…/*Manifest.json`, overwritten or one folder per execution), legacy CUR
//! (`year=/month=` or a date range, with the manifest in the folder), and plain Parquet files. A
//! manifest decides where there is one; surplus files beside it are stale.

use std::collections::{BTreeMap, BTreeSet};

use super::known::Known;
use super::manifest::{self, Manifest};
use crate::error::{Error, Result};
use crate::place::{Entry, Place};

/// The files of one billing period of one export.
#[derive(Debug, Clone)]
pub struct BillPeriod {
    /// `YYYY-MM`.
    pub period: String,
    /// Data files, sorted.
    pub files: Vec<Entry>,
    /// The manifest that named them.
    pub manifest: Option<Entry>,
    /// When the export was made, by the manifest's own text or by S3; epoch seconds.
    pub manifest_time: Option<i64>,
    /// Whether files may hold lines of other periods too, so that each line must be asked.
    pub mixed: bool,
}

/// What an export's folder holds.
#[derive(Debug, Default)]
pub struct Layout {
    /// Periods that can be read, by period.
    pub periods: Vec<BillPeriod>,
    /// Periods that cannot, with the reason; stored facts of these stay as they are.
    pub refused: Vec<(String, Error)>,
    /// Things worth saying.
    pub warnings: Vec<String>,
}

/// Looks at an export's folder.
///
/// # Errors
/// Where nothing in it can be read at all.
pub fn detect(place: &Place, known: &mut Known) -> Result<Layout> {
    if let Place::Local(folder) = place
        && folder.is_file()
    {
        return Err(Error::input(
            place.display(),
            "the path of a bill is a folder, and this is a file",
            "name the folder that holds the file",
        ));
    }
    let listing = place.list()?;
    let mut layout = Layout { warnings: listing.warnings, ..Layout::default() };
    let found = sort_out(listing.entries);
    refuse_several_exports(place, &found)?;
    let mut taken = BTreeSet::new();
    let candidates = read_manifests(place, &found, known, &mut layout)?;
    let has_manifests = !candidates.is_empty();
    for (period, newest) in newest_by_period(candidates, &mut layout) {
        taken.insert(period.clone());
        match files_of(place, &newest, &found.parquet) {
            Ok(files) => layout.periods.push(BillPeriod {
                period,
                files,
                manifest_time: newest.manifest.time.or(newest.entry.modified),
                manifest: Some(newest.entry),
                mixed: false,
            }),
            Err(error) => layout.refused.push((period, error)),
        }
    }
    add_without_manifest(place, &found, has_manifests, &taken, known, &mut layout)?;
    if layout.periods.is_empty() && layout.refused.is_empty() {
        if found.parquet.is_empty() {
            return Err(nothing_found(place, &found));
        }
        layout.warnings.push(format!("{}: the Parquet files hold no line", place.display()));
    }
    layout.periods.sort_by(|a, b| a.period.cmp(&b.period));
    Ok(layout)
}

/// A folder above several exports would hold the same money several times over, or hide some of it.
fn refuse_several_exports(place: &Place, found: &Found) -> Result<()> {
    let shown = place.display();
    let own = shown.rsplit('/').next().unwrap_or_default();
    let exports = |entries: &[Entry]| -> BTreeSet<String> {
        entries.iter().filter_map(|entry| export_of(&entry.path)).map(|export| without_echo(&export, own)).collect()
    };
    let mut found_exports = exports(&found.manifests);
    if found_exports.is_empty() {
        // Manifests and data of one legacy export may lie in different folders; each kind is compared with its own.
        found_exports = exports(&found.parquet);
    }
    if found_exports.len() < 2 {
        return Ok(());
    }
    let names: Vec<String> = found_exports.iter().map(|path| format!("`{path}`")).collect();
    Err(Error::input(
        place.display(),
        format!("the folder holds {} exports: {}", found_exports.len(), names.join(", ")),
        "write one `[[bill]]` for each export, with the path of its own folder",
    ))
}

/// The folder of the export that a file belongs to: all before `data`, `metadata` or the period.
pub fn export_of(path: &str) -> Option<String> {
    manifest::period_of_path(path)?;
    let parts: Vec<&str> = path.split('/').collect();
    let period = (1..=parts.len()).find(|end| manifest::period_of_path(&parts[..*end].join("/")).is_some())?;
    // The period ends at this part; the parts that lead into it belong to the layout.
    let layout_part = |part: &str| {
        let name = part.to_ascii_lowercase();
        name == "data" || name == "metadata" || name.starts_with("year=") || name.starts_with("source_account_id=")
    };
    let mut end = period - 1;
    while end > 0 && layout_part(parts[end - 1]) {
        end -= 1;
    }
    Some(parts[..end].join("/"))
}

/// A legacy report writes its data below a second folder of its own name: `r/r/year=…` beside `r/20261101-…`.
pub fn without_echo(export: &str, root: &str) -> String {
    let (parent, name) = export.rsplit_once('/').unwrap_or(("", export));
    let above = if parent.is_empty() { root } else { parent.rsplit('/').next().unwrap_or(parent) };
    if name == above { parent.to_string() } else { export.to_string() }
}

/// The files that matter, each kind by path.
#[derive(Default)]
struct Found {
    parquet: Vec<Entry>,
    manifests: Vec<Entry>,
    csv: usize,
}

fn sort_out(entries: Vec<Entry>) -> Found {
    let mut found = Found::default();
    for entry in entries {
        let lower = entry.path.to_ascii_lowercase();
        // Hidden files are leftovers of copies; the status table is Athena's bookkeeping.
        let is_hidden = |part: &str| part.starts_with(['.', '_']) || part == "cost_and_usage_data_status";
        if lower.split('/').any(is_hidden) {
            continue;
        }
        if manifest::is_manifest(&lower) {
            found.manifests.push(entry);
        } else if lower.ends_with(".parquet") {
            found.parquet.push(entry);
        } else if [".csv.gz", ".csv.zip", ".csv"].iter().any(|ending| lower.ends_with(ending)) {
            found.csv += 1;
        }
    }
    found
}

/// A manifest as found: where it lies below the export's folder, and its content or why it has none.
struct Candidate {
    entry: Entry,
    period: String,
    content: Result<Manifest>,
}

impl Candidate {
    /// Higher up is newer, since each delivery overwrites the manifest there; then the later execution.
    fn age(&self) -> (std::cmp::Reverse<usize>, Option<i64>) {
        let mut parts = self.entry.path.rsplit('/').skip(1);
        let folder = parts.next().and_then(manifest::execution_time);
        (std::cmp::Reverse(self.entry.path.split('/').count()), folder)
    }
}

fn read_manifests(place: &Place, found: &Found, known: &mut Known, layout: &mut Layout) -> Result<Vec<Candidate>> {
    let mut candidates = Vec::new();
    for entry in &found.manifests {
        let content = known.manifest(place, entry);
        if let Err(error @ Error::Changed { .. }) = content {
            return Err(error);
        }
        let period = match &content {
            Ok(manifest) => manifest.period.clone(),
            Err(_) => manifest::period_of_path(&entry.path),
        };
        let address = place.address(&entry.path);
        match (period, content) {
            (Some(period), content) => candidates.push(Candidate { entry: entry.clone(), period, content }),
            (None, Ok(_)) => {
                layout.warnings.push(format!("{address}: the manifest names no billing period; it is passed over"));
            }
            (None, Err(error)) => layout.warnings.push(format!("{error}; the file is passed over")),
        }
    }
    Ok(candidates)
}

/// The manifest that counts for a period.
struct Newest {
    entry: Entry,
    manifest: Manifest,
}

/// One manifest per period, the newest. Where the newest cannot be read, or cannot be told from
/// another, the period is refused: an older one would bring back what was restated.
fn newest_by_period(candidates: Vec<Candidate>, layout: &mut Layout) -> BTreeMap<String, Newest> {
    let mut by_period: BTreeMap<String, Vec<Candidate>> = BTreeMap::new();
    for candidate in candidates {
        by_period.entry(candidate.period.clone()).or_default().push(candidate);
    }
    let mut newest = BTreeMap::new();
    for (period, mut candidates) in by_period {
        candidates.sort_by_key(Candidate::age);
        let rivals =
            candidates.iter().rev().take_while(|other| Some(other.age()) == candidates.last().map(Candidate::age));
        let rivals: Vec<&str> = rivals.map(|candidate| candidate.entry.path.as_str()).collect();
        if rivals.len() > 1 {
            let error = Error::input(
                rivals.join(", "),
                "several manifests of one period, and nothing says which is the newest",
                "copy the manifest above them too, the one that each delivery overwrites",
            );
            layout.refused.push((period, error));
            continue;
        }
        match candidates.pop() {
            Some(Candidate { entry, content: Ok(manifest), .. }) => {
                newest.insert(period, Newest { entry, manifest });
            }
            Some(Candidate { content: Err(error), .. }) => layout.refused.push((period, error)),
            None => {}
        }
    }
    newest
}

fn files_of(place: &Place, newest: &Newest, parquet: &[Entry]) -> Result<Vec<Entry>> {
    let address = || place.address(&newest.entry.path);
    let mut files = BTreeSet::new();
    for entry in &newest.manifest.entries {
        let lower = entry.to_ascii_lowercase();
        if lower.contains(".csv") {
            return Err(Error::input(
                address(),
                format!("the export is written as CSV ({entry})"),
                "choose Parquet in the export's settings; billtag reads Parquet",
            ));
        }
        if !lower.ends_with(".parquet") {
            return Err(Error::input(
                address(),
                format!("the manifest names a file that is no Parquet file: {entry}"),
                "choose Parquet in the export's settings; billtag reads Parquet",
            ));
        }
        let file = manifest::find_entry(entry, parquet).ok_or_else(|| match place {
            Place::Local(_) => Error::input(
                address(),
                format!("the manifest names a file that is not there: {entry}"),
                "copy the export again, data and metadata together; the period is left as it was",
            ),
            Place::S3(..) => Error::input(
                address(),
                format!("the manifest is newer than its data, it names a file that is not there: {entry}"),
                "the delivery is not finished; run again after it; the period is left as it was",
            ),
        })?;
        if !files.insert(file.clone()) {
            return Err(Error::input(
                address(),
                format!("two addresses mean the same file {}", file.path),
                "keep the export's folders as they are in S3, so that every entry has its own file",
            ));
        }
    }
    Ok(files.into_iter().collect())
}

fn add_without_manifest(
    place: &Place,
    found: &Found,
    has_manifests: bool,
    taken: &BTreeSet<String>,
    known: &mut Known,
    layout: &mut Layout,
) -> Result<()> {
    let mut by_period: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    let mut plain = Vec::new();
    for file in &found.parquet {
        match manifest::period_of_path(&file.path) {
            Some(period) => by_period.entry(period).or_default().push(file.clone()),
            None => plain.push(file.clone()),
        }
    }
    by_period.retain(|period, _| !taken.contains(period));
    for (period, files) in by_period {
        if has_manifests {
            if layout.refused.iter().all(|(refused, _)| *refused != period) {
                let error = Error::input(
                    place.display(),
                    format!("{period} has data files but no manifest, though other periods have one"),
                    "the delivery is not finished; run again after it, or copy the metadata too",
                );
                layout.refused.push((period, error));
            }
            continue;
        }
        match newest_execution(place, &period, files, layout) {
            Ok(files) => {
                layout.periods.push(BillPeriod { period, files, manifest: None, manifest_time: None, mixed: false });
            }
            Err(error) => layout.refused.push((period, error)),
        }
    }
    if has_manifests {
        if !plain.is_empty() {
            layout.warnings.push(format!(
                "{}: {} Parquet files lie outside the export's layout and are named by no manifest; they are not read",
                place.display(),
                plain.len()
            ));
        }
        return Ok(());
    }
    add_plain(place, plain, known, layout)
}

/// Files outside of any layout: each may hold lines of several periods.
fn add_plain(place: &Place, plain: Vec<Entry>, known: &mut Known, layout: &mut Layout) -> Result<()> {
    let mut mixed: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    for file in plain {
        // A file that cannot be read could hold lines of any period, so none would be whole.
        for period in known.periods(place, &file)? {
            mixed.entry(period).or_default().push(file.clone());
        }
    }
    for (period, files) in mixed {
        match layout.periods.iter_mut().find(|known| known.period == period) {
            Some(known) => {
                known.files.extend(files);
                known.files.sort();
                known.mixed = true;
            }
            None => layout.periods.push(BillPeriod { period, files, manifest: None, manifest_time: None, mixed: true }),
        }
    }
    Ok(())
}

/// Without a manifest, folders of several executions hold the same period several times over: the
/// newest counts, and where nothing says which that is, none does.
fn newest_execution(place: &Place, period: &str, files: Vec<Entry>, layout: &mut Layout) -> Result<Vec<Entry>> {
    let folder = |file: &Entry| file.path.rsplit_once('/').map_or("", |(folder, _)| folder).to_string();
    let folders: BTreeSet<String> = files.iter().map(folder).collect();
    if folders.len() < 2 {
        return Ok(files);
    }
    let execution = |folder: &str| folder.rsplit('/').next().and_then(manifest::execution_time);
    if folders.iter().any(|folder| execution(folder).is_none()) {
        return Err(Error::input(
            place.display(),
            format!(
                "{period} lies in {} folders without a manifest, and nothing says which is the newest",
                folders.len()
            ),
            "copy the manifest too; it names the files that count",
        ));
    }
    let newest = folders.iter().max_by_key(|folder| (execution(folder), (*folder).clone())).cloned();
    let newest = newest.unwrap_or_default();
    layout.warnings.push(format!(
        "{}: {period} has several executions and no manifest; only the newest, {newest}, is read",
        place.display(),
    ));
    Ok(files.into_iter().filter(|file| folder(file) == newest).collect())
}

fn nothing_found(place: &Place, found: &Found) -> Error {
    if found.csv > 0 {
        return Error::input(
            place.display(),
            "the export is written as CSV",
            "choose Parquet in the export's settings; billtag reads Parquet",
        );
    }
    Error::input(
        place.display(),
        "there are no Parquet files in this folder",
        "name the folder of the export, the one that holds `data` and `metadata` or the months",
    )
}
