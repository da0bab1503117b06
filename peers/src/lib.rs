//! Do we read the chain as others do, and how fast beside them?
//!
//! The peers are the crates that Filecoin's Rust implementations publish for reading actor state and the files it
//! comes in. [`actors`] has the state of each actors version read by them, put in this project's own terms, and
//! states of each version made by them. [`checks`] holds our reading against theirs. The program `compare` runs
//! both and prints how long they take.

pub mod actors;
pub mod checks;
mod random;
pub mod store;
pub mod trees;

pub use random::Random;
