//! Content codings, and which of them a request accepts.

use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use axum::http::{HeaderMap, HeaderValue};

/// How an answer's bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ContentCoding {
    Identity,
    Gzip,
    Brotli,
    Zstd,
}

impl ContentCoding {
    /// All of them; of those that a request takes equally gladly, the first is given. zstd and brotli make day answers
    /// about equally small, and zstd is the cheapest to undo.
    pub(crate) const ALL: [Self; 4] = [Self::Zstd, Self::Brotli, Self::Gzip, Self::Identity];

    /// Its name in headers.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }

    /// The coding for a request with these headers, by RFC 9110, section 12.5.3. Who takes none that there is gets
    /// the plain answer.
    pub(crate) fn negotiate(headers: &HeaderMap) -> Self {
        // The weight of each of `ALL`, in thousandths, where it is named, and that of those that are not.
        let mut named = [None; Self::ALL.len()];
        let mut others = None;
        for value in headers.get_all(ACCEPT_ENCODING) {
            let Ok(value) = value.to_str() else { continue };
            for item in value.split(',') {
                let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
                let (name, Some(weight)) = (name.trim(), weight(parameters)) else { continue };
                let is = |coding: &Self| {
                    name.eq_ignore_ascii_case(coding.name())
                        || *coding == Self::Gzip && name.eq_ignore_ascii_case("x-gzip")
                };
                match Self::ALL.iter().position(is) {
                    Some(at) => named[at] = Some(weight),
                    None if name == "*" => others = Some(weight),
                    None => {}
                }
            }
        }
        let mut best = (Self::Identity, 0);
        for (coding, named) in Self::ALL.into_iter().zip(named) {
            // Identity is always there, only less gladly taken than what is named.
            let unnamed = if coding == Self::Identity { 0 } else { others.unwrap_or(0) };
            let weight = named.unwrap_or(unnamed);
            if weight > best.1 {
                best = (coding, weight);
            }
        }
        best.0
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

/// The weight among a coding's parameters, in thousandths; 1000 without one, `None` for one that is malformed.
fn weight(parameters: &str) -> Option<u16> {
    let Some(parameter) = parameters.split(';').map(str::trim).find(|parameter| !parameter.is_empty()) else {
        return Some(1000);
    };
    let (name, value) = parameter.split_once('=')?;
    let (whole, part) = value.split_once('.').unwrap_or((value, ""));
    let digits = part.len() <= 3 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !name.eq_ignore_ascii_case("q") || !digits {
        return None;
    }
    let thousandths = part.bytes().chain(std::iter::repeat(b'0')).take(3);
    let part = thousandths.fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    match (whole, part) {
        ("0", part) => Some(part),
        ("1", 0) => Some(1000),
        _ => None,
    }
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
            (&["gzip;q=1.5"], ContentCoding::Identity),
            (&["gzip;q=0.0001"], ContentCoding::Identity),
            (&["gzip;level=9"], ContentCoding::Identity),
            (&[",,gzip,"], ContentCoding::Gzip),
        ] {
            assert_eq!(asked(values), coding, "{values:?}");
        }
    }
}
