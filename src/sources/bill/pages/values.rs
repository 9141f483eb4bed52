//! Texts and numbers of wanted lines.

use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Float64Array, Int32Array, Int64Array, StringArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit};
use parquet::basic::{ConvertedType, Encoding, LogicalType, TimeUnit as ParquetUnit, Type};
use parquet::data_type::Int96;
use parquet::schema::types::ColumnDescriptor;

use super::Stop;
use super::cursor::Cursor;
use super::leaf::{DataPage, Dictionary, Leaf, Plain};
use super::levels::NULL;

/// A column without lists.
#[derive(Debug)]
pub struct Flat {
    pages: Cursor,
    data_type: DataType,
}

impl Flat {
    /// A column of a type that is read here.
    ///
    /// # Errors
    /// Where it is of another.
    pub fn open(leaf: Leaf, described: &ColumnDescriptor, data_type: &DataType) -> Result<Self, Stop> {
        let is_known = match (leaf.physical, data_type) {
            (Type::BYTE_ARRAY, _) => is_text(data_type),
            (Type::DOUBLE, DataType::Float64) => true,
            (Type::INT64, DataType::Int64) => described.logical_type_ref().is_none(),
            (Type::INT64, DataType::Timestamp(unit, _)) => unit_of(described) == Some(*unit),
            (Type::INT96, DataType::Timestamp(TimeUnit::Nanosecond, _)) => true,
            _ => false,
        };
        if !is_known || leaf.max_repetition > 0 || leaf.max_definition > 1 {
            return Err(Stop::Declined);
        }
        Ok(Self { pages: Cursor::new(leaf), data_type: data_type.clone() })
    }

    /// The values of lines, as [`super::Column::take`] says.
    ///
    /// # Errors
    /// Where a page is written in a way that is read elsewhere, or is damaged.
    pub fn take(&mut self, rows: &[u32]) -> Result<ArrayRef, Stop> {
        match self.pages.leaf.physical {
            Type::BYTE_ARRAY => {
                let mut texts = Texts::default();
                self.pages.each_page(rows, |page, dictionary, places| texts.add(page, dictionary, places))?;
                texts.finish()
            }
            Type::DOUBLE => {
                let mut numbers: Vec<Option<f64>> = Vec::with_capacity(rows.len());
                self.pages.each_page(rows, |page, dictionary, places| {
                    fixed(page, dictionary, places, &mut numbers, f64::from_le_bytes)
                })?;
                Ok(Arc::new(Float64Array::from(numbers)))
            }
            Type::INT64 => {
                let mut numbers: Vec<Option<i64>> = Vec::with_capacity(rows.len());
                self.pages.each_page(rows, |page, dictionary, places| {
                    fixed(page, dictionary, places, &mut numbers, i64::from_le_bytes)
                })?;
                self.instants(numbers)
            }
            Type::INT96 => {
                let mut numbers: Vec<Option<i64>> = Vec::with_capacity(rows.len());
                self.pages.each_page(rows, |page, dictionary, places| {
                    fixed(page, dictionary, places, &mut numbers, nanoseconds)
                })?;
                self.instants(numbers)
            }
            _ => Err(Stop::Declined),
        }
    }

    fn instants(&self, numbers: Vec<Option<i64>>) -> Result<ArrayRef, Stop> {
        let numbers = Int64Array::from(numbers);
        cast(&numbers, &self.data_type).ok().ok_or(Stop::Declined)
    }
}

/// Whether a column's texts are said to be texts.
pub(super) fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// The unit of a time column, as the file says it.
fn unit_of(described: &ColumnDescriptor) -> Option<TimeUnit> {
    match (described.logical_type_ref(), described.converted_type()) {
        (Some(LogicalType::Timestamp(stamp)), _) => Some(match stamp.unit {
            ParquetUnit::MILLIS => TimeUnit::Millisecond,
            ParquetUnit::MICROS => TimeUnit::Microsecond,
            ParquetUnit::NANOS => TimeUnit::Nanosecond,
        }),
        (None, ConvertedType::TIMESTAMP_MILLIS) => Some(TimeUnit::Millisecond),
        (None, ConvertedType::TIMESTAMP_MICROS) => Some(TimeUnit::Microsecond),
        _ => None,
    }
}

/// Nanoseconds since the epoch of a Julian day and the nanoseconds of the day.
fn nanoseconds(bytes: [u8; 12]) -> i64 {
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap_or_default());
    let mut instant = Int96::new();
    instant.set_data(word(0), word(4), word(8));
    instant.to_nanos()
}

