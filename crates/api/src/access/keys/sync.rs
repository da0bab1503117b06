//! Keeps a server's keys in step with the store: takes in what is new there, writes down what was counted here.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::counters::{Window, period};
use super::error::StoreError;
use super::key_set::{Key, Ring};
use super::store::{Store, Unreadable};
use super::usage_store::{Counts, More};
use crate::access::period::Period;
use crate::access::rate::Rate;

/// Looks after the keys in one file for one server.
pub(crate) struct Keeper {
    /// What new keys are limited to.
    rate: Option<Rate>,
    store: Watched<Store>,
    counts: Watched<Counts>,
    /// Of each key with a quota, by its mark: what of it is written down.
    told: HashMap<i64, Window>,
    /// The keys that could not be read when they were taken in last.
    unreadable: Vec<Unreadable>,
    failing: bool,
}

/// A file that is looked at again and again.
struct Watched<T> {
    path: PathBuf,
    opened: Option<Opened<T>>,
}

struct Opened<T> {
    of: T,
    /// By what the file is known again.
    file: Option<u64>,
    /// The version that was read last.
    version: Option<i64>,
}

impl<T> Watched<T> {
    fn new(path: PathBuf) -> Self {
        Self { path, opened: None }
    }

    /// Opens the file if it is there and is not open, or is another one than before.
    fn open(
        &mut self,
        open: impl Fn(&Path) -> Result<Option<T>, StoreError>,
    ) -> Result<Option<&mut Opened<T>>, StoreError> {
        let file = identity(&self.path);
        // A file that is gone is no reason to forget who may ask.
        let same = self.opened.as_ref().is_some_and(|opened| file.is_none() || file == opened.file);
        if !same {
            self.opened = None;
            // One that was made just now has its identity now.
            let of = open(&self.path)?;
            let file = identity(&self.path);
            self.opened = of.map(|of| Opened { of, file, version: None });
        }
        Ok(self.opened.as_mut())
    }
}

impl<T> Opened<T> {
    /// Whether it has changed since it was read, as its version says.
    fn changed(&self, version: i64) -> bool {
        self.version != Some(version)
    }
}

impl Keeper {
    pub(crate) fn new(path: PathBuf, rate: Option<Rate>) -> Self {
        let counts = Watched::new(Counts::path(&path));
        let store = Watched::new(path);
        Self { rate, store, counts, told: HashMap::new(), unreadable: Vec::new(), failing: false }
    }

    /// As [`Keeper::step`]. That it fails, or does no more, is logged once.
    pub(crate) fn step_or_say(&mut self, ring: &ArcSwap<Ring>, now: i64) {
        let stepped = self.step(ring, now);
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

    /// Takes in keys that have changed, then writes down what was counted. Blocks while it reads and writes.
    ///
    /// # Errors
    /// If a file cannot be read or written; what is not read stays as it is, and counts are kept for the next time. Keys are
    /// taken in also where counts cannot be written.
    pub(crate) fn step(&mut self, ring: &ArcSwap<Ring>, now: i64) -> Result<(), StoreError> {
        if !self.take_in(ring)? {
            return Ok(());
        }
        let ring = ring.load_full();
        let Some(counts) = self.counts.open(|path| Counts::open_or_create(path).map(Some))? else {
            return Ok(());
        };
        write_usage(&mut counts.of, &ring, now)?;
        let version = counts.of.version()?;
        let changed = counts.changed(version);
        settle_quotas(&mut counts.of, &mut self.told, &ring, changed, now)?;
        counts.version = Some(version);
        Ok(())
    }

    /// Takes in keys that have changed; whether there is a file of keys.
    ///
    /// # Errors
    /// If it cannot be read; the keys stay as they are.
    pub(crate) fn take_in(&mut self, ring: &ArcSwap<Ring>) -> Result<bool, StoreError> {
        let Some(store) = self.store.open(Store::open)? else { return Ok(false) };
        let version = store.of.version()?;
        if store.changed(version) {
            let keys = store.of.keys()?;
            for Unreadable { id, name, what } in
                keys.unreadable.iter().filter(|of| !self.unreadable.contains(of))
            {
                tracing::error!(id, name, "{what} of this key cannot be read: it lets nobody in");
            }
            self.unreadable.clone_from(&keys.unreadable);
            ring.store(Arc::new(ring.load().with(keys, self.rate)));
            store.version = Some(version);
        }
        Ok(true)
    }
}

fn write_usage(counts: &mut Counts, ring: &Ring, now: i64) -> Result<(), StoreError> {
    let drained = ring.each().filter_map(|key| Some((key, key.mark()?, key.counters.drain())));
    let drained: Vec<_> =
        drained.filter(|(_, _, of)| of.requests > 0 || of.refused > 0 || of.bytes > 0).collect();
    if drained.is_empty() {
        return Ok(());
    }
    let counted: Vec<_> = drained.iter().map(|(_, mark, of)| (*mark, *of)).collect();
    let written = counts.add(now.div_euclid(i64::from(Period::Day.seconds())), &counted);
    if written.is_err() {
        for (key, _, of) in drained {
            key.counters.put_back(of);
        }
    }
    written
}

/// Adds to the file what of quotas was used here, and here what others have used, where the file has `changed`.
fn settle_quotas(
    counts: &mut Counts,
    told: &mut HashMap<i64, Window>,
    ring: &Ring,
    changed: bool,
    now: i64,
) -> Result<(), StoreError> {
    let written = if changed { counts.quotas()? } else { HashMap::new() };
    let mut more = Vec::new();
    let mut of_more = Vec::new();
    for key in ring.each() {
        let (Some(mark), Some(quota)) = (key.mark(), key.terms.quota) else { continue };
        let period = period(quota, now);
        if key.counters.let_go(period) {
            warn(key, "counted here");
        }
        let here = key.counters.window();
        let told_of = told.get(&mark).copied().unwrap_or_default();
        let used =
            if here.period == told_of.period { here.used.saturating_sub(told_of.used) } else { here.used };
        if used > 0 {
            more.push(More { key: mark, window: Window { used, ..here }, period });
            of_more.push((key, mark, here));
        } else if let Some(all) = written.get(&mark) {
            if all.is_void(period) {
                // It is written over when there is something to write.
                if told_of != *all {
                    warn(key, "written down");
                    told.insert(mark, *all);
                }
            } else {
                told.insert(mark, take_others(key, here, *all));
            }
        }
    }
    if more.is_empty() {
        return Ok(());
    }
    for ((key, mark, here), all) in of_more.into_iter().zip(counts.add_quotas(&more)?) {
        told.insert(mark, take_others(key, here, all));
    }
    Ok(())
}

/// Takes in what others have used of a key's quota; gives what is written down of it, as far as it is known here.
fn take_others(key: &Key, here: Window, all: Window) -> Window {
    if all.period > here.period {
        key.counters.add_others(all);
        return all;
    }
    if all.period == here.period && all.used > here.used {
        key.counters.add_others(Window { used: all.used - here.used, ..all });
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

#[cfg(unix)]
fn identity(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|about| std::os::unix::fs::MetadataExt::ino(&about))
}

#[cfg(not(unix))]
fn identity(path: &Path) -> Option<u64> {
    path.exists().then_some(0)
}

#[cfg(test)]
mod tests;
