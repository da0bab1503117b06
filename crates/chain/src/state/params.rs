//! What a message asked of a miner actor: the parameters of the methods that change sectors.

use super::activation_manifest::{Activation, ReplicaUpdate, activations, non_interactive, updates};
use crate::bitfield::SectorSet;
use crate::cbor::Reader;
use crate::error::Result;
use crate::message::ExecutedMessage;
use crate::units::{Epoch, SectorNumber};

/// Some sectors of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionSectors {
    /// Deadline, 0 to 47.
    pub deadline: u64,
    /// Partition within the deadline.
    pub partition: u64,
    /// Sector numbers.
    pub sectors: SectorSet,
}

/// An extension of some sectors of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// The sectors it names, those with claims included.
    pub sectors: SectorSet,
    /// Of these, those with claims that it drops.
    pub drops_claims: SectorSet,
    /// The claims that it drops, each with the sector that holds it.
    pub dropped: Vec<(SectorNumber, u64)>,
    /// Their new expiration.
    pub expiration: Epoch,
}

/// An upgrade of some sectors of a partition to full quality (FIP-0118): from then on QAP is ten times the size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QualityUpgrade {
    /// The sectors it names. One that has full quality stays as it is.
    pub sectors: SectorSet,
    /// Their new expiration, where it is to move, too.
    pub expiration: Option<Epoch>,
}

/// What a successful message asked of a miner. Sectors that the answer says were refused are left out; lists of
/// sectors are in rising order, updates in the order of the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MinerCall {
    /// Methods 6, 25 and 28.
    Precommit(Vec<SectorNumber>),
    /// Methods 7, 26, 34 and 36.
    Prove(Vec<Activation>),
    /// Methods 27, 29 and 35.
    Update(Vec<ReplicaUpdate>),
    /// Methods 8 and 32.
    Extend(Vec<Extension>),
    /// Method 37, from actors v19.
    UpgradeQuality(Vec<QualityUpgrade>),
    /// Method 9.
    Terminate(Vec<PartitionSectors>),
    /// Method 10.
    DeclareFaults(Vec<PartitionSectors>),
    /// Method 11.
    DeclareRecoveries(Vec<PartitionSectors>),
    /// Method 5: a deadline, and for each partition the sectors skipped.
    Post {
        /// The deadline proven.
        deadline: u64,
        /// The partitions proven, and of each the sectors skipped.
        partitions: Vec<PartitionSectors>,
    },
    /// Method 24: a proof is disputed.
    Dispute {
        /// The deadline that it proved.
        deadline: u64,
        /// Which of the proofs accepted without a check it is.
        post: u64,
    },
    /// Method 15: a consensus fault is reported, for which actors v1 delete the miner.
    ReportConsensusFault,
    /// Any other method.
    Other,
}

impl MinerCall {
    /// What it asks to onboard of a sector, if it names that.
    #[must_use]
    pub fn proves(&self, sector: SectorNumber) -> Option<&Activation> {
        let Self::Prove(activations) = self else { return None };
        let at = activations.binary_search_by_key(&sector, |activation| activation.sector).ok()?;
        activations.get(at)
    }

    /// How many sectors it names; of ranges, all that are in them.
    #[must_use]
    pub fn named(&self) -> u64 {
        let of_sets = |sets: &mut dyn Iterator<Item = &SectorSet>| {
            sets.fold(0, |sum: u64, set| sum.saturating_add(set.len()))
        };
        match self {
            Self::Precommit(sectors) => sectors.len() as u64,
            Self::Prove(activations) => activations.len() as u64,
            Self::Update(updates) => updates.len() as u64,
            Self::Extend(extensions) => of_sets(&mut extensions.iter().map(|one| &one.sectors)),
            Self::UpgradeQuality(upgrades) => of_sets(&mut upgrades.iter().map(|one| &one.sectors)),
            Self::Terminate(places) | Self::DeclareFaults(places) | Self::DeclareRecoveries(places) => {
                of_sets(&mut places.iter().map(|one| &one.sectors))
            }
            Self::Post { partitions, .. } => of_sets(&mut partitions.iter().map(|one| &one.sectors)),
            Self::Dispute { .. } | Self::ReportConsensusFault | Self::Other => 1,
        }
    }

