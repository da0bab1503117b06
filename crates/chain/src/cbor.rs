//! Reading DAG-CBOR in place.
//!
//! A [`Reader`] walks over borrowed bytes and allocates nothing. It takes what Filecoin writes (definite lengths,
//! tag 42 links) and refuses the rest. Every length is checked against the bytes that are left before use.

use crate::error::{Error, Result};

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const SIMPLE: u8 = 7;

const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
const NULL: u8 = 0xf6;

/// A cursor over DAG-CBOR bytes.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// A cursor at the beginning of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Whether everything has been read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// Offset of the next item.
    pub(crate) const fn position(&self) -> usize {
        self.at
    }

    fn take(&mut self, count: u64) -> Result<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let count = usize::try_from(count).ok().filter(|count| *count <= rest.len());
        let count = count.ok_or_else(|| Error::malformed("it ends in the middle of an item"))?;
        self.at += count;
        Ok(&rest[..count])
    }

    #[inline]
    fn peek(&self) -> Result<u8> {
        self.bytes.get(self.at).copied().ok_or_else(|| Error::malformed("it ends where an item should begin"))
    }

    #[inline]
    fn head(&mut self) -> Result<(u8, u64)> {
        let first = self.peek()?;
        self.at += 1;
        let value = match first & 0x1f {
            small @ 0..=23 => u64::from(small),
            24 => u64::from(self.take(1)?[0]),
            25 => self.take(2)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)),
            26 => self.take(4)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)),
            27 => self.take(8)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)),
            _ => return Err(Error::malformed("an item of indefinite length")),
        };
        Ok((first >> 5, value))
    }

    #[inline]
    fn expect(&mut self, major: u8, what: &str) -> Result<u64> {
        match self.head()? {
            (found, value) if found == major => Ok(value),
            (found, _) => Err(Error::malformed(format!("expected {what}, found CBOR type {found}"))),
        }
    }

    /// Enters an array; returns its number of items.
    ///
    /// # Errors
    /// If the next item is no array.
    pub fn array(&mut self) -> Result<u64> {
        self.expect(ARRAY, "an array")
    }

    /// Enters a map; returns its number of entries.
    ///
    /// # Errors
    /// If the next item is no map.
    pub fn map(&mut self) -> Result<u64> {
        self.expect(MAP, "a map")
    }

    /// Enters an array that must hold `count` items.
    ///
    /// # Errors
    /// If the next item is no array of that length.
    pub fn tuple(&mut self, count: u64) -> Result<()> {
        match self.array()? {
            found if found == count => Ok(()),
            found => Err(Error::malformed(format!("expected a tuple of {count} fields, found {found}"))),
        }
    }

    /// An unsigned integer.
    ///
    /// # Errors
    /// If the next item is none.
    pub fn uint(&mut self) -> Result<u64> {
        self.expect(UNSIGNED, "an unsigned integer")
    }

    /// A signed integer, such as an epoch.
    ///
    /// # Errors
    /// If the next item is no integer of 64 bits.
    pub fn int(&mut self) -> Result<i64> {
        let (major, value) = self.head()?;
        let value = i64::try_from(value).map_err(|_| Error::malformed("an integer beyond 64 bits"))?;
        match major {
            UNSIGNED => Ok(value),
            NEGATIVE => Ok(-1 - value),
            _ => Err(Error::malformed(format!("expected an integer, found CBOR type {major}"))),
        }
    }

    /// A byte string.
    ///
    /// # Errors
    /// If the next item is none.
    pub fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = self.expect(BYTES, "a byte string")?;
        self.take(length)
    }

    /// A text.
    ///
    /// # Errors
    /// If the next item is no UTF-8 text.
    pub fn text(&mut self) -> Result<&'a str> {
        let length = self.expect(TEXT, "a text")?;
        std::str::from_utf8(self.take(length)?).map_err(|_| Error::malformed("a text that is not UTF-8"))
    }

    /// A truth value.
    ///
    /// # Errors
    /// If the next item is none.
    pub fn bool(&mut self) -> Result<bool> {
        let value = match self.peek()? {
            FALSE => false,
            TRUE => true,
            other => {
                return Err(Error::malformed(format!("expected true or false, found byte {other:#x}")));
            }
        };
        self.at += 1;
        Ok(value)
    }

    /// Steps over a null, if one comes next.
    ///
    /// # Errors
    /// If nothing comes next.
    pub fn null(&mut self) -> Result<bool> {
        let null = self.peek()? == NULL;
        self.at += usize::from(null);
        Ok(null)
    }

    /// A link: the bytes of its CID.
    ///
    /// # Errors
    /// If the next item is no tag 42 with a CID.
    pub fn link(&mut self) -> Result<&'a [u8]> {
        if self.expect(TAG, "a link")? != 42 {
            return Err(Error::malformed("expected a link, found another tag"));
        }
        match self.bytes()?.split_first() {
            Some((0, cid)) => Ok(cid),
            _ => Err(Error::malformed("a link without the leading zero of binary CIDs")),
        }
    }

    /// A big integer: a byte string of sign and magnitude, at most 128 bits wide here.
    ///
    /// # Errors
    /// If the next item is none, or wider than any weight or power can be.
    pub fn bigint(&mut self) -> Result<i128> {
        let bytes = self.bytes()?;
        let Some((sign, magnitude)) = bytes.split_first() else {
            return Ok(0);
        };
        if magnitude.len() > 15 {
            return Err(Error::malformed("a big integer beyond 120 bits"));
        }
        let value = magnitude.iter().fold(0_i128, |value, byte| value << 8 | i128::from(*byte));
        match sign {
            0 => Ok(value),
            1 => Ok(-value),
            _ => Err(Error::malformed("a big integer with an unknown sign")),
        }
    }

    /// Whether the next item is a map, an array, a link or something else, by its major type.
    pub(crate) fn next_is_map(&self) -> Result<bool> {
        Ok(self.peek()? >> 5 == MAP)
    }

    /// Whether the next item is a link.
    pub(crate) fn next_is_link(&self) -> Result<bool> {
        Ok(self.peek()? >> 5 == TAG)
    }

    /// Whether the next item is an array.
    pub(crate) fn next_is_array(&self) -> Result<bool> {
        Ok(self.peek()? >> 5 == ARRAY)
    }

    /// Whether the next item is `true` or `false`.
    pub(crate) fn next_is_bool(&self) -> Result<bool> {
        Ok(matches!(self.peek()?, FALSE | TRUE))
    }

    /// Steps over the next item, however deep. Takes no stack and at most one step per byte.
    ///
    /// # Errors
    /// If it is malformed.
    pub fn skip(&mut self) -> Result<()> {
        let mut left = 1_u64;
        while left > 0 {
            left -= 1;
            match self.head()? {
                (BYTES | TEXT, length) => drop(self.take(length)?),
                (ARRAY, count) => left = self.more(left, count)?,
                (MAP, count) => left = self.more(left, count.saturating_mul(2))?,
                (TAG, _) => left += 1,
                (UNSIGNED | NEGATIVE | SIMPLE, _) => {}
                _ => return Err(Error::malformed("an unknown CBOR type")),
            }
        }
        Ok(())
    }

    fn more(&self, left: u64, count: u64) -> Result<u64> {
        let rest = (self.bytes.len() - self.at) as u64;
        left.checked_add(count)
            .filter(|left| *left <= rest)
            .ok_or_else(|| Error::malformed("a length beyond the end"))
    }

    /// Steps over `count` items.
    ///
    /// # Errors
    /// If one of them is malformed.
    pub fn skip_many(&mut self, count: usize) -> Result<()> {
        (0..count).try_for_each(|_| self.skip())
    }

    /// The bytes of the next item.
    ///
    /// # Errors
    /// If it is malformed.
    pub fn raw(&mut self) -> Result<&'a [u8]> {
        let start = self.at;
        self.skip()?;
        Ok(&self.bytes[start..self.at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_lengths_are_refused_without_allocating() {
        for bytes in [
            &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff][..],
            &[0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x9f],
            &[0x82, 0x01],
            &[],
        ] {
            assert!(Reader::new(bytes).skip().is_err(), "{bytes:x?}");
        }
    }

    #[test]
    fn big_integers_carry_their_sign() {
        assert_eq!(Reader::new(&[0x40]).bigint().ok(), Some(0));
        assert_eq!(Reader::new(&[0x43, 0, 1, 0]).bigint().ok(), Some(256));
        assert_eq!(Reader::new(&[0x42, 1, 5]).bigint().ok(), Some(-5));
        assert!(Reader::new(&[0x42, 2, 5]).bigint().is_err());
    }
}
