//! Avro schemas: their JSON becomes a table of nodes that name one another by number, so that a
//! record type may contain itself. Source: Apache Avro 1.12, Specification.
use hashbrown::HashMap;
use pumphouse_types::RegisteredSchema;
use serde_json::{Map, Value};

use crate::connect_name::{self, VARIABLE_SCALE_DECIMAL};
use crate::schema_error::{SCHEMA_BYTES_MAX, SchemaFault};
use crate::typed::{Meaning, Moment};

/// Types of one schema, references included. The widest real schemas have some thousand.
pub(crate) const NODES_MAX: usize = 50_000;

/// The place of a node in its schema.
pub(crate) type NodeId = usize;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: Box<str>,
    pub(crate) node: NodeId,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Null,
    Boolean,
    Int(Meaning),
    Long(Meaning),
    Float,
    Double,
    Bytes(Meaning),
    /// Bytes that hold a decimal together with its scale.
    BigDecimal,
    String,
    Fixed {
        size: usize,
        meaning: Meaning,
    },
    Enum {
        symbols: Vec<Box<str>>,
    },
    Record {
        fields: Vec<Field>,
        /// A scale and a whole number: one decimal.
        variable_decimal: bool,
    },
    Array(NodeId),
    Map(NodeId),
    Union(Vec<NodeId>),
}

/// A schema's types; `root` is what its values are.
#[derive(Debug)]
pub(crate) struct Schema {
    nodes: Vec<Node>,
    pub(crate) root: NodeId,
}

impl Schema {
    /// Errors: `TooLarge`, `Invalid`, `Undefined`.
    pub(crate) fn parse(registered: &RegisteredSchema) -> Result<Schema, SchemaFault> {
        let references = registered.references.iter().map(|reference| &reference.text);
        let bytes: usize = references.clone().map(String::len).sum::<usize>() + registered.text.len();
        if bytes > SCHEMA_BYTES_MAX {
            return Err(SchemaFault::TooLarge { what: "bytes", limit: SCHEMA_BYTES_MAX });
        }
        let mut parser = Parser { nodes: Vec::new(), names: HashMap::new() };
        let mut root = 0;
        for text in references.chain([&registered.text]) {
            root = parser.document(text)?;
        }
        Ok(Schema { nodes: parser.nodes, root })
    }

    #[inline]
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }
}

struct Parser {
    nodes: Vec<Node>,
    names: HashMap<String, NodeId>,
}

fn invalid<T>(why: impl Into<String>) -> Result<T, SchemaFault> {
    Err(SchemaFault::Invalid { why: why.into() })
}

impl Parser {
    fn document(&mut self, text: &str) -> Result<NodeId, SchemaFault> {
        // Its nesting is bounded by the JSON parser.
        match serde_json::from_str::<Value>(text) {
            Ok(value) => self.parse(&value, ""),
            // Confluent's registry hands simple schemas out without quotes.
            Err(_) if text.bytes().all(|byte| byte.is_ascii_alphabetic()) => self.named(text, ""),
            Err(error) => invalid(format!("JSON, line {} column {}", error.line(), error.column())),
        }
    }

    fn add(&mut self, node: Node) -> Result<NodeId, SchemaFault> {
        if self.nodes.len() == NODES_MAX {
            return Err(SchemaFault::TooLarge { what: "types", limit: NODES_MAX });
        }
        self.nodes.push(node);
        Ok(self.nodes.len() - 1)
    }

    fn parse(&mut self, value: &Value, namespace: &str) -> Result<NodeId, SchemaFault> {
        match value {
            Value::String(name) => self.named(name, namespace),
            Value::Array(branches) => self.union(branches, namespace),
            Value::Object(object) => match object.get("type") {
                Some(Value::String(word)) => self.complex(word, object, namespace),
                // {"type": {"type": "array", ..}}
                Some(inner @ (Value::Object(_) | Value::Array(_))) => self.parse(inner, namespace),
                _ => invalid("an object without \"type\""),
            },
            _ => invalid("a type that is neither text, object nor array"),
        }
    }

