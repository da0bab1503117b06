//! The keys that a server has loaded, found by their tokens.

use std::collections::HashMap;
use std::sync::Arc;

use subtle::ConstantTimeEq as _;

use super::counters::Counters;
use super::store::{StoredKey, StoredKeys};
use super::terms::Terms;
use super::token::{Digest, digest, fingerprint};
use crate::access::rate::{Rate, TokenBucket};

/// The name that the single configured token goes by.
const SINGLE: &str = "token";

/// A key, as a server holds it.
#[derive(Debug)]
pub(crate) struct Key {
    /// Its number in the store; the single configured token has none.
    pub(crate) id: Option<i64>,
    pub(crate) name: String,
    digest: Digest,
    revoked: bool,
    pub(crate) terms: Terms,
    pub(crate) counters: Arc<Counters>,
    pub(crate) bucket: Option<Arc<TokenBucket>>,
}

/// Whether a key is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyState {
    Active,
    Expired,
    Revoked,
}

impl Key {
    /// What it is known by in counts; nothing is kept of the single configured token's.
    pub(crate) fn fingerprint(&self) -> Option<i64> {
        self.id.map(|_| fingerprint(&self.digest))
    }

    /// Whether it is what the store has.
    fn is(&self, stored: &StoredKey) -> bool {
        self.digest == stored.digest
            && self.name == stored.name
            && self.revoked == stored.revoked_at.is_some()
            && self.terms == stored.terms
    }

    /// Whether it is in force at `now` (Unix seconds).
    pub(crate) fn state(&self, now: i64) -> KeyState {
        if self.revoked {
            KeyState::Revoked
        } else if self.terms.expires_at.is_some_and(|end| end <= now) {
            KeyState::Expired
        } else {
            KeyState::Active
        }
    }
}

/// The keys that a server has loaded.
#[derive(Debug, Default)]
pub(crate) struct KeySet {
    /// By the first bytes of the digest, which tell nothing about the token.
    keys: HashMap<[u8; 8], Vec<Arc<Key>>>,
    /// How many there are that cannot be read.
    unreadable: usize,
    /// Nobody is let in without a key.
    requires_key: bool,
}

impl KeySet {
    /// A set of the single configured token, if there is one.
    pub(crate) fn new(token: Option<&str>, rate: Option<Rate>) -> Self {
        let mut key_set = Self { requires_key: token.is_some(), ..Self::default() };
        // An empty token lets nobody in.
        if let Some(token) = token.map(str::trim).filter(|token| !token.is_empty()) {
            key_set.insert(Arc::new(Key {
                id: None,
                name: SINGLE.to_owned(),
                digest: digest(token),
                revoked: false,
                terms: Terms::default(),
                counters: Arc::default(),
                bucket: rate.map(|rate| Arc::new(TokenBucket::new(rate))),
            }));
        }
        key_set
    }

    /// This set with the stored keys in the place of those it had from the store. Keys that are the same stay, and counts
    /// of those that are changed go on. A key that cannot be read is none.
    pub(crate) fn with(&self, stored: StoredKeys, rate: Option<Rate>) -> Self {
        // Once there are keys they are asked for, also when the last of them is gone.
        let requires_key = self.requires_key || !stored.is_empty();
        let mut key_set = Self { requires_key, unreadable: stored.unreadable.len(), ..Self::default() };
        let (of_store, single): (Vec<_>, Vec<_>) = self.iter().partition(|key| key.id.is_some());
        single.into_iter().for_each(|key| key_set.insert(Arc::clone(key)));
        let before: HashMap<i64, &Arc<Key>> =
            of_store.into_iter().filter_map(|key| Some((key.id?, key))).collect();
        for stored in stored.readable {
            let before = before.get(&stored.id).filter(|key| key.digest == stored.digest);
            match before {
                Some(key) if key.is(&stored) => key_set.insert(Arc::clone(key)),
                _ => key_set.insert(Arc::new(Key {
                    id: Some(stored.id),
                    name: stored.name,
                    digest: stored.digest,
                    revoked: stored.revoked_at.is_some(),
                    terms: stored.terms,
                    counters: before.map(|key| Arc::clone(&key.counters)).unwrap_or_default(),
                    bucket: match before {
                        Some(key) => key.bucket.clone(),
                        None => rate.map(|rate| Arc::new(TokenBucket::new(rate))),
                    },
                })),
            }
        }
        key_set
    }

    /// This set, closed to all who have no key of it.
    pub(crate) fn requiring_key(self) -> Self {
        Self { requires_key: true, ..self }
    }

    fn insert(&mut self, key: Arc<Key>) {
        self.keys.entry(head(&key.digest)).or_default().push(key);
    }

    /// Whether a key is asked for.
    pub(crate) fn requires_key(&self) -> bool {
        self.requires_key
    }

