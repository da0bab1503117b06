//! Maps (HAMTs) that change: a node is written again only if something under it has changed.

use std::collections::BTreeMap;
use std::io;

use sha2::{Digest as _, Sha256};

use super::car::Car;
use super::encode::{Digest, bytes, link_to, list};

const WIDTH: usize = 5;
const MOST_IN_BUCKET: usize = 3;

/// A node of a map, the root among them.
#[derive(Default)]
pub struct Map {
    slots: BTreeMap<u8, Pointer>,
    written: Option<Digest>,
}

enum Pointer {
    Bucket(Vec<(Vec<u8>, Vec<u8>)>),
    Node(Box<Map>),
}

fn slot(hash: &[u8], depth: usize) -> u8 {
    (0..WIDTH).fold(0, |slot, bit| {
        let at = depth * WIDTH + bit;
        slot << 1 | (hash[at / 8] >> (7 - at % 8) & 1)
    })
}

impl Map {
    /// Gives a key a value.
    pub fn set(&mut self, key: &[u8], value: Vec<u8>) {
        self.set_at(&Sha256::digest(key), 0, key, value);
    }

    fn set_at(&mut self, hash: &[u8], depth: usize, key: &[u8], value: Vec<u8>) {
        self.written = None;
        let pointer = self.slots.entry(slot(hash, depth)).or_insert_with(|| Pointer::Bucket(Vec::new()));
        match pointer {
            Pointer::Node(node) => node.set_at(hash, depth + 1, key, value),
            Pointer::Bucket(entries) => {
                if let Some((_, old)) = entries.iter_mut().find(|(found, _)| found == key) {
                    *old = value;
                } else if entries.len() < MOST_IN_BUCKET {
                    entries.push((key.to_vec(), value));
                    entries.sort();
                } else {
                    let mut node = Self::default();
                    for (key, value) in entries.drain(..) {
                        node.set_at(&Sha256::digest(&key), depth + 1, &key, value);
                    }
                    node.set_at(hash, depth + 1, key, value);
                    *pointer = Pointer::Node(Box::new(node));
                }
            }
        }
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &[u8]) {
        self.remove_at(&Sha256::digest(key), 0, key);
    }

    fn remove_at(&mut self, hash: &[u8], depth: usize, key: &[u8]) {
        self.written = None;
        let slot = slot(hash, depth);
        let Some(pointer) = self.slots.get_mut(&slot) else { return };
        match pointer {
            Pointer::Bucket(entries) => {
                entries.retain(|(found, _)| found != key);
                if entries.is_empty() {
                    self.slots.remove(&slot);
                }
            }
            Pointer::Node(node) => {
                node.remove_at(hash, depth + 1, key);
                // A node whose entries fit a bucket becomes one.
                if let Some(entries) = node.few() {
                    *pointer = Pointer::Bucket(entries);
                }
            }
        }
    }

    fn few(&self) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
        let mut all = Vec::new();
        for pointer in self.slots.values() {
            match pointer {
                Pointer::Bucket(entries) => all.extend(entries.iter().cloned()),
                Pointer::Node(_) => return None,
            }
        }
        all.sort();
        (all.len() <= MOST_IN_BUCKET).then_some(all)
    }

    /// Writes what has changed.
    pub fn write(&mut self, car: &mut Car) -> io::Result<Digest> {
        if let Some(digest) = self.written {
            return Ok(digest);
        }
        let bits = self.slots.keys().fold(0_u32, |bits, slot| bits | 1 << slot).to_be_bytes();
        let first = bits.iter().position(|byte| *byte != 0).unwrap_or(bits.len());
        let mut pointers = Vec::new();
        for pointer in self.slots.values_mut() {
            pointers.push(match pointer {
                Pointer::Node(node) => link_to(&node.write(car)?),
                Pointer::Bucket(entries) => {
                    let entry = |(key, value): &(Vec<u8>, Vec<u8>)| list(&[bytes(key), value.clone()]);
                    list(&entries.iter().map(entry).collect::<Vec<_>>())
                }
            });
        }
        let digest = car.put(&list(&[bytes(&bits[first..]), list(&pointers)]))?;
        self.written = Some(digest);
        Ok(digest)
    }
}
