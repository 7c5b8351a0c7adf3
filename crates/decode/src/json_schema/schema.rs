//! JSON Schemas: what of them tells how values are to be understood.
//! Source: JSON Schema drafts 4 to 2020-12; `io.confluent.connect.json.JsonSchemaData`, whose properties
//! `connect.type`, `connect.parameters` and `title` carry a Connect schema's type, parameters and name.
use hashbrown::HashSet;
use pumphouse_types::RegisteredSchema;
use serde_json::Value;

use super::documents::{Documents, Place};
use super::shape::Shape;
use crate::connect_json::{Field, Node};
use crate::connect_name::{self, DECIMAL, JSON, VARIABLE_SCALE_DECIMAL};
use crate::error::ValueKind;
use crate::schema_error::SchemaFault;
use crate::typed::Meaning;

/// Schemas inside of one schema, references followed wherever they stand.
const SCHEMAS_MAX: usize = 50_000;
/// Defaults of fields, copied with every reference that is followed.
const DEFAULT_BYTES_MAX: usize = 4 << 20;
/// Schemas inside of one another, references followed. Bounds the stack; real ones stay below twenty.
const DEPTH_MAX: usize = 128;

/// What the objects of a schema are.
#[derive(Debug, Default)]
pub(super) struct Root {
    /// Fields that the schema knows.
    pub(super) fields: Vec<Field>,
    /// What all other fields are.
    pub(super) others: Option<Node>,
}

/// Errors: `TooLarge`, `Invalid`, `Undefined`, `NoFields`, `Unreadable`.
pub(super) fn parse(registered: &RegisteredSchema) -> Result<Root, SchemaFault> {
    let documents = Documents::parse(registered)?;
    let (place, value) = documents.root();
    let mut reader = Reader {
        documents: &documents,
        open: Vec::new(),
        assumed: HashSet::new(),
        plain: HashSet::new(),
        schemas: 0,
        default_bytes: 0,
    };
    let shape = reader.referred(place, value, 0)?;
    if shape.says_nothing() {
        return Ok(Root::default());
    }
    match shape.object() {
        Some(Node::Struct(fields)) => Ok(Root { fields: fields.clone(), others: None }),
        Some(Node::Plain) => Ok(Root::default()),
        Some(Node::Map(value)) => Ok(Root { fields: Vec::new(), others: Some((**value).clone()) }),
        _ => Err(SchemaFault::NoFields),
    }
}

fn invalid<T>(why: &str) -> Result<T, SchemaFault> {
    Err(SchemaFault::Invalid { why: why.to_owned() })
}

struct Reader<'d> {
    documents: &'d Documents,
    /// References that are being followed.
    open: Vec<Place>,
    /// Those of them that were met again inside of themselves, and taken for plain.
    assumed: HashSet<Place>,
    /// References that turned out to be plain.
    plain: HashSet<Place>,
    schemas: usize,
    default_bytes: usize,
}

impl<'d> Reader<'d> {
    /// A schema that a reference stands for. One that contains itself is plain if all else in it is;
    /// there is no other way to read it without following the values.
    fn referred(&mut self, place: Place, value: &'d Value, depth: usize) -> Result<Shape, SchemaFault> {
        if self.open.contains(&place) {
            self.assumed.insert(place);
            return Ok(Shape::default());
        }
        self.open.push(place);
        let document = self.open[self.open.len() - 1].document;
        let shape = self.shape(value, document, depth)?;
        let place = self.open.pop().expect("it was pushed above");
        if shape.clone().node() == Node::Plain {
            self.plain.insert(place);
        } else if self.assumed.contains(&place) {
            let why = format!("#{} contains itself, and bytes, dates or decimals", place.pointer);
            return Err(SchemaFault::Unreadable { why });
        }
        Ok(shape)
    }

