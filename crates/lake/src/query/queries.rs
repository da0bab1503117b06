//! What is asked of the lake again and again, each a statement made of numbers and of names of our own.
//!
//! All of them are asked of one [`SqlSession`] as long as the published version is the same, so within its limits; what they
//! give is bounded by what they were asked for.

use std::collections::HashMap;
use std::fmt;
use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use chain::{Clock, Day, MinerId, SectorNumber};
use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{Date32Type, Decimal128Type, Int64Type};
use ledger::{Cause, Content, Kind, Status};

use crate::error::Result;
use crate::formats::row_set::{ColumnSpec, ColumnType, RowSet};
use crate::query::session::{QueryLimits, SqlSession};
use crate::schema::{ANOMALIES, FAILED, MINER_ID, STAT_DATE, TableName, UNCERTAIN};

/// Seconds of an epoch and of a day, for statements.
const EPOCH_SECONDS: i64 = 30;
const DAY_SECONDS: i64 = 86_400;
/// Expirations are not counted beyond this epoch: some hundred thousand years, and safe to multiply.
const LAST_EPOCH: i64 = 1 << 37;

/// The questions of a lake.
pub struct Queries {
    directory: PathBuf,
    limits: QueryLimits,
    open: tokio::sync::Mutex<Option<Arc<SqlSession>>>,
}

impl fmt::Debug for Queries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Questions").field("directory", &self.directory).finish_non_exhaustive()
    }
}

/// Which events are wanted.
#[derive(Clone, Debug)]
pub struct EventFilter {
    /// Of this storage provider.
    pub miner: MinerId,
    /// Only of this sector.
    pub sector: Option<SectorNumber>,
    /// Of these closed days.
    pub days: RangeInclusive<Day>,
    /// Only of these kinds; any if empty.
    pub kinds: Vec<Kind>,
    /// Only of these causes; any if empty.
    pub causes: Vec<Cause>,
    /// Only those after this place; those of days before the first one are not asked for by it.
    pub after: Option<EventCursor>,
    /// At most this many.
    pub most: usize,
}

/// Where an event stands: its day, and its place among the day's in the order of execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventCursor {
    /// The day.
    pub day: Day,
    /// The place.
    pub position: i64,
}

/// Which of a day's reconciliation is wanted.
#[derive(Clone, Debug)]
pub struct ReconciliationFilter {
    /// Of these closed days.
    pub days: RangeInclusive<Day>,
    /// Only of these storage providers; of all if empty.
    pub miners: Vec<MinerId>,
    /// Only rows of this status: `holds`, `fails` or `anomaly`.
    pub status: Option<&'static str>,
    /// Only rows after this day and storage provider.
    pub after: Option<(Day, MinerId)>,
    /// At most this many.
    pub most: usize,
}

/// Rows, and where to go on if there are more.
#[derive(Clone, Debug)]
pub struct Page<P> {
    /// The rows.
    pub rows: RowSet,
    /// The place of the last row; `None` if it is the last of all.
    pub more: Option<P>,
}

/// When a storage provider was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActivePeriod {
    /// The day of its first sector event.
    pub first: Day,
    /// The last day that ended with live sectors; `None` if none did.
    pub last: Option<Day>,
}

/// Some sectors together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SectorSum {
    /// How many.
    pub sectors: i128,
    /// Raw bytes.
    pub rbp: i128,
    /// Quality-adjusted bytes.
    pub qap: i128,
}

/// The live sectors that expire on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScheduledExpiration {
    /// The day of their expiration.
    pub day: Day,
    /// All of them.
    pub all: SectorSum,
    /// Those with verified deals; where the calendar does not know what sectors hold, those of a QAP above their raw
    /// bytes.
    pub verified: SectorSum,
    /// Those without deals, if the calendar knows.
    pub cc: SectorSum,
    /// Those with unverified deals alone, if the calendar knows.
    pub deals: SectorSum,
    /// Those of full quality, if the calendar knows.
    pub full_quality: SectorSum,
    /// Initial pledge of all of them in attoFIL, if the calendar knows.
    pub pledge: i128,
    /// What all of them pay a day in attoFIL, if the calendar knows fees.
    pub daily_fee: i128,
}

