//! Tables on stdout: aligned, coloured on a terminal and plain in a pipe.

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write, stderr, stdout};
use std::path::Path;

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table, presets};
use tempfile::NamedTempFile;

use crate::sanitize::sanitize;

/// Stdout, buffered.
pub(crate) fn out() -> BufWriter<StdoutLock<'static>> {
    BufWriter::with_capacity(1 << 16, stdout().lock())
}

/// Prints a line, before and after it as many empty ones as it says. That nobody reads it is no reason to stop.
pub(crate) fn print_line(line: impl Display) {
    let text = line.to_string();
    let line = text.trim_matches('\n');
    let (before, after) = text.split_once(line).filter(|_| !line.is_empty()).unwrap_or((&text, ""));
    let _ = writeln!(stdout(), "{before}{}{after}", sanitize(line));
}

/// Says something beside the results, in a line.
pub(crate) fn print_remark(line: impl Display) {
    let _ = writeln!(stderr(), "{}", sanitize(&line.to_string()));
}

/// Prints a value as JSON for programs, indented for people.
pub(crate) fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut out = out();
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)?;
    out.flush()?;
    Ok(())
}

/// The directory of a file.
pub(crate) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}

/// A file beside `path` that takes its place when it is whole, with a name of its own; it goes when it is dropped.
pub(crate) fn partial_file(path: &Path) -> io::Result<NamedTempFile> {
    let mut prefix = OsString::from(".");
    prefix.push(path.file_name().unwrap_or_default());
    prefix.push(".");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(".partial");
    // As any file that is made: what the user's mask leaves.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(directory_of(path))
}

/// Which way a column's cells are aligned.
#[derive(Clone, Copy)]
pub(crate) enum Align {
    Left,
    Right,
}

/// A table of any number of rows, printed as they come: they are aligned among some thousand at a time.
pub(crate) struct Rows<'h> {
    header: &'h [(&'h str, Align)],
    rows: Vec<Vec<String>>,
    header_printed: bool,
}

impl<'h> Rows<'h> {
    /// Rows that are aligned among each other, and held meanwhile.
    const ROWS_AT_ONCE: usize = 20_000;

    /// A table with a header and no rows yet.
    pub(crate) const fn with_header(header: &'h [(&'h str, Align)]) -> Self {
        Self { header, rows: Vec::new(), header_printed: false }
    }

    /// Adds a row.
    pub(crate) fn add(&mut self, row: Vec<String>) -> std::io::Result<()> {
        self.rows.push(row);
        if self.rows.len() < Self::ROWS_AT_ONCE { Ok(()) } else { self.print() }
    }

    /// Prints what is not printed yet.
    pub(crate) fn end(mut self) -> std::io::Result<()> {
        if self.header_printed && self.rows.is_empty() { Ok(()) } else { self.print() }
    }

    fn print(&mut self) -> std::io::Result<()> {
        let rows = std::mem::take(&mut self.rows);
        print(self.header, !std::mem::replace(&mut self.header_printed, true), rows)
    }
}

/// Prints a table with a header.
pub(crate) fn table(
    header: &[(&str, Align)],
    rows: impl IntoIterator<Item = Vec<String>>,
) -> std::io::Result<()> {
    print(header, true, rows)
}

/// Prints rows, with their header or without.
fn print(
    header: &[(&str, Align)],
    with_header: bool,
    rows: impl IntoIterator<Item = Vec<String>>,
) -> std::io::Result<()> {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    if !stdout().is_terminal() {
        table.force_no_tty();
    }
    if with_header {
        table.set_header(
            header
                .iter()
                .map(|(name, _)| Cell::new(sanitize(name)).fg(Color::Cyan).add_attribute(Attribute::Bold)),
        );
    }
    table.add_rows(
        rows.into_iter().map(|row| row.iter().map(|cell| sanitize(cell).into_owned()).collect::<Vec<_>>()),
    );
    for (column, (_, align)) in table.column_iter_mut().zip(header) {
        column.set_cell_alignment(match align {
            Align::Left => CellAlignment::Left,
            Align::Right => CellAlignment::Right,
        });
    }
    let mut out = out();
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    out.flush()
}
