//! Made-up messages that failed, one at a time among the real ones of a tipset whose receipts are missing: whatever it
//! asks for, the events are those that there are without it, but for kinds that the outcome cannot show, and these are
//! marked.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/miner_calls.rs"]
mod miner_calls;
#[path = "common/state.rs"]
mod state;
#[path = "common/withheld.rs"]
mod withheld;

use std::collections::{BTreeMap, BTreeSet};

use chain::state::{ActorCodes, Miner, StateTree};
use chain::{
    AttoFil, BlockStore, CarStore, Chain, ExecutedMessage, Message, MinerId, NoProgress, Receipt,
    SectorNumber, Transition,
};
use common::shared;
use ledger::{Backing, Differ, Event, Kind, MessageRef, Status};
use miner_calls::{Call, Location};
use rayon::prelude::*;
use withheld::Withheld;

const DAY: i64 = 2880;
/// One in so many trials is made each time.
const ONE_IN: usize = 16;
const CHAINS: [&str; 10] = [
    "scenarios/sub",
    "scenarios/dispute",
    "scenarios/senders",
    "scenarios/vanish",
    "scenarios/claims",
    "edge-1",
    "edge-2",
    "edge-3",
    "small",
    "long",
];

/// What came of some trials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Outcome {
    trials: usize,
    /// Taken for successful, the message changed an event.
    taken_changed: usize,
    /// With the rules, it changed an event other than by its message.
    changed: usize,
    /// With the rules, it changed nothing but which message is named.
    renamed: usize,
    /// By what was asked.
    asked: BTreeMap<String, usize>,
    /// The events it changed, by kind.
    kinds: BTreeMap<String, usize>,
    /// Those it changed that are not marked.
    unmarked: Vec<String>,
}

impl Outcome {
    fn add(mut self, other: Self) -> Self {
        self.trials += other.trials;
        self.taken_changed += other.taken_changed;
        self.changed += other.changed;
        self.renamed += other.renamed;
        self.unmarked.extend(other.unmarked);
        for (asked, count) in other.asked {
            *self.asked.entry(asked).or_default() += count;
        }
        for (kind, count) in other.kinds {
            *self.kinds.entry(kind).or_default() += count;
        }
        self
    }
}

/// All trials on a chain, or one in some of them.
fn trials(name: &str, one_in: usize) -> Outcome {
    let Some(path) = shared(&format!("{name}.car.zst")) else { return Outcome::default() };
    let cache = tempfile::tempdir().unwrap();
    let cars = CarStore::open(&[path], cache.path(), &NoProgress).unwrap();
    let chain = Chain::open(&cars, cars.roots()).unwrap();
    let withheld = Withheld::of(&chain);
    let without = Chain::open(&withheld, cars.roots()).unwrap();
    let tipsets = (1..chain.tipsets().len() - 1).into_par_iter().map(|index| {
        let (with, without) =
            (chain.transition(index).unwrap().unwrap(), without.transition(index).unwrap().unwrap());
        of_tipset(name, &cars, &with, &without, index, one_in)
    });
    tipsets.reduce(Outcome::default, Outcome::add)
}