impl ScheduledExpiration {
    /// Adds the sectors that expire on another day.
    pub fn add(&mut self, other: &Self) {
        let sums = [
            (&mut self.all, other.all),
            (&mut self.verified, other.verified),
            (&mut self.cc, other.cc),
            (&mut self.deals, other.deals),
            (&mut self.full_quality, other.full_quality),
        ];
        for (sum, of_other) in sums {
            sum.sectors += of_other.sectors;
            sum.rbp = sum.rbp.saturating_add(of_other.rbp);
            sum.qap = sum.qap.saturating_add(of_other.qap);
        }
        self.pledge = self.pledge.saturating_add(other.pledge);
        self.daily_fee = self.daily_fee.saturating_add(other.daily_fee);
    }
}

/// When live sectors expire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpirationSchedule {
    /// The days on which some do, in order.
    pub days: Vec<ScheduledExpiration>,
    /// Whether it is known of each of them what it holds and what is pledged for it: not if days were closed under a
    /// layout before 3.
    pub knows_backing: bool,
    /// Whether it is known of each of them what it pays a day: not if days were closed under a layout before 4.
    pub knows_fees: bool,
}

/// The columns of events.
pub fn event_columns() -> Arc<[ColumnSpec]> {
    static COLUMNS: LazyLock<Arc<[ColumnSpec]>> = LazyLock::new(|| {
        let integer = |name, unit, doc| ColumnSpec::new(name, ColumnType::Integer, unit, doc);
        let wide = |name, doc| ColumnSpec::new(name, ColumnType::Wide, "bytes", doc);
        let text = |name, doc| ColumnSpec::new(name, ColumnType::Text, "", doc);
        [
            ColumnSpec::new(STAT_DATE, ColumnType::Day, "", "UTC day of the event."),
            integer("position", "", "Place among all events of the day, in the order of execution."),
            integer("epoch", "epoch", "Height of the tipset that executed it."),
            ColumnSpec::new(MINER_ID, ColumnType::Miner, "", "The storage provider."),
            integer("sector", "", "Number of the sector."),
            text("kind", "What happened."),
            text("cause", "Why, or by which way; absent for the kinds that have no causes.").or_null(),
            wide("sector_size", "Raw bytes of the sector."),
            wide("qap_before", "Quality-adjusted power before; absent if there was none.").or_null(),
            wide("qap_after", "Quality-adjusted power after; absent if the sector is gone.").or_null(),
            integer("activation", "epoch", "Activation as first seen; absent for pre-commits.").or_null(),
            integer("expiration_before", "epoch", "Expiration before.").or_null(),
            integer("expiration_after", "epoch", "Expiration after.").or_null(),
            text("content_before", "What the sector held before: `cc`, `deals`, `verified` or `full_quality`; absent if it was not live, and of days closed under a layout before 3.").or_null(),
            text("content_after", "What it holds after.").or_null(),
            ColumnSpec::new("pledge_before", ColumnType::Wide, "attoFIL", "Its initial pledge before.").or_null(),
            ColumnSpec::new("pledge_after", ColumnType::Wide, "attoFIL", "Its initial pledge after.").or_null(),
            text("status_before", "Where the sector stood before."),
            text("status_after", "Where it stands after."),
            text(
                "message",
                "CID of the message that caused it; absent where cron or a call from another actor did.",
            )
            .or_null(),
            integer("method", "", "The message's method number of the miner actor.").or_null(),
            integer("message_sectors", "sectors", "How many sectors the message changed.").or_null(),
            ColumnSpec::new("daily_fee_before", ColumnType::Wide, "attoFIL", "What it paid a day before; absent if it was not live, and of days closed under a layout before 4.").or_null(),
            ColumnSpec::new("daily_fee_after", ColumnType::Wide, "attoFIL", "What it pays a day after.").or_null(),
            ColumnSpec::new(
                UNCERTAIN,
                ColumnType::Boolean,
                "",
                "Whether it was inferred without receipts and is of a kind that the outcome cannot tell for sure.",
            ),
        ]
        .into()
    });
    Arc::clone(&COLUMNS)
}

