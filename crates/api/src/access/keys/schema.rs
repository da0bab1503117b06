//! SQLite files: opened, and checked to have exactly the schema that this program makes.
//!
//! A file from elsewhere may hold more than rows: a view in the place of a table that never ends, a trigger that changes what
//! is written, a default that runs a function. So a file is taken only if its schema is the one that we make, to the letter.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::error::StoreError;

/// How long to wait for another process that is writing.
const PATIENCE: Duration = Duration::from_secs(5);

/// A version of a file's format: its number, in the file's `user_version`, and the statements that make its tables.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileFormat {
    pub(super) number: i64,
    pub(super) tables: &'static str,
}

/// Opens a file that is there, with nothing of it trusted; `None` if there is none.
///
/// # Errors
/// If it cannot be opened.
pub(super) fn connect(path: &Path) -> Result<Option<Connection>, StoreError> {
    if !path.exists() {
        return Ok(None);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let failed = StoreError::sqlite(path);
    let connection = Connection::open_with_flags(path, flags).map_err(&failed)?;
    connection.busy_timeout(PATIENCE).map_err(&failed)?;
    for (setting, on) in [
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
    ] {
        connection.set_db_config(setting, on).map_err(&failed)?;
    }
    Ok(Some(connection))
}

/// Makes a file for its owner alone, if there is none.
///
/// # Errors
/// If it cannot be made.
pub(super) fn create_file(path: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::Create { path: path.to_owned(), source };
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(failed)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        // One that is there must not be opened and closed beside SQLite: that would take its locks away.
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(failed(error)),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The number of the file's form; 0 for one that is empty so far.
pub(super) fn format_number(connection: &Connection, path: &Path) -> Result<i64, StoreError> {
    let read = connection.pragma_query_value(None, "user_version", |row| row.get(0));
    read.map_err(StoreError::sqlite(path))
}

/// Makes the tables in a file that is empty.
///
/// # Errors
/// If it is not, or cannot be written.
pub(super) fn create_tables(
    connection: &mut Connection,
    path: &Path,
    form: FileFormat,
) -> Result<(), StoreError> {
    let failed = StoreError::sqlite(path);
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
    if schema_entries(&transaction).map_err(&failed)?.is_empty() {
        transaction.execute_batch(form.tables).map_err(&failed)?;
        transaction.pragma_update(None, "user_version", form.number).map_err(&failed)?;
    }
    transaction.commit().map_err(&failed)
}

/// Checks that the file's schema is the form's. That others may get at the file is no more than warned of.
///
/// # Errors
/// If there is anything else in it, or something is missing.
pub(super) fn check(connection: &Connection, path: &Path, form: FileFormat) -> Result<(), StoreError> {
    let number = format_number(connection, path)?;
    if number != form.number {
        return Err(StoreError::Format { path: path.to_owned(), form: number });
    }
    let failed = StoreError::sqlite(path);
    let ours = Connection::open_in_memory().map_err(&failed)?;
    ours.execute_batch(form.tables).map_err(&failed)?;
    let (ours, theirs) =
        (schema_entries(&ours).map_err(&failed)?, schema_entries(connection).map_err(&failed)?);
    if ours == theirs {
        if let Some(problem) = crate::access::file_permissions::describe_exposure(path) {
            tracing::warn!("{problem}");
        }
        return Ok(());
    }
    let strange = theirs.iter().find(|entry| !ours.contains(entry)).or(ours.first());
    let what = strange.map_or_else(String::new, |SchemaEntry { kind, name, .. }| format!("{kind} {name:?}"));
    Err(StoreError::Schema { path: path.to_owned(), what })
}

/// What a schema is made of.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct SchemaEntry {
    kind: String,
    name: String,
    table: String,
    sql: Option<String>,
}

/// What there is in a file, in a fixed order. Reading it runs nothing of it.
fn schema_entries(connection: &Connection) -> rusqlite::Result<Vec<SchemaEntry>> {
    let mut statement = connection
        .prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name, tbl_name")?;
    let entry = |row: &rusqlite::Row<'_>| {
        Ok(SchemaEntry { kind: row.get(0)?, name: row.get(1)?, table: row.get(2)?, sql: row.get(3)? })
    };
    statement.query_map([], entry)?.collect()
}
