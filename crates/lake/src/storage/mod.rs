//! Where do bytes go, and what may be opened?

pub(crate) mod beneath;
pub(crate) mod blocking;
pub(crate) mod disk;
pub(crate) mod file_names;
pub(crate) mod lock;
pub(crate) mod object_reads;
pub(crate) mod temp_dir;
