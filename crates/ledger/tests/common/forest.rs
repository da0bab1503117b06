//! Writes the indexed zstd form, from its description.

use std::io::{self, Write};

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
    let (header, sections) = sections(car);
    let mut packer = Packer::begin(Vec::new(), &car[..header]).unwrap();
    for section in &sections {
        packer.push(&section.cid, &car[section.begin..section.end]).unwrap();
    }
    packer.finish().unwrap()
}

/// Writes that form section by section.
pub struct Packer<W> {
    out: W,
    written: u64,
    frame: Vec<u8>,
    slots: Vec<(u64, u64)>,
    compressor: zstd::bulk::Compressor<'static>,
}

impl<W: Write> Packer<W> {
    /// Begins with the header of a plain CAR.
    pub fn begin(out: W, header: &[u8]) -> io::Result<Self> {
        let mut compressor = zstd::bulk::Compressor::new(3)?;
        // Forest compresses as a stream, which does not know how long it will be.
        compressor.include_contentsize(false)?;
        let mut packer = Self { out, written: 0, frame: header.to_vec(), slots: Vec::new(), compressor };
        packer.end_frame()?;
        Ok(packer)
    }

    /// Writes a section as it stands in a plain CAR.
    pub fn push(&mut self, cid: &Cid, section: &[u8]) -> io::Result<()> {
        self.slots.push((hash(cid), self.written));
        self.frame.extend(section);
        if self.frame.len() >= FRAME { self.end_frame() } else { Ok(()) }
    }

    fn end_frame(&mut self) -> io::Result<()> {
        let frame = self.compressor.compress(&self.frame)?;
        self.frame.clear();
        self.written += frame.len() as u64;
        self.out.write_all(&frame)
    }

    /// Writes the index.
    pub fn finish(mut self) -> io::Result<W> {
        if !self.frame.is_empty() {
            self.end_frame()?;
        }
        self.slots.sort_unstable();
        let buckets = (self.slots.len() * 5 / 4) as u64;
        let (mut table, mut next, mut longest) = (Vec::new(), 0_u64, 0);
        for (hash, offset) in &self.slots {
            let ideal = ((u128::from(*hash) * u128::from(buckets)) >> 64) as u64;
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
        self.out.write_all(&skippable_head(numbers.len() + table.len()))?;
        self.out.write_all(&numbers)?;
        self.out.write_all(&table)?;
        self.out.write_all(&skippable_head(8))?;
        self.out.write_all(&(self.written + 8).to_le_bytes())?;
        Ok(self.out)
    }
}

/// Magic and length of a skippable frame.
fn skippable_head(length: usize) -> Vec<u8> {
    [0x184d_2a50_u32.to_le_bytes(), u32::try_from(length).unwrap().to_le_bytes()].concat()
}

fn hash(cid: &Cid) -> u64 {
    let words = cid.hash().digest().chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap()));
    words.fold(cid.codec() ^ cid.hash().code(), |hash, word| hash ^ word).saturating_sub(1)
}
