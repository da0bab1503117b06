//! The error responses that hyper gives by itself, given a body in JSON.

use crate::http::cors::AllowedOrigin;

/// Bytes of an answer's head that hyper writes by itself at most.
const LONGEST_HEAD: usize = 512;

/// The error response in the place of hyper's own, to what is no request.
pub(crate) struct ErrorResponse {
    /// In JSON.
    pub(crate) body: String,
    /// Which pages of other origins may read it.
    pub(crate) allowed_origin: Option<AllowedOrigin>,
}

/// Explains such an answer, by its status.
pub(crate) type FormatError = Box<dyn Fn(u16) -> Option<ErrorResponse> + Send>;

/// Whether that is an answer of hyper's own to something malformed: ours always say what type they are of.
pub(super) fn is_own_answer(bytes: &[u8]) -> bool {
    bytes.len() <= LONGEST_HEAD
        && bytes.starts_with(b"HTTP/1.1 4")
        && bytes.ends_with(b"\r\n\r\n")
        && contains(bytes, b"\r\ncontent-length: 0\r\n")
        && !contains(bytes, b"\r\ncontent-type: ")
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// An answer of hyper's own with a body in JSON; `None` for all other bytes.
pub(super) fn reformatted(bytes: &[u8], format_error: &FormatError) -> Option<Vec<u8>> {
    if !is_own_answer(bytes) {
        return None;
    }
    let head = std::str::from_utf8(bytes).ok()?;
    let status: u16 = head.split(' ').nth(1)?.parse().ok()?;
    let ErrorResponse { body, allowed_origin } = format_error(status)?;
    let allow_header = allowed_origin
        .map(|allowed_origin| format!("access-control-allow-origin: {allowed_origin}\r\n"))
        .unwrap_or_default();
    let described = format!(
        "\r\ncontent-type: application/json\r\n{allow_header}cache-control: no-store\r\ncontent-length: {}\r\n",
        body.len()
    );
    Some((head.replacen("\r\ncontent-length: 0\r\n", &described, 1) + &body).into_bytes())
}
