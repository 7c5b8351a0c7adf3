//! Protobuf's wire format: the fields of one message, noted with their places.
use super::schema::{Field, Kind, Message};
use crate::error::DecodeReason;
use crate::varint::take_varint;

/// Messages nest at most this deep: it bounds the stack. Protobuf's own libraries take 100.
pub(super) const PROTOBUF_DEPTH_MAX: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    Varint,
    Fixed64,
    Bytes,
    Group,
    Fixed32,
}

/// One field as it stands in the message. `at..at + length`: its bytes, for lengths and groups.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// Its place in the schema's message.
    pub(super) field: u32,
    pub(super) wire: Wire,
    pub(super) at: u32,
    pub(super) length: u32,
    /// The number, for the others.
    pub(super) raw: u64,
}

impl Entry {
    /// What an absent field stands for.
    pub(super) fn zero(wire: Wire) -> Entry {
        Entry { field: 0, wire, at: 0, length: 0, raw: 0 }
    }

    pub(super) fn range(&self) -> std::ops::Range<usize> {
        self.at as usize..self.at as usize + self.length as usize
    }
}

/// How a value of the kind is written.
pub(super) fn wire_of(kind: Kind) -> Wire {
    match kind {
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => Wire::Fixed64,
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => Wire::Fixed32,
        Kind::String | Kind::Bytes | Kind::Message(_) => Wire::Bytes,
        Kind::Group(_) => Wire::Group,
        Kind::Int64
        | Kind::Uint64
        | Kind::Int32
        | Kind::Uint32
        | Kind::Sint32
        | Kind::Sint64
        | Kind::Bool
        | Kind::Enum(_) => Wire::Varint,
    }
}

#[inline]
fn belongs(field: &Field, wire: Wire) -> bool {
    let usual = wire_of(field.kind);
    // Lists of numbers may be packed, whatever the schema says.
    let packed = field.repeated && wire == Wire::Bytes && !matches!(usual, Wire::Bytes | Wire::Group);
    wire == usual || packed
}

