//! Multisigs: their calls and answers, and their states.
//!
//! The first byte says what the rest is. 0: a method, the length of the parameters in two bytes, the parameters, and an
//! answer. 1: blocks, of which the last is a multisig's state.
#![no_main]

use chain::state::{Actor, Multisig, MultisigCall, MultisigReturn};
use chain::{BlockStore, Cid, Hamt, Reader, Result};
use fuzz::Blocks;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    match input.split_first() {
        Some((0, rest)) => call(rest),
        Some((1, rest)) => stored(rest),
        _ => {}
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
    let goes_on = |byte: &u8| byte & 0x80 != 0;
    if key.len() > 9 || goes_on(last) || !rest.iter().all(goes_on) || (*last == 0 && !rest.is_empty()) {
        return None;
    }
    let value = key.iter().rev().fold(0_u64, |value, byte| value << 7 | u64::from(byte & 0x7f));
    Some((value >> 1) as i64 ^ -((value & 1) as i64))
}
