//! Tokens: how they are made, and what is kept of them.

use sha2::{Digest as _, Sha256};

/// What is kept of a token: its SHA-256.
pub type Digest = [u8; 32];

/// Begins every token, so that people and scanners of repositories know one when they see it.
const PREFIX: &str = "sectorscope_";

/// The digest of a token.
#[must_use]
pub fn digest(token: &str) -> Digest {
    Sha256::digest(token.as_bytes()).into()
}

/// What a key is known by in counts: the beginning of its token's digest. So another key that has got the same number, in
/// another file of keys, has no part in them.
pub(super) fn fingerprint(digest: &Digest) -> i64 {
    digest.first_chunk().map_or(0, |first| i64::from_be_bytes(*first))
}

/// A new token: 256 bits of the system's randomness, in hexadecimal.
///
/// # Errors
/// If the system gives no randomness.
pub fn new_token() -> Result<String, getrandom::Error> {
    let mut secret = [0_u8; 32];
    getrandom::fill(&mut secret)?;
    let digits = secret.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let digits = digits.filter_map(|digit| char::from_digit(digit.into(), 16));
    Ok(PREFIX.chars().chain(digits).collect())
}

#[cfg(test)]
mod tests {
    use super::{digest, new_token};

    #[test]
    fn tokens_are_long_and_never_the_same() {
        let (one, other) = (new_token().expect("randomness"), new_token().expect("randomness"));
        assert_eq!(one.len(), "sectorscope_".len() + 64);
        assert_ne!(one, other);
        assert_ne!(digest(&one), digest(&other));
    }
}
