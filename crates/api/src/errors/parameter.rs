//! Errors of parameters of `/v2`.

use crate::http::query::Quote;

/// A parameter that cannot be understood: which, what it said, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParameterProblem {
    #[error("The parameter {name} is {}, which is {expected}.", Quote(value))]
    Invalid { name: &'static str, value: String, expected: String },
    #[error(
        "The parameter {name} is {}, which is not percent-encoded UTF-8: expected %XX with two hexadecimal digits, and text.",
        Quote(value)
    )]
    Encoding { name: &'static str, value: String },
    #[error("The parameter {name} is given twice ({}): expected once.", Quote(second))]
    Twice { name: &'static str, second: String },
    #[error(
        "The parameters {first} and {second} are two spellings of the same ({}): expected one of them.",
        Quote(value)
    )]
    TwoSpellings { first: &'static str, second: &'static str, value: String },
}
