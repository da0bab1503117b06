//! A map under a root: its entries, and the value of one key.

use cid::Cid;

use super::node::{DEEPEST, Path, Pointer, Pointers, SLOTS, slot_of};
use crate::block::{Block, BlockStore, cid_of, sha2};
use crate::error::{Error, Result};

/// A map from keys to values under a root.
pub struct Hamt<'s> {
    pub(super) store: &'s dyn BlockStore,
    pub(super) what: &'static str,
    pub(super) root: Cid,
}

impl<'s> Hamt<'s> {
    /// The map under `root`; `what` names it in errors.
    #[must_use]
    pub fn new(store: &'s dyn BlockStore, root: &Cid, what: &'static str) -> Self {
        Self { store, what, root: *root }
    }

    /// Calls `visit` with each key and its raw value.
    ///
    /// # Errors
    /// If a block is missing or malformed, or `visit` fails.
    pub fn for_each(&self, visit: &mut dyn FnMut(&[u8], &[u8]) -> Result<()>) -> Result<()> {
        self.walk(&self.root, Path::ROOT, visit)
    }

    pub(super) fn walk(
        &self,
        cid: &Cid,
        path: Path,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Result<()>,
    ) -> Result<()> {
        let block = self.load(cid, path.depth)?;
        let here = |error: Error| error.in_block(cid, self.what);
        let mut pointers = Pointers::of(&block, path.depth).map_err(here)?;
        self.store.spend(pointers.work()).map_err(here)?;
        for slot in 0..SLOTS {
            let Some(pointer) = pointers.at(slot).map_err(here)? else { continue };
            let path = path.through(slot);
            match pointer {
                Pointer::Link(link) => self.walk(&cid_of(link).map_err(here)?, path, visit)?,
                Pointer::Bucket(bucket) => bucket.under(&path, visit).map_err(here)?,
            }
        }
        Ok(())
    }

    /// The raw value of `key`, if it has one.
    ///
    /// # Errors
    /// If a block is missing or malformed.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let hash = sha2(key);
        let mut cid = self.root;
        for depth in 0..DEEPEST {
            let block = self.load(&cid, depth)?;
            let here = |error: Error| error.in_block(&cid, self.what);
            let pointer = Pointers::of(&block, depth).and_then(|of| of.only(slot_of(&hash, depth)));
            match pointer.map_err(here)? {
                None => return Ok(None),
                Some(Pointer::Link(link)) => cid = cid_of(link).map_err(here)?,
                Some(Pointer::Bucket(bucket)) => {
                    let mut value = None;
                    bucket
                        .for_each(&mut |found, raw| {
                            if found == key {
                                value = Some(raw.to_vec());
                            }
                            Ok(())
                        })
                        .map_err(here)?;
                    return Ok(value);
                }
            }
        }
        Err(Error::malformed("a HAMT deeper than its hash").in_block(&cid, self.what))
    }

    pub(super) fn load(&self, cid: &Cid, depth: usize) -> Result<Block<'s>> {
        if depth >= DEEPEST {
            return Err(Error::malformed("a HAMT deeper than its hash").in_block(cid, self.what));
        }
        self.store.get_required(cid, self.what)
    }
}
