//! Which tipset is a chain's head, of those that files name.
//!
//! ```text
//! roots ──► head's blocks                                        snapshot version 1
//! root  ──► {"Version", "HeadTipsetKey": [head's blocks], "F3Data"}   version 2 (FRC-0108)
//! ```
//!
//! A root may be something else, or in none of the files: those that only hold what belongs to a chain (receipts,
//! lookup tables) have roots of their own kind, or name the default CID.

use cid::Cid;

use crate::block::{BlockStore, cid_of};
use crate::cbor::Reader;
use crate::error::{Error, Result};
use crate::header::Header;
use crate::networks::describe_network;
use crate::state::{ActorCodes, PowerClaims, StateTree};
use crate::tipset::Tipset;
use crate::units::{Bytes, Clock, Epoch};

/// More than any number of snapshots names; each is read.
const MOST_ROOTS: usize = 4096;

/// The tipsets that the roots of some files name: highest first, of one height the heaviest first.
pub(crate) struct Heads(Vec<Vec<Header>>);

impl Heads {
    /// Reads what the roots name.
    ///
    /// # Errors
    /// If none of them leads to a block header that is in the store, or metadata names one that is not.
    pub(crate) fn of(store: &dyn BlockStore, roots: impl IntoIterator<Item = Cid>) -> Result<Self> {
        let (mut headers, mut others): (Vec<Header>, Vec<Cid>) = (Vec::new(), Vec::new());
        for root in roots {
            match root_of(store, &root)? {
                Root::Header(header) => headers.push(*header),
                Root::Metadata(blocks) => {
                    for block in blocks {
                        headers.push(Header::read(store, &block)?);
                        if headers.len() > MOST_ROOTS {
                            break;
                        }
                    }
                }
                Root::Other => others.push(root),
            }
            if headers.len() + others.len() > MOST_ROOTS {
                return Err(Error::Chain(format!("the files name more than {MOST_ROOTS} roots")));
            }
        }
        let mut tipsets: Vec<Vec<Header>> = Vec::new();
        for header in headers {
            match tipsets.iter_mut().find(|tipset| tipset[0].shares_tipset_with(&header)) {
                Some(tipset) if tipset.iter().any(|known| known.cid == header.cid) => {}
                Some(tipset) => tipset.push(header),
                None => tipsets.push(vec![header]),
            }
        }
        if tipsets.is_empty() {
            return Err(no_head(store, &others));
        }
        for tipset in &mut tipsets {
            tipset.sort_by(|a, b| a.ticket.cmp(&b.ticket).then_with(|| a.cid.cmp(&b.cid)));
        }
        let mut power = None;
        let weighs = tipsets.len() > 1;
        tipsets.sort_by_cached_key(|tipset| {
            let weight = if weighs { weight(store, tipset, &mut power) } else { 0 };
            let tickets: Vec<_> = tipset.iter().map(|header| (header.ticket, header.cid)).collect();
            (std::cmp::Reverse((tipset[0].height, weight)), tickets)
        });
        Ok(Self(tipsets))
    }

    /// The head: the heaviest of the highest.
    ///
    /// # Errors
    /// As [`Tipset::read`].
    pub(crate) fn highest(&self, store: &dyn BlockStore) -> Result<Tipset> {
        self.at_or_below(store, Epoch(i64::MAX))?.ok_or_else(|| Error::Chain("the files name no head".into()))
    }

    /// The clock of their chain.
    ///
    /// # Errors
    /// If they are of several: a set of files has one chain.
    pub(crate) fn clock(&self) -> Result<Clock> {
        let clocks = self.0.iter().flatten().map(|header| (header.clock(), header));
        let mut clocks = clocks.map(|(clock, header)| (clock, header.cid, header.height));
        let (clock, cid, height) =
            clocks.next().ok_or_else(|| Error::Chain("the files name no head".into()))?;
        match clocks.find(|(other, ..)| *other != clock) {
            None => Ok(clock),
            Some((other, other_cid, other_height)) => Err(Error::Chain(format!(
                "the files are of different networks: block {cid} at height {height} is of {}, block {other_cid} at \
                 height {other_height} of {}; give the files of one of them",
                describe_network(clock),
                describe_network(other)
            ))),
        }
    }

