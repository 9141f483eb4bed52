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
    let mut found = Found::default();
    walk(root, root, &mut found)?;
    refuse_several_exports(root, &found)?;
    let mut layout = Layout::default();
    let mut taken = BTreeSet::new();
    let manifests = newest_by_period(read_manifests(root, &found, &mut layout), &mut layout);
    let has_manifests = !manifests.is_empty() || !layout.refused.is_empty();
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
        return Err(nothing_found(root, &found));
    }
    layout.periods.sort_by(|a, b| a.period.cmp(&b.period));
    Ok(layout)
}

/// A folder above several exports would hold the same money several times over, or hide some of it.
fn refuse_several_exports(root: &Path, found: &Found) -> Result<()> {
    let manifests = found.manifests.iter().map(|path| path.strip_prefix(root).unwrap_or(path));
    let exports: BTreeSet<PathBuf> =
        manifests.chain(found.parquet.iter().map(PathBuf::as_path)).filter_map(export_of).collect();
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
        if path.is_dir() {
            walk(root, &path, found)?;
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

fn read_manifests(root: &Path, found: &Found, layout: &mut Layout) -> Vec<(PathBuf, Manifest)> {
    let mut manifests = Vec::new();
    for path in &found.manifests {
        let relative = path.strip_prefix(root).unwrap_or(path).to_path_buf();
        match manifest::read(path) {
            Ok(manifest) => manifests.push((relative, manifest)),
            Err(error) => match manifest::period_of_path(&relative) {
                Some(period) => layout.refused.push((period, error)),
                None => layout.warnings.push(format!("{error}; the file is passed over")),
            },
        }
    }
    manifests
}

/// One manifest per period: the one highest up, which each delivery overwrites; among copies of
/// single executions the newest.
fn newest_by_period(manifests: Vec<(PathBuf, Manifest)>, layout: &mut Layout) -> BTreeMap<String, Manifest> {
    let mut best: BTreeMap<String, (usize, PathBuf, Manifest)> = BTreeMap::new();
    for (relative, manifest) in manifests {
        let Some(period) = manifest.period.clone() else {
            layout
                .warnings
                .push(format!("{}: the manifest names no billing period; it is passed over", manifest.path.display()));
            continue;
        };
        let depth = relative.components().count();
        let better =
            best.get(&period).is_none_or(|(held, path, _)| depth < *held || (depth == *held && relative > *path));
        if better {
            best.insert(period, (depth, relative, manifest));
        }
    }
    // A readable manifest decides over a broken copy of the same period.
    layout.refused.retain(|(period, _)| !best.contains_key(period));
    best.into_iter().map(|(period, (_, _, manifest))| (period, manifest)).collect()
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
            continue;
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
                format!("two entries mean the same local file {}", file.display()),
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
        let files = newest_execution(root, &period, files, layout);
        layout.periods.push(BillPeriod { period, files, manifest: None, manifest_time: None, mixed: false });
    }
    if has_manifests {
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
/// newest counts.
fn newest_execution(root: &Path, period: &str, files: Vec<PathBuf>, layout: &mut Layout) -> Vec<PathBuf> {
    let execution = |file: &PathBuf| {
        let name = file.parent()?.file_name()?.to_str()?;
        manifest::execution_time(name).map(|time| (time, name.to_string()))
    };
    let newest = files.iter().filter_map(execution).max();
    let kept: Vec<PathBuf> = match &newest {
        Some(newest) => files.iter().filter(|file| execution(file).as_ref() == Some(newest)).cloned().collect(),
        None => files.clone(),
    };
    if kept.len() < files.len() {
        layout.warnings.push(format!(
            "{}: {period} has several executions and no manifest; only the newest, {}, is read",
            root.display(),
            newest.map_or_else(String::new, |(_, name)| name),
        ));
    }
    kept.into_iter().map(|file| root.join(file)).collect()
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
