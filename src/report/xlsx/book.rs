//! The book: sheets and their styles, and the few ways in which something is written to one. Texts are always texts:
//! nothing of a bill becomes a formula or a link.

use rust_xlsxwriter::{Format, FormatAlign, FormatBorder, Formula, Workbook, Worksheet, XlsxError};

use super::cell::{self, Content, Kind};
use crate::error::{Error, Result};
use crate::metrics::Value;
use crate::report::safe;

/// The row of a sheet's only table that holds its headings; title and notes stand above.
pub const HEADER: u32 = 3;

/// Rows from which a sheet is a long one.
const MANY: usize = 5_000;

/// Why a workbook cannot be made: for want of room, or of something that should not have been asked.
pub fn failed(error: XlsxError) -> Error {
    let hint = match error {
        XlsxError::IoError(_) | XlsxError::TempFileError(..) => {
            "make room in the system's temporary folder, or name another one in TMPDIR"
        }
        _ => "please report this; `--format csv` and `html` say the same",
    };
    Error::input("workbook", error.to_string(), hint)
}

/// How cells look.
pub struct Styles {
    title: Format,
    note: Format,
    heading: Format,
    number: Format,
    label: Format,
    quoted: Format,
    wrapped: Format,
    plain: Vec<Format>,
    total: Vec<Format>,
}

impl Default for Styles {
    fn default() -> Self {
        let grey = 0x0059_5959_u32;
        let plain: Vec<Format> = Kind::ALL.iter().map(|kind| aligned(*kind)).collect();
        let heading = Format::new()
            .set_bold()
            .set_text_wrap()
            .set_align(FormatAlign::Top)
            .set_background_color(0x00DD_E6F0_u32)
            .set_border_bottom(FormatBorder::Thin);
        Self {
            title: Format::new().set_bold().set_font_size(14.0),
            note: Format::new().set_font_color(grey),
            number: heading.clone().set_align(FormatAlign::Right),
            heading: heading.set_align(FormatAlign::Left).set_indent(1),
            label: Format::new().set_bold(),
            quoted: aligned(Kind::Text).set_quote_prefix(),
            wrapped: aligned(Kind::Text).set_text_wrap(),
            total: plain.iter().map(|one| one.clone().set_bold().set_border_top(FormatBorder::Thin)).collect(),
            plain,
        }
    }
}

/// Numbers stand right, names and dates left and off the number beside them.
fn aligned(kind: Kind) -> Format {
    let format = Format::new().set_num_format(kind.format());
    if kind.is_amount() { format } else { format.set_align(FormatAlign::Left).set_indent(1) }
}

impl Styles {
    fn place(kind: Kind) -> usize {
        Kind::ALL.iter().position(|one| *one == kind).unwrap_or(0)
    }

    /// Of a kind's cells.
    pub fn plain(&self, kind: Kind) -> &Format {
        &self.plain[Self::place(kind)]
    }

    /// Of texts that take several lines.
    pub fn wrapped(&self) -> &Format {
        &self.wrapped
    }

    /// Of a kind's totals.
    pub fn total(&self, kind: Kind) -> &Format {
        &self.total[Self::place(kind)]
    }
}

/// What a text is on a sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The first line.
    Title,
    /// What the reader should know.
    Note,
    /// The name of a column of names or dates.
    Heading,
    /// The name of a column of numbers.
    Number,
    /// The name of a table or a total.
    Label,
}

impl Role {
    /// Of the name of a column of a kind.
    pub fn of(kind: Kind) -> Self {
        if kind.is_amount() { Self::Number } else { Self::Heading }
    }
}

/// A sheet that is written.
pub struct Page<'a> {
    /// The sheet.
    pub sheet: Worksheet,
    /// Its name.
    pub name: String,
    /// How cells look.
    pub styles: &'a Styles,
}

impl<'a> Page<'a> {
    /// An empty sheet.
    ///
    /// # Errors
    /// Where the name is none for a sheet.
    pub fn new(name: impl Into<String>, styles: &'a Styles) -> Result<Self> {
        Self::on(Worksheet::new(), name.into(), styles)
    }

