//! A synthetic history, day by day.

use chain::{EPOCHS_PER_DAY, Epoch, MinerId};

use super::actions::EpochActions;
use super::initial_sectors::InitialSectors;
use super::provider::Provider;
use super::random::{BATCH, Random};
use crate::event::Event;
use crate::opening::Opening;
use crate::power::ChainPower;

/// The first miner's number.
const FIRST_MINER: u64 = 1000;
/// Opening events that are made at once.
const OPENED_AT_ONCE: u64 = 4096;
/// Live sectors per event of a day, above which none are onboarded.
const MOST_LIVE: usize = 4;

/// What a made-up history is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyntheticOptions {
    /// What chance starts from: the same options make the same history.
    pub seed: u64,
    /// How many miners there are, from f01000 on. The later ones have fewer sectors.
    pub miners: u64,
    /// About how many events a day has.
    pub events_per_day: usize,
    /// The first epoch of the first day; a day is [`EPOCHS_PER_DAY`] long.
    pub first_day_epoch: Epoch,
    /// How many sectors stand in the first state: `opening` events, or at epoch 0 `onboard` ones by `genesis`. They come
    /// on top of the first day's events.
    pub initial_sectors: usize,
}

impl Default for SyntheticOptions {
    /// Four miners, 300 events a day, from the mainnet day 2022-10-01 on, with nothing before.
    fn default() -> Self {
        Self {
            seed: 1,
            miners: 4,
            events_per_day: 300,
            first_day_epoch: Epoch(2_209_200),
            initial_sectors: 0,
        }
    }
}

/// A day of a made-up history.
#[derive(Clone, Debug)]
pub struct SyntheticDay {
    /// Its first epoch.
    pub first_epoch: Epoch,
    /// Its events, in the chain's order; on the first day those of the opening too, unless it was taken.
    pub events: Vec<Event>,
    /// What the chain says of every miner that has power at its end, by miner.
    pub powers: Vec<ChainPower>,
}

/// A made-up history, day by day and without an end. What it holds is bounded: some four live sectors for each event of
/// a day, and of those that stand in the first state a bit each.
///
/// ```
/// use ledger::testing::{SyntheticHistory, SyntheticOptions};
///
/// let mut history = SyntheticHistory::new(SyntheticOptions { events_per_day: 1_000, ..Default::default() });
/// let day = history.next().unwrap();
/// assert!(day.events.len() >= 1_000);
/// assert_eq!(day.powers.len(), 4);
/// ```
#[derive(Clone, Debug)]
pub struct SyntheticHistory {
    options: SyntheticOptions,
    random: Random,
    providers: Vec<Provider>,
    first_epoch: Epoch,
    live: usize,
    /// Whether the opening is among the first day's events.
    opens: bool,
}

impl SyntheticHistory {
    /// A history as the options say.
    #[must_use]
    pub fn new(options: SyntheticOptions) -> Self {
        let mut random = Random(options.seed);
        let mut counts = vec![0_u64; usize::try_from(options.miners).unwrap_or_default()];
        for _ in 0..options.initial_sectors {
            let nth = random.below(counts.len());
            // Likelier of one with a low number.
            let nth = random.below(nth + 1);
            counts.iter_mut().skip(nth).take(1).for_each(|count| *count += 1);
        }
        let provider = |(nth, count)| {
            let id = MinerId(FIRST_MINER + nth);
            let initial = InitialSectors::new(options.seed, id, count, options.first_day_epoch);
            Provider::new(id, random.below(3) == 0, initial)
        };
        Self {
            providers: (0..).zip(counts).map(provider).collect(),
            first_epoch: options.first_day_epoch,
            live: if options.miners == 0 { 0 } else { options.initial_sectors },
            opens: options.initial_sectors > 0,
            random,
            options,
        }
    }

