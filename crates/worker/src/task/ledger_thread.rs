//! The thread that writes the ledger: one write at a time, so that a transaction once begun is
//! settled before anything else is written (R14), and the consuming thread never waits for it.
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use pumphouse_delivery::{ClaimId, Entry, Event, LedgerAnswer, StoredEntry, WriteId};
use pumphouse_kafka::{
    Fence, KafkaError, LedgerProducer, OutgoingRecord, RecordOutcome, Remedy, STAGED_TIME_MAX,
};
use pumphouse_types::TopicPartition;
use tracing::warn;

use super::mail::{Mail, PanicReport};
use crate::failpoint::{self, Moment};

/// Pause before a producer that could not be replaced is tried again.
const REPLACE_AGAIN: Duration = Duration::from_millis(500);

/// A producer that cannot be replaced for so long ends the membership: the next one opens its own, and in
/// between the task can be stopped.
const REPLACE_LIMIT: Duration = Duration::from_secs(60);

/// Where entries live.
pub(super) enum Store {
    /// The group's committed offsets, written in transactions.
    Kafka {
        /// Whose transactions they are.
        producer: Box<LedgerProducer>,
        /// The fate of its last write is unknown until it is replaced.
        unsettled: bool,
    },
    /// This process's memory: for tests; it promises nothing over a restart.
    Memory(MemoryLedger),
}

/// Entries of the `memory` store.
pub(crate) type MemoryLedger = Arc<Mutex<BTreeMap<TopicPartition, StoredEntry>>>;

/// What the ledger's thread is asked for.
pub(super) enum Order {
    /// Make sure that the fate of every write so far is known; answered by [`Mail::Prepared`].
    Prepare { claim: ClaimId },
    /// One write; answered by an [`Event::Ledger`].
    Record {
        claim: ClaimId,
        write: WriteId,
        fence: Option<Fence>,
        entries: BTreeMap<TopicPartition, StoredEntry>,
        /// What goes out in the same transaction.
        records: Vec<OutgoingRecord>,
    },
    /// Has these entries lie ready for a `Record` that says the same. Not answered.
    Stage { fence: Fence, entries: BTreeMap<TopicPartition, StoredEntry> },
    /// What lies ready will not be asked for. Not answered.
    Unstage,
    /// A configuration version for the state topic; answered by [`Mail::Published`].
    Publish { claim: ClaimId, record: OutgoingRecord },
}

/// `abandoned`: set when nobody waits for an answer any more.
pub(super) fn spawn(
    mut store: Store,
    orders: Receiver<Order>,
    mail: Sender<Mail>,
    name: String,
    abandoned: Arc<AtomicBool>,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name).spawn(move || {
        let _report = PanicReport::new(&mail, None, "the ledger's thread");
        loop {
            // What lies ready holds up readers of its partitions: it does not lie for long.
            let order = match store.has_staged() {
                true => orders.recv_timeout(STAGED_TIME_MAX),
                false => orders.recv().map_err(RecvTimeoutError::from),
            };
            let order = match order {
                Ok(order) => order,
                Err(RecvTimeoutError::Timeout) => Order::Unstage,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let letter = match order {
                Order::Prepare { claim } => store.prepare(claim, &abandoned),
                Order::Record { claim, write, fence, entries, records } => {
                    let began = Instant::now();
                    let carries_batch = cfg!(feature = "failpoints") && carries_batch(&entries);
                    let answer = store.record(fence.as_ref(), entries, &records);
                    if carries_batch {
                        failpoint::reach(Moment::LedgerAnswered);
                    }
                    let event = Event::Ledger { claim, write, answer };
                    Mail::Written { event, took: began.elapsed() }
                }
                Order::Stage { fence, entries } => {
                    store.stage(&fence, &entries);
                    continue;
                }
                Order::Unstage => {
                    store.unstage();
                    continue;
                }
                Order::Publish { claim, record } => store.publish(claim, record),
            };
            if mail.send(letter).is_err() {
                break;
            }
        }
        store.unstage();
    })
}

/// Whether a batch is open in one of these entries.
fn carries_batch(entries: &BTreeMap<TopicPartition, StoredEntry>) -> bool {
    entries.iter().any(|(tp, stored)| {
        matches!(Entry::parse(tp.partition, stored), Ok(Entry::Lead(_) | Entry::Member(_)))
    })
}

