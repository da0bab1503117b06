//! The power that a miner's partitions state.

use super::layout::Layout;
use super::miner::Miner;
use super::partition::open_partitions;
use super::power::PowerPair;
use crate::cbor::Reader;
use crate::error::{Error, Result};
use crate::units::Bytes;

/// Power as partitions state it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartitionPower {
    /// Of the live sectors: active, faulty and unproven.
    pub live: PowerPair,
    /// Of the unproven ones; actors v1 have none such.
    pub unproven: PowerPair,
    /// Of the faulty ones.
    pub faulty: PowerPair,
}

impl PartitionPower {
    fn decode(reader: &mut Reader<'_>, layout: &Layout) -> Result<Self> {
        let at = layout.partition;
        reader.tuple(at.fields)?;
        let mut stated = Self::default();
        for field in 0..at.fields as usize {
            match field {
                field if field == at.live_power => stated.live = PowerPair::decode(reader)?,
                field if Some(field) == at.unproven_power => stated.unproven = PowerPair::decode(reader)?,
                field if field == at.faulty_power => stated.faulty = PowerPair::decode(reader)?,
                _ => reader.skip()?,
            }
        }
        Ok(stated)
    }

    /// Both together.
    ///
    /// # Errors
    /// If that passes 128 bits.
    pub fn plus(self, other: Self) -> Result<Self> {
        self.with(other, i128::checked_add)
    }

    fn minus(self, other: Self) -> Result<Self> {
        self.with(other, i128::checked_sub)
    }

    fn with(self, other: Self, operation: fn(i128, i128) -> Option<i128>) -> Result<Self> {
        let bytes = |a: Bytes, b: Bytes| operation(a.0, b.0).map(Bytes);
        let pair = |a: PowerPair, b: PowerPair| {
            Some(PowerPair {
                raw: bytes(a.raw, b.raw)?,
                quality_adjusted: bytes(a.quality_adjusted, b.quality_adjusted)?,
            })
        };
        let all = || {
            Some(Self {
                live: pair(self.live, other.live)?,
                unproven: pair(self.unproven, other.unproven)?,
                faulty: pair(self.faulty, other.faulty)?,
            })
        };
        all().ok_or_else(|| Error::Chain("the powers of a miner's partitions pass 128 bits".into()))
    }
}

impl PowerPair {
    fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        reader.tuple(2)?;
        Ok(Self { raw: Bytes(reader.bigint()?), quality_adjusted: Bytes(reader.bigint()?) })
    }
}

impl Miner<'_> {
    /// The power that all partitions together state.
    ///
    /// # Errors
    /// If a block is missing or malformed, or the sum passes 128 bits.
    pub fn partition_power(&self) -> Result<PartitionPower> {
        let mut sum = PartitionPower::default();
        for deadline in self.deadlines()? {
            let partitions = self.deadline(&deadline)?.0;
            open_partitions(self.store(), &partitions)?.for_each(&mut |_, value| {
                sum = sum.plus(PartitionPower::decode(value, self.layout())?)?;
                Ok(())
            })?;
        }
        Ok(sum)
    }

    /// What [`partition_power`](Self::partition_power) has more than it had `before`. Only partitions that changed are read.
    ///
    /// # Errors
    /// If a block that differs is missing or malformed, or a sum passes 128 bits.
    pub fn partition_power_change(&self, before: &Miner<'_>) -> Result<PartitionPower> {
        let mut sum = PartitionPower::default();
        self.diff_partitions(before, &mut |_, _, old, new| {
            let decode = |raw: Option<&[u8]>, layout| match raw {
                Some(raw) => PartitionPower::decode(&mut Reader::new(raw), layout),
                None => Ok(PartitionPower::default()),
            };
            sum = sum.plus(decode(new, self.layout())?)?.minus(decode(old, before.layout())?)?;
            Ok(())
        })?;
        Ok(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{array, bytes};

    #[test]
    fn powers_are_where_each_version_put_them() {
        // Each field of a partition from the live power on states its own position.
        let pair = |field: u8| array(&[bytes(&[0, field]), bytes(&[0, 100 + field])]);
        for (version, fields, [live, unproven, faulty]) in [(1, 9, [6, 0, 7]), (2, 11, [7, 8, 9])] {
            let first = live;
            let skipped = vec![bytes(&[]); usize::from(first)];
            let partition = array(&[skipped, (first..fields).map(pair).collect()].concat());
            for layout in (version..=19).filter_map(Layout::of) {
                if (layout.version == 1) != (version == 1) {
                    continue;
                }
                let stated = PartitionPower::decode(&mut Reader::new(&partition), layout).unwrap();
                let seen = [stated.live, stated.unproven, stated.faulty];
                let expected = [live, unproven, faulty].map(|field| match field {
                    0 => PowerPair::default(),
                    field => {
                        PowerPair { raw: Bytes(field.into()), quality_adjusted: Bytes((100 + field).into()) }
                    }
                });
                assert_eq!(seen, expected, "v{}", layout.version);
            }
        }
    }

    #[test]
    fn powers_that_pass_128_bits_together_are_an_error() {
        let most = PowerPair { raw: Bytes(i128::MAX), quality_adjusted: Bytes(0) };
        let stated = PartitionPower { live: most, ..Default::default() };
        assert!(stated.plus(PartitionPower::default()).is_ok());
        assert!(stated.plus(stated).is_err());
    }
}
