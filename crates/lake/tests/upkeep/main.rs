//! What a lake has to bear: damaged copies, unusual directories, old tombstones, older tables, queries beside each other.

#[path = "../common/mod.rs"]
mod common;

mod copies;
mod directories;
mod older_tables;
mod queries;
mod retention;
