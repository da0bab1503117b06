//! Blocks for both sides: ours lends slices, the peers' interface wants copies.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use chain::{Block, BlockStore};
use cid::Cid;
use fvm_ipld_blockstore::Blockstore;

/// One of our stores, as the peers see it.
#[derive(Clone, Copy)]
pub struct Seen<'s>(pub &'s dyn BlockStore);

impl Blockstore for Seen<'_> {
    fn get(&self, cid: &Cid) -> anyhow::Result<Option<Vec<u8>>> {
        Ok(self.0.get(cid)?.map(|block| block.to_vec()))
    }

    fn put_keyed(&self, cid: &Cid, _: &[u8]) -> anyhow::Result<()> {
        anyhow::bail!("a store that is only read was given {cid}")
    }
}

/// Blocks made by the peers, read by both.
#[derive(Default)]
pub struct Memory(Mutex<HashMap<Cid, Arc<[u8]>>>);

impl Memory {
    fn find(&self, cid: &Cid) -> Option<Arc<[u8]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(cid).cloned()
    }
}

impl BlockStore for Memory {
    fn get(&self, cid: &Cid) -> chain::Result<Option<Block<'_>>> {
        Ok(self.find(cid).map(|bytes| {
            let whole = 0..bytes.len();
            Block::Shared(bytes, whole)
        }))
    }
}

impl Blockstore for Memory {
    fn get(&self, cid: &Cid) -> anyhow::Result<Option<Vec<u8>>> {
        Ok(self.find(cid).map(|block| block.to_vec()))
    }

    fn put_keyed(&self, cid: &Cid, block: &[u8]) -> anyhow::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(*cid, block.into());
        Ok(())
    }
}

/// Blocks in memory for a peer to be fast on: no locks, and a digest is its own hash.
#[derive(Default)]
pub struct Loaded(HashMap<Cid, Vec<u8>, BuildHasherDefault<Digest>>);

impl Loaded {
    /// Reads a CAR by the peer's own reader, without checking hashes.
    ///
    /// # Errors
    /// If the file is no CAR.
    pub fn read(path: &std::path::Path) -> anyhow::Result<Self> {
        let file = std::fs::File::open(path).with_context(|| path.display().to_string())?;
        let reader = fvm_ipld_car::CarReader::new_unchecked(std::io::BufReader::new(file))?;
        let blocks = reader.map(|block| block.map(|block| (block.cid, block.data)));
        Ok(Self(blocks.collect::<Result<_, _>>()?))
    }
}

impl Blockstore for Loaded {
    fn get(&self, cid: &Cid) -> anyhow::Result<Option<Vec<u8>>> {
        Ok(self.0.get(cid).cloned())
    }

    fn put_keyed(&self, cid: &Cid, _: &[u8]) -> anyhow::Result<()> {
        anyhow::bail!("a store that is only read was given {cid}")
    }
}

/// Hashes a CID to the last eight bytes of its digest.
#[derive(Default)]
pub struct Digest(u64);

impl Hasher for Digest {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last_chunk() {
            self.0 = u64::from_le_bytes(*last);
        }
    }

    fn write_u64(&mut self, _: u64) {}

    fn write_u8(&mut self, _: u8) {}

    fn write_usize(&mut self, _: usize) {}

    fn write_isize(&mut self, _: isize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

/// One of our stores with every block's hash checked each time it is handed out.
pub struct Hashing<'s>(pub &'s dyn BlockStore);

impl BlockStore for Hashing<'_> {
    fn get(&self, cid: &Cid) -> chain::Result<Option<Block<'_>>> {
        let found = self.0.get(cid)?;
        match &found {
            Some(block) if chain::dag_cbor_cid(block).hash() != cid.hash() => {
                Err(chain::Error::Chain(format!("block {cid} does not have the hash its CID says")))
            }
            _ => Ok(found),
        }
    }
}
