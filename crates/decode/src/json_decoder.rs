//! One record's JSON object into one row.
use std::sync::Arc;

use pumphouse_columns::{Column, Segment};

use crate::conversion::Conversion;
use crate::dotted::{GroupFiller, Target};
use crate::error::{DecodeError, DecodeReason, ValueKind};
use crate::headers::HeadersRef;
use crate::lineage::put_lineage;
use crate::nested_value::put_object_of_arrays;
use crate::plan::{Absent, ColumnPlan, Source, TablePlan, UnknownFields};
use crate::scalar::{Scalar, put_scalar};
use crate::scanner::{JSON_DEPTH_MAX, Scanner, unescape};
use crate::seen::Seen;
use crate::short_number::put_short;
use crate::source_row::put_null_field;
use crate::usual_fields::{Field, Hints, Taken, Twice};
use crate::usual_value::{Usual, put_usual};
use crate::utf8::check_utf8;

/// A text buffer larger than this is given back after the record that needed it.
const SCRATCH_BYTES_MAX: usize = 1 << 20;

/// A record as the consumer hands it over.
#[derive(Debug, Clone, Copy)]
pub struct RecordRef<'a> {
    /// The topic's name.
    pub topic: &'a str,
    /// The partition's number.
    pub partition: u32,
    /// The record's offset, at least 0.
    pub offset: i64,
    /// Milliseconds since 1970; `None` for a record that carries no timestamp.
    pub timestamp_ms: Option<i64>,
    /// The record's key; `None` for null, which is not the empty key.
    pub key: Option<&'a [u8]>,
    /// The record's headers.
    pub headers: HeadersRef<'a>,
    /// The record's value; `None` for a tombstone.
    pub value: Option<&'a [u8]>,
}

/// Writes JSON records into segments of one plan. Single-threaded; keeps only buffers and the order
/// of the last record's fields, so what a record becomes never depends on the ones before it.
#[derive(Debug)]
pub struct JsonDecoder {
    plan: Arc<TablePlan>,
    buffers: Buffers,
}

/// How the fields of JSON objects become values: as they stand there, or as a schema says.
pub(crate) trait TakeFields {
    /// Whether the column at `place` of the plan takes its field's value as it stands there.
    fn is_plain(&self, place: usize) -> bool;

    /// Takes the value of the field that fills the column at `place` of the plan.
    fn put(
        &mut self,
        place: usize,
        column_plan: &ColumnPlan,
        columns: &mut [Column],
        scanner: &mut Scanner<'_>,
        scratch: &mut Vec<u8>,
    ) -> Result<(), DecodeReason>;

    /// Fills the column at `place` of a record without its field.
    fn fill(
        &mut self,
        place: usize,
        column_plan: &ColumnPlan,
        columns: &mut [Column],
        record: &RecordRef<'_>,
    ) -> Result<(), DecodeReason>;

    /// Takes the value of a field that stands for a group, and answers it as JSON that needs no schema.
    /// `None`: nothing is taken, the value is such JSON as it stands there.
    fn group_json(
        &mut self,
        group: usize,
        scanner: &mut Scanner<'_>,
    ) -> Result<Option<Vec<u8>>, DecodeReason>;

    /// Gets back what `group_json` answered, for the next one.
    fn group_done(&mut self, json: Vec<u8>);
}

/// JSON says by itself what its values are.
struct AsJson;

impl TakeFields for AsJson {
    fn is_plain(&self, _place: usize) -> bool {
        true
    }

    #[inline]
    fn put(
        &mut self,
        _place: usize,
        column_plan: &ColumnPlan,
        columns: &mut [Column],
        scanner: &mut Scanner<'_>,
        scratch: &mut Vec<u8>,
    ) -> Result<(), DecodeReason> {
        put_field(column_plan, columns, scanner, scratch)
    }

    #[inline]
    fn fill(
        &mut self,
        _place: usize,
        column_plan: &ColumnPlan,
        columns: &mut [Column],
        record: &RecordRef<'_>,
    ) -> Result<(), DecodeReason> {
        fill(column_plan, columns, record)
    }

    #[inline]
    fn group_json(
        &mut self,
        _group: usize,
        _scanner: &mut Scanner<'_>,
    ) -> Result<Option<Vec<u8>>, DecodeReason> {
        Ok(None)
    }

    fn group_done(&mut self, _json: Vec<u8>) {}
}

