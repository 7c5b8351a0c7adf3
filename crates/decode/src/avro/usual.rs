//! Fields whose values usually go straight into their column's vector: decided once per schema and plan.
//! Whatever differs from that in the least, an error for one, is left to the general way (`program.rs`).
use pumphouse_columns::Column;

use super::program::Op;
use crate::conversion::Conversion;
use crate::plan::{Absent, ColumnPlan, Source};
use crate::typed::Fit;
use crate::utf8::starts_as_utf8;
use crate::varint::{take_short_varint, take_varint, zigzag};

/// How the bytes become a value of the column.
#[derive(Debug, Clone, Copy)]
enum Way {
    Number(Fit),
    Decimal(Fit),
    Text,
    LowText,
    Double,
    Float,
    Boolean,
}

/// A union of null and something else: the byte before the value.
#[derive(Debug, Clone, Copy)]
struct Branches {
    given: u8,
    null: u8,
}

/// A field that has a usual way.
#[derive(Debug)]
pub(super) struct UsualField {
    wire: usize,
    branches: Option<Branches>,
    /// The column is Nullable.
    nullable: bool,
    way: Way,
}

impl UsualField {
    pub(super) fn of(op: &Op, column_plan: &ColumnPlan) -> Option<UsualField> {
        let Source::Field { conversion, null: on_null, .. } = &column_plan.source else { return None };
        if column_plan.mask.is_some() {
            return None;
        }
        let (branches, op) = match op {
            Op::Union(branches) => {
                let (null, given, op) = match &branches[..] {
                    [Op::Null, op] => (0, 2, op),
                    [op, Op::Null] => (2, 0, op),
                    _ => return None,
                };
                // An odd byte stands for no branch.
                let null = if *on_null == Absent::Null { null } else { 1 };
                (Some(Branches { given, null }), op)
            }
            op => (None, op),
        };
        let (nullable, conversion) = match conversion {
            Conversion::Nullable(inner) => (true, &**inner),
            conversion => (false, conversion),
        };
        let way = way(op, conversion)?;
        Some(UsualField { wire: column_plan.wire, branches, nullable, way })
    }

    /// Takes the value at the start of `rest` and appends it.
    /// `None`: it is not the usual one; the column may have half a row, and `rest` may be anything.
    #[inline(always)]
    pub(super) fn put(&self, rest: &mut &[u8], columns: &mut [Column]) -> Option<()> {
        let mut column = columns.get_mut(self.wire)?;
        if let Some(Branches { given, null }) = self.branches {
            let branch = take_byte(rest)?;
            if branch != given {
                return (branch == null && put_null(column)).then_some(());
            }
        }
        if self.nullable {
            let Column::Nullable(nullable) = column else { return None };
            let (values, given) = nullable.parts();
            given.value_pushed();
            column = values;
        }
        match (&self.way, column) {
            (Way::Number(fit), column) => fit.put(zigzag(take_varint(rest)?), column).then_some(()),
            (Way::Decimal(fit), column) => fit.put(take_unscaled(rest)?, column).then_some(()),
            (Way::Text, Column::Text(texts)) => {
                let (bytes, length) = take_text(rest)?;
                texts.push_start(bytes, length);
                Some(())
            }
            (Way::LowText, Column::Low(low)) => {
                let (bytes, length) = take_text(rest)?;
                low.push_text_start(bytes, length);
                Some(())
            }
            (Way::Double, Column::F64(values)) => {
                values.push(f64::from_le_bytes(take_array(rest)?));
                Some(())
            }
            (Way::Float, Column::F32(values)) => {
                values.push(f32::from_le_bytes(take_array(rest)?));
                Some(())
            }
            (Way::Boolean, Column::U8(values)) => {
                values.push(Some(take_byte(rest)?).filter(|byte| *byte < 2)?);
                Some(())
            }
            _ => None,
        }
    }

    /// Takes back what [`UsualField::put`] may have left. `rows`: those before.
    #[cold]
    pub(super) fn undo(&self, columns: &mut [Column], rows: usize) {
        columns[self.wire].truncate(rows);
    }
}