/// The columns of the reconciliation.
pub fn reconciliation_columns() -> Arc<[ColumnSpec]> {
    static COLUMNS: LazyLock<Arc<[ColumnSpec]>> = LazyLock::new(|| {
        let wide = |name, doc| ColumnSpec::new(name, ColumnType::Wide, "bytes", doc);
        [
            ColumnSpec::new(STAT_DATE, ColumnType::Day, "", "The UTC day at whose end both stand."),
            ColumnSpec::new(MINER_ID, ColumnType::Miner, "", "The storage provider."),
            ColumnSpec::new(
                "status",
                ColumnType::Text,
                "",
                "`holds`; `fails` if anything does not hold; `anomaly` if all that does not is an anomaly of the chain's own.",
            ),
            ColumnSpec::new(
                FAILED,
                ColumnType::Text,
                "",
                "Names of the identities and checks that do not hold, joined by commas; without those that an anomaly explains.",
            )
            .or_null(),
            ColumnSpec::new(
                ANOMALIES,
                ColumnType::Text,
                "",
                "Name of the chain's own anomaly, if there is one: the ledger is right, and the claim is not the sum of active sectors.",
            )
            .or_null(),
            wide("ledger_active_rbp", "Raw bytes of the active sectors, by the ledger."),
            wide("ledger_active_qap", "Their quality-adjusted power, by the ledger."),
            wide("claim_rbp", "Raw power by the power actor's claim."),
            wide("claim_qap", "Quality-adjusted power by the power actor's claim."),
            wide("difference_rbp", "Ledger less claim, raw."),
            wide("difference_qap", "Ledger less claim, quality-adjusted."),
            wide("ledger_live_rbp", "Raw bytes of the live sectors, by the ledger.").or_null(),
            wide("ledger_live_qap", "Their quality-adjusted power, by the ledger.").or_null(),
            wide("chain_live_rbp", "Live raw power, by the provider's partitions.").or_null(),
            wide("chain_live_qap", "Live quality-adjusted power, by the provider's partitions.").or_null(),
            wide("ledger_faulty_rbp", "Raw bytes of the faulty sectors, by the ledger.").or_null(),
            wide("ledger_faulty_qap", "Their quality-adjusted power, by the ledger.").or_null(),
            wide("chain_faulty_rbp", "Faulty raw power, by the provider's partitions.").or_null(),
            wide("chain_faulty_qap", "Faulty quality-adjusted power, by the provider's partitions.")
                .or_null(),
            wide("ledger_unproven_rbp", "Raw bytes of the unproven sectors, by the ledger.").or_null(),
            wide("ledger_unproven_qap", "Their quality-adjusted power, by the ledger.").or_null(),
            wide("chain_unproven_rbp", "Unproven raw power, by the provider's partitions.").or_null(),
            wide("chain_unproven_qap", "Unproven quality-adjusted power, by the provider's partitions.")
                .or_null(),
        ]
        .into()
    });
    Arc::clone(&COLUMNS)
}

/// Whether a row's identities hold; of a day closed under layout 1, whether the claim is the ledger's. Where all that does
/// not hold is the chain's own, it is an anomaly.
const RECONCILED: &str = "CASE WHEN failed <> '' OR (failed IS NULL AND (difference_rbp <> 0 OR difference_qap <> 0)) \
                          THEN 'fails' WHEN anomalies <> '' THEN 'anomaly' ELSE 'holds' END";

impl Queries {
    /// The questions of the lake in `directory`, each within these limits.
    #[must_use]
    pub fn new(directory: PathBuf, limits: QueryLimits) -> Self {
        Self { directory, limits, open: tokio::sync::Mutex::new(None) }
    }

