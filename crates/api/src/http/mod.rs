//! HTTP itself: what would be the same for any data.

pub(crate) mod query;
