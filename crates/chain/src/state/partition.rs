//! A miner's deadlines and partitions.

use cid::Cid;

use super::layout::Layout;
use super::miner::{DEADLINES, Miner};
use crate::amt::Amt;
use crate::bitfield::SectorSet;
use crate::block::{BlockStore, cid_of};
use crate::cbor::Reader;
use crate::error::{Error, Result};
use crate::units::Epoch;
use crate::work;

/// Most partitions of a deadline; the actors stop at 3,000.
pub(super) const MOST_PARTITIONS: u64 = 1 << 12;
/// Most sectors of a partition; the actors put at most 2,349 into one. A bitfield of few bytes could claim 2^64.
const MOST_IN_PARTITION: u64 = 1 << 14;
/// Most epochs at which sectors of a partition leave; the actors round them to proving periods, some 1,900 in the
/// longest life of a sector.
const MOST_IN_QUEUE: u64 = 1 << 14;
/// Most runs in the sets of the partitions of a miner that are held at once, a gigabyte: one of the largest size may have
/// every partition rewritten, however large the files are.
const MOST_RUNS: usize = 1 << 26;
const PARTITIONS: &str = "partitions";
const DEADLINES_BLOCK: &str = "deadlines";

/// Called with a partition that differs: its deadline, its index, and its block's bytes before and after.
pub(super) type RawPartitionChange<'v> = dyn FnMut(u64, u64, Option<&[u8]>, Option<&[u8]>) -> Result<()> + 'v;

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
    /// Reads one of a block of `store`.
    pub(super) fn decode(reader: &mut Reader<'_>, layout: &Layout, store: &dyn BlockStore) -> Result<Self> {
        let at = layout.partition;
        reader.tuple(at.fields)?;
        let set = |reader: &mut Reader<'_>| {
            let set = SectorSet::read(reader, store)?;
            match set.len() {
                ..=MOST_IN_PARTITION => Ok(set),
                many => Err(Error::malformed(format!("a partition of {many} sectors"))),
            }
        };
        let mut partition = Self { sectors: set(reader)?, ..Self::default() };
        for field in 1..=at.expirations {
            match field {
                field if Some(field) == at.unproven => partition.unproven = set(reader)?,
                field if field == at.faults => partition.faults = set(reader)?,
                field if field == at.recoveries => partition.recoveries = set(reader)?,
                field if field == at.terminated => partition.terminated = set(reader)?,
                field if field == at.expirations => partition.expirations = Some(cid_of(reader.link()?)?),
                _ => reader.skip()?,
            }
        }
        for _ in at.expirations as u64 + 1..at.fields {
            reader.skip()?;
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
    pub fn expirations_until(&self, store: &dyn BlockStore, epoch: Epoch) -> Result<Vec<ExpirationSet>> {
        const WHAT: &str = "queue of expirations";
        let (Some(root), Ok(last)) = (&self.expirations, u64::try_from(epoch.0)) else {
            return Ok(Vec::new());
        };
        let queue = Amt::open(store, root, WHAT)?.with_work(work::ITEM);
        if queue.count() > MOST_IN_QUEUE {
            return Err(Error::malformed(format!("{} entries", queue.count())).in_block(root, WHAT));
        }
        let mut due = Vec::new();
        queue.for_each_up_to(last, &mut |index, value| {
            let fields = value.array()?;
            let (on_time, early) = (SectorSet::read(value, store)?, SectorSet::read(value, store)?);
            due.push(ExpirationSet {
                epoch: Epoch(i64::try_from(index).unwrap_or(i64::MAX)),
                on_time,
                early,
            });
            (2..fields).try_for_each(|_| value.skip())
        })?;
        Ok(due)
    }
}

/// An entry of a partition's queue of expirations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpirationSet {
    /// The epoch from which its sectors leave, when their deadline ends.
    pub epoch: Epoch,
    /// Those that leave at their time.
    pub on_time: SectorSet,
    /// Those that leave before their time, for having been faulty too long.
    pub early: SectorSet,
}

/// A miner's list of deadlines, read up to the first.
fn deadline_list(block: &[u8]) -> Result<Reader<'_>> {
    let mut reader = Reader::new(block);
    reader.tuple(1)?;
    reader.tuple(DEADLINES)?;
    Ok(reader)
}

/// Opens a deadline's partitions.
pub(super) fn open_partitions<'s>(store: &'s dyn BlockStore, root: &Cid) -> Result<Amt<'s>> {
    let partitions = Amt::open(store, root, PARTITIONS)?;
    if partitions.count() > MOST_PARTITIONS {
        return Err(Error::malformed(format!("{} partitions", partitions.count())).in_block(root, PARTITIONS));
    }
    Ok(partitions)
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

