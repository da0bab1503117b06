//! The index of a CAR in indexed zstd: from a CID to the frames that may hold its block.
//!
//! ```text
//! file      … frames │ skippable frame │ skippable frame │ … │ footer: a skippable frame of 8 bytes
//!                      index, first part  second part           where the first part's content begins
//!
//! index     version (0xdeadbef0), longest distance, collisions, number of buckets: u64, little endian
//!           slots: (hash, offset of the frame), 2 × u64 each, by hash; empty ones are all ones
//! hash      codec ^ code of the hash ^ the digest's u64 (little endian), less one
//! ```
//!
//! A skippable frame holds less than 4 GiB, so a large index is in several, one behind the other up to the footer; each
//! ends at the end of a slot. A slot's place counts their contents only. The slot of a hash is at
//! `hash × buckets ÷ 2^64` or at most the longest distance behind.

use std::ops::Range;

use cid::Cid;

use super::mapped_file::FileBytes;
use crate::integers::u64_le_at;

/// Magic of the first kind of skippable frame, which both index and footer are.
const SKIPPABLE: u32 = 0x184d_2a50;
/// Magic and length of a skippable frame.
const SKIPPABLE_HEADER: usize = 8;
/// A skippable frame that holds one u64.
const FOOTER: usize = SKIPPABLE_HEADER + 8;
const VERSION: u64 = 0xdead_bef0;
/// Version, longest distance, collisions, buckets.
const INDEX_HEADER: usize = 32;
const SLOT: usize = 16;
/// Hash of an empty slot.
const EMPTY: u64 = u64::MAX;
/// Parts of an index, at most. Writers end one after 512 MiB, and one holds at least a slot.
const MAX_PARTS: usize = 1 << 16;

/// The slots of an index, wherever in the file they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ForestIndex {
    /// Where in the file the first part begins, and with it the frames of the CAR end.
    begin: usize,
    parts: Vec<Part>,
    longest_distance: u64,
    buckets: u64,
}

/// What one skippable frame holds of the slots.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    /// Number of its first slot.
    first: u64,
    /// Where in the file its slots are.
    place: Range<usize>,
}

/// The hash by which an index knows a CID.
pub(super) fn hash_of(cid: &Cid) -> u64 {
    let words = cid.hash().digest().chunks_exact(8);
    let mixed =
        words.fold(cid.codec() ^ cid.hash().code(), |hash, word| hash ^ u64_le_at(word, 0).unwrap_or(0));
    mixed.saturating_sub(1)
}

impl ForestIndex {
    /// The index of a file, if its end says where one of the known version is, and that one is whole: slots behind slots
    /// up to the footer, one for each bucket at least.
    pub(super) fn of(file: &[u8]) -> Option<Self> {
        let footer = file.len().checked_sub(FOOTER)?;
        if skippable(file, footer)? != 8 {
            return None;
        }
        let content = usize::try_from(u64_le_at(file, footer + SKIPPABLE_HEADER)?).ok()?;
        let begin = content.checked_sub(SKIPPABLE_HEADER)?;
        if u64_le_at(file, content)? != VERSION {
            return None;
        }
        let (longest_distance, buckets) = (u64_le_at(file, content + 8)?, u64_le_at(file, content + 24)?);
        let (parts, slots) = parts(file, begin, footer)?;
        (slots >= buckets).then_some(Self { begin, parts, longest_distance, buckets })
    }

    /// Where in the file the frames of the CAR end.
    pub(super) const fn begin(&self) -> usize {
        self.begin
    }

    fn slot(&self, file: &FileBytes, at: u64) -> Option<(u64, u64)> {
        let part = self.parts.partition_point(|part| part.first <= at).checked_sub(1)?;
        let part = self.parts.get(part)?;
        let slots = file.get().get(part.place.clone())?;
        let begin = usize::try_from(at - part.first).ok()?.checked_mul(SLOT)?;
        file.note(part.place.start + begin..part.place.start + begin + SLOT);
        Some((u64_le_at(slots, begin)?, u64_le_at(slots, begin + 8)?))
    }

    /// Offsets of the frames that may hold a block with that hash.
    pub(super) fn candidates<'f>(
        &self,
        file: &'f FileBytes,
        hash: u64,
    ) -> impl Iterator<Item = u64> + use<'_, 'f> {
        // The product of two u64 fits u128, its upper half u64.
        let ideal = (u128::from(hash) * u128::from(self.buckets)) >> 64;
        let first = u64::try_from(ideal).unwrap_or(u64::MAX);
        let mut distance = 0;
        (first..=u64::MAX)
            .map_while(move |at| self.slot(file, at))
            .take_while(move |(found, _)| {
                distance += u64::from(*found != hash);
                *found != EMPTY && *found <= hash && distance <= self.longest_distance.saturating_add(1)
            })
            .filter_map(move |(found, offset)| (found == hash).then_some(offset))
    }

    /// How many slots are taken: a block each, but for blocks of one hash in one frame.
    pub(super) fn occupied(&self, file: &[u8]) -> u64 {
        let slots = |part: &Part| {
            let slots = file.get(part.place.clone()).unwrap_or_default().chunks_exact(SLOT);
            slots.filter(|slot| u64_le_at(slot, 0) != Some(EMPTY)).count() as u64
        };
        self.parts.iter().map(slots).sum()
    }
}