/// What a decoder keeps from record to record.
#[derive(Debug)]
pub(crate) struct Buffers {
    hints: Hints,
    /// The columns that this record had fields for.
    seen: Seen,
    scratch: Vec<u8>,
}

impl JsonDecoder {
    /// A decoder for a plan.
    pub fn new(plan: Arc<TablePlan>) -> JsonDecoder {
        let buffers = Buffers::new();
        JsonDecoder { plan, buffers }
    }

    /// The plan it decodes for.
    pub fn plan(&self) -> &Arc<TablePlan> {
        &self.plan
    }

    /// Appends one row to `segment`, which the plan made (`TablePlan::new_segment`).
    /// Errors: [`DecodeError`]; the segment is then as it was before.
    pub fn decode(&mut self, segment: &mut Segment, record: RecordRef<'_>) -> Result<(), DecodeError> {
        self.buffers.decode(&self.plan, segment, record, 0, &mut AsJson)
    }
}

impl Buffers {
    pub(crate) fn new() -> Buffers {
        Buffers { hints: Hints::default(), seen: Seen::default(), scratch: Vec::new() }
    }

    /// Appends one row to `segment`. `body_at`: where the object begins in the value, white space left
    /// out. Errors: the segment is then as it was before.
    #[inline]
    pub(crate) fn decode(
        &mut self,
        plan: &TablePlan,
        segment: &mut Segment,
        record: RecordRef<'_>,
        body_at: usize,
        take: &mut impl TakeFields,
    ) -> Result<(), DecodeError> {
        let rows = segment.rows();
        let result = self.decode_row(plan, segment.columns_mut(), rows, record, body_at, take);
        match result {
            Ok(()) => segment.commit_row(),
            Err(_) => segment.undo_row(),
        }
        if self.scratch.capacity() > SCRATCH_BYTES_MAX {
            self.scratch = Vec::new();
        }
        result
    }

    fn decode_row(
        &mut self,
        plan: &TablePlan,
        columns: &mut [Column],
        rows: usize,
        record: RecordRef<'_>,
        body_at: usize,
        take: &mut impl TakeFields,
    ) -> Result<(), DecodeError> {
        let value = record.value.ok_or_else(|| plain(DecodeReason::NotAnObject { found: None }))?;
        let taken = self.hints.take_usual(0, &value[body_at..], columns);
        match self.hints.missing(taken.fields).filter(|_| taken.whole) {
            Some(missing) => {
                for &place in missing {
                    fill_missing(place, plan, columns, &record, take)?;
                }
            }
            None => self.take_others(plan, columns, rows, record, body_at, taken, take)?,
        }
        plan.dotted.check_lengths(plan, columns)
    }

