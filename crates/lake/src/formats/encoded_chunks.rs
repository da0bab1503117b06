//! Rows that are encoded chunk by chunk, as somebody takes them.

use std::fmt;

use crate::error::{Error, Result};
use crate::formats::format::{IntegerStyle, OutputFormat, RowEncoder};
use crate::formats::row_set::{RowSet, rows_error};

/// About how many bytes of text a chunk takes, and a value.
const CHUNK_BYTES: usize = 64 << 10;
const VALUE_BYTES: usize = 32;

impl RowSet {
    /// The rows in a format. Wide integers are integer tokens in JSON.
    ///
    /// # Errors
    /// If the format cannot hold them.
    pub fn encode(self, format: OutputFormat) -> Result<Vec<u8>> {
        let rows = self.len();
        let mut bytes = Vec::new();
        for chunk in EncodedChunks::new(self, format, rows)? {
            bytes.extend(chunk?);
        }
        Ok(bytes)
    }

    /// The rows in a format, to be written chunk by chunk. What ends a JSON array ends no line.
    ///
    /// # Errors
    /// If the format cannot hold them.
    pub fn encode_chunks(self, format: OutputFormat) -> Result<EncodedChunks> {
        let of_row = self.columns().len().max(1) * VALUE_BYTES;
        EncodedChunks::new(self, format, (CHUNK_BYTES / of_row).max(1))
    }
}

/// The rows of a [`RowSet`] in a format, some at a time. All chunks together are the whole.
pub struct EncodedChunks {
    set: RowSet,
    format: OutputFormat,
    /// Rows of a chunk.
    chunk_rows: usize,
    /// Rows that are written.
    written: usize,
    /// Until the last chunk is given.
    encoder: Option<RowEncoder>,
}

impl fmt::Debug for EncodedChunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncodedChunks")
            .field("format", &self.format)
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

impl EncodedChunks {
    /// The rows in chunks of so many.
    pub(crate) fn new(set: RowSet, format: OutputFormat, chunk_rows: usize) -> Result<Self> {
        let none = set.formatted(format, 0, 0).map_err(rows_error)?;
        let encoder =
            RowEncoder::new(format, &none.schema(), IntegerStyle::Bare).map_err(Error::query(ACTION))?;
        Ok(Self { set, format, chunk_rows: chunk_rows.max(1), written: 0, encoder: Some(encoder) })
    }

    /// Whether all is given.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.encoder.is_none()
    }

    /// The next rows, and with the last of them what ends the format.
    fn write(&mut self) -> Result<Vec<u8>> {
        let Some(encoder) = &mut self.encoder else { return Ok(Vec::new()) };
        let rows = self.chunk_rows.min(self.set.len() - self.written);
        let batch = self.set.formatted(self.format, self.written, rows).map_err(rows_error)?;
        let mut bytes = encoder.encode(&batch).map_err(Error::query(ACTION))?;
        self.written += rows;
        if self.written == self.set.len()
            && let Some(encoder) = self.encoder.take()
        {
            bytes.extend(encoder.finish().map_err(Error::query(ACTION))?);
            if self.format == OutputFormat::Json {
                bytes.truncate(bytes.trim_ascii_end().len());
            }
        }
        Ok(bytes)
    }
}

/// What is being done, for errors.
const ACTION: &str = "writing rows";

impl Iterator for EncodedChunks {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done() {
            return None;
        }
        let chunk = self.write();
        if chunk.is_err() {
            self.encoder = None;
        }
        Some(chunk)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::formats::column_spec::{ColumnSpec, ColumnType};
    use crate::formats::row_set::Cell;

    use super::*;

    fn sheet(rows: usize) -> RowSet {
        let columns: Arc<[ColumnSpec]> = [
            ColumnSpec::new("miner_id", ColumnType::Miner, "", "Who."),
            ColumnSpec::new("n", ColumnType::Wide, "bytes", "How much.").or_null(),
        ]
        .into();
        let row = |at: usize| {
            let n = if at.is_multiple_of(3) { Cell::Null } else { Cell::Integer(at as i128) };
            vec![Cell::Miner(chain::MinerId(at as u64)), n]
        };
        RowSet::new(columns, (0..rows).map(row)).expect("a sheet")
    }

    #[test]
    fn all_pieces_together_are_the_whole_in_every_form() {
        for rows in [0, 1, 2, 6, 7] {
            for format in [OutputFormat::Json, OutputFormat::Ndjson, OutputFormat::Csv] {
                let whole = sheet(rows).encode(format).expect("text");
                for chunk_rows in 1..=8 {
                    let chunks = EncodedChunks::new(sheet(rows), format, chunk_rows).expect("pieces");
                    let chunks: Vec<Vec<u8>> = chunks.collect::<Result<_>>().expect("text");
                    assert_eq!(
                        chunks.len(),
                        rows.div_ceil(chunk_rows).max(1),
                        "{format:?} of {rows} by {chunk_rows}"
                    );
                    assert_eq!(chunks.concat(), whole, "{format:?} of {rows} by {chunk_rows}");
                }
            }
        }
    }
}
