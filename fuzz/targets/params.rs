//! Messages and their parameters, for every method that changes sectors: an answer only ever takes away.
//!
//! An input is the method in one byte, the length of the parameters in two, the parameters, and the answer. Method 0
//! stands for a whole message instead.
#![no_main]

use chain::state::MinerCall;
use chain::{ExecutedMessage, Message, Receipt, dag_cbor_cid};
use fuzz as _;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((method, rest)) = input.split_first() else { return };
    if *method == 0 {
        if let Ok(message) = Message::decode(rest) {
            assert_eq!(message.cid, dag_cbor_cid(rest));
            assert!(message.params.len() < rest.len());
            let _ = MinerCall::of(&ExecutedMessage { message, receipt: receipt(0, &[]) });
        }
        return;
    }
    let Some((length, rest)) = rest.split_first_chunk::<2>() else { return };
    let (params, answer) = rest.split_at(rest.len().min(usize::from(u16::from_le_bytes(*length))));
    let message = Message::decode(&message(*method, params)).expect("a message");
    assert_eq!((message.method, &message.params[..]), (u64::from(*method), params));
    let op = |exit_code, answer: &[u8]| {
        MinerCall::of(&ExecutedMessage { message: message.clone(), receipt: receipt(exit_code, answer) })
    };
    assert_eq!(op(1, answer).ok(), Some(MinerCall::Other));
    let (asked, done) = (op(0, &[]), op(0, answer));
    assert_eq!(asked.is_ok(), done.is_ok());
    let (Ok(asked), Ok(done)) = (asked, done) else { return };
    match (asked, done) {
        (MinerCall::Update(asked), MinerCall::Update(done)) => {
            assert!(asked.len() <= params.len() && done.len() <= asked.len());
            assert!(done.iter().take(64).all(|update| asked.contains(update)));
        }
        (MinerCall::Prove(asked), MinerCall::Prove(done)) => {
            assert!(asked.is_sorted_by_key(|one| one.sector) && done.is_sorted_by_key(|one| one.sector));
            assert!(done.len() <= asked.len());
            assert!(done.iter().take(64).all(|one| asked.contains(one)));
        }
        (MinerCall::Precommit(asked), MinerCall::Precommit(done)) => {
            assert!(asked.is_sorted());
            assert_eq!(asked, done);
            assert!(asked.len() <= params.len());
        }
        (asked, done) => {
            assert_eq!(asked, done);
            if let MinerCall::Extend(extensions) = asked {
                assert!(extensions.len() <= params.len());
                for extension in extensions {
                    assert!(extension.drops_claims.difference(&extension.sectors).is_empty());
                    assert!(extension.dropped.len() <= params.len());
                }
            }
        }
    }
});

fn receipt(exit_code: i64, answer: &[u8]) -> Option<Receipt> {
    Some(Receipt { exit_code, returned: answer.to_vec() })
}

/// A message from `f00` to `f00` with that method and those parameters.
fn message(method: u8, params: &[u8]) -> Vec<u8> {
    let mut message = vec![0x8a, 0, 0x42, 0, 0, 0x42, 0, 0, 0, 0x40, 0, 0x40, 0x40, 0x18, method, 0x59];
    message.extend(u16::try_from(params.len()).expect("a length of two bytes").to_be_bytes());
    message.extend(params);
    message
}
