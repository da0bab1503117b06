//! Which actor is what: by code CID, by identity CID, or by the chain's own manifest.

use std::collections::HashMap;
use std::fmt;
use std::sync::{OnceLock, PoisonError, RwLock};

use cid::Cid;

use super::actor::StateTree;
use super::layout::Layout;
use crate::block::{IDENTITY, cid_of};
use crate::cbor::Reader;
use crate::error::{Error, Result};
use crate::networks::Network;
use crate::units::Epoch;

/// The system actor, `f00`, whose state names the chain's manifest from actors v8 on.
const SYSTEM: u64 = 0;

/// The kinds of actor that sectors depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString)]
pub enum ActorKind {
    /// A storage provider.
    #[strum(serialize = "storageminer")]
    Miner,
    /// The power actor, `f04`.
    #[strum(serialize = "storagepower")]
    Power,
    /// The market actor, `f05`.
    #[strum(serialize = "storagemarket")]
    Market,
    /// A multisig: the one way to reach a miner from inside another actor.
    #[strum(serialize = "multisig")]
    Multisig,
    /// Any other.
    #[strum(disabled)]
    Other,
}

impl ActorKind {
    /// The kind of the actor that a manifest calls so.
    fn from_name(name: &str) -> Self {
        name.parse().unwrap_or(Self::Other)
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

/// Maps code CIDs to actor kinds and layouts; takes up the manifests of the chains that are read. May be shared between threads.
#[derive(Debug, Default)]
pub struct ActorCodes {
    /// The chain's network, where it is known.
    network: Option<Network>,
    from_manifests: RwLock<HashMap<Cid, ManifestCode>>,
}

/// What is assumed of a code that only a manifest names.
#[derive(Clone, Copy, Debug)]
struct ManifestCode {
    kind: ActorKind,
    layout: &'static Layout,
    why: VersionSource,
}

/// Why a code is taken for that of an actors version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum VersionSource {
    /// Others of the manifest are published as that version's.
    Others,
    /// The chain's network runs that version then.
    Network(Network),
    /// It is the newest that is known.
    Newest,
}

impl fmt::Display for VersionSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Others => f.write_str("which other codes of the manifest are of"),
            Self::Network(network) => write!(f, "which {} runs at that height", network.name()),
            Self::Newest => f.write_str("the newest that is known"),
        }
    }
}

impl ActorCodes {
    /// Knows the published codes only.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Knows the published codes, and of a chain's network which actors version it runs when.
    #[must_use]
    pub fn of(network: Option<Network>) -> Self {
        Self { network, ..Self::default() }
    }

    /// The kind of an actor with that code and, where its state is read, its layout. `None` for a code that
    /// is neither published nor in a manifest that was added.
    ///
    /// # Errors
    /// If the code is of an actors version that is not known.
    pub fn kind_of(&self, code: &Cid) -> Result<Option<(ActorKind, &'static Layout)>> {
        let Some((kind, version)) = well_known(code) else {
            return Ok(self.manifest_code(code).map(|assumed| (assumed.kind, assumed.layout)));
        };
        let layout = Layout::of(version).ok_or_else(|| {
            Error::Chain(format!("actor code {code} is of actors version {version}, which is not known"))
        })?;
        Ok(Some((kind, layout)))
    }

    fn manifest_code(&self, code: &Cid) -> Option<ManifestCode> {
        self.from_manifests.read().unwrap_or_else(PoisonError::into_inner).get(code).copied()
    }

    /// Adds to an error in reading an actor's state what was assumed of the actor's code, if anything was.
    pub(crate) fn explain_assumption(&self, code: &Cid, error: Error) -> Error {
        match (error, self.manifest_code(code)) {
            (error @ Error::Decode { .. }, Some(ManifestCode { layout, why, .. })) => Error::Chain(format!(
                "{error}; no publication has its code {code}, which is only named by the chain's manifest, so it was read as \
                 that of actors version {}, {why}",
                layout.version
            )),
            (error, _) => error,
        }
    }

    /// The actors version of a state, by its system actor; `None` where its code is not known, or there is none.
    ///
    /// # Errors
    /// If the state is missing or malformed, or of an actors version that is not known.
    pub fn version_of(&self, tree: &StateTree<'_>) -> Result<Option<u8>> {
        let Some(system) = tree.actor(SYSTEM)? else { return Ok(None) };
        Ok(self.kind_of(&system.code)?.map(|(_, layout)| layout.version))
    }

    /// Adds the code CIDs that a state's own manifest names, where the height at which the state was left is unknown.
    ///
    /// # Errors
    /// If the manifest is missing or malformed.
    pub fn add_manifest(&self, tree: &StateTree<'_>) -> Result<()> {
        self.add_manifest_at(tree, None)
    }

    /// Adds the code CIDs that a state's own manifest names; `height` is that of the tipset that left the state.
    ///
    /// A manifest contains names, not versions. A code that nobody published gets the version of the manifest's other codes,
    /// if those are published; else the one that the network runs at the height; else the newest.
    ///
    /// # Errors
    /// If the manifest is missing or malformed.
    pub fn add_manifest_at(&self, tree: &StateTree<'_>, height: Option<Epoch>) -> Result<()> {
        let entries = manifest(tree)?;
        let unknown =
            |(_, code): &&(ActorKind, Cid)| well_known(code).is_none() && self.manifest_code(code).is_none();
        if !entries.iter().any(|entry| unknown(&entry)) {
            return Ok(());
        }
        let others =
            entries.iter().filter_map(|(_, code)| well_known(code)).map(|(_, version)| version).max();
        let network = || {
            let network = self.network?;
            Some((network.actors_version_at(height?)?, VersionSource::Network(network)))
        };
        let (version, why) = others.map(|version| (version, VersionSource::Others)).or_else(network).unzip();
        let layout = version.and_then(Layout::of).unwrap_or_else(Layout::newest);
        let why = why.unwrap_or(VersionSource::Newest);
        let mut from_manifests = self.from_manifests.write().unwrap_or_else(PoisonError::into_inner);
        for (kind, code) in entries {
            if well_known(&code).is_none() {
                from_manifests.entry(code).or_insert(ManifestCode { kind, layout, why });
            }
        }
        Ok(())
    }
}

/// The codes that a state's own manifest names; none up to actors v7.
fn manifest(tree: &StateTree<'_>) -> Result<Vec<(ActorKind, Cid)>> {
    const WHAT: &str = "actors manifest";
    let Some(system) = tree.actor(SYSTEM)? else {
        return Ok(Vec::new());
    };
    let block = tree.store().get_required(&system.head, WHAT)?;
    let mut reader = Reader::new(&block);
    // Up to actors v7 the system actor's state is an empty tuple.
    if reader.array().map_err(|error| error.in_block(&system.head, WHAT))? == 0 {
        return Ok(Vec::new());
    }
    let manifest = reader.link().and_then(cid_of).map_err(|error| error.in_block(&system.head, WHAT))?;
    let block = tree.store().get_required(&manifest, WHAT)?;
    let entries = || -> Result<_> {
        let mut reader = Reader::new(&block);
        (0..reader.array()?)
            .map(|_| {
                reader.tuple(2)?;
                Ok((ActorKind::from_name(reader.text()?), cid_of(reader.link()?)?))
            })
            .collect()
    };
    entries().map_err(|error| error.in_block(&manifest, WHAT))
}

/// The kind and actors version of an identity code CID, or of a published one.
fn well_known(code: &Cid) -> Option<(ActorKind, u8)> {
    if code.hash().code() == IDENTITY {
        return identity(code.hash().digest());
    }
    published().get(code).copied()
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
