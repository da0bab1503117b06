//! A miner's state: its sectors, pre-commits, deadlines and partitions.

use cid::Cid;

use super::actor::{Actor, StateTree};
use super::codes::{ActorKind, Codes};
use super::layout::Layout;
use super::sector::{Precommit, Sector, SectorRef};
use crate::address::uvarint;
use crate::amt::{Amt, Place};
use crate::bitfield::SectorSet;
use crate::block::{BlockStore, cid_of};
use crate::cbor::Reader;
use crate::error::{Error, Result};
use crate::hamt::Hamt;
use crate::units::{Epoch, MinerId, SectorNumber};

const DEADLINES: u64 = 48;
const DEADLINES_BLOCK: &str = "deadlines";
/// Most partitions of a deadline; the actors stop at 3,000.
pub(super) const MOST_PARTITIONS: u64 = 1 << 12;
/// Most sectors of a partition; the actors put at most 2,349 into one. A bitfield of few bytes could claim 2^64.
const MOST_IN_PARTITION: u64 = 1 << 14;
/// Most epochs at which sectors of a partition leave; the actors round them to proving periods, some 1,900 in the
/// longest life of a sector.
const MOST_IN_QUEUE: u64 = 1 << 14;
/// Most runs in the sets of the partitions that one tipset changes, a gigabyte: a miner of the largest size may have
/// every partition rewritten. One block may stand for very many partitions.
const MOST_RUNS: usize = 1 << 26;
const SECTORS: &str = "sectors";
const PRECOMMITS: &str = "pre-committed sectors";
const PARTITIONS: &str = "partitions";

/// A miner's state at some moment.
#[derive(Clone)]
pub struct Miner<'s> {
    store: &'s dyn BlockStore,
    layout: &'static Layout,
    precommits: Cid,
    sectors: Cid,
    deadlines: Cid,
    /// First epoch of the proving period that its cron last entered.
    pub proving_period_start: Epoch,
    /// The deadline that its cron last opened, 0 to 47.
    pub current_deadline: u64,
}

/// The sectors of a partition and where they stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Partition {
    /// All of them, terminated ones until they are compacted away.
    pub sectors: SectorSet,
    /// Those without their first window `PoSt` (actors v1 have none such).
    pub unproven: SectorSet,
    /// The faulty ones.
    pub faults: SectorSet,
    /// Of these, those declared to recover.
    pub recoveries: SectorSet,
    /// Those terminated or expired.
    pub terminated: SectorSet,
    /// Root of the queue of expirations.
    expirations: Option<Cid>,
}

impl Partition {
    pub(super) fn decode(reader: &mut Reader<'_>, layout: &Layout) -> Result<Self> {
        let at = layout.partition;
        reader.tuple(at.fields)?;
        let mut partition = Self { sectors: SectorSet::decode(reader.bytes()?)?, ..Self::default() };
        for field in 1..=at.expirations {
            match field {
                field if Some(field) == at.unproven => {
                    partition.unproven = SectorSet::decode(reader.bytes()?)?
                }
                field if field == at.faults => partition.faults = SectorSet::decode(reader.bytes()?)?,
                field if field == at.recoveries => partition.recoveries = SectorSet::decode(reader.bytes()?)?,
                field if field == at.terminated => partition.terminated = SectorSet::decode(reader.bytes()?)?,
                field if field == at.expirations => partition.expirations = Some(cid_of(reader.link()?)?),
                _ => reader.skip()?,
            }
        }
        for _ in at.expirations as u64 + 1..at.fields {
            reader.skip()?;
        }
        if partition.sectors.len() > MOST_IN_PARTITION {
            return Err(Error::malformed(format!("a partition of {} sectors", partition.sectors.len())));
        }
        Ok(partition)
    }

    /// How many runs its sets have.
    fn runs(&self) -> usize {
        [&self.sectors, &self.unproven, &self.faults, &self.recoveries, &self.terminated]
            .map(SectorSet::runs)
            .iter()
            .sum()
    }

    /// Live = all − terminated.
    #[must_use]
    pub fn live(&self) -> SectorSet {
        self.sectors.difference(&self.terminated)
    }

