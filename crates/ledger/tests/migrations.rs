//! What state migrations move and what they take away, on states written by hand.
#![allow(clippy::unwrap_used)]

#[path = "common/one_miner.rs"]
mod one_miner;
#[path = "common/state.rs"]
mod state;

use chain::Bytes;
use ledger::columns::column;
use ledger::identities::{IDENTITIES, MinerDay};
use ledger::{Cause, ChainPower, Differ, Kind, Power, Row, Status, Value};
use one_miner::{CLOSING, PERIOD, STALE, closed, derived, miner, naming, precommit, sector};
use state::{MINER, SIZE, Sector, State, events, open};

#[test]
fn the_migration_to_actors_v2_moves_frozen_miners_on_without_ending_their_deadlines() {
    for deadline in [3, 4, 20] {
        let before =
            State { period_start: STALE, open_deadline: 3, location: (deadline, 0), ..miner(1, &[8]) };
        let after = State { actors: 2, period_start: PERIOD, open_deadline: 5, ..before.clone() };
        let height = PERIOD + 5 * 60 + 7;
        assert_eq!(derived(&before, &after, height, &[]), [""; 0]);
        let faulty = State { faults: vec![8], ..after };
        let seen = derived(&before, &faulty, height, &[naming(10, deadline, &[8])]);
        assert_eq!(seen, ["fault declared 8 by 10"], "deadline {deadline}");
    }
}

#[test]
fn what_a_migration_takes_away_is_neither_terminated_nor_expired_and_the_balance_closes() {
    let before = State { faults: vec![3], ..miner(18, &[1, 2, 3]) };
    let emptied = State { actors: 19, sectors: vec![sector(1)], faults: vec![], ..before.clone() };
    let differ = &mut Differ::new();
    let opened = open(differ, &before, PERIOD);
    let dropped = events(differ, &before, &emptied, PERIOD + 5, &[]);
    let first = Row::of(None, &opened).unwrap();
    let row = Row::of(Some(&first), &dropped).unwrap();
    let value = |name| match row.value(column(name).unwrap()) {
        Some(Value::Integer(value)) => value,
        other => panic!("{name}: {other:?}"),
    };
    let seen = ["live_sector_count", "total_dropped_count", "total_terminate_count", "total_expire_count"]
        .map(value);
    assert_eq!(seen, [1, 2, 0, 0]);
    assert_eq!([value("live_sector_rbp"), value("total_dropped_rbp")], [SIZE, 2 * SIZE]);
    assert_eq!([value("live_sector_qap"), value("total_requalified_qap")], [SIZE, -2 * SIZE]);
    let power = |sectors| Power { rbp: Bytes(SIZE * sectors), qap: Bytes(SIZE * sectors) };
    let (claim, none) = (power(1), power(0));
    let power = ChainPower { miner: MINER, claim, live: claim, faulty: none, unproven: none };
    let day = MinerDay { previous: Some(&first), row: &row, power, opening: false };
    for identity in IDENTITIES {
        assert_eq!(identity.difference(|figure| day.value(figure)), Some(0), "{}", identity.name);
    }
    // What a migration only changes is not among them.
    let heavier = Sector { full_qap: true, ..sector(1) };
    let changed = State { actors: 19, sectors: vec![heavier], ..miner(18, &[1]) };
    let changed = events(&mut Differ::new(), &miner(18, &[1]), &changed, PERIOD + 5, &[]);
    let row = Row::of(None, &changed).unwrap();
    assert_eq!(row.value(column("total_dropped_count").unwrap()), Some(Value::Integer(0)));
}

#[test]
fn what_a_migration_takes_away_is_adjusted_and_not_terminated() {
    for actors in [1, 8, 15, 18] {
        let before = State { faults: vec![3], precommits: vec![precommit(9)], ..miner(actors, &[1, 2, 3]) };
        let next = State { actors: actors + 1, ..before.clone() };
        let emptied = State { sectors: vec![], faults: vec![], queue: vec![], ..next.clone() };
        let without = State { without_miner: true, ..next.clone() };
        let dropped = ["adjust migration 1", "adjust migration 2", "adjust migration 3"];
        // Its sectors alone; those and a deadline that ends by then; its sectors by a termination; the miner itself.
        let at = |after: &State, height| derived(&before, after, height, &[]);
        assert_eq!(at(&emptied, PERIOD + 5), dropped, "from v{actors}");
        assert_eq!(at(&closed(&emptied), CLOSING), dropped, "from v{actors}");
        let seen = events(&mut Differ::new(), &before, &emptied, PERIOD + 5, &[]);
        for event in &seen {
            assert_eq!((event.kind, event.cause), (Kind::Adjust, Some(Cause::Migration)));
            assert_eq!(
                (event.status_after, event.qap_after, event.expiration_after),
                (Status::None, None, None)
            );
        }
        let all = at(&without, PERIOD + 5);
        assert_eq!(all[..3], dropped, "from v{actors}");
        assert_eq!(all[3..], ["precommit_expired 9"], "from v{actors}");
        // What a message or the queue explains is what it is.
        let by_message = derived(&before, &emptied, PERIOD + 5, &[naming(9, 0, &[1, 2, 3])]);
        assert_eq!(by_message[0], "terminate active 1 by 9", "from v{actors}");
        let due = State { queue: vec![(CLOSING as u64, vec![1, 2, 3], vec![])], ..before.clone() };
        let by_queue = derived(&due, &closed(&emptied), CLOSING, &[]);
        assert!(by_queue[0].starts_with("expire"), "from v{actors}: {by_queue:?}");
    }
}
