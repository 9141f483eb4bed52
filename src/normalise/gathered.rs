//! The charges of a billing period as they are gathered: lines that agree on everything but money and
//! quantity joined, in memory while they fit there, else in a file of the system's temporary folder.
//!
//! What fits into memory is given out as a whole. What was written out is given out by stretches of time,
//! each with texts of its own, so that what comes after needs memory for a stretch and not for the period.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;

use super::costs::LineCosts;
use super::spill::{Block, Spill};
use super::{Amounts, Charge, Charges, Dimensions, add};
use crate::clock::{self, DAY, HOUR};
use crate::distinct::Distinct;
use crate::error::Result;
use crate::text::{Text, Texts};

/// What tells a charge from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// Start of the hour or day, epoch seconds.
    pub start: i64,
    /// Number of the export.
    pub export: u32,
    /// Number of the dimensions.
    pub dimensions: u32,
}

/// Sums of the lines of a charge, units of 1e-10, while it is not known whether the period carries net costs.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    /// Quantity.
    pub quantity: Option<i128>,
    /// Public price.
    pub list: Option<i128>,
    /// Before private discounts; after them; amortised, before and after them.
    pub costs: [i128; 4],
}

impl Sum {
    /// Of one line.
    pub fn of(quantity: Option<i128>, costs: &LineCosts) -> Self {
        let LineCosts { unblended, net, effective, effective_net, list, .. } = *costs;
        Self { quantity, list, costs: [unblended, net, effective, effective_net] }
    }

    /// Adds another; `None` where a sum leaves what a column can hold.
    pub fn add(&mut self, other: &Self) -> Option<()> {
        let option = |a: Option<i128>, b: Option<i128>| match (a, b) {
            (Some(a), Some(b)) => a.checked_add(b).map(Some),
            (a, b) => Some(a.or(b)),
        };
        self.quantity = option(self.quantity, other.quantity)?;
        self.list = option(self.list, other.list)?;
        for (sum, cost) in self.costs.iter_mut().zip(other.costs) {
            *sum = sum.checked_add(cost)?;
        }
        let fits = |net: bool| add(&mut Amounts::default(), &self.amounts(net));
        (fits(true) && fits(false)).then_some(())
    }

    /// The amount columns, on the basis that the export has.
    pub fn amounts(&self, net: bool) -> Amounts {
        let [unblended, net_cost, effective, effective_net] = self.costs;
        let (billed, effective) = if net { (net_cost, effective_net) } else { (unblended, effective) };
        [self.quantity, Some(billed), Some(unblended), Some(effective), self.list]
    }
}

/// A joined charge.
pub type Joined = (Key, Sum);

/// Bytes of a joined charge in memory, with its place in the table.
const ROW_BYTES: usize = size_of::<Joined>() + size_of::<u32>() + 1;

/// Charges in memory, each key once.
#[derive(Debug, Default)]
pub struct Table {
    /// The charges.
    pub rows: Vec<Joined>,
    places: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Table {
    /// Adds a line's or a charge's sums to its key's; `None` where a sum leaves what a column can hold.
    pub fn add(&mut self, key: Key, sum: &Sum) -> Option<()> {
        let Self { rows, places, hasher } = self;
        let hash = hasher.hash_one(key);
        let found = places.find(hash, |at| rows[*at as usize].0 == key).copied();
        match found {
            Some(at) => rows[at as usize].1.add(sum),
            None => {
                let at = u32::try_from(rows.len()).ok()?;
                let mut own = Sum::default();
                own.add(sum)?;
                rows.push((key, own));
                places.insert_unique(hash, at, |at| hasher.hash_one(rows[*at as usize].0));
                Some(())
            }
        }
    }

    fn bytes(&self) -> usize {
        self.rows.capacity() * ROW_BYTES
    }
}

/// What numbers of dimensions mean.
#[derive(Debug, Default)]
pub struct Names {
    /// Sets of dimensions.
    pub dimensions: Distinct<Dimensions>,
    /// Their texts.
    pub texts: Texts,
}

impl Names {
    fn bytes(&self) -> usize {
        self.texts.bytes() + self.dimensions.bytes()
    }
}

/// The charges of a period.
#[derive(Debug, Default)]
pub struct Gathered {
    table: Table,
    /// Names of the charges in memory, and of those that were written out by numbers where those have no
    /// others.
    pub names: Names,
    spill: Option<Spill>,
    /// Names of charges that were written out by numbers, once others are in memory.
    base: Option<Names>,
    /// By export: whether its lines carry net costs.
    nets: Vec<bool>,
    /// Bytes of charges and texts that may be held.
    limit: usize,
    /// Rows by hour since the epoch; a row that was written out and came again counts twice.
    hours: BTreeMap<i64, usize>,
}

impl Gathered {
    /// Nothing yet; what takes more than so many bytes is written out.
    pub fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Number of the export whose lines come now.
    pub fn export(&self) -> u32 {
        self.nets.len() as u32
    }

