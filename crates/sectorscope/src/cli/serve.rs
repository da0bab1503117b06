//! Arguments of the commands that serve, and that manage keys.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use api::keys::{Quota, Scope, Span, TermError, valid_name};
use api::{AllowedOrigin, Rate, RateError};
use clap::{Args, Subcommand};

use super::{DataDir, ReportFormat};

/// How to serve.
#[derive(Debug, Args)]
pub(crate) struct ListenOptions {
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
    pub(crate) key_rate: RateLimit,
    /// How many an address may make without a key, or `off` [default: 50/s, and off on loopback as long as there are no keys]
    #[arg(long, value_name = "N/s", value_parser = limit)]
    pub(crate) address_rate: Option<RateLimit>,
    /// Take a client's address from the last entry of x-forwarded-for, as a proxy in front sets it
    #[arg(long)]
    pub(crate) behind_proxy: bool,
    /// Connections there may be at once [default: as many as the system's limit on open files leaves room for]
    #[arg(long, value_name = "N")]
    pub(crate) max_connections: Option<NonZeroUsize>,
    /// Connections that one address may have at once; those from this machine, and with --behind-proxy, are not counted
    #[arg(long, value_name = "N", default_value = "256")]
    pub(crate) max_connections_per_address: NonZeroUsize,
    /// Pages that may read answers in a browser: those of an origin such as `https://example.org`, or `*` [default: *, and
    /// none on loopback as long as there are no keys]
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) cors: Option<AllowedOrigin>,
    /// Memory for rendered answers, plain and compressed; a day of 6,000 providers takes some 30 MiB
    #[arg(long, value_name = "MIB", default_value_t = 128)]
    pub(crate) answers_memory: usize,
    /// Memory for answers that are made and not sent yet; an address gets a quarter of it
    #[arg(long, value_name = "MIB", default_value = "128")]
    pub(crate) unsent_memory: NonZeroUsize,
}

/// A rate, or none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RateLimit(pub(crate) Option<Rate>);

#[derive(Debug, Args)]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) data: DataDir,
    #[command(flatten)]
    pub(crate) listen: ListenOptions,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) data: DataDir,
    #[command(flatten)]
    pub(crate) listen: ListenOptions,
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
        #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
        format: ReportFormat,
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
        #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
        format: ReportFormat,
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
    /// Show the usage of a key, by day
    #[command(after_help = "\
Servers write their counts down every second.

Examples:
  sectorscope keys usage alice
  sectorscope keys usage alice --format json | jq '.days[0].requests'")]
    Usage {
        /// The key
        name: String,
        /// How to print it
        #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
        format: ReportFormat,
        #[command(flatten)]
        data: DataDir,
    },
}

fn key_name(text: &str) -> Result<String, TermError> {
    valid_name(text).map(|()| text.to_owned())
}

fn history(text: &str) -> Result<NonZeroU32, TermError> {
    text.parse::<Span>()?.days()
}

fn limit(text: &str) -> Result<RateLimit, RateError> {
    match text {
        "off" => Ok(RateLimit(None)),
        _ => text.parse().map(|rate| RateLimit(Some(rate))),
    }
}
