//! The fields of an event.

use std::sync::Arc;

use chain::{AttoFil, Bytes, Epoch, MinerId, SectorNumber};

use super::accessor::{Accessor, FieldValue, MessageAccessor, NameAccessor, Record, Storable, accessor};
use super::field::Field;
use crate::event::{Backing, Cause, Content, Event, Kind, MessageRef, Status};

impl Record for Event {
    type Draft = EventDraft;

    fn miner(&self) -> MinerId {
        self.miner
    }
}

/// An event whose fields are set one by one.
#[derive(Clone, Debug)]
pub struct EventDraft {
    /// The event, without its message and backings.
    event: Event,
    /// Index of the message's CID.
    message: Option<usize>,
    method: Option<u64>,
    message_sectors: Option<u32>,
    backing_before: BackingDraft,
    backing_after: BackingDraft,
}

/// A sector's backing whose fields are set one by one.
#[derive(Clone, Copy, Debug, Default)]
struct BackingDraft {
    content: Option<Content>,
    pledge: Option<AttoFil>,
    daily_fee: Option<AttoFil>,
}

impl Default for EventDraft {
    /// A draft in which nothing is set: the values that its event has are replaced by those of a row, which has them all.
    fn default() -> Self {
        let event = Event::blank(Epoch(0), MinerId(0), SectorNumber(0), Kind::Adjust, Bytes(0));
        let backing = BackingDraft::default();
        Self {
            event,
            message: None,
            method: None,
            message_sectors: None,
            backing_before: backing,
            backing_after: backing,
        }
    }
}

impl EventDraft {
    /// The event; `None` if the fields of a message or of a backing contradict each other. `message` gives the message
    /// of a CID's index, a method and a number of sectors.
    pub fn finish(self, message: impl FnOnce(usize, u64, u32) -> Option<Arc<MessageRef>>) -> Option<Event> {
        let message = match self.message {
            None => None,
            Some(cid) => Some(message(cid, self.method?, self.message_sectors?)?),
        };
        let (backing_before, backing_after) = (self.backing_before.finish()?, self.backing_after.finish()?);
        Some(Event { message, backing_before, backing_after, ..self.event })
    }
}

impl BackingDraft {
    /// The backing, if it is known; `None` if it is contradictory. Rows of layouts 1 and 2 know none, and those of layout 3
    /// no fees.
    fn finish(self) -> Option<Option<Backing>> {
        match self.pledge {
            None => Some(None),
            Some(pledge) => Some(Some(Backing { content: self.content?, pledge, daily_fee: self.daily_fee })),
        }
    }
}

/// A member of the event that it always has.
macro_rules! required {
    ($member:ident) => {
        accessor!(Event, |event| Some(event.$member), |draft, value| if let Some(value) = value {
            draft.event.$member = value;
        })
    };
}

/// A member of the event that may be absent.
macro_rules! optional {
    ($member:ident) => {
        accessor!(Event, |event| event.$member, |draft, value| draft.event.$member = value)
    };
}

/// A name of an enum.
macro_rules! name {
    ($names:ident, |$event:ident| $get:expr, |$draft:ident, $value:ident| $set:expr) => {
        NameAccessor {
            names: || $names::ALL.iter().map(|of| of.name()).collect(),
            get: |$event: &Event| ($get).map($names::name),
            get_all: |events: &[&Event], indices| indices.extend(events, |$event| ($get).map(|of| of as u8)),
            set: |$draft: &mut EventDraft, name| {
                let $value = name.and_then($names::from_name);
                $set;
                $value.is_some() == name.is_some()
            },
        }
    };
}

/// The same of a member that the event always has.
macro_rules! required_name {
    ($names:ident, $member:ident) => {
        name!($names, |event| Some(event.$member), |draft, value| if let Some(value) = value {
            draft.event.$member = value;
        })
    };
}

/// What the backing before or after the event has.
macro_rules! backing {
    ($side:ident, |$backing:ident| $get:expr, $part:ident) => {
        accessor!(Event, |event| event.$side.as_ref().and_then(|$backing| $get), |draft, value| {
            draft.$side.$part = value
        })
    };
}

/// What the sector was filled with before or after the event.
macro_rules! content {
    ($side:ident) => {
        name!(Content, |event| event.$side.as_ref().map(|backing| backing.content), |draft, value| {
            draft.$side.content = value
        })
    };
}

/// What the event's message has.
macro_rules! message {
    ($member:ident, $part:ident) => {
        accessor!(Event, |event| event.message.as_ref().map(|message| message.$member), |draft, value| {
            draft.$part = value
        })
    };
}

const CID: MessageAccessor<Event> =
    MessageAccessor { get: |event| event.message.as_ref(), set: |draft, cid| draft.message = cid };

const CAUSE: NameAccessor<Event> =
    name!(Cause, |event| event.cause, |draft, value| draft.event.cause = value);