    /// An empty sheet for so many rows: those of a long one wait in a nameless temporary file, and have to be written
    /// one after the other.
    ///
    /// # Errors
    /// Where the name is none for a sheet, or there is no room for temporary files.
    pub fn of_rows(book: &mut Workbook, name: String, rows: usize, styles: &'a Styles) -> Result<Self> {
        if rows < MANY {
            return Self::new(name, styles);
        }
        Self::on(book.new_worksheet_with_low_memory().map_err(failed)?, name, styles)
    }

    fn on(mut sheet: Worksheet, name: String, styles: &'a Styles) -> Result<Self> {
        sheet.set_name(&name).map_err(failed)?;
        // What an accountant prints: across the paper, as wide as a sheet.
        sheet.set_landscape().set_paper_size(9).set_print_fit_to_pages(1, 0);
        sheet.set_footer("&L&A&RPage &P of &N");
        Ok(Self { sheet, name, styles })
    }

    /// Prints so many rows and columns alone: charts stand beside the table and would make a page as wide as both.
    ///
    /// # Errors
    /// Where the sheet ends.
    pub fn print(&mut self, rows: u32, columns: usize) -> Result<()> {
        let end = columns.saturating_sub(1) as u16;
        self.sheet.set_print_area(0, 0, rows.saturating_sub(1), end).map_err(failed)?;
        Ok(())
    }

    /// A text of ours.
    ///
    /// # Errors
    /// Where the sheet ends.
    pub fn say(&mut self, row: u32, column: u16, text: &str, role: Role) -> Result<()> {
        let format = match role {
            Role::Title => &self.styles.title,
            Role::Note => &self.styles.note,
            Role::Heading => &self.styles.heading,
            Role::Number => &self.styles.number,
            Role::Label => &self.styles.label,
        };
        self.sheet.write_string_with_format(row, column, cell::safe(text), format).map_err(failed)?;
        Ok(())
    }

    /// A value, in the format of its kind.
    ///
    /// # Errors
    /// Where the sheet ends.
    pub fn put(&mut self, row: u32, column: u16, value: Value<'_>, kind: Kind) -> Result<()> {
        let styles = self.styles;
        match cell::content(value, kind) {
            Content::Number(number) => {
                self.sheet.write_number_with_format(row, column, number, styles.plain(kind)).map_err(failed)?;
            }
            Content::Text(text) if !safe::could_run(&text) => {
                self.sheet.write_string_with_format(row, column, text, styles.plain(Kind::Text)).map_err(failed)?;
            }
            other => self.write(row, column, other)?,
        }
        Ok(())
    }

    /// A content, in the format of its column.
    ///
    /// # Errors
    /// Where the sheet ends.
    pub fn write(&mut self, row: u32, column: u16, content: Content<'_>) -> Result<()> {
        let sheet = &mut self.sheet;
        let written = match content {
            Content::Nothing => Ok(sheet),
            Content::Number(number) => sheet.write_number(row, column, number),
            Content::Flag(flag) => sheet.write_boolean(row, column, flag),
            // Who edits such a cell must not turn it into a formula.
            Content::Text(text) if safe::could_run(&text) => {
                sheet.write_string_with_format(row, column, text, &self.styles.quoted)
            }
            Content::Text(text) => sheet.write_string(row, column, text),
        };
        written.map(|_| ()).map_err(failed)
    }

    /// A formula, with what it comes to for those who do not reckon; nothing where that is unknown.
    ///
    /// # Errors
    /// Where the sheet ends.
    pub fn formula(&mut self, row: u32, column: u16, text: &str, result: Option<f64>, format: &Format) -> Result<()> {
        let formula = Formula::new(text).set_result(result.map_or(String::new(), |number| number.to_string()));
        self.sheet.write_formula_with_format(row, column, formula, format).map_err(failed)?;
        Ok(())
    }
}
