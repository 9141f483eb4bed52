//! The files of a source: found, opened and unpacked.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;

use super::notes::Notes;

/// Bytes of a file that are read at once.
const FILE_BYTES: usize = 64 * 1024;
/// Bytes of its text that are unpacked at once: the more, the better, as long as they stay near the processor.
const TEXT_BYTES: usize = 256 * 1024;

/// Longer endings are part of a name: Firehose names objects `stream.v2-1-2026-10-01-…`.
const EXTENSION_LETTERS_MAX: usize = 8;

/// Lists the files under `path` that may hold metrics, sorted, without hidden ones.
///
/// # Errors
/// When `path` itself cannot be read; a folder below it that cannot be read becomes a failure.
pub(super) fn files(path: &Path, notes: &mut Notes) -> io::Result<Vec<PathBuf>> {
    if fs::metadata(path)?.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    let mut visited = BTreeSet::new();
    walk(path, &mut visited, &mut found, notes)?;
    Ok(found)
}

/// Lists the files directly beside `file`, without itself.
pub(super) fn siblings(file: &Path) -> Vec<PathBuf> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let entries = entries(folder).unwrap_or_default();
    entries
        .into_iter()
        .filter(|entry| entry.is_file() && is_read(entry) && entry.file_name() != file.file_name())
        .collect()
}

fn walk(folder: &Path, visited: &mut BTreeSet<PathBuf>, found: &mut Vec<PathBuf>, notes: &mut Notes) -> io::Result<()> {
    // A symbolic link may lead back up; each folder is entered once.
    if !visited.insert(fs::canonicalize(folder)?) {
        return Ok(());
    }
    for entry in entries(folder)? {
        match fs::metadata(&entry) {
            Ok(metadata) if metadata.is_dir() => {
                if let Err(error) = walk(&entry, visited, found, notes) {
                    notes.fail(&entry, &format!("the folder cannot be read ({error}); check its permissions."));
                }
            }
            Ok(_) if is_read(&entry) => found.push(entry),
            Ok(_) => {
                if let Some(packing) = foreign_packing(&entry) {
                    notes.fail(
                        &entry,
                        &format!("{packing} is not read; let Firehose compress with GZIP or not at all."),
                    );
                }
            }
            Err(error) => {
                notes.fail(&entry, &format!("the file cannot be read ({error}); check the link or its permissions."));
            }
        }
    }
    Ok(())
}

/// The visible entries of a folder, sorted.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            entries.push(entry.path());
        }
    }
    entries.sort();
    Ok(entries)
}

/// Whether a file's name is one that metrics are saved under.
pub(super) fn is_read(file: &Path) -> bool {
    matches!(extension(file).as_deref(), None | Some("json" | "jsonl" | "ndjson" | "gz"))
}

/// A packing that Firehose offers and that is not read.
fn foreign_packing(file: &Path) -> Option<&'static str> {
    match extension(file)?.as_str() {
        "snappy" | "hsnappy" => Some("Snappy"),
        "zip" => Some("ZIP"),
        _ => None,
    }
}

/// The ending of a file's name, in lower case, if it looks like one.
fn extension(file: &Path) -> Option<String> {
    let ending = file.extension()?.to_str()?;
    let is_ending = ending.len() <= EXTENSION_LETTERS_MAX
        && ending.chars().all(|letter| letter.is_ascii_alphanumeric())
        && ending.chars().any(|letter| letter.is_ascii_alphabetic());
    is_ending.then(|| ending.to_ascii_lowercase())
}

/// A file that is open for reading as text.
pub(super) enum Content {
    /// Text, unpacked where it was packed; read until the end or an error.
    Text(Box<dyn BufRead>),
    /// A metric stream in OpenTelemetry's binary format.
    OpenTelemetry,
    /// UTF-16, as an older PowerShell writes when output is redirected.
    Utf16,
}

/// Opens a file and tells by its first bytes what it is; names are not trusted.
pub(super) fn open(file: &Path) -> io::Result<Content> {
    unpacked(BufReader::with_capacity(FILE_BYTES, File::open(file)?))
}

/// Tells by its first bytes what a file is that is at hand.
pub(super) fn unpack(bytes: Bytes) -> io::Result<Content> {
    unpacked(io::Cursor::new(bytes))
}

fn unpacked(mut packed: impl BufRead + 'static) -> io::Result<Content> {
    if packed.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
        // Firehose and `cat` put several gzip members one behind the other.
        content(BufReader::with_capacity(TEXT_BYTES, MultiGzDecoder::new(packed)))
    } else {
        content(packed)
    }
}

fn content(mut text: impl BufRead + 'static) -> io::Result<Content> {
    let mut head = Vec::new();
    // An error inside the head is kept for the reader of the text, who uses what stands before it.
    let error = text.by_ref().take(4096).read_to_end(&mut head).err();
    if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
        return Ok(Content::Utf16);
    }
    if is_open_telemetry(&head) {
        return Ok(Content::OpenTelemetry);
    }
    let start = if head.starts_with(&[0xef, 0xbb, 0xbf]) { 3 } else { 0 };
    head.drain(..start);
    let rest: Box<dyn Read> = match error {
        Some(error) => Box::new(Broken(Some(error))),
        None => Box::new(text),
    };
    Ok(Content::Text(Box::new(BufReader::with_capacity(TEXT_BYTES, io::Cursor::new(head).chain(rest)))))
}

/// Binary, not beginning like JSON, and with the names that every exported metric carries.
fn is_open_telemetry(head: &[u8]) -> bool {
    let begins_like_json = matches!(head.trim_ascii_start().first(), Some(b'{' | b'['));
    let is_binary = head.iter().any(|byte| *byte < b' ' && !byte.is_ascii_whitespace());
    let names = [&b"amazonaws.com/"[..], b"aws.exporter.arn", b"cloud.account.id"];
    let has = |name: &[u8]| head.windows(name.len()).any(|window| window == name);
    !begins_like_json && is_binary && names.into_iter().any(has)
}

/// Fails once with an error that was met too early.
struct Broken(Option<io::Error>);

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_by_their_ending_or_without_one() {
        for name in
            ["a.json", "a.JSONL", "a.ndjson", "a.json.gz", "a", "my.stream-1-2026-10-01-00-05-00-aa-bb", "page.1"]
        {
            assert!(is_read(Path::new(name)), "{name}");
        }
        for name in ["a.md", "a.parquet", "a.csv", "a.snappy"] {
            assert!(!is_read(Path::new(name)), "{name}");
        }
    }

    #[test]
    fn folders_are_walked_in_order_without_hidden_files() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b/2026/10/obj", "b/.hidden", "a.json", "c.json.gz", "README.md", ".git/x.json", "z.zip"] {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        let mut notes = Notes::default();
        let files = files(folder.path(), &mut notes).unwrap();
        let names: Vec<_> =
            files.iter().map(|file| file.strip_prefix(folder.path()).unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["a.json", "b/2026/10/obj", "c.json.gz"]);
        assert!(notes.failures[0].contains("z.zip: ZIP is not read"), "{:?}", notes.failures);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_leads_back_up_is_entered_once() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        fs::write(folder.path().join("a/x.json"), "").unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("a/up")).unwrap();
        assert_eq!(files(folder.path(), &mut Notes::default()).unwrap().len(), 1);
    }
}
