//! Which type a JSON value brings into a Dynamic column: only the value decides.
use pumphouse_columns::{ArrayColumn, Column, DataType, DynamicColumn};

use crate::conversion::Conversion;
use crate::error::{DecodeReason, ValueKind};
use crate::json_decoder::put_value;
use crate::json_text::JsonRules;
use crate::scalar::{Scalar, put_scalar};
use crate::scanner::Scanner;

/// A type that values become, and how.
#[derive(Debug)]
struct Kind {
    data_type: DataType,
    conversion: Conversion,
}

impl Kind {
    fn new(data_type: DataType, conversion: Conversion) -> Kind {
        Kind { data_type, conversion }
    }

    /// Elements may be NULL, so that a null does not make the next array another type.
    fn array_of(data_type: DataType, conversion: Conversion) -> Kind {
        Kind {
            data_type: DataType::Array(Box::new(DataType::Nullable(Box::new(data_type)))),
            conversion: Conversion::Array(Box::new(Conversion::Nullable(Box::new(conversion)))),
        }
    }
}

/// The types that JSON values become in a Dynamic column.
#[derive(Debug)]
pub(crate) struct DynamicKinds {
    boolean: Kind,
    integer: Kind,
    unsigned: Kind,
    float: Kind,
    text: Kind,
    object: Kind,
    booleans: Kind,
    integers: Kind,
    floats: Kind,
    texts: Kind,
    objects: Kind,
    /// `Array(Dynamic)`, for elements of several kinds.
    mixed: DataType,
}

impl Default for DynamicKinds {
    fn default() -> DynamicKinds {
        let json = || "JSON".parse::<DataType>().expect("JSON is a type");
        let dynamic = DataType::Dynamic("Dynamic".to_owned());
        DynamicKinds {
            boolean: Kind::new(DataType::Bool, Conversion::Bool),
            integer: Kind::new(DataType::Int64, Conversion::Int64),
            unsigned: Kind::new(DataType::UInt64, Conversion::UInt64),
            float: Kind::new(DataType::Float64, Conversion::Float64),
            text: Kind::new(DataType::String, Conversion::String),
            object: Kind::new(json(), Conversion::Json(JsonRules::default())),
            booleans: Kind::array_of(DataType::Bool, Conversion::Bool),
            integers: Kind::array_of(DataType::Int64, Conversion::Int64),
            floats: Kind::array_of(DataType::Float64, Conversion::Float64),
            texts: Kind::array_of(DataType::String, Conversion::String),
            objects: Kind::new(
                DataType::Array(Box::new(json())),
                Conversion::Array(Box::new(Conversion::Json(JsonRules::default()))),
            ),
            mixed: DataType::Array(Box::new(dynamic)),
        }
    }
}

/// What the elements of an array have in common so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Elements {
    Nulls,
    Bools,
    Integers,
    Floats,
    Texts,
    Objects,
    Mixed,
}

impl DynamicKinds {
    pub(crate) fn put_scalar(
        &self,
        dynamic: &mut DynamicColumn,
        scalar: Scalar<'_>,
    ) -> Result<(), DecodeReason> {
        let kind = match scalar {
            Scalar::Bool(_) => &self.boolean,
            Scalar::Text(_) => &self.text,
            Scalar::Number(text) if !is_whole(text) => &self.float,
            Scalar::Number(_) if scalar.integer::<i64>().is_ok() => &self.integer,
            Scalar::Number(_) if scalar.integer::<u64>().is_ok() => &self.unsigned,
            // As the server does with numbers that it has no integer for: nothing is lost.
            Scalar::Number(_) => &self.text,
        };
        put_kind(dynamic, kind, |conversion, column| put_scalar(conversion, column, scalar))
    }

