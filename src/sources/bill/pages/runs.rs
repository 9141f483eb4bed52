//! Runs: Parquet's hybrid of run lengths and bit-packed groups, in which levels and dictionary
//! indices are written, read only where somebody asks.
//!
//! Format: <https://parquet.apache.org/docs/file-format/data-pages/encodings/>, "Run Length Encoding /
//! Bit-Packing Hybrid". A run is either one value repeated, or groups of eight values of a fixed
//! number of bits, the lowest bits first.

use super::Stop;

/// A stretch of equal or of packed values.
#[derive(Debug, Clone, Copy)]
pub enum Run<'a> {
    /// One value, so many times.
    Same(u32, usize),
    /// Packed values, so many.
    Packed(Packed<'a>, usize),
}

/// Values of a fixed number of bits, one behind the other.
#[derive(Debug, Clone, Copy)]
pub struct Packed<'a> {
    bytes: &'a [u8],
    width: u32,
}

/// The runs of a number of values.
#[derive(Debug, Clone)]
pub struct Runs<'a> {
    bytes: &'a [u8],
    width: u32,
    left: usize,
}

/// Bits of a word that are there whatever bit it is taken from: seven may be shifted out.
const WORD_BITS: usize = 56;

impl<'a> Packed<'a> {
    /// Sixty-four bits from a bit on, at least [`WORD_BITS`] of them true; zeros beyond the end.
    fn word(&self, bit: usize) -> u64 {
        let at = bit / 8;
        let word = match self.bytes.get(at..at + 8) {
            Some(eight) => u64::from_le_bytes(eight.try_into().unwrap_or_default()),
            None => {
                let mut eight = [0; 8];
                let rest = self.bytes.get(at..).unwrap_or_default();
                eight[..rest.len()].copy_from_slice(rest);
                u64::from_le_bytes(eight)
            }
        };
        word >> (bit % 8)
    }

    /// The value at a position.
    pub fn get(&self, at: usize) -> u32 {
        let word = self.word(at * self.width as usize);
        (word & ((1_u64 << self.width) - 1)) as u32
    }

    /// How many of the values from `from` up to `to` are `value`. Levels have one or two bits, and are
    /// compared many at a time.
    pub fn count(&self, value: u32, from: usize, to: usize) -> usize {
        let width = self.width as usize;
        let lowest: u64 = match width {
            1 => u64::MAX,
            2 => 0x5555_5555_5555_5555,
            _ => return (from..to).filter(|at| self.get(*at) == value).count(),
        };
        let pattern = lowest.wrapping_mul(u64::from(value));
        let lanes = WORD_BITS / width;
        let mut found = 0;
        let mut at = from;
        while at < to {
            let taken = lanes.min(to - at);
            let differs = self.word(at * width) ^ pattern;
            let equal = if width == 1 { !differs } else { !(differs | differs >> 1) & lowest };
            found += (equal & ((1_u64 << (taken * width)) - 1)).count_ones() as usize;
            at += taken;
        }
        found
    }
}

impl<'a> Runs<'a> {
    /// The runs in which `count` values of `width` bits are written.
    pub fn new(bytes: &'a [u8], width: u32, count: usize) -> Self {
        Self { bytes, width, left: count }
    }