fn way(op: &Op, conversion: &Conversion) -> Option<Way> {
    let narrow = i64::from(i32::MIN)..=i64::from(i32::MAX);
    Some(match (op, conversion) {
        (Op::Long, _) => Way::Number(Fit::of_integers(conversion)?),
        (Op::Int, _) => Way::Number(Fit::of_integers(conversion)?.within(narrow)?),
        (Op::LongMoment(moment), _) => Way::Number(Fit::of_moments(*moment, conversion)?),
        (Op::IntMoment(moment), _) => Way::Number(Fit::of_moments(*moment, conversion)?.within(narrow)?),
        (Op::Decimal { scale }, _) => Way::Decimal(Fit::of_decimals(*scale, conversion)?),
        (Op::String, Conversion::String) => Way::Text,
        (Op::String, Conversion::Low(inner)) if matches!(**inner, Conversion::String) => Way::LowText,
        (Op::Double, Conversion::Float64) => Way::Double,
        (Op::Float, Conversion::Float32) => Way::Float,
        (Op::Boolean, Conversion::Bool | Conversion::UInt8) => Way::Boolean,
        _ => return None,
    })
}

#[inline(never)]
fn put_null(column: &mut Column) -> bool {
    column.push_null()
}

#[inline(always)]
fn take_byte(rest: &mut &[u8]) -> Option<u8> {
    let (byte, behind) = rest.split_first()?;
    *rest = behind;
    Some(*byte)
}

#[inline(always)]
fn take_array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (array, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*array)
}

/// A length, then that many bytes: they, with all that stands behind them, and the length.
#[inline(always)]
fn take_bytes<'a>(rest: &mut &'a [u8]) -> Option<(&'a [u8], usize)> {
    let length = usize::try_from(zigzag(take_short_varint(rest)?)).ok()?;
    let bytes = *rest;
    *rest = bytes.get(length..)?;
    Some((bytes, length))
}

#[inline(always)]
fn take_text<'a>(rest: &mut &'a [u8]) -> Option<(&'a [u8], usize)> {
    let (bytes, length) = take_bytes(rest)?;
    starts_as_utf8(bytes, length).then_some((bytes, length))
}

/// The whole number of a decimal, highest byte first; one to eight of them.
#[inline(always)]
fn take_unscaled(rest: &mut &[u8]) -> Option<i64> {
    let (bytes, length) = take_bytes(rest)?;
    if !(1..=8).contains(&length) {
        return None;
    }
    Some(match bytes.first_chunk() {
        Some(word) => i64::from_be_bytes(*word) >> (64 - 8 * length),
        None => last_unscaled(&bytes[..length]),
    })
}

