//! Several changes of one sector in one tipset, whose terms between are in no state: on states of all actors versions,
//! written by hand.
#![allow(clippy::unwrap_used)]

#[path = "common/state.rs"]
mod state;

use chain::{Bytes, Epoch};
use ledger::{Content, Differ, Event, Kind, Status, quality_adjusted_power};
use state::{
    Deal, NULL, Precommit, SIZE, Sector, Sent, State, bytes, events, events_since, int, link, list,
    sealed_cid, set, uint,
};

const DAY: i64 = 2880;
/// Begin of a proving period, the last epoch of its deadline 0, and the height of the tipset.
const PERIOD: i64 = 700 * DAY;
const CLOSING: i64 = PERIOD + 59;
const NOW: i64 = PERIOD + 5;
const LATER: i64 = PERIOD + 400 * DAY;
const NUMBER: u64 = 8;

/// A sector that was activated a year before, wholly verified for 200 days.
fn verified() -> Sector {
    let activation = PERIOD - 365 * DAY;
    Sector {
        number: NUMBER,
        activation,
        power_base: activation,
        expiration: LATER,
        verified_weight: SIZE * i128::from(200 * DAY),
        sealed: 1,
        full_qap: false,
    }
}

/// The same without data.
fn empty() -> Sector {
    Sector { verified_weight: 0, ..verified() }
}

fn one(actors: u8, sector: Sector) -> State {
    State { actors, period_start: PERIOD, sectors: vec![sector], ..State::default() }
}

fn qap(base: i64, expiration: i64, verified: i128) -> Bytes {
    quality_adjusted_power(Bytes(SIZE), expiration - base, 0, verified).unwrap()
}

fn of_size(parts: i64, whole: i64) -> i128 {
    SIZE * i128::from(parts) / i128::from(whole)
}

/// Method 8 for actors before v9, method 32 since.
fn extension(actors: u8, expiration: i64) -> Sent {
    if actors >= 9 { extension_of_claims(&[], &[], expiration) } else { plain_extension(expiration) }
}

fn plain_extension(expiration: i64) -> Sent {
    (8, list(&[list(&[list(&[uint(0), uint(0), set(&[NUMBER]), int(expiration)])])]), vec![])
}

fn declared(kept: &[u64], dropped: &[u64], expiration: i64) -> Vec<u8> {
    let ids = |ids: &[u64]| list(&ids.iter().map(|id| uint(*id)).collect::<Vec<_>>());
    let claims = list(&[list(&[uint(NUMBER), ids(kept), ids(dropped)])]);
    list(&[uint(0), uint(0), set(&[]), claims, int(expiration)])
}

fn extension_of_claims(kept: &[u64], dropped: &[u64], expiration: i64) -> Sent {
    (32, list(&[list(&[declared(kept, dropped, expiration)])]), vec![])
}

/// Pieces by their bytes and whether they claim an allocation.
fn pieces(pieces: &[(i128, bool)]) -> Vec<u8> {
    let piece = |(size, verified): &(i128, bool)| {
        let key = if *verified { list(&[uint(100), uint(7)]) } else { NULL.to_vec() };
        list(&[link(&sealed_cid(0)), uint(*size as u64), key, list(&[])])
    };
    list(&pieces.iter().map(piece).collect::<Vec<_>>())
}

/// Method 35.
fn snap(sealed: u8, of: &[(i128, bool)]) -> Sent {
    let update = list(&[uint(NUMBER), uint(0), uint(0), link(&sealed_cid(sealed)), pieces(of)]);
    (35, list(&[list(&[update]), list(&[])]), vec![])
}

/// Method 27.
fn snap_with_deals(sealed: u8, deals: &[u64]) -> Sent {
    let deals = list(&deals.iter().map(|deal| uint(*deal)).collect::<Vec<_>>());
    let head = [uint(NUMBER), uint(0), uint(0), link(&sealed_cid(sealed)), deals];
    let update = list(&[&head[..], &[uint(8), bytes(&[])]].concat());
    (27, list(&[list(&[update])]), set(&[NUMBER]))
}

