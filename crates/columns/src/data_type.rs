//! The types of table columns, and how the server writes them.
//! Reading them is `data_type_parse.rs`.
use std::fmt;
use std::sync::Arc;

use crate::geo::Geo;
use crate::quote::{escape_into, quote_identifier};

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

/// A member of a Tuple or of a Nested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TupleMember {
    /// `None` in a Tuple without names.
    pub name: Option<String>,
    /// Its type.
    pub data_type: DataType,
}

/// `JSON` or `JSON(...)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonType {
    /// The whole type text, as it came.
    pub text: String,
    /// Paths with a type of their own, dots between the names.
    pub typed_paths: Vec<(String, DataType)>,
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
    BFloat16,
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
    Time,
    /// The precision: ticks are 10 to its negative power of a second.
    Time64(u8),
    /// The whole name, such as `IntervalSecond`.
    Interval(String),
    Uuid,
    Ipv4,
    Ipv6,
    Enum8(EnumValues),
    Enum16(EnumValues),
    LowCardinality(Box<DataType>),
    Nullable(Box<DataType>),
    Array(Box<DataType>),
    Map(Box<DataType>, Box<DataType>),
    /// All members have names, or none has.
    Tuple(Vec<TupleMember>),
    /// All members have names. Its values are those of an Array(Tuple(...)).
    Nested(Vec<TupleMember>),
    /// In the server's order: by the members' names.
    Variant(Vec<DataType>),
    /// `Dynamic` or `Dynamic(...)`: the whole type text, kept as it came.
    Dynamic(String),
    Json(JsonType),
    Geo(Geo),
    /// Its values are those of `value`.
    SimpleAggregateFunction {
        /** The whole type text, as it came. */
        text: String,
        value: Box<DataType>,
    },
    /// The whole type text, kept as it came.
    AggregateFunction(String),
    /// A type that has no column builder: the whole type text, kept as it came.
    Unsupported(String),
}

impl DataType {
    /// Whether `Nullable(self)` is a type that every server lets tables have.
    pub fn can_be_nullable(&self) -> bool {
        use DataType as T;
        let compound =
            matches!(self, T::Array(_) | T::Map(..) | T::Tuple(_) | T::Nested(_) | T::Variant(_) | T::Geo(_));
        let own_null = matches!(self, T::Dynamic(_) | T::Json(_) | T::LowCardinality(_) | T::Nullable(_));
        let function = matches!(self, T::SimpleAggregateFunction { .. } | T::AggregateFunction(_));
        !(compound || own_null || function || matches!(self, T::Unsupported(_)))
    }

    /// Whether a builder for `Nullable(self)` exists: besides the above what newer servers allow.
    pub(crate) fn stands_in_nullable(&self) -> bool {
        matches!(self, DataType::Tuple(_) | DataType::Json(_) | DataType::Geo(Geo::Point))
            || self.can_be_nullable()
    }

    /// Whether a value of the type may be NULL.
    pub fn holds_null(&self) -> bool {
        match self {
            DataType::Nullable(_) | DataType::Variant(_) | DataType::Dynamic(_) => true,
            DataType::Geo(Geo::Geometry) => true,
            DataType::LowCardinality(inner) => inner.holds_null(),
            DataType::SimpleAggregateFunction { value, .. } => value.holds_null(),
            _ => false,
        }
    }

    /// The type under which values travel through `input()`, which takes neither Nested nor the names
    /// of aggregate functions: the server casts what arrives to the column's own type, without loss.
    pub fn input_type(&self) -> DataType {
        let boxed = |inner: &DataType| Box::new(inner.input_type());
        match self {
            DataType::Nested(members) => DataType::Array(Box::new(DataType::Tuple(members_input(members)))),
            DataType::SimpleAggregateFunction { value, .. } => value.input_type(),
            DataType::Nullable(inner) => DataType::Nullable(boxed(inner)),
            DataType::LowCardinality(inner) => DataType::LowCardinality(boxed(inner)),
            DataType::Array(inner) => DataType::Array(boxed(inner)),
            DataType::Map(key, value) => DataType::Map(boxed(key), boxed(value)),
            DataType::Tuple(members) => DataType::Tuple(members_input(members)),
            same => same.clone(),
        }
    }
}

fn members_input(members: &[TupleMember]) -> Vec<TupleMember> {
    let input = |member: &TupleMember| TupleMember {
        name: member.name.clone(),
        data_type: member.data_type.input_type(),
    };
    members.iter().map(input).collect()
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
            DataType::Time64(precision) => write!(f, "Time64({precision})"),
            DataType::Tuple(members) => write_members("Tuple", members, f),
            DataType::Nested(members) => write_members("Nested", members, f),
            DataType::Variant(members) => {
                f.write_str("Variant(")?;
                for (index, member) in members.iter().enumerate() {
                    write!(f, "{}{member}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str(")")
            }
            DataType::Geo(geo) => f.write_str(geo.name()),
            DataType::Json(JsonType { text, .. })
            | DataType::SimpleAggregateFunction { text, .. }
            | DataType::AggregateFunction(text)
            | DataType::Dynamic(text)
            | DataType::Interval(text)
            | DataType::Unsupported(text) => f.write_str(text),
            DataType::Uuid => f.write_str("UUID"),
            DataType::Ipv4 => f.write_str("IPv4"),
            DataType::Ipv6 => f.write_str("IPv6"),
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

fn write_members(name: &str, members: &[TupleMember], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{name}(")?;
    for (index, member) in members.iter().enumerate() {
        f.write_str(if index == 0 { "" } else { ", " })?;
        match &member.name {
            Some(name) if is_plain_name(name) => write!(f, "{name} ")?,
            Some(name) => write!(f, "{} ", quote_identifier(name))?,
            None => {}
        }
        write!(f, "{}", member.data_type)?;
    }
    f.write_str(")")
}

/// Whether the server prints a name without quotes. Source: ClickHouse `backQuoteIfNeed`.
fn is_plain_name(name: &str) -> bool {
    let word = name
        .bytes()
        .enumerate()
        .all(|(at, byte)| byte == b'_' || byte.is_ascii_alphabetic() || (at > 0 && byte.is_ascii_digit()));
    let keyword = ["distinct", "all", "table", "select", "from", "or", "and", "null"];
    word && !name.is_empty() && !keyword.iter().any(|keyword| name.eq_ignore_ascii_case(keyword))
}

struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(self.0.len() + 2);
        escape_into(self.0, '\'', &mut text);
        write!(f, "'{text}'")
    }
}
