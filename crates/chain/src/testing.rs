//! Blocks in memory and a few words of CBOR, for tests that make hostile structures.

use std::collections::HashMap;

use cid::Cid;

use crate::block::{Block, BlockStore, dag_cbor_cid};
use crate::error::Result;

/// Blocks in memory.
#[derive(Default)]
pub(crate) struct Memory(HashMap<Cid, Vec<u8>>);

impl Memory {
    pub(crate) fn put(&mut self, block: Vec<u8>) -> Cid {
        let cid = dag_cbor_cid(&block);
        self.0.insert(cid, block);
        cid
    }
}

impl BlockStore for Memory {
    fn get(&self, cid: &Cid) -> Result<Option<Block<'_>>> {
        Ok(self.0.get(cid).map(|bytes| Block::Borrowed(bytes)))
    }
}

fn head(major: u8, value: u64) -> Vec<u8> {
    match u8::try_from(value) {
        Ok(small @ 0..=23) => vec![major << 5 | small],
        _ => [vec![major << 5 | 27], value.to_be_bytes().to_vec()].concat(),
    }
}

pub(crate) fn uint(value: u64) -> Vec<u8> {
    head(0, value)
}

pub(crate) fn bytes(bytes: &[u8]) -> Vec<u8> {
    [head(2, bytes.len() as u64), bytes.to_vec()].concat()
}

pub(crate) fn array(items: &[Vec<u8>]) -> Vec<u8> {
    [head(4, items.len() as u64), items.concat()].concat()
}

pub(crate) fn link(cid: &Cid) -> Vec<u8> {
    [vec![0xd8, 42], bytes(&[vec![0], cid.to_bytes()].concat())].concat()
}
