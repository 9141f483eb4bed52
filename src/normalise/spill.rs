//! Charges that do not fit into memory, in a file without a name: it is gone with the process, however
//! that ends.
//!
//! One block for each hour and time of writing out: its texts, then its rows, whose texts are numbers
//! within the block.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;

use super::gathered::{Joined, Key, Sum, Table};
use crate::clock::HOUR;
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

/// Bytes of a row: start, export, texts, which of the sums are there, sums.
const ROW: usize = 8 + 4 + 4 * CHARGE_TEXT_COUNT + 1 + 6 * 16;

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
    pub fn write(&mut self, rows: &[Joined], texts: &Texts) -> Result<()> {
        let mut writer = BufWriter::with_capacity(1 << 20, &self.file);
        let mut bytes = Vec::new();
        for block in rows.chunk_by(|(a, _), (b, _)| a.start.div_euclid(HOUR) == b.start.div_euclid(HOUR)) {
            bytes.clear();
            encode(block, texts, &mut bytes);
            writer.write_all(&bytes).map_err(failed("write charges to"))?;
            let end = self.end + bytes.len() as u64;
            self.blocks.push((block[0].0.start.div_euclid(HOUR), self.end..end));
            self.end = end;
        }
        writer.flush().map_err(failed("write charges to"))
    }

    /// The rows that start within a stretch of whole hours, equal ones joined.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn read(&self, stretch: &Range<i64>) -> Result<(Vec<Joined>, Texts)> {
        let (mut table, mut texts) = (Table::default(), Texts::default());
        let hours = stretch.start.div_euclid(HOUR)..stretch.end.div_euclid(HOUR);
        let mut bytes = Vec::new();
        for (_, place) in self.blocks.iter().filter(|(hour, _)| hours.contains(hour)) {
            bytes.resize((place.end - place.start) as usize, 0);
            let mut file = &self.file;
            file.seek(SeekFrom::Start(place.start)).map_err(failed("read charges from"))?;
            file.read_exact(&mut bytes).map_err(failed("read charges from"))?;
            decode(&bytes, &mut table, &mut texts).ok_or_else(|| {
                let other = std::io::Error::other("what was written there is not what is read");
                failed("read charges from")(other)
            })?;
        }
        Ok((table.rows, texts))
    }
}

fn encode(rows: &[Joined], texts: &Texts, to: &mut Vec<u8>) {
    let mut own = Texts::default();
    let mut numbers: Vec<u8> = Vec::with_capacity(rows.len() * ROW);
    for (key, sum) in rows {
        numbers.extend(key.start.to_le_bytes());
        numbers.extend(key.export.to_le_bytes());
        for text in key.texts {
            let number = own.intern_opt(texts.get(text)).number() as u32;
            numbers.extend(number.to_le_bytes());
        }
        numbers.push(u8::from(sum.quantity.is_some()) | u8::from(sum.list.is_some()) << 1);
        for amount in [sum.quantity.unwrap_or(0), sum.list.unwrap_or(0)].iter().chain(&sum.costs) {
            numbers.extend(amount.to_le_bytes());
        }
    }
    to.extend((own.count() as u32).to_le_bytes());
    for text in own.all() {
        to.extend((text.len() as u32).to_le_bytes());
        to.extend(text.as_bytes());
    }
    to.extend(numbers);
}

/// A block's rows; `None` where the bytes are no block.
fn decode(bytes: &[u8], table: &mut Table, texts: &mut Texts) -> Option<()> {
    let mut rest = bytes;
    let count = u32::from_le_bytes(cut(&mut rest)?);
    let mut own = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let length = u32::from_le_bytes(cut(&mut rest)?) as usize;
        let (text, after) = rest.split_at_checked(length)?;
        own.push(texts.intern(std::str::from_utf8(text).ok()?));
        rest = after;
    }
    while !rest.is_empty() {
        let start = i64::from_le_bytes(cut(&mut rest)?);
        let export = u32::from_le_bytes(cut(&mut rest)?);
        let mut key = Key { start, export, texts: [Text::NULL; CHARGE_TEXT_COUNT] };
        for text in &mut key.texts {
            *text = *own.get(u32::from_le_bytes(cut(&mut rest)?) as usize)?;
        }
        let [present] = cut(&mut rest)?;
        let mut amounts = [0; 6];
        for amount in &mut amounts {
            *amount = i128::from_le_bytes(cut(&mut rest)?);
        }
        let [quantity, list, costs @ ..] = amounts;
        let sum =
            Sum { quantity: (present & 1 > 0).then_some(quantity), list: (present & 2 > 0).then_some(list), costs };
        table.add(key, &sum)?;
    }
    Some(())
}

fn cut<const LENGTH: usize>(rest: &mut &[u8]) -> Option<[u8; LENGTH]> {
    let (own, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*own)
}
