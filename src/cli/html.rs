//! Pages: where the report goes that is one file, or a folder of them.

use std::path::Path;

use super::{By, Command, Common, Format, Split, output};
use crate::error::{Error, Result};
use crate::place::write_atomically;
use crate::report::html::Report;
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

/// Each page is replaced whole; whatever else the folder holds is left alone.
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
    pages.iter().try_for_each(|(name, text)| write_atomically(&folder.join(name), text.as_bytes()))
}
