//! The value converter: which one, whose options count, and what they say.
use std::path::PathBuf;

use crate::error::{ConfigCode, ConfigError, Note};
use crate::option::Scope;
use crate::raw::RawConfig;
use crate::reading::Reading;
use crate::schema_registry::{self, SchemaRegistry};
use crate::value::{list, pairs};

const CONVERTER: &str = "value.converter";
const SCHEMAS: &str = "value.converter.schemas.enable";
const NULLS: &str = "value.converter.replace.null.with.default";
const ENCODING: &str = "value.converter.encoding";
const INSERT_FORMAT: &str = "insertFormat";
const VALUE_COLUMN: &str = "pumphouse.value.column";
const SCHEMA_FILE: &str = "pumphouse.value.schema.file";
const SCHEMA_MESSAGE: &str = "pumphouse.value.schema.message";
const CLICKHOUSE_SETTINGS: &str = "clickhouseSettings";

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
/// How the official sink's users change the reading of texts; here the server does not read them.
const TEXT_SETTINGS: &[&str] = &["format_csv_", "format_tsv_", "input_format_csv_", "input_format_tsv_"];

/// What a value without fields is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum BareValue {
    Bytes,
    Text,
    Short,
    Integer,
    Long,
    Float,
    Double,
    Boolean,
}

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
    /// Texts of one CSV row: StringConverter with `insertFormat=CSV`.
    Csv,
    /// The same with TSV.
    Tsv,
    /// Values without fields, which go to one column as a whole.
    Whole {
        /// What they are.
        value: BareValue,
        /// The column; `None`: the table's only one.
        column: Option<String>,
    },
    /// Avro with the number of its schema: AvroConverter.
    Avro(SchemaRegistry),
    /// Protobuf with the number of its schema: ProtobufConverter.
    Protobuf(SchemaRegistry),
    /// JSON with the number of its JSON Schema: JsonSchemaConverter.
    JsonSchema(SchemaRegistry),
    /// Bare Avro of one schema: AvroConverter with `pumphouse.value.schema.file`.
    AvroOfFile(SchemaFiles),
    /// Bare Protobuf of one schema.
    ProtobufOfFile(SchemaFiles),
}

/// A schema that no registry has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaFiles {
    /// Its files, each behind those that it refers to; at least one.
    pub files: Vec<PathBuf>,
    /// The full name of the values' message (Protobuf); `None`: the last file's only one.
    pub message: Option<String>,
}

impl ValueConverter {
    /// Whether its values have fields with names.
    pub(crate) fn has_fields(&self) -> bool {
        !matches!(self, ValueConverter::Csv | ValueConverter::Tsv | ValueConverter::Whole { .. })
    }

    /// Its class in Kafka Connect.
    pub fn class(&self) -> &'static str {
        match self {
            ValueConverter::Json | ValueConverter::JsonWithSchema { .. } => Class::Json.name(),
            ValueConverter::JsonText | ValueConverter::Csv | ValueConverter::Tsv => Class::String.name(),
            ValueConverter::Whole { value, .. } => Class::of(*value).name(),
            ValueConverter::Avro(_) | ValueConverter::AvroOfFile(_) => Class::Avro.name(),
            ValueConverter::Protobuf(_) | ValueConverter::ProtobufOfFile(_) => Class::Protobuf.name(),
            ValueConverter::JsonSchema(_) => Class::JsonSchema.name(),
        }
    }

    /// Where its schemas are.
    pub fn registry(&self) -> Option<&SchemaRegistry> {
        match self {
            ValueConverter::Json | ValueConverter::JsonWithSchema { .. } | ValueConverter::JsonText => None,
            ValueConverter::Csv | ValueConverter::Tsv | ValueConverter::Whole { .. } => None,
            ValueConverter::AvroOfFile(_) | ValueConverter::ProtobufOfFile(_) => None,
            ValueConverter::Avro(registry)
            | ValueConverter::Protobuf(registry)
            | ValueConverter::JsonSchema(registry) => Some(registry),
        }
    }

    /// The files of its schema.
    pub fn schema_files(&self) -> Option<&SchemaFiles> {
        match self {
            ValueConverter::AvroOfFile(files) | ValueConverter::ProtobufOfFile(files) => Some(files),
            _ => None,
        }
    }

    /// What decides which rows a record becomes, for a configuration version (R15). Where the registry is
    /// does not: a number means the same schema wherever it is asked for. What stands in a schema's file does; whoever
    /// versions a lane's configuration reads it, and adds it.
    pub(crate) fn delivery_relevant(&self) -> &'static str {
        match self {
            ValueConverter::Json | ValueConverter::JsonText => "json, no schemas",
            ValueConverter::JsonWithSchema { null_defaults: true } => "json with schemas",
            ValueConverter::JsonWithSchema { null_defaults: false } => "json with schemas, null stays",
            ValueConverter::Avro(_) => "avro",
            ValueConverter::Protobuf(_) => "protobuf",
            ValueConverter::AvroOfFile(_) => "avro of a file",
            ValueConverter::ProtobufOfFile(_) => "protobuf of a file",
            ValueConverter::JsonSchema(_) => "json schema",
            ValueConverter::Csv => "csv",
            ValueConverter::Tsv => "tsv",
            ValueConverter::Whole { value, .. } => match value {
                BareValue::Bytes => "bytes",
                BareValue::Text => "text",
                BareValue::Short => "short",
                BareValue::Integer => "integer",
                BareValue::Long => "long",
                BareValue::Float => "float",
                BareValue::Double => "double",
                BareValue::Boolean => "boolean",
            },
        }
    }
}

