//! What a column's type asks of a value, compiled from the type once per plan.
use hashbrown::HashMap;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use pumphouse_columns::{DataType, EnumValues};

use crate::date_format::DateFormat;
use crate::dynamic_value::DynamicKinds;
use crate::json_text::JsonRules;
use crate::plan::UnknownFields;
use crate::tuple_members::TupleMembers;
use crate::variant_choice::VariantChoice;

/// Names of zones that are UTC itself and need no rule.
const UTC_NAMES: [&str; 6] = ["UTC", "Etc/UTC", "GMT", "Etc/GMT", "Zulu", "Etc/Zulu"];

/// A zone that the built-in database does not have.
#[derive(Debug)]
pub(crate) struct ZoneError {
    pub(crate) zone: String,
}

/// Names and numbers of an Enum, for looking up.
#[derive(Debug)]
pub(crate) struct EnumLookup {
    by_name: HashMap<Box<[u8]>, i16>,
    numbers: Vec<i16>,
}

impl EnumLookup {
    fn new(values: &EnumValues) -> EnumLookup {
        EnumLookup {
            by_name: values.pairs().iter().map(|(name, number)| (name.as_bytes().into(), *number)).collect(),
            numbers: values.pairs().iter().map(|(_, number)| *number).collect(),
        }
    }

    pub(crate) fn by_name(&self, name: &[u8]) -> Option<i16> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn has_number(&self, number: i16) -> bool {
        self.numbers.contains(&number)
    }
}

/// Fits the kind of `pumphouse_columns::Column` that the same type builds.
#[derive(Debug)]
pub(crate) enum Conversion {
    Bool,
    Int8,
    Int16,
    Int32,
    Int64,
    Int128,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
    UInt128,
    Float32,
    Float64,
    Int256,
    UInt256,
    BFloat16,
    String,
    FixedString,
    Decimal {
        precision: u8,
        scale: u8,
    },
    Date,
    Date32,
    DateTime {
        zone: Option<TimeZone>,
    },
    DateTime64 {
        precision: u8,
        zone: Option<TimeZone>,
    },
    Time,
    Time64 {
        precision: u8,
    },
    Interval,
    Uuid,
    Ipv4,
    Ipv6,
    Enum(EnumLookup),
    Json(JsonRules),
    /// The state of an aggregate function, which travels as String.
    State,
    Low(Box<Conversion>),
    Nullable(Box<Conversion>),
    Array(Box<Conversion>),
    Map(Box<Conversion>, Box<Conversion>),
    Tuple(TupleMembers),
    /// An Array(Tuple(...)) that also takes an object of arrays.
    Nested(Box<Conversion>),
    Variant(VariantChoice),
    Dynamic(Box<DynamicKinds>),
    /// Dates and times whose texts have a form of their own.
    Formatted(Box<Formatted>),
}

/// A conversion behind a pattern.
#[derive(Debug)]
pub(crate) struct Formatted {
    pub(crate) format: DateFormat,
    pub(crate) inner: Conversion,
}

