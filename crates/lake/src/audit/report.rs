//! What is audited, and what was found.

use std::collections::BTreeSet;

use chain::{Day, DayRange, MinerId};

use crate::catalog::day_range;
use crate::error::Result;

/// What to audit.
#[derive(Clone, Debug, Default)]
pub struct AuditScope {
    /// The first day; the first closed one if absent.
    pub from: Option<Day>,
    /// The last day; the last closed one if absent.
    pub to: Option<Day>,
    /// Only these miners; all if empty.
    pub miners: BTreeSet<MinerId>,
}

impl AuditScope {
    /// The days meant, of the closed ones.
    pub(crate) fn days(&self, closed: Option<DayRange>) -> Result<DayRange> {
        day_range::resolve(closed, self.from, self.to)
    }

    pub(crate) fn has(&self, miner: MinerId) -> bool {
        self.miners.is_empty() || self.miners.contains(&miner)
    }
}

/// Something of a miner's day that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The day.
    pub day: Day,
    /// The miner.
    pub miner: MinerId,
    /// What does not hold: an identity, a check, or a column that does not come out of the events.
    pub name: String,
    /// What that means, with the figures where they are at hand.
    pub detail: String,
    /// Whether it is one of the chain's own anomalies, and nothing of the ledger's.
    pub anomaly: bool,
}

/// What an audit covered and found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuditReport {
    /// Days.
    pub days: u64,
    /// Miners' days.
    pub miner_days: u64,
    /// Of these, those closed under layout 1, when only the claim was held against the ledger.
    pub by_claim_alone: u64,
    /// Events that were read: by a deep audit only.
    pub events: u64,
    /// What does not hold, but for the chain's own anomalies.
    pub findings: u64,
    /// Miners' days on which the chain itself does not close.
    pub anomalies: u64,
}

impl AuditReport {
    pub(crate) fn note(&mut self, finding: &Finding) {
        if finding.anomaly {
            self.anomalies += 1;
        } else {
            self.findings += 1;
        }
    }
}

/// Called with each finding.
pub type OnFinding<'f> = dyn FnMut(Finding) + Send + 'f;
