//! Messages and what became of them.
//!
//! ```text
//! header ─ messages ─► [BLS array, secp256k1 array]      arrays of the old form, of links
//!                         message          [version, to, from, nonce, value, gas limit, fee cap, premium, method, params]
//!                         signed message   [message, signature]
//! child's header ─ parent message receipts ─► array of [exit code, return, gas used(, events root)]
//! ```

use std::collections::HashSet;

use cid::Cid;

use crate::address::Address;
use crate::amt::Amt;
use crate::block::{BlockStore, cid_of, dag_cbor_cid, is_usual};
use crate::cbor::Reader;
use crate::error::{Error, Result};
use crate::work;

/// Bytes of all answers to a tipset's messages that are taken; the gas of a tipset pays for half of it. A node of
/// the array may stand in several places, so that a small file could hold answers without end.
const MOST_RETURNED: usize = 1 << 28;
/// Receipts of a tipset that are taken; 15 blocks of 10,000 messages are the most there can be.
const MOST_RECEIPTS: u64 = 150_000;

/// A message in a block.
#[derive(Clone, Debug)]
pub struct Message {
    /// CID as it stands in the block: of the signed message for secp256k1 senders.
    pub cid: Cid,
    /// CID of the message without signature: the same message in two blocks runs once.
    pub(crate) unsigned: Cid,
    /// Receiver.
    pub to: Address,
    /// Sender.
    pub from: Address,
    /// The sender's count of messages before it.
    pub nonce: u64,
    /// Method number.
    pub method: u64,
    /// CBOR parameters.
    pub params: Vec<u8>,
}

/// The outcome of a message.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// Zero for success.
    pub exit_code: i64,
    /// CBOR of what it returned.
    pub returned: Vec<u8>,
}

/// A message that a tipset executed, with its outcome where that is known.
#[derive(Clone, Debug)]
pub struct ExecutedMessage {
    /// The message.
    pub message: Message,
    /// Its outcome; `None` where no file holds the receipts of its tipset, as in every public snapshot. Then none of the
    /// tipset's messages has one.
    pub receipt: Option<Receipt>,
}

impl ExecutedMessage {
    /// Whether the message is known to have failed.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.receipt.as_ref().is_some_and(|receipt| receipt.exit_code != 0)
    }

    /// The CBOR that the message returned; empty where that is not known.
    #[must_use]
    pub fn returned(&self) -> &[u8] {
        self.receipt.as_ref().map_or(&[], |receipt| &receipt.returned)
    }
}

impl Message {
    /// Decodes an unsigned message.
    ///
    /// # Errors
    /// If the bytes are no message.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        Self::decode_unsigned(bytes, dag_cbor_cid(bytes))
    }

    /// As [`Message::decode`]; its CID is known.
    fn decode_unsigned(bytes: &[u8], unsigned: Cid) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        reader.tuple(10)?;
        reader.skip()?; // version
        let to = Address::from_bytes(reader.bytes()?)?;
        let from = Address::from_bytes(reader.bytes()?)?;
        let nonce = reader.uint()?;
        reader.skip_many(4)?; // value, gas limit, gas fee cap, gas premium
        let method = reader.uint()?;
        let params = reader.bytes()?.to_vec();
        Ok(Self { cid: unsigned, unsigned, to, from, nonce, method, params })
    }

    fn decode_signed(bytes: &[u8], cid: &Cid) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        reader.tuple(2)?;
        Ok(Self { cid: *cid, ..Self::decode(reader.raw()?)? })
    }
}

const OF_BLOCK: &str = "the messages of a block";

/// The roots of a block's lists of BLS and of secp256k1 messages.
fn lists(meta: &[u8], messages: &Cid) -> Result<[Cid; 2]> {
    let links = || -> Result<[Cid; 2]> {
        let mut reader = Reader::new(meta);
        reader.tuple(2)?;
        Ok([cid_of(reader.link()?)?, cid_of(reader.link()?)?])
    };
    links().map_err(|error| error.in_block(messages, OF_BLOCK))
}

/// How many messages a block has, as its lists say; `None` if one of these is not in the store.
pub(crate) fn count(store: &dyn BlockStore, messages: &Cid) -> Result<Option<u64>> {
    let Some(meta) = store.get(messages)? else { return Ok(None) };
    let mut sum = 0_u64;
    for list in lists(&meta, messages)? {
        if store.get(&list)?.is_none() {
            return Ok(None);
        }
        sum = sum.saturating_add(Amt::open(store, &list, OF_BLOCK)?.count());
    }
    Ok(Some(sum))
}

