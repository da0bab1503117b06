//! A day's events as rows of `sector_events`.

use std::sync::Arc;

use chain::{Cid, Day, Epoch};
use datafusion::arrow::array::{
    ArrayRef, Date32Array, Decimal128Builder, Int64Builder, RecordBatch, StringBuilder,
};
use ledger::Event;

use crate::fit::Fit;
use crate::schema::{DIGITS, TableName};
use crate::{Error, Result};

/// The day's events, given in chain order, sorted by miner, sector and epoch, so that a sector's life lies
/// together. `position` keeps the chain order: sorting by it restores the order of execution.
pub(crate) fn batch(day: Day, events: &[Event]) -> Result<RecordBatch> {
    let mut order: Vec<(usize, &Event)> = events.iter().enumerate().collect();
    order.sort_by_key(|(position, event)| (event.miner, event.sector, event.epoch, *position));

    let mut rows = Rows::new(Fit(day), events.len());
    for (position, event) in order {
        rows.push(position, event)?;
    }
    let mut columns: Vec<ArrayRef> = vec![Arc::new(Date32Array::from_value(day.unix_days(), events.len()))];
    columns.extend(rows.finish());
    RecordBatch::try_new(TableName::Events.schema(), columns)
        .map_err(|source| Error::Rows { table: TableName::Events.name(), source })
}

/// The columns of `sector_events` being filled, in the order of its schema, without the day.
struct Rows {
    fit: Fit,
    position: Int64Builder,
    epoch: Int64Builder,
    miner: Int64Builder,
    sector: Int64Builder,
    kind: StringBuilder,
    cause: StringBuilder,
    sector_size: Decimal128Builder,
    qap_before: Decimal128Builder,
    qap_after: Decimal128Builder,
    activation: Int64Builder,
    expiration_before: Int64Builder,
    expiration_after: Int64Builder,
    status_before: StringBuilder,
    status_after: StringBuilder,
    message: StringBuilder,
    method: Int64Builder,
    message_sectors: Int64Builder,
    /// The last message and its text: a batch message's events often lie together.
    last_message: Option<(Cid, String)>,
}

impl Rows {
    fn new(fit: Fit, capacity: usize) -> Self {
        let integer = || Int64Builder::with_capacity(capacity);
        let wide = || {
            Decimal128Builder::with_capacity(capacity)
                .with_data_type(datafusion::arrow::datatypes::DataType::Decimal128(DIGITS, 0))
        };
        let text = || StringBuilder::with_capacity(capacity, capacity * 8);
        Self {
            fit,
            position: integer(),
            epoch: integer(),
            miner: integer(),
            sector: integer(),
            kind: text(),
            cause: text(),
            sector_size: wide(),
            qap_before: wide(),
            qap_after: wide(),
            activation: integer(),
            expiration_before: integer(),
            expiration_after: integer(),
            status_before: text(),
            status_after: text(),
            message: text(),
            method: integer(),
            message_sectors: integer(),
            last_message: None,
        }
    }

    fn push(&mut self, position: usize, event: &Event) -> Result<()> {
        let fit = self.fit;
        let epoch = |epoch: Epoch| epoch.0;
        self.position.append_value(fit.integer("an event's position", position as u64)?);
        self.epoch.append_value(event.epoch.0);
        self.miner.append_value(fit.integer("a storage provider's ID", event.miner.0)?);
        self.sector.append_value(fit.integer("a sector number", event.sector.0)?);
        self.kind.append_value(event.kind.name());
        self.cause.append_option(event.cause.map(ledger::Cause::name));
        self.sector_size.append_value(fit.wide("a sector's size", event.sector_size)?);
        let qap = |value: Option<_>| value.map(|value| fit.wide("a sector's QAP", value)).transpose();
        self.qap_before.append_option(qap(event.qap_before)?);
        self.qap_after.append_option(qap(event.qap_after)?);
        self.activation.append_option(event.activation.map(epoch));
        self.expiration_before.append_option(event.expiration_before.map(epoch));
        self.expiration_after.append_option(event.expiration_after.map(epoch));
        self.status_before.append_value(event.status_before.name());
        self.status_after.append_value(event.status_after.name());
        let Some(message) = event.message else {
            self.message.append_null();
            self.method.append_null();
            self.message_sectors.append_null();
            return Ok(());
        };
        if self.last_message.as_ref().is_none_or(|(cid, _)| *cid != message.cid) {
            self.last_message = Some((message.cid, message.cid.to_string()));
        }
        self.message.append_option(self.last_message.as_ref().map(|(_, text)| text));
        self.method.append_value(fit.integer("a method number", message.method)?);
        self.message_sectors.append_value(i64::from(message.sectors));
        Ok(())
    }

    fn finish(mut self) -> Vec<ArrayRef> {
        vec![
            Arc::new(self.position.finish()),
            Arc::new(self.epoch.finish()),
            Arc::new(self.miner.finish()),
            Arc::new(self.sector.finish()),
            Arc::new(self.kind.finish()),
            Arc::new(self.cause.finish()),
            Arc::new(self.sector_size.finish()),
            Arc::new(self.qap_before.finish()),
            Arc::new(self.qap_after.finish()),
            Arc::new(self.activation.finish()),
            Arc::new(self.expiration_before.finish()),
            Arc::new(self.expiration_after.finish()),
            Arc::new(self.status_before.finish()),
            Arc::new(self.status_after.finish()),
            Arc::new(self.message.finish()),
            Arc::new(self.method.finish()),
            Arc::new(self.message_sectors.finish()),
        ]
    }
}