/// `[[[deadline, partition, sectors]]]`: what methods 9 and 10 are sent.
fn places(sectors: &[u64]) -> Vec<u8> {
    list(&[list(&[list(&[uint(0), uint(0), set(sectors)])])])
}

/// Each event's name with the QAP after it.
fn told(events: &[Event]) -> Vec<(String, i128)> {
    let name =
        |event: &Event| event.cause.map_or(event.kind.to_string(), |cause| format!("{} {cause}", event.kind));
    events.iter().map(|event| (name(event), event.qap_after.unwrap_or_default().0)).collect()
}

fn seen(before: &State, after: &State, sent: &[Sent]) -> Vec<(String, i128)> {
    let events = events(&mut Differ::new(), before, after, NOW, sent);
    for pair in events.windows(2) {
        assert_eq!((pair[0].qap_after, pair[0].backing_after), (pair[1].qap_before, pair[1].backing_before));
    }
    told(&events)
}

fn named<const N: usize>(events: [(&str, i128); N]) -> Vec<(String, i128)> {
    events.map(|(name, qap)| (name.to_owned(), qap)).to_vec()
}

/// A sector that is spread when it is extended: what is spent of its weights goes.
fn spent(sector: Sector, expiration: i64, rebased: bool) -> Sector {
    let (left, whole) = (sector.expiration - NOW, sector.expiration - sector.power_base);
    let verified_weight = sector.verified_weight * i128::from(left) / i128::from(whole);
    let power_base = if rebased { NOW } else { sector.power_base };
    Sector { expiration, verified_weight, power_base, ..sector }
}

/// A sector whose space counts for its whole duration.
fn kept(sector: Sector, expiration: i64, rebased: bool) -> Sector {
    let power_base = if rebased { NOW } else { sector.power_base };
    let space = sector.verified_weight / i128::from(sector.expiration - sector.power_base);
    let verified_weight = space * i128::from(expiration - power_base);
    Sector { expiration, verified_weight, power_base, ..sector }
}

const FIRST: i64 = LATER + 100 * DAY;
const SECOND: i64 = LATER + 170 * DAY;

#[test]
fn up_to_actors_v5_an_extension_keeps_the_weights_for_longer() {
    for actors in 1..=5 {
        let after = one(actors, Sector { expiration: SECOND, ..verified() });
        let sent = [extension(actors, FIRST), extension(actors, SECOND)];
        let expected = named([("extend", 105_859_743_744), ("extend", 100_506_796_032)]);
        assert_eq!(seen(&one(actors, verified()), &after, &sent), expected, "v{actors}");
    }
}

#[test]
fn from_actors_v6_an_extension_removes_what_is_spent_of_weights_unless_the_sector_is_simple() {
    for actors in (6..=11).chain([12, 14, 18]) {
        let non_simple = vec![NUMBER];
        let state = |sector| State { non_simple: non_simple.clone(), ..one(actors, sector) };
        let rebased = actors >= 12;
        let last = spent(spent(verified(), FIRST, rebased), SECOND, rebased);
        let sent = [extension(actors, FIRST), extension(actors, SECOND)];
        let found = seen(&state(verified()), &state(last), &sent);
        if !rebased {
            let expected = named([("extend", 71_745_208_320), ("extend", 54_351_888_384)]);
            assert_eq!(found, expected, "v{actors}");
            continue;
        }
        let first = spent(verified(), FIRST, true);
        let expected = named([
            ("extend", qap(NOW, FIRST, first.verified_weight).0),
            ("extend", qap(NOW, SECOND, last.verified_weight).0),
        ]);
        assert_eq!(found, expected, "v{actors}");
    }
}

