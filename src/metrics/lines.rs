//! Lines: rows of a stored table as they are, column by column, with texts by number. What takes rows as they are and
//! adds whole units reads them so: no plan, no SQL, and no text that is hashed a million times.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{Date32Type, Decimal128Type, Int32Type, TimestampMicrosecondType};
use hashbrown::HashMap;

use super::grid::Value;
use super::groups::{self, DAY_MICROS, Damage, StoredFile};
use super::reads::PERIOD;
use crate::cores;
use crate::facts::law::Totals;
use crate::money::SCALE;
use crate::schema::{Kind, Table};

/// The number of a text that is unknown.
pub const UNKNOWN: u32 = u32::MAX;
/// An amount that is unknown: no column holds so many digits.
const NO_AMOUNT: i128 = i128::MIN;
/// A time that is unknown.
const NO_TIME: i64 = i64::MIN;
/// A day that is unknown.
const NO_DAY: i32 = i32::MIN;

/// Which rows are wanted.
#[derive(Debug, Clone, Copy)]
pub enum Keep<'a> {
    /// Those with one of these texts in a column.
    OneOf(&'static str, &'a [&'a str]),
    /// Those with a text in a column that is none of these.
    NoneOf(&'static str, &'a [&'a str]),
    /// Those of one of these days, in order.
    Days(&'a [i32]),
}

/// What is wanted of a table. `day` is a column of every table, as `billing_period` is; who asks for it gets no row
/// without one.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The table.
    pub table: Table,
    /// Its columns.
    pub columns: &'a [&'static str],
    /// Its rows: those that all of these keep.
    pub keep: &'a [Keep<'a>],
}

/// Rows of a table.
#[derive(Debug, Default)]
pub struct Lines {
    names: Vec<&'static str>,
    columns: Vec<Column>,
    height: usize,
}

#[derive(Debug)]
enum Column {
    Texts { texts: Vec<String>, of_row: Vec<u32> },
    Amounts(Vec<i128>),
    Days(Vec<i32>),
    Times(Vec<i64>),
    Flags(Vec<Option<bool>>),
}

impl Lines {
    /// Reads what is wanted of files, each with its period.
    pub(super) fn read(files: &[(&str, &StoredFile)], wanted: Wanted<'_>) -> Result<Self, Damage> {
        let columns = stored_columns(wanted);
        let parts = each_group(files, wanted, |period, file, group| {
            file.read(group, &columns).map(|batch| part(&batch, period, wanted))
        });
        Ok(Self::of(parts.into_iter().collect::<Result<_, _>>()?, wanted))
    }

    /// Reads what is wanted of whole files, and by period what all of their rows come to.
    pub(super) fn read_all(
        files: &[(&str, &StoredFile)],
        wanted: Wanted<'_>,
    ) -> Result<(Self, BTreeMap<String, Totals>), Damage> {
        let columns: BTreeSet<&str> = stored_columns(wanted).into_iter().chain(groups::LAWFUL_COLUMNS).collect();
        let columns: Vec<&str> = columns.into_iter().collect();
        let parts = each_group(files, wanted, |period, file, group| {
            let batch = file.read(group, &columns)?;
            Ok::<_, Damage>((part(&batch, period, wanted), period.to_string(), groups::totals(&batch)))
        });
        let (mut all, mut sums) = (Vec::with_capacity(parts.len()), BTreeMap::<String, Totals>::new());
        for part in parts {
            let (part, period, totals) = part?;
            all.push(part);
            sums.entry(period).or_default().merge(totals);
        }
        Ok((Self::of(all, wanted), sums))
    }

    fn of(mut parts: Vec<Part>, wanted: Wanted<'_>) -> Self {
        let height = parts.iter().map(|part| part.height).sum();
        let columns = (0..wanted.columns.len())
            .map(|at| joined(parts.iter_mut().map(|part| part.columns[at].take()), height))
            .collect();
        Self { names: wanted.columns.to_vec(), columns, height }
    }

    /// How many rows there are.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Position of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|column| *column == name)
    }

    /// Positions of columns.
    pub fn columns<const N: usize>(&self, names: [&str; N]) -> [Option<usize>; N] {
        names.map(|name| self.column(name))
    }

    /// A row's value in a column; unknown where there is no such column.
    pub fn cell(&self, row: usize, column: Option<usize>) -> Value<'_> {
        let Some(column) = column else { return Value::Null };
        match &self.columns[column] {
            Column::Texts { texts, of_row } => {
                texts.get(of_row[row] as usize).map_or(Value::Null, |text| Value::Text(text))
            }
            Column::Amounts(units) => {
                known(units[row], NO_AMOUNT).map_or(Value::Null, |units| Value::Decimal(units, SCALE))
            }
            Column::Days(days) => known(days[row], NO_DAY).map_or(Value::Null, Value::Day),
            Column::Times(times) => known(times[row], NO_TIME).map_or(Value::Null, Value::Time),
            Column::Flags(flags) => flags[row].map_or(Value::Null, Value::Flag),
        }
    }

    /// The numbers of a column of texts; none for all else.
    pub fn numbers(&self, name: &str) -> &[u32] {
        match self.column(name).map(|at| &self.columns[at]) {
            Some(Column::Texts { of_row, .. }) => of_row,
            _ => &[],
        }
    }

    /// The texts of a column, by number.
    pub fn texts(&self, name: &str) -> &[String] {
        match self.column(name).map(|at| &self.columns[at]) {
            Some(Column::Texts { texts, .. }) => texts,
            _ => &[],
        }
    }

    /// The number of a text in a column; one that no row has where no row has the text.
    pub fn number(&self, name: &str, text: &str) -> u32 {
        let found = self.texts(name).iter().position(|known| known == text);
        found.and_then(|at| u32::try_from(at).ok()).unwrap_or(UNKNOWN - 1)
    }

    /// The days of the rows.
    pub fn days(&self) -> &[i32] {
        match self.column("day").map(|at| &self.columns[at]) {
            Some(Column::Days(days)) => days,
            _ => &[],
        }
    }

    /// What a row's amount is, units of 1e-10; unknown is nothing.
    pub fn amounts(&self, name: &str) -> Amounts<'_> {
        match self.column(name).map(|at| &self.columns[at]) {
            Some(Column::Amounts(units)) => Amounts(units),
            _ => Amounts(&[]),
        }
    }

    /// Rows that differ in nothing but an amount, as one each, in the order in which they came.
    #[must_use]
    pub fn summed(&self, amount: &str) -> Self {
        let keys: Vec<&Column> = self.columns.iter().filter(|column| !matches!(column, Column::Amounts(_))).collect();
        let mut places: HashMap<Vec<u32>, usize> = HashMap::new();
        let (mut rows, mut sums): (Vec<usize>, Vec<i128>) = (Vec::new(), Vec::new());
        let units = self.amounts(amount);
        let mut key = Vec::with_capacity(keys.len());
        for row in 0..self.height {
            key.clear();
            keys.iter().for_each(|column| column.add_key(row, &mut key));
            let place = match places.get(&key) {
                Some(place) => *place,
                None => {
                    places.insert(key.clone(), rows.len());
                    rows.push(row);
                    sums.push(NO_AMOUNT);
                    rows.len() - 1
                }
            };
            if let Some(units) = units.of(row) {
                sums[place] = known(sums[place], NO_AMOUNT).unwrap_or(0) + units;
            }
        }
        let at = self.column(amount);
        let columns = self.columns.iter().enumerate().map(|(column, values)| match values {
            Column::Amounts(_) if Some(column) == at => Column::Amounts(sums.clone()),
            values => values.at(&rows),
        });
        Self { names: self.names.clone(), columns: columns.collect(), height: rows.len() }
    }
}

