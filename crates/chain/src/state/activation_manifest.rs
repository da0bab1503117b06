//! What messages say of the data that a sector is to hold: the manifests of methods that onboard or snap sectors.

use super::sector::{deals, sector_size};
use crate::cbor::Reader;
use crate::error::Result;
use crate::units::{Bytes, Epoch, SectorNumber};

/// A piece of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Padded bytes.
    pub size: u64,
    /// Whether it claims a verified allocation.
    pub verified: bool,
}

/// What a sector is to be filled with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SectorData {
    /// Deals of the market, by number.
    Deals(Vec<u64>),
    /// Pieces, whatever deals they belong to.
    Pieces(Vec<Piece>),
}

impl SectorData {
    /// How many deals or pieces it is of.
    pub(super) const fn items(&self) -> u64 {
        match self {
            Self::Deals(deals) => deals.len() as u64,
            Self::Pieces(pieces) => pieces.len() as u64,
        }
    }
}

/// A sector that is to be onboarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activation {
    /// Its number.
    pub sector: SectorNumber,
    /// Its size and the expiration that it is to have, where the message says them and no pre-commit does (method 36).
    pub commitment: Option<(Bytes, Epoch)>,
    /// Its pieces (method 34), beside the deals of its pre-commit.
    pub pieces: Vec<Piece>,
}

impl Activation {
    /// Of a sector of which the message says no more than its number.
    #[must_use]
    pub const fn of(sector: SectorNumber) -> Self {
        Self { sector, commitment: None, pieces: Vec::new() }
    }
}

/// A sector that is to be filled with data anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaUpdate {
    /// Its number.
    pub sector: SectorNumber,
    /// The deadline that it is said to be in.
    pub deadline: u64,
    /// Bytes of the CID of the sealed data that it is to have; empty where the parameters name none.
    pub sealed: Vec<u8>,
    /// What that data is.
    pub data: SectorData,
}

/// `[[[sector, pieces], …], …]`: method 34.
pub(super) fn activations(reader: &mut Reader<'_>) -> Result<Vec<Activation>> {
    reader.array()?;
    (0..reader.array()?)
        .map(|_| {
            let fields = reader.array()?;
            let sector = SectorNumber(reader.uint()?);
            let pieces = if fields > 1 { pieces(reader)? } else { Vec::new() };
            (2..fields).try_for_each(|_| reader.skip())?;
            Ok(Activation { pieces, ..Activation::of(sector) })
        })
        .collect()
}

/// `[[[sealing number, sealer, sealed CID, sector, randomness epoch, expiration], …], proof, seal proof type, …]`: method
/// 36.
pub(super) fn non_interactive(reader: &mut Reader<'_>) -> Result<Vec<Activation>> {
    let fields = reader.array()?;
    let named = (0..reader.array()?)
        .map(|_| {
            let fields = reader.array()?;
            reader.skip_many(3)?; // sealing number, sealer, sealed CID
            let sector = SectorNumber(reader.uint()?);
            let mut expiration = None;
            for field in 4..fields {
                match field {
                    5 => expiration = Some(Epoch(reader.int()?)),
                    _ => reader.skip()?,
                }
            }
            Ok((sector, expiration))
        })
        .collect::<Result<Vec<_>>>()?;
    let mut size = None;
    if fields > 2 {
        reader.skip()?; // aggregate proof
        size = sector_size(reader.int()?).ok();
    }
    let activation = |(sector, expiration): (SectorNumber, Option<Epoch>)| Activation {
        commitment: size.zip(expiration),
        ..Activation::of(sector)
    };
    Ok(named.into_iter().map(activation).collect())
}

/// `[[[sector, deadline, partition, new sealed CID, …], …], …]`: method 35 goes on with pieces, 27 with deals, 29 with the
/// CID of the unsealed data and deals.
pub(super) fn updates(reader: &mut Reader<'_>, method: u64) -> Result<Vec<ReplicaUpdate>> {
    let data_at = if method == 29 { 5 } else { 4 };
    reader.array()?;
    (0..reader.array()?)
        .map(|_| {
            let fields = reader.array()?;
            let (sector, deadline) = (SectorNumber(reader.uint()?), reader.uint()?);
            reader.skip()?; // partition
            let sealed = if fields > 3 { reader.link()?.to_vec() } else { Vec::new() };
            let mut data = SectorData::Deals(Vec::new());
            for field in 4..fields {
                if field != data_at {
                    reader.skip()?;
                } else if method == 35 {
                    data = SectorData::Pieces(pieces(reader)?);
                } else {
                    data = SectorData::Deals(deals(reader)?);
                }
            }
            Ok(ReplicaUpdate { sector, deadline, sealed, data })
        })
        .collect()
}