/// The classes that are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Json,
    Avro,
    Protobuf,
    JsonSchema,
    String,
    Bytes,
    Short,
    Integer,
    Long,
    Float,
    Double,
    Boolean,
}

impl Class {
    const ALL: [Class; 12] = [
        Class::Json,
        Class::Avro,
        Class::Protobuf,
        Class::JsonSchema,
        Class::String,
        Class::Bytes,
        Class::Short,
        Class::Integer,
        Class::Long,
        Class::Float,
        Class::Double,
        Class::Boolean,
    ];

    /// The one that reads a value without fields.
    fn of(value: BareValue) -> Class {
        match value {
            BareValue::Text => Class::String,
            BareValue::Bytes => Class::Bytes,
            BareValue::Short => Class::Short,
            BareValue::Integer => Class::Integer,
            BareValue::Long => Class::Long,
            BareValue::Float => Class::Float,
            BareValue::Double => Class::Double,
            BareValue::Boolean => Class::Boolean,
        }
    }

    fn reads_numbered_schemas(self) -> bool {
        matches!(self, Class::Avro | Class::Protobuf | Class::JsonSchema)
    }

    const fn name(self) -> &'static str {
        match self {
            Class::Json => "org.apache.kafka.connect.json.JsonConverter",
            Class::Avro => "io.confluent.connect.avro.AvroConverter",
            Class::Protobuf => "io.confluent.connect.protobuf.ProtobufConverter",
            Class::JsonSchema => "io.confluent.connect.json.JsonSchemaConverter",
            Class::String => "org.apache.kafka.connect.storage.StringConverter",
            Class::Bytes => "org.apache.kafka.connect.converters.ByteArrayConverter",
            Class::Short => "org.apache.kafka.connect.converters.ShortConverter",
            Class::Integer => "org.apache.kafka.connect.converters.IntegerConverter",
            Class::Long => "org.apache.kafka.connect.converters.LongConverter",
            Class::Float => "org.apache.kafka.connect.converters.FloatConverter",
            Class::Double => "org.apache.kafka.connect.converters.DoubleConverter",
            Class::Boolean => "org.apache.kafka.connect.converters.BooleanConverter",
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
    let beside = Beside {
        insert_format: reading.text(INSERT_FORMAT).to_ascii_uppercase(),
        value_column: reading.given(VALUE_COLUMN).map(str::to_owned),
        schema_files: list(reading.text(SCHEMA_FILE)).into_iter().map(PathBuf::from).collect(),
        schema_message: reading.given(SCHEMA_MESSAGE).map(str::to_owned),
        settings: reading.text(CLICKHOUSE_SETTINGS),
    };
    let mut findings = Findings::default();
    let read = if reading.given(CONVERTER).is_some() {
        understand(reading, &beside, &mut findings)
    } else {
        for (name, _) in reading.family("value.converter.") {
            let message = "It counts only beside value.converter; without that, the worker's converter and its options are used.";
            findings.note(&format!("value.converter.{name}"), message);
        }
        understand(&Reading::new(worker, Scope::Worker), &beside, &mut findings)
    };
    reading.errors.append(&mut findings.errors);
    reading.notes.append(&mut findings.notes);
    reading.warnings.append(&mut findings.warnings);
    // Where there is none, there is an error.
    read.unwrap_or(ValueConverter::Json)
}

/// The connector's own options that say something about its values.
struct Beside<'a> {
    insert_format: String,
    value_column: Option<String>,
    schema_files: Vec<PathBuf>,
    schema_message: Option<String>,
    settings: &'a str,
}

