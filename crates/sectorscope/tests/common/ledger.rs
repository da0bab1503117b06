//! What the events of a truth file add up to.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::truth::{number, text};

/// Sectors, raw bytes, QAP, and the messages that caused them.
type Committed = (i128, i128, i128, BTreeSet<String>);

/// What a miner's events add up to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    /// QAP and faultiness of the live sectors.
    pub(crate) live: BTreeMap<i128, (i128, bool)>,
    /// What snaps, extensions and adjustments changed in QAP.
    pub(crate) requalified: i128,
    /// By `precommit` or `provecommit`, in batches or not.
    commits: BTreeMap<(&'static str, bool), Committed>,
}

impl Ledger {
    /// Adds an event.
    pub(crate) fn apply(&mut self, event: &Value) {
        let sector = number(event, "sector").unwrap();
        let qap = number(event, "qap").or(number(event, "rbp")).unwrap();
        match text(event, "event").unwrap() {
            "precommit_single" | "precommit_batch" => self.commit("precommit", &[6], event, qap),
            "activated" => {
                self.live.insert(sector, (qap, false));
                self.commit("provecommit", &[7], event, qap);
            }
            "snapped" | "extended" => {
                let held = self.live.get_mut(&sector).unwrap();
                self.requalified += qap - held.0;
                held.0 = qap;
            }
            "faulted" => self.live.get_mut(&sector).unwrap().1 = true,
            "recovered" => self.live.get_mut(&sector).unwrap().1 = false,
            "terminated_active" | "terminated_passive" | "expired" => {
                self.live.remove(&sector).unwrap();
            }
            "proven" | "precommit_expired" => {}
            other => panic!("unknown event {other}"),
        }
    }

    fn commit(&mut self, stage: &'static str, single: &[i128], event: &Value, qap: i128) {
        let batch = !single.contains(&number(event, "method_num").unwrap());
        let sum = self.commits.entry((stage, batch)).or_default();
        sum.0 += 1;
        sum.1 += number(event, "rbp").unwrap();
        sum.2 += qap;
        sum.3.insert(text(event, "msg_cid").unwrap().to_owned());
    }

    /// Sectors, raw bytes, QAP and messages of a stage.
    pub(crate) fn committed(&self, stage: &'static str, batch: bool) -> (i128, i128, i128, i128) {
        let (count, rbp, qap, messages) = self.commits.get(&(stage, batch)).cloned().unwrap_or_default();
        (count, rbp, qap, i128::try_from(messages.len()).unwrap())
    }
}
