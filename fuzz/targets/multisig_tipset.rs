//! Whole tipsets in which multisigs call a miner, of actors of the version that the first byte names, with receipts or
//! without, as [`Tipset`] spells them.
#![no_main]

#[path = "../../crates/ledger/tests/common/state.rs"]
mod state;

use chain::{Address, ExecutedMessage, Receipt};
use ledger::{Differ, Kind};
use libfuzzer_sys::fuzz_target;
use state::{MINER, Sector, State, bytes, derived, message, uint};

fuzz_target!(|input: &[u8]| {
    if let Some((actors, rest)) = input.split_first() {
        tipset(1 + actors % 18, rest);
    }
});

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
    let events = derived(&mut Differ::new(), &before, &after, PERIOD + 999, sent);
    let [event] = &events[..] else { panic!("{events:?}") };
    assert_eq!((event.kind, event.sector.0), (Kind::Fault, SECTOR));
    if let Some(message) = &event.message {
        assert!(messages.contains(&message.cid) && message.method > 3 && message.sectors == 1);
    }
}
