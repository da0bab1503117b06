//! Chain snapshots: CAR files.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use chain::{
    CarStore, Chain, ChainSegment, Clock, Day, Epoch, MinerId, ProgressSink, ProgressUnit, SectorNumber,
    Tipset, WalkOptions, network_of, work,
};
use lake::{FinishedDay, Gap, Lake, Later};
use ledger::{ChainPowers, Event, EventReader, Opening, ReceiptCounts};

use crate::error::{Error, Result};
use crate::start::Start;

/// Days closed with one commit per table, at most.
const DAYS_AT_ONCE: usize = 32;
/// Events held before they are given to the lake, at most (but for a single day's).
const EVENTS_AT_ONCE: usize = 500_000;

/// How to take in a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Close days again from this one on, instead of going on after the last closed day.
    pub from: Option<Day>,
    /// With `from`: give up closed days after the source's last one if what they stand on has changed.
    pub drop_later: bool,
}

/// What taking in a source has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Name of the source.
    pub source: String,
    /// The days closed; `None` if there was nothing new.
    pub closed: Option<RangeInclusive<Day>>,
    /// How many events they hold.
    pub events: u64,
    /// The day of the chain's head, which is not finished.
    pub unfinished: Day,
    /// What became of closed days after these, where days were closed again.
    pub later: Later,
}

/// The chain of some snapshot files.
pub struct Source<'s> {
    /// Names of the files, joined.
    name: String,
    /// Its readable stretches, the lowest first.
    stretches: Vec<ChainSegment<'s>>,
}

impl<'s> Source<'s> {
    /// Opens the chain in the files.
    ///
    /// # Errors
    /// If there is no chain in the files, it has no state, or something is missing and nothing below that reads.
    pub fn open(cars: &'s CarStore, files: &[PathBuf], way: impl Into<WalkOptions>) -> chain::Result<Self> {
        let mut stretches = Chain::segments(cars, cars.roots(), way)?;
        stretches.reverse();
        match stretches.first_mut().and_then(|lowest| lowest.missing.take()) {
            Some(hole) => Err(hole),
            None => Ok(Self { name: source_name(files), stretches }),
        }
    }

    /// Its newest readable stretch of a chain.
    #[must_use]
    pub fn newest(&self) -> Option<&Chain<'s>> {
        self.stretches.last().map(|stretch| &stretch.chain)
    }
}

/// Takes in the finished days of a source that the lake does not have yet, or closes days again. Where something is missing
/// between, the days below that, or above it if the lake is closed so far.
///
/// # Errors
/// If the chain does not read, leaves a gap after the lake's last day, or contradicts it; the lake then keeps
/// the days closed so far, each of them whole, and notes the gap. Days closed again are then as they were.
pub async fn cars(
    lake: &mut Lake,
    source: Source<'_>,
    options: Options,
    progress: &dyn ProgressSink,
) -> Result<Report> {
    let Source { name, stretches } = source;
    let mut rest = stretches.into_iter();
    let mut nothing = None;
    while let Some(ChainSegment { chain, missing: hole }) = rest.next() {
        let clock = chain.clock();
        let start = match (Start::find(lake, &chain, options.from).await, hole) {
            // What the lake needs next is in the hole below this stretch, or it is missing in all of the files.
            (Err(Error::Gap { .. }), Some(hole)) => return missing(lake, name, clock, hole),
            (Err(error), _) => return Err(noted(lake, clock, &name, error)?),
            (Ok(start), _) => start,
        };
        let head =
            chain.tipsets().last().map_or(Day::from_unix_days(0), |tipset| clock.day_of(tipset.height));
        let report = Report {
            source: name.clone(),
            closed: None,
            events: 0,
            unfinished: head,
            later: Later::default(),
        };
        let Some(start) = start else {
            nothing = Some(report);
            continue;
        };
        let report = take_in(lake, &chain, start, options, report, progress).await?;
        return match rest.next().and_then(|above| above.missing) {
            Some(hole) => missing(lake, name, clock, hole),
            None => Ok(report),
        };
    }
    nothing.ok_or_else(|| chain::Error::Chain("the files hold no readable tipset".into()).into())
}

