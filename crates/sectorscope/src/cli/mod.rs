//! The command line: commands and their arguments.

mod inspect;
mod maintenance;
mod query;
mod serve;

use std::path::PathBuf;

use anyhow::{Context, bail};
use api::keys::KeyStore;
use chain::Epoch;
use clap::{Args, Parser, Subcommand, ValueEnum};
use directories::ProjectDirs;

pub(crate) use inspect::{
    Car, CarInput, ColumnFormat, Columns, EmptyRounds, EventFormat, Events, Miner, ReportFormat,
    StateSelector,
};
pub(crate) use maintenance::{
    Backup, Compact, FindingFormat, Ingest, Reconcile, Restore, Source, Status, Vacuum,
};
pub(crate) use query::{
    AnswerFormat, Explain, Export, ExportFormat, ExportOptions, Files, RowFormat, Sql, Stats,
};
pub(crate) use serve::{Keys, ListenOptions, RateLimit, Serve, Up};

const EXAMPLES: &str = "\
Examples:
  sectorscope up                                     read the bundled chain and serve it
  sectorscope ingest car snapshot.car.zst            ingest a snapshot
  sectorscope stats total --miner f01000             one provider's newest day
  sectorscope events --car snapshot.car.zst          what happened, straight from a chain

Exit codes:
  0  done
  1  something went wrong; stderr says what, where, and what to do
  2  wrong usage; or `reconcile` or `explain` found something that does not close";

/// Open, verifiable statistics of every Filecoin storage provider's sectors.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES, propagate_version = true)]
pub(crate) struct Cli {
    /// Say more on stderr; repeat for still more
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    /// How to say it
    #[arg(long, value_enum, default_value_t = LogFormat::Text, global = true, value_name = "FORMAT")]
    pub(crate) log_format: LogFormat,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a lake from the bundled sample chain if there is none yet, then serve it
    #[command(after_help = "\
Examples:
  sectorscope up
  sectorscope up --data ./lake --listen 127.0.0.1:9000")]
    Up(Up),
    /// Ingest the finished days of a source
    #[command(after_help = "\
Examples:
  sectorscope ingest car snapshot.car.zst
  sectorscope ingest car lite.car.zst diff-1.car.zst diff-2.car.zst --data ./lake")]
    Ingest(Ingest),
    /// Serve a lake over HTTP
    #[command(after_help = "\
Examples:
  sectorscope serve
  SECTORSCOPE_TOKEN=secret sectorscope serve --listen 0.0.0.0:8470
  sectorscope keys create alice && sectorscope serve --listen 0.0.0.0:8470 -v --log-format json
  sectorscope serve --listen 0.0.0.0:8470 --public --address-rate 20/s")]
    Serve(Serve),
    /// Manage API keys: scope, quota, expiry, usage
    #[command(
        subcommand,
        after_help = "\
Keys are kept beside the lake, in keys.sqlite of the data directory; of a token only its SHA-256 is. A running server
notices within two seconds. As soon as there has been a key, every request for data needs one.

Examples:
  sectorscope keys create alice
  sectorscope keys list"
    )]
    Keys(Keys),
    /// Print the sector events of a chain, without a lake
    #[command(after_help = "\
Examples:
  sectorscope events --car snapshot.car.zst --miner f01000
  sectorscope events --car snapshot.car.zst --day 2026-07-01 --format csv > events.csv
  sectorscope events --car lite.car.zst diff.car.zst --format ndjson | jq 'select(.kind == \"terminate\")'")]
    Events(Events),
    /// Look into snapshot files
    #[command(
        subcommand,
        after_help = "\
Examples:
  sectorscope car info snapshot.car.zst
  sectorscope car verify snapshot.car.zst"
    )]
    Car(Car),
    /// Show one storage provider at a snapshot's head: power, deadlines, expirations ahead
    #[command(after_help = "\
Examples:
  sectorscope miner f01000 --car snapshot.car.zst
  sectorscope miner f01000 --car snapshot.forest.car.zst --head 4000000 --format json")]
    Miner(Miner),
    /// Print an endpoint's rows of one day from the lake
    #[command(after_help = "\
Examples:
  sectorscope stats total
  sectorscope stats fault --date 2026-09-20 --miner f0110
  sectorscope stats total --miner f0110 --from 2026-09-01 --format csv > f0110.csv
  sectorscope stats sector_duration --format json")]
    Stats(Stats),
    /// Ask the lake in SQL; reading only
    #[command(after_help = "\
Tables: sector_events, sp_sector_daily, reconciliation, progress; sp_sector_history, the rows of finished months again by
provider. Their columns: DESCRIBE sector_events.
miner_id is a number in them; f0(miner_id) spells it.

Examples:
  sectorscope sql \"SELECT f0(miner_id), count(*) FROM sector_events WHERE kind = 'fault' GROUP BY 1 ORDER BY 2 DESC\"
  sectorscope sql \"SELECT * FROM sp_sector_daily WHERE stat_date = '2026-09-20'\" --format json
  sectorscope sql - --format csv < question.sql > answer.csv")]
    Sql(Sql),
    /// Write rows or events of a range of days to a file or a pipe
    #[command(
        subcommand,
        after_help = "\
Examples:
  sectorscope export rows --format csv > rows.csv
  sectorscope export rows --from 2026-07-01 --to 2026-09-30 --columns total,fault --format parquet --out rows.parquet
  sectorscope export events --miner f0110 --miner f0113 --format ndjson | jq 'select(.kind == \"terminate\")'"
    )]
    Export(Export),
    /// List the Parquet files that the lake's published version is made of, for programs that read them themselves
    #[command(after_help = "\
