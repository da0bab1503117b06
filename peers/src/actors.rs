//! The state of each actors version: read by the peers, and made by them.
//!
//! What the peers read is put into this project's own types, so that it can be compared with `==`. What they make
//! has something in every field, chosen by a seed: fields that this project steps over must be there, too.

// One text is written for all versions: in some of them an error need not be converted, or a struct is full already.
#![allow(clippy::needless_question_mark, clippy::needless_update)]

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use chain::state::{DealProposal, PowerPair, Precommit, Sector};
use chain::{Bytes, Epoch, MinerId, SectorNumber, SectorSet};
use cid::Cid;
use fvm_ipld_amt::Amt;
use fvm_ipld_bitfield::BitField;
use fvm_ipld_encoding::CborStore;
use fvm_ipld_hamt::{BytesKey, Hamt};
use multihash_codetable::Code::Blake2b256;
use serde::{Deserialize, Serialize};

use crate::random::Random;
use crate::store::{Memory, Seen};

/// Bits per level of all maps.
pub(crate) const MAP_WIDTH: u32 = 5;
/// Bits per level of arrays of sectors and of deal proposals.
const WIDE: u32 = 5;
/// Bits per level of partitions' queues of expirations.
const QUEUE_WIDTH: u32 = 4;
/// Bits per level of partitions and of what was terminated early.
const NARROW: u32 = 3;
const DEADLINES: u64 = 48;

/// What the peers read of a miner.
#[derive(Debug)]
pub struct MinerSeen {
    /// First epoch of its proving period.
    pub proving_period_start: Epoch,
    /// The deadline its cron last opened.
    pub current_deadline: u64,
    /// Its sectors with the bytes of their sealed CIDs, by number.
    pub sectors: Vec<(Sector, Vec<u8>)>,
    /// Its pre-commits.
    pub precommits: BTreeMap<SectorNumber, Precommit>,
    /// Its deadlines.
    pub deadlines: Vec<DeadlineSeen>,
}

/// What the peers read of a deadline.
#[derive(Debug)]
pub struct DeadlineSeen {
    /// Partitions whose window `PoSt` is in.
    pub posted: SectorSet,
    /// Its partitions, by index.
    pub partitions: BTreeMap<u64, PartitionSeen>,
}

/// What the peers read of a partition.
#[derive(Debug)]
pub struct PartitionSeen {
    /// All sectors, unproven, faulty, recovering and terminated ones.
    pub sets: [SectorSet; 5],
    /// Root of its queue of expirations.
    pub queue: Cid,
}

/// Which sectors leave when: epoch, those on time, those early.
pub type Queue = Vec<(Epoch, SectorSet, SectorSet)>;

/// The state crates of one actors version.
pub trait Actors: Sync {
    /// Its number.
    fn version(&self) -> u8;

