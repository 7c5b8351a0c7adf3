//! Messages made from an input's bytes, and bodies that fit them.
use pumphouse_decode::Format;
use pumphouse_types::SchemaKind;

use super::Outcome;
use super::records::{code, compile, decode, decoder, framed, outcome, outcome_of, schema};
use crate::random::Decisions;

const DEPTH_MAX: usize = 3;

const SCALARS: [(&str, Wire); 15] = [
    ("int32", Wire::Varint),
    ("int64", Wire::Varint),
    ("uint32", Wire::Varint),
    ("uint64", Wire::Varint),
    ("sint32", Wire::Varint),
    ("sint64", Wire::Varint),
    ("bool", Wire::Varint),
    ("fixed32", Wire::Four),
    ("sfixed32", Wire::Four),
    ("float", Wire::Four),
    ("fixed64", Wire::Eight),
    ("sfixed64", Wire::Eight),
    ("double", Wire::Eight),
    ("string", Wire::Bytes),
    ("bytes", Wire::Bytes),
];

#[derive(Clone, Copy, PartialEq)]
enum Wire {
    Varint,
    Four,
    Eight,
    Bytes,
}

impl Wire {
    fn number(self) -> u64 {
        match self {
            Wire::Varint => 0,
            Wire::Eight => 1,
            Wire::Bytes => 2,
            Wire::Four => 5,
        }
    }
}

const COLUMNS: [&str; 7] = [
    "String",
    "JSON",
    "Dynamic",
    "Nullable(Int64)",
    "Array(String)",
    "Map(String, String)",
    "Tuple(f1 Nullable(String), f2 Array(Float64))",
];

pub fn run(input: &[u8]) -> Outcome {
    let mut decisions = Decisions(input);
    let column = COLUMNS[decisions.below(COLUMNS.len())];
    let corrupt = decisions.below(3) == 0;
    let mut text = String::from("syntax = \"proto3\"; message R {");
    let mut names = 0;
    let mut body = Vec::new();
    field(&mut decisions, (1, "c"), DEPTH_MAX, &mut names, &mut text, &mut body);
    text.push('}');
    let mut decoder = decoder(Format::Protobuf, &compile(&[("c", column)]));
    let added = decoder.add_schema(&schema(1, SchemaKind::Protobuf, &text));
    assert!(added.is_ok(), "{added:?}: {text}");
    if corrupt {
        let at = decisions.below(256).min(body.len());
        body.truncate(at);
        body.extend(decisions.0.iter().take(4));
    }
    let decoded = decode(&mut decoder, &framed(&[&[0][..], &body].concat()));
    assert!(corrupt || code(&decoded) != "DECODE-030", "{decoded:?}: {text} {}", body.escape_ascii());
    outcome((column, text.len().min(96), outcome_of(&decoded)))
}

fn varint(mut raw: u64, out: &mut Vec<u8>) {
    while raw >= 0x80 {
        out.push(raw as u8 | 0x80);
        raw >>= 7;
    }
    out.push(raw as u8);
}

fn tag(number: u64, wire: Wire, out: &mut Vec<u8>) {
    varint(number << 3 | wire.number(), out);
}

/// Only ASCII: a `string` that is not UTF-8 is another matter.
fn value(decisions: &mut Decisions<'_>, wire: Wire, out: &mut Vec<u8>) {
    match wire {
        Wire::Varint => varint(decisions.number() as u64, out),
        Wire::Four => out.extend((decisions.number() as u32).to_le_bytes()),
        Wire::Eight => out.extend(decisions.number().to_le_bytes()),
        Wire::Bytes => {
            let bytes: Vec<u8> = (0..decisions.below(10)).map(|_| decisions.byte() & 0x7f).collect();
            varint(bytes.len() as u64, out);
            out.extend(bytes);
        }
    }
}

/// Declares a field and writes it none, one or some times.
fn field(
    decisions: &mut Decisions<'_>,
    (number, name): (u64, &str),
    depth: usize,
    names: &mut usize,
    text: &mut String,
    out: &mut Vec<u8>,
) {
    let (kind, wire) = SCALARS[decisions.below(SCALARS.len())];
    match decisions.below(if depth == 0 { 4 } else { 7 }) {
        0 => {
            *text += &format!("{kind} {name} = {number};");
            tag(number, wire, out);
            value(decisions, wire, out);
        }
        1 => *text += &format!("optional {kind} {name} = {number};"),
        2 => {
            *text += &format!("repeated {kind} {name} = {number};");
            let mut packed = Vec::new();
            for _ in 0..decisions.below(5) {
                if wire == Wire::Bytes || decisions.below(2) == 0 {
                    tag(number, wire, out);
                    value(decisions, wire, out);
                } else {
                    value(decisions, wire, &mut packed);
                }
            }
            if !packed.is_empty() {
                bytes(number, &packed, out);
            }
        }
        3 => {
            *text += &format!("map<string, {kind}> {name} = {number};");
            for _ in 0..decisions.below(4) {
                let mut entry = Vec::new();
                tag(1, Wire::Bytes, &mut entry);
                value(decisions, Wire::Bytes, &mut entry);
                tag(2, wire, &mut entry);
                value(decisions, wire, &mut entry);
                bytes(number, &entry, out);
            }
        }
        shape => {
            *names += 1;
            let message = format!("M{names}");
            let mut body = Vec::new();
            *text += &format!("message {message} {{");
            for place in 1..=1 + decisions.below(3) as u64 {
                field(decisions, (place, &format!("f{place}")), depth - 1, names, text, &mut body);
            }
            let repeated = if shape == 4 { "repeated " } else { "" };
            *text += &format!("}} {repeated}{message} {name} = {number};");
            for _ in 0..decisions.below(3) {
                bytes(number, &body, out);
            }
        }
    }
}

fn bytes(number: u64, value: &[u8], out: &mut Vec<u8>) {
    tag(number, Wire::Bytes, out);
    varint(value.len() as u64, out);
    out.extend(value);
}