/// Notes the gap that a source leaves, if that is the error.
fn noted(lake: &mut Lake, clock: Clock, source: &str, error: Error) -> Result<Error> {
    if let Error::Gap { begins, missing, .. } = &error {
        lake.note_gap(Gap {
            first_epoch: clock.first_epoch(*missing),
            last_epoch: *begins + -1,
            source: source.to_owned(),
            reason: "the source begins after it".to_owned(),
        })?;
    }
    Ok(error)
}

/// Notes what is missing in the midst of a source, and says so.
fn missing(lake: &mut Lake, source: String, clock: Clock, hole: chain::Error) -> Result<Report> {
    let closed = lake.last_closed();
    if let Some(chain::Gap { first, last, .. }) = hole.gap() {
        let next = closed.map_or(clock.day_of(first), Day::next);
        let gap = Gap {
            first_epoch: clock.first_epoch(next).max(Epoch(0)),
            last_epoch: clock.first_epoch(clock.day_of(last).next()) + -1,
            source,
            reason: hole.to_string(),
        };
        if gap.first_epoch <= gap.last_epoch {
            lake.note_gap(gap)?;
        }
    }
    Err(Error::IncompleteSource { hole: Box::new(hole), closed })
}

/// Takes in a stretch of a chain.
async fn take_in(
    lake: &mut Lake,
    chain: &Chain<'_>,
    start: Start,
    options: Options,
    mut report: Report,
    progress: &dyn ProgressSink,
) -> Result<Report> {
    let (clock, source) = (chain.clock(), report.source.clone());
    if let Some(from) = options.from {
        lake.close_again(from)?;
    }
    let activations = match start {
        Start::Open(_) => Vec::new(),
        Start::GoOn(_) => lake.first_activations().await?,
    };
    let since = history_since(lake, chain, start).await?;
    let mut reader = DayReader::begin(chain, start, activations, source, since)?;
    if let Err(error) = read(lake, &mut reader, &mut report, progress).await {
        if matches!(error, Error::Chain(_)) {
            lake.note_gap(reader.gap(&error))?;
        }
        return Err(error);
    }
    if options.from.is_some() {
        report.later = lake.finish_closing_again(options.drop_later).await?;
    }
    if let Some(closed) = lake.last_closed() {
        lake.closed_over(clock.first_epoch(closed.next()) + -1)?;
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
    while let Some(days) = reader.read_on()? {
        progress.at((reader.next - first) as u64);
        for day in days {
            if let Some(opening) = reader.opening.take() {
                open(lake, &day, opening, report).await?;
                continue;
            }
            ready.push(day);
            let events: usize = ready.iter().map(|day| day.events.len()).sum();
            if ready.len() >= DAYS_AT_ONCE || events >= EVENTS_AT_ONCE {
                close(lake, &mut ready, report).await?;
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
        lake::Error::Opening { source } => Error::Chain(source),
        error => error.into(),
    })?;
    report.events += opened + day.events.len() as u64;
    report.closed = Some(day.day..=day.day);
    Ok(())
}

async fn close(lake: &mut Lake, days: &mut Vec<FinishedDay>, report: &mut Report) -> Result<()> {
    let (Some(first), Some(last)) = (days.first(), days.last()) else { return Ok(()) };
    let from = report.closed.as_ref().map_or(first.day, |closed| *closed.start());
    let closed = from..=last.day;
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

/// The day from which on the lake has events once this is taken in; `None` if from epoch 0's.
async fn history_since(lake: &Lake, chain: &Chain<'_>, start: Start) -> Result<Option<Day>> {
    match start {
        Start::Open(index) => {
            let opens_at = chain.tipsets().get(index).map(|tipset| tipset.height);
            Ok(opens_at.filter(|height| height.0 > 0).map(|height| chain.clock().day_of(height)))
        }
        Start::GoOn(_) => Ok(lake.progress().await?.last().and_then(|row| row.history_since)),
    }
}

/// Reads a chain day by day.
struct DayReader<'a, 's> {
    chain: &'a Chain<'s>,
    source: String,
    since: Option<Day>,
    reading: EventReader<'a, 's>,
    /// The events with which the first day begins, where the ledger opens with any.
    opening: Option<Opening<'s>>,
    powers: ChainPowers,
    /// Whom the lake has rows of by now, as far as the tipsets and powers read here tell.
    miners: BTreeSet<MinerId>,
    /// The tipset to execute next.
    next: usize,
    /// The day that is being read.
    day: Day,
    events: Vec<Event>,
    /// How the outcomes of its messages are known so far.
    receipts: ReceiptCounts,
    /// Whether anything has happened yet: days before the first event are no days of the lake.
    begun: bool,
}

impl<'a, 's> DayReader<'a, 's> {
    fn begin(
        chain: &'a Chain<'s>,
        start: Start,
        activations: Vec<(MinerId, SectorNumber, Epoch)>,
        source: String,
        since: Option<Day>,
    ) -> Result<Self> {
        let (Start::Open(next) | Start::GoOn(next)) = start;
        let tipset = &chain.tipsets()[next];
        let (opening, reading) = match start {
            Start::Open(_) => EventReader::open(chain, next)?,
            Start::GoOn(_) => (Opening::none(), EventReader::resume(chain, next, activations)?),
        };
        let opening = Some(opening).filter(|opening| opening.most() > 0);
        Ok(Self {
            chain,
            source,
            since,
            reading,
            powers: ChainPowers::default(),
            miners: BTreeSet::new(),
            next,
            day: chain.clock().day_of(tipset.height),
            begun: matches!(start, Start::GoOn(_)) || opening.is_some(),
            opening,
            events: Vec::new(),
            receipts: ReceiptCounts::default(),
        })
    }

    /// Executes one more tipset and returns the days that it finishes; `None` at the head.
    fn read_on(&mut self) -> Result<Option<Vec<FinishedDay>>> {
        let Some(tipset) = self.chain.tipsets().get(self.next) else { return Ok(None) };
        let mut finished = Vec::new();
        let today = self.chain.clock().day_of(tipset.height);
        while self.day < today {
            // This tipset's header holds the state at the end of every day before its own.
            self.begun |= !self.events.is_empty();
            if self.begun {
                finished.push(self.finish(tipset)?);
            }
            self.day = self.day.next();
        }
        if let Some(tipset) = self.reading.next() {
            let mut tipset = tipset?;
            self.events.append(&mut tipset.events);
            self.receipts.add(&tipset.receipts);
        }
        self.next += 1;
        Ok(Some(finished))
    }

    /// Counts closing the day as work: its files, and its rows of providers, which few blocks can ask for without end.
    ///
    /// # Errors
    /// If it is more than the chain's files can need.
    fn spend(&self) -> Result<()> {
        let rows = work::ROW.saturating_mul(self.miners.len() as u64);
        // Above genesis there may be years of empty rounds.
        let after_genesis = self.next.checked_sub(1).is_some_and(|parent| {
            self.chain.tipsets().get(parent).is_some_and(|parent| parent.height.0 == 0)
        });
        let day = if after_genesis { work::FIRST_DAY } else { work::DAY };
        Ok(self.chain.store().spend(day.saturating_add(rows))?)
    }

    /// The epochs that cannot be closed because the tipset that was to be executed next does not read.
    fn gap(&self, error: &Error) -> Gap {
        let clock = self.chain.clock();
        let day = self.chain.tipsets().get(self.next).map_or(self.day, |tipset| clock.day_of(tipset.height));
        Gap {
            first_epoch: clock.first_epoch(self.day).max(Epoch(0)),
            last_epoch: clock.first_epoch(day.next()) + -1,
            source: self.source.clone(),
            reason: error.to_string(),
        }
    }

    fn finish(&mut self, child: &Tipset) -> Result<FinishedDay> {
        let clock = self.chain.clock();
        self.powers.advance(self.chain.store(), &child.parent_state_root, self.reading.codes())?;
        self.miners.extend(self.powers.iter().map(|power| power.miner));
        self.miners.extend(self.events.iter().map(|event| event.miner));
        self.spend()?;
        let progress = lake::Progress {
            source: self.source.clone(),
            network: network_of(clock).to_owned(),
            genesis: clock.genesis(),
            day: self.day,
            first_epoch: clock.first_epoch(self.day).max(Epoch(0)),
            last_epoch: clock.first_epoch(self.day.next()) + -1,
            tipset_key: child.parents.to_string(),
            state_root: child.parent_state_root.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            history_since: self.since,
            closed_at: now(),
            receipts: std::mem::take(&mut self.receipts),
        };
        Ok(FinishedDay {
            day: self.day,
            events: std::mem::take(&mut self.events),
            powers: self.powers.iter().collect(),
            progress,
        })
    }
}

/// Unix seconds.
fn now() -> Option<i64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(now.as_secs()).ok()
}
