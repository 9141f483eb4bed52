//! Charges that do not fit into memory, in a file without a name: it is gone with the process, however
//! that ends.
//!
//! One block for each hour and time of writing out: its texts, its sets of dimensions, then its rows,
//! all by numbers within the block; or its rows alone, by numbers of names that stay in memory.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;

use super::gathered::{Joined, Key, Names, Renaming, Sum, Table};
use super::too_large;
use crate::clock::HOUR;
use crate::distinct::Distinct;
use crate::error::{Error, Result};
use crate::schema::CHARGE_TEXT_COUNT;
use crate::text::{Text, Texts};

/// A file of charges.
#[derive(Debug)]
pub struct Spill {
    file: File,
    blocks: Vec<Written>,
    end: u64,
}

/// A block.
#[derive(Debug)]
struct Written {
    /// Hour since the epoch.
    hour: i64,
    /// Where it lies.
    place: Range<u64>,
    /// Whether its names are in it.
    has_names: bool,
}

/// Charges of a stretch of time, equal ones joined.
#[derive(Debug, Default)]
pub struct Block {
    /// The charges.
    pub table: Table,
    /// Their names.
    pub names: Names,
}

/// Why bytes are not read back.
#[derive(Debug)]
enum Unread {
    /// They are not what was written.
    Spoiled,
    /// A sum leaves what a column can hold.
    TooLarge,
}

/// Bytes of a row: start, export, dimensions, which of the sums are there, sums.
const ROW: usize = 8 + 4 + 4 + 1 + 6 * 16;

fn failed(doing: &'static str) -> impl Fn(std::io::Error) -> Error {
    move |source| Error::Io { path: std::env::temp_dir(), doing, source }
}

impl Spill {
    /// An empty file in the system's temporary folder.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn create() -> Result<Self> {
        let file = tempfile::tempfile().map_err(failed("create a file in"))?;
        Ok(Self { file, blocks: Vec::new(), end: 0 })
    }

    /// Whether charges were written by numbers of names that are not in the file.
    pub fn has_numbers(&self) -> bool {
        self.blocks.iter().any(|block| !block.has_names)
    }

    /// Writes rows, which are sorted by start, with their names.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn write(&mut self, rows: &[Joined], names: &Names) -> Result<()> {
        self.write_blocks(rows, true, &|rows, to| encode(rows, names, to))
    }

    /// Writes rows, which are sorted by start, by numbers alone.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn write_numbers(&mut self, rows: &[Joined]) -> Result<()> {
        self.write_blocks(rows, false, &|rows, to| {
            rows.iter().for_each(|(key, sum)| encode_row(key, key.dimensions, sum, to));
        })
    }

    fn write_blocks(
        &mut self,
        rows: &[Joined],
        has_names: bool,
        encode: &dyn Fn(&[Joined], &mut Vec<u8>),
    ) -> Result<()> {
        let mut writer = BufWriter::with_capacity(1 << 20, &self.file);
        let mut bytes = Vec::new();
        for block in rows.chunk_by(|(a, _), (b, _)| a.start.div_euclid(HOUR) == b.start.div_euclid(HOUR)) {
            bytes.clear();
            encode(block, &mut bytes);
            writer.write_all(&bytes).map_err(failed("write charges to"))?;
            let place = self.end..self.end + bytes.len() as u64;
            self.end = place.end;
            self.blocks.push(Written { hour: block[0].0.start.div_euclid(HOUR), place, has_names });
        }
        writer.flush().map_err(failed("write charges to"))
    }

    /// The charges that start within a stretch of whole hours; `names` are those of what was written by numbers.
    ///
    /// # Errors
    /// Where the file cannot be read, or a sum leaves what a column can hold.
    pub fn read(&self, stretch: &Range<i64>, names: &Names) -> Result<Block> {
        let mut read = Block::default();
        let hours = stretch.start.div_euclid(HOUR)..stretch.end.div_euclid(HOUR);
        let mut bytes = Vec::new();
        let mut own = Own::of(names);
        for block in self.blocks.iter().filter(|block| hours.contains(&block.hour)) {
            bytes.resize((block.place.end - block.place.start) as usize, 0);
            let mut file = &self.file;
            file.seek(SeekFrom::Start(block.place.start)).map_err(failed("read charges from"))?;
            file.read_exact(&mut bytes).map_err(failed("read charges from"))?;
            let decoded = if block.has_names {
                decode(&bytes, &mut read)
            } else {
                let Block { table, names } = &mut read;
                decode_rows(&bytes, table, &mut |number| own.number(number, names))
            };
            decoded.map_err(|unread| match unread {
                Unread::TooLarge => too_large("bill"),
                Unread::Spoiled => {
                    let other = std::io::Error::other("what was written there is not what is read");
                    failed("read charges from")(other)
                }
            })?;
        }
        Ok(read)
    }
}

