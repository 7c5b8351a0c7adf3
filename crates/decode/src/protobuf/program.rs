//! A message against a table: which field goes to which column, and how its values are taken.
use pumphouse_columns::Column;

use super::in_order::InOrder;
use super::known::Known;
use super::number::{int32, number_of, put_number};
use super::schema::{Field, Kind, Message, MessageId, Schema};
use super::wire::{Cursor, Entry, PROTOBUF_DEPTH_MAX, Wire, note_fields, settle_fields, wire_of};
use crate::conversion::Conversion;
use crate::error::{DecodeError, DecodeReason, ValueKind};
use crate::json_decoder::{RecordRef, plain, put_value};
use crate::plan::TablePlan;
use crate::scalar::{Scalar, put_scalar};
use crate::scanner::Scanner;
use crate::schema_error::SchemaFault;
use crate::source_row::{Binding, GroupScratch, at_column, put_given, put_null_field};
use crate::typed::{Unscaled, put_bytes, put_decimal, put_moment, put_text};
use crate::utf8::check_utf8;

/// Fields that are written out of nested messages beyond two per byte: absent ones take no bytes.
const FREE_FIELDS: usize = 1 << 20;

/// Different messages of one schema that are kept bound to columns; real topics have one or some.
const BOUND_MAX: usize = 64;

/// A producer whose messages are never the usual ones costs as many of them a second reading.
const TRIES_MAX: u32 = 64;

/// Buffers that are kept from record to record.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// The JSON text of a value that a column takes as JSON.
    pub(super) json: Vec<u8>,
    /// Texts of it without escapes.
    pub(super) unescaped: Vec<u8>,
    /// The fields of the messages that are open, the innermost last.
    pub(super) entries: Vec<Entry>,
    /// The members of their oneofs that count.
    pub(super) winners: Vec<u32>,
    /// For fields that stand for groups of columns.
    groups: GroupScratch,
}

/// A compiled schema; its messages are bound to the table when a record first names them.
#[derive(Debug)]
pub(super) struct Program {
    schema: Schema,
    /// The message that every value is; `None`: each value says it.
    fixed: Option<MessageId>,
    bound: Vec<Bound>,
}

/// A message that is bound to the table.
#[derive(Debug)]
struct Bound {
    id: MessageId,
    binding: Binding,
    /// The usual way, if it has one.
    in_order: Option<InOrder>,
    /// How often it may still come in another form than the usual one before that is not tried any more.
    tries_left: u32,
}

impl Program {
    pub(super) fn new(schema: Schema) -> Program {
        Program { schema, fixed: None, bound: Vec::new() }
    }

    /// For values that are all one message and do not say so. Errors: it cannot be told which one.
    pub(super) fn of_message(schema: Schema, name: Option<&str>) -> Result<Program, SchemaFault> {
        let fixed = Some(schema.named(name)?);
        Ok(Program { schema, fixed, bound: Vec::new() })
    }

    /// Appends one row to `columns`, which hold `rows` of them and which the caller commits or undoes. `value`: the whole value,
    /// `body_at`: where the message begins in it.
    pub(super) fn run(
        &mut self,
        plan: &TablePlan,
        columns: &mut [Column],
        rows: usize,
        record: &RecordRef<'_>,
        (value, body_at): (&[u8], usize),
        scratch: &mut Scratch,
    ) -> Result<(), DecodeError> {
        let mut cursor = Cursor::new(value, body_at..value.len());
        let id = match self.fixed {
            Some(id) => id,
            None => self.message_of(&mut cursor).map_err(plain)?,
        };
        let place = self.bind(id, plan);
        let (schema, Bound { binding, in_order, tries_left, .. }) = (&self.schema, &mut self.bound[place]);
        binding.fill_absent(plan, columns, record)?;
        if *tries_left > 0
            && let Some(in_order) = in_order
        {
            if in_order.put(schema, plan, columns, &value[cursor.at()..]).is_some() {
                *tries_left = (*tries_left + 1).min(TRIES_MAX);
                return Ok(());
            }
            *tries_left -= 1;
            columns.iter_mut().for_each(|column| column.truncate(rows));
            binding.fill_absent(plan, columns, record)?;
        }
        binding.begin_groups(plan, &mut scratch.groups);
        scratch.entries.clear();
        scratch.winners.clear();
        let mut run = Run { schema, bytes: value, scratch, fields_left: value.len() * 2 + FREE_FIELDS };
        let opened = run.open_range(id, cursor.at()..value.len()).map_err(plain)?;
        let mut next = opened.start;
        for (place, (field, target)) in schema.message(id).fields.iter().zip(&binding.targets).enumerate() {
            let given = run.entries_of(place, next..opened.end);
            next = given.end;
            let Some(target) = target else {
                if let Some(group) = binding.group_of(place) {
                    run.put_group(field, given, plan, columns, rows, group)?;
                }
                continue;
            };
            let column_plan = &plan.columns[*target];
            let put = if given.is_empty() && field.presence {
                put_null_field(column_plan, columns)
            } else {
                put_given(column_plan, columns, |conversion, column| {
                    run.put_field(field, given, conversion, column)
                })
            };
            put.map_err(|reason| at_column(column_plan, reason))?;
        }
        binding.end_groups(plan, columns, record, &scratch.groups)
    }

