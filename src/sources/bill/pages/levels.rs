//! Levels: which values of a page are there, and where a line's entries lie.

use super::Stop;
use super::runs::{Run, Runs};

/// Stands for a value that is not there.
pub const NULL: u32 = u32::MAX;

/// A value as it was asked for: its place among the values that are there, and its level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Place among the page's values, or [`NULL`].
    pub value: u32,
    /// Definition level.
    pub level: u32,
}

/// Calls `each` with the place of each wanted level, which ascend.
///
/// # Errors
/// Where the levels end too early.
pub fn places(mut runs: Runs<'_>, max: u32, wanted: &[u32], mut each: impl FnMut(Place)) -> Result<(), Stop> {
    if max == 0 {
        wanted.iter().for_each(|at| each(Place { value: *at, level: 0 }));
        return Ok(());
    }
    let mut wanted = wanted.iter().map(|at| *at as usize).peekable();
    // Levels and values before the run.
    let (mut first, mut before) = (0, 0);
    while wanted.peek().is_some() {
        let Some(run) = runs.next()? else { return Err(Stop::damaged("a page has fewer levels than it says")) };
        match run {
            Run::Same(level, count) => {
                while let Some(at) = wanted.next_if(|at| *at < first + count) {
                    let value = if level == max { (before + at - first) as u32 } else { NULL };
                    each(Place { value, level });
                }
                before += if level == max { count } else { 0 };
                first += count;
            }
            Run::Packed(packed, count) => {
                let mut counted = 0;
                while let Some(at) = wanted.next_if(|at| *at < first + count) {
                    let at = at - first;
                    before += packed.count(max, counted, at);
                    counted = at;
                    let level = packed.get(at);
                    each(Place { value: if level == max { before as u32 } else { NULL }, level });
                }
                if wanted.peek().is_some() {
                    before += packed.count(max, counted, count);
                }
                first += count;
            }
        }
    }
    Ok(())
}

/// Calls `each` with the level at which each of the values lies, whose places ascend.
///
/// # Errors
/// Where the levels end too early.
pub fn levels_of(mut runs: Runs<'_>, max: u32, values: &[u32], mut each: impl FnMut(u32)) -> Result<(), Stop> {
    if max == 0 {
        values.iter().for_each(|at| each(*at));
        return Ok(());
    }
    let mut values = values.iter().map(|at| *at as usize).peekable();
    let (mut first, mut before) = (0, 0);
    while values.peek().is_some() {
        let Some(run) = runs.next()? else { return Err(Stop::damaged("a page has fewer values than it says")) };
        match run {
            Run::Same(level, count) => {
                if level == max {
                    while let Some(value) = values.next_if(|value| *value < before + count) {
                        each((first + value - before) as u32);
                    }
                    before += count;
                }
                first += count;
            }
            Run::Packed(packed, count) => {
                let inside = packed.count(max, 0, count);
                if values.peek().is_some_and(|value| *value < before + inside) {
                    for (value, at) in (before..).zip((0..count).filter(|at| packed.get(*at) == max)) {
                        if values.next_if_eq(&value).is_some() {
                            each((first + at) as u32);
                        }
                    }
                }
                before += inside;
                first += count;
            }
        }
    }
    Ok(())
}

/// Finds the levels of wanted lines of a list column over many pages.
#[derive(Debug, Clone, Default)]
pub struct Lists {
    /// Lines that began so far.
    begun: usize,
    /// Whether the line that began last is a wanted one.
    is_open: bool,
}

impl Lists {
    /// Calls `each` with every level of a wanted line in a page: whether it begins its line, and the
    /// level's place in the page. Of the wanted lines those that begin here are taken away.
    ///
    /// # Errors
    /// Where the levels end too early.
    pub fn find(
        &mut self,
        mut runs: Runs<'_>,
        wanted: &mut &[u32],
        mut each: impl FnMut(bool, u32),
    ) -> Result<(), Stop> {
        let mut first = 0;
        while let Some(run) = runs.next()? {
            match run {
                // Every level begins a line.
                Run::Same(0, count) => {
                    self.is_open = false;
                    while let Some((row, rest)) = wanted.split_first() {
                        let Some(at) = (*row as usize).checked_sub(self.begun).filter(|at| *at < count) else { break };
                        *wanted = rest;
                        each(true, (first + at) as u32);
                        self.is_open = at + 1 == count;
                    }
                    self.begun += count;
                    first += count;
                }
                Run::Same(_, count) => {
                    if self.is_open {
                        (first..first + count).for_each(|at| each(false, at as u32));
                    }
                    first += count;
                }
                Run::Packed(packed, count) => {
                    let mut at = 0;
                    while at < count {
                        // Lines that nobody wants are passed over many at a time.
                        let until = (at + 56).min(count);
                        let begins = packed.count(0, at, until);
                        let next = wanted.first().map_or(usize::MAX, |row| *row as usize);
                        if !self.is_open && self.begun + begins <= next {
                            self.begun += begins;
                            at = until;
                            continue;
                        }
                        for at in at..until {
                            if packed.get(at) == 0 {
                                self.is_open = wanted.first().is_some_and(|row| *row as usize == self.begun);
                                self.begun += 1;
                                if self.is_open {
                                    *wanted = &wanted[1..];
                                    each(true, (first + at) as u32);
                                }
                            } else if self.is_open {
                                each(false, (first + at) as u32);
                            }
                        }
                        at = until;
                    }
                    first += count;
                }
            }
        }
        Ok(())
    }

