//! Synthetic events: twelve columns of the common types, the same in every run for one seed.

use std::fmt::Write;

use crate::filling::FillRecord;
use crate::row_shape::{ColumnKind, RowShape, ShapeColumn};
use crate::seeded::Seeded;

/// The columns of a table for events, as they stand in CREATE TABLE.
pub const TABLE_COLUMNS: &str = "\
id UInt64, ts DateTime64(3, 'UTC'), user_id UInt32, country LowCardinality(String), url String, \
status UInt16, duration Float64, amount Decimal(18, 4), flag Bool, trace UUID, \
tags Array(String), note Nullable(String)";

const COUNTRIES: [&str; 16] =
    ["US", "DE", "FR", "GB", "IN", "BR", "JP", "CA", "ES", "IT", "NL", "PL", "SE", "MX", "KR", "ZA"];
const PAGES: [&str; 8] = ["home", "search", "item", "cart", "checkout", "help", "login", "account"];
const STATUSES: [u16; 8] = [200, 200, 200, 200, 204, 301, 404, 500];
const TAGS: [&str; 6] = ["new", "mobile", "promo", "beta", "retry", "vip"];
/// Not only ASCII, and with what JSON must escape.
const NOTES: [&str; 4] = ["paid", "gr\u{fc}n", "a \\\"quoted\\\" word", "two\\nlines"];

/// The first event happens at this time: 2026-01-01T00:00:00Z. Each next one is 1 to 20 ms later.
const FIRST_TIME_MS: i64 = 1_767_225_600_000;

/// Events with ids from `first_id`, without end: take as many as needed.
/// The same seed and first id give the same events; they hold no time of this machine.
#[derive(Clone, Debug)]
pub struct Events {
    seeded: Seeded,
    next_id: u64,
    time_ms: i64,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Number of the event.
    pub id: u64,
    /// The user it belongs to: the natural key of a Kafka record.
    pub user_id: u32,
    /// The record, one JSON object of about 230 bytes.
    pub json: String,
}

impl Event {
    /// The event as a record for one of `partitions`, by its user.
    pub fn into_record(self, partitions: i32) -> FillRecord {
        FillRecord {
            partition: (self.user_id % partitions as u32) as i32,
            key: Some(self.user_id.to_string().into_bytes()),
            value: Some(self.json.into_bytes()),
        }
    }
}

/// The events of a seed, with ids from `first_id`.
pub fn events(seed: u64, first_id: u64) -> Events {
    // Another first id is another stretch of numbers, so that parts of one run can be made apart.
    let mixed = seed ^ first_id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Events { seeded: Seeded::new(mixed), next_id: first_id, time_ms: FIRST_TIME_MS }
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let id = self.next_id;
        self.next_id += 1;
        self.time_ms += 1 + self.seeded.below(20) as i64;
        let user_id = self.seeded.below(100_000) as u32;
        let mut json = String::with_capacity(280);
        write_event(&mut json, id, self.time_ms, user_id, &mut self.seeded);
        Some(Event { id, user_id, json })
    }
}