    /// Takes all fields behind those that were taken, and fills the columns that have none.
    #[allow(clippy::too_many_arguments)]
    #[inline(never)]
    fn take_others<'a>(
        &mut self,
        plan: &TablePlan,
        columns: &mut [Column],
        rows: usize,
        record: RecordRef<'a>,
        body_at: usize,
        taken: Taken<'a>,
        take: &mut impl TakeFields,
    ) -> Result<(), DecodeError> {
        let value = record.value.unwrap_or_default();
        let mut first = taken;
        // A field that came twice is not taken as a usual one the next time, so this ends.
        while self.take_all(plan, columns, rows, value, body_at, first, take)?.is_err() {
            columns.iter_mut().for_each(|column| column.truncate(rows));
            first = Taken { fields: 0, rest: &value[body_at..], whole: false };
        }
        let mut from = 0;
        while let Some(place) = self.seen.next_missing(from, plan.columns.len()) {
            fill_missing(place, plan, columns, &record, take)?;
            from = place + 1;
        }
        Ok(())
    }

    /// Takes all fields behind those that were taken.
    #[allow(clippy::too_many_arguments)]
    fn take_all<'a>(
        &mut self,
        plan: &TablePlan,
        columns: &mut [Column],
        rows: usize,
        value: &'a [u8],
        body_at: usize,
        mut taken: Taken<'a>,
        take: &mut impl TakeFields,
    ) -> Result<Result<(), Twice>, DecodeError> {
        self.seen.begin(plan.columns.len());
        if let Err(twice) = self.hints.mark(0..taken.fields, &mut self.seen) {
            return Ok(Err(twice));
        }
        if taken.whole {
            self.keep_missing(plan, taken.fields);
            return Ok(Ok(()));
        }
        // All else relies on it, and broken UTF-8 is the first thing to be said of a record.
        if let Err(good) = check_utf8(&value[body_at..]) {
            return Err(plain(DecodeReason::InvalidUtf8 { at: body_at + good }));
        }
        let mut scanner = Scanner::starting_at(value, body_at);
        if taken.fields == 0 {
            let kind = scanner.kind().map_err(plain)?;
            if kind != ValueKind::Object {
                scanner.raw_value(0).and_then(|_| scanner.end()).map_err(plain)?;
                return Err(plain(DecodeReason::NotAnObject { found: Some(kind) }));
            }
        }
        while !taken.whole {
            scanner.go_on(taken.rest);
            if !self.take_field(plan, columns, rows, taken.fields, &mut scanner, take)? {
                scanner.end().map_err(plain)?;
                break;
            }
            let from = taken.fields + 1;
            taken = self.hints.take_usual(from, scanner.rest(), columns);
            if let Err(twice) = self.hints.mark(from..taken.fields, &mut self.seen) {
                return Ok(Err(twice));
            }
        }
        Ok(Ok(()))
    }

    /// All fields were usual ones, each another: the next record that is so need not be looked at.
    fn keep_missing(&mut self, plan: &TablePlan, fields: usize) {
        let missing = (0..plan.columns.len()).filter(|column| !self.seen.has(*column)).collect();
        self.hints.keep_missing(fields, missing);
    }

    /// Takes the field with number `place` (from 0). `false`: the object ended in its place.
    fn take_field(
        &mut self,
        plan: &TablePlan,
        columns: &mut [Column],
        rows: usize,
        place: usize,
        scanner: &mut Scanner<'_>,
        take: &mut impl TakeFields,
    ) -> Result<bool, DecodeError> {
        let Field { target, name_back } = match self.hints.find(place, scanner.rest()) {
            Some((field, rest)) => {
                scanner.go_on(rest);
                field
            }
            None => match self.next_field(plan, place, scanner, take).map_err(plain)? {
                Some(field) => field,
                None => return Ok(false),
            },
        };
        match target {
            Some(Target::Column(index)) => {
                let column_plan = &plan.columns[index];
                if self.seen.mark(index) {
                    forget(column_plan, columns, rows);
                }
                take.put(index, column_plan, columns, scanner, &mut self.scratch)
                    .map_err(|reason| of_column(column_plan, reason))?;
            }
            Some(Target::Group(group)) => {
                let json = take.group_json(group, scanner).map_err(plain)?;
                let (seen, scratch) = (&mut self.seen, &mut self.scratch);
                let mut filler = GroupFiller { plan, columns, rows, seen, scratch };
                match json {
                    None => filler.put(group, scanner, 1)?,
                    Some(json) => {
                        let put = filler.put(group, &mut Scanner::new(&json), 1);
                        take.group_done(json);
                        put?;
                    }
                }
            }
            None if plan.unknown_fields == UnknownFields::Refuse => {
                return Err(plain(DecodeReason::UnknownField { at: scanner.at() - name_back }));
            }
            None => {
                scanner.raw_value(1).map_err(plain)?;
            }
        }
        Ok(true)
    }

    /// The field with number `place` (from 0), if it is another one than the last record had there;
    /// `None` at the end of the object.
    #[inline(never)]
    fn next_field(
        &mut self,
        plan: &TablePlan,
        place: usize,
        scanner: &mut Scanner<'_>,
        take: &impl TakeFields,
    ) -> Result<Option<Field>, DecodeReason> {
        let begin = scanner.at();
        let ended = if place == 0 {
            scanner.expect(b'{')?;
            scanner.empty(b'}')
        } else {
            !scanner.another(b'}')?
        };
        if ended {
            return Ok(None);
        }
        let name = scanner.text()?;
        let target = if name.escaped {
            unescape(name, &mut self.scratch)?;
            plan.target(&self.scratch)
        } else {
            plan.target(name.raw)
        };
        scanner.expect(b':')?;
        let field = Field { target, name_back: scanner.at() - name.at };
        let usual = match target {
            Some(Target::Column(index)) if take.is_plain(index) => plan.columns[index].usual,
            _ => Usual::NEVER,
        };
        self.hints.set(place, scanner.taken_since(begin), field, usual);
        Ok(Some(field))
    }
}

#[cold]
pub(crate) fn plain(reason: DecodeReason) -> DecodeError {
    DecodeError { column: None, reason }
}

