//! What happened to each sector, and what does a day add up to?

pub mod columns;
mod event;
mod power;
mod value;

pub use event::{Cause, Event, Kind, MessageRef, Status};
pub use power::{Claim, Power};
pub use value::Value;
