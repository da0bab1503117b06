//! Multisigs: what their signers propose and approve, and what waits for more approvals.
//!
//! ```text
//! state    [signers, threshold, next transaction id, initial balance, start epoch, unlock duration, pending]
//! pending  map of transaction id (a zigzag varint) → [to, value, method, params, [approved by]]
//!
//! method 2  Propose                      [to, value, method, params]       → [transaction id, applied, exit code, answer]
//! method 3  Approve                      [transaction id, proposal hash]   → [applied, exit code, answer]
//! method 4  Cancel                       [transaction id, proposal hash]
//! method 5  AddSigner                    [address, whether the threshold rises]
//! method 6  RemoveSigner                 [address, whether the threshold falls]
//! method 7  SwapSigner                   [address, address that takes its place]
//! method 8  ChangeNumApprovalsThreshold  [threshold]
//! ```
//!
//! All this is the same from actors v1 to v19, but for the form of the map. Source: specs-actors v0.9.14 to v7.0.1
//! (`actors/builtin/multisig`), builtin-actors v8.0.0 to v18.0.0 (`actors/multisig`).

use std::ops::Range;

use cid::Cid;

use super::actor::Actor;
use super::actor_codes::{ActorCodes, ActorKind};
use crate::address::Address;
use crate::block::{BlockStore, blake2b, cid_of};
use crate::cbor::Reader;
use crate::error::{Error, Result};
use crate::hamt::Hamt;
use crate::integers::put_varint;
use crate::work;

const WHAT: &str = "state of a multisig";
const PENDING: &str = "pending transactions of a multisig";
/// Signers that are taken; the actors allow 256 (`SIGNERS_MAX`, from actors v3) and bounded none before.
const MOST_SIGNERS: u64 = 1 << 16;

/// A call that a multisig makes once enough of its signers want it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Whom it calls.
    pub to: Address,
    /// The method it calls.
    pub method: u64,
    /// Who has approved, the proposer first; empty for one that is just being proposed.
    pub approved: Vec<Address>,
    /// Receiver, value, method and parameters as CBOR.
    fields: Vec<u8>,
    /// Where the parameters are in them.
    params: Range<usize>,
}

impl Transaction {
    /// The call's CBOR parameters.
    #[must_use]
    pub fn params(&self) -> &[u8] {
        self.fields.get(self.params.clone()).unwrap_or_default()
    }

    /// The hash by which approvals may name it beside its id: of `[proposer, to, value, method, params]`, blake2b-256.
    /// `None` while nobody has approved it.
    #[must_use]
    pub fn hash(&self) -> Option<[u8; 32]> {
        let proposer = self.approved.first()?.as_bytes();
        // A tuple of five; an address is a byte string of up to 65 bytes.
        let head: &[u8] = match proposer.len() {
            length @ 0..24 => &[0x85, 0x40 | length as u8],
            length => &[0x85, 0x58, length as u8],
        };
        Some(blake2b(&[head, proposer, &self.fields].concat()))
    }

    /// What reading or copying it counts for with a store's budget.
    #[must_use]
    pub fn work(&self) -> u64 {
        work::ITEM * (1 + self.approved.len() as u64) + work::BITFIELD_BYTE * self.fields.len() as u64
    }

    /// Decodes `[to, value, method, params]` with more fields behind it, which are left.
    fn fields(reader: &mut Reader<'_>, tuple: &[u8]) -> Result<Self> {
        let start = reader.position();
        let to = Address::from_bytes(reader.bytes()?)?;
        reader.bytes()?; // value
        let method = reader.uint()?;
        let length = reader.bytes()?.len();
        let end = reader.position();
        let fields = tuple.get(start..end).unwrap_or_default().to_vec();
        Ok(Self { to, method, approved: Vec::new(), params: fields.len() - length..fields.len(), fields })
    }

    fn pending(raw: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(raw);
        reader.tuple(5)?;
        let found = Self::fields(&mut reader, raw)?;
        Ok(Self { approved: addresses(&mut reader)?, ..found })
    }
}

fn addresses(reader: &mut Reader<'_>) -> Result<Vec<Address>> {
    let count = reader.array()?;
    if count > MOST_SIGNERS {
        return Err(Error::malformed(format!("{count} signers of a multisig")));
    }
    (0..count).map(|_| Address::from_bytes(reader.bytes()?)).collect()
}

/// A call of a multisig.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MultisigCall {
    /// Method 2: a transaction that the caller approves, too.
    Propose(Transaction),
    /// Method 3: the caller's approval.
    Approve {
        /// The transaction.
        id: i64,
        /// Hash of what the caller takes it for; empty if that is all the same.
        hash: Vec<u8>,
    },
    /// Method 4: a transaction that its proposer withdraws.
    Cancel {
        /// The transaction.
        id: i64,
        /// As for an approval.
        hash: Vec<u8>,
    },
    /// Method 5, which only the multisig itself may call, as all that follow.
    AddSigner {
        /// The new signer.
        signer: Address,
        /// Whether one approval more is needed from then on.
        raise: bool,
    },
    /// Method 6.
    RemoveSigner {
        /// Who is a signer no more.
        signer: Address,
        /// Whether one approval less is needed from then on.
        lower: bool,
    },
    /// Method 7.
    SwapSigner {
        /// Who is a signer no more.
        from: Address,
        /// Who is one instead.
        to: Address,
    },
    /// Method 8.
    ChangeThreshold(u64),
}

