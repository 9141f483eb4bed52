//! Lines: a batch of bill lines, each column ready to be read by line.

use arrow::array::{Array, ArrayRef, Int64Array};
use arrow::error::ArrowError;

use super::columns::{AmountColumn, PairSource, Positions, TextColumn, TimeColumn};
use super::numbers::{Numbers, times};
use super::words::{Pairs, Words};
use crate::clock;
use crate::money::NotAnAmount;

/// A batch of bill lines with every column ready to be read by line.
#[derive(Debug)]
pub struct Lines {
    /// Number of lines.
    pub len: usize,
    texts: [Option<Words>; TextColumn::ALL.len()],
    times: [Option<Int64Array>; TimeColumn::ALL.len()],
    amounts: [Option<Numbers>; AmountColumn::ALL.len()],
    pairs: Vec<(PairSource, Pairs)>,
    /// By line: its number within the file, from 1.
    numbers: Vec<u64>,
}

impl Lines {
    /// Takes columns apart; `column` gives that of a top-level field, where it was read.
    ///
    /// # Errors
    /// Where a column is of no type that a bill's can be of.
    pub fn new(
        positions: &Positions,
        numbers: Vec<u64>,
        column: &dyn Fn(usize) -> Option<ArrayRef>,
    ) -> Result<Self, ArrowError> {
        let mut lines = Self {
            len: numbers.len(),
            texts: std::array::from_fn(|_| None),
            times: std::array::from_fn(|_| None),
            amounts: std::array::from_fn(|_| None),
            pairs: Vec::new(),
            numbers,
        };
        for (text, at) in positions.texts() {
            let is_account = matches!(text, TextColumn::PayerAccount | TextColumn::UsageAccount);
            let read = if is_account { accounts } else { Words::new };
            lines.texts[text as usize] = column(at).as_ref().map(read).transpose()?;
        }
        for (time, at) in positions.times() {
            lines.times[time as usize] = column(at).as_ref().map(times).transpose()?;
        }
        for (amount, at) in positions.amounts() {
            lines.amounts[amount as usize] = column(at).as_ref().map(Numbers::new).transpose()?;
        }
        for (source, key, at) in positions.pairs() {
            if let Some(array) = column(at) {
                lines.pairs.push((source, Pairs::new(&array, key)?));
            }
        }
        Ok(lines)
    }

    /// A text; empty is unknown.
    pub fn text(&self, column: TextColumn, row: usize) -> Option<&str> {
        self.words(column)?.get(row).filter(|text| !text.is_empty())
    }

    /// A text column, where the file has it.
    pub fn words(&self, column: TextColumn) -> Option<&Words> {
        self.texts[column as usize].as_ref()
    }

    /// An instant in epoch seconds.
    pub fn time(&self, column: TimeColumn, row: usize) -> Option<i64> {
        let array = self.times[column as usize].as_ref()?;
        array.is_valid(row).then(|| array.value(row).div_euclid(1_000_000))
    }

    /// The instant that decides to which period a line belongs; epoch seconds.
    pub fn period_time(&self, row: usize) -> Option<i64> {
        let interval = || interval(self.text(TextColumn::TimeInterval, row)?).map(|(start, _)| start);
        self.time(TimeColumn::PeriodStart, row).or_else(|| self.time(TimeColumn::UsageStart, row)).or_else(interval)
    }

    /// A number in units of 1e-10.
    pub fn amount(&self, column: AmountColumn, row: usize) -> Option<Result<i128, NotAnAmount>> {
        self.amounts[column as usize].as_ref()?.get(row)
    }

    /// Whether the file has a number column at all.
    pub fn has_amount(&self, column: AmountColumn) -> bool {
        self.amounts[column as usize].is_some()
    }

    /// Calls `each` with every key and value of a source's maps and flattened columns.
    pub fn pairs(&self, source: PairSource, row: usize, each: &mut dyn FnMut(&str, &str)) {
        self.pairs.iter().filter(|(known, _)| *known == source).for_each(|(_, pairs)| pairs.each(row, each));
    }

    /// Writes what tells a line's pairs of a source from those of other lines of the batch.
    pub fn sign(&self, source: PairSource, row: usize, to: &mut Vec<u32>) {
        self.pairs.iter().filter(|(known, _)| *known == source).for_each(|(_, pairs)| pairs.sign(row, to));
    }

    /// Row number within the file, from 1, for messages.
    pub fn row_number(&self, row: usize) -> u64 {
        self.numbers[row]
    }
}

/// Account ids as text. Whole numbers are ids that lost their leading zeros.
fn accounts(array: &ArrayRef) -> Result<Words, ArrowError> {
    let words = Words::new(array)?;
    Ok(if array.data_type().is_integer() { words.map(|value| format!("{value:0>12}")) } else { words })
}

/// Start and end of `identity_time_interval`: `2026-11-01T00:00:00Z/2026-11-01T01:00:00Z`.
pub fn interval(text: &str) -> Option<(i64, i64)> {
    let (start, end) = text.split_once('/')?;
    Some((clock::parse(start).ok()?, clock::parse(end).ok()?))
}
