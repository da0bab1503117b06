//! Blocks and where they come from.

use std::ops::{Deref, Range};
use std::sync::Arc;

use cid::Cid;
use cid::multihash::Multihash;
use sha2::{Digest, Sha256};

use crate::archive;
use crate::error::{Error, Result};
use crate::work;

/// Multihash code of blake2b-256, which Filecoin's blocks are hashed with.
const BLAKE2B_256: u64 = 0xb220;
/// Multihash code of sha2-256: genesis links a block or two of IPFS.
const SHA2_256: u64 = 0x12;
/// Multihash code of identity: the "hash" is the data.
pub(crate) const IDENTITY: u64 = 0;
const DAG_CBOR: u64 = 0x71;
/// How the CID of nearly every block begins: version 1, DAG-CBOR, blake2b-256 of 32 bytes.
const USUAL_CID: [u8; 6] = [0x01, 0x71, 0xa0, 0xe4, 0x02, 0x20];
const DIGEST: usize = 32;

/// A block's bytes: borrowed from a mapped file where that is possible.
#[derive(Clone, Debug)]
pub enum Block<'a> {
    /// In place, in a mapped file or in memory.
    Borrowed(&'a [u8]),
    /// Part of a buffer that is shared with a cache.
    Shared(Arc<[u8]>, Range<usize>),
}

impl Deref for Block<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Shared(bytes, part) => bytes.get(part.clone()).unwrap_or_default(),
        }
    }
}

/// Anything that blocks can be had from: files, or a node.
pub trait BlockStore: Send + Sync {
    /// The block of that CID, its hash checked; `None` if it is not here.
    ///
    /// # Errors
    /// If it is here and damaged, or cannot be read.
    fn get(&self, cid: &Cid) -> Result<Option<Block<'_>>>;

    /// Counts work that is done with what was read ([`work`]), where a store bounds that.
    ///
    /// # Errors
    /// [`Error::TooMuchWork`] once it is more than what the blocks are in can need.
    fn spend(&self, _work: u64) -> Result<()> {
        Ok(())
    }

    /// Names of the files that the blocks are in, if they are in files: they show what is missing.
    fn file_names(&self) -> Vec<String> {
        Vec::new()
    }

