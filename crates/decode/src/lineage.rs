//! Lineage columns: where a record came from. They are filled from the record, never from a field.
use pumphouse_columns::{Column, DataType, TupleMember};

use crate::error::DecodeReason;
use crate::json_decoder::RecordRef;
use crate::scalar::DATE_TIME64_SECONDS;

/// The names of the columns that take where a record came from, where the table has them. An empty
/// name is no column's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineageNames {
    /// Takes the topic's name: String, LowCardinality(String).
    pub topic: String,
    /// Takes the partition's number: (U)Int32..128.
    pub partition: String,
    /// Takes the record's offset: (U)Int64, (U)Int128.
    pub offset: String,
    /// Takes the record's timestamp: DateTime64 of at least milliseconds, or (U)Int64 milliseconds;
    /// NULL for a record without one if it is Nullable.
    pub timestamp: String,
    /// Takes the record's key: String or LowCardinality(String), NULL for a record without one if it is
    /// Nullable, else the empty text.
    pub key: String,
    /// Takes the record's headers: Map(String, String) or Array(Tuple(String, String)), values Nullable
    /// or not, texts of low cardinality or not.
    pub headers: String,
}

impl Default for LineageNames {
    fn default() -> LineageNames {
        LineageNames {
            topic: "_topic".to_owned(),
            partition: "_partition".to_owned(),
            offset: "_offset".to_owned(),
            timestamp: "_timestamp".to_owned(),
            key: "_key".to_owned(),
            headers: "_headers".to_owned(),
        }
    }
}

/// Which part of where a record came from a lineage column takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lineage {
    Topic,
    Partition,
    Offset,
    /// As milliseconds.
    Timestamp,
    /// As ticks of a DateTime64.
    TimestampTicks {
        ticks_per_ms: i64,
    },
    Key,
    Headers,
}

impl LineageNames {
    /// What a column of this name takes. Errors: `Err(())` for a type that cannot hold it.
    pub(crate) fn find(&self, name: &str, data_type: &DataType) -> Result<Option<Lineage>, ()> {
        use DataType as T;
        let names = [&self.topic, &self.partition, &self.offset, &self.timestamp, &self.key, &self.headers];
        let Some(place) = names.iter().position(|own| !own.is_empty() && *own == name) else {
            return Ok(None);
        };
        let wide_integer = matches!(data_type, T::Int64 | T::UInt64 | T::Int128 | T::UInt128);
        let lineage = match place {
            0 if is_text(data_type) && !data_type.holds_null() => Lineage::Topic,
            1 if wide_integer || matches!(data_type, T::Int32 | T::UInt32) => Lineage::Partition,
            2 if wide_integer => Lineage::Offset,
            3 => timestamp(data_type).ok_or(())?,
            4 if is_text(data_type) => Lineage::Key,
            5 if takes_headers(data_type) => Lineage::Headers,
            _ => return Err(()),
        };
        Ok(Some(lineage))
    }
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::String => true,
        DataType::LowCardinality(inner) | DataType::Nullable(inner) => is_text(inner),
        _ => false,
    }
}

fn timestamp(data_type: &DataType) -> Option<Lineage> {
    match data_type {
        DataType::Int64 | DataType::UInt64 => Some(Lineage::Timestamp),
        DataType::DateTime64 { precision, .. } => {
            let finer = u32::from(precision.checked_sub(3)?);
            Some(Lineage::TimestampTicks { ticks_per_ms: 10i64.pow(finer) })
        }
        DataType::Nullable(inner) => timestamp(inner),
        _ => None,
    }
}

fn takes_headers(data_type: &DataType) -> bool {
    let pair = |name: &DataType, value: &DataType| is_text(name) && !name.holds_null() && is_text(value);
    let pair_of = |members: &[TupleMember]| match members {
        [name, value] => pair(&name.data_type, &value.data_type),
        _ => false,
    };
    match data_type {
        DataType::Map(name, value) => pair(name, value),
        DataType::Nested(members) => pair_of(members),
        DataType::Array(inner) => matches!(&**inner, DataType::Tuple(members) if pair_of(members)),
        _ => false,
    }
}

