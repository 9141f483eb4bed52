//! The points of one series, packed: a year of minutes of a thousand series must fit in memory.
//!
//! A point is kept for as long as a redelivery may come, which is until all files are read. In order of
//! time each one is a byte of lengths, the seconds since the one before, its count and its sum, all in as
//! few bytes as they need: five or six, where a map of points takes some fifty. Points that come late,
//! and those of another reader, are runs of their own, which are one only when they are looked at.

use std::cmp::Ordering;
use std::{fmt, vec};

use super::series::Point;

/// Points out of order that are kept aside, at least, before they become a run.
const LATE_MIN: usize = 32;
/// Of how many packed points one may wait aside: so many late ones make it worth a run.
const LATE_SHARE: usize = 16;
/// Runs beyond which they are made one, so that what is delivered again and again takes no more room.
const RUNS_MAX: usize = 8;
/// In place of a count's length: there is no count.
const NO_COUNT: u8 = 15;
/// Lengths, a step in bytes of seven bits, a count and a sum.
const POINT_BYTES_MAX: usize = 1 + 10 + 8 + 8;

/// Points by their start in epoch seconds, each start once.
#[derive(Clone, Default)]
pub struct Points {
    /// Each in order of time; a start may be in several.
    runs: Vec<Packed>,
    /// The run to which points are added.
    open: Packed,
    /// The newest point of that run, which the next one most likely stands behind.
    newest: Option<(i64, Point)>,
    /// Points older than the newest, in the order in which they came.
    late: Vec<(i64, Point)>,
}

impl Points {
    /// Adds a point; of two with one start the larger stays, in whatever order they come.
    pub fn settle(&mut self, at: i64, point: Point) {
        let Some((last, kept)) = &mut self.newest else {
            self.newest = Some((at, point));
            return;
        };
        match at.cmp(last) {
            Ordering::Greater => {
                self.open.push(*last, *kept);
                self.newest = Some((at, point));
            }
            Ordering::Equal => *kept = point.max(*kept),
            Ordering::Less => {
                self.late.push((at, point));
                if self.late.len() > LATE_MIN.max(self.open.count / LATE_SHARE) {
                    self.pack_late();
                }
            }
        }
    }

    /// Adds all points of another series.
    pub fn absorb(&mut self, mut other: Self) {
        if self.newest.is_none() {
            *self = other;
            return;
        }
        self.runs.append(&mut other.runs);
        self.runs.push(other.open);
        other.newest.into_iter().chain(other.late).for_each(|(at, point)| self.settle(at, point));
        self.limit_runs();
    }

    /// The points in order of time.
    pub fn iter(&self) -> Iter<'_> {
        let mut loose: Vec<(i64, Point)> = self.late.iter().copied().chain(self.newest).collect();
        loose.sort_unstable();
        let runs = self.runs.iter().chain([&self.open]).map(|run| Source::Run(Unpacked::of(run)));
        Iter::of(runs.chain([Source::Loose(loose.into_iter())]))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.newest.is_none()
    }

    /// Bytes that the points take.
    pub fn size(&self) -> usize {
        let runs: usize = self.runs.iter().chain([&self.open]).map(|run| run.bytes.capacity()).sum();
        runs + self.late.capacity() * size_of::<(i64, Point)>()
    }

    fn pack_late(&mut self) {
        let mut late = std::mem::take(&mut self.late);
        late.sort_unstable();
        self.runs.push(Packed::of(Iter::of([Source::Loose(late.into_iter())])));
        self.limit_runs();
    }

    fn limit_runs(&mut self) {
        if self.runs.len() > RUNS_MAX {
            let one = Packed::of(Iter::of(self.runs.iter().map(|run| Source::Run(Unpacked::of(run)))));
            self.runs = vec![one];
        }
    }
}

impl FromIterator<(i64, Point)> for Points {
    fn from_iter<I: IntoIterator<Item = (i64, Point)>>(points: I) -> Self {
        let mut all = Self::default();
        points.into_iter().for_each(|(at, point)| all.settle(at, point));
        all
    }
}

impl PartialEq for Points {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Points {}

impl fmt::Debug for Points {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.iter()).finish()
    }
}

/// The points of a series in order of time.
pub struct Iter<'a> {
    /// What is left of each source, with its next point.
    sources: Vec<((i64, Point), Source<'a>)>,
}

/// Points in order of time.
enum Source<'a> {
    Run(Unpacked<'a>),
    /// Here a start may come twice.
    Loose(vec::IntoIter<(i64, Point)>),
}

impl Source<'_> {
    fn next(&mut self) -> Option<(i64, Point)> {
        match self {
            Self::Run(run) => run.next(),
            Self::Loose(points) => points.next(),
        }
    }
}

impl<'a> Iter<'a> {
    fn of(sources: impl IntoIterator<Item = Source<'a>>) -> Self {
        let first = |mut source: Source<'a>| source.next().map(|next| (next, source));
        Self { sources: sources.into_iter().filter_map(first).collect() }
    }
}

impl Iterator for Iter<'_> {
    type Item = (i64, Point);

    /// The earliest of all next points; of those with one start the largest.
    fn next(&mut self) -> Option<(i64, Point)> {
        let first = self.sources.iter().map(|(next, _)| next.0).min()?;
        let mut largest: Option<Point> = None;
        let mut at = 0;
        while let Some((next, source)) = self.sources.get_mut(at) {
            if next.0 > first {
                at += 1;
                continue;
            }
            largest = largest.max(Some(next.1));
            match source.next() {
                Some(following) => *next = following,
                None => drop(self.sources.swap_remove(at)),
            }
        }
        Some((first, largest?))
    }
}

