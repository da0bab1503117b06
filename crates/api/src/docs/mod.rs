//! Documentation of the interface: OpenAPI for programs, and a page for people.

mod examples;
pub(crate) mod openapi;
pub(crate) mod page;