    /// How many keys cannot be read, and so authenticate nobody.
    pub(crate) fn unreadable(&self) -> usize {
        self.unreadable
    }

    /// All keys, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Key>> {
        self.keys.values().flatten()
    }

    /// The key of a token, whether in force or not. Digests are compared, all of each, so the time taken tells
    /// nothing about a token, its length included.
    pub(crate) fn find(&self, token: &str) -> Option<&Arc<Key>> {
        let digest = digest(token);
        let alike = self.keys.get(&head(&digest))?;
        alike.iter().find(|key| bool::from(key.digest.as_slice().ct_eq(&digest)))
    }
}

fn head(digest: &Digest) -> [u8; 8] {
    let mut head = [0; 8];
    head.copy_from_slice(&digest[..8]);
    head
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::keys::UnreadableKey;

    fn keys(readable: impl IntoIterator<Item = StoredKey>) -> StoredKeys {
        StoredKeys { readable: readable.into_iter().collect(), unreadable: Vec::new() }
    }

    fn stored(id: i64, token: &str) -> StoredKey {
        StoredKey {
            id,
            name: format!("key-{id}"),
            digest: digest(token),
            created_at: 0,
            revoked_at: None,
            terms: Terms::default(),
        }
    }

    #[test]
    fn keys_are_found_by_their_tokens_alone() {
        let key_set =
            KeySet::new(Some("single"), None).with(keys([stored(1, "one"), stored(2, "two")]), None);
        let name = |token| key_set.find(token).map(|key| key.name.clone());
        assert_eq!(name("one").as_deref(), Some("key-1"));
        assert_eq!(name("two").as_deref(), Some("key-2"));
        assert_eq!(name("single").as_deref(), Some("token"));
        assert_eq!(name("onE"), None);
        assert_eq!(name(""), None);
    }

    #[test]
    fn counts_go_on_when_keys_change_and_the_ring_stays_guarded_without_any() {
        let open = KeySet::new(None, None);
        assert!(!open.requires_key());
        let key_set = open.with(keys([stored(1, "one")]), None);
        assert!(key_set.requires_key());
        key_set.find("one").expect("the key").counters.record_request(5);
        let next = key_set.with(keys([stored(1, "one"), stored(2, "two")]), None);
        assert_eq!(next.find("one").expect("the key").counters.drain().requests, 1);
        let none = next.with(keys([]), None);
        assert!(none.requires_key() && none.find("one").is_none());
    }

    #[test]
    fn keys_are_taken_in_by_difference() {
        let many = || (1..=3).map(|id| stored(id, &id.to_string()));
        let key_set = KeySet::default().with(keys(many()), None);
        let same = key_set.with(keys(many()), None);
        let held = |key_set: &KeySet, token: &str| key_set.find(token).map(Arc::as_ptr);
        assert!(["1", "2", "3"].iter().all(|token| held(&key_set, token) == held(&same, token)));
        let mut changed: Vec<_> = many().collect();
        changed[1].revoked_at = Some(5);
        let next = key_set.with(keys(changed), None);
        assert!(held(&key_set, "1") == held(&next, "1") && held(&key_set, "2") != held(&next, "2"));
        // The same number in another file is another key.
        let other = key_set.with(keys([stored(1, "other")]), None);
        assert!(other.find("1").is_none() && other.find("other").is_some());
    }

    #[test]
    fn a_key_that_cannot_be_read_lets_nobody_in_and_is_in_nobodys_way() {
        let unreadable = vec![UnreadableKey { id: 1, name: "one".to_owned(), what: "the scope" }];
        let key_set = KeySet::default().with(keys([stored(1, "one"), stored(2, "two")]), None);
        let mut revoked = stored(2, "two");
        revoked.revoked_at = Some(5);
        let next = key_set.with(StoredKeys { readable: vec![revoked], unreadable: unreadable.clone() }, None);
        assert!(next.find("one").is_none());
        assert_eq!(next.find("two").map(|key| key.state(6)), Some(KeyState::Revoked));
        assert_eq!(next.unreadable(), 1);
        // It is a key, so keys are asked for.
        let alone = KeySet::default().with(StoredKeys { readable: Vec::new(), unreadable }, None);
        assert!(alone.requires_key());
    }

    #[test]
    fn a_key_ends_when_it_expires_or_is_revoked() {
        let mut of = stored(1, "one");
        of.terms.expires_at = Some(100);
        let key_set = KeySet::default().with(keys([of.clone()]), None);
        let standing = |key_set: &KeySet, now| key_set.find("one").map(|key| key.state(now));
        assert_eq!(standing(&key_set, 99), Some(KeyState::Active));
        assert_eq!(standing(&key_set, 100), Some(KeyState::Expired));
        of.revoked_at = Some(50);
        let key_set = KeySet::default().with(keys([of]), None);
        assert_eq!(standing(&key_set, 60), Some(KeyState::Revoked));
    }
}
