//! A place: a folder, on this machine or in S3, whose files have `/` between the parts of their paths.
//!
//! What a file is known by without reading it is its *tag*: S3's ETag. A local file has none, since
//! its times say nothing about its bytes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::aws::failure::Kind;
use crate::aws::s3::{Bucket, Condition, Listed};
use crate::aws::{Access, Aws};
use crate::error::{Error, Result};

/// A folder.
#[derive(Debug, Clone)]
pub enum Place {
    /// On this machine.
    Local(PathBuf),
    /// In S3: all keys under a prefix, which ends in `/` or is empty.
    S3(Arc<Bucket>, String),
}

/// A file below a place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Relative to the place, with `/` between its parts.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// What S3 knows its bytes by.
    pub tag: Option<String>,
    /// Last change, epoch seconds.
    pub modified: Option<i64>,
}

/// The files below a place.
#[derive(Debug, Default)]
pub struct Listing {
    /// Sorted by path, hidden ones included.
    pub entries: Vec<Entry>,
    /// What was passed over.
    pub warnings: Vec<String>,
}

/// Splits `s3://bucket/some/prefix`.
pub fn s3_address(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("s3://")?;
    Some(rest.split_once('/').unwrap_or((rest, "")))
}

impl Place {
    /// The place that a config's path means; relative paths start at `folder`.
    pub fn of(path: &str, folder: &Path, aws: &Arc<Aws>, access: &Access) -> Self {
        match s3_address(path) {
            None => Self::Local(folder.join(path)),
            Some((bucket, prefix)) => {
                let prefix = prefix.trim_matches('/');
                let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
                Self::S3(Arc::new(Bucket::new(Arc::clone(aws), access.clone(), bucket)), prefix)
            }
        }
    }

    /// A folder below it.
    pub fn within(&self, folder: &str) -> Self {
        match self {
            Self::Local(root) => Self::Local(root.join(folder)),
            Self::S3(bucket, prefix) => Self::S3(Arc::clone(bucket), format!("{prefix}{folder}/")),
        }
    }

    /// Its address, as people write it.
    pub fn display(&self) -> String {
        match self {
            Self::Local(folder) => folder.display().to_string(),
            Self::S3(bucket, prefix) => bucket.address(prefix.trim_end_matches('/')),
        }
    }

    /// The address of a file below it.
    pub fn address(&self, path: &str) -> String {
        match self {
            Self::Local(folder) => folder.join(path).display().to_string(),
            Self::S3(bucket, prefix) => bucket.address(&format!("{prefix}{path}")),
        }
    }

    /// All files below it, by path.
    ///
    /// # Errors
    /// Where the place is missing or may not be listed.
    pub fn list(&self) -> Result<Listing> {
        match self {
            Self::Local(folder) => list_folder(folder),
            Self::S3(bucket, prefix) => {
                let listed = bucket.list(prefix)?;
                let mut entries: Vec<Entry> =
                    listed.into_iter().filter_map(|listed| entry_of(listed, prefix)).collect();
                entries.sort();
                Ok(Listing { entries, warnings: Vec::new() })
            }
        }
    }

    /// The files below it whose paths come after one, where the place can tell without listing the others; else all.
    ///
    /// # Errors
    /// Where the place is missing or may not be listed.
    pub fn list_after(&self, path: Option<&str>) -> Result<Listing> {
        match (self, path) {
            (Self::S3(bucket, prefix), Some(path)) => {
                let listed = bucket.list_after(prefix, Some(&format!("{prefix}{path}")))?;
                let entries = listed.into_iter().filter_map(|listed| entry_of(listed, prefix)).collect();
                Ok(Listing { entries, warnings: Vec::new() })
            }
            _ => self.list(),
        }
    }

    /// The bytes of a file that was listed.
    ///
    /// # Errors
    /// Where it cannot be read, or is another by now.
    pub fn read(&self, entry: &Entry) -> Result<Bytes> {
        match self {
            Self::Local(folder) => {
                let path = folder.join(&entry.path);
                fs::read(&path).map(Bytes::from).map_err(Error::io(&path, "read"))
            }
            Self::S3(bucket, prefix) => Ok(bucket.get(&format!("{prefix}{}", entry.path), entry.tag.as_deref())?.0),
        }
    }

