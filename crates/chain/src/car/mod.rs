//! Snapshot files as a block store.
//!
//! [`CarStore`] joins any number of CAR files, plain or inside zstd, into one store: a block is looked for in each.
//! A plain file is memory-mapped and indexed in one sequential pass that checks every block's hash; the index is
//! kept, and blocks are handed out in place. Zstd without an index is decompressed once; zstd with Forest's index is
//! read where it is.

mod external_sort;
mod forest;
mod forest_index;
mod frames;
#[cfg(fuzzing)]
pub mod fuzzing;
mod index;
mod info;
mod mapped_file;
mod plain;
mod readahead;
mod section_reader;
mod store;
mod zst;

pub use info::{CarEncoding, CarFile};
pub use store::CarStore;
