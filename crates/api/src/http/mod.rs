//! HTTP itself: connections, headers and bodies, whatever the data.

pub(crate) mod coding;
pub(crate) mod connection;
pub(crate) mod cors;
pub(crate) mod document;
pub(crate) mod entity_tag;
pub(crate) mod envelope;
pub(crate) mod fair_share;
pub(crate) mod host;
pub(crate) mod normalize;
pub(crate) mod quality;
pub(crate) mod query;
pub(crate) mod request_id;
pub(crate) mod response_memory;
