//! What can be typed.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use chain::{Cid, Day, Epoch, MinerId};
use clap::{Args, Parser, Subcommand, ValueEnum};
use directories::ProjectDirs;
use ledger::columns::Endpoint;

const EXAMPLES: &str = "\
Examples:
  sectorscope up                                     read the bundled chain and serve it
  sectorscope ingest car snapshot.car.zst            take in a snapshot
  sectorscope stats total --miner f01000             one provider's newest day
  sectorscope events --car snapshot.car.zst          what happened, straight from a chain

Exit codes:
  0  done
  1  something went wrong; stderr says what, where, and what to do
  2  wrong usage";

/// Open, verifiable statistics of every Filecoin storage provider's sectors.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES, propagate_version = true)]
pub(crate) struct Cli {
    /// Say more on stderr; repeat for still more
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a lake from the bundled sample chain if there is none yet, then serve it
    #[command(after_help = "\
Examples:
  sectorscope up
  sectorscope up --data ./lake --listen 127.0.0.1:9000")]
    Up(Up),
    /// Take in the finished days of a source
    #[command(after_help = "\
Examples:
  sectorscope ingest car snapshot.car.zst
  sectorscope ingest car lite.car.zst diff-1.car.zst diff-2.car.zst --data ./lake")]
    Ingest(Ingest),
    /// Serve a lake over HTTP
    #[command(after_help = "\
Examples:
  sectorscope serve
  SECTORSCOPE_TOKEN=secret sectorscope serve --listen 0.0.0.0:8470")]
    Serve(Serve),
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
  sectorscope stats sector_duration --format json")]
    Stats(Stats),
    /// Ask the lake in SQL; reading only
    #[command(after_help = "\
Tables: sector_events, sp_sector_daily, reconciliation, progress. Their columns: DESCRIBE sector_events.
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

