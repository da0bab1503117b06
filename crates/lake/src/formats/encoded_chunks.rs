//! Rows that are written piece by piece, as somebody takes them.

use std::fmt;

use crate::error::{Error, Result};
use crate::formats::format::{Encoding, Form, Wide};
use crate::formats::row_set::{Sheet, wrong};

/// Bytes of text that a piece of the rows takes, about, and a value of one.
const PIECE: usize = 64 << 10;
const OF_VALUE: usize = 32;

impl Sheet {
    /// The rows in a form. Wide integers are integer tokens in JSON.
    ///
    /// # Errors
    /// If the form cannot hold them.
    pub fn encode(self, form: Form) -> Result<Vec<u8>> {
        let rows = self.len();
        let mut bytes = Vec::new();
        for piece in Pieces::new(self, form, rows)? {
            bytes.extend(piece?);
        }
        Ok(bytes)
    }

    /// The rows in a form, to be written piece by piece. What ends a JSON array ends no line.
    ///
    /// # Errors
    /// If the form cannot hold them.
    pub fn pieces(self, form: Form) -> Result<Pieces> {
        let of_row = self.headings().len().max(1) * OF_VALUE;
        Pieces::new(self, form, (PIECE / of_row).max(1))
    }
}

/// The rows of a sheet in a form, some at a time. All pieces together are the whole.
pub struct Pieces {
    sheet: Sheet,
    form: Form,
    /// Rows of a piece.
    step: usize,
    /// Rows that are written.
    written: usize,
    /// Until the last piece is given.
    encoding: Option<Encoding>,
}

impl fmt::Debug for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pieces")
            .field("form", &self.form)
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

impl Pieces {
    /// The rows in pieces of so many.
    pub(crate) fn new(sheet: Sheet, form: Form, step: usize) -> Result<Self> {
        let none = sheet.spelled(form, 0, 0).map_err(wrong)?;
        let encoding = Encoding::new(form, &none.schema(), Wide::Bare).map_err(Error::query(DOING))?;
        Ok(Self { sheet, form, step: step.max(1), written: 0, encoding: Some(encoding) })
    }

    /// Whether all is given.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.encoding.is_none()
    }

    /// The next rows, and with the last of them what ends the form.
    fn write(&mut self) -> Result<Vec<u8>> {
        let Some(encoding) = &mut self.encoding else { return Ok(Vec::new()) };
        let rows = self.step.min(self.sheet.len() - self.written);
        let batch = self.sheet.spelled(self.form, self.written, rows).map_err(wrong)?;
        let mut bytes = encoding.encode(&batch).map_err(Error::query(DOING))?;
        self.written += rows;
        if self.written == self.sheet.len()
            && let Some(encoding) = self.encoding.take()
        {
            bytes.extend(encoding.finish().map_err(Error::query(DOING))?);
            if self.form == Form::Json {
                bytes.truncate(bytes.trim_ascii_end().len());
            }
        }
        Ok(bytes)
    }
}

/// What is being done, for errors.
const DOING: &str = "writing rows";

impl Iterator for Pieces {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done() {
            return None;
        }
        let piece = self.write();
        if piece.is_err() {
            self.encoding = None;
        }
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::formats::row_set::{Cell, Heading, Holds};

    use super::*;

    fn sheet(rows: usize) -> Sheet {
        let headings: Arc<[Heading]> = [
            Heading::new("miner_id", Holds::Miner, "", "Who."),
            Heading::new("n", Holds::Wide, "bytes", "How much.").or_absent(),
        ]
        .into();
        let row = |at: usize| {
            let n = if at.is_multiple_of(3) { Cell::Absent } else { Cell::Integer(at as i128) };
            vec![Cell::Miner(chain::MinerId(at as u64)), n]
        };
        Sheet::new(headings, (0..rows).map(row)).expect("a sheet")
    }

    #[test]
    fn all_pieces_together_are_the_whole_in_every_form() {
        for rows in [0, 1, 2, 6, 7] {
            for form in [Form::Json, Form::Ndjson, Form::Csv] {
                let whole = sheet(rows).encode(form).expect("text");
                for step in 1..=8 {
                    let pieces = Pieces::new(sheet(rows), form, step).expect("pieces");
                    let pieces: Vec<Vec<u8>> = pieces.collect::<Result<_>>().expect("text");
                    assert_eq!(pieces.len(), rows.div_ceil(step).max(1), "{form:?} of {rows} by {step}");
                    assert_eq!(pieces.concat(), whole, "{form:?} of {rows} by {step}");
                }
            }
        }
    }
}
