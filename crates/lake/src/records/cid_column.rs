//! CIDs as a column of texts.

use std::fmt::Write as _;

use chain::Cid;
use data_encoding::BASE32_NOPAD;
use datafusion::arrow::array::{ArrayBuilder as _, StringArray, StringBuilder};

/// What the bytes of a CIDv1 begin with.
const V1: u8 = 1;

/// Texts of CIDs. They are those that [`Cid`] displays, which takes some five allocations for each.
#[derive(Default)]
pub(crate) struct CidColumn {
    texts: StringBuilder,
    bytes: Vec<u8>,
    text: String,
}

impl CidColumn {
    /// Adds a CID's text.
    pub(crate) fn push(&mut self, cid: &Cid) {
        self.bytes.clear();
        self.text.clear();
        let whole = cid.write_bytes(&mut self.bytes).is_ok();
        if whole && self.bytes.first() == Some(&V1) {
            // In multibase, "b" is base 32 in lower case.
            self.text.push('b');
            BASE32_NOPAD.encode_append(&self.bytes, &mut self.text);
            self.text.make_ascii_lowercase();
        } else {
            // Writing to a String cannot fail.
            let _ = write!(self.text, "{cid}");
        }
        self.texts.append_value(&self.text);
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }

    /// The column.
    pub(crate) fn finish(mut self) -> StringArray {
        self.texts.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cid_is_spelled_as_it_is_displayed() {
        let spelled = [
            "bafy2bzacecnamqgqmifpluoeldx7zzglxcljo6oja4vrmtj7432rphldpdmm2",
            "bafkqaaa",
            "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n",
        ];
        let mut texts = CidColumn::default();
        for text in spelled {
            texts.push(&text.parse().unwrap());
        }
        assert_eq!(texts.len(), spelled.len());
        assert_eq!(texts.finish().iter().flatten().collect::<Vec<_>>(), spelled);
    }
}