#[test]
fn from_actors_v9_an_extension_of_a_simple_sector_keeps_its_quality() {
    for actors in [9, 10, 11, 12, 13, 18, 19] {
        let rebased = actors >= 12;
        let (first, second) = (kept(verified(), FIRST, rebased), SECOND + 30 * DAY);
        let (third, fourth) =
            (kept(first, SECOND, rebased), kept(kept(first, SECOND, rebased), second, rebased));
        let sent = [extension(actors, FIRST), extension(actors, SECOND), extension(actors, second)];
        let quality = |sector: Sector| qap(sector.power_base, sector.expiration, sector.verified_weight).0;
        let expected =
            named([("extend", quality(first)), ("extend", quality(third)), ("extend", quality(fourth))]);
        assert_eq!(seen(&one(actors, verified()), &one(actors, fourth), &sent), expected, "v{actors}");
        // But for rounding, as it was.
        let before = quality(verified());
        assert!((quality(fourth) - before).abs() * 1_000_000 < before, "v{actors}");
    }
}

#[test]
fn up_to_actors_v11_a_declaration_of_another_kind_follows_the_same_rule() {
    // Method 8 goes on to exist beside 32; it spreads weights, of which a simple sector must have none for it.
    let non_simple = vec![NUMBER];
    let state = |sector| State { non_simple: non_simple.clone(), ..one(11, sector) };
    let last = spent(spent(verified(), FIRST, false), SECOND, false);
    let sent = [plain_extension(FIRST), plain_extension(SECOND)];
    let expected = named([("extend", 71_745_208_320), ("extend", 54_351_888_384)]);
    assert_eq!(seen(&state(verified()), &state(last), &sent), expected);
}

#[test]
fn in_actors_v7_and_v8_an_extension_spends_nothing_of_what_was_snapped_in_the_same_tipset() {
    for actors in [7, 8] {
        let after = Sector { sealed: 2, power_base: NOW, expiration: FIRST, ..verified() };
        let expected = named([("snap", 188_979_216_384), ("extend", 158_055_202_816)]);
        // Whether the market knows the deals or not.
        for deals in [vec![], vec![deal(5, SIZE, true, 200 * DAY)]] {
            let before = State { deals: deals.clone(), ..one(actors, empty()) };
            let after = State { deals, ..one(actors, after) };
            let sent = [snap_with_deals(2, &[5]), plain_extension(FIRST)];
            assert_eq!(seen(&before, &after, &sent), expected, "v{actors}");
        }
    }
}

fn deal(id: u64, size: i128, verified: bool, duration: i64) -> Deal {
    Deal { id, size: size as u64, verified, start: NOW + DAY, end: NOW + DAY + duration }
}

#[test]
fn a_snap_between_two_extensions_weighs_what_it_brought() {
    let half = SIZE / 2;
    for actors in [13, 15, 18] {
        let middle = half * i128::from(FIRST - NOW);
        let after = Sector {
            sealed: 2,
            power_base: NOW,
            expiration: SECOND,
            verified_weight: half * i128::from(SECOND - NOW),
            ..empty()
        };
        let sent =
            [extension(actors, FIRST), snap(2, &[(half, true)]), extension_of_claims(&[7], &[], SECOND)];
        let expected = named([
            ("extend", SIZE),
            ("snap", qap(NOW, FIRST, middle).0),
            ("extend", qap(NOW, SECOND, after.verified_weight).0),
        ]);
        assert_eq!(seen(&one(actors, empty()), &one(actors, after), &sent), expected, "v{actors}");
    }
}

#[test]
fn up_to_actors_v8_a_snaps_deals_weigh_for_their_own_duration_and_from_v9_for_the_sectors() {
    // Snapped twice, which takes a sector without deals in between; here the first snap's are unverified.
    let deals = vec![deal(5, SIZE, false, 200 * DAY), deal(6, SIZE / 2, true, 200 * DAY)];
    for (actors, weight) in [
        (7, SIZE / 2 * i128::from(200 * DAY)),
        (8, SIZE / 2 * i128::from(200 * DAY)),
        (9, SIZE / 2 * i128::from(LATER - NOW)),
        (12, SIZE / 2 * i128::from(LATER - NOW)),
    ] {
        let after = Sector { sealed: 3, power_base: NOW, verified_weight: 0, ..empty() };
        let state = |sector| State { deals: deals.clone(), ..one(actors, sector) };
        let sent = [snap_with_deals(2, &[6]), snap_with_deals(3, &[5])];
        let expected = named([("snap", qap(NOW, LATER, weight).0), ("snap", SIZE)]);
        assert_eq!(seen(&state(empty()), &state(after), &sent), expected, "v{actors}");
    }
}