fn write_event(json: &mut String, id: u64, time_ms: i64, user_id: u32, seeded: &mut Seeded) {
    let mut pick = |from: &[&'static str]| from[seeded.below(from.len() as u64) as usize];
    let (country, page) = (pick(&COUNTRIES), pick(&PAGES));
    let status = STATUSES[seeded.below(STATUSES.len() as u64) as usize];
    // Thousandths: a decimal text that is read back as the same double everywhere.
    let duration = seeded.below(2_000_000) as f64 / 1_000.0;
    let amount = seeded.below(20_000_000) as i64 - 1_000_000;
    let sign = if amount < 0 { "-" } else { "" };
    let (whole, fraction) = (amount.abs() / 10_000, amount.abs() % 10_000);
    let flag = seeded.chance(0.3);
    // Writing to a String cannot fail.
    let _ = write!(json, "{{\"id\":{id},\"ts\":\"");
    append_time(json, time_ms);
    let _ = write!(
        json,
        "\",\"user_id\":{user_id},\"country\":\"{country}\",\"url\":\"/{page}/{}\",\
         \"status\":{status},\"duration\":{duration},\
         \"amount\":\"{sign}{whole}.{fraction:04}\",\"flag\":{flag},\"trace\":\"",
        seeded.below(50_000),
    );
    append_uuid(json, seeded);
    json.push_str("\",\"tags\":[");
    for place in 0..seeded.below(3) {
        let comma = if place > 0 { "," } else { "" };
        let _ = write!(json, "{comma}\"{}\"", TAGS[seeded.below(TAGS.len() as u64) as usize]);
    }
    if seeded.chance(0.25) {
        let _ = write!(json, "],\"note\":\"{}\"}}", NOTES[seeded.below(NOTES.len() as u64) as usize]);
    } else {
        json.push_str("],\"note\":null}");
    }
}

/// Milliseconds since 1970 as `YYYY-MM-DDThh:mm:ss.mmmZ`.
pub fn time_text(time_ms: i64) -> String {
    let mut text = String::with_capacity(24);
    append_time(&mut text, time_ms);
    text
}

/// `YYYY-MM-DDThh:mm:ss.mmmZ`.
/// Source: Howard Hinnant, "chrono-compatible low-level date algorithms", civil_from_days.
fn append_time(json: &mut String, time_ms: i64) {
    let (days, ms) = (time_ms.div_euclid(86_400_000), time_ms.rem_euclid(86_400_000));
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    let _ =
        write!(json, "{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{:03}Z", ms % 1_000);
}

/// A random (version 4) UUID in lower case.
fn append_uuid(json: &mut String, seeded: &mut Seeded) {
    let (high, low) = (seeded.next_u64(), seeded.next_u64());
    let _ = write!(
        json,
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        (low >> 48) & 0x3fff | 0x8000,
        low & 0xffff_ffff_ffff
    );
}

/// What of an event is compared: everything.
pub fn shape() -> RowShape {
    RowShape::new(&[
        ShapeColumn::new("id", ColumnKind::Integer),
        ShapeColumn::new("ts", ColumnKind::Time),
        ShapeColumn::new("user_id", ColumnKind::Integer),
        ShapeColumn::new("country", ColumnKind::Text),
        ShapeColumn::new("url", ColumnKind::Text),
        ShapeColumn::new("status", ColumnKind::Integer),
        ShapeColumn::new("duration", ColumnKind::Float64),
        ShapeColumn::new("amount", ColumnKind::Decimal { scale: 4 }),
        ShapeColumn::new("flag", ColumnKind::Bool),
        ShapeColumn::new("trace", ColumnKind::Uuid),
        ShapeColumn::new("tags", ColumnKind::TextArray),
        ShapeColumn::nullable("note", ColumnKind::Text),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row_shape::milliseconds_of;

    #[test]
    fn a_seed_gives_the_same_events_again_and_another_seed_others() {
        let first: Vec<Event> = events(3, 100).take(50).collect();
        assert_eq!(first, events(3, 100).take(50).collect::<Vec<_>>());
        assert_ne!(first, events(4, 100).take(50).collect::<Vec<_>>());
        assert_eq!(first[49].id, 149);
    }

    #[test]
    fn events_have_twelve_members_and_a_realistic_size() {
        let shape = shape();
        let mut bytes = 0;
        for event in events(1, 0).take(5_000) {
            let json: serde_json::Value = serde_json::from_str(&event.json).unwrap();
            assert_eq!(json.as_object().unwrap().len(), 12);
            shape.hash_of_json(event.json.as_bytes()).unwrap();
            bytes += event.json.len();
        }
        assert!((165..=250).contains(&(bytes / 5_000)), "{} bytes", bytes / 5_000);
    }

    #[test]
    fn written_times_are_read_back() {
        for time_ms in [0, 951_782_399_999, 951_782_400_000, FIRST_TIME_MS, 1_795_219_201_007] {
            let mut text = String::new();
            append_time(&mut text, time_ms);
            assert_eq!(milliseconds_of(&text), Ok(time_ms), "{text}");
        }
    }
}
