//! A column chunk while it is written: values go straight into pages.
//!
//! The rows of a bill hold numbers of texts already, so a text is looked up in the chunk's dictionary
//! once for each stretch of rows and not once for each row. That, and the lack of bounds that would tell
//! a reader nothing, is why this is not left to the `parquet` crate, which frames the pages and files.

use std::collections::BTreeMap;

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, PageType, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, PageEncodingStats};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use super::hybrid;
use crate::schema::Kind;
use crate::text::{Text, Texts};

/// Rows of a page.
const PAGE_ROWS: usize = 16_384;
/// Bytes of a page's values, and of a dictionary, beyond which none is added.
const PAGE_BYTES: usize = 1 << 20;
/// Pages are written once and read often, and the level hardly shows in either.
const LEVEL: i32 = 1;

/// A column chunk.
pub struct Chunk {
    kind: Kind,
    rows: usize,
    /// Of the page's rows: number of the value in the dictionary from 1, or 1 where values are plain;
    /// zero where there is none.
    numbers: Vec<u32>,
    /// The page's plain values.
    plain: Vec<u8>,
    dictionary: Texts,
    /// Whether the dictionary is full, so that values are plain from here on.
    is_plain: bool,
    /// By the source's text: its number in the dictionary.
    known: Vec<u32>,
    /// Texts of the source.
    texts: usize,
    nulls: u64,
    bounds: Option<[i64; 2]>,
    pages: Vec<CompressedPage>,
    raw: Vec<u8>,
    compressor: zstd::bulk::Compressor<'static>,
}

impl Chunk {
    /// An empty chunk.
    ///
    /// # Errors
    /// Where the compressor cannot be made.
    pub fn new(kind: Kind) -> std::io::Result<Self> {
        Ok(Self {
            kind,
            rows: 0,
            numbers: Vec::new(),
            plain: Vec::new(),
            dictionary: Texts::default(),
            is_plain: kind != Kind::Text,
            known: Vec::new(),
            texts: 0,
            nulls: 0,
            bounds: None,
            pages: Vec::new(),
            raw: Vec::new(),
            compressor: zstd::bulk::Compressor::new(LEVEL)?,
        })
    }

    /// Texts come from another collection from here on.
    pub fn turn_to(&mut self, texts: &Texts) {
        self.known.clear();
        self.texts = texts.count();
    }

    /// Adds a text of the collection that was turned to.
    ///
    /// # Errors
    /// Where a page cannot be compressed.
    pub fn text(&mut self, text: Text, texts: &Texts) -> Result<()> {
        if text.is_null() {
            return self.add(0);
        }
        if self.known.is_empty() {
            self.known.resize(self.texts, 0);
        }
        let known = self.known[text.number()];
        if known != 0 && !self.is_plain {
            return self.add(known);
        }
        let value = texts.str(text);
        match self.numbered(value)? {
            Some(number) => {
                self.known[text.number()] = number;
                self.add(number)
            }
            None => self.plain_text(value),
        }
    }

    /// The number of a text in the dictionary; `None` once that is full. What it holds already is asked first,
    /// so that the bytes do not depend on where a stretch ends.
    fn numbered(&mut self, value: &str) -> Result<Option<u32>> {
        if self.is_plain {
            return Ok(None);
        }
        let held = self.dictionary.find(value);
        if !held.is_null() {
            return Ok(Some(held.number() as u32));
        }
        if self.dictionary.length() + value.len() <= PAGE_BYTES {
            return Ok(Some(self.dictionary.intern(value).number() as u32));
        }
        self.end_page()?;
        self.is_plain = true;
        Ok(None)
    }

    /// Adds a text that belongs to no collection.
    ///
    /// # Errors
    /// Where a page cannot be compressed.
    pub fn name(&mut self, name: &str) -> Result<()> {
        if name.is_empty() {
            return self.add(0);
        }
        match self.numbered(name)? {
            Some(number) => self.add(number),
            None => self.plain_text(name),
        }
    }

    fn plain_text(&mut self, text: &str) -> Result<()> {
        self.plain.extend((text.len() as u32).to_le_bytes());
        self.plain.extend(text.as_bytes());
        self.add(1)
    }

    /// Adds an amount in units of the column's scale.
    ///
    /// # Errors
    /// Where a page cannot be compressed.
    pub fn amount(&mut self, amount: Option<i128>) -> Result<()> {
        if let Some(amount) = amount {
            self.plain.extend(amount.to_be_bytes());
        }
        self.add(u32::from(amount.is_some()))
    }

    /// Adds a whole number: microseconds, days or a count.
    ///
    /// # Errors
    /// Where a page cannot be compressed.
    pub fn whole(&mut self, whole: Option<i64>) -> Result<()> {
        if let Some(whole) = whole {
            match self.kind {
                Kind::Day => self.plain.extend((whole as i32).to_le_bytes()),
                _ => self.plain.extend(whole.to_le_bytes()),
            }
            let [least, most] = self.bounds.unwrap_or([whole; 2]);
            self.bounds = Some([least.min(whole), most.max(whole)]);
        }
        self.add(u32::from(whole.is_some()))
    }

