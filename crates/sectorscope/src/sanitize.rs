//! Sanitizing of untrusted text before a terminal shows it.
//!
//! Names come from files and from lakes of strangers: of CARs, of providers' networks, of keys. Control characters in one
//! would move the cursor, colour what follows, forge lines, or set the window's title. So whatever is shown to people
//! goes through here, in the one place that each kind of output has: tables and lines, errors, progress, and logs.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Stderr, Write};

/// The text with control characters spelled out, as `\u{1b}`.
pub(crate) fn sanitize(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_control) { Cow::Owned(escaped(text, is_control)) } else { Cow::Borrowed(text) }
}

/// Whether a character does something to a terminal in the place of being seen.
fn is_control(of: char) -> bool {
    // The last ones turn the direction of writing, or end a line where programs believe in it.
    of.is_control()
        || matches!(of, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escaped(text: &str, which: fn(char) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for of in text.chars() {
        if which(of) {
            let _ = write!(escaped, "{}", of.escape_default());
        } else {
            escaped.push(of);
        }
    }
    escaped
}

/// Stderr for log lines, each of which comes at once and stays one.
pub(crate) struct SanitizedStderr(Stderr);

impl SanitizedStderr {
    pub(crate) fn new() -> Self {
        Self(io::stderr())
    }
}

impl Write for SanitizedStderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The colours are the log's own: it spells out escapes in what it is given, but not the ends of lines.
        let text = String::from_utf8_lossy(bytes);
        let (line, end) = match text.strip_suffix('\n') {
            Some(line) => (line, "\n"),
            None => (&*text, ""),
        };
        let line = escaped(line, |of| of != '\u{1b}' && is_control(of));
        self.0.write_all(format!("{line}{end}").as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::sanitize;

    #[test]
    fn what_controls_a_terminal_is_spelled_out() {
        for (text, shown) in [
            ("snapshot-1.car.zst", "snapshot-1.car.zst"),
            ("Schnappschuss für f01000 · 日本", "Schnappschuss für f01000 · 日本"),
            ("e\u{1b}[31m\u{1b}]0;x\u{7}\nline", "e\\u{1b}[31m\\u{1b}]0;x\\u{7}\\nline"),
            ("a\r\tb\u{8}\u{7f}", "a\\r\\tb\\u{8}\\u{7f}"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("\u{202e}gpj.exe", "\\u{202e}gpj.exe"),
            ("\u{2028}\u{2067}", "\\u{2028}\\u{2067}"),
        ] {
            assert_eq!(sanitize(text), shown);
        }
    }
}