    fn node(&mut self, value: &'d Value, document: usize, depth: usize) -> Result<Node, SchemaFault> {
        // The usual references are plain, and need not be followed every time.
        if let Some(reference) = value.get("$ref").and_then(Value::as_str)
            && self.plain.contains(&self.documents.follow(document, reference)?.0)
        {
            return self.count_schema().map(|()| Node::Plain);
        }
        self.shape(value, document, depth).map(Shape::node)
    }

    fn shape(&mut self, value: &'d Value, document: usize, depth: usize) -> Result<Shape, SchemaFault> {
        self.count_schema()?;
        if depth > DEPTH_MAX {
            return Err(SchemaFault::TooLarge { what: "levels", limit: DEPTH_MAX });
        }
        if value.is_boolean() {
            return Ok(Shape::default());
        }
        if !value.is_object() {
            return invalid("a schema that is neither object nor boolean");
        }
        let mut shape = Shape::default();
        for kind in types(value)? {
            shape.add(self.own(kind, value, document, depth)?)?;
        }
        if let Some(reference) = value.get("$ref") {
            let Some(reference) = reference.as_str() else { return invalid("a $ref that is no text") };
            let (place, target) = self.documents.follow(document, reference)?;
            shape.add(self.referred(place, target, depth + 1)?)?;
        }
        for word in ["allOf", "oneOf", "anyOf"] {
            for branch in value.get(word).and_then(Value::as_array).into_iter().flatten() {
                shape.add(self.shape(branch, document, depth + 1)?)?;
            }
        }
        Ok(shape)
    }

    /// What values of one type are.
    fn own(
        &mut self,
        type_name: &str,
        value: &'d Value,
        document: usize,
        depth: usize,
    ) -> Result<Shape, SchemaFault> {
        let title = text(value, "title");
        let bytes = text(value, "connect.type") == "bytes";
        Ok(match type_name {
            "string" | "number" | "integer" if bytes && title == DECIMAL => {
                let decimal = Node::Decimal { scale: scale(value)? };
                let mut shape = Shape::of(ValueKind::Text, decimal.clone());
                shape.add(Shape::of(ValueKind::Number, decimal))?;
                shape
            }
            "string" if bytes => Shape::of(ValueKind::Text, Node::Bytes),
            "string" if title == JSON => Shape::of(ValueKind::Text, Node::JsonText),
            "string" => Shape::of(ValueKind::Text, Node::Plain),
            "number" | "integer" => match connect_name::number_meaning(title) {
                Some(Meaning::Moment(moment)) => Shape::of(ValueKind::Number, Node::Moment(moment)),
                _ => Shape::of(ValueKind::Number, Node::Plain),
            },
            "boolean" => Shape::of(ValueKind::Bool, Node::Plain),
            "null" => Shape::default(),
            "array" => Shape::of(ValueKind::Array, self.array(value, document, depth)?),
            "object" if title == VARIABLE_SCALE_DECIMAL => {
                Shape::of(ValueKind::Object, Node::VariableDecimal)
            }
            "object" => Shape::of(ValueKind::Object, self.object(value, document, depth)?),
            _ => return invalid("a type that JSON Schema does not have"),
        })
    }

    fn array(&mut self, value: &'d Value, document: usize, depth: usize) -> Result<Node, SchemaFault> {
        if text(value, "connect.type") == "map" {
            let (document, items) = self.items_of_map(value, document)?;
            let mut part = |name: &str| match items.get("properties").and_then(|parts| parts.get(name)) {
                Some(part) => self.node(part, document, depth + 1).map(Box::new),
                None => invalid("a map without key or value"),
            };
            return Ok(Node::Entries { key: part("key")?, value: part("value")? });
        }
        let places = ["items", "prefixItems"].into_iter().filter_map(|word| value.get(word)?.as_array());
        for item in places.flatten() {
            if self.node(item, document, depth + 1)? != Node::Plain {
                let why = "bytes, dates or decimals in a list with a schema per place".to_owned();
                return Err(SchemaFault::Unreadable { why });
            }
        }
        let items = value.get("items").or_else(|| value.get("additionalItems"));
        Ok(match items.filter(|items| !items.is_array()) {
            None => Node::Plain,
            Some(items) => match self.node(items, document, depth + 1)? {
                Node::Plain => Node::Plain,
                items => Node::Array(Box::new(items)),
            },
        })
    }

