//! What a tipset's messages asked of which miner, directly or through multisigs.

use std::collections::BTreeMap;

use chain::state::{ActorCodes, MinerCall, StateTree};
use chain::{ExecutedMessage, MinerId, Result, work};

use super::multisig_calls::{MultisigCalls, miner_call};

/// One call of a miner that succeeded by the receipts, from inside a multisig by what that by_receipt. In a tipset without
/// receipts it is a candidate.
#[derive(Clone)]
pub(super) struct Call {
    /// Position among the tipset's messages, of the message at the top if the call came from inside a multisig.
    pub(super) index: usize,
    /// The miner's method.
    pub(super) method: u64,
    /// What it asked.
    pub(super) op: MinerCall,
    /// Whether that is known.
    pub(super) certain: bool,
}

/// The calls of a tipset, by miner, in order of execution.
pub(super) struct Calls {
    by_miner: BTreeMap<MinerId, Vec<Call>>,
}

/// What keeping what a call asks counts for.
fn work_of(op: &MinerCall) -> u64 {
    4 * work::ITEM * (1 + op.items())
}

/// How much there is to look through in some calls.
pub(super) fn items<'c>(calls: impl IntoIterator<Item = &'c Call>) -> u64 {
    calls.into_iter().map(|call| 1 + call.op.items()).sum()
}

impl Calls {
    /// Decodes them. Receivers are resolved in the state before, or else after.
    pub(super) fn of(
        messages: &[ExecutedMessage],
        before: &StateTree<'_>,
        after: &StateTree<'_>,
        codes: &ActorCodes,
    ) -> Result<Self> {
        let mut by_miner: BTreeMap<MinerId, Vec<Call>> = BTreeMap::new();
        let mut inside = MultisigCalls::of(before, after, codes);
        for (index, executed) in messages.iter().enumerate() {
            let message = &executed.message;
            if executed.failed() {
                continue;
            }
            let store = before.store();
            store.spend(work::BITFIELD_BYTE * message.params.len() as u64)?;
            let (receiver, method, op) =
                match miner_call(message.method, &message.params, executed.returned()) {
                    Some(op) => (inside.resolve(&message.to)?, message.method, op),
                    None => match inside.follow(executed)? {
                        Some(reached) => (Some(reached.to), reached.method, reached.op),
                        None => continue,
                    },
                };
            if let Some(miner) = receiver.map(MinerId) {
                let certain = executed.receipt.is_some();
                store.spend(work_of(&op))?;
                by_miner.entry(miner).or_default().push(Call { index, method, op, certain });
            }
        }
        Ok(Self { by_miner })
    }

    /// All, by receiver.
    pub(super) fn receivers(&self) -> impl Iterator<Item = (MinerId, &[Call])> {
        self.by_miner.iter().map(|(receiver, calls)| (*receiver, calls.as_slice()))
    }

    /// Those to one miner.
    pub(super) fn to(&self, miner: MinerId) -> &[Call] {
        self.by_miner.get(&miner).map_or(&[], Vec::as_slice)
    }
}
