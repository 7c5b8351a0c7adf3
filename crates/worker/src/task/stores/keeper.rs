//! The store `keepermap`: entries in a KeeperMap table, fenced by the epoch that a claim raises (R5). Dead
//! letters and marks of the state topic cannot join its writes. They go out in Kafka transactions of their own,
//! under the group's fence: marks before the entries that rely on them, and `at rest` after those that it relies on, so that a
//! process that dies between leaves a mark on the safe side (R16); letters after the entries that pass their records, which say
//! what they owe until the letters have gone out (`owed.rs`).
//!
//! The group's committed offsets follow, a second late at most, so that Kafka's tools show the lag. What a claim
//! finds is shown as well: an owner that died, or gave its partitions up, may not have come to it, and a partition
//! that gets no further record would show a lag for ever. Nothing reads them back: a text in their metadata says
//! whose they are not.
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

/// Offsets of one transaction: they become one batch of the offsets topic, which takes 1 MB by default.
const SHOWN_AT_ONCE: usize = 2_000;

type Entries = BTreeMap<TopicPartition, StoredEntry>;

/// Whether this offset was committed for Kafka's tools alone: its truth is in KeeperMap, and to the store
/// `kafka` it is no entry (R16 then says where to go on).
pub(crate) fn is_informed(stored: &StoredEntry) -> bool {
    stored.metadata == INFORMED
}

/// The same offset, for Kafka's tools alone.
pub(crate) fn informed(stored: &StoredEntry) -> StoredEntry {
    StoredEntry { metadata: INFORMED.to_owned(), offset: stored.offset }
}

/// What the group is to show of these entries.
fn shown(entries: &Entries) -> Entries {
    entries.iter().map(|(tp, entry)| (tp.clone(), informed(entry))).collect()
}

/// What became of a write, in the protocol's words.
fn heard(answer: KeeperAnswer) -> LedgerAnswer {
    match answer {
        KeeperAnswer::Recorded => LedgerAnswer::Recorded,
        KeeperAnswer::Fenced(why) => {
            warn!(why, "the ledger refused a write of a replaced owner (R5)");
            LedgerAnswer::Fenced
        }
        KeeperAnswer::Refused(why) => LedgerAnswer::Refused(why),
        KeeperAnswer::Unknown(why) => {
            warn!(why, "the fate of a ledger write is unknown; the claim begins anew (R5)");
            LedgerAnswer::Unknown
        }
    }
}

/// One member's way to the table, and to its topics.
pub(crate) struct KeeperStore {
    ledger: KeeperLedger,
    runtime: Handle,
    topics: KafkaStore,
    /// Offsets that the group does not show yet, of the claim in force.
    due: Entries,
    /// What they are shown under: as it was last read for that claim.
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

    /// Sends the letters of one write after the other, `entries` being of rows that owe them; then nothing is owed any more.
    fn pay_owed(&mut self, entries: &Entries, letters: &[Vec<OutgoingRecord>]) -> LedgerAnswer {
        let shown: Entries = shown(entries).into_iter().take(SHOWN_AT_ONCE).collect();
        for letters in letters.iter().filter(|letters| !letters.is_empty()) {
            let outcome = self.inform(&shown, letters);
            match self.topics.answer(outcome) {
                LedgerAnswer::Recorded => {}
                not_sent => return not_sent,
            }
        }
        failpoint::reach(Moment::Paid);
        heard(self.runtime.block_on(self.ledger.paid(rand::random())))
    }

