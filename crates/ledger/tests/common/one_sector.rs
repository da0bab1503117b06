//! One sector of 32 GiB, and what messages ask of it: for several changes of it in one tipset.
#![allow(dead_code, unreachable_pub)]

use super::state::{Deal, NULL, SIZE, Sector, State, link, list, sealed_cid, set, uint};
use chain::Bytes;
use ledger::quality_adjusted_power;

pub const DAY: i64 = 2880;
/// Begin of a proving period, the last epoch of its deadline 0, and the height of the tipset.
pub const PERIOD: i64 = 700 * DAY;
pub const CLOSING: i64 = PERIOD + 59;
pub const NOW: i64 = PERIOD + 5;
pub const LATER: i64 = PERIOD + 400 * DAY;
pub const NUMBER: u64 = 8;

/// A sector that was activated a year before, wholly verified for 200 days.
pub fn verified() -> Sector {
    let activation = PERIOD - 365 * DAY;
    Sector { verified_weight: SIZE * i128::from(200 * DAY), ..Sector::empty(NUMBER, activation, LATER) }
}

/// The same without data.
pub fn empty() -> Sector {
    Sector { verified_weight: 0, ..verified() }
}

pub fn one(actors: u8, sector: Sector) -> State {
    State { actors, period_start: PERIOD, sectors: vec![sector], ..State::default() }
}

pub fn qap(base: i64, expiration: i64, verified: i128) -> Bytes {
    quality_adjusted_power(Bytes(SIZE), expiration - base, 0, verified).unwrap()
}

/// Pieces by their bytes and whether they claim an allocation.
pub fn pieces(pieces: &[(i128, bool)]) -> Vec<u8> {
    let piece = |(size, verified): &(i128, bool)| {
        let key = if *verified { list(&[uint(100), uint(7)]) } else { NULL.to_vec() };
        list(&[link(&sealed_cid(0)), uint(*size as u64), key, list(&[])])
    };
    list(&pieces.iter().map(piece).collect::<Vec<_>>())
}

/// `[[[deadline, partition, sectors]]]`: what methods 9 and 10 are sent.
pub fn places(sectors: &[u64]) -> Vec<u8> {
    list(&[list(&[list(&[uint(0), uint(0), set(sectors)])])])
}

pub fn deal(id: u64, size: i128, verified: bool, duration: i64) -> Deal {
    Deal { id, size: size as u64, verified, start: NOW + DAY, end: NOW + DAY + duration }
}
