//! Messages and enums of a schema, resolved: fields name types by number.
//! Source: Protocol Buffers Language Specification, proto2 and proto3.
use hashbrown::HashMap;
use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto};
use pumphouse_types::RegisteredSchema;

use super::known::{FILES, Known, known};
use crate::schema_error::{SCHEMA_BYTES_MAX, SchemaFault};
use crate::typed::decode_base64;

/// Brackets that may be open at once: the parser recurses. Real files stay below ten.
const NESTING_MAX: usize = 64;

/// Fields of one schema, references included. The widest real ones have some thousand.
const FIELDS_MAX: usize = 50_000;

pub(super) type MessageId = usize;
pub(super) type EnumId = usize;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Double,
    Float,
    Int64,
    Uint64,
    Int32,
    Uint32,
    Sint32,
    Sint64,
    Fixed64,
    Fixed32,
    Sfixed32,
    Sfixed64,
    Bool,
    String,
    Bytes,
    Enum(EnumId),
    Message(MessageId),
    Group(MessageId),
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) number: u32,
    pub(super) name: Box<str>,
    pub(super) kind: Kind,
    pub(super) repeated: bool,
    /// Entries of a map: repeated messages of a key (1) and a value (2).
    pub(super) map: bool,
    /// Whether absent and zero differ.
    pub(super) presence: bool,
    /// The oneof that it is a member of.
    pub(super) oneof: Option<usize>,
}

#[derive(Debug, Default)]
pub(super) struct Message {
    /// By number, ascending.
    pub(super) fields: Vec<Field>,
    /// How many oneofs it has.
    pub(super) oneofs: usize,
    pub(super) known: Option<Known>,
    /// Messages defined in it, in the file's order: the message index of a record counts them.
    nested: Vec<MessageId>,
}

impl Message {
    /// The place of a field.
    #[inline]
    pub(super) fn place_of(&self, number: u32) -> Option<usize> {
        // Usually numbers are 1, 2, 3, ..
        let guess = (number as usize).wrapping_sub(1);
        match self.fields.get(guess) {
            Some(field) if field.number == number => Some(guess),
            _ => self.fields.binary_search_by_key(&number, |field| field.number).ok(),
        }
    }
}

#[derive(Debug)]
pub(super) struct Schema {
    messages: Vec<Message>,
    enums: Vec<HashMap<i32, Box<str>>>,
    /// Messages of the schema's own file, in its order.
    top: Vec<MessageId>,
    /// Messages of all files by full name.
    names: HashMap<String, MessageId>,
}

impl Schema {
    /// Errors: `TooLarge`, `Invalid`, `Undefined`.
    pub(super) fn parse(registered: &RegisteredSchema) -> Result<Schema, SchemaFault> {
        let references = registered.references.iter().map(|reference| reference.text.as_str());
        let texts: Vec<&str> = references.chain([registered.text.as_str()]).collect();
        if texts.iter().map(|text| text.len()).sum::<usize>() > SCHEMA_BYTES_MAX {
            return Err(SchemaFault::TooLarge { what: "bytes", limit: SCHEMA_BYTES_MAX });
        }
        let mut builder = Builder::default();
        for text in FILES.into_iter().chain(texts) {
            builder.add_file(text)?;
        }
        builder.resolve()
    }

    #[inline]
    pub(super) fn message(&self, id: MessageId) -> &Message {
        &self.messages[id]
    }

    pub(super) fn enum_name(&self, id: EnumId, number: i32) -> Option<&str> {
        self.enums[id].get(&number).map(|name| &**name)
    }

    /// A message of the file.
    pub(super) fn top(&self, index: usize) -> Option<MessageId> {
        self.top.get(index).copied()
    }

    /// A message by its full name; `None` for the name: the file's only one.
    /// Errors: `Undefined`; `Unreadable` where the file has several and no name is given.
    pub(super) fn named(&self, name: Option<&str>) -> Result<MessageId, SchemaFault> {
        match (name, &self.top[..]) {
            (Some(name), _) => {
                let found = self.names.get(name.trim_start_matches('.')).copied();
                found.ok_or_else(|| SchemaFault::Undefined { name: name.to_owned() })
            }
            (None, [only]) => Ok(*only),
            (None, top) => {
                let why = format!("the file has {} messages, and none of them is named", top.len());
                Err(SchemaFault::Unreadable { why })
            }
        }
    }

    /// A message that is defined in another.
    pub(super) fn nested(&self, id: MessageId, index: usize) -> Option<MessageId> {
        self.messages[id].nested.get(index).copied()
    }
}

#[derive(Clone, Copy)]
enum TypeId {
    Message(MessageId),
    Enum(EnumId),
}