    /// How much there is to look through, and to keep: its items, and the runs of their sets.
    #[must_use]
    pub fn items(&self) -> u64 {
        let of_sets =
            |sets: &mut dyn Iterator<Item = &SectorSet>| sets.fold(0, |sum, set| sum + 1 + set.runs() as u64);
        match self {
            Self::Precommit(sectors) => sectors.len() as u64,
            Self::Prove(activations) => activations.iter().map(|one| 1 + one.pieces.len() as u64).sum(),
            Self::Update(updates) => updates.iter().map(|one| 1 + one.data.items()).sum(),
            Self::Extend(extensions) => {
                let sets = extensions.iter().flat_map(|one| [&one.sectors, &one.drops_claims]);
                of_sets(&mut { sets }) + extensions.iter().map(|one| one.dropped.len() as u64).sum::<u64>()
            }
            Self::UpgradeQuality(upgrades) => of_sets(&mut upgrades.iter().map(|one| &one.sectors)),
            Self::Terminate(places) | Self::DeclareFaults(places) | Self::DeclareRecoveries(places) => {
                of_sets(&mut places.iter().map(|one| &one.sectors))
            }
            Self::Post { partitions, .. } => of_sets(&mut partitions.iter().map(|one| &one.sectors)),
            Self::Dispute { .. } | Self::ReportConsensusFault | Self::Other => 1,
        }
    }

    /// Decodes what an executed message asked. A message that failed, or to a method that changes no sectors, is
    /// [`MinerCall::Other`].
    ///
    /// # Errors
    /// If the parameters do not decode, which the actor would not have accepted.
    pub fn of(executed: &ExecutedMessage) -> Result<Self> {
        if executed.failed() {
            return Ok(Self::Other);
        }
        Self::decode(executed.message.method, &executed.message.params, executed.returned())
    }

    /// Decodes what a call of that method with these parameters asked; `returned` is what it answered, or empty where
    /// that is not known.
    ///
    /// # Errors
    /// If the parameters do not decode, which the actor would not have accepted.
    pub fn decode(method: u64, params: &[u8], returned: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(params);
        Ok(match method {
            5 => post(&mut reader)?,
            6 => Self::Precommit(vec![number_at(&mut reader, 1)?]),
            7 => Self::Prove(vec![Activation::of(number_at(&mut reader, 0)?)]),
            25 | 28 => Self::Precommit(sorted(numbers(&mut reader, 1)?)),
            26 => {
                reader.array()?;
                Self::Prove(bounded(&SectorSet::decode(reader.bytes()?)?))
            }
            34 => Self::Prove(in_order(accepted(activations(&mut reader)?, returned))),
            36 => Self::Prove(in_order(accepted(non_interactive(&mut reader)?, returned))),
            27 | 29 => Self::Update(updated(updates(&mut reader, method)?, returned)),
            35 => Self::Update(accepted(updates(&mut reader, method)?, returned)),
            8 => Self::Extend(extensions(&mut reader, false)?),
            32 => Self::Extend(extensions(&mut reader, true)?),
            37 => Self::UpgradeQuality(quality_upgrades(&mut reader)?),
            9 => Self::Terminate(places(&mut reader)?),
            10 => Self::DeclareFaults(places(&mut reader)?),
            11 => Self::DeclareRecoveries(places(&mut reader)?),
            24 => {
                reader.array()?;
                Self::Dispute { deadline: reader.uint()?, post: reader.uint()? }
            }
            15 => Self::ReportConsensusFault,
            _ => Self::Other,
        })
    }
}

/// Sectors an aggregate can name (819), with room to spare: a bound on what a bitfield unfolds to.
const MOST_AGGREGATED: usize = 1 << 12;

fn sorted(mut sectors: Vec<SectorNumber>) -> Vec<SectorNumber> {
    sectors.sort_unstable();
    sectors
}

fn in_order(mut activations: Vec<Activation>) -> Vec<Activation> {
    activations.sort_by_key(|activation| activation.sector);
    activations
}

