//! Background tasks: they look for newer data and changed keys, and render the latest day ahead.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use lake::{DayVersion, Reader};
use ledger::columns::Endpoint;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use crate::http::coding::ContentCoding;
use crate::rendered::RenderError;
use crate::state::Server;
use crate::telemetry::health::ReconciliationSummary;

/// How often addresses that ask no more are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(10);

/// The tasks of a server that runs. They are cut off where this is dropped.
pub(crate) struct Background {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Background {
    /// Begins.
    pub(crate) fn start(server: &Server) -> Self {
        let (stop, stopped) = watch::channel(false);
        let config = &server.shared.config;
        let ticks = |every| Ticks::new(every, &stopped);
        let mut tasks = JoinSet::new();
        tasks.spawn(refresh_reader(server.clone(), ticks(config.refresh_interval)));
        tasks.spawn(render_ahead(server.clone(), ticks(config.refresh_interval)));
        tasks.spawn(check_reconciliation(server.clone(), ticks(config.refresh_interval)));
        tasks.spawn(sync_keys_periodically(server.clone(), ticks(config.key_sync_interval)));
        tasks.spawn(evict_idle_addresses(server.clone(), ticks(FORGET_EVERY)));
        Self { stop, tasks }
    }

    /// Lets each task end what it is doing, for at most so long: what reads a lake is spread over threads that wait for
    /// each other, and one that is cut off leaves others to complain.
    pub(crate) async fn end(mut self, patience: Duration) {
        self.stop.send_replace(true);
        let ended = timeout(patience, async { while self.tasks.join_next().await.is_some() {} });
        if ended.await.is_err() {
            tracing::warn!(tasks = self.tasks.len(), "cut the background tasks that did not end in time");
        }
    }
}

/// Says when a task is to do its work again.
struct Ticks {
    interval: Interval,
    stopped: watch::Receiver<bool>,
}

impl Ticks {
    fn new(every: Duration, stopped: &watch::Receiver<bool>) -> Self {
        // An interval of zero is refused by the timer.
        let mut interval = interval(every.max(Duration::from_millis(1)));
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { interval, stopped: stopped.clone() }
    }