    /// Reads which message of the file the value is: how many steps, then each of them; a lone zero is
    /// the first message.
    fn message_of(&self, cursor: &mut Cursor<'_>) -> Result<MessageId, DecodeReason> {
        let steps = cursor.index()?;
        let first = if steps == 0 { 0 } else { cursor.index()? };
        let Some(mut id) = self.schema.top(first) else { return cursor.broken() };
        for _ in 1..steps {
            let step = cursor.index()?;
            match self.schema.nested(id, step) {
                Some(inner) => id = inner,
                None => return cursor.broken(),
            }
        }
        Ok(id)
    }

    fn bind(&mut self, id: MessageId, plan: &TablePlan) -> usize {
        if let Some(place) = self.bound.iter().position(|bound| bound.id == id) {
            return place;
        }
        if self.bound.len() >= BOUND_MAX {
            self.bound.clear();
        }
        let message = self.schema.message(id);
        let binding = Binding::new(plan, message.fields.iter().map(|field| &*field.name));
        let in_order = InOrder::new(&self.schema, message, &binding, plan);
        self.bound.push(Bound { id, binding, in_order, tries_left: TRIES_MAX });
        self.bound.len() - 1
    }
}

/// One record being read.
pub(super) struct Run<'r> {
    pub(super) schema: &'r Schema,
    pub(super) bytes: &'r [u8],
    pub(super) scratch: &'r mut Scratch,
    fields_left: usize,
}

/// Places in `Scratch::entries`.
pub(super) type Entries = std::ops::Range<usize>;

