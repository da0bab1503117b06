//! Who sent a message: an account may sign with its key's address or with its number, and has one count of messages.

use std::collections::HashMap;

use cid::Cid;

use crate::address::{Address, Protocol};
use crate::block::BlockStore;
use crate::error::Result;
use crate::message::Message;
use crate::state::{Codes, StateTree};

/// Network version 13 is that of actors v5.
const COUNT_BY_NUMBER: u8 = 5;

/// The ID addresses by which the senders of a tipset's messages count, where that is not the address that they gave.
///
/// From network version 13 on, senders count by their numbers in the state before the tipset. That makes a difference
/// only where some give addresses and others numbers (as in Lotus, `BlockMsgsForTipset`), so nothing is looked up
/// elsewhere.
///
/// # Errors
/// If a state that is needed is missing or malformed.
pub(crate) fn numbers(
    store: &dyn BlockStore,
    messages: &[Message],
    before: &Cid,
    after: &Cid,
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
    // A code that is not known belongs to a bundle, and these began later.
    Ok(Codes::new()
        .version_of(&StateTree::open(store, after)?)?
        .is_none_or(|version| version >= COUNT_BY_NUMBER))
}