/// A message whose fields wait for all types to be known.
struct Waiting {
    id: MessageId,
    full_name: String,
    proto: DescriptorProto,
    proto3: bool,
}

#[derive(Default)]
struct Builder {
    messages: Vec<Message>,
    enums: Vec<HashMap<i32, Box<str>>>,
    types: HashMap<String, TypeId>,
    waiting: Vec<Waiting>,
    top: Vec<MessageId>,
    map_entries: Vec<bool>,
    fields: usize,
}

impl Builder {
    fn add_file(&mut self, text: &str) -> Result<(), SchemaFault> {
        let file = parse_file(text)?;
        let proto3 = file.syntax.as_deref() == Some("proto3");
        let package = file.package.unwrap_or_default();
        let mut top = Vec::new();
        for message in file.message_type {
            top.push(self.add_message(&package, message, proto3)?);
        }
        for definition in file.enum_type {
            self.add_enum(&package, &definition);
        }
        self.top = top;
        Ok(())
    }

    fn add_message(
        &mut self,
        scope: &str,
        mut proto: DescriptorProto,
        proto3: bool,
    ) -> Result<MessageId, SchemaFault> {
        let full_name = joined(scope, proto.name());
        self.fields += 1 + proto.field.len();
        if self.fields > FIELDS_MAX {
            return Err(SchemaFault::TooLarge { what: "fields", limit: FIELDS_MAX });
        }
        let id = self.messages.len();
        self.messages.push(Message { known: known(&full_name), ..Message::default() });
        self.map_entries.push(is_map_entry(&proto));
        self.types.insert(full_name.clone(), TypeId::Message(id));
        for definition in std::mem::take(&mut proto.enum_type) {
            self.add_enum(&full_name, &definition);
        }
        for nested in std::mem::take(&mut proto.nested_type) {
            let nested = self.add_message(&full_name, nested, proto3)?;
            // Written as fields, not as messages: a record's message index does not count them.
            if !self.map_entries[nested] {
                self.messages[id].nested.push(nested);
            }
        }
        self.waiting.push(Waiting { id, full_name, proto, proto3 });
        Ok(id)
    }

    fn add_enum(&mut self, scope: &str, definition: &EnumDescriptorProto) {
        let mut names = HashMap::new();
        for value in &definition.value {
            // Of aliases the first is the name that serializers write.
            names.entry(value.number()).or_insert_with(|| value.name().into());
        }
        self.types.insert(joined(scope, definition.name()), TypeId::Enum(self.enums.len()));
        self.enums.push(names);
    }

    fn resolve(mut self) -> Result<Schema, SchemaFault> {
        for Waiting { id, full_name, proto, proto3 } in std::mem::take(&mut self.waiting) {
            let mut fields = Vec::with_capacity(proto.field.len());
            for field in &proto.field {
                fields.push(self.field(&full_name, field, proto3)?);
            }
            fields.sort_by_key(|field| field.number);
            if fields.windows(2).any(|pair| pair[0].number == pair[1].number) {
                return Err(SchemaFault::Invalid { why: format!("{full_name} has a field number twice") });
            }
            let mut names = hashbrown::HashSet::new();
            if !fields.iter().all(|field| names.insert(field.name.clone())) {
                return Err(SchemaFault::Invalid { why: format!("{full_name} has a field name twice") });
            }
            let oneofs = proto.oneof_decl.len();
            let mut members = vec![0; oneofs];
            for oneof in fields.iter().filter_map(|field| field.oneof) {
                // A descriptor could name one that it does not have.
                members.get_mut(oneof).into_iter().for_each(|members: &mut usize| *members += 1);
            }
            // A member alone has nobody to give way to: so it is with every optional field of proto3.
            let shared = |oneof: &usize| members.get(*oneof).is_some_and(|members| *members > 1);
            fields.iter_mut().for_each(|field| field.oneof = field.oneof.filter(shared));
            self.messages[id].oneofs =
                if fields.iter().any(|field| field.oneof.is_some()) { oneofs } else { 0 };
            if fields.is_empty() {
                // Somebody else's message of a well-known name.
                self.messages[id].known = None;
            }
            self.messages[id].fields = fields;
        }
        let message = |(name, id)| match id {
            TypeId::Message(id) => Some((name, id)),
            TypeId::Enum(_) => None,
        };
        let names = self.types.into_iter().filter_map(message).collect();
        Ok(Schema { messages: self.messages, enums: self.enums, top: self.top, names })
    }

