//! Takes out of a miner's calls those that failed.

use std::borrow::Cow;

use chain::state::{MinerCall, names_sectors};
use chain::{Result, work};

use super::super::calls::{Call, items};
use super::super::changes::MinerChanges;
use super::call_conflicts::CallConflicts;
use super::proving_schedule::ProvingSchedule;
use super::state_evidence::{MOST_NAMED, StateEvidence};
use crate::receipts::ReceiptCounts;

/// How often calls are checked against each other. Each round removes some that conflicted with others; more than two
/// or three need a tipset full of calls about the same sectors.
const MOST_ROUNDS: usize = 8;

/// A miner's calls without those that failed.
pub(in super::super) struct InferredCalls<'c, 's> {
    /// Those that succeeded or are taken for successful, in order of execution.
    pub(in super::super) calls: Cow<'c, [Call]>,
    /// How many were candidates: their outcome is not known, and the miner has such a method.
    candidates: u64,
    /// How many of these are refuted.
    refuted: u64,
    /// What they were checked against; `None` if all were certain.
    pub(super) evidence: Option<StateEvidence<'c, 's>>,
}

impl InferredCalls<'_, '_> {
    /// What was inferred of messages.
    pub(in super::super) fn counts(&self) -> ReceiptCounts {
        let (messages_inferred, messages_refuted) = (self.candidates, self.refuted);
        ReceiptCounts { messages_inferred, messages_refuted, ..ReceiptCounts::default() }
    }
}

/// Takes out of a miner's calls those that failed.
pub(in super::super) fn infer_calls<'c, 's>(
    changes: &'c MinerChanges<'s>,
    calls: &'c [Call],
) -> Result<InferredCalls<'c, 's>> {
    if calls.iter().all(|call| call.certain) {
        return Ok(InferredCalls { calls: Cow::Borrowed(calls), candidates: 0, refuted: 0, evidence: None });
    }
    let version = changes.version();
    let schedule = ProvingSchedule::at(changes.height(), changes.period_start());
    let outcome = StateEvidence::of(changes);
    let known = calls.iter().filter(|call| call.certain || names_sectors(call.method, version));
    let (mut taken, mut candidates) = (Vec::new(), 0);
    for call in known {
        candidates += u64::from(!call.certain);
        let named = call.op.named().min(MOST_NAMED);
        changes.spend(changes.work_of_sector().saturating_mul(1 + named))?;
        if call.certain {
            taken.push(call.clone());
        } else if !schedule.refutes(&call.op, version)
            && let Some(op) = outcome.allows(call, schedule)?
        {
            taken.push(Call { op, ..call.clone() });
        }
    }
    for _ in 0..MOST_ROUNDS {
        let before = taken.len();
        changes.spend(conflict_work(changes, &taken))?;
        let narrowed = refute_by_each_other(&outcome, &mut taken)?;
        if !narrowed && taken.len() == before {
            break;
        }
    }
    order_disputes_after_declarations(&mut taken);
    let refuted = candidates - taken.iter().filter(|call| !call.certain).count() as u64;
    Ok(InferredCalls { calls: Cow::Owned(taken), candidates, refuted, evidence: Some(outcome) })
}

/// What it takes to hold some calls against each other: every sector that one names is looked for in all others.
fn conflict_work(changes: &MinerChanges<'_>, calls: &[Call]) -> u64 {
    let all = items(calls);
    let of_call = |call: &Call| {
        let (named, own) = (call.op.named().min(MOST_NAMED), 1 + call.op.items());
        let others = all.saturating_sub(own).saturating_mul(work::LOOKUP);
        (named + own).saturating_mul(others.saturating_add(changes.work_of_sector()))
    };
    calls.iter().filter(|call| !call.certain).map(of_call).fold(0, u64::saturating_add)
}

/// Takes out what other calls refute. Whether a call that stays lost some of its sectors.
fn refute_by_each_other(outcome: &StateEvidence<'_, '_>, taken: &mut Vec<Call>) -> Result<bool> {
    let (mut narrowed, mut at) = (false, 0);
    while let Some(call) = taken.get(at) {
        if call.certain {
            at += 1;
            continue;
        }
        match CallConflicts::new(outcome, taken, at).allows(call)? {
            Some(op) => {
                if op != call.op {
                    narrowed = true;
                    taken[at].op = op;
                }
                at += 1;
            }
            None => {
                taken.remove(at);
            }
        }
    }
    Ok(narrowed)
}

/// Of a fault that may have been declared or found by a dispute, the declaration is assumed: it is asked first, but for one
/// that comes after a termination.
fn order_disputes_after_declarations(taken: &mut [Call]) {
    for at in (0..taken.len()).rev() {
        let Some([dispute, later @ ..]) = taken.get_mut(at..) else { continue };
        if dispute.certain || !matches!(dispute.op, MinerCall::Dispute { .. }) {
            continue;
        }
        let until =
            later.iter().position(|call| matches!(call.op, MinerCall::Terminate(_))).unwrap_or(later.len());
        let declares = |call: &Call| matches!(call.op, MinerCall::DeclareFaults(_));
        if let Some(last) = later[..until].iter().rposition(declares) {
            taken[at..=at + 1 + last].rotate_left(1);
        }
    }
}
