//! Messages and what became of them.

use cid::Cid;

use crate::address::Address;
use crate::amt::Amt;
use crate::block::{BlockStore, cid_of, message_cid};
use crate::cbor::Reader;
use crate::error::{Error, Result};

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

/// A message with its outcome.
#[derive(Clone, Debug)]
pub struct Executed {
    /// The message.
    pub message: Message,
    /// Its outcome.
    pub receipt: Receipt,
}

impl Message {
    /// Decodes an unsigned message.
    ///
    /// # Errors
    /// If the bytes are no message.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let unsigned = message_cid(bytes);
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

/// A block's messages, BLS before secp256k1, as its header links them.
pub(crate) fn of_block(store: &dyn BlockStore, messages: &Cid) -> Result<Vec<Message>> {
    const WHAT: &str = "the messages of a block";
    let meta = store.need(messages, WHAT)?;
    let links = || -> Result<(Cid, Cid)> {
        let mut reader = Reader::new(&meta);
        reader.tuple(2)?;
        Ok((cid_of(reader.link()?)?, cid_of(reader.link()?)?))
    };
    let (bls, secp) = links().map_err(|error| error.in_block(messages, WHAT))?;
    let mut found = Vec::new();
    for (root, signed) in [(bls, false), (secp, true)] {
        Amt::open(store, &root, WHAT)?.for_each(&mut |_, value| {
            let cid = cid_of(value.link()?)?;
            let block = store.need(&cid, "message")?;
            let message = if signed { Message::decode_signed(&block, &cid) } else { Message::decode(&block) };
            found.push(message.map_err(|error| error.in_block(&cid, "message"))?);
            Ok(())
        })?;
    }
    Ok(found)
}

/// All receipts under a root, in order.
pub(crate) fn receipts(store: &dyn BlockStore, root: &Cid) -> Result<Vec<Receipt>> {
    let mut found = Vec::new();
    Amt::open(store, root, "message receipts")?.for_each(&mut |index, value| {
        if index != found.len() as u64 {
            return Err(Error::malformed("receipts with a gap"));
        }
        let fields = value.array()?;
        let exit_code = value.int()?;
        let returned = value.bytes()?.to_vec();
        // Gas used, and the events root since network version 18.
        let rest = fields.checked_sub(2).ok_or_else(|| Error::malformed("a receipt of too few fields"))?;
        (0..rest).try_for_each(|_| value.skip())?;
        found.push(Receipt { exit_code, returned });
        Ok(())
    })?;
    Ok(found)
}
