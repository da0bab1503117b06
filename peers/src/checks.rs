//! Holds what we read against what the peers read; panics where they differ.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use chain::state::{
    Actor, ActorCodes, ActorKind, ExpirationSet, Market, Miner, Partition, PowerClaims, Precommit, StateTree,
};
use chain::{Cid, Epoch, MinerId, SectorNumber, SectorSet};

use crate::actors::{self, Actors, MinerSeen, PartitionSeen, Queue};
use crate::store::{Memory, Seen};
use crate::trees;

/// How much was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Miners.
    pub miners: usize,
    /// Committed sectors.
    pub sectors: usize,
    /// Pre-commits.
    pub precommits: usize,
    /// Partitions.
    pub partitions: usize,
    /// Epochs in partitions' queues of expirations.
    pub expirations: usize,
    /// Claims of the power actor.
    pub claims: usize,
    /// Deal proposals.
    pub proposals: usize,
}

impl Compared {
    /// Adds what was compared elsewhere.
    pub fn add(&mut self, other: &Self) {
        self.miners += other.miners;
        self.sectors += other.sectors;
        self.precommits += other.precommits;
        self.partitions += other.partitions;
        self.expirations += other.expirations;
        self.claims += other.claims;
        self.proposals += other.proposals;
    }
}

/// The peer for an actor's version, by the layout that we read it with.
///
/// # Errors
/// If the actor is of a version without peer, or of an unknown kind.
pub fn peer_of(codes: &ActorCodes, actor: &Actor) -> Result<(ActorKind, &'static dyn Actors)> {
    let (kind, layout) = codes.kind_of(&actor.code)?.context("an actor of unknown code")?;
    Ok((kind, actors::of(layout.version).context("an actors version without peer")?))
}

/// Compares everything that we read of a state: every miner, claim and deal proposal.
///
/// # Errors
/// If either side cannot read it.
///
/// # Panics
/// If the two do not read the same.
pub fn compare_state(tree: &StateTree<'_>) -> Result<Compared> {
    let store = Seen(tree.store());
    let codes = ActorCodes::new();
    codes.add_manifest(tree)?;
    let mut compared = Compared::default();
    let mut actors = Vec::new();
    tree.for_each(&mut |id, actor| {
        actors.push((id, actor));
        Ok(())
    })?;
    for (id, actor) in actors {
        match codes.kind_of(&actor.code)?.map(|(kind, _)| kind) {
            Some(ActorKind::Miner) => {
                let (_, peer) = peer_of(&codes, &actor)?;
                let ours = Miner::of(tree.store(), &actor, &codes)?.context("no miner")?;
                let theirs = peer.miner(store, &actor.head).with_context(|| format!("f0{id}"))?;
                compared.add(&compare_miner(&format!("f0{id}"), &ours, &theirs, peer)?);
            }
            Some(ActorKind::Power) => {
                let theirs = peer_of(&codes, &actor)?.1.claims(store, &actor.head)?;
                let mut ours = BTreeMap::new();
                PowerClaims::open(tree, &codes)?.for_each(&mut |miner, claim| {
                    assert!(ours.insert(miner, claim).is_none(), "two claims of {miner}");
                    Ok(())
                })?;
                assert_eq!(ours, theirs);
                compared.claims += theirs.len();
            }
            Some(ActorKind::Market) => {
                let theirs = peer_of(&codes, &actor)?.1.proposals(store, &actor.head)?;
                let market = Market::open(tree)?.context("no market")?;
                for (deal, proposal) in &theirs {
                    assert_eq!(market.proposal(*deal)?.as_ref(), Some(proposal), "deal {deal}");
                }
                let beyond = theirs.keys().last().map_or(0, |last| last + 1);
                assert_eq!(market.proposal(beyond)?, None);
                compared.proposals += theirs.len();
            }
            Some(ActorKind::Other) | None => {}
        }
    }
    Ok(compared)
}

