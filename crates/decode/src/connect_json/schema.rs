//! Connect schemas as JsonConverter writes them. Source: `org.apache.kafka.connect.json.JsonSchema`.
use serde_json::Value;

use crate::connect_name::{self, DECIMAL, JSON, VARIABLE_SCALE_DECIMAL};
use crate::error::ValueKind;
use crate::schema_error::SchemaFault;
use crate::typed::{Meaning, Moment};

/// What stands in the payload for a schema. Whatever needs no schema to be understood is `Plain`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    /// JSON as it is.
    Plain,
    /// Base64.
    Bytes,
    /// Base64 of a whole number, or a JSON number (`decimal.format`).
    Decimal {
        scale: i32,
    },
    /// A number that counts days or ticks.
    Moment(Moment),
    /// A text that holds JSON.
    JsonText,
    /// Debezium's object of a scale and a whole number.
    VariableDecimal,
    Array(Box<Node>),
    /// Keys are texts: an object.
    Map(Box<Node>),
    /// Keys are anything else: a list of lists of two.
    Pairs {
        key: Box<Node>,
        value: Box<Node>,
    },
    /// A map as a list of objects of `key` and `value`.
    Entries {
        key: Box<Node>,
        value: Box<Node>,
    },
    Struct(Vec<Field>),
    /// By what stands there; a kind that is not listed is plain.
    Choice(Vec<(ValueKind, Node)>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: Box<str>,
    pub(crate) node: Node,
    /// JSON of what counts where the payload has null or nothing.
    pub(crate) default: Option<Box<[u8]>>,
}

/// The fields of a schema's struct. `null_defaults`: the schema's defaults count; else they are not looked
/// at (`replace.null.with.default`).
/// Errors: `Invalid`, `NoFields`.
pub(crate) fn parse(text: &[u8], null_defaults: bool) -> Result<Vec<Field>, SchemaFault> {
    let value: Value = serde_json::from_slice(text).map_err(|error| SchemaFault::Invalid {
        why: format!("JSON, line {} column {}", error.line(), error.column()),
    })?;
    if value.get("type").and_then(Value::as_str) != Some("struct") {
        return Err(SchemaFault::NoFields);
    }
    fields(&value, null_defaults)
}

fn invalid<T>(why: &str) -> Result<T, SchemaFault> {
    Err(SchemaFault::Invalid { why: why.to_owned() })
}

fn fields(schema: &Value, null_defaults: bool) -> Result<Vec<Field>, SchemaFault> {
    let Some(Value::Array(definitions)) = schema.get("fields") else {
        return invalid("a struct without \"fields\"");
    };
    let mut names = hashbrown::HashSet::new();
    definitions
        .iter()
        .map(|definition| {
            let Some(name) = definition.get("field").and_then(Value::as_str) else {
                return invalid("a field without \"field\"");
            };
            if !names.insert(name) {
                return invalid("a field that stands in its struct twice");
            }
            let default = match definition.get("default") {
                Some(default) if null_defaults && !default.is_null() => {
                    Some(default.to_string().into_bytes().into_boxed_slice())
                }
                None | Some(_) => None,
            };
            Ok(Field { name: name.into(), node: node(definition, null_defaults)?, default })
        })
        .collect()
}

fn part(schema: &Value, name: &str, null_defaults: bool) -> Result<Box<Node>, SchemaFault> {
    match schema.get(name) {
        Some(inner) => Ok(Box::new(node(inner, null_defaults)?)),
        None => invalid("an array or map without the types of its parts"),
    }
}

fn node(schema: &Value, null_defaults: bool) -> Result<Node, SchemaFault> {
    let Some(word) = schema.get("type").and_then(Value::as_str) else {
        return invalid("a schema without \"type\"");
    };
    let name = schema.get("name").and_then(Value::as_str).unwrap_or_default();
    Ok(match word {
        "int8" | "int16" | "int32" | "int64" => match connect_name::number_meaning(name) {
            Some(Meaning::Moment(moment)) => Node::Moment(moment),
            _ => Node::Plain,
        },
        "boolean" | "float" | "double" => Node::Plain,
        "string" if name == JSON => Node::JsonText,
        "string" => Node::Plain,
        "bytes" if name == DECIMAL => Node::Decimal { scale: scale(schema)? },
        "bytes" => Node::Bytes,
        "array" => match part(schema, "items", null_defaults)? {
            items if *items == Node::Plain => Node::Plain,
            items => Node::Array(items),
        },
        "map" => {
            let keys = schema.get("keys").and_then(|keys| keys.get("type")).and_then(Value::as_str);
            let (key, value) = (part(schema, "keys", null_defaults)?, part(schema, "values", null_defaults)?);
            match (keys, *value == Node::Plain) {
                (Some("string"), true) => Node::Plain,
                (Some("string"), false) => Node::Map(value),
                _ => Node::Pairs { key, value },
            }
        }
        "struct" if name == VARIABLE_SCALE_DECIMAL => Node::VariableDecimal,
        "struct" => {
            let fields = fields(schema, null_defaults)?;
            if fields.iter().all(|field| field.node == Node::Plain && field.default.is_none()) {
                Node::Plain
            } else {
                Node::Struct(fields)
            }
        }
        _ => return invalid("a type that Connect does not have"),
    })
}

/// A parameter, and therefore a text.
fn scale(schema: &Value) -> Result<i32, SchemaFault> {
    let text = schema.get("parameters").and_then(|parameters| parameters.get("scale"));
    match text.and_then(Value::as_str).and_then(|text| text.parse().ok()) {
        Some(scale) => Ok(scale),
        None => invalid("a Decimal without \"scale\""),
    }
}
