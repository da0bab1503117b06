//! What holds of events by themselves, whatever they add up to (`docs/DEFINITIONS.md`, "Identities and checks").
//!
//! [`DayChecks`] looks at the events of one day, [`Continuity`] at those of many: a sector's event begins where the one
//! before it ended.

mod continuity;
mod day;
mod event;

pub use continuity::Continuity;
pub use day::{DayChecks, check_day};
pub use event::{Check, Failure};
