//! A leaf: one column chunk of a row group, page by page.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Encoding, Type};
use parquet::column::page::{Page, PageReader};
use parquet::file::serialized_reader::SerializedPageReader;

use super::Stop;
use super::runs::Runs;
use crate::sources::bill::chunks::Chunks;
use crate::sources::bill::file::{BillFile, chunk_range};

/// The values that a column's dictionary-encoded pages point to.
#[derive(Debug, Clone)]
pub struct Dictionary {
    bytes: Bytes,
    /// For texts: where each value ends; its length stands in four bytes before it.
    ends: Vec<u32>,
    count: usize,
}

impl Dictionary {
    /// A dictionary page taken apart.
    ///
    /// # Errors
    /// Where its values do not fit into it.
    pub fn new(bytes: Bytes, count: u32, physical: Type) -> Result<Self, Stop> {
        let count = count as usize;
        let mut ends = Vec::new();
        if physical == Type::BYTE_ARRAY {
            ends.reserve(count.min(bytes.len() / 4));
            let mut texts = Plain::new(&bytes);
            for _ in 0..count {
                texts.next()?;
                ends.push(u32::try_from(texts.at).ok().ok_or(Stop::Declined)?);
            }
        }
        Ok(Self { bytes, ends, count })
    }

    /// How many values it has.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        self.bytes.len() + self.ends.len() * size_of::<u32>()
    }

    /// A text.
    pub fn text(&self, at: usize) -> Option<&[u8]> {
        let start = if at == 0 { 4 } else { *self.ends.get(at - 1)? as usize + 4 };
        self.bytes.get(start..*self.ends.get(at)? as usize)
    }

    /// The bytes of a value of fixed length.
    pub fn fixed<const LENGTH: usize>(&self, at: usize) -> Option<[u8; LENGTH]> {
        let start = at.checked_mul(LENGTH)?;
        self.bytes.get(start..start + LENGTH)?.try_into().ok()
    }
}

/// Texts as Parquet writes them plainly: four bytes of length before each.
#[derive(Debug)]
pub struct Plain<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Plain<'a> {
    /// The texts of a page.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next text.
    ///
    /// # Errors
    /// Where the page ends before it.
    pub fn next(&mut self) -> Result<&'a [u8], Stop> {
        let ended = || Stop::damaged("a page of texts ends too early");
        let length = self.bytes.get(self.at..self.at + 4).ok_or_else(ended)?;
        let length = u32::from_le_bytes(length.try_into().unwrap_or_default()) as usize;
        let start = self.at + 4;
        let text = self.bytes.get(start..start + length).ok_or_else(ended)?;
        self.at = start + length;
        Ok(text)
    }
}

/// A page of data, taken apart.
#[derive(Debug, Clone)]
pub struct DataPage {
    /// Number of levels: values, nulls and empty maps.
    pub levels: usize,
    /// Number of values that are there.
    pub present: usize,
    repetition: Bytes,
    definition: Bytes,
    /// The values that are there, as they are encoded.
    pub values: Bytes,
    /// How.
    pub encoding: Encoding,
}

/// The pages of a column chunk.
enum Pages {
    /// As they are read; and whether the dictionary is known, so that its page is passed over.
    Read(Box<SerializedPageReader<Chunks>>, bool),
    /// As they were kept.
    Kept(VecDeque<DataPage>),
}

/// One column chunk, read page by page.
pub struct Leaf {
    pages: Pages,
    /// Its number among the file's leaves.
    pub number: usize,
    /// Levels that the footer says are still to come.
    left: usize,
    /// Parquet's type of its values.
    pub physical: Type,
    /// Level of a value that is there.
    pub max_definition: u32,
    /// Level of a value that goes on its line's list; zero where there are no lists.
    pub max_repetition: u32,
    /// The dictionary, once its page was read.
    pub dictionary: Option<Arc<Dictionary>>,
}

impl std::fmt::Debug for Leaf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Leaf").field("physical", &self.physical).finish_non_exhaustive()
    }
}

impl Leaf {
    /// Opens a column chunk. One that is read from its first to its last page, and then closed, is read at once.
    ///
    /// # Errors
    /// Where its bytes cannot be had.
    pub fn open(file: &BillFile, group: usize, leaf: usize, (bytes, at_once): (&Chunks, bool)) -> Result<Self, Stop> {
        let column = file.column(group, leaf);
        let described = column.column_descr();
        let rows = usize::try_from(file.rows(group)).ok().ok_or(Stop::Declined)?;
        let level = |level: i16| u32::try_from(level).ok().ok_or(Stop::Declined);
        let dictionary = bytes.kept().dictionary(leaf);
        let pages = match bytes.kept().pages(leaf) {
            Some(pages) => Pages::Kept(pages.into()),
            None => {
                let bytes = if at_once { bytes.hold(&chunk_range(column))? } else { bytes.clone() };
                let bytes = Arc::new(bytes);
                Pages::Read(Box::new(SerializedPageReader::new(bytes, column, rows, None)?), dictionary.is_some())
            }
        };
        Ok(Self {
            pages,
            number: leaf,
            left: usize::try_from(column.num_values()).ok().ok_or(Stop::Declined)?,
            physical: column.column_type(),
            max_definition: level(described.max_def_level())?,
            max_repetition: level(described.max_rep_level())?,
            dictionary,
        })
    }

