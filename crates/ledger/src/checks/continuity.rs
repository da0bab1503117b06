//! The events of many days: a sector's event begins where the one before it ended.

use std::collections::HashMap;

use chain::{Bytes, MinerId, SectorNumber};

use super::event::{LastState, broken, oversized};
use crate::event::{Cause, Event, Kind, Status};

/// Follows sectors from day to day: each event begins where the sector's previous one ended, wherever that was.
///
/// It holds some hundred bytes for each sector that is pre-committed or lives, so long histories are better followed
/// miner by miner.
#[derive(Clone, Debug)]
pub struct Continuity {
    /// Whether every pre-commit is among the events.
    whole: bool,
    last: HashMap<(MinerId, SectorNumber), LastState>,
    sizes: HashMap<MinerId, Bytes>,
}

impl Continuity {
    /// `whole`: the events reach back to a state without pre-commits. Then what was not pre-committed can neither be
    /// onboarded by a method that needs that, nor expire as a pre-commit.
    #[must_use]
    pub fn new(whole: bool) -> Self {
        Self { whole, last: HashMap::new(), sizes: HashMap::new() }
    }

    /// Takes a miner's next event, in the chain's order. Why it cannot be that, in a sentence, if it cannot.
    pub fn check(&mut self, event: &Event) -> Option<String> {
        let key = (event.miner, event.sector);
        let problem = match self.last.get(&key) {
            Some(before) => broken(before, event),
            None => self.cannot_begin(event),
        };
        let size = *self.sizes.entry(event.miner).or_insert(event.sector_size);
        let problem = problem.or_else(|| oversized(event, size));
        if event.status_after != Status::None || event.kind == Kind::Precommit {
            self.last.insert(key, LastState::of(event));
        } else {
            self.last.remove(&key);
        }
        let Event { miner, sector, kind, epoch, .. } = event;
        problem.map(|problem| format!("{miner}: {kind} of sector {sector} at epoch {epoch}: {problem}"))
    }

    /// Why a sector's events cannot begin with this event.
    fn cannot_begin(&self, event: &Event) -> Option<String> {
        let begins = match (event.kind, event.cause) {
            (Kind::Precommit | Kind::Opening, _) => true,
            (Kind::Onboard, Some(Cause::NonInteractive | Cause::Genesis)) => true,
            (Kind::Onboard | Kind::PrecommitExpired, _) => !self.whole,
            _ => false,
        };
        (!begins).then(|| "nothing before it leads there".to_owned())
    }
}
