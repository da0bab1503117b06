//! Which files of an archive are missing, by the names of the others.
//!
//! ```text
//! forest_snapshot_<network>_<date>_height_<height>.forest.car.zst         lite: states up to that height
//! forest_diff_<network>_<date>_height_<base>+<heights>.forest.car.zst     what comes after base
//! ```
//!
//! The date is that of the file's end.

use crate::units::{Clock, Day, Epoch};

/// Missing names that are reported at most.
const MOST: i64 = 1000;

/// What a name says.
struct Named<'n> {
    /// Up to the date.
    start: &'n str,
    base: i64,
    /// Of a diff, how many heights it covers.
    heights: Option<i64>,
    /// Behind the heights.
    end: &'n str,
}

impl<'n> Named<'n> {
    fn of(name: &'n str) -> Option<Self> {
        let (before, rest) = name.rsplit_once("_height_")?;
        let (start, date) = before.rsplit_once('_')?;
        date.parse::<Day>().ok()?;
        let (base, rest) = number(rest)?;
        let (heights, end) = match rest.strip_prefix('+') {
            Some(rest) => number(rest).map(|(heights, end)| (Some(heights), end))?,
            None => (None, rest),
        };
        (end.is_empty() || end.starts_with('.')).then_some(Self { start, base, heights, end })
    }

    /// The height up to which it goes.
    const fn until(&self) -> i64 {
        self.base.saturating_add(match self.heights {
            Some(heights) => heights,
            None => 0,
        })
    }
}

/// The number that a text begins with, and the rest.
fn number(text: &str) -> Option<(i64, &str)> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..digits].parse().ok()?, &text[digits..]))
}

/// Names of the diffs that lie between a head at height `below` and a diff that begins under height `last`; none if the
/// names do not follow the rule, or the diffs would not fit between.
pub(crate) fn missing(names: &[String], clock: Clock, below: Epoch, last: Epoch) -> Vec<String> {
    let named: Vec<_> = names.iter().filter_map(|name| Named::of(name)).collect();
    let upper = named.iter().filter(|file| {
        file.heights.is_some_and(|heights| heights > 0) && (below.0..=last.0).contains(&file.base)
    });
    let Some(upper) = upper.max_by_key(|file| file.base) else { return Vec::new() };
    // The newest tipset at or below a file's end is its head.
    let ends = named.iter().map(Named::until).filter(|end| (below.0..upper.base).contains(end));
    let (Some(begin), Some(heights)) = (ends.min(), upper.heights) else { return Vec::new() };
    let count = (upper.base - begin) / heights;
    if (upper.base - begin) % heights != 0 || count > MOST {
        return Vec::new();
    }
    let Named { start, end, .. } = upper;
    let name = |at: i64| {
        let base = begin + at * heights;
        let date = clock.day_of(Epoch(base.saturating_add(heights)));
        format!("{start}_{date}_height_{base}+{heights}{end}")
    };
    (0..count).map(name).collect()
}

/// The name of the snapshot that the lowest diff builds on, if no file ends there. The others' names do not contain its date.
pub(crate) fn base(names: &[String]) -> Option<String> {
    let named: Vec<_> = names.iter().filter_map(|name| Named::of(name)).collect();
    let lowest = named.iter().filter(|file| file.heights.is_some()).min_by_key(|file| file.base)?;
    if named.iter().any(|file| file.until() == lowest.base) {
        return None;
    }
    let Named { start, base, end, .. } = lowest;
    Some(format!("{}_*_height_{base}{end}", start.replacen("_diff_", "_snapshot_", 1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::MAINNET_GENESIS;

    fn names(of: &[(&str, &str)]) -> Vec<String> {
        let name = |(date, heights): &(&str, &str)| match heights.contains('+') {
            true => format!("forest_diff_devnet_{date}_height_{heights}.forest.car.zst"),
            false => format!("forest_snapshot_devnet_{date}_height_{heights}.forest.car.zst"),
        };
        of.iter().map(name).collect()
    }

    fn missing_of(given: &[(&str, &str)], below: i64, last: i64) -> Vec<String> {
        missing(&names(given), Clock::new(MAINNET_GENESIS), Epoch(below), Epoch(last))
    }

    const LITE: (&str, &str) = ("2026-06-11", "6096000");
    const FIRST: (&str, &str) = ("2026-06-12", "6096000+3000");
    const SECOND: (&str, &str) = ("2026-06-13", "6099000+3000");
    const THIRD: (&str, &str) = ("2026-06-14", "6102000+3000");
    const FOURTH: (&str, &str) = ("2026-06-15", "6105000+3000");

    #[test]
    fn a_missing_diff_has_the_name_between_those_of_the_others() {
        assert_eq!(missing_of(&[LITE, SECOND], 0, 6_099_010), names(&[FIRST]));
        assert_eq!(missing_of(&[THIRD, FIRST, LITE], 6_098_990, 6_102_001), names(&[SECOND]));
        assert_eq!(missing_of(&[LITE, FOURTH], 6_095_999, 6_105_100), names(&[FIRST, SECOND, THIRD]));
        assert_eq!(missing_of(&[FIRST, FOURTH], 6_099_000, 6_105_000), names(&[SECOND, THIRD]));
    }

    #[test]
    fn diffs_without_the_snapshot_below_name_it() {
        let base_of = |given: &[(&str, &str)]| base(&names(given));
        let wanted = "forest_snapshot_devnet_*_height_6099000.forest.car.zst";
        assert_eq!(base_of(&[THIRD, SECOND]).as_deref(), Some(wanted));
        for whole in [&[LITE, FIRST, SECOND][..], &[FIRST, LITE], &[LITE], &[]] {
            assert_eq!(base_of(whole), None, "{whole:?}");
        }
        assert_eq!(base(&["small.car".to_owned(), "a_height_b+1.car".to_owned()]), None);
    }

    #[test]
    fn names_that_follow_no_rule_tell_nothing() {
        assert!(missing_of(&[LITE], 6_096_000, 6_099_010).is_empty());
        let other = ("2026-06-13", "6099500+3000");
        assert!(missing_of(&[LITE, other], 6_096_000, 6_099_510).is_empty());
        let clock = Clock::new(MAINNET_GENESIS);
        for name in ["small.car", "a_height_b+1.car", "x_2026-06-13_height_+5.car", "_height_1+0"] {
            assert!(missing(&[name.to_owned()], clock, Epoch(0), Epoch(10)).is_empty());
        }
        // A hostile name may ask for any number; they are not all reported.
        assert!(
            missing_of(&[("2026-06-11", "1"), ("2026-06-12", "9000000000000+1")], 0, i64::MAX).is_empty()
        );
    }
}
