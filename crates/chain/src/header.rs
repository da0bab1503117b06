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
use crate::units::{Clock, EPOCH_SECONDS, Epoch};
use crate::work;

/// Of a block header's 16 fields, those that tipsets and states are found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// CID of the header itself: the block's name.
    pub cid: Cid,
    /// blake2b-256 of the ticket's proof, by which blocks of a tipset are ordered.
    pub ticket: [u8; 32],
    /// How often the block won its epoch's lottery.
    pub win_count: i64,
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
/// Unix time at which the year 2100 begins, which no chain has reached.
const YEAR_2100: i64 = 4_102_444_800;
/// What to do about a header that no chain can have.
pub(crate) const FETCH_AGAIN: &str =
    "the file is damaged or forged: fetch it again from a source that you trust";

impl Header {
    /// Reads the header of that CID.
    ///
    /// # Errors
    /// If it is missing or does not decode.
    pub fn read(store: &dyn BlockStore, cid: &Cid) -> Result<Self> {
        let block = store.get_required(cid, WHAT)?;
        let header = Self::decode(&block, cid).map_err(|error| error.in_block(cid, WHAT))?;
        header.check()?;
        // Its own CIDs and its parents' are kept with its tipset.
        store.spend(work::RETAINED + work::RUN * 6 * header.parents.len() as u64)?;
        Ok(header)
    }

    /// Whether its height and its time are such as a chain can have.
    ///
    /// # Errors
    /// [`Error::Header`] if they are not.
    pub(crate) fn check(&self) -> Result<()> {
        if self.height.0 < 0 {
            return Err(self.cannot_be("its height is negative"));
        }
        if self.timestamp < 0 {
            return Err(self.cannot_be(&format!("its time, unix {}, is before 1970", self.timestamp)));
        }
        let last = YEAR_2100 / EPOCH_SECONDS;
        if self.timestamp >= YEAR_2100 || self.height.0 >= last {
            return Err(self.cannot_be(&format!(
                "it is of the year 2100 or later (its time is unix {}, and no height reaches {last} before)",
                self.timestamp
            )));
        }
        Ok(())
    }

    /// Says what is wrong with it.
    fn cannot_be(&self, problem: &str) -> Error {
        let problem = format!("{problem}; {FETCH_AGAIN}");
        Error::Header { cid: Box::new(self.cid), height: self.height, problem }
    }

    /// The clock that its height and time are of.
    pub(crate) const fn clock(&self) -> Clock {
        Clock::with(self.height, self.timestamp)
    }

    /// Whether two blocks can be of one tipset: of one height and time, with the same parents and what these left.
    pub(crate) fn shares_tipset_with(&self, other: &Self) -> bool {
        let of = |header: &Self| {
            (header.height, header.timestamp, header.parent_state_root, header.parent_receipts)
        };
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
        let win_count = win_count(&mut reader)?;
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
            win_count,
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
fn win_count(reader: &mut Reader<'_>) -> Result<i64> {
    if reader.null()? {
        return Ok(0);
    }
    reader.tuple(2)?;
    let win_count = reader.int()?;
    reader.skip()?;
    Ok(win_count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Memory, array, bytes, link, uint};

    #[test]
    fn a_header_has_a_bounded_number_of_parents_and_lies_before_the_year_2100() {
        let mut store = Memory::default();
        let other = link(&store.put(uint(0)));
        let mut read = |parents: usize, height: Vec<u8>, time: Vec<u8>| {
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
                    height,
                ],
                links.to_vec(),
                vec![null(), time, null(), null(), null()],
            ];
            let cid = store.put(array(&fields.concat()));
            Header::read(&store, &cid)
        };
        let header = read(256, uint(7), uint(211)).unwrap();
        assert_eq!((header.parents.len(), header.height), (256, Epoch(7)));
        assert!(read(257, uint(7), uint(211)).is_err());
        let last = u64::try_from(YEAR_2100).unwrap();
        assert!(read(1, uint(7), uint(last - 1)).is_ok());
        assert!(read(1, uint(last / 30 - 1), uint(last - 1)).is_ok());
        let minus_one = || vec![0x20];
        for (height, time, said) in [
            (uint(7), uint(last), "at height 7: it is of the year 2100 or later"),
            (uint(7), uint(i64::MAX as u64), "of the year 2100"),
            (uint(last / 30), uint(1), "of the year 2100"),
            (uint(1 << 31), uint(1), "at height 2147483648: it is of the year 2100"),
            (uint(i64::MAX as u64), uint(1), "of the year 2100"),
            (minus_one(), uint(1), "at height -1: its height is negative"),
            (uint(7), minus_one(), "its time, unix -1, is before 1970"),
        ] {
            let error = read(1, height, time).unwrap_err().to_string();
            assert!(error.starts_with("block baf") && error.contains(said), "{error}");
        }
    }
}
