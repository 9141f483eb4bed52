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
                    let mut passed = before;
                    for at in (0..count).filter(|at| packed.get(*at) == max) {
                        if values.next_if_eq(&passed).is_some() {
                            each((first + at) as u32);
                        }
                        passed += 1;
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
