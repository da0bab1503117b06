//! API keys: scope, quota, expiry, usage.
//!
//! A key is made once and its token shown once; only the token's SHA-256 is kept (`store.rs`). A server holds all
//! keys in memory (`key_set.rs`), looks for changed ones every second, counts what they ask for without a lock
//! (`counters.rs`), and writes the counts down in passing (`sync.rs`), in a file of their own (`usage_store.rs`).

mod counters;
mod error;
mod key_set;
mod key_table;
mod migration;
mod schema;
mod store;
mod sync;
mod terms;
mod token;
mod usage_store;

pub use crate::access::period::Period;
pub(crate) use counters::QuotaExhausted;
pub use error::StoreError;
pub(crate) use key_set::{Key, KeySet, KeyState};
pub use store::{KeyStore, StoredKey, StoredKeys, UnreadableKey};
pub(crate) use sync::KeySync;
pub use terms::{Quota, Scope, Span, TermError, Terms, valid_name};
pub use token::{Digest, digest, new_token};
pub use usage_store::{DailyUsage, KeyUsage, UsageStore};