fn of_tipset(
    name: &str,
    store: &dyn BlockStore,
    with: &Transition,
    without: &Transition,
    index: usize,
    one_in: usize,
) -> Outcome {
    let mut outcome = Outcome::default();
    let derived = events(store, without);
    if derived.is_empty() {
        return outcome;
    }
    let asked = Asking::about(store, without, &derived).all();
    let doubles = without.messages.iter().map(|message| message.message.clone());
    let made_up: Vec<_> = (1_000_000..)
        .zip(&asked)
        .map(|(nonce, (miner, asked))| state::message((100, nonce), miner.0, asked.0, &asked.1))
        .chain(doubles.enumerate().map(|(at, mut message)| {
            message.cid = chain::dag_cbor_cid(&at.to_be_bytes());
            message
        }))
        .collect();
    for (at, message) in made_up.into_iter().enumerate() {
        for front in [true, false] {
            if !(index + 2 * at + usize::from(front)).is_multiple_of(one_in) {
                continue;
            }
            let among = |transition: &Transition, receipt| {
                let mut transition = transition.clone();
                let position = if front { 0 } else { transition.messages.len() };
                transition.messages.insert(position, ExecutedMessage { message: message.clone(), receipt });
                events(store, &transition)
            };
            outcome.trials += 1;
            let taken = among(with, Some(Receipt { exit_code: 0, returned: Vec::new() }));
            outcome.taken_changed += usize::from(!alike(&taken, &derived, bare));
            let found = among(without, None);
            let where_it_is =
                || format!("{name} at {}, method {}, front: {front}", without.height, message.method);
            if !alike(&found, &derived, bare) {
                outcome.changed += 1;
                *outcome.asked.entry(changed(&message, &found, &derived)).or_default() += 1;
            }
            outcome.renamed += usize::from(alike(&found, &derived, bare) && !alike(&found, &derived, named));
            compare(&found, &derived, &mut outcome, where_it_is);
        }
    }
    outcome
}

fn events(store: &dyn BlockStore, transition: &Transition) -> Vec<Event> {
    Differ::new().events(store, transition).unwrap()
}

/// An event but for its mark.
fn whole(event: &Event) -> Event {
    Event { uncertain: false, ..event.clone() }
}

/// An event but for the number of sectors that its message changed.
fn named(event: &Event) -> Event {
    let unnumbered = |message: &std::sync::Arc<MessageRef>| MessageRef { sectors: 0, ..**message }.into();
    Event { message: event.message.as_ref().map(unnumbered), ..whole(event) }
}

/// An event but for its message.
fn bare(event: &Event) -> Event {
    Event { message: None, ..whole(event) }
}

/// An event but for what an event in doubt before it may have changed: where the sector stood before, and until when it
/// was to stay.
fn after(event: &Event) -> Event {
    Event {
        qap_before: None,
        expiration_before: None,
        expiration_after: event.expiration_after.filter(|_| event.kind == Kind::Extend),
        backing_before: None,
        status_before: Status::None,
        ..named(event)
    }
}

/// The same, but for what was pledged and paid after it, too: of a change that another follows, that is computed from where
/// the other begins.
fn content_after(event: &Event) -> Event {
    let content = |backing: Backing| Backing { pledge: AttoFil::default(), daily_fee: None, ..backing };
    Event { backing_after: event.backing_after.map(content), ..after(event) }
}

type By = fn(&Event) -> Event;

fn by_sector(events: &[Event]) -> BTreeMap<(MinerId, SectorNumber), Vec<&Event>> {
    let mut sectors: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for event in events {
        sectors.entry((event.miner, event.sector)).or_default().push(event);
    }
    sectors
}

/// Whether the sectors' events are the same.
fn alike(found: &[Event], derived: &[Event], by: By) -> bool {
    let of = |events| -> BTreeMap<_, Vec<Event>> {
        by_sector(events)
            .into_iter()
            .map(|(sector, events)| (sector, events.into_iter().map(by).collect()))
            .collect()
    };
    found.len() == derived.len() && of(found) == of(derived)
}

/// An event in few words.
fn brief(event: &Event) -> String {
    let cause = event.cause.map(|cause| format!(" {cause}")).unwrap_or_default();
    let mark = if event.uncertain { "?" } else { "" };
    let by = event.message.as_ref().map_or("cron".into(), |message| message.method.to_string());
    format!("{}{cause}{mark} by {by}", event.kind)
}

/// What a message made of which events, in few words.
fn changed(message: &Message, found: &[Event], derived: &[Event]) -> String {
    let only = |these: &[Event], those: &[Event]| {
        let known: Vec<_> = those.iter().map(bare).collect();
        let new: BTreeSet<_> = these.iter().filter(|one| !known.contains(&bare(one))).map(brief).collect();
        new.into_iter().collect::<Vec<_>>().join(", ")
    };
    format!("{}: {}, not {}", message.method, only(found, derived), only(derived, found))
}

