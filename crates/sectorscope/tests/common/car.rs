//! Plain CARs by their bytes: where the header and the blocks lie.

use std::ops::Range;
use std::path::Path;

/// How a CID of DAG-CBOR and blake2b-256 begins: version, codec, hash, length of the digest.
const CID: [u8; 6] = [0x01, 0x71, 0xa0, 0xe4, 0x02, 0x20];
const DIGEST: usize = 32;

/// A plain CAR.
pub(crate) struct Car {
    pub(crate) bytes: Vec<u8>,
    /// Where the header ends and the first section begins.
    pub(crate) header: usize,
    pub(crate) sections: Vec<Section>,
}

/// Length, CID and data of a block, by offsets.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) start: usize,
    pub(crate) cid: Range<usize>,
    pub(crate) data: Range<usize>,
}

impl Car {
    /// Decompresses a `.car.zst`.
    pub(crate) fn decompressed(path: &Path) -> Self {
        let bytes = zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap();
        let (length, start) = varint(&bytes, 0);
        let header = start + length;
        let mut sections = Vec::new();
        let mut at = header;
        while at < bytes.len() {
            let (length, cid) = varint(&bytes, at);
            let (data, end) = (cid + CID.len() + DIGEST, cid + length);
            assert_eq!(bytes[cid..cid + CID.len()], CID, "the chains' blocks are all of one kind");
            sections.push(Section { start: at, cid: cid..data, data: data..end });
            at = end;
        }
        Self { bytes, header, sections }
    }
}

fn varint(bytes: &[u8], mut at: usize) -> (usize, usize) {
    let (mut value, mut shift) = (0, 0);
    loop {
        value |= usize::from(bytes[at] & 0x7f) << shift;
        shift += 7;
        at += 1;
        if bytes[at - 1] & 0x80 == 0 {
            return (value, at);
        }
    }
}