    /// The bytes of several files that were listed, in their order.
    ///
    /// # Errors
    /// That of the first which cannot be read.
    pub fn read_all(&self, entries: &[&Entry]) -> Result<Vec<Bytes>> {
        match self {
            Self::Local(_) => entries.iter().map(|entry| self.read(entry)).collect(),
            Self::S3(bucket, prefix) => {
                let key = |entry: &&Entry| (format!("{prefix}{}", entry.path), entry.tag.clone());
                Ok(bucket.get_all(&entries.iter().map(key).collect::<Vec<_>>())?)
            }
        }
    }

    /// The files whose paths start with `prefix`, which ends in `/`; none where there is no such folder.
    ///
    /// # Errors
    /// Where they may not be listed.
    pub fn below(&self, prefix: &str) -> Result<Vec<Entry>> {
        match self {
            Self::Local(folder) => {
                let mut listing = Listing::default();
                match walk(folder, &folder.join(prefix.trim_end_matches('/')), &mut listing) {
                    Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
                    result => result?,
                }
                listing.entries.sort();
                Ok(listing.entries)
            }
            Self::S3(bucket, own) => {
                let listed = bucket.list(&format!("{own}{prefix}"))?;
                Ok(listed.into_iter().filter_map(|listed| entry_of(listed, own)).collect())
            }
        }
    }

    /// The bytes of a file and its tag; `None` where there is no such file.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn get(&self, path: &str) -> Result<Option<(Bytes, Option<String>)>> {
        match self {
            Self::Local(folder) => {
                let path = folder.join(path);
                match fs::read(&path) {
                    Ok(bytes) => Ok(Some((Bytes::from(bytes), None))),
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                    Err(error) => Err(Error::Io { path, doing: "read", source: error }),
                }
            }
            Self::S3(bucket, prefix) => match bucket.get(&format!("{prefix}{path}"), None) {
                Ok((bytes, tag)) => Ok(Some((bytes, Some(tag)))),
                Err(failure) if failure.kind == Kind::Missing => Ok(None),
                Err(failure) => Err(failure.into()),
            },
        }
    }

    /// Writes a file so that a reader sees the old bytes or the new; returns its tag.
    ///
    /// # Errors
    /// Where it cannot be written, or the condition does not hold. Local files know no condition.
    pub fn put(&self, path: &str, bytes: &Bytes, condition: &Condition) -> Result<Option<String>> {
        match self {
            Self::Local(folder) => write_atomically(&folder.join(path), bytes).map(|()| None),
            Self::S3(bucket, prefix) => Ok(Some(bucket.put(&format!("{prefix}{path}"), bytes, condition)?)),
        }
    }

    /// Gives a file a second path, unless there is a file of that path.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn keep_as(&self, from: &str, to: &str) -> Result<()> {
        match self {
            Self::Local(folder) => {
                let (from, to) = (folder.join(from), folder.join(to));
                if to.exists() {
                    return Ok(());
                }
                create_folder_of(&to)?;
                // Not every file system knows links.
                if fs::hard_link(&from, &to).is_err() {
                    let beside = beside(&to);
                    fs::copy(&from, &beside).map_err(Error::io(&from, "copy"))?;
                    fs::rename(&beside, &to).map_err(Error::io(&to, "replace"))?;
                }
                sync_folder_of(&to)
            }
            Self::S3(bucket, prefix) => {
                let (from, to) = (format!("{prefix}{from}"), format!("{prefix}{to}"));
                let is_there = bucket.list(&to)?.iter().any(|listed| listed.key == to);
                if is_there { Ok(()) } else { Ok(bucket.copy(&from, &to)?) }
            }
        }
    }

    /// Moves a file over another.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn rename(&self, from: &str, to: &str) -> Result<()> {
        match self {
            Self::Local(folder) => {
                let (from, to) = (folder.join(from), folder.join(to));
                fs::rename(&from, &to).map_err(Error::io(&to, "replace"))?;
                sync_folder_of(&to)
            }
            Self::S3(bucket, prefix) => {
                let (from, to) = (format!("{prefix}{from}"), format!("{prefix}{to}"));
                bucket.copy(&from, &to)?;
                Ok(bucket.delete(&from)?)
            }
        }
    }

    /// Removes a file; one that is not there is removed already.
    ///
    /// # Errors
    /// Where it may not be removed.
    pub fn remove(&self, path: &str) -> Result<()> {
        match self {
            Self::Local(folder) => {
                let path = folder.join(path);
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        Err(Error::Io { path, doing: "remove", source: error })
                    }
                    _ => Ok(()),
                }
            }
            Self::S3(bucket, prefix) => Ok(bucket.delete(&format!("{prefix}{path}"))?),
        }
    }
}