/// Notes the events that the made-up message changed, by kind, and those that it changed without a mark.
fn compare(found: &[Event], derived: &[Event], outcome: &mut Outcome, place: impl Fn() -> String) {
    let (ours, theirs) = (by_sector(found), by_sector(derived));
    let sectors: BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
    for sector in sectors {
        let [ours, theirs] = [&ours, &theirs].map(|of| of.get(sector).cloned().unwrap_or_default());
        let after: By = if ours.iter().any(|event| event.uncertain) { content_after } else { after };
        let expected: Vec<_> = theirs.iter().map(|event| after(event)).collect();
        let all: Vec<_> = ours.iter().map(|event| after(event)).collect();
        if all == expected {
            continue;
        }
        let other: Vec<_> = ours.iter().filter(|event| !expected.contains(&after(event))).collect();
        if ours.iter().all(|event| !event.uncertain) || other.iter().any(|event| !event.uncertain) {
            let [ours, theirs] =
                [&ours, &theirs].map(|of| of.iter().map(|event| brief(event)).collect::<Vec<_>>().join(", "));
            outcome.unmarked.push(format!("{}: {}/{}: {ours}; not {theirs}", place(), sector.0, sector.1));
        }
        for event in other {
            let cause = event.cause.map(|cause| format!(" {cause}")).unwrap_or_default();
            *outcome.kinds.entry(format!("{}{cause}", event.kind)).or_default() += 1;
        }
    }
}

/// What a message may have asked about the sectors with events.
struct Asking {
    of: Vec<(MinerId, Option<Location>, Vec<About>)>,
}

/// A sector with events.
#[derive(Clone, Debug)]
struct About {
    sector: u64,
    expirations: [Option<i64>; 2],
    sealed: Vec<u8>,
}

impl Asking {
    fn about(store: &dyn BlockStore, transition: &Transition, derived: &[Event]) -> Self {
        let codes = ActorCodes::new();
        let miner = |root, id: MinerId| {
            let tree = StateTree::open(store, root).unwrap();
            codes.add_manifest(&tree).unwrap();
            tree.actor(id.0).unwrap().and_then(|actor| Miner::of(store, &actor, &codes).unwrap())
        };
        let mut of: BTreeMap<(MinerId, Option<Location>), Vec<About>> = BTreeMap::new();
        let ids: BTreeSet<_> = derived.iter().map(|event| event.miner).collect();
        for id in ids {
            let sides = [&transition.before, &transition.after].map(|root| miner(root, id));
            let mut locations = BTreeMap::new();
            let numbers: BTreeSet<_> =
                derived.iter().filter(|event| event.miner == id).map(|event| event.sector.0).collect();
            for side in sides.iter().flatten() {
                side.for_each_partition(&mut |deadline, partition, found| {
                    for number in numbers.iter().filter(|number| found.sectors.contains(**number)) {
                        locations.entry(*number).or_insert((deadline, partition));
                    }
                    Ok(())
                })
                .unwrap();
            }
            for number in &numbers {
                let found = sides.each_ref().map(|side| {
                    let side = side.as_ref()?;
                    let read = |found: chain::state::SectorRef<'_>| {
                        (found.sector.expiration.0, found.sealed_cid.to_vec())
                    };
                    side.sector(SectorNumber(*number), read).unwrap()
                });
                let sealed = found[1].as_ref().or(found[0].as_ref()).map(|(_, sealed)| sealed.clone());
                let expirations = found.map(|found| found.map(|(expiration, _)| expiration));
                let sealed = sealed.unwrap_or_else(|| chain::dag_cbor_cid(b"sealed").to_bytes());
                let location = locations.get(number).copied();
                of.entry((id, location)).or_default().push(About { sector: *number, expirations, sealed });
            }
        }
        Self { of: of.into_iter().map(|((miner, location), about)| (miner, location, about)).collect() }
    }

    fn all(&self) -> Vec<(MinerId, Call)> {
        let of = |(miner, location, about): &(MinerId, Option<Location>, Vec<About>)| {
            let asked = match location {
                Some(location) => located(*location, about),
                None => about.iter().flat_map(|one| unlocated(one.sector)).collect(),
            };
            asked.into_iter().map(|asked| (*miner, asked)).collect::<Vec<_>>()
        };
        self.of.iter().flat_map(of).collect()
    }
}