#[cold]
pub(crate) fn of_column(column_plan: &ColumnPlan, reason: DecodeReason) -> DecodeError {
    // Broken JSON is no matter of the column in whose value it shows.
    let column = match reason {
        DecodeReason::BrokenJson { .. } => None,
        _ => Some(Arc::clone(&column_plan.name)),
    };
    DecodeError { column, reason }
}

/// Fills a column that the record has no field for.
#[inline]
fn fill_missing(
    place: usize,
    plan: &TablePlan,
    columns: &mut [Column],
    record: &RecordRef<'_>,
    take: &mut impl TakeFields,
) -> Result<(), DecodeError> {
    let column_plan = &plan.columns[place];
    take.fill(place, column_plan, columns, record).map_err(|reason| of_column(column_plan, reason))
}

/// A field came a second time: the last one counts.
pub(crate) fn forget(column_plan: &ColumnPlan, columns: &mut [Column], rows: usize) {
    columns[column_plan.wire].truncate(rows);
    if let Some(mask) = column_plan.mask {
        columns[mask].truncate(rows);
    }
}

#[inline(never)]
pub(crate) fn put_field(
    column_plan: &ColumnPlan,
    columns: &mut [Column],
    scanner: &mut Scanner<'_>,
    scratch: &mut Vec<u8>,
) -> Result<(), DecodeReason> {
    let Source::Field { conversion, .. } = &column_plan.source else {
        unreachable!("lineage columns have no name to be found by")
    };
    if let Some(rest) = put_usual(&column_plan.usual, columns, scanner.rest()) {
        scanner.go_on(rest);
        return Ok(());
    }
    if scanner.peek() == b'n' {
        scanner.null()?;
        return put_null_field(column_plan, columns);
    }
    put_value(conversion, &mut columns[column_plan.wire], scanner, scratch, 1)?;
    put_mask(column_plan, columns, 1);
    Ok(())
}

/// What a column gets whose field is not in the record.
pub(crate) fn fill(
    column_plan: &ColumnPlan,
    columns: &mut [Column],
    record: &RecordRef<'_>,
) -> Result<(), DecodeReason> {
    match &column_plan.source {
        Source::Lineage(lineage) => put_lineage(*lineage, &mut columns[column_plan.wire], record),
        Source::Field { missing, .. } => match missing {
            Absent::Refuse => Err(DecodeReason::MissingField),
            Absent::Null => {
                put_null(&mut columns[column_plan.wire]);
                Ok(())
            }
            Absent::Masked => {
                put_absent(column_plan, columns);
                Ok(())
            }
        },
    }
}

pub(crate) fn put_null(column: &mut Column) {
    let taken = column.push_null();
    assert!(taken, "the plan lets NULL travel only in columns that hold it");
}

pub(crate) fn put_absent(column_plan: &ColumnPlan, columns: &mut [Column]) {
    columns[column_plan.wire].push_default();
    put_mask(column_plan, columns, 0);
}

#[inline]
pub(crate) fn put_mask(column_plan: &ColumnPlan, columns: &mut [Column], given: u8) {
    if let Some(mask) = column_plan.mask
        && let Column::U8(values) = &mut columns[mask]
    {
        values.push(given);
    }
}

/// Takes one value and appends it. `depth`: levels that the value lies in.
#[inline]
pub(crate) fn put_value(
    conversion: &Conversion,
    column: &mut Column,
    scanner: &mut Scanner<'_>,
    scratch: &mut Vec<u8>,
    depth: usize,
) -> Result<(), DecodeReason> {
    // By the byte and not by its kind: one jump in place of two.
    match scanner.peek() {
        b'"' => {
            if let Some(text) = scanner.plain_text() {
                return put_scalar(conversion, column, Scalar::Text(text));
            }
            unescape(scanner.text()?, scratch)?;
            put_scalar(conversion, column, Scalar::Text(scratch))
        }
        b'-' | b'0'..=b'9' => {
            let at = scanner.at();
            if let Some(number) = scanner.short_number() {
                if put_short(conversion, column, number)? {
                    return Ok(());
                }
                return put_scalar(conversion, column, Scalar::Number(scanner.taken_since(at)));
            }
            put_scalar(conversion, column, Scalar::Number(scanner.number()?))
        }
        b't' | b'f' => put_scalar(conversion, column, Scalar::Bool(scanner.boolean()?)),
        b'n' => {
            scanner.null()?;
            if column.push_null() { Ok(()) } else { Err(DecodeReason::UnexpectedNull) }
        }
        b'[' => put_compound(ValueKind::Array, conversion, column, scanner, scratch, depth),
        b'{' => put_compound(ValueKind::Object, conversion, column, scanner, scratch, depth),
        _ => scanner.broken(),
    }
}