    /// The sectors scheduled to leave at or before `epoch`, entry by entry in order of epoch. What the queue holds of
    /// later epochs is not asked for.
    ///
    /// # Errors
    /// If the queue is missing or malformed.
    pub fn due(&self, store: &dyn BlockStore, epoch: Epoch) -> Result<Vec<DueSectors>> {
        const WHAT: &str = "queue of expirations";
        let (Some(root), Ok(last)) = (&self.expirations, u64::try_from(epoch.0)) else {
            return Ok(Vec::new());
        };
        let queue = Amt::open(store, root, WHAT)?;
        if queue.count() > MOST_IN_QUEUE {
            return Err(Error::malformed(format!("{} entries", queue.count())).in_block(root, WHAT));
        }
        let mut due = Vec::new();
        queue.for_each_to(last, &mut |index, value| {
            let fields = value.array()?;
            let (on_time, early) = (SectorSet::decode(value.bytes()?)?, SectorSet::decode(value.bytes()?)?);
            due.push(DueSectors { epoch: Epoch(i64::try_from(index).unwrap_or(i64::MAX)), on_time, early });
            (2..fields).try_for_each(|_| value.skip())
        })?;
        Ok(due)
    }
}

/// An entry of a partition's queue of expirations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DueSectors {
    /// The epoch from which its sectors leave, when their deadline ends.
    pub epoch: Epoch,
    /// Those that leave at their time.
    pub on_time: SectorSet,
    /// Those that leave before their time, for having been faulty too long.
    pub early: SectorSet,
}

/// Told of a partition that differs: its deadline, its index, and how it stands in its block before and after.
pub(super) type RawPartitionChange<'v> = dyn FnMut(u64, u64, Option<&[u8]>, Option<&[u8]>) -> Result<()> + 'v;

/// A miner's list of deadlines, read up to the first.
fn deadline_list(block: &[u8]) -> Result<Reader<'_>> {
    let mut reader = Reader::new(block);
    reader.tuple(1)?;
    reader.tuple(DEADLINES)?;
    Ok(reader)
}

pub(super) fn open_partitions<'s>(store: &'s dyn BlockStore, root: &Cid) -> Result<Amt<'s>> {
    let partitions = Amt::open(store, root, PARTITIONS)?;
    if partitions.count() > MOST_PARTITIONS {
        return Err(Error::malformed(format!("{} partitions", partitions.count())).in_block(root, PARTITIONS));
    }
    Ok(partitions)
}

