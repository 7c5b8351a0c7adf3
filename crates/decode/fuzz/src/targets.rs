//! What is called with hostile bytes.

mod avro;
mod json;
mod json_schema;
mod ledger;
mod made_avro;
mod made_protobuf;
mod one_column;
mod protobuf;
mod records;
mod types;
mod wire;

/// What came of an input, as a number: inputs with a new one are worth changing further. Not a verdict;
/// what must never be, panics.
pub type Outcome = u64;

/// A parser under test.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, and that of its folder in `corpus/`.
    pub name: &'static str,
    /// Calls it once. Panics where an invariant is broken.
    pub run: fn(&[u8]) -> Outcome,
    /// Words of its language.
    pub words: &'static [&'static str],
    /// Inputs to begin with, beside the kept ones.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

const JSON_WORDS: &[&str] = &[
    "null",
    "true",
    "false",
    "{",
    "}",
    "[",
    "]",
    "\"",
    ",",
    ":",
    "{\"",
    "\":",
    "\\u0000",
    "\\ud83d\\ude80",
    "\\ud800",
    "\\n",
    "\"NaN\"",
    "\"-Infinity\"",
    "1970-01-01",
    "2299-12-31T23:59:59.999999999Z",
    "+14:00",
    "1900-01-01 00:00:00",
    "::ffff:1.2.3.4",
    "00000000-0000-0000-0000-000000000000",
    "\u{feff}",
    "[]",
    "{}",
];

const CONNECT_WORDS: &[&str] = &[
    "\"schema\":",
    "\"payload\":",
    "\"type\":",
    "\"struct\"",
    "\"int8\"",
    "\"int64\"",
    "\"float32\"",
    "\"bytes\"",
    "\"array\"",
    "\"items\":",
    "\"map\"",
    "\"keys\":",
    "\"values\":",
    "\"fields\":[",
    "\"field\":\"c0\"",
    "\"optional\":true",
    "\"default\":",
    "\"name\":\"org.apache.kafka.connect.data.Decimal\"",
    "\"parameters\":{\"scale\":\"2\"}",
    "\"name\":\"io.debezium.time.MicroTimestamp\"",
    "\"name\":\"io.debezium.data.VariableScaleDecimal\"",
    "null",
    "true",
    "[",
    "]",
    "{",
    "}",
];

const JSON_SCHEMA_WORDS: &[&str] = &[
    "\"type\":\"object\"",
    "\"properties\":{",
    "\"a\":",
    "\"type\":\"integer\"",
    "\"type\":[\"null\",\"string\"]",
    "\"oneOf\":[",
    "\"allOf\":[",
    "\"$ref\":\"#\"",
    "\"$ref\":\"#/definitions/G\"",
    "\"definitions\":{",
    "\"$defs\":{",
    "\"items\":",
    "\"additionalProperties\":",
    "\"enum\":[\"p\"]",
    "\"connect.type\":\"int64\"",
    "\"connect.type\":\"bytes\"",
    "\"connect.parameters\":{\"scale\":\"2\"}",
    "\"title\":\"org.apache.kafka.connect.data.Decimal\"",
    "\"default\":",
    "\"required\":[",
    "\"format\":\"date-time\"",
    "\"$id\":\"x\"",
    "null",
    "{",
    "}",
    "[",
    "]",
];

const ROW_WORDS: &[&str] = &[
    "\\N", "\"\"", "\"", ",", "\t", "\n", "\r\n", "\\t", "\\x41", "[", "]", "'", "(", ")", "{", "}", "NULL",
    "nan", "-inf",
];

const AVRO_WORDS: &[&str] = &[
    "\"type\":",
    "\"record\"",
    "\"name\":\"R\"",
    "\"fields\":[",
    "\"array\"",
    "\"items\":",
    "\"map\"",
    "\"values\":",
    "\"enum\"",
    "\"symbols\":[\"p\"]",
    "\"fixed\"",
    "\"size\":3",
    "\"null\"",
    "\"boolean\"",
    "\"int\"",
    "\"long\"",
    "\"float\"",
    "\"double\"",
    "\"bytes\"",
    "\"string\"",
    "\"logicalType\":\"decimal\"",
    "\"precision\":9",
    "\"scale\":2",
    "\"logicalType\":\"timestamp-nanos\"",
    "\"logicalType\":\"uuid\"",
    "\"logicalType\":\"duration\"",
    "\"namespace\":\"a.b\"",
    "\"default\":null",
    "[\"null\",",
    "\"R\"",
    "{",
    "}",
    "[",
    "]",
];

