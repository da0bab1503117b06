//! The power actor's claims.

use cid::Cid;

use super::actor::StateTree;
use super::actor_codes::{ActorCodes, ActorKind};
use super::layout::PowerState;
use crate::address::Address;
use crate::block::cid_of;
use crate::cbor::Reader;
use crate::error::{Error, Result};
use crate::hamt::Hamt;
use crate::units::{Bytes, MinerId};

/// The power actor, `f04`.
const POWER: u64 = 4;
const WHAT: &str = "power claims";
/// Totals at the beginning of its state, the same in every version.
const TOTALS: usize = 4;

/// Power as the actors keep it: a claim's, or a partition's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PowerPair {
    /// Raw bytes.
    pub raw: Bytes,
    /// Quality-adjusted bytes.
    pub quality_adjusted: Bytes,
}

/// All claims at some moment.
pub struct PowerClaims<'s> {
    map: Hamt<'s>,
    root: Cid,
    committed: PowerPair,
    total_quality_adjusted: Bytes,
}

impl<'s> PowerClaims<'s> {
    /// Opens the claims of a state.
    ///
    /// # Errors
    /// If the power actor is missing, unknown or malformed.
    pub fn open(tree: &StateTree<'s>, codes: &ActorCodes) -> Result<Self> {
        let actor =
            tree.actor(POWER)?.ok_or_else(|| Error::Chain("the state has no power actor (f04)".into()))?;
        let layout = match codes.kind_of(&actor.code)? {
            Some((ActorKind::Power, layout)) => layout,
            _ => {
                return Err(Error::Chain(format!(
                    "the code of the power actor (f04), {}, is not known",
                    actor.code
                )));
            }
        };
        let block = tree.store().get_required(&actor.head, "state of the power actor")?;
        let read = || -> Result<(PowerPair, Bytes, Cid)> {
            let mut reader = Reader::new(&block);
            let fields = reader.array()?;
            let claims = PowerState::claims_among(fields).ok_or_else(|| {
                Error::malformed(format!(
                    "a power state of {fields} fields, in actors v{} {} were expected",
                    layout.version, layout.power.fields
                ))
            })?;
            // Total raw power, bytes committed, total quality-adjusted power, quality-adjusted bytes committed.
            reader.skip()?;
            let raw = Bytes(reader.bigint()?);
            let total = Bytes(reader.bigint()?);
            let quality_adjusted = Bytes(reader.bigint()?);
            reader.skip_many(claims.saturating_sub(TOTALS + 1))?;
            // The epoch that cron begins with next, in all forms.
            reader.int()?;
            Ok((PowerPair { raw, quality_adjusted }, total, cid_of(reader.link()?)?))
        };
        let (committed, total_quality_adjusted, root) =
            read().map_err(|error| error.in_block(&actor.head, "state of the power actor"))?;
        Ok(Self { map: Hamt::new(tree.store(), &root, WHAT), root, committed, total_quality_adjusted })
    }

    /// The power actor's own sum over all claims, those below the consensus minimum included (`TotalBytesCommitted`
    /// and `TotalQABytesCommitted`).
    #[must_use]
    pub const fn committed(&self) -> PowerPair {
        self.committed
    }

    /// The power that wins blocks: the sum over the claims that pass the consensus minimum (`TotalQualityAdjPower`).
    #[must_use]
    pub const fn total_quality_adjusted(&self) -> Bytes {
        self.total_quality_adjusted
    }

    /// Calls `visit` with every miner's claim.
    ///
    /// # Errors
    /// If a block is missing or malformed, or `visit` fails.
    pub fn for_each(&self, visit: &mut dyn FnMut(MinerId, PowerPair) -> Result<()>) -> Result<()> {
        self.map.for_each(&mut |key, raw| match miner_of(key)? {
            Some(miner) => visit(miner, claim(raw)?),
            None => Ok(()),
        })
    }

    /// Calls `visit` with every miner whose claim is not the same as `before`; `None` for a claim that is gone.
    ///
    /// # Errors
    /// If a block that differs is missing or malformed, or `visit` fails.
    pub fn diff(
        &self,
        before: &PowerClaims<'_>,
        visit: &mut dyn FnMut(MinerId, Option<PowerPair>) -> Result<()>,
    ) -> Result<()> {
        if self.root == before.root {
            return Ok(());
        }
        self.map.diff(&before.map, &mut |key, _, new| match miner_of(key)? {
            Some(miner) => visit(miner, new.map(claim).transpose()?),
            None => Ok(()),
        })
    }
}

/// `[raw, quality-adjusted]`; from actors v2 on with the proof type before them.
fn claim(raw: &[u8]) -> Result<PowerPair> {
    let mut reader = Reader::new(raw);
    match reader.array()? {
        2 => {}
        3 => reader.skip()?,
        fields => return Err(Error::malformed(format!("a claim of {fields} fields"))),
    }
    Ok(PowerPair { raw: Bytes(reader.bigint()?), quality_adjusted: Bytes(reader.bigint()?) })
}

fn miner_of(key: &[u8]) -> Result<Option<MinerId>> {
    Ok(Address::from_bytes(key)?.as_id().map(MinerId))
}
