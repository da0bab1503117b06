//! How a field's values are read from records and set in drafts of them.
//!
//! Values of many records are read at once: one call through a function pointer for some dozens of records costs nothing
//! beside the loop that it runs.

use std::sync::Arc;

use chain::{AttoFil, Bytes, Epoch, MinerId, SectorNumber};

use crate::event::MessageRef;

/// A record that is stored as a row of a table.
pub trait Record: Sized + 'static {
    /// A record whose fields are set one by one.
    type Draft: Default + 'static;

    /// The storage provider that the record is of.
    fn miner(&self) -> MinerId;
}

/// A number with a unit, and the plain number that tables have of it.
pub trait Storable: Sized {
    /// The plain number.
    type Stored: Copy + Default;

    /// The plain number of this one.
    fn stored(self) -> Self::Stored;

    /// The number of a plain one; `None` if there is no such number.
    fn from_stored(stored: Self::Stored) -> Option<Self>;
}

macro_rules! storable {
    ($($name:ident($stored:ty),)+) => {
        $(impl Storable for $name {
            type Stored = $stored;

            fn stored(self) -> $stored {
                self.0
            }

            fn from_stored(stored: $stored) -> Option<Self> {
                Some(Self(stored))
            }
        })+
    };
}

storable! { MinerId(u64), SectorNumber(u64), Epoch(i64), Bytes(i128), AttoFil(i128), }

impl Storable for u64 {
    type Stored = Self;

    fn stored(self) -> Self {
        self
    }

    fn from_stored(stored: Self) -> Option<Self> {
        Some(stored)
    }
}

impl Storable for u32 {
    type Stored = u64;

    fn stored(self) -> u64 {
        self.into()
    }

    fn from_stored(stored: u64) -> Option<Self> {
        stored.try_into().ok()
    }
}

impl Storable for bool {
    type Stored = i64;

    /// 1 or 0.
    fn stored(self) -> i64 {
        self.into()
    }

    /// All but 0 is true.
    fn from_stored(stored: i64) -> Option<Self> {
        Some(stored != 0)
    }
}

/// Values of one field of several records, some of which may lack it.
#[derive(Debug)]
pub struct Values<T> {
    values: Vec<T>,
    /// A bit for each value, the lowest of a word first: whether it is known.
    known: Vec<u64>,
}

impl<T: Copy + Default> Values<T> {
    /// Records whose values are known by the bits of one word. Values are added fastest so many at a time.
    pub const CHUNK: usize = u64::BITS as usize;

    /// No values, with room for so many.
    #[must_use]
    pub fn with_capacity(rows: usize) -> Self {
        Self { values: Vec::with_capacity(rows), known: Vec::with_capacity(rows.div_ceil(Self::CHUNK)) }
    }

    /// Adds a value of each record; of one that has none, the default and that it is not known.
    pub fn extend<R>(&mut self, records: &[&R], mut value: impl FnMut(&R) -> Option<T>) {
        for chunk in records.chunks(Self::CHUNK) {
            let filled = self.values.len() % Self::CHUNK;
            let mut known = 0;
            self.values.extend(chunk.iter().enumerate().map(|(bit, record)| {
                let value = value(record);
                known |= u64::from(value.is_some()) << bit;
                value.unwrap_or_default()
            }));
            match self.known.last_mut() {
                Some(last) if filled > 0 => {
                    *last |= known << filled;
                    if filled + chunk.len() > Self::CHUNK {
                        self.known.push(known >> (Self::CHUNK - filled));
                    }
                }
                _ => self.known.push(known),
            }
        }
    }

    /// The values, and the words whose bits say which are known.
    #[must_use]
    pub fn into_parts(self) -> (Vec<T>, Vec<u64>) {
        (self.values, self.known)
    }
}

/// Reads a number from records `R` and sets it in drafts of them.
pub struct Accessor<R: Record, T: Storable> {
    /// The number of one record; `None` if it has none.
    pub get: fn(&R) -> Option<T>,
    /// Adds the numbers of these records.
    pub get_all: fn(&[&R], &mut Values<T::Stored>),
    /// Sets the number in a draft; `None` is never given to a field that may not be absent.
    pub set: fn(&mut R::Draft, Option<T>),
}