    /// The object of key and value, wherever it stands.
    fn items_of_map(&self, value: &'d Value, document: usize) -> Result<(usize, &'d Value), SchemaFault> {
        let Some(items) = value.get("items") else { return invalid("a map without entries") };
        match items.get("$ref").and_then(Value::as_str) {
            None => Ok((document, items)),
            Some(reference) => {
                let (place, items) = self.documents.follow(document, reference)?;
                Ok((place.document, items))
            }
        }
    }

    /// One more schema: a reference is read anew each time it is met.
    fn count_schema(&mut self) -> Result<(), SchemaFault> {
        self.schemas += 1;
        if self.schemas > SCHEMAS_MAX {
            return Err(SchemaFault::TooLarge { what: "schemas in it", limit: SCHEMAS_MAX });
        }
        Ok(())
    }

    /// What is copied with it.
    fn count_default(&mut self, bytes: usize) -> Result<(), SchemaFault> {
        self.default_bytes += bytes;
        if self.default_bytes > DEFAULT_BYTES_MAX {
            return Err(SchemaFault::TooLarge { what: "bytes of defaults", limit: DEFAULT_BYTES_MAX });
        }
        Ok(())
    }

    fn object(&mut self, value: &'d Value, document: usize, depth: usize) -> Result<Node, SchemaFault> {
        let properties = value.get("properties").and_then(Value::as_object);
        if let Some(properties) = properties.filter(|properties| !properties.is_empty()) {
            let fields = properties.iter().map(|(name, property)| {
                let node = self.node(property, document, depth + 1)?;
                let default = default(property);
                self.count_default(default.as_ref().map_or(0, |default| default.len()))?;
                Ok(Field { name: name.as_str().into(), node, default })
            });
            return fields.collect::<Result<_, _>>().map(Node::Struct);
        }
        match value.get("additionalProperties") {
            Some(others) if others.is_object() => match self.node(others, document, depth + 1)? {
                Node::Plain => Ok(Node::Plain),
                others => Ok(Node::Map(Box::new(others))),
            },
            _ => Ok(Node::Plain),
        }
    }
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The types that a schema names; where it names none, those that its other words are about.
fn types(value: &Value) -> Result<Vec<&str>, SchemaFault> {
    match value.get("type") {
        Some(Value::String(one)) => Ok(vec![one]),
        Some(Value::Array(several)) => several
            .iter()
            .map(|one| one.as_str().map_or_else(|| invalid("a type that is no text"), Ok))
            .collect(),
        Some(_) => invalid("a type that is neither text nor list"),
        None if value.get("properties").is_some() => Ok(vec!["object"]),
        None if value.get("items").is_some() => Ok(vec!["array"]),
        None => Ok(Vec::new()),
    }
}

/// JSON of what counts where the field is null or not there; of a nullable union also its branch's.
fn default(property: &Value) -> Option<Box<[u8]>> {
    let branches = ["oneOf", "anyOf"].into_iter().filter_map(|word| property.get(word)?.as_array());
    let mut defaults = [property].into_iter().chain(branches.flatten()).filter_map(|one| one.get("default"));
    let default = defaults.find(|default| !default.is_null())?;
    Some(default.to_string().into_bytes().into_boxed_slice())
}

fn scale(value: &Value) -> Result<i32, SchemaFault> {
    let scale = value.get("connect.parameters").and_then(|parameters| parameters.get("scale"));
    let number = scale.and_then(|scale| match scale {
        Value::String(text) => text.parse().ok(),
        other => other.as_i64().and_then(|number| i32::try_from(number).ok()),
    });
    number.map_or_else(|| invalid("a Decimal without \"scale\""), Ok)
}