Examples:
  sectorscope files
  sectorscope files --table sector_events --from 2026-09-01 --format json | jq -r '.files[].path'")]
    Files(Files),
    /// Show what is in the lake: closed days, gaps, sources, tables and their sizes, the current writer
    #[command(after_help = "\
Examples:
  sectorscope status
  sectorscope status --format json | jq .gaps")]
    Status(Status),
    /// Walk a number back to the sectors and messages that it is made of
    #[command(after_help = "\
Examples:
  sectorscope explain daily_new_fault_rbp --miner f0110 --date 2026-09-20
  sectorscope explain total_sector_qap --miner f0110 --format json | jq -r '.contributions[].message'
  sectorscope columns                                        the columns there are")]
    Explain(Explain),
    /// Show which numbers of the lake do not reconcile; exits with 2 if any
    #[command(after_help = "\
When a day closes, each provider's row is compared with the chain's own power and with the identities of
docs/DEFINITIONS.md. This prints the checks that failed; --deep first recomputes every day from its events, and follows
each sector from event to event.

Examples:
  sectorscope reconcile
  sectorscope reconcile --from 2026-09-01 --miner f0110 --format json
  sectorscope reconcile --deep")]
    Reconcile(Reconcile),
    /// Merge the days of finished months into one file each, in both orders
    #[command(after_help = "\
Ingesting does so by itself. Reading many days then takes less time; nothing else changes for readers.

Examples:
  sectorscope compact --data ./lake")]
    Compact(Compact),
    /// Delete files that the lake does not reference any more
    #[command(after_help = "\
Re-closing days and compaction replace files of the tables. Replaced files are kept for a while, for programs that still
read an older version. Ingesting deletes those older than a week by itself.

Examples:
  sectorscope vacuum
  sectorscope vacuum --retain-hours 0     when nothing else reads the lake")]
    Vacuum(Vacuum),
    /// Copy the lake, while it may be written to
    #[command(after_help = "\
The copy is a lake itself, of one published version. A copy into the same directory brings it up to date. Its SHA256SUMS
can be checked with `sha256sum --check`.

Examples:
  sectorscope backup /mnt/backup/sectorscope
  sectorscope backup ./copy --data ./lake")]
    Backup(Backup),
    /// Put a copy back as the lake, every byte of it checked
    #[command(after_help = "\
Examples:
  sectorscope restore /mnt/backup/sectorscope
  sectorscope restore ./copy --data ./elsewhere")]
    Restore(Restore),
    /// Print what every column means
    #[command(after_help = "\
Examples:
  sectorscope columns
  sectorscope columns --format markdown > docs/COLUMNS.md")]
    Columns(Columns),
}

/// Where the lake is kept.
#[derive(Debug, Args)]
pub(crate) struct DataDir {
    /// Data directory [default: by platform, such as ~/.local/share/sectorscope]
    #[arg(long, value_name = "DIR", env = "SECTORSCOPE_DATA")]
    pub(crate) data: Option<PathBuf>,
}

impl DataDir {
    fn root(&self) -> anyhow::Result<PathBuf> {
        match &self.data {
            Some(data) => Ok(data.clone()),
            None => ProjectDirs::from("", "", "sectorscope")
                .map(|dirs| dirs.data_dir().to_owned())
                .context("this system names no home for data; say where with --data DIR"),
        }
    }

    /// The lake's tables. Delta writes paths as addresses, which have no place for bytes that are not UTF-8.
    pub(crate) fn lake(&self) -> anyhow::Result<PathBuf> {
        let lake = self.root()?.join("lake");
        if lake.to_str().is_none() {
            bail!("the path of {} is not UTF-8; put the lake into another directory", lake.display());
        }
        Ok(lake)
    }

    /// The file of keys.
    pub(crate) fn keys(&self) -> anyhow::Result<PathBuf> {
        Ok(KeyStore::path(&self.root()?))
    }

    /// Decompressed snapshots.
    pub(crate) fn cache(&self) -> anyhow::Result<PathBuf> {
        Ok(self.root()?.join("cache"))
    }

    /// The bundled chain, once it is unpacked.
    pub(crate) fn samples(&self) -> anyhow::Result<PathBuf> {
        Ok(self.root()?.join("samples"))
    }
}

/// A number of empty rounds.
fn rounds(text: &str) -> Result<i64, String> {
    match text.parse() {
        Ok(rounds @ 0..) => Ok(rounds),
        _ => Err("expected a number of rounds: a whole number from 0 on".to_owned()),
    }
}

fn epoch(text: &str) -> Result<Epoch, String> {
    match text.parse() {
        Ok(epoch @ 0..) => Ok(Epoch(epoch)),
        _ => Err("expected a height: a whole number from 0 on".to_owned()),
    }
}