/// Adds the values of fixed length at some places of a page.
fn fixed<const LENGTH: usize, T>(
    page: &DataPage,
    dictionary: Option<&Dictionary>,
    places: &[u32],
    to: &mut Vec<Option<T>>,
    read: impl Fn([u8; LENGTH]) -> T,
) -> Result<(), Stop> {
    let ended = || Stop::damaged("a page of numbers ends too early");
    if page.is_dictionary() {
        let dictionary = dictionary.ok_or_else(|| Stop::damaged("a page needs a dictionary that is not there"))?;
        return with_nulls(page, places, |index| {
            to.push(match index {
                Some(index) => Some(read(dictionary.fixed(index as usize).ok_or_else(ended)?)),
                None => None,
            });
            Ok(())
        });
    }
    if page.encoding != Encoding::PLAIN {
        return Err(Stop::Declined);
    }
    for place in places {
        let start = *place as usize * LENGTH;
        let value = || page.values.get(start..start + LENGTH)?.try_into().ok();
        to.push(if *place == NULL { None } else { Some(read(value().ok_or_else(ended)?)) });
    }
    Ok(())
}

/// Calls `each` with the dictionary index at each of some places.
pub(super) fn with_nulls(
    page: &DataPage,
    places: &[u32],
    mut each: impl FnMut(Option<u32>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let is_whole = !places.contains(&NULL);
    let present: Vec<u32>;
    let present = if is_whole {
        places
    } else {
        present = places.iter().copied().filter(|place| *place != NULL).collect();
        &present
    };
    let mut at = 0;
    page.indices()?.at(present, |index| {
        while places[at] == NULL {
            each(None)?;
            at += 1;
        }
        at += 1;
        each(Some(index))
    })?;
    places[at..].iter().try_for_each(|_| each(None))
}

/// Texts of wanted lines, each distinct value of a dictionary once.
#[derive(Debug, Default)]
pub(super) struct Texts {
    keys: Vec<Option<i32>>,
    values: StringBuilder,
    count: i32,
    /// Of the dictionary's values: the number here, from 1.
    known: Vec<i32>,
    /// The last plain value.
    last: Option<(Vec<u8>, i32)>,
}

impl Texts {
    fn value(&mut self, text: &[u8]) -> Result<i32, Stop> {
        // The general reader says better what is wrong.
        self.values.append_value(std::str::from_utf8(text).ok().ok_or(Stop::Declined)?);
        self.count += 1;
        Ok(self.count - 1)
    }

    /// Adds the texts at some places of a page.
    ///
    /// # Errors
    /// Where the page is written in a way that is read elsewhere, or is damaged.
    pub(super) fn add(&mut self, page: &DataPage, dictionary: Option<&Dictionary>, places: &[u32]) -> Result<(), Stop> {
        if !page.is_dictionary() {
            return self.add_plain(page, places);
        }
        let dictionary = dictionary.ok_or_else(|| Stop::damaged("a page needs a dictionary that is not there"))?;
        self.known.resize(dictionary.count(), 0);
        with_nulls(page, places, |index| {
            let Some(index) = index.map(|index| index as usize) else {
                self.keys.push(None);
                return Ok(());
            };
            let known = *self.known.get(index).ok_or_else(|| Stop::damaged("an index beyond the dictionary"))?;
            let key = if known > 0 {
                known - 1
            } else {
                let text = dictionary.text(index).ok_or_else(|| Stop::damaged("an index beyond the dictionary"))?;
                let key = self.value(text)?;
                self.known[index] = key + 1;
                key
            };
            self.keys.push(Some(key));
            Ok(())
        })
    }

    fn add_plain(&mut self, page: &DataPage, places: &[u32]) -> Result<(), Stop> {
        if page.encoding != Encoding::PLAIN {
            return Err(Stop::Declined);
        }
        let mut texts = Plain::new(&page.values);
        let mut passed = 0;
        for place in places {
            if *place == NULL {
                self.keys.push(None);
                continue;
            }
            while passed < *place {
                texts.next()?;
                passed += 1;
            }
            let text = texts.next()?;
            passed += 1;
            let key = match &self.last {
                Some((last, key)) if last == text => *key,
                _ => {
                    let key = self.value(text)?;
                    self.last = Some((text.to_vec(), key));
                    key
                }
            };
            self.keys.push(Some(key));
        }
        Ok(())
    }

    /// The texts as an array of keys and values.
    ///
    /// # Errors
    /// Never, unless keys and values do not agree.
    pub(super) fn finish(mut self) -> Result<ArrayRef, Stop> {
        let values: StringArray = self.values.finish();
        let keys = Int32Array::from(self.keys);
        Ok(Arc::new(DictionaryArray::try_new(keys, Arc::new(values)).ok().ok_or(Stop::Declined)?))
    }

    /// How many texts there are.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }
}
