//! Aligned: a table in columns, laid out at once where it fits, wrapped where the terminal is narrower.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use unicode_width::UnicodeWidthStr;

/// What stands for a table without rows.
pub const NOTHING: &str = "nothing\n";

/// Headings, alignments and texts of a table.
#[derive(Debug, Default)]
pub struct Texts {
    headings: Vec<String>,
    right: Vec<bool>,
    /// All cells, one after the other; many small texts would take longer to make than to show.
    cells: String,
    ends: Vec<usize>,
}

impl Texts {
    /// A table without rows; the columns that are aligned to the right hold numbers.
    pub fn new(headings: Vec<String>, right: Vec<bool>) -> Self {
        Self { headings, right, ..Self::default() }
    }

    /// Adds the next cell of a row by what writes it.
    pub fn push(&mut self, write: impl FnOnce(&mut String)) {
        write(&mut self.cells);
        self.ends.push(self.cells.len());
    }

    fn cell(&self, at: usize) -> &str {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.cells[start..self.ends[at]]
    }

    fn rows(&self) -> impl Iterator<Item = impl Iterator<Item = &str>> {
        let columns = self.headings.len();
        let height = self.ends.len().checked_div(columns).unwrap_or(0);
        (0..height).map(move |row| (0..columns).map(move |column| self.cell(row * columns + column)))
    }

    /// The table for a terminal of a width, where there is one.
    pub fn aligned(&self, width: Option<u16>) -> String {
        if self.ends.is_empty() {
            return NOTHING.into();
        }
        let columns = self.headings.len();
        let mut widths: Vec<usize> = self.headings.iter().map(|heading| shown(heading).max(1)).collect();
        for at in 0..self.ends.len() {
            let width = &mut widths[at % columns];
            *width = shown(self.cell(at)).max(*width);
        }
        let needed: usize = widths.iter().enumerate().map(|(at, width)| before(at) + width + 1).sum();
        match width {
            Some(limit) if needed > usize::from(limit) => self.wrapped(limit),
            _ => self.laid_out(&widths),
        }
    }

    fn laid_out(&self, widths: &[usize]) -> String {
        let mut out =
            String::with_capacity((widths.iter().sum::<usize>() + 2 * widths.len()) * self.ends.len().min(64));
        self.line(self.headings.iter().map(String::as_str), widths, &mut out);
        for row in self.rows() {
            self.line(row, widths, &mut out);
        }
        out
    }

    fn line<'a>(&self, cells: impl Iterator<Item = &'a str>, widths: &[usize], out: &mut String) {
        let start = out.len();
        for (at, cell) in cells.enumerate() {
            let free = widths[at] - shown(cell);
            let (left, right) = if self.right[at] { (free, 0) } else { (0, free) };
            spaces(before(at) + left, out);
            out.push_str(cell);
            spaces(right + 1, out);
        }
        out.truncate(start + out[start..].trim_end().len());
        out.push('\n');
    }

    /// Cells that are too long go on in the next line.
    fn wrapped(&self, width: u16) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        table.set_header(&self.headings);
        for row in self.rows() {
            table.add_row(row);
        }
        for (at, right) in self.right.iter().enumerate() {
            if let Some(column) = table.column_mut(at) {
                column.set_padding((before(at) as u16, 1));
                column.set_cell_alignment(if *right { CellAlignment::Right } else { CellAlignment::Left });
            }
        }
        let mut out = String::new();
        for line in table.lines() {
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }

    /// The table in Markdown; its texts are Markdown already.
    pub fn markdown(&self) -> String {
        if self.ends.is_empty() {
            return NOTHING.into();
        }
        let rule = self.right.iter().map(|right| if *right { "---:" } else { "---" });
        let mut out = String::new();
        markdown_line(self.headings.iter().map(String::as_str), &mut out);
        markdown_line(rule, &mut out);
        for row in self.rows() {
            markdown_line(row, &mut out);
        }
        out
    }
}

fn markdown_line<'a>(cells: impl Iterator<Item = &'a str>, out: &mut String) {
    out.push('|');
    for cell in cells {
        out.push(' ');
        out.push_str(cell);
        out.push_str(" |");
    }
    out.push('\n');
}

/// Spaces before a column.
fn before(column: usize) -> usize {
    if column == 0 { 2 } else { 1 }
}

/// Columns that a text takes in a terminal.
fn shown(text: &str) -> usize {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) { text.len() } else { text.width() }
}

fn spaces(count: usize, out: &mut String) {
    const SPACES: &str = "                                                                ";
    let mut left = count;
    while left > 0 {
        let some = left.min(SPACES.len());
        out.push_str(&SPACES[..some]);
        left -= some;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(cells: &[&str]) -> Texts {
        let mut texts = Texts::new(["", "größe", "c"].map(String::from).to_vec(), vec![false, true, false]);
        cells.iter().for_each(|cell| texts.push(|out| out.push_str(cell)));
        texts
    }

    #[test]
    fn what_fits_is_laid_out_as_it_would_be_wrapped() {
        let long = "x".repeat(150);
        for cells in [["", "1", "ü"], ["🙂 日本", "–", ""], ["a b c", "-1.25", long.as_str()], ["", "", ""]] {
            let texts = table(&[cells, ["mid", "10", "last"]].concat());
            assert_eq!(texts.aligned(None), texts.wrapped(1_000), "{cells:?}");
            assert_eq!(texts.aligned(Some(40)), texts.wrapped(40), "{cells:?}");
        }
        assert_eq!(table(&[]).aligned(None), NOTHING);
    }
}
