//! Made-up days as ingest would hand them over.

#![allow(dead_code, reason = "not every program that has this module opens in mid-history")]

use chain::{Day, EPOCHS_PER_DAY};
use lake::{DaySource, FinishedDay};
use ledger::testing::{SyntheticHistory, SyntheticOptions};
use ledger::{Opening, ReceiptCounts};

/// The days of a made-up history of mainnet's, from 2022-10-01 on.
pub(crate) fn days(options: SyntheticOptions) -> impl Iterator<Item = FinishedDay> {
    of(options, SyntheticHistory::new(options))
}

/// The same, with the events that the first day opens with apart.
pub(crate) fn opened(options: SyntheticOptions) -> (Opening<'static>, impl Iterator<Item = FinishedDay>) {
    let mut history = SyntheticHistory::new(options);
    (history.take_opening(), of(options, history))
}

fn of(options: SyntheticOptions, history: SyntheticHistory) -> impl Iterator<Item = FinishedDay> {
    let mut day = Day::from_unix_days(19_266);
    history.map(move |made| {
        let source = DaySource {
            source: format!("made up from seed {}", options.seed),
            network: "mainnet".to_owned(),
            genesis: 1_598_306_400,
            day,
            first_epoch: made.first_epoch,
            last_epoch: made.first_epoch + (EPOCHS_PER_DAY - 1),
            tipset_key: format!("made up {day}"),
            state_root: format!("made up {day}"),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            history_since: None,
            closed_at: None,
            receipts: ReceiptCounts::default(),
        };
        let finished = FinishedDay { day, events: made.events, powers: made.powers, source };
        day = day.next();
        finished
    })
}
