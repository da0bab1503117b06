//! Keeps a server's keys in step with the store: takes in what is new there, writes down what was counted here.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::ring::Ring;
use super::store::{Store, StoreError};
use super::terms::Period;
use super::usage::Window;
use crate::rate::Rate;

/// Looks after the keys in one file for one server.
pub(crate) struct Keeper {
    path: PathBuf,
    /// What new keys are limited to.
    rate: Option<Rate>,
    opened: Option<Opened>,
    /// Of each key with a quota: what of it the store has been told.
    told: HashMap<i64, Window>,
    failing: bool,
}

struct Opened {
    store: Store,
    /// By what the file is known again.
    file: Option<u64>,
    /// The store's version that was read last.
    version: Option<i64>,
}

impl Keeper {
    pub(crate) fn new(path: PathBuf, rate: Option<Rate>) -> Self {
        Self { path, rate, opened: None, told: HashMap::new(), failing: false }
    }

    /// As [`Keeper::step`]. That it fails, or does no more, is logged once.
    pub(crate) fn step_or_say(&mut self, ring: &ArcSwap<Ring>, now: i64) {
        let stepped = self.step(ring, now);
        match &stepped {
            Ok(()) if self.failing => tracing::info!("the file of keys can be read and written again"),
            Err(error) if !self.failing => {
                tracing::error!(%error, "keys stay as they are, and counts are not written down for now");
            }
            Ok(()) | Err(_) => {}
        }
        self.failing = stepped.is_err();
    }

    /// Takes in keys that have changed, then writes down what was counted. Blocks while it reads and writes.
    ///
    /// # Errors
    /// If the file cannot be read or written; the keys stay as they are, and counts are kept for the next time.
    pub(crate) fn step(&mut self, ring: &ArcSwap<Ring>, now: i64) -> Result<(), StoreError> {
        self.open()?;
        let Some(opened) = &mut self.opened else { return Ok(()) };
        let version = opened.store.version()?;
        let changed = opened.version != Some(version);
        if changed {
            let keys = opened.store.keys()?;
            ring.store(Arc::new(ring.load().with(keys, self.rate)));
            opened.version = Some(version);
        }
        let ring = ring.load_full();
        self.write_usage(&ring, now)?;
        self.settle_quotas(&ring, changed)
    }

    /// Opens the file if it is there and is not open, or is another one than before.
    fn open(&mut self) -> Result<(), StoreError> {
        let file = identity(&self.path);
        if let Some(opened) = &self.opened
            && (file.is_none() || file == opened.file)
        {
            // A file that is gone is no reason to forget who may ask.
            return Ok(());
        }
        self.opened = None;
        if let Some(store) = Store::open(&self.path)? {
            self.opened = Some(Opened { store, file, version: None });
        }
        Ok(())
    }

    fn write_usage(&mut self, ring: &Ring, now: i64) -> Result<(), StoreError> {
        let Some(opened) = &mut self.opened else { return Ok(()) };
        let drained = ring.each().filter_map(|key| Some((key, key.id?, key.counters.drain())));
        let drained: Vec<_> =
            drained.filter(|(_, _, of)| of.requests > 0 || of.refused > 0 || of.bytes > 0).collect();
        if drained.is_empty() {
            return Ok(());
        }
        let counted: Vec<_> = drained.iter().map(|(_, id, of)| (*id, *of)).collect();
        let written = opened.store.add_usage(now.div_euclid(i64::from(Period::Day.seconds())), &counted);
        if written.is_err() {
            for (key, _, of) in drained {
                key.counters.put_back(of);
            }
        }
        written
    }

