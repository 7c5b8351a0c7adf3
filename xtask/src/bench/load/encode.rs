//! Rows as JSON, Avro and Protobuf, and the schemas that a serializer would register for them.
//! Source: Avro 1.11 specification, binary encoding; Protocol Buffers encoding; Confluent wire format.

use std::fmt::Write;

use pumphouse_testkit::events::time_text;

use super::shape::{Column, Kind, Row, Value};
use super::workload::Format;

/// Writes rows.
#[derive(Clone, Debug)]
pub struct Encoder {
    format: Format,
    /// What stands before the encoded row.
    header: Vec<u8>,
}

impl Encoder {
    /// JSON objects.
    pub fn json() -> Encoder {
        Encoder { format: Format::Json, header: Vec::new() }
    }

    /// Avro behind the number of its schema.
    pub fn avro(schema: u32) -> Encoder {
        Encoder { format: Format::Avro, header: confluent_header(schema).to_vec() }
    }

    /// Protobuf behind the number of its schema and the index of its message, which is the first.
    pub fn protobuf(schema: u32) -> Encoder {
        let mut header = confluent_header(schema).to_vec();
        header.push(0);
        Encoder { format: Format::Protobuf, header }
    }

    /// Whether it writes JSON.
    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// The value of a Kafka record. Shape: as many values as columns, each of its column's kind.
    pub fn encode(&self, columns: &[Column], row: &Row) -> Vec<u8> {
        assert_eq!(columns.len(), row.len(), "a row has a value per column");
        let mut out = self.header.clone();
        match self.format {
            Format::Json => return json(columns, row).into_bytes(),
            Format::Avro => {
                columns.iter().zip(row).for_each(|(column, value)| avro(column.kind, value, &mut out))
            }
            Format::Protobuf => {
                for (number, value) in (1_u64..).zip(row) {
                    protobuf(number, value, &mut out);
                }
            }
        }
        out
    }
}

fn confluent_header(schema: u32) -> [u8; 5] {
    let [a, b, c, d] = schema.to_be_bytes();
    [0, a, b, c, d]
}

fn json(columns: &[Column], row: &Row) -> String {
    let mut out = String::with_capacity(32 * row.len());
    for (column, value) in columns.iter().zip(row) {
        out.push(if out.is_empty() { '{' } else { ',' });
        quoted(&column.name, &mut out);
        out.push(':');
        json_value(value, &mut out);
    }
    out.push('}');
    out
}

fn json_value(value: &Value, out: &mut String) {
    // Writing to a String cannot fail.
    let _ = match value {
        Value::Number(number) => write!(out, "{number}"),
        Value::Time(ms) => write!(out, "\"{}\"", time_text(*ms)),
        Value::Text(text) => {
            quoted(text, out);
            Ok(())
        }
        Value::Float(float) => write!(out, "{float}"),
        Value::Decimal(_) => write!(out, "\"{}\"", decimal_text(value)),
        Value::Bool(flag) => write!(out, "{flag}"),
        Value::Texts(texts) => {
            for (at, text) in texts.iter().enumerate() {
                out.push(if at == 0 { '[' } else { ',' });
                quoted(text, out);
            }
            out.push_str(if texts.is_empty() { "[]" } else { "]" });
            Ok(())
        }
        Value::Null => write!(out, "null"),
    };
}

fn quoted(text: &str, out: &mut String) {
    out.push('"');
    for sign in text.chars() {
        match sign {
            '"' | '\\' => {
                out.push('\\');
                out.push(sign);
            }
            '\n' => out.push_str("\\n"),
            sign => out.push(sign),
        }
    }
    out.push('"');
}

fn decimal_text(value: &Value) -> String {
    let Value::Decimal(units) = value else { panic!("{value:?} is no decimal") };
    let sign = if *units < 0 { "-" } else { "" };
    let units = units.unsigned_abs();
    format!("{sign}{}.{:04}", units / 10_000, units % 10_000)
}

fn avro(kind: Kind, value: &Value, out: &mut Vec<u8>) {
    // A union's branch: null is the first.
    if kind == Kind::MaybeText {
        zigzag(i64::from(*value != Value::Null), out);
    }
    match value {
        Value::Number(number) => zigzag(*number as i64, out),
        Value::Time(ms) => zigzag(*ms, out),
        Value::Text(text) => avro_bytes(text.as_bytes(), out),
        Value::Float(float) => out.extend(float.to_le_bytes()),
        Value::Decimal(units) => avro_bytes(&units.to_be_bytes(), out),
        Value::Bool(flag) => out.push(u8::from(*flag)),
        Value::Texts(texts) => {
            if !texts.is_empty() {
                zigzag(texts.len() as i64, out);
                texts.iter().for_each(|text| avro_bytes(text.as_bytes(), out));
            }
            out.push(0);
        }
        Value::Null => {}
    }
}

fn avro_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    zigzag(bytes.len() as i64, out);
    out.extend(bytes);
}

fn zigzag(value: i64, out: &mut Vec<u8>) {
    varint((value << 1 ^ value >> 63) as u64, out);
}

