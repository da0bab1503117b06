//! What holds for every miner and day, declared once (`docs/DEFINITIONS.md`, "Identities and checks").
//!
//! An identity is a sum of figures that is zero: columns of the day, columns of the day before, and what the chain itself
//! says of the miner's power. The lake, the tests and the reference page all take them from [`IDENTITIES`].

use std::fmt;

use crate::columns::{COLUMNS, Column, position};
use crate::power::{ChainPower, Power};
use crate::row::Row;
use crate::value::Value;

/// Whose power the chain states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerSource {
    /// The power actor's claim.
    Claim,
    /// Live sectors, by the miner's partitions.
    Live,
    /// Faulty sectors, by the miner's partitions.
    Faulty,
    /// Unproven sectors, by the miner's partitions.
    Unproven,
}

impl PowerSource {
    const fn words(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Live => "live power",
            Self::Faulty => "faulty power",
            Self::Unproven => "unproven power",
        }
    }
}

/// A number of a miner's day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// The column at this position of [`COLUMNS`], on the day.
    Today(usize),
    /// The same on the day before; zero if the miner had no row then.
    Yesterday(usize),
    /// Raw bytes by the chain at the day's end.
    ChainRbp(PowerSource),
    /// Quality-adjusted bytes by the chain at the day's end.
    ChainQap(PowerSource),
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |at: usize| COLUMNS.get(at).map_or("?", |column| column.name);
        match self {
            Self::Today(at) => write!(f, "`{}`", name(*at)),
            Self::Yesterday(at) => write!(f, "`{}` of the day before", name(*at)),
            Self::ChainRbp(of) => write!(f, "{} on chain, raw", of.words()),
            Self::ChainQap(of) => write!(f, "{} on chain, quality-adjusted", of.words()),
        }
    }
}

/// A figure with its sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// Whether it is taken away.
    pub minus: bool,
    /// The figure.
    pub figure: Operand,
}

/// Figures that add up to zero for every miner and day.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// A short name that stays.
    pub name: &'static str,
    /// What it says, in a sentence.
    pub doc: &'static str,
    /// The figures. The first stands alone on the left side when it is written as an equation.
    pub terms: &'static [Term],
    /// Whether it does not hold on a day with `opening` events: those are in a total and in no flow, and they occur
    /// only on the first day of a history that begins in the middle of the chain's.
    pub not_on_opening: bool,
}

impl fmt::Display for Identity {
    /// As an equation.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((left, right)) = self.terms.split_first() else { return Ok(()) };
        write!(f, "{} =", left.figure)?;
        for (at, term) in right.iter().enumerate() {
            // On the other side of the equation.
            let sign = match (term.minus, at) {
                (true, 0) => "",
                (true, _) => " +",
                (false, _) => " −",
            };
            write!(f, "{sign} {}", term.figure)?;
        }
        Ok(())
    }
}

impl Identity {
    /// By how much it does not hold; 0 where it does. `None` if a figure is not known or the sum passes 128 bits.
    pub fn difference(&self, mut value: impl FnMut(Operand) -> Option<i128>) -> Option<i128> {
        self.terms.iter().try_fold(0_i128, |sum, term| {
            let value = value(term.figure)?;
            if term.minus { sum.checked_sub(value) } else { sum.checked_add(value) }
        })
    }
}

/// One miner's day with what it is compared with.
#[derive(Clone, Copy, Debug)]
pub struct MinerDay<'r> {
    /// The row of the day before; `None` on the miner's first.
    pub previous: Option<&'r Row>,
    /// The day's row.
    pub row: &'r Row,
    /// What the chain says at the day's end.
    pub power: ChainPower,
    /// Whether the day has `opening` events.
    pub opening: bool,
}

