//! The 336,776 flights that left New York's airports in 2013, as JSON records.
//!
//! Real data with what real data has: many nulls, skewed keys, a time as text.

use std::fmt::Write;
use std::fs;

use crate::error::{Result, TestkitError, io};
use crate::filling::FillRecord;
use crate::install::flights_csv;
use crate::row_shape::{ColumnKind, RowShape, ShapeColumn};

/// How many flights there are.
pub const FLIGHTS: u32 = 336_776;

/// The columns of a table for flights, as they stand in CREATE TABLE.
pub const TABLE_COLUMNS: &str = "\
id UInt32, year UInt16, month UInt8, day UInt8, \
dep_time Nullable(Int16), sched_dep_time Int16, dep_delay Nullable(Int16), \
arr_time Nullable(Int16), sched_arr_time Int16, arr_delay Nullable(Int16), \
carrier LowCardinality(String), flight UInt16, tailnum Nullable(String), \
origin LowCardinality(String), dest LowCardinality(String), \
air_time Nullable(Int16), distance UInt16, hour UInt8, minute UInt8, \
time_hour DateTime64(3, 'UTC')";

/// Members of a record behind `id`, in the order of the file; true where the value is text.
const MEMBERS: [(&str, bool); 19] = [
    ("year", false),
    ("month", false),
    ("day", false),
    ("dep_time", false),
    ("sched_dep_time", false),
    ("dep_delay", false),
    ("arr_time", false),
    ("sched_arr_time", false),
    ("arr_delay", false),
    ("carrier", true),
    ("flight", false),
    ("tailnum", true),
    ("origin", true),
    ("dest", true),
    ("air_time", false),
    ("distance", false),
    ("hour", false),
    ("minute", false),
    ("time_hour", true),
];

/// One flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flight {
    /// Row in the file, from 0.
    pub id: u32,
    /// Carrier and flight number, such as `UA1545`: the natural key of a Kafka record.
    pub key: String,
    /// The record: one JSON object with `id` and the file's 19 columns; `NA` is null.
    pub json: String,
}

impl Flight {
    /// The flight as a record for one of `partitions`, by its key.
    pub fn into_record(self, partitions: i32) -> FillRecord {
        let hash = twox_hash::XxHash64::oneshot(0, self.key.as_bytes());
        FillRecord {
            partition: (hash % partitions as u64) as i32,
            key: Some(self.key.into_bytes()),
            value: Some(self.json.into_bytes()),
        }
    }
}

/// All flights, in the file's order; downloads the file at the first call on this machine.
pub fn flights() -> Result<Flights> {
    let path = flights_csv()?;
    let text = fs::read_to_string(&path).map_err(io(format!("read {}", path.display())))?;
    // The digest of the file is pinned, so its form is known; this guards our own reading of it.
    let names: Vec<&str> = text.lines().next().unwrap_or_default().split(',').collect();
    if !names.iter().eq(MEMBERS.iter().map(|(name, _)| name)) {
        return Err(TestkitError::Malformed {
            what: "flights.csv".to_owned(),
            problem: format!("columns {names:?}"),
        });
    }
    let next_byte = text.find('\n').map_or(text.len(), |end| end + 1);
    Ok(Flights { text, next_byte, next_id: 0 })
}

/// Iterator over the flights.
#[derive(Debug)]
pub struct Flights {
    text: String,
    next_byte: usize,
    next_id: u32,
}

impl Iterator for Flights {
    type Item = Flight;

    fn next(&mut self) -> Option<Flight> {
        let rest = &self.text[self.next_byte..];
        let line = rest.lines().next()?;
        let flight = flight_of(self.next_id, line);
        self.next_byte = (self.next_byte + line.len() + 1).min(self.text.len());
        self.next_id += 1;
        Some(flight)
    }
}

fn flight_of(id: u32, line: &str) -> Flight {
    let mut json = String::with_capacity(360);
    let mut key = String::with_capacity(8);
    let _ = write!(json, "{{\"id\":{id}");
    for ((name, is_text), value) in MEMBERS.iter().zip(line.split(',')) {
        let _ = match (value, is_text) {
            ("NA", _) => write!(json, ",\"{name}\":null"),
            (text, true) => write!(json, ",\"{name}\":\"{text}\""),
            (number, false) => write!(json, ",\"{name}\":{number}"),
        };
        if matches!(*name, "carrier" | "flight") {
            key.push_str(value);
        }
    }
    json.push('}');
    Flight { id, key, json }
}

/// What of a flight is compared: everything.
pub fn shape() -> RowShape {
    let mut columns = vec![ShapeColumn::new("id", ColumnKind::Integer)];
    columns.extend(MEMBERS.iter().map(|&(name, is_text)| {
        let kind = match (name, is_text) {
            ("time_hour", _) => ColumnKind::Time,
            (_, true) => ColumnKind::Text,
            (_, false) => ColumnKind::Integer,
        };
        let nullable = TABLE_COLUMNS.contains(&format!(" {name} Nullable("));
        ShapeColumn { name, kind, nullable }
    }));
    RowShape::new(&columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_becomes_a_json_object() {
        let line = "2013,1,1,NA,515,2,830,819,11,UA,1545,NA,EWR,IAH,227,1400,5,15,\
                    2013-01-01T10:00:00Z";
        let flight = flight_of(7, line);
        assert_eq!(flight.key, "UA1545");
        assert_eq!(
            flight.json,
            "{\"id\":7,\"year\":2013,\"month\":1,\"day\":1,\"dep_time\":null,\
             \"sched_dep_time\":515,\"dep_delay\":2,\"arr_time\":830,\"sched_arr_time\":819,\
             \"arr_delay\":11,\"carrier\":\"UA\",\"flight\":1545,\"tailnum\":null,\
             \"origin\":\"EWR\",\"dest\":\"IAH\",\"air_time\":227,\"distance\":1400,\"hour\":5,\
             \"minute\":15,\"time_hour\":\"2013-01-01T10:00:00Z\"}"
        );
        shape().hash_of_json(flight.json.as_bytes()).unwrap();
    }
}