    /// Shows in the group what is due, and `with`; writes `records` in the same transaction. What is not shown stays
    /// due, also where only the group's generation has passed. Where somebody else has this member's place, that
    /// one's claim shows it.
    fn inform(&mut self, with: &Entries, records: &[OutgoingRecord]) -> RecordOutcome {
        let Some(fence) = self.fence.clone() else { return RecordOutcome::Recorded };
        let room = SHOWN_AT_ONCE.saturating_sub(with.len());
        let mut shown: Entries =
            self.due.iter().take(room).map(|(tp, entry)| (tp.clone(), entry.clone())).collect();
        shown.extend(with.iter().map(|(tp, entry)| (tp.clone(), entry.clone())));
        let outcome = self.topics.transact(&fence, &shown, records);
        match &outcome {
            RecordOutcome::Recorded => self.due.retain(|tp, _| !shown.contains_key(tp)),
            RecordOutcome::Fenced(KafkaError::MemberReplaced { only_generation: true, .. }) => {}
            RecordOutcome::Fenced(_) => self.due.clear(),
            RecordOutcome::NotRecorded(_) | RecordOutcome::Unknown(_) => {}
        }
        // What one transaction had no room for follows at once.
        if self.due.is_empty() || outcome != RecordOutcome::Recorded {
            self.informed_at = Instant::now();
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
        let LedgerWrite { fence: Some(fence), entries, records, letters, owes, at_rest, only_while: _ } =
            write
        else {
            return LedgerAnswer::Fenced;
        };
        self.fence = Some(fence);
        let shown = shown(&entries);
        if !records.is_empty() && !at_rest {
            // Without any offsets the broker would not look at the fence.
            let outcome = self.inform(&shown, &records);
            match self.topics.answer(outcome) {
                LedgerAnswer::Recorded => {}
                not_recorded => return not_recorded,
            }
        }
        failpoint::reach_during(Moment::LedgerSent);
        let answer = match owes.as_str() {
            "" => self.runtime.block_on(self.ledger.record(rand::random(), &entries)),
            owes => self.runtime.block_on(self.ledger.record_owing(rand::random(), &entries, owes)),
        };
        match heard(answer) {
            LedgerAnswer::Recorded => self.due.extend(shown),
            not_recorded => return not_recorded,
        }
        if !owes.is_empty() {
            failpoint::reach(Moment::Owing);
            match self.pay_owed(&entries, &[letters]) {
                LedgerAnswer::Recorded => {}
                // The entries stand, so the write cannot be tried again: the next claim pays.
                LedgerAnswer::NotRecorded => return LedgerAnswer::Unknown,
                not_paid => return not_paid,
            }
        }
        if at_rest {
            // Without the mark the partitions count as running, which is the safe side (R16).
            let mut outcome = self.inform(&Entries::new(), &records);
            while outcome == RecordOutcome::Recorded && !self.due.is_empty() {
                outcome = self.inform(&Entries::new(), &[]);
            }
            match outcome {
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

    fn pay(&mut self, fence: &Fence, entries: &Entries, letters: &[Vec<OutgoingRecord>]) -> LedgerAnswer {
        self.fence = Some(fence.clone());
        self.pay_owed(entries, letters)
    }

    fn stands(&mut self, fence: &Fence, entries: &Entries) {
        self.fence = Some(fence.clone());
        self.due.extend(shown(entries));
    }

    /// The claim has ended: who claims next shows what it finds.
    fn unstage(&mut self) {
        self.due.clear();
    }

    fn publish(&mut self, records: &[OutgoingRecord]) -> Result<(), KafkaError> {
        self.topics.publish(records)
    }

    fn idle_within(&self) -> Option<Duration> {
        (!self.due.is_empty()).then(|| INFORM_EVERY.saturating_sub(self.informed_at.elapsed()))
    }

    fn idle(&mut self) -> Result<(), KafkaError> {
        match self.inform(&Entries::new(), &[]) {
            RecordOutcome::Recorded => Ok(()),
            // Another process with this task's name is told as for every store.
            RecordOutcome::Fenced(error @ KafkaError::ProducerReplaced { .. }) => Err(error),
            // The consuming thread reads the fence anew, where rebalances leave it its partitions.
            RecordOutcome::Fenced(error @ KafkaError::MemberReplaced { only_generation: true, .. }) => {
                Err(error)
            }
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
