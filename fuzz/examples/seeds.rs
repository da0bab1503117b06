//! Makes the seeds, `seeds/<target>/…`, from the sample chain: `cargo run --release --example seeds`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use chain::state::StateTree;
use chain::{
    Amt, Block, BlockStore, CarStore, Chain, Cid, ExecutedMessage, Hamt, NoProgress, Reader, Result, Tipset,
};
use fuzz::Blocks;
use sha2::{Digest, Sha256};

/// Seeds of one kind for one target.
const OF_A_KIND: usize = 6;
/// Longest seed; short ones fuzz fastest.
const LONGEST: usize = 4 << 10;
/// Numbers of the sample's first miners.
const MINERS: std::ops::Range<u64> = 100..130;

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let cache = tempfile::tempdir()?;
    let cars = CarStore::open(&[root.join("../samples/long.car.zst")], cache.path(), &NoProgress)?;
    let chain = Chain::open(&cars, cars.roots())?;
    let mut seeds = Seeds { folder: root.join("seeds"), made: BTreeMap::new() };
    match fs::remove_dir_all(&seeds.folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let count = chain.tipsets().len();
    // The first tipsets, where trees are small, and some over the whole chain.
    let places = (1..200).chain((200..count - 1).step_by(count / 60));
    for place in places {
        let tipset = &chain.tipsets()[place];
        let Some(transition) = chain.transition(place)? else { break };
        from_tipset(&mut seeds, &cars, tipset)?;
        for executed in &transition.messages {
            from_message(&mut seeds, executed)?;
        }
        from_states(&mut seeds, &cars, &transition.before, &transition.after)?;
    }
    containers(&mut seeds, &cars, chain.tipsets())?;
    heads(&mut seeds, &cars, chain.tipsets())?;
    multisigs(&mut seeds)?;
    folded(&mut seeds)?;
    seeds.report();
    Ok(())
}

/// Kinds and numbers of folded chains: few, high, and wide.
fn folded(seeds: &mut Seeds) -> Result<()> {
    /// Kinds that there are.
    const KINDS: u8 = 18;
    for kind in 0..KINDS {
        // The height, the length in bits and the rest of two numbers, and the zeros at the end of the last are doublings of
        // the work budget.
        for numbers in [[1, 3, 0, 4, 0, 0], [16, 5, 64, 9, 144, 16], [3, 8, 255, 10, 255, 1]] {
            seeds.add("folded", format!("kind-{kind}"), [&[kind][..], &numbers].concat())?;
        }
    }
    Ok(())
}

/// Seeds written so far, by target and kind.
struct Seeds {
    folder: PathBuf,
    made: BTreeMap<(&'static str, String), Vec<Vec<u8>>>,
}

impl Seeds {
    /// Writes a seed unless there are enough of its kind.
    fn add(&mut self, target: &'static str, kind: impl Into<String>, seed: Vec<u8>) -> Result<()> {
        let kind = kind.into();
        let made = self.made.entry((target, kind.clone())).or_default();
        let enough = if kind.starts_with("method") { 3 } else { OF_A_KIND };
        if made.len() >= enough || seed.len() > LONGEST || made.contains(&seed) {
            return Ok(());
        }
        let path = self.folder.join(target).join(format!("{kind}-{}", made.len()));
        let io = |source| chain::Error::Io { path: path.clone(), source };
        fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).map_err(io)?;
        fs::write(&path, &seed).map_err(io)?;
        made.push(seed);
        Ok(())
    }

    fn report(&self) {
        let mut sums: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for ((target, _), made) in &self.made {
            let sum = sums.entry(target).or_default();
            sum.0 += made.len();
            sum.1 += made.iter().map(Vec::len).sum::<usize>();
        }
        for (target, (files, bytes)) in sums {
            println!("{target}: {files} seeds, {bytes} bytes");
        }
    }
}

/// A store that notes what it is asked for.
struct Noting<'s> {
    store: &'s dyn BlockStore,
    asked: Mutex<Vec<Vec<u8>>>,
}

