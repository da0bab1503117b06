//! Proofs that a deadline accepted without a check, which anybody may dispute: from actors v3.
//!
//! When a deadline closes, it keeps a snapshot of these proofs and of its partitions (specs-actors v3
//! `deadline_state.go`, `ProcessDeadlineEnd`). A dispute names a proof; the sectors that were active in the partitions
//! which it proved become faulty, as far as they are still live and sound (`LoadPartitionsForDispute`).

use cid::Cid;

use super::miner::Miner;
use super::params::PartitionSectors;
use super::partition::{MOST_PARTITIONS, Partition, open_partitions};
use crate::amt::Amt;
use crate::bitfield::SectorSet;
use crate::block::cid_of;
use crate::cbor::Reader;
use crate::error::Result;

const PROOFS: &str = "optimistically accepted proofs";

/// Of a deadline, where to find what a dispute refers to.
struct Roots {
    proofs: Cid,
    partitions: Cid,
}

impl Miner<'_> {
    /// The sectors that a dispute of a deadline's proof number `post` is about, by partition; none if there is no such
    /// proof. `closes`: the deadline closes before the dispute comes, and what it has now is what that snapshot will hold.
    ///
    /// # Errors
    /// If a block is missing or malformed.
    pub fn disputed(&self, deadline: u64, post: u64, closes: bool) -> Result<Vec<PartitionSectors>> {
        let Some(roots) = self.disputable(deadline, closes)? else { return Ok(Vec::new()) };
        let proven = Amt::open(self.store(), &roots.proofs, PROOFS)?.get(post, |reader| {
            reader.array()?;
            SectorSet::read(reader, self.store())
        })?;
        let partitions = open_partitions(self.store(), &roots.partitions)?;
        let mut disputed = Vec::new();
        for index in proven.iter().flat_map(SectorSet::iter).take(MOST_PARTITIONS as usize) {
            let partition =
                partitions.get(index, |reader| Partition::decode(reader, self.layout(), self.store()))?;
            if let Some(partition) = partition {
                let sectors = partition.live().difference(&partition.faults).difference(&partition.unproven);
                disputed.push(PartitionSectors { deadline, partition: index, sectors });
            }
        }
        Ok(disputed)
    }

    fn disputable(&self, deadline: u64, closes: bool) -> Result<Option<Roots>> {
        const WHAT: &str = "deadline";
        let Some(at) = self.layout().deadline.disputable else { return Ok(None) };
        let Some(cid) = self.deadline_root(deadline)? else { return Ok(None) };
        let (proofs, partitions) =
            if closes { (at.proofs, 0) } else { (at.proofs_snapshot, at.partitions_snapshot) };
        let block = self.store().get_required(&cid, WHAT)?;
        let link_at = |position: usize| -> Result<Cid> {
            let mut reader = Reader::new(&block);
            reader.tuple(self.layout().deadline.fields)?;
            reader.skip_many(position)?;
            cid_of(reader.link()?)
        };
        let roots = || Ok(Roots { proofs: link_at(proofs)?, partitions: link_at(partitions)? });
        roots().map(Some).map_err(|error: crate::Error| error.in_block(&cid, WHAT))
    }
}