/// What may be asked of sectors of a partition: of all with events, and of the first and the last alone.
fn located(location: Location, about: &[About]) -> Vec<Call> {
    let all: Vec<_> = about.iter().map(|one| one.sector).collect();
    let mut groups = vec![all.clone(), vec![all[0]], vec![all[all.len() - 1]]];
    groups.dedup();
    let mut asked = vec![miner_calls::prove(location, &[]), miner_calls::dispute(location.0)];
    for group in groups {
        let one = about.iter().find(|one| one.sector == group[0]).unwrap();
        asked.extend([
            miner_calls::terminate(location, &group),
            miner_calls::declare_faults(location, &group),
            miner_calls::declare_recoveries(location, &group),
            miner_calls::prove(location, &group),
            miner_calls::onboard(34, &group),
            miner_calls::onboard(36, &group),
            miner_calls::precommit(28, &group),
            miner_calls::snap(35, location, group[0], &one.sealed),
            miner_calls::snap(35, location, group[0], &chain::dag_cbor_cid(b"another").to_bytes()),
        ]);
        let dates: BTreeSet<_> = match one.expirations {
            [Some(before), Some(after)] => [before, before.midpoint(after), after, after + 30 * DAY].into(),
            [Some(one), None] | [None, Some(one)] => [one - DAY, one, one + 30 * DAY].into(),
            [None, None] => BTreeSet::new(),
        };
        asked.extend(dates.into_iter().map(|date| miner_calls::extend(location, &group, date)));
    }
    asked
}

/// What may be asked of a sector that is in no partition.
fn unlocated(sector: u64) -> Vec<Call> {
    vec![
        miner_calls::onboard(34, &[sector]),
        miner_calls::onboard(36, &[sector]),
        miner_calls::precommit(28, &[sector]),
        miner_calls::terminate((0, 0), &[sector]),
    ]
}

/// One in some of the trials on each of the chains: none changes an event without a mark.
fn on_all(one_in: usize) -> Outcome {
    let mut all = Outcome::default();
    for name in CHAINS {
        let outcome = trials(name, one_in);
        println!("{name}: {outcome:#?}");
        assert!(outcome.unmarked.is_empty(), "{:#?}", outcome.unmarked);
        all = all.add(outcome);
    }
    println!("{all:#?}");
    all
}

#[test]
fn a_failed_message_changes_no_event_but_of_ambiguous_kinds_which_are_marked() {
    let all = on_all(ONE_IN);
    assert!(all.taken_changed * 25 > all.trials, "what is made up would matter");
    assert!(all.changed * 150 < all.trials, "{all:#?}");
}

/// Of 98,034 trials on all of the chains, 3,891 changed an event where every message is taken for successful, and 454 with
/// the rules: 245 in which a sector is extended before it is extended further, with claims dropped or before it is snapped
/// or terminated, 106 in which it is declared faulty before it is terminated, 88 in which it is declared and disputed, 8 in which a
/// proof skips what expires at once, and 7 in which a snap leaves no trace. All are marked. 4,997 changed only which of two
/// messages is named.
#[test]
#[ignore = "takes minutes; one in sixteen of the trials are made anyway"]
fn none_of_all_failed_messages_changes_an_event_but_of_ambiguous_kinds_which_are_marked() {
    let all = on_all(1);
    assert!(all.changed * 200 < all.trials, "{all:#?}");
}