    /// The lake's tables.
    pub(crate) fn lake(&self) -> anyhow::Result<PathBuf> {
        Ok(self.root()?.join("lake"))
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

/// How to serve.
#[derive(Debug, Args)]
pub(crate) struct Listen {
    /// Address to listen on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8470")]
    pub(crate) listen: SocketAddr,
    /// Ask every request to /v2 for the token in this file (or in $SECTORSCOPE_TOKEN)
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Allow an address that is not loopback without a token: anyone who reaches it may read everything
    #[arg(long)]
    pub(crate) public: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) data: DataDir,
    #[command(flatten)]
    pub(crate) listen: Listen,
}

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
  sectorscope ingest car lite.car.zst diff-1.car.zst diff-2.car.zst --data ./lake")]
    Car {
        /// The files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Read up to this height only, as if the newest tipset at or below it were the head
        #[arg(long, value_name = "EPOCH", value_parser = epoch)]
        head: Option<Epoch>,
        #[command(flatten)]
        data: DataDir,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Car {
    /// Tell form, roots, heights with state, network, actors version, and who is in the newest state
    #[command(after_help = "\
Examples:
  sectorscope car info snapshot.car.zst
  sectorscope car info lite.car.zst diff.car.zst
  sectorscope car info snapshot.forest.car.zst --format json | jq .head")]
    Info(Look),
    /// Check every hash and follow every link that deriving events needs; list what is missing
    #[command(after_help = "\
Examples:
  sectorscope car verify snapshot.car.zst
  sectorscope car verify state.car --state-root bafy2bzacedxtdhqjsrw2twioyaeomdk4z7umhgfv36vzrrotjb4woutphqgyg")]
    Verify(Look),
}

/// Snapshot files that are one block store, and what of them to look at.
#[derive(Debug, Args)]
pub(crate) struct Look {
    /// The files: .car, .car.zst or .forest.car.zst
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) at: At,
    /// How to print it
    #[arg(long, value_enum, default_value_t = LookFormat::Table)]
    pub(crate) format: LookFormat,
    #[command(flatten)]
    pub(crate) data: DataDir,
}

/// Which state of some files is meant.
#[derive(Debug, Args)]
pub(crate) struct At {
    /// The state before the newest tipset at or below this height [default: the head]
    #[arg(long, value_name = "EPOCH", value_parser = epoch)]
    pub(crate) head: Option<Epoch>,
    /// The state under this root, whether or not the files hold a chain
    #[arg(long, value_name = "CID", conflicts_with = "head")]
    pub(crate) state_root: Option<Cid>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LookFormat {
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
    pub(crate) at: At,
    /// How to print it
    #[arg(long, value_enum, default_value_t = LookFormat::Table)]
    pub(crate) format: LookFormat,
    #[command(flatten)]
    pub(crate) data: DataDir,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) data: DataDir,
    #[command(flatten)]
    pub(crate) listen: Listen,
}

#[derive(Debug, Args)]
pub(crate) struct Events {
    /// Snapshot files; several are read as one
    #[arg(long = "car", required = true, num_args = 1.., value_name = "FILE")]
    pub(crate) cars: Vec<PathBuf>,
    /// Read up to this height only, as if the newest tipset at or below it were the head
    #[arg(long, value_name = "EPOCH", value_parser = epoch)]
    pub(crate) head: Option<Epoch>,
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
pub(crate) struct Stats {
    /// Which of the ten endpoints
    #[arg(value_parser = endpoint)]
    pub(crate) endpoint: Endpoint,
    /// The day, YYYY-MM-DD (UTC) [default: the newest closed one]
    #[arg(long)]
    pub(crate) date: Option<Day>,
    /// Only this provider, such as f01000
    #[arg(long)]
    pub(crate) miner: Option<MinerId>,
    /// How to print the rows
    #[arg(long, value_enum, default_value_t = RowFormat::Table)]
    pub(crate) format: RowFormat,
    #[command(flatten)]
    pub(crate) data: DataDir,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum RowFormat {
    /// For people
    Table,
    /// The data array that /v2 serves
    Json,
    /// With a header line
    Csv,
}

#[derive(Debug, Args)]
pub(crate) struct Sql {
    /// The statement; `-` reads it from stdin
    pub(crate) statement: String,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = AnswerFormat::Table)]
    pub(crate) format: AnswerFormat,
    /// Rows that a table shows at most
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) rows: usize,
    /// Time that it may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) time: u64,
    /// Memory that sorting, grouping and joining may hold, in MiB; beyond it they use temporary files
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    pub(crate) memory: usize,
    /// Temporary files that they may use, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 8192)]
    pub(crate) spill: u64,
    #[command(flatten)]
    pub(crate) data: DataDir,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum AnswerFormat {
    /// For people
    Table,
    /// With a header line
    Csv,
    /// One JSON object a line, decimals as strings
    Ndjson,
    /// An array of such objects
    Json,
    /// A stream of Arrow's inter-process format
    Arrow,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Export {
    /// Storage providers' days: the rows that the endpoints serve
    #[command(after_help = "\
Examples:
  sectorscope export rows --format csv > rows.csv
  sectorscope export rows --from 2026-07-01 --to 2026-09-30 --columns total,fault --format parquet --out rows.parquet")]
    Rows(Exporting),
    /// Sector events
    #[command(after_help = "\
Examples:
  sectorscope export events --format parquet --out events.parquet
  sectorscope export events --miner f0110 --miner f0113 --format ndjson | jq 'select(.kind == \"terminate\")'")]
    Events(Exporting),
}

#[derive(Debug, Args)]
pub(crate) struct Exporting {
    /// First day, YYYY-MM-DD (UTC) [default: the first closed one]
    #[arg(long, value_name = "DAY")]
    pub(crate) from: Option<Day>,
    /// Last day [default: the newest closed one]
    #[arg(long, value_name = "DAY")]
    pub(crate) to: Option<Day>,
    /// Only these providers', such as f01000
    #[arg(long = "miner", num_args = 1.., value_name = "MINER")]
    pub(crate) miners: Vec<MinerId>,
    /// Only these columns, after day and miner; for rows also endpoints, such as total,fault
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    pub(crate) columns: Vec<String>,
    /// How to write them
    #[arg(long, value_enum)]
    pub(crate) format: ExportFormat,
    /// The file to write [default: stdout]; it appears when it is whole
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long, requires = "out")]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) data: DataDir,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ExportFormat {
    /// With the lake's own types
    Parquet,
    /// With a header line
    Csv,
    /// One JSON object a line, bytes as strings
    Ndjson,
    /// A stream of Arrow's inter-process format, with the lake's own types
    Arrow,
}

#[derive(Debug, Args)]
pub(crate) struct Files {
    /// Only this table's
    #[arg(long, value_name = "TABLE")]
    pub(crate) table: Option<String>,
    /// Only those that hold this day or later ones, YYYY-MM-DD (UTC)
    #[arg(long, value_name = "DAY")]
    pub(crate) from: Option<Day>,
    /// Only those that hold this day or earlier ones
    #[arg(long, value_name = "DAY")]
    pub(crate) to: Option<Day>,
    /// How to print them
    #[arg(long, value_enum, default_value_t = LookFormat::Table)]
    pub(crate) format: LookFormat,
    #[command(flatten)]
    pub(crate) data: DataDir,
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

fn endpoint(text: &str) -> Result<Endpoint, String> {
    Endpoint::from_name(text).ok_or_else(|| {
        let names: Vec<_> = Endpoint::ALL.iter().map(|endpoint| endpoint.name()).collect();
        format!("expected one of {}", names.join(", "))
    })
}

fn epoch(text: &str) -> Result<Epoch, String> {
    match text.parse() {
        Ok(epoch @ 0..) => Ok(Epoch(epoch)),
        _ => Err("expected a height: a whole number from 0 on".to_owned()),
    }
}