fn bounded(set: &SectorSet) -> Vec<Activation> {
    set.iter().take(MOST_AGGREGATED).map(|number| Activation::of(SectorNumber(number))).collect()
}

/// The sector number at a position of a tuple, the rest of which is skipped.
fn number_at(reader: &mut Reader<'_>, position: u64) -> Result<SectorNumber> {
    let mut number = SectorNumber(0);
    for field in 0..reader.array()? {
        if field == position {
            number = SectorNumber(reader.uint()?);
        } else {
            reader.skip()?;
        }
    }
    Ok(number)
}

/// Sector numbers at a position of each tuple in the first field.
fn numbers(reader: &mut Reader<'_>, position: u64) -> Result<Vec<SectorNumber>> {
    reader.array()?;
    (0..reader.array()?).map(|_| number_at(reader, position)).collect()
}

fn place(reader: &mut Reader<'_>) -> Result<PartitionSectors> {
    reader.tuple(3)?;
    Ok(PartitionSectors {
        deadline: reader.uint()?,
        partition: reader.uint()?,
        sectors: SectorSet::decode(reader.bytes()?)?,
    })
}

fn places(reader: &mut Reader<'_>) -> Result<Vec<PartitionSectors>> {
    reader.array()?;
    (0..reader.array()?).map(|_| place(reader)).collect()
}

fn extensions(reader: &mut Reader<'_>, with_claims: bool) -> Result<Vec<Extension>> {
    reader.array()?;
    (0..reader.array()?)
        .map(|_| {
            reader.array()?;
            reader.skip_many(2)?; // deadline, partition
            let mut sectors = SectorSet::decode(reader.bytes()?)?;
            let mut dropped = Vec::new();
            if with_claims {
                let (claimed, dropping) = claims(reader)?;
                sectors = sectors.union(&claimed);
                dropped = dropping;
            }
            let dropping = dropped.iter().map(|(sector, _)| sector.0).collect();
            let drops_claims = SectorSet::from_numbers(dropping);
            Ok(Extension { sectors, drops_claims, dropped, expiration: Epoch(reader.int()?) })
        })
        .collect()
}

/// `[[[deadline, partition, sectors, new expiration or null], …]]`.
fn quality_upgrades(reader: &mut Reader<'_>) -> Result<Vec<QualityUpgrade>> {
    reader.array()?;
    (0..reader.array()?)
        .map(|_| {
            reader.tuple(4)?;
            reader.skip_many(2)?; // deadline, partition
            let sectors = SectorSet::decode(reader.bytes()?)?;
            let expiration = if reader.null()? { None } else { Some(Epoch(reader.int()?)) };
            Ok(QualityUpgrade { sectors, expiration })
        })
        .collect()
}

/// `[[sector, [claims kept], [claims dropped]], …]`: all sectors, and the claims dropped.
fn claims(reader: &mut Reader<'_>) -> Result<(SectorSet, Vec<(SectorNumber, u64)>)> {
    let (mut all, mut dropped) = (Vec::new(), Vec::new());
    for _ in 0..reader.array()? {
        reader.tuple(3)?;
        let sector = SectorNumber(reader.uint()?);
        all.push(sector.0);
        reader.skip()?;
        for _ in 0..reader.array()? {
            dropped.push((sector, reader.uint()?));
        }
    }
    Ok((SectorSet::from_numbers(all), dropped))
}

fn post(reader: &mut Reader<'_>) -> Result<MinerCall> {
    reader.array()?;
    let deadline = reader.uint()?;
    let partitions = (0..reader.array()?)
        .map(|_| {
            reader.tuple(2)?;
            Ok(PartitionSectors {
                deadline,
                partition: reader.uint()?,
                sectors: SectorSet::decode(reader.bytes()?)?,
            })
        })
        .collect::<Result<_>>()?;
    Ok(MinerCall::Post { deadline, partitions })
}

