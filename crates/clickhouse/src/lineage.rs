//! The lineage columns of a table: where each row came from. They prove that a row is there, and, in a
//! table that keeps its rows, that it is not (PROTOCOL R7).
use crate::quote;

/// Names of the lineage columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineageNames {
    /// Holds the topic's name.
    pub topic: String,
    /// Holds the partition's number.
    pub partition: String,
    /// Holds the offset.
    pub offset: String,
}

impl Default for LineageNames {
    fn default() -> LineageNames {
        let [topic, partition, offset] = ["_topic", "_partition", "_offset"].map(str::to_owned);
        LineageNames { topic, partition, offset }
    }
}

impl LineageNames {
    pub(crate) fn all(&self) -> [&str; 3] {
        [&self.topic, &self.partition, &self.offset]
    }

    /// As a list of quoted texts.
    pub(crate) fn texts(&self) -> String {
        self.all().map(quote::string).join(", ")
    }

    /// As a list of quoted identifiers.
    pub(crate) fn identifiers(&self) -> String {
        self.all().map(quote::identifier).join(", ")
    }
}

/// Lineage columns that a table has, stored, with types that hold every value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineageColumns {
    /// Their names.
    pub names: LineageNames,
    /// Type of the topic's column.
    pub topic_type: String,
    /// Type of the partition's column.
    pub partition_type: String,
    /// Type of the offset's column.
    pub offset_type: String,
}

/// Types of the topic; `LowCardinality` and `Nullable` around them do no harm.
const TOPIC_TYPES: &[&str] = &["String"];

/// Partitions are 31 bits.
const PARTITION_TYPES: &[&str] =
    &["UInt32", "Int32", "UInt64", "Int64", "UInt128", "Int128", "UInt256", "Int256"];

/// Offsets are 63 bits.
const OFFSET_TYPES: &[&str] = &["UInt64", "Int64", "UInt128", "Int128", "UInt256", "Int256"];

/// The lineage columns among `columns` (name, type, default kind); `expiring` are columns whose values a
/// TTL takes away. `None` unless all three are there, stored, and hold every value for good.
pub(crate) fn lineage_among(
    columns: &[[String; 3]],
    expiring: &[String],
    names: &LineageNames,
) -> Option<LineageColumns> {
    let type_of = |name: &str, types: &[&str]| {
        let [_, type_text, kind] = columns.iter().find(|[column, ..]| column == name)?;
        let stored = matches!(kind.as_str(), "" | "DEFAULT") && !expiring.iter().any(|gone| gone == name);
        (stored && types.contains(&bare(type_text))).then(|| type_text.clone())
    };
    Some(LineageColumns {
        topic_type: type_of(&names.topic, TOPIC_TYPES)?,
        partition_type: type_of(&names.partition, PARTITION_TYPES)?,
        offset_type: type_of(&names.offset, OFFSET_TYPES)?,
        names: names.clone(),
    })
}

/// The type without `LowCardinality(..)` and `Nullable(..)` around it.
fn bare(type_text: &str) -> &str {
    let mut inner = type_text;
    for wrapper in ["LowCardinality(", "Nullable("] {
        if let Some(inside) = inner.strip_prefix(wrapper).and_then(|rest| rest.strip_suffix(')')) {
            inner = inside;
        }
    }
    inner
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(types: [&str; 3], kind: &str, expiring: &[&str]) -> bool {
        let names = LineageNames::default();
        let columns: Vec<[String; 3]> = names
            .all()
            .iter()
            .zip(types)
            .map(|(name, type_text)| [(*name).to_owned(), type_text.to_owned(), kind.to_owned()])
            .collect();
        let expiring: Vec<String> = expiring.iter().map(|name| (*name).to_owned()).collect();
        lineage_among(&columns, &expiring, &names).is_some()
    }

    #[test]
    fn columns_count_that_are_stored_and_wide_enough() {
        let good = ["LowCardinality(Nullable(String))", "UInt32", "Int64"];
        assert!(found(good, "", &[]) && found(good, "DEFAULT", &["other"]));
        for kind in ["ALIAS", "MATERIALIZED", "EPHEMERAL"] {
            assert!(!found(good, kind, &[]), "{kind}");
        }
        assert!(!found(good, "", &["_offset"]), "its values expire");
        assert!(!found(["String", "UInt16", "Int64"], "", &[]));
        assert!(!found(["String", "Int32", "UInt32"], "", &[]));
        assert!(!found(["FixedString(9)", "Int32", "Int64"], "", &[]));
        assert!(!found(["Array(String)", "Int32", "Int64"], "", &[]));
    }
}
