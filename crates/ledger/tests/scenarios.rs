//! What happens inside a tipset, where the outcome alone does not show it: chains of real actor state made for it, against the
//! truth recorded when they were made.
#![allow(clippy::unwrap_used)]

mod common;

use common::truth::holds;

#[test]
fn claims_kept_dropped_and_snapped_again_are_read_as_they_happened() {
    holds("scenarios/claims");
}

#[test]
fn sectors_that_vanish_within_a_tipset_are_read_as_it_happened() {
    holds("scenarios/vanish");
}

#[test]
fn disputes_are_read_as_they_happened() {
    holds("scenarios/dispute");
}

#[test]
fn messages_that_a_nonce_keeps_from_running_are_read_as_it_happened() {
    holds("scenarios/senders");
}

#[test]
fn what_multisigs_ask_is_read_as_it_happened() {
    holds("scenarios/sub");
}
