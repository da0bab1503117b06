//! Every command of the library, tried on a lake.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chain::{MinerId, NoProgress};
use lake::{
    AuditScope, Dataset, Export, ExportSelection, Lake, Manifest, OutputFormat, QueryLimits, Reader, Result,
    SqlSession, Status, backup, deep_audit, restore,
};
use ledger::columns::Endpoint;

use crate::common::{claim, finished, onboard};
use crate::sandbox::{QUIET, Sandbox, list};

/// What a command says.
#[derive(Debug)]
pub(crate) enum Said {
    Done(String),
    Refused(String),
}

impl Said {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Done(text) | Self::Refused(text) => text,
        }
    }
}

impl From<Result<String>> for Said {
    fn from(result: Result<String>) -> Self {
        match result {
            Ok(text) => Self::Done(text),
            Err(error) => Self::Refused(error.to_string()),
        }
    }
}

const TABLES: [&str; 5] =
    ["sector_events", "sp_sector_daily", "sp_sector_history", "reconciliation", "progress"];

/// Tries all commands, those that write last.
pub(crate) async fn all(sandbox: &Sandbox) -> Vec<(&'static str, Said)> {
    let mut said = vec![
        ("open", open(sandbox).await.into()),
        ("status", status(sandbox).await.into()),
        ("files", files(sandbox).await.into()),
        ("sql", sql(sandbox).await.into()),
        ("export rows", export(sandbox, Dataset::Rows).await.into()),
        ("export events", export(sandbox, Dataset::Events).await.into()),
        ("reconcile --deep", audit(sandbox).await.into()),
    ];
    let copied: Said = copy(sandbox).await.into();
    let was_copied = matches!(copied, Said::Done(_));
    said.push(("backup", copied));
    if was_copied {
        let back = restore(&sandbox.result("copy"), &sandbox.result("back"), &QUIET).await;
        said.push(("restore of the copy", back.map(|done| format!("{done:?}")).into()));
    }
    list(&sandbox.lake(), false);
    said.push(("restore", put_back(sandbox).await));
    std::fs::remove_file(sandbox.lake().join("SHA256SUMS")).expect("removed");
    for (command, done) in [("ingest", ingest(sandbox).await), ("vacuum", vacuum(sandbox).await)] {
        said.push((command, done.into()));
    }
    said
}

/// Restores the lake as if it were a copy.
pub(crate) async fn put_back(sandbox: &Sandbox) -> Said {
    let back = restore(&sandbox.lake(), &sandbox.result("stolen"), &QUIET).await;
    back.map(|done| format!("{done:?}")).into()
}

/// Brings the lake up to date as if it were an older copy.
pub(crate) async fn into_older(sandbox: &Sandbox) -> Said {
    let done = backup(&sandbox.sound(false), &sandbox.lake(), &QUIET).await;
    done.map(|done| format!("{done:?}")).into()
}

async fn open(sandbox: &Sandbox) -> Result<String> {
    let reader = Reader::open(&sandbox.lake()).await?;
    let mut text = String::new();
    let Some(days) = reader.days() else { return Ok(text) };
    let mut day = *days.start();
    while day <= *days.end() {
        if let Some(rows) = reader.day(day).await? {
            rows.write_json(Endpoint::ALL[0], None, &mut text);
        }
        day = day.next();
    }
    reader.miner(MinerId(1000), days).await?.write_json(Endpoint::ALL[0], &mut text);
    Ok(text)
}

async fn status(sandbox: &Sandbox) -> Result<String> {
    Ok(format!("{:?}", Status::read(&sandbox.lake()).await?))
}

async fn files(sandbox: &Sandbox) -> Result<String> {
    Ok(format!("{:?}", Manifest::open(&sandbox.lake()).await?))
}

async fn sql(sandbox: &Sandbox) -> Result<String> {
    let limits = QueryLimits { time: Duration::from_secs(60), memory: 64 << 20, disk: 1 << 20 };
    let session = SqlSession::open(&sandbox.lake(), limits).await?;
    let mut text = String::new();
    for table in TABLES {
        let answer = session.preview(&format!("SELECT * FROM {table}"), 1000).await?;
        text.push_str(&format!("{:?}", answer.rows));
    }
    Ok(text)
}

/// What was written, to be looked into.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nobody panics").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn export(sandbox: &Sandbox, dataset: Dataset) -> Result<String> {
    let selection =
        ExportSelection { dataset, from: None, to: None, miners: Default::default(), columns: Vec::new() };
    let written = Written::default();
    let export = Export::open(&sandbox.lake(), &selection).await?;
    export.write(OutputFormat::Csv, Box::new(written.clone()), Arc::new(NoProgress)).await?;
    let bytes = written.0.lock().expect("nobody panics").clone();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

async fn audit(sandbox: &Sandbox) -> Result<String> {
    let found = Mutex::new(String::new());
    let mut note = |finding| found.lock().expect("nobody panics").push_str(&format!("{finding:?}"));
    deep_audit(&sandbox.lake(), &AuditScope::default(), &QUIET, &mut note).await?;
    Ok(found.into_inner().expect("nobody panics"))
}

async fn copy(sandbox: &Sandbox) -> Result<String> {
    Ok(format!("{:?}", backup(&sandbox.lake(), &sandbox.result("copy"), &QUIET).await?))
}

/// Closes another day, brings months together, and removes what is not needed any more.
async fn ingest(sandbox: &Sandbox) -> Result<String> {
    let mut lake = Lake::open_existing(&sandbox.lake()).await?;
    let progress = lake.day_sources().await?;
    lake.first_activations().await?;
    if let Some(last) = lake.last_closed() {
        let mut next = finished(0, vec![onboard(2000, 1, 1)], vec![claim(2000, 1)]);
        (next.day, next.source.day) = (last.next(), last.next());
        lake.close_days(&[next]).await?;
    }
    lake.compact(&QUIET).await?;
    lake.vacuum(Duration::ZERO).await?;
    Ok(format!("{progress:?}"))
}

async fn vacuum(sandbox: &Sandbox) -> Result<String> {
    let lake = Lake::open_existing(&sandbox.lake()).await?;
    Ok(format!("{:?}", lake.vacuum(Duration::ZERO).await?))
}