impl Run<'_> {
    /// Notes the fields of a message; [`Run::close`] forgets them.
    fn open_range(&mut self, id: MessageId, range: std::ops::Range<usize>) -> Result<Entries, DecodeReason> {
        let (message, first) = (self.schema.message(id), self.scratch.entries.len());
        note_fields(message, self.bytes, range, &mut self.scratch.entries)?;
        settle_fields(message, first, &mut self.scratch.entries, &mut self.scratch.winners);
        Ok(first..self.scratch.entries.len())
    }

    /// The same for a field: where it comes more than once, its parts are merged.
    /// Errors: `TooDeep`; what the bytes may say. `depth`: levels that it lies in.
    pub(super) fn open(
        &mut self,
        id: MessageId,
        parts: Entries,
        depth: usize,
    ) -> Result<Entries, DecodeReason> {
        if depth >= PROTOBUF_DEPTH_MAX {
            return Err(DecodeReason::TooDeep);
        }
        let (message, first) = (self.schema.message(id), self.scratch.entries.len());
        self.claim(message.oneofs)?;
        for part in parts {
            let range = self.scratch.entries[part].range();
            note_fields(message, self.bytes, range, &mut self.scratch.entries)?;
        }
        settle_fields(message, first, &mut self.scratch.entries, &mut self.scratch.winners);
        Ok(first..self.scratch.entries.len())
    }

    pub(super) fn close(&mut self, opened: &Entries) {
        self.scratch.entries.truncate(opened.start);
    }

    /// Counts fields that are written out, so that a wide schema does not make a short record long work.
    pub(super) fn claim(&mut self, fields: usize) -> Result<(), DecodeReason> {
        self.fields_left = self.fields_left.checked_sub(fields).ok_or(DecodeReason::TooManyValues)?;
        Ok(())
    }

    /// Those of the field at `place`; `rest` begins with them, or with a later field's.
    pub(super) fn entries_of(&self, place: usize, rest: Entries) -> Entries {
        let others = |entry: &Entry| entry.field as usize != place;
        let count = self.scratch.entries[rest.clone()].iter().position(others).unwrap_or(rest.len());
        rest.start..rest.start + count
    }

    /// The last of a field's entries, or what stands for none.
    pub(super) fn last(&self, kind: Kind, given: &Entries) -> Entry {
        match given.is_empty() {
            true => Entry::zero(wire_of(kind)),
            false => self.scratch.entries[given.end - 1],
        }
    }

    /// Bytes of an entry that is a length and bytes.
    pub(super) fn slice(&self, entry: Entry) -> &[u8] {
        &self.bytes[entry.range()]
    }

    /// Errors: DECODE-008.
    pub(super) fn text(&self, entry: Entry) -> Result<&[u8], DecodeReason> {
        let bytes = self.slice(entry);
        match check_utf8(bytes) {
            Ok(()) => Ok(bytes),
            Err(good) => Err(DecodeReason::InvalidUtf8 { at: entry.range().start + good }),
        }
    }

    /// A field that stands for a group of columns.
    fn put_group(
        &mut self,
        field: &Field,
        given: Entries,
        plan: &TablePlan,
        columns: &mut [Column],
        rows: usize,
        group: usize,
    ) -> Result<(), DecodeError> {
        let mut json = std::mem::take(&mut self.scratch.json);
        json.clear();
        let written = match given.is_empty() && field.presence {
            true => {
                json.extend_from_slice(b"null");
                Ok(())
            }
            false => self.append_field(field, given, &mut json, 0),
        };
        let result = written
            .map_err(plain)
            .and_then(|()| Binding::put_group(plan, columns, rows, group, &json, &mut self.scratch.groups));
        self.scratch.json = json;
        result
    }

    fn put_field(
        &mut self,
        field: &Field,
        given: Entries,
        conversion: &Conversion,
        column: &mut Column,
    ) -> Result<(), DecodeReason> {
        match (field.repeated, field.kind, conversion, column) {
            (true, Kind::Message(entry), Conversion::Map(keys, values), Column::Map(map)) if field.map => {
                for place in given {
                    let opened = self.open(entry, place..place + 1, 0)?;
                    let message = self.schema.message(entry);
                    let (key, rest) = self.part(message, 0, opened.clone());
                    self.put_one(message.fields[0].kind, key, keys, map.keys(), 1)?;
                    let (value, _) = self.part(message, 1, rest);
                    self.put_one(message.fields[1].kind, value, values, map.values(), 1)?;
                    self.close(&opened);
                }
                map.row_pushed();
                Ok(())
            }
            (true, kind, Conversion::Array(inner), Column::Array(array)) if !field.map => {
                for place in given {
                    self.put_items(kind, place, inner, array.values())?;
                }
                array.row_pushed();
                Ok(())
            }
            (true, _, conversion, column) => {
                self.put_json(conversion, column, |run, out| run.append_field(field, given, out, 0))
            }
            (false, kind, conversion, column) => self.put_one(kind, given, conversion, column, 0),
        }
    }

    /// The entries of one of the two fields of a map's entry, and those behind them.
    /// Shape: the parser makes such messages, with both fields.
    fn part(&self, message: &Message, place: usize, rest: Entries) -> (Entries, Entries) {
        debug_assert_eq!(message.fields.len(), 2);
        let given = self.entries_of(place, rest.clone());
        (given.clone(), given.end..rest.end)
    }

    /// One entry of a list: an item, or many that are packed.
    fn put_items(
        &mut self,
        kind: Kind,
        place: usize,
        conversion: &Conversion,
        column: &mut Column,
    ) -> Result<(), DecodeReason> {
        let (entry, usual) = (self.scratch.entries[place], wire_of(kind));
        if entry.wire == usual {
            return self.put_one(kind, place..place + 1, conversion, column, 1);
        }
        let mut cursor = Cursor::new(self.bytes, entry.range());
        while !cursor.is_at_end() {
            put_number(self.schema, kind, cursor.packed(usual)?, conversion, column)?;
        }
        Ok(())
    }

    /// One value; of several the last, of messages all merged, of none what an absent field stands for.
    fn put_one(
        &mut self,
        kind: Kind,
        given: Entries,
        conversion: &Conversion,
        column: &mut Column,
        depth: usize,
    ) -> Result<(), DecodeReason> {
        match kind {
            Kind::String => put_text(conversion, column, self.text(self.last(kind, &given))?),
            Kind::Bytes => put_bytes(conversion, column, self.slice(self.last(kind, &given))),
            Kind::Message(id) | Kind::Group(id) => self.put_message(id, given, conversion, column, depth),
            _ => put_number(self.schema, kind, self.last(kind, &given).raw, conversion, column),
        }
    }

    fn put_message(
        &mut self,
        id: MessageId,
        given: Entries,
        conversion: &Conversion,
        column: &mut Column,
        depth: usize,
    ) -> Result<(), DecodeReason> {
        match self.schema.message(id).known {
            Some(Known::Wrapper) => {
                let opened = self.open(id, given, depth)?;
                let kind = self.schema.message(id).fields[0].kind;
                self.put_one(kind, opened.clone(), conversion, column, depth + 1)?;
                self.close(&opened);
                Ok(())
            }
            Some(Known::Timestamp | Known::Date | Known::TimeOfDay) => {
                let (ticks, moment) = self.moment(id, given, depth)?;
                put_moment(conversion, column, ticks, moment)
            }
            Some(Known::Duration) => {
                let text = self.duration(id, given, depth)?;
                put_scalar(conversion, column, Scalar::Number(text.as_bytes()))
            }
            Some(Known::Decimal) => {
                let (unscaled, scale) = self.decimal(id, given, depth)?;
                put_decimal(conversion, column, Unscaled::of(self.slice(unscaled)), scale)
            }
            Some(Known::Struct | Known::Value | Known::ListValue) | None => {
                self.put_json(conversion, column, |run, out| run.append_message(id, given, out, depth))
            }
        }
    }

    /// Goes through the value's JSON text, for columns that take objects and lists as JSON knows them.
    fn put_json(
        &mut self,
        conversion: &Conversion,
        column: &mut Column,
        append: impl FnOnce(&mut Self, &mut Vec<u8>) -> Result<(), DecodeReason>,
    ) -> Result<(), DecodeReason> {
        let mut json = std::mem::take(&mut self.scratch.json);
        json.clear();
        let appended = append(self, &mut json);
        let put = appended.and_then(|()| {
            put_value(conversion, column, &mut Scanner::new(&json), &mut self.scratch.unescaped, 1)
        });
        self.scratch.json = json;
        put
    }

    /// The numbers of a message that has nothing else, in the schema's order; 0 for those that are absent.
    pub(super) fn numbers<const N: usize>(
        &mut self,
        id: MessageId,
        given: Entries,
        depth: usize,
    ) -> Result<[i64; N], DecodeReason> {
        let opened = self.open(id, given, depth)?;
        let message = self.schema.message(id);
        let mut numbers = [0; N];
        let mut rest = opened.clone();
        for (place, (field, number)) in message.fields.iter().zip(&mut numbers).enumerate() {
            let given = self.entries_of(place, rest.clone());
            rest.start = given.end;
            *number = number_of(field.kind, self.last(field.kind, &given).raw);
        }
        self.close(&opened);
        Ok(numbers)
    }

    /// Confluent's decimal: where its bytes stand, and its scale.
    pub(super) fn decimal(
        &mut self,
        id: MessageId,
        given: Entries,
        depth: usize,
    ) -> Result<(Entry, i32), DecodeReason> {
        let opened = self.open(id, given, depth)?;
        let value = self.entries_of(0, opened.clone());
        let precision = self.entries_of(1, value.end..opened.end);
        let scale = self.entries_of(2, precision.end..opened.end);
        let found = (self.last(Kind::Bytes, &value), int32(self.last(Kind::Int32, &scale).raw));
        self.close(&opened);
        Ok(found)
    }
}

/// The value cannot be held.
pub(super) const LOSSY: DecodeReason = DecodeReason::Lossy { found: ValueKind::Logical };

/// Lists of numbers may be packed.
pub(super) fn is_packed(kind: Kind, entry: Entry) -> bool {
    entry.wire == Wire::Bytes && wire_of(kind) != Wire::Bytes
}
