//! Which actor is what: by code CID, by identity CID, or by the chain's own manifest.

use std::collections::HashMap;
use std::sync::{OnceLock, PoisonError, RwLock};

use cid::Cid;

use super::actor::StateTree;
use super::layout::Layout;
use crate::block::{IDENTITY, cid_of};
use crate::cbor::Reader;
use crate::error::{Error, Result};

/// The system actor, `f00`, whose state names the chain's manifest from actors v8 on.
const SYSTEM: u64 = 0;

/// The kinds of actor that sectors depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActorKind {
    /// A storage provider.
    Miner,
    /// The power actor, `f04`.
    Power,
    /// The market actor, `f05`.
    Market,
    /// A multisig: the one way to reach a miner from inside another actor.
    Multisig,
    /// Any other.
    Other,
}

impl ActorKind {
    fn from_name(name: &str) -> Self {
        match name {
            "storageminer" => Self::Miner,
            "storagepower" => Self::Power,
            "storagemarket" => Self::Market,
            "multisig" => Self::Multisig,
            _ => Self::Other,
        }
    }
}

/// One published code CID a line: actor, actors version, CID, networks.
const PUBLISHED: &str = include_str!("../../data/actor-codes.txt");

fn published() -> &'static HashMap<Cid, (ActorKind, u8)> {
    static CODES: OnceLock<HashMap<Cid, (ActorKind, u8)>> = OnceLock::new();
    CODES.get_or_init(|| {
        let line = |line: &str| {
            let mut words = line.split_ascii_whitespace();
            let (name, version, cid) = (words.next()?, words.next()?, words.next()?);
            Some((cid.parse().ok()?, (ActorKind::from_name(name), version.parse().ok()?)))
        };
        PUBLISHED.lines().filter(|text| !text.starts_with('#')).filter_map(line).collect()
    })
}

/// Tells kinds and layouts by code CID; learns the manifests of chains it meets. May be shared between threads.
#[derive(Debug, Default)]
pub struct Codes {
    learned: RwLock<HashMap<Cid, ActorKind>>,
}

impl Codes {
    /// Knows the published codes only.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The kind of an actor with that code and, where its state is read, its layout. `None` for a code that
    /// is neither published nor in a manifest learned.
    ///
    /// A code known only from a manifest is read with the newest layout: the manifest tells names, not versions.
    ///
    /// # Errors
    /// If the code is of an actors version that is not known.
    pub fn kind_of(&self, code: &Cid) -> Result<Option<(ActorKind, &'static Layout)>> {
        let (kind, version) = if code.hash().code() == IDENTITY {
            match identity(code.hash().digest()) {
                Some(found) => found,
                None => return Ok(None),
            }
        } else if let Some(found) = published().get(code) {
            *found
        } else {
            let learned = self.learned.read().unwrap_or_else(PoisonError::into_inner);
            return Ok(learned.get(code).map(|kind| (*kind, Layout::newest())));
        };
        let layout = Layout::of(version).ok_or_else(|| {
            Error::Chain(format!("actor code {code} is of actors version {version}, which is not known"))
        })?;
        Ok(Some((kind, layout)))
    }

    /// The actors version of a state, by its system actor; `None` where its code is not known, or there is none.
    ///
    /// # Errors
    /// If the state is missing or malformed, or of an actors version that is not known.
    pub fn version_of(&self, tree: &StateTree<'_>) -> Result<Option<u8>> {
        let Some(system) = tree.actor(SYSTEM)? else { return Ok(None) };
        Ok(self.kind_of(&system.code)?.map(|(_, layout)| layout.version))
    }

    /// Learns the code CIDs that a state's own manifest names.
    ///
    /// # Errors
    /// If the manifest is missing or malformed.
    pub fn learn(&self, tree: &StateTree<'_>) -> Result<()> {
        const WHAT: &str = "actors manifest";
        let Some(system) = tree.actor(SYSTEM)? else {
            return Ok(());
        };
        let block = tree.store().need(&system.head, WHAT)?;
        let mut reader = Reader::new(&block);
        // Up to actors v7 the system actor's state is an empty tuple.
        if reader.array().map_err(|error| error.in_block(&system.head, WHAT))? == 0 {
            return Ok(());
        }
        let manifest = reader.link().and_then(cid_of).map_err(|error| error.in_block(&system.head, WHAT))?;
        let block = tree.store().need(&manifest, WHAT)?;
        let entries = || -> Result<()> {
            let mut reader = Reader::new(&block);
            for _ in 0..reader.array()? {
                reader.tuple(2)?;
                let kind = ActorKind::from_name(reader.text()?);
                let code = cid_of(reader.link()?)?;
                self.learned.write().unwrap_or_else(PoisonError::into_inner).insert(code, kind);
            }
            Ok(())
        };
        entries().map_err(|error| error.in_block(&manifest, WHAT))
    }
}

/// Up to actors v7 a code CID spells `fil/N/storageminer`.
fn identity(digest: &[u8]) -> Option<(ActorKind, u8)> {
    let mut parts = std::str::from_utf8(digest).ok()?.strip_prefix("fil/")?.split('/');
    let (version, name) = (parts.next()?.parse().ok()?, parts.next()?);
    Some((ActorKind::from_name(name), version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_codes_all_parse() {
        let lines = PUBLISHED.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(published().len(), lines);
    }

    #[test]
    fn identity_codes_spell_their_actor() {
        assert_eq!(identity(b"fil/1/storageminer"), Some((ActorKind::Miner, 1)));
        assert_eq!(identity(b"fil/7/storagepower"), Some((ActorKind::Power, 7)));
        assert_eq!(identity(b"fil/3/multisig"), Some((ActorKind::Multisig, 3)));
        assert_eq!(identity(b"fil/x/storagepower"), None);
    }
}
