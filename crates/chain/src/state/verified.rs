//! Claims of verified data, which the verified registry keeps from actors v9 on.

use cid::Cid;

use super::actor::StateTree;
use crate::address::Address;
use crate::block::cid_of;
use crate::cbor::Reader;
use crate::error::Result;
use crate::hamt::Hamt;
use crate::units::MinerId;

/// The verified registry, `f06`.
const REGISTRY: u64 = 6;
const WHAT: &str = "state of the verified registry";
const CLAIMS: &str = "verified claims";
/// Fields of its state before the claims: root key, verifiers, proposals, allocations, next allocation.
const BEFORE_CLAIMS: usize = 5;
/// Fields of a claim before its size: provider, client, data.
const BEFORE_SIZE: usize = 3;

/// The verified registry's claims at some moment: a map by provider of maps by claim.
pub struct VerifiedClaims<'s> {
    tree: StateTree<'s>,
    claims: Cid,
}

impl<'s> VerifiedClaims<'s> {
    /// Opens the registry of a state; `None` if the state has none, or one that keeps no claims yet.
    ///
    /// # Errors
    /// If its state is missing or malformed.
    pub fn open(tree: &StateTree<'s>) -> Result<Option<Self>> {
        let Some(actor) = tree.actor(REGISTRY)? else { return Ok(None) };
        let block = tree.store().get_required(&actor.head, WHAT)?;
        let claims = || -> Result<Option<Cid>> {
            let mut reader = Reader::new(&block);
            if reader.array()? <= BEFORE_CLAIMS as u64 {
                return Ok(None);
            }
            reader.skip_many(BEFORE_CLAIMS)?;
            cid_of(reader.link()?).map(Some)
        };
        let claims = claims().map_err(|error| error.in_block(&actor.head, WHAT))?;
        Ok(claims.map(|claims| Self { tree: tree.clone(), claims }))
    }

    /// The padded bytes of a provider's claim; `None` if there is no such claim.
    ///
    /// # Errors
    /// If a block is missing or malformed.
    pub fn size(&self, provider: MinerId, claim: u64) -> Result<Option<u64>> {
        let store = self.tree.store();
        let Some(raw) = Hamt::new(store, &self.claims, CLAIMS).get(&key(provider.0))? else {
            return Ok(None);
        };
        let of_provider = Reader::new(&raw).link().and_then(cid_of);
        let of_provider = of_provider.map_err(|error| error.in_block(&self.claims, CLAIMS))?;
        let Some(raw) = Hamt::new(store, &of_provider, CLAIMS).get(&key(claim))? else { return Ok(None) };
        let size = || -> Result<u64> {
            let mut reader = Reader::new(&raw);
            reader.array()?;
            reader.skip_many(BEFORE_SIZE)?;
            reader.uint()
        };
        size().map(Some).map_err(|error| error.in_block(&of_provider, CLAIMS))
    }
}

/// A key is a number as a varint: what follows the first byte of its address.
fn key(number: u64) -> Vec<u8> {
    Address::id(number).as_bytes()[1..].to_vec()
}