    /// A primitive type or a name that was defined before.
    fn named(&mut self, name: &str, namespace: &str) -> Result<NodeId, SchemaFault> {
        if let Some(node) = primitive(name, &Map::new()) {
            return self.add(node);
        }
        let full = full_name(name, namespace);
        match self.names.get(&full).or_else(|| self.names.get(name)) {
            Some(&node) => Ok(node),
            None => Err(SchemaFault::Undefined { name: full }),
        }
    }

    fn union(&mut self, branches: &[Value], namespace: &str) -> Result<NodeId, SchemaFault> {
        let mut nodes = Vec::with_capacity(branches.len());
        for branch in branches {
            if branch.is_array() {
                return invalid("a union in a union");
            }
            nodes.push(self.parse(branch, namespace)?);
        }
        if nodes.is_empty() {
            return invalid("a union of nothing");
        }
        self.add(Node::Union(nodes))
    }

    fn complex(
        &mut self,
        word: &str,
        object: &Map<String, Value>,
        namespace: &str,
    ) -> Result<NodeId, SchemaFault> {
        if let Some(node) = primitive(word, object) {
            return self.add(node);
        }
        match word {
            "array" | "map" => {
                let part = if word == "array" { "items" } else { "values" };
                let Some(inner) = object.get(part) else {
                    return invalid(format!("{word} without \"{part}\""));
                };
                let inner = self.parse(inner, namespace)?;
                self.add(if word == "array" { Node::Array(inner) } else { Node::Map(inner) })
            }
            "fixed" => {
                let size =
                    object.get("size").and_then(Value::as_u64).and_then(|size| usize::try_from(size).ok());
                let Some(size) = size.filter(|size| *size <= i32::MAX as usize) else {
                    return invalid("fixed without a usable \"size\"");
                };
                let node = Node::Fixed { size, meaning: fixed_meaning(object, size) };
                self.define(object, namespace, node).map(|(node, _)| node)
            }
            "enum" => {
                let node = Node::Enum { symbols: symbols(object)? };
                self.define(object, namespace, node).map(|(node, _)| node)
            }
            "record" | "error" => self.record(object, namespace),
            name => self.named(name, namespace),
        }
    }

    fn record(&mut self, object: &Map<String, Value>, namespace: &str) -> Result<NodeId, SchemaFault> {
        let Some(Value::Array(definitions)) = object.get("fields") else {
            return invalid("a record without \"fields\"");
        };
        // Known before its fields are read: they may name it.
        let placeholder = Node::Record { fields: Vec::new(), variable_decimal: false };
        let (record, inner_namespace) = self.define(object, namespace, placeholder)?;
        let mut fields: Vec<Field> = Vec::with_capacity(definitions.len());
        let mut seen = hashbrown::HashSet::with_capacity(definitions.len());
        for definition in definitions {
            let (Some(name), Some(of)) =
                (definition.get("name").and_then(Value::as_str), definition.get("type"))
            else {
                return invalid("a field without \"name\" or \"type\"");
            };
            if !seen.insert(name) {
                return invalid(format!("the field {name} stands in its record twice"));
            }
            // Older writers put the logical type beside the field's type; it has no meaning there.
            fields.push(Field { name: name.into(), node: self.parse(of, &inner_namespace)? });
        }
        let variable_decimal = connect_name(object) == Some(VARIABLE_SCALE_DECIMAL)
            && matches!(&fields[..], [scale, value]
                if &*scale.name == "scale" && &*value.name == "value"
                && matches!(self.nodes[scale.node], Node::Int(_))
                && matches!(self.nodes[value.node], Node::Bytes(_)));
        self.nodes[record] = Node::Record { fields, variable_decimal };
        Ok(record)
    }

    /// Adds a type under its full name; answers its namespace, which counts inside of it.
    fn define(
        &mut self,
        object: &Map<String, Value>,
        namespace: &str,
        node: Node,
    ) -> Result<(NodeId, String), SchemaFault> {
        let Some(name) = object.get("name").and_then(Value::as_str).filter(|name| !name.is_empty()) else {
            return invalid("a record, enum or fixed without \"name\"");
        };
        let own = object.get("namespace").and_then(Value::as_str).unwrap_or(namespace);
        let full = full_name(name, own);
        let inner_namespace = full.rsplit_once('.').map_or("", |(namespace, _)| namespace).to_owned();
        let id = self.add(node)?;
        // Two references may each bring the same type along; the last definition counts.
        self.names.insert(full, id);
        Ok((id, inner_namespace))
    }
}