    /// A storage provider's events, in the order of execution.
    ///
    /// # Errors
    /// If the lake cannot be read, or a limit is passed.
    pub async fn events(&self, version: u64, wanted: &EventFilter) -> Result<Page<EventCursor>> {
        let Ok(miner) = i64::try_from(wanted.miner.0) else { return nothing(event_columns()) };
        // A place to go on from never makes the days more.
        let first = *wanted.days.start();
        let from = wanted.after.map_or(first, |after| after.day.max(first));
        let mut condition = format!("{MINER_ID} = {miner} AND {}", between(from, *wanted.days.end()));
        if let Some(sector) = wanted.sector {
            let Ok(sector) = i64::try_from(sector.0) else { return nothing(event_columns()) };
            // Writing to a String cannot fail.
            let _ = write!(condition, " AND sector = {sector}");
        }
        condition += &one_of("kind", wanted.kinds.iter().map(|kind| kind.name()));
        condition += &one_of("cause", wanted.causes.iter().map(|cause| cause.name()));
        if let Some(EventCursor { day, position }) = wanted.after {
            let _ = write!(condition, " AND ({STAT_DATE} > DATE '{day}' OR position > {position})");
        }
        let spelled = |name: &str| match name {
            UNCERTAIN => format!("coalesce({UNCERTAIN}, 0) <> 0 AS {UNCERTAIN}"),
            name => name.to_owned(),
        };
        let statement = select(&event_columns(), TableName::Events, spelled)
            + &format!(" WHERE {condition} ORDER BY {STAT_DATE}, position LIMIT {}", wanted.most + 1);
        let rows = RowSet::of(event_columns(), &self.asker(version).await?.collect(&statement).await?)?;
        let place = |row: usize| {
            Some(EventCursor { day: day(&rows, row)?, position: integer(&rows, "position", row)? })
        };
        Ok(page(&rows, wanted.most, place))
    }

    /// The reconciliation by day and storage provider.
    ///
    /// # Errors
    /// As [`Queries::events`].
    pub async fn reconciliation(
        &self,
        version: u64,
        wanted: &ReconciliationFilter,
    ) -> Result<Page<(Day, MinerId)>> {
        let first = *wanted.days.start();
        let from = wanted.after.map_or(first, |(day, _)| day.max(first));
        let mut condition = between(from, *wanted.days.end());
        if !wanted.miners.is_empty() {
            let miners = wanted.miners.iter().filter_map(|miner| i64::try_from(miner.0).ok());
            let miners: Vec<String> = miners.map(|miner| miner.to_string()).collect();
            if miners.is_empty() {
                return nothing(reconciliation_columns());
            }
            let _ = write!(condition, " AND {MINER_ID} IN ({})", miners.join(", "));
        }
        if let Some(status) = wanted.status {
            let _ = write!(condition, " AND {RECONCILED} = '{status}'");
        }
        if let Some((day, MinerId(miner))) = wanted.after {
            let _ = write!(condition, " AND ({STAT_DATE} > DATE '{day}' OR {MINER_ID} > {miner})");
        }
        let spelled = |name: &str| match name {
            "status" => format!("{RECONCILED} AS status"),
            name => name.to_owned(),
        };
        let statement = select(&reconciliation_columns(), TableName::Reconciliation, spelled)
            + &format!(" WHERE {condition} ORDER BY {STAT_DATE}, {MINER_ID} LIMIT {}", wanted.most + 1);
        let rows =
            RowSet::of(reconciliation_columns(), &self.asker(version).await?.collect(&statement).await?)?;
        let place = |row: usize| {
            Some((day(&rows, row)?, MinerId(u64::try_from(integer(&rows, MINER_ID, row)?).ok()?)))
        };
        Ok(page(&rows, wanted.most, place))
    }