/// A block's messages, BLS before secp256k1, as its header links them.
pub(crate) fn of_block(store: &dyn BlockStore, messages: &Cid) -> Result<Vec<Message>> {
    let [bls, secp] = lists(&store.get_required(messages, OF_BLOCK)?, messages)?;
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    for (root, signed) in [(bls, false), (secp, true)] {
        Amt::open(store, &root, OF_BLOCK)?.for_each(&mut |_, value| {
            let cid = cid_of(value.link()?)?;
            if !seen.insert(cid) {
                return Err(Error::malformed(format!("message {cid} twice")));
            }
            let block = store.get_required(&cid, "message")?;
            let message = match signed {
                true => Message::decode_signed(&block, &cid),
                // One that its block names by another hash is known by the usual one.
                false if is_usual(&cid) => Message::decode_unsigned(&block, cid),
                false => Message::decode(&block),
            };
            let message = message.map_err(|error| error.in_block(&cid, "message"))?;
            store.spend(work::MESSAGE + work::BITFIELD_BYTE * message.params.len() as u64)?;
            found.push(message);
            Ok(())
        })?;
    }
    Ok(found)
}

/// All receipts under a root, in order.
pub(crate) fn receipts(store: &dyn BlockStore, root: &Cid) -> Result<Vec<Receipt>> {
    const WHAT: &str = "message receipts";
    let (mut found, mut bytes) = (Vec::new(), 0);
    let receipts = Amt::open(store, root, WHAT)?.with_work(work::ITEM);
    if receipts.count() > MOST_RECEIPTS {
        return Err(Error::malformed(format!("{} receipts", receipts.count())).in_block(root, WHAT));
    }
    receipts.for_each(&mut |index, value| {
        if index != found.len() as u64 {
            return Err(Error::malformed("receipts with a gap"));
        }
        let fields = value.array()?;
        let exit_code = value.int()?;
        let returned = value.bytes()?.to_vec();
        bytes += returned.len();
        if !returned.is_empty() {
            store.spend(work::BITFIELD_BYTE * returned.len() as u64)?;
        }
        if bytes > MOST_RETURNED {
            return Err(Error::malformed("receipts with more answers than a tipset's gas can pay for"));
        }
        // Gas used, and the events root since network version 18.
        let rest = fields.checked_sub(2).ok_or_else(|| Error::malformed("a receipt of too few fields"))?;
        (0..rest).try_for_each(|_| value.skip())?;
        found.push(Receipt { exit_code, returned });
        Ok(())
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Memory, array, bytes, link, uint};

    fn amt(store: &mut Memory, height: u64, count: u64, node: Vec<u8>) -> Cid {
        store.put(array(&[uint(height), uint(count), node]))
    }

    fn leaf(values: &[Vec<u8>]) -> Vec<u8> {
        let bitmap = u8::try_from((1_u32 << values.len()) - 1).unwrap();
        array(&[bytes(&[bitmap]), array(&[]), array(values)])
    }

    #[test]
    fn a_block_that_names_a_message_twice_is_refused() {
        let mut store = Memory::default();
        let message = |store: &mut Memory, nonce| {
            let address = || bytes(Address::id(100).as_bytes());
            let fee = || bytes(&[]);
            let head =
                vec![uint(0), address(), address(), uint(nonce), fee(), uint(1), fee(), fee(), uint(0)];
            link(&store.put(array(&[head, vec![bytes(&[])]].concat())))
        };
        let (one, two) = (message(&mut store, 1), message(&mut store, 2));
        let empty = amt(&mut store, 0, 0, leaf(&[]));
        let mut read = |messages: &[Vec<u8>]| {
            let bls = amt(&mut store, 0, messages.len() as u64, leaf(messages));
            let meta = store.put(array(&[link(&bls), link(&empty)]));
            of_block(&store, &meta)
        };
        assert_eq!(read(&[one.clone(), two.clone()]).unwrap().len(), 2);
        assert!(read(&[one.clone(), two, one]).is_err());
    }

    #[test]
    fn receipts_are_bounded_in_number() {
        let mut store = Memory::default();
        let receipt = array(&[uint(0), bytes(b"answer"), uint(1)]);
        let mut node = leaf(&vec![receipt; 8]);
        let small = amt(&mut store, 0, 8, node.clone());
        assert_eq!(receipts(&store, &small).unwrap().len(), 8);
        for _ in 0..6 {
            let child = link(&store.put(node));
            node = array(&[bytes(&[0xff]), array(&vec![child; 8]), array(&[])]);
        }
        let folded = amt(&mut store, 6, 8_u64.pow(7), node);
        assert!(receipts(&store, &folded).is_err());
    }
}
