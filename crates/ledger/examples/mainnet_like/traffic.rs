//! What a tipset's messages are, and what they do: every open deadline gets its window `PoSts`, and the rest is shared
//! out among pre-commits and their proofs, snaps, extensions, terminations, declarations, and what is not for miners.

use std::collections::BTreeSet;

use super::Options;
use super::encode::mix;
use super::messages::Sent;
use super::miner::{Miner, snapped};
use super::network::address;
use super::partition::Partition;
use super::recorded::Recorded;
use super::sectors::{DEADLINES, PERIOD, WINDOW};

/// Partitions of a window `PoSt`.
const IN_POST: usize = 3;
/// Deadlines from the open one on that nothing but `PoSts` is sent about: declarations must come 70 epochs ahead.
const AHEAD: u64 = 4;
/// Epochs after a pre-commit when it may be proven.
const CHALLENGE_DELAY: i64 = 150;

/// The messages of one tipset.
pub struct Traffic {
    height: i64,
    options: Options,
    dice: u64,
    /// Miners' deadlines that a message is about.
    busy: BTreeSet<(usize, u64)>,
    sent: Vec<Sent>,
    /// Accounts that something was sent to.
    pub paid: Vec<usize>,
}

impl Traffic {
    pub fn new(height: i64, options: Options) -> Self {
        let dice = mix(height.cast_unsigned(), 13);
        Self { height, options, dice, busy: BTreeSet::new(), sent: Vec::new(), paid: Vec::new() }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.dice = mix(self.dice, 17);
        self.dice % bound.max(1)
    }

    /// All of them, as they run; the miners are as they leave them.
    pub fn sent(&mut self, miners: &mut [Miner], recorded: &mut Recorded) -> Vec<Sent> {
        for (at, miner) in miners.iter_mut().enumerate() {
            self.posts(at, miner, recorded);
        }
        let mut tries = 0;
        while self.sent.len() < self.options.messages && tries < 4 * self.options.messages {
            tries += 1;
            let kind = self.below(100);
            if kind >= 62 {
                self.other();
                continue;
            }
            // Those with many sectors send more.
            let bound = self.below(miners.len() as u64) + 1;
            let at = self.below(bound) as usize;
            let Some(miner) = miners.get_mut(at) else { continue };
            let sent = match kind {
                0..24 => self.precommit(at, miner, recorded),
                24..48 => self.prove(at, miner, recorded),
                _ => self.about_partition(kind, at, miner, recorded),
            };
            if let Some(sent) = sent {
                miner.stirred = true;
                self.sent.push(sent);
            }
        }
        std::mem::take(&mut self.sent)
    }

    /// The window `PoSts` of a miner, at an epoch of its own within the open deadline. Few miss it, some skip sectors.
    fn posts(&mut self, at: usize, miner: &mut Miner, recorded: &mut Recorded) {
        let (start, deadline) = miner.stock.calendar(self.height);
        let begin = start + deadline.cast_signed() * WINDOW;
        let when = mix(miner.stock.miner, begin.cast_unsigned());
        if self.height != begin + 4 + (when % 50).cast_signed() || (when / 50).is_multiple_of(200) {
            return;
        }
        let live: Vec<u64> = (0..miner.partition_count(deadline))
            .filter(|partition| miner.partition(deadline, *partition).live().next().is_some())
            .collect();
        for (nth, partitions) in live.chunks(IN_POST).enumerate() {
            let skips = nth == 0 && (when / 10_000).is_multiple_of(40);
            let skipped = |partition: &u64| match skips && *partition == partitions[0] {
                true => miner.partition(deadline, *partition).active().take(5).collect(),
                false => Vec::new(),
            };
            let posted: Vec<_> = partitions.iter().map(|at| (*at, skipped(at))).collect();
            miner.post(deadline, &posted, self.height, recorded);
            miner.stirred = true;
            self.sent.push(Sent::post(at, miner.stock.miner, deadline, &posted, self.height));
        }
    }

