//! `/v1/status`: closed days, gaps, sources and versions.

use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, VARY};
use axum::response::Response;
use chain::{Clock, Day, EPOCHS_PER_DAY, UnixTime};
use lake::{PublishedVersion, SourceStatus};
use serde_json::{Value, json};

use super::context::Context;
use super::days::{GapFormatter, day_range_json};
use super::row_stream::owned_body;
use crate::access::history_window::HistoryWindow;
use crate::errors::problem::Problem;

/// Epochs after which the chain takes nothing back.
const FINALITY: i64 = 900;

/// What may be seen is told of, and where it comes from. What there is of gaps and lag changes without a new version, so the
/// answer has no tag.
pub(super) async fn answer(
    context: &Context,
    published: &PublishedVersion,
    window: Option<&HistoryWindow>,
) -> Result<Response, Problem> {
    let status = {
        let _permit = context.query_permit().await?;
        lake::Status::read(context.reader().directory()).await?
    };
    let clock = status.sources.last().map(|source| Clock::new(source.genesis));
    let gap_formatter = GapFormatter { clock, window: window.copied() };
    let seen = window.map(HistoryWindow::days);
    let latest = window.map(HistoryWindow::latest);
    // A day is closed once the chain has gone beyond it, so the day before lies a day and more behind the head.
    const { assert!(EPOCHS_PER_DAY > FINALITY) };
    let last_final = window.and_then(|window| window.visible(window.latest().previous()));
    let now = context.server.shared.config.clock.unix_seconds();
    let text = |day: Option<Day>| day.map(|day| day.to_string());
    let body = json!({
        "network": status.sources.last().map(|source| source.network.clone()),
        "genesis": clock.map(|clock| UnixTime(clock.genesis()).to_string()),
        "closed": seen.as_ref().map(day_range_json),
        "latest_day": text(latest),
        "final_day": text(last_final),
        "finality_epochs": FINALITY,
        "lag_seconds": latest.map(|latest| now - i64::from(latest.next().unix_days()) * 86_400),
        // Totals stand on it, so it is told whatever may be seen.
        "history_since": text(status.history_since),
        "receipts": seen.as_ref().map_or(status.receipts, |days| published.receipt_summary(days)),
        "gaps": status.gaps.iter().filter_map(|gap| gap_formatter.to_json(gap)).collect::<Vec<Value>>(),
        "sources": status.sources.iter().filter_map(|of| source(of, published, window)).collect::<Vec<Value>>(),
        "version": status.version,
        "layout": status.layout,
        "program": env!("CARGO_PKG_VERSION"),
    });
    let mut response = Response::new(owned_body(body.to_string().into_bytes(), None));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.append(VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// A source as JSON, with those of its days that may be seen; `None` if that is none of them.
fn source(
    source: &SourceStatus,
    published: &PublishedVersion,
    window: Option<&HistoryWindow>,
) -> Option<Value> {
    let days = window.map_or_else(|| Some(source.days.clone()), |window| window.intersect(&source.days))?;
    let whole = days == source.days;
    let first =
        if whole { *source.epochs.start() } else { Clock::new(source.genesis).first_epoch(*days.start()) };
    Some(json!({
        "source": source.source,
        "network": source.network,
        "closed": day_range_json(&days),
        "first_epoch": first.0,
        "last_epoch": source.epochs.end().0,
        "tipset_key": source.tipset_key,
        "state_root": source.state_root,
        "version": source.version,
        "receipts": if whole { source.receipts } else { published.receipt_summary(&days) },
        "closed_at": source.closed_at.map(|at| UnixTime(at).to_string()),
    }))
}
