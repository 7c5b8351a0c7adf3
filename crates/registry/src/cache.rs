//! Schemas that were fetched, and numbers that nobody has.
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pumphouse_types::{RegisteredSchema, SchemaId};

/// Texts kept, all together. A thousand schemas of some kilobytes are far below.
const TEXT_BYTES_MAX: usize = 64 << 20;

/// Numbers remembered as missing; beyond, the oldest is asked for again.
const MISSING_MAX: usize = 1_000;

#[derive(Debug)]
pub(crate) struct Cache {
    schemas: BTreeMap<SchemaId, Arc<RegisteredSchema>>,
    /// Oldest first.
    order: VecDeque<SchemaId>,
    text_bytes: usize,
    schemas_max: usize,
    missing: BTreeMap<SchemaId, Instant>,
    missing_for: Duration,
}

impl Cache {
    pub(crate) fn new(schemas_max: usize, missing_for: Duration) -> Cache {
        Cache {
            schemas: BTreeMap::new(),
            order: VecDeque::new(),
            text_bytes: 0,
            schemas_max: schemas_max.max(1),
            missing: BTreeMap::new(),
            missing_for,
        }
    }

    pub(crate) fn get(&self, id: SchemaId) -> Option<Arc<RegisteredSchema>> {
        self.schemas.get(&id).cloned()
    }

    pub(crate) fn is_missing(&self, id: SchemaId, now: Instant) -> bool {
        self.missing.get(&id).is_some_and(|since| now.duration_since(*since) < self.missing_for)
    }

    pub(crate) fn put(&mut self, schema: &Arc<RegisteredSchema>) {
        self.missing.remove(&schema.id);
        if self.schemas.insert(schema.id, Arc::clone(schema)).is_some() {
            return;
        }
        self.order.push_back(schema.id);
        self.text_bytes += text_bytes(schema);
        // The newest stays, however large it is: somebody is about to use it.
        while self.order.len() > 1
            && (self.order.len() > self.schemas_max || self.text_bytes > TEXT_BYTES_MAX)
        {
            let oldest = self.order.pop_front().and_then(|id| self.schemas.remove(&id));
            self.text_bytes -= oldest.map_or(0, |schema| text_bytes(&schema));
        }
    }

    pub(crate) fn put_missing(&mut self, id: SchemaId, now: Instant) {
        if self.missing.len() >= MISSING_MAX
            && let Some(oldest) = self.missing.iter().min_by_key(|(_, since)| **since).map(|(id, _)| *id)
        {
            self.missing.remove(&oldest);
        }
        self.missing.insert(id, now);
    }
}

fn text_bytes(schema: &RegisteredSchema) -> usize {
    schema.text.len() + schema.references.iter().map(|reference| reference.text.len()).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use pumphouse_types::SchemaKind;

    use super::*;

    fn schema(id: u32, bytes: usize) -> Arc<RegisteredSchema> {
        let text = " ".repeat(bytes);
        Arc::new(RegisteredSchema { id: SchemaId(id), kind: SchemaKind::Avro, text, references: Vec::new() })
    }

    #[test]
    fn count_and_bytes_are_bounded() {
        let mut cache = Cache::new(3, Duration::ZERO);
        for id in 0..5 {
            cache.put(&schema(id, 10));
            cache.put(&schema(id, 10));
        }
        let kept: Vec<u32> = (0..5).filter(|id| cache.get(SchemaId(*id)).is_some()).collect();
        assert_eq!((kept, cache.text_bytes), (vec![2, 3, 4], 30));
        cache.put(&schema(9, TEXT_BYTES_MAX + 1));
        assert!(cache.get(SchemaId(9)).is_some() && cache.get(SchemaId(4)).is_none());
        cache.put(&schema(10, 1));
        assert_eq!(cache.text_bytes, 1);
    }

    #[test]
    fn missing_is_believed_for_a_while_and_ends_with_the_schema() {
        let mut cache = Cache::new(3, Duration::from_secs(5));
        let now = Instant::now();
        cache.put_missing(SchemaId(1), now);
        assert!(cache.is_missing(SchemaId(1), now));
        assert!(!cache.is_missing(SchemaId(1), now + Duration::from_secs(5)));
        cache.put(&schema(1, 1));
        assert!(!cache.is_missing(SchemaId(1), now));
        for id in 0..2_000 {
            cache.put_missing(SchemaId(id), now);
        }
        assert_eq!(cache.missing.len(), MISSING_MAX);
    }
}