/// Compares everything that we read of a miner.
///
/// # Errors
/// If we cannot read it.
///
/// # Panics
/// If the two do not read the same.
pub fn compare_miner(
    name: &str,
    ours: &Miner<'_>,
    theirs: &MinerSeen,
    peer: &dyn Actors,
) -> Result<Compared> {
    assert_eq!(ours.proving_period_start, theirs.proving_period_start, "{name}");
    assert_eq!(ours.current_deadline, theirs.current_deadline, "{name}");

    let mut expected = theirs.sectors.iter();
    ours.for_each_sector(&mut |found| {
        let (sector, sealed) = expected.next().expect("a sector that the peer does not see");
        assert_eq!((&found.sector, found.sealed_cid), (sector, sealed.as_slice()), "{name}");
        Ok(())
    })?;
    assert_eq!(expected.next(), None, "{name}: a sector that we do not see");
    for (sector, sealed) in theirs.sectors.iter().step_by(97) {
        let found = ours.sector(sector.number, |found| (found.sector, found.sealed_cid.to_vec()))?;
        assert_eq!(found.as_ref(), Some(&(*sector, sealed.clone())), "{name}");
    }

    let precommits = precommits(ours, peer)?;
    assert_eq!(precommits, theirs.precommits, "{name}");

    let mut partitions = BTreeMap::new();
    ours.for_each_partition(&mut |deadline, index, partition| {
        partitions.insert((deadline, index), partition);
        Ok(())
    })?;
    let mut compared = Compared {
        miners: 1,
        sectors: theirs.sectors.len(),
        precommits: precommits.len(),
        partitions: partitions.len(),
        ..Compared::default()
    };
    for (deadline, seen) in (0..).zip(&theirs.deadlines) {
        assert_eq!(ours.partitions_posted(deadline)?, seen.posted, "{name}: deadline {deadline}");
        for (index, seen) in &seen.partitions {
            let at = format!("{name}: deadline {deadline}, partition {index}");
            let found = partitions.remove(&(deadline, *index)).unwrap_or_else(|| panic!("{at} is not seen"));
            compare_sets(&at, &found, seen);
            let queue = peer.queue(Seen(ours.store()), &seen.queue)?;
            compare_queue(&at, ours, &found, &queue)?;
            compared.expirations += queue.len();
        }
    }
    assert!(partitions.is_empty(), "{name}: the peer does not see {:?}", partitions.keys());
    Ok(compared)
}

/// Compares the sets of a partition.
///
/// # Panics
/// If the two do not read the same.
pub fn compare_sets(at: &str, ours: &Partition, theirs: &PartitionSeen) {
    let sets = [&ours.sectors, &ours.unproven, &ours.faults, &ours.recoveries, &ours.terminated];
    for ((ours, theirs), what) in
        sets.into_iter().zip(&theirs.sets).zip(["sectors", "unproven", "faults", "recoveries", "terminated"])
    {
        assert_eq!(ours, theirs, "{at}: {what}");
    }
}

/// Compares what leaves a partition by each epoch in its queue, before the first and after the last.
///
/// # Errors
/// If we cannot read the queue.
///
/// # Panics
/// If the two do not read the same.
pub fn compare_queue(at: &str, miner: &Miner<'_>, ours: &Partition, theirs: &Queue) -> Result<()> {
    let entry = |(epoch, on_time, early): &(Epoch, SectorSet, SectorSet)| ExpirationSet {
        epoch: *epoch,
        on_time: on_time.clone(),
        early: early.clone(),
    };
    let due: Vec<_> = theirs.iter().map(entry).collect();
    let before = theirs.first().map_or(Epoch(0), |(epoch, ..)| Epoch(epoch.0 - 1));
    assert_eq!(ours.expirations_until(miner.store(), before)?, [], "{at}");
    for (last, (epoch, ..)) in theirs.iter().enumerate() {
        assert_eq!(ours.expirations_until(miner.store(), *epoch)?, due[..=last], "{at}: due at {epoch}");
    }
    assert_eq!(ours.expirations_until(miner.store(), Epoch(i64::MAX))?, due, "{at}");
    Ok(())
}

/// All pre-commits of a miner: what it has that a miner of the same version without any has not.
fn precommits(miner: &Miner<'_>, peer: &dyn Actors) -> Result<BTreeMap<SectorNumber, Precommit>> {
    let store = Memory::default();
    let head = peer.make_empty_miner(&store)?;
    let tree =
        StateTree::open(&store, &trees::plant(&store, peer.version(), &[(1000, trees::Kind::Miner, head)])?)?;
    let codes = ActorCodes::new();
    codes.add_manifest(&tree)?;
    let empty = Miner::of(&store, &tree.actor(1000)?.context("no actor")?, &codes)?.context("no miner")?;
    let mut precommits = BTreeMap::new();
    miner.diff_precommits(&empty, &mut |number, before, after| {
        assert_eq!(before, None);
        precommits.insert(number, after.expect("a pre-commit that is there"));
        Ok(())
    })?;
    Ok(precommits)
}

/// A miner of a tree by number, with its peer.
///
/// # Errors
/// If the tree has no such miner or it cannot be read.
pub fn miner_of<'s>(
    tree: &StateTree<'s>,
    codes: &ActorCodes,
    id: MinerId,
) -> Result<(Miner<'s>, Cid, &'static dyn Actors)> {
    let actor = tree.actor(id.0)?.context("no actor")?;
    let miner = Miner::of(tree.store(), &actor, codes)?.context("no miner")?;
    Ok((miner, actor.head, peer_of(codes, &actor)?.1))
}
