//! What of the stored days does the next close need?

pub(crate) mod activations;
pub(crate) mod carried;