/// Amounts by row.
#[derive(Debug, Clone, Copy)]
pub struct Amounts<'a>(&'a [i128]);

impl Amounts<'_> {
    /// The amount of a row.
    pub fn of(&self, row: usize) -> Option<i128> {
        known(*self.0.get(row)?, NO_AMOUNT)
    }
}

fn known<T: PartialEq>(value: T, unknown: T) -> Option<T> {
    (value != unknown).then_some(value)
}

impl Column {
    /// Adds what tells a row apart from others.
    fn add_key(&self, row: usize, key: &mut Vec<u32>) {
        match self {
            Self::Texts { of_row, .. } => key.push(of_row[row]),
            Self::Days(days) => key.push(days[row] as u32),
            Self::Times(times) => key.extend([times[row] as u32, (times[row] >> 32) as u32]),
            Self::Flags(flags) => key.push(flags[row].map_or(2, u32::from)),
            Self::Amounts(_) => {}
        }
    }

    fn at(&self, rows: &[usize]) -> Self {
        match self {
            Self::Texts { texts, of_row } => {
                Self::Texts { texts: texts.clone(), of_row: rows.iter().map(|row| of_row[*row]).collect() }
            }
            Self::Amounts(units) => Self::Amounts(rows.iter().map(|row| units[*row]).collect()),
            Self::Days(days) => Self::Days(rows.iter().map(|row| days[*row]).collect()),
            Self::Times(times) => Self::Times(rows.iter().map(|row| times[*row]).collect()),
            Self::Flags(flags) => Self::Flags(rows.iter().map(|row| flags[*row]).collect()),
        }
    }
}

