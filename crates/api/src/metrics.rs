//! Figures for Prometheus: what was asked and how it went, and the state of what is served.

use std::fmt::Write as _;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Extension;
use axum::extract::{MatchedPath, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use ledger::columns::Endpoint;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, EncodeLabelValue, EncodeMetric, LabelValueEncoder, MetricEncoder,
    NoLabelSet, text,
};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::Registry;

use crate::auth::Pass;
use crate::health::unready;
use crate::keys::{self, Standing};
use crate::server::Server;
use crate::v2;

/// Upper bounds of the histogram's buckets, in microseconds.
const BOUNDS: [u64; 14] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000,
    30_000_000,
];
/// The name of what has no path of its own: unknown paths, and what could not be read as a request.
const NO_PATH: &str = "none";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const SECONDS_OF_DAY: i64 = 86_400;

/// The route that answered, as the router spells it, so that there are only so many.
#[derive(Clone, Debug, Default)]
pub(crate) enum Route {
    /// None did.
    #[default]
    None,
    /// An endpoint of `/v2`.
    Endpoint(Endpoint),
    /// Any other.
    Path(MatchedPath),
}

impl PartialEq for Route {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) => true,
            (Self::Endpoint(of), Self::Endpoint(other)) => of == other,
            (Self::Path(of), Self::Path(other)) => of.as_str() == other.as_str(),
            _ => false,
        }
    }
}

impl Eq for Route {}

impl Hash for Route {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::None => {}
            Self::Endpoint(endpoint) => endpoint.hash(state),
            Self::Path(path) => path.as_str().hash(state),
        }
    }
}

