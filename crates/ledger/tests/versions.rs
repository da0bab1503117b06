//! The definitions' rules on old versions of the actors and on the way from one version to the next, which no chain
//! with known truth shows: on states written by hand that differ in one thing.
#![allow(clippy::unwrap_used)]

#[path = "common/state.rs"]
mod state;

use chain::{Bytes, Epoch};
use ledger::{Cause, Content, Differ, Event, Kind, Status};
use state::{
    Deal, Precommit, SIZE, Sector, State, bytes, events, gone_on, int, list, open, precommit_info, set, uint,
};

const DAY: i64 = 2880;
/// Begin of a proving period, and the last epoch of its deadline 0.
const PERIOD: i64 = 700 * DAY;
const CLOSING: i64 = PERIOD + 59;
const LATER: i64 = PERIOD + 400 * DAY;
const NUMBER: u64 = 8;

/// A sector that was activated a year before and leaves long after.
fn sector(number: u64) -> Sector {
    Sector::empty(number, PERIOD - 365 * DAY, LATER)
}

/// A miner with that one sector, within deadline 0.
fn one(actors: u8, sector: Sector) -> State {
    State { actors, period_start: PERIOD, sectors: vec![sector], ..State::default() }
}

/// The same when deadline 0 has closed.
fn closed(state: &State) -> State {
    State { open_deadline: state.open_deadline + 1, ..state.clone() }
}

fn terminated(state: &State) -> State {
    State {
        terminated: vec![NUMBER],
        faults: vec![],
        recoveries: vec![],
        unproven: vec![],
        queue: vec![],
        ..state.clone()
    }
}

fn derived(events: &[Event]) -> Vec<String> {
    let name =
        |event: &Event| event.cause.map_or(event.kind.to_string(), |cause| format!("{} {cause}", event.kind));
    events.iter().map(name).collect()
}

/// `[[[deadline, partition, sectors]]]`: what methods 9, 10 and 11 are sent.
fn places(sectors: &[u64]) -> Vec<u8> {
    list(&[list(&[list(&[uint(0), uint(0), set(sectors)])])])
}

#[test]
fn a_migration_that_rewrites_everything_with_the_same_meaning_is_no_event() {
    for actors in 1..19 {
        let snapped = Sector { power_base: PERIOD - 100 * DAY, ..sector(2) };
        // Far apart, so that the array has more levels than one.
        let verified = Sector { verified_weight: SIZE * 1234, ..sector(70_000) };
        let precommit =
            Precommit { number: 90, epoch: PERIOD - 9, expiration: LATER, ..Precommit::default() };
        let before = State {
            actors,
            period_start: PERIOD,
            sectors: [sector(1), sector(3), sector(4), sector(5), verified]
                .into_iter()
                .chain((actors >= 7).then_some(snapped))
                .collect(),
            unproven: if actors > 1 { vec![4] } else { vec![] },
            faults: vec![3, 5],
            recoveries: vec![5],
            terminated: vec![6, 7],
            queue: vec![(LATER as u64, vec![1, 4, 5, 70_000], vec![3])],
            precommits: vec![precommit],
            ..State::default()
        };
        let after = State { actors: actors + 1, ..before.clone() };
        assert_eq!(events(&mut Differ::new(), &before, &after, PERIOD + 5, &[]), [], "from v{actors}");
        // That it was looked at: with one sector less in the set of the faulty, it is an event.
        let healed = State { faults: vec![5], ..after };
        let healed = events(&mut Differ::new(), &before, &healed, PERIOD + 5, &[]);
        assert_eq!(derived(&healed), ["recover"], "from v{actors}");
    }
}

#[test]
fn a_migration_that_changes_what_a_sector_weighs_adjusts_it() {
    let before = one(18, sector(NUMBER));
    let after = one(19, Sector { full_qap: true, ..sector(NUMBER) });
    let [event] = &events(&mut Differ::new(), &before, &after, CLOSING, &[])[..] else { panic!("one event") };
    assert_eq!((event.kind, event.cause), (Kind::Adjust, Some(Cause::Migration)));
    assert_eq!((event.qap_before, event.qap_after), (Some(Bytes(SIZE)), Some(Bytes(SIZE * 10))));
    assert_eq!((event.status_before, event.status_after), (Status::Active, Status::Active));
}

