//! Charges that do not fit into memory, in a file without a name: it is gone with the process, however
//! that ends.
//!
//! One block for each hour and time of writing out: its texts, its sets of dimensions, then its rows,
//! all by numbers within the block.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;

use super::gathered::{Joined, Key, Sum, Table};
use super::{Dimensions, too_large};
use crate::clock::HOUR;
use crate::distinct::Distinct;
use crate::error::{Error, Result};
use crate::schema::CHARGE_TEXT_COUNT;
use crate::text::{Text, Texts};

/// A file of charges.
#[derive(Debug)]
pub struct Spill {
    file: File,
    /// By block: its hour since the epoch, and where it lies.
    blocks: Vec<(i64, Range<u64>)>,
    end: u64,
}

/// Charges of a stretch of time, equal ones joined.
#[derive(Debug, Default)]
pub struct Block {
    /// The charges.
    pub table: Table,
    /// Their dimensions.
    pub dimensions: Distinct<Dimensions>,
    /// Their texts.
    pub texts: Texts,
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

    /// Writes rows, which are sorted by start.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn write(&mut self, rows: &[Joined], dimensions: &Distinct<Dimensions>, texts: &Texts) -> Result<()> {
        let mut writer = BufWriter::with_capacity(1 << 20, &self.file);
        let mut bytes = Vec::new();
        for block in rows.chunk_by(|(a, _), (b, _)| a.start.div_euclid(HOUR) == b.start.div_euclid(HOUR)) {
            bytes.clear();
            encode(block, dimensions, texts, &mut bytes);
            writer.write_all(&bytes).map_err(failed("write charges to"))?;
            let end = self.end + bytes.len() as u64;
            self.blocks.push((block[0].0.start.div_euclid(HOUR), self.end..end));
            self.end = end;
        }
        writer.flush().map_err(failed("write charges to"))
    }

    /// The charges that start within a stretch of whole hours.
    ///
    /// # Errors
    /// Where the file cannot be read, or a sum leaves what a column can hold.
    pub fn read(&self, stretch: &Range<i64>) -> Result<Block> {
        let mut read = Block::default();
        let hours = stretch.start.div_euclid(HOUR)..stretch.end.div_euclid(HOUR);
        let mut bytes = Vec::new();
        for (_, place) in self.blocks.iter().filter(|(hour, _)| hours.contains(hour)) {
            bytes.resize((place.end - place.start) as usize, 0);
            let mut file = &self.file;
            file.seek(SeekFrom::Start(place.start)).map_err(failed("read charges from"))?;
            file.read_exact(&mut bytes).map_err(failed("read charges from"))?;
            decode(&bytes, &mut read).map_err(|unread| match unread {
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

fn encode(rows: &[Joined], dimensions: &Distinct<Dimensions>, texts: &Texts, to: &mut Vec<u8>) {
    let (mut own_texts, mut own_sets) = (Texts::default(), Distinct::default());
    let mut numbers: Vec<u8> = Vec::with_capacity(rows.len() * ROW);
    for (key, sum) in rows {
        numbers.extend(key.start.to_le_bytes());
        numbers.extend(key.export.to_le_bytes());
        numbers.extend(own_sets.number(key.dimensions).to_le_bytes());
        numbers.push(u8::from(sum.quantity.is_some()) | u8::from(sum.list.is_some()) << 1);
        for amount in [sum.quantity.unwrap_or(0), sum.list.unwrap_or(0)].iter().chain(&sum.costs) {
            numbers.extend(amount.to_le_bytes());
        }
    }
    let mut sets: Vec<u8> = Vec::with_capacity(own_sets.all().len() * CHARGE_TEXT_COUNT * 4);
    for set in own_sets.all() {
        for text in dimensions.get(*set) {
            let number = own_texts.intern_opt(texts.get(*text)).number() as u32;
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

/// Adds a block's rows.
fn decode(bytes: &[u8], to: &mut Block) -> Result<(), Unread> {
    let mut rest = bytes;
    let mut own_texts = Vec::new();
    for _ in 0..u32::from_le_bytes(cut(&mut rest)?) {
        let length = u32::from_le_bytes(cut(&mut rest)?) as usize;
        let (text, after) = rest.split_at_checked(length).ok_or(Unread::Spoiled)?;
        let text = std::str::from_utf8(text).or(Err(Unread::Spoiled))?;
        own_texts.push(to.texts.intern(text));
        rest = after;
    }
    let mut own_sets = Vec::new();
    for _ in 0..u32::from_le_bytes(cut(&mut rest)?) {
        let mut set = [Text::NULL; CHARGE_TEXT_COUNT];
        for text in &mut set {
            *text = *own_texts.get(u32::from_le_bytes(cut(&mut rest)?) as usize).ok_or(Unread::Spoiled)?;
        }
        own_sets.push(to.dimensions.number(set));
    }
    while !rest.is_empty() {
        let start = i64::from_le_bytes(cut(&mut rest)?);
        let export = u32::from_le_bytes(cut(&mut rest)?);
        let set = own_sets.get(u32::from_le_bytes(cut(&mut rest)?) as usize).ok_or(Unread::Spoiled)?;
        let [present] = cut(&mut rest)?;
        let mut amounts = [0; 6];
        for amount in &mut amounts {
            *amount = i128::from_le_bytes(cut(&mut rest)?);
        }
        let [quantity, list, costs @ ..] = amounts;
        let sum =
            Sum { quantity: (present & 1 > 0).then_some(quantity), list: (present & 2 > 0).then_some(list), costs };
        to.table.add(Key { start, export, dimensions: *set }, &sum).ok_or(Unread::TooLarge)?;
    }
    Ok(())
}

fn cut<const LENGTH: usize>(rest: &mut &[u8]) -> Result<[u8; LENGTH], Unread> {
    let (own, after) = rest.split_first_chunk().ok_or(Unread::Spoiled)?;
    *rest = after;
    Ok(*own)
}
