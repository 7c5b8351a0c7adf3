//! Messages as serializers write them: plain fields in the schema's order, each at most once. They go into
//! the columns in one pass; all others take the general way (`program.rs`), to the same values.
use pumphouse_columns::Column;

use super::number::put_number;
use super::schema::{Field, Kind, Message, Schema};
use super::wire::{Cursor, Entry, wire_of};
use crate::plan::TablePlan;
use crate::source_row::{Binding, conversion_of, put_null_field};
use crate::typed::{put_bytes, put_usual_text};
use crate::utf8::check_utf8;

/// Whether all fields that go to columns are plain ones.
pub(super) fn is_plain(message: &Message, binding: &Binding) -> bool {
    let plain = |(place, field): (usize, &Field)| {
        let single = !field.repeated && field.oneof.is_none();
        let value = !matches!(field.kind, Kind::Message(_) | Kind::Group(_));
        match binding.targets[place] {
            Some(_) => single && value,
            None => single && binding.group_of(place).is_none(),
        }
    };
    message.fields.iter().enumerate().all(plain)
}

/// Appends one row to the columns of the message's fields; `cursor` stands before the message and reads to its
/// end. `false`: it is none of the usual ones, or has an error; the columns may then hold part of a row.
/// Shape: the message [`is_plain`].
pub(super) fn put_in_order(
    (schema, message): (&Schema, &Message),
    binding: &Binding,
    plan: &TablePlan,
    columns: &mut [Column],
    bytes: &[u8],
    mut cursor: Cursor<'_>,
) -> bool {
    let mut row = Row { schema, plan, columns, bytes };
    let mut fields = message.fields.iter().zip(&binding.targets);
    'entries: while !cursor.is_at_end() {
        let Some((number, entry)) = cursor.entry() else { return false };
        for (field, target) in fields.by_ref() {
            let put = match (field.number == number, target) {
                (_, None) => true,
                (true, Some(target)) => entry.wire == wire_of(field.kind) && row.put(field, *target, entry),
                (false, Some(target)) => row.put_absent(field, *target),
            };
            if !put {
                return false;
            }
            if field.number == number {
                continue 'entries;
            }
        }
        // Unknown, or before one that was there already.
        return false;
    }
    fields.all(|(field, target)| target.is_none_or(|target| row.put_absent(field, target)))
}

struct Row<'r> {
    schema: &'r Schema,
    plan: &'r TablePlan,
    columns: &'r mut [Column],
    bytes: &'r [u8],
}

impl Row<'_> {
    #[inline(always)]
    fn put(&mut self, field: &Field, target: usize, entry: Entry) -> bool {
        let column_plan = &self.plan.columns[target];
        let conversion = conversion_of(column_plan);
        let column = &mut self.columns[column_plan.wire];
        let put = match field.kind {
            Kind::String => {
                let text = &self.bytes[entry.range()];
                check_utf8(text).is_ok() && put_usual_text(conversion, column, text).is_ok()
            }
            Kind::Bytes => put_bytes(conversion, column, &self.bytes[entry.range()]).is_ok(),
            kind => put_number(self.schema, kind, entry.raw, conversion, column).is_ok(),
        };
        crate::json_decoder::put_mask(column_plan, self.columns, 1);
        put
    }

    /// What a field stands for that is not in the message.
    fn put_absent(&mut self, field: &Field, target: usize) -> bool {
        if field.presence {
            return put_null_field(&self.plan.columns[target], self.columns).is_ok();
        }
        self.put(field, target, Entry::zero(wire_of(field.kind)))
    }
}
