//! Workbooks: where the report goes that is no text.

use super::{Command, Common, Format, output};
use crate::error::{Error, Result};
use crate::report::render;

/// Refuses what would be asked in vain, before anything is done: workbooks of other commands, and one on a terminal.
pub fn must_be_possible(common: &Common, command: &Command) -> Result<()> {
    match (command, output::format(common)) {
        (Command::Report { .. }, Ok(Format::Xlsx)) if output::is_to_terminal(common) => {
            let hint = "add -o report.xlsx, or send it to a pipe";
            Err(Error::config("--format xlsx", "a workbook is no text for a terminal", hint))
        }
        (Command::Report { .. }, _) => Ok(()),
        (_, Ok(Format::Xlsx)) => Err(render::only_the_report(Format::Xlsx)),
        _ => Ok(()),
    }
}