impl EncodeLabelValue for Route {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        match self {
            Self::None => encoder.write_str(NO_PATH),
            Self::Endpoint(endpoint) => encoder.write_str(&v2::path(*endpoint)),
            Self::Path(path) => encoder.write_str(path.as_str()),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    endpoint: Route,
    status: u16,
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    endpoint: Route,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// How long answers took: counts by bucket, added to without a lock.
#[derive(Debug, Default)]
struct Times {
    /// Of each bucket alone; the last is for what took longer than all bounds.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    microseconds: AtomicU64,
}

impl Times {
    fn add(&self, time: Duration) {
        let time = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let at = BOUNDS.iter().position(|bound| time <= *bound).unwrap_or(BOUNDS.len());
        self.buckets[at].fetch_add(1, Ordering::Relaxed);
        self.microseconds.fetch_add(time, Ordering::Relaxed);
    }
}

impl TypedMetric for Times {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Times {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let bounds = BOUNDS.iter().map(|bound| *bound as f64 / 1e6).chain([f64::INFINITY]);
        let counts = self.buckets.iter().map(|count| count.load(Ordering::Relaxed));
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let seconds = self.microseconds.load(Ordering::Relaxed) as f64 / 1e6;
        encoder.encode_histogram::<NoLabelSet>(seconds, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

/// What is counted as it happens.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    answers: Family<Answered, Counter>,
    times: Family<Of, Times>,
    bytes: Counter,
    denied: Family<Reason, Counter>,
    /// Connections there have been.
    pub(crate) connections: Counter,
    /// Those that were closed because their address had too many.
    pub(crate) refused_connections: Counter,
    /// Connections there are.
    pub(crate) open: AtomicU64,
}

impl Metrics {
    /// Counts an answer: its route, HTTP status and `code`, why it was a denial if it was one, the bytes of its body,
    /// and the time from the request's head to the body's end.
    pub(crate) fn answered(
        &self,
        endpoint: Route,
        status: StatusCode,
        code: u16,
        denied: Option<&'static str>,
        bytes: u64,
        time: Duration,
    ) {
        self.times.get_or_create(&Of { endpoint: endpoint.clone() }).add(time);
        self.answers.get_or_create(&Answered { endpoint, status: status.as_u16(), code }).inc();
        self.bytes.inc_by(bytes);
        if let Some(reason) = denied {
            self.denied.get_or_create(&Reason { reason }).inc();
        }
    }
}

/// What is looked up when it is asked for, as far as who asks may see it.
struct Standings {
    server: Server,
    pass: Pass,
}

impl std::fmt::Debug for Standings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Standings")
    }
}

impl Collector for Standings {
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
        gauge("ready", "1 if /readyz says ready", f64::from(u8::from(unready(&self.server).is_none())))?;
        let failing = shared.health.failing_for().unwrap_or_default();
        gauge("lake_failing_seconds", "For how long the lake could not be read", failing.as_secs_f64())?;
        gauge("lake_version", "The published version that is served", shared.reader.version() as f64)?;
        if let Some(days) = shared.reader.days() {
            let begins = |day: chain::Day| i64::from(day.unix_days()) * SECONDS_OF_DAY;
            let window = self.pass.window(&days);
            let (first, latest) = (begins(window.first()), begins(window.latest()));
            gauge("lake_first_day_seconds", "When the first closed day begins, Unix time", first as f64)?;
            gauge("lake_latest_day_seconds", "When the latest closed day begins, Unix time", latest as f64)?;
            let lag = keys::now() - (latest + SECONDS_OF_DAY);
            gauge("lake_lag_seconds", "Time since the latest closed day ended", lag as f64)?;
            let whole = lag.div_euclid(SECONDS_OF_DAY).max(0);
            gauge("lake_lag_days", "Days that are over and not closed", whole as f64)?;
        }
        if let Some(of) = shared.health.reconciled() {
            gauge("reconciliation_miner_days", "Miners of the latest closed day", of.miner_days as f64)?;
            let help = "Miners of the latest closed day whose numbers do not close";
            gauge("reconciliation_unclosed_miner_days", help, of.unclosed as f64)?;
        }
        gauge("uptime_seconds", "Time since the server began", shared.started.elapsed().as_secs_f64())?;
        let cache = shared.reader.cache_stats();
        gauge("day_cache_bytes", "Bytes of days held in memory", cache.bytes as f64)?;
        let rendered = shared.bodies.figures();
        gauge("rendered_cache_bytes", "Bytes of rendered answers held in memory", rendered.bytes as f64)?;
        gauge("unsent_bytes", "Bytes that answers not yet sent have room for", shared.unsent.held() as f64)?;
        let ring = shared.gate.ring.load();
        let now = keys::now();
        let good = ring.each().filter(|key| key.standing(now) == Standing::Good).count();
        let asked_for = u8::from(!shared.gate.is_open());
        gauge("keys_asked_for", "1 if data need a key", f64::from(asked_for))?;
        gauge("keys_in_force", "Keys that let in", good as f64)?;
        let unreadable = ring.unreadable() as f64;
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
pub(crate) async fn metrics(State(server): State<Server>, Extension(pass): Extension<Pass>) -> Response {
    let mut registry = Registry::with_prefix("sectorscope");
    let of = &server.shared.metrics;
    registry.register("http_requests", "Answers, by route, HTTP status and code", of.answers.clone());
    registry.register(
        "http_request_duration_seconds",
        "From the end of a request's head to the end of its answer's body",
        of.times.clone(),
    );
    registry.register("http_response_bytes", "Bytes of answers' bodies, as sent", of.bytes.clone());
    registry.register(
        "denied_requests",
        "Requests that a key or a rate kept out, by reason",
        of.denied.clone(),
    );
    registry.register("connections", "Connections accepted", of.connections.clone());
    registry.register(
        "refused_connections",
        "Connections closed because their address had too many",
        of.refused_connections.clone(),
    );
    registry.register_collector(Box::new(Standings { server: server.clone(), pass }));
    let mut text = String::new();
    if text::encode(&mut text, &registry).is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let mut response = text.into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(OPEN_METRICS));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
