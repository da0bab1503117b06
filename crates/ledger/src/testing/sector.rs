//! A sector of a synthetic history.

use chain::{AttoFil, Epoch};

use crate::event::{Backing, Content, Status};

/// Quality is in parts of a sector's size, so that sums of it are exact: 64 of 64 is a quality of 1.
pub(super) const PARTS: u16 = 64;
pub(super) const MOST_PARTS: u16 = 10 * PARTS;
/// What is pledged for each part of a sector's quality.
const PLEDGE: i128 = 3_000_000_000_000_001;

/// A sector, pre-committed or live.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sector {
    pub(super) number: u64,
    pub(super) activation: Epoch,
    pub(super) expiration: Epoch,
    pub(super) quality: u16,
    /// Whether it was upgraded to full quality, which it then keeps.
    pub(super) upgraded: bool,
}

impl Sector {
    /// What a live sector holds: full quality by its flag, or by its quality verified deals; one in four of the others
    /// has deals.
    pub(super) fn backing((status, sector): (Status, Self)) -> Option<Backing> {
        let content = match sector.quality {
            _ if sector.upgraded => Content::FullQuality,
            quality if quality > PARTS => Content::Verified,
            _ if sector.number % 4 == 0 => Content::Deals,
            _ => Content::Cc,
        };
        let pledge = AttoFil(PLEDGE * i128::from(sector.quality));
        (status != Status::None).then_some(Backing {
            content,
            pledge,
            daily_fee: Some(AttoFil(pledge.0 / 10_000)),
        })
    }
}