/// Points one behind the other, in order of time.
#[derive(Clone, Default)]
struct Packed {
    bytes: Vec<u8>,
    count: usize,
    /// The start of the last one.
    last: i64,
}

impl Packed {
    /// Points in order of time, in no more room than they need.
    fn of(points: Iter<'_>) -> Self {
        let mut packed = Self::default();
        points.for_each(|(at, point)| packed.push(at, point));
        packed.bytes.shrink_to_fit();
        packed
    }

    /// Appends a point that is newer than all that are here.
    fn push(&mut self, at: i64, point: Point) {
        let mut text = [0; POINT_BYTES_MAX];
        let mut end = 1;
        // Seven bits a byte, the lowest first; the highest bit says that more follow.
        let mut step = at.wrapping_sub(self.last).cast_unsigned();
        while step > 0x7f {
            text[end] = step.to_le_bytes()[0] | 0x80;
            step >>= 7;
            end += 1;
        }
        text[end] = step.to_le_bytes()[0];
        end += 1;
        // Whole numbers are written, and what is written behind them overwrites their empty bytes.
        let mut number = |number: i64| {
            let length = 8 - number.leading_zeros() / 8;
            text[end..end + 8].copy_from_slice(&number.to_le_bytes());
            end += length as usize;
            length as u8
        };
        let count = point.count.map_or(NO_COUNT, &mut number);
        text[0] = count << 4 | number(point.sum);
        self.bytes.extend_from_slice(&text[..end]);
        self.count += 1;
        self.last = at;
    }
}

/// Packed points, read again.
struct Unpacked<'a> {
    bytes: &'a [u8],
    last: i64,
}

impl<'a> Unpacked<'a> {
    fn of(packed: &'a Packed) -> Self {
        Self { bytes: &packed.bytes, last: 0 }
    }

    fn number(&mut self, length: u8) -> Option<i64> {
        let length = usize::from(length);
        let number = match self.bytes.first_chunk() {
            // What belongs to the numbers behind this one is cut off.
            Some(bytes) if length > 0 => u64::from_le_bytes(*bytes) << (64 - 8 * length) >> (64 - 8 * length),
            Some(_) => 0,
            None => {
                let mut all = [0; 8];
                all.get_mut(..length)?.copy_from_slice(self.bytes.get(..length)?);
                u64::from_le_bytes(all)
            }
        };
        self.bytes = self.bytes.get(length..)?;
        Some(number.cast_signed())
    }

    fn step(&mut self) -> Option<u64> {
        let mut step = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let (byte, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            step |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        Some(step)
    }
}

impl Iterator for Unpacked<'_> {
    type Item = (i64, Point);

    fn next(&mut self) -> Option<Self::Item> {
        let (lengths, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        self.last = self.last.wrapping_add(self.step()?.cast_signed());
        let count = match lengths >> 4 {
            NO_COUNT => None,
            length => Some(self.number(length)?),
        };
        Some((self.last, Point { count, sum: self.number(lengths & 15)? }))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Starts that collide often, minutes of a month, and the ends of what a number can be.
    fn starts() -> impl Strategy<Value = i64> {
        prop_oneof![4 => 0_i64..40, 4 => (0_i64..43_200).prop_map(|minute| 1_790_812_800 + minute * 60), 1 => any::<i64>()]
    }

    fn points() -> impl Strategy<Value = Vec<(i64, Point)>> {
        let number = || prop_oneof![0_i64..4, 0_i64..1_000_000_000, any::<i64>()];
        let point = (prop::option::of(number()), number()).prop_map(|(count, sum)| Point { count, sum });
        prop::collection::vec((starts(), point), 0..300)
    }

    fn plainly(points: &[(i64, Point)]) -> Vec<(i64, Point)> {
        let mut all: BTreeMap<i64, Point> = BTreeMap::new();
        for (at, point) in points {
            let kept = all.entry(*at).or_insert(*point);
            *kept = (*point).max(*kept);
        }
        all.into_iter().collect()
    }

    proptest! {
        #[test]
        fn packed_points_are_those_of_a_map(points in points(), is_sorted in any::<bool>(), cut in any::<prop::sample::Index>()) {
            let mut points = points;
            if is_sorted {
                points.sort_unstable_by_key(|(at, _)| *at);
            }
            let expected = plainly(&points);
            let packed: Points = points.iter().copied().collect();
            prop_assert_eq!(packed.iter().collect::<Vec<_>>(), expected.clone());
            let (left, right) = points.split_at(cut.index(points.len() + 1));
            let mut both: Points = left.iter().copied().collect();
            both.absorb(right.iter().copied().collect());
            prop_assert_eq!(both.iter().collect::<Vec<_>>(), expected);
            prop_assert_eq!(both.is_empty(), points.is_empty());
            prop_assert_eq!(both, packed);
        }
    }

    #[test]
    fn a_month_of_minutes_takes_few_bytes_a_point() {
        let mut points = Points::default();
        for minute in 0..43_200_i64 {
            points
                .settle(1_790_812_800 + minute * 60, Point { count: Some(minute % 50), sum: minute * 977 % 1_000_000 });
        }
        assert!(points.open.bytes.len() < 43_200 * 6, "{}", points.open.bytes.len());
        // What is delivered again takes no more, however often and in whatever order.
        let once = points.size();
        for again in 0..20 {
            (0..43_200_i64)
                .rev()
                .for_each(|minute| points.settle(1_790_812_800 + minute * 60, Point { count: Some(1), sum: again }));
        }
        assert!(points.size() < once * 3, "{} {once}", points.size());
        assert_eq!(points.iter().count(), 43_200);
    }
}
