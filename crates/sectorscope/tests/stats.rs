//! The numbers: what command and server say of the sample, against its known truth and against each other.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::OnceLock;

use chain::Day;
use common::http::Object;
use common::ledger::Ledger;
use common::outside::shared;
use common::server::up;
use common::truth::{day, is_event, moved, number, text};
use common::{Ran, endpoints, lines, run_in};

fn stats(arguments: &[&str]) -> Ran {
    let mut all = vec!["stats"];
    all.extend(arguments);
    run_in(&up().data, &all)
}

#[test]
fn the_command_prints_the_very_array_that_the_server_sends() {
    for endpoint in endpoints() {
        for (date, miner) in [
            (None, None),
            (None, Some("f0122")),
            (Some("2026-06-12"), None),
            (Some("2026-09-20"), Some("f0110")),
            (Some("2026-07-13"), Some("t0113")),
        ] {
            let mut query = Vec::new();
            let mut arguments = vec![endpoint.as_str(), "--format", "json"];
            if let Some(date) = date {
                query.push(format!("state_date={date}"));
                arguments.extend(["--date", date]);
            }
            if let Some(miner) = miner {
                query.push(format!("miner_id={miner}"));
                arguments.extend(["--miner", miner]);
            }
            let served = up().ask(&format!("{endpoint}?{}", query.join("&"))).data();
            assert_eq!(stats(&arguments).printed(), format!("{served}\n"), "{arguments:?}");
            assert!(served.len() > 2, "{arguments:?}: the test asks for something");
        }
    }
}

#[test]
fn csv_has_the_keys_and_values_of_the_rows() {
    for endpoint in endpoints() {
        let rows = Object::parse_all(&stats(&[&endpoint, "--format", "json"]).printed());
        let csv = stats(&[&endpoint, "--format", "csv"]).printed();
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        assert_eq!(reader.headers().unwrap(), rows[0].keys(), "{endpoint}");
        let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(records.len(), rows.len(), "{endpoint}");
        for (record, row) in records.iter().zip(&rows) {
            let values: Vec<&str> = row
                .0
                .iter()
                .map(|(_, value)| value.trim_matches('"').trim_end_matches("T00:00:00Z"))
                .collect();
            assert_eq!(record, values, "{endpoint}");
        }
    }
}

#[test]
fn in_a_pipe_the_table_is_plain_and_has_the_keys_of_the_rows() {
    let table = stats(&["terminate"]).printed();
    assert!(!table.contains('\u{1b}'), "no ANSI escapes");
    let rows = Object::parse_all(&stats(&["terminate", "--format", "json"]).printed());
    let header: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(header, rows[0].keys());
    assert_eq!(table.lines().count(), rows.len() + 1);
}

#[test]
fn a_day_that_is_not_closed_is_refused_with_the_range_of_those_that_are() {
    let (first, last) = (up().days.start(), up().days.end());
    for date in ["2022-10-01".to_owned(), first.previous().to_string(), last.next().to_string()] {
        let ran = stats(&["total", "--date", &date]);
        let error = ran.error();
        assert!(error.contains(&format!("{date} is not closed")), "{error}");
        assert!(error.contains(&format!("{first} to {last}")), "{error}");
    }
}

#[test]
fn an_unknown_miner_has_no_row() {
    assert_eq!(stats(&["total", "--miner", "f099", "--format", "json"]).printed(), "[]\n");
    assert_eq!(stats(&["total", "--miner", "f099", "--format", "csv"]).printed().lines().count(), 1);
    assert_eq!(up().ask("total?miner_id=f099").data(), "[]");
}

/// A miner's row of a day, the columns of all ten endpoints together.
type Row = BTreeMap<String, String>;
/// Every row the server has.
type History = BTreeMap<(Day, String), Row>;

fn history() -> &'static History {
    static HISTORY: OnceLock<History> = OnceLock::new();
    HISTORY.get_or_init(|| {
        let mut history = History::new();
        for endpoint in endpoints() {
            for day in up().each_day() {
                for row in Object::parse_all(&up().ask(&format!("{endpoint}?state_date={day}")).data()) {
                    assert_eq!(row.get("stat_date"), format!("\"{day}T00:00:00Z\""), "{endpoint}");
                    let miner = row.get("miner_id").trim_matches('"').to_owned();
                    history.entry((day, miner)).or_default().extend(row.0);
                }
            }
        }
        history
    })
}

/// An exact figure of a row.
fn exact(row: &Row, column: &str) -> i128 {
    row[column].parse().unwrap_or_else(|_| panic!("{column} is {}", row[column]))
}