/// `[[CID, size, null or [client, allocation], notifications], …]`.
fn pieces(reader: &mut Reader<'_>) -> Result<Vec<Piece>> {
    (0..reader.array()?)
        .map(|_| {
            let fields = reader.array()?;
            reader.skip()?; // CID
            let size = reader.uint()?;
            let mut verified = false;
            for field in 2..fields {
                if field == 2 && !reader.null()? {
                    verified = true;
                    reader.skip()?;
                } else if field > 2 {
                    reader.skip()?;
                }
            }
            Ok(Piece { size, verified })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Memory, array, bytes, link, uint};

    const NULL: &[u8] = &[0xf6];

    fn sealed() -> Vec<u8> {
        link(&Memory::default().put(uint(0)))
    }

    /// A verified piece and one that is not.
    fn two_pieces() -> Vec<u8> {
        let key = array(&[uint(100), uint(7)]);
        let piece = |size, key| array(&[sealed(), uint(size), key, array(&[])]);
        array(&[piece(2048, key), piece(512, NULL.to_vec())])
    }

    fn told() -> Vec<Piece> {
        vec![Piece { size: 2048, verified: true }, Piece { size: 512, verified: false }]
    }

    #[test]
    fn an_update_says_what_data_the_sector_is_to_hold() {
        let params = |rest: &[Vec<u8>]| {
            let head = [uint(9), uint(3), uint(0), sealed()];
            array(&[array(&[array(&[&head, rest].concat())]), array(&[])])
        };
        let data = |method, rest: &[Vec<u8>]| {
            let params = params(rest);
            let mut read = updates(&mut Reader::new(&params), method)?;
            assert_eq!((read[0].sector, read[0].deadline), (SectorNumber(9), 3));
            assert!(!read[0].sealed.is_empty());
            Ok::<_, crate::Error>(read.remove(0).data)
        };
        let deals = array(&[uint(5), uint(6)]);
        let rest = [deals.clone(), uint(8), bytes(&[])];
        assert_eq!(data(27, &rest).unwrap(), SectorData::Deals(vec![5, 6]));
        let rest = [sealed(), deals, uint(8), bytes(&[])];
        assert_eq!(data(29, &rest).unwrap(), SectorData::Deals(vec![5, 6]));
        assert_eq!(data(29, &[sealed(), NULL.to_vec()]).unwrap(), SectorData::Deals(vec![]));
        assert_eq!(data(35, &[two_pieces()]).unwrap(), SectorData::Pieces(told()));
        assert!(data(35, &[uint(1)]).is_err());
    }

    #[test]
    fn an_activation_says_its_pieces_and_without_a_pre_commit_its_terms() {
        let params = array(&[array(&[array(&[uint(9), two_pieces()])]), array(&[])]);
        let read = activations(&mut Reader::new(&params)).unwrap();
        assert_eq!(read, [Activation { pieces: told(), ..Activation::of(SectorNumber(9)) }]);

        let info = array(&[uint(1), uint(1000), sealed(), uint(9), uint(70), uint(500)]);
        let of =
            |seal_proof| array(&[array(std::slice::from_ref(&info)), bytes(&[]), uint(seal_proof), uint(1)]);
        let commitment = |params: &[u8]| {
            let read = non_interactive(&mut Reader::new(params)).unwrap();
            assert_eq!(read[0].sector, SectorNumber(9));
            read[0].commitment
        };
        assert_eq!(commitment(&of(15)), Some((Bytes(2048), Epoch(500))));
        assert_eq!(commitment(&of(18)), Some((Bytes(32 << 30), Epoch(500))));
        // A seal proof of a kind unknown, and none.
        assert_eq!(commitment(&of(99)), None);
        assert_eq!(commitment(&array(&[array(&[info])])), None);
    }
}
