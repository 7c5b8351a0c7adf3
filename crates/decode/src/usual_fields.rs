//! The fields of a record that are like those of the record before: the same names in the same order, between
//! the same white space, each with the usual value of its column. They are taken here one after another,
//! without a look at what else they could be; whatever differs is the general way's (`json_decoder.rs`), which
//! also takes down how the next record is expected to look.
use std::ops::Range;

use pumphouse_columns::Column;

use crate::dotted::Target;
use crate::marks::Marks;
use crate::seen::Seen;
use crate::usual_value::{Usual, put_usual};

/// How many fields of the last record are remembered in order; later ones are looked up by hash.
const HINTS_MAX: usize = 1024;
/// Names longer than this are not remembered, so that hostile names cannot hold memory.
const HINT_BYTES_MAX: usize = 256;

/// A field whose value comes next.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    /// `None` for a field without a column.
    pub(crate) target: Option<Target>,
    /// Where its name begins, counted back from where its colon ends.
    pub(crate) name_back: usize,
}

/// A field as the last record had it at the same place.
#[derive(Debug)]
struct Hint {
    /// All from behind the value before to the value: `,"name":`, or `{"name":`, with white space.
    marks: Marks,
    usual: Usual,
    /// The place of the usual value's column in the plan.
    column: usize,
    field: Field,
}

/// The last record's fields in their order.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    hints: Vec<Hint>,
    whole: Option<Whole>,
}

/// Records are known that have the first hints' fields and no others, each once.
#[derive(Debug, Default)]
struct Whole {
    fields: usize,
    /// Columns of the plan that are not among them.
    missing: Vec<usize>,
}

/// How far the usual fields go.
pub(crate) struct Taken<'a> {
    /// Fields of the record taken until now.
    pub(crate) fields: usize,
    /// What was not taken.
    pub(crate) rest: &'a [u8],
    /// Whether the object ended, and nothing but white space follows it.
    pub(crate) whole: bool,
}

/// A field came a second time as a usual one. It left a second value in its column, so the row has to be
/// taken anew: then the field is none of the usual ones any more.
#[derive(Debug)]
pub(crate) struct Twice;

