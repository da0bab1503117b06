//! A miner's state: its sectors, pre-commits, deadlines and partitions.

use cid::Cid;

use super::actor::{Actor, StateTree};
use super::codes::{ActorKind, Codes};
use super::layout::Layout;
use super::sector::{Precommit, Sector, SectorRef};
use crate::address::uvarint;
use crate::amt::Amt;
use crate::bitfield::SectorSet;
use crate::block::{BlockStore, cid_of};
use crate::cbor::Reader;
use crate::error::{Error, Result};
use crate::hamt::Hamt;
use crate::units::{Epoch, MinerId, SectorNumber};

const DEADLINES: u64 = 48;
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
    fn decode(reader: &mut Reader<'_>, layout: &Layout) -> Result<Self> {
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
        Ok(partition)
    }

    /// Live = all − terminated.
    #[must_use]
    pub fn live(&self) -> SectorSet {
        self.sectors.difference(&self.terminated)
    }

    /// The sectors scheduled to leave at or before `epoch`: on time, and early (faulty for the maximum age).
    ///
    /// # Errors
    /// If the queue is missing or malformed.
    pub fn due(&self, store: &dyn BlockStore, epoch: Epoch) -> Result<(SectorSet, SectorSet)> {
        let mut due = (SectorSet::new(), SectorSet::new());
        let Some(root) = &self.expirations else {
            return Ok(due);
        };
        Amt::open(store, root, "queue of expirations")?.for_each(&mut |index, value| {
            if i64::try_from(index).is_ok_and(|index| index <= epoch.0) {
                let fields = value.array()?;
                due.0 = due.0.union(&SectorSet::decode(value.bytes()?)?);
                due.1 = due.1.union(&SectorSet::decode(value.bytes()?)?);
                (2..fields).try_for_each(|_| value.skip())
            } else {
                value.skip()
            }
        })?;
        Ok(due)
    }
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
            Some((ActorKind::Miner, layout)) => Self::read(store, &actor.head, layout).map(Some),
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
            .for_each(&mut |_, value| visit(Sector::decode(value, self.layout)?))
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
            let old = old.map(|raw| Sector::decode(&mut Reader::new(raw), before.layout)).transpose()?;
            let new = new.map(|raw| Sector::decode(&mut Reader::new(raw), self.layout)).transpose()?;
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

    fn deadlines(&self) -> Result<Vec<Cid>> {
        const WHAT: &str = "deadlines";
        let block = self.store.need(&self.deadlines, WHAT)?;
        let decode = || -> Result<Vec<Cid>> {
            let mut reader = Reader::new(&block);
            reader.tuple(1)?;
            reader.tuple(DEADLINES)?;
            (0..DEADLINES).map(|_| cid_of(reader.link()?)).collect()
        };
        decode().map_err(|error| error.in_block(&self.deadlines, WHAT))
    }

    /// The partitions' root of a deadline, and which partitions have their window `PoSt` in.
    fn deadline(&self, cid: &Cid) -> Result<(Cid, SectorSet)> {
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
        let deadlines = self.deadlines()?;
        let Some(cid) = usize::try_from(deadline).ok().and_then(|at| deadlines.get(at)) else {
            return Ok(SectorSet::new());
        };
        Ok(self.deadline(cid)?.1)
    }

    /// Calls `visit` with every partition, its deadline and index.
    ///
    /// # Errors
    /// If a block is missing or malformed, or `visit` fails.
    pub fn for_each_partition(&self, visit: &mut dyn FnMut(u64, u64, Partition) -> Result<()>) -> Result<()> {
        for (deadline, cid) in (0..).zip(self.deadlines()?) {
            let (partitions, _) = self.deadline(&cid)?;
            Amt::open(self.store, &partitions, PARTITIONS)?.for_each(&mut |index, value| {
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
        let mut changed = Vec::new();
        if before.deadlines == self.deadlines {
            return Ok(changed);
        }
        for (deadline, (old, new)) in (0..).zip(before.deadlines()?.into_iter().zip(self.deadlines()?)) {
            if old == new {
                continue;
            }
            let (old, new) = (before.deadline(&old)?.0, self.deadline(&new)?.0);
            if old == new {
                continue;
            }
            let old = Amt::open(before.store, &old, PARTITIONS)?;
            Amt::open(self.store, &new, PARTITIONS)?.diff(&old, &mut |index, old, new| {
                let old =
                    old.map(|raw| Partition::decode(&mut Reader::new(raw), before.layout)).transpose()?;
                let new = new.map(|raw| Partition::decode(&mut Reader::new(raw), self.layout)).transpose()?;
                changed.push(ChangedPartition { deadline, index, before: old, after: new });
                Ok(())
            })?;
        }
        Ok(changed)
    }
}