#[test]
fn from_actors_v19_an_upgraded_sector_weighs_ten_times_its_size_whatever_it_holds() {
    const UPGRADE_SECTOR_QUALITY: u64 = 37;
    let verified = Sector { verified_weight: SIZE * 100, ..sector(NUMBER) };
    let upgraded = Sector { full_qap: true, ..verified };
    let extended = Sector { expiration: LATER + DAY, ..upgraded };
    let to = |expiration: Vec<u8>| {
        let upgrade = list(&[uint(0), uint(0), set(&[NUMBER]), expiration]);
        (UPGRADE_SECTOR_QUALITY, list(&[list(&[upgrade])]), vec![])
    };
    let upgrade_only = to(state::NULL.to_vec());
    for (after, sent, names) in [
        (upgraded, vec![upgrade_only.clone()], &["upgrade"][..]),
        // By what no message shows.
        (upgraded, vec![], &["upgrade"]),
        (extended, vec![], &["upgrade", "extend"]),
        (extended, vec![to(int(LATER + DAY))], &["upgrade", "extend"]),
        // Once is enough.
        (upgraded, vec![upgrade_only.clone(), upgrade_only.clone()], &["upgrade"]),
    ] {
        let seen = events(&mut Differ::new(), &one(19, verified), &one(19, after), CLOSING, &sent);
        assert_eq!(derived(&seen), names);
        let (upgrade, last) = (&seen[0], seen.last().unwrap());
        assert!(upgrade.qap_before > Some(Bytes(SIZE)) && upgrade.qap_before < upgrade.qap_after);
        assert_eq!(upgrade.backing_before.unwrap().content, Content::Verified);
        assert_eq!(upgrade.expiration_after, Some(Epoch(LATER)));
        assert_eq!(last.expiration_after, Some(Epoch(after.expiration)));
        for event in &seen {
            assert_eq!(event.qap_after, Some(Bytes(SIZE * 10)));
            assert_eq!(event.backing_after.unwrap().content, Content::FullQuality);
            let by = event.message.as_ref().map(|message| (message.method, message.sectors));
            assert_eq!(by, (!sent.is_empty()).then_some((UPGRADE_SECTOR_QUALITY, 1)));
        }
    }
    // A sector that has full quality is left as it is, but for its date.
    let again = |after, sent| {
        derived(&events(&mut Differ::new(), &one(19, upgraded), &one(19, after), CLOSING, &[sent]))
    };
    assert_eq!(again(upgraded, upgrade_only), [""; 0]);
    assert_eq!(again(Sector { power_base: CLOSING, ..upgraded }, to(int(LATER))), [""; 0]);
    assert_eq!(again(extended, to(int(LATER + DAY))), ["extend"]);
}

#[test]
fn a_sector_faulty_for_14_days_up_to_actors_v5_and_42_days_from_v6_is_terminated_passively() {
    for (actors, days) in [(1, 14), (2, 14), (3, 14), (5, 14), (6, 42), (7, 42), (16, 42)] {
        let healthy = one(actors, sector(NUMBER));
        let early = |epoch: i64| vec![(epoch as u64, vec![], vec![NUMBER])];
        let faulty = State {
            period_start: PERIOD - days * DAY,
            faults: vec![NUMBER],
            queue: early(CLOSING),
            ..healthy.clone()
        };
        let fallen = events(
            &mut Differ::new(),
            &State { period_start: PERIOD - days * DAY, ..healthy.clone() },
            &closed(&faulty),
            CLOSING - days * DAY,
            &[],
        );
        assert_eq!(derived(&fallen), ["fault missed"], "v{actors}");
        let before = State { period_start: PERIOD, ..faulty.clone() };
        let after = closed(&terminated(&before));
        let gone = events(&mut Differ::new(), &before, &after, CLOSING, &[]);
        assert_eq!(derived(&gone), ["terminate passive"], "v{actors}");
        assert_eq!(gone[0].status_before, Status::Faulty);
        // Not yet due: something else took it.
        let before = State { queue: early(CLOSING + DAY), ..before };
        let after = closed(&terminated(&before));
        assert_eq!(derived(&events(&mut Differ::new(), &before, &after, CLOSING, &[])), ["terminate active"]);
    }
}

