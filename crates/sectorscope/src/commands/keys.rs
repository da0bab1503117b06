//! `sectorscope keys`

use anyhow::{Context, bail};
use api::keys::{DailyUsage, KeyStore, KeyUsage, StoredKey, Terms, UnreadableKey, digest, new_token};
use chain::{Day, UnixTime, WallClock};
use serde::Serialize;

use crate::cli::{DataDir, Keys, ReportFormat};
use crate::human;
use crate::output::{self, Align};

pub(crate) fn run(arguments: Keys) -> anyhow::Result<()> {
    match arguments {
        Keys::Create { name, expires, quota, history, scope, format, data } => {
            let expires_at = expires.map(|span| now().saturating_add(span.seconds()));
            let terms = Terms { expires_at, quota, history_days: history, scope };
            create(&name, &terms, format, &data)
        }
        Keys::List { format, data } => list(format, &data),
        Keys::Revoke { name, data } => revoke(&name, &data),
        Keys::Usage { name, format, data } => usage(&name, format, &data),
    }
}

/// A key as programs read it. Times are Unix seconds.
#[derive(Serialize)]
struct KeyReport {
    name: String,
    state: &'static str,
    /// Of one that cannot be read nothing else is known.
    created_at: Option<i64>,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    quota: Option<String>,
    quota_used: Option<u32>,
    quota_resets_at: Option<i64>,
    history_days: Option<u32>,
    scope: Option<String>,
    last_used_at: Option<i64>,
    requests: i64,
}

impl KeyReport {
    /// A key and what it was used for.
    fn of(key: &StoredKey, used: KeyUsage, now: i64) -> Self {
        let state = match (key.revoked_at, key.terms.expires_at) {
            (Some(_), _) => "revoked",
            (None, Some(end)) if end <= now => "expired",
            _ => "good",
        };
        let of_quota = key.terms.quota.map(|quota| used.of_quota(quota, now));
        Self {
            name: key.name.clone(),
            state,
            created_at: Some(key.created_at),
            expires_at: key.terms.expires_at,
            revoked_at: key.revoked_at,
            quota: key.terms.quota.map(|quota| quota.to_string()),
            quota_used: of_quota.map(|(used, _)| used),
            quota_resets_at: of_quota.map(|(_, resets_at)| resets_at),
            history_days: key.terms.history_days.map(u32::from),
            scope: key.terms.scope.as_ref().map(ToString::to_string),
            last_used_at: used.last_at,
            requests: used.requests,
        }
    }

    /// A key that authenticates nobody, because it cannot be read.
    fn unreadable(key: &UnreadableKey) -> Self {
        let name = if key.name.is_empty() { format!("number {}", key.id) } else { key.name.clone() };
        Self {
            name,
            state: "unreadable",
            created_at: None,
            expires_at: None,
            revoked_at: None,
            quota: None,
            quota_used: None,
            quota_resets_at: None,
            history_days: None,
            scope: None,
            last_used_at: None,
            requests: 0,
        }
    }

    /// How much of the quota is used: `12 of 10000/day`.
    fn quota(&self) -> String {
        match (&self.quota, self.quota_used) {
            (Some(quota), Some(used)) => format!("{used} of {quota}"),
            _ => "any number".to_owned(),
        }
    }

    fn history(&self) -> String {
        self.history_days.map_or_else(|| "all".to_owned(), |days| format!("{days}d"))
    }
}

/// The usage of a day.
#[derive(Serialize)]
struct DayReport {
    day: String,
    requests: i64,
    refused: i64,
    bytes: i64,
}

impl From<&DailyUsage> for DayReport {
    fn from(of: &DailyUsage) -> Self {
        let day = Day::from_unix_days(of.unix_day).to_string();
        Self { day, requests: of.requests, refused: of.refused, bytes: of.bytes }
    }
}

fn create(name: &str, terms: &Terms, format: ReportFormat, data: &DataDir) -> anyhow::Result<()> {
    let token = new_token().context("the system gives no randomness for a token")?;
    KeyStore::open_or_create(&data.keys()?)?.create(name, &digest(&token), terms, now())?;
    match format {
        ReportFormat::Table => output::print_line(&token),
        ReportFormat::Json => output::json(&serde_json::json!({ "name": name, "token": token }))?,
    }
    Ok(())
}

