//! What the replay of a miner's sectors needs to know of its tipset.

use std::collections::BTreeMap;

use chain::state::{MinerCall, PartitionSectors};
use chain::{Epoch, MinerId, Result, SectorNumber};

use super::calls::Call;
use super::changes::MinerChanges;
use super::registries::RegistryPair;
use super::steps::{Stage, Step};
use crate::event::{Cause, Event};

/// One miner in one tipset.
pub(super) struct MinerContext<'a, 's> {
    pub(super) miner: MinerId,
    pub(super) changes: &'a MinerChanges<'s>,
    pub(super) calls: &'a [Call],
    pub(super) registries: &'a RegistryPair<'s>,
    /// By the position of its message, what each dispute is about.
    disputes: BTreeMap<usize, Vec<PartitionSectors>>,
    pub(super) height: Epoch,
}

impl<'a, 's> MinerContext<'a, 's> {
    pub(super) fn new(
        miner: MinerId,
        changes: &'a MinerChanges<'s>,
        calls: &'a [Call],
        registries: &'a RegistryPair<'s>,
        height: Epoch,
    ) -> Result<Self> {
        let mut disputes = BTreeMap::new();
        for call in calls {
            if let MinerCall::Dispute { deadline, post } = call.op {
                disputes.insert(call.index, changes.disputed(deadline, post)?);
            }
        }
        Ok(Self { miner, changes, calls, registries, disputes, height })
    }
}

impl MinerContext<'_, '_> {
    /// What a pre-commit or an onboarding from inside another actor counts as. Such callers use batches, which came with
    /// actors v5.
    pub(super) const fn unseen_cause(&self) -> Cause {
        if self.changes.version() < 5 { Cause::Single } else { Cause::Batch }
    }

    /// The sectors that a dispute is about.
    pub(super) fn disputed(&self, call: &Call) -> Option<&[PartitionSectors]> {
        self.disputes.get(&call.index).map(Vec::as_slice)
    }

    pub(super) fn step(
        &self,
        stage: Stage,
        deadline: u64,
        sector: SectorNumber,
        nth: usize,
        event: Event,
        call: Option<(usize, u64)>,
    ) -> Step {
        Step::new(stage, (self.miner, sector), deadline, nth, event, call)
    }
}
