//! Where in a chain to begin, given what the lake has: and whether the two are of one chain at all.

use chain::{Chain, Clock, Day, Tipset};
use lake::{DaySource, Lake};

use crate::error::{Error, Result};

/// Where in the chain to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StartPoint {
    /// An empty lake: the state before this tipset opens it.
    Open(usize),
    /// The state before this tipset is where the lake stands.
    Resume(usize),
}

impl StartPoint {
    /// `None` if the lake has all finished days of the chain. With `from`, days are closed again from that day on.
    ///
    /// # Errors
    /// If the chain is of another network or fork than the lake, or begins after the day that is needed next.
    pub(crate) async fn find(lake: &Lake, chain: &Chain<'_>, from: Option<Day>) -> Result<Option<Self>> {
        let Some((first, closed)) = lake.first_closed().zip(lake.last_closed()) else {
            return Ok(chain.opening_index().map(Self::Open));
        };
        let progress = lake.day_sources().await?;
        let clock = chain.clock();
        if let Some(other) = progress.iter().find(|row| row.genesis != clock.genesis()) {
            return Err(Error::OtherNetwork { expected: Clock::new(other.genesis), found: clock });
        }
        let next = from.unwrap_or_else(|| closed.next());
        if next < first || next > closed.next() {
            return Err(Error::NotClosed { from: next, first, closed });
        }
        let before: Vec<&DaySource> = progress.iter().filter(|row| row.day < next).collect();
        for row in &before {
            agrees(row, chain)?;
        }
        let Some(last) = before.last() else {
            // Between the opening and its first event there may be quiet days, which are no days of the lake.
            let opens =
                chain.opening_index().filter(|index| clock.day_of(chain.tipsets()[*index].height) <= next);
            return opens.map(|index| Some(Self::Open(index))).ok_or(Error::NoOpening { day: next });
        };
        let Some((index, tipset)) = first_after(chain, last.day) else { return Ok(None) };
        if tipset.parent_state_root.to_string() != last.state_root {
            // Only a chain that begins here can be of another state and yet agree.
            let begins = tipset.height;
            return Err(Error::Gap {
                begins,
                begins_on: clock.day_of(begins),
                closed: last.day,
                missing: next,
            });
        }
        let finished = chain.tipsets().iter().any(|tipset| clock.day_of(tipset.height) > next);
        Ok(finished.then_some(Self::Resume(index)))
    }
}

/// Whether the chain, if it has the end of that day, has it as the lake does.
fn agrees(row: &DaySource, chain: &Chain<'_>) -> Result<()> {
    // Of a chain's first tipset it is not known which day its parents are of.
    let Some((_, child)) = first_after(chain, row.day).filter(|(index, _)| *index > 0) else { return Ok(()) };
    let (key, state) = (child.parents.to_string(), child.parent_state_root.to_string());
    if key == row.tipset_key && state == row.state_root {
        return Ok(());
    }
    Err(Error::Contradiction { day: row.day, expected: row.tipset_key.clone(), found: key })
}

/// The first tipset after a day: its header holds the state at the day's end.
fn first_after<'c>(chain: &'c Chain<'_>, day: Day) -> Option<(usize, &'c Tipset)> {
    let clock: Clock = chain.clock();
    let index = chain.tipsets().partition_point(|tipset| clock.day_of(tipset.height) <= day);
    Some((index, chain.tipsets().get(index)?))
}
