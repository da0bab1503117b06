//! Chain snapshots: CAR files.

use std::path::PathBuf;

use chain::{
    CarStore, Chain, ChainSegment, Clock, Day, DayRange, Epoch, ProgressSink, ProgressUnit, WalkOptions,
};
use lake::{FinishedDay, Gap, Lake, LaterDays};
use ledger::Opening;

use crate::day_reader::DayReader;
use crate::error::{Error, Result};
use crate::start::StartPoint;

/// Events and powers that are held before their days are given to the lake, at most (but for a single day's).
const HELD_AT_ONCE: usize = 500_000;
/// The same at a month's end: a commit to each table takes as long as many quiet days.
const HELD_FOR_A_COMMIT: usize = 20_000;
/// Days that are given to the lake at a month's end, however little is in them: a quarter, which an ingest that is killed
/// may have to read again.
const DAYS_AT_ONCE: usize = 90;

/// How to ingest a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Close days again from this one on, instead of going on after the last closed day.
    pub from: Option<Day>,
    /// With `from`: drop closed days after the source's last one if the state that they start from has changed.
    pub drop_later: bool,
}

/// What taking in a source has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Name of the source.
    pub source: String,
    /// The days closed; `None` if there was nothing new.
    pub closed: Option<DayRange>,
    /// How many events they hold.
    pub events: u64,
    /// The day of the chain's head, which is not finished.
    pub unfinished: Day,
    /// What became of closed days after these, where days were closed again.
    pub later: LaterDays,
}

/// The chain of some snapshot files.
pub struct Source<'s> {
    /// Names of the files, joined.
    name: String,
    /// Its readable segments, the lowest first.
    segments: Vec<ChainSegment<'s>>,
}

impl<'s> Source<'s> {
    /// Opens the chain in the files.
    ///
    /// # Errors
    /// If there is no chain in the files, it has no state, or something is missing and nothing below that reads.
    pub fn open(cars: &'s CarStore, files: &[PathBuf], way: impl Into<WalkOptions>) -> chain::Result<Self> {
        let mut segments = Chain::segments(cars, cars.roots(), way)?;
        segments.reverse();
        match segments.first_mut().and_then(|lowest| lowest.missing.take()) {
            Some(missing) => Err(missing),
            None => Ok(Self { name: source_name(files), segments }),
        }
    }

    /// Its newest readable segment of a chain.
    #[must_use]
    pub fn newest(&self) -> Option<&Chain<'s>> {
        self.segments.last().map(|segment| &segment.chain)
    }
}

/// Ingests the finished days of a source that the lake does not have yet, or closes days again. Where something is missing
/// between, the days below that, or above it if the lake is closed so far.
///
/// # Errors
/// If the chain does not read, leaves a gap after the lake's last day, or contradicts it; the lake then keeps
/// the days closed so far, each of them whole, and notes the gap. Days closed again are then as they were.
pub async fn ingest_snapshots(
    lake: &mut Lake,
    source: Source<'_>,
    options: Options,
    progress: &dyn ProgressSink,
) -> Result<Report> {
    let Source { name, segments } = source;
    let mut rest = segments.into_iter();
    let mut nothing = None;
    while let Some(ChainSegment { chain, missing }) = rest.next() {
        let clock = chain.clock();
        let start = match (StartPoint::find(lake, &chain, options.from).await, missing) {
            // What the lake needs next is missing below this segment, or it is missing in all of the files.
            (Err(Error::Gap { .. }), Some(missing)) => return incomplete(lake, name, clock, missing),
            (Err(error), _) => return Err(note_gap(lake, clock, &name, error)?),
            (Ok(start), _) => start,
        };
        let head =
            chain.tipsets().last().map_or(Day::from_unix_days(0), |tipset| clock.day_of(tipset.height));
        let report = Report {
            source: name.clone(),
            closed: None,
            events: 0,
            unfinished: head,
            later: LaterDays::default(),
        };
        let Some(start) = start else {
            nothing = Some(report);
            continue;
        };
        let report = ingest_segment(lake, &chain, start, options, report, progress).await?;
        return match rest.next().and_then(|above| above.missing) {
            Some(missing) => incomplete(lake, name, clock, missing),
            None => Ok(report),
        };
    }
    nothing.ok_or_else(|| chain::Error::Chain("the files hold no readable tipset".into()).into())
}

/// Notes the gap that a source leaves, if that is the error.
fn note_gap(lake: &mut Lake, clock: Clock, source: &str, error: Error) -> Result<Error> {
    if let Error::Gap { begins, missing, .. } = &error {
        lake.record_gap(Gap {
            first_epoch: clock.first_epoch(*missing),
            last_epoch: *begins + -1,
            source: source.to_owned(),
            reason: "the source begins after it".to_owned(),
        })?;
    }
    Ok(error)
}