fn understand(options: &Reading<'_>, beside: &Beside<'_>, findings: &mut Findings) -> Option<ValueConverter> {
    let class = class(options, findings)?;
    options_of_others(class, options, findings);
    if class != Class::String && beside.insert_format != "NONE" {
        findings.note(INSERT_FORMAT, "It concerns the texts of StringConverter only.");
    }
    let whole = |value| Some(ValueConverter::Whole { value, column: beside.value_column.clone() });
    let read = match class {
        Class::Json if options.boolean(SCHEMAS) => {
            if options.given(SCHEMAS).is_none() {
                findings.warn(SCHEMAS, "It is not given, and true in Kafka Connect: every value has to be an object of schema and payload. Set it to false for plain JSON.");
            }
            Some(ValueConverter::JsonWithSchema { null_defaults: options.boolean(NULLS) })
        }
        Class::Json => Some(ValueConverter::Json),
        Class::Avro if !beside.schema_files.is_empty() => {
            Some(ValueConverter::AvroOfFile(schema_files(options, beside, findings)))
        }
        Class::Protobuf if !beside.schema_files.is_empty() => {
            Some(ValueConverter::ProtobufOfFile(schema_files(options, beside, findings)))
        }
        Class::Avro => schema_registry::read(options, findings).map(ValueConverter::Avro),
        Class::Protobuf => schema_registry::read(options, findings).map(ValueConverter::Protobuf),
        Class::JsonSchema => schema_registry::read(options, findings).map(ValueConverter::JsonSchema),
        Class::String => text_format(beside, findings),
        Class::Bytes => whole(BareValue::Bytes),
        Class::Short => whole(BareValue::Short),
        Class::Integer => whole(BareValue::Integer),
        Class::Long => whole(BareValue::Long),
        Class::Float => whole(BareValue::Float),
        Class::Double => whole(BareValue::Double),
        Class::Boolean => whole(BareValue::Boolean),
    };
    let of_file = read.as_ref().is_some_and(|read| read.schema_files().is_some());
    if !of_file && !beside.schema_files.is_empty() {
        let message = "only AvroConverter and ProtobufConverter read by the schema of a file";
        findings.error(ConfigCode::Conflict, SCHEMA_FILE, message, "Remove it, or choose one of them.");
    }
    if beside.schema_message.is_some() && !matches!(read, Some(ValueConverter::ProtobufOfFile(_))) {
        findings.note(SCHEMA_MESSAGE, "It belongs to ProtobufConverter with pumphouse.value.schema.file.");
    }
    let has_fields = !matches!(read, Some(ValueConverter::Whole { .. }) | None);
    if has_fields && beside.value_column.is_some() {
        findings.error(
            ConfigCode::Conflict,
            VALUE_COLUMN,
            "the values that this converter reads have fields, which go to columns by name or place",
            "Remove it, or choose a converter whose values have none.",
        );
    }
    read
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
        if without_effect.contains(&name) || (of_registry && !class.reads_numbered_schemas()) {
            findings.note(name, "It belongs to another converter.");
        }
    }
}

fn schema_files(options: &Reading<'_>, beside: &Beside<'_>, findings: &mut Findings) -> SchemaFiles {
    if options.given("value.converter.schema.registry.url").is_some() {
        let message = "a registry is given as well, and values either carry the number of a schema or not";
        findings.error(ConfigCode::Conflict, SCHEMA_FILE, message, "Keep one of the two.");
    }
    SchemaFiles { files: beside.schema_files.clone(), message: beside.schema_message.clone() }
}

fn text_format(beside: &Beside<'_>, findings: &mut Findings) -> Option<ValueConverter> {
    match beside.insert_format.as_str() {
        "JSON" => Some(ValueConverter::JsonText),
        "CSV" | "TSV" => {
            default_texts_only(beside.settings, findings);
            Some(if beside.insert_format == "CSV" { ValueConverter::Csv } else { ValueConverter::Tsv })
        }
        "NONE" if beside.value_column.is_some() => {
            Some(ValueConverter::Whole { value: BareValue::Text, column: beside.value_column.clone() })
        }
        "NONE" => {
            findings.error(
                ConfigCode::Missing,
                INSERT_FORMAT,
                "StringConverter needs it, to know what the texts are",
                format!("Set it to JSON, CSV or TSV; or set {VALUE_COLUMN} to the column that takes the whole text."),
            );
            None
        }
        // Reported by its kind.
        _ => None,
    }
}

/// Texts are read by us, as the server reads them with its default settings.
fn default_texts_only(settings: &str, findings: &mut Findings) {
    for (name, _) in pairs(settings).unwrap_or_default() {
        if TEXT_SETTINGS.iter().any(|prefix| name.starts_with(prefix)) {
            findings.error(
                ConfigCode::NotYet,
                CLICKHOUSE_SETTINGS,
                format!("{name} is not built: texts are read before they are sent, as the server reads them by default"),
                "Remove it, and send texts in the default form.",
            );
        }
    }
}