    /// Takes an array or an object.
    pub(crate) fn put_compound(
        &self,
        kind: ValueKind,
        dynamic: &mut DynamicColumn,
        scanner: &mut Scanner<'_>,
        scratch: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), DecodeReason> {
        let kind = match kind {
            ValueKind::Array => {
                let start = scanner.next_at();
                let elements = elements(scanner, depth)?;
                scanner.go_back(start);
                match elements {
                    Elements::Nulls | Elements::Texts => &self.texts,
                    Elements::Bools => &self.booleans,
                    Elements::Integers => &self.integers,
                    Elements::Floats => &self.floats,
                    Elements::Objects => &self.objects,
                    Elements::Mixed => return self.put_mixed(dynamic, scanner, scratch, depth),
                }
            }
            _ => &self.object,
        };
        put_kind(dynamic, kind, |conversion, column| put_value(conversion, column, scanner, scratch, depth))
    }

    fn put_mixed(
        &self,
        dynamic: &mut DynamicColumn,
        scanner: &mut Scanner<'_>,
        scratch: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), DecodeReason> {
        let member = member_of(dynamic, &self.mixed);
        let Column::Array(array) = dynamic.values(member) else { unreachable!("Array(Dynamic) is an array") };
        self.put_mixed_elements(array, scanner, scratch, depth)?;
        dynamic.value_pushed(member);
        Ok(())
    }

    fn put_mixed_elements(
        &self,
        array: &mut ArrayColumn,
        scanner: &mut Scanner<'_>,
        scratch: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), DecodeReason> {
        scanner.expect(b'[')?;
        loop {
            let Column::Dynamic(inner) = array.values() else {
                unreachable!("an Array(Dynamic) holds Dynamic")
            };
            match scanner.kind()? {
                kind @ (ValueKind::Array | ValueKind::Object) => {
                    self.put_compound(kind, inner, scanner, scratch, depth + 1)?;
                }
                _ => crate::json_decoder::put_scalar_value(scanner, scratch, |scalar| match scalar {
                    Some(scalar) => self.put_scalar(inner, scalar),
                    None => {
                        inner.push_null();
                        Ok(())
                    }
                })?,
            }
            if !scanner.another(b']')? {
                break;
            }
        }
        array.row_pushed();
        Ok(())
    }
}

fn put_kind(
    dynamic: &mut DynamicColumn,
    kind: &Kind,
    put: impl FnOnce(&Conversion, &mut Column) -> Result<(), DecodeReason>,
) -> Result<(), DecodeReason> {
    let member = member_of(dynamic, &kind.data_type);
    put(&kind.conversion, dynamic.values(member))?;
    dynamic.value_pushed(member);
    Ok(())
}

fn member_of(dynamic: &mut DynamicColumn, data_type: &DataType) -> usize {
    dynamic.member_of(data_type).expect("these dozen types have builders")
}

fn is_whole(number: &[u8]) -> bool {
    number.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-')
}

/// Looks at an array's elements and takes them.
fn elements(scanner: &mut Scanner<'_>, depth: usize) -> Result<Elements, DecodeReason> {
    let mut common = Elements::Nulls;
    let mut nulls = false;
    scanner.expect(b'[')?;
    if scanner.empty(b']') {
        return Ok(common);
    }
    loop {
        let kind = scanner.kind()?;
        let raw = scanner.raw_value(depth + 1)?;
        let this = match kind {
            ValueKind::Null => Elements::Nulls,
            ValueKind::Bool => Elements::Bools,
            ValueKind::Number if !is_whole(raw) => Elements::Floats,
            ValueKind::Number if Scalar::Number(raw).integer::<i64>().is_ok() => Elements::Integers,
            ValueKind::Text => Elements::Texts,
            ValueKind::Object => Elements::Objects,
            _ => Elements::Mixed,
        };
        nulls |= this == Elements::Nulls;
        common = match (common, this) {
            (common, Elements::Nulls) => common,
            (Elements::Nulls, this) => this,
            (common, this) if common == this => common,
            (Elements::Integers, Elements::Floats) | (Elements::Floats, Elements::Integers) => {
                Elements::Floats
            }
            _ => Elements::Mixed,
        };
        if !scanner.another(b']')? {
            break;
        }
    }
    // Array(JSON) has no place for null.
    Ok(if common == Elements::Objects && nulls { Elements::Mixed } else { common })
}
