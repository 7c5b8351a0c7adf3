//! Protobuf: hostile bodies for a fixed schema, hostile `.proto` texts, hostile descriptors.
use pumphouse_decode::Format;
use pumphouse_types::SchemaKind;

use super::Outcome;
use super::records::{Table, decode, decoder, framed, outcome, outcome_of, plan, schema as registered};

/// A field of every kind, for the fixed table.
pub const SCHEMA: &str = "syntax = \"proto3\";\nimport \"google/protobuf/timestamp.proto\";\n\
    import \"google/protobuf/struct.proto\";\nimport \"google/protobuf/wrappers.proto\";\npackage p;\n\
    message R { optional string a = 1; repeated string b = 2; map<string, double> c = 3; sint64 d = 4;\n\
    google.protobuf.Timestamp e = 5; bytes f = 6; G g = 7; E h = 8;\n\
    oneof i_one { google.protobuf.Struct i = 9; google.protobuf.Int64Value j = 10; }\n\
    repeated fixed32 k = 11; message G { G x = 1; bytes y = 2; repeated sint32 z = 3; } enum E { P = 0; Q = 1; } }";

/// Between a schema's text and a body; no text has it.
const END_OF_TEXT: u8 = 0;

pub fn body(input: &[u8]) -> Outcome {
    let mut decoder = decoder(Format::Protobuf, &plan(Table::Fixed));
    decoder.add_schema(&registered(1, SchemaKind::Protobuf, SCHEMA)).expect("a schema of our own");
    // The first message of the file.
    outcome_of(&decode(&mut decoder, &framed(&[&[0][..], input].concat())))
}

/// A record that fits, and the same with a group of another schema in it.
pub fn bodies() -> Vec<Vec<u8>> {
    let good = [
        &[0x0a, 3, b'a', b'b', b'c'][..],
        &[0x12, 1, b'x', 0x12, 0],
        &[0x1a, 12, 0x0a, 1, b'k', 0x11, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f],
        &[0x20, 7],
        &[0x2a, 7, 0x08, 0x80, 0xe1, 0xeb, 0x17, 0x10, 0],
        &[0x32, 3, b'f', b'i', b'x'],
        &[0x3a, 8, 0x0a, 2, 0x12, 0, 0x1a, 2, 1, 2],
        &[0x40, 1],
        &[0x4a, 11, 0x0a, 9, 0x0a, 1, b'q', 0x12, 4, 0x1a, 2, b'o', b'k'],
        &[0x5a, 4, 1, 0, 0, 0],
    ];
    let group: &[u8] = &[0xfb, 1, 0xab, 1, 8, 1, 0xac, 1, 0xfc, 1];
    vec![good.concat(), [group, &good.concat()].concat(), vec![0x52, 2, 0x08, 5]]
}

fn with_schema(text: &str, body: &[u8]) -> Outcome {
    let mut decoder = decoder(Format::Protobuf, &plan(Table::Fixed));
    let added = decoder.add_schema(&registered(1, SchemaKind::Protobuf, text));
    let fault = added.err().map(|error| std::mem::discriminant(&error.fault));
    let decoded = decode(&mut decoder, &framed(&[&[0][..], body].concat()));
    assert!(fault.is_none() || decoded.is_err(), "a schema that cannot be used was used");
    outcome((fault, outcome_of(&decoded)))
}

/// A `.proto` text, a zero byte, a body of its first message.
pub fn schema(input: &[u8]) -> Outcome {
    let end = input.iter().position(|byte| *byte == END_OF_TEXT).unwrap_or(input.len());
    let Ok(text) = std::str::from_utf8(&input[..end]) else { return 0 };
    with_schema(text, input.get(end + 1..).unwrap_or_default())
}

