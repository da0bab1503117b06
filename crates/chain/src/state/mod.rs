//! What hangs from a state root: actors, miners, power claims, market proposals.

mod activation_manifest;
mod actor;
mod actor_codes;
mod disputes;
mod layout;
mod market;
mod methods;
mod miner;
mod multisig;
mod params;
mod partition;
mod partition_power;
mod power;
mod sector;
mod verified;

pub use activation_manifest::{Activation, Piece, ReplicaUpdate, SectorData};
pub use actor::{Actor, StateTree};
pub use actor_codes::{ActorCodes, ActorKind};
pub use layout::Layout;
pub use market::{DealProposal, Market};
pub use methods::names_sectors;
pub use miner::Miner;
pub use multisig::{Multisig, MultisigCall, MultisigReturn, Transaction};
pub use params::{Extension, MinerCall, PartitionSectors, QualityUpgrade};
pub use partition::{ChangedPartition, ExpirationSet, Partition};
pub use partition_power::PartitionPower;
pub use power::{PowerClaims, PowerPair};
pub use sector::{Precommit, Sector, SectorRef};
pub use verified::VerifiedClaims;
