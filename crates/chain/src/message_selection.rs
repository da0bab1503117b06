//! Which of the messages in a tipset's blocks run: of each sender those whose nonces follow each other.
//!
//! An account may sign with its key's address or with its number, and has one count of messages.

use std::collections::{HashMap, HashSet};

use cid::Cid;

use crate::address::{Address, Protocol};
use crate::block::BlockStore;
use crate::error::Result;
use crate::message::Message;
use crate::state::{ActorCodes, StateTree};

/// Network version 13 is that of actors v5.
const COUNT_BY_NUMBER: u8 = 5;

/// The messages that run, of those `offered` by a tipset's blocks in order: each once, and of one sender only those whose
/// nonces follow each other (as the reference implementations choose them: Lotus, `BlockMsgsForTipset`). The states are
/// those before the tipset and after it.
///
/// # Errors
/// If a part of a state that is needed is missing or malformed.
pub(crate) fn select_messages(
    store: &dyn BlockStore,
    mut offered: Vec<Message>,
    states: (&Cid, &Cid),
) -> Result<Vec<Message>> {
    let numbers = numbers(store, &offered, states)?;
    let (mut seen, mut nonces) = (HashSet::new(), HashMap::new());
    offered.retain(|message| {
        let sender = numbers.get(&message.from).unwrap_or(&message.from);
        let next = match nonces.get_mut(sender) {
            Some(next) => next,
            None => nonces.entry(sender.clone()).or_insert(message.nonce),
        };
        let runs = *next == message.nonce && seen.insert(message.unsigned);
        if runs {
            *next = next.saturating_add(1);
        }
        runs
    });
    Ok(offered)
}

/// The ID addresses by which senders count, where that is not the address that they gave: from network version 13 on,
/// their numbers in the state before the tipset. That makes a difference only where some give addresses and others
/// numbers, so nothing is looked up elsewhere.
fn numbers(
    store: &dyn BlockStore,
    messages: &[Message],
    (before, after): (&Cid, &Cid),
) -> Result<HashMap<Address, Address>> {
    let mut numbers = HashMap::new();
    let by_number = |message: &&Message| message.from.protocol() == Protocol::Id;
    let count = messages.iter().filter(by_number).count();
    if count == 0 || count == messages.len() || !count_by_number(store, after)? {
        return Ok(numbers);
    }
    let before = StateTree::open(store, before)?;
    for message in messages.iter().filter(|message| !by_number(message)) {
        if !numbers.contains_key(&message.from)
            && let Some(number) = before.resolve(&message.from)?
        {
            numbers.insert(message.from.clone(), Address::id(number));
        }
    }
    Ok(numbers)
}

/// Whether senders count by their numbers in the tipset that left this state.
fn count_by_number(store: &dyn BlockStore, after: &Cid) -> Result<bool> {
    let version = ActorCodes::new().version_of(&StateTree::open(store, after)?)?;
    // A code that is not known belongs to a bundle, and these began later.
    Ok(version.is_none_or(|version| version >= COUNT_BY_NUMBER))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::{dag_cbor_cid, sha2};
    use crate::testing::{Memory, array, bytes, link, uint};

    const NUMBER: u64 = 100;

    fn key() -> Address {
        Address::from_bytes(&[3; 49]).unwrap()
    }

    /// A map of one node.
    fn map(store: &mut Memory, entries: &[(&[u8], Vec<u8>)]) -> Cid {
        let mut entries: Vec<_> =
            entries.iter().map(|(key, value)| (sha2(key)[0] >> 3, key, value)).collect();
        entries.sort_unstable();
        let bits = entries.iter().fold(0_u32, |bits, (slot, ..)| bits | 1 << slot);
        let bucket =
            |(_, key, value): &(u8, &&[u8], &Vec<u8>)| array(&[array(&[bytes(key), (*value).clone()])]);
        let buckets: Vec<_> = entries.iter().map(bucket).collect();
        assert_eq!(bits.count_ones() as usize, buckets.len(), "no two keys in one slot");
        store.put(array(&[bytes(&bits.to_be_bytes()), array(&buckets)]))
    }

    /// A state of some actors version, in which the key's account is number 100.
    fn state(store: &mut Memory, actors: u8) -> Cid {
        let addresses = map(store, &[(key().as_bytes(), uint(NUMBER))]);
        let init = store.put(array(&[link(&addresses), uint(101), bytes(b"name")]));
        let system = store.put(array(&[]));
        let actor = |name: &str, head: &Cid| {
            let name = format!("fil/{actors}/{name}");
            let code = [&[1, 0x55, 0, name.len() as u8], name.as_bytes()].concat();
            array(&[link(&Cid::try_from(code).unwrap()), link(head), uint(0), bytes(&[])])
        };
        let (zero, one) = (Address::id(0), Address::id(1));
        let entries = [(zero.as_bytes(), actor("system", &system)), (one.as_bytes(), actor("init", &init))];
        let actors = map(store, &entries);
        let info = store.put(array(&[]));
        store.put(array(&[uint(4), link(&actors), link(&info)]))
    }

    fn message(from: &Address, nonce: u64, method: u64) -> Message {
        let cid = dag_cbor_cid(&[from.as_bytes(), &[nonce as u8, method as u8]].concat());
        let to = Address::id(1000);
        Message { cid, unsigned: cid, to, from: from.clone(), nonce, method, params: Vec::new() }
    }

    /// Which of the messages run, by their methods.
    fn run(store: &Memory, offered: Vec<Message>, state: &Cid) -> Vec<u64> {
        select_messages(store, offered, (state, state))
            .unwrap()
            .iter()
            .map(|message| message.method)
            .collect()
    }

    #[test]
    fn from_network_version_13_an_account_is_one_sender_by_its_key_and_by_its_number() {
        let (by_key, by_number, other) = (key(), Address::id(NUMBER), Address::id(101));
        let offered = vec![
            message(&by_key, 7, 1),
            message(&by_number, 8, 2),
            message(&by_number, 7, 3),
            message(&other, 0, 4),
            message(&by_key, 8, 5),
            message(&by_key, 9, 6),
        ];
        let mut store = Memory::default();
        for (actors, expected) in [(4, vec![1, 2, 4, 5, 6]), (5, vec![1, 2, 4, 6]), (7, vec![1, 2, 4, 6])] {
            let state = state(&mut store, actors);
            assert_eq!(run(&store, offered.clone(), &state), expected, "actors v{actors}");
        }
    }

    #[test]
    fn a_message_runs_once_and_after_those_of_its_sender_before_it() {
        let (one, other) = (Address::id(NUMBER), Address::id(101));
        let offered = vec![
            message(&one, 7, 1),
            message(&other, 3, 2),
            message(&one, 7, 1),
            message(&one, 9, 3),
            message(&one, 8, 4),
            message(&one, 8, 5),
        ];
        // Where all give numbers, or all addresses, no state is asked.
        let nowhere = dag_cbor_cid(b"no state");
        assert_eq!(run(&Memory::default(), offered, &nowhere), [1, 2, 4]);
        assert_eq!(run(&Memory::default(), vec![message(&key(), 0, 1)], &nowhere), [1]);
    }
}
