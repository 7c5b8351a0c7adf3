//! The store `kafka`: the group's committed offsets, each write one transaction, its records in it.
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pumphouse_conduct::{WriteFate, heard_of_write};
use pumphouse_delivery::{LedgerAnswer, StoredEntry};
use pumphouse_kafka::{
    Fence, KafkaError, LedgerProducer, OutgoingRecord, RecordOutcome, Remedy, STAGED_TIME_MAX,
};
use pumphouse_types::TopicPartition;
use tracing::{info, warn};

use super::{LedgerStore, LedgerWrite, OnlyWhile};
use crate::failpoint::{self, Moment};

/// Pause before a producer that could not be replaced is tried again.
const REPLACE_AGAIN: Duration = Duration::from_millis(500);

/// A producer that cannot be replaced for so long ends the membership: the next one opens its own, and in
/// between the task can be stopped.
const REPLACE_LIMIT: Duration = Duration::from_secs(60);

/// How long brokers may take to say which topic it is, while a transaction of ten seconds waits.
const LOOK_TIMEOUT: Duration = Duration::from_secs(3);

/// One task's transactions.
pub(crate) struct KafkaStore {
    producer: Box<LedgerProducer>,
    /// The fate of its last write is unknown until it is replaced.
    unsettled: bool,
    /// Generations follow one another while the member keeps its partitions.
    incremental: bool,
}

impl KafkaStore {
    /// `producer`: whose transactions they are. `incremental`: rebalances of the group are.
    pub(crate) fn new(producer: LedgerProducer, incremental: bool) -> KafkaStore {
        KafkaStore { producer: Box::new(producer), unsettled: false, incremental }
    }

    /// What became of a write, in the protocol's words.
    pub(super) fn answer(&self, outcome: RecordOutcome) -> LedgerAnswer {
        let (fate, error) = match outcome {
            RecordOutcome::Recorded => return LedgerAnswer::Recorded,
            RecordOutcome::Fenced(error) => (WriteFate::Fenced(error.trouble()), error),
            RecordOutcome::NotRecorded(error) => (WriteFate::NotRecorded(error.trouble()), error),
            RecordOutcome::Unknown(error) => (WriteFate::Unknown, error),
        };
        let answer = heard_of_write(fate, self.incremental, || error.to_string());
        match &answer {
            LedgerAnswer::Fenced => warn!(%error, "the ledger refused a write of a replaced member (R5)"),
            LedgerAnswer::NotRecorded if matches!(fate, WriteFate::Fenced(_)) => {
                info!(%error, "the group has another generation; the write is tried again under it (R5)");
            }
            LedgerAnswer::NotRecorded => {
                warn!(%error, "a ledger write did not come about; it is tried again")
            }
            LedgerAnswer::Unknown => {
                warn!(%error, "the fate of a ledger write is unknown; the claim begins anew (R5)");
            }
            LedgerAnswer::Recorded | LedgerAnswer::Refused(_) | LedgerAnswer::OtherTopic(_) => {}
        }
        answer
    }

    /// R15: the group's fence knows nothing of topics, so whoever writes for partitions of others looks at the topic
    /// when the broker has taken the write, and commits only what is of the topic that was claimed. What anybody sends for
    /// its next life comes later, and stands over this.
    fn transact_while(
        &mut self,
        fence: &Fence,
        entries: &BTreeMap<TopicPartition, StoredEntry>,
        records: &[OutgoingRecord],
        OnlyWhile { topic, topic_id, asker }: &OnlyWhile,
    ) -> LedgerAnswer {
        let mut other = None;
        let outcome = self.producer.record_if(fence, entries, records, || {
            let now = asker.topic_id(topic, LOOK_TIMEOUT)?;
            if now == Some(*topic_id) {
                return Ok(());
            }
            other = Some(now);
            let asked = format!("writing to the ledger for topic {topic} of id {topic_id}");
            Err(KafkaError::TopicGone { asked, reason: "it is another topic, or none, by now".to_owned() })
        });
        self.unsettled = matches!(outcome, RecordOutcome::Unknown(_));
        match (outcome, other) {
            (RecordOutcome::NotRecorded(error), Some(now)) => {
                warn!(%error, "nothing was written for another topic of the same name (R15)");
                LedgerAnswer::OtherTopic(now)
            }
            (outcome, _) => self.answer(outcome),
        }
    }

    /// One transaction under a membership.
    pub(crate) fn transact(
        &mut self,
        fence: &Fence,
        entries: &BTreeMap<TopicPartition, StoredEntry>,
        records: &[OutgoingRecord],
    ) -> RecordOutcome {
        let outcome = self.producer.record(fence, entries, records);
        self.unsettled = matches!(outcome, RecordOutcome::Unknown(_));
        outcome
    }
}

impl LedgerStore for KafkaStore {
    fn prepare(&mut self, abandoned: &AtomicBool) -> Result<(), KafkaError> {
        // The claim reads what is stable.
        self.producer.unstage();
        // A handle whose last write is in doubt, or that lost a connection, is replaced: that settles
        // the write, and what is read afterwards is what stands.
        let until = Instant::now() + REPLACE_LIMIT;
        while self.unsettled || self.producer.tainted() {
            match self.producer.replace() {
                Ok(()) => self.unsettled = false,
                Err(error)
                    if error.remedy() == Remedy::Retry
                        && Instant::now() < until
                        && !abandoned.load(Ordering::Relaxed) =>
                {
                    warn!(%error, "the ledger's producer is being replaced");
                    std::thread::sleep(REPLACE_AGAIN);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn record(&mut self, write: LedgerWrite) -> LedgerAnswer {
        let LedgerWrite { fence: Some(fence), entries, mut records, letters, only_while, .. } = write else {
            return LedgerAnswer::Fenced;
        };
        records.extend(letters);
        failpoint::reach_during(Moment::LedgerSent);
        if let Some(only_while) = &only_while {
            return self.transact_while(&fence, &entries, &records, only_while);
        }
        let outcome = self.transact(&fence, &entries, &records);
        self.answer(outcome)
    }

    fn publish(&mut self, records: &[OutgoingRecord]) -> Result<(), KafkaError> {
        match self.producer.produce_in_transaction(records) {
            RecordOutcome::Recorded => Ok(()),
            RecordOutcome::Unknown(error) => {
                self.unsettled = true;
                Err(error)
            }
            // Written again under the next claim; twice is harmless, the topic is compacted.
            RecordOutcome::NotRecorded(error) | RecordOutcome::Fenced(error) => Err(error),
        }
    }

    fn stage(&mut self, fence: &Fence, entries: &BTreeMap<TopicPartition, StoredEntry>) {
        self.producer.stage(fence, entries);
        failpoint::reach(Moment::Staged);
    }

    fn unstage(&mut self) {
        self.producer.unstage();
    }

    /// What lies ready holds up readers of its partitions: it does not lie for long.
    fn idle_within(&self) -> Option<Duration> {
        self.producer.has_staged().then_some(STAGED_TIME_MAX)
    }

    fn idle(&mut self) -> Result<(), KafkaError> {
        self.unstage();
        Ok(())
    }
}