fn full_name(name: &str, namespace: &str) -> String {
    if name.contains('.') || namespace.is_empty() { name.to_owned() } else { format!("{namespace}.{name}") }
}

fn connect_name(object: &Map<String, Value>) -> Option<&str> {
    object.get("connect.name").and_then(Value::as_str)
}

fn symbols(object: &Map<String, Value>) -> Result<Vec<Box<str>>, SchemaFault> {
    let Some(Value::Array(symbols)) = object.get("symbols") else {
        return invalid("an enum without \"symbols\"");
    };
    symbols
        .iter()
        .map(|symbol| match symbol {
            Value::String(symbol) => Ok(symbol.as_str().into()),
            _ => invalid("a symbol of an enum that is no text"),
        })
        .collect()
}

/// A logical type that does not fit its type is ignored, as the specification asks.
fn primitive(word: &str, object: &Map<String, Value>) -> Option<Node> {
    let logical = object.get("logicalType").and_then(Value::as_str);
    let connect = connect_name(object).and_then(connect_name::number_meaning);
    let moment = |moment| Meaning::Moment(moment);
    Some(match word {
        "null" => Node::Null,
        "boolean" => Node::Boolean,
        "int" => Node::Int(match logical {
            Some("date") => moment(Moment::Date),
            Some("time-millis") => moment(Moment::TimeOfDay { precision: 3 }),
            _ => connect.unwrap_or(Meaning::Plain),
        }),
        "long" => Node::Long(match logical {
            Some("time-micros") => moment(Moment::TimeOfDay { precision: 6 }),
            Some("timestamp-millis") => moment(Moment::Instant { precision: 3 }),
            Some("timestamp-micros") => moment(Moment::Instant { precision: 6 }),
            Some("timestamp-nanos") => moment(Moment::Instant { precision: 9 }),
            Some("local-timestamp-millis") => moment(Moment::Local { precision: 3 }),
            Some("local-timestamp-micros") => moment(Moment::Local { precision: 6 }),
            Some("local-timestamp-nanos") => moment(Moment::Local { precision: 9 }),
            _ => connect.unwrap_or(Meaning::Plain),
        }),
        "float" => Node::Float,
        "double" => Node::Double,
        "bytes" if logical == Some("big-decimal") => Node::BigDecimal,
        "bytes" => Node::Bytes(decimal(object).unwrap_or(Meaning::Plain)),
        "string" => Node::String,
        _ => return None,
    })
}

fn fixed_meaning(object: &Map<String, Value>, size: usize) -> Meaning {
    match object.get("logicalType").and_then(Value::as_str) {
        Some("duration") if size == 12 => Meaning::Duration,
        Some("uuid") if size == 16 => Meaning::Uuid,
        _ => decimal(object).unwrap_or(Meaning::Plain),
    }
}

/// `None` where no valid decimal is described.
fn decimal(object: &Map<String, Value>) -> Option<Meaning> {
    if object.get("logicalType").and_then(Value::as_str) != Some("decimal") {
        return None;
    }
    let number = |name: &str| object.get(name).map(Value::as_i64);
    let precision = number("precision")?.filter(|precision| *precision > 0)?;
    let scale = match number("scale") {
        None => 0,
        Some(scale) => scale.filter(|scale| (0..=precision).contains(scale))?,
    };
    Some(Meaning::Decimal { scale: i32::try_from(scale).ok()? })
}

#[cfg(test)]
mod tests {
    use pumphouse_types::{ReferencedSchema, SchemaId, SchemaKind};

    use super::*;

    fn parse(text: &str, references: &[&str]) -> Result<Schema, SchemaFault> {
        let reference = |text: &&str| ReferencedSchema { name: "r".to_owned(), text: (*text).to_owned() };
        Schema::parse(&RegisteredSchema {
            id: SchemaId(1),
            kind: SchemaKind::Avro,
            text: text.to_owned(),
            references: references.iter().map(reference).collect(),
        })
    }

