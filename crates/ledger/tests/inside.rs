//! What multisigs asked of a miner, and who sent what: on states written by hand, of all actors versions, and on chains
//! with known truth; with receipts and without.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/state.rs"]
mod state;
#[path = "common/withheld.rs"]
mod withheld;

use std::collections::{BTreeMap, BTreeSet};

use chain::{Address, CarStore, Chain, ExecutedMessage, MinerId, NoProgress, Receipt};
use common::days::{Held, chain_history};
use common::truth::{holds, truth};
use common::{lines, shared};
use ledger::columns::column;
use ledger::{Cause, Differ, Event, EventReader, Kind, Row, Value};
use state::{MINER, Multisig, Sector, State, bytes, derived, int, list, message, set, uint};

const DAY: i64 = 2880;
const PERIOD: i64 = 700 * DAY;
const NOW: i64 = PERIOD + 999;
const PROPOSE: u64 = 2;
const APPROVE: u64 = 3;
const CANCEL: u64 = 4;
const ADD_SIGNER: u64 = 5;
const REMOVE_SIGNER: u64 = 6;
const SWAP_SIGNER: u64 = 7;
const CHANGE_THRESHOLD: u64 = 8;
const DECLARE_FAULTS: u64 = 10;
/// Accounts that sign.
const ANNE: u64 = 100;
const BERT: u64 = 101;
const CLEO: u64 = 102;
const STRANGER: u64 = 109;
/// Multisigs: `OUTER` is a signer of `INNER`.
const OUTER: u64 = 200;
const INNER: u64 = 201;
/// The sector that is declared faulty.
const SECTOR: u64 = 2;
const INSUFFICIENT_FUNDS: i64 = 19;

/// A miner with two sectors, and two multisigs of which one signs for the other.
fn before(actors: u8, threshold: u64) -> State {
    let activation = PERIOD - 365 * DAY;
    let sector = |number| Sector::empty(number, activation, PERIOD + 400 * DAY);
    let multisig = |number, signers: &[u64]| Multisig {
        number,
        signers: signers.to_vec(),
        threshold,
        ..Multisig::default()
    };
    State {
        actors,
        period_start: PERIOD,
        sectors: vec![sector(1), sector(SECTOR)],
        multisigs: vec![multisig(OUTER, &[ANNE, BERT, CLEO]), multisig(INNER, &[OUTER, BERT])],
        ..State::default()
    }
}

/// The same with the sector faulty, which leaves no doubt that somebody declared it.
fn faulty(state: &State) -> State {
    State { faults: vec![SECTOR], ..state.clone() }
}

/// The same when a multisig has given out `next` ids and has these transactions waiting.
fn with(state: &State, number: u64, next: i64, pending: &[Waiting]) -> State {
    let mut state = state.clone();
    for multisig in state.multisigs.iter_mut().filter(|multisig| multisig.number == number) {
        (multisig.next, multisig.pending) = (next, pending.to_vec());
    }
    state
}

type Waiting = (i64, Vec<Vec<u8>>, Vec<u64>);
type Call = (u64, u64, Vec<u8>);

/// Declares the sector faulty.
fn declare() -> Call {
    declares(SECTOR)
}

fn declares(sector: u64) -> Call {
    let place = list(&[uint(0), uint(0), set(&[sector])]);
    (MINER.0, DECLARE_FAULTS, list(&[list(&[place])]))
}

/// `[to, value, method, params]`.
fn transaction((to, method, params): &Call) -> Vec<Vec<u8>> {
    vec![bytes(Address::id(*to).as_bytes()), bytes(&[]), uint(*method), bytes(params)]
}

fn propose(to: u64, call: &Call) -> Call {
    (to, PROPOSE, list(&transaction(call)))
}

fn approve(to: u64, id: i64) -> Call {
    (to, APPROVE, list(&[int(id), bytes(&[])]))
}

/// What a proposal answers, or without an id an approval.
fn answer(id: Option<i64>, outcome: Option<(i64, Vec<u8>)>) -> Vec<u8> {
    let applied = vec![if outcome.is_some() { 0xf5 } else { 0xf4 }];
    let (code, returned) = outcome.unwrap_or_default();
    let rest = [applied, int(code), bytes(&returned)];
    list(&[id.map(int).into_iter().collect::<Vec<_>>(), rest.to_vec()].concat())
}

/// What declaring faults answers.
const NOTHING: Option<(i64, Vec<u8>)> = Some((0, vec![]));

/// A message: who sends it, its call, and what it answers.
type Sent = (u64, Call, Vec<u8>);

