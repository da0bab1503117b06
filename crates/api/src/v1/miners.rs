//! `/v1/miners`: who there is.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use chain::MinerId;
use lake::{Cell, DayRows, Life, Sheet};
use ledger::Value;
use ledger::columns::column;

use super::answer::{Answer, Rows};
use super::operations::{miner_headings, shown};
use super::parameters::Cursor;
use super::question::Question;
use crate::access::history_window::Window;
use crate::errors::problem::Problem;

pub(super) async fn list(question: &Question<'_>) -> Result<Answer, Problem> {
    let asked = question.asked;
    let everybody = Everybody::read(question).await?;
    let skip = match question.after {
        None => 0,
        Some(Cursor::Offset { version, rows }) if version == everybody.version => rows,
        Some(_) => return Err(Problem::StaleCursor),
    };
    let skip = usize::try_from(skip).unwrap_or(usize::MAX);
    let prefix = asked.text("prefix").unwrap_or_default();
    let (name, down) = asked.sort("sort").unwrap_or(("miner_id", false));
    let by = miner_headings().iter().position(|heading| heading.name == name).unwrap_or_default();
    let wanted = |row: &usize| everybody.rows.miners()[*row].0.to_string().starts_with(prefix);
    let mut keyed: Vec<(Cell, usize)> = (0..everybody.rows.miners().len())
        .filter(wanted)
        .map(|row| (everybody.cells(row).swap_remove(by), row))
        .collect();
    keyed.sort_by(|(one, row), (other, other_row)| {
        let order = compare(one, other);
        if down { order.reverse() } else { order }.then(row.cmp(other_row))
    });
    let total = keyed.len();
    let page: Vec<usize> = keyed.into_iter().skip(skip).take(question.most()).map(|(_, row)| row).collect();
    let given = skip.saturating_add(page.len());
    let next = (given < total).then_some(Cursor::Offset { version: everybody.version, rows: given as u64 });
    let sheet = Sheet::new(miner_headings(), page.into_iter().map(|row| everybody.cells(row)))?;
    let day = everybody.rows.day();
    let rows = Rows { next, ..Rows::whole(sheet) }.with("day", day.to_string()).with("total", total);
    Ok(Answer::Rows(rows.known(&question.published, &(day..=day))))
}

pub(super) async fn one(question: &Question<'_>) -> Result<Answer, Problem> {
    let miner = question.asked.miner("id").ok_or(Problem::Internal)?;
    let everybody = Everybody::read(question).await?;
    let day = everybody.rows.day();
    let row = everybody.rows.find(miner).ok_or(Problem::NoSuchMiner { miner, day })?;
    let sheet = Sheet::new(miner_headings(), [everybody.cells(row)])?;
    let rows = Rows::whole(sheet).with("day", day.to_string());
    Ok(Answer::Rows(rows.known(&question.published, &(day..=day))))
}

/// All storage providers as of the latest closed day.
struct Everybody {
    version: u64,
    window: Window,
    rows: Arc<DayRows>,
    lives: Arc<HashMap<MinerId, Life>>,
}

impl Everybody {
    async fn read(question: &Question<'_>) -> Result<Self, Problem> {
        let Question { v1, window, .. } = question;
        let (version, latest) = (question.version(), window.latest());
        let Some(rows) = v1.reader().day(latest).await? else {
            return Err(question.missing(latest).await);
        };
        let ask = async {
            let _turn = v1.turn().await?;
            Ok::<_, Problem>(Arc::new(v1.held.questions.lives(version).await?))
        };
        let lives = v1.held.lives.get_or_insert_async(&version, ask).await?;
        Ok(Self { version, window: *window, rows, lives })
    }

    /// A storage provider's row, under [`miner_headings`], with no day that may not be seen: so neither does their order
    /// tell of one.
    fn cells(&self, row: usize) -> Vec<Cell> {
        let miner = self.rows.miners()[row];
        let life = self.lives.get(&miner);
        let day = |day: Option<chain::Day>| day.map_or(Cell::Absent, Cell::Day);
        let integer = |name: &str| match column(name).map(|column| self.rows.value(row, column)) {
            Some(Value::Integer(value)) => value,
            _ => 0,
        };
        // All sectors of a storage provider are of one size.
        let size = integer("total_sector_rbp").checked_div(integer("total_num_sector"));
        let (live, faulty) = (integer("live_sector_rbp"), integer("active_fault_rbp"));
        let rate = if live == 0 { 0.0 } else { faulty as f64 / live as f64 };
        let shown = shown().map(|column| Cell::from(self.rows.value(row, column)));
        [
            Cell::Miner(miner),
            // Of a storage provider of today alone the lake may not have been asked yet.
            day(Some(self.window.since(life.map_or(self.rows.day(), |life| life.first)))),
            day(life.and_then(|life| life.last).and_then(|last| self.window.told(last))),
            size.map_or(Cell::Absent, Cell::Integer),
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
        (one, other) => (*one != Cell::Absent).cmp(&(*other != Cell::Absent)),
    }
}
