//! `/v1/status`: how far the data go.

use std::time::{SystemTime, UNIX_EPOCH};

use chain::{Clock, Day, EPOCHS_PER_DAY};
use serde_json::{Value, json};

use super::V1;
use super::answer::Answer;
use super::days::{span, told};
use super::problem::Problem;

/// Epochs after which the chain takes nothing back.
const FINALITY: i64 = 900;

pub(super) async fn answer(v1: &V1) -> Result<Answer, Problem> {
    let status = {
        let _turn = v1.turn().await?;
        lake::Status::of(v1.reader().directory()).await?
    };
    let clock = status.sources.last().map(|source| Clock::new(source.genesis));
    let latest = status.days.as_ref().map(|days| *days.end());
    // A day is closed once the chain has gone beyond it, so the day before lies a day and more behind the head.
    const { assert!(EPOCHS_PER_DAY > FINALITY) };
    let last_final = status
        .days
        .as_ref()
        .map(|days| days.end().previous())
        .filter(|day| status.days.as_ref().is_some_and(|days| days.contains(day)));
    let source = |source: &lake::SourceStatus| {
        json!({
            "source": source.source,
            "network": source.network,
            "closed": span(*source.days.start(), *source.days.end()),
            "first_epoch": source.epochs.start().0,
            "last_epoch": source.epochs.end().0,
            "tipset_key": source.tipset_key,
            "state_root": source.state_root,
            "version": source.version,
            "receipts": source.receipts,
            "closed_at": source.closed_at.map(moment),
        })
    };
    let text = |day: Option<Day>| day.map(|day| day.to_string());
    let body = json!({
        "network": status.sources.last().map(|source| source.network.clone()),
        "genesis": clock.map(|clock| moment(clock.genesis())),
        "closed": status.days.as_ref().map(|days| span(*days.start(), *days.end())),
        "latest_day": text(latest),
        "final_day": text(last_final),
        "finality_epochs": FINALITY,
        "lag_seconds": latest.zip(now()).map(|(latest, now)| now - i64::from(latest.next().unix_days()) * 86_400),
        "history_since": text(status.history_since),
        "receipts": status.receipts,
        "gaps": status.gaps.iter().map(|gap| told(gap, clock)).collect::<Vec<Value>>(),
        "sources": status.sources.iter().map(source).collect::<Vec<Value>>(),
        "version": status.version,
        "layout": status.layout,
        "program": env!("CARGO_PKG_VERSION"),
    });
    Ok(Answer::Object(body.to_string()))
}

/// Seconds since 1970 by this machine's clock.
fn now() -> Option<i64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

/// A moment as RFC 3339 has it, from Unix seconds.
fn moment(seconds: i64) -> String {
    let day = i32::try_from(seconds.div_euclid(86_400)).map(Day::from_unix_days);
    let of_day = seconds.rem_euclid(86_400);
    let (hours, minutes, seconds) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    day.map(|day| format!("{day}T{hours:02}:{minutes:02}:{seconds:02}Z")).unwrap_or_default()
}