/// Reads forwards over `bytes[at..end]`; places are those in `bytes`.
pub(super) struct Cursor<'a> {
    /// They end where the cursor does.
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Shape: `at <= end <= bytes.len()`.
    pub(super) fn new(bytes: &'a [u8], range: std::ops::Range<usize>) -> Cursor<'a> {
        Cursor { bytes: &bytes[..range.end], at: range.start }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    #[cold]
    pub(super) fn broken<T>(&self) -> Result<T, DecodeReason> {
        Err(DecodeReason::BrokenBinary { at: self.at })
    }

    #[inline(always)]
    pub(super) fn varint(&mut self) -> Result<u64, DecodeReason> {
        let mut rest = &self.bytes[self.at..];
        match take_varint(&mut rest) {
            Some(value) => {
                self.at = self.bytes.len() - rest.len();
                Ok(value)
            }
            None => self.broken(),
        }
    }

    #[inline]
    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DecodeReason> {
        match self.bytes[self.at..].first_chunk() {
            Some(chunk) => {
                self.at += N;
                Ok(*chunk)
            }
            None => self.broken(),
        }
    }

    /// One step of a message index: a zigzag number that is not negative.
    pub(super) fn index(&mut self) -> Result<usize, DecodeReason> {
        let raw = self.varint()?;
        match usize::try_from(raw >> 1).ok().filter(|_| raw & 1 == 0) {
            Some(index) => Ok(index),
            None => self.broken(),
        }
    }

    /// One number of a packed list.
    pub(super) fn packed(&mut self, wire: Wire) -> Result<u64, DecodeReason> {
        match wire {
            Wire::Varint => self.varint(),
            Wire::Fixed64 => self.fixed().map(u64::from_le_bytes),
            Wire::Fixed32 => self.fixed().map(|four| u64::from(u32::from_le_bytes(four))),
            Wire::Bytes | Wire::Group => self.broken(),
        }
    }

    /// A field's number, and the three bits that say how its value is written.
    #[inline(always)]
    fn tag(&mut self) -> Result<(u32, u8), DecodeReason> {
        let tag = self.varint()?;
        match u32::try_from(tag >> 3) {
            Ok(number) if (1..1 << 29).contains(&number) => Ok((number, tag as u8 & 7)),
            _ => self.broken(),
        }
    }

    /// The value behind a tag. `depth`: groups that it lies in.
    #[inline(always)]
    fn value(&mut self, (number, bits): (u32, u8), depth: usize) -> Result<Entry, DecodeReason> {
        let mut entry = Entry::zero(Wire::Varint);
        match bits {
            0 => entry.raw = self.varint()?,
            1 => {
                entry.wire = Wire::Fixed64;
                entry.raw = u64::from_le_bytes(self.fixed()?);
            }
            2 => {
                entry.wire = Wire::Bytes;
                let length = self.varint()?;
                if length > (self.bytes.len() - self.at) as u64 {
                    return self.broken();
                }
                (entry.at, entry.length) = (self.at as u32, length as u32);
                self.at += length as usize;
            }
            3 => {
                entry.wire = Wire::Group;
                (entry.at, entry.length) = self.group(number, depth)?;
            }
            5 => {
                entry.wire = Wire::Fixed32;
                entry.raw = u64::from(u32::from_le_bytes(self.fixed()?));
            }
            _ => return self.broken(),
        }
        Ok(entry)
    }

    /// Where a group's fields begin and how long they are; its end is read, too.
    #[cold]
    fn group(&mut self, number: u32, depth: usize) -> Result<(u32, u32), DecodeReason> {
        if depth > PROTOBUF_DEPTH_MAX {
            return Err(DecodeReason::TooDeep);
        }
        let start = self.at;
        loop {
            let end = self.at;
            if self.is_at_end() {
                return self.broken();
            }
            match self.tag()? {
                (ended, 4) if ended == number => return Ok((start as u32, (end - start) as u32)),
                tag => self.value(tag, depth + 1)?,
            };
        }
    }
}

/// Notes the fields of one message, or of a part of one, behind those that `entries` has already, in the
/// order in which they came. Fields that the schema does not have, or has in another form, are passed over.
/// Shape: `bytes` is shorter than 4 GiB.
pub(super) fn note_fields(
    message: &Message,
    bytes: &[u8],
    range: std::ops::Range<usize>,
    entries: &mut Vec<Entry>,
) -> Result<(), DecodeReason> {
    let mut cursor = Cursor::new(bytes, range);
    while !cursor.is_at_end() {
        let tag = cursor.tag()?;
        let mut entry = cursor.value(tag, 0)?;
        let Some(place) = message.place_of(tag.0) else { continue };
        if !belongs(&message.fields[place], entry.wire) {
            continue;
        }
        entry.field = place as u32;
        entries.push(entry);
    }
    Ok(())
}

/// Puts the noted fields from `first` on into the schema's order; those of one number stay in the order in
/// which they came. Of each oneof only the member stays that came last.
pub(super) fn settle_fields(
    message: &Message,
    first: usize,
    entries: &mut Vec<Entry>,
    winners: &mut Vec<u32>,
) {
    if message.oneofs > 0 && entries.len() - first > 1 {
        winners.clear();
        winners.resize(message.oneofs, u32::MAX);
        let oneof = |entry: &Entry| message.fields[entry.field as usize].oneof;
        for entry in &entries[first..] {
            if let Some(oneof) = oneof(entry) {
                winners[oneof] = entry.field;
            }
        }
        let mut kept = first;
        for place in first..entries.len() {
            let entry = entries[place];
            if oneof(&entry).is_none_or(|oneof| winners[oneof] == entry.field) {
                entries[kept] = entry;
                kept += 1;
            }
        }
        entries.truncate(kept);
    }
    if !entries[first..].is_sorted_by_key(|entry| entry.field) {
        entries[first..].sort_by_key(|entry| entry.field);
    }
}
