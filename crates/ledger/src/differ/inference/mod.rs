//! Which calls failed, where no receipt says so.
//!
//! Public snapshots hold no receipts. A call whose outcome is not known is taken for successful unless something refutes
//! it: the [`proving_schedule`] (it came for a deadline that was not its to be made for), the [`state_evidence`] (what it
//! asked is not so afterwards), or what other calls of the same tipset did ([`call_conflicts`]). A call is all or nothing,
//! so one sector that refutes it does so for all, but for methods that answer per sector: of those, the sectors count that
//! the outcome shows. What remains in doubt is decided the same way every time, and [`uncertainty`] marks the events
//! concerned. `docs/DEFINITIONS.md`, "Missing receipts".

mod call_conflicts;
mod inferred_calls;
mod proving_schedule;
mod state_evidence;
mod uncertainty;

pub(super) use inferred_calls::infer_calls;
pub(super) use uncertainty::mark_uncertain;