    /// Adds a yes or no.
    ///
    /// # Errors
    /// Where a page cannot be compressed.
    pub fn flag(&mut self, flag: bool) -> Result<()> {
        self.plain.push(u8::from(flag));
        self.add(1)
    }

    fn add(&mut self, number: u32) -> Result<()> {
        self.numbers.push(number);
        self.nulls += u64::from(number == 0);
        self.rows += 1;
        if self.numbers.len() == PAGE_ROWS || self.plain.len() >= PAGE_BYTES {
            self.end_page()?;
        }
        Ok(())
    }

    fn end_page(&mut self) -> Result<()> {
        if self.numbers.is_empty() {
            return Ok(());
        }
        let rows = self.numbers.len() as u32;
        self.raw.clear();
        self.write_levels();
        // A page without a value needs no dictionary, which may never come.
        let encoding = if self.is_plain || self.dictionary.count() == 1 {
            match self.kind {
                Kind::Flag => pack_flags(&self.plain, &mut self.raw),
                _ => self.raw.extend(&self.plain),
            }
            Encoding::PLAIN
        } else {
            let width = hybrid::width_of(self.dictionary.count() as u32 - 2);
            self.raw.push(width);
            self.numbers.retain(|number| *number != 0);
            self.numbers.iter_mut().for_each(|number| *number -= 1);
            hybrid::write(&self.numbers, width, &mut self.raw);
            Encoding::RLE_DICTIONARY
        };
        let buf = compressed(&mut self.compressor, &self.raw)?;
        let (level, statistics) = (Encoding::RLE, None);
        let page = Page::DataPage {
            buf,
            num_values: rows,
            encoding,
            def_level_encoding: level,
            rep_level_encoding: level,
            statistics,
        };
        self.pages.push(CompressedPage::new(page, self.raw.len()));
        self.numbers.clear();
        self.plain.clear();
        Ok(())
    }

    /// Writes which rows have a value.
    fn write_levels(&mut self) {
        self.raw.extend([0; 4]);
        let levels: Vec<u32> = self.numbers.iter().map(|number| u32::from(*number != 0)).collect();
        hybrid::write(&levels, 1, &mut self.raw);
        let length = (self.raw.len() - 4) as u32;
        self.raw[..4].copy_from_slice(&length.to_le_bytes());
    }

    /// Ends the chunk: its bytes, and what a file says of it. The chunk is empty again.
    ///
    /// # Errors
    /// Where a page cannot be compressed.
    pub fn end(&mut self, column: ColumnDescPtr) -> Result<(Bytes, ColumnCloseResult)> {
        self.end_page()?;
        let mut sink = TrackedWrite::new(Vec::new());
        let mut writer = SerializedPageWriter::new(&mut sink);
        let (mut written, mut uncompressed, mut first) = (0, 0, None);
        let mut encodings: BTreeMap<Encoding, BTreeMap<PageType, i32>> = BTreeMap::new();
        let has_dictionary = self.dictionary.count() > 1;
        let dictionary = if has_dictionary { Some(self.dictionary_page()?) } else { None };
        for page in dictionary.into_iter().chain(self.pages.drain(..)) {
            let is_data = page.page_type() != PageType::DICTIONARY_PAGE;
            *encodings.entry(page.encoding()).or_default().entry(page.page_type()).or_default() += 1;
            let spec = writer.write_page(page)?;
            if is_data {
                first.get_or_insert(spec.offset);
            }
            written += spec.bytes_written;
            // As other writers count it: with the page's header.
            uncompressed += spec.bytes_written - spec.compressed_size as u64 + spec.uncompressed_size as u64;
        }
        let of = |(encoding, pages): (&Encoding, &BTreeMap<PageType, i32>)| {
            let stats = |(page_type, count): (&PageType, &i32)| PageEncodingStats {
                page_type: *page_type,
                encoding: *encoding,
                count: *count,
            };
            pages.iter().map(stats).collect::<Vec<_>>()
        };
        let stats = encodings.iter().flat_map(of).collect();
        let metadata = ColumnChunkMetaData::builder(column)
            .set_encodings(encodings.keys().copied().chain([Encoding::RLE]).collect())
            .set_page_encoding_stats(stats)
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(LEVEL)?))
            .set_num_values(self.rows as i64)
            .set_total_compressed_size(written as i64)
            .set_total_uncompressed_size(uncompressed as i64)
            .set_data_page_offset(first.unwrap_or(0) as i64)
            .set_dictionary_page_offset(has_dictionary.then_some(0))
            .set_statistics(self.statistics());
        let close = ColumnCloseResult {
            bytes_written: written,
            rows_written: self.rows as u64,
            metadata: metadata.build()?,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        self.empty();
        let bytes = sink.into_inner().map_err(|error| ParquetError::External(Box::new(error)))?;
        Ok((Bytes::from(bytes), close))
    }

    fn dictionary_page(&mut self) -> Result<CompressedPage> {
        self.raw.clear();
        for text in self.dictionary.all().skip(1) {
            self.raw.extend((text.len() as u32).to_le_bytes());
            self.raw.extend(text.as_bytes());
        }
        let num_values = self.dictionary.count() as u32 - 1;
        let buf = compressed(&mut self.compressor, &self.raw)?;
        let page = Page::DictionaryPage { buf, num_values, encoding: Encoding::PLAIN, is_sorted: false };
        Ok(CompressedPage::new(page, self.raw.len()))
    }

    /// Bounds of times, and how many values are not there. Rows are in order of time, so the bounds of texts and
    /// amounts would tell a reader nothing.
    fn statistics(&self) -> Statistics {
        let nulls = Some(self.nulls);
        let [least, most] = self.bounds.map_or([None; 2], |bounds| bounds.map(Some));
        match self.kind {
            Kind::Text => Statistics::byte_array(None, None, None, nulls, false),
            Kind::Amount => Statistics::fixed_len_byte_array(None, None, None, nulls, false),
            Kind::Timestamp | Kind::Count => Statistics::int64(least, most, None, nulls, false),
            Kind::Day => {
                let day = |whole: Option<i64>| whole.map(|day| day as i32);
                Statistics::int32(day(least), day(most), None, nulls, false)
            }
            Kind::Flag => Statistics::boolean(None, None, None, nulls, false),
        }
    }

    fn empty(&mut self) {
        self.rows = 0;
        self.nulls = 0;
        self.bounds = None;
        self.dictionary = Texts::default();
        self.is_plain = self.kind != Kind::Text;
        self.known.clear();
    }
}