/// The fixed schema, and pieces of the language.
pub fn schemas() -> Vec<Vec<u8>> {
    let texts = [
        SCHEMA,
        "syntax = \"proto2\"; message R { required int32 a = 1; optional group G = 2 { optional string x = 3; } extensions 100 to 199; }",
        "message R { optional R g = 7 [deprecated = true]; reserved 8, 9 to 11; reserved \"old\"; }",
        "syntax = \"proto3\"; option java_package = \"x\"; message R { repeated int32 b = 2 [packed = false]; } enum E { option allow_alias = true; A = 0; B = 0; }",
        "edition = \"2023\"; message R { string a = 1; }",
        "syntax = \"proto3\"; service S { rpc Call (R) returns (stream R); } message R { map<int64, R> c = 3; }",
    ];
    texts.iter().map(|text| [text.as_bytes(), &[END_OF_TEXT], &bodies()[0]].concat()).collect()
}

/// A length of two bytes, a descriptor of that length (it travels as base64), a body.
pub fn descriptor(input: &[u8]) -> Outcome {
    let Some(([low, high], rest)) = input.split_first_chunk() else { return 0 };
    let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
    let (descriptor, body) = rest.split_at(length);
    with_schema(&base64(descriptor), body)
}

/// Descriptors put together by hand: a message with a text, a list, itself, a map, an enum.
pub fn descriptors() -> Vec<Vec<u8>> {
    let field = |name: &str, number: u8, label: u8, kind: u8, of: &str| {
        let mut out = part(1, name.as_bytes());
        out.extend([0x18, number, 0x20, label, 0x28, kind]);
        if !of.is_empty() {
            out.extend(part(6, of.as_bytes()));
        }
        part(2, &out)
    };
    let value = [part(1, b"P"), vec![0x10, 0]].concat();
    let choices = [part(1, b"E"), part(2, &value)].concat();
    let entry =
        [part(1, b"CEntry"), field("key", 1, 1, 9, ""), field("value", 2, 1, 1, ""), part(7, &[0x38, 1])]
            .concat();
    let message = [
        part(1, b"R"),
        field("a", 1, 1, 9, ""),
        field("b", 2, 3, 9, ""),
        field("c", 3, 3, 11, ".p.R.CEntry"),
        field("g", 7, 1, 11, ".p.R"),
        field("h", 8, 1, 14, ".p.R.E"),
        part(3, &entry),
        part(4, &choices),
    ]
    .concat();
    let file = [part(1, b"r.proto"), part(2, b"p"), part(4, &message), part(12, b"proto3")].concat();
    let length = (file.len() as u16).to_le_bytes();
    // Of the descriptor's message, field 7 is the message itself.
    let bodies = [&[0x0a, 1, b'x', 0x3a, 5, 0x0a, 1, b'y', 0x12, 0, 0x40, 0][..], &bodies()[0]];
    bodies.iter().map(|body| [&length[..], &file, body].concat()).collect()
}

/// A field of bytes; all of ours are short.
fn part(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let length = bytes.len();
    if length >= 0x80 {
        out.push(length as u8 | 0x80);
        out.push((length >> 7) as u8);
    } else {
        out.push(length as u8);
    }
    out.extend(bytes);
    out
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().chain(&[0; 2]).take(3).fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place)) as usize & 63];
            out.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::records::{Table, code, decode, decoder, framed, plan, schema};
    use super::*;

    #[test]
    fn base64_is_as_everybody_writes_it() {
        assert_eq!(
            [&b""[..], b"f", b"fo", b"foo", b"foob"].map(base64),
            ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]
        );
    }

    /// A seed that is refused at once would find nothing behind that.
    #[test]
    fn the_seeds_are_good_records() {
        let file = &descriptors()[0];
        let length = usize::from(u16::from_le_bytes([file[0], file[1]]));
        let (descriptor, body) = file[2..].split_at(length);
        for (text, body) in [(SCHEMA, &bodies()[0][..]), (&base64(descriptor), body)] {
            let mut decoder = decoder(Format::Protobuf, &plan(Table::Fixed));
            decoder.add_schema(&schema(1, SchemaKind::Protobuf, text)).unwrap();
            assert_eq!(code(&decode(&mut decoder, &framed(&[&[0][..], body].concat()))), "ok", "{text}");
        }
    }
}
