//! Sectors and pre-commits, as their miner's state holds them.

use super::layout::Layout;
use crate::cbor::Reader;
use crate::error::{Error, Result};
use crate::units::{AttoFil, Bytes, Epoch, SectorNumber};

/// Sector flag from actors v12 (a boolean from v9, FIP-0045): verified space counts for the whole duration.
const SIMPLE_QA_POWER: u64 = 0x1;
/// Sector flag from actors v19 (FIP-0118): QAP is always ten times the size.
const FULL_QA_POWER: u64 = 0x2;
/// Position of the initial pledge in all actors versions.
const INITIAL_PLEDGE: usize = 8;

/// A committed sector, its sealed CID borrowed from the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectorRef<'b> {
    /// The sector without its sealed CID.
    pub sector: Sector,
    /// Bytes of the CID of the sealed data; a snap changes it.
    pub sealed_cid: &'b [u8],
}

/// A committed sector, without its sealed CID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sector {
    /// Its number.
    pub number: SectorNumber,
    /// Raw bytes, by its seal proof.
    pub size: Bytes,
    /// Epoch at which it was activated. From actors v7 to v11 a snap overwrites it.
    pub activation: Epoch,
    /// Epoch after which it may leave.
    pub expiration: Epoch,
    /// Epoch from which its weights count: power base epoch from actors v12, activation before.
    pub power_base: Epoch,
    /// Bytes × epochs of unverified deals.
    pub deal_weight: i128,
    /// Bytes × epochs of verified deals.
    pub verified_weight: i128,
    /// What is pledged for it.
    pub initial_pledge: AttoFil,
    /// Whether its verified space counts for its whole duration, however often that is extended (from actors v9).
    pub simple_qap: bool,
    /// Whether its QAP is ten times its size whatever its weights (from actors v19).
    pub full_qap: bool,
    /// What it pays a day (from actors v16); zero for one that was committed before and not extended since.
    pub daily_fee: AttoFil,
}

impl Sector {
    /// Reads a sector from the sectors array.
    ///
    /// # Errors
    /// If the bytes are no sector of that layout.
    pub fn decode<'b>(reader: &mut Reader<'b>, layout: &Layout) -> Result<SectorRef<'b>> {
        let at = layout.sector;
        let fields = reader.array()?;
        if !(at.fewest_fields..=at.most_fields).contains(&fields) {
            return Err(Error::malformed(format!(
                "a sector of {fields} fields in actors v{}",
                layout.version
            )));
        }
        let number = SectorNumber(reader.uint()?);
        let size = sector_size(reader.int()?)?;
        let sealed_cid = reader.link()?;
        reader.skip()?; // deal ids
        let activation = Epoch(reader.int()?);
        let expiration = Epoch(reader.int()?);
        let deal_weight = reader.bigint()?;
        let verified_weight = reader.bigint()?;
        let mut initial_pledge = AttoFil::default();
        let (mut power_base, mut daily_fee) = (activation, AttoFil::default());
        let (mut simple_qap, mut full_qap) = (false, false);
        for field in 8..fields {
            let field = usize::try_from(field).unwrap_or(usize::MAX);
            if field == INITIAL_PLEDGE {
                initial_pledge = AttoFil(reader.bigint()?);
            } else if at.power_base == Some(field) {
                power_base = Epoch(reader.int()?);
            } else if at.daily_fee == Some(field) {
                daily_fee = AttoFil(reader.bigint()?);
            } else if at.flags == Some(field) && reader.next_is_bool()? {
                simple_qap = reader.bool()?;
            } else if at.flags == Some(field) {
                let flags = reader.uint()?;
                (simple_qap, full_qap) = (flags & SIMPLE_QA_POWER != 0, flags & FULL_QA_POWER != 0);
            } else {
                reader.skip()?;
            }
        }
        let sector = Self {
            number,
            size,
            activation,
            expiration,
            power_base,
            deal_weight,
            verified_weight,
            initial_pledge,
            simple_qap,
            full_qap,
            daily_fee,
        };
        Ok(SectorRef { sector, sealed_cid })
    }
}

/// Raw bytes of a sector by its registered seal proof. The five sizes repeat for each generation of proofs; the
/// last, 15 to 19, are the non-interactive ones.
pub(super) fn sector_size(proof: i64) -> Result<Bytes> {
    const KIB: i128 = 1 << 10;
    const SIZES: [i128; 5] = [2 * KIB, 8 << 20, 512 << 20, 32 << 30, 64 << 30];
    match usize::try_from(proof) {
        Ok(proof @ 0..=19) => Ok(Bytes(SIZES[proof % SIZES.len()])),
        _ => Err(Error::malformed(format!("an unknown seal proof, {proof}"))),
    }
}

/// A pre-committed sector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Precommit {
    /// Its number.
    pub number: SectorNumber,
    /// Raw bytes, by its seal proof.
    pub size: Bytes,
    /// Epoch of the pre-commit.
    pub epoch: Epoch,
    /// Expiration it is to have.
    pub expiration: Epoch,
    /// Its deals.
    pub deals: Vec<u64>,
    /// The CC sector that it is to replace (up to actors v6).
    pub replaces: Option<SectorNumber>,
    /// Weights stored with it, unverified and verified (up to actors v8).
    pub weights: Option<(i128, i128)>,
    /// Whether it becomes a sector of full quality, whatever that holds (from actors v19).
    pub full_quality: bool,
}

impl Precommit {
    /// Reads a value of the pre-committed sectors.
    ///
    /// # Errors
    /// If the bytes are no pre-commit of that layout.
    pub fn decode(raw: &[u8], layout: &Layout) -> Result<Self> {
        let mut reader = Reader::new(raw);
        reader.array()?;
        let fields = reader.array()?;
        let rest = fields.checked_sub(6).ok_or_else(|| Error::malformed("a pre-commit of too few fields"))?;
        let size = sector_size(reader.int()?)?;
        let number = SectorNumber(reader.uint()?);
        reader.skip_many(2)?; // sealed CID, seal randomness epoch
        let deals = deals(&mut reader)?;
        let expiration = Epoch(reader.int()?);
        let replaces = if layout.precommit.replaces { replaced(&mut reader, rest)? } else { None };
        if !layout.precommit.replaces {
            (0..rest).try_for_each(|_| reader.skip())?;
        }
        reader.skip()?; // deposit
        let epoch = Epoch(reader.int()?);
        let weights =
            layout.precommit.weights.then(|| Ok((reader.bigint()?, reader.bigint()?))).transpose()?;
        let full_quality = layout.precommit.full_quality;
        Ok(Self { number, size, epoch, expiration, deals, replaces, weights, full_quality })
    }
}

/// The last fields of a pre-commit's info up to actors v8: whether it replaces a sector, and that one's deadline,
/// partition and number.
fn replaced(reader: &mut Reader<'_>, fields: u64) -> Result<Option<SectorNumber>> {
    if fields != 4 {
        return Err(Error::malformed(format!("a pre-commit that says in {fields} fields what it replaces")));
    }
    let replaces = reader.bool()?;
    reader.skip_many(2)?;
    let number = SectorNumber(reader.uint()?);
    Ok(replaces.then_some(number))
}

/// Numbers of deals; null is none.
pub(super) fn deals(reader: &mut Reader<'_>) -> Result<Vec<u64>> {
    if reader.null()? {
        return Ok(Vec::new());
    }
    (0..reader.array()?).map(|_| reader.uint()).collect()
}