#[test]
fn snapped_with_claims_then_dropped_and_snapped_again_are_three_events_each_with_its_message() {
    let (half, quarter) = (SIZE / 2, SIZE / 4);
    for actors in [13, 16, 18] {
        let after = Sector {
            sealed: 3,
            power_base: NOW,
            expiration: FIRST,
            verified_weight: quarter * i128::from(FIRST - NOW),
            ..empty()
        };
        let claims = vec![(21, half as u64), (22, quarter as u64)];
        let sent = [
            snap(2, &[(half, true), (quarter, true), (1 << 20, false)]),
            extension_of_claims(&[], &[21, 22], FIRST),
            snap(3, &[(quarter, true)]),
        ];
        let with_claims = State { claims: claims.clone(), ..one(actors, after) };
        let found = events(&mut Differ::new(), &one(actors, empty()), &with_claims, NOW, &sent);
        let weight = (half + quarter) * i128::from(LATER - NOW);
        let expected = named([
            ("snap", qap(NOW, LATER, weight).0),
            ("extend", SIZE),
            ("snap", qap(NOW, FIRST, after.verified_weight).0),
        ]);
        assert_eq!(told(&found), expected, "v{actors}");
        let methods: Vec<_> = found.iter().map(|event| event.message.as_ref().unwrap().method).collect();
        assert_eq!(methods, [35, 32, 35]);
        let content: Vec<_> = found.iter().map(|event| event.backing_after.unwrap().content).collect();
        assert_eq!(content[0], Content::Verified);
        assert_ne!(content[1], Content::Verified);
    }
}

#[test]
fn an_extension_keeps_the_claims_that_it_does_not_drop() {
    let (half, quarter) = (SIZE / 2, SIZE / 4);
    for actors in [9, 11, 12, 18] {
        let base = if actors >= 12 { NOW } else { empty().activation };
        let holding = |space: i128, base: i64, expiration: i64| Sector {
            power_base: base,
            expiration,
            verified_weight: space * i128::from(expiration - base),
            ..empty()
        };
        let state =
            |sector| State { claims: vec![(21, half as u64), (22, quarter as u64)], ..one(actors, sector) };
        let before = holding(half + quarter, empty().activation, LATER);
        let (dropped, after) = (holding(half, base, FIRST), holding(half, base, SECOND));
        let sent = [extension_of_claims(&[21], &[22], FIRST), extension_of_claims(&[21], &[], SECOND)];
        let quality = |of: Sector| qap(of.power_base, of.expiration, of.verified_weight).0;
        let expected = named([("extend", quality(dropped)), ("extend", quality(after))]);
        assert_eq!(seen(&state(before), &state(after), &sent), expected, "v{actors}");
    }
}

#[test]
fn from_actors_v19_an_extension_drops_no_claims_and_no_sector_is_spread() {
    let claims = vec![(21, (SIZE / 2) as u64)];
    let before = Sector { verified_weight: SIZE / 2 * i128::from(765 * DAY), ..empty() };
    let (first, last) = (kept(before, FIRST, true), kept(kept(before, FIRST, true), SECOND, true));
    let state = |sector| State { claims: claims.clone(), non_simple: vec![NUMBER], ..one(19, sector) };
    let sent = [extension_of_claims(&[], &[21], FIRST), extension_of_claims(&[], &[], SECOND)];
    let quality = |of: Sector| qap(of.power_base, of.expiration, of.verified_weight).0;
    let expected = named([("extend", quality(first)), ("extend", quality(last))]);
    assert_eq!(seen(&state(before), &state(last), &sent), expected);
}