    fn fields(schema: &Schema) -> Vec<(&str, &Node)> {
        let Node::Record { fields, .. } = schema.node(schema.root) else { panic!("no record") };
        fields.iter().map(|field| (&*field.name, schema.node(field.node))).collect()
    }

    #[test]
    fn names_are_found_in_their_namespace_and_by_full_name() {
        let text = r#"{"type":"record","name":"a.R","fields":[
            {"name":"e","type":{"type":"enum","name":"E","symbols":["X"]}},
            {"name":"same","type":"E"},{"name":"full","type":"a.E"},
            {"name":"next","type":["null","R"]}]}"#;
        let schema = parse(text, &[]).unwrap();
        let fields = fields(&schema);
        assert_eq!(fields[0].1, fields[1].1);
        assert_eq!(fields[0].1, fields[2].1);
        let Node::Union(branches) = fields[3].1 else { panic!("no union") };
        assert_eq!(branches[1], schema.root);
    }

    #[test]
    fn references_define_names() {
        let user =
            r#"{"type":"record","name":"User","namespace":"x","fields":[{"name":"n","type":"string"}]}"#;
        let text = r#"{"type":"record","name":"R","fields":[{"name":"u","type":"x.User"}]}"#;
        let schema = parse(text, &[user]).unwrap();
        assert!(matches!(fields(&schema)[0].1, Node::Record { fields, .. } if &*fields[0].name == "n"));
        assert_eq!(parse(text, &[]).unwrap_err(), SchemaFault::Undefined { name: "x.User".to_owned() });
    }

    #[test]
    fn logical_types_that_do_not_fit_are_ignored() {
        let text = r#"{"type":"record","name":"R","fields":[
            {"name":"a","type":{"type":"int","logicalType":"timestamp-millis"}},
            {"name":"b","type":{"type":"bytes","logicalType":"decimal","precision":2,"scale":3}},
            {"name":"c","type":{"type":"bytes","logicalType":"decimal","precision":20,"scale":3}},
            {"name":"d","type":{"type":"long","connect.name":"io.debezium.time.NanoTimestamp"}},
            {"name":"e","type":{"type":"fixed","name":"f","size":16,"logicalType":"uuid"}}]}"#;
        let schema = parse(text, &[]).unwrap();
        let nodes: Vec<&Node> = fields(&schema).into_iter().map(|(_, node)| node).collect();
        let nanos = Meaning::Moment(Moment::Instant { precision: 9 });
        assert_eq!(
            nodes,
            [
                &Node::Int(Meaning::Plain),
                &Node::Bytes(Meaning::Plain),
                &Node::Bytes(Meaning::Decimal { scale: 3 }),
                &Node::Long(nanos),
                &Node::Fixed { size: 16, meaning: Meaning::Uuid }
            ]
        );
    }

    #[test]
    fn what_is_no_schema_is_refused() {
        for text in [
            "",
            "{",
            "7",
            "[]",
            "[[\"null\"]]",
            "{}",
            r#"{"type":"record","name":"R"}"#,
            r#"{"type":"record","fields":[]}"#,
            r#"{"type":"record","name":"R","fields":[{"name":"a"}]}"#,
            r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"a","type":"int"}]}"#,
            r#"{"type":"array"}"#,
            r#"{"type":"fixed","name":"f","size":-1}"#,
            r#"{"type":"enum","name":"e","symbols":[1]}"#,
            &"[".repeat(100_000),
        ] {
            let fault = parse(text, &[]).unwrap_err();
            assert!(
                matches!(fault, SchemaFault::Invalid { .. } | SchemaFault::Undefined { .. }),
                "{text:.40}"
            );
        }
        assert!(parse("string", &[]).is_ok());
    }

    #[test]
    fn huge_schemas_are_refused() {
        let wide = format!("[{}\"int\"]", "\"int\",".repeat(NODES_MAX));
        assert!(matches!(parse(&wide, &[]).unwrap_err(), SchemaFault::TooLarge { what: "types", .. }));
        let long = " ".repeat(SCHEMA_BYTES_MAX + 1);
        assert!(matches!(parse(&long, &[]).unwrap_err(), SchemaFault::TooLarge { what: "bytes", .. }));
    }
}
