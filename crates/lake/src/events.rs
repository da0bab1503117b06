//! A day's events as rows of `sector_events`.

use std::sync::Arc;

use chain::{Bytes, Cid, Day, Epoch, MinerId};
use datafusion::arrow::array::{
    ArrayRef, Date32Array, Decimal128Builder, DictionaryArray, Int32Array, Int64Builder, RecordBatch,
    StringArray, UInt8Builder,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt8Type};
use datafusion::arrow::error::ArrowError;
use datafusion::common::HashMap;
use ledger::{Backing, Cause, Content, Event, Kind, Status};
use rayon::slice::ParallelSliceMut as _;

use crate::fit::Fit;
use crate::schema::{DIGITS, TableName};
use crate::{Error, Result};

/// Rows made at once. A day is never held as rows whole: its events are there already, and rows of them all would take
/// as much again. Of so few the events stay in the processor's cache while they are checked and made rows of, and the rows
/// until they are added up and written.
const ROWS_AT_ONCE: usize = 4_096;

/// Positions of a day's events, which are given in chain order, by miner and sector, so that a sector's life lies
/// together; in parts of which rows are made at once. Column `position` keeps the chain order: sorting by it restores
/// the order of execution.
pub(crate) struct Sorted(Vec<u32>);

impl Sorted {
    /// Sorts the events.
    pub(crate) fn new(day: Day, events: &[Event]) -> Result<Self> {
        if let Err(source) = u32::try_from(events.len()) {
            let problem = format!("it has {} events: {source}", events.len());
            return Err(Error::Inconsistent { day, problem });
        }
        // The keys themselves are sorted: looking at the events would miss the cache at each comparison.
        let key = |(position, event): (u32, &Event)| (event.miner, event.sector, position);
        let mut keys: Vec<_> = (0..).zip(events).map(key).collect();
        keys.par_sort_unstable();
        Ok(Self(keys.into_iter().map(|(.., position)| position).collect()))
    }

    /// The positions, some at a time.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &[u32]> {
        self.0.chunks(ROWS_AT_ONCE)
    }
}

/// Rows of the events at these positions. Event by event, not column by column: sorted events lie scattered in memory,
/// and each is fetched once so. Texts are dictionaries, since few differ; that of messages names a message once for each
/// miner.
pub(crate) fn batch(day: Day, events: &[Event], order: &[u32]) -> Result<RecordBatch> {
    let mut columns = Columns::new(Fit(day), order.len());
    for position in order {
        columns.push(*position, &events[*position as usize])?;
    }
    let columns = columns.finish(day, order.len());
    RecordBatch::try_new(schema(&columns), columns).map_err(wrong)
}

/// The columns being filled, in the order of the table's schema, without the day.
struct Columns<'e> {
    fit: Fit,
    position: Int64Builder,
    epoch: Int64Builder,
    miner: Int64Builder,
    sector: Int64Builder,
    kind: UInt8Builder,
    cause: UInt8Builder,
    sector_size: Decimal128Builder,
    qap_before: Decimal128Builder,
    qap_after: Decimal128Builder,
    activation: Int64Builder,
    expiration_before: Int64Builder,
    expiration_after: Int64Builder,
    content_before: UInt8Builder,
    content_after: UInt8Builder,
    pledge_before: Decimal128Builder,
    pledge_after: Decimal128Builder,
    status_before: UInt8Builder,
    status_after: UInt8Builder,
    message: Messages<'e>,
    method: Int64Builder,
    message_sectors: Int64Builder,
}

impl<'e> Columns<'e> {
    fn new(fit: Fit, rows: usize) -> Self {
        let integer = || Int64Builder::with_capacity(rows);
        let name = || UInt8Builder::with_capacity(rows);
        let wide = || Decimal128Builder::with_capacity(rows).with_data_type(DataType::Decimal128(DIGITS, 0));
        Self {
            fit,
            position: integer(),
            epoch: integer(),
            miner: integer(),
            sector: integer(),
            kind: name(),
            cause: name(),
            sector_size: wide(),
            qap_before: wide(),
            qap_after: wide(),
            activation: integer(),
            expiration_before: integer(),
            expiration_after: integer(),
            content_before: name(),
            content_after: name(),
            pledge_before: wide(),
            pledge_after: wide(),
            status_before: name(),
            status_after: name(),
            message: Messages::new(rows),
            method: integer(),
            message_sectors: integer(),
        }
    }

