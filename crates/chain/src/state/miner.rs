//! A miner's state: its sectors and pre-commits. Its deadlines and partitions: [`super::partition`].

use cid::Cid;

use super::actor::{Actor, StateTree};
use super::actor_codes::{ActorCodes, ActorKind};
use super::layout::Layout;
use super::sector::{Precommit, Sector, SectorRef};
use crate::amt::{Amt, AmtCursor};
use crate::bitfield::SectorSet;
use crate::block::{BlockStore, cid_of};
use crate::cbor::Reader;
use crate::error::{Error, Result};
use crate::hamt::Hamt;
use crate::integers::whole_varint;
use crate::units::{Epoch, MinerId, SectorNumber};
use crate::work;

pub(super) const DEADLINES: u64 = 48;
const SECTORS: &str = "sectors";
const PRECOMMITS: &str = "pre-committed sectors";

/// A miner's state at some moment.
#[derive(Clone)]
pub struct Miner<'s> {
    store: &'s dyn BlockStore,
    layout: &'static Layout,
    precommits: Cid,
    sectors: Cid,
    pub(super) deadlines: Cid,
    /// First epoch of the proving period that its cron last entered.
    pub proving_period_start: Epoch,
    /// The deadline that its cron last opened, 0 to 47.
    pub current_deadline: u64,
}

