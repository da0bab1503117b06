//! How the outcomes of messages are known: read from receipts, or inferred from the states around them.

use chain::ExecutedMessage;
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use crate::spelled::spelled;

/// Whether the events of some segment of a chain are read from receipts.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Display, EnumString, IntoStaticStr, VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum Receipts {
    /// Receipts were read wherever there were messages.
    Read,
    /// No receipts were there: outcomes were inferred from the states before and after.
    Inferred,
    /// Receipts were there for some tipsets and not for others.
    Mixed,
}

spelled!(Receipts);

/// How many tipsets were read with and without receipts, and what was inferred for the latter. A tipset without messages
/// counts for neither. `docs/DEFINITIONS.md`, "Missing receipts".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiptCounts {
    /// Tipsets with messages whose receipts were read.
    pub tipsets_read: u64,
    /// Tipsets with messages whose receipts are in no file.
    pub tipsets_inferred: u64,
    /// Messages to miners, in tipsets without receipts, whose parameters name sectors: candidates.
    pub messages_inferred: u64,
    /// Of these, those that the calendar or the outcome refutes: they failed.
    pub messages_refuted: u64,
    /// Events of kinds that the outcome does not determine.
    pub events_uncertain: u64,
}

impl ReceiptCounts {
    /// Of a tipset with these messages, before anything is inferred.
    pub(crate) fn of(messages: &[ExecutedMessage]) -> Self {
        match messages.first() {
            None => Self::default(),
            Some(ExecutedMessage { receipt: Some(_), .. }) => Self { tipsets_read: 1, ..Self::default() },
            Some(ExecutedMessage { receipt: None, .. }) => Self { tipsets_inferred: 1, ..Self::default() },
        }
    }

    /// Adds those of another segment.
    pub fn add(&mut self, other: &Self) {
        self.tipsets_read += other.tipsets_read;
        self.tipsets_inferred += other.tipsets_inferred;
        self.messages_inferred += other.messages_inferred;
        self.messages_refuted += other.messages_refuted;
        self.events_uncertain += other.events_uncertain;
    }

    /// Both kinds of tipsets in a word. Where there were no messages at all, nothing is missing.
    #[must_use]
    pub const fn receipts(&self) -> Receipts {
        match (self.tipsets_read, self.tipsets_inferred) {
            (_, 0) => Receipts::Read,
            (0, _) => Receipts::Inferred,
            _ => Receipts::Mixed,
        }
    }
}
