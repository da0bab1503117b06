//! The endpoints of `/v2`.

use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::spelled::spelled;

/// An endpoint of `/v2`: a group of columns. There are ten, in the order of the specification; the name is the last
/// segment of the path.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumString, IntoStaticStr, VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum Endpoint {
    /// Cumulative and daily onboarded sectors.
    Total,
    /// Sectors by way of commitment, counted.
    CommitSectorCount,
    /// Sectors by way of commitment, in bytes.
    CommitSectorSize,
    /// Terminations.
    Terminate,
    /// Faults.
    Fault,
    /// Recoveries.
    Recover,
    /// Expirations.
    Expire,
    /// Extensions.
    Extend,
    /// Snap deals.
    Snap,
    /// Lifetimes of active sectors.
    SectorDuration,
}

spelled!(Endpoint);

impl Endpoint {
    /// The content of the endpoint, in a sentence.
    #[must_use]
    pub const fn summary(self) -> &'static str {
        match self {
            Self::Total => "Sectors onboarded so far and on the day.",
            Self::CommitSectorCount => "How the sectors were pre-committed and proven, in sectors.",
            Self::CommitSectorSize => "How the sectors were pre-committed and proven, in bytes.",
            Self::Terminate => "Sectors that left before their time, by the provider's message or by cron.",
            Self::Fault => "Sectors that became faulty, and those that are.",
            Self::Recover => "Sectors that recovered from a fault.",
            Self::Expire => "Sectors that left at their time.",
            Self::Extend => "Sectors whose expiration was moved into the future.",
            Self::Snap => "Sectors whose content was replaced by data after sealing.",
            Self::SectorDuration => "How long the active sectors were committed for.",
        }
    }
}
