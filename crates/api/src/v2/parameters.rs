//! The query string of a request to `/v2`, parsed strictly.

use chain::{Day, MinerId};

use crate::errors::parameter::ParameterProblem;
use crate::http::query::decode;

/// The parameters of `/v2`. Others are ignored, as the original does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct V2Query {
    /// The day, or the latest closed one.
    pub(crate) day: Option<Day>,
    /// The miner, or all.
    pub(crate) miner: Option<MinerId>,
}

/// Which of the answers' dimensions a parameter sets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dimension {
    Day,
    Miner,
}

/// Every parameter by its spellings.
const KNOWN: [(&str, Dimension); 3] =
    [("state_date", Dimension::Day), ("stat_date", Dimension::Day), ("miner_id", Dimension::Miner)];

impl V2Query {
    /// Reads a query string, without its question mark.
    pub(crate) fn parse(query: &str) -> Result<Self, ParameterProblem> {
        let mut parsed = Self::default();
        let mut seen: [Option<&'static str>; 2] = [None, None];
        for pair in query.split('&') {
            let (name, raw) = pair.split_once('=').unwrap_or((pair, ""));
            // A name that does not decode is none that we know.
            let Some(name) = decode(name) else { continue };
            let Some((name, dimension)) = KNOWN.into_iter().find(|(known, _)| *known == name) else {
                continue;
            };
            let value = decode(raw);
            let shown = || value.as_deref().unwrap_or(raw).to_owned();
            match seen[dimension as usize].replace(name) {
                Some(first) if first == name => {
                    return Err(ParameterProblem::Twice { name, second: shown() });
                }
                Some(first) => {
                    return Err(ParameterProblem::TwoSpellings { first, second: name, value: shown() });
                }
                None => {}
            }
            let Some(value) = value.as_deref() else {
                return Err(ParameterProblem::Encoding { name, value: raw.to_owned() });
            };
            let invalid =
                |expected: String| ParameterProblem::Invalid { name, value: value.to_owned(), expected };
            match dimension {
                Dimension::Day => {
                    parsed.day =
                        Some(value.parse().map_err(|e: chain::ParseDayError| invalid(e.to_string()))?)
                }
                Dimension::Miner => {
                    parsed.miner =
                        Some(value.parse().map_err(|e: chain::ParseMinerIdError| invalid(e.to_string()))?);
                }
            }
        }
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(query: &str) -> String {
        match V2Query::parse(query) {
            Ok(parsed) => panic!("{query} was read as {parsed:?}"),
            Err(problem) => problem.to_string(),
        }
    }

    #[test]
    fn parameters_are_read_in_any_order_and_spelling() {
        let expected = V2Query { day: "2022-10-01".parse().ok(), miner: Some(MinerId(110_804)) };
        for query in [
            "state_date=2022-10-01&miner_id=f0110804",
            "miner_id=t0110804&stat_date=2022-10-01",
            "a=1&&state%5Fdate=2022%2d10-01&b&miner_id=f0110804&=&%zz=%zz&limit=%",
        ] {
            assert_eq!(V2Query::parse(query), Ok(expected), "{query}");
        }
        assert_eq!(V2Query::parse(""), Ok(V2Query::default()));
    }

    #[test]
    fn a_bad_value_is_named_with_what_was_expected() {
        for (query, name, value) in [
            ("state_date=2022-13-01", "state_date", "\"2022-13-01\""),
            ("stat_date=yesterday", "stat_date", "\"yesterday\""),
            ("state_date=", "state_date", "\"\""),
            ("state_date", "state_date", "\"\""),
            ("state_date=2022-10-01+", "state_date", "\"2022-10-01 \""),
            ("miner_id=", "miner_id", "\"\""),
            ("miner_id=f0", "miner_id", "\"f0\""),
            ("miner_id=f1abc", "miner_id", "\"f1abc\""),
            ("miner_id=f018446744073709551616", "miner_id", "\"f018446744073709551616\""),
            ("miner_id=%zz", "miner_id", "\"%zz\""),
            ("miner_id=f0%3", "miner_id", "\"f0%3\""),
            ("miner_id=%ff", "miner_id", "\"%ff\""),
            ("miner_id=f01&miner_id=f01", "miner_id", "\"f01\""),
            ("state_date=2022-10-01&stat_date=2022-10-01", "stat_date", "\"2022-10-01\""),
        ] {
            let message = problem(query);
            assert!(message.contains(name), "{query}: {message}");
            assert!(message.contains(value), "{query}: {message}");
            assert!(message.contains("expected"), "{query}: {message}");
        }
    }

    #[test]
    fn a_long_value_is_cut_in_the_message() {
        let message = problem(&format!("miner_id={}", "é".repeat(5000)));
        assert!(message.chars().count() < 300, "{message}");
    }
}
