//! A schema's own document and those that it refers to, and what a `$ref` in one of them means.
//! Source: JSON Schema drafts 4 to 2020-12, RFC 6901.
use percent_encoding::percent_decode_str;
use pumphouse_types::RegisteredSchema;
use serde_json::Value;

use crate::schema_error::{SCHEMA_BYTES_MAX, SchemaFault};

/// One document. `names`: what a reference may call it.
struct Document {
    names: Vec<String>,
    value: Value,
}

/// All documents of one schema, its own last.
pub(super) struct Documents(Vec<Document>);

/// A place in one of the documents: which one, and the JSON pointer in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) document: usize,
    pub(super) pointer: String,
}

impl Documents {
    /// Errors: `TooLarge`, `Invalid`.
    pub(super) fn parse(registered: &RegisteredSchema) -> Result<Documents, SchemaFault> {
        let references = registered.references.iter().map(|r| (Some(r.name.as_str()), r.text.as_str()));
        let texts: Vec<_> = references.chain([(None, registered.text.as_str())]).collect();
        if texts.iter().map(|(_, text)| text.len()).sum::<usize>() > SCHEMA_BYTES_MAX {
            return Err(SchemaFault::TooLarge { what: "bytes", limit: SCHEMA_BYTES_MAX });
        }
        let parse = |(name, text): (Option<&str>, &str)| {
            // Its nesting is bounded by the JSON parser.
            let value: Value = serde_json::from_str(text).map_err(|error| SchemaFault::Invalid {
                why: format!("JSON, line {} column {}", error.line(), error.column()),
            })?;
            let id = ["$id", "id"].into_iter().find_map(|word| value.get(word)).and_then(Value::as_str);
            let names = name.into_iter().chain(id).map(|name| name.trim_end_matches('#').to_owned());
            Ok(Document { names: names.collect(), value })
        };
        texts.into_iter().map(parse).collect::<Result<_, _>>().map(Documents)
    }

    /// The schema's own document.
    pub(super) fn root(&self) -> (Place, &Value) {
        let document = self.0.len() - 1;
        (Place { document, pointer: String::new() }, &self.0[document].value)
    }

    /// What a `$ref` in a document stands for. Errors: `Undefined`.
    pub(super) fn follow(&self, document: usize, reference: &str) -> Result<(Place, &Value), SchemaFault> {
        let undefined = || SchemaFault::Undefined { name: reference.to_owned() };
        let (base, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let document = match base {
            "" => document,
            base => self.named(document, base).ok_or_else(undefined)?,
        };
        let pointer = percent_decode_str(fragment).decode_utf8().map_err(|_| undefined())?.into_owned();
        let value = self.0[document].value.pointer(&pointer).ok_or_else(undefined)?;
        Ok((Place { document, pointer }, value))
    }

    /// The document of a name: as it is registered, as it calls itself, or relative to where the
    /// document that refers to it lies.
    fn named(&self, from: usize, base: &str) -> Option<usize> {
        let position =
            |wanted: &str| self.0.iter().position(|document| document.names.iter().any(|n| n == wanted));
        position(base).or_else(|| {
            let folders = self.0[from].names.iter().filter_map(|name| name.rsplit_once('/'));
            folders.map(|(folder, _)| format!("{folder}/{base}")).find_map(|name| position(&name))
        })
    }
}
