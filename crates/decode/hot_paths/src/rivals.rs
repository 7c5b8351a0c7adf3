//! The simplest other way: a general-purpose decoder makes a tree of values, and each value goes into its
//! column. The columns are the same, and so is the block that comes of them.
use std::io;

use pumphouse_columns::{Column, Segment};

use crate::event::{AVRO_SCHEMA, PROTO_SCHEMA};

/// What a tree has to say, by field.
struct Row<'a> {
    id: u64,
    time_ms: i64,
    carrier: &'a str,
    flight: u16,
    tailnum: Option<&'a str>,
    origin: &'a str,
    dest: &'a str,
    dep_delay: Option<i32>,
    distance: f64,
    price_cents: i32,
    cancelled: bool,
    note: &'a str,
}

fn put_text(column: &mut Column, text: Option<&str>) {
    match (column, text) {
        (Column::Text(values), Some(text)) => values.push(text.as_bytes()),
        (Column::Low(values), Some(text)) => values.push_text(text.as_bytes()),
        (Column::Nullable(nullable), Some(text)) => {
            put_text(nullable.values(), Some(text));
            nullable.value_pushed();
        }
        (Column::Nullable(nullable), None) => nullable.push_null(),
        (column, _) => panic!("{column:?}"),
    }
}

impl Row<'_> {
    fn put(&self, segment: &mut Segment) {
        let columns = segment.columns_mut();
        let [id, time, carrier, flight, tailnum, origin, dest, delay, distance, price, cancelled, note] =
            columns
        else {
            panic!("twelve columns");
        };
        put_text(carrier, Some(self.carrier));
        put_text(tailnum, self.tailnum);
        put_text(origin, Some(self.origin));
        put_text(dest, Some(self.dest));
        put_text(note, Some(self.note));
        if let Column::U64(values) = id {
            values.push(self.id);
        }
        if let Column::I64(values) = time {
            values.push(self.time_ms);
        }
        if let Column::U16(values) = flight {
            values.push(self.flight);
        }
        if let Column::Nullable(nullable) = delay {
            match (self.dep_delay, nullable.values()) {
                (Some(minutes), Column::I32(values)) => {
                    values.push(minutes);
                    nullable.value_pushed();
                }
                _ => nullable.push_null(),
            }
        }
        if let Column::F64(values) = distance {
            values.push(self.distance);
        }
        if let Column::I32(values) = price {
            values.push(self.price_cents);
        }
        if let Column::U8(values) = cancelled {
            values.push(u8::from(self.cancelled));
        }
        segment.commit_row();
    }
}

fn cents(text: &str) -> i32 {
    let (whole, part) = text.split_once('.').expect("a price has a point");
    whole.parse::<i32>().expect("a number") * 100 + part.parse::<i32>().expect("a number")
}

/// `serde_json::Value` to columns.
pub fn json(segment: &mut Segment, value: &[u8]) {
    let value: serde_json::Value = serde_json::from_slice(value).expect("our own JSON");
    let text = |name: &str| value[name].as_str();
    let time: jiff::Timestamp = text("time").expect("a text").parse().expect("a time");
    let row = Row {
        id: value["id"].as_u64().expect("a number"),
        time_ms: time.as_millisecond(),
        carrier: text("carrier").expect("a text"),
        flight: value["flight"].as_u64().expect("a number") as u16,
        tailnum: text("tailnum"),
        origin: text("origin").expect("a text"),
        dest: text("dest").expect("a text"),
        dep_delay: value["dep_delay"].as_i64().map(|minutes| minutes as i32),
        distance: value["distance"].as_f64().expect("a number"),
        price_cents: cents(text("price").expect("a text")),
        cancelled: value["cancelled"].as_bool().expect("a bool"),
        note: text("note").expect("a text"),
    };
    row.put(segment);
}

/// Generic Avro: the schema, to be parsed once.
pub fn avro_schema() -> apache_avro::Schema {
    apache_avro::Schema::parse_str(AVRO_SCHEMA).expect("a schema of our own")
}

/// `apache_avro::types::Value` to columns. `body`: behind Confluent's header.
pub fn avro(schema: &apache_avro::Schema, segment: &mut Segment, mut body: &[u8]) {
    use apache_avro::types::Value;
    let body: &mut dyn io::Read = &mut body;
    let value = apache_avro::from_avro_datum(schema, &mut { body }, None).expect("our own Avro");
    let Value::Record(fields) = value else { panic!("a record") };
    let field = |name: &str| &fields.iter().find(|(known, _)| known == name).expect("a field").1;
    fn within(value: &Value) -> &Value {
        match value {
            Value::Union(_, inner) => inner,
            other => other,
        }
    }
    let text = |name: &str| match within(field(name)) {
        Value::String(text) => Some(text.as_str()),
        _ => None,
    };
    let int = |name: &str| match within(field(name)) {
        Value::Int(number) => Some(*number),
        _ => None,
    };
    let (Value::Long(id), Value::TimestampMillis(time_ms)) = (field("id"), field("time")) else { panic!() };
    let (Value::Double(distance), Value::Boolean(cancelled)) = (field("distance"), field("cancelled")) else {
        panic!()
    };
    let Value::Decimal(price) = field("price") else { panic!() };
    let digits = Vec::<u8>::try_from(price).expect("as long as it was");
    let row = Row {
        id: *id as u64,
        time_ms: *time_ms,
        carrier: text("carrier").expect("a text"),
        flight: int("flight").expect("a number") as u16,
        tailnum: text("tailnum"),
        origin: text("origin").expect("a text"),
        dest: text("dest").expect("a text"),
        dep_delay: int("dep_delay"),
        distance: *distance,
        price_cents: digits.iter().fold(0, |number, digit| number << 8 | i32::from(*digit)),
        cancelled: *cancelled,
        note: text("note").expect("a text"),
    };
    row.put(segment);
}

/// Generic Protobuf: the message's descriptor, to be made once.
pub fn protobuf_message() -> prost_reflect::MessageDescriptor {
    let file = protox_parse::parse("event.proto", PROTO_SCHEMA).expect("a schema of our own");
    let mut pool = prost_reflect::DescriptorPool::new();
    pool.add_file_descriptor_proto(file).expect("a schema of our own");
    pool.get_message_by_name("flights.Event").expect("the message is there")
}

/// `prost_reflect::DynamicMessage` to columns. `body`: behind Confluent's header.
pub fn protobuf(message: &prost_reflect::MessageDescriptor, segment: &mut Segment, body: &[u8]) {
    let value = prost_reflect::DynamicMessage::decode(message.clone(), body).expect("our own Protobuf");
    let field = |name: &str| value.get_field_by_name(name).expect("a field");
    let texts = ["carrier", "tailnum", "origin", "dest", "price", "note"]
        .map(|name| (value.has_field_by_name(name), field(name)));
    let [carrier, tailnum, origin, dest, price, note] =
        texts.each_ref().map(|(there, text)| there.then(|| text.as_str()).flatten());
    let row = Row {
        id: field("id").as_u64().expect("a number"),
        time_ms: field("time").as_i64().expect("a number"),
        carrier: carrier.expect("a text"),
        flight: field("flight").as_u32().expect("a number") as u16,
        tailnum,
        origin: origin.expect("a text"),
        dest: dest.expect("a text"),
        dep_delay: value.has_field_by_name("dep_delay").then(|| field("dep_delay").as_i32()).flatten(),
        distance: field("distance").as_f64().expect("a number"),
        price_cents: cents(price.expect("a text")),
        cancelled: field("cancelled").as_bool().expect("a bool"),
        note: note.expect("a text"),
    };
    row.put(segment);
}
