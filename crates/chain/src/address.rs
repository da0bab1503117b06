//! Addresses, as messages and maps hold them.

use crate::error::{Error, Result};
use crate::integers::{put_varint, whole_varint};

/// What an address names its actor by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Its number.
    Id,
    /// A secp256k1 public key.
    Secp256k1,
    /// What it was created by: `f2…`.
    Actor,
    /// A BLS public key.
    Bls,
    /// Another actor's name space: `f4…`.
    Delegated,
}

/// An address in its binary form.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address(Vec<u8>);

impl Address {
    /// An address from its bytes.
    ///
    /// # Errors
    /// If they are empty, too many, or of an unknown protocol.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        match bytes.first() {
            Some(0..=4) if bytes.len() <= 65 => Ok(Self(bytes.to_vec())),
            _ => Err(Error::malformed("an address of an unknown form")),
        }
    }

    /// The address of an actor's number.
    #[must_use]
    pub fn id(id: u64) -> Self {
        let mut bytes = vec![0];
        put_varint(id, &mut bytes);
        Self(bytes)
    }

    /// The number, if it is an ID address.
    #[must_use]
    pub fn as_id(&self) -> Option<u64> {
        (self.protocol() == Protocol::Id).then(|| whole_varint(&self.0[1..])).flatten()
    }

    /// What it names its actor by.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        match self.0.first() {
            Some(1) => Protocol::Secp256k1,
            Some(2) => Protocol::Actor,
            Some(3) => Protocol::Bls,
            Some(4) => Protocol::Delegated,
            _ => Protocol::Id,
        }
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_addresses_read_back() {
        for id in [0, 1, 127, 128, 110_804, u64::MAX] {
            assert_eq!(Address::id(id).as_id(), Some(id));
        }
    }
}