    /// The blocks of all but the head.
    pub(crate) fn others(&self) -> impl Iterator<Item = Vec<Cid>> {
        self.0.iter().skip(1).map(|tipset| tipset.iter().map(|header| header.cid).collect())
    }

    /// The height of the highest that is lower than `height`.
    pub(crate) fn height_below(&self, height: Epoch) -> Option<Epoch> {
        self.0.iter().map(|tipset| tipset[0].height).find(|other| *other < height)
    }

    /// The highest that is not above `height`.
    ///
    /// # Errors
    /// As [`Tipset::read`].
    pub(crate) fn at_or_below(&self, store: &dyn BlockStore, height: Epoch) -> Result<Option<Tipset>> {
        let found = self.0.iter().find(|tipset| tipset[0].height <= height);
        let blocks = |tipset: &Vec<Header>| tipset.iter().map(|header| header.cid).collect::<Vec<_>>();
        found.map(|tipset| Tipset::read(store, &blocks(tipset))).transpose()
    }
}

/// What a root is.
enum Root {
    Header(Box<Header>),
    /// Names the head's blocks.
    Metadata(Vec<Cid>),
    /// Something else, or in none of the files.
    Other,
}

fn root_of(store: &dyn BlockStore, root: &Cid) -> Result<Root> {
    let Some(block) = store.get(root)? else { return Ok(Root::Other) };
    if let Some(blocks) = snapshot_head(&block).map_err(|error| error.in_block(root, "snapshot metadata"))? {
        return Ok(Root::Metadata(blocks));
    }
    let Ok(header) = Header::decode(&block, root) else { return Ok(Root::Other) };
    header.check()?;
    Ok(Root::Header(Box::new(header)))
}

/// `HeadTipsetKey` of snapshot metadata `{Version, HeadTipsetKey, F3Data}`; `None` if the block is none.
fn snapshot_head(block: &[u8]) -> Result<Option<Vec<Cid>>> {
    let mut reader = Reader::new(block);
    if !reader.next_is_map().unwrap_or(false) {
        return Ok(None);
    }
    for _ in 0..reader.map()? {
        let Ok(key) = reader.text() else { return Ok(None) };
        if key == "HeadTipsetKey" {
            return (0..reader.array()?).map(|_| cid_of(reader.link()?)).collect::<Result<_>>().map(Some);
        }
        reader.skip()?;
    }
    Ok(None)
}

/// Why there is no head: a bare state has none, and of other roots the first few are named.
fn no_head(store: &dyn BlockStore, roots: &[Cid]) -> Error {
    const NAMED: usize = 4;
    let is_state = |root: &Cid| StateTree::open(store, root).and_then(|tree| tree.actor(0));
    if let Some(state) = roots.iter().find(|root| is_state(root).is_ok_and(|system| system.is_some())) {
        return Error::BareState(Box::new(*state));
    }
    let what = |root: &Cid| match store.get(root) {
        Ok(None) => "is in none of the files",
        _ => "is no block header and no metadata of a snapshot",
    };
    let named: Vec<_> = roots.iter().take(NAMED).map(|root| format!("{root} {}", what(root))).collect();
    let more = match roots.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    Error::NoHead(format!("{}{more}", named.join(", ")))
}

