//! What a commit does to a table.

use std::collections::HashMap;

use deltalake::DeltaTableError;
use deltalake::kernel::transaction::TransactionError;
use deltalake::kernel::{Action, Add, Remove};
use serde_json::{Map, Value};

use crate::data_files::data_file::DataFile;
use crate::error::Error;

/// What a commit does.
#[derive(Debug, Default)]
pub(crate) struct FileChanges {
    /// Files taken out.
    pub(crate) remove: Vec<DataFile>,
    /// Files put in. They are on disk, flushed, and nothing names them yet.
    pub(crate) add: Vec<DataFile>,
    /// Goes into the commit's information.
    pub(crate) commit_info: Map<String, Value>,
    /// Whether only the way changes in which the same rows are kept.
    pub(crate) same_rows: bool,
}

impl FileChanges {
    /// The same in the library's terms; `now` is in Unix milliseconds.
    pub(super) fn actions(&self, now: i64) -> Vec<Action> {
        let out = self.remove.iter().map(|file| remove_action(file, now, self.same_rows));
        out.chain(self.add.iter().map(|file| add_action(file, now, self.same_rows))).collect()
    }
}

fn add_action(file: &DataFile, now: i64, same_rows: bool) -> Action {
    Action::Add(Add {
        path: file.name.to_string(),
        size: file.size,
        modification_time: now,
        data_change: !same_rows,
        stats: Some(file.stats()),
        ..Add::default()
    })
}

fn remove_action(file: &DataFile, now: i64, same_rows: bool) -> Action {
    Action::Remove(Remove {
        path: file.name.to_string(),
        data_change: !same_rows,
        deletion_timestamp: Some(now),
        extended_file_metadata: Some(true),
        partition_values: Some(HashMap::new()),
        size: Some(file.size),
        ..Remove::default()
    })
}

/// What a commit that failed says.
pub(super) fn commit_error(table: &'static str, error: DeltaTableError) -> Error {
    match error {
        DeltaTableError::VersionAlreadyExists(_)
        | DeltaTableError::Transaction {
            source: TransactionError::MaxCommitAttempts(_) | TransactionError::CommitConflict(_),
        } => Error::OtherWriter { table },
        other => Error::delta(table, "commit to it")(other),
    }
}