#[test]
fn from_actors_v19_a_snapped_sector_has_full_quality_however_little_it_holds() {
    let after = |sealed, expiration| Sector {
        sealed,
        power_base: NOW,
        full_qap: true,
        expiration,
        verified_weight: i128::from(expiration - NOW) << 20,
        ..empty()
    };
    let sent = [snap(2, &[(1 << 20, false)]), extension(19, FIRST), snap(3, &[])];
    let expected = named([("snap", 10 * SIZE), ("extend", 10 * SIZE)]);
    assert_eq!(seen(&one(19, empty()), &one(19, after(2, FIRST)), &sent[..2]), expected);
    let expected = named([("snap", 10 * SIZE), ("extend", 10 * SIZE), ("snap", 10 * SIZE)]);
    assert_eq!(seen(&one(19, empty()), &one(19, after(3, FIRST)), &sent), expected);
}

#[test]
fn a_sector_upgraded_and_extended_by_other_messages_is_spread_no_more() {
    let upgrade = list(&[uint(0), uint(0), set(&[NUMBER]), NULL.to_vec()]);
    let upgrade = (37, list(&[list(&[upgrade])]), vec![]);
    let after = Sector { full_qap: true, ..kept(verified(), FIRST, true) };
    let quality = qap(verified().power_base, LATER, verified().verified_weight).0;
    let (early, late) = (extension(19, FIRST), extension(19, SECOND));
    let found = seen(&one(19, verified()), &one(19, after), &[upgrade.clone(), early.clone()]);
    assert_eq!(found, named([("upgrade", 10 * SIZE), ("extend", 10 * SIZE)]));
    let last = Sector { full_qap: true, ..kept(kept(verified(), FIRST, true), SECOND, true) };
    let found = seen(&one(19, verified()), &one(19, last), &[early, upgrade, late]);
    let first = kept(verified(), FIRST, true);
    let extended = qap(NOW, FIRST, first.verified_weight).0;
    assert_eq!(found, named([("extend", extended), ("upgrade", 10 * SIZE), ("extend", 10 * SIZE)]));
    assert!((extended - quality).abs() < quality / 1_000_000);
}

#[test]
fn several_declarations_of_a_sector_in_one_message_are_one_extension() {
    for actors in [12, 18] {
        let twice = list(&[list(&[declared(&[], &[], FIRST), declared(&[], &[], SECOND)])]);
        let after = Sector { expiration: SECOND, power_base: NOW, ..empty() };
        let found = events(
            &mut Differ::new(),
            &one(actors, empty()),
            &one(actors, after),
            NOW,
            &[(32, twice, vec![])],
        );
        assert_eq!(told(&found), named([("extend", SIZE)]), "v{actors}");
        assert_eq!(found[0].message.as_ref().unwrap().sectors, 1);
    }
}

#[test]
fn an_extension_that_changes_neither_date_nor_power_is_no_event_and_does_not_count() {
    for actors in [12, 18] {
        let state = |sectors: [Sector; 2]| State { sectors: sectors.to_vec(), ..one(actors, empty()) };
        let other = Sector { number: 9, ..empty() };
        let rebased = Sector { power_base: NOW, ..empty() };
        let raised = Sector { expiration: FIRST, power_base: NOW, ..other };
        let claims = || list(&[]);
        let of = |number, to| list(&[uint(0), uint(0), set(&[number]), claims(), int(to)]);
        let both = (32, list(&[list(&[of(NUMBER, LATER), of(9, FIRST)])]), vec![]);
        let found =
            events(&mut Differ::new(), &state([empty(), other]), &state([rebased, raised]), NOW, &[both]);
        let [event] = &found[..] else { panic!("{found:?}") };
        assert_eq!((event.sector.0, event.kind), (9, Kind::Extend));
        assert_eq!(event.message.as_ref().unwrap().sectors, 1);
    }
}

/// A tipset in which anybody disputes deadline 0's proof number `post`.
fn dispute(post: u64) -> Sent {
    (24, list(&[uint(0), uint(post)]), vec![])
}

fn three(actors: u8) -> State {
    let sectors = [1, 2, 3].map(|number| Sector { number, ..empty() });
    let partition_snapshot = vec![1, 2, 3];
    let proofs_snapshot = vec![vec![4], vec![0]];
    State {
        sectors: sectors.to_vec(),
        open_deadline: 20,
        partition_snapshot,
        proofs_snapshot,
        ..one(actors, empty())
    }
}