    /// The block of that CID, which `what` needs.
    ///
    /// # Errors
    /// [`Error::MissingBlock`] if it is not here; else as [`BlockStore::get`].
    fn get_required(&self, cid: &Cid, what: &'static str) -> Result<Block<'_>> {
        if cid.hash().code() == IDENTITY {
            let digest = cid.hash().digest();
            self.spend(work::BLOCK)?;
            return Ok(Block::Shared(digest.into(), 0..digest.len()));
        }
        let base = || archive::base(&self.file_names()).map(String::into_boxed_str);
        self.get(cid)?.ok_or_else(|| Error::MissingBlock(Box::new(*cid), what, base()))
    }
}

/// Decodes the bytes of a link.
pub(crate) fn cid_of(bytes: &[u8]) -> Result<Cid> {
    let mut rest = bytes;
    match read_cid(&mut rest) {
        Some(cid) if rest.is_empty() => Ok(cid),
        _ => Err(Error::malformed("a link that is no CID")),
    }
}

/// Reads the CID that `bytes` begin with, and leaves the rest. A CID has one spelling: varints that pass 64 bits, of
/// which the decoder drops what it cannot hold, are refused.
pub(crate) fn read_cid(bytes: &mut &[u8]) -> Option<Cid> {
    let all = *bytes;
    if let Some((digest, rest)) =
        all.strip_prefix(&USUAL_CID).and_then(|after| after.split_first_chunk::<DIGEST>())
    {
        *bytes = rest;
        return Some(Cid::new_v1(DAG_CBOR, Multihash::wrap(BLAKE2B_256, digest).ok()?));
    }
    let cid = Cid::read_bytes(&mut *bytes).ok()?;
    let spelled = &all[..all.len() - bytes.len()];
    (spelled == cid.to_bytes()).then_some(cid)
}

/// Whether a CID is of the kind that [`dag_cbor_cid`] makes.
pub(crate) fn is_usual(cid: &Cid) -> bool {
    cid.codec() == DAG_CBOR && cid.hash().code() == BLAKE2B_256 && usize::from(cid.hash().size()) == DIGEST
}

/// The CID of a DAG-CBOR block with these bytes.
#[must_use]
pub fn dag_cbor_cid(bytes: &[u8]) -> Cid {
    let digest = blake2b(bytes);
    // A digest of 32 bytes always fits a multihash of 64.
    let hash = Multihash::wrap(BLAKE2B_256, &digest).unwrap_or_default();
    Cid::new_v1(DAG_CBOR, hash)
}

/// Hashes a block piece by piece, to hold it against its CID.
pub(crate) enum Hashing<'c> {
    Blake2b(blake2b_simd::State, &'c [u8]),
    Sha2(Sha256, &'c [u8]),
    /// What is left of the "hash" to find in the data; `None` once that differs.
    Identity(Option<&'c [u8]>),
}

impl<'c> Hashing<'c> {
    /// Begins; `None` for a kind of hash that is not known.
    pub(crate) fn of(cid: &'c Cid) -> Option<Self> {
        let digest = cid.hash().digest();
        match cid.hash().code() {
            BLAKE2B_256 => Some(Self::Blake2b(blake2b_256().to_state(), digest)),
            SHA2_256 => Some(Self::Sha2(Sha256::new(), digest)),
            IDENTITY => Some(Self::Identity(Some(digest))),
            _ => None,
        }
    }

    /// Adds the next piece.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        match self {
            Self::Blake2b(state, _) => drop(state.update(bytes)),
            Self::Sha2(state, _) => state.update(bytes),
            Self::Identity(left) => *left = left.and_then(|left| left.strip_prefix(bytes)),
        }
    }

    /// Whether all the pieces have the hash that the CID says.
    pub(crate) fn matches(self) -> bool {
        match self {
            Self::Blake2b(state, digest) => state.finalize().as_bytes() == digest,
            Self::Sha2(state, digest) => state.finalize()[..] == *digest,
            Self::Identity(left) => left.is_some_and(<[u8]>::is_empty),
        }
    }
}

/// Whether the hash in `cid` is that of `bytes`; `None` for a kind of hash that is not known.
pub(crate) fn has_hash(cid: &Cid, bytes: &[u8]) -> Option<bool> {
    let mut hashing = Hashing::of(cid)?;
    hashing.add(bytes);
    Some(hashing.matches())
}

/// sha2-256 of some bytes.
pub(crate) fn sha2(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn blake2b_256() -> blake2b_simd::Params {
    let mut params = blake2b_simd::Params::new();
    params.hash_length(32);
    params
}

/// blake2b-256 of some bytes.
pub(crate) fn blake2b(bytes: &[u8]) -> [u8; 32] {
    let hash = blake2b_256().hash(bytes);
    let mut digest = [0; 32];
    digest.copy_from_slice(hash.as_bytes());
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cid_has_one_spelling() {
        let cid = dag_cbor_cid(b"block");
        let bytes = cid.to_bytes();
        assert_eq!(cid_of(&bytes).unwrap(), cid);
        let mut followed = &[&bytes[..], b"data"].concat()[..];
        assert_eq!((read_cid(&mut followed), followed), (Some(cid), &b"data"[..]));
        for cut in 0..bytes.len() {
            assert!(read_cid(&mut &bytes[..cut]).is_none());
        }
        assert!(cid_of(&[&bytes[..], &[0]].concat()).is_err());
        // The codec with 2^65 added, which 64 bits drop.
        let codec = [0xf1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 4];
        let folded = [&bytes[..1], &codec, &bytes[2..]].concat();
        assert!(cid_of(&folded).is_err());
        // A hash code of as many bytes as its one spelling has, but with bits beyond 64.
        let hash_code = |last| [0xff, 0xff, 0xba, 0xff, 0xff, 0xff, 0xff, 0x82, 0x8c, last];
        let hashed = |last| [&[1, 0x71][..], &hash_code(last), &[1, 7]].concat();
        assert!(cid_of(&hashed(0x01)).is_ok());
        assert!(cid_of(&hashed(0x35)).is_err());
    }
}