/// Takes one value that is neither array nor object, and hands it on; `None` for null.
pub(crate) fn put_scalar_value(
    scanner: &mut Scanner<'_>,
    scratch: &mut Vec<u8>,
    put: impl FnOnce(Option<Scalar<'_>>) -> Result<(), DecodeReason>,
) -> Result<(), DecodeReason> {
    match scanner.kind()? {
        ValueKind::Text => {
            let text = scanner.text()?;
            if !text.escaped {
                return put(Some(Scalar::Text(text.raw)));
            }
            unescape(text, scratch)?;
            put(Some(Scalar::Text(scratch)))
        }
        ValueKind::Number => put(Some(Scalar::Number(scanner.number()?))),
        ValueKind::Bool => put(Some(Scalar::Bool(scanner.boolean()?))),
        _ => {
            scanner.null()?;
            put(None)
        }
    }
}

fn put_compound(
    kind: ValueKind,
    conversion: &Conversion,
    column: &mut Column,
    scanner: &mut Scanner<'_>,
    scratch: &mut Vec<u8>,
    depth: usize,
) -> Result<(), DecodeReason> {
    if depth > JSON_DEPTH_MAX {
        return Err(DecodeReason::TooDeep);
    }
    match (kind, conversion, column) {
        (ValueKind::Array, Conversion::Array(inner), Column::Array(array)) => {
            scanner.expect(b'[')?;
            if !scanner.empty(b']') {
                loop {
                    put_value(inner, array.values(), scanner, scratch, depth + 1)?;
                    if !scanner.another(b']')? {
                        break;
                    }
                }
            }
            array.row_pushed();
            Ok(())
        }
        (ValueKind::Object, Conversion::Map(key, value), Column::Map(map)) => {
            scanner.expect(b'{')?;
            if !scanner.empty(b'}') {
                loop {
                    let name = scanner.text()?;
                    if name.escaped {
                        unescape(name, scratch)?;
                        put_scalar(key, map.keys(), Scalar::Text(scratch))?;
                    } else {
                        put_scalar(key, map.keys(), Scalar::Text(name.raw))?;
                    }
                    scanner.expect(b':')?;
                    put_value(value, map.values(), scanner, scratch, depth + 1)?;
                    if !scanner.another(b'}')? {
                        break;
                    }
                }
            }
            map.row_pushed();
            Ok(())
        }
        (ValueKind::Object, Conversion::Json(rules), Column::Json(text)) => {
            text.push(rules.take(scanner, scratch, depth)?);
            Ok(())
        }
        (ValueKind::Array, Conversion::Tuple(members), Column::Tuple(tuple)) => {
            members.put_array(tuple, scanner, scratch, depth)
        }
        (ValueKind::Object, Conversion::Tuple(members), Column::Tuple(tuple)) if members.have_names() => {
            members.put_object(tuple, scanner, scratch, depth)
        }
        (ValueKind::Array, Conversion::Nested(array), column) => {
            put_compound(kind, array, column, scanner, scratch, depth)
        }
        (ValueKind::Object, Conversion::Nested(array), Column::Array(column)) => {
            put_object_of_arrays(array, column, scanner, scratch, depth)
        }
        (_, Conversion::Variant(choice), Column::Variant(variant)) => {
            choice.put_compound(kind, variant, scanner, scratch, depth)
        }
        (_, Conversion::Dynamic(kinds), Column::Dynamic(dynamic)) => {
            kinds.put_compound(kind, dynamic, scanner, scratch, depth)
        }
        (_, text, column) if text.takes_json_text() => {
            let raw = scanner.raw_value(depth)?;
            put_scalar(text, column, Scalar::Text(raw))
        }
        (_, Conversion::Nullable(inner), Column::Nullable(nullable)) => {
            put_compound(kind, inner, nullable.values(), scanner, scratch, depth)?;
            nullable.value_pushed();
            Ok(())
        }
        _ => {
            // Broken JSON stays broken JSON, whatever the column wants.
            scanner.raw_value(depth)?;
            Err(DecodeReason::WrongKind { found: kind })
        }
    }
}