impl BlockStore for Noting<'_> {
    fn get(&self, cid: &Cid) -> Result<Option<Block<'_>>> {
        let block = self.store.get(cid)?;
        if let (Some(block), Ok(mut asked)) = (&block, self.asked.lock()) {
            asked.push(block.to_vec());
        }
        Ok(block)
    }
}

/// The blocks that two walks ask for, children before parents, the roots last: before, then after.
fn trees(
    store: &dyn BlockStore,
    roots: [&Cid; 2],
    walk: impl Fn(&dyn BlockStore, &Cid) -> Result<()>,
) -> Result<Vec<u8>> {
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    let mut tops = Vec::new();
    for root in roots {
        let noting = Noting { store, asked: Mutex::default() };
        walk(&noting, root)?;
        let mut asked = noting.asked.into_inner().unwrap_or_default();
        asked.reverse();
        tops.extend(asked.pop());
        for block in asked {
            if !blocks.contains(&block) {
                blocks.push(block);
            }
        }
    }
    blocks.retain(|block| !tops.contains(block));
    blocks.extend(tops);
    // More blocks than an input can name make no seed.
    Ok(if blocks.len() < 250 { Blocks::spell(&blocks) } else { vec![0; LONGEST + 1] })
}

fn arrays(store: &dyn BlockStore, before: &Cid, after: &Cid) -> Result<Vec<u8>> {
    trees(store, [before, after], |store, root| {
        Amt::open(store, root, "array")?.for_each(&mut |_, value| value.skip())
    })
}

fn maps(store: &dyn BlockStore, before: &Cid, after: &Cid) -> Result<Vec<u8>> {
    trees(store, [before, after], |store, root| Hamt::new(store, root, "map").for_each(&mut |_, _| Ok(())))
}

fn link(reader: &mut Reader<'_>) -> Result<Cid> {
    Cid::try_from(reader.link()?).map_err(|error| chain::Error::Chain(error.to_string()))
}

/// The items of a tuple.
fn items(tuple: &[u8]) -> Result<Vec<Vec<u8>>> {
    let mut reader = Reader::new(tuple);
    (0..reader.array()?).map(|_| reader.raw().map(<[u8]>::to_vec)).collect()
}

fn link_at(tuple: &[u8], place: usize) -> Result<Cid> {
    let mut reader = Reader::new(tuple);
    reader.array()?;
    reader.skip_many(place)?;
    link(&mut reader)
}

/// Headers, messages' and receipts' arrays.
fn from_tipset(seeds: &mut Seeds, store: &dyn BlockStore, tipset: &Tipset) -> Result<()> {
    for cid in &tipset.key.0 {
        let block = store.get_required(cid, "header")?;
        seeds.add(
            "header",
            format!("parents-{}", tipset.parents.0.len()),
            Blocks::spell(&[block.to_vec()]),
        )?;
        let header = chain::Header::read(store, cid)?;
        let meta = store.get_required(&header.messages, "messages")?;
        let (bls, secp) = (link_at(&meta, 0)?, link_at(&meta, 1)?);
        seeds.add("amt", "messages", arrays(store, &bls, &secp)?)?;
        seeds.add("amt", "receipts", arrays(store, &tipset.parent_receipts, &bls)?)?;
    }
    Ok(())
}

/// Parameters with their answers, by method.
fn from_message(seeds: &mut Seeds, executed: &ExecutedMessage) -> Result<()> {
    let ExecutedMessage { message, receipt: Some(receipt) } = executed else { return Ok(()) };
    let (Ok(method), Ok(length)) = (u8::try_from(message.method), u16::try_from(message.params.len())) else {
        return Ok(());
    };
    if receipt.exit_code == 0 && method > 1 {
        let seed = [&[method][..], &length.to_le_bytes(), &message.params, &receipt.returned].concat();
        seeds.add("params", format!("method-{method}"), seed)?;
    }
    Ok(())
}

