//! The store `memory`: this process's memory. It promises nothing over a restart, and refuses nobody.
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use pumphouse_delivery::{LedgerAnswer, StoredEntry};
use pumphouse_kafka::{KafkaError, OutgoingRecord};
use pumphouse_types::TopicPartition;

use super::{LedgerStore, LedgerWrite};

/// Entries of the `memory` store.
pub(crate) type MemoryLedger = Arc<Mutex<BTreeMap<TopicPartition, StoredEntry>>>;

/// One member's way to them.
pub(crate) struct MemoryStore(pub MemoryLedger);

impl LedgerStore for MemoryStore {
    fn prepare(&mut self, _abandoned: &AtomicBool) -> Result<(), KafkaError> {
        Ok(())
    }

    fn record(&mut self, write: LedgerWrite) -> LedgerAnswer {
        self.0.lock().expect("nobody panics holding it").extend(write.entries);
        LedgerAnswer::Recorded
    }

    fn publish(&mut self, _records: &[OutgoingRecord]) -> Result<(), KafkaError> {
        Ok(())
    }
}
