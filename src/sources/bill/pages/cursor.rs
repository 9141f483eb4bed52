//! A cursor: a leaf read at ascending levels, page after page.

use super::Stop;
use super::leaf::{DataPage, Dictionary, Leaf};
use super::levels::places;

/// A leaf and the page at hand.
#[derive(Debug)]
pub struct Cursor {
    /// The column chunk.
    pub leaf: Leaf,
    page: Option<DataPage>,
    /// The level behind the page at hand.
    next: usize,
}

impl Cursor {
    /// A cursor before the first page.
    pub fn new(leaf: Leaf) -> Self {
        Self { leaf, page: None, next: 0 }
    }

    /// Calls `each` with every page that holds wanted levels, and the places of their values in it. Pages
    /// without one are not decompressed.
    ///
    /// # Errors
    /// Where a page is damaged or written in a way that is read elsewhere, or that of `each`.
    pub fn each_page(
        &mut self,
        mut levels: &[u32],
        mut each: impl FnMut(&DataPage, Option<&Dictionary>, &[u32]) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let (mut wanted, mut found) = (Vec::new(), Vec::new());
        while let Some(level) = levels.first().map(|level| *level as usize) {
            if level >= self.next {
                self.turn(level)?;
                continue;
            }
            let page = self.page.as_ref().ok_or(Stop::Declined)?;
            let first = self.next - page.levels;
            let here = levels.partition_point(|level| (*level as usize) < self.next);
            wanted.clear();
            wanted.extend(levels[..here].iter().map(|level| level - first as u32));
            found.clear();
            let max = self.leaf.max_definition;
            places(page.definition(max), max, &wanted, |place| found.push(place.value))?;
            each(page, self.leaf.dictionary.as_deref(), &found)?;
            levels = &levels[here..];
        }
        Ok(())
    }

    /// Turns one page towards a level.
    fn turn(&mut self, level: usize) -> Result<(), Stop> {
        let ended = || Stop::damaged("a column has fewer values than its row group has lines");
        let levels = self.leaf.peek()?.ok_or_else(ended)?;
        self.page = None;
        if level < self.next + levels {
            self.page = Some(self.leaf.page()?.ok_or_else(ended)?);
        } else {
            self.leaf.skip()?;
        }
        self.next += levels;
        Ok(())
    }
}
