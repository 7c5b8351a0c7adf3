//! The value converter: which one, whose options count, and what they say.
use crate::error::{ConfigCode, ConfigError, Note};
use crate::option::Scope;
use crate::raw::RawConfig;
use crate::reading::Reading;
use crate::schema_registry::{self, SchemaRegistry};

const CONVERTER: &str = "value.converter";
const SCHEMAS: &str = "value.converter.schemas.enable";
const NULLS: &str = "value.converter.replace.null.with.default";
const ENCODING: &str = "value.converter.encoding";
const INSERT_FORMAT: &str = "insertFormat";

/// Options that belong to one converter; the others are without effect, whatever the converter is.
const JSON_OPTIONS: &[&str] = &[SCHEMAS, NULLS];
const STRING_OPTIONS: &[&str] = &[ENCODING];
/// All options of the registry stand under one of these.
const REGISTRY_PREFIXES: &[&str] = &[
    "value.converter.schema.registry.",
    "value.converter.basic.auth.",
    "value.converter.bearer.auth.",
    "value.converter.value.subject.",
];

/// How values are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueConverter {
    /// JSON objects: JsonConverter with `schemas.enable=false`.
    Json,
    /// Objects of `schema` and `payload`: JsonConverter with `schemas.enable=true`.
    JsonWithSchema {
        /// Null, and a field that is not there, become the schema's default.
        null_defaults: bool,
    },
    /// Texts that are JSON objects: StringConverter with `insertFormat=JSON`.
    JsonText,
    /// Avro with the number of its schema: AvroConverter.
    Avro(SchemaRegistry),
    /// Protobuf with the number of its schema: ProtobufConverter.
    Protobuf(SchemaRegistry),
}

impl ValueConverter {
    /// Its class in Kafka Connect.
    pub fn class(&self) -> &'static str {
        match self {
            ValueConverter::Json | ValueConverter::JsonWithSchema { .. } => Class::Json.name(),
            ValueConverter::JsonText => Class::String.name(),
            ValueConverter::Avro(_) => Class::Avro.name(),
            ValueConverter::Protobuf(_) => Class::Protobuf.name(),
        }
    }

    /// Where its schemas are.
    pub fn registry(&self) -> Option<&SchemaRegistry> {
        match self {
            ValueConverter::Json | ValueConverter::JsonWithSchema { .. } | ValueConverter::JsonText => None,
            ValueConverter::Avro(registry) | ValueConverter::Protobuf(registry) => Some(registry),
        }
    }

    /// What decides which rows a record becomes, for a configuration version (R15). Where the registry is
    /// does not: a number means the same schema wherever it is asked for.
    pub(crate) fn delivery_relevant(&self) -> &'static str {
        match self {
            ValueConverter::Json | ValueConverter::JsonText => "json, no schemas",
            ValueConverter::JsonWithSchema { null_defaults: true } => "json with schemas",
            ValueConverter::JsonWithSchema { null_defaults: false } => "json with schemas, null stays",
            ValueConverter::Avro(_) => "avro",
            ValueConverter::Protobuf(_) => "protobuf",
        }
    }
}

/// The classes that are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Json,
    Avro,
    Protobuf,
    String,
}

impl Class {
    const ALL: [Class; 4] = [Class::Json, Class::Avro, Class::Protobuf, Class::String];

    const fn name(self) -> &'static str {
        match self {
            Class::Json => "org.apache.kafka.connect.json.JsonConverter",
            Class::Avro => "io.confluent.connect.avro.AvroConverter",
            Class::Protobuf => "io.confluent.connect.protobuf.ProtobufConverter",
            Class::String => "org.apache.kafka.connect.storage.StringConverter",
        }
    }

    /// By its full name, the class alone, or that without `Converter`, as Connect takes them.
    fn find(text: &str) -> Option<Class> {
        Class::ALL.into_iter().find(|class| {
            let full = class.name();
            let simple = full.rsplit('.').next().unwrap_or(full);
            text == full || text == simple || Some(text) == simple.strip_suffix("Converter")
        })
    }
}

/// The classes that are built.
pub(crate) fn class_names() -> Vec<&'static str> {
    Class::ALL.map(Class::name).to_vec()
}

/// What is found while options are read that may stand in another file.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    errors: Vec<ConfigError>,
    notes: Vec<Note>,
    warnings: Vec<Note>,
}