/// Names that stay in memory as those of a block.
struct Own<'a> {
    from: &'a Names,
    texts: Renaming<'a>,
    /// By number there: the number in the block.
    known: Vec<Option<u32>>,
}

impl<'a> Own<'a> {
    fn of(from: &'a Names) -> Self {
        Self { from, texts: Renaming::new(&from.texts), known: vec![None; from.dimensions.all().len()] }
    }

    fn number(&mut self, number: u32, to: &mut Names) -> Option<u32> {
        let Self { from, texts, known } = self;
        let known = known.get_mut(number as usize)?;
        Some(*known.get_or_insert_with(|| {
            let set = from.dimensions.get(number).map(|text| texts.rename(text, &mut to.texts));
            to.dimensions.number(set)
        }))
    }
}

fn encode(rows: &[Joined], names: &Names, to: &mut Vec<u8>) {
    let (mut own_texts, mut own_sets) = (Texts::default(), Distinct::default());
    let mut numbers: Vec<u8> = Vec::with_capacity(rows.len() * ROW);
    for (key, sum) in rows {
        encode_row(key, own_sets.number(key.dimensions), sum, &mut numbers);
    }
    let mut sets: Vec<u8> = Vec::with_capacity(own_sets.all().len() * CHARGE_TEXT_COUNT * 4);
    for set in own_sets.all() {
        for text in names.dimensions.get(*set) {
            let number = own_texts.intern_opt(names.texts.get(*text)).number() as u32;
            sets.extend(number.to_le_bytes());
        }
    }
    to.extend((own_texts.count() as u32).to_le_bytes());
    for text in own_texts.all() {
        to.extend((text.len() as u32).to_le_bytes());
        to.extend(text.as_bytes());
    }
    to.extend((own_sets.all().len() as u32).to_le_bytes());
    to.extend(sets);
    to.extend(numbers);
}

fn encode_row(key: &Key, dimensions: u32, sum: &Sum, to: &mut Vec<u8>) {
    to.extend(key.start.to_le_bytes());
    to.extend(key.export.to_le_bytes());
    to.extend(dimensions.to_le_bytes());
    to.push(u8::from(sum.quantity.is_some()) | u8::from(sum.list.is_some()) << 1);
    for amount in [sum.quantity.unwrap_or(0), sum.list.unwrap_or(0)].iter().chain(&sum.costs) {
        to.extend(amount.to_le_bytes());
    }
}

/// Adds the rows of a block that has its names.
fn decode(bytes: &[u8], to: &mut Block) -> Result<(), Unread> {
    let mut rest = bytes;
    let mut own_texts = Vec::new();
    for _ in 0..u32::from_le_bytes(cut(&mut rest)?) {
        let length = u32::from_le_bytes(cut(&mut rest)?) as usize;
        let (text, after) = rest.split_at_checked(length).ok_or(Unread::Spoiled)?;
        let text = std::str::from_utf8(text).or(Err(Unread::Spoiled))?;
        own_texts.push(to.names.texts.intern(text));
        rest = after;
    }
    let mut own_sets = Vec::new();
    for _ in 0..u32::from_le_bytes(cut(&mut rest)?) {
        let mut set = [Text::NULL; CHARGE_TEXT_COUNT];
        for text in &mut set {
            *text = *own_texts.get(u32::from_le_bytes(cut(&mut rest)?) as usize).ok_or(Unread::Spoiled)?;
        }
        own_sets.push(to.names.dimensions.number(set));
    }
    decode_rows(rest, &mut to.table, &mut |number| own_sets.get(number as usize).copied())
}

/// Adds rows, whose dimensions have other numbers in the file.
fn decode_rows(bytes: &[u8], to: &mut Table, own: &mut dyn FnMut(u32) -> Option<u32>) -> Result<(), Unread> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let start = i64::from_le_bytes(cut(&mut rest)?);
        let export = u32::from_le_bytes(cut(&mut rest)?);
        let dimensions = own(u32::from_le_bytes(cut(&mut rest)?)).ok_or(Unread::Spoiled)?;
        let [present] = cut(&mut rest)?;
        let mut amounts = [0; 6];
        for amount in &mut amounts {
            *amount = i128::from_le_bytes(cut(&mut rest)?);
        }
        let [quantity, list, costs @ ..] = amounts;
        let sum =
            Sum { quantity: (present & 1 > 0).then_some(quantity), list: (present & 2 > 0).then_some(list), costs };
        to.add(Key { start, export, dimensions }, &sum).ok_or(Unread::TooLarge)?;
    }
    Ok(())
}

fn cut<const LENGTH: usize>(rest: &mut &[u8]) -> Result<[u8; LENGTH], Unread> {
    let (own, after) = rest.split_first_chunk().ok_or(Unread::Spoiled)?;
    *rest = after;
    Ok(*own)
}