impl MultisigCall {
    /// Decodes a call; `None` if no multisig has such a method or it concerns no transactions.
    ///
    /// # Errors
    /// If the parameters do not decode, which the actor would not have accepted.
    pub fn decode(method: u64, params: &[u8]) -> Result<Option<Self>> {
        let mut reader = Reader::new(params);
        let address = |reader: &mut Reader<'_>| Address::from_bytes(reader.bytes()?);
        Ok(Some(match method {
            2 => {
                reader.tuple(4)?;
                Self::Propose(Transaction::fields(&mut reader, params)?)
            }
            3 | 4 => {
                reader.tuple(2)?;
                let (id, hash) = (reader.int()?, reader.bytes()?.to_vec());
                if method == 3 { Self::Approve { id, hash } } else { Self::Cancel { id, hash } }
            }
            5 => {
                reader.tuple(2)?;
                Self::AddSigner { signer: address(&mut reader)?, raise: reader.bool()? }
            }
            6 => {
                reader.tuple(2)?;
                Self::RemoveSigner { signer: address(&mut reader)?, lower: reader.bool()? }
            }
            7 => {
                reader.tuple(2)?;
                Self::SwapSigner { from: address(&mut reader)?, to: address(&mut reader)? }
            }
            8 => {
                reader.tuple(1)?;
                Self::ChangeThreshold(reader.uint()?)
            }
            _ => return Ok(None),
        }))
    }
}

/// What a successful proposal or approval answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MultisigReturn<'a> {
    /// The id that a proposal was given.
    pub id: Option<i64>,
    /// Whether the transaction's call was made.
    pub applied: bool,
    /// The call's outcome, zero for success, if it was made.
    pub exit_code: i64,
    /// CBOR of what the call returned.
    pub returned: &'a [u8],
}

impl<'a> MultisigReturn<'a> {
    /// Decodes what method 2 or 3 returned.
    ///
    /// # Errors
    /// If it is of another form.
    pub fn decode(method: u64, returned: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(returned);
        let id = if method == 2 {
            reader.tuple(4)?;
            Some(reader.int()?)
        } else {
            reader.tuple(3)?;
            None
        };
        Ok(Self { id, applied: reader.bool()?, exit_code: reader.int()?, returned: reader.bytes()? })
    }
}

/// A multisig at some moment.
pub struct Multisig<'s> {
    /// Its signers.
    pub signers: Vec<Address>,
    /// How many of them must approve.
    pub threshold: u64,
    /// The id of the next proposal.
    pub next: i64,
    store: &'s dyn BlockStore,
    pending: Cid,
}

impl<'s> Multisig<'s> {
    /// The actors version of an actor that is a multisig, by its code; `None` for any other.
    ///
    /// # Errors
    /// If the code is of an actors version that is not known.
    pub fn version(actor: &Actor, codes: &ActorCodes) -> Result<Option<u8>> {
        let kind = codes.kind_of(&actor.code)?;
        Ok(kind.and_then(|(kind, layout)| (kind == ActorKind::Multisig).then_some(layout.version)))
    }

    /// Reads the state of an actor that is a multisig.
    ///
    /// # Errors
    /// If its state is missing or malformed.
    pub fn read(store: &'s dyn BlockStore, actor: &Actor) -> Result<Self> {
        let block = store.get_required(&actor.head, WHAT)?;
        let read = || {
            let mut reader = Reader::new(&block);
            reader.tuple(7)?;
            let (signers, threshold, next) = (addresses(&mut reader)?, reader.uint()?, reader.int()?);
            reader.skip_many(3)?; // initial balance, start epoch, unlock duration
            store.spend(work::ITEM * signers.len() as u64)?;
            Ok(Self { signers, threshold, next, store, pending: cid_of(reader.link()?)? })
        };
        read().map_err(|error: Error| error.in_block(&actor.head, WHAT))
    }

    /// Root of the map of pending transactions.
    #[must_use]
    pub const fn pending_root(&self) -> Cid {
        self.pending
    }

    /// The pending transaction of that id.
    ///
    /// # Errors
    /// If a block is missing or malformed.
    pub fn pending(&self, id: i64) -> Result<Option<Transaction>> {
        let raw = Hamt::new(self.store, &self.pending, PENDING).get(&key(id))?;
        let decode = |raw: Vec<u8>| -> Result<Transaction> {
            let found = Transaction::pending(&raw)?;
            self.store.spend(found.work())?;
            Ok(found)
        };
        raw.map(|raw| decode(raw).map_err(|error| error.in_block(&self.pending, PENDING))).transpose()
    }
}

