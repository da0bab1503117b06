//! One file per command.

pub(crate) mod car;
pub(crate) mod columns;
pub(crate) mod events;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod files;
pub(crate) mod ingest;
pub(crate) mod keys;
pub(crate) mod maintenance;
pub(crate) mod miner;
pub(crate) mod reconcile;
pub(crate) mod serve;
pub(crate) mod sql;
mod state_at;
pub(crate) mod stats;
pub(crate) mod status;
pub(crate) mod up;

use std::io::IsTerminal;
use std::path::PathBuf;

use anyhow::{Context, bail};
use chain::{Chain, WallClock};

/// Adds to an error the files that a chain was read from: errors within it name only blocks and heights.
fn with_file_context<T, E>(result: Result<T, E>, files: &[PathBuf]) -> anyhow::Result<T>
where
    E: std::error::Error + Send + Sync + 'static,
{
    result.with_context(|| named(files))
}

/// Says so if a chain's head is ahead of this machine's clock: either may be wrong.
fn warn_if_ahead(chain: &Chain<'_>) {
    let ahead = chain.seconds_ahead_of(WallClock::default().unix_seconds());
    if let (Some(seconds), Some(head)) = (ahead, chain.tipsets().last()) {
        tracing::warn!(
            target: "sectorscope::clock",
            "the chain's head, at height {}, is {} days ahead of this machine's clock: the clock is wrong, or the chain is no \
             public network's",
            head.height,
            seconds / 86_400
        );
    }
}

/// The first few of some files, and how many more there are.
fn named(files: &[PathBuf]) -> String {
    const NAMED: usize = 3;
    let names: Vec<_> = files.iter().take(NAMED).map(|file| file.display().to_string()).collect();
    match files.len().saturating_sub(NAMED) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

/// Keeps what only programs read off a terminal.
fn refuse_on_terminal(form: lake::OutputFormat) -> anyhow::Result<()> {
    if form.is_binary() && std::io::stdout().is_terminal() {
        bail!("this format is for programs, and stdout is a terminal: send it to a file or a pipe");
    }
    Ok(())
}
