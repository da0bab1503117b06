//! Where the chain itself does not close: claims that are not the sum of active sectors, though the ledger is right
//! (`docs/DEFINITIONS.md`, "Anomalies of the chain").
//!
//! Each of the three anomalies leaves figures of its own in the chain's state, and begins with events that the ledger has.
//! An anomaly is recognised where both fit, to the byte; it lasts from day to day as long as its figures do. Whatever else
//! does not close stays unexplained.

use std::collections::{BTreeMap, BTreeSet};

use chain::{Bytes, MinerId, SectorNumber};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use crate::event::{Cause, Event, Kind, Status};
use crate::identities::MinerDay;
use crate::power::{ChainPower, Power};
use crate::row::Row;
use crate::spelled::spelled;
use crate::value::Value;

/// Something in the actors that leaves a claim which is not the sum of active sectors.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Display, EnumString, IntoStaticStr, VariantArray,
)]
pub enum Anomaly {
    /// A dispute of a proof made before a snap takes the power that the sector had then out of the claim, so that what
    /// the snap added stays in it until the next missed proof. builtin-actors, `dispute_windowed_post`: faults are
    /// recorded by the deadline's snapshot of sectors.
    #[strum(serialize = "claim_disputed_before_snap")]
    DisputedBeforeSnap,
    /// A deadline's cron failed, and the power actor took the whole claim away. builtin-actors,
    /// `process_deferred_cron_events`.
    #[strum(serialize = "claim_dropped_by_failed_cron")]
    DroppedByFailedCron,
    /// Actors v1: a sector that was replaced by a CC upgrade and then declared faulty stood in its queue twice, and left
    /// the claim twice, until the migration of nv4. specs-actors v0.9, `RescheduleAsFaults`.
    #[strum(serialize = "claim_left_twice")]
    LeftTwice,
}

spelled!(Anomaly);

impl Anomaly {
    /// What it is, in a sentence.
    #[must_use]
    pub const fn doc(self) -> &'static str {
        match self {
            Self::DisputedBeforeSnap => {
                "A proof made before a snap was disputed: what the snap added stays in the claim until the next missed proof."
            }
            Self::DroppedByFailedCron => {
                "A deadline's cron failed, and the power actor took the whole claim away."
            }
            Self::LeftTwice => {
                "Actors v1: a sector replaced by a CC upgrade and then declared faulty left the claim twice."
            }
        }
    }

    /// The identities that do not hold because of it.
    #[must_use]
    pub const fn explains(self) -> &'static [&'static str] {
        match self {
            Self::DisputedBeforeSnap => &["claim_qap", "partitions_faulty_qap"],
            Self::DroppedByFailedCron => &["claim_rbp", "claim_qap", "chain_rbp", "chain_qap"],
            Self::LeftTwice => &["claim_rbp", "claim_qap", "partitions_faulty_rbp", "partitions_faulty_qap"],
        }
    }
}

/// An anomaly of a miner at a day's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinerAnomaly {
    /// Which it is.
    pub anomaly: Anomaly,
    /// By how much the claim is off, one way or the other.
    pub off: Power,
}

/// What a day's events say that anomalies can begin with.
#[derive(Clone, Debug, Default)]
pub struct AnomalySignals {
    /// The miners whose ledger the day opens.
    pub openings: BTreeSet<MinerId>,
    /// What snaps added to sectors in quality-adjusted power.
    snapped: BTreeMap<(MinerId, SectorNumber), i128>,
    /// Disputed sectors, with what snaps of the day had added to them before.
    disputed: BTreeMap<(MinerId, SectorNumber), i128>,
    /// Power of the sectors that left faulty because they were replaced.
    replaced_faulty: BTreeMap<MinerId, Power>,
}

impl AnomalySignals {
    /// Of these events; each sector's come in the chain's order.
    pub fn of<'e>(events: impl IntoIterator<Item = &'e Event>) -> Self {
        let mut seen = Self::default();
        events.into_iter().for_each(|event| seen.observe(event));
        seen
    }

    /// Takes an event of the day; each sector's come in the chain's order.
    pub fn observe(&mut self, event: &Event) {
        let key = (event.miner, event.sector);
        match (event.kind, event.cause) {
            (Kind::Opening, _) if self.openings.last() != Some(&event.miner) => {
                self.openings.insert(event.miner);
            }
            (Kind::Snap, _) => {
                let [before, after] = [event.qap_before, event.qap_after].map(Option::unwrap_or_default);
                let added = self.snapped.entry(key).or_default();
                *added = added.saturating_add(after.0.saturating_sub(before.0).max(0));
            }
            (Kind::Fault, Some(Cause::Disputed)) => {
                let snapped = self.snapped.get(&key).copied().unwrap_or_default();
                let added = self.disputed.entry(key).or_default();
                *added = (*added).max(snapped);
            }
            (Kind::Expire, Some(Cause::Replaced)) if event.status_before == Status::Faulty => {
                let left = self.replaced_faulty.entry(event.miner).or_default();
                left.rbp.0 = left.rbp.0.saturating_add(event.sector_size.0);
                left.qap.0 = left.qap.0.saturating_add(event.qap().0);
            }
            _ => {}
        }
    }
}

/// What of the days before bears on a day: whose claims were off, and what was snapped on the last of them. A proof can be
/// disputed for 1,800 epochs after its deadline, so a snap between the two is on the day of the dispute or the one before.
#[derive(Clone, Debug, Default)]
pub struct AnomalyHistory {
    anomalous: BTreeMap<MinerId, MinerAnomaly>,
    snapped: BTreeMap<(MinerId, SectorNumber), i128>,
}

