//! A cell of a row, and its one spelling in JSON and CSV.

use std::fmt;

/// A column's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A count or a quantity of bytes or epochs; exact.
    Integer(i128),
    /// A mean or deviation.
    Double(f64),
}

impl fmt::Display for Value {
    /// A bare JSON number: integers as they are, doubles in the shortest form that reads back the same,
    /// written plainly from 1e-6 up to 1e21 (`0`, not `0.0`), as ECMAScript does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(value) => value.fmt(f),
            Self::Double(value) if value.is_finite() => {
                f.write_str(ryu_js::Buffer::new().format_finite(*value))
            }
            Self::Double(_) => f.write_str("null"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Value;

    #[test]
    fn doubles_are_written_shortest_and_plainly() {
        let cases = [
            (0.0, "0"),
            (-0.0, "0"),
            (1.5, "1.5"),
            (3.0, "3"),
            (1.23432343234323, "1.23432343234323"),
            (271.49191941499794, "271.49191941499794"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
        ];
        for (value, text) in cases {
            assert_eq!(Value::Double(value).to_string(), text);
        }
    }
}
