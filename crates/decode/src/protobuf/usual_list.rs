//! Lists of plain values as serializers write them: texts and byte strings one after the other, numbers packed.
use pumphouse_columns::{ArrayColumn, Column};

use super::in_order::{take_array, take_bytes, take_text};
use super::number::put_number;
use super::schema::{Kind, Schema};
use super::wire::{Wire, wire_of};
use crate::conversion::Conversion;
use crate::typed::{put_bytes, put_usual_text};
use crate::utf8::check_utf8;
use crate::varint::{take_short_varint, take_varint};

/// Whether several values of the kind may stand behind one tag.
pub(super) fn can_be_packed(kind: Kind) -> bool {
    !matches!(wire_of(kind), Wire::Bytes | Wire::Group)
}

/// Whether lists of the kind are taken here: no messages.
pub(super) fn is_usual_list(kind: Kind) -> bool {
    matches!(kind, Kind::String | Kind::Bytes) || can_be_packed(kind)
}

/// One row of texts. `rest` begins behind the first one's tag; the others stand behind the same tag.
/// `None`: one is not UTF-8, or bytes are missing; values may have been pushed, but no row.
#[inline(never)]
pub(super) fn put_texts(tag: u64, array: &mut ArrayColumn, rest: &mut &[u8]) -> Option<()> {
    each(tag, rest, |rest| {
        let (bytes, length) = take_text(rest)?;
        match array.values() {
            Column::Text(texts) => texts.push_start(bytes, length),
            Column::Low(low) => low.push_text_start(bytes, length),
            _ => return None,
        }
        Some(())
    })?;
    array.row_pushed();
    Some(())
}

/// One row of values of any kind, as [`put_texts`]. The conversion is that of one of them.
#[inline(never)]
pub(super) fn put_list(
    tag: u64,
    (schema, kind, conversion): (&Schema, Kind, &Conversion),
    array: &mut ArrayColumn,
    rest: &mut &[u8],
) -> Option<()> {
    let column = array.values();
    each(tag, rest, |rest| {
        let (bytes, length) = take_bytes(rest)?;
        let mut bytes = &bytes[..length];
        match kind {
            Kind::String => {
                check_utf8(bytes).ok()?;
                put_usual_text(conversion, column, bytes).ok()
            }
            Kind::Bytes => put_bytes(conversion, column, bytes).ok(),
            kind => {
                let wire = wire_of(kind);
                while !bytes.is_empty() {
                    let raw = take_packed(wire, &mut bytes)?;
                    put_number(schema, kind, raw, conversion, column).ok()?;
                }
                Some(())
            }
        }
    })?;
    array.row_pushed();
    Some(())
}

/// Takes what stands behind a tag, and behind each further one of its kind that follows.
#[inline(always)]
pub(super) fn each(tag: u64, rest: &mut &[u8], mut take: impl FnMut(&mut &[u8]) -> Option<()>) -> Option<()> {
    loop {
        take(rest)?;
        let mut behind = *rest;
        if take_short_varint(&mut behind) != Some(tag) {
            return Some(());
        }
        *rest = behind;
    }
}

fn take_packed(wire: Wire, bytes: &mut &[u8]) -> Option<u64> {
    Some(match wire {
        Wire::Varint => take_varint(bytes)?,
        Wire::Fixed64 => u64::from_le_bytes(take_array(bytes)?),
        Wire::Fixed32 => u32::from_le_bytes(take_array(bytes)?).into(),
        Wire::Bytes | Wire::Group => return None,
    })
}