#[inline(never)]
fn last_unscaled(bytes: &[u8]) -> i64 {
    let sign = bytes.first().map_or(0, |first| -i64::from(first >> 7));
    bytes.iter().fold(sign, |value, byte| value << 8 | i64::from(*byte))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use pumphouse_columns::encode_block;
    use pumphouse_types::{RegisteredSchema, SchemaId, SchemaKind};

    use super::super::program::{Program, Scratch};
    use super::super::schema::Schema;
    use crate::source_row::one_row;
    use crate::{DecodeError, DefaultKind, HeadersRef, PlanOptions, RecordRef, TableColumn, TablePlan};

    const COLUMNS: [&str; 24] = [
        "String",
        "LowCardinality(String)",
        "LowCardinality(Nullable(String))",
        "Nullable(String)",
        "Int8",
        "UInt8",
        "Int16",
        "UInt16",
        "Int32",
        "UInt32",
        "Nullable(Int64)",
        "UInt64",
        "Int128",
        "Float32",
        "Nullable(Float64)",
        "Decimal(9, 2)",
        "Nullable(Decimal(18, 4))",
        "Decimal(38, 10)",
        "DateTime64(3)",
        "DateTime64(9, 'Europe/Berlin')",
        "DateTime",
        "Date",
        "Date32",
        "Bool",
    ];

    const FIELDS: [&str; 14] = [
        r#""long""#,
        r#""int""#,
        r#""string""#,
        r#""double""#,
        r#""float""#,
        r#""boolean""#,
        r#"{"type":"long","logicalType":"timestamp-millis"}"#,
        r#"{"type":"long","logicalType":"timestamp-micros"}"#,
        r#"{"type":"long","logicalType":"local-timestamp-millis"}"#,
        r#"{"type":"int","logicalType":"date"}"#,
        r#"{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}"#,
        r#"{"type":"bytes","logicalType":"decimal","precision":30,"scale":9}"#,
        r#"{"type":"bytes","logicalType":"decimal","precision":30,"scale":0}"#,
        r#""bytes""#,
    ];

    fn plan(type_text: &str, default_kind: DefaultKind) -> Arc<TablePlan> {
        let column = TableColumn {
            name: "c".to_owned(),
            type_text: type_text.to_owned(),
            default_kind,
            default_expression: String::new(),
        };
        Arc::new(TablePlan::compile(&[column], PlanOptions::default()).unwrap())
    }

    /// `behind`: bytes that another field has.
    fn program(plan: &TablePlan, field: &str, behind: usize) -> Program {
        let text = format!(
            r#"{{"type":"record","name":"r","fields":[{{"name":"c","type":{field}}},
                {{"name":"behind","type":{{"type":"fixed","name":"f","size":{behind}}}}}]}}"#
        );
        let registered =
            RegisteredSchema { id: SchemaId(1), kind: SchemaKind::Avro, text, references: Vec::new() };
        Program::compile(Schema::parse(&registered).unwrap(), plan).unwrap()
    }

    /// The block of the record behind itself.
    fn block(plan: &TablePlan, program: &Program, body: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let mut segment = plan.new_segment();
        for offset in 0..2 {
            let (topic, partition, timestamp_ms, key) = ("t", 0, None, None);
            let (headers, value) = (HeadersRef::NONE, None);
            let record = RecordRef { topic, partition, offset, timestamp_ms, key, headers, value };
            let rows = segment.rows();
            one_row(&mut segment, |columns| {
                program.run(plan, columns, rows, &record, body, &mut Scratch::default())
            })?;
        }
        let (shape, mut out) = (plan.shape(), Vec::new());
        encode_block(&shape.wire_names(), &shape.wire_types(), &[&segment], &mut out).unwrap();
        Ok(out)
    }

    fn long(value: i64) -> Vec<u8> {
        let (mut raw, mut out) = ((value << 1 ^ value >> 63) as u64, Vec::new());
        while raw >= 0x80 {
            out.push(raw as u8 | 0x80);
            raw >>= 7;
        }
        out.push(raw as u8);
        out
    }

    fn value() -> impl Strategy<Value = Vec<u8>> {
        let bytes = |bytes: Vec<u8>| [long(bytes.len() as i64), bytes].concat();
        prop_oneof![
            (any::<i64>(), 0u32..64).prop_map(|(value, shift)| long(value >> shift)),
            prop_oneof!["[a-z]{0,20}", "\\PC{0,9}", "[a-z]{60,70}"].prop_map(move |text| bytes(text.into())),
            prop::collection::vec(any::<u8>(), 0..18).prop_map(bytes),
            any::<i32>().prop_map(move |value| bytes(value.to_be_bytes()[1..].to_vec())),
            any::<f64>().prop_map(|value| value.to_le_bytes().to_vec()),
            any::<f32>().prop_map(|value| value.to_le_bytes().to_vec()),
            prop::collection::vec(any::<u8>(), 0..12),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn a_value_is_the_same_either_way(
            type_text in prop::sample::select(&COLUMNS[..]),
            field in prop::sample::select(&FIELDS[..]),
            union in prop_oneof![3 => Just(None), 1 => Just(Some(false)), 1 => Just(Some(true))],
            branch in prop_oneof![8 => Just(0u8), 8 => Just(2), 1 => any::<u8>()],
            value in value(),
            behind in 0usize..12,
            default in any::<bool>(),
        ) {
            let plan = plan(type_text, if default { DefaultKind::Default } else { DefaultKind::None });
            let field = match union {
                None => field.to_owned(),
                Some(false) => format!(r#"["null",{field}]"#),
                Some(true) => format!(r#"[{field},"null"]"#),
            };
            let null = union.is_some_and(|null_last| branch == if null_last { 2 } else { 0 });
            let branch = union.map(|_| branch);
            let value = if null { Vec::new() } else { value };
            let body: Vec<u8> = branch.into_iter().chain(value).chain(vec![1; behind]).collect();
            let usual = block(&plan, &program(&plan, &field, behind), &body);
            let general = block(&plan, &program(&plan, &field, behind).without_usual(), &body);
            prop_assert!(usual == general, "{} in {}: {:?} and {:?}", field, type_text, usual, general);
        }
    }
}
