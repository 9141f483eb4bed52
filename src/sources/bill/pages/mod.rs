//! Pages: the values of wanted lines, taken straight out of a Parquet file's pages.
//!
//! A bill has a hundred lines of others for each of Bedrock's. So nothing is decoded but what is
//! asked for: of a dictionary-encoded page the indices of wanted lines, of a dictionary the values
//! that those point to, of a map the entries of wanted lines; whole pages without a wanted line are
//! not even decompressed. What is written in a way that is not known here is [declined](Stop::Declined),
//! and the caller has the general reader of the `parquet` crate read that column.
//!
//! Format: <https://parquet.apache.org/docs/file-format/>.

mod cursor;
mod find;
mod kept;
mod leaf;
mod levels;
mod map;
mod runs;
mod values;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use parquet::errors::ParquetError;

pub use find::{Marks, Test, mark, passing};
pub use kept::Kept;
pub use leaf::{Dictionary, Leaf};

use super::chunks::Chunks;
use super::file::BillFile;

/// Why a column was not read.
#[derive(Debug)]
pub enum Stop {
    /// It is written in a way that is read elsewhere.
    Declined,
    /// Its bytes cannot be had or are damaged.
    Failed(ParquetError),
}

impl Stop {
    fn damaged(what: &str) -> Self {
        Self::Failed(ParquetError::General(what.to_string()))
    }
}

impl From<ParquetError> for Stop {
    fn from(error: ParquetError) -> Self {
        Self::Failed(error)
    }
}

/// A column of a row group, read in stretches of ascending lines.
#[derive(Debug)]
pub enum Column {
    /// Texts and numbers.
    Flat(Box<values::Flat>),
    /// Keys and values.
    Map(Box<map::Map>),
}

impl Column {
    /// Opens a column.
    ///
    /// # Errors
    /// Where its type is read elsewhere, or its bytes cannot be had.
    pub fn open(file: &BillFile, group: usize, root: usize, (bytes, at_once): (&Chunks, bool)) -> Result<Self, Stop> {
        let data_type = file.metadata.schema().field(root).data_type();
        match (&file.leaves(root)[..], data_type) {
            ([leaf], _) => {
                let described = file.column(group, *leaf).column_descr();
                let flat = values::Flat::open(Leaf::open(file, group, *leaf, (bytes, at_once))?, described, data_type)?;
                Ok(Self::Flat(Box::new(flat)))
            }
            ([keys, values], DataType::Map(..)) => {
                let open = |leaf: &usize| Leaf::open(file, group, *leaf, (bytes, at_once));
                Ok(Self::Map(Box::new(map::Map::open(open(keys)?, open(values)?, data_type)?)))
            }
            _ => Err(Stop::Declined),
        }
    }

    /// The values of lines of the row group, which ascend and lie behind those that were taken before.
    ///
    /// # Errors
    /// Where a page is written in a way that is read elsewhere, or is damaged.
    pub fn take(&mut self, rows: &[u32]) -> Result<ArrayRef, Stop> {
        match self {
            Self::Flat(flat) => flat.take(rows),
            Self::Map(map) => map.take(rows),
        }
    }
}
