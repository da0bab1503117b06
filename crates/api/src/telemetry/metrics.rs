//! Counters of requests and connections.

use std::fmt::Write as _;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::MatchedPath;
use axum::http::StatusCode;
use ledger::columns::Endpoint;
use prometheus_client::encoding::{
    EncodeLabelSet, EncodeLabelValue, EncodeMetric, LabelValueEncoder, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::Registry;

use crate::paths;

/// Upper bounds of the histogram's buckets, in microseconds.
const BOUNDS: [u64; 14] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000,
    30_000_000,
];
/// The name of what has no path of its own: unknown paths, and what could not be read as a request.
const NO_PATH: &str = "none";

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
            Self::Endpoint(endpoint) => encoder.write_str(&paths::of_endpoint(*endpoint)),
            Self::Path(path) => encoder.write_str(path.as_str()),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResponseLabels {
    endpoint: Route,
    status: u16,
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    endpoint: Route,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DenialLabels {
    reason: &'static str,
}

/// The histogram of response times, updated without a lock.
#[derive(Debug, Default)]
struct DurationHistogram {
    /// Of each bucket alone; the last is for what took longer than all bounds.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    microseconds: AtomicU64,
}

impl DurationHistogram {
    fn add(&self, time: Duration) {
        let time = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let at = BOUNDS.iter().position(|bound| time <= *bound).unwrap_or(BOUNDS.len());
        self.buckets[at].fetch_add(1, Ordering::Relaxed);
        self.microseconds.fetch_add(time, Ordering::Relaxed);
    }
}

impl TypedMetric for DurationHistogram {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for DurationHistogram {
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
    answers: Family<ResponseLabels, Counter>,
    times: Family<RouteLabels, DurationHistogram>,
    bytes: Counter,
    denied: Family<DenialLabels, Counter>,
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
    pub(crate) fn record_response(
        &self,
        endpoint: Route,
        status: StatusCode,
        code: u16,
        denied: Option<&'static str>,
        bytes: u64,
        time: Duration,
    ) {
        self.times.get_or_create(&RouteLabels { endpoint: endpoint.clone() }).add(time);
        self.answers.get_or_create(&ResponseLabels { endpoint, status: status.as_u16(), code }).inc();
        self.bytes.inc_by(bytes);
        if let Some(reason) = denied {
            self.denied.get_or_create(&DenialLabels { reason }).inc();
        }
    }
    /// Puts all of it in a registry.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("http_requests", "Answers, by route, HTTP status and code", self.answers.clone());
        registry.register(
            "http_request_duration_seconds",
            "From the end of a request's head to the end of its answer's body",
            self.times.clone(),
        );
        registry.register("http_response_bytes", "Bytes of answers' bodies, as sent", self.bytes.clone());
        registry.register(
            "denied_requests",
            "Requests that a key or a rate kept out, by reason",
            self.denied.clone(),
        );
        registry.register("connections", "Connections accepted", self.connections.clone());
        registry.register(
            "refused_connections",
            "Connections closed because their address had too many",
            self.refused_connections.clone(),
        );
    }
}
