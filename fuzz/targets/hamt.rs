//! Maps: what a walk meets is what is found by key, and the difference leads from one map to the other.
#![no_main]

use std::collections::BTreeMap;

use chain::{Hamt, Result};
use fuzz::Blocks;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let blocks = Blocks::read(input);
    let Some((after, before)) = blocks.roots() else { return };
    let (after, before) = (Hamt::new(&blocks, &after, "after"), Hamt::new(&blocks, &before, "before"));
    let (new, old) = (entries(&after), entries(&before));
    let mut changes = Vec::new();
    let compared = after.diff(&before, &mut |key, old, new| {
        changes.push((key.to_vec(), old.map(<[u8]>::to_vec), new.map(<[u8]>::to_vec)));
        Ok(())
    });
    let (Ok(new), Ok(mut old)) = (new, old) else { return };
    for key in new.keys().chain(old.keys()).take(16) {
        assert_eq!(after.get(key).expect("it was walked").as_ref(), new.get(key));
        assert_eq!(before.get(key).expect("it was walked").as_ref(), old.get(key));
    }
    after.diff(&after, &mut |key, _, _| panic!("{key:?} differs from itself")).expect("it was walked");
    compared.expect("both were walked");
    for (key, before, after) in changes {
        assert_ne!(before, after);
        let replaced = match after {
            Some(value) => old.insert(key, value),
            None => old.remove(&key),
        };
        assert_eq!(replaced, before);
    }
    assert_eq!(old, new);
});

fn entries(map: &Hamt<'_>) -> Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut entries = BTreeMap::new();
    map.for_each(&mut |key, value| {
        assert!(entries.insert(key.to_vec(), value.to_vec()).is_none(), "a key twice");
        Ok(())
    })?;
    Ok(entries)
}
