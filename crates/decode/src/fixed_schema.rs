//! A schema that all values of a topic are written with, and that no registry has.
use pumphouse_types::{ReferencedSchema, RegisteredSchema, SchemaId, SchemaKind};

/// The texts of a schema's files, and what of it the values are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedSchema {
    /// Each file behind those that it refers to; the last one is the values' own.
    pub texts: Vec<String>,
    /// The full name of the values' message (Protobuf); `None`: the last file's only one.
    pub message: Option<String>,
}

impl FixedSchema {
    /// As a registry would hand it out; the number means nothing.
    pub(crate) fn registered(&self, kind: SchemaKind) -> RegisteredSchema {
        let (own, others) = match self.texts.split_last() {
            Some((own, others)) => (own.clone(), others),
            None => (String::new(), &[][..]),
        };
        let reference = |text: &String| ReferencedSchema { name: String::new(), text: text.clone() };
        RegisteredSchema {
            id: SchemaId(0),
            kind,
            text: own,
            references: others.iter().map(reference).collect(),
        }
    }
}
