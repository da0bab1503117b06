//! What a column's values are measured in, and how they are held.

use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::spelled::spelled;

/// What a column's values are measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Unit {
    /// A number of sectors.
    Sectors,
    /// A number of messages.
    Messages,
    /// Bytes, raw or quality-adjusted as the name says; exact, may pass 2^63.
    Bytes,
    /// A mean number of sectors in a message.
    #[strum(serialize = "sectors per message")]
    SectorsPerMessage,
    /// Days of 2880 epochs.
    Days,
    /// A sum of epochs over sectors.
    Epochs,
    /// A sum of squared epochs over sectors.
    #[strum(serialize = "epochs²")]
    EpochsSquared,
}

spelled!(Unit);

impl Unit {
    /// How values of the unit are held.
    #[must_use]
    pub const fn storage(self) -> Storage {
        match self {
            Self::Sectors | Self::Messages => Storage::Integer,
            Self::Bytes | Self::Epochs | Self::EpochsSquared => Storage::Wide,
            Self::SectorsPerMessage | Self::Days => Storage::Double,
        }
    }
}

/// How a column's values are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// 64-bit integer.
    Integer,
    /// Integer of up to 38 decimal digits.
    Wide,
    /// Double.
    Double,
}
