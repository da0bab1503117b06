//! What is sent to miners and to others, with parameters as their methods take them.

use super::encode::{NULL, bitfield, bytes, id_address, int, list, mix, noise, sealed, uint};
use super::sectors::{piece, precommit_info};

/// A message that is to run.
pub struct Sent {
    /// The account that sends it.
    pub from: usize,
    pub to: Vec<u8>,
    pub method: u64,
    pub params: Vec<u8>,
    pub returned: Vec<u8>,
}

impl Sent {
    fn to_miner(from: usize, miner: u64, method: u64, params: Vec<u8>) -> Self {
        Self { from, to: id_address(miner), method, params, returned: Vec::new() }
    }

    /// A window `PoSt`.
    pub fn post(from: usize, miner: u64, deadline: u64, partitions: &[(u64, Vec<u64>)], epoch: i64) -> Self {
        let partition = |(at, skipped): &(u64, Vec<u64>)| list(&[uint(*at), bitfield(skipped)]);
        let proof = list(&[uint(8), bytes(&noise(mix(miner, epoch.cast_unsigned()), 192))]);
        let params = list(&[
            uint(deadline),
            list(&partitions.iter().map(partition).collect::<Vec<_>>()),
            list(&[proof]),
            int(epoch - 20),
            bytes(&noise(epoch.cast_unsigned(), 32)),
        ]);
        Self::to_miner(from, miner, 5, params)
    }

    /// Pre-commits.
    pub fn precommit(from: usize, miner: u64, sectors: &[(u64, i64)], epoch: i64) -> Self {
        let info = |(number, expiration): &(u64, i64)| list(&precommit_info(*number, epoch, *expiration));
        let params = list(&[list(&sectors.iter().map(info).collect::<Vec<_>>())]);
        Self::to_miner(from, miner, 28, params)
    }

    /// Proofs of pre-committed sectors, all of which are taken.
    pub fn prove(from: usize, miner: u64, numbers: &[u64]) -> Self {
        let sector = |number: &u64| {
            let pieces = if number.is_multiple_of(2) { vec![piece(*number)] } else { Vec::new() };
            list(&[uint(*number), list(&pieces)])
        };
        let proof = |number: &u64| bytes(&noise(*number, 1920));
        let params = list(&[
            list(&numbers.iter().map(sector).collect::<Vec<_>>()),
            list(&numbers.iter().map(proof).collect::<Vec<_>>()),
            bytes(&[]),
            NULL.to_vec(),
            vec![0xf5],
            vec![0xf4],
        ]);
        let returned = list(&[list(&[uint(numbers.len() as u64), list(&[])])]);
        Self { returned, ..Self::to_miner(from, miner, 34, params) }
    }

    /// A snap.
    pub fn snap(
        from: usize,
        miner: u64,
        (deadline, partition): (u64, u64),
        (number, seed): (u64, u64),
    ) -> Self {
        let update =
            list(&[uint(number), uint(deadline), uint(partition), sealed(seed), list(&[piece(seed)])]);
        let params = list(&[
            list(&[update]),
            list(&[bytes(&noise(seed, 1920))]),
            bytes(&[]),
            uint(3),
            NULL.to_vec(),
            vec![0xf5],
            vec![0xf4],
        ]);
        let returned = list(&[list(&[uint(1), list(&[])])]);
        Self { returned, ..Self::to_miner(from, miner, 35, params) }
    }

    /// An extension; none of the sectors has claims.
    pub fn extend(
        from: usize,
        miner: u64,
        (deadline, partition): (u64, u64),
        numbers: &[u64],
        to: i64,
    ) -> Self {
        let extension = list(&[uint(deadline), uint(partition), bitfield(numbers), list(&[]), int(to)]);
        Self::to_miner(from, miner, 32, list(&[list(&[extension])]))
    }

    /// Terminations (9), declared faults (10) or recoveries (11).
    pub fn places(
        from: usize,
        miner: u64,
        method: u64,
        (deadline, partition): (u64, u64),
        numbers: &[u64],
    ) -> Self {
        let place = list(&[uint(deadline), uint(partition), bitfield(numbers)]);
        Self::to_miner(from, miner, method, list(&[list(&[place])]))
    }

    /// What has nothing to do with sectors: half of it transfers, the rest calls of contracts and of the market, whose
    /// method numbers are also those of a miner's.
    pub fn other(from: usize, to: Vec<u8>, seed: u64) -> Self {
        let (method, params) = match seed % 8 {
            0..4 => (0, Vec::new()),
            4..7 => (3_844_450_837, bytes(&noise(seed, 68 + (seed % 400) as usize))),
            _ => (4, list(&[list(&[]), bytes(&noise(seed, 700))])),
        };
        let to = if method == 4 { id_address(5) } else { to };
        Self { from, to, method, params, returned: Vec::new() }
    }
}