    /// When each storage provider was there.
    ///
    /// # Errors
    /// As [`Queries::events`].
    pub async fn active_periods(&self, version: u64) -> Result<HashMap<MinerId, ActivePeriod>> {
        let statement = format!(
            "SELECT {MINER_ID}, min({STAT_DATE}), max({STAT_DATE}) FILTER (WHERE live_sector_count > 0) \
             FROM {} GROUP BY {MINER_ID}",
            TableName::Rows.name()
        );
        let mut active_periods = HashMap::new();
        for batch in self.asker(version).await?.collect(&statement).await? {
            let miners = batch.column(0).as_primitive::<Int64Type>();
            let [first, last] = [1, 2].map(|at| batch.column(at).as_primitive::<Date32Type>());
            for row in 0..batch.num_rows() {
                let Ok(miner) = u64::try_from(miners.value(row)) else { continue };
                let last = last.is_valid(row).then(|| Day::from_unix_days(last.value(row)));
                let life = ActivePeriod { first: Day::from_unix_days(first.value(row)), last };
                active_periods.insert(MinerId(miner), life);
            }
        }
        Ok(active_periods)
    }

    /// The sectors that live at the end of `day`, by the day of their expiration, in order. It is made of every event up to
    /// then: each takes its sector out as it stood before and puts it in as it stands after, so a sector of years ago
    /// counts as long as no event has taken it out.
    ///
    /// # Errors
    /// As [`Queries::events`].
    pub async fn expirations(
        &self,
        version: u64,
        clock: Clock,
        miner: Option<MinerId>,
        day: Day,
    ) -> Result<ExpirationSchedule> {
        let mut upto = format!("{STAT_DATE} <= DATE '{day}'");
        if let Some(miner) = miner {
            let Ok(miner) = i64::try_from(miner.0) else { return Ok(ExpirationSchedule::default()) };
            let _ = write!(upto, " AND {MINER_ID} = {miner}");
        }
        // Where the statement's columns stand after the five sums.
        const PLEDGE: usize = 16;
        const UNKNOWN: usize = 17;
        const FEE: usize = 18;
        const UNKNOWN_FEE: usize = 19;
        let (events, gone) = (TableName::Events.name(), Status::None.name());
        let side = |side: &str, sign: i32| {
            format!(
                "SELECT (least(expiration_{side}, {LAST_EPOCH}) * {EPOCH_SECONDS} + {genesis}) / {DAY_SECONDS} AS day, \
                 CAST({sign} AS BIGINT) AS n, {sign} * sector_size AS rbp, {sign} * qap_{side} AS qap, \
                 coalesce(content_{side}, CASE WHEN qap_{side} > sector_size THEN '{verified}' END) AS content, \
                 {sign} * pledge_{side} AS pledge, {sign} * daily_fee_{side} AS fee \
                 FROM {events} WHERE status_{side} <> '{gone}' AND {upto}",
                genesis = clock.genesis(),
                verified = Content::Verified.name(),
            )
        };
        let sums = |only: &str| ["n", "rbp", "qap"].map(|of| format!("sum({of}){only}")).join(", ");
        let held = |content: Content| sums(&format!(" FILTER (WHERE content = '{content}')"));
        let statement = format!(
            "SELECT day, {}, {}, {}, {}, {}, sum(pledge), count(*) - count(pledge) AS unknown, \
             sum(fee), count(*) - count(fee) AS unknown_fee FROM ({} UNION ALL {}) \
             GROUP BY day HAVING sum(n) <> 0 OR count(*) > count(pledge) OR count(*) > count(fee) ORDER BY day",
            sums(""),
            held(Content::Verified),
            held(Content::Cc),
            held(Content::Deals),
            held(Content::FullQuality),
            side("after", 1),
            side("before", -1),
        );
        let mut calendar = ExpirationSchedule { days: Vec::new(), knows_backing: true, knows_fees: true };
        for batch in self.asker(version).await?.collect(&statement).await? {
            let days = batch.column(0).as_primitive::<Int64Type>();
            for row in 0..batch.num_rows() {
                calendar.knows_backing &= whole(&batch, UNKNOWN, row) == 0;
                calendar.knows_fees &= whole(&batch, UNKNOWN_FEE, row) == 0;
                let all = sum(&batch, 1, row);
                if all.sectors != 0 {
                    calendar.days.push(ScheduledExpiration {
                        day: Day::from_unix_days(i32::try_from(days.value(row)).unwrap_or(i32::MAX)),
                        all,
                        verified: sum(&batch, 4, row),
                        cc: sum(&batch, 7, row),
                        deals: sum(&batch, 10, row),
                        full_quality: sum(&batch, 13, row),
                        pledge: wide(&batch, PLEDGE, row),
                        daily_fee: wide(&batch, FEE, row),
                    });
                }
            }
        }
        Ok(calendar)
    }

