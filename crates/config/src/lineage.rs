//! `pumphouse.lineage.*`: which columns of a table take where a record came from.
use std::collections::BTreeMap;

use crate::error::ConfigCode;
use crate::reading::Reading;

/// Column names; empty: that fact is not stored. A table need not have any of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineageColumns {
    /// Takes the topic.
    pub topic: String,
    /// Takes the partition.
    pub partition: String,
    /// Takes the offset.
    pub offset: String,
    /// Takes the timestamp.
    pub timestamp: String,
    /// Takes the key.
    pub key: String,
    /// Takes the headers.
    pub headers: String,
}

impl Default for LineageColumns {
    fn default() -> LineageColumns {
        LineageColumns {
            topic: "_topic".to_owned(),
            partition: "_partition".to_owned(),
            offset: "_offset".to_owned(),
            timestamp: "_timestamp".to_owned(),
            key: "_key".to_owned(),
            headers: "_headers".to_owned(),
        }
    }
}

impl LineageColumns {
    /// Each fact with its column.
    pub fn by_fact(&self) -> [(&'static str, &str); 6] {
        [
            ("topic", &self.topic),
            ("partition", &self.partition),
            ("offset", &self.offset),
            ("timestamp", &self.timestamp),
            ("key", &self.key),
            ("headers", &self.headers),
        ]
    }
}

pub(crate) fn read(reading: &mut Reading<'_>) -> LineageColumns {
    // An empty text is a value here, and does not stand for the default.
    let column = |fact: &str| reading.exact(&option(fact)).trim().to_owned();
    let columns = LineageColumns {
        topic: column("topic"),
        partition: column("partition"),
        offset: column("offset"),
        timestamp: column("timestamp"),
        key: column("key"),
        headers: column("headers"),
    };
    let mut facts: BTreeMap<&str, &str> = BTreeMap::new();
    for (fact, column) in columns.by_fact().into_iter().filter(|(_, column)| !column.is_empty()) {
        if let Some(other) = facts.insert(column, fact) {
            let message = format!("column {column} takes the {other} already");
            reading.error(
                ConfigCode::Conflict,
                &option(fact),
                message,
                "Name another column, or leave it empty.",
            );
        }
    }
    columns
}

fn option(fact: &str) -> String {
    format!("pumphouse.lineage.{fact}.column")
}
