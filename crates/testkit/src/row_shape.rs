//! Rows as one text per row, made in the same way from a JSON record and by ClickHouse.
//!
//! Comparing millions of rows by content wants one number per row. Both sides write the columns
//! as the same text, column by column with an end mark, and hash it with XXH64. The text is exact:
//! a float is written as its bits, a decimal with all its digits, a time as its milliseconds.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserializer;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use twox_hash::XxHash64;

use crate::error::{Result, TestkitError};

/// Ends each column's text. Not found in any test data, so no two rows share a text.
const COLUMN_END: char = '\u{1f}';
/// Ends each element of an array.
const ELEMENT_END: char = '\u{1e}';
/// Stands for NULL.
const NULL: char = '\u{1d}';

/// How a column is written as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Any integer type; a JSON number without fraction.
    Integer,
    /// Float64; a JSON number.
    Float64,
    /// String or LowCardinality(String); a JSON string.
    Text,
    /// Bool; true or false.
    Bool,
    /// Decimal with this many digits behind the point; a JSON string or number.
    Decimal {
        /// Digits behind the point.
        scale: u8,
    },
    /// DateTime64(3, 'UTC'); a JSON string `2026-01-02T03:04:05[.678]Z`.
    Time,
    /// UUID; a JSON string in lower case.
    Uuid,
    /// Array(String); a JSON array of strings.
    TextArray,
}

/// One column: name in the table and in the JSON object, kind, and whether it is Nullable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShapeColumn {
    /// Name.
    pub name: &'static str,
    /// Kind.
    pub kind: ColumnKind,
    /// Whether NULL is allowed; a JSON null or an absent member is NULL.
    pub nullable: bool,
}

impl ShapeColumn {
    /// A column that is never NULL.
    pub const fn new(name: &'static str, kind: ColumnKind) -> ShapeColumn {
        ShapeColumn { name, kind, nullable: false }
    }

    /// A Nullable column.
    pub const fn nullable(name: &'static str, kind: ColumnKind) -> ShapeColumn {
        ShapeColumn { name, kind, nullable: true }
    }
}

/// The columns of a row that are compared, in order.
#[derive(Clone, Debug)]
pub struct RowShape {
    columns: Vec<ShapeColumn>,
    places: BTreeMap<&'static str, usize>,
}

impl RowShape {
    /// A shape of at least one column with distinct names.
    pub fn new(columns: &[ShapeColumn]) -> RowShape {
        let places: BTreeMap<_, _> =
            columns.iter().enumerate().map(|(place, column)| (column.name, place)).collect();
        assert!(!columns.is_empty() && places.len() == columns.len(), "distinct columns");
        RowShape { columns: columns.to_vec(), places }
    }

    /// The ClickHouse expression (UInt64) that hashes a row of the table.
    pub fn hash_expression(&self) -> String {
        let texts: Vec<String> = self.columns.iter().map(text_expression).collect();
        format!("xxHash64(concat({}, ''))", texts.join(", "))
    }

    /// The same hash from a record's JSON object. Members that are no column are ignored.
    /// Errors: `Malformed` when a member cannot be what its column is.
    pub fn hash_of_json(&self, json: &[u8]) -> Result<u64> {
        self.text_of_json(json).map(|text| XxHash64::oneshot(0, text.as_bytes()))
    }

    fn text_of_json(&self, json: &[u8]) -> Result<String> {
        let malformed = |problem: String| TestkitError::Malformed {
            what: format!("record {}", String::from_utf8_lossy(json)),
            problem,
        };
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let members = deserializer
            .deserialize_map(MembersInPlace { shape: self })
            .map_err(|error| malformed(error.to_string()))?;
        let mut text = String::with_capacity(json.len());
        for (column, member) in self.columns.iter().zip(members) {
            let member = member.map_or("null", RawValue::get);
            append_text(column, member, &mut text)
                .map_err(|problem| malformed(format!("{}: {problem}", column.name)))?;
            text.push(COLUMN_END);
        }
        Ok(text)
    }
}

fn text_expression(column: &ShapeColumn) -> String {
    let name = format!("`{}`", column.name);
    let value = if column.nullable { format!("assumeNotNull({name})") } else { name.clone() };
    let text = match column.kind {
        ColumnKind::Integer | ColumnKind::Text | ColumnKind::Bool | ColumnKind::Uuid => {
            format!("toString({value})")
        }
        ColumnKind::Float64 => format!("toString(reinterpretAsUInt64({value}))"),
        ColumnKind::Decimal { scale } => format!("toDecimalString({value}, {scale})"),
        ColumnKind::Time => format!("toString(toUnixTimestamp64Milli({value}))"),
        ColumnKind::TextArray => {
            let end = sql_char(ELEMENT_END);
            format!("arrayStringConcat(arrayMap(x -> concat(x, {end}), {value}))")
        }
    };
    let end = sql_char(COLUMN_END);
    if column.nullable {
        format!("if(isNull({name}), {}, {text}), {end}", sql_char(NULL))
    } else {
        format!("{text}, {end}")
    }
}

fn sql_char(char: char) -> String {
    format!("char({})", u32::from(char))
}