/// The events derived for a tipset with receipts.
fn read(before: &State, after: &State, sent: &[Sent]) -> Vec<Event> {
    events(before, after, sent, |returned| Some(Receipt { exit_code: 0, returned }))
}

/// The same with the receipts withheld.
fn inferred(before: &State, after: &State, sent: &[Sent]) -> Vec<Event> {
    events(before, after, sent, |_| None)
}

fn events(
    before: &State,
    after: &State,
    sent: &[Sent],
    receipt: impl Fn(Vec<u8>) -> Option<Receipt>,
) -> Vec<Event> {
    let executed = |(nonce, (from, (to, method, params), returned)): (u64, &Sent)| ExecutedMessage {
        message: message((*from, nonce), *to, *method, params),
        receipt: receipt(returned.clone()),
    };
    derived(&mut Differ::new(), before, after, NOW, (0..).zip(sent).map(executed).collect())
}

/// By which of the messages, counted from zero, the sector was declared faulty.
fn by(derived: &[Event], sent: &[Sent]) -> Option<usize> {
    let [event] = derived else { panic!("one event") };
    assert_eq!((event.kind, event.cause), (Kind::Fault, Some(Cause::Declared)));
    let cause = event.message.as_ref()?;
    assert_eq!((cause.method, cause.sectors), (DECLARE_FAULTS, 1), "the miner's method");
    let cid = |(nonce, (from, (to, method, params), _)): (u64, &Sent)| {
        message((*from, nonce), *to, *method, params).cid
    };
    (0..).zip(sent).map(cid).position(|top| top == cause.cid)
}

/// Asserts which message the declaration is attributed to, with receipts and without.
fn declared_by(expected: Option<usize>, before: &State, after: &State, sent: &[Sent], at: &str) {
    let after = &faulty(after);
    assert_eq!(by(&read(before, after, sent), sent), expected, "{at}, with receipts");
    assert_eq!(by(&inferred(before, after, sent), sent), expected, "{at}, without receipts");
}

#[test]
fn a_call_from_inside_a_multisig_is_told_with_the_message_at_the_top_and_the_miners_method() {
    for actors in 1..=18 {
        let state = before(actors, 1);
        let after = with(&state, OUTER, 1, &[]);
        let sent = [
            (STRANGER, (STRANGER, 0, vec![]), vec![]),
            (ANNE, propose(OUTER, &declare()), answer(Some(0), NOTHING)),
        ];
        declared_by(Some(1), &state, &after, &sent, &format!("v{actors}"));
    }
}

#[test]
fn an_approval_runs_the_pending_transaction_that_the_state_before_holds() {
    for actors in 1..=18 {
        let waiting = (61, transaction(&declare()), vec![ANNE]);
        let state = with(&before(actors, 2), OUTER, 62, &[waiting]);
        let after = with(&state, OUTER, 62, &[]);
        let sent = [(CLEO, approve(OUTER, 61), answer(None, NOTHING))];
        declared_by(Some(0), &state, &after, &sent, &format!("v{actors}"));
    }
}

#[test]
fn calls_of_multisigs_by_multisigs_are_followed_as_deep_as_they_go() {
    for actors in [1, 2, 3, 8, 18] {
        // Anne's proposal to the outer is a proposal to the inner.
        let state = before(actors, 1);
        let after = with(&with(&state, OUTER, 1, &[]), INNER, 1, &[]);
        let inner = answer(Some(0), NOTHING);
        let sent = [(ANNE, propose(OUTER, &propose(INNER, &declare())), answer(Some(0), Some((0, inner))))];
        declared_by(Some(0), &state, &after, &sent, &format!("v{actors}"));
        // Bert's approval runs the outer's approval of what waits in the inner.
        let state = before(actors, 2);
        let state = with(&state, OUTER, 3, &[(2, transaction(&approve(INNER, 5)), vec![ANNE])]);
        let state = with(&state, INNER, 6, &[(5, transaction(&declare()), vec![BERT])]);
        let after = with(&with(&state, OUTER, 3, &[]), INNER, 6, &[]);
        let inner = answer(None, NOTHING);
        let sent = [(BERT, approve(OUTER, 2), answer(None, Some((0, inner))))];
        declared_by(Some(0), &state, &after, &sent, &format!("v{actors}, approved"));
    }
}

#[test]
fn a_transaction_may_be_proposed_and_approved_in_the_same_tipset() {
    let state = with(&before(18, 2), OUTER, 7, &[]);
    let after = with(&state, OUTER, 9, &[(7, transaction(&(STRANGER, 0, vec![])), vec![ANNE])]);
    let sent = [
        (ANNE, propose(OUTER, &(STRANGER, 0, vec![])), answer(Some(7), None)),
        (ANNE, propose(OUTER, &declare()), answer(Some(8), None)),
        (BERT, approve(OUTER, 8), answer(None, NOTHING)),
    ];
    declared_by(Some(2), &state, &after, &sent, "two of three");
}

