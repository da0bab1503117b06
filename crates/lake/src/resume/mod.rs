//! What of the stored days does the next one need?

pub(crate) mod activations;
pub(crate) mod carried;