fn append_text(column: &ShapeColumn, member: &str, text: &mut String) -> std::result::Result<(), String> {
    if member == "null" {
        if !column.nullable {
            return Err("null".to_owned());
        }
        text.push(NULL);
        return Ok(());
    }
    match column.kind {
        ColumnKind::Integer => {
            member.parse::<i128>().map_err(|error| format!("{member}: {error}"))?;
            text.push_str(member);
        }
        ColumnKind::Float64 => {
            let value: f64 = member.parse().map_err(|error| format!("{member}: {error}"))?;
            text.push_str(&value.to_bits().to_string());
        }
        ColumnKind::Text | ColumnKind::Uuid => text.push_str(&string_of(member)?),
        ColumnKind::Bool if member == "true" || member == "false" => text.push_str(member),
        ColumnKind::Bool => return Err(format!("{member} is no Bool")),
        ColumnKind::Decimal { scale } => {
            let digits = if member.starts_with('"') { string_of(member)? } else { member.into() };
            text.push_str(&fixed_point(&digits, usize::from(scale))?);
        }
        ColumnKind::Time => text.push_str(&milliseconds_of(&string_of(member)?)?.to_string()),
        ColumnKind::TextArray => {
            let elements: Vec<String> = serde_json::from_str(member).map_err(|error| error.to_string())?;
            for element in elements {
                text.push_str(&element);
                text.push(ELEMENT_END);
            }
        }
    }
    Ok(())
}

fn string_of(member: &str) -> std::result::Result<Cow<'_, str>, String> {
    match member.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(plain) if !plain.contains('\\') => Ok(Cow::Borrowed(plain)),
        _ => serde_json::from_str::<String>(member)
            .map(Cow::Owned)
            .map_err(|error| format!("{member}: {error}")),
    }
}

/// `1.5` with scale 4 is `1.5000`, as toDecimalString writes it.
fn fixed_point(digits: &str, scale: usize) -> std::result::Result<String, String> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = whole.strip_prefix('-').unwrap_or(whole);
    if unsigned.is_empty() || !number(unsigned) || !number(fraction) || fraction.len() > scale {
        return Err(format!("{digits} is no decimal of scale {scale}"));
    }
    if scale == 0 {
        return Ok(whole.to_owned());
    }
    Ok(format!("{whole}.{fraction:0<scale$}"))
}

/// Milliseconds since 1970 of `YYYY-MM-DDThh:mm:ss[.mmm]Z`.
pub fn milliseconds_of(time: &str) -> std::result::Result<i64, String> {
    let parts = || -> Option<i64> {
        let (date, clock) = time.strip_suffix('Z')?.split_once('T')?;
        let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
        let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "000"));
        let mut clock = clock.splitn(3, ':').map(|part| part.parse::<i64>().ok());
        let millis: i64 = if fraction.len() == 3 {
            fraction.parse().ok()?
        } else {
            return None;
        };
        let days = days_since_epoch(date.next()??, date.next()??, date.next()??);
        let (hours, minutes, seconds) = (clock.next()??, clock.next()??, clock.next()??);
        Some((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1_000 + millis)
    };
    parts().ok_or_else(|| format!("{time} is no time"))
}

/// Days from 1970-01-01 in the Gregorian calendar, counted from March so that the leap day is last.
/// Source: Howard Hinnant, "chrono-compatible low-level date algorithms", days_from_civil.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Reads an object into one slot per column, without looking into the members.
struct MembersInPlace<'s> {
    shape: &'s RowShape,
}

impl<'de> Visitor<'de> for MembersInPlace<'_> {
    type Value = Vec<Option<&'de RawValue>>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
        let mut members = vec![None; self.shape.columns.len()];
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            match self.shape.places.get(name.as_ref()) {
                Some(&place) => members[place] = Some(map.next_value()?),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(kind: ColumnKind, member: &str) -> Result<String> {
        let shape = RowShape::new(&[ShapeColumn::nullable("c", kind)]);
        let text = shape.text_of_json(format!("{{\"other\":[1],\"c\":{member}}}").as_bytes())?;
        Ok(text.trim_end_matches(COLUMN_END).to_owned())
    }

    #[test]
    fn each_kind_has_one_exact_text() {
        let check = |kind, member: &str, expected: &str| {
            assert_eq!(text(kind, member).unwrap(), expected, "{member}");
        };
        check(ColumnKind::Integer, "-17", "-17");
        check(ColumnKind::Float64, "0.1", &0.1_f64.to_bits().to_string());
        check(ColumnKind::Text, r#""a\u00e9\n""#, "aé\n");
        check(ColumnKind::Bool, "true", "true");
        check(ColumnKind::Decimal { scale: 4 }, r#""1.5""#, "1.5000");
        check(ColumnKind::Decimal { scale: 2 }, "-3", "-3.00");
        check(ColumnKind::Time, r#""1970-01-02T00:00:01Z""#, "86401000");
        check(ColumnKind::Time, r#""2024-02-29T12:34:56.789Z""#, "1709210096789");
        check(ColumnKind::Time, r#""2026-11-21T00:00:00.000Z""#, "1795219200000");
        check(ColumnKind::TextArray, r#"["a","","b"]"#, "a\u{1e}\u{1e}b\u{1e}");
        check(ColumnKind::Integer, "null", "\u{1d}");
    }

    #[test]
    fn what_is_not_of_its_kind_is_refused() {
        for (kind, member) in [
            (ColumnKind::Integer, "1.5"),
            (ColumnKind::Integer, "\"1\""),
            (ColumnKind::Text, "1"),
            (ColumnKind::Bool, "1"),
            (ColumnKind::Decimal { scale: 1 }, "\"1.25\""),
            (ColumnKind::Time, "\"2026-11-21\""),
        ] {
            assert!(text(kind, member).is_err(), "{kind:?} {member}");
        }
        let strict = RowShape::new(&[ShapeColumn::new("c", ColumnKind::Integer)]);
        assert!(strict.hash_of_json(b"{}").is_err());
    }
}
