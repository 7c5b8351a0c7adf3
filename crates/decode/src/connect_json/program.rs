//! A Connect schema against a table: what each field of the payload becomes.
use pumphouse_columns::Column;

use super::json::append_meaning;
use super::schema::{Field, Node, parse};
use crate::conversion::Conversion;
use crate::error::{DecodeError, DecodeReason, ValueKind};
use crate::json_decoder::{RecordRef, forget, of_column, plain, put_value};
use crate::number::{NumberError, exact_signed, short_integer};
use crate::plan::{TablePlan, UnknownFields};
use crate::scalar::{Scalar, put_scalar};
use crate::scanner::{JSON_DEPTH_MAX, Scanner, unescape};
use crate::schema_error::SchemaFault;
use crate::source_row::{Binding, GroupScratch, put_given, put_null_field};
use crate::typed::{Unscaled, decode_base64, put_bytes, put_decimal, put_moment};

/// Buffers that are kept from record to record.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// A text without escapes.
    unescaped: Vec<u8>,
    /// What base64 stands for.
    bytes: Vec<u8>,
    /// A value as JSON that says what it means.
    pub(crate) json: Vec<u8>,
    /// Per field of the schema: whether this record had it.
    seen: Vec<bool>,
    /// For fields that stand for groups of columns.
    groups: GroupScratch,
}

/// A compiled Connect schema.
#[derive(Debug)]
pub(crate) struct Program {
    fields: Vec<Field>,
    binding: Binding,
}

impl Program {
    pub(crate) fn compile(
        schema: &[u8],
        null_defaults: bool,
        plan: &TablePlan,
    ) -> Result<Program, SchemaFault> {
        let fields = parse(schema, null_defaults)?;
        let binding = Binding::new(plan, fields.iter().map(|field| &*field.name));
        Ok(Program { fields, binding })
    }

    /// Takes the payload's object and appends one row, which the caller commits or undoes.
    pub(crate) fn run(
        &self,
        plan: &TablePlan,
        columns: &mut [Column],
        rows: usize,
        record: &RecordRef<'_>,
        scanner: &mut Scanner<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), DecodeError> {
        self.binding.fill_absent(plan, columns, record)?;
        self.binding.begin_groups(plan, &mut scratch.groups);
        scratch.seen.clear();
        scratch.seen.resize(self.fields.len(), false);
        scanner.expect(b'{').map_err(plain)?;
        let mut place = 0;
        if !scanner.empty(b'}') {
            loop {
                let field = self.next_field(plan, place, scanner, scratch)?;
                scanner.expect(b':').map_err(plain)?;
                place = field.map_or(place, |field| field + 1);
                match field {
                    None => scanner.raw_value(2).map(drop).map_err(plain)?,
                    Some(field) => self.put_field(field, plan, columns, rows, scanner, scratch)?,
                }
                if !scanner.another(b'}').map_err(plain)? {
                    break;
                }
            }
        }
        for field in 0..self.fields.len() {
            if !scratch.seen[field] {
                // To Connect, a field that is not there is null.
                self.put_field(field, plan, columns, rows, &mut Scanner::new(b"null"), scratch)?;
            }
        }
        self.binding.end_groups(plan, columns, record, &scratch.groups)
    }

    /// The field whose name comes next; `None` for one that the schema does not have.
    fn next_field(
        &self,
        plan: &TablePlan,
        place: usize,
        scanner: &mut Scanner<'_>,
        scratch: &mut Scratch,
    ) -> Result<Option<usize>, DecodeError> {
        let at = scanner.next_at();
        if self.fields.get(place).is_some_and(|field| scanner.eat_name(field.name.as_bytes())) {
            return Ok(Some(place));
        }
        let name = scanner.text().map_err(plain)?;
        let name = if name.escaped {
            unescape(name, &mut scratch.unescaped).map_err(plain)?;
            &scratch.unescaped
        } else {
            name.raw
        };
        let field = self.fields.iter().position(|field| field.name.as_bytes() == name);
        if field.is_none() && plan.unknown_fields == UnknownFields::Refuse {
            return Err(plain(DecodeReason::UnknownField { at: at + 1 }));
        }
        Ok(field)
    }

    fn put_field(
        &self,
        field: usize,
        plan: &TablePlan,
        columns: &mut [Column],
        rows: usize,
        scanner: &mut Scanner<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), DecodeError> {
        let again = std::mem::replace(&mut scratch.seen[field], true);
        let Some(target) = self.binding.targets[field] else {
            if let Some(group) = self.binding.group_of(field) {
                return self.put_group(field, group, plan, columns, rows, scanner, scratch);
            }
            return scanner.raw_value(2).map(drop).map_err(plain);
        };
        let column_plan = &plan.columns[target];
        if again {
            forget(column_plan, columns, rows);
        }
        let Field { node, default, .. } = &self.fields[field];
        let result = if scanner.peek() != b'n' {
            put_given(column_plan, columns, |conversion, column| {
                put(node, conversion, column, scanner, scratch, 2)
            })
        } else {
            scanner.null().and_then(|()| match default {
                Some(default) => put_given(column_plan, columns, |conversion, column| {
                    put(node, conversion, column, &mut Scanner::new(default), scratch, 2)
                }),
                None => put_null_field(column_plan, columns),
            })
        };
        result.map_err(|reason| of_column(column_plan, reason))
    }
}

