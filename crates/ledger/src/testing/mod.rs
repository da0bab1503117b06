//! Synthetic histories that are valid: for tests and measurements that need more miners, days or kinds of events than a
//! chain at hand has.
//!
//! Every sector lives a life that the actors allow: pre-committed, onboarded, proven, faulty, recovered, snapped,
//! extended, and gone in one of the ways there are. Only time is shorter: sectors may leave after days, so that every
//! kind happens early. What the chain would say of each miner is added up over its sectors, not over the events.

mod actions;
mod history;
mod initial_sectors;
mod provider;
mod random;
mod sector;

pub use history::{SyntheticDay, SyntheticHistory, SyntheticOptions};
