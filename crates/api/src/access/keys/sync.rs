//! Synchronizes a server's keys with the store: loads changed keys, and writes the usage.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use lake::FileIdentity;

use super::counters::{QuotaWindow, period};
use super::error::StoreError;
use super::key_set::{Key, KeySet};
use super::store::{KeyStore, UnreadableKey};
use super::usage_store::{QuotaIncrement, UsageStore};
use crate::access::period::Period;
use crate::access::rate::Rate;

/// Synchronizes the keys of one server with one file.
pub(crate) struct KeySync {
    /// What new keys are limited to.
    rate: Option<Rate>,
    store: WatchedFile<KeyStore>,
    counts: WatchedFile<UsageStore>,
    /// The quota use that is written to the file, by the fingerprint of the key.
    persisted: HashMap<i64, QuotaWindow>,
    /// The keys that could not be read when they were loaded last.
    unreadable: Vec<UnreadableKey>,
    failing: bool,
}

/// A file that is reopened when another takes its place.
struct WatchedFile<T> {
    path: PathBuf,
    opened: Option<OpenedFile<T>>,
}

struct OpenedFile<T> {
    of: T,
    /// The identity of the file.
    file: Option<FileIdentity>,
    /// The version that was read last.
    version: Option<i64>,
}

impl<T> WatchedFile<T> {
    fn new(path: PathBuf) -> Self {
        Self { path, opened: None }
    }

    /// Opens the file if it is there and is not open, or is another one than before.
    fn open(
        &mut self,
        open: impl Fn(&Path) -> Result<Option<T>, StoreError>,
    ) -> Result<Option<&mut OpenedFile<T>>, StoreError> {
        let file = identity(&self.path);
        // The loaded keys stay valid while the file is missing.
        let same = self.opened.as_ref().is_some_and(|opened| file.is_none() || file == opened.file);
        if !same {
            self.opened = None;
            // One that was made just now has its identity now.
            let of = open(&self.path)?;
            let file = identity(&self.path);
            self.opened = of.map(|of| OpenedFile { of, file, version: None });
        }
        Ok(self.opened.as_mut())
    }
}

impl<T> OpenedFile<T> {
    /// Whether it has changed since it was read, as its version says.
    fn changed(&self, version: i64) -> bool {
        self.version != Some(version)
    }
}

impl KeySync {
    pub(crate) fn new(path: PathBuf, rate: Option<Rate>) -> Self {
        let counts = WatchedFile::new(UsageStore::path(&path));
        let store = WatchedFile::new(path);
        Self { rate, store, counts, persisted: HashMap::new(), unreadable: Vec::new(), failing: false }
    }

    /// As [`KeySync::sync`]. Logs once that it fails, and once that it works again.
    pub(crate) fn sync_and_log(&mut self, key_set: &ArcSwap<KeySet>, now: i64) {
        let stepped = self.sync(key_set, now);
        match &stepped {
            Ok(()) if self.failing => {
                tracing::info!("the files of keys and of their use can be read and written again")
            }
            Err(error) if !self.failing => {
                tracing::error!(%error, "what cannot be read of keys stays as it is, and counts are not written down for now");
            }
            Ok(()) | Err(_) => {}
        }
        self.failing = stepped.is_err();
    }

    /// Loads keys that have changed, then writes the usage. Blocks while it reads and writes.
    ///
    /// # Errors
    /// If a file cannot be read or written; what is not read stays as it is, and usage is kept for the next time. Keys are
    /// loaded also where usage cannot be written.
    pub(crate) fn sync(&mut self, key_set: &ArcSwap<KeySet>, now: i64) -> Result<(), StoreError> {
        if !self.reload(key_set)? {
            return Ok(());
        }
        let key_set = key_set.load_full();
        let Some(counts) = self.counts.open(|path| UsageStore::open_or_create(path).map(Some))? else {
            return Ok(());
        };
        write_usage(&mut counts.of, &key_set, now)?;
        let version = counts.of.version()?;
        let changed = counts.changed(version);
        sync_quotas(&mut counts.of, &mut self.persisted, &key_set, changed, now)?;
        counts.version = Some(version);
        Ok(())
    }