#[test]
fn a_transaction_that_still_waits_for_approvals_asks_nothing_of_the_miner() {
    let state = before(18, 2);
    let waiting = (0, transaction(&declare()), vec![ANNE]);
    let after = with(&state, OUTER, 1, &[waiting]);
    let sent = [(ANNE, propose(OUTER, &declare()), answer(Some(0), None))];
    declared_by(None, &state, &after, &sent, "proposed");
    // Three of three.
    let mut state = with(&state, OUTER, 1, &[(0, transaction(&declare()), vec![ANNE])]);
    state.multisigs[0].threshold = 3;
    let after = with(&state, OUTER, 1, &[(0, transaction(&declare()), vec![ANNE, BERT])]);
    let sent = [(BERT, approve(OUTER, 0), answer(None, None))];
    declared_by(None, &state, &after, &sent, "approved by two");
}

#[test]
fn a_call_that_failed_inside_asks_nothing_of_the_miner_though_the_message_succeeded() {
    let state = before(18, 1);
    let after = faulty(&with(&state, OUTER, 1, &[]));
    let failed = Some((INSUFFICIENT_FUNDS, vec![]));
    let direct = [(ANNE, propose(OUTER, &declare()), answer(Some(0), failed.clone()))];
    assert_eq!(by(&read(&state, &after, &direct), &direct), None);
    let inner = answer(Some(0), failed);
    let nested = [(ANNE, propose(OUTER, &propose(INNER, &declare())), answer(Some(0), Some((0, inner))))];
    assert_eq!(by(&read(&state, &after, &nested), &nested), None);
}

#[test]
fn without_receipts_an_approval_counts_by_who_signs_it_and_what_it_names() {
    let waiting = (0, transaction(&declare()), vec![ANNE]);
    let state = with(&before(18, 2), OUTER, 1, &[waiting]);
    let after = faulty(&with(&state, OUTER, 1, &[]));
    let derived = |sent: &[Sent]| by(&inferred(&state, &after, sent), sent);
    let of = |from, id| (from, approve(OUTER, id), vec![]);
    let hashed = |hash: &[u8]| (BERT, (OUTER, APPROVE, list(&[int(0), bytes(hash)])), vec![]);
    assert_eq!(derived(&[of(STRANGER, 0), of(ANNE, 0), of(BERT, 1), of(BERT, 0)]), Some(3));
    assert_eq!(derived(&[hashed(&[7; 32]), of(CLEO, 0)]), Some(1), "not what waits");
    // Of the proposer and what was proposed.
    let proposal = [vec![bytes(Address::id(ANNE).as_bytes())], transaction(&declare())].concat();
    let hash = chain::dag_cbor_cid(&list(&proposal)).hash().digest().to_vec();
    assert_eq!(derived(&[hashed(&hash), of(CLEO, 0)]), Some(0));
    // It still waits after, so no approval ran it.
    let waits = faulty(&state);
    let sent = [of(BERT, 0)];
    assert_eq!(by(&inferred(&state, &waits, &sent), &sent), None);
}

#[test]
fn without_receipts_a_proposal_that_got_no_id_ran_nothing() {
    let state = before(18, 1);
    let sent = [(ANNE, propose(OUTER, &declare()), vec![])];
    assert_eq!(by(&inferred(&state, &faulty(&state), &sent), &sent), None);
}

#[test]
fn without_receipts_a_proposal_runs_though_one_before_it_failed() {
    // The first declares another sector, which stayed sound.
    let state = before(18, 1);
    let sent = [(ANNE, propose(OUTER, &declares(1)), vec![]), (BERT, propose(OUTER, &declare()), vec![])];
    let after = faulty(&with(&state, OUTER, 1, &[]));
    assert_eq!(by(&inferred(&state, &after, &sent), &sent), Some(1));
}

#[test]
fn the_state_of_a_multisig_is_not_asked_for_where_it_is_the_same_on_both_sides_or_tells_nothing() {
    let mut state = before(18, 1);
    state.multisigs[0].absent = true;
    // Without receipts: nothing succeeded.
    for call in [propose(OUTER, &declare()), approve(OUTER, 0)] {
        let sent = [(ANNE, call, vec![])];
        assert_eq!(by(&inferred(&state, &faulty(&state), &sent), &sent), None);
    }
    // With receipts: the call stands in the message, or was not made, or failed.
    let after = faulty(&with(&state, OUTER, 1, &[]));
    let sent = [
        (ANNE, approve(OUTER, 0), answer(None, None)),
        (ANNE, approve(OUTER, 0), answer(None, Some((INSUFFICIENT_FUNDS, vec![])))),
        (ANNE, propose(OUTER, &declare()), answer(Some(0), NOTHING)),
    ];
    assert_eq!(by(&read(&state, &after, &sent), &sent), Some(2));
}