fn varint(mut raw: u64, out: &mut Vec<u8>) {
    while raw >= 0x80 {
        out.push(raw as u8 | 0x80);
        raw >>= 7;
    }
    out.push(raw as u8);
}

/// Zero is not written where presence does not count, as proto3 has it.
fn protobuf(number: u64, value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Number(0) | Value::Bool(false) | Value::Null => {}
        Value::Number(whole) => proto_varint(number, *whole, out),
        Value::Time(ms) => proto_varint(number, *ms as u64, out),
        Value::Text(text) => proto_bytes(number, text.as_bytes(), out),
        Value::Float(float) => {
            varint(number << 3 | 1, out);
            out.extend(float.to_le_bytes());
        }
        Value::Decimal(_) => proto_bytes(number, decimal_text(value).as_bytes(), out),
        Value::Bool(true) => proto_varint(number, 1, out),
        Value::Texts(texts) => texts.iter().for_each(|text| proto_bytes(number, text.as_bytes(), out)),
    }
}

fn proto_varint(number: u64, value: u64, out: &mut Vec<u8>) {
    varint(number << 3, out);
    varint(value, out);
}

fn proto_bytes(number: u64, bytes: &[u8], out: &mut Vec<u8>) {
    varint(number << 3 | 2, out);
    varint(bytes.len() as u64, out);
    out.extend(bytes);
}

/// As an Avro serializer registers it.
pub fn avro_schema(columns: &[Column]) -> String {
    let fields: Vec<String> = columns
        .iter()
        .map(|column| {
            let kind = match column.kind {
                Kind::Long | Kind::Int => r#""long""#,
                Kind::Small => r#""int""#,
                Kind::Time => r#"{"type":"long","logicalType":"timestamp-millis"}"#,
                Kind::Choice | Kind::Text => r#""string""#,
                Kind::Float => r#""double""#,
                Kind::Decimal => r#"{"type":"bytes","logicalType":"decimal","precision":18,"scale":4}"#,
                Kind::Bool => r#""boolean""#,
                Kind::Uuid => r#"{"type":"string","logicalType":"uuid"}"#,
                Kind::Texts => r#"{"type":"array","items":"string"}"#,
                Kind::MaybeText => r#"["null","string"]"#,
            };
            format!(r#"{{"name":"{}","type":{kind}}}"#, column.name)
        })
        .collect();
    format!(r#"{{"type":"record","name":"Measured","namespace":"bench","fields":[{}]}}"#, fields.join(","))
}

/// As a Protobuf serializer registers it. Protobuf has neither decimal nor UUID: both are texts, as in JSON;
/// a time is its milliseconds.
pub fn protobuf_schema(columns: &[Column]) -> String {
    let fields: String = (1..)
        .zip(columns)
        .map(|(number, column)| {
            let kind = match column.kind {
                Kind::Long => "uint64",
                Kind::Int | Kind::Small => "uint32",
                Kind::Time => "int64",
                Kind::Choice | Kind::Text | Kind::Decimal | Kind::Uuid => "string",
                Kind::Float => "double",
                Kind::Bool => "bool",
                Kind::Texts => "repeated string",
                Kind::MaybeText => "optional string",
            };
            format!(" {kind} {} = {number};", column.name)
        })
        .collect();
    format!("syntax = \"proto3\"; package bench; message Measured {{{fields} }}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(kinds: &[Kind]) -> Vec<Column> {
        let column = |(at, kind): (usize, &Kind)| Column { name: format!("c{at}"), kind: *kind };
        kinds.iter().enumerate().map(column).collect()
    }

    /// Bytes worked out by hand from the specifications.
    #[test]
    fn bytes_are_those_of_the_specifications() {
        let columns = columns(&[Kind::Long, Kind::MaybeText, Kind::MaybeText, Kind::Texts, Kind::Bool]);
        let row = vec![
            Value::Number(300),
            Value::Null,
            Value::Text("ab".to_owned()),
            Value::Texts(vec!["x".to_owned()]),
            Value::Bool(true),
        ];
        let avro = Encoder::avro(9).encode(&columns, &row);
        assert_eq!(avro, [0, 0, 0, 0, 9, 0xd8, 4, 0, 2, 4, b'a', b'b', 2, 2, b'x', 0, 1]);
        let protobuf = Encoder::protobuf(9).encode(&columns, &row);
        let fields = [8, 0xac, 2, 26, 2, b'a', b'b', 34, 1, b'x', 40, 1];
        assert_eq!(protobuf, [&[0, 0, 0, 0, 9, 0], &fields[..]].concat());
        let json = Encoder::json().encode(&columns, &row);
        assert_eq!(
            String::from_utf8(json).unwrap(),
            r#"{"c0":300,"c1":null,"c2":"ab","c3":["x"],"c4":true}"#
        );
    }

    #[test]
    fn decimals_keep_their_places() {
        assert_eq!(decimal_text(&Value::Decimal(-700)), "-0.0700");
        assert_eq!(decimal_text(&Value::Decimal(1_230_000)), "123.0000");
    }
}
