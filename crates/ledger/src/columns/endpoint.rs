//! The endpoints of `/v2`.

/// An endpoint of `/v2`: a group of columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

impl Endpoint {
    /// All ten, in the order of the specification.
    pub const ALL: &'static [Self] = &[
        Self::Total,
        Self::CommitSectorCount,
        Self::CommitSectorSize,
        Self::Terminate,
        Self::Fault,
        Self::Recover,
        Self::Expire,
        Self::Extend,
        Self::Snap,
        Self::SectorDuration,
    ];

    /// The last segment of the endpoint's path.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::CommitSectorCount => "commit_sector_count",
            Self::CommitSectorSize => "commit_sector_size",
            Self::Terminate => "terminate",
            Self::Fault => "fault",
            Self::Recover => "recover",
            Self::Expire => "expire",
            Self::Extend => "extend",
            Self::Snap => "snap",
            Self::SectorDuration => "sector_duration",
        }
    }

    /// The endpoint with that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|endpoint| endpoint.name() == name)
    }

    /// What the endpoint tells, in a sentence.
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
