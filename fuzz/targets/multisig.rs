//! Multisigs: their calls and answers, their states, and whole tipsets in which they call a miner.
//!
//! The first byte says what the rest is. 0: a method, the length of the parameters in two bytes, the parameters, and an
//! answer. 1: blocks, of which the last is a multisig's state. Else: a tipset of actors of that version, with receipts or
//! without, as [`Tipset`] spells it.
#![no_main]

#[path = "../../crates/ledger/tests/common/state.rs"]
mod state;

use chain::state::{Actor, Multisig, MultisigCall, MultisigReturn};
use chain::{Address, BlockStore, Cid, ExecutedMessage, Hamt, Reader, Receipt, Result};
use fuzz::Blocks;
use ledger::{Differ, Kind};
use libfuzzer_sys::fuzz_target;
use state::{MINER, Sector, State, bytes, message, told, uint};

fuzz_target!(|input: &[u8]| {
    match input.split_first() {
        Some((0, rest)) => call(rest),
        Some((1, rest)) => stored(rest),
        Some((actors @ 2.., rest)) => tipset(1 + actors % 18, rest),
        None => {}
    }
});

/// A call keeps what it was decoded from, and an answer is no longer than what it was decoded from.
fn call(input: &[u8]) {
    let Some(([method, low, high], rest)) = input.split_first_chunk() else { return };
    let (params, answer) = rest.split_at(rest.len().min(usize::from(u16::from_le_bytes([*low, *high]))));
    let method = u64::from(*method);
    match MultisigCall::decode(method, params) {
        Ok(Some(MultisigCall::Propose(proposed))) => {
            assert!(proposed.params().len() < params.len());
            assert!(proposed.approved.is_empty() && proposed.hash().is_none());
            let mut reader = Reader::new(params);
            reader.tuple(4).expect("it was decoded");
            assert_eq!(reader.bytes().expect("it was decoded"), proposed.to.as_bytes());
            reader.skip().expect("it was decoded");
            assert_eq!(reader.uint().expect("it was decoded"), proposed.method);
            assert_eq!(reader.bytes().expect("it was decoded"), proposed.params());
        }
        Ok(Some(MultisigCall::Approve { hash, .. } | MultisigCall::Cancel { hash, .. })) => {
            assert!(hash.len() < params.len());
        }
        Ok(Some(_)) => assert!((5..=8).contains(&method)),
        Ok(None) => assert!(!(2..=8).contains(&method)),
        Err(_) => {}
    }
    if let Ok(found) = MultisigReturn::decode(method, answer) {
        assert_eq!(found.id.is_some(), method == 2);
        assert!(found.returned.len() < answer.len());
    }
}

/// What a walk of the pending transactions meets is what is found by id.
fn stored(input: &[u8]) {
    let blocks = Blocks::read(input);
    let Some((head, _)) = blocks.roots() else { return };
    let Ok(multisig) = Multisig::read(&blocks, &Actor { code: Cid::default(), head }) else { return };
    assert!(multisig.signers.len() < blocks.last().len());
    for id in [multisig.next.wrapping_sub(1), 0, -1, i64::MIN] {
        let _ = multisig.pending(id);
    }
    let _ = walk(&blocks, &multisig);
}

fn walk(blocks: &dyn BlockStore, multisig: &Multisig<'_>) -> Result<()> {
    let pending = Hamt::new(blocks, &multisig.pending_root(), "pending");
    let mut ids = Vec::new();
    pending.for_each(&mut |key, value| {
        ids.extend(id(key).map(|id| (id, value.to_vec())));
        Ok(())
    })?;
    for (id, value) in ids.iter().take(16) {
        let Ok(found) = multisig.pending(*id) else { continue };
        let found = found.expect("it was walked");
        assert!(found.params().len() + found.approved.len() < value.len());
        assert_eq!(found.hash().is_some(), !found.approved.is_empty());
    }
    Ok(())
}