fn compressed(compressor: &mut zstd::bulk::Compressor<'static>, raw: &[u8]) -> Result<Bytes> {
    Ok(Bytes::from(compressor.compress(raw)?))
}

fn pack_flags(flags: &[u8], to: &mut Vec<u8>) {
    let packed = |eight: &[u8]| eight.iter().enumerate().fold(0, |bits, (at, flag)| bits | flag << at);
    to.extend(flags.chunks(8).map(packed));
}

#[cfg(test)]
mod tests {
    use parquet::arrow::ArrowSchemaConverter;
    use parquet::column::page::PageReader;
    use parquet::file::serialized_reader::SerializedPageReader;

    use super::*;
    use crate::schema::Table;

    /// A column's chunk of some texts, which come in stretches.
    fn written(stretches: &[Vec<String>]) -> (Bytes, ColumnCloseResult) {
        let mut chunk = Chunk::new(Kind::Text).unwrap();
        for stretch in stretches {
            let mut texts = Texts::default();
            let numbers: Vec<Text> = stretch.iter().map(|text| texts.intern(text)).collect();
            chunk.turn_to(&texts);
            numbers.iter().for_each(|text| chunk.text(*text, &texts).unwrap());
        }
        let schema = ArrowSchemaConverter::new().convert(&Table::Charges.schema()).unwrap();
        chunk.end(schema.column(1)).unwrap()
    }

    fn texts(count: usize) -> Vec<String> {
        (0..count).map(|at| if at % 7 == 3 { String::new() } else { format!("{:0>150}", at % 7_100) }).collect()
    }

    #[test]
    fn bytes_do_not_depend_on_the_stretches_though_the_dictionary_is_full() {
        // Seven thousand texts of 150 bytes are more than a dictionary holds; many come again.
        let all = texts(30_000);
        let (whole, close) = written(std::slice::from_ref(&all));
        for cut in [1, 1_000, 6_985, 6_990, 16_384, 29_999] {
            let cut = [all[..cut].to_vec(), all[cut..].to_vec()];
            assert_eq!(written(&cut).0, whole);
        }
        assert_eq!(close.rows_written, 30_000);
        let encodings: Vec<Encoding> = close.metadata.encodings().collect();
        assert!(encodings.contains(&Encoding::PLAIN) && encodings.contains(&Encoding::RLE_DICTIONARY));
    }

    #[test]
    fn a_column_without_a_value_has_no_dictionary() {
        let (bytes, close) = written(&[vec![String::new(); 100]]);
        assert_eq!(close.metadata.dictionary_page_offset(), None);
        assert_eq!(close.metadata.statistics().and_then(|known| known.null_count_opt()), Some(100));
        let mut pages = SerializedPageReader::new(std::sync::Arc::new(bytes), &close.metadata, 100, None).unwrap();
        assert_eq!(pages.get_next_page().unwrap().map(|page| page.num_values()), Some(100));
        assert!(pages.get_next_page().unwrap().is_none());
    }
}
