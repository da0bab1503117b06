//! Calls of a miner's methods, written by hand.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use super::state::{NULL, bytes, int, link, list, set, uint};

/// A method and its encoded parameters.
pub type Call = (u64, Vec<u8>);

/// Deadline and partition.
pub type Location = (u64, u64);

fn places(method: u64, places: &[(Location, &[u64])]) -> Call {
    let place = |((deadline, partition), sectors): &(Location, &[u64])| {
        list(&[uint(*deadline), uint(*partition), set(sectors)])
    };
    (method, list(&[list(&places.iter().map(place).collect::<Vec<_>>())]))
}

pub fn terminate(location: Location, sectors: &[u64]) -> Call {
    places(9, &[(location, sectors)])
}

pub fn declare_faults(location: Location, sectors: &[u64]) -> Call {
    places(10, &[(location, sectors)])
}

pub fn declare_recoveries(location: Location, sectors: &[u64]) -> Call {
    places(11, &[(location, sectors)])
}

/// A window `PoSt` of one partition.
pub fn prove((deadline, partition): Location, skipped: &[u64]) -> Call {
    prove_all(deadline, &[(partition, skipped)])
}

/// A window `PoSt` of some partitions, with the sectors skipped.
pub fn prove_all(deadline: u64, partitions: &[(u64, &[u64])]) -> Call {
    let partition = |(index, skipped): &(u64, &[u64])| list(&[uint(*index), set(skipped)]);
    let partitions = list(&partitions.iter().map(partition).collect::<Vec<_>>());
    (5, list(&[uint(deadline), partitions, list(&[]), int(0), bytes(&[])]))
}

pub fn dispute(deadline: u64) -> Call {
    (24, list(&[uint(deadline), uint(0)]))
}

/// By method 8.
pub fn extend_old((deadline, partition): Location, sectors: &[u64], expiration: i64) -> Call {
    (8, list(&[list(&[list(&[uint(deadline), uint(partition), set(sectors), int(expiration)])])]))
}

/// By method 32.
pub fn extend((deadline, partition): Location, sectors: &[u64], expiration: i64) -> Call {
    let one = [uint(deadline), uint(partition), set(sectors), list(&[]), int(expiration)];
    (32, list(&[list(&[list(&one)])]))
}

/// By method 37.
pub fn upgrade((deadline, partition): Location, sectors: &[u64], expiration: Option<i64>) -> Call {
    let expiration = expiration.map_or(NULL.to_vec(), int);
    (37, list(&[list(&[list(&[uint(deadline), uint(partition), set(sectors), expiration])])]))
}

/// By methods 27, 29 and 35.
pub fn snap(method: u64, location: Location, sector: u64, sealed: &[u8]) -> Call {
    snap_all(method, location, &[(sector, sealed)])
}

/// The same, with several sectors and the sealed CIDs that they are to have.
pub fn snap_all(method: u64, (deadline, partition): Location, sectors: &[(u64, &[u8])]) -> Call {
    let update = |(sector, sealed): &(u64, &[u8])| {
        list(&[uint(*sector), uint(deadline), uint(partition), link(sealed), list(&[])])
    };
    (method, list(&[list(&sectors.iter().map(update).collect::<Vec<_>>()), list(&[])]))
}

/// By methods 6 (of one sector), 25 and 28.
pub fn precommit(method: u64, sectors: &[u64]) -> Call {
    let info = |sector: &u64| {
        let sealed = link(&chain::dag_cbor_cid(&[1]).to_bytes());
        list(&[uint(8), uint(*sector), sealed, int(0), list(&[]), int(0), NULL.to_vec()])
    };
    let infos: Vec<_> = sectors.iter().map(info).collect();
    (method, if method == 6 { infos[0].clone() } else { list(&[list(&infos)]) })
}

/// By methods 7, 26, 34 and 36.
pub fn onboard(method: u64, sectors: &[u64]) -> Call {
    let sealed = || link(&chain::dag_cbor_cid(&[1]).to_bytes());
    let each = |fields: &dyn Fn(u64) -> Vec<u8>| {
        list(&[list(&sectors.iter().map(|sector| fields(*sector)).collect::<Vec<_>>()), list(&[])])
    };
    let params = match method {
        7 => list(&[uint(sectors[0]), bytes(&[])]),
        26 => list(&[set(sectors), bytes(&[])]),
        34 => each(&|sector| list(&[uint(sector), list(&[])])),
        _ => each(&|sector| list(&[uint(sector), uint(100), sealed(), uint(sector), int(0), int(0)])),
    };
    (method, params)
}
