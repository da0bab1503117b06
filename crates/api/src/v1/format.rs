//! Content negotiation: the format of a response by `?format=`, else by the header `Accept`.

use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, HeaderValue};
use lake::OutputFormat;

use crate::errors::problem::Problem;
use crate::http::quality::{self, Choice};

/// A format of rows: its name, its media type, what writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) name: &'static str,
    pub(crate) media_type: &'static str,
    pub(crate) form: OutputFormat,
}

/// The first one is given to whoever does not mind.
pub(crate) const FORMATS: [Format; 5] = [
    Format { name: "json", media_type: "application/json", form: OutputFormat::Json },
    Format { name: "csv", media_type: "text/csv", form: OutputFormat::Csv },
    Format { name: "ndjson", media_type: "application/x-ndjson", form: OutputFormat::Ndjson },
    Format { name: "parquet", media_type: "application/vnd.apache.parquet", form: OutputFormat::Parquet },
    Format { name: "arrow", media_type: "application/vnd.apache.arrow.stream", form: OutputFormat::Arrow },
];

/// The names of the formats.
pub(crate) const NAMES: &[&str] = &{
    let mut names = [""; FORMATS.len()];
    let mut at = 0;
    while at < FORMATS.len() {
        names[at] = FORMATS[at].name;
        at += 1;
    }
    names
};

/// The format to answer in, of those offered: the one named, else the one that the headers like best.
///
/// # Errors
/// If the headers like none.
pub(crate) fn choose(
    offered: &'static [Format],
    named: Option<&str>,
    headers: &HeaderMap,
) -> Result<Format, Problem> {
    if let Some(found) = named.and_then(|named| offered.iter().find(|format| format.name == named)) {
        return Ok(*found);
    }
    let not_acceptable =
        || Problem::NotAcceptable { formats: offered.iter().map(|format| format.media_type).collect() };
    let is_blank = |value: &HeaderValue| value.to_str().is_ok_and(|text| text.trim().is_empty());
    if headers.get_all(ACCEPT).iter().all(is_blank) {
        return offered.first().copied().ok_or_else(not_acceptable);
    }
    let ranges: Vec<MediaRange<'_>> =
        quality::choices(headers, ACCEPT).filter_map(MediaRange::parse).collect();
    let quality_of = |format: &Format| {
        let fitting = ranges.iter().filter(|range| range.accepts(format.media_type));
        fitting.max_by_key(|range| range.specificity()).map_or(0, |range| range.quality)
    };
    // Of equals the first offered.
    let best =
        offered.iter().rev().max_by_key(|format| quality_of(format)).filter(|format| quality_of(format) > 0);
    best.copied().ok_or_else(not_acceptable)
}

/// A range of media types, and how much it is liked, in thousandths.
struct MediaRange<'h> {
    kind: &'h str,
    subtype: &'h str,
    quality: u16,
}

impl<'h> MediaRange<'h> {
    fn parse(choice: Choice<'h>) -> Option<Self> {
        let (kind, subtype) = choice.value.split_once('/')?;
        Some(Self { kind, subtype, quality: choice.weight })
    }

    fn accepts(&self, media_type: &str) -> bool {
        media_type.split_once('/').is_some_and(|(kind, subtype)| {
            (self.kind == "*" || self.kind.eq_ignore_ascii_case(kind))
                && (self.subtype == "*" || self.subtype.eq_ignore_ascii_case(subtype))
        })
    }

    fn specificity(&self) -> u8 {
        u8::from(self.kind != "*") + u8::from(self.subtype != "*")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(accept: &'static str, named: Option<&str>) -> Option<&'static str> {
        let mut headers = HeaderMap::new();
        if !accept.is_empty() {
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
        }
        choose(&FORMATS, named, &headers).ok().map(|format| format.name)
    }

    #[test]
    fn the_name_goes_before_the_header_and_json_before_the_others() {
        assert_eq!(chosen("", None), Some("json"));
        assert_eq!(chosen("*/*", None), Some("json"));
        assert_eq!(chosen("text/csv", None), Some("csv"));
        assert_eq!(chosen("text/csv", Some("arrow")), Some("arrow"));
        assert_eq!(chosen("application/*", None), Some("json"));
        assert_eq!(chosen("text/*;q=0.4, application/vnd.apache.parquet;q=0.5", None), Some("parquet"));
        assert_eq!(chosen("text/html,application/xhtml+xml,*/*;q=0.8", None), Some("json"));
        assert_eq!(chosen("application/json;q=0, */*", None), Some("csv"));
    }

    #[test]
    fn who_likes_none_is_told_so() {
        assert_eq!(chosen("image/png", None), None);
        assert_eq!(chosen("*/*;q=0", None), None);
        assert_eq!(chosen("nonsense", None), None);
    }
}
