//! What a tipset's successful messages asked of which miner.

use std::collections::BTreeMap;

use chain::state::{Op, StateTree};
use chain::{Executed, MinerId, Result};

/// One successful message to a miner.
pub(super) struct Call {
    /// Position among the tipset's messages.
    pub(super) index: usize,
    /// Its method.
    pub(super) method: u64,
    /// What it asked.
    pub(super) op: Op,
}

/// The successful messages of a tipset, by miner, in order of execution.
pub(super) struct Calls {
    by_miner: BTreeMap<MinerId, Vec<Call>>,
}

impl Calls {
    /// Decodes them. Receivers are resolved in the state before, or else after.
    pub(super) fn of(messages: &[Executed], before: &StateTree<'_>, after: &StateTree<'_>) -> Result<Self> {
        let mut by_miner: BTreeMap<MinerId, Vec<Call>> = BTreeMap::new();
        for (index, executed) in messages.iter().enumerate() {
            let op = match Op::of(executed) {
                Ok(Op::Other) => continue,
                Ok(op) => op,
                // The method numbers of other actors' calls overlap the miner's; their parameters do not.
                Err(error) => {
                    tracing::debug!(message = %executed.message.cid, %error, "not the parameters of a miner's method");
                    continue;
                }
            };
            let receiver = match before.resolve(&executed.message.to)? {
                None => after.resolve(&executed.message.to)?,
                found => found,
            };
            if let Some(miner) = receiver.map(MinerId) {
                by_miner.entry(miner).or_default().push(Call { index, method: executed.message.method, op });
            }
        }
        Ok(Self { by_miner })
    }

    /// Those to one miner.
    pub(super) fn to(&self, miner: MinerId) -> &[Call] {
        self.by_miner.get(&miner).map_or(&[], Vec::as_slice)
    }
}
