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
    /// What has not been read.
    rest: &'a [u8],
    /// How many bytes there were.
    length: usize,
}

// Sectors are read by the hundred million, so the way through well-formed items is inlined at each field, where the
// processor learns what comes, and what goes wrong is put together elsewhere.
impl<'a> Reader<'a> {
    /// A cursor at the beginning of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, length: bytes.len() }
    }

    /// Whether everything has been read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Offset of the next item.
    pub(crate) const fn position(&self) -> usize {
        self.length - self.rest.len()
    }

    #[inline(always)]
    fn take(&mut self, count: u64) -> Result<&'a [u8]> {
        let split = usize::try_from(count).ok().and_then(|count| self.rest.split_at_checked(count));
        let Some((taken, rest)) = split else {
            return Err(cut());
        };
        self.rest = rest;
        Ok(taken)
    }

    /// A big-endian number of a fixed width.
    #[inline(always)]
    fn number<const WIDTH: usize>(&mut self) -> Result<[u8; WIDTH]> {
        let Some((number, rest)) = self.rest.split_first_chunk() else {
            return Err(cut());
        };
        self.rest = rest;
        Ok(*number)
    }

    #[inline(always)]
    fn peek(&self) -> Result<u8> {
        match self.rest.first() {
            Some(first) => Ok(*first),
            None => Err(ended()),
        }
    }

    #[inline(always)]
    fn head(&mut self) -> Result<(u8, u64)> {
        let Some((first, rest)) = self.rest.split_first() else {
            return Err(ended());
        };
        self.rest = rest;
        let value = match first & 0x1f {
            small @ 0..=23 => u64::from(small),
            24 => u64::from(u8::from_be_bytes(self.number()?)),
            25 => u64::from(u16::from_be_bytes(self.number()?)),
            26 => u64::from(u32::from_be_bytes(self.number()?)),
            27 => u64::from_be_bytes(self.number()?),
            _ => return Err(indefinite()),
        };
        Ok((first >> 5, value))
    }

    #[inline(always)]
    fn expect(&mut self, major: u8, what: &str) -> Result<u64> {
        match self.head()? {
            (found, value) if found == major => Ok(value),
            (found, _) => Err(unexpected(what, found)),
        }
    }

    /// Enters an array; returns its number of items.
    ///
    /// # Errors
    /// If the next item is no array.
    #[inline]
    pub fn array(&mut self) -> Result<u64> {
        self.expect(ARRAY, "an array")
    }

    /// Enters a map; returns its number of entries.
    ///
    /// # Errors
    /// If the next item is no map.
    #[inline]
    pub fn map(&mut self) -> Result<u64> {
        self.expect(MAP, "a map")
    }

    /// Enters an array that must hold `count` items.
    ///
    /// # Errors
    /// If the next item is no array of that length.
    #[inline]
    pub fn tuple(&mut self, count: u64) -> Result<()> {
        match self.array()? {
            found if found == count => Ok(()),
            found => Err(wrong_tuple(count, found)),
        }
    }

    /// An unsigned integer.
    ///
    /// # Errors
    /// If the next item is none.
    #[inline]
    pub fn uint(&mut self) -> Result<u64> {
        self.expect(UNSIGNED, "an unsigned integer")
    }

    /// A signed integer, such as an epoch.
    ///
    /// # Errors
    /// If the next item is no integer of 64 bits.
    #[inline]
    pub fn int(&mut self) -> Result<i64> {
        let (major, value) = self.head()?;
        let Ok(value) = i64::try_from(value) else {
            return Err(beyond_64_bits());
        };
        match major {
            UNSIGNED => Ok(value),
            NEGATIVE => Ok(-1 - value),
            _ => Err(unexpected("an integer", major)),
        }
    }

    /// A byte string.
    ///
    /// # Errors
    /// If the next item is none.
    #[inline(always)]
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
        self.rest = &self.rest[1..];
        Ok(value)
    }

    /// Steps over a null, if one comes next.
    ///
    /// # Errors
    /// If nothing comes next.
    #[inline]
    pub fn null(&mut self) -> Result<bool> {
        let null = self.peek()? == NULL;
        self.rest = &self.rest[usize::from(null)..];
        Ok(null)
    }

    /// A link: the bytes of its CID.
    ///
    /// # Errors
    /// If the next item is no tag 42 with a CID.
    #[inline]
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
    #[inline]
    pub fn bigint(&mut self) -> Result<i128> {
        let bytes = self.bytes()?;
        let Some((sign, magnitude)) = bytes.split_first() else {
            return Ok(0);
        };
        let value = match magnitude.len() {
            0..=8 => i128::from(magnitude.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte))),
            9..=15 => magnitude.iter().fold(0_i128, |value, byte| value << 8 | i128::from(*byte)),
            _ => return Err(Error::malformed("a big integer beyond 120 bits")),
        };
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
    #[inline]
    pub(crate) fn next_is_bool(&self) -> Result<bool> {
        Ok(matches!(self.peek()?, FALSE | TRUE))
    }

    /// Steps over the next item, however deep. Takes no stack and at most one step per byte.
    ///
    /// # Errors
    /// If it is malformed.
    #[inline(always)]
    pub fn skip(&mut self) -> Result<()> {
        match self.head()? {
            (UNSIGNED | NEGATIVE | SIMPLE, _) => Ok(()),
            (BYTES | TEXT, length) => self.take(length).map(drop),
            (major, count) => self.skip_inside(major, count),
        }
    }

    /// Steps over what is inside an item of that head.
    fn skip_inside(&mut self, major: u8, count: u64) -> Result<()> {
        let mut left = self.inside(0, major, count)?;
        while left > 0 {
            let (major, count) = self.head()?;
            left = self.inside(left - 1, major, count)?;
        }
        Ok(())
    }

    /// How many items are left to step over after the head of one, of `left` and those inside it.
    #[inline(always)]
    fn inside(&mut self, left: u64, major: u8, count: u64) -> Result<u64> {
        match major {
            UNSIGNED | NEGATIVE | SIMPLE => Ok(left),
            BYTES | TEXT => self.take(count).map(|_| left),
            ARRAY => self.more(left, count),
            MAP => self.more(left, count.saturating_mul(2)),
            TAG => Ok(left + 1),
            _ => Err(Error::malformed("an unknown CBOR type")),
        }
    }

    fn more(&self, left: u64, count: u64) -> Result<u64> {
        left.checked_add(count)
            .filter(|left| *left <= self.rest.len() as u64)
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
        let all = self.rest;
        self.skip()?;
        Ok(&all[..all.len() - self.rest.len()])
    }
}

#[cold]
fn ended() -> Error {
    Error::malformed("it ends where an item should begin")
}

#[cold]
fn cut() -> Error {
    Error::malformed("it ends in the middle of an item")
}

#[cold]
fn indefinite() -> Error {
    Error::malformed("an item of indefinite length")
}

#[cold]
fn beyond_64_bits() -> Error {
    Error::malformed("an integer beyond 64 bits")
}

#[cold]
fn unexpected(what: &str, found: u8) -> Error {
    Error::malformed(format!("expected {what}, found CBOR type {found}"))
}

#[cold]
fn wrong_tuple(count: u64, found: u64) -> Error {
    Error::malformed(format!("expected a tuple of {count} fields, found {found}"))
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
