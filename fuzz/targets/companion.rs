//! Files that name heads, and companions whose roots are something else or nowhere: which tipset is the head, and what is
//! missing below it, do not depend on the order of the files.
//!
//! All blocks of an input are roots, and so is the default CID.
#![no_main]

use chain::{Chain, ChainSegment, Cid, Epoch, Header};
use fuzz::Blocks;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let blocks = Blocks::read(input);
    let mut roots: Vec<Cid> = blocks.names().chain([Cid::default()]).collect();
    let found = Chain::segments(&blocks, roots.clone(), None);
    roots.reverse();
    let again = Chain::segments(&blocks, roots.clone(), None);
    assert_eq!(found.is_ok(), again.is_ok());
    let (Ok(found), Ok(again)) = (found, again) else { return };
    assert_eq!(told(&found), told(&again));
    let highest =
        roots.iter().filter_map(|root| Header::read(&blocks, root).ok()).map(|header| header.height);
    let head = found[0].chain.tipsets().last().expect("a stretch has a tipset").height;
    assert!(highest.max().is_none_or(|highest| highest <= head));
    let mut end = None;
    for ChainSegment { chain, missing: hole } in &found {
        let tipsets = chain.tipsets();
        let first = tipsets.first().expect("a stretch has a tipset").height;
        assert!(end.is_none_or(|end: Epoch| tipsets.iter().all(|tipset| tipset.height != end)));
        if let Some(gap) = hole.as_ref().and_then(chain::Error::gap) {
            assert!(gap.first <= gap.last || gap.last < first);
        }
        for index in 0..tipsets.len() {
            if let Ok(Some(transition)) = chain.transition(index) {
                let read = transition.messages.iter().filter(|message| message.receipt.is_some()).count();
                assert!(read == 0 || read == transition.messages.len());
            }
        }
        assert!(
            chain.tipsets_without_receipts().is_err()
                || chain.whole_days().is_none_or(|days| days.first() <= days.last())
        );
        end = Some(first);
    }
});

/// Keys of the tipsets at both ends of each stretch, and what is missing below it.
fn told(stretches: &[ChainSegment<'_>]) -> Vec<String> {
    let key = |tipset: Option<&chain::Tipset>| tipset.map(|tipset| tipset.key.to_string());
    let tell = |stretch: &ChainSegment<'_>| {
        let tipsets = stretch.chain.tipsets();
        let gap = stretch.missing.as_ref().and_then(chain::Error::gap);
        format!("{:?} {:?} {gap:?}", key(tipsets.first()), key(tipsets.last()))
    };
    stretches.iter().map(tell).collect()
}
