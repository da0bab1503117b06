//! Chain snapshots: CAR files.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use chain::{Chain, Day, Epoch, MinerId, Progress, SectorNumber, Tipset, Unit};
use lake::{FinishedDay, Lake};
use ledger::{Claims, Event, Reading};

use crate::error::{Error, Result};

/// Days closed with one commit per table, at most.
const DAYS_AT_ONCE: usize = 32;
/// Events held before they are given to the lake, at most (but for a single day's).
const EVENTS_AT_ONCE: usize = 500_000;

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
}

/// Takes in the finished days of a chain that the lake does not have yet. `files` names the source.
///
/// # Errors
/// If the chain does not read, leaves a gap after the lake's last day, or contradicts it; the lake then keeps
/// the days closed so far, each of them whole.
pub async fn cars(
    lake: &mut Lake,
    chain: &Chain<'_>,
    files: &[PathBuf],
    progress: &dyn Progress,
) -> Result<Report> {
    let source = source_name(files);
    let head =
        chain.tipsets().last().map_or(Day::from_unix_days(0), |tipset| chain.clock().day_of(tipset.height));
    let mut report = Report { source, closed: None, events: 0, unfinished: head };
    let Some(start) = start(lake, chain).await? else { return Ok(report) };
    let activations = match start {
        Start::Open(_) => Vec::new(),
        Start::GoOn(_) => lake.first_activations().await?,
    };
    let mut reader = DayReader::begin(chain, start, activations, report.source.clone())?;
    progress.begin("closing days".to_owned(), (chain.tipsets().len() - reader.next) as u64, Unit::Tipsets);
    let first = reader.next;
    let mut ready: Vec<FinishedDay> = Vec::new();
    while let Some(days) = reader.read_on()? {
        progress.at((reader.next - first) as u64);
        for day in days {
            ready.push(day);
            let events: usize = ready.iter().map(|day| day.events.len()).sum();
            if ready.len() >= DAYS_AT_ONCE || events >= EVENTS_AT_ONCE {
                close(lake, &mut ready, &mut report).await?;
            }
        }
    }
    close(lake, &mut ready, &mut report).await?;
    progress.end();
    Ok(report)
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

/// Where in the chain to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// An empty lake: the state before this tipset opens it.
    Open(usize),
    /// The state before this tipset is where the lake stands.
    GoOn(usize),
}

/// `None` if the lake has all finished days of the chain.
async fn start(lake: &Lake, chain: &Chain<'_>) -> Result<Option<Start>> {
    let tipsets = chain.tipsets();
    let clock = chain.clock();
    let Some(closed) = lake.last_closed() else {
        return Ok(opening(chain).map(Start::Open));
    };
    let progress = lake.progress().await?;
    let Some(last) = progress.iter().rev().find(|progress| progress.day == closed) else { return Ok(None) };
    if last.genesis != clock.genesis() {
        return Err(Error::OtherNetwork { expected: last.genesis, found: clock.genesis() });
    }
    let next = closed.next();
    let Some(index) = tipsets.iter().position(|tipset| clock.day_of(tipset.height) >= next) else {
        return Ok(None);
    };
    let found = tipsets[index].parent_state_root.to_string();
    if index == 0 && found != last.state_root {
        let begins = tipsets[0].height;
        return Err(Error::Gap { begins, begins_on: clock.day_of(begins), closed, missing: next });
    }
    if found != last.state_root {
        return Err(Error::Contradiction { day: closed, expected: last.state_root.clone(), found });
    }
    let finished = tipsets.iter().any(|tipset| clock.day_of(tipset.height) > next);
    Ok(finished.then_some(Start::GoOn(index)))
}

/// The tipset before which an empty lake opens: genesis, or else the first of a whole day, since the flows of a
/// day that began before the snapshot cannot be known.
fn opening(chain: &Chain<'_>) -> Option<usize> {
    let tipsets = chain.tipsets();
    if tipsets.first()?.height.0 == 0 {
        return Some(0);
    }
    let day = |tipset: &Tipset| chain.clock().day_of(tipset.height);
    (1..tipsets.len()).find(|index| day(&tipsets[*index]) > day(&tipsets[index - 1]))
}

/// Reads a chain day by day.
struct DayReader<'a, 's> {
    chain: &'a Chain<'s>,
    source: String,
    reading: Reading<'a, 's>,
    claims: Claims,
    /// The tipset to execute next.
    next: usize,
    /// The day that is being read.
    day: Day,
    events: Vec<Event>,
    /// Whether anything has happened yet: days before the first event are no days of the lake.
    begun: bool,
}

impl<'a, 's> DayReader<'a, 's> {
    fn begin(
        chain: &'a Chain<'s>,
        start: Start,
        activations: Vec<(MinerId, SectorNumber, Epoch)>,
        source: String,
    ) -> Result<Self> {
        let (Start::Open(next) | Start::GoOn(next)) = start;
        let tipset = &chain.tipsets()[next];
        let (events, reading) = match start {
            Start::Open(_) => Reading::open(chain, next)?,
            Start::GoOn(_) => (Vec::new(), Reading::go_on(chain, next, activations)?),
        };
        Ok(Self {
            chain,
            source,
            reading,
            claims: Claims::default(),
            next,
            day: chain.clock().day_of(tipset.height),
            begun: matches!(start, Start::GoOn(_)),
            events,
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
        if let Some(events) = self.reading.next() {
            self.events.append(&mut events?);
        }
        self.next += 1;
        Ok(Some(finished))
    }

    fn finish(&mut self, child: &Tipset) -> Result<FinishedDay> {
        let clock = self.chain.clock();
        self.claims.advance(self.chain.store(), &child.parent_state_root, self.reading.codes())?;
        let progress = lake::Progress {
            source: self.source.clone(),
            network: clock.network().to_owned(),
            genesis: clock.genesis(),
            day: self.day,
            first_epoch: clock.first_epoch(self.day).max(Epoch(0)),
            last_epoch: clock.first_epoch(self.day.next()) + -1,
            tipset_key: child.parents.to_string(),
            state_root: child.parent_state_root.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        Ok(FinishedDay {
            day: self.day,
            events: std::mem::take(&mut self.events),
            claims: self.claims.iter().collect(),
            progress,
        })
    }
}