/// A statistic of a row.
fn double(row: &Row, column: &str) -> f64 {
    row[column].parse().unwrap()
}

/// A truth file of the sample; `None` with a printed reason where it is absent.
fn truth(kind: &str) -> Option<PathBuf> {
    shared(&format!("data/long.{kind}.jsonl"))
}

/// The ledger at each closed day's end, by miner.
fn ledgers() -> Option<BTreeMap<Day, BTreeMap<String, Ledger>>> {
    let events = lines(&truth("events")?);
    let mut events = events.iter().filter(|event| is_event(event)).peekable();
    let mut ledger: BTreeMap<String, Ledger> = BTreeMap::new();
    let days = up().each_day().map(|today| {
        while let Some(event) = events.next_if(|event| day(event) <= today) {
            ledger.entry(text(event, "miner").unwrap().to_owned()).or_default().apply(event);
        }
        (today, ledger.clone())
    });
    Some(days.collect())
}

/// Mean and sample deviation in days, from exact sums of epochs.
fn durations(n: i128, sum: i128, squares: i128) -> (f64, f64) {
    let mean = if n > 0 { sum as f64 / (n * 2880) as f64 } else { 0.0 };
    let variance = if n > 1 { (n * squares - sum * sum) as f64 / (n * (n - 1)) as f64 } else { 0.0 };
    (mean, variance.sqrt() / 2880.0)
}

/// How many doubles lie between two.
fn ulps(a: f64, b: f64) -> u64 {
    a.to_bits().abs_diff(b.to_bits())
}

#[test]
fn balances_and_durations_equal_the_truth_for_every_miner_and_day() {
    let (Some(daily), Some(ledgers)) = (truth("daily"), ledgers()) else { return };
    let (mut compared, mut furthest) = (0, (0, 0));
    for line in lines(&daily) {
        let day: Day = text(&line, "utc_date").unwrap().parse().unwrap();
        if !up().days.contains(&day) {
            continue;
        }
        for recorded in line["miners"].as_array().unwrap() {
            let miner = text(recorded, "miner").unwrap().to_owned();
            let at = format!("{miner} on {day}");
            let value_of = |key| number(recorded, key).unwrap();
            let Some(row) = history().get(&(day, miner.clone())) else {
                assert_eq!((value_of("live"), value_of("precommits")), (0, 0), "{at}: a row is missing");
                continue;
            };
            compared += 1;
            let ledger = ledgers[&day].get(&miner).cloned().unwrap_or_default();
            let left = |power: &str| {
                exact(row, &format!("total_sector_{power}"))
                    - exact(row, &format!("total_terminate_{power}"))
                    - exact(row, &format!("total_expire_{power}"))
            };
            assert_eq!(left("rbp"), value_of("live_rbp"), "{at}: live raw bytes");
            assert_eq!(left("qap") + ledger.requalified, value_of("live_qap"), "{at}: live QAP");

            let size = value_of("sector_size");
            assert_eq!(exact(row, "active_fault_rbp"), value_of("faulty") * size, "{at}: faulty raw bytes");
            let faulty: Vec<i128> =
                ledger.live.values().filter(|(_, faulty)| *faulty).map(|(qap, _)| *qap).collect();
            assert_eq!(i128::try_from(faulty.len()).unwrap(), value_of("faulty"), "{at}: faulty sectors");
            assert_eq!(exact(row, "active_fault_qap"), faulty.iter().sum::<i128>(), "{at}: faulty QAP");
            if value_of("unproven") == 0 {
                let active = value_of("live_qap") - exact(row, "active_fault_qap");
                assert_eq!(active, value_of("active_qap"), "{at}: active QAP");
            }

            let (n, sum) = (value_of("active"), value_of("lifetime_epochs_sum"));
            let (mean, deviation) = durations(n, sum, value_of("lifetime_epochs_sumsq"));
            for (at_most, column, from_sums, key) in [
                (&mut furthest.0, "avg_active_sector_duration_days", mean, "lifetime_days_mean"),
                (&mut furthest.1, "std_active_sector_duration_days", deviation, "lifetime_days_std_sample"),
            ] {
                let (ours, recorded) = (double(row, column), recorded[key].as_f64().unwrap_or_default());
                assert_eq!(ours, from_sums, "{at}: {column} from the truth's exact sums");
                // The truth's own figure was added up in doubles, one sector after the other.
                *at_most = ulps(ours, recorded).max(*at_most);
                assert!(
                    (ours - recorded).abs() <= 1e-12 * recorded.abs(),
                    "{at}: {column} is {ours}, recorded {recorded}"
                );
            }
        }
    }
    println!(
        "{compared} rows compared; means and deviations are at most {furthest:?} doubles from the truth's"
    );
    assert!(compared > 1000, "{compared} rows compared");
}

