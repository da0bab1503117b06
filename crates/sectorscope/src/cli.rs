//! What can be typed.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use anyhow::Context;
use api::keys::{Quota, Scope, Span, Store, TermError, valid_name};
use api::{Rate, RateError};
use chain::{Cid, Day, Epoch, MinerId};
use clap::{Args, Parser, Subcommand, ValueEnum};
use directories::ProjectDirs;
use ledger::columns::{COLUMNS, Column, Endpoint, column};

const EXAMPLES: &str = "\
Examples:
  sectorscope up                                     read the bundled chain and serve it
  sectorscope ingest car snapshot.car.zst            take in a snapshot
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
  SECTORSCOPE_TOKEN=secret sectorscope serve --listen 0.0.0.0:8470
  sectorscope keys create alice && sectorscope serve --listen 0.0.0.0:8470 -v --log-format json
  sectorscope serve --listen 0.0.0.0:8470 --public --address-rate 20/s")]
    Serve(Serve),
    /// Say who may ask a server, for what, how often and until when
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
    /// Tell what is in the lake: closed days, gaps, sources, tables and their sizes, who is writing
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
    /// Say which numbers of the lake do not close; exits with 2 if any
    #[command(after_help = "\
Every miner's day is held against the chain's own power and against the identities of docs/DEFINITIONS.md when it is closed.
This prints what did not hold; --deep reckons every day anew from its events first, and follows each sector's story.

Examples:
  sectorscope reconcile
  sectorscope reconcile --from 2026-09-01 --miner f0110 --format json
  sectorscope reconcile --deep")]
    Reconcile(Reconcile),
    /// Bring the days of finished months into one file each, in both orders
    #[command(after_help = "\
Ingesting does so by itself. Readers notice nothing but that more days take less time.

Examples:
  sectorscope compact --data ./lake")]
    Compact(Compact),
    /// Remove files that the lake has no more
    #[command(after_help = "\
Closing days again and compaction take files out of the tables; they are kept for a while for those who still read an
older version. Ingesting removes those older than a week by itself.

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

    /// The lake's tables.
    pub(crate) fn lake(&self) -> anyhow::Result<PathBuf> {
        Ok(self.root()?.join("lake"))
    }

    /// The file of keys.
    pub(crate) fn keys(&self) -> anyhow::Result<PathBuf> {
        Ok(Store::path(&self.root()?))
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
    /// Let in who has the token in this file (or in $SECTORSCOPE_TOKEN), beside those who have a key
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Allow an address that is not loopback without a token or keys: anyone who reaches it may read everything
    #[arg(long)]
    pub(crate) public: bool,
    /// How many requests a key may make in a second or minute, or `off`
    #[arg(long, value_name = "N/s", default_value = "100/s", value_parser = limit)]
    pub(crate) key_rate: Limit,
    /// How many an address may make without a key, or `off` [default: 50/s, and off on loopback without keys]
    #[arg(long, value_name = "N/s", value_parser = limit)]
    pub(crate) address_rate: Option<Limit>,
    /// Take a client's address from the last entry of x-forwarded-for, as a proxy in front sets it
    #[arg(long)]
    pub(crate) behind_proxy: bool,
    /// Connections there may be at once [default: as many as the system's limit on open files leaves room for]
    #[arg(long, value_name = "N")]
    pub(crate) max_connections: Option<NonZeroUsize>,
}

/// A rate, or none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit(pub(crate) Option<Rate>);

#[derive(Debug, Args)]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) data: DataDir,
    #[command(flatten)]
    pub(crate) listen: Listen,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Make a key and print its token, this once
    #[command(after_help = "\
Examples:
  sectorscope keys create alice
  sectorscope keys create bob --expires 90d --quota 10000/day --history 365d
  sectorscope keys create board --scope sector/total,sector/fault
  sectorscope keys create prometheus --scope metrics > /etc/prometheus/sectorscope.token")]
    Create {
        /// What to call it in tables and logs
        #[arg(value_parser = key_name)]
        name: String,
        /// When it ends, from now: 12h, 90d, 8w [default: never]
        #[arg(long, value_name = "SPAN")]
        expires: Option<Span>,
        /// Requests it may make in a minute, an hour or a day (UTC): 10000/day [default: any number]
        #[arg(long)]
        quota: Option<Quota>,
        /// Days it may see, counted back from the latest closed one: 365d [default: all]
        #[arg(long, value_name = "DAYS", value_parser = history)]
        history: Option<NonZeroU32>,
        /// What it may ask for, by commas: sector, sector/total, v1, v1/miners, metrics [default: everything]
        #[arg(long)]
        scope: Option<Scope>,
        /// How to print it
        #[arg(long, value_enum, default_value_t = LookFormat::Table)]
        format: LookFormat,
        #[command(flatten)]
        data: DataDir,
    },
    /// List the keys there are and have been
    #[command(after_help = "\