#[test]
fn without_receipts_what_its_proposer_cancelled_is_not_run() {
    let waiting = (0, transaction(&declare()), vec![ANNE]);
    let state = with(&before(18, 2), OUTER, 1, &[waiting]);
    let after = faulty(&with(&state, OUTER, 1, &[]));
    let cancel = |from| (from, (OUTER, CANCEL, list(&[int(0), bytes(&[])])), vec![]);
    for (from, expected) in [(ANNE, None), (BERT, Some(1)), (STRANGER, Some(1))] {
        let sent = [cancel(from), (CLEO, approve(OUTER, 0), vec![])];
        assert_eq!(by(&inferred(&state, &after, &sent), &sent), expected, "by {from}");
    }
}

#[test]
fn without_receipts_signers_and_thresholds_count_as_earlier_messages_left_them() {
    let flag = |value| vec![if value { 0xf5 } else { 0xf4 }];
    let account = |id| bytes(Address::id(id).as_bytes());
    let own = |method, params: &[Vec<u8>]| transaction(&(OUTER, method, list(params)));
    let waiting = transaction(&declare());
    for (method, params, approver, expected) in [
        // Two of three: Anne's approval is there.
        (ADD_SIGNER, vec![account(STRANGER), flag(false)], STRANGER, Some(1)),
        (ADD_SIGNER, vec![account(STRANGER), flag(true)], STRANGER, None),
        (REMOVE_SIGNER, vec![account(CLEO), flag(false)], CLEO, None),
        (REMOVE_SIGNER, vec![account(CLEO), flag(false)], BERT, Some(1)),
        // Her approval is taken back.
        (REMOVE_SIGNER, vec![account(ANNE), flag(false)], BERT, None),
        (SWAP_SIGNER, vec![account(CLEO), account(STRANGER)], CLEO, None),
        (SWAP_SIGNER, vec![account(CLEO), account(STRANGER)], STRANGER, Some(1)),
        (CHANGE_THRESHOLD, vec![uint(1)], BERT, Some(1)),
        (CHANGE_THRESHOLD, vec![uint(3)], BERT, None),
    ] {
        let pending = [(0, waiting.clone(), vec![ANNE]), (1, own(method, &params), vec![CLEO])];
        let state = with(&before(18, 2), OUTER, 2, &pending);
        let after = faulty(&with(&state, OUTER, 2, &[]));
        let sent = [(BERT, approve(OUTER, 1), vec![]), (approver, approve(OUTER, 0), vec![])];
        let derived = inferred(&state, &after, &sent);
        assert_eq!(by(&derived, &sent), expected, "method {method}, then {approver}");
    }
}

#[test]
fn multisigs_that_approve_each_other_come_to_an_end() {
    let mut state = before(18, 1);
    state.multisigs[0].signers.push(INNER);
    let state = with(&state, OUTER, 1, &[(0, transaction(&approve(INNER, 0)), vec![CLEO])]);
    let state = with(&state, INNER, 1, &[(0, transaction(&approve(OUTER, 0)), vec![BERT])]);
    let after = faulty(&with(&with(&state, OUTER, 1, &[]), INNER, 1, &[]));
    let sent = [(ANNE, approve(OUTER, 0), vec![])];
    assert_eq!(by(&inferred(&state, &after, &sent), &sent), None);
    // Answers within answers, as many as a receipt of this size holds.
    let mut returned = vec![];
    for _ in 0..2000 {
        returned = answer(None, Some((0, returned)));
    }
    let sent = [(ANNE, approve(OUTER, 0), returned)];
    assert_eq!(by(&read(&state, &after, &sent), &sent), None);
}

#[test]
fn method_2_of_another_actor_is_no_proposal() {
    let state = before(18, 1);
    let sent = [(ANNE, propose(STRANGER, &declare()), answer(Some(0), NOTHING))];
    declared_by(None, &state, &state, &sent, "no multisig");
}

#[test]
fn a_multisig_that_was_created_in_the_same_tipset_is_followed_too() {
    let mut state = before(18, 1);
    let after = with(&state, OUTER, 1, &[]);
    state.multisigs.remove(0);
    let sent = [(ANNE, propose(OUTER, &declare()), answer(Some(0), NOTHING))];
    declared_by(Some(0), &state, &after, &sent, "created");
}

