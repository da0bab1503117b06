//! Days of a small made-up network.

use chain::{Bytes, Cid, Day, Epoch, MinerId, SectorNumber};
use lake::{FinishedDay, Progress};
use ledger::{Cause, Claim, Event, Kind, MessageRef, Power, Status};

/// Raw bytes of a sector.
pub(crate) const SIZE: i128 = 32 << 30;

/// 2022-10-01 and the days after it.
pub(crate) fn day(number: i32) -> Day {
    Day::from_unix_days(19_266 + number)
}

fn cid(number: u64) -> Cid {
    let mut bytes = vec![0x01, 0x71, 0xa0, 0xe4, 0x02, 0x20];
    bytes.extend(number.to_le_bytes());
    bytes.resize(6 + 32, 0);
    Cid::try_from(bytes.as_slice()).expect("a CID")
}

/// A sector onboarded by a batch message of that number.
pub(crate) fn onboard(miner: u64, sector: u64, message: u64) -> Event {
    Event {
        epoch: Epoch(100),
        miner: MinerId(miner),
        sector: SectorNumber(sector),
        kind: Kind::Onboard,
        cause: Some(Cause::Batch),
        sector_size: Bytes(SIZE),
        qap_before: None,
        qap_after: Some(Bytes(SIZE)),
        activation: Some(Epoch(100)),
        expiration_before: None,
        expiration_after: Some(Epoch(1_555_300)),
        status_before: Status::None,
        status_after: Status::Active,
        message: Some(MessageRef { cid: cid(message), method: 26, sectors: 1 }),
    }
}

/// The same sector falling faulty.
pub(crate) fn fault(miner: u64, sector: u64) -> Event {
    Event {
        kind: Kind::Fault,
        cause: Some(Cause::Missed),
        qap_before: Some(Bytes(SIZE)),
        expiration_before: Some(Epoch(1_555_300)),
        status_before: Status::Active,
        status_after: Status::Faulty,
        message: None,
        ..onboard(miner, sector, 0)
    }
}

/// What the power actor says of a miner with that many active sectors.
pub(crate) fn claim(miner: u64, sectors: i128) -> Claim {
    let power = Bytes(sectors * SIZE);
    Claim { miner: MinerId(miner), power: Power { rbp: power, qap: power } }
}

/// A finished day.
pub(crate) fn finished(number: i32, events: Vec<Event>, claims: Vec<Claim>) -> FinishedDay {
    let progress = Progress {
        source: "made up".to_owned(),
        network: "testnet".to_owned(),
        genesis: 1_598_306_400,
        day: day(number),
        first_epoch: Epoch(0),
        last_epoch: Epoch(2879),
        tipset_key: cid(1).to_string(),
        state_root: cid(2).to_string(),
        version: "0.0.0".to_owned(),
    };
    FinishedDay { day: day(number), events, claims, progress }
}