    /// Ends an export.
    pub fn end_export(&mut self, carries_net: bool) {
        self.nets.push(carries_net);
    }

    /// Adds a line; `None` where a sum leaves what a column can hold.
    pub fn add(&mut self, start: i64, dimensions: u32, sum: &Sum) -> Option<()> {
        self.table.add(Key { start, export: self.export(), dimensions }, sum)
    }

    /// Whether more is held than may be, with what is held beside it.
    pub fn is_full(&self, beside: usize) -> bool {
        self.table.bytes() + self.bytes_of_names() + beside > self.limit
    }

    fn bytes_of_names(&self) -> usize {
        self.base.as_ref().map_or(0, Names::bytes) + self.names.bytes()
    }

    /// Whether charges that are written out now take their names along, so that numbers of texts and
    /// dimensions mean something else from then on. A bill that repeats itself has few names: they stay,
    /// and only numbers are written.
    pub fn gives_up_names(&self, beside: usize) -> bool {
        self.base.is_some() || self.bytes_of_names() + beside > self.limit / 2
    }

    /// Writes out what is held, with its names or without them.
    ///
    /// # Errors
    /// Where the temporary file cannot be written.
    pub fn write_out(&mut self, with_names: bool) -> Result<()> {
        self.sort();
        let rows = std::mem::take(&mut self.table).rows;
        let spill = match &mut self.spill {
            Some(spill) => spill,
            none => none.insert(Spill::create()?),
        };
        if !with_names {
            return spill.write_numbers(&rows);
        }
        let names = std::mem::take(&mut self.names);
        if self.base.is_none() && spill.has_numbers() {
            // What was written by numbers needs these names, and so may the rest.
            spill.write_numbers(&rows)?;
            self.base = Some(names);
            return Ok(());
        }
        spill.write(&rows, &names)
    }

    /// Ends the gathering: what is held is put into the order in which it is given out.
    ///
    /// # Errors
    /// Where the temporary file cannot be written.
    pub fn end(&mut self) -> Result<()> {
        if self.spill.is_some() {
            return self.write_out(self.base.is_some());
        }
        self.table.places = HashTable::new();
        self.sort();
        Ok(())
    }

    fn sort(&mut self) {
        self.table.rows.sort_unstable_by_key(|(key, _)| key.start);
        for (key, _) in &self.table.rows {
            *self.hours.entry(key.start.div_euclid(HOUR)).or_default() += 1;
        }
    }

    /// The days that have charges.
    pub fn days(&self) -> BTreeSet<i32> {
        self.hours.keys().map(|hour| clock::day_of(hour * HOUR)).collect()
    }