/// Everything that hangs from the states before and after a tipset.
fn from_states(seeds: &mut Seeds, store: &dyn BlockStore, before: &Cid, after: &Cid) -> Result<()> {
    let (old_root, new_root) = (store.get_required(before, "state")?, store.get_required(after, "state")?);
    seeds.add("hamt", "actors", maps(store, &link_at(&old_root, 1)?, &link_at(&new_root, 1)?)?)?;
    let (old, new) = (StateTree::open(store, before)?, StateTree::open(store, after)?);
    let state = |tree: &StateTree<'_>, id| -> Result<Option<Vec<u8>>> {
        tree.actor(id)?.map(|actor| Ok(store.get_required(&actor.head, "state")?.to_vec())).transpose()
    };
    for (id, field, kind) in [(1, 0, "addresses"), (4, 13, "claims"), (4, 15, "claims")] {
        if let (Some(old), Some(new)) = (state(&old, id)?, state(&new, id)?)
            && let (Ok(old), Ok(new)) = (link_at(&old, field), link_at(&new, field))
            && let Ok(seed) = maps(store, &old, &new)
        {
            seeds.add("hamt", kind, seed)?;
        }
    }
    for id in MINERS {
        // A miner's state has 15 fields.
        let (Some(old), Some(new)) = (state(&old, id)?, state(&new, id)?) else { continue };
        if old != new && old.first() == Some(&0x8f) {
            from_miner(seeds, store, &old, &new)?;
        }
    }
    Ok(())
}