#[test]
fn a_replaced_sector_is_only_scheduled_by_its_replacement_and_expires_at_its_deadlines_end() {
    for actors in 1..=6 {
        let before =
            State { queue: vec![(LATER as u64, vec![NUMBER], vec![])], ..one(actors, sector(NUMBER)) };
        let rescheduled = State { queue: vec![(CLOSING as u64, vec![NUMBER], vec![])], ..before.clone() };
        assert_eq!(events(&mut Differ::new(), &before, &rescheduled, PERIOD + 5, &[]), [], "v{actors}");
        let after = closed(&terminated(&rescheduled));
        let [event] = &events(&mut Differ::new(), &rescheduled, &after, CLOSING, &[])[..] else {
            panic!("one event")
        };
        assert_eq!((event.kind, event.cause), (Kind::Expire, Some(Cause::Replaced)), "v{actors}");
        assert_eq!((event.expiration_before, event.message.as_ref()), (Some(Epoch(LATER)), None));
    }
}

#[test]
fn in_actors_v1_a_sector_is_proven_together_with_its_onboarding() {
    let onboarded = |actors| {
        let new = Sector { activation: CLOSING, power_base: CLOSING, ..sector(NUMBER) };
        let after = State { unproven: if actors > 1 { vec![NUMBER] } else { vec![] }, ..one(actors, new) };
        let before = State { sectors: vec![], unproven: vec![], ..after.clone() };
        events(
            &mut Differ::new(),
            &before,
            &after,
            CLOSING,
            &[(7, list(&[uint(NUMBER), bytes(&[])]), vec![])],
        )
    };
    let (first, second) = (onboarded(1), onboarded(2));
    assert_eq!(derived(&first), ["onboard single", "proven"]);
    assert_eq!(derived(&second), ["onboard single"]);
    assert_eq!(first[1].status_after, Status::Active);
    assert_eq!(second[0].status_after, Status::Unproven);
    for event in [&first[0], &first[1], &second[0]] {
        assert_eq!((event.message.as_ref().unwrap().method, event.activation), (7, Some(Epoch(CLOSING))));
    }
}

#[test]
fn in_actors_v1_a_declared_recovery_recovers_by_the_next_post() {
    let before = State { faults: vec![NUMBER], recoveries: vec![NUMBER], ..one(1, sector(NUMBER)) };
    let after = State { faults: vec![], recoveries: vec![], ..before.clone() };
    let post = list(&[uint(0), list(&[list(&[uint(0), set(&[])])]), list(&[]), int(0), bytes(&[])]);
    let recovered = events(&mut Differ::new(), &before, &after, PERIOD + 5, &[(5, post, vec![])]);
    assert_eq!(derived(&recovered), ["recover"]);
    assert_eq!(recovered[0].message.as_ref().unwrap().method, 5);
}

#[test]
fn in_actors_v1_and_v2_a_termination_wins_over_the_cron_that_closes_the_deadline() {
    for actors in [1, 2] {
        for (faults, queue, by_cron) in [
            (vec![], (CLOSING as u64, vec![NUMBER], vec![]), "expire on_time"),
            (vec![NUMBER], (CLOSING as u64, vec![], vec![NUMBER]), "terminate passive"),
        ] {
            let due = Sector { expiration: CLOSING - 5, ..sector(NUMBER) };
            let before = State { faults, queue: vec![queue], ..one(actors, due) };
            let after = closed(&terminated(&before));
            let cron = events(&mut Differ::new(), &before, &after, CLOSING, &[]);
            assert_eq!(derived(&cron), [by_cron], "v{actors}");
            let sent = [(9, places(&[NUMBER]), vec![0x81, 0xf5])];
            let message = events(&mut Differ::new(), &before, &after, CLOSING, &sent);
            assert_eq!(derived(&message), ["terminate active"], "v{actors}");
            assert_eq!(message[0].message.as_ref().unwrap().sectors, 1);
        }
    }
}

