//! Documentation of the interface: OpenAPI for programs, and pages for people.

mod examples;
mod home;
mod html;
pub(crate) mod openapi;
mod reference;
pub(crate) mod routes;
mod viewer;
