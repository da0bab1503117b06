//! Block headers.
//!
//! ```text
//! [miner, [ticket's proof], election proof, beacon entries, winning PoSt, [parents], parent weight, height,
//!  parent state root, parent message receipts, messages, BLS aggregate, timestamp, signature, fork signaling, base fee]
//! ```

use cid::Cid;

use crate::block::{BlockStore, blake2b, cid_of};
use crate::cbor::Reader;
use crate::error::{Error, Result};
use crate::units::{Clock, Epoch};

/// Of a block header's 16 fields, those that tipsets and states are found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// CID of the header itself: the block's name.
    pub cid: Cid,
    /// blake2b-256 of the ticket's proof, by which blocks of a tipset are ordered.
    pub ticket: [u8; 32],
    /// How often the block won its epoch's lottery.
    pub wins: i64,
    /// CIDs of the parent tipset's blocks.
    pub parents: Vec<Cid>,
    /// Weight of the chain up to the parent tipset.
    pub parent_weight: i128,
    /// Height.
    pub height: Epoch,
    /// State after the parent tipset was executed.
    pub parent_state_root: Cid,
    /// Receipts of the parent tipset's messages.
    pub parent_receipts: Cid,
    /// The block's messages.
    pub messages: Cid,
    /// Unix time.
    pub timestamp: i64,
}

/// What a missing or malformed one is called.
pub(crate) const WHAT: &str = "block header";
/// Most parents: five blocks an epoch are expected, by a lottery that never comes near this. Each is read in turn.
const MOST_PARENTS: u64 = 256;

impl Header {
    /// Reads the header of that CID.
    ///
    /// # Errors
    /// If it is missing or does not decode.
    pub fn read(store: &dyn BlockStore, cid: &Cid) -> Result<Self> {
        let block = store.need(cid, WHAT)?;
        Self::decode(&block, cid).map_err(|error| error.in_block(cid, WHAT))
    }

    /// The clock that its height and time are of.
    pub(crate) const fn clock(&self) -> Clock {
        Clock::with(self.height, self.timestamp)
    }

    /// Whether two blocks can be of one tipset: of one height, with the same parents and what these left.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        let of = |header: &Self| (header.height, header.parent_state_root, header.parent_receipts);
        of(self) == of(other) && self.parents == other.parents
    }

    /// Decodes a header of that CID.
    ///
    /// # Errors
    /// If the bytes are no header.
    pub(crate) fn decode(bytes: &[u8], cid: &Cid) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        reader.tuple(16)?;
        reader.skip()?; // miner
        let ticket = ticket(&mut reader)?;
        let wins = wins(&mut reader)?;
        reader.skip_many(2)?; // beacon entries, winning PoSt proof
        let count = reader.array()?;
        if count > MOST_PARENTS {
            return Err(Error::malformed(format!("{count} parents")));
        }
        let parents = (0..count).map(|_| cid_of(reader.link()?)).collect::<Result<_>>()?;
        let parent_weight = if reader.null()? { 0 } else { reader.bigint()? };
        let height = Epoch(reader.int()?);
        let parent_state_root = cid_of(reader.link()?)?;
        let parent_receipts = cid_of(reader.link()?)?;
        let messages = cid_of(reader.link()?)?;
        reader.skip()?; // BLS aggregate
        let timestamp = reader.int()?;
        Ok(Self {
            cid: *cid,
            ticket,
            wins,
            parents,
            parent_weight,
            height,
            parent_state_root,
            parent_receipts,
            messages,
            timestamp,
        })
    }
}

/// A ticket is a tuple of its proof; genesis has one of its own and a null is possible.
fn ticket(reader: &mut Reader<'_>) -> Result<[u8; 32]> {
    if reader.null()? {
        return Ok(blake2b(&[]));
    }
    reader.tuple(1)?;
    reader.bytes().map(blake2b)
}

/// An election proof is a tuple of how often the block won, and the proof; genesis has none.
fn wins(reader: &mut Reader<'_>) -> Result<i64> {
    if reader.null()? {
        return Ok(0);
    }
    reader.tuple(2)?;
    let wins = reader.int()?;
    reader.skip()?;
    Ok(wins)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Memory, array, bytes, link, uint};

    #[test]
    fn a_header_has_a_bounded_number_of_parents() {
        let mut store = Memory::default();
        let other = link(&store.put(uint(0)));
        let mut read = |parents: usize| {
            let null = || vec![0xf6];
            let ticket = array(&[bytes(b"proof")]);
            let links = [other.clone(), other.clone(), other.clone()];
            let fields = [
                vec![
                    null(),
                    ticket,
                    null(),
                    null(),
                    null(),
                    array(&vec![other.clone(); parents]),
                    null(),
                    uint(7),
                ],
                links.to_vec(),
                vec![null(), uint(1), null(), null(), null()],
            ];
            let cid = store.put(array(&fields.concat()));
            Header::read(&store, &cid)
        };
        let header = read(256).unwrap();
        assert_eq!((header.parents.len(), header.height), (256, Epoch(7)));
        assert!(read(257).is_err());
    }
}