/// A pre-commit for 500 days with a verified deal that fills half the sector for 200 of them.
fn precommit() -> (Precommit, Deal) {
    let (size, start) = ((SIZE / 2) as u64, CLOSING + DAY);
    let deal = Deal { id: 77, size, verified: true, start, end: start + 200 * DAY };
    let precommit = Precommit {
        number: NUMBER,
        epoch: CLOSING,
        expiration: CLOSING + 500 * DAY,
        deals: vec![deal.id],
        verified_weight: SIZE / 2 * i128::from(200 * DAY),
        replaces: None,
    };
    (precommit, deal)
}

/// What it weighs: a fifth of its space-time counts ten times.
fn precommit_qap() -> Bytes {
    Bytes((SIZE * ((14 << 20) / 5)) >> 20)
}

#[test]
fn a_pre_commit_weighs_by_its_stored_weights_up_to_actors_v8_by_the_markets_deals_from_v9_and_ten_times_its_size_from_v19()
 {
    let (precommit, deal) = precommit();
    let (size, verified) = (Bytes(SIZE), precommit_qap());
    for (actors, deals, weight, expected) in [
        (1, vec![], precommit.verified_weight, verified),
        (8, vec![], precommit.verified_weight, verified),
        // What the market says does not matter yet.
        (8, vec![deal], 0, size),
        (9, vec![deal], 0, verified),
        (13, vec![deal], 0, verified),
        (9, vec![Deal { verified: false, ..deal }], 0, size),
        (9, vec![], 0, size),
        (18, vec![], 0, size),
        (19, vec![], 0, Bytes(SIZE * 10)),
    ] {
        let precommit = Precommit { verified_weight: weight, ..precommit.clone() };
        let sent = [(6, list(&precommit_info(&precommit)), vec![])];
        let before = State { deals, ..one(actors, sector(1)) };
        let after = State { precommits: vec![precommit], ..before.clone() };
        let [event] = &events(&mut Differ::new(), &before, &after, CLOSING, &sent)[..] else {
            panic!("one event")
        };
        assert_eq!((event.kind, event.cause), (Kind::Precommit, Some(Cause::Single)));
        assert_eq!((event.qap_before, event.qap_after), (None, Some(expected)), "v{actors}");
    }
}

#[test]
fn a_pre_commit_that_leaves_is_valued_by_the_state_before() {
    let (precommit, deal) = precommit();
    for actors in [8, 9] {
        let before =
            State { precommits: vec![precommit.clone()], deals: vec![deal], ..one(actors, sector(1)) };
        // The market drops the deals that came to nothing at the same time.
        let after = State { precommits: vec![], deals: vec![], ..closed(&before) };
        let [event] = &events(&mut Differ::new(), &before, &after, CLOSING, &[])[..] else {
            panic!("one event")
        };
        assert_eq!((event.kind, event.qap_after), (Kind::PrecommitExpired, None));
        assert_eq!(event.qap_before, Some(precommit_qap()), "v{actors}");
    }
}

#[test]
fn a_second_snap_of_a_sector_counts_again() {
    let differ = &mut Differ::new();
    let update = |sealed| Sector { sealed, power_base: CLOSING, ..sector(NUMBER) };
    let states = [one(13, sector(NUMBER)), one(13, update(2)), one(13, update(3))];
    let sent = [(29, list(&[list(&[list(&[uint(NUMBER), uint(0), uint(0)])])]), set(&[NUMBER]))];
    for pair in states.windows(2) {
        let snap = events(differ, &pair[0], &pair[1], CLOSING, &sent);
        assert_eq!(derived(&snap), ["snap"]);
        assert_eq!(snap[0].message.as_ref().unwrap().method, 29);
    }
}

