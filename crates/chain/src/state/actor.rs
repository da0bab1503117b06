//! The state tree: from an actor's number to its code and state.

use std::sync::OnceLock;

use cid::Cid;

use crate::address::Address;
use crate::block::{BlockStore, cid_of};
use crate::cbor::Reader;
use crate::error::Result;
use crate::hamt::Hamt;

const WHAT: &str = "state tree";
/// The init actor, `f01`, which knows the numbers of all other addresses.
const INIT: u64 = 1;

/// An actor's entry in the state tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// CID of its code.
    pub code: Cid,
    /// CID of its state.
    pub head: Cid,
}

impl Actor {
    fn decode(raw: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(raw);
        reader.array()?;
        Ok(Self { code: cid_of(reader.link()?)?, head: cid_of(reader.link()?)? })
    }
}

/// All actors at some moment.
#[derive(Clone)]
pub struct StateTree<'s> {
    store: &'s dyn BlockStore,
    actors: Cid,
    /// Root of the init actor's map, once that has been looked for.
    addresses: OnceLock<Option<Cid>>,
}

impl<'s> StateTree<'s> {
    /// Opens the tree under a state root: `[version, actors, info]`, or the bare map that actors v1 had.
    ///
    /// # Errors
    /// If the root is missing or malformed.
    pub fn open(store: &'s dyn BlockStore, root: &Cid) -> Result<Self> {
        let block = store.get_required(root, WHAT)?;
        let actors = || -> Result<Cid> {
            let mut reader = Reader::new(&block);
            if reader.array()? != 3 {
                return Ok(*root);
            }
            reader.uint()?;
            cid_of(reader.link()?)
        };
        let actors = actors().map_err(|error| error.in_block(root, WHAT))?;
        Ok(Self { store, actors, addresses: OnceLock::new() })
    }

    /// Where its blocks come from.
    #[must_use]
    pub fn store(&self) -> &'s dyn BlockStore {
        self.store
    }

    fn map(&self) -> Hamt<'s> {
        Hamt::new(self.store, &self.actors, WHAT)
    }

    /// The actor of that number.
    ///
    /// # Errors
    /// If a block is missing or malformed.
    pub fn actor(&self, id: u64) -> Result<Option<Actor>> {
        let raw = self.map().get(Address::id(id).as_bytes())?;
        raw.map(|raw| Actor::decode(&raw).map_err(|error| error.in_block(&self.actors, WHAT))).transpose()
    }

    /// Calls `visit` with every actor and its number.
    ///
    /// # Errors
    /// If a block is missing or malformed, or `visit` fails.
    pub fn for_each(&self, visit: &mut dyn FnMut(u64, Actor) -> Result<()>) -> Result<()> {
        self.map().for_each(&mut |key, raw| match id_of(key)? {
            Some(id) => visit(id, Actor::decode(raw)?),
            None => Ok(()),
        })
    }

    /// Calls `visit` with every actor that is not the same as `before`, and what it was and is.
    ///
    /// # Errors
    /// If a block that differs is missing or malformed, or `visit` fails.
    pub fn diff(
        &self,
        before: &StateTree<'_>,
        visit: &mut dyn FnMut(u64, Option<Actor>, Option<Actor>) -> Result<()>,
    ) -> Result<()> {
        self.map().diff(&before.map(), &mut |key, old, new| match id_of(key)? {
            Some(id) => visit(id, old.map(Actor::decode).transpose()?, new.map(Actor::decode).transpose()?),
            None => Ok(()),
        })
    }

    /// The number of the actor with that address, by the init actor's map; `None` if it has none.
    ///
    /// # Errors
    /// If a block is missing or malformed.
    pub fn resolve(&self, address: &Address) -> Result<Option<u64>> {
        if let Some(id) = address.as_id() {
            return Ok(Some(id));
        }
        let addresses = match self.addresses.get() {
            Some(found) => *found,
            None => {
                let found = self.addresses()?;
                *self.addresses.get_or_init(|| found)
            }
        };
        let Some(addresses) = addresses else {
            return Ok(None);
        };
        let raw = Hamt::new(self.store, &addresses, "address map").get(address.as_bytes())?;
        raw.map(|raw| Reader::new(&raw).uint().map_err(|error| error.in_block(&addresses, "address map")))
            .transpose()
    }

    /// Root of the init actor's map of addresses, if there is an init actor.
    fn addresses(&self) -> Result<Option<Cid>> {
        const INIT_STATE: &str = "state of the init actor";
        let Some(init) = self.actor(INIT)? else {
            return Ok(None);
        };
        let block = self.store.get_required(&init.head, INIT_STATE)?;
        let addresses = || -> Result<Cid> {
            let mut reader = Reader::new(&block);
            reader.array()?;
            cid_of(reader.link()?)
        };
        addresses().map(Some).map_err(|error| error.in_block(&init.head, INIT_STATE))
    }
}

fn id_of(key: &[u8]) -> Result<Option<u64>> {
    Ok(Address::from_bytes(key)?.as_id())
}