impl Program {
    /// A field that stands for a group of columns. Of one that comes twice the last counts, which the
    /// group sees to by itself.
    #[allow(clippy::too_many_arguments, reason = "a field, and what a record is written with")]
    fn put_group(
        &self,
        field: usize,
        group: usize,
        plan: &TablePlan,
        columns: &mut [Column],
        rows: usize,
        scanner: &mut Scanner<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), DecodeError> {
        let Field { node, default, .. } = &self.fields[field];
        let mut json = std::mem::take(&mut scratch.json);
        json.clear();
        let written = match (scanner.peek(), default) {
            (b'n', Some(default)) => scanner
                .null()
                .and_then(|()| append_meaning(node, &mut Scanner::new(default), scratch, &mut json, 2)),
            _ => append_meaning(node, scanner, scratch, &mut json, 2),
        };
        let result = written
            .map_err(plain)
            .and_then(|()| Binding::put_group(plan, columns, rows, group, &json, &mut scratch.groups));
        scratch.json = json;
        result
    }
}

/// Takes one value and appends it. `depth`: levels that it lies in.
pub(crate) fn put(
    node: &Node,
    conversion: &Conversion,
    column: &mut Column,
    scanner: &mut Scanner<'_>,
    scratch: &mut Scratch,
    depth: usize,
) -> Result<(), DecodeReason> {
    if depth > JSON_DEPTH_MAX {
        return Err(DecodeReason::TooDeep);
    }
    match (node, scanner.kind()?) {
        (Node::Bytes, ValueKind::Text) => put_bytes(conversion, column, base64_bytes(scanner, scratch)?),
        (Node::Decimal { scale }, ValueKind::Text) => {
            let bytes = base64_bytes(scanner, scratch)?;
            put_decimal(conversion, column, Unscaled::of(bytes), *scale)
        }
        (Node::Moment(moment), ValueKind::Number) => {
            put_moment(conversion, column, integer(scanner.number()?)?, *moment)
        }
        (Node::VariableDecimal, ValueKind::Object) => {
            let (scale, bytes) = variable_decimal(scanner, scratch)?;
            put_decimal(conversion, column, Unscaled::of(bytes), scale)
        }
        (Node::JsonText, ValueKind::Text) if conversion.takes_json_objects() => {
            let text = scanner.text()?;
            unescape(text, &mut scratch.json)?;
            let mut inner = Scanner::new(&scratch.json);
            put_value(conversion, column, &mut inner, &mut scratch.unescaped, 1)?;
            inner.end()
        }
        (Node::Array(_) | Node::Pairs { .. } | Node::Entries { .. }, ValueKind::Array)
        | (Node::Map(_) | Node::Struct(_), ValueKind::Object) => {
            put_compound(node, conversion, column, scanner, scratch, depth)
        }
        (Node::Choice(branches), kind) => match branches.iter().find(|(of, _)| *of == kind) {
            Some((_, node)) => put(node, conversion, column, scanner, scratch, depth),
            None => put_value(conversion, column, scanner, &mut scratch.unescaped, depth),
        },
        // Plain, null, or another kind than the schema says: what JSON without a schema would become.
        _ => put_value(conversion, column, scanner, &mut scratch.unescaped, depth),
    }
}