/// A sector must stand where its number says. So one block cannot stand for any number of sectors.
fn numbered(index: u64, found: SectorRef<'_>) -> Result<SectorRef<'_>> {
    if found.sector.number.0 == index {
        return Ok(found);
    }
    Err(Error::malformed(format!("sector {} in the place of sector {index}", found.sector.number)))
}

impl<'s> Miner<'s> {
    /// All miners of a state, by number.
    ///
    /// # Errors
    /// If the state tree or a miner's state is missing or malformed.
    pub fn all(tree: &StateTree<'s>, codes: &ActorCodes) -> Result<Vec<(MinerId, Self)>> {
        let mut miners = Vec::new();
        tree.for_each(&mut |id, actor| {
            if let Some(miner) = Self::of(tree.store(), &actor, codes)? {
                miners.push((MinerId(id), miner));
            }
            Ok(())
        })?;
        miners.sort_by_key(|(id, _)| *id);
        Ok(miners)
    }

    /// The state of an actor, if that is a miner.
    ///
    /// # Errors
    /// If its state is missing or malformed.
    pub fn of(store: &'s dyn BlockStore, actor: &Actor, codes: &ActorCodes) -> Result<Option<Self>> {
        match codes.kind_of(&actor.code)? {
            Some((ActorKind::Miner, layout)) => Self::read(store, &actor.head, layout)
                .map(Some)
                .map_err(|error| codes.explain_assumption(&actor.code, error)),
            _ => Ok(None),
        }
    }

    /// Reads the miner's state under `head`.
    fn read(store: &'s dyn BlockStore, head: &Cid, layout: &'static Layout) -> Result<Self> {
        const WHAT: &str = "state of a miner";
        let block = store.get_required(head, WHAT)?;
        let decode = || -> Result<Self> {
            let at = layout.miner;
            let mut reader = Reader::new(&block);
            reader.tuple(at.fields)?;
            let (mut precommits, mut sectors, mut deadlines) = (None, None, None);
            let (mut start, mut current) = (Epoch(0), 0);
            for field in 0..=at.deadlines {
                match field {
                    field if field == at.precommits => precommits = Some(cid_of(reader.link()?)?),
                    field if field == at.sectors => sectors = Some(cid_of(reader.link()?)?),
                    field if field == at.proving_period_start => start = Epoch(reader.int()?),
                    field if field == at.current_deadline => current = reader.uint()?,
                    field if field == at.deadlines => deadlines = Some(cid_of(reader.link()?)?),
                    _ => reader.skip()?,
                }
            }
            match (precommits, sectors, deadlines) {
                _ if current >= DEADLINES => {
                    Err(Error::malformed(format!("deadline {current} of {DEADLINES}")))
                }
                (Some(precommits), Some(sectors), Some(deadlines)) => Ok(Self {
                    store,
                    layout,
                    precommits,
                    sectors,
                    deadlines,
                    proving_period_start: start,
                    current_deadline: current,
                }),
                _ => Err(Error::malformed("a layout without sectors, pre-commits or deadlines")),
            }
        };
        decode().map_err(|error| error.in_block(head, WHAT))
    }

    /// Its layout.
    #[must_use]
    pub const fn layout(&self) -> &'static Layout {
        self.layout
    }

    /// Where its blocks come from.
    #[must_use]
    pub fn store(&self) -> &'s dyn BlockStore {
        self.store
    }

    fn sectors(&self) -> Result<Amt<'s>> {
        Ok(Amt::open(self.store, &self.sectors, SECTORS)?.with_work(work::ITEM))
    }

    /// Calls `visit` with every committed sector, in order of number.
    ///
    /// # Errors
    /// If a block is missing or malformed, or `visit` fails.
    pub fn for_each_sector(&self, visit: &mut dyn FnMut(SectorRef<'_>) -> Result<()>) -> Result<()> {
        self.sectors()?
            .for_each(&mut |index, value| visit(numbered(index, Sector::decode(value, self.layout)?)?))
    }

    /// How many committed sectors there are, by the array's root.
    ///
    /// # Errors
    /// If its root block is missing or malformed.
    pub fn sector_count(&self) -> Result<u64> {
        Ok(self.sectors()?.count())
    }

    /// Visits as [`Miner::for_each_sector`] does, at most `most` sectors from `place` on, and moves that on.
    ///
    /// # Errors
    /// If a block is missing or malformed, or `visit` fails.
    pub fn for_each_sector_from(
        &self,
        place: &mut AmtCursor,
        most: u64,
        visit: &mut dyn FnMut(SectorRef<'_>) -> Result<()>,
    ) -> Result<()> {
        self.sectors()?.for_each_from(place, most, &mut |index, value| {
            visit(numbered(index, Sector::decode(value, self.layout)?)?)
        })
    }

    /// Calls `with` on the sector of that number.
    ///
    /// # Errors
    /// If a block is missing or malformed, or `with` fails.
    pub fn sector<T>(
        &self,
        number: SectorNumber,
        with: impl FnOnce(SectorRef<'_>) -> T,
    ) -> Result<Option<T>> {
        self.sectors()?.get(number.0, |value| Sector::decode(value, self.layout).map(with))
    }

    /// Calls `visit` with the committed sectors whose numbers are in a set, in order of number.
    ///
    /// # Errors
    /// If a block that is needed is missing or malformed, or `visit` fails.
    pub fn for_each_sector_in(
        &self,
        numbers: &SectorSet,
        visit: &mut dyn FnMut(SectorRef<'_>) -> Result<()>,
    ) -> Result<()> {
        self.sectors()?.for_each_in(numbers, &mut |index, value| {
            visit(numbered(index, Sector::decode(value, self.layout)?)?)
        })
    }

    /// Calls `visit` with each number whose committed sector is not the same as `before`.
    ///
    /// # Errors
    /// If a block that differs is missing or malformed, or `visit` fails.
    pub fn diff_sectors(
        &self,
        before: &Miner<'_>,
        visit: &mut dyn FnMut(SectorNumber, Option<SectorRef<'_>>, Option<SectorRef<'_>>) -> Result<()>,
    ) -> Result<()> {
        if before.sectors == self.sectors {
            return Ok(());
        }
        let old = before.sectors()?;
        self.sectors()?.diff(&old, &mut |index, old, new| {
            let decode = |raw, layout| numbered(index, Sector::decode(&mut Reader::new(raw), layout)?);
            let old = old.map(|raw| decode(raw, before.layout)).transpose()?;
            let new = new.map(|raw| decode(raw, self.layout)).transpose()?;
            visit(SectorNumber(index), old, new)
        })
    }

    fn precommit(&self, raw: &[u8]) -> Result<Precommit> {
        let precommit = Precommit::decode(raw, self.layout)?;
        // Eight bytes a deal, which may be of one byte in the block.
        self.store.spend(work::ITEM + 8 * work::BITFIELD_BYTE * precommit.deals.len() as u64)?;
        Ok(precommit)
    }

    /// Calls `visit` with every pre-committed sector, in no order.
    ///
    /// # Errors
    /// If a block is missing or malformed, or `visit` fails.
    pub fn for_each_precommit(&self, visit: &mut dyn FnMut(Precommit) -> Result<()>) -> Result<()> {
        Hamt::new(self.store, &self.precommits, PRECOMMITS)
            .for_each(&mut |_, raw| visit(self.precommit(raw)?))
    }

    /// Calls `visit` with each number whose pre-commit is not the same as `before`.
    ///
    /// # Errors
    /// If a block that differs is missing or malformed, or `visit` fails.
    pub fn diff_precommits(
        &self,
        before: &Miner<'_>,
        visit: &mut dyn FnMut(SectorNumber, Option<Precommit>, Option<Precommit>) -> Result<()>,
    ) -> Result<()> {
        let old = Hamt::new(before.store, &before.precommits, PRECOMMITS);
        Hamt::new(self.store, &self.precommits, PRECOMMITS).diff(&old, &mut |key, old, new| {
            let number =
                whole_varint(key).ok_or_else(|| Error::malformed("a pre-commit whose key is no number"))?;
            let old = old.map(|raw| before.precommit(raw)).transpose()?;
            let new = new.map(|raw| self.precommit(raw)).transpose()?;
            visit(SectorNumber(number), old, new)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Memory, array, bytes, link, uint};

    #[test]
    fn a_sector_in_the_place_of_another_is_refused() {
        let mut store = Memory::default();
        let cid = store.put(uint(0));
        let sector = |number| {
            let head = vec![uint(number), uint(3), link(&cid), array(&[]), uint(1), uint(2)];
            array(&[head, vec![bytes(&[]); 5]].concat())
        };
        let mut count = |numbers: [u64; 2]| {
            let node = array(&[bytes(&[3]), array(&[]), array(&numbers.map(sector))]);
            let sectors = store.put(array(&[uint(0), uint(2), node]));
            let miner = Miner {
                store: &store,
                layout: Layout::of(1).unwrap(),
                precommits: cid,
                sectors,
                deadlines: cid,
                proving_period_start: Epoch(0),
                current_deadline: 0,
            };
            let mut found = 0;
            miner.for_each_sector(&mut |_| {
                found += 1;
                Ok(())
            })?;
            Ok::<_, Error>(found)
        };
        assert_eq!(count([0, 1]).unwrap(), 2);
        assert!(count([0, 0]).is_err());
    }

    #[test]
    fn a_miner_has_48_deadlines() {
        let mut store = Memory::default();
        let link = link(&store.put(uint(0)));
        let mut read = |current| {
            let mut fields = vec![uint(0); 13];
            for place in [5, 8, 11] {
                fields[place] = link.clone();
            }
            fields[10] = uint(current);
            let head = store.put(array(&fields));
            Miner::read(&store, &head, Layout::of(1).unwrap()).map(|miner| miner.current_deadline)
        };
        assert_eq!(read(47).unwrap(), 47);
        assert!(read(48).is_err());
    }
}
