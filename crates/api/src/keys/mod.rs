//! Keys: who may ask, for what, how often, until when.
//!
//! A key is made once and its token shown once; only the token's SHA-256 is kept (`store.rs`). A server holds all
//! keys in memory (`ring.rs`), looks for changed ones every second, counts what they ask for without a lock
//! (`usage.rs`), and writes the counts down in passing (`keeper.rs`).

mod keeper;
mod ring;
mod store;
mod terms;
mod token;
mod usage;

pub(crate) use keeper::Keeper;
pub(crate) use ring::{Key, Ring, Standing};
pub use store::{DayUsage, Store, StoreError, Stored};
pub use terms::{Period, Quota, Scope, Span, TermError, Terms, valid_name};
pub use token::{Digest, digest, new_token};
pub(crate) use usage::period;

use std::time::{SystemTime, UNIX_EPOCH};

/// Now, in Unix seconds.
#[must_use]
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
