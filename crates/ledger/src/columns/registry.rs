//! The table of all columns.

use super::definition::{ACTIVE_COUNT, ACTIVE_DURATION, ACTIVE_DURATION_SQUARED};
use super::definition::{BalanceMeasure, Definition, EventSelector};
use super::endpoint::Endpoint;
use super::unit::Unit;
use crate::event::{Cause, Kind, Status};

impl Endpoint {
    /// The endpoint's columns in the order of its rows, without `stat_date` and `miner_id`.
    pub fn columns(self) -> impl Iterator<Item = &'static Column> {
        COLUMNS.iter().filter(move |column| column.endpoint == Some(self))
    }
}

/// One published (or balance-carrying) number of a miner's day.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Name in tables, JSON and CSV.
    pub name: &'static str,
    /// The endpoint of `/v2` that serves it; `None` for what only the lake and the identities need.
    pub endpoint: Option<Endpoint>,
    /// What it is.
    pub definition: Definition,
    /// What it is measured in.
    pub unit: Unit,
    /// Its meaning, in a sentence or two.
    pub doc: &'static str,
}

/// The column of that name.
#[must_use]
pub fn column(name: &str) -> Option<&'static Column> {
    COLUMNS.iter().find(|column| column.name == name)
}

/// Where the column of that name stands in [`COLUMNS`]. For constants: that there is none is an error of
/// compilation.
#[must_use]
pub(crate) const fn position(name: &str) -> usize {
    let mut at = 0;
    while at < COLUMNS.len() {
        let (known, name) = (COLUMNS[at].name.as_bytes(), name.as_bytes());
        let mut same = 0;
        while same < known.len() && same < name.len() && known[same] == name[same] {
            same += 1;
        }
        if same == known.len() && same == name.len() {
            return at;
        }
        at += 1;
    }
    panic!("the registry has no column of that name")
}

const fn any(kind: Kind) -> EventSelector {
    EventSelector { kind, causes: &[] }
}

const fn of(kind: Kind, causes: &'static [Cause]) -> EventSelector {
    EventSelector { kind, causes }
}

const ONBOARD: &[EventSelector] = &[any(Kind::Onboard)];
const ONBOARD_AND_OPENING: &[EventSelector] = &[any(Kind::Onboard), any(Kind::Opening)];
const PRECOMMIT: &[EventSelector] = &[of(Kind::Precommit, &[Cause::Single])];
const PRECOMMIT_BATCH: &[EventSelector] = &[of(Kind::Precommit, &[Cause::Batch])];
const PROVECOMMIT: &[EventSelector] =
    &[of(Kind::Onboard, &[Cause::Single, Cause::Genesis]), any(Kind::Opening)];
const PROVECOMMIT_BATCH: &[EventSelector] = &[of(Kind::Onboard, &[Cause::Batch, Cause::NonInteractive])];
const TERMINATE: &[EventSelector] = &[any(Kind::Terminate)];
const TERMINATE_ACTIVE: &[EventSelector] = &[of(Kind::Terminate, &[Cause::Active])];
const TERMINATE_PASSIVE: &[EventSelector] = &[of(Kind::Terminate, &[Cause::Passive])];
const FAULT: &[EventSelector] = &[any(Kind::Fault)];
const RECOVER: &[EventSelector] = &[any(Kind::Recover)];
const EXPIRE: &[EventSelector] = &[any(Kind::Expire)];
const EXTEND: &[EventSelector] = &[any(Kind::Extend)];
const SNAP: &[EventSelector] = &[any(Kind::Snap)];
const UPGRADE: &[EventSelector] = &[any(Kind::Upgrade)];
const REQUALIFY: &[EventSelector] =
    &[any(Kind::Snap), any(Kind::Extend), any(Kind::Upgrade), any(Kind::Adjust)];
/// Sectors that a state migration took away are among these.
const MIGRATE: &[EventSelector] = &[of(Kind::Adjust, &[Cause::Migration])];

const LIVE: &[Status] = &[Status::Unproven, Status::Active, Status::Faulty];
const ACTIVE: &[Status] = &[Status::Active];
const FAULTY: &[Status] = &[Status::Faulty];
const UNPROVEN: &[Status] = &[Status::Unproven];