impl Conversion {
    /// Shape: a type that `Column::new` takes. `unknown`: what members of objects mean that a Tuple
    /// does not have.
    pub(crate) fn compile(data_type: &DataType, unknown: UnknownFields) -> Result<Conversion, ZoneError> {
        let boxed = |inner: &DataType| Conversion::compile(inner, unknown).map(Box::new);
        Ok(match data_type {
            DataType::Bool => Conversion::Bool,
            DataType::Int8 => Conversion::Int8,
            DataType::Int16 => Conversion::Int16,
            DataType::Int32 => Conversion::Int32,
            DataType::Int64 => Conversion::Int64,
            DataType::Int128 => Conversion::Int128,
            DataType::UInt8 => Conversion::UInt8,
            DataType::UInt16 => Conversion::UInt16,
            DataType::UInt32 => Conversion::UInt32,
            DataType::UInt64 => Conversion::UInt64,
            DataType::UInt128 => Conversion::UInt128,
            DataType::Float32 => Conversion::Float32,
            DataType::Float64 => Conversion::Float64,
            DataType::String => Conversion::String,
            DataType::FixedString(_) => Conversion::FixedString,
            DataType::Decimal { precision, scale } => {
                Conversion::Decimal { precision: *precision, scale: *scale }
            }
            DataType::Date => Conversion::Date,
            DataType::Date32 => Conversion::Date32,
            DataType::DateTime(name) => Conversion::DateTime { zone: zone(name.as_deref())? },
            DataType::DateTime64 { precision, zone: name } => {
                Conversion::DateTime64 { precision: *precision, zone: zone(name.as_deref())? }
            }
            DataType::Uuid => Conversion::Uuid,
            DataType::Enum8(values) | DataType::Enum16(values) => Conversion::Enum(EnumLookup::new(values)),
            DataType::Json(json) => Conversion::Json(JsonRules::compile(json)?),
            DataType::Int256 => Conversion::Int256,
            DataType::UInt256 => Conversion::UInt256,
            DataType::BFloat16 => Conversion::BFloat16,
            DataType::Time => Conversion::Time,
            DataType::Time64(precision) => Conversion::Time64 { precision: *precision },
            DataType::Interval(_) => Conversion::Interval,
            DataType::Ipv4 => Conversion::Ipv4,
            DataType::Ipv6 => Conversion::Ipv6,
            DataType::Tuple(members) => Conversion::Tuple(TupleMembers::compile(members, unknown)?),
            DataType::Nested(members) => {
                let tuple = Conversion::Tuple(TupleMembers::compile(members, unknown)?);
                Conversion::Nested(Box::new(Conversion::Array(Box::new(tuple))))
            }
            DataType::Variant(members) => Conversion::Variant(VariantChoice::compile(members)?),
            DataType::Dynamic(_) => Conversion::Dynamic(Box::default()),
            DataType::Geo(geo) => Conversion::compile(&geo.structure(), unknown)?,
            DataType::SimpleAggregateFunction { value, .. } => Conversion::compile(value, unknown)?,
            DataType::AggregateFunction(_) => Conversion::State,
            DataType::LowCardinality(inner) => match &**inner {
                // The dictionary itself knows NULL.
                DataType::Nullable(value) => Conversion::Low(boxed(value)?),
                value => Conversion::Low(boxed(value)?),
            },
            DataType::Nullable(inner) => Conversion::Nullable(boxed(inner)?),
            DataType::Array(inner) => Conversion::Array(boxed(inner)?),
            DataType::Map(key, value) => Conversion::Map(boxed(key)?, boxed(value)?),
            DataType::Unsupported(_) => {
                unreachable!("no column is built for {data_type}, and the plan asked for one before")
            }
        })
    }

    /// With a pattern for the texts of the dates or times that it is about, also those in an array.
    /// Errors: it is about none, in words.
    pub(crate) fn formatted(self, format: DateFormat) -> Result<Conversion, &'static str> {
        let boxed = |inner: Conversion| inner.formatted(format.clone()).map(Box::new);
        let has_date = format.has_date();
        Ok(match self {
            Conversion::Nullable(inner) => Conversion::Nullable(boxed(*inner)?),
            Conversion::Low(inner) => Conversion::Low(boxed(*inner)?),
            Conversion::Array(inner) => Conversion::Array(boxed(*inner)?),
            Conversion::Date
            | Conversion::Date32
            | Conversion::DateTime { .. }
            | Conversion::DateTime64 { .. }
                if !has_date =>
            {
                return Err("its texts have no date, and the column needs one");
            }
            Conversion::Time | Conversion::Time64 { .. } if has_date => {
                return Err("its texts have a date, and the column is a time of day");
            }
            inner @ (Conversion::Date
            | Conversion::Date32
            | Conversion::DateTime { .. }
            | Conversion::DateTime64 { .. }
            | Conversion::Time
            | Conversion::Time64 { .. }) => Conversion::Formatted(Box::new(Formatted { format, inner })),
            _ => return Err("the column is no date or time"),
        })
    }

    /// Whether whole numbers are what the column holds, LowCardinality looked through.
    pub(crate) fn is_integer(&self) -> bool {
        use Conversion as C;
        match self {
            C::Int8 | C::Int16 | C::Int32 | C::Int64 | C::Int128 | C::Int256 => true,
            C::UInt8 | C::UInt16 | C::UInt32 | C::UInt64 | C::UInt128 | C::UInt256 => true,
            Conversion::Low(inner) | Conversion::Nullable(inner) => inner.is_integer(),
            _ => false,
        }
    }

    /// Whether the column's values are JSON objects.
    pub(crate) fn takes_json_objects(&self) -> bool {
        match self {
            Conversion::Json(_) => true,
            Conversion::Nullable(inner) => inner.takes_json_objects(),
            _ => false,
        }
    }

    /// Whether the column takes the JSON text of objects and arrays.
    pub(crate) fn takes_json_text(&self) -> bool {
        match self {
            Conversion::String => true,
            Conversion::Low(inner) | Conversion::Nullable(inner) => inner.takes_json_text(),
            _ => false,
        }
    }
}

/// Always from the database that is compiled in: the machine's own could differ between two workers,
/// and the same record would become different rows.
fn zone(name: Option<&str>) -> Result<Option<TimeZone>, ZoneError> {
    match name {
        None => Ok(None),
        Some(name) if UTC_NAMES.contains(&name) => Ok(None),
        Some(name) => {
            TimeZoneDatabase::bundled().get(name).map(Some).map_err(|_| ZoneError { zone: name.to_owned() })
        }
    }
}
