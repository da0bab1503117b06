//! `/v1/miners`: the storage providers.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use chain::MinerId;
use lake::{ActivePeriod, Cell, DayRows, RowSet};
use ledger::Value;
use ledger::columns::column;

use super::operations::{miner_columns, summary_columns};
use super::parameters::Cursor;
use super::resolved_query::ResolvedQuery;
use super::response::{ResponseData, Rows};
use crate::access::history_window::HistoryWindow;
use crate::errors::problem::Problem;

pub(super) async fn list(query: &ResolvedQuery<'_>) -> Result<ResponseData, Problem> {
    let parameters = query.parameters;
    let table = MinerTable::read(query).await?;
    let skip = match query.after {
        None => 0,
        Some(Cursor::Offset { version, rows }) if version == table.version => rows,
        Some(_) => return Err(Problem::StaleCursor),
    };
    let skip = usize::try_from(skip).unwrap_or(usize::MAX);
    let prefix = parameters.text("prefix").unwrap_or_default();
    let (name, down) = parameters.sort("sort").unwrap_or(("miner_id", false));
    let by = miner_columns().iter().position(|heading| heading.name == name).unwrap_or_default();
    let wanted = |row: &usize| table.rows.miners()[*row].0.to_string().starts_with(prefix);
    let mut keyed: Vec<(Cell, usize)> = (0..table.rows.miners().len())
        .filter(wanted)
        .map(|row| (table.cells(row).swap_remove(by), row))
        .collect();
    keyed.sort_by(|(one, row), (other, other_row)| {
        let order = compare(one, other);
        if down { order.reverse() } else { order }.then(row.cmp(other_row))
    });
    let total = keyed.len();
    let page: Vec<usize> = keyed.into_iter().skip(skip).take(query.max_rows()).map(|(_, row)| row).collect();
    let given = skip.saturating_add(page.len());
    let next = (given < total).then_some(Cursor::Offset { version: table.version, rows: given as u64 });
    let sheet = RowSet::new(miner_columns(), page.into_iter().map(|row| table.cells(row)))?;
    let day = table.rows.day();
    let rows = Rows { next, ..Rows::new(sheet) }.with("day", day.to_string()).with("total", total);
    Ok(ResponseData::Rows(rows.with_receipts(&query.published, &(day..=day))))
}

pub(super) async fn one(query: &ResolvedQuery<'_>) -> Result<ResponseData, Problem> {
    let miner = query.parameters.miner("id").ok_or(Problem::Internal)?;
    let table = MinerTable::read(query).await?;
    let day = table.rows.day();
    let row = table.rows.find(miner).ok_or(Problem::NoSuchMiner { miner, day })?;
    let sheet = RowSet::new(miner_columns(), [table.cells(row)])?;
    let rows = Rows::new(sheet).with("day", day.to_string());
    Ok(ResponseData::Rows(rows.with_receipts(&query.published, &(day..=day))))
}

/// The table of storage providers as of the latest closed day.
struct MinerTable {
    version: u64,
    window: HistoryWindow,
    rows: Arc<DayRows>,
    lives: Arc<HashMap<MinerId, ActivePeriod>>,
}

impl MinerTable {
    async fn read(query: &ResolvedQuery<'_>) -> Result<Self, Problem> {
        let ResolvedQuery { context, window, .. } = query;
        let (version, latest) = (query.version(), window.latest());
        let Some(rows) = context.reader().day(latest).await? else {
            return Err(query.missing_day(latest).await);
        };
        let load = async {
            let _permit = context.query_permit().await?;
            Ok::<_, Problem>(Arc::new(context.resources.questions.active_periods(version).await?))
        };
        let lives = context.resources.lives.get_or_insert_async(&version, load).await?;
        Ok(Self { version, window: *window, rows, lives })
    }

    /// A storage provider's row, under [`miner_columns`], with no day that may not be seen: so neither does their order
    /// tell of one.
    fn cells(&self, row: usize) -> Vec<Cell> {
        let miner = self.rows.miners()[row];
        let life = self.lives.get(&miner);
        let day = |day: Option<chain::Day>| day.map_or(Cell::Null, Cell::Day);
        let integer = |name: &str| match column(name).map(|column| self.rows.value(row, column)) {
            Some(Value::Integer(value)) => value,
            _ => 0,
        };
        // All sectors of a storage provider are of one size.
        let size = integer("total_sector_rbp").checked_div(integer("total_num_sector"));
        let (live, faulty) = (integer("live_sector_rbp"), integer("active_fault_rbp"));
        let rate = if live == 0 { 0.0 } else { faulty as f64 / live as f64 };
        let shown = summary_columns().map(|column| Cell::from(self.rows.value(row, column)));
        [
            Cell::Miner(miner),
            // Of a storage provider of today alone the lake may not have been asked yet.
            day(Some(self.window.clamp(life.map_or(self.rows.day(), |life| life.first)))),
            day(life.and_then(|life| life.last).and_then(|last| self.window.visible(last))),
            size.map_or(Cell::Null, Cell::Integer),
        ]
        .into_iter()
        .chain(shown)
        .chain([Cell::Double(rate)])
        .collect()
    }
}

/// What is absent comes first.
fn compare(one: &Cell, other: &Cell) -> Ordering {
    match (one, other) {
        (Cell::Integer(one), Cell::Integer(other)) => one.cmp(other),
        (Cell::Double(one), Cell::Double(other)) => one.total_cmp(other),
        (Cell::Day(one), Cell::Day(other)) => one.cmp(other),
        (Cell::Miner(one), Cell::Miner(other)) => one.cmp(other),
        (one, other) => (*one != Cell::Null).cmp(&(*other != Cell::Null)),
    }
}
