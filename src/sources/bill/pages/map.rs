//! Keys and values of wanted lines.

use std::sync::Arc;

use arrow::array::{ArrayRef, MapArray, StructArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, Fields};
use parquet::basic::Type;

use super::Stop;
use super::cursor::Cursor;
use super::leaf::{DataPage, Leaf};
use super::levels::{Lists, places};
use super::values::{Texts, is_text};

/// A column of maps from text to text.
///
/// Keys and values have the same levels, one for each entry and one for each map that is empty or not
/// there; so the levels of wanted lines are found once, in the keys' pages.
#[derive(Debug)]
pub struct Map {
    keys: Leaf,
    /// The keys' page at hand, and how the lines stood before it.
    page: Option<(DataPage, Lists)>,
    lists: Lists,
    /// Levels of the keys' pages before the one at hand.
    first: usize,
    values: Cursor,
    entry: Arc<Field>,
}

/// Entries of wanted lines so far.
#[derive(Debug, Default)]
struct Entries {
    /// The level of each.
    levels: Vec<u32>,
    keys: Texts,
    /// Per line: entries before it.
    offsets: Vec<i32>,
    /// Per line: whether there is a map.
    valid: Vec<bool>,
}

impl Map {
    /// A column of a type that is read here.
    ///
    /// # Errors
    /// Where it is of another.
    pub fn open(keys: Leaf, values: Leaf, data_type: &DataType) -> Result<Self, Stop> {
        let DataType::Map(entry, _) = data_type else { return Err(Stop::Declined) };
        let DataType::Struct(fields) = entry.data_type() else { return Err(Stop::Declined) };
        let is_text = fields.len() == 2
            && fields.iter().all(|field| is_text(field.data_type()))
            && [&keys, &values].iter().all(|leaf| leaf.physical == Type::BYTE_ARRAY && leaf.max_repetition == 1);
        let of_value = values.max_definition.checked_sub(keys.max_definition);
        if !is_text || !matches!(keys.max_definition, 1 | 2) || !matches!(of_value, Some(0 | 1)) {
            return Err(Stop::Declined);
        }
        let dictionary = || DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        let named = |at: usize, nullable| Field::new(fields[at].name(), dictionary(), nullable);
        let fields = Fields::from(vec![named(0, false), named(1, true)]);
        let entry = Arc::new(Field::new(entry.name(), DataType::Struct(fields), false));
        Ok(Self { keys, page: None, lists: Lists::default(), first: 0, values: Cursor::new(values), entry })
    }

    /// The maps of lines, as [`super::Column::take`] says.
    ///
    /// # Errors
    /// Where a page is written in a way that is read elsewhere, or is damaged.
    pub fn take(&mut self, rows: &[u32]) -> Result<ArrayRef, Stop> {
        let mut entries = self.take_keys(rows)?;
        let mut values = Texts::default();
        self.values.each_page(&entries.levels, |page, dictionary, places| values.add(page, dictionary, places))?;
        entries.offsets.push(i32::try_from(entries.keys.len()).ok().ok_or(Stop::Declined)?);
        let DataType::Struct(fields) = self.entry.data_type() else { return Err(Stop::Declined) };
        let unfit = |error: arrow::error::ArrowError| Stop::damaged(&format!("a map's keys and values: {error}"));
        let columns = vec![entries.keys.finish()?, values.finish()?];
        let pairs = StructArray::try_new(fields.clone(), columns, None).map_err(unfit)?;
        let offsets = OffsetBuffer::new(entries.offsets.into());
        let valid = NullBuffer::from(entries.valid);
        let map = MapArray::try_new(Arc::clone(&self.entry), offsets, pairs, Some(valid), false);
        Ok(Arc::new(map.map_err(unfit)?))
    }

    fn take_keys(&mut self, mut rows: &[u32]) -> Result<Entries, Stop> {
        let all = rows.len();
        let mut entries = Entries::default();
        // The page at hand may hold lines of this stretch too; what it continues was taken with the one before.
        self.lists.close();
        if let Some((page, before)) = self.page.take() {
            let end = self.lists.begun();
            if rows.first().is_some_and(|row| (*row as usize) < end) {
                self.lists = before;
                self.lists.close();
                self.first -= page.levels;
                self.take_page(page, &mut rows, &mut entries)?;
            }
        }
        while !rows.is_empty() || self.lists.is_open() {
            let Some(page) = self.keys.page()? else { break };
            self.take_page(page, &mut rows, &mut entries)?;
        }
        if entries.offsets.len() < all {
            return Err(Stop::damaged("a column of maps has fewer lines than its row group"));
        }
        Ok(entries)
    }

    fn take_page(&mut self, page: DataPage, rows: &mut &[u32], entries: &mut Entries) -> Result<(), Stop> {
        let before = self.lists.clone();
        let (mut levels, mut begins) = (Vec::new(), Vec::new());
        self.lists.find(page.repetition(self.keys.max_repetition), rows, |begin, at| {
            levels.push(at);
            begins.push(begin);
        })?;
        let max = self.keys.max_definition;
        let (mut present, mut at) = (Vec::new(), 0);
        let first = self.first as u32;
        places(page.definition(max), max, &levels, |place| {
            if begins[at] {
                entries.offsets.push((entries.keys.len() + present.len()) as i32);
                // An optional map has a level of its own for being there at all.
                entries.valid.push(max == 1 || place.level > 0);
            }
            if place.level == max {
                present.push(place.value);
                entries.levels.push(first + levels[at]);
            }
            at += 1;
        })?;
        if !present.is_empty() {
            entries.keys.add(&page, self.keys.dictionary.as_deref(), &present)?;
        }
        self.first += page.levels;
        self.page = Some((page, before));
        Ok(())
    }
}