/// A sector must stand where its number says. So one block cannot stand for any number of sectors.
fn numbered(index: u64, found: SectorRef<'_>) -> Result<SectorRef<'_>> {
    if found.sector.number.0 == index {
        return Ok(found);
    }
    Err(Error::malformed(format!("sector {} in the place of sector {index}", found.sector.number)))
}

/// A partition that is not the same before and after.
#[derive(Clone, Debug)]
pub struct ChangedPartition {
    /// Its deadline, 0 to 47.
    pub deadline: u64,
    /// Its index within the deadline.
    pub index: u64,
    /// As it was; `None` if it did not exist.
    pub before: Option<Partition>,
    /// As it is; `None` if it does not exist.
    pub after: Option<Partition>,
}

impl<'s> Miner<'s> {
    /// All miners of a state, by number.
    ///
    /// # Errors
    /// If the state tree or a miner's state is missing or malformed.
    pub fn all(tree: &StateTree<'s>, codes: &Codes) -> Result<Vec<(MinerId, Self)>> {
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
    pub fn of(store: &'s dyn BlockStore, actor: &Actor, codes: &Codes) -> Result<Option<Self>> {
        match codes.kind_of(&actor.code)? {
            Some((ActorKind::Miner, layout)) => Self::read(store, &actor.head, layout)
                .map(Some)
                .map_err(|error| codes.doubt(&actor.code, error)),
            _ => Ok(None),
        }
    }

    /// Reads the miner's state under `head`.
    fn read(store: &'s dyn BlockStore, head: &Cid, layout: &'static Layout) -> Result<Self> {
        const WHAT: &str = "state of a miner";
        let block = store.need(head, WHAT)?;
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

    /// Calls `visit` with every committed sector, in order of number.
    ///
    /// # Errors
    /// If a block is missing or malformed, or `visit` fails.
    pub fn for_each_sector(&self, visit: &mut dyn FnMut(SectorRef<'_>) -> Result<()>) -> Result<()> {
        Amt::open(self.store, &self.sectors, SECTORS)?
            .for_each(&mut |index, value| visit(numbered(index, Sector::decode(value, self.layout)?)?))
    }

    /// How many committed sectors there are, by the array's root.
    ///
    /// # Errors
    /// If its root block is missing or malformed.
    pub fn sector_count(&self) -> Result<u64> {
        Ok(Amt::open(self.store, &self.sectors, SECTORS)?.count())
    }

    /// Visits as [`Miner::for_each_sector`] does, at most `most` sectors from `place` on, and moves that on.
    ///
    /// # Errors
    /// If a block is missing or malformed, or `visit` fails.
    pub fn for_some_sectors(
        &self,
        place: &mut Place,
        most: u64,
        visit: &mut dyn FnMut(SectorRef<'_>) -> Result<()>,
    ) -> Result<()> {
        Amt::open(self.store, &self.sectors, SECTORS)?.for_some(place, most, &mut |index, value| {
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
        Amt::open(self.store, &self.sectors, SECTORS)?
            .get(number.0, |value| Sector::decode(value, self.layout).map(with))
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
        Amt::open(self.store, &self.sectors, SECTORS)?.for_each_in(numbers, &mut |index, value| {
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
        let old = Amt::open(before.store, &before.sectors, SECTORS)?;
        Amt::open(self.store, &self.sectors, SECTORS)?.diff(&old, &mut |index, old, new| {
            let decode = |raw, layout| numbered(index, Sector::decode(&mut Reader::new(raw), layout)?);
            let old = old.map(|raw| decode(raw, before.layout)).transpose()?;
            let new = new.map(|raw| decode(raw, self.layout)).transpose()?;
            visit(SectorNumber(index), old, new)
        })
    }

    /// Calls `visit` with every pre-committed sector, in no order.
    ///
    /// # Errors
    /// If a block is missing or malformed, or `visit` fails.
    pub fn for_each_precommit(&self, visit: &mut dyn FnMut(Precommit) -> Result<()>) -> Result<()> {
        Hamt::new(self.store, &self.precommits, PRECOMMITS)
            .for_each(&mut |_, raw| visit(Precommit::decode(raw, self.layout)?))
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
                uvarint(key).ok_or_else(|| Error::malformed("a pre-commit whose key is no number"))?;
            let old = old.map(|raw| Precommit::decode(raw, before.layout)).transpose()?;
            let new = new.map(|raw| Precommit::decode(raw, self.layout)).transpose()?;
            visit(SectorNumber(number), old, new)
        })
    }

    /// The CIDs of all deadlines.
    pub(super) fn deadlines(&self) -> Result<Vec<Cid>> {
        self.read_deadlines(|reader| (0..DEADLINES).map(|_| cid_of(reader.link()?)).collect())
    }

    /// The CID of one deadline, without those beside it; `None` if there is no such deadline.
    pub(super) fn deadline_root(&self, deadline: u64) -> Result<Option<Cid>> {
        let Some(at) = usize::try_from(deadline).ok().filter(|_| deadline < DEADLINES) else {
            return Ok(None);
        };
        self.read_deadlines(|reader| {
            reader.skip_many(at)?;
            cid_of(reader.link()?).map(Some)
        })
    }

    fn read_deadlines<T>(&self, read: impl FnOnce(&mut Reader<'_>) -> Result<T>) -> Result<T> {
        let block = self.store.need(&self.deadlines, DEADLINES_BLOCK)?;
        deadline_list(&block)
            .and_then(|mut reader| read(&mut reader))
            .map_err(|error| error.in_block(&self.deadlines, DEADLINES_BLOCK))
    }

    /// The deadlines that are not the same as `before`, by number.
    fn changed_deadlines(&self, before: &Miner<'_>) -> Result<Vec<(u64, Cid, Cid)>> {
        if before.deadlines == self.deadlines {
            return Ok(Vec::new());
        }
        let old = before.store.need(&before.deadlines, DEADLINES_BLOCK)?;
        let of_old = |error: Error| error.in_block(&before.deadlines, DEADLINES_BLOCK);
        self.read_deadlines(|new| {
            let mut old = deadline_list(&old).map_err(of_old)?;
            let mut changed = Vec::new();
            for deadline in 0..DEADLINES {
                let (was, is) = (old.link().map_err(of_old)?, new.link()?);
                // Most are the same, and only their bytes are looked at.
                if was != is {
                    changed.push((deadline, cid_of(was).map_err(of_old)?, cid_of(is)?));
                }
            }
            Ok(changed)
        })
    }

    /// The partitions that are not the same as `before`, as they stand in their blocks: deadline, index, before, after.
    pub(super) fn diff_partitions(
        &self,
        before: &Miner<'_>,
        visit: &mut RawPartitionChange<'_>,
    ) -> Result<()> {
        for (deadline, old, new) in self.changed_deadlines(before)? {
            let (old, new) = (before.deadline(&old)?.0, self.deadline(&new)?.0);
            if old == new {
                continue;
            }
            let old = open_partitions(before.store, &old)?;
            open_partitions(self.store, &new)?
                .diff(&old, &mut |index, old, new| visit(deadline, index, old, new))?;
        }
        Ok(())
    }

    /// The partitions' root of a deadline, and which partitions have their window `PoSt` in.
    pub(super) fn deadline(&self, cid: &Cid) -> Result<(Cid, SectorSet)> {
        const WHAT: &str = "deadline";
        let block = self.store.need(cid, WHAT)?;
        let decode = || -> Result<(Cid, SectorSet)> {
            let mut reader = Reader::new(&block);
            reader.tuple(self.layout.deadline.fields)?;
            let partitions = cid_of(reader.link()?)?;
            reader.skip_many(self.layout.deadline.posted - 1)?;
            Ok((partitions, SectorSet::decode(reader.bytes()?)?))
        };
        decode().map_err(|error| error.in_block(cid, WHAT))
    }

    /// Which partitions of a deadline have their window `PoSt` in.
    ///
    /// # Errors
    /// If a block is missing or malformed.
    pub fn posted(&self, deadline: u64) -> Result<SectorSet> {
        let Some(cid) = self.deadline_root(deadline)? else { return Ok(SectorSet::new()) };
        Ok(self.deadline(&cid)?.1)
    }

    /// A partition by its deadline and index; `None` if there is none such.
    ///
    /// # Errors
    /// If a block is missing or malformed.
    pub fn partition(&self, deadline: u64, index: u64) -> Result<Option<Partition>> {
        let Some(cid) = self.deadline_root(deadline)? else { return Ok(None) };
        let (partitions, _) = self.deadline(&cid)?;
        open_partitions(self.store, &partitions)?.get(index, |value| Partition::decode(value, self.layout))
    }

    /// Calls `visit` with every partition, its deadline and index.
    ///
    /// # Errors
    /// If a block is missing or malformed, or `visit` fails.
    pub fn for_each_partition(&self, visit: &mut dyn FnMut(u64, u64, Partition) -> Result<()>) -> Result<()> {
        for (deadline, cid) in (0..).zip(self.deadlines()?) {
            let (partitions, _) = self.deadline(&cid)?;
            open_partitions(self.store, &partitions)?.for_each(&mut |index, value| {
                visit(deadline, index, Partition::decode(value, self.layout)?)
            })?;
        }
        Ok(())
    }

    /// The partitions that are not the same as `before`, by deadline and index.
    ///
    /// # Errors
    /// If a block that differs is missing or malformed.
    pub fn changed_partitions(&self, before: &Miner<'_>) -> Result<Vec<ChangedPartition>> {
        let (mut changed, mut runs) = (Vec::new(), 0);
        self.diff_partitions(before, &mut |deadline, index, old, new| {
            let old = old.map(|raw| Partition::decode(&mut Reader::new(raw), before.layout)).transpose()?;
            let new = new.map(|raw| Partition::decode(&mut Reader::new(raw), self.layout)).transpose()?;
            runs += [&old, &new].into_iter().flatten().map(Partition::runs).sum::<usize>();
            if runs > MOST_RUNS {
                return Err(Error::malformed("partitions whose sets no memory should hold"));
            }
            changed.push(ChangedPartition { deadline, index, before: old, after: new });
            Ok(())
        })?;
        Ok(changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Memory, array, bytes, link, uint};

    /// The bitfield of one run of that many sectors from 0 on.
    fn run(sectors: u64) -> Vec<u8> {
        // Bits from the lowest on: version 00, first value 1, a long run 00, its length as a varint.
        let varint = (0..10).fold(0_u128, |varint, at| {
            let (group, rest) =
                (u128::from(sectors >> (7 * at).min(63) & 0x7f), sectors >> (7 * at + 7).min(63));
            varint | (group | if rest > 0 { 0x80 } else { 0 }) << (8 * at)
        });
        bytes(&(varint << 5 | 0b100).to_le_bytes())
    }

    #[test]
    fn a_partition_of_absurdly_many_sectors_is_refused() {
        let layout = Layout::of(1).unwrap();
        let decode = |sectors| {
            let (none, link) = (|| bytes(&[]), link(&Memory::default().put(uint(0))));
            let fields = [run(sectors), none(), none(), none(), link, none(), none(), none(), none()];
            Partition::decode(&mut Reader::new(&array(&fields)), layout)
        };
        assert_eq!(decode(2349).unwrap().live().len(), 2349);
        assert!(decode(1 << 60).is_err());
    }

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
