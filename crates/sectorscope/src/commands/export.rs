//! `sectorscope export`

use std::fs::{self, File};
use std::io::{IsTerminal, stdout};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use chain::{NoProgress, ProgressSink};
use lake::{Dataset, ExportSelection, OutputFormat};
use tempfile::NamedTempFile;

use super::refuse_on_terminal;
use crate::cli::{Export, ExportFormat, ExportOptions};
use crate::progress_bar::ProgressBars;
use crate::{output, shutdown};

pub(crate) async fn run(arguments: Export) -> anyhow::Result<()> {
    let (what, arguments) = match arguments {
        Export::Rows(arguments) => (Dataset::Rows, arguments),
        Export::Events(arguments) => (Dataset::Events, arguments),
    };
    let form = match arguments.format {
        ExportFormat::Parquet => OutputFormat::Parquet,
        ExportFormat::Csv => OutputFormat::Csv,
        ExportFormat::Ndjson => OutputFormat::Ndjson,
        ExportFormat::Arrow => OutputFormat::Arrow,
    };
    let target = match &arguments.out {
        Some(path) => Some(OutputTarget::new(path, arguments.force)?),
        None => {
            refuse_on_terminal(form)?;
            None
        }
    };
    tokio::select! {
        done = export(what, &arguments, form, target) => done,
        () = shutdown::requested() => bail!("stopped before the export was whole"),
    }
}

async fn export(
    what: Dataset,
    arguments: &ExportOptions,
    form: OutputFormat,
    target: Option<OutputTarget>,
) -> anyhow::Result<()> {
    let selection = ExportSelection {
        dataset: what,
        from: arguments.from,
        to: arguments.to,
        miners: arguments.miners.iter().copied().collect(),
        columns: arguments.columns.clone(),
    };
    let export = lake::Export::open(&arguments.data.lake()?, &selection).await?;
    let Some(target) = target else {
        // Rows on the screen and a bar between them would be neither.
        let progress: Arc<dyn ProgressSink> =
            if stdout().is_terminal() { Arc::new(NoProgress) } else { Arc::new(ProgressBars::default()) };
        export.write(form, Box::new(stdout()), progress).await?;
        return Ok(());
    };
    let partial = target.begin()?;
    let writing = export.write(form, Box::new(partial.reopen()?), Arc::new(ProgressBars::default())).await;
    let rows = writing.with_context(|| target.shown.clone())?;
    target.put(partial)?;
    output::print_line(format_args!("{}: {rows} {}", target.shown, what.name()));
    Ok(())
}

/// A file that is to be there when it is whole, and not before.
struct OutputTarget {
    path: PathBuf,
    /// The path as its user wrote it.
    shown: String,
    force: bool,
}

impl OutputTarget {
    fn new(path: &Path, force: bool) -> anyhow::Result<Self> {
        let shown = path.display().to_string();
        let path = match fs::metadata(path) {
            Ok(there) if !there.is_file() => {
                bail!("{shown} is not a file; write to stdout instead, and send that where it should go")
            }
            Ok(_) if !force => bail!("{shown} is there already; replace it with --force"),
            // What a link names is replaced, not the link.
            Ok(_) => path.canonicalize().with_context(|| shown.clone())?,
            Err(_) => path.to_owned(),
        };
        Ok(Self { path, shown, force })
    }

    /// A file beside it that goes when it is dropped.
    fn begin(&self) -> anyhow::Result<NamedTempFile> {
        output::partial_file(&self.path)
            .with_context(|| format!("{}: check that its directory is there and may be written", self.shown))
    }

    /// Gives the whole file its name.
    fn put(&self, partial: NamedTempFile) -> anyhow::Result<()> {
        let put = || -> std::io::Result<()> {
            partial.as_file().sync_all()?;
            if self.force {
                partial.persist(&self.path)?
            } else {
                partial.persist_noclobber(&self.path)?
            };
            // Only Unix has directories that can be opened and flushed.
            if cfg!(unix) { File::open(output::directory_of(&self.path))?.sync_all() } else { Ok(()) }
        };
        put().with_context(|| self.shown.clone())
    }
}