/// Appends what the column takes. Shape: a column of the type that [`LineageNames::find`] was asked for.
pub(crate) fn put_lineage(
    lineage: Lineage,
    column: &mut Column,
    record: &RecordRef<'_>,
) -> Result<(), DecodeReason> {
    match lineage {
        Lineage::Topic => put_bytes(column, Some(record.topic.as_bytes())),
        Lineage::Partition => put_number(column, i64::from(record.partition))?,
        Lineage::Offset => put_number(column, record.offset)?,
        Lineage::Timestamp => put_timestamp(column, record.timestamp_ms)?,
        Lineage::TimestampTicks { ticks_per_ms } => {
            let in_range = |ms: i64| DATE_TIME64_SECONDS.contains(&ms.div_euclid(1000));
            let ticks = |ms: i64| ms.checked_mul(ticks_per_ms).filter(|_| in_range(ms));
            let ticks = match record.timestamp_ms {
                Some(ms) => Some(ticks(ms).ok_or(DecodeReason::LineageOutOfRange)?),
                None => None,
            };
            put_timestamp(column, ticks)?;
        }
        Lineage::Key => put_bytes(column, record.key),
        Lineage::Headers => put_headers(column, record),
    }
    Ok(())
}

fn put_timestamp(column: &mut Column, count: Option<i64>) -> Result<(), DecodeReason> {
    match (column, count) {
        (Column::Nullable(nullable), None) => nullable.push_null(),
        (_, None) => return Err(DecodeReason::NoTimestamp),
        (Column::Nullable(nullable), Some(count)) => {
            put_number(nullable.values(), count)?;
            nullable.value_pushed();
        }
        (column, Some(count)) => put_number(column, count)?,
    }
    Ok(())
}

fn put_number(column: &mut Column, number: i64) -> Result<(), DecodeReason> {
    let misfit = DecodeReason::LineageOutOfRange;
    match column {
        Column::U32(values) => values.push(u32::try_from(number).map_err(|_| misfit)?),
        Column::I32(values) => values.push(i32::try_from(number).map_err(|_| misfit)?),
        Column::U64(values) => values.push(u64::try_from(number).map_err(|_| misfit)?),
        Column::I64(values) => values.push(number),
        Column::U128(values) => values.push(u128::try_from(number).map_err(|_| misfit)?),
        Column::I128(values) => values.push(i128::from(number)),
        _ => unreachable!("the plan checked the types of the lineage columns"),
    }
    Ok(())
}

/// A column that has no NULL takes the empty text for it.
fn put_bytes(column: &mut Column, bytes: Option<&[u8]>) {
    match (column, bytes) {
        (Column::Text(text), bytes) => text.push(bytes.unwrap_or_default()),
        (Column::Low(low), None) if low.is_nullable() => low.push_null(),
        (Column::Low(low), bytes) => low.push_text(bytes.unwrap_or_default()),
        (Column::Nullable(nullable), None) => nullable.push_null(),
        (Column::Nullable(nullable), bytes) => {
            put_bytes(nullable.values(), bytes);
            nullable.value_pushed();
        }
        _ => unreachable!("the plan checked the types of the lineage columns"),
    }
}

fn put_headers(column: &mut Column, record: &RecordRef<'_>) {
    match column {
        Column::Map(map) => {
            record.headers.for_each(|name, value| {
                put_bytes(map.keys(), Some(name));
                put_bytes(map.values(), value);
            });
            map.row_pushed();
        }
        Column::Array(array) => {
            record.headers.for_each(|name, value| {
                let Column::Tuple(tuple) = array.values() else { unreachable!("an array of pairs") };
                put_bytes(&mut tuple.members()[0], Some(name));
                put_bytes(&mut tuple.members()[1], value);
                tuple.row_pushed();
            });
            array.row_pushed();
        }
        _ => unreachable!("the plan checked the types of the lineage columns"),
    }
}
