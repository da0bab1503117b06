//! Comparing two maps by the links that differ.

use std::collections::BTreeMap;

use cid::Cid;

use super::map::Hamt;
use super::node::{Entries, Path, Pointer, Pointers, SLOTS};
use crate::block::cid_of;
use crate::error::{Error, Result};

/// Called with a key whose value differs, and the raw values before and after.
pub type HamtChange<'v> = dyn FnMut(&[u8], Option<&[u8]>, Option<&[u8]>) -> Result<()> + 'v;

impl Hamt<'_> {
    /// Calls `visit` for each key whose value differs from `before`'s.
    ///
    /// # Errors
    /// If a block that differs is missing or malformed, or `visit` fails.
    pub fn diff(&self, before: &Hamt<'_>, visit: &mut HamtChange<'_>) -> Result<()> {
        self.compare(before, &before.root, &self.root, Path::ROOT, visit)
    }

    fn compare(
        &self,
        before: &Hamt<'_>,
        old: &Cid,
        new: &Cid,
        path: Path,
        visit: &mut HamtChange<'_>,
    ) -> Result<()> {
        if old == new {
            return Ok(());
        }
        let depth = path.depth;
        let (old_block, new_block) = (before.load(old, depth)?, self.load(new, depth)?);
        let in_old = |error: Error| error.in_block(old, self.what);
        let in_new = |error: Error| error.in_block(new, self.what);
        let mut old_pointers = Pointers::of(&old_block, depth).map_err(in_old)?;
        let mut new_pointers = Pointers::of(&new_block, depth).map_err(in_new)?;
        self.store.spend(old_pointers.work() + new_pointers.work()).map_err(in_new)?;
        for slot in 0..SLOTS {
            let path = path.through(slot);
            match (old_pointers.at(slot).map_err(in_old)?, new_pointers.at(slot).map_err(in_new)?) {
                (None, None) => {}
                (Some(Pointer::Link(old)), Some(Pointer::Link(new))) => {
                    if old != new {
                        let (old, new) = (cid_of(old).map_err(in_old)?, cid_of(new).map_err(in_new)?);
                        self.compare(before, &old, &new, path, visit)?;
                    }
                }
                (Some(Pointer::Bucket(old)), Some(Pointer::Bucket(new))) if old.raw == new.raw => {}
                (Some(Pointer::Bucket(old)), Some(Pointer::Bucket(new))) => {
                    let (old, new) = (old.entries().map_err(in_old)?, new.entries().map_err(in_new)?);
                    for key in changed_keys(&old, &new) {
                        path.holds(key).map_err(in_new)?;
                        visit(key, value_of(&old, key), value_of(&new, key))?;
                    }
                }
                (old, new) => {
                    // A bucket on one side: few entries, compared by key.
                    let mut old_entries = BTreeMap::new();
                    before.gather(old, path, &mut old_entries).map_err(in_old)?;
                    let mut new_entries = BTreeMap::new();
                    self.gather(new, path, &mut new_entries).map_err(in_new)?;
                    compare_entries(old_entries, &new_entries, visit)?;
                }
            }
        }
        Ok(())
    }

    /// All entries under a pointer that `path` leads to.
    fn gather(
        &self,
        pointer: Option<Pointer<'_>>,
        path: Path,
        entries: &mut BTreeMap<Vec<u8>, Vec<u8>>,
    ) -> Result<()> {
        let mut add = |key: &[u8], value: &[u8]| {
            entries.insert(key.to_vec(), value.to_vec());
            Ok(())
        };
        match pointer {
            None => Ok(()),
            Some(Pointer::Link(link)) => self.walk(&cid_of(link)?, path, &mut add),
            Some(Pointer::Bucket(bucket)) => bucket.under(&path, &mut add),
        }
    }
}

/// The raw value of a key of a bucket.
fn value_of<'b>(entries: &Entries<'b>, key: &[u8]) -> Option<&'b [u8]> {
    entries.iter().find(|(found, _)| *found == key).map(|(_, raw)| *raw)
}

/// The keys whose values differ between two buckets, in order.
fn changed_keys<'b>(old: &Entries<'b>, new: &Entries<'b>) -> Vec<&'b [u8]> {
    let changed = new.iter().filter(|(key, after)| value_of(old, key) != Some(after));
    let gone = old.iter().filter(|(key, _)| value_of(new, key).is_none());
    let mut keys: Vec<_> = changed.chain(gone).map(|(key, _)| *key).collect();
    keys.sort_unstable();
    keys
}

fn compare_entries(
    mut old: BTreeMap<Vec<u8>, Vec<u8>>,
    new: &BTreeMap<Vec<u8>, Vec<u8>>,
    visit: &mut HamtChange<'_>,
) -> Result<()> {
    for (key, after) in new {
        let before = old.remove(key);
        if before.as_ref() != Some(after) {
            visit(key, before.as_deref(), Some(after))?;
        }
    }
    old.iter().try_for_each(|(key, before)| visit(key, Some(before), None))
}
