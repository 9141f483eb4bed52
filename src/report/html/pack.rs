//! Packing: many exact numbers as a short text that a page can carry.
//!
//! A series holds few of the numbers that its amounts are multiples of: each is what one token costs, or a
//! whole token. So a series is its greatest common divisor, the gaps between its filled buckets and the
//! quotients, all as varints, compressed together. Nothing is rounded: the page multiplies the quotients again.

use std::io::Write;

use aws_smithy_types::base64;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde_json::{Value, json};

use crate::error::{Error, Result};

/// The filled buckets of one series, in order: bucket and amount, units of 1e-10.
pub type Series = Vec<(usize, i128)>;

/// All series as JSON: compressed bytes, and where in them gaps and quotients begin.
///
/// # Errors
/// None that can happen: everything is written to memory.
pub fn pack(all: &[Series]) -> Result<Value> {
    let (mut heads, mut gaps, mut quotients) = (Vec::new(), Vec::new(), Vec::new());
    for series in all {
        varint(series.len() as u128, &mut heads);
        let divisor = series.iter().fold(0, |divisor, (_, amount)| common(divisor, amount.unsigned_abs()));
        if series.is_empty() {
            continue;
        }
        varint(divisor, &mut heads);
        let mut next = 0;
        for (bucket, amount) in series {
            varint((bucket - next) as u128, &mut gaps);
            next = bucket + 1;
            varint(zigzag(amount.unsigned_abs() / divisor.max(1), *amount < 0), &mut quotients);
        }
    }
    let starts = [heads.len(), heads.len() + gaps.len()];
    let bytes = compressed(&[heads, gaps, quotients].concat());
    let bytes = bytes.map_err(|error| Error::input("report", error.to_string(), "please report this"))?;
    Ok(json!({ "starts": starts, "data": base64::encode(bytes) }))
}

fn compressed(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
fn varint(mut value: u128, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The sign as the lowest bit, so that small negative numbers stay short.
fn zigzag(size: u128, is_negative: bool) -> u128 {
    size * 2 - u128::from(is_negative && size > 0)
}

fn common(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_of_either_sign_are_short() {
        let written = |value: u128| {
            let mut out = Vec::new();
            varint(value, &mut out);
            out
        };
        assert_eq!(written(0), [0]);
        assert_eq!(written(300), [0xac, 0x02]);
        assert_eq!([zigzag(0, false), zigzag(1, true), zigzag(1, false), zigzag(2, true)], [0, 1, 2, 3]);
    }

    #[test]
    fn a_series_is_kept_by_what_its_amounts_have_in_common() {
        assert_eq!(common(0, 30), 30);
        assert_eq!(common(30, 45), 15);
        let packed = pack(&[vec![(0, 30), (3, -45)], Vec::new()]).expect("packed");
        assert_eq!(packed["starts"], json!([3, 5]));
        assert_eq!(pack(&[]).expect("packed")["starts"], json!([0, 0]));
    }
}