fn put_compound(
    node: &Node,
    conversion: &Conversion,
    column: &mut Column,
    scanner: &mut Scanner<'_>,
    scratch: &mut Scratch,
    depth: usize,
) -> Result<(), DecodeReason> {
    match (node, conversion, column) {
        (Node::Array(items), Conversion::Array(inner), Column::Array(array)) => {
            each(b"[]", scanner, |scanner| put(items, inner, array.values(), scanner, scratch, depth + 1))?;
            array.row_pushed();
            Ok(())
        }
        (Node::Map(value), Conversion::Map(keys, values), Column::Map(map)) => {
            each(b"{}", scanner, |scanner| {
                let name = scanner.text()?;
                unescape(name, &mut scratch.unescaped)?;
                put_scalar(keys, map.keys(), Scalar::Text(&scratch.unescaped))?;
                scanner.expect(b':')?;
                put(value, values, map.values(), scanner, scratch, depth + 1)
            })?;
            map.row_pushed();
            Ok(())
        }
        (Node::Pairs { key, value }, Conversion::Map(keys, values), Column::Map(map)) => {
            each(b"[]", scanner, |scanner| {
                scanner.expect(b'[')?;
                put(key, keys, map.keys(), scanner, scratch, depth + 2)?;
                scanner.expect(b',')?;
                put(value, values, map.values(), scanner, scratch, depth + 2)?;
                scanner.expect(b']')
            })?;
            map.row_pushed();
            Ok(())
        }
        (Node::Entries { key, value }, Conversion::Map(keys, values), Column::Map(map)) => {
            each(b"[]", scanner, |scanner| {
                let (key_at, value_at) = entry(scanner, depth + 1)?;
                put(key, keys, map.keys(), &mut scanner.again_at(key_at), scratch, depth + 2)?;
                match value_at {
                    Some(at) => {
                        put(value, values, map.values(), &mut scanner.again_at(at), scratch, depth + 2)
                    }
                    None if map.values().push_null() => Ok(()),
                    None => Err(DecodeReason::MissingField),
                }
            })?;
            map.row_pushed();
            Ok(())
        }
        (node, conversion, column) => {
            let mut json = std::mem::take(&mut scratch.json);
            json.clear();
            let result = append_meaning(node, scanner, scratch, &mut json, depth).and_then(|()| {
                put_value(conversion, column, &mut Scanner::new(&json), &mut scratch.unescaped, 1)
            });
            scratch.json = json;
            result
        }
    }
}

fn each<'a>(
    [open, close]: &[u8; 2],
    scanner: &mut Scanner<'a>,
    mut one: impl FnMut(&mut Scanner<'a>) -> Result<(), DecodeReason>,
) -> Result<(), DecodeReason> {
    scanner.expect(*open)?;
    if scanner.empty(*close) {
        return Ok(());
    }
    loop {
        one(scanner)?;
        if !scanner.another(*close)? {
            return Ok(());
        }
    }
}

/// Takes `{"key": .., "value": ..}` in any order; answers where the two values begin.
fn entry(scanner: &mut Scanner<'_>, depth: usize) -> Result<(usize, Option<usize>), DecodeReason> {
    let (mut key, mut value) = (None, None);
    each(b"{}", scanner, |scanner| {
        let name = scanner.text()?.raw;
        scanner.expect(b':')?;
        let at = scanner.next_at();
        scanner.raw_value(depth + 1)?;
        match name {
            b"key" => key = Some(at),
            b"value" => value = Some(at),
            _ => {}
        }
        Ok(())
    })?;
    key.map(|key| (key, value)).ok_or(DecodeReason::WrongKind { found: ValueKind::Object })
}

fn integer(number: &[u8]) -> Result<i64, DecodeReason> {
    if let Some(short) = short_integer(number) {
        return Ok(short);
    }
    match exact_signed(number, 0) {
        Ok(value) => i64::try_from(value).map_err(|_| DecodeReason::Lossy { found: ValueKind::Number }),
        Err(NumberError::NotANumber) => Err(DecodeReason::WrongKind { found: ValueKind::Number }),
        Err(NumberError::Lossy) => Err(DecodeReason::Lossy { found: ValueKind::Number }),
    }
}

/// Takes a text and answers the bytes that it stands for in base64.
pub(crate) fn base64_bytes<'s>(
    scanner: &mut Scanner<'_>,
    scratch: &'s mut Scratch,
) -> Result<&'s [u8], DecodeReason> {
    let text = scanner.text()?;
    scratch.bytes.clear();
    let decoded = if text.escaped {
        unescape(text, &mut scratch.unescaped)?;
        decode_base64(&scratch.unescaped, &mut scratch.bytes)
    } else {
        decode_base64(text.raw, &mut scratch.bytes)
    };
    decoded.ok_or(DecodeReason::WrongKind { found: ValueKind::Text })?;
    Ok(&scratch.bytes)
}

/// `{"scale": 2, "value": "MDk="}` in any order.
fn variable_decimal<'s>(
    scanner: &mut Scanner<'_>,
    scratch: &'s mut Scratch,
) -> Result<(i32, &'s [u8]), DecodeReason> {
    let wrong = DecodeReason::WrongKind { found: ValueKind::Object };
    let (mut scale, mut value) = (None, false);
    each(b"{}", scanner, |scanner| {
        let name = scanner.text()?.raw;
        scanner.expect(b':')?;
        match (name, scanner.kind()?) {
            (b"scale", ValueKind::Number) => {
                scale = Some(i32::try_from(integer(scanner.number()?)?).map_err(|_| wrong)?);
            }
            (b"value", ValueKind::Text) => {
                base64_bytes(scanner, scratch)?;
                value = true;
            }
            _ => return Err(wrong),
        }
        Ok(())
    })?;
    match (scale, value) {
        (Some(scale), true) => Ok((scale, &scratch.bytes)),
        _ => Err(wrong),
    }
}
