//! Made-up days as ingest would hand them over.

use chain::{Day, EPOCHS_PER_DAY};
use lake::{FinishedDay, Progress};
use ledger::testing::{MadeUp, MadeUpOptions};

/// The days of a made-up history of mainnet's, from 2022-10-01 on.
pub(crate) fn days(options: MadeUpOptions) -> impl Iterator<Item = FinishedDay> {
    let mut day = Day::from_unix_days(19_266);
    MadeUp::new(options).map(move |made| {
        let progress = Progress {
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
        };
        let finished = FinishedDay { day, events: made.events, powers: made.powers, progress };
        day = day.next();
        finished
    })
}
