//! The narrow shape: the testkit's events. As JSON they are written as they are; for the other formats the
//! same values are taken out of the JSON, so that all formats have the same rows.

use std::borrow::Cow;

use pumphouse_testkit::events::events;
use pumphouse_testkit::filling::FillRecord;
use pumphouse_testkit::row_shape::milliseconds_of;
use serde::Deserialize;

use super::encode::Encoder;
use super::shape::{Row, SEED, Value, columns};
use super::workload::Shape;

/// Numbers and records from `first` on; the partition is for the caller to set.
pub fn records(first: u64, count: u64, encoder: Encoder) -> impl Iterator<Item = (u64, FillRecord)> {
    let columns = columns(Shape::Narrow);
    events(SEED, first).take(count as usize).map(move |event| {
        let id = event.id;
        if encoder.is_json() {
            return (id, event.into_record(1));
        }
        let value = encoder.encode(&columns, &row(&event.json));
        (id, FillRecord { value: Some(value), ..event.into_record(1) })
    })
}

#[derive(Deserialize)]
struct Fields<'a> {
    id: u64,
    ts: &'a str,
    user_id: u64,
    country: &'a str,
    url: &'a str,
    status: u64,
    duration: f64,
    amount: &'a str,
    flag: bool,
    trace: &'a str,
    tags: Vec<&'a str>,
    #[serde(borrow)]
    note: Option<Cow<'a, str>>,
}

fn row(json: &str) -> Row {
    let fields: Fields<'_> = serde_json::from_str(json).expect("an event is an object of these members");
    let text = |text: &str| Value::Text(text.to_owned());
    vec![
        Value::Number(fields.id),
        Value::Time(milliseconds_of(fields.ts).expect("an event's time is ISO 8601")),
        Value::Number(fields.user_id),
        text(fields.country),
        text(fields.url),
        Value::Number(fields.status),
        Value::Float(fields.duration),
        Value::Decimal(fields.amount.replace('.', "").parse().expect("an amount has four places")),
        Value::Bool(fields.flag),
        text(fields.trace),
        Value::Texts(fields.tags.iter().map(|tag| (*tag).to_owned()).collect()),
        fields.note.map_or(Value::Null, |note| Value::Text(note.into_owned())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_taken_apart() {
        let json = "{\"id\":7,\"ts\":\"2026-01-01T00:00:00.019Z\",\"user_id\":5,\"country\":\"US\",\"url\":\"/a\",\
                    \"status\":200,\"duration\":1.25,\"amount\":\"-0.0700\",\"flag\":true,\"trace\":\"t\",\
                    \"tags\":[\"new\"],\"note\":\"two\\nlines\"}";
        let row = row(json);
        assert_eq!(row[1], Value::Time(1_767_225_600_019));
        assert_eq!(row[7], Value::Decimal(-700));
        assert_eq!(row[10], Value::Texts(vec!["new".to_owned()]));
        assert_eq!(row[11], Value::Text("two\nlines".to_owned()));
    }
}
