//! How is a table's Parquet file described, written and read?

pub(crate) mod chunk_reader;
pub(crate) mod data_file;
pub(crate) mod open_file;
pub(crate) mod reader;
pub(crate) mod writer;
