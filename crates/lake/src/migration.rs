//! How a lake of an older layout becomes one of this version's.

use crate::disk::Disk;
use crate::error::Result;
use crate::file;
use crate::history_start;
use crate::layout::LAYOUT;
use crate::progress;
use crate::read;
use crate::schema::TableName;
use crate::table::Change;
use crate::tables::Tables;

/// Makes the tables of a lake of an older layout those of this one. Each step is done once, however often it is begun; the
/// new layout is marked when all are done.
pub(crate) async fn migrate(tables: &mut Tables, disk: &Disk) -> Result<()> {
    for name in TableName::ALL {
        if tables.get(name).lacks_columns()? {
            tables.get_mut(name).add_columns().await?;
        }
    }
    if let Some(since) = history_start::of_events(tables.get(TableName::Events)).await? {
        let table = tables.get_mut(TableName::Progress);
        let mut rows = Vec::new();
        for stored in table.files().iter() {
            rows.extend(progress::rows(&read::whole(&table.located(stored))?)?);
        }
        if rows.iter().any(|row| row.history_since.is_none()) {
            rows.iter_mut().for_each(|row| row.history_since = Some(since));
            let days = (rows[0].day, rows[rows.len() - 1].day);
            let batch = progress::batch(&rows)?;
            let added = file::write(disk, table.directory(), TableName::Progress, days, &batch)?;
            let remove = table.files().iter().cloned().collect();
            table.commit(Change { remove, add: vec![added], ..Change::default() }).await?;
        }
    }
    tables.publish(Change::default()).await?;
    tracing::info!("the lake has layout {LAYOUT} now");
    Ok(())
}
