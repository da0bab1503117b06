//! What a column's values are measured in, and how they are held.

/// What a column's values are measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number of sectors.
    Sectors,
    /// A number of messages.
    Messages,
    /// Bytes, raw or quality-adjusted as the name says; exact, may pass 2^63.
    Bytes,
    /// A mean number of sectors in a message.
    SectorsPerMessage,
    /// Days of 2880 epochs.
    Days,
    /// A sum of epochs over sectors.
    Epochs,
    /// A sum of squared epochs over sectors.
    EpochsSquared,
}

impl Unit {
    /// The unit in words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sectors => "sectors",
            Self::Messages => "messages",
            Self::Bytes => "bytes",
            Self::SectorsPerMessage => "sectors per message",
            Self::Days => "days",
            Self::Epochs => "epochs",
            Self::EpochsSquared => "epochs²",
        }
    }

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