impl Findings {
    pub(crate) fn error(
        &mut self,
        code: ConfigCode,
        option: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.errors.push(ConfigError::new(code, option, message, remedy));
    }

    pub(crate) fn note(&mut self, option: &str, message: &str) {
        self.notes.push(Note { option: option.to_owned(), message: message.to_owned() });
    }

    fn warn(&mut self, option: &str, message: &str) {
        self.warnings.push(Note { option: option.to_owned(), message: message.to_owned() });
    }
}

/// As Kafka Connect does it: a connector that names a converter brings that converter's options, too;
/// one that names none takes converter and options from the worker.
pub(crate) fn read(reading: &mut Reading<'_>, worker: &RawConfig) -> ValueConverter {
    let insert_format = reading.text(INSERT_FORMAT).to_ascii_uppercase();
    let mut findings = Findings::default();
    let read = if reading.given(CONVERTER).is_some() {
        understand(reading, &insert_format, &mut findings)
    } else {
        for (name, _) in reading.family("value.converter.") {
            let message = "It counts only beside value.converter; without that, the worker's converter and its options are used.";
            findings.note(&format!("value.converter.{name}"), message);
        }
        understand(&Reading::new(worker, Scope::Worker), &insert_format, &mut findings)
    };
    reading.errors.append(&mut findings.errors);
    reading.notes.append(&mut findings.notes);
    reading.warnings.append(&mut findings.warnings);
    // Where there is none, there is an error.
    read.unwrap_or(ValueConverter::Json)
}

fn understand(options: &Reading<'_>, insert_format: &str, findings: &mut Findings) -> Option<ValueConverter> {
    let class = class(options, findings)?;
    options_of_others(class, options, findings);
    if class != Class::String && insert_format != "NONE" {
        findings.note(INSERT_FORMAT, "It concerns the texts of StringConverter only.");
    }
    match class {
        Class::Json if options.boolean(SCHEMAS) => {
            if options.given(SCHEMAS).is_none() {
                findings.warn(SCHEMAS, "It is not given, and true in Kafka Connect: every value has to be an object of schema and payload. Set it to false for plain JSON.");
            }
            Some(ValueConverter::JsonWithSchema { null_defaults: options.boolean(NULLS) })
        }
        Class::Json => Some(ValueConverter::Json),
        Class::Avro => schema_registry::read(options, findings).map(ValueConverter::Avro),
        Class::Protobuf => schema_registry::read(options, findings).map(ValueConverter::Protobuf),
        Class::String => text_format(insert_format, findings),
    }
}

fn class(options: &Reading<'_>, findings: &mut Findings) -> Option<Class> {
    let Some(text) = options.given(CONVERTER) else {
        let remedy = format!("Set it to {}, and {SCHEMAS} to false, for JSON objects.", Class::Json.name());
        let message = "neither the connector nor the worker gives it";
        findings.error(ConfigCode::Missing, CONVERTER, message, remedy);
        return None;
    };
    let found = Class::find(text);
    if found.is_none() {
        let built = Class::ALL.map(Class::name).join(", ");
        let message = format!("{text:?} is not built");
        findings.error(ConfigCode::NotYet, CONVERTER, message, format!("There are {built}."));
    }
    found
}

/// Options that count for another converter only.
fn options_of_others(class: Class, options: &Reading<'_>, findings: &mut Findings) {
    let mut without_effect = Vec::new();
    if class != Class::Json {
        without_effect.extend_from_slice(JSON_OPTIONS);
    }
    if class != Class::String {
        without_effect.extend_from_slice(STRING_OPTIONS);
    }
    for (name, _) in options.family("") {
        let of_registry = REGISTRY_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        if without_effect.contains(&name) || (of_registry && !matches!(class, Class::Avro | Class::Protobuf))
        {
            findings.note(name, "It belongs to another converter.");
        }
    }
}

fn text_format(insert_format: &str, findings: &mut Findings) -> Option<ValueConverter> {
    let (code, message) = match insert_format {
        "JSON" => return Some(ValueConverter::JsonText),
        "NONE" => (ConfigCode::Missing, "StringConverter needs it, to know what the texts are".to_owned()),
        other => (ConfigCode::NotYet, format!("{other} is not built yet")),
    };
    findings.error(code, INSERT_FORMAT, message, "Set it to JSON, and send JSON objects.");
    None
}
