//! What happened to each sector, and what does a day add up to?
//!
//! [`Differ`] turns two states of the chain and the messages between them into [`Event`]s, [`Reading`] does so for
//! all tipsets of a chain on all cores, [`ChainPowers`] follows what the chain itself says of each miner's power, and the
//! [`columns`] registry declares what each published number is, once. [`Row`] adds a miner's numbers up from its
//! events, [`explain()`] takes one apart again, and [`identities`] and [`checks`] say what always holds.
//! Everything here is pure: no I/O of its own, no clock, no async.

mod anomalies;
mod chain_powers;
pub mod checks;
pub mod columns;
mod differ;
mod event;
mod explain;
pub mod identities;
mod opening;
mod portrait;
mod power;
mod qap;
mod reading;
mod receipts;
mod tally;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod value;

pub use anomalies::{Anomalous, Anomaly, Carried, Seen};
pub use chain_powers::ChainPowers;
pub use differ::Differ;
pub use event::{Backing, Cause, Content, Event, Kind, MessageRef, Status};
pub use explain::{Contribution, Explanation, explain};
pub use opening::Opening;
pub use portrait::{DeadlinePortrait, Holding, Portrait};
pub use power::{ChainPower, Power};
pub use qap::quality_adjusted_power;
pub use reading::{Reading, TipsetEvents};
pub use receipts::{ReceiptCounts, Receipts};
pub use tally::{Row, Tally, TooLarge};
pub use value::Value;
