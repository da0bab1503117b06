//! Block headers: what is read stands in the bytes, and a tipset of one block is that block's.
#![no_main]

use chain::{Cid, Header, Tipset};
use fuzz::Blocks;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let blocks = Blocks::read(input);
    let Some((cid, _)) = blocks.roots() else { return };
    let header = Header::read(&blocks, &cid);
    let tipset = Tipset::read(&blocks, &[cid]);
    assert_eq!(header.is_ok(), tipset.is_ok());
    let (Ok(header), Ok(tipset)) = (header, tipset) else { return };
    assert_eq!(header.cid, cid);
    assert_eq!(tipset.key.0, [cid]);
    assert_eq!(
        (
            &tipset.parents.0,
            tipset.height,
            tipset.timestamp,
            tipset.parent_state_root,
            tipset.parent_receipts
        ),
        (&header.parents, header.height, header.timestamp, header.parent_state_root, header.parent_receipts)
    );
    let holds = |cid: &Cid| {
        let bytes = cid.to_bytes();
        blocks.last().windows(bytes.len()).any(|window| window == bytes)
    };
    assert!(header.parents.iter().take(8).all(holds));
    assert!([&header.parent_state_root, &header.parent_receipts, &header.messages].into_iter().all(holds));
});