    /// Loads keys that have changed; returns whether there is a file of keys.
    ///
    /// # Errors
    /// If it cannot be read; the keys stay as they are.
    pub(crate) fn reload(&mut self, key_set: &ArcSwap<KeySet>) -> Result<bool, StoreError> {
        let Some(store) = self.store.open(KeyStore::open)? else { return Ok(false) };
        let version = store.of.version()?;
        if store.changed(version) {
            let keys = store.of.keys()?;
            for UnreadableKey { id, name, what } in
                keys.unreadable.iter().filter(|of| !self.unreadable.contains(of))
            {
                tracing::error!(id, name, "{what} of this key cannot be read: it lets nobody in");
            }
            self.unreadable.clone_from(&keys.unreadable);
            key_set.store(Arc::new(key_set.load().with(keys, self.rate)));
            store.version = Some(version);
        }
        Ok(true)
    }
}

fn write_usage(counts: &mut UsageStore, key_set: &KeySet, now: i64) -> Result<(), StoreError> {
    let drained = key_set.iter().filter_map(|key| Some((key, key.fingerprint()?, key.counters.drain())));
    let drained: Vec<_> =
        drained.filter(|(_, _, of)| of.requests > 0 || of.refused > 0 || of.bytes > 0).collect();
    if drained.is_empty() {
        return Ok(());
    }
    let counted: Vec<_> = drained.iter().map(|(_, fingerprint, of)| (*fingerprint, *of)).collect();
    let written = counts.add(now.div_euclid(i64::from(Period::Day.seconds())), &counted);
    if written.is_err() {
        for (key, _, of) in drained {
            key.counters.restore(of);
        }
    }
    written
}

/// Adds the quota use of this server to the file, and that of other servers to this one where the file has `changed`.
fn sync_quotas(
    counts: &mut UsageStore,
    persisted: &mut HashMap<i64, QuotaWindow>,
    key_set: &KeySet,
    changed: bool,
    now: i64,
) -> Result<(), StoreError> {
    let written = if changed { counts.quotas()? } else { HashMap::new() };
    let mut more = Vec::new();
    let mut of_more = Vec::new();
    for key in key_set.iter() {
        let (Some(fingerprint), Some(quota)) = (key.fingerprint(), key.terms.quota) else { continue };
        let period = period(quota, now);
        if key.counters.reset_future_period(period) {
            warn(key, "counted here");
        }
        let here = key.counters.window();
        let persisted_of = persisted.get(&fingerprint).copied().unwrap_or_default();
        let used = if here.period == persisted_of.period {
            here.used.saturating_sub(persisted_of.used)
        } else {
            here.used
        };
        if used > 0 {
            more.push(QuotaIncrement { key: fingerprint, window: QuotaWindow { used, ..here }, period });
            of_more.push((key, fingerprint, here));
        } else if let Some(all) = written.get(&fingerprint) {
            if all.is_in_future(period) {
                // It is written over when there is something to write.
                if persisted_of != *all {
                    warn(key, "written down");
                    persisted.insert(fingerprint, *all);
                }
            } else {
                persisted.insert(fingerprint, merge_others(key, here, *all));
            }
        }
    }
    if more.is_empty() {
        return Ok(());
    }
    for ((key, fingerprint, here), all) in of_more.into_iter().zip(counts.add_quotas(&more)?) {
        persisted.insert(fingerprint, merge_others(key, here, all));
    }
    Ok(())
}

/// Adds the quota use of other servers to a key; returns what the file holds of it, as far as this server knows.
fn merge_others(key: &Key, here: QuotaWindow, all: QuotaWindow) -> QuotaWindow {
    if all.period > here.period {
        key.counters.add_others(all);
        return all;
    }
    if all.period == here.period && all.used > here.used {
        key.counters.add_others(QuotaWindow { used: all.used - here.used, ..all });
        return all;
    }
    here
}

fn warn(key: &Key, of: &str) {
    tracing::warn!(
        key = key.name,
        "a use of the key's quota was {of} for a time that the clock has not come to: it does not count. Was the clock ahead?"
    );
}

/// The identity of the file that a path leads to; `None` if there is none.
fn identity(path: &Path) -> Option<FileIdentity> {
    std::fs::metadata(path).ok().map(|about| FileIdentity::of(&about))
}

#[cfg(test)]
mod tests;