    /// Calls `each` with the line of each wanted level, which ascend; `first` is the page's first level.
    /// Levels that lie in the page are taken away from the wanted ones.
    ///
    /// # Errors
    /// Where the levels end too early.
    pub fn lines_of(
        &mut self,
        mut runs: Runs<'_>,
        first: usize,
        wanted: &mut &[u32],
        mut each: impl FnMut(usize),
    ) -> Result<(), Stop> {
        let mut first = first;
        while let Some(run) = runs.next()? {
            let (Run::Same(_, count) | Run::Packed(_, count)) = run;
            let mut counted = 0;
            let begun = |from: usize, to: usize| match run {
                Run::Same(0, _) => to - from,
                Run::Same(..) => 0,
                Run::Packed(packed, _) => packed.count(0, from, to),
            };
            while let Some((level, rest)) = wanted.split_first() {
                let Some(at) = (*level as usize).checked_sub(first).filter(|at| *at < count) else { break };
                *wanted = rest;
                self.begun += begun(counted, at + 1);
                counted = at + 1;
                each(self.begun.saturating_sub(1));
            }
            self.begun += begun(counted, count);
            first += count;
        }
        Ok(())
    }

    /// Leaves the line that began last.
    pub fn close(&mut self) {
        self.is_open = false;
    }

    /// How many lines began so far.
    pub fn begun(&self) -> usize {
        self.begun
    }

    /// Whether levels of a wanted line may follow.
    pub fn is_open(&self) -> bool {
        self.is_open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Levels of one bit, as one packed run or as runs of equal ones.
    fn written(levels: &[u8], packed: bool) -> Vec<u8> {
        if !packed {
            return levels.chunk_by(|a, b| a == b).flat_map(|run| [(run.len() as u8) << 1, run[0]]).collect();
        }
        let mut bytes = vec![(levels.len().div_ceil(8) as u8) << 1 | 1];
        bytes.extend(
            levels.chunks(8).map(|eight| eight.iter().enumerate().fold(0, |byte, (at, level)| byte | level << at)),
        );
        bytes
    }

    const PAGES: [&[u8]; 3] = [&[0, 1, 1, 0, 1], &[1, 1, 0, 0, 1], &[1]];

    #[test]
    fn a_line_whose_entries_go_on_in_the_next_page_is_found_whole() {
        for packed in [true, false] {
            let mut lists = Lists::default();
            let mut wanted: &[u32] = &[1, 3];
            let mut found = Vec::new();
            for (page, levels) in PAGES.iter().enumerate() {
                let bytes = written(levels, packed);
                let runs = Runs::new(&bytes, 1, levels.len());
                lists.find(runs, &mut wanted, |begins, at| found.push((page, begins, at))).unwrap();
            }
            let expected =
                [(0, true, 3), (0, false, 4), (1, false, 0), (1, false, 1), (1, true, 3), (1, false, 4), (2, false, 0)];
            assert_eq!(found, expected, "packed {packed}");
            assert!(wanted.is_empty() && lists.is_open() && lists.begun() == 4);
        }
    }

    #[test]
    fn the_line_of_a_level_is_known_over_pages() {
        for packed in [true, false] {
            let mut lists = Lists::default();
            let mut wanted: &[u32] = &[0, 2, 4, 6, 7, 10];
            let (mut found, mut first) = (Vec::new(), 0);
            for levels in PAGES {
                let bytes = written(levels, packed);
                let runs = Runs::new(&bytes, 1, levels.len());
                lists.lines_of(runs, first, &mut wanted, |line| found.push(line)).unwrap();
                first += levels.len();
            }
            assert_eq!(found, [0, 0, 1, 1, 2, 3], "packed {packed}");
        }
    }

    #[test]
    fn places_and_levels_are_each_others_inverse() {
        let levels: Vec<u8> = (0..100_u8).map(|at| u8::from(at % 3 > 0)).collect();
        for packed in [true, false] {
            let bytes = written(&levels, packed);
            let runs = || Runs::new(&bytes, 1, levels.len());
            let mut there = Vec::new();
            let all: Vec<u32> = (0..100).collect();
            places(runs(), 1, &all, |place| there.push(place.value)).unwrap();
            let values: Vec<u32> = there.iter().copied().filter(|value| *value != NULL).collect();
            assert_eq!(values, (0..66).collect::<Vec<_>>());
            let mut found = Vec::new();
            levels_of(runs(), 1, &values, |level| found.push(level)).unwrap();
            assert!(found.iter().all(|level| levels[*level as usize] == 1) && found.len() == 66);
        }
    }
}
