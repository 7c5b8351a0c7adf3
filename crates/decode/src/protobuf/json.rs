//! A message as JSON text, for columns that take objects and lists as JSON knows them. Names are those of
//! the `.proto` file; whole numbers stay numbers, dates and times are ISO 8601 texts, decimals texts of their
//! digits, bytes base64. What is absent is null where the schema can tell, else its zero.
use super::known::Known;
use super::number::{int32, number_of};
use super::program::{Entries, LOSSY, Run, is_packed};
use super::schema::{Field, Kind, MessageId};
use super::wire::{Cursor, Entry, wire_of};
use crate::error::DecodeReason;
use crate::typed::{
    TextBuffer, Unscaled, append_json_float, append_json_text, decimal_text, double_text, encode_base64,
    float_text, moment_text,
};

impl Run<'_> {
    /// Appends one message, all its parts merged. `depth`: levels that it lies in.
    pub(super) fn append_message(
        &mut self,
        id: MessageId,
        given: Entries,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), DecodeReason> {
        match self.schema.message(id).known {
            Some(Known::Timestamp | Known::Date | Known::TimeOfDay) => {
                let (ticks, moment) = self.moment(id, given, depth)?;
                append_json_text(moment_text(ticks, moment).ok_or(LOSSY)?.as_bytes(), out);
                Ok(())
            }
            Some(Known::Duration) => {
                let seconds = self.duration(id, given, depth)?;
                out.extend_from_slice(seconds.as_bytes());
                Ok(())
            }
            Some(Known::Decimal) => {
                let (unscaled, scale) = self.decimal(id, given, depth)?;
                let text = decimal_text(Unscaled::of(self.slice(unscaled)), scale).ok_or(LOSSY)?;
                append_json_text(text.as_bytes(), out);
                Ok(())
            }
            // One field, which is all that they mean.
            Some(Known::Wrapper | Known::Struct | Known::ListValue) => {
                let opened = self.open(id, given, depth)?;
                self.append_field(&self.schema.message(id).fields[0], opened.clone(), out, depth + 1)?;
                self.close(&opened);
                Ok(())
            }
            Some(Known::Value) => self.append_any(id, given, out, depth),
            None => self.append_fields(id, given, out, depth),
        }
    }

    fn append_fields(
        &mut self,
        id: MessageId,
        given: Entries,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), DecodeReason> {
        let fields = &self.schema.message(id).fields;
        self.claim(1 + fields.len())?;
        let opened = self.open(id, given, depth)?;
        let mut rest = opened.clone();
        out.push(b'{');
        for (place, field) in fields.iter().enumerate() {
            let given = self.entries_of(place, rest.clone());
            rest.start = given.end;
            comma(place, out);
            append_json_text(field.name.as_bytes(), out);
            out.push(b':');
            match given.is_empty() && field.presence {
                true => out.extend_from_slice(b"null"),
                false => self.append_field(field, given, out, depth + 1)?,
            }
        }
        out.push(b'}');
        self.close(&opened);
        Ok(())
    }

    /// google.protobuf.Value: the one of its fields that is there.
    fn append_any(
        &mut self,
        id: MessageId,
        given: Entries,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), DecodeReason> {
        let opened = self.open(id, given, depth)?;
        let fields = &self.schema.message(id).fields;
        match self.scratch.entries[opened.clone()].first().map(|entry| &fields[entry.field as usize]) {
            Some(field) if !matches!(field.kind, Kind::Enum(_)) => {
                self.append_field(field, opened.clone(), out, depth + 1)?;
            }
            Some(_) | None => out.extend_from_slice(b"null"),
        }
        self.close(&opened);
        Ok(())
    }

    /// Appends a field's value; a list or an object where it is repeated.
    pub(super) fn append_field(
        &mut self,
        field: &Field,
        given: Entries,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), DecodeReason> {
        match (field.repeated, field.map, field.kind) {
            (false, _, kind) => self.append_one(kind, given, out, depth),
            (true, true, Kind::Message(entry)) => self.append_map(entry, given, out, depth),
            (true, _, kind) => {
                out.push(b'[');
                let mut count = 0;
                for place in given {
                    self.append_items(kind, place, &mut count, out, depth)?;
                }
                out.push(b']');
                Ok(())
            }
        }
    }

    fn append_map(
        &mut self,
        entry: MessageId,
        given: Entries,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), DecodeReason> {
        let fields = &self.schema.message(entry).fields;
        out.push(b'{');
        for (count, place) in given.enumerate() {
            let opened = self.open(entry, place..place + 1, depth)?;
            let key = self.entries_of(0, opened.clone());
            let value = self.entries_of(1, key.end..opened.end);
            comma(count, out);
            // Keys of an object are texts, whatever their kind.
            let is_text = fields[0].kind == Kind::String;
            if !is_text {
                out.push(b'"');
            }
            self.append_one(fields[0].kind, key, out, depth + 1)?;
            if !is_text {
                out.push(b'"');
            }
            out.push(b':');
            self.append_one(fields[1].kind, value, out, depth + 1)?;
            self.close(&opened);
        }
        out.push(b'}');
        Ok(())
    }

    /// One entry of a list: an item, or many that are packed.
    fn append_items(
        &mut self,
        kind: Kind,
        place: usize,
        count: &mut usize,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), DecodeReason> {
        let entry = self.scratch.entries[place];
        if !is_packed(kind, entry) {
            comma(*count, out);
            *count += 1;
            return self.append_one(kind, place..place + 1, out, depth);
        }
        let mut cursor = Cursor::new(self.bytes, entry.range());
        while !cursor.is_at_end() {
            comma(*count, out);
            *count += 1;
            self.append_number(kind, cursor.packed(wire_of(kind))?, out);
        }
        Ok(())
    }

    fn append_one(
        &mut self,
        kind: Kind,
        given: Entries,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), DecodeReason> {
        match kind {
            Kind::Message(id) | Kind::Group(id) => self.append_message(id, given, out, depth),
            Kind::String => {
                append_json_text(self.text(self.last(kind, &given))?, out);
                Ok(())
            }
            Kind::Bytes => {
                self.append_bytes(self.last(kind, &given), out);
                Ok(())
            }
            _ => {
                self.append_number(kind, self.last(kind, &given).raw, out);
                Ok(())
            }
        }
    }

    fn append_bytes(&self, entry: Entry, out: &mut Vec<u8>) {
        out.push(b'"');
        encode_base64(self.slice(entry), out);
        out.push(b'"');
    }

    fn append_number(&self, kind: Kind, raw: u64, out: &mut Vec<u8>) {
        match kind {
            Kind::Double => {
                let value = f64::from_bits(raw);
                append_json_float(value.is_finite(), double_text(value).as_bytes(), out);
            }
            Kind::Float => {
                let value = f32::from_bits(raw as u32);
                append_json_float(value.is_finite(), float_text(value).as_bytes(), out);
            }
            Kind::Bool => out.extend_from_slice(if raw == 0 { b"false" } else { b"true" }),
            Kind::Uint64 | Kind::Fixed64 => {
                out.extend_from_slice(TextBuffer::<20>::of(format_args!("{raw}")).as_bytes());
            }
            Kind::Enum(id) if self.schema.enum_name(id, int32(raw)).is_some() => {
                let name = self.schema.enum_name(id, int32(raw)).unwrap_or_default();
                append_json_text(name.as_bytes(), out);
            }
            _ => {
                let number = number_of(kind, raw);
                out.extend_from_slice(TextBuffer::<20>::of(format_args!("{number}")).as_bytes());
            }
        }
    }
}

fn comma(place: usize, out: &mut Vec<u8>) {
    if place > 0 {
        out.push(b',');
    }
}
