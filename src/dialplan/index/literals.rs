//! Names and short codes as they come.

use std::collections::HashMap;

#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Literals {
    values: HashMap<Box<str>, u32>,
    /// Which lengths there are: bit 63 for that and more. Spares most calls the hash of their raw text.
    lengths: u64,
}

impl Literals {
    pub(super) fn insert(&mut self, text: &str, value: u32) {
        self.lengths |= length_bit(text);
        self.values.insert(text.into(), value);
    }

    pub(super) fn get(&self, raw: &str) -> Option<u32> {
        if self.lengths & length_bit(raw) == 0 {
            return None;
        }
        self.values.get(raw).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn bytes(&self) -> usize {
        let texts: usize = self.values.keys().map(|text| text.len()).sum();
        // Of each entry the hash table has a byte of control beside it.
        texts + self.values.capacity() * (size_of::<(Box<str>, u32)>() + 1)
    }
}

fn length_bit(text: &str) -> u64 {
    1 << text.len().min(63)
}