/// What the truth calls an event, and the columns of its sums.
const FLOWS: [(&str, &str); 8] = [
    ("activated", "daily_sector_onboarding"),
    ("faulted", "daily_new_fault"),
    ("recovered", "daily_new_recover"),
    ("expired", "daily_new_expire"),
    ("extended", "daily_new_extend"),
    ("snapped", "daily_new_snap"),
    ("terminated_active", "daily_new_active_terminate"),
    ("terminated_passive", "daily_new_passive_terminate"),
];

/// Count, raw bytes and QAP by day, miner and the truth's name of the event.
type Sums = BTreeMap<(Day, String, &'static str), [i128; 3]>;

/// The truth's day sums, dated by tipset, without the extensions that move no date.
fn day_sums() -> Option<Sums> {
    let mut sums = Sums::new();
    for line in lines(&truth("daily_events")?) {
        if text(&line, "dated_by") != Some("tipset") {
            continue;
        }
        let day: Day = text(&line, "utc_date").unwrap().parse().unwrap();
        for (event, _) in FLOWS {
            let sum =
                ["counts", "rbp", "qap"].map(|measure| number(&line[measure], event).unwrap_or_default());
            sums.insert((day, text(&line, "miner").unwrap().to_owned(), event), sum);
        }
    }
    let events = lines(&truth("events")?);
    for event in events.iter().filter(|event| text(event, "event") == Some("extended") && !moved(event)) {
        let key = (day(event), text(event, "miner").unwrap().to_owned(), "extended");
        let sum = sums.get_mut(&key).unwrap();
        sum[0] -= 1;
        sum[1] -= number(event, "rbp").unwrap();
        sum[2] -= number(event, "qap").unwrap();
    }
    Some(sums)
}

#[test]
fn daily_flows_and_running_totals_equal_the_truth_for_every_miner_and_day() {
    let Some(sums) = day_sums() else { return };
    let of_closed_days = sums.keys().filter(|(day, ..)| up().days.contains(day));
    for (day, miner, _) in of_closed_days {
        assert!(history().contains_key(&(*day, miner.clone())), "{miner} has no row on {day}");
    }
    let mut totals: BTreeMap<(String, &str), [i128; 3]> = BTreeMap::new();
    let mut counted = 0;
    for ((day, miner), row) in history() {
        let at = format!("{miner} on {day}");
        let mut of_day: BTreeMap<&str, [i128; 3]> = BTreeMap::new();
        for (event, column) in FLOWS {
            let sum = sums.get(&(*day, miner.clone(), event)).copied().unwrap_or_default();
            counted += sum[0];
            of_day.insert(event, sum);
            let total = totals.entry((miner.clone(), event)).or_default();
            (0..3).for_each(|measure| total[measure] += sum[measure]);
            for (measure, suffix) in ["count", "rbp", "qap"].into_iter().enumerate() {
                let column = format!("{column}_{suffix}");
                if suffix != "count" || event == "activated" {
                    assert_eq!(exact(row, &column), sum[measure], "{at}: {column}");
                }
            }
        }
        let total = |event: &str, measure: usize| totals[&(miner.clone(), event)][measure];
        for (measure, power) in [(1, "rbp"), (2, "qap")] {
            let column = |name: &str| exact(row, &format!("{name}_{power}"));
            let (active, passive) =
                (total("terminated_active", measure), total("terminated_passive", measure));
            let today = of_day["terminated_active"][measure] + of_day["terminated_passive"][measure];
            assert_eq!(column("daily_new_terminate"), today, "{at}");
            assert_eq!(column("total_terminate"), active + passive, "{at}");
            assert_eq!(column("total_active_terminate"), active, "{at}");
            assert_eq!(column("total_passive_terminate"), passive, "{at}");
            assert_eq!(column("total_expire"), total("expired", measure), "{at}");
            assert_eq!(column("total_snap"), total("snapped", measure), "{at}");
            assert_eq!(column("total_sector"), total("activated", measure), "{at}");
        }
        assert_eq!(exact(row, "total_num_sector"), total("activated", 0), "{at}");
    }
    let expected: i128 =
        sums.iter().filter(|((day, ..), _)| up().days.contains(day)).map(|(_, sum)| sum[0]).sum();
    assert_eq!(counted, expected, "every event of a closed day is in a row");
    assert!(expected > 4000, "{expected} events compared");
}

#[test]
fn commitments_equal_the_truth_for_every_miner_and_day() {
    let Some(ledgers) = ledgers() else { return };
    for ((day, miner), row) in history() {
        let at = format!("{miner} on {day}");
        let ledger = ledgers[day].get(miner).cloned().unwrap_or_default();
        for stage in ["precommit", "provecommit"] {
            let (count, rbp, qap, _) = ledger.committed(stage, false);
            assert_eq!(exact(row, &format!("{stage}_sector_count")), count, "{at}");
            assert_eq!(exact(row, &format!("{stage}_sector_rbp")), rbp, "{at}");
            assert_eq!(exact(row, &format!("{stage}_sector_qap")), qap, "{at}");
            let (count, rbp, qap, messages) = ledger.committed(stage, true);
            assert_eq!(exact(row, &format!("{stage}_batch_sector_count")), count, "{at}");
            assert_eq!(exact(row, &format!("{stage}_batch_sector_rbp")), rbp, "{at}");
            if stage == "precommit" {
                assert_eq!(exact(row, "precommit_batch_sector_qap"), qap, "{at}");
            }
            let mean = if messages == 0 { 0.0 } else { count as f64 / messages as f64 };
            assert_eq!(double(row, &format!("avg_{stage}_batch_sector_count")), mean, "{at}");
        }
    }
}

#[test]
fn the_identities_hold_for_every_miner_and_day() {
    let mut days_of: BTreeMap<&str, Vec<(Day, &Row)>> = BTreeMap::new();
    for ((day, miner), row) in history() {
        days_of.entry(miner).or_default().push((*day, row));
    }
    assert_eq!(days_of.len(), 6, "six miners");
    let empty = Row::new();
    for (miner, rows) in days_of {
        let mut before = &empty;
        let mut expected = rows[0].0;
        for (day, row) in rows {
            let at = format!("{miner} on {day}");
            assert_eq!(day, expected, "{miner}: from its first day on, a row for every day");
            expected = day.next();
            let yesterday =
                |column: &str| before.get(column).map_or(0, |value| value.parse::<i128>().unwrap());
            for (total, daily) in [
                ("total_num_sector", "daily_sector_onboarding_count"),
                ("total_sector_rbp", "daily_sector_onboarding_rbp"),
                ("total_sector_qap", "daily_sector_onboarding_qap"),
                ("total_terminate_rbp", "daily_new_terminate_rbp"),
                ("total_terminate_qap", "daily_new_terminate_qap"),
                ("total_active_terminate_rbp", "daily_new_active_terminate_rbp"),
                ("total_active_terminate_qap", "daily_new_active_terminate_qap"),
                ("total_passive_terminate_rbp", "daily_new_passive_terminate_rbp"),
                ("total_passive_terminate_qap", "daily_new_passive_terminate_qap"),
                ("total_expire_rbp", "daily_new_expire_rbp"),
                ("total_expire_qap", "daily_new_expire_qap"),
                ("total_snap_rbp", "daily_new_snap_rbp"),
                ("total_snap_qap", "daily_new_snap_qap"),
            ] {
                assert_eq!(exact(row, total), yesterday(total) + exact(row, daily), "{at}: {total}");
            }
            for power in ["rbp", "qap"] {
                for span in ["daily_new", "total"] {
                    let part = |cause: &str| exact(row, &format!("{span}_{cause}terminate_{power}"));
                    assert_eq!(part("active_") + part("passive_"), part(""), "{at}: {span} {power}");
                }
            }
            let sealed = exact(row, "total_sealed_sector_count");
            let proven =
                exact(row, "provecommit_sector_count") + exact(row, "provecommit_batch_sector_count");
            assert_eq!((sealed, proven), (exact(row, "total_num_sector"), sealed), "{at}");
            let proven = exact(row, "provecommit_sector_rbp") + exact(row, "provecommit_batch_sector_rbp");
            assert_eq!(proven, exact(row, "total_sector_rbp"), "{at}");
            assert!(exact(row, "provecommit_sector_qap") <= exact(row, "total_sector_qap"), "{at}");

            let live = exact(row, "total_sector_rbp")
                - exact(row, "total_terminate_rbp")
                - exact(row, "total_expire_rbp");
            let faulty = exact(row, "active_fault_rbp");
            assert!((0..=live).contains(&faulty), "{at}: {faulty} of {live} bytes are faulty");
            let mean = double(row, "avg_active_sector_duration_days");
            assert!(live > faulty || mean == 0.0, "{at}: nothing is active, but lasts {mean} days");
            before = row;
        }
        assert_eq!(expected, up().days.end().next(), "{miner}: a row for every day up to the last");
    }
}
