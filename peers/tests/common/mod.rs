//! Where the chains are that the tests read.

#[path = "../../../crates/ledger/tests/common/outside.rs"]
mod outside;

use std::path::PathBuf;

/// A file of the shared chains; `None` where it is absent.
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    outside::shared(&format!("data/{name}"))
}
