//! Layouts: from a folder to billing periods and their files, detected, never configured.
//!
//! Three layouts exist in the wild, and mixtures: CUR 2.0 (`data/BILLING_PERIOD=…` beside
//! `metadata/…/*Manifest.json`, overwritten or one folder per execution), legacy CUR
//! (`year=/month=` or a date range, with the manifest in the folder), and plain Parquet files. A
//! manifest decides where there is one; surplus files beside it are stale.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::manifest::{self, Manifest};
use super::scan;
use crate::error::{Error, Result};

/// The files of one billing period of one export.
#[derive(Debug, Clone)]
pub struct BillPeriod {
    /// `YYYY-MM`.
    pub period: String,
    /// Data files, sorted.
    pub files: Vec<PathBuf>,
    /// The manifest that named them.
    pub manifest: Option<PathBuf>,
    /// When the manifest's own text says that the export was made; epoch seconds.
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
pub fn detect(root: &Path) -> Result<Layout> {
    if root.is_file() {
        return Err(Error::input(
            root.display().to_string(),
            "the path of a bill is a folder, and this is a file",
            "name the folder that holds the file",
        ));
    }
    let mut found = Found::default();
    walk(root, root, &mut found)?;
    refuse_several_exports(root, &found)?;
    let mut layout = Layout::default();
    let mut taken = BTreeSet::new();
    let candidates = read_manifests(root, &found, &mut layout);
    let has_manifests = !candidates.is_empty();
    let manifests = newest_by_period(candidates, &mut layout);
    for (period, manifest) in manifests {
        match files_of(root, &manifest, &found.parquet) {
            Ok(files) => {
                taken.insert(period.clone());
                layout.periods.push(BillPeriod {
                    period,
                    files,
                    manifest: Some(manifest.path),
                    manifest_time: manifest.time,
                    mixed: false,
                });
            }
            Err(error) => {
                taken.insert(period.clone());
                layout.refused.push((period, error));
            }
        }
    }
    add_without_manifest(root, &found, has_manifests, &taken, &mut layout)?;
    if layout.periods.is_empty() && layout.refused.is_empty() {
        if found.parquet.is_empty() {
            return Err(nothing_found(root, &found));
        }
        layout.warnings.push(format!("{}: the Parquet files hold no line", root.display()));
    }
    layout.periods.sort_by(|a, b| a.period.cmp(&b.period));
    Ok(layout)
}

/// A folder above several exports would hold the same money several times over, or hide some of it.
fn refuse_several_exports(root: &Path, found: &Found) -> Result<()> {
    let manifests = found.manifests.iter().map(|path| path.strip_prefix(root).unwrap_or(path));
    let mut exports: BTreeSet<PathBuf> = manifests.filter_map(export_of).collect();
    if exports.is_empty() {
        // Manifests and data of one legacy export may lie in different folders; each kind is compared with its own.
        exports = found.parquet.iter().filter_map(|path| export_of(path)).collect();
    }
    if exports.len() < 2 {
        return Ok(());
    }
    let names: Vec<String> = exports.iter().map(|path| format!("`{}`", path.display())).collect();
    Err(Error::input(
        root.display().to_string(),
        format!("the folder holds {} exports: {}", exports.len(), names.join(", ")),
        "write one `[[bill]]` for each export, with the path of its own folder",
    ))
}

/// The folder of the export that a file belongs to: all before `data`, `metadata` or the period.
fn export_of(path: &Path) -> Option<PathBuf> {
    manifest::period_of_path(path)?;
    let parts: Vec<_> = path.iter().collect();
    let period =
        (1..=parts.len()).find(|end| manifest::period_of_path(&parts[..*end].iter().collect::<PathBuf>()).is_some())?;
    // The period ends at this part; the parts that lead into it belong to the layout.
    let layout_part = |part: &&std::ffi::OsStr| {
        let name = part.to_str().unwrap_or("").to_ascii_lowercase();
        name == "data" || name == "metadata" || name.starts_with("year=") || name.starts_with("source_account_id=")
    };
    let mut end = period - 1;
    while end > 0 && layout_part(&parts[end - 1]) {
        end -= 1;
    }
    Some(parts[..end].iter().collect())
}

#[derive(Default)]
struct Found {
    /// Relative to the root, sorted.
    parquet: Vec<PathBuf>,
    manifests: Vec<PathBuf>,
    csv: usize,
}

fn walk(root: &Path, folder: &Path, found: &mut Found) -> Result<()> {
    let entries = std::fs::read_dir(folder).map_err(Error::io(folder, "list"))?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(Error::io(folder, "list"))?.path());
    }
    paths.sort();
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("").to_ascii_lowercase();
        // Hidden files are leftovers of copies; the status table is Athena's bookkeeping.
        if name.starts_with('.') || name.starts_with('_') || name == "cost_and_usage_data_status" {
            continue;
        }
        let is_link = std::fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink());
        if path.is_dir() {
            // A link to a folder would show the same lines twice, or without end.
            if !is_link {
                walk(root, &path, found)?;
            }
        } else if manifest::is_manifest(&path) {
            found.manifests.push(path);
        } else if name.ends_with(".parquet") {
            found.parquet.push(path.strip_prefix(root).unwrap_or(&path).to_path_buf());
        } else if name.ends_with(".csv.gz") || name.ends_with(".csv.zip") || name.ends_with(".csv") {
            found.csv += 1;
        }
    }
    Ok(())
}