use super::definition::Definition::{Flow, Messages, Quotient, State, Total};
use super::definition::Measure::{Count, Departure, DepartureRbp, Qap, QapChange, Rbp};

const fn served(
    endpoint: Endpoint,
    name: &'static str,
    definition: Definition,
    unit: Unit,
    doc: &'static str,
) -> Column {
    Column { name, endpoint: Some(endpoint), definition, unit, doc }
}

const fn kept(name: &'static str, definition: Definition, unit: Unit, doc: &'static str) -> Column {
    Column { name, endpoint: None, definition, unit, doc }
}

/// Every column, endpoint by endpoint in the order of its rows, then those no endpoint of `/v2` serves.
#[rustfmt::skip]
pub const COLUMNS: &[Column] = &[
    served(Endpoint::Total, "daily_sector_onboarding_count", Flow(ONBOARD, Count), Unit::Sectors, "Sectors onboarded on the day, by whichever way."),
    served(Endpoint::Total, "daily_sector_onboarding_rbp", Flow(ONBOARD, Rbp), Unit::Bytes, "Raw bytes of the sectors onboarded on the day."),
    served(Endpoint::Total, "daily_sector_onboarding_qap", Flow(ONBOARD, Qap), Unit::Bytes, "Quality-adjusted power of the sectors onboarded on the day, as it was when they were onboarded."),
    served(Endpoint::Total, "total_num_sector", Total(ONBOARD_AND_OPENING, Count), Unit::Sectors, "All sectors ever onboarded. It never falls: expired, faulty and terminated sectors stay in it."),
    served(Endpoint::Total, "total_sector_rbp", Total(ONBOARD_AND_OPENING, Rbp), Unit::Bytes, "Raw bytes of all sectors ever onboarded. It never falls."),
    served(Endpoint::Total, "total_sector_qap", Total(ONBOARD_AND_OPENING, Qap), Unit::Bytes, "Quality-adjusted power of all sectors ever onboarded, each as it was when it was onboarded."),
    served(Endpoint::CommitSectorCount, "total_sealed_sector_count", Total(ONBOARD_AND_OPENING, Count), Unit::Sectors, "All sectors ever onboarded; equal to total_num_sector."),
    served(Endpoint::CommitSectorCount, "precommit_sector_count", Total(PRECOMMIT, Count), Unit::Sectors, "Sectors ever pre-committed one by one (PreCommitSector, method 6)."),
    served(Endpoint::CommitSectorCount, "precommit_batch_sector_count", Total(PRECOMMIT_BATCH, Count), Unit::Sectors, "Sectors ever pre-committed in batches (PreCommitSectorBatch and -Batch2, methods 25 and 28), however many a message held."),
    served(Endpoint::CommitSectorCount, "avg_precommit_batch_sector_count", Quotient { of: "precommit_batch_sector_count", by: "precommit_batch_messages" }, Unit::SectorsPerMessage, "Mean number of sectors a batch pre-commit message added."),
    served(Endpoint::CommitSectorCount, "provecommit_sector_count", Total(PROVECOMMIT, Count), Unit::Sectors, "Sectors ever onboarded one by one (ProveCommitSector, method 7), with those that stood in the first state."),
    served(Endpoint::CommitSectorCount, "provecommit_batch_sector_count", Total(PROVECOMMIT_BATCH, Count), Unit::Sectors, "Sectors ever onboarded in batches (ProveCommitAggregate, ProveCommitSectors3, ProveCommitSectorsNI; methods 26, 34, 36)."),
    served(Endpoint::CommitSectorCount, "avg_provecommit_batch_sector_count", Quotient { of: "provecommit_batch_sector_count", by: "provecommit_batch_messages" }, Unit::SectorsPerMessage, "Mean number of sectors a batch prove-commit message onboarded."),
    served(Endpoint::CommitSectorSize, "precommit_sector_rbp", Total(PRECOMMIT, Rbp), Unit::Bytes, "Raw bytes of the sectors ever pre-committed one by one."),
    served(Endpoint::CommitSectorSize, "precommit_sector_qap", Total(PRECOMMIT, Qap), Unit::Bytes, "Quality-adjusted power the sectors ever pre-committed one by one would have."),
    served(Endpoint::CommitSectorSize, "precommit_batch_sector_rbp", Total(PRECOMMIT_BATCH, Rbp), Unit::Bytes, "Raw bytes of the sectors ever pre-committed in batches."),
    served(Endpoint::CommitSectorSize, "precommit_batch_sector_qap", Total(PRECOMMIT_BATCH, Qap), Unit::Bytes, "Quality-adjusted power the sectors ever pre-committed in batches would have."),
    served(Endpoint::CommitSectorSize, "provecommit_sector_rbp", Total(PROVECOMMIT, Rbp), Unit::Bytes, "Raw bytes of the sectors ever onboarded one by one, with those that stood in the first state."),
    served(Endpoint::CommitSectorSize, "provecommit_sector_qap", Total(PROVECOMMIT, Qap), Unit::Bytes, "Quality-adjusted power of the same."),
    served(Endpoint::CommitSectorSize, "provecommit_batch_sector_rbp", Total(PROVECOMMIT_BATCH, Rbp), Unit::Bytes, "Raw bytes of the sectors ever onboarded in batches. The specification's text calls it quality-adjusted; its name is right."),
    served(Endpoint::Terminate, "daily_new_terminate_rbp", Flow(TERMINATE, Rbp), Unit::Bytes, "Raw bytes of the sectors terminated on the day."),
    served(Endpoint::Terminate, "daily_new_terminate_qap", Flow(TERMINATE, Qap), Unit::Bytes, "Quality-adjusted power those sectors had before."),
    served(Endpoint::Terminate, "total_terminate_rbp", Total(TERMINATE, Rbp), Unit::Bytes, "Raw bytes of all sectors ever terminated."),
    served(Endpoint::Terminate, "total_terminate_qap", Total(TERMINATE, Qap), Unit::Bytes, "Quality-adjusted power those sectors had before."),
    served(Endpoint::Terminate, "daily_new_active_terminate_rbp", Flow(TERMINATE_ACTIVE, Rbp), Unit::Bytes, "Raw bytes of the sectors the provider terminated on the day (TerminateSectors, method 9)."),
    served(Endpoint::Terminate, "daily_new_active_terminate_qap", Flow(TERMINATE_ACTIVE, Qap), Unit::Bytes, "Quality-adjusted power those sectors had before."),
    served(Endpoint::Terminate, "total_active_terminate_rbp", Total(TERMINATE_ACTIVE, Rbp), Unit::Bytes, "Raw bytes of all sectors the provider ever terminated."),
    served(Endpoint::Terminate, "total_active_terminate_qap", Total(TERMINATE_ACTIVE, Qap), Unit::Bytes, "Quality-adjusted power those sectors had before."),
    served(Endpoint::Terminate, "daily_new_passive_terminate_rbp", Flow(TERMINATE_PASSIVE, Rbp), Unit::Bytes, "Raw bytes of the sectors cron dropped on the day, faulty for the maximum fault age (14 days up to actors v5, 42 days from v6)."),
    served(Endpoint::Terminate, "daily_new_passive_terminate_qap", Flow(TERMINATE_PASSIVE, Qap), Unit::Bytes, "Quality-adjusted power those sectors had before."),
    served(Endpoint::Terminate, "total_passive_terminate_rbp", Total(TERMINATE_PASSIVE, Rbp), Unit::Bytes, "Raw bytes of all sectors cron ever dropped for being faulty too long."),
    served(Endpoint::Terminate, "total_passive_terminate_qap", Total(TERMINATE_PASSIVE, Qap), Unit::Bytes, "Quality-adjusted power those sectors had before."),
    served(Endpoint::Fault, "daily_new_fault_rbp", Flow(FAULT, Rbp), Unit::Bytes, "Raw bytes of the sectors that became faulty on the day: declared, skipped, missed or disputed. A sector that faults twice counts twice."),
    served(Endpoint::Fault, "daily_new_fault_qap", Flow(FAULT, Qap), Unit::Bytes, "Quality-adjusted power those sectors had before."),
    served(Endpoint::Fault, "active_fault_rbp", State(FAULTY, BalanceMeasure::Rbp), Unit::Bytes, "Raw bytes of the sectors faulty at the day's end."),
    served(Endpoint::Fault, "active_fault_qap", State(FAULTY, BalanceMeasure::Qap), Unit::Bytes, "Quality-adjusted power of the sectors faulty at the day's end."),
    served(Endpoint::Recover, "daily_new_recover_rbp", Flow(RECOVER, Rbp), Unit::Bytes, "Raw bytes of the sectors proven again after a fault on the day."),
    served(Endpoint::Recover, "daily_new_recover_qap", Flow(RECOVER, Qap), Unit::Bytes, "Quality-adjusted power those sectors have after."),
    served(Endpoint::Expire, "daily_new_expire_rbp", Flow(EXPIRE, Rbp), Unit::Bytes, "Raw bytes of the sectors that left at their time on the day, faulty or not. Disjoint from terminated."),
    served(Endpoint::Expire, "daily_new_expire_qap", Flow(EXPIRE, Qap), Unit::Bytes, "Quality-adjusted power those sectors had before."),
    served(Endpoint::Expire, "total_expire_rbp", Total(EXPIRE, Rbp), Unit::Bytes, "Raw bytes of all sectors that ever left at their time."),
    served(Endpoint::Expire, "total_expire_qap", Total(EXPIRE, Qap), Unit::Bytes, "Quality-adjusted power those sectors had before."),
    served(Endpoint::Extend, "daily_new_extend_rbp", Flow(EXTEND, Rbp), Unit::Bytes, "Raw bytes of the sectors whose expiration was moved into the future on the day."),
    served(Endpoint::Extend, "daily_new_extend_qap", Flow(EXTEND, Qap), Unit::Bytes, "Quality-adjusted power those sectors have after."),
    served(Endpoint::Snap, "daily_new_snap_rbp", Flow(SNAP, Rbp), Unit::Bytes, "Raw bytes of the sectors whose content was replaced on the day. A second replacement counts again."),
    served(Endpoint::Snap, "daily_new_snap_qap", Flow(SNAP, Qap), Unit::Bytes, "Quality-adjusted power those sectors have after."),
    served(Endpoint::Snap, "total_snap_rbp", Total(SNAP, Rbp), Unit::Bytes, "Raw bytes of all content replacements so far."),
    served(Endpoint::Snap, "total_snap_qap", Total(SNAP, Qap), Unit::Bytes, "Quality-adjusted power after each of them."),
    served(Endpoint::SectorDuration, "avg_active_sector_duration_days", Definition::MeanDuration, Unit::Days, "Mean of expiration less activation over the sectors active at the day's end, in days of 2880 epochs."),
    served(Endpoint::SectorDuration, "std_active_sector_duration_days", Definition::DeviationDuration, Unit::Days, "Sample standard deviation (n − 1) of the same."),
    kept("precommit_batch_messages", Messages(PRECOMMIT_BATCH), Unit::Messages, "Messages that ever pre-committed in batches: what avg_precommit_batch_sector_count divides by."),
    kept("provecommit_batch_messages", Messages(PROVECOMMIT_BATCH), Unit::Messages, "Messages that ever onboarded in batches: what avg_provecommit_batch_sector_count divides by."),
    kept("provecommit_batch_sector_qap", Total(PROVECOMMIT_BATCH, Qap), Unit::Bytes, "Quality-adjusted power of the sectors ever onboarded in batches."),
    kept("daily_new_terminate_count", Flow(TERMINATE, Count), Unit::Sectors, "Sectors terminated on the day."),
    kept("total_terminate_count", Total(TERMINATE, Count), Unit::Sectors, "Sectors ever terminated."),
    kept("daily_new_fault_count", Flow(FAULT, Count), Unit::Sectors, "Sectors that became faulty on the day."),
    kept("active_fault_count", State(FAULTY, BalanceMeasure::Count), Unit::Sectors, "Sectors faulty at the day's end."),
    kept("daily_new_recover_count", Flow(RECOVER, Count), Unit::Sectors, "Sectors that recovered on the day."),
    kept("daily_new_expire_count", Flow(EXPIRE, Count), Unit::Sectors, "Sectors that left at their time on the day."),
    kept("total_expire_count", Total(EXPIRE, Count), Unit::Sectors, "Sectors that ever left at their time."),
    kept("daily_new_extend_count", Flow(EXTEND, Count), Unit::Sectors, "Sectors extended on the day."),
    kept("daily_new_snap_count", Flow(SNAP, Count), Unit::Sectors, "Sectors whose content was replaced on the day."),
    kept("total_snap_count", Total(SNAP, Count), Unit::Sectors, "Content replacements so far."),
    kept("total_requalified_qap", Total(REQUALIFY, QapChange), Unit::Bytes, "What snaps, extensions, upgrades and adjustments changed in quality-adjusted power so far."),
    kept("live_sector_count", State(LIVE, BalanceMeasure::Count), Unit::Sectors, "Live sectors at the day's end: neither terminated nor expired nor taken away."),
    kept("live_sector_rbp", State(LIVE, BalanceMeasure::Rbp), Unit::Bytes, "Their raw bytes."),
    kept("live_sector_qap", State(LIVE, BalanceMeasure::Qap), Unit::Bytes, "Their quality-adjusted power."),
    kept(ACTIVE_COUNT, State(ACTIVE, BalanceMeasure::Count), Unit::Sectors, "Active sectors at the day's end: live, neither faulty nor unproven."),
    kept("active_sector_rbp", State(ACTIVE, BalanceMeasure::Rbp), Unit::Bytes, "Their raw bytes: the miner's raw power claim."),
    kept("active_sector_qap", State(ACTIVE, BalanceMeasure::Qap), Unit::Bytes, "Their quality-adjusted power: the miner's quality-adjusted power claim."),
    kept("unproven_sector_count", State(UNPROVEN, BalanceMeasure::Count), Unit::Sectors, "Sectors at the day's end that await their first window PoSt."),
    kept("unproven_sector_rbp", State(UNPROVEN, BalanceMeasure::Rbp), Unit::Bytes, "Their raw bytes."),
    kept("unproven_sector_qap", State(UNPROVEN, BalanceMeasure::Qap), Unit::Bytes, "Their quality-adjusted power."),
    kept(ACTIVE_DURATION, State(ACTIVE, BalanceMeasure::Duration), Unit::Epochs, "Sum over the active sectors of expiration less activation."),
    kept(ACTIVE_DURATION_SQUARED, State(ACTIVE, BalanceMeasure::DurationSquared), Unit::EpochsSquared, "Sum over the active sectors of the square of expiration less activation."),
    // Newer columns are last, so that tables made before it lack only their last columns.
    kept("daily_new_upgrade_count", Flow(UPGRADE, Count), Unit::Sectors, "Sectors upgraded to full quality on the day (UpgradeSectorQuality, method 37, from actors v19)."),
    kept("daily_new_upgrade_rbp", Flow(UPGRADE, Rbp), Unit::Bytes, "Raw bytes of the sectors upgraded to full quality on the day."),
    kept("daily_new_upgrade_qap", Flow(UPGRADE, Qap), Unit::Bytes, "Quality-adjusted power those sectors have after."),
    kept("total_upgrade_count", Total(UPGRADE, Count), Unit::Sectors, "Upgrades to full quality so far."),
    kept("total_upgrade_rbp", Total(UPGRADE, Rbp), Unit::Bytes, "Raw bytes of all sectors ever upgraded to full quality."),
    kept("total_upgrade_qap", Total(UPGRADE, Qap), Unit::Bytes, "Quality-adjusted power those sectors had after."),
    kept("total_dropped_count", Total(MIGRATE, Departure), Unit::Sectors, "Sectors that state migrations took away so far: neither terminated nor expired."),
    kept("total_dropped_rbp", Total(MIGRATE, DepartureRbp), Unit::Bytes, "Their raw bytes."),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn column_names_are_unique_and_quotients_name_columns() {
        let names: HashSet<_> = COLUMNS.iter().map(|column| column.name).collect();
        assert_eq!(names.len(), COLUMNS.len());
        for column in COLUMNS {
            if let Quotient { of, by } = column.definition {
                assert!(names.contains(of) && names.contains(by), "{}", column.name);
            }
        }
    }
}