    /// The next run, cut to the values that there are.
    ///
    /// # Errors
    /// Where the bytes end before the values do.
    pub fn next(&mut self) -> Result<Option<Run<'a>>, Stop> {
        while self.left > 0 {
            if self.width == 0 {
                return Ok(Some(Run::Same(0, std::mem::take(&mut self.left))));
            }
            let header = self.varint()?;
            let length = (header >> 1) as usize;
            let run = if header & 1 == 0 {
                let value = self.value()?;
                Run::Same(value, length.min(self.left))
            } else {
                // Writers may cut the last group short; bits that are not there read as zeros, as they
                // would have been written.
                let bytes = length.saturating_mul(self.width as usize).min(self.bytes.len());
                let count = length.saturating_mul(8).min(self.left);
                if count * self.width as usize > bytes * 8 {
                    return Err(Stop::damaged("packed values end before their number"));
                }
                let (packed, rest) = self.bytes.split_at(bytes);
                self.bytes = rest;
                Run::Packed(Packed { bytes: packed, width: self.width }, count)
            };
            let (Run::Same(_, count) | Run::Packed(_, count)) = run;
            self.left -= count;
            if count > 0 {
                return Ok(Some(run));
            }
        }
        Ok(None)
    }

    fn varint(&mut self) -> Result<u64, Stop> {
        let mut value = 0;
        for shift in (0..35).step_by(7) {
            let (first, rest) =
                self.bytes.split_first().ok_or_else(|| Stop::damaged("runs end before their values"))?;
            self.bytes = rest;
            value |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Stop::damaged("a run's header is too long"))
    }

    /// The value of a run of equal ones: as many whole bytes as its bits need.
    fn value(&mut self) -> Result<u32, Stop> {
        let length = self.width.div_ceil(8) as usize;
        if self.bytes.len() < length {
            return Err(Stop::damaged("runs end before their values"));
        }
        let (own, rest) = self.bytes.split_at(length);
        self.bytes = rest;
        Ok(own.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte)))
    }

    /// Calls `each` with the value at each of the positions, which ascend.
    ///
    /// # Errors
    /// Where the bytes end before the values do, or that of `each`.
    pub fn at(mut self, positions: &[u32], mut each: impl FnMut(u32) -> Result<(), Stop>) -> Result<(), Stop> {
        let mut wanted = positions.iter().map(|at| *at as usize).peekable();
        let mut first = 0;
        while wanted.peek().is_some() {
            let Some(run) = self.next()? else { return Err(Stop::damaged("runs end before their values")) };
            let (Run::Same(_, count) | Run::Packed(_, count)) = run;
            while let Some(at) = wanted.next_if(|at| *at < first + count) {
                each(match run {
                    Run::Same(value, _) => value,
                    Run::Packed(packed, _) => packed.get(at - first),
                })?;
            }
            first += count;
        }
        Ok(())
    }

    /// How many of the values are `value`.
    ///
    /// # Errors
    /// Where the bytes end before the values do.
    pub fn count(mut self, value: u32) -> Result<usize, Stop> {
        let mut found = 0;
        while let Some(run) = self.next()? {
            found += match run {
                Run::Same(same, count) => {
                    if same == value {
                        count
                    } else {
                        0
                    }
                }
                Run::Packed(packed, count) => packed.count(value, 0, count),
            };
        }
        Ok(found)
    }

    /// Calls `each` with the position of every value that passes.
    ///
    /// # Errors
    /// Where the bytes end before the values do.
    pub fn passing(mut self, passes: impl Fn(u32) -> bool, mut each: impl FnMut(usize)) -> Result<(), Stop> {
        let mut first = 0;
        while let Some(run) = self.next()? {
            let (Run::Same(_, count) | Run::Packed(_, count)) = run;
            match run {
                Run::Same(value, _) if passes(value) => (first..first + count).for_each(&mut each),
                Run::Same(..) => {}
                Run::Packed(packed, _) => {
                    (0..count).filter(|at| passes(packed.get(*at))).for_each(|at| each(first + at));
                }
            }
            first += count;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes values as one packed run or as runs of equal values.
    fn written(values: &[u32], width: u32, packed: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        if packed {
            bytes.push((values.len().div_ceil(8) << 1 | 1) as u8);
            let mut bits = vec![0_u8; values.len().div_ceil(8) * width as usize];
            for (at, value) in values.iter().enumerate() {
                for bit in (0..width as usize).filter(|bit| value >> bit & 1 == 1) {
                    let place = at * width as usize + bit;
                    bits[place / 8] |= 1 << (place % 8);
                }
            }
            bytes.extend(bits);
        } else {
            for value in values {
                bytes.push(1 << 1);
                bytes.extend(&value.to_le_bytes()[..width.div_ceil(8) as usize]);
            }
        }
        bytes
    }

    #[test]
    fn values_of_every_width_are_read_where_they_are_asked_for() {
        for width in 1..=32_u32 {
            let limit = 2_u64.pow(width);
            let values: Vec<u32> = (0..43_u64).map(|at| (at * 2_654_435_761 % limit) as u32).collect();
            for packed in [true, false] {
                let bytes = written(&values, width, packed);
                let positions: Vec<u32> = (0..43).filter(|at| at % 3 != 1).collect();
                let mut found = Vec::new();
                Runs::new(&bytes, width, 43)
                    .at(&positions, |value| {
                        found.push(value);
                        Ok(())
                    })
                    .unwrap();
                let expected: Vec<u32> = positions.iter().map(|at| values[*at as usize]).collect();
                assert_eq!(found, expected, "width {width}, packed {packed}");
                let mut passing = Vec::new();
                Runs::new(&bytes, width, 43).passing(|value| value == values[7], |at| passing.push(at)).unwrap();
                let expected: Vec<usize> = (0..43).filter(|at| values[*at] == values[7]).collect();
                assert_eq!(passing, expected, "width {width}, packed {packed}");
            }
        }
    }

    #[test]
    fn equal_values_are_counted_in_any_stretch() {
        for width in [1, 2, 3] {
            let values: Vec<u32> = (0..199_u32).map(|at| at * 7 / 3 % (1 << width)).collect();
            let bytes = written(&values, width, true);
            let Ok(Some(Run::Packed(packed, 199))) = Runs::new(&bytes, width, 199).next() else {
                panic!("one packed run");
            };
            for (from, to) in [(0, 199), (3, 150), (64, 64), (57, 199), (0, 1)] {
                for value in 0..1 << width {
                    let expected = values[from..to].iter().filter(|known| **known == value).count();
                    assert_eq!(packed.count(value, from, to), expected, "width {width}, {from} to {to}, {value}");
                }
            }
        }
    }

    #[test]
    fn bytes_that_end_too_early_are_damaged() {
        let bytes = written(&[5; 16], 3, true);
        for length in 0..bytes.len() {
            let found = Runs::new(&bytes[..length], 3, 16).passing(|_| true, |_| {});
            assert!(found.is_err(), "{length} bytes");
        }
        assert!(Runs::new(&[0xff; 9], 3, 16).next().is_err(), "a header without an end");
        assert!(Runs::new(&[], 0, 16).passing(|value| value == 0, |_| {}).is_ok(), "no bits, no bytes");
    }
}
