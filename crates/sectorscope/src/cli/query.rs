//! Arguments of the commands that query a lake.

use std::path::PathBuf;

use chain::{Day, MinerId};
use clap::{Args, Subcommand, ValueEnum};
use ledger::columns::{COLUMNS, Column, Endpoint, column};

use super::{DataDir, ReportFormat};

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
    Rows(ExportOptions),
    /// Sector events
    #[command(after_help = "\
Examples:
  sectorscope export events --format parquet --out events.parquet
  sectorscope export events --miner f0110 --miner f0113 --format ndjson | jq 'select(.kind == \"terminate\")'")]
    Events(ExportOptions),
}

#[derive(Debug, Args)]
pub(crate) struct ExportOptions {
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
    #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
    pub(crate) format: ReportFormat,
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
    #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
    pub(crate) format: ReportFormat,
    #[command(flatten)]
    pub(crate) data: DataDir,
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