    /// Takes the opening out of the first day's events: those of the sectors that stand in the first state, which may be
    /// many more than memory holds.
    pub fn take_opening(&mut self) -> Opening<'static> {
        self.opens = false;
        let (epoch, most) = (self.options.first_day_epoch, self.options.initial_sectors as u64);
        let providers: Vec<Provider> = self.providers.clone();
        let batches = providers.into_iter().flat_map(move |provider| {
            let count = provider.initial.count();
            (0..count.div_ceil(OPENED_AT_ONCE)).map(move |nth| {
                let numbers = nth * OPENED_AT_ONCE..((nth + 1) * OPENED_AT_ONCE).min(count);
                Ok(numbers.map(|number| provider.opening(number, epoch)).collect())
            })
        });
        Opening::new(most, batches)
    }

    /// The actions of one miner, likelier of one with a low number.
    fn actions<'a>(&'a mut self, epoch: Epoch, events: &'a mut Vec<Event>) -> Option<EpochActions<'a>> {
        let upto = self.random.below(self.providers.len());
        let nth = self.random.below(upto + 1);
        let provider = self.providers.get_mut(nth)?;
        Some(EpochActions { random: &mut self.random, provider, live: &mut self.live, epoch, events })
    }

    /// The crons of an epoch: each miner's sectors whose time has come leave, once a day.
    fn crons(&mut self, slot: i64, epoch: Epoch, events: &mut Vec<Event>) {
        let (random, live) = (&mut self.random, &mut self.live);
        let first = usize::try_from(slot).unwrap_or_default();
        for provider in self.providers.iter_mut().skip(first).step_by(EPOCHS_PER_DAY as usize) {
            EpochActions { random, provider, live, epoch, events }.expire();
        }
    }
}

impl Iterator for SyntheticHistory {
    type Item = SyntheticDay;

    fn next(&mut self) -> Option<SyntheticDay> {
        let mut events = Vec::with_capacity(self.options.events_per_day + BATCH);
        if self.opens {
            events.extend(self.take_opening().flatten().flatten());
        }
        let (opened, wanted) = (events.len(), self.options.events_per_day as u128);
        let most_live = MOST_LIVE * self.options.events_per_day;
        for slot in 0..EPOCHS_PER_DAY {
            let epoch = self.first_epoch + slot;
            let due = wanted * (slot as u128 + 1) / EPOCHS_PER_DAY as u128;
            while ((events.len() - opened) as u128) < due {
                let full = self.live > most_live;
                self.actions(epoch, &mut events)?.play(full);
            }
            self.crons(slot, epoch, &mut events);
        }
        let powers =
            self.providers.iter().map(Provider::power).filter(|power| power.live.rbp.0 > 0).collect();
        let day = SyntheticDay { first_epoch: self.first_epoch, events, powers };
        self.first_epoch = self.first_epoch + EPOCHS_PER_DAY;
        Some(day)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::event::{Cause, Kind};

    #[test]
    fn a_history_is_the_same_for_the_same_options_and_has_every_kind_and_cause() {
        let options = SyntheticOptions { initial_sectors: 50, ..Default::default() };
        let days =
            |options| SyntheticHistory::new(options).take(30).map(|day| day.events).collect::<Vec<_>>();
        let events = days(options);
        assert_eq!(events, days(options));
        assert_ne!(events, days(SyntheticOptions { seed: 2, ..options }));
        let seen: BTreeSet<_> = events.iter().flatten().map(|event| (event.kind, event.cause)).collect();
        let kinds: BTreeSet<_> = seen.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, Kind::ALL.iter().copied().collect());
        let causes: BTreeSet<_> = seen.iter().filter_map(|(_, cause)| *cause).collect();
        let genesis = SyntheticOptions { first_day_epoch: Epoch(0), ..options };
        assert!(days(genesis).iter().flatten().any(|event| event.cause == Some(Cause::Genesis)));
        assert_eq!(causes.len() + 1, Cause::ALL.len());
    }

    #[test]
    fn what_a_long_history_holds_is_bounded_and_its_days_are_as_long_as_asked() {
        let options = SyntheticOptions { miners: 50, events_per_day: 2_000, ..Default::default() };
        let mut history = SyntheticHistory::new(options);
        for day in history.by_ref().take(400) {
            assert!((2_000..4_000).contains(&day.events.len()), "{}", day.events.len());
        }
        assert!(history.live <= (MOST_LIVE + 1) * options.events_per_day);
        let held: usize = history
            .providers
            .iter()
            .map(|held| held.active.len() + held.faulty.len() + held.unproven.len())
            .sum();
        assert_eq!(held, history.live);
    }
}
