//! The fields of stored records: each field of an event and of a reconciliation row is declared here, once.
//!
//! From a declaration come the column in the lake's table, its encoding and decoding, the column of answers over HTTP
//! with its documentation, and the keys of `sectorscope events` with theirs. A new field is a new row in [`EVENT_FIELDS`]
//! or [`RECONCILIATION_FIELDS`].

mod accessor;
mod event;
mod field;
mod reconciliation;

pub use accessor::{
    Accessor, FieldValue, MessageAccessor, NameAccessor, NamesAccessor, Record, Storable, Values,
};
pub use event::{EVENT_FIELDS, EventDraft};
pub use field::{Field, Scalar, in_table_order};
pub use reconciliation::{Figures, RECONCILIATION_FIELDS, ReconciliationRow};