/// Writes a local file so that a reader sees the old bytes or the new.
///
/// # Errors
/// What the system refuses.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write;
    create_folder_of(path)?;
    let beside = beside(path);
    let mut file = fs::File::create(&beside).map_err(Error::io(&beside, "create"))?;
    file.write_all(bytes).map_err(Error::io(&beside, "write"))?;
    file.sync_all().map_err(Error::io(&beside, "sync"))?;
    fs::rename(&beside, path).map_err(Error::io(path, "replace"))?;
    sync_folder_of(path)
}

/// The hidden name under which a file is written before it gets its own.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("file");
    path.with_file_name(format!(".{name}.new"))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn create_folder_of(path: &Path) -> Result<()> {
    let folder = folder_of(path);
    fs::create_dir_all(folder).map_err(Error::io(folder, "create"))
}

/// A rename is durable once its folder is synced.
fn sync_folder_of(path: &Path) -> Result<()> {
    let folder = folder_of(path);
    let file = fs::File::open(folder).map_err(Error::io(folder, "open"))?;
    file.sync_all().map_err(Error::io(folder, "sync"))
}

fn entry_of(listed: Listed, prefix: &str) -> Option<Entry> {
    let path = listed.key.strip_prefix(prefix)?;
    // A key that ends in a slash is a console's picture of a folder.
    let is_file = !path.is_empty() && !path.ends_with('/');
    is_file.then(|| Entry {
        path: path.to_string(),
        size: listed.size,
        tag: Some(listed.etag),
        modified: listed.modified,
    })
}

fn list_folder(folder: &Path) -> Result<Listing> {
    let mut listing = Listing::default();
    walk(folder, folder, &mut listing)?;
    listing.entries.sort();
    Ok(listing)
}

fn walk(root: &Path, folder: &Path, listing: &mut Listing) -> Result<()> {
    let entries = fs::read_dir(folder).map_err(Error::io(folder, "list"))?;
    for entry in entries {
        let path = entry.map_err(Error::io(folder, "list"))?.path();
        let relative: Option<Vec<&str>> =
            path.strip_prefix(root).unwrap_or(&path).iter().map(|part| part.to_str()).collect();
        let Some(relative) = relative else {
            listing.warnings.push(format!("{}: the name is not UTF-8; it is passed over", path.display()));
            continue;
        };
        let is_link = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink());
        match fs::metadata(&path) {
            // A link to a folder would show the same lines twice, or without end.
            Ok(metadata) if metadata.is_dir() && is_link => {
                listing.warnings.push(format!("{}: a link to a folder is not followed", path.display()));
            }
            Ok(metadata) if metadata.is_dir() => walk(root, &path, listing)?,
            Ok(metadata) => {
                listing.entries.push(Entry {
                    path: relative.join("/"),
                    size: metadata.len(),
                    tag: None,
                    modified: None,
                });
            }
            Err(error) => listing.warnings.push(format!("{}: {error}; it is passed over", path.display())),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_s3_is_a_bucket_and_a_prefix() {
        assert_eq!(s3_address("s3://b/a/c"), Some(("b", "a/c")));
        assert_eq!(s3_address("s3://b"), Some(("b", "")));
        assert_eq!(s3_address("some/folder"), None);
        let place = Place::of("s3://b/a/", Path::new("."), &Arc::default(), &Access::default());
        assert_eq!(place.address("x.parquet"), "s3://b/a/x.parquet");
        assert_eq!(place.display(), "s3://b/a");
    }

    #[test]
    fn a_folder_lists_its_files_by_path_and_says_what_it_passes_over() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        fs::write(folder.path().join("a/b/y.parquet"), "12").unwrap();
        fs::write(folder.path().join("x.json"), "1").unwrap();
        std::os::unix::fs::symlink(folder.path().join("a"), folder.path().join("again")).unwrap();
        let listing = list_folder(folder.path()).unwrap();
        let names: Vec<_> = listing.entries.iter().map(|entry| (entry.path.as_str(), entry.size)).collect();
        assert_eq!(names, [("a/b/y.parquet", 2), ("x.json", 1)]);
        assert!(listing.warnings[0].contains("again"), "{:?}", listing.warnings);
    }
}