/// A chain's events, with receipts or with these withheld.
fn replayed(name: &str, withheld: bool) -> Option<Vec<Event>> {
    let path = shared(&format!("{name}.car.zst"))?;
    let cache = tempfile::tempdir().unwrap();
    let cars = CarStore::open(&[path], cache.path(), &NoProgress).unwrap();
    let chain = Chain::open(&cars, cars.roots()).unwrap();
    let hidden = withheld::Withheld::of(&chain);
    let without = Chain::open(&hidden, cars.roots()).unwrap();
    let chain = if withheld { &without } else { &chain };
    let (opening, reading) = EventReader::open(chain, 0).unwrap();
    let mut events = opening.all().unwrap();
    events.extend(reading.flat_map(|tipset| tipset.unwrap().events));
    Some(events)
}

#[test]
fn what_was_asked_of_miners_from_inside_is_told_as_it_happened() {
    holds("scenarios/sub");
}

#[test]
fn an_account_that_signs_with_key_and_number_is_one_sender() {
    holds("scenarios/senders");
}

#[test]
fn calls_from_inside_and_senders_are_inferred_without_receipts_as_they_are_read_with_them() {
    for name in ["scenarios/sub", "scenarios/senders"] {
        let (Some(read), Some(inferred)) = (replayed(name, false), replayed(name, true)) else { return };
        let certain = |event: &Event| Event { uncertain: false, ..event.clone() };
        assert_eq!(inferred.iter().map(certain).collect::<Vec<_>>(), read, "{name}");
    }
}

#[test]
fn all_that_was_asked_from_inside_names_the_message_at_the_top() {
    for name in ["sub", "dispute", "vanish", "claims"] {
        let Some(derived) = replayed(&format!("scenarios/{name}"), false) else { return };
        let messages = derived.iter().filter_map(|event| event.message.as_ref());
        let named: BTreeMap<_, _> =
            messages.map(|message| (message.cid.to_string(), message.method)).collect();
        let mut inside = 0;
        for line in lines(&format!("scenarios/{name}.events.jsonl")) {
            if line["internal"] == true && truth(&line).is_some() {
                inside += 1;
                let top = line["msg_cid"].as_str().unwrap();
                assert_eq!(named.get(top).copied(), line["method_num"].as_u64(), "{name}: {line}");
            }
        }
        assert!(inside > 0, "{name}");
    }
}

#[test]
fn every_identity_and_check_holds_of_what_was_asked_from_inside() {
    for name in ["scenarios/sub", "scenarios/senders"] {
        let Some(history) = chain_history(name) else { return };
        let held = Held::of(&history);
        assert!(held.failures.is_empty() && held.miner_days > 0, "{name}: {:#?}", held.failures);
    }
}

#[test]
fn averages_divide_by_the_messages_at_the_top() {
    let Some(history) = chain_history("scenarios/sub") else { return };
    // Of the truth: events in batches so far, and their messages.
    type Batches = BTreeMap<(MinerId, &'static str), (u64, BTreeSet<String>)>;
    let truths: Vec<_> = lines("scenarios/sub.events.jsonl").iter().filter_map(truth).collect();
    let (mut batches, mut rows): (Batches, BTreeMap<MinerId, Row>) = Default::default();
    let mut compared = 0;
    for day in &history.days {
        for event in truths.iter().filter(|event| day.epochs.contains(&event.height)) {
            if matches!(event.kind, "precommit" | "onboard") && event.cause != Some("single") {
                let (count, messages) = batches.entry((event.miner, event.kind)).or_default();
                *count += 1;
                messages.extend(event.message.clone());
            }
        }
        let miners: BTreeSet<_> = day.events.iter().map(|event| event.miner).collect();
        for miner in miners {
            let events = day.events.iter().filter(|event| event.miner == miner);
            let row = Row::of(rows.get(&miner), events).unwrap();
            for (kind, average) in [
                ("precommit", "avg_precommit_batch_sector_count"),
                ("onboard", "avg_provecommit_batch_sector_count"),
            ] {
                let (count, messages) = batches.get(&(miner, kind)).cloned().unwrap_or_default();
                let expected = if count == 0 { 0.0 } else { count as f64 / messages.len() as f64 };
                let found = row.value(column(average).unwrap());
                assert_eq!(found, Some(Value::Double(expected)), "{miner}: {average}");
                compared += usize::from(count > 0);
            }
            rows.insert(miner, row);
        }
    }
    assert!(compared > 6, "{compared} averages");
}