    /// The whole state of a miner.
    ///
    /// # Errors
    /// If a block is missing or is not what the peer expects.
    fn miner(&self, store: Seen<'_>, head: &Cid) -> Result<MinerSeen>;

    /// One sector of a miner.
    ///
    /// # Errors
    /// As [`Actors::miner`].
    fn sector(&self, store: Seen<'_>, head: &Cid, number: SectorNumber) -> Result<Option<(Sector, Vec<u8>)>>;

    /// One pre-commit of a miner.
    ///
    /// # Errors
    /// As [`Actors::miner`].
    fn precommit(&self, store: Seen<'_>, head: &Cid, number: SectorNumber) -> Result<Option<Precommit>>;

    /// One partition of a miner.
    ///
    /// # Errors
    /// As [`Actors::miner`].
    fn partition(
        &self,
        store: Seen<'_>,
        head: &Cid,
        deadline: u64,
        index: u64,
    ) -> Result<Option<PartitionSeen>>;

    /// A queue of expirations.
    ///
    /// # Errors
    /// As [`Actors::miner`].
    fn queue(&self, store: Seen<'_>, root: &Cid) -> Result<Queue>;

    /// The claims in the power actor's state.
    ///
    /// # Errors
    /// As [`Actors::miner`].
    fn claims(&self, store: Seen<'_>, head: &Cid) -> Result<BTreeMap<MinerId, PowerPair>>;

    /// One claim in the power actor's state.
    ///
    /// # Errors
    /// As [`Actors::miner`].
    fn claim(&self, store: Seen<'_>, head: &Cid, miner: MinerId) -> Result<Option<PowerPair>>;

    /// The proposals in the market actor's state.
    ///
    /// # Errors
    /// As [`Actors::miner`].
    fn proposals(&self, store: Seen<'_>, head: &Cid) -> Result<BTreeMap<u64, DealProposal>>;

    /// Makes a miner with about that many sectors.
    ///
    /// # Errors
    /// If the peer refuses.
    fn make_miner(&self, store: &Memory, random: &mut Random, sectors: u64) -> Result<Cid>;

    /// Makes a miner that has done nothing yet.
    ///
    /// # Errors
    /// If the peer refuses.
    fn make_empty_miner(&self, store: &Memory) -> Result<Cid>;

    /// Makes a miner that differs from `head` in some sectors: changed, gone and new ones.
    ///
    /// # Errors
    /// If the peer refuses.
    fn change_miner(&self, store: &Memory, random: &mut Random, head: &Cid) -> Result<Cid>;

    /// Makes a power actor with claims of these miners.
    ///
    /// # Errors
    /// If the peer refuses.
    fn make_power(&self, store: &Memory, random: &mut Random, miners: &[MinerId]) -> Result<Cid>;

    /// Makes a market with that many proposals.
    ///
    /// # Errors
    /// If the peer refuses.
    fn make_market(&self, store: &Memory, random: &mut Random, proposals: u64) -> Result<Cid>;
}

/// The crates for an actors version.
#[must_use]
pub fn of(version: u8) -> Option<&'static dyn Actors> {
    ALL.into_iter().find(|actors| actors.version() == version)
}

/// All versions there are crates for.
pub static ALL: [&dyn Actors; 12] = [&V8, &V9, &V10, &V11, &V12, &V13, &V14, &V15, &V16, &V17, &V18, &V19];

/// A sector as it is stored: in its version's form, or in the shorter one of versions before.
#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Stored<New, Old> {
    New(New),
    Old(Old),
}

/// Amounts of the three generations of `fvm_shared`.
trait Amount {
    fn of(atto: u128) -> Self;
}

macro_rules! amounts {
    ($($generation:ident)*) => {
        $(impl Amount for $generation::econ::TokenAmount {
            fn of(atto: u128) -> Self {
                Self::from_atto(atto)
            }
        })*
    };
}

amounts!(fvm_shared2 fvm_shared3 fvm_shared4);

fn amount<A: Amount>(random: &mut Random) -> A {
    A::of(random.quantity())
}

fn amount_or_none<A: Amount>(random: &mut Random) -> Option<A> {
    (!random.once_in(2)).then(|| amount(random))
}

fn deals(random: &mut Random) -> Vec<u64> {
    (0..random.below(4)).map(|_| random.below(1 << 26)).collect()
}

fn set(bits: &BitField) -> SectorSet {
    SectorSet::from_numbers(bits.iter().collect())
}

fn number_of(key: &[u8]) -> Option<u64> {
    key.iter().rev().try_fold(0_u64, |number, byte| Some(number.checked_mul(128)? | u64::from(byte & 0x7f)))
}

fn key_of(mut number: u64) -> BytesKey {
    let mut key = Vec::new();
    while number >= 128 {
        key.push(number as u8 | 0x80);
        number >>= 7;
    }
    key.push(number as u8);
    BytesKey(key)
}

/// The crates of one version. Where versions differ, the difference is given.
macro_rules! actors {
    (
        $name:ident: $version:literal $module:ident, $fvm:ident, $proofs:literal proofs
        $(, shorter form $short:ident)? $(, precommits $precommit:ident)?;
        power base: $power_base:expr,
        full qap: $full_qap:expr,
        weights: $weights:expr,
        sector: $fill_sector:expr,
        deadline: $fill_deadline:expr,
        expirations: $fill_expirations:expr,
        power: $fill_power:expr,
    ) => {
        mod $module {
            use super::*;
            use fil_actor_market_state::$module as market;
            use fil_actor_miner_state::$module as miner;
            use fil_actor_power_state::$module as power;
            use fil_actors_shared::$module::runtime::Policy;
            use $fvm::address::Address;
            use $fvm::bigint::BigInt;
            use $fvm::sector::{RegisteredPoStProof, RegisteredSealProof};

            #[doc = concat!("The state crates of actors v", $version, ".")]
            pub(super) struct $name;

            type Short = actors!(@short $($short)?);

            fn number(value: &BigInt) -> Result<i128> {
                Ok(i128::try_from(value.clone())?)
            }

            fn size(proof: RegisteredSealProof) -> Result<Bytes> {
                Ok(Bytes(proof.sector_size().map_err(anyhow::Error::msg)? as i128))
            }

            fn seen_sector(info: &miner::SectorOnChainInfo) -> Result<(Sector, Vec<u8>)> {
                let power_base: fn(&miner::SectorOnChainInfo) -> i64 = $power_base;
                let full_qap: fn(&miner::SectorOnChainInfo) -> bool = $full_qap;
                let sector = Sector {
                    number: SectorNumber(info.sector_number),
                    size: size(info.seal_proof)?,
                    activation: Epoch(info.activation),
                    expiration: Epoch(info.expiration),
                    power_base: Epoch(power_base(info)),
                    deal_weight: number(&info.deal_weight)?,
                    verified_weight: number(&info.verified_deal_weight)?,
                    full_qap: full_qap(info),
                };
                Ok((sector, info.sealed_cid.to_bytes()))
            }

            fn seen_precommit(precommit: &miner::SectorPreCommitOnChainInfo) -> Result<Precommit> {
                let weights: fn(&miner::SectorPreCommitOnChainInfo) -> Option<[&BigInt; 2]> = $weights;
                let weights = weights(precommit)
                    .map(|[deals, verified]| anyhow::Ok((number(deals)?, number(verified)?)))
                    .transpose()?;
                Ok(Precommit {
                    number: SectorNumber(precommit.info.sector_number),
                    size: size(precommit.info.seal_proof)?,
                    epoch: Epoch(precommit.pre_commit_epoch),
                    expiration: Epoch(precommit.info.expiration),
                    deals: precommit.info.deal_ids.clone(),
                    // Up to actors v6 alone.
                    replaces: None,
                    weights,
                })
            }

            fn seen_partition(partition: &miner::Partition) -> PartitionSeen {
                let miner::Partition { sectors, unproven, faults, recoveries, terminated, .. } = partition;
                PartitionSeen {
                    sets: [sectors, unproven, faults, recoveries, terminated].map(set),
                    queue: partition.expirations_epochs,
                }
            }

            fn seen_claim(claim: &power::Claim) -> Result<PowerPair> {
                Ok(PowerPair {
                    raw: Bytes(number(&claim.raw_byte_power)?),
                    quality_adjusted: Bytes(number(&claim.quality_adj_power)?),
                })
            }

            fn state(store: Seen<'_>, head: &Cid) -> Result<miner::State> {
                store.get_cbor(head)?.context("no state of a miner")
            }

            fn deadline(store: Seen<'_>, state: &miner::State, index: u64) -> Result<miner::Deadline> {
                let deadlines: miner::Deadlines = store.get_cbor(&state.deadlines)?.context("no deadlines")?;
                store.get_cbor(&deadlines.due[index as usize])?.context("no deadline")
            }

            fn power_pair(random: &mut Random) -> miner::PowerPair {
                miner::PowerPair::new(BigInt::from(random.quantity()), BigInt::from(random.quantity()))
            }

            pub(super) fn make_sector(random: &mut Random, number: u64) -> miner::SectorOnChainInfo {
                let fill: fn(&mut miner::SectorOnChainInfo, &mut Random) = $fill_sector;
                let mut sector = miner::SectorOnChainInfo {
                    sector_number: number,
                    seal_proof: RegisteredSealProof::from(random.below($proofs) as i64),
                    sealed_cid: random.sealed(),
                    activation: random.epoch(),
                    expiration: random.epoch(),
                    deal_weight: BigInt::from(random.quantity()),
                    verified_deal_weight: BigInt::from(random.quantity()),
                    initial_pledge: amount(random),
                    sector_key_cid: random.once_in(3).then(|| random.sealed()),
                    ..Default::default()
                };
                fill(&mut sector, random);
                sector
            }

            fn make_precommit(random: &mut Random, sector_number: u64) -> miner::SectorPreCommitOnChainInfo {
                let seal_proof = RegisteredSealProof::from(random.below($proofs) as i64);
                let (sealed_cid, seal_rand_epoch) = (random.sealed(), random.epoch());
                let (deal_ids, expiration) = (deals(random), random.epoch());
                actors!(@precommit $($precommit)? miner random {
                    seal_proof, sector_number, sealed_cid, seal_rand_epoch, deal_ids, expiration
                })
            }

            fn make_queue(store: &Memory, random: &mut Random, numbers: &[u64]) -> Result<Cid> {
                let fill: fn(&mut miner::ExpirationSet, &mut Random) = $fill_expirations;
                let mut queue = Amt::new_with_bit_width(store, QUEUE_WIDTH);
                for _ in 0..random.below(12) {
                    let mut expirations = miner::ExpirationSet {
                        on_time_sectors: random.some_of(numbers, 3),
                        early_sectors: random.some_of(numbers, 5),
                        on_time_pledge: amount(random),
                        active_power: power_pair(random),
                        faulty_power: power_pair(random),
                        ..Default::default()
                    };
                    fill(&mut expirations, random);
                    queue.set(random.epoch() as u64, expirations)?;
                }
                Ok(queue.flush()?)
            }

            fn make_partition(
                store: &Memory,
                random: &mut Random,
                numbers: &[u64],
            ) -> Result<miner::Partition> {
                let mut early = Amt::new_with_bit_width(store, NARROW);
                early.set(random.epoch() as u64, random.some_of(numbers, 9))?;
                let mut partition = miner::Partition::new(store)?;
                partition.sectors = random.some_of(numbers, 1);
                partition.unproven = random.some_of(numbers, 4);
                partition.faults = random.some_of(numbers, 3);
                partition.recoveries = random.some_of(numbers, 8);
                partition.terminated = random.some_of(numbers, 5);
                partition.expirations_epochs = make_queue(store, random, numbers)?;
                partition.early_terminated = early.flush()?;
                partition.live_power = power_pair(random);
                partition.unproven_power = power_pair(random);
                partition.faulty_power = power_pair(random);
                partition.recovering_power = power_pair(random);
                Ok(partition)
            }

            fn make_deadline(store: &Memory, random: &mut Random, numbers: &[u64]) -> Result<Cid> {
                let fill: fn(&mut miner::Deadline, &mut Random) = $fill_deadline;
                let mut partitions = Amt::new_with_bit_width(store, NARROW);
                for (index, numbers) in (0..).zip(numbers.chunks(40)) {
                    // Of some deadlines the array is two nodes high.
                    let index = if numbers.len() % 2 == 0 { index } else { index * 5 };
                    partitions.set(index, make_partition(store, random, numbers)?)?;
                }
                let mut deadline = miner::Deadline::new(store)?;
                deadline.partitions = partitions.flush()?;
                deadline.partitions_posted = random.some_of(&[0, 1, 2, 3, 5, 10], 2);
                deadline.early_terminations = random.some_of(&[0, 1, 2, 3, 5, 10], 2);
                deadline.live_sectors = random.below(1 << 20);
                deadline.total_sectors = random.below(1 << 20);
                deadline.faulty_power = power_pair(random);
                fill(&mut deadline, random);
                Ok(store.put_cbor(&deadline, Blake2b256)?)
            }

            fn new_state(store: &Memory, info: Cid, start: i64, deadline: u64) -> Result<miner::State> {
                Ok(miner::State::new(&Policy::default(), store, info, start, deadline)?)
            }

            impl Actors for $name {
                fn version(&self) -> u8 {
                    $version
                }

                fn miner(&self, store: Seen<'_>, head: &Cid) -> Result<MinerSeen> {
                    let state = state(store, head)?;
                    let mut sectors = Vec::new();
                    miner::Sectors::load(&store, &state.sectors)?.amt.for_each_cacheless(|index, info| {
                        anyhow::ensure!(index == info.sector_number, "sector {index} under another number");
                        sectors.push(seen_sector(info)?);
                        Ok(())
                    })?;
                    let mut precommits = BTreeMap::new();
                    let map: Hamt<_, miner::SectorPreCommitOnChainInfo> =
                        Hamt::load_with_bit_width(&state.pre_committed_sectors, store, MAP_WIDTH)?;
                    map.for_each(|key, precommit| {
                        let number = SectorNumber(number_of(&key.0).context("a key that is no number")?);
                        precommits.insert(number, seen_precommit(precommit)?);
                        Ok(())
                    })?;
                    let mut deadlines = Vec::new();
                    for index in 0..DEADLINES {
                        let deadline = deadline(store, &state, index)?;
                        let mut partitions = BTreeMap::new();
                        let array: Amt<miner::Partition, _> = Amt::load(&deadline.partitions, store)?;
                        array.for_each(|index, partition| {
                            partitions.insert(index, seen_partition(partition));
                            Ok(())
                        })?;
                        deadlines.push(DeadlineSeen { posted: set(&deadline.partitions_posted), partitions });
                    }
                    Ok(MinerSeen {
                        proving_period_start: Epoch(state.proving_period_start),
                        current_deadline: state.current_deadline,
                        sectors,
                        precommits,
                        deadlines,
                    })
                }

                fn sector(
                    &self,
                    store: Seen<'_>,
                    head: &Cid,
                    number: SectorNumber,
                ) -> Result<Option<(Sector, Vec<u8>)>> {
                    let sectors = miner::Sectors::load(&store, &state(store, head)?.sectors)?;
                    sectors.amt.get(number.0)?.map(seen_sector).transpose()
                }

                fn precommit(
                    &self,
                    store: Seen<'_>,
                    head: &Cid,
                    number: SectorNumber,
                ) -> Result<Option<Precommit>> {
                    let root = state(store, head)?.pre_committed_sectors;
                    let map: Hamt<_, miner::SectorPreCommitOnChainInfo> =
                        Hamt::load_with_bit_width(&root, store, MAP_WIDTH)?;
                    map.get(&key_of(number.0))?.map(seen_precommit).transpose()
                }

                fn partition(
                    &self,
                    store: Seen<'_>,
                    head: &Cid,
                    at: u64,
                    index: u64,
                ) -> Result<Option<PartitionSeen>> {
                    let root = deadline(store, &state(store, head)?, at)?.partitions;
                    let partitions: Amt<miner::Partition, _> = Amt::load(&root, store)?;
                    Ok(partitions.get(index)?.map(seen_partition))
                }

                fn queue(&self, store: Seen<'_>, root: &Cid) -> Result<Queue> {
                    let mut queue = Vec::new();
                    Amt::<miner::ExpirationSet, _>::load(root, store)?.for_each(|epoch, due| {
                        let epoch = Epoch(i64::try_from(epoch)?);
                        queue.push((epoch, set(&due.on_time_sectors), set(&due.early_sectors)));
                        Ok(())
                    })?;
                    Ok(queue)
                }

                fn claims(&self, store: Seen<'_>, head: &Cid) -> Result<BTreeMap<MinerId, PowerPair>> {
                    let state: power::State = store.get_cbor(head)?.context("no power actor")?;
                    let map: Hamt<_, power::Claim> =
                        Hamt::load_with_bit_width(&state.claims, store, MAP_WIDTH)?;
                    let mut claims = BTreeMap::new();
                    map.for_each(|key, claim| {
                        let miner = MinerId(Address::from_bytes(&key.0)?.id()?);
                        claims.insert(miner, seen_claim(claim)?);
                        Ok(())
                    })?;
                    Ok(claims)
                }

                fn claim(
                    &self,
                    store: Seen<'_>,
                    head: &Cid,
                    miner: MinerId,
                ) -> Result<Option<PowerPair>> {
                    let state: power::State = store.get_cbor(head)?.context("no power actor")?;
                    let map: Hamt<_, power::Claim> =
                        Hamt::load_with_bit_width(&state.claims, store, MAP_WIDTH)?;
                    let key = BytesKey(Address::new_id(miner.0).to_bytes());
                    map.get(&key)?.map(seen_claim).transpose()
                }

                fn proposals(&self, store: Seen<'_>, head: &Cid) -> Result<BTreeMap<u64, DealProposal>> {
                    let state: market::State = store.get_cbor(head)?.context("no market")?;
                    let mut proposals = BTreeMap::new();
                    Amt::<market::DealProposal, _>::load(&state.proposals, store)?.for_each(|deal, found| {
                        let proposal = DealProposal {
                            size: found.piece_size.0,
                            verified: found.verified_deal,
                            start: Epoch(found.start_epoch),
                            end: Epoch(found.end_epoch),
                        };
                        proposals.insert(deal, proposal);
                        Ok(())
                    })?;
                    Ok(proposals)
                }

                fn make_miner(&self, store: &Memory, random: &mut Random, sectors: u64) -> Result<Cid> {
                    let spec = miner::VestSpec {
                        initial_delay: 10,
                        vest_period: 100,
                        step_duration: 10,
                        quantization: 10,
                    };
                    let (info, start) = (random.sealed(), random.epoch());
                    let mut state = new_state(store, info, start, random.below(DEADLINES))?;
                    // Numbers lie close together at first, then far apart.
                    let spread = |number: u64| if number < sectors / 2 { number } else { number * number };
                    let numbers: Vec<u64> =
                        (0..sectors).filter(|_| !random.once_in(5)).map(spread).collect();
                    let mut array = Amt::new_with_bit_width(store, WIDE);
                    for number in &numbers {
                        $(if random.once_in(3) {
                            let sector = super::$short::make_sector(random, *number);
                            array.set(*number, Stored::Old(sector))?;
                            continue;
                        })?
                        let sector: Stored<_, Short> = Stored::New(make_sector(random, *number));
                        array.set(*number, sector)?;
                    }
                    state.sectors = array.flush()?;
                    let precommitted: BTreeSet<u64> = (0..sectors / 4).map(|_| random.any() >> 20).collect();
                    let precommits = precommitted.iter().map(|number| make_precommit(random, *number));
                    state.put_precommitted_sectors(store, precommits.collect())?;
                    let mut deadlines = miner::Deadlines { due: Vec::new() };
                    let share = numbers.len().div_ceil(DEADLINES as usize / 2).max(1);
                    let mut shares = numbers.chunks(share);
                    for _ in 0..DEADLINES {
                        let numbers = if random.once_in(3) { &[] } else { shares.next().unwrap_or_default() };
                        deadlines.due.push(make_deadline(store, random, numbers)?);
                    }
                    state.deadlines = store.put_cbor(&deadlines, Blake2b256)?;
                    state.pre_commit_deposits = amount(random);
                    state.fee_debt = amount(random);
                    state.initial_pledge = amount(random);
                    state.add_locked_funds(store, start, &amount(random), &spec)?;
                    state.early_terminations = random.some_of(&[0, 1, 2, 7, 40], 2);
                    state.deadline_cron_active = random.once_in(2);
                    Ok(store.put_cbor(&state, Blake2b256)?)
                }

                fn make_empty_miner(&self, store: &Memory) -> Result<Cid> {
                    let state = new_state(store, Random::new(0).sealed(), 0, 0)?;
                    Ok(store.put_cbor(&state, Blake2b256)?)
                }

                fn change_miner(&self, store: &Memory, random: &mut Random, head: &Cid) -> Result<Cid> {
                    let mut state: miner::State = store.get_cbor(head)?.context("no state of a miner")?;
                    let mut array: Amt<miner::SectorOnChainInfo, _> = Amt::load(&state.sectors, store)?;
                    let mut numbers = Vec::new();
                    array.for_each(|number, _| {
                        numbers.push(number);
                        Ok(())
                    })?;
                    for number in numbers.iter().copied().filter(|number| number % 17 == 3) {
                        if random.once_in(2) {
                            array.delete(number)?;
                        } else {
                            array.set(number, make_sector(random, number))?;
                        }
                    }
                    let beyond = numbers.last().map_or(0, |last| last + 1);
                    for number in beyond..beyond + 3 {
                        array.set(number, make_sector(random, number))?;
                    }
                    state.sectors = array.flush()?;
                    Ok(store.put_cbor(&state, Blake2b256)?)
                }

                fn make_power(
                    &self,
                    store: &Memory,
                    random: &mut Random,
                    miners: &[MinerId],
                ) -> Result<Cid> {
                    let fill: fn(&mut power::State, &mut Random) = $fill_power;
                    let mut claims = Hamt::<_, power::Claim>::new_with_bit_width(store, MAP_WIDTH);
                    for miner in miners {
                        let claim = power::Claim {
                            window_post_proof_type: RegisteredPoStProof::from(5 + random.below(5) as i64),
                            raw_byte_power: BigInt::from(random.quantity()),
                            quality_adj_power: BigInt::from(random.quantity()),
                        };
                        claims.set(BytesKey(Address::new_id(miner.0).to_bytes()), claim)?;
                    }
                    let mut state = power::State::new(store)?;
                    state.claims = claims.flush()?;
                    state.total_raw_byte_power = BigInt::from(random.quantity());
                    state.total_bytes_committed = BigInt::from(random.quantity());
                    state.total_quality_adj_power = BigInt::from(random.quantity());
                    state.total_qa_bytes_committed = BigInt::from(random.quantity());
                    state.total_pledge_collateral = amount(random);
                    state.this_epoch_raw_byte_power = BigInt::from(random.quantity());
                    state.this_epoch_quality_adj_power = BigInt::from(random.quantity());
                    state.this_epoch_pledge_collateral = amount(random);
                    state.miner_count = random.epoch();
                    state.miner_above_min_power_count = random.epoch();
                    state.first_cron_epoch = random.epoch();
                    state.proof_validation_batch = random.once_in(2).then(|| random.sealed());
                    fill(&mut state, random);
                    Ok(store.put_cbor(&state, Blake2b256)?)
                }

                fn make_market(&self, store: &Memory, random: &mut Random, proposals: u64) -> Result<Cid> {
                    let mut array = Amt::new_with_bit_width(store, WIDE);
                    for deal in (0..proposals).map(|deal| deal * deal) {
                        let label = match random.below(3) {
                            0 => market::Label::String(String::new()),
                            1 => market::Label::String("a label of some length, ∞".repeat(5)),
                            _ => market::Label::Bytes(random.sealed().to_bytes()),
                        };
                        let proposal = market::DealProposal {
                            piece_cid: random.unsealed(),
                            piece_size: $fvm::piece::PaddedPieceSize(128 << random.below(29)),
                            verified_deal: random.once_in(2),
                            client: Address::new_id(random.any() >> 30),
                            provider: Address::new_id(random.below(5000)),
                            label,
                            start_epoch: random.epoch(),
                            end_epoch: random.epoch(),
                            storage_price_per_epoch: amount(random),
                            provider_collateral: amount(random),
                            client_collateral: amount(random),
                        };
                        array.set(deal, proposal)?;
                    }
                    let mut state = market::State::new(store)?;
                    state.proposals = array.flush()?;
                    Ok(store.put_cbor(&state, Blake2b256)?)
                }
            }
        }

        use $module::$name;
    };
    (@short) => { () };
    (@short $short:ident) => { fil_actor_miner_state::$short::SectorOnChainInfo };
    (@precommit weighed $miner:ident $random:ident { $($field:ident),* }) => {
        $miner::SectorPreCommitOnChainInfo {
            info: $miner::SectorPreCommitInfo {
                $($field,)*
                replace_capacity: $random.once_in(2),
                replace_sector_deadline: $random.below(48),
                replace_sector_partition: $random.below(100),
                replace_sector_number: $random.any() >> 20,
            },
            pre_commit_deposit: amount($random),
            pre_commit_epoch: $random.epoch(),
            deal_weight: BigInt::from($random.quantity()),
            verified_deal_weight: BigInt::from($random.quantity()),
        }
    };
    (@precommit $miner:ident $random:ident { $($field:ident),* }) => {
        $miner::SectorPreCommitOnChainInfo {
            info: $miner::SectorPreCommitInfo {
                $($field,)*
                unsealed_cid: $miner::CompactCommD($random.once_in(2).then(|| $random.unsealed())),
            },
            pre_commit_deposit: amount($random),
            pre_commit_epoch: $random.epoch(),
        }
    };
}

actors! {
    V8: 8 v8, fvm_shared2, 10 proofs, precommits weighed;
    power base: |sector| sector.activation,
    full qap: |_| false,
    weights: |precommit| Some([&precommit.deal_weight, &precommit.verified_deal_weight]),
    sector: |sector, random| {
        sector.deal_ids = deals(random);
        sector.expected_day_reward = amount(random);
        sector.expected_storage_pledge = amount(random);
        sector.replaced_sector_age = random.epoch();
        sector.replaced_day_reward = amount(random);
    },
    deadline: |_, _| {},
    expirations: |_, _| {},
    power: |_, _| {},
}

/// Actors with the flag of simple QA power.
macro_rules! with_simple_qap {
    ($name:ident: $version:literal $module:ident, $fvm:ident) => {
        actors! {
            $name: $version $module, $fvm, 10 proofs;
            power base: |sector| sector.activation,
            full qap: |_| false,
            weights: |_| None,
            sector: |sector, random| {
                sector.deal_ids = deals(random);
                sector.expected_day_reward = amount(random);
                sector.expected_storage_pledge = amount(random);
                sector.replaced_sector_age = random.epoch();
                sector.replaced_day_reward = amount(random);
                sector.simple_qa_power = random.once_in(2);
            },
            deadline: |_, _| {},
            expirations: |_, _| {},
            power: |_, _| {},
        }
    };
}

with_simple_qap!(V9: 9 v9, fvm_shared2);
with_simple_qap!(V10: 10 v10, fvm_shared3);
with_simple_qap!(V11: 11 v11, fvm_shared3);

/// Actors with a power base epoch and sector flags.
macro_rules! with_power_base {
    ($name:ident: $version:literal $module:ident, $deals:ident, power: $power:expr) => {
        actors! {
            $name: $version $module, fvm_shared4, 20 proofs;
            power base: |sector| sector.power_base_epoch,
            full qap: |_| false,
            weights: |_| None,
            sector: |sector, random| {
                sector.$deals = deals(random);
                sector.expected_day_reward = amount(random);
                sector.expected_storage_pledge = amount(random);
                sector.power_base_epoch = random.epoch();
                sector.replaced_day_reward = amount(random);
                sector.flags = miner::SectorOnChainInfoFlags::from_bits_retain(random.below(2) as u32);
            },
            deadline: |_, _| {},
            expirations: |_, _| {},
            power: $power,
        }
    };
}

with_power_base!(V12: 12 v12, deal_ids, power: |_, _| {});
with_power_base!(V13: 13 v13, deprecated_deal_ids, power: |_, _| {});
with_power_base!(V14: 14 v14, deprecated_deal_ids, power: |_, _| {});
with_power_base!(V15: 15 v15, deprecated_deal_ids, power: |state, random| {
    state.ramp_start_epoch = random.epoch();
    state.ramp_duration_epochs = random.below(1 << 20);
});

/// Actors whose sectors pay a daily fee.
macro_rules! with_fees {
    ($name:ident: $version:literal $module:ident, flags below $flags:literal, full qap: $full_qap:expr) => {
        actors! {
            $name: $version $module, fvm_shared4, 20 proofs, shorter form v15;
            power base: |sector| sector.power_base_epoch,
            full qap: $full_qap,
            weights: |_| None,
            sector: |sector, random| {
                sector.deprecated_deal_ids = deals(random);
                sector.expected_day_reward = amount_or_none(random);
                sector.expected_storage_pledge = amount_or_none(random);
                sector.power_base_epoch = random.epoch();
                sector.replaced_day_reward = amount_or_none(random);
                sector.flags = miner::SectorOnChainInfoFlags::from_bits_retain(random.below($flags) as u32);
                sector.daily_fee = amount(random);
            },
            deadline: |deadline, random| {
                deadline.live_power = power_pair(random);
                deadline.daily_fee = amount(random);
            },
            expirations: |expirations, random| expirations.fee_deduction = amount(random),
            power: |state, random| {
                state.ramp_start_epoch = random.epoch();
                state.ramp_duration_epochs = random.below(1 << 20);
            },
        }
    };
}

with_fees!(V16: 16 v16, flags below 2, full qap: |_| false);
with_fees!(V17: 17 v17, flags below 2, full qap: |_| false);
with_fees!(V18: 18 v18, flags below 2, full qap: |_| false);
with_fees!(V19: 19 v19, flags below 4, full qap: |sector| sector.flags.bits() & 2 != 0);
