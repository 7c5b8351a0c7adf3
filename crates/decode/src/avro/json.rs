//! A value as JSON text, for columns that take records or lists as JSON knows them: JSON, Tuple,
//! Variant, String. Dates and times are ISO 8601 texts, decimals texts of their digits (a JSON reader
//! would round numbers), bytes are base64, as Kafka Connect's JsonConverter writes them.
use super::program::{big_decimal, duration_text, symbol, variable_decimal};
use super::reader::{AVRO_DEPTH_MAX, Reader};
use super::schema::{Node, NodeId, Schema};
use crate::error::{DecodeReason, ValueKind};
use crate::typed::{
    Meaning, TextBuffer, Unscaled, append_json_float, append_json_text, decimal_text, double_text,
    encode_base64, float_text, moment_text, uuid_text,
};

/// Reads one value and appends it to `out`. `depth`: levels that it lies in.
pub(super) fn append_json(
    schema: &Schema,
    node: NodeId,
    reader: &mut Reader<'_>,
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), DecodeReason> {
    if depth > AVRO_DEPTH_MAX {
        return Err(DecodeReason::TooDeep);
    }
    match schema.node(node) {
        Node::Null => out.extend_from_slice(b"null"),
        Node::Boolean => {
            let word: &[u8] = if reader.boolean()? { b"true" } else { b"false" };
            out.extend_from_slice(word);
        }
        Node::Int(meaning) => append_number(reader.int()?, *meaning, out),
        Node::Long(meaning) => append_number(reader.long()?, *meaning, out),
        Node::Float => {
            let value = reader.float()?;
            append_json_float(value.is_finite(), float_text(value).as_bytes(), out);
        }
        Node::Double => {
            let value = reader.double()?;
            append_json_float(value.is_finite(), double_text(value).as_bytes(), out);
        }
        Node::Bytes(meaning) => append_bytes(reader.bytes()?, *meaning, out)?,
        Node::Fixed { size, meaning } => append_bytes(reader.take(*size)?, *meaning, out)?,
        Node::BigDecimal => {
            let (unscaled, scale) = big_decimal(reader)?;
            append_decimal(unscaled, scale, out)?;
        }
        Node::Record { variable_decimal: true, .. } => {
            let (unscaled, scale) = variable_decimal(reader)?;
            append_decimal(unscaled, scale, out)?;
        }
        Node::String => append_json_text(reader.string()?, out),
        Node::Enum { .. } => append_json_text(symbol(schema, node, reader)?, out),
        Node::Union(branches) => {
            let branch = branches[reader.index(branches.len())?];
            append_json(schema, branch, reader, out, depth + 1)?;
        }
        Node::Record { fields, .. } => {
            reader.claim(1)?;
            out.push(b'{');
            for (place, field) in fields.iter().enumerate() {
                // Names come from the schema: a short record may stand for many of them.
                reader.claim(1 + field.name.len() / 64)?;
                comma(place, out);
                append_json_text(field.name.as_bytes(), out);
                out.push(b':');
                append_json(schema, field.node, reader, out, depth + 1)?;
            }
            out.push(b'}');
        }
        Node::Array(inner) => {
            out.push(b'[');
            let mut place = 0;
            blocks(reader, |reader| {
                comma(place, out);
                place += 1;
                append_json(schema, *inner, reader, out, depth + 1)
            })?;
            out.push(b']');
        }
        Node::Map(inner) => {
            out.push(b'{');
            let mut place = 0;
            blocks(reader, |reader| {
                comma(place, out);
                place += 1;
                append_json_text(reader.string()?, out);
                out.push(b':');
                append_json(schema, *inner, reader, out, depth + 1)
            })?;
            out.push(b'}');
        }
    }
    Ok(())
}

fn comma(place: usize, out: &mut Vec<u8>) {
    if place > 0 {
        out.push(b',');
    }
}

fn blocks<'a>(
    reader: &mut Reader<'a>,
    mut one: impl FnMut(&mut Reader<'a>) -> Result<(), DecodeReason>,
) -> Result<(), DecodeReason> {
    loop {
        let (count, _) = reader.block()?;
        if count == 0 {
            return Ok(());
        }
        reader.claim(count)?;
        for _ in 0..count {
            one(reader)?;
        }
    }
}

fn append_number(value: i64, meaning: Meaning, out: &mut Vec<u8>) {
    let text = match meaning {
        Meaning::Moment(moment) => moment_text(value, moment),
        _ => None,
    };
    match text {
        Some(text) => append_json_text(text.as_bytes(), out),
        // A plain number, or a moment in no year that has a text.
        None => out.extend_from_slice(TextBuffer::<20>::of(format_args!("{value}")).as_bytes()),
    }
}

fn append_bytes(bytes: &[u8], meaning: Meaning, out: &mut Vec<u8>) -> Result<(), DecodeReason> {
    match (meaning, bytes.first_chunk::<16>(), bytes.first_chunk::<12>()) {
        (Meaning::Decimal { scale }, _, _) => append_decimal(Unscaled::of(bytes), scale, out)?,
        (Meaning::Uuid, Some(uuid), _) => {
            append_json_text(uuid_text(u128::from_be_bytes(*uuid)).as_bytes(), out);
        }
        (Meaning::Duration, _, Some(duration)) => {
            append_json_text(duration_text(*duration).as_bytes(), out);
        }
        _ => {
            out.push(b'"');
            encode_base64(bytes, out);
            out.push(b'"');
        }
    }
    Ok(())
}

fn append_decimal(unscaled: Unscaled<'_>, scale: i32, out: &mut Vec<u8>) -> Result<(), DecodeReason> {
    let text = decimal_text(unscaled, scale).ok_or(DecodeReason::Lossy { found: ValueKind::Logical })?;
    append_json_text(text.as_bytes(), out);
    Ok(())
}