/// Every field of an event, in the order of answers and of the lines of `sectorscope events`.
#[rustfmt::skip]
pub const EVENT_FIELDS: &[Field<Event>] = &[
    Field::new(0, "stat_date", FieldValue::Day, "UTC day of the event."),
    Field::new(1, "position", FieldValue::Position, "Place among all events of the day, in the order of execution."),
    Field::new(2, "epoch", FieldValue::Epoch(required!(epoch)), "Height of the tipset that executed it."),
    Field::new(3, "miner_id", FieldValue::Miner(required!(miner)), "The storage provider."),
    Field::new(4, "sector", FieldValue::Sector(required!(sector)), "Number of the sector."),
    Field::new(5, "kind", FieldValue::Name(required_name!(Kind, kind)), "What happened."),
    Field::new(6, "cause", FieldValue::Name(CAUSE), "Why, or by which way; absent for the kinds that have no causes.").or_null(),
    Field::new(7, "sector_size", FieldValue::Bytes(required!(sector_size)), "Raw bytes of the sector."),
    Field::new(8, "qap_before", FieldValue::Bytes(optional!(qap_before)), "Quality-adjusted power before; absent if there was none.").or_null(),
    Field::new(9, "qap_after", FieldValue::Bytes(optional!(qap_after)), "Quality-adjusted power after; absent if the sector is gone.").or_null(),
    Field::new(10, "activation", FieldValue::Epoch(optional!(activation)), "Activation as first seen; absent for pre-commits.").or_null(),
    Field::new(11, "expiration_before", FieldValue::Epoch(optional!(expiration_before)), "Expiration before.").or_null(),
    Field::new(12, "expiration_after", FieldValue::Epoch(optional!(expiration_after)), "Expiration after.").or_null(),
    // Since layout 3.
    Field::new(18, "content_before", FieldValue::Name(content!(backing_before)), "What the sector held before: `cc`, `deals`, `verified` or `full_quality`; absent if it was not live, and of days closed under a layout before 3.").or_null(),
    Field::new(19, "content_after", FieldValue::Name(content!(backing_after)), "What it holds after.").or_null(),
    Field::new(20, "pledge_before", FieldValue::AttoFil(backing!(backing_before, |of| Some(of.pledge), pledge)), "Its initial pledge before.").or_null(),
    Field::new(21, "pledge_after", FieldValue::AttoFil(backing!(backing_after, |of| Some(of.pledge), pledge)), "Its initial pledge after.").or_null(),
    Field::new(13, "status_before", FieldValue::Name(required_name!(Status, status_before)), "Where the sector stood before."),
    Field::new(14, "status_after", FieldValue::Name(required_name!(Status, status_after)), "Where it stands after."),
    Field::new(15, "message", FieldValue::Message(CID), "CID of the message that caused it; absent where cron or a call from another actor did.").or_null(),
    Field::new(16, "method", FieldValue::Number(message!(method, method)), "The message's method number of the miner actor.").or_null(),
    Field::new(17, "message_sectors", FieldValue::Sectors(message!(sectors, message_sectors)), "How many sectors the message changed.").or_null(),
    // Since layout 4.
    Field::new(23, "daily_fee_before", FieldValue::AttoFil(backing!(backing_before, |of| of.daily_fee, daily_fee)), "What it paid a day before; absent if it was not live, and of days closed under a layout before 4.").or_null(),
    Field::new(24, "daily_fee_after", FieldValue::AttoFil(backing!(backing_after, |of| of.daily_fee, daily_fee)), "What it pays a day after.").or_null(),
    Field::new(22, "uncertain", FieldValue::Flag(accessor!(Event, |event| Some(event.uncertain), |draft, value| draft.event.uncertain = value.unwrap_or_default())), "Whether it was inferred without receipts and is of a kind that the outcome cannot tell for sure.").or_null(),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::in_table_order;

    #[test]
    fn the_columns_of_events_have_their_names_and_order_for_good() {
        let names: Vec<_> = in_table_order(EVENT_FIELDS).iter().map(|field| field.name).collect();
        let columns = "stat_date position epoch miner_id sector kind cause sector_size qap_before qap_after activation \
                       expiration_before expiration_after status_before status_after message method message_sectors \
                       content_before content_after pledge_before pledge_after uncertain daily_fee_before \
                       daily_fee_after";
        assert_eq!(names, columns.split(' ').collect::<Vec<_>>());
        let numbers: Vec<_> = in_table_order(EVENT_FIELDS).iter().map(|field| field.number).collect();
        assert_eq!(numbers, (0..EVENT_FIELDS.len()).collect::<Vec<_>>());
    }

    #[test]
    fn a_message_without_a_method_and_a_pledge_without_content_make_no_event() {
        let message =
            |_, method, sectors| Some(Arc::new(MessageRef { cid: chain::Cid::default(), method, sectors }));
        let set = EventDraft {
            message: Some(0),
            method: Some(5),
            message_sectors: Some(2),
            ..EventDraft::default()
        };
        assert!(set.clone().finish(message).is_some_and(|event| event.message.is_some()));
        assert_eq!(EventDraft { method: None, ..set }.finish(message), None);
        let pledged = BackingDraft { pledge: Some(AttoFil(1)), ..BackingDraft::default() };
        assert_eq!(EventDraft { backing_after: pledged, ..EventDraft::default() }.finish(message), None);
        let known = BackingDraft { content: Some(Content::Cc), ..pledged };
        let event = EventDraft { backing_after: known, ..EventDraft::default() }.finish(message);
        assert!(event.is_some_and(|event| event.backing_after.is_some_and(|of| of.daily_fee.is_none())));
    }
}