fn list(format: ReportFormat, data: &DataDir) -> anyhow::Result<()> {
    let reports = match KeyStore::open(&data.keys()?)? {
        Some(store) => all(&store)?,
        None => Vec::new(),
    };
    if format == ReportFormat::Json {
        return output::json(&reports);
    }
    if reports.is_empty() {
        output::print_line("no keys: who reaches a server may ask it, unless it has a token");
        return Ok(());
    }
    let header = [
        ("key", Align::Left),
        ("state", Align::Left),
        ("requests", Align::Right),
        ("last used", Align::Left),
        ("expires", Align::Left),
        ("quota", Align::Left),
        ("history", Align::Left),
        ("scope", Align::Left),
    ];
    let timestamp =
        |at: Option<i64>| at.map_or_else(|| "never".to_owned(), |at| format!("{:#}", UnixTime(at)));
    output::table(
        &header,
        reports.iter().map(|key| {
            vec![
                key.name.clone(),
                key.state.to_owned(),
                key.requests.to_string(),
                timestamp(key.last_used_at),
                timestamp(key.expires_at),
                key.quota(),
                key.history(),
                key.scope.clone().unwrap_or_else(|| "everything".to_owned()),
            ]
        }),
    )?;
    Ok(())
}

/// All keys: by name, and then those that cannot be read, each of which is said.
fn all(store: &KeyStore) -> anyhow::Result<Vec<KeyReport>> {
    let used = store.counts()?.map(|counts| counts.all()).transpose()?.unwrap_or_default();
    let (keys, now) = (store.keys()?, now());
    let of =
        |key: &StoredKey| KeyReport::of(key, used.get(&key.fingerprint()).copied().unwrap_or_default(), now);
    for UnreadableKey { id, name, what } in &keys.unreadable {
        tracing::warn!(id, name, "{what} of this key cannot be read: it lets nobody in");
    }
    let unreadable = keys.unreadable.iter().map(KeyReport::unreadable);
    Ok(keys.readable.iter().map(of).chain(unreadable).collect())
}

fn revoke(name: &str, data: &DataDir) -> anyhow::Result<()> {
    if store(data)?.revoke(name, now())? {
        output::print_line(format_args!("{name} is revoked; running servers notice within two seconds"));
    } else {
        output::print_line(format_args!("{name} was revoked before"));
    }
    Ok(())
}

fn usage(name: &str, format: ReportFormat, data: &DataDir) -> anyhow::Result<()> {
    let store = store(data)?;
    let days = store.usage(name)?;
    let Some(key) = all(&store)?.into_iter().find(|key| key.name == name) else {
        bail!("the key {name:?} is gone from the file of keys")
    };
    let days: Vec<DayReport> = days.iter().map(DayReport::from).collect();
    if format == ReportFormat::Json {
        return output::json(&serde_json::json!({ "key": key, "days": days }));
    }
    let resets = key.quota_resets_at.map(|at| format!(", resets {:#}", UnixTime(at))).unwrap_or_default();
    output::print_line(format_args!("{name}: {}; quota {}{resets}\n", key.state, key.quota()));
    let header = [
        ("day", Align::Left),
        ("requests", Align::Right),
        ("refused", Align::Right),
        ("bytes", Align::Right),
    ];
    output::table(
        &header,
        days.iter().map(|day| {
            let bytes = human::bytes(day.bytes.into());
            vec![day.day.clone(), day.requests.to_string(), day.refused.to_string(), bytes]
        }),
    )?;
    Ok(())
}

/// The file of keys, which must be there.
fn store(data: &DataDir) -> anyhow::Result<KeyStore> {
    let path = data.keys()?;
    KeyStore::open(&path)?.with_context(|| {
        format!("there are no keys in {}; make one with `sectorscope keys create NAME`", path.display())
    })
}

/// Now, in Unix seconds.
fn now() -> i64 {
    WallClock::default().unix_seconds()
}