impl Hints {
    /// Takes fields as long as they are the usual ones. `fields`: those of the record that were taken before.
    /// Shape: afterwards [`Hints::missing`] or [`Hints::mark`] is asked.
    #[inline]
    pub(crate) fn take_usual<'a>(
        &self,
        mut fields: usize,
        mut rest: &'a [u8],
        columns: &mut [Column],
    ) -> Taken<'a> {
        for hint in self.hints.get(fields..).unwrap_or_default() {
            let Some(value) = hint.marks.before(rest) else { break };
            let Some(behind) = put_usual(&hint.usual, columns, value) else { break };
            (fields, rest) = (fields + 1, behind);
        }
        let whole = match rest {
            [b'}', behind @ ..] if fields > 0 => {
                behind.iter().all(|byte| matches!(byte, b' ' | b'\n' | b'\t' | b'\r'))
            }
            _ => false,
        };
        Taken { fields, rest, whole }
    }

    /// The columns that a record has no fields for, all of whose fields were usual ones; `None` if that is
    /// not known of such records, and [`Hints::mark`] has to be asked.
    #[inline]
    pub(crate) fn missing(&self, fields: usize) -> Option<&[usize]> {
        self.whole.as_ref().filter(|whole| whole.fields == fields).map(|whole| &whole.missing[..])
    }

    /// Keeps what [`Hints::missing`] answers. Shape: `seen` are the columns of so many hints.
    pub(crate) fn keep_missing(&mut self, fields: usize, missing: Vec<usize>) {
        self.whole = Some(Whole { fields, missing });
    }

    /// Marks the columns of the usual fields with the numbers `fields`.
    pub(crate) fn mark(&mut self, fields: Range<usize>, seen: &mut Seen) -> Result<(), Twice> {
        // No fields may lie behind the remembered ones: where names are too long for that.
        for hint in self.hints.get_mut(fields).unwrap_or_default() {
            if seen.mark(hint.column) {
                hint.usual = Usual::NEVER;
                return Err(Twice);
            }
        }
        Ok(())
    }

    /// The field with number `place` (from 0) as the last record had it there, and what follows its marks.
    #[inline]
    pub(crate) fn find<'a>(&self, place: usize, text: &'a [u8]) -> Option<(Field, &'a [u8])> {
        let hint = self.hints.get(place)?;
        Some((hint.field, hint.marks.before(text)?))
    }

    /// The field with number `place` came behind `marks`. `usual`: what its usual value is.
    pub(crate) fn set(&mut self, place: usize, marks: &[u8], field: Field, usual: Usual) {
        if marks.len() > HINT_BYTES_MAX || place > self.hints.len() || place >= HINTS_MAX {
            return;
        }
        self.whole = None;
        let column = match field.target {
            Some(Target::Column(column)) => column,
            Some(Target::Group(_)) | None => 0,
        };
        if place == self.hints.len() {
            self.hints.push(Hint { marks: Marks::default(), usual, column, field });
        }
        let hint = &mut self.hints[place];
        hint.marks.set(marks);
        (hint.usual, hint.column, hint.field) = (usual, column, field);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use pumphouse_columns::{Segment, encode_block};

    use crate::{
        DecodeError, DefaultKind, HeadersRef, JsonDecoder, PlanOptions, RecordRef, TableColumn, TablePlan,
    };

    const COLUMNS: [(&str, &str); 7] = [
        ("id", "UInt64"),
        ("name", "String"),
        ("kind", "LowCardinality(String)"),
        ("delay", "Nullable(Int32)"),
        ("tags", "Array(LowCardinality(String))"),
        ("more", "Map(String, String)"),
        ("_offset", "Int64"),
    ];

    fn plan() -> Arc<TablePlan> {
        let columns = COLUMNS.map(|(name, type_text)| TableColumn {
            name: name.to_owned(),
            type_text: type_text.to_owned(),
            default_kind: if name == "tags" { DefaultKind::Default } else { DefaultKind::None },
            default_expression: if name == "tags" { "['a']".to_owned() } else { String::new() },
        });
        Arc::new(TablePlan::compile(&columns, PlanOptions::default()).unwrap())
    }

    fn put(decoder: &mut JsonDecoder, segment: &mut Segment, value: &[u8]) -> Result<(), DecodeError> {
        let (topic, partition, timestamp_ms, key) = ("t", 0, None, None);
        let (headers, value) = (HeadersRef::NONE, Some(value));
        decoder.decode(segment, RecordRef { topic, partition, offset: 7, timestamp_ms, key, headers, value })
    }

    fn block(plan: &TablePlan, segment: &Segment) -> Vec<u8> {
        let (shape, mut out) = (plan.shape(), Vec::new());
        encode_block(&shape.wire_names(), &shape.wire_types(), &[segment], &mut out).unwrap();
        out
    }

    #[test]
    fn names_that_are_too_long_are_not_remembered() {
        let plan = plan();
        let (mut decoder, mut segment) = (JsonDecoder::new(Arc::clone(&plan)), plan.new_segment());
        let long = "n".repeat(super::HINT_BYTES_MAX);
        let values =
            [format!("{{\"{long}\":7,\"id\":1}}"), format!("{{\"{long}\":7}}"), "{\"id\":1}".to_owned()];
        for value in &values {
            let mut fresh = plan.new_segment();
            let alone = put(&mut JsonDecoder::new(Arc::clone(&plan)), &mut fresh, value.as_bytes());
            for _ in 0..3 {
                segment.clear();
                assert_eq!(put(&mut decoder, &mut segment, value.as_bytes()), alone, "{value}");
                assert_eq!(block(&plan, &segment), block(&plan, &fresh), "{value}");
            }
        }
    }

    fn field() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "\"id\":1",
            "\"id\":12345678901",
            "\"id\": 3",
            "\"id\":-1",
            "\"name\":\"a\"",
            "\"name\":\"a\\nb\"",
            "\"name\":\"é and more of it\"",
            "\"kind\":\"k\"",
            "\"kind\":\"l\"",
            "\"delay\":null",
            "\"delay\":-5",
            "\"tags\":[]",
            "\"tags\":[\"x\",\"y\"]",
            "\"tags\":[\"x\",1]",
            "\"more\":{\"a\":\"b\"}",
            "\"other\":[1]",
        ])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Whatever came before: the same names in another order, some of them twice, with white space, with
        /// values that are not the usual ones, broken in one byte.
        #[test]
        fn a_record_does_not_depend_on_those_before_it(
            usual in any::<bool>(),
            records in prop::collection::vec(
                (prop::collection::vec(field(), 0..7), "[ \n]{0,2}", prop::option::of((0usize..120, any::<u8>()))),
                1..8,
            ),
        ) {
            let plan = plan();
            let (mut decoder, mut segment) = (JsonDecoder::new(Arc::clone(&plan)), plan.new_segment());
            for (fields, behind, broken) in records {
                let start = if usual { "\"id\":5,\"name\":\"n\",\"kind\":\"k\",\"more\":{}" } else { "\"id\":6" };
                let fields = [vec![start], fields].concat().join(",");
                let mut value = format!("{{{fields}}}{behind}").into_bytes();
                if let Some((place, byte)) = broken && let Some(at) = value.get_mut(place) {
                    *at = byte;
                }
                let (mut first, mut alone) = (JsonDecoder::new(Arc::clone(&plan)), plan.new_segment());
                let expected = put(&mut first, &mut alone, &value);
                let rows = segment.rows();
                prop_assert_eq!(&put(&mut decoder, &mut segment, &value), &expected, "{}", value.escape_ascii());
                if expected.is_ok() {
                    let mut last = segment.clone();
                    last.truncate(rows + 1);
                    let last = last.select(std::slice::from_ref(&(rows..rows + 1)));
                    prop_assert!(block(&plan, &last) == block(&plan, &alone), "{}", value.escape_ascii());
                } else {
                    prop_assert_eq!(segment.rows(), rows);
                }
            }
        }

        /// Nobody asks before whether a record is UTF-8 if all its fields are the usual ones.
        #[test]
        fn broken_utf8_is_found_in_usual_fields(
            start in "[a-z]{0,20}", bytes in prop::collection::vec(0x20u8.., 0..4), end in "[a-z]{0,20}",
        ) {
            let plan = plan();
            let (mut decoder, mut segment) = (JsonDecoder::new(Arc::clone(&plan)), plan.new_segment());
            let text = [start.as_bytes(), &bytes[..], end.as_bytes()].concat();
            let value = |text: &[u8]| {
                let name = [b"\"", text, b"\""].concat();
                [b"{\"id\":1,\"name\":", &name[..], b",\"kind\":\"k\",\"more\":{}}"].concat()
            };
            for _ in 0..2 {
                put(&mut decoder, &mut segment, &value(b"usual")).unwrap();
            }
            let json = value(&text);
            let parsed = serde_json::from_slice::<serde_json::Value>(&json).is_ok();
            prop_assert_eq!(put(&mut decoder, &mut segment, &json).is_ok(), parsed, "{}", json.escape_ascii());
        }
    }
}