fn from_miner(seeds: &mut Seeds, store: &dyn BlockStore, old: &[u8], new: &[u8]) -> Result<()> {
    let (precommits, sectors) = (link_at(new, 6)?, link_at(new, 9)?);
    seeds.add("hamt", "precommits", maps(store, &link_at(old, 6)?, &precommits)?)?;
    Hamt::new(store, &precommits, "precommits").for_each(&mut |_, value| {
        seeds.add("sector", "precommit", [&[17], value].concat())?;
        // Up to actors v8 with weights, which follow.
        let items = items(value)?;
        let old = [&[7, 0x85][..], &items.concat(), &[0x41, 0, 0x41, 0]].concat();
        seeds.add("sector", "precommit-v8", old)
    })?;
    if link_at(old, 9)? != sectors {
        seeds.add("amt", "sectors", arrays(store, &link_at(old, 9)?, &sectors)?)?;
        Amt::open(store, &sectors, "sectors")?.for_each(&mut |_, value| from_sector(seeds, value.raw()?))?;
    }
    let deadlines = |state: &[u8]| -> Result<Vec<Cid>> {
        let block = store.get_required(&link_at(state, 12)?, "deadlines")?;
        let mut reader = Reader::new(&block);
        reader.array()?;
        (0..reader.array()?).map(|_| link(&mut reader)).collect()
    };
    for (old, new) in deadlines(old)?.iter().zip(deadlines(new)?) {
        let (old, new) = (store.get_required(old, "deadline")?, store.get_required(&new, "deadline")?);
        if *old == *new {
            continue;
        }
        let partitions = link_at(&new, 0)?;
        seeds.add("amt", "partitions", arrays(store, &link_at(&old, 0)?, &partitions)?)?;
        seeds.add("amt", "widths", arrays(store, &sectors, &partitions)?)?;
        Amt::open(store, &partitions, "partitions")?.for_each(&mut |_, value| {
            let partition = value.raw()?;
            let queue = link_at(partition, 5)?;
            seeds.add("amt", "queue", arrays(store, &partitions, &queue)?)?;
            let fields = items(partition)?;
            for pair in fields[..5].windows(2) {
                let (a, b) = (Reader::new(&pair[0]).bytes()?, Reader::new(&pair[1]).bytes()?);
                if !a.is_empty() && !b.is_empty() {
                    let length = (a.len() as u16).to_le_bytes();
                    let kind = format!("partition-{}", (a.len() + b.len()).ilog2());
                    seeds.add("bitfield", kind, [&length[..], a, b].concat())?;
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// A sector as it is, and rewritten to older layouts.
fn from_sector(seeds: &mut Seeds, raw: &[u8]) -> Result<()> {
    seeds.add("sector", "v18", [&[17], raw].concat())?;
    let fields = items(raw)?;
    let null = vec![0xf6];
    let tuple = |fields: &[Vec<u8>]| [vec![0x80 | fields.len() as u8], fields.concat()].concat();
    // Expected rewards may be null today; once they were amounts.
    let mut amounts = fields.clone();
    for field in &mut amounts[8..11] {
        if *field == null {
            *field = vec![0x41, 0];
        }
    }
    let age = [amounts[..11].to_vec(), vec![vec![0], vec![0x41, 0]]].concat();
    let keyed = [age.clone(), vec![null]].concat();
    let simple = [keyed.clone(), vec![vec![0xf5]]].concat();
    let flagged = [keyed.clone(), vec![vec![3]]].concat();
    for (version, fields) in [(1, &amounts[..11]), (2, &age), (7, &keyed), (9, &simple), (12, &flagged)] {
        seeds.add("sector", format!("v{version}"), [vec![version - 1], tuple(fields)].concat())?;
    }
    Ok(())
}

fn byte_string(bytes: &[u8]) -> Vec<u8> {
    [&[0x58, bytes.len() as u8][..], bytes].concat()
}

/// Multisigs, which the sample chain has none of: calls with answers, states, and tipsets.
fn multisigs(seeds: &mut Seeds) -> Result<()> {
    // To f01000: faults of sector 2 declared (method 10).
    let (to, declared) = ([0x43, 0, 0xe8, 7], [0x81, 0x81, 0x83, 0, 0, 0x42, 0x50, 0x2]);
    let transaction = [&to[..], &[0x40, 10], &byte_string(&declared)].concat();
    let propose = [&[0x84][..], &transaction].concat();
    let outer = [&[0x84, 0x43, 0, 0xc9, 1, 0x40, 2][..], &byte_string(&propose)].concat();
    let approve = vec![0x82, 0, 0x40];
    let done = [&[0x83, 0xf5, 0][..], &[0x40]].concat();
    let proposed = [&[0x84, 0, 0xf5, 0][..], &[0x40]].concat();
    let nested = [&[0x84, 0, 0xf5, 0][..], &byte_string(&proposed)].concat();
    let account = [0x42, 0, 100];
    let with = |flag: &[u8]| [&[0x82][..], &account, flag].concat();
    let calls = [
        (2, propose.clone(), proposed.clone()),
        (2, outer.clone(), nested.clone()),
        (3, approve.clone(), done.clone()),
        (4, approve.clone(), vec![]),
        (5, with(&[0xf5]), vec![]),
        (6, with(&[0xf4]), vec![]),
        (7, with(&account), vec![]),
        (8, vec![0x81, 2], vec![]),
    ];
    for (method, params, answer) in calls {
        let head = [0, method, params.len() as u8, 0];
        seeds.add("multisig", format!("call-{method}"), [&head[..], &params, &answer].concat())?;
    }
    for old in [true, false] {
        let waiting = [&[0x85][..], &transaction, &[0x82], &account, &[0x42, 0, 101]].concat();
        let bucket = [&[0x81, 0x82, 0x41, 2][..], &waiting].concat();
        // Before actors v3 a pointer is a map.
        let pointer = if old { [&[0xa1, 0x61, b'1'][..], &bucket].concat() } else { bucket };
        let slots = (1_u32 << (Sha256::digest([2])[0] >> 3)).to_be_bytes();
        let node = [&[0x82, 0x44][..], &slots, &[0x81], &pointer].concat();
        let root = Cid::to_bytes(&chain::dag_cbor_cid(&node));
        let signers = [&[0x87, 0x82][..], &account, &[0x42, 0, 101], &[2, 2, 0x40, 0, 0]].concat();
        let state = [&signers[..], &[0xd8, 0x2a, 0x58, 0x27, 0], &root].concat();
        seeds.add("multisig", "state", [vec![1], Blocks::spell(&[node, state])].concat())?;
    }
    // Signers, threshold and next id: of f0200 all accounts, of f0201 f0200 alone.
    let group =
        |threshold: u8, next: u8| [vec![0b111, threshold | next << 2], vec![0b1000, 1 | next << 2]].concat();
    let waits = [&[0, 5, 10, declared.len() as u8][..], &declared, &[1]].concat();
    let waiting = [&[0b111, 2 | 1 << 2 | 1 << 6][..], &waits, &[0b1000, 1]].concat();
    let sent = |from: u8, method: u8, params: &[u8], answer: &[u8]| {
        let head = [from, 3, method, params.len() as u8];
        [&head[..], params, &[0, answer.len() as u8], answer].concat()
    };
    let tipsets = [
        (group(1, 0), group(1, 1), sent(0, 2, &propose, &proposed)),
        (group(1, 0), group(1, 1), sent(0, 2, &outer, &nested)),
        (waiting, group(2, 1), sent(1, 3, &approve, &done)),
    ];
    for (before, after, message) in tipsets {
        for actors in [2, 19] {
            for receipts in [0, 1] {
                let tipset = [&[actors, receipts][..], &before, &after, &message].concat();
                seeds.add("multisig_tipset", format!("tipset-{receipts}"), tipset)?;
            }
        }
    }
    Ok(())
}

fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn section(bytes: &[u8]) -> Vec<u8> {
    [varint(bytes.len()), bytes.to_vec()].concat()
}

fn pack(bytes: &[u8], level: i32) -> Vec<u8> {
    zstd::bulk::compress(bytes, level).expect("memory holds it")
}

/// A CAR in frames with their index behind them: the header, then a section each. The index ends a part after so many
/// slots.
fn indexed(header: &[u8], sections: &[(Cid, Vec<u8>)], slots_of_a_part: usize) -> Vec<u8> {
    let skippable = |content: &[u8]| {
        [&[0x50, 0x2a, 0x4d, 0x18][..], &(content.len() as u32).to_le_bytes(), content].concat()
    };
    let mut file = pack(header, 3);
    let mut slots: Vec<(u64, u64)> = Vec::new();
    for (cid, section) in sections {
        let words = cid.hash().digest().chunks_exact(8);
        let word = |word: &[u8]| word.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        let hash = words.fold(cid.codec() ^ cid.hash().code(), |hash, bytes| hash ^ word(bytes));
        slots.push((hash.saturating_sub(1), file.len() as u64));
        file.extend(pack(section, 3));
    }
    slots.sort_unstable();
    let buckets = slots.len() as u64;
    let (mut table, mut longest) = (Vec::new(), 0);
    for (hash, offset) in slots {
        let ideal = (u128::from(hash) * u128::from(buckets)) >> 64;
        while (table.len() as u128) < ideal {
            table.push([u64::MAX; 2]);
        }
        longest = longest.max(table.len() as u64 - ideal as u64);
        table.push([hash, offset]);
    }
    table.push([u64::MAX; 2]);
    let numbers = [0xdead_bef0, longest, 0, buckets].into_iter().chain(table.into_iter().flatten());
    let index: Vec<u8> = numbers.flat_map(u64::to_le_bytes).collect();
    let place = file.len() as u64 + 8;
    let (start, rest) = index.split_at(index.len().min(32 + 16 * slots_of_a_part));
    for part in [start].into_iter().chain(rest.chunks(16 * slots_of_a_part)) {
        file.extend(skippable(part));
    }
    file.extend(skippable(&place.to_le_bytes()));
    file
}

/// Tipsets one above the other with their states' roots, and with the root of a table or metadata beside them: one head,
/// two, and a chain with a header left out.
fn heads(seeds: &mut Seeds, store: &dyn BlockStore, tipsets: &[Tipset]) -> Result<()> {
    let table = [&[0x82, 0x41, 0][..], &[0x80]].concat();
    for tipsets in tipsets.chunks(4).step_by(tipsets.len() / 4 / OF_A_KIND) {
        let mut blocks = vec![table.clone()];
        let mut headers = Vec::new();
        for tipset in tipsets {
            for root in [&tipset.parent_state_root, &tipset.parent_receipts] {
                blocks.push(store.get_required(root, "state or receipts")?.to_vec());
            }
            let header = tipset.key.0.first().map(|cid| store.get_required(cid, "header")).transpose()?;
            headers.extend(header.map(|header| header.to_vec()));
        }
        blocks.dedup();
        let of = |headers: &[Vec<u8>]| Blocks::spell(&[&blocks[..], headers].concat());
        seeds.add("companion", "chain", of(&headers))?;
        seeds.add("companion", "head", of(headers.last().map_or(&[], std::slice::from_ref)))?;
        let cut = headers.iter().enumerate().filter(|(at, _)| at % 2 == 0).map(|(_, header)| header.clone());
        seeds.add("companion", "cut", of(&cut.collect::<Vec<_>>()))?;
        if let Some(head) = tipsets.first().and_then(|tipset| tipset.key.0.first()) {
            let link = [&[0xd8, 0x2a, 0x58, 0x27, 0][..], &head.to_bytes()].concat();
            let metadata =
                [&[0xa2, 0x67][..], b"Version", &[2, 0x6d], b"HeadTipsetKey", &[0x81], &link].concat();
            seeds.add("companion", "metadata", of(&[headers[0].clone(), metadata]))?;
        }
    }
    Ok(())
}

/// CARs of a few blocks, of both versions, plain and inside zstd.
fn containers(seeds: &mut Seeds, store: &dyn BlockStore, tipsets: &[Tipset]) -> Result<()> {
    for tipsets in tipsets.chunks(3).step_by(tipsets.len() / 3 / OF_A_KIND).take(OF_A_KIND) {
        let root = tipsets[0].key.0[0].to_bytes();
        let link = [&[0xd8, 0x2a, 0x58, root.len() as u8 + 1, 0][..], &root].concat();
        let header = [&[0xa2, 0x65][..], b"roots", &[0x81], &link, &[0x67], b"version", &[1]].concat();
        let header = section(&header);
        let mut sections = Vec::new();
        for cid in tipsets.iter().flat_map(|tipset| &tipset.key.0) {
            let block = store.get_required(cid, "header")?;
            sections.push((*cid, section(&[&cid.to_bytes(), &block[..]].concat())));
        }
        for (kind, slots) in [("indexed", 1 << 20), ("parts", 2)] {
            seeds.add("forest", kind, indexed(&header, &sections, slots))?;
        }
        let mut car = header;
        car.extend(sections.into_iter().flat_map(|(_, section)| section));
        // An identity CID, whose hash is its data.
        car.extend(section(&[&[1, 0x55, 0, 3][..], b"fil", b"fil"].concat()));
        seeds.add("car", "v1", car.clone())?;
        let pragma = section(&[&[0xa1, 0x67][..], b"version", &[2]].concat());
        let offset = pragma.len() + 40;
        let numbers: Vec<u8> =
            [offset, car.len(), 0].iter().flat_map(|number| (*number as u64).to_le_bytes()).collect();
        seeds.add("car", "v2", [&pragma[..], &[0; 16], &numbers, &car, b"an index"].concat())?;
        for level in [1, 19] {
            // With its size declared the frame needs no window beyond it, which fuzzes faster.
            let packed = pack(&car, level);
            seeds.add("zstd", format!("level-{level}"), packed.clone())?;
            let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"fil"].concat();
            let many: Vec<u8> = car
                .chunks(200)
                .flat_map(|chunk| zstd::encode_all(chunk, level).unwrap_or_default())
                .collect();
            seeds.add("zstd", format!("frames-{level}"), [many, skipped, packed].concat())?;
        }
    }
    // A block that repeats one byte, under a window of 1 KiB.
    seeds.add("zstd", "repeated", [&[0x28, 0xb5, 0x2f, 0xfd, 0, 0][..], &[3, 32, 0, 7]].concat())
}
