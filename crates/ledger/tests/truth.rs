//! Events and balances of real actor state, against the truth recorded when it was made.
#![allow(clippy::unwrap_used)]

mod common;

use common::truth::{holds, holds_in_parts};

#[test]
fn tiny_is_read_as_it_happened() {
    holds("tiny");
}

#[test]
fn small_is_read_as_it_happened() {
    holds("small");
}

#[test]
fn edge_is_read_as_it_happened() {
    holds_in_parts("edge", &["edge-1", "edge-2", "edge-3"]);
}

#[test]
fn long_is_read_as_it_happened() {
    holds("long");
}

#[test]
fn large_is_read_as_it_happened() {
    holds("large");
}