impl MinerDay<'_> {
    /// A figure of the day; `None` for a column that holds doubles or is not there.
    #[must_use]
    pub fn value(&self, figure: Operand) -> Option<i128> {
        match figure {
            Operand::Today(at) => self.row.integer(at),
            Operand::Yesterday(at) => self.previous.map_or(Some(0), |row| row.integer(at)),
            Operand::ChainRbp(of) => Some(self.power_of(of).rbp.0),
            Operand::ChainQap(of) => Some(self.power_of(of).qap.0),
        }
    }

    fn power_of(&self, of: PowerSource) -> Power {
        match of {
            PowerSource::Claim => self.power.claim,
            PowerSource::Live => self.power.live,
            PowerSource::Faulty => self.power.faulty,
            PowerSource::Unproven => self.power.unproven,
        }
    }

    /// The identities that do not hold, each with its [difference](Identity::difference).
    pub fn violations(&self) -> impl Iterator<Item = (&'static Identity, Option<i128>)> + '_ {
        let held = |identity: &&Identity| !(self.opening && identity.not_on_opening);
        IDENTITIES
            .iter()
            .filter(held)
            .map(|identity| (identity, identity.difference(|figure| self.value(figure))))
            .filter(|(_, difference)| *difference != Some(0))
    }

    /// Quotients and statistics that do not come out of the row's own columns, to the last bit.
    pub fn wrong_statistics(&self) -> impl Iterator<Item = &'static Column> + '_ {
        let broken = |(at, value): (usize, &Value)| match (value, self.row.statistic(at)) {
            (Value::Double(value), Some(made)) => (value.to_bits() != made.to_bits()).then_some(&COLUMNS[at]),
            (Value::Double(_), None) => Some(&COLUMNS[at]),
            (Value::Integer(_), _) => None,
        };
        self.row.values().iter().enumerate().filter_map(broken)
    }
}

const fn plus(figure: Operand) -> Term {
    Term { minus: false, figure }
}

const fn minus(figure: Operand) -> Term {
    Term { minus: true, figure }
}

const fn today(name: &str) -> Operand {
    Operand::Today(position(name))
}

const fn before(name: &str) -> Operand {
    Operand::Yesterday(position(name))
}

const fn holds(name: &'static str, doc: &'static str, terms: &'static [Term]) -> Identity {
    Identity { name, doc, terms, not_on_opening: false }
}

/// One whose total has `opening` events in it, too.
const fn opens(name: &'static str, doc: &'static str, terms: &'static [Term]) -> Identity {
    Identity { not_on_opening: true, ..holds(name, doc, terms) }
}

use PowerSource::{Claim, Faulty, Live, Unproven};

