//! State trees around actors that a peer made, as a chain would have them.

use anyhow::{Context, Result};
use cid::Cid;
use fvm_ipld_encoding::CborStore;
use fvm_ipld_hamt::{BytesKey, Hamt};
use fvm_shared4::address::Address;
use fvm_shared4::econ::TokenAmount;
use multihash_codetable::Code::Blake2b256;

use crate::actors::MAP_WIDTH;
use crate::store::Memory;

/// Numbers of the actors that are alone of their kind.
pub const SYSTEM: u64 = 0;
/// The power actor.
pub const POWER: u64 = 4;
/// The market actor.
pub const MARKET: u64 = 5;

/// The published code CIDs; their order of words is actor, actors version, CID, networks.
const CODES: &str = include_str!("../../crates/chain/data/actor-codes.txt");

/// The kinds of actor that hold what is compared.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A storage provider.
    Miner,
    /// The power actor.
    Power,
    /// The market actor.
    Market,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Miner, Self::Power, Self::Market];

    const fn name(self) -> &'static str {
        match self {
            Self::Miner => "storageminer",
            Self::Power => "storagepower",
            Self::Market => "storagemarket",
        }
    }

    /// Its code in that actors version: a published one, or, of a version not yet published, any that a chain's
    /// own manifest might name.
    fn code(self, version: u8) -> Cid {
        let version = version.to_string();
        let of_line = |line: &str| {
            let mut words = line.split(' ');
            (words.next() == Some(self.name()) && words.next() == Some(version.as_str()))
                .then(|| words.next()?.parse().ok())
                .flatten()
        };
        CODES.lines().find_map(of_line).unwrap_or_else(|| chain::dag_cbor_cid(self.name().as_bytes()))
    }
}

/// Writes a state of that actors version with these actors, given by number, kind and state; returns its root.
/// The system actor and its manifest are added.
///
/// # Errors
/// If the peer's map refuses.
pub fn plant(store: &Memory, version: u8, actors: &[(u64, Kind, Cid)]) -> Result<Cid> {
    let manifest: Vec<_> = Kind::ALL.map(|kind| (kind.name(), kind.code(version))).into();
    let manifest = store.put_cbor(&manifest, Blake2b256)?;
    let system = store.put_cbor(&(manifest,), Blake2b256)?;
    let mut tree =
        Hamt::<_, (Cid, Cid, u64, TokenAmount, Option<Address>)>::new_with_bit_width(store, MAP_WIDTH);
    let mut add = |id: u64, code: Cid, head: Cid| {
        let actor = (code, head, id, TokenAmount::from_atto(id), Some(Address::new_id(id)));
        tree.set(BytesKey(Address::new_id(id).to_bytes()), actor).map(drop).context("an actor")
    };
    add(SYSTEM, chain::dag_cbor_cid(b"system"), system)?;
    for (id, kind, head) in actors {
        add(*id, kind.code(version), *head)?;
    }
    let tree = tree.flush()?;
    let info = store.put_cbor(&(), Blake2b256)?;
    store.put_cbor(&(5_u64, tree, info), Blake2b256)
}
