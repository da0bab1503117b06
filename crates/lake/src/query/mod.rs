//! How is the lake asked, in SQL or in queries of the program's own?

pub(crate) mod export;
pub(crate) mod queries;
pub(crate) mod session;
