//! Folded chains: a few small blocks that ask for work or memory without end, of every kind that a chain's structures allow.
//! The one home of them: for the tests of this crate, for those of the program, and for the fuzz target `folded`.
#![allow(dead_code, unreachable_pub, unused_imports, clippy::unwrap_used)]

#[path = "../blocks.rs"]
mod blocks;
mod chains;
mod kinds;
pub mod parts;
mod states;

use std::sync::atomic::{AtomicU64, Ordering};

use chain::state::{ActorCodes, Miner, StateTree};
use chain::{Block, BlockStore, Budget, Chain, ChainSegment, Cid, Result};
use ledger::{ChainPowers, EventReader, MinerSummary};

pub use blocks::{Blocks, link};
pub use chains::of_heights;
pub use kinds::{Kind, Knobs};

/// Blocks with roots, and what reading them may cost.
pub struct Folded {
    pub blocks: Blocks,
    pub roots: Vec<Cid>,
    pub budget: Budget,
    /// The largest piece of work that was counted at once.
    pub largest: AtomicU64,
}

impl Folded {
    /// Of these blocks, with the budget of a file of their size.
    pub fn of(blocks: Blocks, roots: Vec<Cid>) -> Self {
        let bytes = blocks.iter().map(|(_, block)| block.len() as u64 + 40).sum();
        Self { blocks, roots, budget: Budget::for_bytes(bytes), largest: AtomicU64::new(0) }
    }

    /// The same with another budget.
    pub fn with_most(self, most: u64) -> Self {
        Self { budget: Budget::with_limit(self.bytes(), most), ..self }
    }

    /// Bytes of a file that holds them.
    pub fn bytes(&self) -> u64 {
        self.blocks.iter().map(|(_, block)| block.len() as u64 + 40).sum()
    }

    /// A CAR of version 1.
    pub fn car(&self) -> Vec<u8> {
        let roots: Vec<_> = self.roots.iter().map(|root| blocks::link(&root.to_bytes())).collect();
        let (version, names) = (blocks::uint(1), [blocks::text("roots"), blocks::text("version")]);
        // {"roots": […], "version": 1}
        let header = [&[0xa2][..], &names[0], &blocks::list(&roots), &names[1], &version].concat();
        let mut car = section(&[], &header);
        for (cid, block) in self.blocks.iter() {
            car.extend(section(&cid.to_bytes(), block));
        }
        car
    }
}

fn section(cid: &[u8], block: &[u8]) -> Vec<u8> {
    let (mut rest, mut section) = (cid.len() + block.len(), Vec::new());
    while rest > 0x7f {
        section.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    section.push(rest as u8);
    [&section, cid, block].concat()
}

impl BlockStore for Folded {
    fn get(&self, cid: &Cid) -> Result<Option<Block<'_>>> {
        let block = self.blocks.get(cid)?;
        let bytes = block.as_ref().map_or(0, |block| block.len() as u64);
        self.largest.fetch_max(chain::work::BLOCK + bytes, Ordering::Relaxed);
        self.budget.charge_block(block)
    }

    fn spend(&self, work: u64) -> Result<()> {
        self.largest.fetch_max(work, Ordering::Relaxed);
        self.budget.spend(work)
    }
}

/// A way of reading some files.
pub type WalkOptions = fn(&dyn BlockStore, &[Cid]) -> Result<()>;

/// How the commands read files: each way by a name.
pub const WAYS: [(&str, WalkOptions); 3] = [("open", open), ("look", look), ("follow", follow)];

fn segments<'s>(store: &'s dyn BlockStore, roots: &[Cid]) -> Result<Vec<ChainSegment<'s>>> {
    Chain::segments(store, roots.iter().copied(), None)
}

/// What all commands do, and the counts of `car info`.
fn open(store: &dyn BlockStore, roots: &[Cid]) -> Result<()> {
    segments(store, roots)?.iter().try_for_each(|segment| segment.chain.tipsets_without_receipts().map(drop))
}

/// As `car info` and `miner`: everything of the newest state.
fn look(store: &dyn BlockStore, roots: &[Cid]) -> Result<()> {
    let chain = segments(store, roots)?.remove(0).chain;
    let Some(head) = chain.tipsets().last() else { return Ok(()) };
    let tree = StateTree::open(store, &head.parent_state_root)?;
    let codes = ActorCodes::of(chain.network());
    codes.add_manifest(&tree)?;
    ChainPowers::default().advance(store, &head.parent_state_root, &codes)?;
    for (_, miner) in Miner::all(&tree, &codes)? {
        MinerSummary::of(&miner)?;
    }
    Ok(())
}

/// As `car verify`, `events` and `ingest`: the opening, every transition, and the powers after each. As many events are
/// held as `ingest` holds of a day.
fn follow(store: &dyn BlockStore, roots: &[Cid]) -> Result<()> {
    for ChainSegment { chain, .. } in segments(store, roots)? {
        let (opening, mut reading) = EventReader::open(&chain, 0)?;
        for batch in opening {
            batch?;
        }
        let (mut powers, mut held) = (ChainPowers::default(), Vec::new());
        for tipset in chain.tipsets() {
            powers.advance(store, &tipset.parent_state_root, reading.codes())?;
            if let Some(read) = reading.next() {
                held.extend(read?.events);
            }
        }
    }
    Ok(())
}
