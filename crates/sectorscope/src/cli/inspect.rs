//! Arguments of the commands that inspect a chain.

use std::path::PathBuf;

use chain::{Cid, Day, Epoch, MinerId, WalkOptions};
use clap::{Args, Subcommand, ValueEnum};

use super::{DataDir, epoch, rounds};

#[derive(Debug, Subcommand)]
pub(crate) enum Car {
    /// Show format, roots, heights with state, network, actors version, and the providers of the newest state
    #[command(after_help = "\
Examples:
  sectorscope car info snapshot.car.zst
  sectorscope car info lite.car.zst diff.car.zst
  sectorscope car info snapshot.forest.car.zst --format json | jq .head")]
    Info(CarInput),
    /// Check every hash and follow every link that deriving events needs; list what is missing
    #[command(after_help = "\
Examples:
  sectorscope car verify snapshot.car.zst
  sectorscope car verify state.car --state-root bafy2bzacedxtdhqjsrw2twioyaeomdk4z7umhgfv36vzrrotjb4woutphqgyg")]
    Verify(CarInput),
}

/// Snapshot files that are one block store, and what of them to look at.
#[derive(Debug, Args)]
pub(crate) struct CarInput {
    /// The files: .car, .car.zst or .forest.car.zst
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) at: StateSelector,
    /// How to print it
    #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
    pub(crate) format: ReportFormat,
    #[command(flatten)]
    pub(crate) data: DataDir,
}

/// Which state of some files is meant.
#[derive(Debug, Args)]
pub(crate) struct StateSelector {
    /// The state before the newest tipset at or below this height [default: the head]
    #[arg(long, value_name = "EPOCH", value_parser = epoch)]
    pub(crate) head: Option<Epoch>,
    #[command(flatten)]
    pub(crate) rounds: EmptyRounds,
    /// The state under this root, whether or not the files hold a chain
    #[arg(long, value_name = "CID", conflicts_with = "head")]
    pub(crate) state_root: Option<Cid>,
}

/// How long a chain may stand still.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct EmptyRounds {
    /// Most empty rounds between two tipsets; more are taken for damage, but right above genesis
    #[arg(long, value_name = "N", value_parser = rounds, default_value_t = WalkOptions::EMPTY_ROUNDS)]
    pub(crate) empty_rounds: i64,
}

impl EmptyRounds {
    /// How to read a chain up to its head, or to a lower tipset.
    pub(crate) const fn to(self, head: Option<Epoch>) -> WalkOptions {
        WalkOptions { head, empty_rounds: self.empty_rounds }
    }
}

impl StateSelector {
    /// How to read the chain.
    pub(crate) const fn way(&self) -> WalkOptions {
        self.rounds.to(self.head)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For people
    Table,
    /// One object, byte figures as decimal strings
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct Miner {
    /// The storage provider, such as f01000
    pub(crate) miner: MinerId,
    /// Snapshot files; several are read as one
    #[arg(long = "car", required = true, num_args = 1.., value_name = "FILE")]
    pub(crate) cars: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) at: StateSelector,
    /// How to print it
    #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
    pub(crate) format: ReportFormat,
    #[command(flatten)]
    pub(crate) data: DataDir,
}

#[derive(Debug, Args)]
pub(crate) struct Events {
    /// Snapshot files; several are read as one
    #[arg(long = "car", required = true, num_args = 1.., value_name = "FILE")]
    pub(crate) cars: Vec<PathBuf>,
    /// Read up to this height only, as if the newest tipset at or below it were the head
    #[arg(long, value_name = "EPOCH", value_parser = epoch)]
    pub(crate) head: Option<Epoch>,
    #[command(flatten)]
    pub(crate) rounds: EmptyRounds,
    /// Only this provider's, such as f01000
    #[arg(long)]
    pub(crate) miner: Option<MinerId>,
    /// Only this day's, YYYY-MM-DD (UTC)
    #[arg(long)]
    pub(crate) day: Option<Day>,
    /// How to print them
    #[arg(long, value_enum, default_value_t = EventFormat::Table)]
    pub(crate) format: EventFormat,
    #[command(flatten)]
    pub(crate) data: DataDir,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum EventFormat {
    /// For people
    Table,
    /// One JSON object a line
    Ndjson,
    /// With a header line
    Csv,
}

#[derive(Debug, Args)]
pub(crate) struct Columns {
    /// How to print them
    #[arg(long, value_enum, default_value_t = ColumnFormat::Table)]
    pub(crate) format: ColumnFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ColumnFormat {
    /// For people
    Table,
    /// The page docs/COLUMNS.md
    Markdown,
    /// An array of objects
    Json,
}