impl Miner<'_> {
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
        let block = self.store().get_required(&self.deadlines, DEADLINES_BLOCK)?;
        deadline_list(&block)
            .and_then(|mut reader| read(&mut reader))
            .map_err(|error| error.in_block(&self.deadlines, DEADLINES_BLOCK))
    }

    /// The deadlines that are not the same as `before`, by number.
    fn changed_deadlines(&self, before: &Miner<'_>) -> Result<Vec<(u64, Cid, Cid)>> {
        if before.deadlines == self.deadlines {
            return Ok(Vec::new());
        }
        let old = before.store().get_required(&before.deadlines, DEADLINES_BLOCK)?;
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
            let old = open_partitions(before.store(), &old)?;
            open_partitions(self.store(), &new)?
                .diff(&old, &mut |index, old, new| visit(deadline, index, old, new))?;
        }
        Ok(())
    }

    /// The partitions' root of a deadline, and which partitions have their window `PoSt` in.
    pub(super) fn deadline(&self, cid: &Cid) -> Result<(Cid, SectorSet)> {
        const WHAT: &str = "deadline";
        let block = self.store().get_required(cid, WHAT)?;
        let decode = || -> Result<(Cid, SectorSet)> {
            let mut reader = Reader::new(&block);
            reader.tuple(self.layout().deadline.fields)?;
            let partitions = cid_of(reader.link()?)?;
            reader.skip_many(self.layout().deadline.posted - 1)?;
            Ok((partitions, SectorSet::read(&mut reader, self.store())?))
        };
        decode().map_err(|error| error.in_block(cid, WHAT))
    }

    /// Which partitions of a deadline have their window `PoSt` in.
    ///
    /// # Errors
    /// If a block is missing or malformed.
    pub fn partitions_posted(&self, deadline: u64) -> Result<SectorSet> {
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
        open_partitions(self.store(), &partitions)?
            .get(index, |value| Partition::decode(value, self.layout(), self.store()))
    }

    /// Calls `visit` with every partition, its deadline and index.
    ///
    /// # Errors
    /// If a block is missing or malformed, or `visit` fails.
    pub fn for_each_partition(&self, visit: &mut dyn FnMut(u64, u64, Partition) -> Result<()>) -> Result<()> {
        for (deadline, cid) in (0..).zip(self.deadlines()?) {
            let (partitions, _) = self.deadline(&cid)?;
            open_partitions(self.store(), &partitions)?.for_each(&mut |index, value| {
                visit(deadline, index, Partition::decode(value, self.layout(), self.store())?)
            })?;
        }
        Ok(())
    }

    /// Every partition at once, with its deadline and index.
    ///
    /// # Errors
    /// If a block is missing or malformed, or the sets are more than memory should hold.
    pub fn all_partitions(&self) -> Result<Vec<(u64, u64, Partition)>> {
        let (mut all, mut held) = (Vec::new(), Held::default());
        self.for_each_partition(&mut |deadline, index, partition| {
            held.take(&partition, self.store())?;
            all.push((deadline, index, partition));
            Ok(())
        })?;
        Ok(all)
    }

    /// The partitions that are not the same as `before`, by deadline and index.
    ///
    /// # Errors
    /// If a block that differs is missing or malformed.
    pub fn changed_partitions(&self, before: &Miner<'_>) -> Result<Vec<ChangedPartition>> {
        let (mut changed, mut held) = (Vec::new(), Held::default());
        self.diff_partitions(before, &mut |deadline, index, old, new| {
            let mut decode = |raw: &[u8], miner: &Miner<'_>| {
                let partition = Partition::decode(&mut Reader::new(raw), miner.layout(), miner.store())?;
                held.take(&partition, miner.store())?;
                Ok::<_, Error>(partition)
            };
            let old = old.map(|raw| decode(raw, before)).transpose()?;
            let new = new.map(|raw| decode(raw, self)).transpose()?;
            changed.push(ChangedPartition { deadline, index, before: old, after: new });
            Ok(())
        })?;
        Ok(changed)
    }
}

/// Counts the partitions of a miner that are held at once.
#[derive(Default)]
struct Held {
    runs: usize,
}

impl Held {
    fn take(&mut self, partition: &Partition, store: &dyn BlockStore) -> Result<()> {
        store.spend(work::RETAINED)?;
        self.runs += partition.runs();
        if self.runs > MOST_RUNS {
            return Err(Error::malformed("partitions whose sets no memory should hold"));
        }
        Ok(())
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
        let decode = |sectors, faults| {
            let (none, link) = (|| bytes(&[]), link(&Memory::default().put(uint(0))));
            let fields = [run(sectors), run(faults), none(), none(), link, none(), none(), none(), none()];
            Partition::decode(&mut Reader::new(&array(&fields)), layout, &Memory::default())
        };
        assert_eq!(decode(2349, 7).unwrap().live().len(), 2349);
        assert!(decode(1 << 60, 7).is_err());
        assert!(decode(2349, 1 << 60).is_err());
    }
}