fn disputed(before: &State, after: &State, sent: &[Sent]) -> Vec<(u64, String)> {
    let events = events(&mut Differ::new(), before, after, PERIOD + 20 * 60 + 5, sent);
    let name = |event: &Event| event.cause.map_or(String::new(), |cause| cause.to_string());
    events.iter().map(|event| (event.sector.0, format!("{} {}", event.kind, name(event)))).collect()
}

fn numbered<const N: usize>(events: [(u64, &str); N]) -> Vec<(u64, String)> {
    events.map(|(number, name)| (number, name.to_owned())).to_vec()
}

#[test]
fn a_dispute_is_of_the_partitions_that_the_proof_proved() {
    let declare = (10, places(&[2]), vec![]);
    for actors in [3, 6, 7, 12, 16, 19] {
        let before = three(actors);
        let after = |faults| State { faults, ..before.clone() };
        let all = numbered([(1, "fault disputed"), (2, "fault disputed"), (3, "fault disputed")]);
        assert_eq!(disputed(&before, &after(vec![1, 2, 3]), &[dispute(1)]), all, "v{actors}");
        // What another call had declared before.
        let both = [declare.clone(), dispute(1)];
        let expected = numbered([(2, "fault declared"), (1, "fault disputed"), (3, "fault disputed")]);
        assert_eq!(disputed(&before, &after(vec![1, 2, 3]), &both), expected, "v{actors}");
        // A proof of another partition, though of this one all sectors fell.
        let expected = numbered([(1, "fault declared"), (2, "fault declared"), (3, "fault declared")]);
        let all = (10, places(&[1, 2, 3]), vec![]);
        assert_eq!(disputed(&before, &after(vec![1, 2, 3]), &[dispute(0), all]), expected, "v{actors}");
    }
}

#[test]
fn a_dispute_takes_the_snapshots_active_sectors_that_are_live_and_sound_yet() {
    for actors in [3, 9, 18] {
        // Sector 1 came to the partition since, and 2 was faulty already.
        let before = State { partition_snapshot: vec![2, 3], faults: vec![2], ..three(actors) };
        let after = State { faults: vec![2, 3], ..before.clone() };
        let found = disputed(&before, &after, &[dispute(1)]);
        assert_eq!(found, numbered([(3, "fault disputed")]), "v{actors}");
    }
}

#[test]
fn disputed_and_terminated_in_one_tipset_are_both_events() {
    for actors in [3, 9, 18] {
        let before = three(actors);
        let sectors = before.sectors[..2].to_vec();
        let after = State { sectors, faults: vec![1, 2], terminated: vec![3], ..before.clone() };
        let sent = [dispute(1), (9, places(&[3]), vec![])];
        let expected = numbered([
            (1, "fault disputed"),
            (2, "fault disputed"),
            (3, "fault disputed"),
            (3, "terminate active"),
        ]);
        assert_eq!(disputed(&before, &after, &sent), expected, "v{actors}");
        // The other way round, it is dead when the dispute comes.
        let sent = [(9, places(&[3]), vec![]), dispute(1)];
        let expected = numbered([(3, "terminate active"), (1, "fault disputed"), (2, "fault disputed")]);
        assert_eq!(disputed(&before, &after, &sent), expected, "v{actors}");
    }
}

#[test]
fn a_proof_whose_deadline_closed_in_a_null_round_can_be_disputed_at_once() {
    for actors in [3, 9, 18] {
        let before = State {
            open_deadline: 0,
            posted: true,
            proofs: vec![vec![0]],
            proofs_snapshot: vec![],
            partition_snapshot: vec![],
            ..three(actors)
        };
        let after = State { open_deadline: 1, posted: false, faults: vec![1, 2, 3], ..before.clone() };
        let heights = (CLOSING - 1, CLOSING + 3);
        let found = events_since(&mut Differ::new(), &before, &after, heights, &[dispute(0)]);
        let causes: Vec<_> = found.iter().filter_map(|event| event.cause).collect();
        assert_eq!(causes, [ledger::Cause::Disputed; 3], "v{actors}");
    }
}