const PROTO_WORDS: &[&str] = &[
    "syntax = \"proto3\";",
    "syntax = \"proto2\";",
    "package p;",
    "message M {",
    "}",
    "repeated ",
    "optional ",
    "required ",
    "oneof o {",
    "map<string, int32> ",
    "enum E { A = 0; }",
    "int32 ",
    "sint64 ",
    "fixed32 ",
    "double ",
    "bool ",
    "string ",
    "bytes ",
    "group G = 5 {",
    "extensions 100 to max;",
    "reserved 4;",
    "option a = b;",
    "[packed = false]",
    "[default = 7]",
    "import \"google/protobuf/timestamp.proto\";",
    "google.protobuf.Timestamp ",
    "google.protobuf.Struct ",
    "google.protobuf.Int64Value ",
    " = 1;",
    "M ",
    "//",
    "/*",
];

const TYPE_WORDS: &[&str] = &[
    "Nullable(",
    "LowCardinality(",
    "Array(",
    "Map(",
    "Tuple(",
    "Nested(",
    "Variant(",
    "Dynamic",
    "JSON(",
    "SKIP ",
    "REGEXP ",
    "max_dynamic_paths=0",
    "String",
    "FixedString(",
    "Decimal(76, 75)",
    "Enum8('a' = 1)",
    "Enum16(",
    "DateTime64(9, 'UTC')",
    "Time64(",
    "IntervalSecond",
    "SimpleAggregateFunction(sum, UInt64)",
    "UInt256",
    "AggregateFunction(",
    "Geometry",
    "Point",
    ")",
    ", ",
    "'",
    "`",
    "\\",
    " = -128",
    "BFloat16",
    "Nothing",
];

const LEDGER_WORDS: &[&str] = &[
    "{\"pumphouse\":1,",
    "\"topic\":\"00000000000000000000000000000070\"",
    "\"share\":",
    "\"batch\":",
    "\"lead\":",
    "\"end\":",
    "\"rows\":",
    "\"hash\":",
    "\"left\":",
    "\"whole\":",
    "\"token\":",
    "\"ranges\":\"0:0+1,",
    "\"piece\":",
    "\"engine\":\"plain\"",
    "null",
    "18446744073709551615",
    "9223372036854775807",
];

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "json", run: json::json, words: JSON_WORDS, seeds: json::seeds },
    Target { name: "connect_json", run: json::connect, words: CONNECT_WORDS, seeds: json::connect_seeds },
    Target {
        name: "json_schema",
        run: json_schema::run,
        words: JSON_SCHEMA_WORDS,
        seeds: json_schema::seeds,
    },
    Target {
        name: "delimited",
        run: one_column::delimited,
        words: ROW_WORDS,
        seeds: one_column::delimited_seeds,
    },
    Target { name: "whole_value", run: one_column::whole, words: &[], seeds: one_column::whole_seeds },
    Target { name: "avro_body", run: avro::body, words: &[], seeds: avro::bodies },
    Target { name: "avro_schema", run: avro::schema, words: AVRO_WORDS, seeds: avro::schemas },
    Target { name: "avro_made", run: made_avro::run, words: &[], seeds: made_avro::seeds },
    Target { name: "protobuf_body", run: protobuf::body, words: &[], seeds: protobuf::bodies },
    Target { name: "protobuf_schema", run: protobuf::schema, words: PROTO_WORDS, seeds: protobuf::schemas },
    Target {
        name: "protobuf_descriptor",
        run: protobuf::descriptor,
        words: &[],
        seeds: protobuf::descriptors,
    },
    Target { name: "protobuf_made", run: made_protobuf::run, words: &[], seeds: made_avro::seeds },
    Target { name: "wire_header", run: wire::run, words: &[], seeds: wire::seeds },
    Target { name: "type_text", run: types::run, words: TYPE_WORDS, seeds: types::seeds },
    Target { name: "ledger_text", run: ledger::run, words: LEDGER_WORDS, seeds: ledger::seeds },
];
