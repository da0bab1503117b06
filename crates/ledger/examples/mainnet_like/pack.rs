//! Packs a chain as snapshots are: from the head down, of each tipset its headers, messages and state, each block once.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use chain::{BlockStore, CarStore, Chain, Cid, NoProgress};

use super::car::{header, section};
use super::encode::{CID_PREFIX, Digest};
use super::forest::Packer;

/// What a link to a DAG-CBOR block is written as, up to its digest.
const LINK: [u8; 11] = [0xd8, 0x2a, 0x58, 0x27, 0x00, 0x01, 0x71, 0xa0, 0xe4, 0x02, 0x20];

/// Packs the CAR at `plain` into `to`, as `.forest.car.zst`.
pub fn pack(plain: &Path, cache: &Path, to: &Path, with_receipts: bool) -> io::Result<()> {
    let cars = CarStore::open(&[plain.to_owned()], cache, &NoProgress).map_err(io::Error::other)?;
    let chain = Chain::open(&cars, cars.roots()).map_err(io::Error::other)?;
    let roots: Vec<Digest> = cars.roots().map(|root| digest(&root)).collect();
    let out = BufWriter::with_capacity(1 << 20, File::create(to)?);
    let mut export =
        Export { cars: &cars, packer: Packer::begin(out, &header(&roots))?, seen: HashSet::new() };
    for tipset in chain.tipsets().iter().rev() {
        for block in &tipset.key.0 {
            export.block(&digest(block))?;
        }
        if !with_receipts {
            export.pass_over(&digest(&tipset.parent_receipts));
        }
        for block in &tipset.key.0 {
            export.below(&digest(block))?;
        }
    }
    export.headers(chain.tipsets().first().map_or(&[], |first| &first.parents.0))?;
    export.packer.finish()?.flush()
}

fn digest(cid: &Cid) -> Digest {
    cid.hash().digest().try_into().unwrap_or_default()
}

struct Export<'c> {
    cars: &'c CarStore,
    packer: Packer<BufWriter<File>>,
    seen: HashSet<u64>,
}

impl Export<'_> {
    fn is_first(&mut self, digest: &Digest) -> bool {
        let (first, _) = digest.split_first_chunk().unwrap_or((&[0; 8], &[]));
        self.seen.insert(u64::from_le_bytes(*first))
    }

    fn pass_over(&mut self, digest: &Digest) {
        self.is_first(digest);
    }

    fn get(&self, digest: &Digest) -> io::Result<Option<(Cid, Vec<u8>)>> {
        let cid = [&CID_PREFIX[..], digest].concat();
        let cid = Cid::try_from(cid.as_slice()).map_err(io::Error::other)?;
        let block = self.cars.get(&cid).map_err(io::Error::other)?;
        Ok(block.map(|block| (cid, block.to_vec())))
    }

    /// Writes a block, if that is its first place; returns it.
    fn block(&mut self, digest: &Digest) -> io::Result<Option<Vec<u8>>> {
        if !self.is_first(digest) {
            return Ok(None);
        }
        let Some((cid, block)) = self.get(digest)? else { return Ok(None) };
        self.packer.push(&cid, &section(digest, &block))?;
        Ok(Some(block))
    }

    /// Writes all that a header leads to, but for its parents, which come first among its links.
    fn below(&mut self, header: &Digest) -> io::Result<()> {
        let Some((_, header)) = self.get(header)? else { return Ok(()) };
        let links = links(&header);
        // The last three are state, receipts and messages.
        let last = links.len().saturating_sub(3);
        for link in links[last..].iter().rev() {
            let mut stack = vec![*link];
            while let Some(next) = stack.pop() {
                if let Some(block) = self.block(&next)? {
                    stack.extend(self::links(&block).into_iter().rev());
                }
            }
        }
        Ok(())
    }

    /// Writes the headers from these down.
    fn headers(&mut self, parents: &[Cid]) -> io::Result<()> {
        let mut next: Vec<Digest> = parents.iter().map(digest).collect();
        while let Some(header) = next.pop() {
            if let Some(block) = self.block(&header)? {
                let links = links(&block);
                next.extend(&links[..links.len().saturating_sub(3)]);
            }
        }
        Ok(())
    }
}

/// The digests of the blocks that a block links.
fn links(block: &[u8]) -> Vec<Digest> {
    let at = |begin: usize| block.get(begin + LINK.len()..begin + LINK.len() + 32)?.try_into().ok();
    let begins = (0..block.len().saturating_sub(LINK.len())).filter(|at| block[*at..].starts_with(&LINK));
    begins.filter_map(at).collect()
}
