//! What always holds, over the days of real and of made-up histories.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;

use chain::Epoch;
use common::days::{Held, History, chain_history, made_up};
use ledger::identities::IDENTITIES;
use ledger::testing::SyntheticOptions;

/// Histories of many kinds: from nothing, from sectors that stood, from genesis; of few and of many miners.
fn histories() -> Vec<(String, History)> {
    let options = (1..=12).map(|seed| {
        let options = SyntheticOptions { seed, miners: 1 + seed % 5, ..Default::default() };
        match seed % 3 {
            0 => options,
            1 => SyntheticOptions { initial_sectors: 60, ..options },
            _ => SyntheticOptions { initial_sectors: 60, first_day_epoch: Epoch(0), ..options },
        }
    });
    options.map(|options| (format!("{options:?}"), made_up(options, 40))).collect()
}

#[test]
fn every_identity_and_check_holds_and_every_number_is_explained_over_made_up_histories() {
    let mut seen = BTreeSet::new();
    for (name, history) in histories() {
        let held = Held::of(&history);
        assert_eq!(held.failures, [""; 0], "{name}");
        seen.extend(held.identities);
    }
    // Each was checked on something other than zeros.
    assert_eq!(seen, IDENTITIES.iter().map(|identity| identity.name).collect());
}

#[test]
fn every_identity_and_check_holds_and_every_number_is_explained_over_the_chains_with_known_truth() {
    for name in ["tiny", "edge-1", "edge-2", "edge-3", "small", "long", "large"] {
        let Some(history) = chain_history(name) else { continue };
        let held = Held::of(&history);
        assert_eq!(held.failures, [""; 0], "{name}");
        assert!(held.miner_days > 0, "{name}");
    }
}
