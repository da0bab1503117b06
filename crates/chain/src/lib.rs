//! What does the chain say?
//!
//! Block stores over CAR files, headers and tipsets, messages and receipts, and the state of the actors that
//! matter to sectors, decoded by position from one table of layouts. Nothing here knows about statistics.
//!
//! The way in is [`CarStore::open`], a block store over one or several snapshot files, and [`Chain::open`], which
//! reads the tipsets under its head; [`state`] reads what hangs from a tipset's state root.

mod address;
mod amt;
mod archive;
mod bitfield;
mod block;
mod budget;
mod car;
mod cbor;
mod error;
mod hamt;
mod head;
mod header;
mod message;
mod message_selection;
mod missing_states;
mod networks;
mod progress;
mod segments;
pub mod state;
#[cfg(test)]
mod testing;
mod tipset;
mod units;
mod walk;
mod wall_clock;
pub mod work;

pub use address::{Address, Protocol};
pub use amt::{Amt, AmtChange, AmtCursor};
pub use bitfield::{SectorSet, SectorSetUnion};
pub use block::{Block, BlockStore, dag_cbor_cid};
pub use budget::Budget;
#[cfg(fuzzing)]
pub use car::fuzzing;
pub use car::{CarEncoding, CarFile, CarStore};
pub use cbor::Reader;
pub use cid::Cid;
pub use error::{Error, Gap, Result};
pub use hamt::{Hamt, HamtChange};
pub use header::Header;
pub use message::{ExecutedMessage, Message, Receipt};
pub use networks::{MAINNET_GENESIS, Network, Upgrade, describe_network, network_of};
pub use progress::{NoProgress, ProgressSink, ProgressUnit};
pub use segments::ChainSegment;
pub use tipset::{Chain, Tipset, TipsetKey, Transition};
pub use units::{
    AttoFil, Bytes, Clock, Day, DayRange, EPOCHS_PER_DAY, Epoch, MinerId, ParseDayError, ParseMinerIdError,
    SectorNumber,
};
pub use walk::WalkOptions;
pub use wall_clock::{UnixTime, WallClock};