    /// Reads the dictionary, where the chunk begins with one.
    ///
    /// # Errors
    /// Where it is damaged or written in an unknown way.
    pub fn read_dictionary(&mut self) -> Result<(), Stop> {
        let Pages::Read(pages, is_known) = &mut self.pages else { return Ok(()) };
        if self.dictionary.is_some() && !*is_known {
            return Ok(());
        }
        if !pages.peek_next_page()?.is_some_and(|page| page.is_dict) {
            return Ok(());
        }
        if *is_known {
            *is_known = false;
            return Ok(pages.skip_next_page()?);
        }
        let Some(Page::DictionaryPage { buf, num_values, encoding, .. }) = pages.get_next_page()? else {
            return Err(Stop::Declined);
        };
        if !matches!(encoding, Encoding::PLAIN | Encoding::PLAIN_DICTIONARY) {
            return Err(Stop::Declined);
        }
        self.dictionary = Some(Arc::new(Dictionary::new(buf, num_values, self.physical)?));
        Ok(())
    }

    /// Levels of the next page of data, where its header says so.
    ///
    /// # Errors
    /// Where bytes cannot be had or are damaged.
    pub fn peek(&mut self) -> Result<Option<usize>, Stop> {
        self.read_dictionary()?;
        match &mut self.pages {
            Pages::Kept(pages) => Ok(pages.front().map(|page| page.levels)),
            Pages::Read(pages, _) => {
                let Some(page) = pages.peek_next_page()? else { return Ok(None) };
                page.num_levels.map(Some).ok_or(Stop::Declined)
            }
        }
    }

    /// Passes over the next page without decompressing it.
    ///
    /// # Errors
    /// Where bytes cannot be had.
    pub fn skip(&mut self) -> Result<(), Stop> {
        match &mut self.pages {
            Pages::Kept(pages) => drop(pages.pop_front()),
            Pages::Read(pages, _) => pages.skip_next_page()?,
        }
        Ok(())
    }

    /// The next page of data.
    ///
    /// # Errors
    /// Where it is damaged or its levels are written in an unknown way.
    pub fn page(&mut self) -> Result<Option<DataPage>, Stop> {
        self.read_dictionary()?;
        let page = match &mut self.pages {
            Pages::Kept(pages) => return Ok(pages.pop_front()),
            Pages::Read(pages, _) => pages.get_next_page()?,
        };
        match page {
            None => Ok(None),
            Some(Page::DictionaryPage { .. }) => Err(Stop::Declined),
            Some(Page::DataPage { buf, num_values, encoding, def_level_encoding, rep_level_encoding, .. }) => {
                let mut rest = buf;
                let repetition = levels_of_v1(&mut rest, self.max_repetition, rep_level_encoding)?;
                let definition = levels_of_v1(&mut rest, self.max_definition, def_level_encoding)?;
                self.apart(num_values, repetition, definition, rest, encoding).map(Some)
            }
            Some(Page::DataPageV2 { buf, num_values, encoding, def_levels_byte_len, rep_levels_byte_len, .. }) => {
                let mut rest = buf;
                let repetition = cut(&mut rest, rep_levels_byte_len as usize)?;
                let definition = cut(&mut rest, def_levels_byte_len as usize)?;
                self.apart(num_values, repetition, definition, rest, encoding).map(Some)
            }
        }
    }

    fn apart(
        &mut self,
        levels: u32,
        repetition: Bytes,
        definition: Bytes,
        values: Bytes,
        encoding: Encoding,
    ) -> Result<DataPage, Stop> {
        let levels = levels as usize;
        // A header that promises more than the footer would have runs of it collected without end.
        self.left = self
            .left
            .checked_sub(levels)
            .ok_or_else(|| Stop::damaged("a column's pages have more values than its footer says"))?;
        let mut page = DataPage { levels, present: levels, repetition, definition, values, encoding };
        if self.max_definition > 0 {
            page.present = page.definition(self.max_definition).count(self.max_definition)?;
        }
        Ok(page)
    }
}

/// In version 1 levels are led by four bytes of length, and not written at all where there is but one level.
fn levels_of_v1(rest: &mut Bytes, max: u32, encoding: Encoding) -> Result<Bytes, Stop> {
    if max == 0 {
        return Ok(Bytes::new());
    }
    if encoding != Encoding::RLE {
        return Err(Stop::Declined);
    }
    let length = cut(rest, 4)?;
    cut(rest, u32::from_le_bytes(length[..].try_into().unwrap_or_default()) as usize)
}

fn cut(rest: &mut Bytes, length: usize) -> Result<Bytes, Stop> {
    if rest.len() < length {
        return Err(Stop::damaged("a page ends within its levels"));
    }
    Ok(rest.split_to(length))
}

/// Bits that a level or index up to `max` takes.
fn bits(max: u32) -> u32 {
    u32::BITS - max.leading_zeros()
}

impl DataPage {
    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        self.repetition.len() + self.definition.len() + self.values.len()
    }

    /// The levels that say where lines begin.
    pub fn repetition(&self, max: u32) -> Runs<'_> {
        Runs::new(&self.repetition, bits(max), self.levels)
    }

    /// The levels that say which values are there.
    pub fn definition(&self, max: u32) -> Runs<'_> {
        Runs::new(&self.definition, bits(max), self.levels)
    }

    /// Whether its values are indices into the dictionary.
    pub fn is_dictionary(&self) -> bool {
        matches!(self.encoding, Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY)
    }

    /// The indices of its values: a byte that says how many bits they have, then runs.
    ///
    /// # Errors
    /// Where that byte makes no sense.
    pub fn indices(&self) -> Result<Runs<'_>, Stop> {
        match self.values.split_first() {
            // Without a value there may be no byte.
            None => Ok(Runs::new(&[], 1, self.present)),
            Some((width, _)) if *width > 32 => Err(Stop::damaged("dictionary indices of more than 32 bits")),
            Some((width, rest)) => Ok(Runs::new(rest, u32::from(*width), self.present)),
        }
    }
}