    /// Waits for the next time; false once the server stops.
    async fn next(&mut self) -> bool {
        tokio::select! {
            biased;
            _ = self.stopped.wait_for(|stopped| *stopped) => false,
            _ = self.interval.tick() => true,
        }
    }
}

/// Loads changed keys and writes their usage, until the server stops.
async fn sync_keys_periodically(server: Server, mut ticks: Ticks) {
    while ticks.next().await {
        sync_keys(&server).await;
    }
    // What was asked for last is counted, too.
    sync_keys(&server).await;
}

/// Once.
async fn sync_keys(server: &Server) {
    let shared = Arc::clone(&server.shared);
    let step = tokio::task::spawn_blocking(move || {
        if let Some(key_sync) = &shared.key_sync {
            let mut key_sync = key_sync.lock().unwrap_or_else(PoisonError::into_inner);
            key_sync.sync_and_log(&shared.authenticator.key_set, shared.config.clock.unix_seconds());
        }
    });
    if let Err(error) = step.await {
        tracing::error!(%error, "looking after the keys failed");
    }
}

/// Evicts idle addresses, until the server stops.
async fn evict_idle_addresses(server: Server, mut ticks: Ticks) {
    while ticks.next().await {
        if let Some(addresses) = &server.shared.address_limiter {
            addresses.evict_idle();
        }
        server.shared.request_permits.evict_idle();
        server.shared.response_memory.evict_idle();
    }
}

/// Looks for newer published versions, until the server stops. While that fails, the current one is served.
async fn refresh_reader(server: Server, mut ticks: Ticks) {
    let (reader, health) = (&server.shared.reader, &server.shared.health);
    let mut failing = false;
    while ticks.next().await {
        match AssertUnwindSafe(reader.refresh()).catch_unwind().await {
            Ok(Ok(newer)) => {
                if newer {
                    let latest = reader.days().map(|days| days.end().to_string());
                    tracing::info!(version = reader.version(), latest, "serving a newer version of the lake");
                }
                if failing {
                    tracing::info!("the lake can be read again");
                }
                failing = false;
            }
            // Once is enough: the same would be said every few seconds.
            Ok(Err(_)) | Err(_) if failing => {}
            Ok(Err(error)) => {
                failing = true;
                let error: &(dyn std::error::Error + 'static) = &error;
                tracing::error!(error, "no newer version could be looked for; serving what there is");
            }
            Err(_) => {
                failing = true;
                tracing::error!("looking for a newer version panicked; serving what there is");
            }
        }
        health.record_refresh(!failing);
        health.record_latest_day(latest_day_reads(reader).await);
    }
}

/// Whether the latest closed day, if there is one, can be read.
async fn latest_day_reads(reader: &Reader) -> bool {
    let Some(latest) = reader.days().map(|days| *days.end()) else { return true };
    matches!(AssertUnwindSafe(reader.day(latest)).catch_unwind().await, Ok(Ok(Some(_))))
}

/// Finds out, once for each published version, whether the latest day's numbers close.
async fn check_reconciliation(server: Server, mut ticks: Ticks) {
    let (reader, health) = (&server.shared.reader, &server.shared.health);
    while ticks.next().await {
        let version = reader.version();
        let Some(latest) = reader.days().map(|days| *days.end()) else { continue };
        if health.reconciliation().is_some_and(|of| of.version == version) {
            continue;
        }
        let scope = lake::AuditScope { from: Some(latest), to: Some(latest), ..Default::default() };
        let mut unclosed = std::collections::BTreeSet::new();
        let mut found = |finding: lake::Finding| {
            unclosed.insert(finding.miner);
        };
        let audit = lake::audit(reader.directory(), &scope, &chain::NoProgress, &mut found);
        let audited = AssertUnwindSafe(audit).catch_unwind().await;
        match audited {
            Ok(Ok(audited)) => {
                let (miner_days, unclosed) = (audited.miner_days, unclosed.len() as u64);
                health.record_reconciliation(ReconciliationSummary { version, miner_days, unclosed });
                if unclosed > 0 {
                    tracing::warn!(%latest, unclosed, "numbers of the latest day do not close; see `reconcile`");
                }
            }
            Ok(Err(error)) => tracing::debug!(%error, "the reconciliation could not be read"),
            Err(_) => tracing::debug!("reading the reconciliation panicked"),
        }
    }
}

/// Renders the latest day whenever there is another, so that nobody waits for it.
async fn render_ahead(server: Server, mut ticks: Ticks) {
    let mut warm = None;
    while ticks.next().await {
        let latest = server.latest();
        if latest == warm {
            continue;
        }
        if let Some(edition) = latest
            && let Err(error) = render_latest(&server, edition).await
        {
            // Who asks will be told, and the log with it.
            let error: &(dyn std::error::Error + 'static) = &error;
            tracing::debug!(error, day = %edition.day(), "the latest day was not rendered ahead");
        }
        warm = latest;
    }
}

/// Renders a day in all codings, while it is the latest.
async fn render_latest(server: &Server, edition: DayVersion) -> Result<(), RenderError> {
    // The plain ones first: the others are made of them.
    for coding in ContentCoding::ALL.iter().copied().rev() {
        for endpoint in Endpoint::ALL {
            if server.latest() != Some(edition) {
                return Ok(());
            }
            server.shared.rendered.render(&server.shared.reader, edition, *endpoint, coding).await?;
        }
    }
    Ok(())
}

impl Server {
    /// The edition of the latest closed day.
    fn latest(&self) -> Option<DayVersion> {
        let published = self.shared.reader.published();
        published.day_version(*published.days()?.end())
    }
}
