//! Times and numbers of a batch, in whichever type the file has them.

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit};
use arrow::error::ArrowError;

use super::words::Words;
use crate::clock;
use crate::money::{self, NotAnAmount};

/// Any time column as microseconds since the epoch, UTC. A time without a zone is UTC.
///
/// # Errors
/// Where it is of no type that a time can be of.
pub fn times(array: &ArrayRef) -> Result<Int64Array, ArrowError> {
    let zone = match array.data_type() {
        DataType::Timestamp(_, zone) => zone.clone(),
        _ => None,
    };
    if array.data_type().is_integer() {
        let whole = cast(array, &DataType::Int64)?;
        return Ok(whole.as_primitive::<Int64Type>().unary(epoch_micros));
    }
    let array = match array.data_type() {
        DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::Dictionary(..) => return text_times(&Words::new(array)?),
        _ => cast(array, &DataType::Timestamp(TimeUnit::Microsecond, zone))?,
    };
    Ok(cast(&array, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
}

/// Times written as text. A text that is no time is an error, since a line without a time belongs to no day.
fn text_times(words: &Words) -> Result<Int64Array, ArrowError> {
    let read = |key: usize| match words.value(key).filter(|text| !text.trim().is_empty()) {
        None => Ok(None),
        Some(text) => clock::parse(text).map(|second| Some(second * 1_000_000)).map_err(ArrowError::ParseError),
    };
    let values: Vec<Option<i64>> = (0..words.values()).map(read).collect::<Result<_, _>>()?;
    Ok((0..words.lines()).map(|row| values[words.key(row)?]).collect())
}

/// Microseconds of a whole number since the epoch, whose unit shows in its size.
fn epoch_micros(value: i64) -> i64 {
    match value.unsigned_abs() {
        0..100_000_000_000 => value * 1_000_000,
        100_000_000_000..100_000_000_000_000 => value * 1_000,
        100_000_000_000_000..100_000_000_000_000_000 => value,
        _ => value / 1_000,
    }
}

/// A number column in whichever type the file has it.
#[derive(Debug)]
pub enum Numbers {
    /// Doubles.
    Double(Float64Array),
    /// Decimals of some scale.
    Decimal(Decimal128Array),
    /// Texts, each distinct one read once.
    Text(Words, Vec<Option<Result<i128, NotAnAmount>>>),
}

impl Numbers {
    /// A cost, amount or rate column.
    ///
    /// # Errors
    /// Where it is of no type that a number can be of.
    pub fn new(array: &ArrayRef) -> Result<Self, ArrowError> {
        let data_type = array.data_type();
        Ok(match data_type {
            DataType::Decimal128(..) => Self::Decimal(array.as_primitive().clone()),
            DataType::Float64 => Self::Double(array.as_primitive().clone()),
            // A float of 32 bits has a shorter decimal form of its own than as a double, and a whole
            // number may have more digits than a double keeps.
            DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
            | DataType::Dictionary(..)
            | DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::Float16
            | DataType::Float32
            | DataType::Decimal32(..)
            | DataType::Decimal64(..)
            | DataType::Decimal256(..)
            | DataType::Null => Self::of_text(array)?,
            _ if data_type.is_integer() => Self::of_text(array)?,
            _ => return Err(ArrowError::SchemaError(format!("a cost or amount column is of type {data_type}"))),
        })
    }

    /// A line's number in units of 1e-10.
    pub fn get(&self, row: usize) -> Option<Result<i128, NotAnAmount>> {
        match self {
            Self::Double(array) => array.is_valid(row).then(|| money::from_f64(array.value(row))),
            Self::Decimal(array) => array.is_valid(row).then(|| money::from_decimal(array.value(row), array.scale())),
            Self::Text(words, numbers) => numbers[words.key(row)?],
        }
    }

    fn of_text(array: &ArrayRef) -> Result<Self, ArrowError> {
        let words = Words::new(array)?;
        let value = |at: usize| words.value(at).filter(|text| !text.trim().is_empty()).map(number_text);
        let numbers = (0..words.values()).map(value).collect();
        Ok(Self::Text(words, numbers))
    }
}

fn number_text(text: &str) -> Result<i128, NotAnAmount> {
    money::from_decimal_text(text).map_err(|error| {
        let finite = text.trim().parse::<f64>().map_or(true, f64::is_finite);
        if finite { error } else { NotAnAmount::NotFinite }
    })
}
