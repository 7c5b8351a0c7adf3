//! What a decoder knows about the schemas of its records, by number.
use hashbrown::HashMap;
use pumphouse_types::SchemaId;

use crate::error::DecodeReason;
use crate::json_decoder::plain;
use crate::undecoded::Undecoded;

/// Compiled schemas kept per decoder. One lane rarely sees more than some dozen at a time; a schema
/// that was dropped is asked for again.
const SCHEMAS_MAX: usize = 256;

/// Bytes before the value proper: a zero, then the schema's number, highest byte first.
const PREFIX_BYTES: usize = 5;

/// Splits Confluent's wire format. Errors: DECODE-002 for a tombstone, DECODE-031, DECODE-036.
#[inline]
pub(crate) fn split_prefix(value: Option<&[u8]>) -> Result<(SchemaId, &[u8]), DecodeReason> {
    match value {
        None => Err(DecodeReason::NotAnObject { found: None }),
        // Registries count from 1: these are the upper half of a number with eight bytes.
        Some([0, 0, 0, 0, 0, _, _, _, _, ..]) => Err(DecodeReason::LongSchemaNumber),
        Some([0, a, b, c, d, body @ ..]) => Ok((SchemaId(u32::from_be_bytes([*a, *b, *c, *d])), body)),
        Some(_) => Err(DecodeReason::NoSchemaNumber),
    }
}

/// Where the value proper begins, for byte positions in messages.
pub(crate) const fn body_at() -> usize {
    PREFIX_BYTES
}

/// Compiled schemas, the oldest dropped first.
#[derive(Debug)]
pub(crate) struct SchemaTable<P> {
    /// `None`: it is there, but cannot be used. A new one takes the oldest one's place.
    known: Vec<(SchemaId, Option<Box<P>>)>,
    places: HashMap<SchemaId, usize>,
    oldest: usize,
    /// The place that was asked for last, which most records ask for again.
    last: usize,
    /// The registry's "no such schema" counts for one record, so that one which is registered late
    /// is found by the next.
    missing: Option<SchemaId>,
}

impl<P> SchemaTable<P> {
    pub(crate) fn new() -> SchemaTable<P> {
        SchemaTable { known: Vec::new(), places: HashMap::new(), oldest: 0, last: 0, missing: None }
    }

    #[inline]
    pub(crate) fn get(&mut self, id: SchemaId) -> Result<&mut P, Undecoded> {
        if self.known.get(self.last).is_none_or(|(last, _)| *last != id) {
            self.last = self.place_of(id)?;
        }
        match &mut self.known[self.last].1 {
            Some(compiled) => Ok(compiled),
            None => Err(plain(DecodeReason::UnusableSchema { id }).into()),
        }
    }

    #[inline(never)]
    fn place_of(&mut self, id: SchemaId) -> Result<usize, Undecoded> {
        match self.places.get(&id) {
            Some(&place) => Ok(place),
            None if self.missing.take() == Some(id) => Err(plain(DecodeReason::NoSuchSchema { id }).into()),
            None => Err(Undecoded::NeedsSchema(id)),
        }
    }

    pub(crate) fn add(&mut self, id: SchemaId, compiled: Option<P>) {
        let entry = (id, compiled.map(Box::new));
        if let Some(&place) = self.places.get(&id) {
            self.known[place] = entry;
        } else if self.known.len() < SCHEMAS_MAX {
            self.places.insert(id, self.known.len());
            self.known.push(entry);
        } else {
            self.places.remove(&self.known[self.oldest].0);
            self.places.insert(id, self.oldest);
            self.known[self.oldest] = entry;
            self.oldest = (self.oldest + 1) % SCHEMAS_MAX;
        }
    }

    pub(crate) fn set_missing(&mut self, id: SchemaId) {
        self.missing = Some(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_schema_is_asked_for_again() {
        let mut table = SchemaTable::new();
        for number in 0..=SCHEMAS_MAX as u32 {
            table.add(SchemaId(number), Some(number));
        }
        assert_eq!(table.get(SchemaId(0)), Err(Undecoded::NeedsSchema(SchemaId(0))));
        assert_eq!(table.get(SchemaId(1)), Ok(&mut 1));
        table.add(SchemaId(1), Some(7));
        assert_eq!(table.get(SchemaId(1)), Ok(&mut 7));
        assert_eq!(table.get(SchemaId(SCHEMAS_MAX as u32)), Ok(&mut (SCHEMAS_MAX as u32)));
    }

    #[test]
    fn a_missing_schema_refuses_one_record_only() {
        let mut table = SchemaTable::<u8>::new();
        let id = SchemaId(7);
        assert_eq!(table.get(id), Err(Undecoded::NeedsSchema(id)));
        table.set_missing(id);
        assert!(matches!(table.get(id), Err(Undecoded::Refused(_))));
        assert_eq!(table.get(id), Err(Undecoded::NeedsSchema(id)));
    }
}