/// A miner with another sector, in a tipset that leaves no trace of those that come and go.
fn still(actors: u8) -> State {
    one(actors, Sector { number: 1, ..empty() })
}

fn vanished(before: &State, sent: &[Sent]) -> Vec<Event> {
    let queue = vec![(LATER as u64, vec![1], vec![])];
    let after = State { precommits: vec![], deals: vec![], queue, ..before.clone() };
    let found = events(&mut Differ::new(), before, &after, NOW, sent);
    for event in &found {
        assert_eq!((event.sector.0, event.activation), (NUMBER, Some(Epoch(NOW))));
    }
    found
}

#[test]
fn onboarded_without_a_pre_commit_terminated_and_compacted_away_are_all_events() {
    for (actors, quality) in [(14, 1), (18, 1), (19, 10)] {
        let sector =
            list(&[uint(NUMBER), uint(1000), link(&sealed_cid(1)), uint(NUMBER), int(NOW - 9), int(LATER)]);
        let params = [list(&[sector]), bytes(&[]), uint(18), uint(1), uint(3), vec![0xf4]];
        let sent = [(36, list(&params), vec![]), (9, places(&[NUMBER]), vec![])];
        let found = vanished(&still(actors), &sent);
        let names: Vec<_> =
            found.iter().map(|event| (event.kind, event.status_before, event.status_after)).collect();
        let (onboard, terminate) = (Kind::Onboard, Kind::Terminate);
        let (none, unproven) = (Status::None, Status::Unproven);
        assert_eq!(names, [(onboard, none, unproven), (terminate, unproven, none)], "v{actors}");
        for event in &found {
            assert_eq!((event.qap(), event.sector_size), (Bytes(quality * SIZE), Bytes(SIZE)), "v{actors}");
        }
        assert_eq!(found[0].expiration_after, Some(Epoch(LATER)));
        // Without the termination nothing shows that it came.
        assert_eq!(vanished(&still(actors), &sent[..1]), []);
    }
}

#[test]
fn onboarded_from_a_pre_commit_terminated_and_compacted_away_are_all_events() {
    let duration = i128::from(LATER - NOW);
    let weight = of_size(1, 2) * duration;
    let half_verified = qap(NOW, LATER, weight);
    let precommit = |deals: Vec<u64>, verified_weight| Precommit {
        number: NUMBER,
        epoch: NOW - 200,
        expiration: LATER,
        deals,
        verified_weight,
        ..Precommit::default()
    };
    let aggregate = (26, list(&[set(&[NUMBER]), bytes(&[])]), vec![]);
    let activation = list(&[uint(NUMBER), pieces(&[(SIZE / 2, true)])]);
    let with_pieces = (34, list(&[list(&[activation]), list(&[]), bytes(&[])]), vec![]);
    let deals = vec![deal(5, SIZE / 2, true, 200 * DAY)];
    for (actors, precommit, onboard, expected) in [
        (5, precommit(vec![], weight), &aggregate, half_verified),
        (8, precommit(vec![], weight), &aggregate, half_verified),
        (9, precommit(vec![5], 0), &aggregate, half_verified),
        (13, precommit(vec![], 0), &with_pieces, half_verified),
        (18, precommit(vec![], 0), &with_pieces, half_verified),
        (19, precommit(vec![], 0), &with_pieces, Bytes(10 * SIZE)),
    ] {
        let before = State { precommits: vec![precommit], deals: deals.clone(), ..still(actors) };
        let sent = [onboard.clone(), (9, places(&[NUMBER]), vec![])];
        let found = vanished(&before, &sent);
        let names: Vec<_> = found.iter().map(|event| event.kind).collect();
        assert_eq!(names, [Kind::Onboard, Kind::Terminate], "v{actors}");
        assert!(found.iter().all(|event| event.qap() == expected), "v{actors}: {found:?}");
    }
}
