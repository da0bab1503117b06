//! Access control: authentication, authorization, rates and quotas.

pub(crate) mod auth;
pub(crate) mod connection_limits;
pub(crate) mod denial;
pub mod file_permissions;
pub(crate) mod history_window;
pub mod keys;
pub(crate) mod period;
pub(crate) mod rate;
pub(crate) mod rate_headers;
