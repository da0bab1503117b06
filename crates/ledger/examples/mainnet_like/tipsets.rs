//! Tipsets: messages in blocks, receipts, headers.

use std::io;

use chain::dag_cbor_cid;

use super::arrays::old_amt;
use super::car::Car;
use super::encode::{Digest, NULL, big, bytes, id_address, int, link_to, list, mix, noise, uint};
use super::messages::Sent;

/// Time of mainnet's genesis.
const GENESIS: i64 = 1_598_306_400;
/// Blocks of a tipset.
pub const BLOCKS: usize = 5;
/// Epochs before the first tipset with a state whose headers are there.
const HEADERS_BELOW: i64 = 2_900;

/// What a header says beside its messages.
#[derive(Clone, Copy)]
pub struct After<'a> {
    pub parents: &'a [Digest],
    pub height: i64,
    pub state: Digest,
    pub receipts: Digest,
}

/// A message with its sender's address and nonce.
pub struct Signed {
    pub sent: Sent,
    pub from: Vec<u8>,
    pub nonce: u64,
}

impl Signed {
    fn write(&self, car: &mut Car) -> io::Result<(bool, Vec<u8>)> {
        let Sent { to, method, params, .. } = &self.sent;
        let message = list(&[
            uint(0),
            bytes(to),
            bytes(&self.from),
            uint(self.nonce),
            big(if *method == 0 { 1_000_000_000_000_000_000 } else { 0 }),
            uint(30_000_000),
            big(500_000),
            big(100_000),
            uint(*method),
            bytes(params),
        ]);
        // secp256k1 senders sign each message for itself.
        let signed = self.from.first() == Some(&1);
        let block = match signed {
            true => list(&[message, bytes(&[&[1][..], &noise(self.nonce, 65)].concat())]),
            false => message,
        };
        Ok((signed, link_to(&car.put(&block)?)))
    }
}

/// Writes a tipset's blocks; returns their CIDs in tipset order, and the root of the receipts of its messages.
pub fn write(car: &mut Car, after: After<'_>, messages: &[Signed]) -> io::Result<(Vec<Digest>, Digest)> {
    let mut tickets: Vec<(Vec<u8>, Vec<u8>)> = (0..BLOCKS as u64)
        .map(|block| noise(mix(after.height.cast_unsigned(), block), 96))
        .map(|ticket| (dag_cbor_cid(&ticket).hash().digest().to_vec(), ticket))
        .collect();
    tickets.sort();
    let (mut headers, mut receipts) = (Vec::new(), Vec::new());
    let mut shares: Vec<&[Signed]> = messages.chunks(messages.len().div_ceil(BLOCKS).max(1)).collect();
    shares.resize(BLOCKS, &[]);
    for ((block, (_, ticket)), share) in (0..).zip(&tickets).zip(shares) {
        let (mut bls, mut secp) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
        for message in share {
            let (signed, link) = message.write(car)?;
            let side = if signed { &mut secp } else { &mut bls };
            side.0.push(link);
            side.1.push(list(&[uint(0), bytes(&message.sent.returned), uint(25_000_000), NULL.to_vec()]));
        }
        receipts.extend([bls.1, secp.1].concat());
        let (bls, secp) = (old_amt(car, bls.0)?, old_amt(car, secp.0)?);
        let meta = car.put(&list(&[link_to(&bls), link_to(&secp)]))?;
        headers.push(car.put(&header(after, block, ticket, meta))?);
    }
    Ok((headers, old_amt(car, receipts)?))
}

fn header(after: After<'_>, block: u64, ticket: &[u8], messages: Digest) -> Vec<u8> {
    let seed = mix(after.height.cast_unsigned(), block + 100);
    let links: Vec<_> = after.parents.iter().map(link_to).collect();
    list(&[
        bytes(&id_address(1_000 + block)),
        list(&[bytes(ticket)]),
        list(&[uint(1), bytes(&noise(seed, 96))]),
        list(&[list(&[uint(after.height.cast_unsigned()), bytes(&noise(seed, 48))])]),
        list(&[list(&[uint(3), bytes(&noise(seed, 192))])]),
        list(&links),
        big(i128::from(after.height) * 7_000_000),
        int(after.height),
        link_to(&after.state),
        link_to(&after.receipts),
        link_to(&messages),
        bytes(&[&[2][..], &noise(seed, 96)].concat()),
        int(GENESIS + 30 * after.height),
        bytes(&[&[2][..], &noise(seed + 1, 96)].concat()),
        uint(0),
        big(100_000),
    ])
}

/// Writes headers without states up to a height, as snapshots have them; returns the last.
pub fn write_below(car: &mut Car, beginning: i64) -> io::Result<Vec<Digest>> {
    let nothing =
        |height: i64| dag_cbor_cid(&height.to_le_bytes()).hash().digest().try_into().unwrap_or([0; 32]);
    let mut parents = vec![nothing(-1)];
    for height in std::iter::once(0).chain(beginning - HEADERS_BELOW..beginning) {
        let after = After { parents: &parents, height, state: nothing(height), receipts: nothing(height) };
        let ticket = noise(height.cast_unsigned(), 96);
        parents = vec![car.put(&header(after, 0, &ticket, nothing(height)))?];
    }
    Ok(parents)
}