impl Store {
    fn has_staged(&self) -> bool {
        matches!(self, Store::Kafka { producer, .. } if producer.has_staged())
    }

    fn stage(&mut self, fence: &Fence, entries: &BTreeMap<TopicPartition, StoredEntry>) {
        if let Store::Kafka { producer, .. } = self {
            producer.stage(fence, entries);
            failpoint::reach(Moment::Staged);
        }
    }

    fn unstage(&mut self) {
        if let Store::Kafka { producer, .. } = self {
            producer.unstage();
        }
    }

    fn prepare(&mut self, claim: ClaimId, abandoned: &AtomicBool) -> Mail {
        let Store::Kafka { producer, unsettled } = self else { return Mail::Prepared { claim } };
        // The claim reads what is stable.
        producer.unstage();
        // A handle whose last write is in doubt, or that lost a connection, is replaced: that settles
        // the write, and what is read afterwards is what stands.
        let until = Instant::now() + REPLACE_LIMIT;
        while *unsettled || producer.tainted() {
            match producer.replace() {
                Ok(()) => *unsettled = false,
                Err(error)
                    if error.remedy() == Remedy::Retry
                        && Instant::now() < until
                        && !abandoned.load(Ordering::Relaxed) =>
                {
                    warn!(%error, "the ledger's producer is being replaced");
                    std::thread::sleep(REPLACE_AGAIN);
                }
                Err(error) => return Mail::LedgerFailed { error },
            }
        }
        Mail::Prepared { claim }
    }

    fn record(
        &mut self,
        fence: Option<&Fence>,
        entries: BTreeMap<TopicPartition, StoredEntry>,
        records: &[OutgoingRecord],
    ) -> LedgerAnswer {
        match self {
            Store::Memory(ledger) => {
                ledger.lock().expect("nobody panics holding it").extend(entries);
                LedgerAnswer::Recorded
            }
            Store::Kafka { producer, unsettled } => {
                let Some(fence) = fence else { return LedgerAnswer::Fenced };
                failpoint::reach_during(Moment::LedgerSent);
                let answer = answer(producer.record(fence, &entries, records));
                *unsettled = answer == LedgerAnswer::Unknown;
                answer
            }
        }
    }

    fn publish(&mut self, claim: ClaimId, record: OutgoingRecord) -> Mail {
        let Store::Kafka { producer, unsettled } = self else { return Mail::Published { claim } };
        match producer.produce_in_transaction(std::slice::from_ref(&record)) {
            RecordOutcome::Recorded => Mail::Published { claim },
            RecordOutcome::Unknown(error) => {
                *unsettled = true;
                Mail::LedgerFailed { error }
            }
            // Written again under the next claim; twice is harmless, the topic is compacted.
            RecordOutcome::NotRecorded(error) | RecordOutcome::Fenced(error) => Mail::LedgerFailed { error },
        }
    }
}

fn answer(outcome: RecordOutcome) -> LedgerAnswer {
    match outcome {
        RecordOutcome::Recorded => LedgerAnswer::Recorded,
        RecordOutcome::Fenced(error) => {
            warn!(%error, "the ledger refused a write of a replaced member (R5)");
            LedgerAnswer::Fenced
        }
        RecordOutcome::NotRecorded(error) if refused_for_good(&error) => {
            LedgerAnswer::Refused(error.to_string())
        }
        RecordOutcome::NotRecorded(error) => {
            warn!(%error, "a ledger write did not come about; it is tried again");
            LedgerAnswer::NotRecorded
        }
        RecordOutcome::Unknown(error) => {
            warn!(%error, "the fate of a ledger write is unknown; the claim begins anew (R5)");
            LedgerAnswer::Unknown
        }
    }
}

fn refused_for_good(error: &KafkaError) -> bool {
    // Which topic is gone is told by the identities, which the consuming thread compares: without a source
    // the claim begins anew (R15), without one of the connector's own topics the task does.
    if matches!(error, KafkaError::TopicGone { .. }) {
        return false;
    }
    match error.remedy() {
        Remedy::StopTask => true,
        Remedy::Retry | Remedy::Rejoin | Remedy::ReplaceProducer => false,
    }
}