/// What is found in each row group that may hold what is wanted, in order.
fn each_group<Found: Send>(
    files: &[(&str, &StoredFile)],
    wanted: Wanted<'_>,
    read: impl Fn(&str, &StoredFile, usize) -> Found + Sync,
) -> Vec<Found> {
    let may_hold = |file: &StoredFile, group: usize| {
        let bounds = file.days(group);
        wanted.keep.iter().all(|keep| match (keep, &bounds) {
            (Keep::Days(days), Some(bounds)) => {
                let next = days.get(days.partition_point(|day| day < bounds.start()));
                next.is_some_and(|day| day <= bounds.end())
            }
            _ => true,
        })
    };
    let groups: Vec<(&str, &StoredFile, usize)> = files
        .iter()
        .flat_map(|(period, file)| (0..file.groups()).map(move |group| (*period, *file, group)))
        .filter(|(_, file, group)| may_hold(file, *group))
        .collect();
    cores::each(groups.len(), |at| {
        let (period, file, group) = groups[at];
        read(period, file, group)
    })
}

/// What a row group has of what is wanted.
struct Part {
    columns: Vec<Option<Column>>,
    height: usize,
}

/// The stored columns that say what is wanted.
fn stored_columns<'a>(wanted: Wanted<'a>) -> Vec<&'a str> {
    let asked = wanted.keep.iter().map(|keep| match keep {
        Keep::OneOf(column, _) | Keep::NoneOf(column, _) => *column,
        Keep::Days(_) => "day",
    });
    let names: BTreeSet<&str> = wanted.columns.iter().copied().chain(asked).filter(|name| *name != PERIOD).collect();
    let has_day = wanted.table.columns().iter().any(|(name, _)| *name == "day");
    names.into_iter().map(|name| if name == "day" && !has_day { "charge_period_start" } else { name }).collect()
}

fn part(batch: &RecordBatch, period: &str, wanted: Wanted<'_>) -> Part {
    let mut rows: Option<Vec<usize>> = None;
    for keep in wanted.keep {
        let keeps = keeps(batch, keep);
        rows = Some(match rows {
            None => (0..batch.num_rows()).filter(|row| keeps(*row)).collect(),
            Some(mut rows) => {
                rows.retain(|row| keeps(*row));
                rows
            }
        });
    }
    let mut rows = rows.unwrap_or_else(|| (0..batch.num_rows()).collect());
    let dated = batch.column_by_name("day").or_else(|| batch.column_by_name("charge_period_start"));
    if let Some(dated) = dated.filter(|dated| wanted.columns.contains(&"day") && dated.null_count() > 0) {
        rows.retain(|row| dated.is_valid(*row));
    }
    let kinds = wanted.table.columns();
    let one = |name: &&'static str| match kinds.iter().find(|(known, _)| known == name) {
        None if *name == PERIOD => Column::Texts { texts: vec![period.to_string()], of_row: vec![0; rows.len()] },
        None => {
            let day = days(batch);
            Column::Days(rows.iter().map(|row| day(*row)).collect())
        }
        Some((_, kind)) => column(&batch[name], *kind, &rows),
    };
    Part { columns: wanted.columns.iter().map(|name| Some(one(name))).collect(), height: rows.len() }
}

/// The day of each row.
fn days(batch: &RecordBatch) -> impl Fn(usize) -> i32 + '_ {
    let days = batch.column_by_name("day").map(|days| days.as_primitive::<Date32Type>());
    let times =
        batch.column_by_name("charge_period_start").map(|times| times.as_primitive::<TimestampMicrosecondType>());
    move |row| match (days, times) {
        (Some(days), _) if days.is_valid(row) => days.value(row),
        (None, Some(times)) if times.is_valid(row) => times.value(row).div_euclid(DAY_MICROS) as i32,
        _ => NO_DAY,
    }
}

/// Whether a row is kept.
fn keeps<'a>(batch: &'a RecordBatch, keep: &'a Keep<'a>) -> Box<dyn Fn(usize) -> bool + 'a> {
    let (name, wanted, is_in) = match keep {
        Keep::Days(wanted) => {
            let first = wanted.first().copied().unwrap_or(0);
            let span = wanted.last().map_or(0, |last| (last - first + 1) as usize);
            let mut is_wanted = vec![false; span];
            wanted.iter().for_each(|day| is_wanted[(day - first) as usize] = true);
            let day = days(batch);
            let at = move |row| usize::try_from(day(row).checked_sub(first)?).ok();
            return Box::new(move |row| at(row).and_then(|at| is_wanted.get(at)).copied().unwrap_or(false));
        }
        Keep::OneOf(name, wanted) => (*name, *wanted, true),
        Keep::NoneOf(name, wanted) => (*name, *wanted, false),
    };
    let column = batch[name].as_dictionary::<Int32Type>();
    let texts = column.values().as_string::<i32>();
    let is_kept: Vec<bool> = (0..texts.len()).map(|at| wanted.contains(&texts.value(at)) == is_in).collect();
    let keys = column.keys();
    Box::new(move |row| keys.is_valid(row) && is_kept[keys.value(row) as usize])
}

