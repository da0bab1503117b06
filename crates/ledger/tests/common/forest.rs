//! Writes the indexed zstd form, from its description.

use chain::Cid;

/// Content of a frame above which it ends.
const FRAME: usize = 16 << 10;
const SLOT_EMPTY: [u8; 16] = [0xff; 16];

/// One section of a plain CAR: its CID, and where it begins and ends.
pub struct Section {
    pub cid: Cid,
    pub begin: usize,
    pub end: usize,
}

/// The header's end and the sections of a plain CAR.
pub fn sections(car: &[u8]) -> (usize, Vec<Section>) {
    let length = |at: usize| -> (usize, usize) {
        let (mut value, mut next) = (0, at);
        loop {
            value |= usize::from(car[next] & 0x7f) << (7 * (next - at));
            next += 1;
            if car[next - 1] & 0x80 == 0 {
                return (value, next);
            }
        }
    };
    let (header, start) = length(0);
    let (header, mut sections) = (start + header, Vec::new());
    let mut at = header;
    while at < car.len() {
        let (size, data) = length(at);
        let cid = Cid::read_bytes(&car[data..]).unwrap();
        sections.push(Section { cid, begin: at, end: data + size });
        at = data + size;
    }
    (header, sections)
}

/// A plain CAR in frames with an index behind them.
pub fn packed(car: &[u8]) -> Vec<u8> {
    let frame = |content: &[u8]| zstd::encode_all(content, 3).unwrap();
    let (header, sections) = sections(car);
    let mut file = frame(&car[..header]);
    let mut slots: Vec<(u64, u64)> = Vec::new();
    let mut begin = 0;
    for (at, section) in sections.iter().enumerate() {
        slots.push((hash(&section.cid), file.len() as u64));
        if section.end - sections[begin].begin >= FRAME || at + 1 == sections.len() {
            file.extend(frame(&car[sections[begin].begin..section.end]));
            begin = at + 1;
        }
    }
    slots.sort_unstable();
    let buckets = (slots.len() * 5 / 4) as u64;
    let (mut table, mut next, mut longest) = (Vec::new(), 0_u64, 0);
    for (hash, offset) in slots {
        let ideal = ((u128::from(hash) * u128::from(buckets)) >> 64) as u64;
        while next < ideal {
            table.extend(SLOT_EMPTY);
            next += 1;
        }
        longest = longest.max(next - ideal);
        table.extend([hash.to_le_bytes(), offset.to_le_bytes()].concat());
        next += 1;
    }
    while next < buckets {
        table.extend(SLOT_EMPTY);
        next += 1;
    }
    table.extend(SLOT_EMPTY);
    let numbers = [0xdead_bef0, longest, 0, buckets].map(u64::to_le_bytes).concat();
    let index = [numbers, table].concat();
    let place = (file.len() + 8) as u64;
    file.extend(skippable(&index));
    file.extend(skippable(&place.to_le_bytes()));
    file
}

fn skippable(content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap();
    [&0x184d_2a50_u32.to_le_bytes()[..], &length.to_le_bytes(), content].concat()
}

fn hash(cid: &Cid) -> u64 {
    let words = cid.hash().digest().chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap()));
    words.fold(cid.codec() ^ cid.hash().code(), |hash, word| hash ^ word).saturating_sub(1)
}