    /// The stretches of time in which the charges are given out, in order: all of them, where they are in
    /// memory and no more than `whole`; else days, or, of those that were written out and that `may_split`, as
    /// many hours as have no more than `most` rows.
    pub fn stretches(&self, (most, whole): (usize, usize), may_split: &dyn Fn(i32) -> bool) -> Vec<Range<i64>> {
        let of_day = |day: i32| i64::from(day) * DAY..(i64::from(day) + 1) * DAY;
        if self.spill.is_none() && self.table.rows.len() <= whole {
            let days = self.days();
            let ends = days.first().zip(days.last());
            return ends.map(|(first, last)| of_day(*first).start..of_day(*last).end).into_iter().collect();
        }
        let mut days: BTreeMap<i32, Vec<(i64, usize)>> = BTreeMap::new();
        for (hour, rows) in &self.hours {
            days.entry(clock::day_of(hour * HOUR)).or_default().push((*hour, *rows));
        }
        let mut stretches = Vec::new();
        for (day, hours) in days {
            if self.spill.is_none() || !may_split(day) {
                stretches.push(of_day(day));
                continue;
            }
            let (mut held, mut began) = (0, false);
            for (hour, rows) in hours {
                let own = hour * HOUR..(hour + 1) * HOUR;
                match stretches.last_mut() {
                    Some(last) if began && held + rows <= most => last.end = own.end,
                    _ => {
                        (held, began) = (0, true);
                        stretches.push(own);
                    }
                }
                held += rows;
            }
        }
        stretches
    }

    /// The charges that start within a stretch, with texts of their own.
    ///
    /// # Errors
    /// Where the temporary file cannot be read, or a sum leaves what a column can hold.
    pub fn load(&self, stretch: &Range<i64>) -> Result<Charges> {
        Ok(match &self.spill {
            Some(spill) => {
                let Block { table, names } = spill.read(stretch, self.base.as_ref().unwrap_or(&self.names))?;
                Charges { rows: self.charges(&table.rows), dimensions: names.dimensions, texts: names.texts }
            }
            None => {
                let (dimensions, texts) = (self.names.dimensions.clone(), self.names.texts.clone());
                Charges { rows: self.charges(self.held(stretch)), dimensions, texts }
            }
        })
    }

    /// As [`Gathered::load`], for the last time: what is in memory, and given out as a whole, is there no more.
    ///
    /// # Errors
    /// Where the temporary file cannot be read, or a sum leaves what a column can hold.
    pub fn hand_over(&mut self, stretch: &Range<i64>) -> Result<Charges> {
        if self.spill.is_some() || self.held(stretch).len() < self.table.rows.len() {
            return self.load(stretch);
        }
        let table = std::mem::take(&mut self.table);
        let rows = self.charges(&table.rows);
        let Names { dimensions, texts } = std::mem::take(&mut self.names);
        Ok(Charges { rows, dimensions, texts })
    }

    fn held(&self, stretch: &Range<i64>) -> &[Joined] {
        let place = |time: i64| self.table.rows.partition_point(|(key, _)| key.start < time);
        &self.table.rows[place(stretch.start)..place(stretch.end)]
    }

    fn charges(&self, rows: &[Joined]) -> Vec<Charge> {
        rows.iter().map(|row| self.charge(row)).collect()
    }

    fn charge(&self, (key, sum): &Joined) -> Charge {
        let net = self.nets.get(key.export as usize).is_some_and(|net| *net);
        Charge { start: key.start, dimensions: key.dimensions, amounts: sum.amounts(net) }
    }
}

/// Texts of one collection as those of another.
#[derive(Debug)]
pub struct Renaming<'a> {
    from: &'a Texts,
    known: Vec<Text>,
}

impl<'a> Renaming<'a> {
    /// Nothing is renamed yet.
    pub fn new(from: &'a Texts) -> Self {
        Self { from, known: vec![Text::NULL; from.count()] }
    }

