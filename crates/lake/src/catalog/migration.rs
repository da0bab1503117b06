//! Migrates a lake of an older layout, or of fewer columns, to what this version writes.

use crate::catalog::history_start;
use crate::catalog::layout::LAYOUT;
use crate::catalog::tables::Tables;
use crate::data_files::reader;
use crate::data_files::writer;
use crate::delta::file_changes::FileChanges;
use crate::error::Result;
use crate::records::day_source;
use crate::schema::TableName;
use crate::storage::disk::Disk;

/// Whether a table of the lake lacks something that this version gives new tables: a column of the registry may be newer
/// than the layout's number.
pub(crate) fn is_needed(tables: &Tables) -> Result<bool> {
    TableName::ALL.iter().try_fold(false, |needed, name| Ok(needed || tables.get(*name).is_outdated()?))
}

/// Makes the tables of a lake those that this version makes. Each step is done once, however often it is begun; the
/// new layout is marked when all are done.
pub(crate) async fn migrate(tables: &mut Tables, disk: &Disk) -> Result<()> {
    for name in TableName::ALL {
        tables.get_mut(name).update().await?;
    }
    if let Some(since) = history_start::from_events(tables.get(TableName::Events)).await? {
        let table = tables.get_mut(TableName::Progress);
        let mut rows = Vec::new();
        for stored in table.files().iter() {
            rows.extend(day_source::rows(&reader::read_all(&table.locate(stored))?)?);
        }
        if let Some(days) = table.files().days()
            && rows.iter().any(|row| row.history_since.is_none())
        {
            rows.iter_mut().for_each(|row| row.history_since = Some(since));
            let batch = day_source::batch(&rows)?;
            let added = writer::write(disk, table.directory(), TableName::Progress, days, &batch)?;
            let remove = table.files().iter().cloned().collect();
            table.commit(FileChanges { remove, add: vec![added], ..FileChanges::default() }).await?;
        }
    }
    tables.publish(FileChanges::default()).await?;
    tracing::info!("the lake has layout {LAYOUT} now");
    Ok(())
}
