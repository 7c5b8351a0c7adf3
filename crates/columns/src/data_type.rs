//! The types of table columns, and how the server writes them.
//! Reading them is `data_type_parse.rs`.
use std::fmt;
use std::sync::Arc;

use crate::quote::escape_into;

/// Most digits a Decimal may have here: what 128 bits hold. Decimal256 is refused.
pub const DECIMAL_DIGITS_MAX: u8 = 38;

/// Names and numbers of an Enum, in the server's order (ascending numbers).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnumValues(Arc<[(String, i16)]>);

impl EnumValues {
    /// `None` for an empty list; the server knows no such Enum.
    pub fn new(values: Vec<(String, i16)>) -> Option<EnumValues> {
        (!values.is_empty()).then(|| EnumValues(values.into()))
    }

    /// The name and number pairs.
    pub fn pairs(&self) -> &[(String, i16)] {
        &self.0
    }

    /// The lowest number, which the server takes as the type's default value.
    pub fn default_number(&self) -> i16 {
        self.0.iter().map(|(_, number)| *number).min().unwrap_or(0)
    }
}

/// A column's type as `system.columns` prints it. `Display` writes exactly the server's form.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum DataType {
    Bool,
    Int8,
    Int16,
    Int32,
    Int64,
    Int128,
    Int256,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
    UInt128,
    UInt256,
    Float32,
    Float64,
    String,
    FixedString(usize),
    Decimal {
        precision: u8,
        scale: u8,
    },
    Date,
    Date32,
    DateTime(Option<String>),
    DateTime64 {
        precision: u8,
        zone: Option<String>,
    },
    Uuid,
    Enum8(EnumValues),
    Enum16(EnumValues),
    LowCardinality(Box<DataType>),
    Nullable(Box<DataType>),
    Array(Box<DataType>),
    Map(Box<DataType>, Box<DataType>),
    /// `JSON` or `JSON(...)`: the whole type text, kept as it came.
    Json(String),
    /// A type that has no column builder: the whole type text, kept as it came.
    Unsupported(String),
}

impl DataType {
    /// Whether `Nullable(self)` is a type that tables may have.
    pub fn can_be_nullable(&self) -> bool {
        use DataType::{Array, Json, LowCardinality, Map, Nullable, Unsupported};
        !matches!(self, Array(_) | Map(..) | Json(_) | LowCardinality(_) | Nullable(_) | Unsupported(_))
    }

    /// The part of the type that has no column builder, if there is one.
    pub fn unsupported_part(&self) -> Option<&DataType> {
        match self {
            DataType::Unsupported(_) | DataType::Int256 | DataType::UInt256 => Some(self),
            DataType::Decimal { precision, .. } if *precision > DECIMAL_DIGITS_MAX => Some(self),
            DataType::LowCardinality(inner) | DataType::Nullable(inner) | DataType::Array(inner) => {
                inner.unsupported_part()
            }
            DataType::Map(key, value) => key.unsupported_part().or(value.unsupported_part()),
            _ => None,
        }
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DataType::FixedString(bytes) => write!(f, "FixedString({bytes})"),
            DataType::Decimal { precision, scale } => write!(f, "Decimal({precision}, {scale})"),
            DataType::DateTime(None) => f.write_str("DateTime"),
            DataType::DateTime(Some(zone)) => write!(f, "DateTime({})", Quoted(zone)),
            DataType::DateTime64 { precision, zone: None } => write!(f, "DateTime64({precision})"),
            DataType::DateTime64 { precision, zone: Some(zone) } => {
                write!(f, "DateTime64({precision}, {})", Quoted(zone))
            }
            DataType::Enum8(values) => write_enum("Enum8", values, f),
            DataType::Enum16(values) => write_enum("Enum16", values, f),
            DataType::LowCardinality(inner) => write!(f, "LowCardinality({inner})"),
            DataType::Nullable(inner) => write!(f, "Nullable({inner})"),
            DataType::Array(inner) => write!(f, "Array({inner})"),
            DataType::Map(key, value) => write!(f, "Map({key}, {value})"),
            DataType::Json(text) | DataType::Unsupported(text) => f.write_str(text),
            DataType::Uuid => f.write_str("UUID"),
            // The names of the remaining variants are the server's names.
            plain => write!(f, "{plain:?}"),
        }
    }
}

fn write_enum(name: &str, values: &EnumValues, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{name}(")?;
    for (index, (text, number)) in values.pairs().iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        write!(f, "{comma}{} = {number}", Quoted(text))?;
    }
    f.write_str(")")
}

struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(self.0.len() + 2);
        escape_into(self.0, '\'', &mut text);
        write!(f, "'{text}'")
    }
}
