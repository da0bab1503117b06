//! Days that were read lately, bounded by the bytes they take.

use std::collections::HashMap;
use std::sync::Arc;

use crate::rows::day_rows::DayRows;
use crate::rows::day_version::DayVersion;

/// Bytes of days kept.
pub(crate) const DEFAULT_BYTES: usize = 64 << 20;

/// Days by their versions: a day that was closed again has another, so an old one is never mistaken for it.
pub(crate) struct Cache {
    limit: usize,
    held: usize,
    clock: u64,
    days: HashMap<DayVersion, Entry>,
}

struct Entry {
    rows: Arc<DayRows>,
    size: usize,
    used: u64,
}

impl Cache {
    /// A cache that holds up to `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, held: 0, clock: 0, days: HashMap::new() }
    }

    /// Bytes held.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Lets go of everything.
    pub(crate) fn clear(&mut self) {
        self.days.clear();
        self.held = 0;
    }

    /// The day, if it is held.
    pub(crate) fn get(&mut self, version: &DayVersion) -> Option<Arc<DayRows>> {
        self.clock += 1;
        let entry = self.days.get_mut(version)?;
        entry.used = self.clock;
        Some(Arc::clone(&entry.rows))
    }

    /// Holds the day, and lets go of those not used for longest until all fit. A day larger than the limit is not held.
    pub(crate) fn put(&mut self, version: DayVersion, rows: &Arc<DayRows>) {
        let size = rows.size();
        if size > self.limit {
            return;
        }
        self.clock += 1;
        let entry = Entry { rows: Arc::clone(rows), size, used: self.clock };
        if let Some(before) = self.days.insert(version, entry) {
            self.held -= before.size;
        }
        self.held += size;
        while self.held > self.limit {
            let oldest = self.days.iter().min_by_key(|(_, entry)| entry.used);
            let Some(oldest) = oldest.map(|(version, _)| *version) else { return };
            if let Some(entry) = self.days.remove(&oldest) {
                self.held -= entry.size;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use chain::Day;
    use datafusion::arrow::array::RecordBatch;

    use super::*;
    use crate::schema::TableName;

    #[test]
    fn the_day_not_used_for_longest_goes_first() {
        let batch = RecordBatch::new_empty(TableName::Rows.schema());
        let day = Arc::new(DayRows::new(Day::from_unix_days(0), &batch).expect("an empty day"));
        let mut cache = Cache::new(day.size() * 2 + 1);
        let key = |file: &str| DayVersion::of(Day::from_unix_days(0), file);
        cache.put(key("a"), &day);
        cache.put(key("b"), &day);
        assert!(cache.get(&key("a")).is_some());
        cache.put(key("c"), &day);
        assert!(cache.get(&key("b")).is_none());
        assert!(cache.get(&key("a")).is_some() && cache.get(&key("c")).is_some());
    }
}
