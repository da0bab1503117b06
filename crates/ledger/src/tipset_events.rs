//! The events of one tipset.

use crate::event::Event;
use crate::receipts::ReceiptCounts;

/// What one tipset did, and how that is known.
#[derive(Clone, Debug, Default)]
pub struct TipsetEvents {
    /// Its events in order of execution.
    pub events: Vec<Event>,
    /// Whether its receipts were read, and what had to be inferred without them.
    pub receipts: ReceiptCounts,
}
