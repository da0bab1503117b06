//! What can go wrong while taking in a source.

use chain::{Clock, Day, Epoch};

/// The result of taking in a source.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong while taking in a source.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The source does not read.
    #[error(transparent)]
    Chain(#[from] chain::Error),
    /// The lake does not take it.
    #[error(transparent)]
    Lake(#[from] lake::Error),
    /// The source is of another network than the lake.
    #[error(
        "the chain is of {}, but this lake was made from a chain of {}: they are different networks; give another data \
         directory (--data)",
        chain::describe_network(*.found),
        chain::describe_network(*.expected)
    )]
    OtherNetwork {
        /// The clock of the lake's chain.
        expected: Clock,
        /// That of the source.
        found: Clock,
    },
    /// The source begins after the day the lake needs next.
    #[error(
        "the chain's readable states begin at epoch {begins} ({begins_on}), but the lake is closed up to {closed} and \
         a day cannot close over a gap; add a snapshot that holds the states of {missing}"
    )]
    Gap {
        /// First readable epoch of the source.
        begins: Epoch,
        /// Its day.
        begins_on: Day,
        /// The lake's last closed day.
        closed: Day,
        /// The day the lake needs next.
        missing: Day,
    },
    /// Something in the middle of the source is missing.
    #[error(
        "{missing}; {}",
        match .closed {
            Some(day) => format!("days are closed up to {day}, before the hole, and `sectorscope status` shows the gap"),
            None => "no day before the hole can be closed".to_owned(),
        }
    )]
    IncompleteSource {
        /// What is missing.
        missing: Box<chain::Error>,
        /// The lake's last closed day.
        closed: Option<Day>,
    },
    /// The source has another tipset at the end of a closed day.
    #[error(
        "the chain's last tipset of {day} is {found}, but the lake was closed from {expected}: one of the two is a fork \
         or another network; give the chain that the lake was made from or another data directory (--data), or, if \
         this chain is the right one, close again from there with --from {day}"
    )]
    Contradiction {
        /// The first day at whose end they differ.
        day: Day,
        /// Key of the tipset that the lake was closed from.
        expected: String,
        /// Key of the tipset that the source has.
        found: String,
    },
    /// Days are to be closed again from a day that is not closed.
    #[error(
        "{from} cannot be closed again: the closed days are {first} to {closed}; give one of them, or the day after"
    )]
    NotClosed {
        /// The day that was given.
        from: Day,
        /// The lake's first closed day.
        first: Day,
        /// The lake's last closed day.
        closed: Day,
    },
    /// The lake's first day is to be closed again from a source that does not open a ledger on it.
    #[error(
        "{day} is the lake's first day, and a ledger cannot be opened on it from this chain; give the chain that it was opened from, or another data directory (--data)"
    )]
    NoOpening {
        /// The lake's first closed day.
        day: Day,
    },
}
