//! How does it get in?
//!
//! One module per source. Each brings finished days to the lake, in order and without gaps, goes on where the
//! lake stops, and refuses what contradicts what is already there.

mod cars;
mod error;
mod start;

pub use cars::{Options, Report, Source, cars};
pub use error::{Error, Result};