    fn precommit(&mut self, at: usize, miner: &mut Miner, recorded: &mut Recorded) -> Option<Sent> {
        let first = miner.next_number;
        let sectors: Vec<_> = (first..first + 1 + self.below(12))
            .map(|number| (number, miner.precommit(number, self.height)))
            .collect();
        recorded.precommitted += sectors.len();
        Some(Sent::precommit(at, miner.stock.miner, &sectors, self.height))
    }

    fn prove(&mut self, at: usize, miner: &mut Miner, recorded: &mut Recorded) -> Option<Sent> {
        let ripe = self.height - CHALLENGE_DELAY;
        let most = 1 + self.below(10) as usize;
        let ready = miner.precommitted.iter().filter(|(_, (epoch, _))| *epoch < ripe);
        let numbers: Vec<u64> = ready.map(|(number, _)| *number).take(most).collect();
        let deadline = self.deadline(at, miner)?;
        if numbers.is_empty() {
            return None;
        }
        miner.prove(&numbers, deadline, self.height);
        recorded.onboarded += numbers.len();
        Some(Sent::prove(at, miner.stock.miner, &numbers))
    }

    /// A deadline that messages may be about, and none is yet.
    fn deadline(&mut self, at: usize, miner: &Miner) -> Option<u64> {
        let (_, open) = miner.stock.calendar(self.height);
        let deadline = (open + AHEAD + self.below(DEADLINES - 2 * AHEAD)) % DEADLINES;
        self.busy.insert((at, deadline)).then_some(deadline)
    }

    fn about_partition(
        &mut self,
        kind: u64,
        at: usize,
        miner: &mut Miner,
        recorded: &mut Recorded,
    ) -> Option<Sent> {
        let deadline = self.deadline(at, miner)?;
        let place = (deadline, self.below(miner.partition_count(deadline)));
        let partition = miner.partition(place.0, place.1);
        let most = 1 + self.below(30) as usize;
        let some: Vec<u64> = partition.active().take(most).collect();
        let (id, height) = (miner.stock.miner, self.height);
        match kind {
            48..52 => self.snap(at, miner, place, &partition, recorded),
            52..55 => {
                let leaves =
                    some.iter().filter_map(|number| miner.sector(*number)).map(|of| of.expiration).max()?;
                let to = leaves + PERIOD * (1 + self.below(300)).cast_signed();
                miner.extend(place.0, place.1, &some, (height, to));
                recorded.extended += some.len();
                Some(Sent::extend(at, id, place, &some, to))
            }
            55 => {
                (!some.is_empty()).then(|| miner.terminate(place.0, place.1, &some))?;
                recorded.terminated += some.len();
                Some(Sent::places(at, id, 9, place, &some))
            }
            56 => {
                (!some.is_empty()).then(|| miner.declare(place.0, place.1, &some, height))?;
                recorded.faults += some.len();
                Some(Sent::places(at, id, 10, place, &some))
            }
            _ => {
                let faulty: Vec<u64> = partition.faults.keys().copied().collect();
                (!faulty.is_empty()).then(|| miner.recover(place.0, place.1))?;
                Some(Sent::places(at, id, 11, place, &faulty))
            }
        }
    }

    fn snap(
        &self,
        at: usize,
        miner: &mut Miner,
        place: (u64, u64),
        partition: &Partition,
        recorded: &mut Recorded,
    ) -> Option<Sent> {
        let empty = |number: &u64| miner.sector(*number).is_some_and(|sector| !sector.verified);
        let number = partition.active().find(empty)?;
        let sealed = snapped(&miner.sector(number)?);
        miner.snap(place.0, place.1, number, self.height);
        recorded.snapped += 1;
        Some(Sent::snap(at, miner.stock.miner, place, (number, sealed)))
    }

    fn other(&mut self) {
        let accounts = self.options.accounts as u64;
        let (from, to) = (self.below(accounts) as usize, self.below(accounts) as usize);
        // Contracts send nothing by themselves.
        let from = from - usize::from(from % 50 == 49);
        let seed = self.below(u64::MAX);
        self.sent.push(Sent::other(from, address(to), seed));
        self.paid.push(to);
    }
}