/// Reads a name of a fixed list from records `R` and sets it in drafts of them.
pub struct NameAccessor<R: Record> {
    /// The list.
    pub names: fn() -> Vec<&'static str>,
    /// The name that one record has.
    pub get: fn(&R) -> Option<&'static str>,
    /// Adds the indices in the list of the names that these records have.
    pub get_all: fn(&[&R], &mut Values<u8>),
    /// Sets the name in a draft; false if the list does not have it. `None` is never given to a field that may not be
    /// absent.
    pub set: fn(&mut R::Draft, Option<&str>) -> bool,
}

/// Reads a list of names from records `R` and sets it in drafts of them.
pub struct NamesAccessor<R: Record> {
    /// The names that one record has; `None` if it is not known which.
    pub get: fn(&R) -> Option<&[String]>,
    /// Sets the names in a draft.
    pub set: fn(&mut R::Draft, Option<Vec<String>>),
}

/// Reads the message from records `R` and sets its CID in drafts of them.
pub struct MessageAccessor<R: Record> {
    /// The message of one record; most records of a message share it.
    pub get: fn(&R) -> Option<&Arc<MessageRef>>,
    /// Sets the message's index among the CIDs that the decoder has met.
    pub set: fn(&mut R::Draft, Option<usize>),
}

/// What a field holds, how it is read from records `R`, and how it is set in drafts of them.
pub enum FieldValue<R: Record> {
    /// The record's UTC day. It is the table's key, and of no record by itself.
    Day,
    /// The record's place among those of its day. It is the table's key, and of no record by itself.
    Position,
    /// A storage provider.
    Miner(Accessor<R, MinerId>),
    /// The number of a sector.
    Sector(Accessor<R, SectorNumber>),
    /// A number without a unit.
    Number(Accessor<R, u64>),
    /// How many sectors.
    Sectors(Accessor<R, u32>),
    /// A chain epoch.
    Epoch(Accessor<R, Epoch>),
    /// Bytes.
    Bytes(Accessor<R, Bytes>),
    /// An amount of attoFIL.
    AttoFil(Accessor<R, AttoFil>),
    /// Whether something is so. Tables have 1 or 0, and what is absent is false.
    Flag(Accessor<R, bool>),
    /// One of a fixed list of names.
    Name(NameAccessor<R>),
    /// Several names, joined by commas.
    Names(NamesAccessor<R>),
    /// CID of a message.
    Message(MessageAccessor<R>),
}

/// An [`Accessor`] of records of a type: an expression over a record, and a statement over a draft and a value.
macro_rules! accessor {
    ($of:ty, |$record:ident| $get:expr, |$draft:ident, $value:ident| $set:expr) => {
        Accessor {
            get: |$record: &$of| $get,
            get_all: |records: &[&$of], values| {
                values.extend(records, |$record| ($get).map(Storable::stored));
            },
            set: |$draft: &mut <$of as Record>::Draft, $value| $set,
        }
    };
}
pub(super) use accessor;

#[cfg(test)]
mod tests {
    use super::Values;

    #[test]
    fn values_are_known_by_the_bits_of_words_however_many_are_added_at_once() {
        let all: Vec<i64> = (0..300).collect();
        let known = |value: &i64| value % 3 != 0;
        for step in [1, 7, 63, 64, 65, 300] {
            let mut values = Values::with_capacity(all.len());
            for some in all.chunks(step) {
                let some: Vec<&i64> = some.iter().collect();
                values.extend(&some, |value| known(value).then_some(*value));
            }
            let (values, bits) = values.into_parts();
            assert_eq!(bits.len(), all.len().div_ceil(64), "{step} at once");
            for (at, value) in all.iter().enumerate() {
                assert_eq!(bits[at / 64] >> (at % 64) & 1 == 1, known(value), "{value}, {step} at once");
                assert_eq!(values[at], if known(value) { *value } else { 0 }, "{step} at once");
            }
        }
    }
}
