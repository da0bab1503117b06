//! How do rows leave the lake for other programs?

pub(crate) mod column_spec;
pub(crate) mod encoded_chunks;
pub(crate) mod explanation;
pub(crate) mod format;
pub(crate) mod row_set;
