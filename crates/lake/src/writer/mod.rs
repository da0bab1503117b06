//! How are days closed and re-closed, and their files compacted and vacuumed?

pub(crate) mod compact_months;
pub(crate) mod compact_years;
pub(crate) mod lake;
pub(crate) mod last_day;
pub(crate) mod reclose;
pub(crate) mod reclosing;
pub(crate) mod vacuum;
