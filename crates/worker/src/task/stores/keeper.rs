//! The store `keepermap`: entries in a KeeperMap table, fenced by the epoch that a claim raises (R5). Dead
//! letters and marks of the state topic cannot join its writes. They go out in a Kafka transaction of their own,
//! under the group's fence: before the entries that rely on them, and `at rest` after those that it relies on. A
//! process that dies between leaves a letter that is written again (at least once), or a mark on the safe
//! side (R16).
//!
//! The group's committed offsets follow, a second late at most, so that Kafka's tools show the lag. Nothing
//! reads them back: a text in their metadata says whose they are not.
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use pumphouse_clickhouse::{KeeperAnswer, KeeperLedger};
use pumphouse_delivery::{LedgerAnswer, StoredEntry};
use pumphouse_kafka::{Fence, KafkaError, OutgoingRecord, RecordOutcome};
use pumphouse_types::TopicPartition;
use tokio::runtime::Handle;
use tracing::{debug, warn};

use super::kafka::KafkaStore;
use super::{LedgerStore, LedgerWrite};
use crate::failpoint::{self, Moment};

/// The metadata of an offset that only informs. It is not how the ledger's own texts begin.
const INFORMED: &str = "pumphouse.ledger.store=keepermap";

/// How far behind the group's committed offsets may be.
const INFORM_EVERY: Duration = Duration::from_secs(1);

/// Whether this offset was committed for Kafka's tools alone: its truth is in KeeperMap, and to the store
/// `kafka` it is no entry (R16 then says where to go on).
pub(crate) fn is_informed(stored: &StoredEntry) -> bool {
    stored.metadata == INFORMED
}

/// The same offset, for Kafka's tools alone.
pub(crate) fn informed(stored: &StoredEntry) -> StoredEntry {
    StoredEntry { metadata: INFORMED.to_owned(), offset: stored.offset }
}

/// One member's way to the table, and to its topics.
pub(crate) struct KeeperStore {
    ledger: KeeperLedger,
    runtime: Handle,
    topics: KafkaStore,
    /// Offsets that the group does not show yet, and the membership that recorded them.
    due: BTreeMap<TopicPartition, StoredEntry>,
    fence: Option<Fence>,
    informed_at: Instant,
}

impl KeeperStore {
    /// `ledger`: shared with the thread that claims. `topics`: for letters, marks and offsets.
    pub(crate) fn new(ledger: KeeperLedger, runtime: Handle, topics: KafkaStore) -> KeeperStore {
        KeeperStore {
            ledger,
            runtime,
            topics,
            due: BTreeMap::new(),
            fence: None,
            informed_at: Instant::now(),
        }
    }

    /// Shows what is due in the group, and writes `records` with it. What is not shown stays due, unless this
    /// member may not write any more.
    fn inform(&mut self, records: &[OutgoingRecord]) -> RecordOutcome {
        let Some(fence) = self.fence.clone() else { return RecordOutcome::Recorded };
        let outcome = self.topics.transact(&fence, &self.due, records);
        self.informed_at = Instant::now();
        if matches!(outcome, RecordOutcome::Recorded | RecordOutcome::Fenced(_)) {
            self.due.clear();
        }
        outcome
    }
}

impl LedgerStore for KeeperStore {
    /// The claim that follows ends whatever write may be under way still: it raises the epoch.
    fn prepare(&mut self, abandoned: &AtomicBool) -> Result<(), KafkaError> {
        self.due.clear();
        self.topics.prepare(abandoned)
    }

    fn record(&mut self, write: LedgerWrite) -> LedgerAnswer {
        let LedgerWrite { fence: Some(fence), entries, records, at_rest } = write else {
            return LedgerAnswer::Fenced;
        };
        self.fence = Some(fence);
        let shown: BTreeMap<_, _> = entries.iter().map(|(tp, entry)| (tp.clone(), informed(entry))).collect();
        if !records.is_empty() && !at_rest {
            // The offsets are true already: what lies below them has landed, or goes out here. Without any, the
            // broker would not look at the fence.
            self.due.extend(shown.clone());
            let outcome = self.inform(&records);
            match self.topics.answer(outcome) {
                LedgerAnswer::Recorded => {}
                not_recorded => return not_recorded,
            }
        }
        failpoint::reach_during(Moment::LedgerSent);
        match self.runtime.block_on(self.ledger.record(rand::random(), &entries)) {
            KeeperAnswer::Recorded => {}
            KeeperAnswer::Fenced(why) => {
                warn!(why, "the ledger refused a write of a replaced owner (R5)");
                return LedgerAnswer::Fenced;
            }
            KeeperAnswer::Refused(why) => return LedgerAnswer::Refused(why),
            KeeperAnswer::Unknown(why) => {
                warn!(why, "the fate of a ledger write is unknown; the claim begins anew (R5)");
                return LedgerAnswer::Unknown;
            }
        }
        self.due.extend(shown);
        if at_rest {
            // Without the mark the partitions count as running, which is the safe side (R16).
            match self.inform(&records) {
                RecordOutcome::Recorded => {}
                RecordOutcome::Fenced(error)
                | RecordOutcome::NotRecorded(error)
                | RecordOutcome::Unknown(error) => {
                    warn!(%error, "the state topic does not say that the partitions are at rest (R16)");
                }
            }
        }
        LedgerAnswer::Recorded
    }

    fn publish(&mut self, record: OutgoingRecord) -> Result<(), KafkaError> {
        self.topics.publish(record)
    }

    fn idle_within(&self) -> Option<Duration> {
        (!self.due.is_empty()).then(|| INFORM_EVERY.saturating_sub(self.informed_at.elapsed()))
    }

    fn idle(&mut self) -> Result<(), KafkaError> {
        match self.inform(&[]) {
            RecordOutcome::Recorded => Ok(()),
            // Another process with this task's name is told as for every store.
            RecordOutcome::Fenced(error @ KafkaError::ProducerReplaced { .. }) => Err(error),
            outcome @ RecordOutcome::Unknown(_) => {
                debug!(?outcome, "the group's committed offsets are behind the ledger");
                // One try; the next one is a second later.
                self.topics.prepare(&AtomicBool::new(true)).or_else(|error| match error {
                    error @ KafkaError::ProducerReplaced { .. } => Err(error),
                    _ => Ok(()),
                })
            }
            RecordOutcome::Fenced(error) | RecordOutcome::NotRecorded(error) => {
                debug!(%error, "the group's committed offsets are behind the ledger");
                Ok(())
            }
        }
    }
}
