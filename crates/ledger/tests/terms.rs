//! Several changes of one sector's terms in one tipset, where those between are in no state: on states of all actors
//! versions, written by hand.
#![allow(clippy::unwrap_used)]

#[path = "common/one_sector.rs"]
mod one_sector;
#[path = "common/state.rs"]
mod state;

use chain::ExecutedMessage;
use ledger::{Content, Differ, Event, Kind};
use one_sector::{DAY, LATER, NOW, NUMBER, deal, empty, one, pieces, qap, verified};
use state::{
    MINER, NULL, SIZE, Sector, Sent, State, bytes, events, int, link, list, message, sealed_cid, set, uint,
};

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

/// Each event's name with the QAP after it.
fn derived(events: &[Event]) -> Vec<(String, i128)> {
    let name =
        |event: &Event| event.cause.map_or(event.kind.to_string(), |cause| format!("{} {cause}", event.kind));
    events.iter().map(|event| (name(event), event.qap_after.unwrap_or_default().0)).collect()
}

fn seen(before: &State, after: &State, sent: &[Sent]) -> Vec<(String, i128)> {
    let events = events(&mut Differ::new(), before, after, NOW, sent);
    for pair in events.windows(2) {
        assert_eq!((pair[0].qap_after, pair[0].backing_after), (pair[1].qap_before, pair[1].backing_before));
    }
    derived(&events)
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
        assert_eq!(derived(&found), expected, "v{actors}");
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
fn without_receipts_an_upgrade_is_certain_where_the_flag_shows_it() {
    let upgrade = list(&[uint(0), uint(0), set(&[NUMBER]), NULL.to_vec()]);
    let upgrade = list(&[list(&[upgrade])]);
    let (method, extension, _) = extension(19, FIRST);
    let after = Sector { full_qap: true, ..kept(verified(), FIRST, true) };
    let sent = [(37, upgrade), (method, extension)];
    let inferred = (0..).zip(&sent).map(|(nonce, (method, params))| ExecutedMessage {
        message: message((100, nonce), MINER.0, *method, params),
        receipt: None,
    });
    let (before, after) = (one(19, verified()), one(19, after));
    let found = state::derived(&mut Differ::new(), &before, &after, NOW, inferred.collect());
    assert_eq!(derived(&found), named([("upgrade", 10 * SIZE), ("extend", 10 * SIZE)]));
    assert!(found.iter().all(|event| !event.uncertain));
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
        assert_eq!(derived(&found), named([("extend", SIZE)]), "v{actors}");
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

#[test]
fn what_a_change_that_is_no_event_leaves_of_the_fee_is_told_by_the_event_before_it() {
    let before = one(18, empty());
    let raised = Sector { expiration: FIRST, power_base: NOW, daily_fee: 77, ..empty() };
    let (extended, again) = (extension(18, FIRST), extension(18, FIRST));
    let after = State { sectors: vec![raised], ..before.clone() };
    let found = events(&mut Differ::new(), &before, &after, NOW, &[extended, again]);
    let [event] = &found[..] else { panic!("{found:?}") };
    let fee = |backing: Option<ledger::Backing>| backing.unwrap().daily_fee.unwrap().0;
    assert_eq!((fee(event.backing_before), fee(event.backing_after)), (0, 77));
}