    /// Who is asked as long as the version is this one.
    async fn asker(&self, version: u64) -> Result<Arc<SqlSession>> {
        let mut open = self.open.lock().await;
        if let Some(asker) = open.as_ref().filter(|asker| asker.version() == version) {
            return Ok(Arc::clone(asker));
        }
        // Days may have been published since `version` was read: then the newer one is asked, once for each question
        // until the reader has seen it, too.
        let asker = Arc::new(SqlSession::open(&self.directory, self.limits).await?);
        *open = Some(Arc::clone(&asker));
        Ok(asker)
    }
}

/// `SELECT … FROM table` with the headings' columns.
fn select(columns: &[ColumnSpec], table: TableName, spelled: impl Fn(&str) -> String) -> String {
    let columns: Vec<String> = columns.iter().map(|spec| spelled(&spec.name)).collect();
    format!("SELECT {} FROM {}", columns.join(", "), table.name())
}

fn between(from: Day, to: Day) -> String {
    format!("{STAT_DATE} BETWEEN DATE '{from}' AND DATE '{to}'")
}

/// ` AND column IN (…)`, or nothing where nothing is asked for. The names are our own: none has a quote in it.
fn one_of<'n>(column: &str, names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<String> = names.map(|name| format!("'{name}'")).collect();
    if names.is_empty() { String::new() } else { format!(" AND {column} IN ({})", names.join(", ")) }
}

fn page<P>(rows: &RowSet, most: usize, place: impl Fn(usize) -> Option<P>) -> Page<P> {
    let more = if rows.len() > most { most.checked_sub(1).and_then(place) } else { None };
    Page { rows: rows.first(most), more }
}

fn nothing<P>(columns: Arc<[ColumnSpec]>) -> Result<Page<P>> {
    Ok(Page { rows: RowSet::of(columns, &[])?, more: None })
}

fn day(rows: &RowSet, row: usize) -> Option<Day> {
    let days = rows.column(STAT_DATE)?.as_primitive_opt::<Date32Type>()?;
    Some(Day::from_unix_days(days.value(row)))
}

fn integer(rows: &RowSet, name: &str, row: usize) -> Option<i64> {
    Some(rows.column(name)?.as_primitive_opt::<Int64Type>()?.value(row))
}

/// Three sums that stand side by side; what sums nothing is nothing.
fn sum(batch: &RecordBatch, at: usize, row: usize) -> SectorSum {
    SectorSum {
        sectors: whole(batch, at, row).into(),
        rbp: wide(batch, at + 1, row),
        qap: wide(batch, at + 2, row),
    }
}

/// A wide integer; 0 where there is none.
fn wide(batch: &RecordBatch, at: usize, row: usize) -> i128 {
    let column = batch.column(at).as_primitive_opt::<Decimal128Type>();
    column.filter(|column| column.is_valid(row)).map_or(0, |column| column.value(row))
}

/// A 64-bit integer; 0 where there is none.
fn whole(batch: &RecordBatch, at: usize, row: usize) -> i64 {
    let column = batch.column(at).as_primitive_opt::<Int64Type>();
    column.filter(|column| column.is_valid(row)).map_or(0, |column| column.value(row))
}
