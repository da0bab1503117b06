//! Which methods of the miner actor name sectors, and in which actors versions each exists.

use std::ops::RangeInclusive;

/// Still there.
const ON: u8 = u8::MAX;

/// Methods whose parameters name sectors or their deadlines, with the actors versions that have them; and the one by
/// which actors v1 delete a miner with all its sectors. Source: the exports
/// of specs-actors v0.9 to v7 and the method enum of builtin-actors v8 to v19, `actors/miner/src/lib.rs`.
static METHODS: [(u64, RangeInclusive<u8>); 19] = [
    (5, 1..=ON),   // SubmitWindowedPoSt
    (6, 1..=12),   // PreCommitSector
    (7, 1..=13),   // ProveCommitSector
    (8, 1..=16),   // ExtendSectorExpiration
    (9, 1..=ON),   // TerminateSectors
    (10, 1..=ON),  // DeclareFaults
    (11, 1..=ON),  // DeclareFaultsRecovered
    (15, 1..=1),   // ReportConsensusFault
    (24, 3..=ON),  // DisputeWindowedPoSt
    (25, 5..=12),  // PreCommitSectorBatch
    (26, 5..=16),  // ProveCommitAggregate
    (27, 7..=16),  // ProveReplicaUpdates
    (28, 9..=ON),  // PreCommitSectorBatch2
    (29, 9..=12),  // ProveReplicaUpdates2
    (32, 9..=ON),  // ExtendSectorExpiration2
    (34, 13..=ON), // ProveCommitSectors3
    (35, 13..=ON), // ProveReplicaUpdates3
    (36, 14..=ON), // ProveCommitSectorsNI
    (37, 19..=ON), // UpgradeSectorQuality
];

/// Whether the miner actor of that version has the method, and calling it changes sectors: those that its parameters
/// name, or all.
#[must_use]
pub fn names_sectors(method: u64, version: u8) -> bool {
    METHODS.iter().any(|(known, versions)| *known == method && versions.contains(&version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_exists_from_the_version_that_brought_it_to_the_one_before_it_was_dropped() {
        let of = |version| {
            let has = |method: &u64| names_sectors(*method, version);
            (0..64).filter(has).collect::<Vec<_>>()
        };
        let always = [5, 9, 10, 11];
        let with = |more: &[u64]| {
            let mut all = [&always[..], more].concat();
            all.sort_unstable();
            all
        };
        assert_eq!(of(2), with(&[6, 7, 8]));
        assert_eq!(of(4), with(&[6, 7, 8, 24]));
        assert_eq!(of(6), with(&[6, 7, 8, 24, 25, 26]));
        assert_eq!(of(8), with(&[6, 7, 8, 24, 25, 26, 27]));
        assert_eq!(of(12), with(&[6, 7, 8, 24, 25, 26, 27, 28, 29, 32]));
        assert_eq!(of(13), with(&[7, 8, 24, 26, 27, 28, 32, 34, 35]));
        assert_eq!(of(16), with(&[8, 24, 26, 27, 28, 32, 34, 35, 36]));
        assert_eq!(of(18), with(&[24, 28, 32, 34, 35, 36]));
        assert_eq!(of(19), with(&[24, 28, 32, 34, 35, 36, 37]));
    }
}