/// The weight of a tipset, by which nodes choose between forks (Lotus, `chain/consensus/filcns/weight.go`).
///
/// `power` is the one last seen, for tipsets whose state is not here.
fn weight(store: &dyn BlockStore, tipset: &[Header], power: &mut Option<i128>) -> i128 {
    /// `WRatioNum` ÷ `WRatioDen`, by the blocks that an epoch is expected to have.
    const RATIO: (i128, i128) = (1, 2);
    const BLOCKS_PER_EPOCH: i128 = 5;
    let Some(first) = tipset.first() else { return 0 };
    let total = total_power(store, &first.parent_state_root).or(*power);
    *power = total;
    let log2 = total.filter(|total| *total > 0).map_or(0, |total| i128::from(total.ilog2()));
    let wins: i128 = tipset.iter().map(|header| i128::from(header.win_count)).sum();
    let won = (log2 * RATIO.0 * 256).saturating_mul(wins) / (BLOCKS_PER_EPOCH * RATIO.1);
    first.parent_weight.saturating_add(log2 * 256).saturating_add(won)
}

/// The network's quality-adjusted power in a state; `None` if that does not read.
fn total_power(store: &dyn BlockStore, state: &Cid) -> Option<i128> {
    let tree = StateTree::open(store, state).ok()?;
    let codes = ActorCodes::new();
    codes.add_manifest(&tree).ok()?;
    let Bytes(total) = PowerClaims::open(&tree, &codes).ok()?.total_quality_adjusted();
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::dag_cbor_cid;
    use crate::car::CarStore;
    use crate::integers::put_varint;
    use crate::progress::NoProgress;
    use crate::testing::{Memory, array, bytes, link, uint};
    use crate::units::Clock;

    const GENESIS: i64 = 1_598_306_400;

    /// A block of a head: what distinguishes it from others.
    #[derive(Clone, Copy)]
    struct Block {
        height: u64,
        parent: u64,
        weight: u8,
        wins: u64,
        ticket: u64,
        genesis: i64,
    }

    const PLAIN: Block = Block { height: 7, parent: 1, weight: 100, wins: 1, ticket: 1, genesis: GENESIS };

    fn put(store: &mut Memory, block: Block) -> Cid {
        let (null, none) = (vec![0xf6], link(&Cid::default()));
        let parent = link(&store.put(uint(block.parent)));
        let time = u64::try_from(block.genesis).unwrap() + 30 * block.height;
        let fields = [
            bytes(&[0, 100]),
            array(&[bytes(&block.ticket.to_be_bytes())]),
            array(&[uint(block.wins), bytes(b"proof")]),
            null.clone(),
            null.clone(),
            array(std::slice::from_ref(&parent)),
            bytes(&[0, block.weight]),
            uint(block.height),
            parent,
            none.clone(),
            none,
            null.clone(),
            uint(time),
            null.clone(),
            null.clone(),
            null,
        ];
        store.put(array(&fields))
    }

    /// The head of these blocks, whichever comes first, as places among them.
    fn head(blocks: &[Block]) -> Vec<usize> {
        let mut store = Memory::default();
        let mut roots: Vec<_> = blocks.iter().map(|block| put(&mut store, *block)).collect();
        let all = roots.clone();
        let mut found = Vec::new();
        for _ in 0..roots.len() {
            roots.rotate_left(1);
            for _ in 0..2 {
                roots.reverse();
                let head = Heads::of(&store, roots.clone()).unwrap().highest(&store).unwrap();
                let place = |cid| all.iter().position(|other| other == cid).unwrap();
                let mut places: Vec<_> = head.key.0.iter().map(place).collect();
                places.sort_unstable();
                found.push(places);
            }
        }
        found.dedup();
        assert_eq!(found.len(), 1, "the order of roots makes a difference");
        found.remove(0)
    }

    #[test]
    fn the_highest_head_wins_and_of_one_height_the_heaviest() {
        let heavier = Block { parent: 2, weight: 101, ..PLAIN };
        assert_eq!(head(&[PLAIN, heavier]), [1]);
        let higher = Block { height: 8, weight: 1, ..PLAIN };
        assert_eq!(head(&[PLAIN, heavier, higher]), [2]);
        // Blocks of one tipset in several files.
        let beside = Block { ticket: 9, ..PLAIN };
        assert_eq!(head(&[PLAIN, beside, PLAIN]), [0, 1]);
    }

    /// A snapshot whose head is this block, as a CAR; and the head.
    fn snapshot(block: Block) -> (Vec<u8>, Cid) {
        let mut store = Memory::default();
        let head = put(&mut store, block);
        let parent = dag_cbor_cid(&uint(block.parent));
        let mut car = Vec::new();
        let mut section = |parts: &[Vec<u8>]| {
            let bytes = parts.concat();
            put_varint(bytes.len() as u64, &mut car);
            car.extend(bytes);
        };
        // {"roots": [head], "version": 1}
        section(&[
            vec![0xa2, 0x65],
            b"roots".to_vec(),
            array(&[link(&head)]),
            vec![0x67],
            b"version".to_vec(),
            uint(1),
        ]);
        for cid in [head, parent] {
            let data = store.get(&cid).expect("memory reads").expect("a block").to_vec();
            section(&[cid.to_bytes(), data]);
        }
        (car, head)
    }

    #[test]
    fn of_two_forked_snapshots_the_heavier_has_the_head_in_whichever_order_they_are_given() {
        let dir = tempfile::tempdir().expect("a directory");
        let heavier = Block { parent: 2, weight: 101, ..PLAIN };
        let files = [("light.car", PLAIN), ("heavy.car", heavier)].map(|(name, block)| {
            let (car, head) = snapshot(block);
            let path = dir.path().join(name);
            std::fs::write(&path, car).expect("written");
            (path, head)
        });
        let [(light, _), (heavy, head)] = files;
        for order in [[&light, &heavy], [&heavy, &light]] {
            let cars = CarStore::open(&order.map(Clone::clone), dir.path(), &NoProgress).expect("two files");
            let found = Heads::of(&cars, cars.roots()).expect("heads").highest(&cars).expect("a head");
            assert_eq!(found.key.0, [head], "{order:?}");
        }
    }

    #[test]
    fn of_two_equally_heavy_heads_the_smaller_ticket_wins() {
        let tickets = [1, 2].map(|ticket| crate::block::blake2b(&u64::to_be_bytes(ticket)));
        let other = Block { parent: 2, ticket: 2, ..PLAIN };
        assert_eq!(head(&[PLAIN, other]), [usize::from(tickets[1] < tickets[0])]);
    }

    #[test]
    fn heads_of_different_networks_are_refused_by_name() {
        let mut store = Memory::default();
        let calibnet = Block { genesis: 1_667_326_380, height: 9, ..PLAIN };
        let roots = [PLAIN, calibnet].map(|block| put(&mut store, block));
        let said = Heads::of(&store, roots).unwrap().clock().unwrap_err().to_string();
        assert!(said.contains("mainnet") && said.contains("calibnet"), "{said}");
        let one = Heads::of(&store, roots[..1].to_vec()).unwrap();
        assert_eq!(one.clock().unwrap(), Clock::new(GENESIS));
    }

    #[test]
    fn roots_that_lead_to_no_chain_are_passed_over_or_named() {
        let mut store = Memory::default();
        let (head, table) = (put(&mut store, PLAIN), store.put(array(&[bytes(&[1]), array(&[])])));
        let lost = crate::block::dag_cbor_cid(b"in no file");
        let others = [table, Cid::default(), lost];
        let found = Heads::of(&store, others.into_iter().chain([head])).unwrap();
        assert_eq!(found.highest(&store).unwrap().key.0, [head]);
        let said = Heads::of(&store, others).err().unwrap().to_string();
        assert!(said.contains(&format!("{lost} is in none of the files")), "{said}");
        assert!(said.contains(&format!("{table} is no block header")), "{said}");
    }
}
