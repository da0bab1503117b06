//! Sectorscope on the command line.

mod cli;
mod commands;
mod human;
mod output;
mod panics;
mod progress_bar;
mod sanitize;
mod shutdown;

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use cli::{Cli, Command, LogFormat};

/// Something went wrong; the error is on stderr. (Wrong usage exits with 2.)
const EXIT_FAILURE: u8 = 1;
/// A number does not reconcile; stdout says which.
const EXIT_MISMATCH: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    init_logging(cli.verbose, cli.log_format);
    panics::install_hook(matches!(cli.command, Command::Serve(_) | Command::Up(_)));
    match panics::catch(|| run(cli)) {
        Ok(code) => code,
        // Whoever read our output has seen enough, as `head` does.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::print_remark(format_args!("error: {}", error_line(&error)));
            ExitCode::from(EXIT_FAILURE)
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        let done = match cli.command {
            Command::Explain(arguments) => return commands::explain::run(arguments).await,
            Command::Reconcile(arguments) => return commands::reconcile::run(arguments).await,
            Command::Up(arguments) => commands::up::run(arguments).await,
            Command::Ingest(arguments) => commands::ingest::run(arguments).await,
            Command::Serve(arguments) => commands::serve::run(arguments).await,
            Command::Keys(arguments) => commands::keys::run(arguments),
            Command::Events(arguments) => commands::events::run(arguments),
            Command::Car(arguments) => commands::car::run(&arguments),
            Command::Miner(arguments) => commands::miner::run(&arguments),
            Command::Stats(arguments) => commands::stats::run(arguments).await,
            Command::Sql(arguments) => commands::sql::run(arguments).await,
            Command::Export(arguments) => commands::export::run(arguments).await,
            Command::Files(arguments) => commands::files::run(arguments).await,
            Command::Status(arguments) => commands::status::run(arguments).await,
            Command::Compact(arguments) => commands::maintenance::compact(arguments).await,
            Command::Vacuum(arguments) => commands::maintenance::vacuum(arguments).await,
            Command::Backup(arguments) => commands::maintenance::backup(arguments).await,
            Command::Restore(arguments) => commands::maintenance::restore(arguments).await,
            Command::Columns(arguments) => commands::columns::run(&arguments),
        };
        done.map(|()| ExitCode::SUCCESS)
    });
    // Work that was given up, as a question that took too long, is not waited for.
    runtime.shutdown_background();
    done
}

/// Logs to stderr: warnings by default, more with each `-v`; `RUST_LOG` overrides both.
fn init_logging(verbose: u8, format: LogFormat) {
    let level = match verbose {
        0 => "warn",
        1 => "info,sqlparser=warn,datafusion=warn,delta_kernel=warn,buoyant_kernel=warn",
        2 => "debug,sqlparser=info,datafusion=info,h2=info,hyper=info",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        LogFormat::Text => {
            log.with_ansi(io::stderr().is_terminal()).with_writer(sanitize::SanitizedStderr::new).init();
        }
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}

/// The error and its causes in one line; a cause whose words are already there is not said again.
fn error_line(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kind = |cause: &(dyn std::error::Error + 'static)| {
        let io = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        let json = cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind);
        let csv = cause.downcast_ref::<csv::Error>().and_then(|error| match error.kind() {
            csv::ErrorKind::Io(error) => Some(error.kind()),
            _ => None,
        });
        io.or(json).or(csv)
    };
    error.chain().filter_map(kind).any(|kind| kind == io::ErrorKind::BrokenPipe)
}
