//! Blocks go into a plain CAR as they are made, each once.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use chain::dag_cbor_cid;

use super::encode::{CID_PREFIX, Digest, link_to, list};

/// A CAR in the making.
pub struct Car {
    out: BufWriter<File>,
    roots: usize,
    seen: HashSet<u64>,
    /// How many blocks are in it.
    pub blocks: u64,
}

impl Car {
    /// Begins one that will have so many roots.
    pub fn create(path: &Path, roots: usize) -> io::Result<Self> {
        let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
        out.write_all(&header(&vec![[0; 32]; roots]))?;
        Ok(Self { out, roots, seen: HashSet::new(), blocks: 0 })
    }

    /// Puts a block, if it is not there yet.
    pub fn put(&mut self, block: &[u8]) -> io::Result<Digest> {
        let cid = dag_cbor_cid(block);
        let mut digest = [0; 32];
        digest.copy_from_slice(cid.hash().digest());
        let (first, _) = digest.split_first_chunk().unwrap_or((&[0; 8], &[]));
        if self.seen.insert(u64::from_le_bytes(*first)) {
            self.out.write_all(&section(&digest, block))?;
            self.blocks += 1;
        }
        Ok(digest)
    }

    /// Names the roots, and is done.
    pub fn finish(mut self, roots: &[Digest]) -> io::Result<()> {
        assert_eq!(roots.len(), self.roots, "the header has room for as many roots as it was begun with");
        self.out.flush()?;
        let mut file = self.out.into_inner()?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&header(roots))
    }
}

/// The header of a CAR with these roots.
pub fn header(roots: &[Digest]) -> Vec<u8> {
    let text = |text: &str| [&[0x60 | text.len() as u8], text.as_bytes()].concat();
    let links: Vec<_> = roots.iter().map(link_to).collect();
    let map = [vec![0xa2], text("roots"), list(&links), text("version"), vec![1]].concat();
    [varint(map.len()), map].concat()
}

/// A block as it stands in a CAR.
pub fn section(digest: &Digest, block: &[u8]) -> Vec<u8> {
    let length = varint(CID_PREFIX.len() + digest.len() + block.len());
    [&length[..], &CID_PREFIX, digest, block].concat()
}

fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}