/// A manifest as found: where it lies below the export's folder, and its content or why it has none.
struct Candidate {
    relative: PathBuf,
    period: String,
    content: Result<Manifest>,
}

impl Candidate {
    /// Higher up is newer, since each delivery overwrites the manifest there; then the later execution.
    fn age(&self) -> (std::cmp::Reverse<usize>, Option<i64>) {
        let folder = self.relative.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        (std::cmp::Reverse(self.relative.components().count()), folder.and_then(manifest::execution_time))
    }
}

fn read_manifests(root: &Path, found: &Found, layout: &mut Layout) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for path in &found.manifests {
        let relative = path.strip_prefix(root).unwrap_or(path).to_path_buf();
        let content = manifest::read(path);
        let period = match &content {
            Ok(manifest) => manifest.period.clone(),
            Err(_) => manifest::period_of_path(&relative),
        };
        match (period, content) {
            (Some(period), content) => candidates.push(Candidate { relative, period, content }),
            (None, Ok(_)) => layout
                .warnings
                .push(format!("{}: the manifest names no billing period; it is passed over", path.display())),
            (None, Err(error)) => layout.warnings.push(format!("{error}; the file is passed over")),
        }
    }
    candidates
}

/// One manifest per period, the newest. Where the newest cannot be read, or cannot be told from
/// another, the period is refused: an older one would bring back what was restated.
fn newest_by_period(candidates: Vec<Candidate>, layout: &mut Layout) -> BTreeMap<String, Manifest> {
    let mut by_period: BTreeMap<String, Vec<Candidate>> = BTreeMap::new();
    for candidate in candidates {
        by_period.entry(candidate.period.clone()).or_default().push(candidate);
    }
    let mut newest = BTreeMap::new();
    for (period, mut candidates) in by_period {
        candidates.sort_by_key(Candidate::age);
        let rivals =
            candidates.iter().rev().take_while(|other| Some(other.age()) == candidates.last().map(Candidate::age));
        let rivals: Vec<String> = rivals.map(|candidate| candidate.relative.display().to_string()).collect();
        let Some(last) = candidates.pop() else { continue };
        if rivals.len() > 1 {
            let error = Error::input(
                rivals.join(", "),
                "several manifests of one period, and nothing says which is the newest",
                "copy the manifest above them too, the one that each delivery overwrites",
            );
            layout.refused.push((period, error));
            continue;
        }
        match last.content {
            Ok(manifest) => {
                newest.insert(period, manifest);
            }
            Err(error) => layout.refused.push((period, error)),
        }
    }
    newest
}

