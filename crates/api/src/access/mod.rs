//! Who may ask, for what, and how often.

pub(crate) mod denial;
pub(crate) mod period;
pub(crate) mod rate_headers;