fn column(values: &ArrayRef, kind: Kind, rows: &[usize]) -> Column {
    match kind {
        Kind::Text => texts(values, rows),
        Kind::Amount => {
            let values = values.as_primitive::<Decimal128Type>();
            let unit = |row: &usize| if values.is_valid(*row) { values.value(*row) } else { NO_AMOUNT };
            Column::Amounts(rows.iter().map(unit).collect())
        }
        Kind::Day => {
            let values = values.as_primitive::<Date32Type>();
            Column::Days(
                rows.iter().map(|row| if values.is_valid(*row) { values.value(*row) } else { NO_DAY }).collect(),
            )
        }
        Kind::Timestamp => {
            let values = values.as_primitive::<TimestampMicrosecondType>();
            let time = |row: &usize| if values.is_valid(*row) { values.value(*row) } else { NO_TIME };
            Column::Times(rows.iter().map(time).collect())
        }
        Kind::Flag => {
            let values = values.as_boolean();
            Column::Flags(rows.iter().map(|row| values.is_valid(*row).then(|| values.value(*row))).collect())
        }
        // Counts are measured, and what is measured is asked for in SQL.
        Kind::Count => Column::Flags(vec![None; rows.len()]),
    }
}

/// Texts that rows have, numbered as they come.
fn texts(values: &ArrayRef, rows: &[usize]) -> Column {
    let column = values.as_dictionary::<Int32Type>();
    let (keys, all) = (column.keys(), column.values().as_string::<i32>());
    let mut numbers = vec![UNKNOWN; all.len()];
    let mut texts = Vec::new();
    let of_row = rows.iter().map(|row| {
        if keys.is_null(*row) {
            return UNKNOWN;
        }
        let number = &mut numbers[keys.value(*row) as usize];
        if *number == UNKNOWN {
            *number = texts.len() as u32;
            texts.push(all.value(keys.value(*row) as usize).to_string());
        }
        *number
    });
    let of_row = of_row.collect();
    Column::Texts { texts, of_row }
}

/// The parts of a column as one.
fn joined(parts: impl Iterator<Item = Option<Column>>, height: usize) -> Column {
    let mut numbers: HashMap<String, u32> = HashMap::new();
    let mut whole: Option<Column> = None;
    for part in parts.flatten() {
        let part = match part {
            Column::Texts { texts, mut of_row } => {
                let mut new = Vec::new();
                let moved: Vec<u32> = texts
                    .into_iter()
                    .map(|text| {
                        let next = numbers.len() as u32;
                        *numbers.entry_ref(text.as_str()).or_insert_with(|| {
                            new.push(text.clone());
                            next
                        })
                    })
                    .collect();
                of_row
                    .iter_mut()
                    .filter(|number| **number != UNKNOWN)
                    .for_each(|number| *number = moved[*number as usize]);
                Column::Texts { texts: new, of_row }
            }
            other => other,
        };
        match (&mut whole, part) {
            (Some(Column::Texts { texts, of_row }), Column::Texts { texts: new, of_row: more }) => {
                texts.extend(new);
                of_row.extend(more);
            }
            (Some(Column::Amounts(all)), Column::Amounts(more)) => all.extend(more),
            (Some(Column::Days(all)), Column::Days(more)) => all.extend(more),
            (Some(Column::Times(all)), Column::Times(more)) => all.extend(more),
            (Some(Column::Flags(all)), Column::Flags(more)) => all.extend(more),
            (whole, mut part) => {
                part.reserve(height);
                *whole = Some(part);
            }
        }
    }
    whole.unwrap_or_else(|| Column::Texts { texts: Vec::new(), of_row: Vec::new() })
}

impl Column {
    fn reserve(&mut self, height: usize) {
        match self {
            Self::Texts { of_row, .. } => of_row.reserve(height.saturating_sub(of_row.len())),
            Self::Amounts(all) => all.reserve(height.saturating_sub(all.len())),
            Self::Days(all) => all.reserve(height.saturating_sub(all.len())),
            Self::Times(all) => all.reserve(height.saturating_sub(all.len())),
            Self::Flags(all) => all.reserve(height.saturating_sub(all.len())),
        }
    }
}