/// The key of a transaction among the pending: its id as a varint whose lowest bit is the sign.
fn key(id: i64) -> Vec<u8> {
    let mut key = Vec::new();
    put_varint((id << 1 ^ id >> 63) as u64, &mut key);
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Memory, array, bytes, link, uint};

    const TRUE: u8 = 0xf5;

    fn address(id: u64) -> Vec<u8> {
        bytes(Address::id(id).as_bytes())
    }

    fn proposal(params: &[u8]) -> [Vec<u8>; 4] {
        [address(1000), bytes(&[0, 9]), uint(32), bytes(params)]
    }

    fn proposed(params: &[u8]) -> Transaction {
        let decoded = MultisigCall::decode(2, &array(&proposal(params))).unwrap();
        let Some(MultisigCall::Propose(transaction)) = decoded else { panic!("a proposal") };
        transaction
    }

    #[test]
    fn keys_of_transactions_are_zigzag_varints() {
        for (id, expected) in [(0, &[0][..]), (1, &[2]), (-1, &[1]), (63, &[126]), (64, &[0x80, 1])] {
            assert_eq!(key(id), expected);
        }
        assert_eq!((key(i64::MAX).len(), key(i64::MIN).len()), (10, 10));
    }

    #[test]
    fn a_proposal_is_a_transaction_that_nobody_has_approved() {
        let found = proposed(b"params");
        assert_eq!((found.to.as_id(), found.method, found.params()), (Some(1000), 32, &b"params"[..]));
        assert_eq!((found.approved.len(), found.hash()), (0, None));
        let whole = array(&proposal(b"params"));
        for cut in 0..whole.len() {
            assert!(MultisigCall::decode(2, &whole[..cut]).is_err());
        }
        // What method 2 of the init actor is sent: a code and parameters.
        assert!(MultisigCall::decode(2, &array(&[link(&Cid::default()), bytes(b"")])).is_err());
    }

    #[test]
    fn a_hash_is_of_the_proposer_and_the_call() {
        for proposer in [Address::id(100), Address::from_bytes(&[3; 49]).unwrap()] {
            let fields = [vec![bytes(proposer.as_bytes())], proposal(b"params").to_vec()].concat();
            // As the actors write it, a length of 24 or more takes a byte.
            let spelled = if proposer.as_bytes().len() < 24 {
                array(&fields)
            } else {
                let long = [&[0x85, 0x58, 49][..], proposer.as_bytes()].concat();
                [long, fields[1..].concat()].concat()
            };
            let approved = Transaction { approved: vec![proposer], ..proposed(b"params") };
            assert_eq!(approved.hash(), Some(blake2b(&spelled)));
        }
    }

    #[test]
    fn what_waits_for_approval_is_found_by_its_id_in_both_forms_of_the_map() {
        for old in [true, false] {
            let mut store = Memory::default();
            let waiting = [proposal(b"params").to_vec(), vec![array(&[address(100), address(101)])]].concat();
            let bucket = array(&[array(&[bytes(&key(70)), array(&waiting)])]);
            // {"1": bucket} before actors v3.
            let pointer = if old { [&[0xa1, 0x61, b'1'][..], &bucket].concat() } else { bucket };
            let slot = 1_u32 << (crate::block::sha2(&key(70))[0] >> 3);
            let pending = store.put(array(&[bytes(&slot.to_be_bytes()), array(&[pointer])]));
            let signers = array(&[address(100), address(101), address(102)]);
            let (zero, state) = (uint(0), [signers, uint(3), uint(71), bytes(&[])]);
            let head = store.put(array(&[&state[..], &[zero.clone(), zero, link(&pending)]].concat()));
            let multisig = Multisig::read(&store, &Actor { code: Cid::default(), head }).unwrap();
            assert_eq!((multisig.signers.len(), multisig.threshold, multisig.next), (3, 3, 71));
            let found = multisig.pending(70).unwrap().unwrap();
            assert_eq!((found.params(), found.approved.len()), (&b"params"[..], 2));
            assert_eq!(multisig.pending(71).unwrap(), None);
        }
    }

    #[test]
    fn an_answer_says_whether_the_call_was_made_and_how_it_ended() {
        let fields = [uint(70), vec![TRUE], uint(16), bytes(b"answer")];
        let answer = array(&fields);
        let expected = MultisigReturn { id: Some(70), applied: true, exit_code: 16, returned: b"answer" };
        assert_eq!(MultisigReturn::decode(2, &answer).unwrap(), expected);
        let approval = array(&fields[1..]);
        assert_eq!(MultisigReturn::decode(3, &approval).unwrap(), MultisigReturn { id: None, ..expected });
        assert!(MultisigReturn::decode(3, &answer).is_err() && MultisigReturn::decode(2, b"").is_err());
    }
}
