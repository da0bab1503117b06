//! Content codings, and which of them a request accepts.

use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use axum::http::{HeaderMap, HeaderValue};
use strum::{IntoStaticStr, VariantArray};

use crate::http::quality;

/// How an answer's bytes are written. Of those that a request takes equally gladly, the first is given: zstd and brotli make
/// day answers about equally small, and zstd is the cheapest to undo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase", const_into_str)]
pub(crate) enum ContentCoding {
    Zstd,
    #[strum(serialize = "br")]
    Brotli,
    Gzip,
    Identity,
}

impl ContentCoding {
    /// All of them, in that order.
    pub(crate) const ALL: &'static [Self] = Self::VARIANTS;

    /// Its name in headers.
    pub(crate) const fn name(self) -> &'static str {
        self.into_str()
    }

    /// The coding for a request with these headers, by RFC 9110, section 12.5.3. Who takes none that there is gets
    /// the plain answer.
    pub(crate) fn negotiate(headers: &HeaderMap) -> Self {
        let mut best = (Self::Identity, 0);
        for (coding, weight) in Self::ALL.iter().copied().zip(weights(headers)) {
            if weight > best.1 {
                best = (coding, weight);
            }
        }
        best.0
    }

    /// Whether a request with these headers accepts this coding, preferred or not.
    pub(crate) fn is_accepted(self, headers: &HeaderMap) -> bool {
        Self::ALL.iter().zip(weights(headers)).any(|(coding, weight)| *coding == self && weight > 0)
    }

    /// Bytes of memory that compressing takes as long as it goes on, about.
    pub(crate) fn encoder_memory(self) -> usize {
        match self {
            Self::Identity => 0,
            Self::Gzip => 512 << 10,
            Self::Brotli | Self::Zstd => 2 << 20,
        }
    }

    /// Notes in an answer's headers that its body is in this coding.
    pub(crate) fn set_header(self, headers: &mut HeaderMap) {
        if self != Self::Identity {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(self.name()));
        }
    }
}

/// The weight of each of [`ContentCoding::ALL`] in a request with these headers, in thousandths.
fn weights(headers: &HeaderMap) -> [u16; ContentCoding::ALL.len()] {
    let mut named = [None; ContentCoding::ALL.len()];
    let mut others = 0;
    // A coding has no parameters, so what has some is another one.
    for choice in quality::choices(headers, ACCEPT_ENCODING).filter(|choice| !choice.has_parameters) {
        let is = |coding: &ContentCoding| {
            choice.value.eq_ignore_ascii_case(coding.name())
                || *coding == ContentCoding::Gzip && choice.value.eq_ignore_ascii_case("x-gzip")
        };
        match ContentCoding::ALL.iter().position(is) {
            Some(at) => named[at] = Some(choice.weight),
            None if choice.value == "*" => others = choice.weight,
            None => {}
        }
    }
    let mut weights = [0; ContentCoding::ALL.len()];
    for ((weight, coding), named) in weights.iter_mut().zip(ContentCoding::ALL).zip(named) {
        // Identity is always there, only less gladly taken than what is named.
        let unnamed = if *coding == ContentCoding::Identity { 0 } else { others };
        *weight = named.unwrap_or(unnamed);
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(values: &[&'static str]) -> ContentCoding {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(ACCEPT_ENCODING, HeaderValue::from_static(value));
        }
        ContentCoding::negotiate(&headers)
    }

    #[test]
    fn the_coding_is_the_one_most_gladly_taken() {
        for (values, coding) in [
            (&[][..], ContentCoding::Identity),
            (&[""], ContentCoding::Identity),
            (&["identity"], ContentCoding::Identity),
            (&["deflate, compress"], ContentCoding::Identity),
            (&["gzip"], ContentCoding::Gzip),
            (&["GZip"], ContentCoding::Gzip),
            (&["x-gzip"], ContentCoding::Gzip),
            (&["br"], ContentCoding::Brotli),
            (&["gzip, deflate"], ContentCoding::Gzip),
            (&["gzip, deflate, br"], ContentCoding::Brotli),
            (&["gzip, deflate, br, zstd"], ContentCoding::Zstd),
            (&["gzip", "br"], ContentCoding::Brotli),
            (&["gzip;q=1.0, br;q=0.9"], ContentCoding::Gzip),
            (&["gzip; q=0.5 , br ;Q=0.501"], ContentCoding::Brotli),
            (&["zstd;q=0, gzip;q=0.001"], ContentCoding::Gzip),
            (&["gzip;q=0"], ContentCoding::Identity),
            (&["identity;q=1, gzip;q=0.5"], ContentCoding::Identity),
            (&["identity;q=0.5, gzip;q=0.5"], ContentCoding::Gzip),
            (&["*"], ContentCoding::Zstd),
            (&["*;q=0"], ContentCoding::Identity),
            (&["zstd;q=0, *"], ContentCoding::Brotli),
            (&["gzip;q=0.2, *;q=0.1"], ContentCoding::Gzip),
            (&["gzip;q=x, br"], ContentCoding::Brotli),
            (&["gzip;q=1.5"], ContentCoding::Gzip),
            (&["gzip;q=0.0001"], ContentCoding::Identity),
            (&["gzip;level=9"], ContentCoding::Identity),
            (&[",,gzip,"], ContentCoding::Gzip),
        ] {
            assert_eq!(asked(values), coding, "{values:?}");
        }
    }

    #[test]
    fn a_coding_is_accepted_though_another_is_preferred() {
        let accepted = |value| {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(value))]);
            ContentCoding::Gzip.is_accepted(&headers)
        };
        assert!(accepted("gzip, deflate, br, zstd") && accepted("*") && accepted("br, gzip;q=0.1"));
        assert!(!accepted("br") && !accepted("gzip;q=0, *") && !accepted(""));
    }
}
