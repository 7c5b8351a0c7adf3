//! The distinct values of a LowCardinality column, in the order in which they first came.
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// Distinct byte strings with their numbers. The hash seed is random, the numbers are not: they
/// follow first appearance only, so that a block never depends on the process that builds it.
#[derive(Debug, Clone)]
pub(crate) struct Dictionary {
    data: Vec<u8>,
    ends: Vec<usize>,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Dictionary {
    pub(crate) fn new() -> Dictionary {
        Dictionary {
            data: Vec::new(),
            ends: Vec::new(),
            table: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }

    /// The number of `value`, which is added if it is new.
    #[inline]
    pub(crate) fn number_of(&mut self, value: &[u8]) -> u32 {
        let hash = self.hasher.hash_one(value);
        let (data, ends) = (&self.data, &self.ends);
        if let Some(&found) = self.table.find(hash, |&entry| entry_of(data, ends, entry) == value) {
            return found;
        }
        let number = u32::try_from(self.ends.len()).expect("a block has fewer values than 2^32");
        self.data.extend_from_slice(value);
        self.ends.push(self.data.len());
        let (data, ends, hasher) = (&self.data, &self.ends, &self.hasher);
        self.table.insert_unique(hash, number, |&entry| hasher.hash_one(entry_of(data, ends, entry)));
        number
    }

    #[inline]
    pub(crate) fn get(&self, number: u32) -> &[u8] {
        entry_of(&self.data, &self.ends, number)
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.data.len() + self.ends.len() * (size_of::<usize>() + size_of::<u32>())
    }

    pub(crate) fn clear(&mut self) {
        self.data.clear();
        self.ends.clear();
        self.table.clear();
    }
}

#[inline]
fn entry_of<'a>(data: &'a [u8], ends: &[usize], number: u32) -> &'a [u8] {
    let number = number as usize;
    let start = if number == 0 { 0 } else { ends[number - 1] };
    &data[start..ends[number]]
}