    /// Adds to the store what of quotas was used here, and here what others have used.
    fn settle_quotas(&mut self, ring: &Ring, changed: bool) -> Result<(), StoreError> {
        let Some(opened) = &self.opened else { return Ok(()) };
        for key in ring.each() {
            let (Some(id), Some(_)) = (key.id, key.terms.quota) else { continue };
            let here = key.counters.window();
            let told = self.told.get(&id).copied().unwrap_or_default();
            let more =
                if here.period == told.period { here.used.saturating_sub(told.used) } else { here.used };
            if more == 0 && !changed {
                continue;
            }
            let all = opened.store.add_quota(id, Window { used: more, ..here })?;
            let mut told = here;
            if all.period > here.period {
                key.counters.add_others(all);
                told = all;
            } else if all.period == here.period && all.used > here.used {
                key.counters.add_others(Window { used: all.used - here.used, ..all });
                told = all;
            }
            self.told.insert(id, told);
        }
        Ok(())
    }
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
mod tests {
    use super::*;
    use crate::keys::token::digest;
    use crate::keys::{Terms, usage};

    /// A server's part of the work: a ring and its keeper.
    struct Server {
        ring: ArcSwap<Ring>,
        keeper: Keeper,
    }

    impl Server {
        fn new(path: &Path) -> Self {
            let ring = ArcSwap::from_pointee(Ring::new(None, None));
            Self { ring, keeper: Keeper::new(path.to_owned(), None) }
        }

        fn step(&mut self) {
            self.keeper.step(&self.ring, 86_400 * 3 + 5).expect("a store");
        }

        /// Asks once with alice's token; how many requests are left, if it was let in.
        fn ask(&self) -> Option<u32> {
            let ring = self.ring.load();
            let key = ring.find("a").expect("alice");
            let quota = key.terms.quota.expect("a quota");
            key.counters.asked(86_400 * 3 + 5);
            key.counters.take(quota, usage::period(quota, 86_400 * 3 + 5).0)
        }
    }

    fn alice(path: &Path) -> Store {
        let store = Store::open_or_create(path).expect("a store");
        let terms = Terms { quota: "5/day".parse().ok(), ..Terms::default() };
        store.create("alice", &digest("a"), &terms, 0).expect("a key");
        store
    }

    #[test]
    fn keys_are_taken_in_when_they_come_and_when_they_change() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = Store::path(directory.path());
        let mut server = Server::new(&path);
        server.step();
        assert!(!server.ring.load().is_guarded());
        let store = alice(&path);
        server.step();
        assert!(server.ring.load().find("a").is_some());
        store.create("bob", &digest("b"), &Terms::default(), 0).expect("a key");
        store.revoke("alice", 1).expect("revoked");
        server.step();
        let ring = server.ring.load();
        assert!(ring.find("b").is_some());
        assert_eq!(ring.find("a").map(|key| key.standing(1)), Some(super::super::Standing::Revoked));
    }

    #[test]
    fn a_quota_survives_a_restart_and_is_shared_by_two_servers() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = Store::path(directory.path());
        let store = alice(&path);
        let mut first = Server::new(&path);
        first.step();
        assert_eq!([first.ask(), first.ask()], [Some(4), Some(3)]);
        first.step();
        let mut second = Server::new(&path);
        second.step();
        assert_eq!(second.ask(), Some(2));
        second.step();
        first.step();
        assert_eq!([first.ask(), first.ask(), first.ask()], [Some(1), Some(0), None]);
        first.step();
        second.step();
        assert_eq!(second.ask(), None);
        drop((first, second));
        let mut third = Server::new(&path);
        third.step();
        assert_eq!(third.ask(), None);
        assert_eq!(store.usage("alice").expect("usage")[0].requests, 6, "the last two are not written yet");
    }

    #[test]
    fn a_file_that_is_gone_changes_nothing_and_one_that_comes_back_is_read() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = Store::path(directory.path());
        drop(alice(&path));
        let mut server = Server::new(&path);
        server.step();
        std::fs::rename(&path, directory.path().join("away")).expect("moved");
        server.step();
        assert!(server.ring.load().find("a").is_some());
        let store = Store::open_or_create(&path).expect("another file");
        store.create("carol", &digest("c"), &Terms::default(), 0).expect("a key");
        server.step();
        assert!(server.ring.load().find("c").is_some() && server.ring.load().find("a").is_none());
    }
}
