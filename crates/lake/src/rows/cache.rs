//! Days that were read lately, bounded by the bytes they take.

use std::sync::Arc;

use quick_cache::sync::{Cache as WeightedCache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use crate::rows::day_rows::DayRows;
use crate::rows::day_version::DayVersion;

/// Bytes of days kept.
pub(crate) const DEFAULT_BYTES: usize = 64 << 20;
/// Bytes that a day of a middling network takes; only the cache's first size depends on it.
const TYPICAL_BYTES: usize = 1 << 20;

/// Days by their versions: a day that was closed again has another, so an old one is never mistaken for it. May be shared
/// between threads.
pub(crate) struct Cache(WeightedCache<DayVersion, Arc<DayRows>, DayBytes>);

/// A day weighs what it takes in memory.
#[derive(Clone)]
struct DayBytes;

impl Weighter<DayVersion, Arc<DayRows>> for DayBytes {
    fn weight(&self, _version: &DayVersion, rows: &Arc<DayRows>) -> u64 {
        rows.size() as u64
    }
}

impl Cache {
    /// A cache that holds up to `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        // One shard: several would each hold its part of the bytes, and a large network's day takes many.
        let (items, weight) = (limit.div_ceil(TYPICAL_BYTES), limit as u64);
        let options =
            OptionsBuilder::new().estimated_items_capacity(items).weight_capacity(weight).shards(1).build();
        let (hash, life) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        Self(match options {
            Ok(options) => WeightedCache::with_options(options, DayBytes, hash, life),
            Err(_) => WeightedCache::with(items, weight, DayBytes, hash, life),
        })
    }

    /// Bytes held.
    pub(crate) fn held(&self) -> usize {
        usize::try_from(self.0.weight()).unwrap_or(usize::MAX)
    }

    /// Lets go of everything.
    pub(crate) fn clear(&self) {
        self.0.clear();
    }

    /// The day, if it is held.
    pub(crate) fn get(&self, version: &DayVersion) -> Option<Arc<DayRows>> {
        self.0.get(version)
    }

    /// Holds the day, and lets go of others until all fit. A day larger than the limit is not held.
    pub(crate) fn put(&self, version: DayVersion, rows: &Arc<DayRows>) {
        self.0.insert(version, Arc::clone(rows));
    }
}

#[cfg(test)]
mod tests {
    use chain::Day;
    use datafusion::arrow::array::RecordBatch;

    use super::*;
    use crate::schema::TableName;

    #[test]
    fn days_are_held_up_to_the_limit_and_no_further() {
        let batch = RecordBatch::new_empty(TableName::Rows.schema());
        let day = Arc::new(DayRows::new(Day::from_unix_days(0), &batch).expect("an empty day"));
        let key = |number: usize| DayVersion::of(Day::from_unix_days(0), &number.to_string());
        let cache = Cache::new(day.size() * 20);
        for number in 0..100 {
            cache.put(key(number), &day);
            assert!(cache.held() <= day.size() * 20);
        }
        let held = (0..100).filter(|number| cache.get(&key(*number)).is_some()).count();
        assert!(held > 0 && held * day.size() == cache.held(), "{held} days of {} bytes", day.size());
        cache.clear();
        assert!(cache.held() == 0 && (0..100).all(|number| cache.get(&key(number)).is_none()));
        let too_small = Cache::new(day.size() - 1);
        too_small.put(key(0), &day);
        assert!(too_small.get(&key(0)).is_none() && too_small.held() == 0);
    }
}
