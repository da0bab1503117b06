//! Sectors and pre-commits of every layout: a sector is read to its end, and its power is within what weights can give.
//!
//! An input is the actors version, in one byte, and a value.
#![no_main]

use chain::Reader;
use chain::state::{Layout, Precommit, Sector};
use fuzz as _;
use ledger::quality_adjusted_power;
use libfuzzer_sys::fuzz_target;

const SIZES: [i128; 5] = [2 << 10, 8 << 20, 512 << 20, 32 << 30, 64 << 30];

fuzz_target!(|input: &[u8]| {
    let Some((version, value)) = input.split_first() else { return };
    let version = version % 19 + 1;
    let layout = Layout::of(version).expect("a layout for each version");
    if let Ok(raw) = Reader::new(value).raw() {
        let whole = Sector::decode(&mut Reader::new(value), layout);
        let mut reader = Reader::new(raw);
        let found = Sector::decode(&mut reader, layout);
        assert_eq!(found.is_ok(), whole.is_ok());
        if let (Ok(found), Ok(whole)) = (found, whole) {
            assert_eq!(found, whole);
            assert!(reader.is_empty());
            let sector = found.sector;
            assert!(SIZES.contains(&{ sector.size.0 }));
            assert!(version >= 12 || sector.power_base == sector.activation);
            assert!(version >= 9 || !sector.full_qap);
            let duration = sector.expiration - sector.power_base;
            let (deals, verified) = (sector.deal_weight, sector.verified_weight);
            let space = sector.size.0 * i128::from(duration);
            let power = quality_adjusted_power(sector.size, duration, deals, verified);
            if deals >= 0 && verified >= 0 && deals + verified <= space && duration < 1 << 32 {
                let power = power.expect("within 128 bits");
                assert!(sector.size <= power && power.0 <= 10 * sector.size.0);
            }
        }
    }
    if let Ok(found) = Precommit::decode(value, layout) {
        assert!(SIZES.contains(&{ found.size.0 }));
        assert_eq!(found.weights.is_some(), version <= 8);
        assert!(found.deals.len() < value.len());
    }
});