/// The parts of an index whose first skippable frame is at `begin`, and how many slots they hold.
fn parts(file: &[u8], begin: usize, footer: usize) -> Option<(Vec<Part>, u64)> {
    let (mut parts, mut slots, mut at) = (Vec::new(), 0, begin);
    let mut header = INDEX_HEADER;
    while at < footer {
        let start = at.checked_add(SKIPPABLE_HEADER)?;
        at = start.checked_add(skippable(file, at)?)?;
        let place = start.checked_add(header)?..at;
        header = 0;
        let length = place.end.checked_sub(place.start).filter(|length| length.is_multiple_of(SLOT))?;
        if parts.len() == MAX_PARTS {
            return None;
        }
        parts.push(Part { first: slots, place });
        slots += (length / SLOT) as u64;
    }
    (at == footer).then_some((parts, slots))
}

/// Length of the content of the skippable frame at an offset.
fn skippable(file: &[u8], at: usize) -> Option<usize> {
    let header = u64_le_at(file, at)?;
    // The lower half of the u64 is the magic, the upper the length.
    (header & u64::from(u32::MAX) == u64::from(SKIPPABLE)).then(|| usize::try_from(header >> 32).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skippable(content: &[u8]) -> Vec<u8> {
        [&SKIPPABLE.to_le_bytes()[..], &(content.len() as u32).to_le_bytes(), content].concat()
    }

    /// Something before, the index in parts that end at these places of its content, and the footer.
    fn file(index: &[u8], ends: &[usize]) -> Vec<u8> {
        let mut file = b"frames".to_vec();
        let place = (file.len() + SKIPPABLE_HEADER) as u64;
        let mut begin = 0;
        for end in ends.iter().copied().chain([index.len()]) {
            file.extend(skippable(&index[begin..end]));
            begin = end;
        }
        file.extend(skippable(&place.to_le_bytes()));
        file
    }

    /// An index of eight buckets with a hash in the midst of each, whose frame is the bucket's number.
    fn index() -> Vec<u8> {
        let header = [VERSION, 0, 0, 8];
        let slots = (0..8_u64).flat_map(|bucket| [bucket << 61 | 5, bucket]);
        header.into_iter().chain(slots).chain([EMPTY, EMPTY]).flat_map(u64::to_le_bytes).collect()
    }

    #[test]
    fn an_index_in_several_frames_is_one_index() {
        let index = index();
        let slot = |count: usize| INDEX_HEADER + count * SLOT;
        let cuts: [&[usize]; 6] =
            [&[], &[slot(3)], &[slot(0)], &[slot(1), slot(2), slot(8)], &[slot(4), slot(4)], &[slot(9)]];
        for ends in cuts {
            let file = file(&index, ends);
            let slots = ForestIndex::of(&file).unwrap();
            assert_eq!((slots.begin(), slots.occupied(&file)), (6, 8), "{ends:?}");
            let file = FileBytes::Held(file);
            for bucket in 0..8 {
                let found: Vec<_> = slots.candidates(&file, bucket << 61 | 5).collect();
                assert_eq!(found, [bucket], "{ends:?}");
                assert_eq!(slots.candidates(&file, bucket << 61 | 4).count(), 0);
            }
        }
    }

    #[test]
    fn an_index_that_is_not_whole_is_none() {
        let index = index();
        // A frame that ends within a slot, or within the header.
        assert_eq!(ForestIndex::of(&file(&index, &[INDEX_HEADER + 8])), None);
        assert_eq!(ForestIndex::of(&file(&index, &[16])), None);
        // Fewer slots than buckets.
        assert_eq!(ForestIndex::of(&file(&index[..INDEX_HEADER + 7 * SLOT], &[])), None);
        // Frames that do not lead to the footer, and something else among them.
        let whole = file(&index, &[INDEX_HEADER + SLOT]);
        let second = 6 + SKIPPABLE_HEADER + INDEX_HEADER + SLOT;
        for (at, byte) in [(second + 4, 1), (second + 4, 255), (second + 7, 255), (second, 0x51)] {
            let mut broken = whole.clone();
            broken[at] = byte;
            assert_eq!(ForestIndex::of(&broken), None, "{at} {byte}");
        }
        // More frames than any writer makes.
        let many: Vec<_> = std::iter::repeat_n(INDEX_HEADER, MAX_PARTS + 1).collect();
        assert_eq!(ForestIndex::of(&file(&index, &many)), None);
    }
}
