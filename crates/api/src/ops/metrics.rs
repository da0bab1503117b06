//! `/metrics`: counters and gauges for Prometheus.

use std::sync::atomic::Ordering;

use axum::Extension;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::access::auth::Grant;
use crate::access::keys::KeyState;
use crate::state::Server;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const SECONDS_OF_DAY: i64 = 86_400;

/// Gauges that are collected on request, as far as the request may see them.
struct GaugeCollector {
    server: Server,
    grant: Grant,
}

impl std::fmt::Debug for GaugeCollector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Standings")
    }
}

impl Collector for GaugeCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let shared = &self.server.shared;
        let mut gauge = |name: &str, help: &str, value: f64| {
            let of = ConstGauge::new(value);
            of.encode(encoder.encode_descriptor(name, help, None, of.metric_type())?)
        };
        gauge(
            "connections_open",
            "Connections there are",
            shared.metrics.open.load(Ordering::Relaxed) as f64,
        )?;
        gauge("connections_limit", "Connections there may be", shared.config.max_connections as f64)?;
        gauge("ready", "1 if /readyz says ready", f64::from(u8::from(self.server.unready().is_none())))?;
        let failing = shared.health.failing_for().unwrap_or_default();
        gauge("lake_failing_seconds", "For how long the lake could not be read", failing.as_secs_f64())?;
        gauge("lake_version", "The published version that is served", shared.reader.version() as f64)?;
        if let Some(days) = shared.reader.days() {
            let begins = |day: chain::Day| i64::from(day.unix_days()) * SECONDS_OF_DAY;
            let window = self.grant.window(&days);
            let (first, latest) = (begins(window.first()), begins(window.latest()));
            gauge("lake_first_day_seconds", "When the first closed day begins, Unix time", first as f64)?;
            gauge("lake_latest_day_seconds", "When the latest closed day begins, Unix time", latest as f64)?;
            let lag = shared.config.clock.unix_seconds() - (latest + SECONDS_OF_DAY);
            gauge("lake_lag_seconds", "Time since the latest closed day ended", lag as f64)?;
            let whole = lag.div_euclid(SECONDS_OF_DAY).max(0);
            gauge("lake_lag_days", "Days that are over and not closed", whole as f64)?;
        }
        if let Some(of) = shared.health.reconciliation() {
            gauge("reconciliation_miner_days", "Miners of the latest closed day", of.miner_days as f64)?;
            let help = "Miners of the latest closed day whose numbers do not close";
            gauge("reconciliation_unclosed_miner_days", help, of.unclosed as f64)?;
        }
        gauge("uptime_seconds", "Time since the server began", shared.started.elapsed().as_secs_f64())?;
        let cache = shared.reader.cache_stats();
        gauge("day_cache_bytes", "Bytes of days held in memory", cache.bytes as f64)?;
        let rendered = shared.rendered.stats();
        gauge("rendered_cache_bytes", "Bytes of rendered answers held in memory", rendered.bytes as f64)?;
        gauge(
            "unsent_bytes",
            "Bytes that answers not yet sent have room for",
            shared.response_memory.used() as f64,
        )?;
        let key_set = shared.authenticator.key_set.load();
        let now = shared.config.clock.unix_seconds();
        let good = key_set.iter().filter(|key| key.state(now) == KeyState::Active).count();
        let asked_for = u8::from(!shared.authenticator.allows_anonymous());
        gauge("keys_asked_for", "1 if data need a key", f64::from(asked_for))?;
        gauge("keys_in_force", "Keys that let in", good as f64)?;
        let unreadable = key_set.unreadable() as f64;
        gauge("keys_unreadable", "Keys that cannot be read, and let nobody in", unreadable)?;
        let mut counter = |name: &str, help: &str, value: u64| {
            let of = ConstCounter::new(value);
            of.encode(encoder.encode_descriptor(name, help, None, of.metric_type())?)
        };
        counter("day_cache_hits", "Days that were asked for and held in memory", cache.hits)?;
        counter("day_cache_misses", "Days that were asked for and read from their files", cache.misses)?;
        counter("rendered_cache_hits", "Requests that found a rendered answer", rendered.hits)?;
        counter("rendered_cache_misses", "Requests that had to wait for one", rendered.misses)
    }
}

/// `/metrics`
pub(crate) async fn metrics(State(server): State<Server>, Extension(grant): Extension<Grant>) -> Response {
    let mut registry = Registry::with_prefix("sectorscope");
    server.shared.metrics.register(&mut registry);
    registry.register_collector(Box::new(GaugeCollector { server: server.clone(), grant }));
    let mut text = String::new();
    if text::encode(&mut text, &registry).is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let mut response = text.into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(OPEN_METRICS));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
