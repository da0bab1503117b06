//! How are files written durably, and which may be opened?

pub(crate) mod beneath;
pub(crate) mod blocking;
pub(crate) mod disk;
pub(crate) mod file_identity;
pub(crate) mod file_names;
pub(crate) mod lock;
pub(crate) mod object_reads;
pub(crate) mod temp_dir;