    /// A text in the other collection.
    pub fn rename(&mut self, text: Text, to: &mut Texts) -> Text {
        let known = &mut self.known[text.number()];
        if known.is_null() {
            *known = to.intern_opt(self.from.get(text));
        }
        *known
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::CHARGE_TEXT_COUNT;

    /// Lines of two days and two exports, some of them of the same charge.
    fn gathered(limit: usize, with_names: Option<bool>) -> Gathered {
        let mut gathered = Gathered::new(limit);
        for export in 0..2_i64 {
            for line in 0..500_i64 {
                let mut texts = [Text::NULL; CHARGE_TEXT_COUNT];
                texts[3] = gathered.names.texts.intern(&format!("resource {}", line % 90));
                texts[7] = gathered.names.texts.intern(["", "Ünit", "c"][(line % 3) as usize]);
                let hour = line % 40;
                let costs = LineCosts {
                    unblended: i128::from(line),
                    net: -i128::from(export),
                    list: (line % 2 == 0).then_some(7),
                    ..LineCosts::default()
                };
                let dimensions = gathered.names.dimensions.number(texts);
                gathered.add(hour * HOUR, dimensions, &Sum::of((line % 5 > 0).then_some(1), &costs)).unwrap();
                if gathered.is_full(0) {
                    gathered.write_out(with_names.unwrap_or_else(|| gathered.gives_up_names(0))).unwrap();
                }
            }
            gathered.end_export(export == 1);
        }
        gathered.end().unwrap();
        gathered
    }

    fn shown(gathered: &Gathered, most: usize) -> Vec<String> {
        let mut shown = Vec::new();
        for stretch in gathered.stretches((most, most), &|_| true) {
            let charges = gathered.load(&stretch).unwrap();
            for charge in &charges.rows {
                assert!(stretch.contains(&charge.start));
                let texts = charges.dimensions.get(charge.dimensions).map(|text| charges.texts.str(text).to_string());
                shown.push(format!("{} {texts:?} {:?}", charge.start, charge.amounts));
            }
        }
        shown.sort();
        shown
    }

    #[test]
    fn what_was_written_out_comes_back_joined_as_if_it_had_stayed() {
        let held = gathered(usize::MAX, None);
        let expected = shown(&held, usize::MAX);
        assert!(held.spill.is_none() && expected.len() > 500, "{}", expected.len());
        assert_eq!(shown(&held, 1), expected);
        // By numbers, with names, and by numbers until names are too many.
        for (limit, with_names) in [(40_000, Some(false)), (20_000, Some(true)), (40_000, None), (14_000, None)] {
            let written = gathered(limit, with_names);
            assert!(written.spill.is_some(), "{limit}");
            for most in [usize::MAX, 40, 1] {
                assert_eq!(shown(&written, most), expected, "{limit} {with_names:?} {most}");
            }
        }
    }

    #[test]
    fn names_stay_while_they_are_few() {
        let by_numbers = gathered(40_000, Some(false));
        assert!(by_numbers.base.is_none() && by_numbers.names.dimensions.all().len() == 90);
        let mut turned = gathered(40_000, Some(false));
        let texts = [turned.names.texts.intern("last"); CHARGE_TEXT_COUNT];
        let dimensions = turned.names.dimensions.number(texts);
        turned.add(0, dimensions, &Sum::default()).unwrap();
        turned.write_out(true).unwrap();
        assert!(turned.base.is_some() && turned.names.dimensions.all().is_empty() && turned.gives_up_names(0));
        assert_eq!(shown(&turned, 1).len(), shown(&by_numbers, 1).len() + 1);
    }

    #[test]
    fn a_large_day_that_was_written_out_is_cut_into_hours_where_it_may_be() {
        let written = gathered(20_000, None);
        assert_eq!(written.stretches((usize::MAX, usize::MAX), &|_| true), [0..DAY, DAY..DAY + 16 * HOUR]);
        assert_eq!(written.stretches((1, 1), &|_| true).len(), 40);
        let second_whole = written.stretches((1, 1), &|day| day == 0);
        assert_eq!((second_whole.len(), second_whole.last().cloned()), (25, Some(DAY..2 * DAY)));
        let rows = |hours: Range<i64>| written.hours.range(hours).map(|(_, rows)| rows).sum::<usize>();
        let some = written.stretches((rows(0..3), 1), &|_| true);
        assert!(some.len() > 10 && some.iter().all(|part| rows(part.start / HOUR..part.end / HOUR) <= rows(0..3)));
    }

    #[test]
    fn what_is_in_memory_is_one_stretch() {
        let held = gathered(usize::MAX, None);
        let whole = 0..2 * DAY;
        assert_eq!(held.stretches((1, usize::MAX), &|_| true), std::slice::from_ref(&whole));
        assert_eq!(held.stretches((usize::MAX, 1), &|_| true), [0..DAY, DAY..2 * DAY]);
        assert_eq!(held.days(), BTreeSet::from([0, 1]));
        assert_eq!(Gathered::default().stretches((1, 1), &|_| true), Vec::<Range<i64>>::new());
    }
}
