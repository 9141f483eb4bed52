//! Words: a text column of a batch, each value once where the file repeats it.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type};
use arrow::error::ArrowError;

/// Texts by line. A value has a number within the batch, so that what follows from it is found once.
#[derive(Debug, Clone)]
pub struct Words {
    /// By line: the number of its value; without them every line has its own.
    keys: Option<Int32Array>,
    values: StringArray,
}

impl Words {
    /// Any text-like column; one of pure nulls is text without values.
    ///
    /// # Errors
    /// Where the column cannot be text.
    pub fn new(array: &ArrayRef) -> Result<Self, ArrowError> {
        let text = |array: &dyn Array| Ok::<_, ArrowError>(cast(array, &DataType::Utf8)?.as_string::<i32>().clone());
        match array.data_type() {
            DataType::Null => Ok(Self { keys: None, values: StringArray::new_null(array.len()) }),
            DataType::Dictionary(key, _) if **key == DataType::Int32 => {
                let dictionary = array.as_dictionary::<Int32Type>();
                Ok(Self { keys: Some(dictionary.keys().clone()), values: text(dictionary.values())? })
            }
            _ => Ok(Self { keys: None, values: text(array)? }),
        }
    }

    /// The same lines with each value made another one.
    pub fn map(self, other: impl Fn(&str) -> String) -> Self {
        let values = self.values.iter().map(|value| value.map(&other)).collect();
        Self { keys: self.keys, values }
    }

    /// How many lines there are.
    pub fn lines(&self) -> usize {
        self.keys.as_ref().map_or(self.values.len(), Array::len)
    }

    /// How many values there are at most.
    pub fn values(&self) -> usize {
        self.values.len()
    }

    /// The text of a value.
    pub fn value(&self, key: usize) -> Option<&str> {
        self.values.is_valid(key).then(|| self.values.value(key))
    }

    /// The number of a line's value; `None` where it has none.
    pub fn key(&self, row: usize) -> Option<usize> {
        let key = match &self.keys {
            None => row,
            Some(keys) if keys.is_null(row) => return None,
            Some(keys) => usize::try_from(keys.value(row)).ok()?,
        };
        self.values.is_valid(key).then_some(key)
    }

    /// A line's text.
    pub fn get(&self, row: usize) -> Option<&str> {
        self.key(row).map(|key| self.values.value(key))
    }
}

/// What a column's lines have in common: keys and values by line, from a map, JSON text, a struct or
/// one flattened column.
#[derive(Debug)]
pub struct Pairs {
    form: Form,
}

#[derive(Debug)]
enum Form {
    /// Where each line's entries lie, and their keys and values.
    Map {
        offsets: Vec<Range<usize>>,
        entries: Box<[Words; 2]>,
    },
    Json(Words),
    Struct(Vec<(String, Words)>),
    Flat(String, Words),
}

impl Pairs {
    /// A column of pairs; a flattened one comes with its key.
    ///
    /// # Errors
    /// Where it is of no type that pairs can be of.
    pub fn new(array: &ArrayRef, key: Option<&str>) -> Result<Self, ArrowError> {
        if let Some(key) = key {
            return Ok(Self { form: Form::Flat(key.to_string(), Words::new(array)?) });
        }
        let form = match array.data_type() {
            DataType::Map(..) => {
                let map = array.as_map();
                let offsets = ranges(map.offsets(), array);
                Form::Map { offsets, entries: Box::new([Words::new(map.keys())?, Words::new(map.values())?]) }
            }
            DataType::LargeList(field) => {
                let list = cast(array, &DataType::List(std::sync::Arc::clone(field)))?;
                return Self::new(&list, None);
            }
            DataType::List(field) if matches!(field.data_type(), DataType::Struct(_)) => {
                let list = array.as_list::<i32>();
                let entries = list.values().as_struct();
                let named = |name: &str, at: usize| entries.column_by_name(name).or_else(|| entries.columns().get(at));
                let (Some(keys), Some(values)) = (named("key", 0), named("value", 1)) else {
                    return Err(ArrowError::SchemaError("a list of pairs has no key and value".into()));
                };
                let offsets = ranges(list.offsets(), array);
                Form::Map { offsets, entries: Box::new([Words::new(keys)?, Words::new(values)?]) }
            }
            DataType::Struct(fields) => {
                let named = fields.iter().zip(array.as_struct().columns());
                let named = named.map(|(field, column)| Ok((field.name().clone(), Words::new(column)?)));
                Form::Struct(named.collect::<Result<_, ArrowError>>()?)
            }
            _ => Form::Json(Words::new(array)?),
        };
        Ok(Self { form })
    }

    /// Calls `each` with a line's keys and values.
    pub fn each(&self, row: usize, each: &mut dyn FnMut(&str, &str)) {
        match &self.form {
            Form::Map { offsets, entries } => {
                let [keys, values] = &**entries;
                for at in offsets[row].clone() {
                    if let (Some(key), Some(value)) = (keys.get(at), values.get(at)) {
                        each(key, value);
                    }
                }
            }
            Form::Json(texts) => {
                let Some(text) = texts.get(row) else { return };
                let parsed = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text);
                for (key, value) in parsed.into_iter().flatten() {
                    match value {
                        serde_json::Value::Null => {}
                        serde_json::Value::String(text) => each(&key, &text),
                        other => each(&key, &other.to_string()),
                    }
                }
            }
            Form::Struct(fields) => {
                for (name, values) in fields {
                    if let Some(value) = values.get(row) {
                        each(name, value);
                    }
                }
            }
            Form::Flat(key, values) => {
                if let Some(value) = values.get(row) {
                    each(key, value);
                }
            }
        }
    }

    /// Writes the numbers of a line's keys and values: lines of a batch with the same numbers have the
    /// same pairs.
    pub fn sign(&self, row: usize, to: &mut Vec<u32>) {
        let number = |key: Option<usize>| key.map_or(0, |key| key as u32 + 1);
        match &self.form {
            Form::Map { offsets, entries } => {
                let [keys, values] = &**entries;
                to.push(offsets[row].len() as u32);
                for at in offsets[row].clone() {
                    to.extend([number(keys.key(at)), number(values.key(at))]);
                }
            }
            Form::Json(words) | Form::Flat(_, words) => to.push(number(words.key(row))),
            Form::Struct(fields) => to.extend(fields.iter().map(|(_, words)| number(words.key(row)))),
        }
    }
}

/// Where each line's entries lie; a list that is not there has none.
fn ranges(offsets: &[i32], array: &dyn Array) -> Vec<Range<usize>> {
    let range = |(row, pair): (usize, &[i32])| {
        let (start, end) = (pair[0] as usize, pair[1] as usize);
        start..if array.is_null(row) { start } else { end }
    };
    offsets.windows(2).enumerate().map(range).collect()
}
