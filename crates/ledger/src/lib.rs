//! What happened to each sector, and what does a day add up to?
//!
//! [`Differ`] turns two states of the chain and the messages between them into [`Event`]s, [`EventReader`] does so for
//! all tipsets of a chain on all cores, [`ChainPowers`] follows what the chain itself says of each miner's power, and the
//! [`columns`] registry declares what each published number is, once, and [`fields`] each field of an event and of a
//! reconciliation row. [`Row`] adds a miner's numbers up from its
//! events, [`explain()`] takes one apart again, and [`identities`] and [`checks`] say what always holds.
//! Everything here is pure: no I/O of its own, no clock, no async.

mod anomalies;
mod chain_powers;
pub mod checks;
pub mod columns;
mod contribution;
mod differ;
mod event;
mod event_reader;
mod explain;
pub mod fields;
pub mod identities;
mod miner_summary;
mod opening;
mod power;
mod qap;
mod receipts;
mod row;
mod spelled;
mod tally;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod tipset_events;
mod value;

pub use anomalies::{Anomaly, AnomalyHistory, AnomalySignals, MinerAnomaly};
pub use chain_powers::ChainPowers;
pub use contribution::SumOverflow;
pub use differ::Differ;
pub use event::{Backing, Cause, Content, Event, Kind, MessageRef, Status};
pub use event_reader::EventReader;
pub use explain::{Contribution, Explanation, explain};
pub use miner_summary::{DeadlineSummary, MinerSummary, SectorTotals};
pub use opening::Opening;
pub use power::{ChainPower, Power};
pub use qap::quality_adjusted_power;
pub use receipts::{ReceiptCounts, Receipts};
pub use row::Row;
pub use tally::Tally;
pub use tipset_events::TipsetEvents;
pub use value::Value;
