//! Keys: who may ask, for what, how often, until when.
//!
//! A key is made once and its token shown once; only the token's SHA-256 is kept (`store.rs`). A server holds all
//! keys in memory (`ring.rs`), looks for changed ones every second, counts what they ask for without a lock
//! (`usage.rs`), and writes the counts down in passing (`keeper.rs`), in a file of their own (`counts.rs`).

mod counts;
mod error;
mod keeper;
mod migration;
mod ring;
mod schema;
mod store;
mod terms;
mod token;
mod usage;

pub use crate::access::period::Period;
pub use counts::{Counts, DayUsage, Used};
pub use error::StoreError;
pub(crate) use keeper::Keeper;
pub(crate) use ring::{Key, Ring, Standing};
pub use store::{Keys, Store, Stored, Unreadable};
pub use terms::{Quota, Scope, Span, TermError, Terms, valid_name};
pub use token::{Digest, digest, new_token};
pub(crate) use usage::UsedUp;

use std::time::{SystemTime, UNIX_EPOCH};

/// Now, in Unix seconds.
#[must_use]
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