#[test]
fn a_partition_that_is_renumbered_or_moves_to_another_deadline_is_no_event() {
    let before = State {
        sectors: vec![sector(1), sector(2), sector(3)],
        unproven: vec![2],
        faults: vec![3],
        ..one(16, sector(1))
    };
    for location in [(0, 1), (5, 0), (47, 9)] {
        let after = State { location, ..before.clone() };
        assert_eq!(events(&mut Differ::new(), &before, &after, PERIOD + 5, &[]), []);
        let fallen = State { faults: vec![1, 3], ..after };
        let fallen = events(&mut Differ::new(), &before, &fallen, PERIOD + 5, &[]);
        assert_eq!(derived(&fallen), ["fault declared"]);
    }
}

#[test]
fn what_a_miner_does_in_the_tipset_that_creates_it_is_seen() {
    let (precommit, deal) = precommit();
    for actors in [1, 2, 9, 16] {
        let fresh = Sector { activation: CLOSING, power_base: CLOSING, ..sector(1) };
        let after = State {
            unproven: if actors > 1 { vec![1] } else { vec![] },
            precommits: vec![precommit.clone()],
            deals: vec![deal],
            ..one(actors, fresh)
        };
        let before = State { without_miner: true, ..after.clone() };
        let sent = [(25, list(&[list(&[list(&precommit_info(&precommit))])]), vec![])];
        let seen = events(&mut Differ::new(), &before, &after, CLOSING, &sent);
        let of = |kind| seen.iter().find(|event| event.kind == kind).map(|event| event.sector.0);
        assert_eq!((of(Kind::Precommit), of(Kind::Onboard)), (Some(NUMBER), Some(1)), "v{actors}");
    }
}

/// From actors v7 to v11 a snap overwrites the activation; the migration to v12 restores it.
#[test]
fn a_sector_keeps_the_activation_first_seen_through_a_snap_and_a_migration() {
    let plain = sector(NUMBER);
    let snapped = Sector { sealed: 2, power_base: CLOSING, verified_weight: SIZE * 1000, ..plain };
    for actors in 7..12 {
        let differ = &mut Differ::new();
        let states = [one(actors, plain), one(actors, snapped), one(actors + 1, snapped)];
        let snap = events(differ, &states[0], &states[1], CLOSING, &[]);
        assert_eq!(derived(&snap), ["snap"]);
        assert_eq!(events(differ, &states[1], &states[2], CLOSING + 60, &[]), [], "v{actors}");
        let gone = events(differ, &states[2], &terminated(&states[2]), CLOSING + 120, &[]);
        assert_eq!(derived(&gone), ["terminate active"]);
        for event in [&snap[0], &gone[0]] {
            assert_eq!(event.activation, Some(Epoch(plain.activation)), "v{actors}: {}", event.kind);
        }
        assert_eq!(gone[0].qap_before, snap[0].qap_after);
    }
}

#[test]
fn a_sector_that_opens_the_ledger_snapped_keeps_the_activation_its_state_showed() {
    let snapped = Sector { sealed: 2, power_base: PERIOD - 100 * DAY, ..sector(NUMBER) };
    let (old, new) = (one(11, snapped), one(12, snapped));
    let differ = &mut Differ::new();
    let opening = open(differ, &old, PERIOD);
    assert_eq!(derived(&opening), ["opening"]);
    assert_eq!(opening[0].activation, Some(Epoch(PERIOD - 100 * DAY)));
    assert_eq!(events(differ, &old, &new, PERIOD + 5, &[]), []);
    let gone = events(differ, &new, &terminated(&new), CLOSING, &[]);
    assert_eq!(gone[0].activation, opening[0].activation);
}

#[test]
fn a_reading_that_goes_on_after_a_snap_keeps_the_activation_that_the_ledger_has() {
    let plain = sector(NUMBER);
    let snapped = Sector { sealed: 2, power_base: CLOSING, verified_weight: SIZE * 1000, ..plain };
    for actors in 7..=18 {
        let state = one(actors, snapped);
        let mut differ = gone_on(&state, NUMBER, plain.activation);
        let gone = events(&mut differ, &state, &terminated(&state), CLOSING + 120, &[]);
        assert_eq!(gone[0].activation, Some(Epoch(plain.activation)), "v{actors}");
    }
}