    fn field(&self, scope: &str, proto: &FieldDescriptorProto, proto3: bool) -> Result<Field, SchemaFault> {
        let repeated = proto.label() == Label::Repeated;
        let kind = match proto.r#type.and_then(|number| Type::try_from(number).ok()) {
            Some(Type::Double) => Kind::Double,
            Some(Type::Float) => Kind::Float,
            Some(Type::Int64) => Kind::Int64,
            Some(Type::Uint64) => Kind::Uint64,
            Some(Type::Int32) => Kind::Int32,
            Some(Type::Uint32) => Kind::Uint32,
            Some(Type::Sint32) => Kind::Sint32,
            Some(Type::Sint64) => Kind::Sint64,
            Some(Type::Fixed64) => Kind::Fixed64,
            Some(Type::Fixed32) => Kind::Fixed32,
            Some(Type::Sfixed32) => Kind::Sfixed32,
            Some(Type::Sfixed64) => Kind::Sfixed64,
            Some(Type::Bool) => Kind::Bool,
            Some(Type::String) => Kind::String,
            Some(Type::Bytes) => Kind::Bytes,
            group @ (None | Some(Type::Message | Type::Enum | Type::Group)) => {
                match (self.find(scope, proto.type_name())?, group) {
                    (TypeId::Message(id), Some(Type::Group)) => Kind::Group(id),
                    (TypeId::Message(id), _) => Kind::Message(id),
                    (TypeId::Enum(id), _) => Kind::Enum(id),
                }
            }
        };
        let map = matches!(kind, Kind::Message(id) if repeated && self.map_entries[id]);
        let message = matches!(kind, Kind::Message(_) | Kind::Group(_));
        let number = u32::try_from(proto.number()).unwrap_or_default();
        // Optional fields of proto3 stand in a oneof of their own.
        let presence = !repeated && (message || !proto3 || proto.oneof_index.is_some());
        let oneof = proto.oneof_index.and_then(|index| usize::try_from(index).ok());
        Ok(Field { number, name: proto.name().into(), kind, repeated, map, presence, oneof })
    }

    /// From the innermost scope outwards; the first part of the name decides where it is found.
    fn find(&self, scope: &str, name: &str) -> Result<TypeId, SchemaFault> {
        if let Some(absolute) = name.strip_prefix('.') {
            return self.types.get(absolute).copied().ok_or_else(|| undefined(absolute));
        }
        let mut scope = scope;
        loop {
            if let Some(found) = self.types.get(&joined(scope, name)) {
                return Ok(*found);
            }
            if scope.is_empty() {
                return Err(undefined(name));
            }
            scope = scope.rsplit_once('.').map_or("", |(outer, _)| outer);
        }
    }
}

/// As the parser makes them; a schema could claim it of any message.
fn is_map_entry(proto: &DescriptorProto) -> bool {
    let numbers = proto.field.iter().map(|field| field.number());
    proto.options.as_ref().is_some_and(|options| options.map_entry()) && numbers.eq([1, 2])
}

fn undefined(name: &str) -> SchemaFault {
    SchemaFault::Undefined { name: name.to_owned() }
}

fn joined(scope: &str, name: &str) -> String {
    if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") }
}

/// A `.proto` text, or a file's descriptor in base64: this is how Confluent's Python serializer registers
/// one, and some registries give it back as it came.
fn parse_file(text: &str) -> Result<FileDescriptorProto, SchemaFault> {
    let invalid = |why: String| SchemaFault::Invalid { why };
    let letters = text.trim().as_bytes();
    // Every text has a bracket or a semicolon, unless it is empty.
    if !letters.is_empty() && letters.iter().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(b)) {
        let mut bytes = Vec::new();
        decode_base64(letters, &mut bytes).ok_or_else(|| invalid("broken base64".to_owned()))?;
        return FileDescriptorProto::decode(&bytes[..]).map_err(|error| invalid(error.to_string()));
    }
    check_nesting(text)?;
    // The parser is somebody else's, and asserts things of texts that somebody else again wrote: of
    // `058` as a number, for one. A schema that it stumbles over is refused like any other.
    let parsed = std::panic::catch_unwind(|| protox_parse::parse("schema.proto", text));
    let parsed = parsed.map_err(|_| invalid("the parser gave up".to_owned()))?;
    parsed.map_err(|error| invalid(error.to_string()))
}

/// Counts every bracket, also in comments and texts: nobody has that many open.
fn check_nesting(text: &str) -> Result<(), SchemaFault> {
    let mut open = 0usize;
    for byte in text.bytes() {
        match byte {
            b'{' | b'[' | b'(' | b'<' => open += 1,
            b'}' | b']' | b')' | b'>' => open = open.saturating_sub(1),
            _ => {}
        }
        if open > NESTING_MAX {
            return Err(SchemaFault::TooLarge { what: "open brackets", limit: NESTING_MAX });
        }
    }
    Ok(())
}
