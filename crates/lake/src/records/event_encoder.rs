//! Encodes a day's events as rows of `sector_events`.

use std::hint::black_box;
use std::sync::Arc;

use chain::{Bytes, Day, Epoch, MinerId};
use datafusion::arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, DictionaryArray, Int32Array, Int64Array, RecordBatch,
    StringArray, UInt8Array,
};
use datafusion::arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::common::HashMap;
use ledger::{Backing, Cause, Content, Event, Kind, MessageRef, Status};
use rayon::slice::ParallelSliceMut as _;

use crate::error::{Error, Result};
use crate::records::cid_column::CidColumn;
use crate::schema::checked::RangeCheck;
use crate::schema::{DIGITS, TableName};

/// Rows made at once. A day is never held as rows whole: its events are there already, and rows of them all would take
/// as much again. Of so few the events stay in the processor's cache while they are checked and made rows of, and the rows
/// until they are added up and written.
pub(crate) const BATCH_ROWS: usize = 4_096;

/// Events that are fetched from memory at once, and made rows of: as many as bits tell of whether their values are known.
const PREFETCH_EVENTS: usize = u64::BITS as usize;

/// An event and its position: its place among the day's, in the order of execution.
pub(crate) type PositionedEvent<'e> = (i64, &'e Event);

/// Positions of a day's events, which are given in chain order, by miner and sector, so that a sector's life lies
/// together. Column `position` keeps the chain order: sorting by it restores the order of execution.
pub(crate) struct EventOrder(Vec<u32>);

impl EventOrder {
    /// Sorts the events.
    pub(crate) fn new(day: Day, events: &[Event]) -> Result<Self> {
        if let Err(source) = u32::try_from(events.len()) {
            let problem = format!("it has {} events: {source}", events.len());
            return Err(Error::Inconsistent { day, problem });
        }
        // The keys themselves are sorted: looking at the events would miss the cache at each comparison. Miner and sector
        // in one number are compared at once.
        let key = |(position, event): (u32, &Event)| (sort_key(event), position);
        let mut keys: Vec<_> = (0..).zip(events).map(key).collect();
        keys.par_sort_unstable();
        Ok(Self(keys.into_iter().map(|(.., position)| position).collect()))
    }

    /// The events, of which these are the positions.
    pub(crate) fn apply<'e>(
        &self,
        events: &'e [Event],
    ) -> impl ExactSizeIterator<Item = PositionedEvent<'e>> {
        self.0.iter().map(|position| (i64::from(*position), &events[*position as usize]))
    }
}

/// By what a day's rows are sorted, before their position: miner and sector.
pub(crate) fn sort_key(event: &Event) -> u128 {
    u128::from(event.miner.0) << u64::BITS | u128::from(event.sector.0)
}