/// Leaves out what a batch return `[successes, [[index, code], …]]` says failed; an answer of another form
/// says nothing.
fn accepted<T>(asked: Vec<T>, returned: &[u8]) -> Vec<T> {
    let failures = || -> Result<Vec<u64>> {
        let mut reader = Reader::new(returned);
        // The batch return may stand alone or as the only field of a tuple.
        if reader.array()? == 1 && reader.next_is_array()? {
            reader.array()?;
        }
        reader.uint()?;
        (0..reader.array()?)
            .map(|_| {
                reader.tuple(2)?;
                let index = reader.uint()?;
                reader.uint()?;
                Ok(index)
            })
            .collect()
    };
    match failures().map(SectorSet::from_numbers) {
        Ok(failed) => {
            (0..).zip(asked).filter(|(index, _)| !failed.contains(*index)).map(|(_, one)| one).collect()
        }
        Err(_) => asked,
    }
}

/// Keeps what the answer, a bitfield of the sectors updated, names; an answer of another form says nothing.
fn updated(mut updates: Vec<ReplicaUpdate>, returned: &[u8]) -> Vec<ReplicaUpdate> {
    if let Ok(done) = Reader::new(returned).bytes().and_then(SectorSet::decode) {
        updates.retain(|update| done.contains(update.sector.0));
    }
    updates
}

#[cfg(test)]
mod tests {
    use cid::Cid;

    use super::super::activation_manifest::SectorData;
    use super::*;
    use crate::address::Address;
    use crate::message::{Message, Receipt};
    use crate::testing::{array, bytes, uint};

    fn executed(method: u64, params: &[u8], exit_code: i64) -> ExecutedMessage {
        let miner = Address::id(1000);
        let message = Message {
            cid: Cid::default(),
            unsigned: Cid::default(),
            to: miner.clone(),
            from: miner,
            nonce: 0,
            method,
            params: params.to_vec(),
        };
        ExecutedMessage { message, receipt: Some(Receipt { exit_code, returned: Vec::new() }) }
    }

    #[test]
    fn an_upgrade_of_quality_names_sectors_and_may_move_their_expiration() {
        // Deadline 2, partition 0, sector 7; deadline 3, partition 1, sector 7 until epoch 500.
        let in_place = [0x84, 0x02, 0x00, 0x42, 0xf0, 0x02, 0xf6];
        let longer = [0x84, 0x03, 0x01, 0x42, 0xf0, 0x02, 0x19, 0x01, 0xf4];
        let params = [&[0x81, 0x82][..], &in_place, &longer].concat();
        let sectors = SectorSet::from_numbers(vec![7]);
        let upgrades = vec![
            QualityUpgrade { sectors: sectors.clone(), expiration: None },
            QualityUpgrade { sectors, expiration: Some(Epoch(500)) },
        ];
        assert_eq!(
            MinerCall::of(&executed(37, &params, 0)).expect("it decodes"),
            MinerCall::UpgradeQuality(upgrades)
        );
        assert_eq!(MinerCall::of(&executed(37, &params, 16)).expect("it failed"), MinerCall::Other);
        assert!(MinerCall::of(&executed(37, &params[..9], 0)).is_err(), "cut off");
    }

    #[test]
    fn sectors_that_an_answer_refuses_are_left_out() {
        let sectors = || [9, 3, 7, 5].map(SectorNumber).to_vec();
        let failures = [array(&[uint(1), uint(16)]), array(&[uint(0), uint(16)])];
        let answer = array(&[uint(2), array(&failures)]);
        assert_eq!(accepted(sectors(), &answer), [7, 5].map(SectorNumber));
        assert_eq!(accepted(sectors(), &array(&[answer])), [7, 5].map(SectorNumber));
        assert_eq!(accepted(sectors(), b"of another form"), sectors());
        let update = |sector| ReplicaUpdate {
            sector,
            deadline: 0,
            sealed: Vec::new(),
            data: SectorData::Deals(Vec::new()),
        };
        let updates = || sectors().into_iter().map(update).collect::<Vec<_>>();
        // Version 00, first value 0, runs of 5 zeros (01 1010) and of 1 one (1): the set of 5.
        assert_eq!(updated(updates(), &bytes(&[0b1011_0000, 0b10])), [update(SectorNumber(5))]);
        assert_eq!(updated(updates(), b""), updates());
    }
}
