//! Lists of choices with weights, such as `gzip;q=0.8, br` (RFC 9110, section 12.4.2).

use axum::http::HeaderMap;
use axum::http::header::HeaderName;

/// One choice of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Choice<'h> {
    pub(crate) value: &'h str,
    /// How much it is preferred, in thousandths; 0 means not at all.
    pub(crate) weight: u16,
    /// Whether it has parameters other than its weight.
    pub(crate) has_parameters: bool,
}

/// The choices in all headers of that name, in their order. A choice whose weight is no number is left out; a weight outside
/// of 0 to 1 counts as the nearer of the two.
pub(crate) fn choices(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = Choice<'_>> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|list| list.split(',')).filter_map(choice)
}

/// A choice with its parameters; `None` if it is empty or its weight malformed.
fn choice(item: &str) -> Option<Choice<'_>> {
    let mut parts = item.split(';').map(str::trim);
    let value = parts.next().filter(|value| !value.is_empty())?;
    let mut choice = Choice { value, weight: 1000, has_parameters: false };
    for parameter in parts.filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=') {
            Some((name, weight)) if name.eq_ignore_ascii_case("q") => {
                let weight = weight.trim().parse::<f64>().ok().filter(|weight| !weight.is_nan())?;
                choice.weight = (weight.clamp(0.0, 1.0) * 1000.0).round() as u16;
            }
            _ => choice.has_parameters = true,
        }
    }
    Some(choice)
}

#[cfg(test)]
mod tests {
    use super::choice;

    #[test]
    fn a_weight_is_read_in_thousandths_wherever_it_stands() {
        let weight = |item| choice(item).map(|choice| (choice.value, choice.weight, choice.has_parameters));
        assert_eq!(weight("gzip"), Some(("gzip", 1000, false)));
        assert_eq!(weight(" br ;Q=0.501"), Some(("br", 501, false)));
        // As Java's own client writes it.
        assert_eq!(weight("*/*; q=.2"), Some(("*/*", 200, false)));
        assert_eq!(weight("text/csv;charset=utf-8;q=0.57"), Some(("text/csv", 570, true)));
        assert_eq!(weight("gzip;q=1.5"), Some(("gzip", 1000, false)));
        assert_eq!(weight("gzip;q=-1"), Some(("gzip", 0, false)));
        assert_eq!(weight("gzip;q=0.0001"), Some(("gzip", 0, false)));
        for malformed in ["", " ", ";q=1", "gzip;q=x", "gzip;q=", "gzip;q=NaN"] {
            assert_eq!(choice(malformed), None, "{malformed}");
        }
    }
}