fn files_of(root: &Path, manifest: &Manifest, parquet: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = BTreeSet::new();
    for entry in &manifest.entries {
        let lower = entry.to_ascii_lowercase();
        if lower.contains(".csv") {
            return Err(Error::input(
                manifest.path.display().to_string(),
                format!("the export is written as CSV ({entry})"),
                "choose Parquet in the export's settings; billtag reads Parquet",
            ));
        }
        if !lower.ends_with(".parquet") {
            return Err(Error::input(
                manifest.path.display().to_string(),
                format!("the manifest names a file that is no Parquet file: {entry}"),
                "choose Parquet in the export's settings; billtag reads Parquet",
            ));
        }
        let file = manifest::find_entry(entry, parquet).ok_or_else(|| {
            Error::input(
                manifest.path.display().to_string(),
                format!("the manifest names a file that is not there: {entry}"),
                "copy the export again, data and metadata together; the period is left as it was",
            )
        })?;
        if !files.insert(root.join(file)) {
            return Err(Error::input(
                manifest.path.display().to_string(),
                format!("two addresses mean the same local file {}", file.display()),
                "keep the export's folders as they are in S3, so that every entry has its own file",
            ));
        }
    }
    Ok(files.into_iter().collect())
}

fn add_without_manifest(
    root: &Path,
    found: &Found,
    has_manifests: bool,
    taken: &BTreeSet<String>,
    layout: &mut Layout,
) -> Result<()> {
    let mut by_period: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    let mut plain = Vec::new();
    for file in &found.parquet {
        match manifest::period_of_path(file) {
            Some(period) => by_period.entry(period).or_default().push(file.clone()),
            None => plain.push(root.join(file)),
        }
    }
    by_period.retain(|period, _| !taken.contains(period));
    for (period, files) in by_period {
        if has_manifests {
            if layout.refused.iter().all(|(refused, _)| *refused != period) {
                let error = Error::input(
                    root.display().to_string(),
                    format!("{period} has data files but no manifest, though other periods have one"),
                    "the delivery is not finished; run again after it, or copy the metadata too",
                );
                layout.refused.push((period, error));
            }
            continue;
        }
        let files = match newest_execution(root, &period, files, layout) {
            Ok(files) => files,
            Err(error) => {
                layout.refused.push((period, error));
                continue;
            }
        };
        layout.periods.push(BillPeriod { period, files, manifest: None, manifest_time: None, mixed: false });
    }
    if has_manifests {
        if !plain.is_empty() {
            layout.warnings.push(format!(
                "{}: {} Parquet files lie outside the export's layout and are named by no manifest; they are not read",
                root.display(),
                plain.len()
            ));
        }
        return Ok(());
    }
    let mut mixed: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for file in plain {
        // A file that cannot be read could hold lines of any period, so none would be whole.
        for period in scan::periods_in(&file)? {
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
fn newest_execution(root: &Path, period: &str, files: Vec<PathBuf>, layout: &mut Layout) -> Result<Vec<PathBuf>> {
    let folder = |file: &PathBuf| file.parent().map(Path::to_path_buf).unwrap_or_default();
    let folders: BTreeSet<PathBuf> = files.iter().map(folder).collect();
    if folders.len() < 2 {
        return Ok(files.into_iter().map(|file| root.join(file)).collect());
    }
    let execution = |folder: &PathBuf| folder.file_name()?.to_str().and_then(manifest::execution_time);
    if folders.iter().any(|folder| execution(folder).is_none()) {
        return Err(Error::input(
            root.display().to_string(),
            format!(
                "{period} lies in {} folders without a manifest, and nothing says which is the newest",
                folders.len()
            ),
            "copy the manifest too; it names the files that count",
        ));
    }
    let newest =
        folders.iter().max_by_key(|folder| (execution(folder), (*folder).clone())).cloned().unwrap_or_default();
    layout.warnings.push(format!(
        "{}: {period} has several executions and no manifest; only the newest, {}, is read",
        root.display(),
        newest.display(),
    ));
    Ok(files.iter().filter(|file| folder(file) == newest).map(|file| root.join(file)).collect())
}

fn nothing_found(root: &Path, found: &Found) -> Error {
    let place = root.display().to_string();
    if found.csv > 0 {
        return Error::input(
            place,
            "the export is written as CSV",
            "choose Parquet in the export's settings; billtag reads Parquet",
        );
    }
    Error::input(
        place,
        "there are no Parquet files in this folder",
        "name the folder of the export, the one that holds `data` and `metadata` or the months",
    )
}