/// Notes what is missing in the midst of a source, and says so.
fn incomplete(lake: &mut Lake, source: String, clock: Clock, missing: chain::Error) -> Result<Report> {
    let closed = lake.last_closed();
    if let Some(chain::Gap { first, last, .. }) = missing.gap() {
        let next = closed.map_or(clock.day_of(first), Day::next);
        let gap = Gap {
            first_epoch: clock.first_epoch(next).max(Epoch(0)),
            last_epoch: clock.first_epoch(clock.day_of(last).next()) + -1,
            source,
            reason: missing.to_string(),
        };
        if gap.first_epoch <= gap.last_epoch {
            lake.record_gap(gap)?;
        }
    }
    Err(Error::IncompleteSource { missing: Box::new(missing), closed })
}

/// Ingests a segment of a chain.
async fn ingest_segment(
    lake: &mut Lake,
    chain: &Chain<'_>,
    start: StartPoint,
    options: Options,
    mut report: Report,
    progress: &dyn ProgressSink,
) -> Result<Report> {
    let (clock, source) = (chain.clock(), report.source.clone());
    if let Some(from) = options.from {
        lake.begin_reclose(from)?;
    }
    let activations = match start {
        StartPoint::Open(_) => Vec::new(),
        StartPoint::Resume(_) => lake.first_activations().await?,
    };
    let since = history_since(lake, chain, start).await?;
    let mut reader = DayReader::new(chain, start, activations, source, since)?;
    if let Err(error) = read(lake, &mut reader, &mut report, progress).await {
        if matches!(error, Error::Chain(_)) {
            lake.record_gap(reader.gap(&error))?;
        }
        return Err(error);
    }
    if options.from.is_some() {
        report.later = lake.commit_reclose(options.drop_later).await?;
    }
    if let Some(closed) = lake.last_closed() {
        lake.clear_gaps(clock.first_epoch(closed.next()) + -1)?;
    }
    Ok(report)
}

/// Reads the chain to its head and closes days as they are finished.
async fn read(
    lake: &mut Lake,
    reader: &mut DayReader<'_, '_>,
    report: &mut Report,
    progress: &dyn ProgressSink,
) -> Result<()> {
    let first = reader.next;
    let tipsets = reader.chain.tipsets().len() - first;
    progress.begin("closing days".to_owned(), tipsets as u64, ProgressUnit::Tipsets);
    let mut ready: Vec<FinishedDay> = Vec::new();
    let mut days = Vec::new();
    loop {
        let more = reader.next_tipset(&mut days);
        progress.at((reader.next - first) as u64);
        for day in days.drain(..) {
            if let Some(opening) = reader.opening.take() {
                open(lake, &day, opening, report).await?;
                continue;
            }
            // Small days of a month share their files if they are closed together.
            let month_ends = day.day.next().month() != day.day.month();
            ready.push(day);
            let held: usize = ready.iter().map(|day| day.events.len() + day.powers.len()).sum();
            let worth_it = held >= HELD_FOR_A_COMMIT || ready.len() >= DAYS_AT_ONCE;
            if held >= HELD_AT_ONCE || (month_ends && worth_it) {
                close(lake, &mut ready, report).await?;
            }
        }
        match more {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                // The days before it are whole.
                close(lake, &mut ready, report).await?;
                return Err(error);
            }
        }
    }
    close(lake, &mut ready, report).await?;
    progress.end();
    Ok(())
}

/// Closes the first day, with the sectors that the ledger opens with.
async fn open(lake: &mut Lake, day: &FinishedDay, opening: Opening<'_>, report: &mut Report) -> Result<()> {
    let opened = lake.close_opening_day(day, opening).await.map_err(|error| match error {
        lake::Error::OpeningState { source } => Error::Chain(source),
        error => error.into(),
    })?;
    report.events += opened + day.events.len() as u64;
    report.closed = Some(day.day.into());
    Ok(())
}

async fn close(lake: &mut Lake, days: &mut Vec<FinishedDay>, report: &mut Report) -> Result<()> {
    let (Some(first), Some(last)) = (days.first(), days.last()) else { return Ok(()) };
    let closed = report.closed.unwrap_or_else(|| first.day.into()).including(last.day);
    lake.close_days(days).await?;
    report.events += days.iter().map(|day| day.events.len() as u64).sum::<u64>();
    report.closed = Some(closed);
    days.clear();
    Ok(())
}

/// File names, joined.
fn source_name(files: &[PathBuf]) -> String {
    let name = |path: &PathBuf| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    files.iter().map(name).collect::<Vec<_>>().join(" + ")
}

/// The day from which on the lake has events once this is ingested; `None` if from epoch 0's.
async fn history_since(lake: &Lake, chain: &Chain<'_>, start: StartPoint) -> Result<Option<Day>> {
    match start {
        StartPoint::Open(index) => {
            let opens_at = chain.tipsets().get(index).map(|tipset| tipset.height);
            Ok(opens_at.filter(|height| height.0 > 0).map(|height| chain.clock().day_of(height)))
        }
        StartPoint::Resume(_) => Ok(lake.day_sources().await?.last().and_then(|row| row.history_since)),
    }
}
