//! The record that everything here is measured with: twelve columns, some 250 bytes as JSON.
use std::sync::Arc;

use pumphouse_decode::{DefaultKind, PlanOptions, TableColumn, TablePlan};

/// Names and types of the table's columns.
pub const COLUMNS: [(&str, &str); 12] = [
    ("id", "UInt64"),
    ("time", "DateTime64(3)"),
    ("carrier", "LowCardinality(String)"),
    ("flight", "UInt16"),
    ("tailnum", "Nullable(String)"),
    ("origin", "LowCardinality(String)"),
    ("dest", "LowCardinality(String)"),
    ("dep_delay", "Nullable(Int32)"),
    ("distance", "Float64"),
    ("price", "Decimal(9, 2)"),
    ("cancelled", "Bool"),
    ("note", "String"),
];

/// As an Avro serializer registers it.
pub const AVRO_SCHEMA: &str = r#"{"type":"record","name":"Event","namespace":"flights","fields":[
    {"name":"id","type":"long"},
    {"name":"time","type":{"type":"long","logicalType":"timestamp-millis"}},
    {"name":"carrier","type":"string"},{"name":"flight","type":"int"},
    {"name":"tailnum","type":["null","string"],"default":null},
    {"name":"origin","type":"string"},{"name":"dest","type":"string"},
    {"name":"dep_delay","type":["null","int"],"default":null},
    {"name":"distance","type":"double"},
    {"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},
    {"name":"cancelled","type":"boolean"},{"name":"note","type":"string"}]}"#;

/// As a Protobuf serializer registers it. Protobuf has no decimal: the price is a text, as in JSON.
pub const PROTO_SCHEMA: &str = "syntax = \"proto3\"; package flights; message Event { uint64 id = 1; \
    int64 time = 2; string carrier = 3; uint32 flight = 4; optional string tailnum = 5; string origin = 6; \
    string dest = 7; optional int32 dep_delay = 8; double distance = 9; string price = 10; \
    bool cancelled = 11; string note = 12; }";

const CARRIERS: [&str; 6] = ["UA", "AA", "B6", "DL", "EV", "MQ"];
const AIRPORTS: [&str; 8] = ["JFK", "LGA", "EWR", "IAH", "MIA", "BQN", "ATL", "ORD"];

/// Days of 2013 before each month.
const DAYS_BEFORE: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

/// The first of January 2013, in days since 1970.
const FIRST_DAY: u64 = 15_706;

/// One event; what it holds depends on its number alone.
#[derive(Debug, Clone)]
pub struct Event {
    id: u64,
    /// Month from 0, day from 0, hour, minute, milliseconds.
    time: (u64, u64, u64, u64, u64),
    carrier: &'static str,
    flight: u16,
    tailnum: Option<String>,
    origin: &'static str,
    dest: &'static str,
    dep_delay: Option<i32>,
    distance: f64,
    price_cents: u32,
    cancelled: bool,
    note: String,
}

impl Event {
    /// Event number `n`.
    pub fn new(n: usize) -> Event {
        let wide = n as u64;
        Event {
            id: 1_000_000_007 * wide,
            time: (wide % 12, wide % 28, wide % 24, wide % 60, wide % 1000),
            carrier: CARRIERS[n % 6],
            flight: (n % 9000) as u16,
            tailnum: (!n.is_multiple_of(97)).then(|| format!("N{}", n % 4000)),
            origin: AIRPORTS[n % 8],
            dest: AIRPORTS[n * 7 % 8],
            dep_delay: (!n.is_multiple_of(50)).then_some((n % 300) as i32 - 20),
            distance: (n % 4000) as f64 + 0.5,
            price_cents: (n % 900 * 100 + n % 100) as u32,
            cancelled: n.is_multiple_of(50),
            note: format!("gate {} boarding was late again", n % 77),
        }
    }

    fn time_ms(&self) -> i64 {
        let (month, day, hour, minute, ms) = self.time;
        let days = FIRST_DAY + DAYS_BEFORE[month as usize] + day;
        ((days * 24 + hour) * 3_600_000 + minute * 60_000 + ms) as i64
    }

    fn price(&self) -> String {
        format!("{}.{:02}", self.price_cents / 100, self.price_cents % 100)
    }