/// Every identity: totals that run on, sums of parts, balances of sectors, and what ties them to the chain.
#[rustfmt::skip]
pub const IDENTITIES: &[Identity] = &[
    opens("onboarding_total_count", "Onboarded sectors: the total of the day before and the day's.", &[plus(today("total_num_sector")), minus(before("total_num_sector")), minus(today("daily_sector_onboarding_count"))]),
    opens("onboarding_total_rbp", "Onboarded raw bytes: the total of the day before and the day's.", &[plus(today("total_sector_rbp")), minus(before("total_sector_rbp")), minus(today("daily_sector_onboarding_rbp"))]),
    opens("onboarding_total_qap", "Onboarded quality-adjusted power: the total of the day before and the day's.", &[plus(today("total_sector_qap")), minus(before("total_sector_qap")), minus(today("daily_sector_onboarding_qap"))]),
    holds("terminate_total_count", "Terminated sectors: the total of the day before and the day's.", &[plus(today("total_terminate_count")), minus(before("total_terminate_count")), minus(today("daily_new_terminate_count"))]),
    holds("terminate_total_rbp", "Terminated raw bytes: the total of the day before and the day's.", &[plus(today("total_terminate_rbp")), minus(before("total_terminate_rbp")), minus(today("daily_new_terminate_rbp"))]),
    holds("terminate_total_qap", "Terminated quality-adjusted power: the total of the day before and the day's.", &[plus(today("total_terminate_qap")), minus(before("total_terminate_qap")), minus(today("daily_new_terminate_qap"))]),
    holds("terminate_active_total_rbp", "Actively terminated raw bytes: the total of the day before and the day's.", &[plus(today("total_active_terminate_rbp")), minus(before("total_active_terminate_rbp")), minus(today("daily_new_active_terminate_rbp"))]),
    holds("terminate_active_total_qap", "Actively terminated quality-adjusted power: the total of the day before and the day's.", &[plus(today("total_active_terminate_qap")), minus(before("total_active_terminate_qap")), minus(today("daily_new_active_terminate_qap"))]),
    holds("terminate_passive_total_rbp", "Passively terminated raw bytes: the total of the day before and the day's.", &[plus(today("total_passive_terminate_rbp")), minus(before("total_passive_terminate_rbp")), minus(today("daily_new_passive_terminate_rbp"))]),
    holds("terminate_passive_total_qap", "Passively terminated quality-adjusted power: the total of the day before and the day's.", &[plus(today("total_passive_terminate_qap")), minus(before("total_passive_terminate_qap")), minus(today("daily_new_passive_terminate_qap"))]),
    holds("expire_total_count", "Expired sectors: the total of the day before and the day's.", &[plus(today("total_expire_count")), minus(before("total_expire_count")), minus(today("daily_new_expire_count"))]),
    holds("expire_total_rbp", "Expired raw bytes: the total of the day before and the day's.", &[plus(today("total_expire_rbp")), minus(before("total_expire_rbp")), minus(today("daily_new_expire_rbp"))]),
    holds("expire_total_qap", "Expired quality-adjusted power: the total of the day before and the day's.", &[plus(today("total_expire_qap")), minus(before("total_expire_qap")), minus(today("daily_new_expire_qap"))]),
    holds("snap_total_count", "Snapped sectors: the total of the day before and the day's.", &[plus(today("total_snap_count")), minus(before("total_snap_count")), minus(today("daily_new_snap_count"))]),
    holds("snap_total_rbp", "Snapped raw bytes: the total of the day before and the day's.", &[plus(today("total_snap_rbp")), minus(before("total_snap_rbp")), minus(today("daily_new_snap_rbp"))]),
    holds("snap_total_qap", "Snapped quality-adjusted power: the total of the day before and the day's.", &[plus(today("total_snap_qap")), minus(before("total_snap_qap")), minus(today("daily_new_snap_qap"))]),
    holds("upgrade_total_count", "Upgraded sectors: the total of the day before and the day's.", &[plus(today("total_upgrade_count")), minus(before("total_upgrade_count")), minus(today("daily_new_upgrade_count"))]),
    holds("upgrade_total_rbp", "Upgraded raw bytes: the total of the day before and the day's.", &[plus(today("total_upgrade_rbp")), minus(before("total_upgrade_rbp")), minus(today("daily_new_upgrade_rbp"))]),
    holds("upgrade_total_qap", "Upgraded quality-adjusted power: the total of the day before and the day's.", &[plus(today("total_upgrade_qap")), minus(before("total_upgrade_qap")), minus(today("daily_new_upgrade_qap"))]),
    holds("sealed_count", "All sealed sectors are all onboarded ones.", &[plus(today("total_sealed_sector_count")), minus(today("total_num_sector"))]),
    holds("provecommit_count", "Onboarded sectors are those proven singly and those proven in batches.", &[plus(today("total_num_sector")), minus(today("provecommit_sector_count")), minus(today("provecommit_batch_sector_count"))]),
    holds("provecommit_rbp", "Onboarded raw bytes are those proven singly and those proven in batches.", &[plus(today("total_sector_rbp")), minus(today("provecommit_sector_rbp")), minus(today("provecommit_batch_sector_rbp"))]),
    holds("provecommit_qap", "Onboarded quality-adjusted power is that proven singly and that proven in batches.", &[plus(today("total_sector_qap")), minus(today("provecommit_sector_qap")), minus(today("provecommit_batch_sector_qap"))]),
    holds("terminate_ways_daily_rbp", "Terminated raw bytes, daily: active and passive together.", &[plus(today("daily_new_terminate_rbp")), minus(today("daily_new_active_terminate_rbp")), minus(today("daily_new_passive_terminate_rbp"))]),
    holds("terminate_ways_daily_qap", "Terminated quality-adjusted power, daily: active and passive together.", &[plus(today("daily_new_terminate_qap")), minus(today("daily_new_active_terminate_qap")), minus(today("daily_new_passive_terminate_qap"))]),
    holds("terminate_ways_total_rbp", "Terminated raw bytes, total: active and passive together.", &[plus(today("total_terminate_rbp")), minus(today("total_active_terminate_rbp")), minus(today("total_passive_terminate_rbp"))]),
    holds("terminate_ways_total_qap", "Terminated quality-adjusted power, total: active and passive together.", &[plus(today("total_terminate_qap")), minus(today("total_active_terminate_qap")), minus(today("total_passive_terminate_qap"))]),
    holds("live_count", "Live sectors are those onboarded less those terminated less those expired less those that migrations took away.", &[plus(today("live_sector_count")), minus(today("total_num_sector")), plus(today("total_terminate_count")), plus(today("total_expire_count")), plus(today("total_dropped_count"))]),
    holds("live_rbp", "Live raw bytes are those onboarded less those terminated less those expired less those that migrations took away.", &[plus(today("live_sector_rbp")), minus(today("total_sector_rbp")), plus(today("total_terminate_rbp")), plus(today("total_expire_rbp")), plus(today("total_dropped_rbp"))]),
    holds("live_qap", "Live quality-adjusted power is that onboarded less that terminated less that expired, with what snaps, extensions, upgrades and adjustments changed.", &[plus(today("live_sector_qap")), minus(today("total_sector_qap")), minus(today("total_requalified_qap")), plus(today("total_terminate_qap")), plus(today("total_expire_qap"))]),
    holds("standing_count", "Live sectors are active, faulty or unproven.", &[plus(today("live_sector_count")), minus(today("active_sector_count")), minus(today("active_fault_count")), minus(today("unproven_sector_count"))]),
    holds("standing_rbp", "Live raw bytes are active, faulty or unproven.", &[plus(today("live_sector_rbp")), minus(today("active_sector_rbp")), minus(today("active_fault_rbp")), minus(today("unproven_sector_rbp"))]),
    holds("standing_qap", "Live quality-adjusted power is active, faulty or unproven.", &[plus(today("live_sector_qap")), minus(today("active_sector_qap")), minus(today("active_fault_qap")), minus(today("unproven_sector_qap"))]),
    holds("claim_rbp", "Active raw bytes are the miner's claim in the power actor.", &[plus(today("active_sector_rbp")), minus(Operand::ChainRbp(Claim))]),
    holds("claim_qap", "Active quality-adjusted power is the miner's claim in the power actor.", &[plus(today("active_sector_qap")), minus(Operand::ChainQap(Claim))]),
    holds("partitions_live_rbp", "Live raw bytes are what the miner's partitions state.", &[plus(today("live_sector_rbp")), minus(Operand::ChainRbp(Live))]),
    holds("partitions_live_qap", "Live quality-adjusted power is what the miner's partitions state.", &[plus(today("live_sector_qap")), minus(Operand::ChainQap(Live))]),
    holds("partitions_faulty_rbp", "Faulty raw bytes are what the miner's partitions state.", &[plus(today("active_fault_rbp")), minus(Operand::ChainRbp(Faulty))]),
    holds("partitions_faulty_qap", "Faulty quality-adjusted power is what the miner's partitions state.", &[plus(today("active_fault_qap")), minus(Operand::ChainQap(Faulty))]),
    holds("partitions_unproven_rbp", "Unproven raw bytes are what the miner's partitions state.", &[plus(today("unproven_sector_rbp")), minus(Operand::ChainRbp(Unproven))]),
    holds("partitions_unproven_qap", "Unproven quality-adjusted power is what the miner's partitions state.", &[plus(today("unproven_sector_qap")), minus(Operand::ChainQap(Unproven))]),
    holds("chain_rbp", "On chain, live raw bytes are the claim and what is faulty or unproven.", &[plus(Operand::ChainRbp(Live)), minus(Operand::ChainRbp(Claim)), minus(Operand::ChainRbp(Faulty)), minus(Operand::ChainRbp(Unproven))]),
    holds("chain_qap", "On chain, live quality-adjusted power is the claim and what is faulty or unproven.", &[plus(Operand::ChainQap(Live)), minus(Operand::ChainQap(Claim)), minus(Operand::ChainQap(Faulty)), minus(Operand::ChainQap(Unproven))]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::Definition;
    use std::collections::BTreeSet;

    #[test]
    fn identities_have_names_of_their_own_and_read_as_equations() {
        let names: BTreeSet<_> = IDENTITIES.iter().map(|identity| identity.name).collect();
        assert_eq!(names.len(), IDENTITIES.len());
        let written = |name| IDENTITIES.iter().find(|identity| identity.name == name).unwrap().to_string();
        assert_eq!(written("claim_qap"), "`active_sector_qap` = claim on chain, quality-adjusted");
        assert_eq!(
            written("live_count"),
            "`live_sector_count` = `total_num_sector` − `total_terminate_count` − `total_expire_count` − `total_dropped_count`"
        );
        assert_eq!(
            written("snap_total_rbp"),
            "`total_snap_rbp` = `total_snap_rbp` of the day before + `daily_new_snap_rbp`"
        );
    }

    #[test]
    fn every_total_with_a_flow_of_its_own_runs_on() {
        let run = |total: &Column, flow: &Column| {
            IDENTITIES.iter().any(|identity| {
                let figures = identity.terms.iter().map(|term| term.figure).collect::<Vec<_>>();
                figures == [today(total.name), before(total.name), today(flow.name)]
            })
        };
        for total in COLUMNS {
            let Definition::Total(over, measure) = total.definition else { continue };
            for flow in COLUMNS {
                // `total_sealed_sector_count` and `total_num_sector` are the same.
                if flow.definition == Definition::Flow(over, measure) && total.name.starts_with("total_") {
                    assert!(run(total, flow), "{}", total.name);
                }
            }
        }
    }

    #[test]
    fn a_sum_that_passes_128_bits_is_no_difference() {
        let identity = IDENTITIES.iter().find(|identity| identity.name == "standing_rbp").unwrap();
        assert_eq!(identity.difference(|_| Some(1)), Some(-2));
        assert_eq!(identity.difference(|_| Some(i128::MIN)), None);
        assert_eq!(identity.difference(|_| None), None);
    }
}
