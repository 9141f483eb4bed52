//! Pages: where the report goes that is one file, or a folder of them.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::{By, Command, Common, Format, Split, output};
use crate::error::{Error, Result};
use crate::place::write_atomically;
use crate::report::html::{Report, shell};
use crate::report::render;

/// Which pages are wanted.
pub struct Wanted<'a> {
    /// One team's.
    pub team: Option<&'a str>,
    /// One for each.
    pub split: Option<Split>,
}

/// Refuses what would be asked in vain, before anything is done: pages of other commands, and teams' pages in
/// other formats.
pub fn must_be_possible(common: &Common, command: &Command) -> Result<()> {
    let asked = match command {
        Command::Report { team: Some(_), .. } => Some("--team"),
        Command::Report { split_by: Some(_), .. } => Some("--split-by"),
        _ => None,
    };
    let is_folder = common.output.as_ref().is_some_and(|path| path.extension().is_none());
    // A folder's name says no format; which one is meant is said below.
    if let (Some("--split-by"), true, None) = (asked, is_folder, common.format) {
        return Err(Error::config("--split-by", "it writes pages", "add --format html"));
    }
    let is_page = matches!(output::format(common), Ok(Format::Html));
    match (command, asked) {
        (Command::Report { .. }, Some(flag)) if !is_page => {
            let hint = "add --format html; for other formats, `billtag report --by team`";
            Err(Error::config(flag, "it writes a page, and another format is asked for", hint))
        }
        (Command::Report { split_by: Some(_), .. }, _) if common.output.is_none() => Err(Error::config(
            "--split-by",
            "it writes several files, and there is no folder for them",
            "add -o FOLDER",
        )),
        (Command::Report { .. }, _) => Ok(()),
        _ if is_page => Err(render::only_the_report(Format::Html)),
        _ => Ok(()),
    }
}

/// What a page groups spend by at first.
pub fn by(common: &Common) -> Result<&'static str> {
    match common.by {
        None | Some(By::Workload) => Ok("workload"),
        Some(By::Team) => Ok("team"),
        Some(By::Environment) => Ok("environment"),
        Some(By::Model) => Ok("model"),
        Some(By::CostCenter | By::Account | By::Region) => Err(Error::config(
            "--by",
            "a page groups spend by workload, team, environment or model",
            "leave --by out, or use --format md, csv or json",
        )),
    }
}

/// Writes what is wanted.
pub fn write(common: &Common, report: &Report<'_>, wanted: &Wanted<'_>) -> Result<()> {
    match (wanted.split, &common.output) {
        (Some(Split::Team), Some(folder)) => write_all(folder, &report.by_team()?),
        _ => output::write(common, &report.page(wanted.team)?),
    }
}

/// Each page is replaced whole. Pages that the index of an earlier run led to, and that no team has any more, are
/// removed; whatever else the folder holds is left alone.
fn write_all(folder: &Path, pages: &[(String, String)]) -> Result<()> {
    if folder.exists() && !folder.is_dir() {
        let hint = "name a folder, or one that does not exist yet";
        return Err(Error::config(
            format!("-o {}", folder.display()),
            "--split-by needs a folder, and this is a file",
            hint,
        ));
    }
    std::fs::create_dir_all(folder).map_err(Error::io(folder, "make"))?;
    let folder = std::path::absolute(folder).map_err(Error::io(folder, "find"))?;
    let earlier = linked(&folder.join(INDEX));
    pages.iter().try_for_each(|(name, text)| write_atomically(&folder.join(name), text.as_bytes()))?;
    let is_stale = |name: &&String| pages.iter().all(|(page, _)| page != *name) && is_own(&folder.join(name));
    earlier.iter().filter(is_stale).try_for_each(|name| {
        let path = folder.join(name);
        std::fs::remove_file(&path).map_err(Error::io(&path, "remove"))
    })
}

/// The page that leads to those of the teams.
const INDEX: &str = "index.html";
/// Bytes of a file's beginning that say whether it is a page of ours.
const BEGINNING: u64 = 8_192;

/// Pages that an index of ours leads to; none where there is none.
fn linked(index: &Path) -> Vec<String> {
    let Some(text) = is_own(index).then(|| std::fs::read_to_string(index).ok()).flatten() else { return Vec::new() };
    let names = text.split("<a href=\"").skip(1).filter_map(|rest| rest.split_once('"')).map(|(name, _)| name);
    // As pages of teams are called: in this folder, and nowhere else.
    let is_plain = |stem: &str| !stem.is_empty() && stem.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    names.filter(|name| name.strip_suffix(".html").is_some_and(is_plain)).map(String::from).collect()
}

/// Whether a file is a page that was written here.
fn is_own(path: &Path) -> bool {
    let is_file = std::fs::symlink_metadata(path).is_ok_and(|found| found.is_file());
    let mut beginning = Vec::new();
    let read = File::open(path).and_then(|file| file.take(BEGINNING).read_to_end(&mut beginning));
    is_file && read.is_ok() && String::from_utf8_lossy(&beginning).contains(shell::MARK)
}