    fn push(&mut self, position: u32, event: &'e Event) -> Result<()> {
        let fit = self.fit;
        let epoch = |epoch: Epoch| epoch.0;
        self.position.append_value(i64::from(position));
        self.epoch.append_value(event.epoch.0);
        self.miner.append_value(fit.integer("a storage provider's ID", event.miner.0)?);
        self.sector.append_value(fit.integer("a sector number", event.sector.0)?);
        self.kind.append_value(event.kind as u8);
        self.cause.append_option(event.cause.map(|cause| cause as u8));
        self.sector_size.append_value(fit.wide("a sector's size", event.sector_size.0)?);
        let qap = |value: Option<Bytes>| value.map(|value| fit.wide("a sector's QAP", value.0)).transpose();
        self.qap_before.append_option(qap(event.qap_before)?);
        self.qap_after.append_option(qap(event.qap_after)?);
        self.activation.append_option(event.activation.map(epoch));
        self.expiration_before.append_option(event.expiration_before.map(epoch));
        self.expiration_after.append_option(event.expiration_after.map(epoch));
        let content = |backing: Option<Backing>| backing.map(|backing| backing.content as u8);
        self.content_before.append_option(content(event.backing_before));
        self.content_after.append_option(content(event.backing_after));
        let pledge = |backing: Option<Backing>| {
            backing.map(|backing| fit.wide("a sector's pledge", backing.pledge.0)).transpose()
        };
        self.pledge_before.append_option(pledge(event.backing_before)?);
        self.pledge_after.append_option(pledge(event.backing_after)?);
        self.status_before.append_value(event.status_before as u8);
        self.status_after.append_value(event.status_after as u8);
        let message = event.message.as_deref();
        self.message.push(event.miner, message.map(|message| &message.cid));
        let method = message.map(|message| fit.integer("a method number", message.method)).transpose()?;
        self.method.append_option(method);
        self.message_sectors.append_option(message.map(|message| i64::from(message.sectors)));
        Ok(())
    }

    fn finish(mut self, day: Day, rows: usize) -> Vec<ArrayRef> {
        vec![
            Arc::new(Date32Array::from_value(day.unix_days(), rows)),
            Arc::new(self.position.finish()),
            Arc::new(self.epoch.finish()),
            Arc::new(self.miner.finish()),
            Arc::new(self.sector.finish()),
            names(Kind::ALL, Kind::name, self.kind),
            names(Cause::ALL, Cause::name, self.cause),
            Arc::new(self.sector_size.finish()),
            Arc::new(self.qap_before.finish()),
            Arc::new(self.qap_after.finish()),
            Arc::new(self.activation.finish()),
            Arc::new(self.expiration_before.finish()),
            Arc::new(self.expiration_after.finish()),
            names(Status::ALL, Status::name, self.status_before),
            names(Status::ALL, Status::name, self.status_after),
            self.message.finish(),
            Arc::new(self.method.finish()),
            Arc::new(self.message_sectors.finish()),
            names(Content::ALL, Content::name, self.content_before),
            names(Content::ALL, Content::name, self.content_after),
            Arc::new(self.pledge_before.finish()),
            Arc::new(self.pledge_after.finish()),
        ]
    }
}

/// The table's schema, with texts as the dictionaries that these columns have.
fn schema(columns: &[ArrayRef]) -> SchemaRef {
    let table = TableName::Events.schema();
    let fields = table.fields().iter().zip(columns);
    let fields = fields.map(|(field, column)| Field::clone(field).with_data_type(column.data_type().clone()));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Values of an enum that stand at these places among all of them.
fn names<T: Copy>(all: &[T], name: fn(T) -> &'static str, mut at: UInt8Builder) -> ArrayRef {
    let names = StringArray::from_iter_values(all.iter().map(|value| name(*value)));
    Arc::new(DictionaryArray::<UInt8Type>::new(at.finish(), Arc::new(names)))
}

/// The messages' CIDs. A miner's messages are told apart one miner at a time, so that few have to be kept in mind.
struct Messages<'e> {
    miner: MinerId,
    known: HashMap<&'e Cid, i32>,
    texts: Vec<String>,
    keys: Vec<Option<i32>>,
}

impl<'e> Messages<'e> {
    fn new(rows: usize) -> Self {
        Self { miner: MinerId(0), known: HashMap::new(), texts: Vec::new(), keys: Vec::with_capacity(rows) }
    }

    fn push(&mut self, miner: MinerId, cid: Option<&'e Cid>) {
        if miner != self.miner {
            self.miner = miner;
            self.known.clear();
        }
        let texts = &mut self.texts;
        let key = cid.map(|cid| {
            *self.known.entry(cid).or_insert_with(|| {
                texts.push(cid.to_string());
                // There are not more than rows at once.
                (texts.len() - 1) as i32
            })
        });
        self.keys.push(key);
    }

    fn finish(self) -> ArrayRef {
        let texts = Arc::new(StringArray::from_iter_values(self.texts));
        Arc::new(DictionaryArray::new(Int32Array::from(self.keys), texts))
    }
}

fn wrong(source: ArrowError) -> Error {
    Error::Rows { table: TableName::Events.name(), source }
}
