//! Events of the whole lake, miner by miner.

use std::sync::Arc;

use chain::Day;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::compute::partition;
use datafusion::arrow::datatypes::Date32Type;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, col};
use futures::StreamExt;
use ledger::Event;

use crate::delta::table::Table;
use crate::delta::table_provider;
use crate::error::{Error, Result};
use crate::records::decoder;
use crate::schema::{MINER_ID, POSITION, STAT_DATE};
use crate::storage::temp_dir;

const ACTION: &str = "putting events in order by miner";
/// Bytes that sorting may hold; beyond them it spills to temporary files.
const MAX_MEMORY: usize = 512 << 20;

/// Visits the events of the closed days up to `last`, ordered by miner and then in the chain's order, with their days.
pub(crate) async fn each(
    events: &Table,
    last: Day,
    visit: &mut (dyn FnMut(Day, Event) + Send),
) -> Result<()> {
    let files = events.files().iter().filter(|file| file.days.first() <= last);
    let spilled = temp_dir::create_private("sectorscope-audit-")?;
    let disk = DiskManagerBuilder::default()
        .with_mode(DiskManagerMode::Directories(vec![spilled.path().to_owned()]));
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(MAX_MEMORY)))
        .with_disk_manager_builder(disk)
        .build_arc()
        .map_err(Error::query(ACTION))?;
    let table = table_provider::data_frame(events, files, SessionConfig::new(), runtime)?;
    let rows = async {
        let order = [MINER_ID, STAT_DATE, POSITION].map(|name| col(name).sort(true, false));
        table.sort(order.to_vec())?.execute_stream().await
    };
    let mut rows = rows.await.map_err(Error::query(ACTION))?;
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(Error::query(ACTION))?;
        let wrong = |source| Error::Rows { table: events.name().name(), source };
        let batch = crate::data_files::reader::conform_to_table(&batch, events.name()).map_err(wrong)?;
        // Within a miner and day the order of positions is that of decoding.
        let keys: Vec<_> =
            [MINER_ID, STAT_DATE].iter().filter_map(|name| batch.column_by_name(name).cloned()).collect();
        let ranges = partition(&keys).map_err(wrong)?.ranges();
        for range in ranges {
            let part = batch.slice(range.start, range.len());
            let day = Day::from_unix_days(part.column(0).as_primitive::<Date32Type>().value(0));
            if day > last {
                continue;
            }
            for event in decoder::events(day, &part)? {
                visit(day, event);
            }
        }
    }
    Ok(())
}
