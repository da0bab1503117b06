//! Where each field of actor state is, by actors version.
//!
//! A tuple's fields are read by position, and the positions are data: one row per actors version, each written as
//! what it changes of the one before. Source: specs-actors and builtin-actors, every order checked against real
//! state. A new version is a new row.

/// Positions of the fields that matter, for one actors version.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// The actors version, 1 to 19.
    pub version: u8,
    pub(crate) miner: MinerState,
    pub(crate) sector: SectorInfo,
    pub(crate) precommit: PrecommitInfo,
    pub(crate) deadline: DeadlineState,
    pub(crate) partition: PartitionState,
    pub(crate) power: PowerState,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct MinerState {
    pub(crate) fields: u64,
    pub(crate) precommits: usize,
    pub(crate) sectors: usize,
    pub(crate) proving_period_start: usize,
    pub(crate) current_deadline: usize,
    pub(crate) deadlines: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct SectorInfo {
    /// Fewest fields: older sectors stay in the shorter form after an upgrade that adds one.
    pub(crate) fewest_fields: u64,
    pub(crate) most_fields: u64,
    /// Power base epoch, from actors v12.
    pub(crate) power_base: Option<usize>,
    /// Simple-QA-power flag (v9 to v11, bool) or flags (from v12, unsigned).
    pub(crate) flags: Option<usize>,
    /// What the sector pays a day, from actors v16; sectors in the shorter form have none.
    pub(crate) daily_fee: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct PrecommitInfo {
    /// Whether deal weights are stored with the pre-commit (up to v8).
    pub(crate) weights: bool,
    /// Whether it may name a sector that it is to replace: up to v6, though the fields are there up to v8.
    pub(crate) replaces: bool,
    /// Whether the sector that it becomes has full quality whatever it holds (from v19, FIP-0118).
    pub(crate) full_quality: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct DeadlineState {
    pub(crate) fields: u64,
    /// Partitions whose window `PoSt` is in: field 2 in all versions, under two names.
    pub(crate) posted: usize,
    /// What disputes refer to, from v3.
    pub(crate) disputable: Option<Disputable>,
}

/// Proofs accepted without a check, and what they proved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Disputable {
    /// Proofs that came in since the deadline opened.
    pub(crate) proofs: usize,
    /// The partitions when it last closed.
    pub(crate) partitions_snapshot: usize,
    /// The proofs that had come in by then.
    pub(crate) proofs_snapshot: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct PartitionState {
    pub(crate) fields: u64,
    pub(crate) unproven: Option<usize>,
    pub(crate) faults: usize,
    pub(crate) recoveries: usize,
    pub(crate) terminated: usize,
    pub(crate) expirations: usize,
    pub(crate) live_power: usize,
    pub(crate) unproven_power: Option<usize>,
    pub(crate) faulty_power: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct PowerState {
    pub(crate) fields: u64,
    pub(crate) claims: usize,
}

impl PowerState {
    /// Where the claims are in a state of that many fields: each number of fields is of one form, whatever the version
    /// that the actor's code is of. Around upgrades a state may be written in the form of another version.
    pub(crate) fn claims_among(fields: u64) -> Option<usize> {
        LAYOUTS.iter().map(|layout| layout.power).find(|form| form.fields == fields).map(|form| form.claims)
    }
}

const V1: Layout = Layout {
    version: 1,
    miner: MinerState {
        fields: 13,
        precommits: 5,
        sectors: 8,
        proving_period_start: 9,
        current_deadline: 10,
        deadlines: 11,
    },
    sector: SectorInfo { fewest_fields: 11, most_fields: 11, power_base: None, flags: None, daily_fee: None },
    precommit: PrecommitInfo { weights: true, replaces: true, full_quality: false },
    deadline: DeadlineState { fields: 7, posted: 2, disputable: None },
    partition: PartitionState {
        fields: 9,
        unproven: None,
        faults: 1,
        recoveries: 2,
        terminated: 3,
        expirations: 4,
        live_power: 6,
        unproven_power: None,
        faulty_power: 7,
    },
    power: PowerState { fields: 16, claims: 14 },
};
const V2: Layout = Layout {
    version: 2,
    miner: MinerState {
        fields: 14,
        precommits: 6,
        sectors: 9,
        proving_period_start: 10,
        current_deadline: 11,
        deadlines: 12,
    },
    sector: SectorInfo { fewest_fields: 13, most_fields: 13, ..V1.sector },
    partition: PartitionState {
        fields: 11,
        unproven: Some(1),
        faults: 2,
        recoveries: 3,
        terminated: 4,
        expirations: 5,
        live_power: 7,
        unproven_power: Some(8),
        faulty_power: 9,
    },
    power: PowerState { fields: 15, claims: 13 },
    ..V1
};
const V3: Layout = Layout {
    version: 3,
    deadline: DeadlineState {
        fields: 10,
        disputable: Some(Disputable { proofs: 7, partitions_snapshot: 8, proofs_snapshot: 9 }),
        ..V2.deadline
    },
    ..V2
};
const V4: Layout = Layout { version: 4, miner: MinerState { fields: 15, ..V3.miner }, ..V3 };
const V5: Layout = Layout { version: 5, ..V4 };
const V6: Layout = Layout { version: 6, ..V5 };
const V7: Layout = Layout {
    version: 7,
    sector: SectorInfo { fewest_fields: 14, most_fields: 14, ..V6.sector },
    precommit: PrecommitInfo { replaces: false, ..V6.precommit },
    // A snapshot of the sectors came between.
    deadline: DeadlineState {
        fields: 11,
        disputable: Some(Disputable { proofs: 7, partitions_snapshot: 9, proofs_snapshot: 10 }),
        ..V6.deadline
    },
    ..V6
};
const V8: Layout = Layout { version: 8, ..V7 };
const V9: Layout = Layout {
    version: 9,
    sector: SectorInfo { fewest_fields: 15, most_fields: 15, flags: Some(14), ..V8.sector },
    precommit: PrecommitInfo { weights: false, ..V8.precommit },
    ..V8
};
const V10: Layout = Layout { version: 10, ..V9 };
const V11: Layout = Layout { version: 11, ..V10 };
const V12: Layout = Layout { version: 12, sector: SectorInfo { power_base: Some(11), ..V11.sector }, ..V11 };
const V13: Layout = Layout { version: 13, ..V12 };
const V14: Layout = Layout { version: 14, ..V13 };
const V15: Layout = Layout { version: 15, power: PowerState { fields: 17, claims: 15 }, ..V14 };
const V16: Layout = Layout {
    version: 16,
    sector: SectorInfo { most_fields: 16, daily_fee: Some(15), ..V15.sector },
    deadline: DeadlineState { fields: 13, ..V15.deadline },
    ..V15
};
const V17: Layout = Layout { version: 17, ..V16 };
const V18: Layout = Layout { version: 18, ..V17 };
const V19: Layout =
    Layout { version: 19, precommit: PrecommitInfo { full_quality: true, ..V18.precommit }, ..V18 };

/// One row per actors version, in order.
static LAYOUTS: [Layout; 19] =
    [V1, V2, V3, V4, V5, V6, V7, V8, V9, V10, V11, V12, V13, V14, V15, V16, V17, V18, V19];

impl Layout {
    /// The layout of an actors version.
    #[must_use]
    pub fn of(version: u8) -> Option<&'static Self> {
        LAYOUTS.iter().find(|layout| layout.version == version)
    }

    /// The newest layout known.
    #[must_use]
    pub fn newest() -> &'static Self {
        &LAYOUTS[LAYOUTS.len() - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_layout_for_every_actors_version() {
        for version in 1..=19 {
            assert_eq!(Layout::of(version).map(|layout| layout.version), Some(version));
        }
        assert!(Layout::of(0).is_none() && Layout::of(20).is_none());
    }

    #[test]
    fn tuples_are_as_long_as_each_version_published_them() {
        // Miner state, newest sector, deadline, partition, power state.
        let lengths = [
            (1..=1, [13, 11, 7, 9, 16]),
            (2..=2, [14, 13, 7, 11, 15]),
            (3..=3, [14, 13, 10, 11, 15]),
            (4..=6, [15, 13, 10, 11, 15]),
            (7..=8, [15, 14, 11, 11, 15]),
            (9..=14, [15, 15, 11, 11, 15]),
            (15..=15, [15, 15, 11, 11, 17]),
            (16..=19, [15, 16, 13, 11, 17]),
        ];
        for (versions, lengths) in lengths {
            for layout in versions.filter_map(Layout::of) {
                let Layout { miner, sector, deadline, partition, power, .. } = layout;
                let found =
                    [miner.fields, sector.most_fields, deadline.fields, partition.fields, power.fields];
                assert_eq!(found, lengths, "v{}", layout.version);
            }
        }
    }

    #[test]
    fn a_sectors_flags_and_power_base_are_where_each_version_put_them() {
        for layout in &LAYOUTS {
            let Layout { version, sector, precommit, .. } = layout;
            assert_eq!(sector.flags, (*version >= 9).then_some(14), "v{version}");
            assert_eq!(sector.power_base, (*version >= 12).then_some(11), "v{version}");
            assert_eq!(precommit.weights, *version <= 8, "v{version}");
            assert_eq!(precommit.full_quality, *version >= 19, "v{version}");
            // From v16 on sectors of 15 fields live on beside those of 16.
            let shorter = sector.most_fields - u64::from(*version >= 16);
            assert_eq!(sector.fewest_fields, shorter, "v{version}");
        }
    }
}
