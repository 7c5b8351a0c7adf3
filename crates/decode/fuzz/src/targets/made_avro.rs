//! Avro schemas made from an input's bytes, and bodies that fit them: what hostile text never reaches.
use pumphouse_decode::Format;
use pumphouse_types::SchemaKind;

use super::Outcome;
use super::records::{code, compile, decode, decoder, framed, outcome, outcome_of, schema};
use crate::random::{Decisions, Random};

const DEPTH_MAX: usize = 3;

/// Column types that take some of what is made, and refuse the rest.
const COLUMNS: [&str; 8] = [
    "String",
    "JSON",
    "Dynamic",
    "Nullable(Int64)",
    "Array(Nullable(String))",
    "Map(String, String)",
    "Tuple(a Nullable(String), b Nullable(Float64))",
    "Variant(Array(String), Int64, String)",
];

/// A schema with its names still to be given, and the bytes of a value.
struct Made {
    schema: String,
    body: Vec<u8>,
}

pub fn run(input: &[u8]) -> Outcome {
    let mut decisions = Decisions(input);
    let column = COLUMNS[decisions.below(COLUMNS.len())];
    let corrupt = decisions.below(3) == 0;
    let mut names = 0;
    let Made { schema: field, mut body } = made(&mut decisions, DEPTH_MAX, &mut names);
    let text = format!(r#"{{"type":"record","name":"Top","fields":[{{"name":"c","type":{field}}}]}}"#);
    let mut decoder = decoder(Format::Avro, &compile(&[("c", column)]));
    let added = decoder.add_schema(&schema(1, SchemaKind::Avro, &text));
    assert!(added.is_ok(), "{added:?}: {text}");
    if corrupt {
        let at = decisions.below(256).min(body.len());
        body.truncate(at);
        body.extend(decisions.0.iter().take(4));
    }
    let decoded = decode(&mut decoder, &framed(&body));
    // Broken bytes, or a body that is too short: it is neither.
    assert!(corrupt || code(&decoded) != "DECODE-030", "{decoded:?}: {text} {}", body.escape_ascii());
    outcome((column, field.len().min(64), outcome_of(&decoded)))
}

/// Bytes to decide with.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut random = Random::new(0xa5a5);
    (0..64).map(|n| (0..16 + n).map(|_| random.next() as u8).collect()).collect()
}

fn long(value: i64, out: &mut Vec<u8>) {
    let mut raw = (value << 1 ^ value >> 63) as u64;
    while raw >= 0x80 {
        out.push(raw as u8 | 0x80);
        raw >>= 7;
    }
    out.push(raw as u8);
}

fn bytes(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    long(value.len() as i64, &mut out);
    out.extend(value);
    out
}

fn of_long(schema: &str, value: i64) -> Made {
    let mut body = Vec::new();
    long(value, &mut body);
    Made { schema: schema.to_owned(), body }
}

fn made(decisions: &mut Decisions<'_>, depth: usize, names: &mut usize) -> Made {
    let kinds = if depth == 0 { 12 } else { 18 };
    let plain = |schema: &str, body: Vec<u8>| Made { schema: schema.to_owned(), body };
    match decisions.below(kinds) {
        0 => plain(r#""null""#, Vec::new()),
        1 => plain(r#""boolean""#, vec![decisions.byte() & 1]),
        2 => of_long(r#""int""#, i64::from(decisions.number() as i32)),
        3 => of_long(r#""long""#, decisions.number()),
        4 => plain(r#""float""#, (decisions.number() as u32).to_le_bytes().to_vec()),
        5 => plain(r#""double""#, decisions.number().to_le_bytes().to_vec()),
        6 => plain(r#""bytes""#, bytes(decisions.text().as_bytes())),
        7 => plain(r#""string""#, bytes(decisions.text().as_bytes())),
        8 => {
            let logical = ["timestamp-millis", "timestamp-nanos", "local-timestamp-micros", "time-micros"];
            let logical = logical[decisions.below(4)];
            of_long(&format!(r#"{{"type":"long","logicalType":"{logical}"}}"#), decisions.number())
        }
        9 => {
            let logical = ["date", "time-millis"][decisions.below(2)];
            let value = i64::from(decisions.number() as i32);
            of_long(&format!(r#"{{"type":"int","logicalType":"{logical}"}}"#), value)
        }
        10 => {
            let scale = decisions.below(20);
            let digits: Vec<u8> = (0..decisions.below(33)).map(|_| decisions.byte()).collect();
            let schema =
                format!(r#"{{"type":"bytes","logicalType":"decimal","precision":76,"scale":{scale}}}"#);
            Made { schema, body: bytes(&digits) }
        }
        11 => {
            let size = decisions.below(20);
            let name = name(names);
            let body = (0..size).map(|_| decisions.byte()).collect();
            Made { schema: format!(r#"{{"type":"fixed","name":"{name}","size":{size}}}"#), body }
        }
        12 => {
            let (name, symbols) = (name(names), 1 + decisions.below(5));
            let texts: Vec<String> = (0..symbols).map(|n| format!("\"s{n}\"")).collect();
            let schema = format!(r#"{{"type":"enum","name":"{name}","symbols":[{}]}}"#, texts.join(","));
            Made { body: of_long("", decisions.below(symbols) as i64).body, schema }
        }
        13 | 14 => list(decisions, depth, names),
        15 => union(decisions, depth, names),
        _ => record(decisions, depth, names),
    }
}

fn name(names: &mut usize) -> String {
    *names += 1;
    format!("N{names}")
}

/// An array or a map: the same value some times, in blocks with and without their size.
fn list(decisions: &mut Decisions<'_>, depth: usize, names: &mut usize) -> Made {
    let map = decisions.below(2) == 0;
    let inner = made(decisions, depth - 1, names);
    let mut body = Vec::new();
    for _ in 0..decisions.below(3) {
        let count = 1 + decisions.below(4);
        let mut values = Vec::new();
        for _ in 0..count {
            if map {
                values.extend(bytes(decisions.text().as_bytes()));
            }
            values.extend(&inner.body);
        }
        if decisions.below(2) == 0 {
            long(count as i64, &mut body);
        } else {
            long(-(count as i64), &mut body);
            long(values.len() as i64, &mut body);
        }
        body.extend(values);
    }
    long(0, &mut body);
    let (kind, of) = if map { ("map", "values") } else { ("array", "items") };
    Made { schema: format!(r#"{{"type":"{kind}","{of}":{}}}"#, inner.schema), body }
}

/// null, a record and one more: no two of one kind, and no union in a union.
fn union(decisions: &mut Decisions<'_>, depth: usize, names: &mut usize) -> Made {
    let record = record(decisions, depth, names);
    let schema = format!(r#"["null",{},"string"]"#, record.schema);
    let body = match decisions.below(3) {
        0 => vec![0],
        1 => [&[2][..], &record.body].concat(),
        _ => [&[4][..], &bytes(decisions.text().as_bytes())].concat(),
    };
    Made { schema, body }
}

fn record(decisions: &mut Decisions<'_>, depth: usize, names: &mut usize) -> Made {
    let own = name(names);
    let mut fields = Vec::new();
    let mut body = Vec::new();
    for field in &["a", "b", "d"][..decisions.below(4)] {
        let value = made(decisions, depth - 1, names);
        fields.push(format!(r#"{{"name":"{field}","type":{}}}"#, value.schema));
        body.extend(value.body);
    }
    Made { schema: format!(r#"{{"type":"record","name":"{own}","fields":[{}]}}"#, fields.join(",")), body }
}