/// Rows of these events, at most [`BATCH_ROWS`]; `see` is shown some of them at a time, in that order. Sorted events lie
/// scattered in memory, so some are fetched at a time, and column by column rows are made of them while they are near. Texts
/// are dictionaries, since few differ; that of messages names a message once for each miner.
pub(crate) fn batch(
    day: Day,
    order: &[PositionedEvent<'_>],
    mut see: impl FnMut(&[&Event]),
) -> Result<RecordBatch> {
    let mut columns = EventColumns::new(RangeCheck(day), order.len());
    let mut some = Vec::with_capacity(PREFETCH_EVENTS);
    for positions in order.chunks(PREFETCH_EVENTS) {
        some.clear();
        some.extend(positions.iter().map(|(_, event)| *event));
        prefetch(&some);
        see(&some);
        columns.push(positions, &some)?;
    }
    let columns = columns.finish(day, order.len());
    RecordBatch::try_new(schema(&columns), columns).map_err(rows_error)
}

/// Brings events into the processor's cache, and their messages: waiting for several at once takes hardly longer than
/// waiting for one.
fn prefetch(events: &[&Event]) {
    let read = events.iter().map(|event| {
        // What lies at an event's beginning, in its middle and at its end.
        let qap = [event.qap_before, event.qap_after].map(|qap| qap.unwrap_or_default().0);
        let pledge = event.backing_after.map_or(0, |backing| backing.pledge.0);
        let method = event.message.as_ref().map_or(0, |message| message.method);
        qap[0] ^ qap[1] ^ pledge ^ i128::from(event.sector.0 ^ method)
    });
    black_box(read.fold(0, |all, of| all ^ of));
}

/// The columns being filled, in the order of the table's schema, without the day.
struct EventColumns {
    range: RangeCheck,
    position: Vec<i64>,
    epoch: Vec<i64>,
    miner: Vec<i64>,
    sector: Vec<i64>,
    kind: Vec<u8>,
    cause: NullableColumn<u8>,
    sector_size: Vec<i128>,
    qap_before: NullableColumn<i128>,
    qap_after: NullableColumn<i128>,
    activation: NullableColumn<i64>,
    expiration_before: NullableColumn<i64>,
    expiration_after: NullableColumn<i64>,
    status_before: Vec<u8>,
    status_after: Vec<u8>,
    message: MessageColumn,
    method: NullableColumn<i64>,
    message_sectors: NullableColumn<i64>,
    content_before: NullableColumn<u8>,
    content_after: NullableColumn<u8>,
    pledge_before: NullableColumn<i128>,
    pledge_after: NullableColumn<i128>,
    uncertain: Vec<i64>,
    daily_fee_before: NullableColumn<i128>,
    daily_fee_after: NullableColumn<i128>,
}

impl EventColumns {
    fn new(range: RangeCheck, rows: usize) -> Self {
        Self {
            range,
            position: Vec::with_capacity(rows),
            epoch: Vec::with_capacity(rows),
            miner: Vec::with_capacity(rows),
            sector: Vec::with_capacity(rows),
            kind: Vec::with_capacity(rows),
            cause: NullableColumn::new(rows),
            sector_size: Vec::with_capacity(rows),
            qap_before: NullableColumn::new(rows),
            qap_after: NullableColumn::new(rows),
            activation: NullableColumn::new(rows),
            expiration_before: NullableColumn::new(rows),
            expiration_after: NullableColumn::new(rows),
            status_before: Vec::with_capacity(rows),
            status_after: Vec::with_capacity(rows),
            message: MessageColumn::new(rows),
            method: NullableColumn::new(rows),
            message_sectors: NullableColumn::new(rows),
            content_before: NullableColumn::new(rows),
            content_after: NullableColumn::new(rows),
            pledge_before: NullableColumn::new(rows),
            pledge_after: NullableColumn::new(rows),
            uncertain: Vec::with_capacity(rows),
            daily_fee_before: NullableColumn::new(rows),
            daily_fee_after: NullableColumn::new(rows),
        }
    }

    /// Adds events; there are [`PREFETCH_EVENTS`] of them, but for the last ones.
    fn push(&mut self, positions: &[PositionedEvent<'_>], events: &[&Event]) -> Result<()> {
        let range = self.range;
        for event in events {
            self.miner.push(range.integer("a storage provider's ID", event.miner.0)?);
            self.sector.push(range.integer("a sector number", event.sector.0)?);
            self.sector_size.push(range.wide("a sector's size", event.sector_size.0)?);
        }
        self.position.extend(positions.iter().map(|(position, _)| *position));
        self.epoch.extend(events.iter().map(|event| event.epoch.0));
        self.kind.extend(events.iter().map(|event| event.kind as u8));
        self.cause.push(events, |event| Ok(event.cause.map(|cause| cause as u8)))?;
        let qap = |value: Option<Bytes>| value.map(|value| range.wide("a sector's QAP", value.0)).transpose();
        self.qap_before.push(events, |event| qap(event.qap_before))?;
        self.qap_after.push(events, |event| qap(event.qap_after))?;
        let epoch = |epoch: Option<Epoch>| Ok(epoch.map(|epoch| epoch.0));
        self.activation.push(events, |event| epoch(event.activation))?;
        self.expiration_before.push(events, |event| epoch(event.expiration_before))?;
        self.expiration_after.push(events, |event| epoch(event.expiration_after))?;
        self.status_before.extend(events.iter().map(|event| event.status_before as u8));
        self.status_after.extend(events.iter().map(|event| event.status_after as u8));
        self.message.push(events)?;
        let method = |message: &MessageRef| range.integer("a method number", message.method);
        self.method.push(events, |event| event.message.as_deref().map(method).transpose())?;
        let sectors = |message: &MessageRef| i64::from(message.sectors);
        self.message_sectors.push(events, |event| Ok(event.message.as_deref().map(sectors)))?;
        let content = |backing: Option<Backing>| Ok(backing.map(|backing| backing.content as u8));
        self.content_before.push(events, |event| content(event.backing_before))?;
        self.content_after.push(events, |event| content(event.backing_after))?;
        let pledge = |backing: Option<Backing>| {
            backing.map(|backing| range.wide("a sector's pledge", backing.pledge.0)).transpose()
        };
        self.pledge_before.push(events, |event| pledge(event.backing_before))?;
        self.pledge_after.push(events, |event| pledge(event.backing_after))?;
        self.uncertain.extend(events.iter().map(|event| i64::from(event.uncertain)));
        let daily_fee = |backing: Option<Backing>| {
            let fee = backing.and_then(|backing| backing.daily_fee);
            fee.map(|fee| range.wide("a sector's daily fee", fee.0)).transpose()
        };
        self.daily_fee_before.push(events, |event| daily_fee(event.backing_before))?;
        self.daily_fee_after.push(events, |event| daily_fee(event.backing_after))
    }

    fn finish(self, day: Day, rows: usize) -> Vec<ArrayRef> {
        vec![
            Arc::new(Date32Array::from_value(day.unix_days(), rows)),
            integers(self.position, None),
            integers(self.epoch, None),
            integers(self.miner, None),
            integers(self.sector, None),
            names(Kind::ALL, Kind::name, self.kind, None),
            self.cause.finish(|values, known| names(Cause::ALL, Cause::name, values, known)),
            wide(self.sector_size, None),
            self.qap_before.finish(wide),
            self.qap_after.finish(wide),
            self.activation.finish(integers),
            self.expiration_before.finish(integers),
            self.expiration_after.finish(integers),
            names(Status::ALL, Status::name, self.status_before, None),
            names(Status::ALL, Status::name, self.status_after, None),
            self.message.finish(),
            self.method.finish(integers),
            self.message_sectors.finish(integers),
            self.content_before.finish(|values, known| names(Content::ALL, Content::name, values, known)),
            self.content_after.finish(|values, known| names(Content::ALL, Content::name, values, known)),
            self.pledge_before.finish(wide),
            self.pledge_after.finish(wide),
            integers(self.uncertain, None),
            self.daily_fee_before.finish(wide),
            self.daily_fee_after.finish(wide),
        ]
    }
}

/// A column of which not all values are known.
struct NullableColumn<T> {
    values: Vec<T>,
    /// A bit for each value: whether it is known.
    known: Vec<u64>,
}

impl<T: Default> NullableColumn<T> {
    fn new(rows: usize) -> Self {
        Self { values: Vec::with_capacity(rows), known: Vec::with_capacity(rows.div_ceil(PREFETCH_EVENTS)) }
    }

    /// Adds a value of each event; there are [`PREFETCH_EVENTS`] of them, but for the last ones.
    fn push(&mut self, events: &[&Event], mut value: impl FnMut(&Event) -> Result<Option<T>>) -> Result<()> {
        let mut known = 0;
        for (bit, event) in events.iter().enumerate() {
            let value = value(event)?;
            known |= u64::from(value.is_some()) << bit;
            self.values.push(value.unwrap_or_default());
        }
        self.known.push(known);
        Ok(())
    }

    fn finish(self, array: impl FnOnce(Vec<T>, Option<NullBuffer>) -> ArrayRef) -> ArrayRef {
        let known = BooleanBuffer::new(Buffer::from_vec(self.known), 0, self.values.len());
        let known = Some(NullBuffer::new(known)).filter(|known| known.null_count() > 0);
        array(self.values, known)
    }
}

fn integers(values: Vec<i64>, known: Option<NullBuffer>) -> ArrayRef {
    Arc::new(Int64Array::new(values.into(), known))
}

fn wide(values: Vec<i128>, known: Option<NullBuffer>) -> ArrayRef {
    let values = Decimal128Array::new(values.into(), known);
    Arc::new(values.with_data_type(DataType::Decimal128(DIGITS, 0)))
}

/// The table's schema, with texts as the dictionaries that these columns have.
fn schema(columns: &[ArrayRef]) -> SchemaRef {
    let table = TableName::Events.schema();
    let fields = table.fields().iter().zip(columns);
    let fields = fields.map(|(field, column)| Field::clone(field).with_data_type(column.data_type().clone()));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Values of an enum, by their indices among all of them.
fn names<T: Copy>(
    all: &[T],
    name: fn(T) -> &'static str,
    at: Vec<u8>,
    known: Option<NullBuffer>,
) -> ArrayRef {
    let names = StringArray::from_iter_values(all.iter().map(|value| name(*value)));
    Arc::new(DictionaryArray::new(UInt8Array::new(at.into(), known), Arc::new(names)))
}

/// The messages' CIDs. Messages are distinguished one miner at a time, so that few have to be kept in mind.
struct MessageColumn {
    miner: MinerId,
    /// Indices in `texts`, by a message's address in memory: most events of a message share it.
    known: HashMap<usize, i32>,
    texts: CidColumn,
    keys: NullableColumn<i32>,
}

impl MessageColumn {
    fn new(rows: usize) -> Self {
        let texts = CidColumn::default();
        Self { miner: MinerId(0), known: HashMap::new(), texts, keys: NullableColumn::new(rows) }
    }

    /// Adds events, as [`NullableColumn::push`] does.
    fn push(&mut self, events: &[&Event]) -> Result<()> {
        let Self { miner, known, texts, keys } = self;
        keys.push(events, |event| {
            if event.miner != *miner {
                *miner = event.miner;
                known.clear();
            }
            let key = event.message.as_ref().map(|message| {
                *known.entry(Arc::as_ptr(message).addr()).or_insert_with(|| {
                    texts.push(&message.cid);
                    // There are not more than rows at once.
                    (texts.len() - 1) as i32
                })
            });
            Ok(key)
        })
    }

    fn finish(self) -> ArrayRef {
        let texts = Arc::new(self.texts.finish());
        let named = |keys: Vec<i32>, known| DictionaryArray::new(Int32Array::new(keys.into(), known), texts);
        self.keys.finish(|keys, known| Arc::new(named(keys, known)))
    }
}

fn rows_error(source: ArrowError) -> Error {
    Error::Rows { table: TableName::Events.name(), source }
}
