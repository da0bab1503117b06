//! The interface described: for programs, and for people.

mod examples;
pub(crate) mod openapi;
pub(crate) mod page;
