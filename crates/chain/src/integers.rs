//! Integers in bytes: unsigned varints, and little-endian words at an offset.

use unsigned_varint::{decode, encode};

/// The unsigned varint (LEB128) that `bytes` begin with, and how many bytes it takes; `None` if it is cut off, exceeds
/// 64 bits, or is longer than its value needs.
pub(crate) fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let (value, rest) = decode::u64(bytes).ok()?;
    let length = bytes.len() - rest.len();
    // The library drops the bits of a tenth byte that 64 bits do not hold.
    let fits = length < encode::u64_buffer().len() || bytes.get(length - 1) == Some(&1);
    fits.then_some((value, length))
}

/// The unsigned varint that fills the bytes exactly, as ID addresses and integer keys of maps do.
pub(crate) fn whole_varint(bytes: &[u8]) -> Option<u64> {
    varint(bytes).filter(|(_, length)| *length == bytes.len()).map(|(value, _)| value)
}

/// Appends a value as an unsigned varint.
pub(crate) fn put_varint(value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(encode::u64(value, &mut encode::u64_buffer()));
}

/// The little-endian 64-bit integer at an offset; `None` if the bytes end before it does.
pub(crate) fn u64_le_at(bytes: &[u8], offset: usize) -> Option<u64> {
    bytes.get(offset..)?.first_chunk().copied().map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_varint_has_one_spelling_and_at_most_64_bits() {
        for value in [0, 1, 127, 128, 110_804, 1 << 63, u64::MAX] {
            let mut bytes = Vec::new();
            put_varint(value, &mut bytes);
            assert_eq!(whole_varint(&bytes), Some(value));
            let length = bytes.len();
            bytes.push(0xff);
            assert_eq!((varint(&bytes), whole_varint(&bytes)), (Some((value, length)), None));
        }
        let too_large = [&[0xff; 9][..], &[2]].concat();
        for wrong in [&[][..], &[0x80], &[0x80, 0], &[0xff; 11], &too_large] {
            assert_eq!(varint(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_word_beyond_the_end_is_none() {
        let bytes = [1, 0, 0, 0, 0, 0, 0, 2, 9];
        assert_eq!(u64_le_at(&bytes, 0), Some(2 << 56 | 1));
        assert_eq!(
            (u64_le_at(&bytes, 2), u64_le_at(&bytes, 99), u64_le_at(&bytes, usize::MAX)),
            (None, None, None)
        );
    }
}
