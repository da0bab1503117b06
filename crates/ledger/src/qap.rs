//! Quality-adjusted power, in exact integers (`docs/DEFINITIONS.md`, "Quality-adjusted power").

use chain::Bytes;

/// Ten for unverified deals and for no deals alike, a hundred for verified ones.
const BASE: i128 = 10;
const VERIFIED: i128 = 100;
const PRECISION: u32 = 20;

/// QAP of a sector of `size` bytes that is committed for `duration` epochs with these weights (bytes × epochs).
/// Both divisions round down; without space-time the quality is one. `None` if the figures are absurd enough to
/// pass 128 bits.
///
/// ```
/// use chain::Bytes;
/// use ledger::quality_adjusted_power;
///
/// let size = Bytes(32 << 30);
/// assert_eq!(quality_adjusted_power(size, 1000, 0, 0), Some(size));
/// // Wholly verified: ten times the size.
/// assert_eq!(quality_adjusted_power(size, 1000, 0, size.0 * 1000), Some(Bytes(size.0 * 10)));
/// ```
#[must_use]
pub fn quality_adjusted_power(
    size: Bytes,
    duration: i64,
    deal_weight: i128,
    verified_weight: i128,
) -> Option<Bytes> {
    let space_time = size.0.checked_mul(i128::from(duration))?;
    let quality = if space_time <= 0 {
        1 << PRECISION
    } else {
        let empty = space_time.checked_sub(deal_weight)?.checked_sub(verified_weight)?;
        let weighted = empty
            .checked_mul(BASE)?
            .checked_add(deal_weight.checked_mul(BASE)?)?
            .checked_add(verified_weight.checked_mul(VERIFIED)?)?;
        weighted.checked_mul(1 << PRECISION)? / space_time / BASE
    };
    Some(Bytes(size.0.checked_mul(quality)? >> PRECISION))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Bytes = Bytes(32 << 30);

    #[test]
    fn without_space_time_the_quality_is_one() {
        assert_eq!(quality_adjusted_power(SIZE, 0, 0, 0), Some(SIZE));
    }

    #[test]
    fn unverified_deals_weigh_as_much_as_none() {
        assert_eq!(quality_adjusted_power(SIZE, 7, SIZE.0 * 3, 0), Some(SIZE));
    }

    #[test]
    fn both_divisions_round_down() {
        // A third of the space-time verified: quality 4 less the 2^-20 lost in rounding.
        let qap = quality_adjusted_power(SIZE, 3, 0, SIZE.0).expect("in range");
        assert_eq!(qap, Bytes(SIZE.0 * 4));
        let qap = quality_adjusted_power(SIZE, 7, 0, SIZE.0).expect("in range");
        let quality = ((SIZE.0 * 6 * 10 + SIZE.0 * 100) << 20) / (SIZE.0 * 7) / 10;
        assert_eq!(qap, Bytes((SIZE.0 * quality) >> 20));
        assert!(qap.0 * 7 < SIZE.0 * 16);
    }

    #[test]
    fn absurd_weights_are_no_number_rather_than_a_wrong_one() {
        assert_eq!(quality_adjusted_power(SIZE, 1, 0, i128::MAX), None);
    }
}
