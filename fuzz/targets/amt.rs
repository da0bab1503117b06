//! Arrays: what a walk meets is what is found by index, and the difference leads from one array to the other.
#![no_main]

use std::collections::BTreeMap;

use chain::{Amt, Result};
use fuzz::Blocks;
use libfuzzer_sys::fuzz_target;

/// Arrays that claim more are not walked here: they take as long as they claim.
const MOST: u64 = 1 << 10;

fuzz_target!(|input: &[u8]| {
    let blocks = Blocks::read(input);
    let Some((after, before)) = blocks.roots() else { return };
    let (Ok(after), Ok(before)) =
        (Amt::open(&blocks, &after, "after"), Amt::open(&blocks, &before, "before"))
    else {
        return;
    };
    if after.count().max(before.count()) > MOST {
        let _ = after.get(0, |value| value.skip());
        return;
    }
    let (new, old) = (values(&after), values(&before));
    let mut changes = Vec::new();
    let compared = after.diff(&before, &mut |index, old, new| {
        changes.push((index, old.map(<[u8]>::to_vec), new.map(<[u8]>::to_vec)));
        Ok(())
    });
    let (Ok(new), Ok(mut old)) = (new, old) else { return };
    for array in [&new, &old] {
        let whole = if std::ptr::eq(array, &new) { &after } else { &before };
        assert!(array.len() as u64 <= whole.count());
        for (index, value) in array.iter().take(32) {
            let found = whole.get(*index, |found| found.raw().map(<[u8]>::to_vec)).expect("it was walked");
            assert_eq!(found.as_ref(), Some(value));
            let next = index.wrapping_add(1);
            let found = whole.get(next, |_| Ok(())).ok().flatten();
            assert_eq!(found.is_some(), array.contains_key(&next));
        }
    }
    after.diff(&after, &mut |index, _, _| panic!("{index} differs from itself")).expect("it was walked");
    compared.expect("both were walked");
    for (index, before, after) in changes {
        assert_ne!(before, after);
        let replaced = match after {
            Some(value) => old.insert(index, value),
            None => old.remove(&index),
        };
        assert_eq!(replaced, before);
    }
    assert_eq!(old, new);
});

fn values(array: &Amt<'_>) -> Result<BTreeMap<u64, Vec<u8>>> {
    let mut values = BTreeMap::new();
    array.for_each(&mut |index, value| {
        assert!(values.last_key_value().is_none_or(|(last, _)| *last < index), "not in rising order");
        values.insert(index, value.raw()?.to_vec());
        Ok(())
    })?;
    Ok(values)
}