Examples:
  sectorscope keys list
  sectorscope keys list --format json | jq -r '.[] | select(.state == \"good\") | .name'")]
    List {
        /// How to print them
        #[arg(long, value_enum, default_value_t = LookFormat::Table)]
        format: LookFormat,
        #[command(flatten)]
        data: DataDir,
    },
    /// End a key, for good
    #[command(after_help = "\
Examples:
  sectorscope keys revoke alice")]
    Revoke {
        /// The key
        name: String,
        #[command(flatten)]
        data: DataDir,
    },
    /// Tell what a key was used for, by day
    #[command(after_help = "\
Servers write their counts down every second.

Examples:
  sectorscope keys usage alice
  sectorscope keys usage alice --format json | jq '.days[0].requests'")]
    Usage {
        /// The key
        name: String,
        /// How to print it
        #[arg(long, value_enum, default_value_t = LookFormat::Table)]
        format: LookFormat,
        #[command(flatten)]
        data: DataDir,
    },
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
  sectorscope ingest car lite.car.zst diff-1.car.zst diff-2.car.zst --data ./lake
  sectorscope ingest car snapshot.car.zst --from 2026-09-01     close September again")]
    Car {
        /// The files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Read up to this height only, as if the newest tipset at or below it were the head
        #[arg(long, value_name = "EPOCH", value_parser = epoch)]
        head: Option<Epoch>,
        /// Close days again from this one on, YYYY-MM-DD, in the place of what is closed; days after the source's last
        /// one are made anew from their own events
        #[arg(long, value_name = "DAY")]
        from: Option<Day>,
        /// With --from: give up closed days after the source's last one if the state they stand on has changed
        #[arg(long, requires = "from")]
        drop_later: bool,
        /// Leave a file for each day; `sectorscope compact` brings finished months together later
        #[arg(long)]
        no_compact: bool,
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
    /// The provider's days from this one on
    #[arg(long, value_name = "DAY", requires = "miner", conflicts_with = "date")]
    pub(crate) from: Option<Day>,
    /// The provider's days up to this one
    #[arg(long, value_name = "DAY", requires = "miner", conflicts_with = "date")]
    pub(crate) to: Option<Day>,
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
pub(crate) struct Status {
    /// How to print it
    #[arg(long, value_enum, default_value_t = LookFormat::Table)]
    pub(crate) format: LookFormat,
    #[command(flatten)]
    pub(crate) data: DataDir,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The column; any that `sectorscope columns` lists
    #[arg(value_parser = a_column)]
    pub(crate) column: &'static Column,
    /// The storage provider, such as f01000
    #[arg(long)]
    pub(crate) miner: MinerId,
    /// The day, YYYY-MM-DD (UTC) [default: the newest closed one]
    #[arg(long)]
    pub(crate) date: Option<Day>,
    /// Events that the table shows at most; JSON has them all
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) events: usize,
    /// How to print it
    #[arg(long, value_enum, default_value_t = LookFormat::Table)]
    pub(crate) format: LookFormat,
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
    /// Reckon every day anew from its stored events, and follow every sector from event to event
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

fn a_column(text: &str) -> Result<&'static Column, String> {
    column(text).ok_or_else(|| {
        let alike = COLUMNS.iter().filter(|column| column.name.contains(text) || text.contains(column.name));
        let alike: Vec<_> = alike.map(|column| column.name).take(8).collect();
        match alike.as_slice() {
            [] => "there is no such column; `sectorscope columns` lists them".to_owned(),
            _ => format!("there is no such column; there are {}", alike.join(", ")),
        }
    })
}

fn key_name(text: &str) -> Result<String, TermError> {
    valid_name(text).map(|()| text.to_owned())
}

fn history(text: &str) -> Result<NonZeroU32, TermError> {
    text.parse::<Span>()?.days()
}

fn limit(text: &str) -> Result<Limit, RateError> {
    match text {
        "off" => Ok(Limit(None)),
        _ => text.parse().map(|rate| Limit(Some(rate))),
    }
}

fn epoch(text: &str) -> Result<Epoch, String> {
    match text.parse() {
        Ok(epoch @ 0..) => Ok(Epoch(epoch)),
        _ => Err("expected a height: a whole number from 0 on".to_owned()),
    }
}
