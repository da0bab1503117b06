//! What hangs from a state root: actors, miners, power claims, market proposals.

mod actor;
mod codes;
mod disputes;
mod layout;
mod manifest;
mod market;
mod methods;
mod miner;
mod multisig;
mod params;
mod partition;
mod power;
mod sector;
mod stated;
mod verified;

pub use actor::{Actor, StateTree};
pub use codes::{ActorKind, Codes};
pub use layout::Layout;
pub use manifest::{Activation, Data, Piece, Update};
pub use market::{Market, Proposal};
pub use methods::names_sectors;
pub use miner::Miner;
pub use multisig::{Answer, Multisig, MultisigCall, Transaction};
pub use params::{Extension, Op, Place, QualityUpgrade};
pub use partition::{ChangedPartition, DueSectors, Partition};
pub use power::{Claims, PowerPair};
pub use sector::{Precommit, Sector, SectorRef};
pub use stated::StatedPower;
pub use verified::VerifiedClaims;