impl AnomalyHistory {
    /// From a day with these anomalies and events.
    #[must_use]
    pub fn from(anomalous: BTreeMap<MinerId, MinerAnomaly>, seen: AnomalySignals) -> Self {
        Self { anomalous, snapped: seen.snapped }
    }

    /// The anomaly because of which a miner's day does not close, if it is one of the three. `events` are the day's, of all
    /// miners or of this one, in the chain's order.
    #[must_use]
    pub fn explain(
        &self,
        day: &MinerDay<'_>,
        seen: &AnomalySignals,
        events: &[Event],
    ) -> Option<MinerAnomaly> {
        let miner = day.power.miner;
        let figures = Figures::of(day.row, &day.power)?;
        if !figures.rest_holds {
            return None;
        }
        let before = |anomaly: Anomaly| {
            let carried = self.anomalous.get(&miner).filter(|carried| carried.anomaly == anomaly);
            carried.map(|carried| carried.off).unwrap_or_default()
        };
        let (excess, short) = (figures.claim_excess, figures.faulty_short);
        let missing = negated(excess);
        let nothing = Power::default();
        if short == nothing {
            let dropped = before(Anomaly::DroppedByFailedCron);
            let less = missing.rbp.0 >= 0 && missing.qap.0 >= 0 && missing != nothing;
            let told = missing == dropped || became_active(miner, events, day.power.claim);
            return (less && told)
                .then_some(MinerAnomaly { anomaly: Anomaly::DroppedByFailedCron, off: missing });
        }
        if excess == short && excess.rbp.0 == 0 && excess.qap.0 > 0 {
            let most = before(Anomaly::DisputedBeforeSnap)
                .qap
                .0
                .saturating_add(self.snapped_then_disputed(miner, seen));
            return (excess.qap.0 <= most)
                .then_some(MinerAnomaly { anomaly: Anomaly::DisputedBeforeSnap, off: excess });
        }
        if excess == short && missing.rbp.0 > 0 && missing.qap.0 > 0 {
            let (known, left) = (before(Anomaly::LeftTwice), seen.replaced_faulty.get(&miner).copied());
            let most = plus(known, left.unwrap_or_default());
            return (missing.rbp <= most.rbp && missing.qap <= most.qap)
                .then_some(MinerAnomaly { anomaly: Anomaly::LeftTwice, off: missing });
        }
        None
    }

    /// What snaps of this day and the one before added to the sectors that were disputed afterwards.
    fn snapped_then_disputed(&self, miner: MinerId, seen: &AnomalySignals) -> i128 {
        let of_miner = (miner, SectorNumber(0))..=(miner, SectorNumber(u64::MAX));
        seen.disputed.range(of_miner).fold(0, |sum: i128, (key, today)| {
            let yesterday = self.snapped.get(key).copied().unwrap_or_default();
            sum.saturating_add(*today).saturating_add(yesterday)
        })
    }
}

/// Where a miner's ledger and the chain differ.
struct Figures {
    /// Live and unproven power are the same.
    rest_holds: bool,
    /// The claim less the ledger's active power.
    claim_excess: Power,
    /// The ledger's faulty power less what the partitions state.
    faulty_short: Power,
}

impl Figures {
    /// `None` if a figure is absurd.
    fn of(row: &Row, chain: &ChainPower) -> Option<Self> {
        let figure = |name: &str| match row.value(crate::columns::column(name)?)? {
            Value::Integer(value) => Some(Bytes(value)),
            Value::Double(_) => None,
        };
        let power =
            |of: &str| Some(Power { rbp: figure(&format!("{of}_rbp"))?, qap: figure(&format!("{of}_qap"))? });
        let (active, live) = (power("active_sector")?, power("live_sector")?);
        let (faulty, unproven) = (power("active_fault")?, power("unproven_sector")?);
        Some(Self {
            rest_holds: live == chain.live && unproven == chain.unproven,
            claim_excess: plus(chain.claim, negated(active)),
            faulty_short: plus(faulty, negated(chain.faulty)),
        })
    }
}

fn plus(one: Power, other: Power) -> Power {
    Power {
        rbp: Bytes(one.rbp.0.saturating_add(other.rbp.0)),
        qap: Bytes(one.qap.0.saturating_add(other.qap.0)),
    }
}

fn negated(power: Power) -> Power {
    Power { rbp: Bytes(power.rbp.0.saturating_neg()), qap: Bytes(power.qap.0.saturating_neg()) }
}

/// Whether the claim is what became active since some moment of the day, nothing included: what a claim is that was taken
/// away at that moment.
fn became_active(miner: MinerId, events: &[Event], claim: Power) -> bool {
    let mut since = Power::default();
    if claim == since {
        return true;
    }
    let of_miner = events.iter().rev().filter(|event| event.miner == miner);
    for event in of_miner {
        let held = |status: Status, qap: Option<Bytes>| match status {
            Status::Active => Power { rbp: event.sector_size, qap: qap.unwrap_or_default() },
            _ => Power::default(),
        };
        let change = plus(
            held(event.status_after, event.qap_after),
            negated(held(event.status_before, event.qap_before)),
        );
        since = plus(since, change);
        if since == claim {
            return true;
        }
    }
    false
}