    /// A JSON object, as `JsonConverter` without schemas takes it.
    pub fn json(&self) -> Vec<u8> {
        let (month, day, hour, minute, ms) = self.time;
        let quoted =
            |text: &Option<String>| text.as_ref().map_or("null".to_owned(), |text| format!("\"{text}\""));
        format!(
            "{{\"id\":{},\"time\":\"2013-{:02}-{:02}T{hour:02}:{minute:02}:00.{ms:03}Z\",\"carrier\":\"{}\",\
             \"flight\":{},\"tailnum\":{},\"origin\":\"{}\",\"dest\":\"{}\",\"dep_delay\":{},\"distance\":{:.1},\
             \"price\":\"{}\",\"cancelled\":{},\"note\":\"{}\"}}",
            self.id,
            month + 1,
            day + 1,
            self.carrier,
            self.flight,
            quoted(&self.tailnum),
            self.origin,
            self.dest,
            self.dep_delay.map_or("null".to_owned(), |minutes| minutes.to_string()),
            self.distance,
            self.price(),
            self.cancelled,
            self.note,
        )
        .into_bytes()
    }

    /// Avro, without Confluent's header.
    pub fn avro(&self) -> Vec<u8> {
        let mut out = Vec::new();
        long(self.id as i64, &mut out);
        long(self.time_ms(), &mut out);
        text(self.carrier, &mut out);
        long(i64::from(self.flight), &mut out);
        if let Some(tailnum) = &self.tailnum {
            long(1, &mut out);
            text(tailnum, &mut out);
        } else {
            long(0, &mut out);
        }
        text(self.origin, &mut out);
        text(self.dest, &mut out);
        if let Some(minutes) = self.dep_delay {
            long(1, &mut out);
            long(i64::from(minutes), &mut out);
        } else {
            long(0, &mut out);
        }
        out.extend(self.distance.to_le_bytes());
        // Three bytes hold every price of these, with room for the sign.
        let price = self.price_cents.to_be_bytes();
        long(3, &mut out);
        out.extend(&price[1..]);
        out.push(u8::from(self.cancelled));
        text(&self.note, &mut out);
        out
    }

    /// Protobuf, without Confluent's header. Zero is not written, as proto3 has it.
    pub fn protobuf(&self) -> Vec<u8> {
        let mut out = Vec::new();
        number(1, self.id, &mut out);
        number(2, self.time_ms() as u64, &mut out);
        bytes(3, self.carrier, &mut out);
        number(4, u64::from(self.flight), &mut out);
        if let Some(tailnum) = &self.tailnum {
            bytes(5, tailnum, &mut out);
        }
        bytes(6, self.origin, &mut out);
        bytes(7, self.dest, &mut out);
        if let Some(minutes) = self.dep_delay {
            // Its presence counts, so zero is written.
            varint(8 << 3, &mut out);
            varint(i64::from(minutes) as u64, &mut out);
        }
        varint(9 << 3 | 1, &mut out);
        out.extend(self.distance.to_le_bytes());
        bytes(10, &self.price(), &mut out);
        number(11, u64::from(self.cancelled), &mut out);
        bytes(12, &self.note, &mut out);
        out
    }
}

fn varint(mut raw: u64, out: &mut Vec<u8>) {
    while raw >= 0x80 {
        out.push(raw as u8 | 0x80);
        raw >>= 7;
    }
    out.push(raw as u8);
}

fn long(value: i64, out: &mut Vec<u8>) {
    varint((value << 1 ^ value >> 63) as u64, out);
}

fn text(value: &str, out: &mut Vec<u8>) {
    long(value.len() as i64, out);
    out.extend(value.as_bytes());
}

fn number(field: u64, value: u64, out: &mut Vec<u8>) {
    if value != 0 {
        varint(field << 3, out);
        varint(value, out);
    }
}

fn bytes(field: u64, value: &str, out: &mut Vec<u8>) {
    varint(field << 3 | 2, out);
    varint(value.len() as u64, out);
    out.extend(value.as_bytes());
}

/// The table's plan.
pub fn plan() -> Arc<TablePlan> {
    let columns: Vec<TableColumn> = COLUMNS
        .iter()
        .map(|(name, type_text)| TableColumn {
            name: (*name).to_owned(),
            type_text: (*type_text).to_owned(),
            default_kind: DefaultKind::None,
            default_expression: String::new(),
        })
        .collect();
    Arc::new(TablePlan::compile(&columns, PlanOptions::default()).expect("the types are supported"))
}
