//! Text for HTML.

/// Text with the characters escaped that HTML gives a meaning.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Escaped text, with `<code>` where the text has backquotes.
pub(super) fn coded(text: &str) -> String {
    let parts = text.split('`').enumerate().map(|(at, part)| match at % 2 {
        0 => escaped(part),
        _ => format!("<code>{}</code>", escaped(part)),
    });
    parts.collect()
}

/// The beginning of a page of that title, up to its body, with these stylesheets. It asks for no icon.
pub(super) fn head(title: &str, stylesheets: &[&str]) -> String {
    let links: String =
        stylesheets.iter().map(|path| format!("<link rel=\"stylesheet\" href=\"{path}\">")).collect();
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><link rel=\"icon\" href=\"data:,\">{links}</head>",
        escaped(title)
    )
}
