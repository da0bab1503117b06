//! Arguments of the commands that write, check and maintain a lake.

use std::path::PathBuf;

use chain::{Day, Epoch, MinerId};
use clap::{Args, Subcommand, ValueEnum};

use super::{DataDir, EmptyRounds, ReportFormat, epoch};

#[derive(Debug, Args)]
pub(crate) struct Ingest {
    #[command(subcommand)]
    pub(crate) source: Source,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Source {
    /// Snapshot files: .car, .car.zst or .forest.car.zst; several are read as one
    #[command(after_help = "\
Examples:
  sectorscope ingest car snapshot.car.zst
  sectorscope ingest car lite.car.zst diff-1.car.zst diff-2.car.zst --data ./lake
  sectorscope ingest car snapshot.car.zst --from 2026-09-01     close September again")]
    Car {
        /// The files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Read up to this height only, as if the newest tipset at or below it were the head
        #[arg(long, value_name = "EPOCH", value_parser = epoch)]
        head: Option<Epoch>,
        #[command(flatten)]
        rounds: EmptyRounds,
        /// Close days again from this one on, YYYY-MM-DD, in the place of what is closed; days after the source's last
        /// one are recomputed from their own events
        #[arg(long, value_name = "DAY")]
        from: Option<Day>,
        /// With --from: drop closed days after the source's last one if the state that they start from has changed
        #[arg(long, requires = "from")]
        drop_later: bool,
        /// Leave a file for each day; `sectorscope compact` brings finished months together later
        #[arg(long)]
        no_compact: bool,
        /// How to print what was done and, with --from, what has changed
        #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
        format: ReportFormat,
        #[command(flatten)]
        data: DataDir,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// How to print it
    #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
    pub(crate) format: ReportFormat,
    #[command(flatten)]
    pub(crate) data: DataDir,
}

#[derive(Debug, Args)]
pub(crate) struct Reconcile {
    /// First day, YYYY-MM-DD (UTC) [default: the first closed one]
    #[arg(long, value_name = "DAY")]
    pub(crate) from: Option<Day>,
    /// Last day [default: the newest closed one]
    #[arg(long, value_name = "DAY")]
    pub(crate) to: Option<Day>,
    /// Only these providers, such as f01000
    #[arg(long = "miner", num_args = 1.., value_name = "MINER")]
    pub(crate) miners: Vec<MinerId>,
    /// Recompute every day from its stored events, and follow every sector from event to event
    #[arg(long)]
    pub(crate) deep: bool,
    /// How to print what does not close
    #[arg(long, value_enum, default_value_t = FindingFormat::Table)]
    pub(crate) format: FindingFormat,
    #[command(flatten)]
    pub(crate) data: DataDir,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FindingFormat {
    /// For people
    Table,
    /// One object: what was checked and what does not close
    Json,
    /// With a header line
    Csv,
}

#[derive(Debug, Args)]
pub(crate) struct Compact {
    #[command(flatten)]
    pub(crate) data: DataDir,
}

#[derive(Debug, Args)]
pub(crate) struct Vacuum {
    /// Keep what was taken out in the last hours
    #[arg(long, value_name = "HOURS", default_value_t = 168)]
    pub(crate) retain_hours: u64,
    #[command(flatten)]
    pub(crate) data: DataDir,
}

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// Where to copy it: a new or empty directory, or that of an older copy
    pub(crate) to: PathBuf,
    #[command(flatten)]
    pub(crate) data: DataDir,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The copy
    pub(crate) from: PathBuf,
    #[command(flatten)]
    pub(crate) data: DataDir,
}
