//! Parquet's hybrid of run lengths and packed bits, in which levels and numbers of dictionary values are
//! written (Parquet format, Encodings, "Run Length Encoding / Bit-Packing Hybrid").

/// Equal values in a row from which a run is shorter than packed bits.
const RUN: usize = 8;

/// Bits that hold every number up to one; at least one, as some readers want it.
pub fn width_of(largest: u32) -> u8 {
    (u32::BITS - largest.leading_zeros()).max(1) as u8
}

/// Writes values of some bits.
pub fn write(values: &[u32], width: u8, to: &mut Vec<u8>) {
    // Values before `at` and from `packed` on wait to be packed, in whole groups of eight.
    let (mut packed, mut at) = (0, 0);
    while at < values.len() {
        let value = values[at];
        let run = values[at..].iter().take_while(|next| **next == value).count();
        let fill = (RUN - (at - packed) % RUN) % RUN;
        if run < fill + RUN {
            at += run;
            continue;
        }
        pack(&values[packed..at + fill], width, to);
        write_varint(((run - fill) as u64) << 1, to);
        to.extend(&value.to_le_bytes()[..usize::from(width.div_ceil(8))]);
        at += run;
        packed = at;
    }
    pack(&values[packed..], width, to);
}

/// Writes groups of eight, the last filled up with zeros.
fn pack(values: &[u32], width: u8, to: &mut Vec<u8>) {
    if values.is_empty() {
        return;
    }
    write_varint(((values.len().div_ceil(RUN) as u64) << 1) | 1, to);
    for group in values.chunks(RUN) {
        let (mut bits, mut count) = (0_u64, 0_u32);
        for at in 0..RUN {
            bits |= u64::from(group.get(at).copied().unwrap_or(0)) << count;
            count += u32::from(width);
            while count >= 8 {
                to.push(bits as u8);
                bits >>= 8;
                count -= 8;
            }
        }
    }
}

fn write_varint(mut value: u64, to: &mut Vec<u8>) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(values: &[u32], width: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(values, width, &mut bytes);
        bytes
    }

    #[test]
    fn the_examples_of_the_format_are_written_as_it_says() {
        // Eight values of three bits, least significant first.
        assert_eq!(written(&[0, 1, 2, 3, 4, 5, 6, 7], 3), [0b11, 0b1000_1000, 0b1100_0110, 0b1111_1010]);
        assert_eq!(written(&[1; 100], 1), [200, 1, 1]);
        assert_eq!(written(&[300; 9], 9), [18, 44, 1]);
        assert_eq!(written(&[], 4), [0_u8; 0]);
    }

    #[test]
    fn a_run_fills_the_group_before_it_and_the_rest_is_a_run() {
        let values = [[3, 1, 2].as_slice(), &[0; 21]].concat();
        // Eight packed values of two bits, then sixteen zeros.
        assert_eq!(written(&values, 2), [0b11, 0b0010_0111, 0, 32, 0]);
        let short = [[3, 1, 2].as_slice(), &[0; 8]].concat();
        assert_eq!(written(&short, 2), [0b101, 0b0010_0111, 0, 0, 0]);
    }

    #[test]
    fn widths_hold_their_largest_number() {
        assert_eq!([0, 1, 2, 255, 256, u32::MAX].map(width_of), [1, 1, 2, 8, 9, 32]);
    }
}
