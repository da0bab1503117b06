//! The column registry: each published number is declared here, once.
//!
//! From a declaration come the day close's SQL, the tables' schema, the JSON of the API, the reference page,
//! CSV headers, labels, and the explanation of a number. A new column is a new line in [`COLUMNS`].

mod definition;
mod endpoint;
mod registry;
mod unit;

pub use definition::{BalanceMeasure, Definition, EventSelector, Measure};
pub use endpoint::Endpoint;
pub(crate) use registry::position;
pub use registry::{COLUMNS, Column, column};
pub use unit::{Storage, Unit};
