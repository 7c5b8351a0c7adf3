//! What a row of the KeeperMap ledger says: the entry, and behind its text, in lines of their own, what the row owes.
use std::collections::BTreeMap;

use pumphouse_delivery::StoredEntry;
use pumphouse_types::{Offset, TopicPartition};

/// How a line begins that says what a row owes. It follows the entry's text, which has no line ends.
pub(crate) const OWES: &str = "{\"owes\":";

/// What a write says of a row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Content {
    pub entry: Option<StoredEntry>,
    /// Lines; empty: it owes nothing.
    pub owes: String,
}

impl Content {
    /// As the row keeps it: the entry's position, or -1, and text.
    pub(crate) fn to_stored(&self) -> (i64, String) {
        let text = self.entry.as_ref().map_or("", |entry| entry.metadata.as_str());
        let text = if self.owes.is_empty() { text.to_owned() } else { format!("{text}\n{}", self.owes) };
        (self.entry.as_ref().map_or(-1, |entry| entry.offset.get()), text)
    }

    /// Reads it back.
    pub(crate) fn of_stored(position: i64, text: String) -> Content {
        let (text, owes) = match text.find(&format!("\n{OWES}")) {
            Some(at) => (text[..at].to_owned(), text[at + 1..].to_owned()),
            None => (text, String::new()),
        };
        Content { entry: Offset::new(position).map(|offset| StoredEntry { offset, metadata: text }), owes }
    }

    /// Bytes of its text.
    pub(crate) fn text_bytes(&self) -> usize {
        let text = self.entry.as_ref().map_or(0, |entry| entry.metadata.len());
        if self.owes.is_empty() { text } else { text + 1 + self.owes.len() }
    }
}

/// What was found of rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeeperRows {
    /// Entries as they stand; partitions without one are left out.
    pub entries: BTreeMap<TopicPartition, StoredEntry>,
    /// What rows owe, as it was written, in lines. To be paid before anything else is written for them.
    pub owes: BTreeMap<TopicPartition, String>,
}

impl KeeperRows {
    pub(crate) fn add(&mut self, partition: TopicPartition, content: Content) {
        if !content.owes.is_empty() {
            self.owes.insert(partition.clone(), content.owes);
        }
        self.entries.extend(content.entry.map(|entry| (partition, entry)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_row_owes_stands_behind_its_entry() {
        let entry = |metadata: &str| {
            Some(StoredEntry { offset: Offset::new(7).unwrap(), metadata: metadata.to_owned() })
        };
        let owes = format!("{OWES}1}}\n{OWES}2}}");
        for entry in [None, entry(""), entry("{\"pumphouse\":1}"), entry("another tool's\ntext")] {
            for owes in [String::new(), owes.clone()] {
                let content = Content { entry: entry.clone(), owes };
                let (position, text) = content.to_stored();
                assert_eq!(content.text_bytes(), text.len());
                assert_eq!(Content::of_stored(position, text), content);
            }
        }
    }
}
