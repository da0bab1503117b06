//! A declared field, its type in words, and its value in one record.

use std::borrow::Cow;
use std::fmt;

use chain::MinerId;

use super::accessor::{FieldValue, Record};

/// A declared field of a record.
pub struct Field<R: Record> {
    /// Name in tables, JSON and CSV.
    pub name: &'static str,
    /// Number of its column in the table, from 0. Tables have the columns in this order, and answers in that of the
    /// declaration. A number is never given to another field, and a new field takes the next one: older tables then
    /// lack only their last columns.
    pub number: usize,
    /// What it holds.
    pub value: FieldValue<R>,
    /// Whether it may be absent: from some records, or from all those that were stored before the field was there.
    pub nullable: bool,
    /// What it tells, in a sentence or two.
    pub doc: &'static str,
}

impl<R: Record> Field<R> {
    /// A field that every record has.
    pub(super) const fn new(
        number: usize,
        name: &'static str,
        value: FieldValue<R>,
        doc: &'static str,
    ) -> Self {
        Self { name, number, value, nullable: false, doc }
    }

    /// The same, which may be absent.
    pub(super) const fn or_null(mut self) -> Self {
        self.nullable = true;
        self
    }

    /// The unit in words; empty if there is none.
    #[must_use]
    pub const fn unit(&self) -> &'static str {
        match self.value {
            FieldValue::Epoch(_) => "epoch",
            FieldValue::Bytes(_) => "bytes",
            FieldValue::AttoFil(_) => "attoFIL",
            FieldValue::Sectors(_) => "sectors",
            FieldValue::Day
            | FieldValue::Position
            | FieldValue::Miner(_)
            | FieldValue::Sector(_)
            | FieldValue::Number(_)
            | FieldValue::Flag(_)
            | FieldValue::Name(_)
            | FieldValue::Names(_)
            | FieldValue::Message(_) => "",
        }
    }

    /// The value that one record has; `None` if it is absent, and for the table's keys, which no record has by itself.
    pub fn scalar<'r>(&self, record: &'r R) -> Option<Scalar<'r>> {
        Some(match &self.value {
            FieldValue::Day | FieldValue::Position => return None,
            FieldValue::Miner(of) => Scalar::Miner((of.get)(record)?),
            FieldValue::Sector(of) => Scalar::Unsigned((of.get)(record)?.0),
            FieldValue::Number(of) => Scalar::Unsigned((of.get)(record)?),
            FieldValue::Sectors(of) => Scalar::Unsigned((of.get)(record)?.into()),
            FieldValue::Epoch(of) => Scalar::Integer((of.get)(record)?.0),
            FieldValue::Bytes(of) => Scalar::Wide((of.get)(record)?.0),
            FieldValue::AttoFil(of) => Scalar::Wide((of.get)(record)?.0),
            FieldValue::Flag(of) => Scalar::Flag((of.get)(record)?),
            FieldValue::Name(of) => Scalar::Text((of.get)(record)?.into()),
            FieldValue::Names(of) => Scalar::Text((of.get)(record)?.join(",").into()),
            FieldValue::Message(of) => Scalar::Text((of.get)(record)?.cid.to_string().into()),
        })
    }
}

/// A field's value in one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scalar<'r> {
    /// A storage provider.
    Miner(MinerId),
    /// A number of 64 bits.
    Integer(i64),
    /// A number of 64 bits that is never negative.
    Unsigned(u64),
    /// An amount of bytes or attoFIL.
    Wide(i128),
    /// True or false.
    Flag(bool),
    /// A name, names joined by commas, or a CID.
    Text(Cow<'r, str>),
}

impl fmt::Display for Scalar<'_> {
    /// Numbers in decimal, providers as `f0…`, flags as `true` or `false`, and texts as they are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Miner(miner) => miner.fmt(f),
            Self::Integer(value) => value.fmt(f),
            Self::Unsigned(value) => value.fmt(f),
            Self::Wide(value) => value.fmt(f),
            Self::Flag(value) => value.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

/// Declared fields in the order of their columns in the table.
#[must_use]
pub fn in_table_order<R: Record>(fields: &'static [Field<R>]) -> Vec<&'static Field<R>> {
    let mut ordered: Vec<_> = fields.iter().collect();
    ordered.sort_unstable_by_key(|field| field.number);
    ordered
}