/// The id that a zigzag varint of one spelling stands for.
fn id(key: &[u8]) -> Option<i64> {
    let (last, rest) = key.split_last()?;
    if key.len() > 9 || last & 0x80 != 0 || (*last == 0 && !rest.is_empty()) {
        return None;
    }
    let value = key.iter().rev().fold(0_u64, |value, byte| value << 7 | u64::from(byte & 0x7f));
    Some((value >> 1) as i64 ^ -((value & 1) as i64))
}

/// Everybody in a tipset: three accounts, two multisigs, the miner, and the addresses of nobody.
const ACTORS: [u64; 8] = [100, 101, 102, 200, 201, MINER.0, 999, 1];
const SECTOR: u64 = 2;
const PERIOD: i64 = 700 * 2880;

/// The rest of an input, read piece by piece; what is beyond its end is zero and empty.
struct Tipset<'a>(&'a [u8]);

impl<'a> Tipset<'a> {
    fn byte(&mut self) -> u8 {
        let Some((byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *byte
    }

    /// A byte string behind its length in a byte.
    fn string(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte()).min(self.0.len());
        let (string, rest) = self.0.split_at(length);
        self.0 = rest;
        string
    }

    fn actor(&mut self) -> u64 {
        ACTORS[usize::from(self.byte()) % ACTORS.len()]
    }

    /// Those that a byte's bits name.
    fn actors(&mut self) -> Vec<u64> {
        let bits = self.byte();
        (0..8).filter(|bit| bits >> bit & 1 == 1).map(|bit| ACTORS[bit]).collect()
    }

    /// Signers, threshold, the next id, and up to three transactions that wait.
    fn multisig(&mut self, number: u64) -> state::Multisig {
        let (signers, numbers) = (self.actors(), self.byte());
        let (threshold, next) = (u64::from(numbers & 3), i64::from(numbers >> 2 & 15));
        let pending = (0..numbers >> 6)
            .map(|_| {
                let (id, to, method) = (i64::from(self.byte() & 15), self.actor(), u64::from(self.byte()));
                let address = bytes(Address::id(to).as_bytes());
                (id, vec![address, bytes(&[]), uint(method), bytes(self.string())], self.actors())
            })
            .collect();
        state::Multisig { number, signers, threshold, next, pending, absent: false }
    }
}

/// Two multisigs before and after, and up to eight messages: a sector became faulty, which is told once, whatever they
/// ask.
fn tipset(actors: u8, input: &[u8]) {
    let mut input = Tipset(input);
    let with_receipts = input.byte() & 1 == 1;
    let activation = PERIOD - 365 * 2880;
    let sector = |number| Sector {
        number,
        activation,
        power_base: activation,
        expiration: PERIOD + 400 * 2880,
        verified_weight: 0,
        sealed: 1,
        full_qap: false,
        daily_fee: 0,
    };
    let before = State {
        actors,
        period_start: PERIOD,
        sectors: vec![sector(1), sector(SECTOR)],
        multisigs: vec![input.multisig(200), input.multisig(201)],
        ..State::default()
    };
    let multisigs = vec![input.multisig(200), input.multisig(201)];
    let after = State { faults: vec![SECTOR], multisigs, ..before.clone() };
    let mut sent = Vec::new();
    while sent.len() < 8 && !input.0.is_empty() {
        let (from, to, method) = (input.actor(), input.actor(), u64::from(input.byte()));
        let message = message((from, sent.len() as u64), to, method, input.string());
        let receipt = Receipt { exit_code: i64::from(input.byte() & 1), returned: input.string().to_vec() };
        sent.push(ExecutedMessage { message, receipt: with_receipts.then_some(receipt) });
    }
    let messages: Vec<_> = sent.iter().map(|executed| executed.message.cid).collect();
    let events = told(&mut Differ::new(), &before, &after, PERIOD + 999, sent);
    let [event] = &events[..] else { panic!("{events:?}") };
    assert_eq!((event.kind, event.sector.0), (Kind::Fault, SECTOR));
    if let Some(message) = &event.message {
        assert!(messages.contains(&message.cid) && message.method > 3 && message.sectors == 1);
    }
}
