//! The ledger's writes: each is one Kafka transaction of committed offsets with their metadata, and
//! of the records that go with them (dead letters, state). Carries PROTOCOL R5, R14 and A5.
//!
//! librdkafka speaks the transactions of before KIP-890. A late copy of one of its requests joins, or
//! ends, the next transaction of the same producer epoch; so when a connection was lost in the course
//! of a transaction, the producer is replaced before the next write, which makes the epoch a new one.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pumphouse_delivery::StoredEntry;
use pumphouse_types::TopicPartition;

use crate::error::{Asker, KafkaError};
use crate::fence::Fence;
use crate::ffi::client::{CallbackEvent, Client, Kind};
use crate::ffi::partition_list::PartitionList;
use crate::ffi::transaction;
use crate::ledger_transaction::{Transaction, worst};
use crate::outgoing_record::{OutgoingRecord, check_records};
use crate::settings::{self, Settings};

/// Kafka's default `offset.metadata.max.bytes`, which the broker counts in UTF-16 units.
const METADATA_UTF16_MAX: usize = 4_096;

/// Offsets and metadata of one write: they become one batch of the offsets topic, which takes 1 MB
/// by default (`max.message.bytes`), overheads included.
const OFFSETS_BYTES_MAX: usize = 900_000;

/// What an entry takes beside its metadata and its topic's name: two keys and record overheads.
const ENTRY_OVERHEAD_BYTES: usize = 64;

/// A write that lies ready is committed only while it is younger: well below the transaction's time-out,
/// after which the broker ends it and fences the producer.
pub const STAGED_TIME_MAX: Duration = Duration::from_secs(3);

/// `transaction.timeout.ms`: an older transaction was ended by the broker.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordOutcome {
    /// It stands, all of it.
    Recorded,
    /// It does not stand, and this member or this producer may not write any more.
    Fenced(KafkaError),
    /// It does not stand. The error's remedy says whether it can be tried again.
    NotRecorded(KafkaError),
    /// It may stand. Nothing is written any more before [`LedgerProducer::replace`] has settled it.
    Unknown(KafkaError),
}

/// How far the present handle may be used.
#[derive(Debug)]
enum State {
    /// The next write may use it.
    Ready,
    /// A connection was lost in the course of a transaction that was answered: replaced first.
    Tainted,
    /// The last write's fate is unknown: only `replace` helps, and the caller then claims again.
    Unsettled(KafkaError),
    /// Another producer has the transactional id.
    Fenced(KafkaError),
}

/// The transactional producer of one task. One transactional id per living task, kept over
/// replacements and restarts: a new producer of the same id ends what its predecessor left open.
pub struct LedgerProducer {
    settings: Settings,
    asker: Asker,
    /// `None` only between a failed replacement and the next one.
    client: Option<Arc<Client>>,
    state: State,
    staged: Option<Staged>,
    open_timeout: Duration,
}

/// A write that lies ready: its transaction is open, and all of it was taken by the broker.
struct Staged {
    fence: Fence,
    entries: BTreeMap<TopicPartition, StoredEntry>,
    begun: Begun,
}

/// A transaction on its way.
struct Begun {
    client: Arc<Client>,
    /// Connections that the client had lost by then.
    closed_before: u64,
    at: Instant,
}

impl LedgerProducer {
    /// Ends any open transaction of `transactional_id`, and takes its place. `timeout` bounds this and
    /// every later replacement.
    /// Errors: settings, `TransactionalIdDenied`, `NoAnswer`, `Login`.
    pub fn open(
        given: &Settings,
        transactional_id: &str,
        timeout: Duration,
    ) -> Result<LedgerProducer, KafkaError> {
        let settings = settings::ledger(given, transactional_id)?;
        let asker = Asker { transactional_id: transactional_id.to_owned(), ..Asker::default() };
        let client = init(&settings, &asker, timeout)?;
        Ok(LedgerProducer {
            settings,
            asker,
            client: Some(client),
            state: State::Ready,
            staged: None,
            open_timeout: timeout,
        })
    }

    /// Whether a connection was lost in the course of the last transaction: the handle is replaced
    /// before the next write, by [`replace`](LedgerProducer::replace) or by that write itself.
    pub fn tainted(&self) -> bool {
        matches!(self.state, State::Tainted)
    }

    /// Makes a new handle under the same transactional id. Afterwards nothing of the old one is open,
    /// and nothing late of it is taken: a write of unknown fate is settled, and reading says how.
    /// Takes some 50 ms, and half a second with a transaction open.
    /// Errors: as of `open`; the producer writes nothing until a replacement succeeds.
    pub fn replace(&mut self) -> Result<(), KafkaError> {
        // It is ended by its successor.
        self.staged = None;
        if let Some(old) = self.client.take() {
            // Nothing of an abandoned handle may still be queued (R5).
            transaction::purge(&old);
            drop(old);
        }
        self.client = Some(init(&self.settings, &self.asker, self.open_timeout)?);
        self.state = State::Ready;
        Ok(())
    }

    /// Writes `entries` and `records` as one transaction: all of it, or nothing, and nothing if the
    /// group has replaced the fence's member.
    /// Sizes: metadata of at most 4,096 UTF-16 units each, 900 kB of entries; of records
    /// [`WRITE_RECORDS_MAX`](crate::WRITE_RECORDS_MAX) and
    /// [`WRITE_RECORD_BYTES_MAX`](crate::WRITE_RECORD_BYTES_MAX).
    pub fn record(
        &mut self,
        fence: &Fence,
        entries: &BTreeMap<TopicPartition, StoredEntry>,
        records: &[OutgoingRecord],
    ) -> RecordOutcome {
        let lies_ready = self.staged.take_if(|staged| {
            records.is_empty()
                && staged.fence == *fence
                && staged.entries == *entries
                && staged.begun.at.elapsed() <= STAGED_TIME_MAX
        });
        if let Some(Staged { begun, .. }) = lies_ready {
            let outcome = Transaction { client: &begun.client, asker: &self.asker }.commit();
            self.conclude(&begun, &outcome);
            return outcome;
        }
        self.record_if(fence, entries, records, || Ok(()))
    }

    /// The same, if `may_stand` says so once all of it was taken by the broker; else it is aborted, and `NotRecorded`
    /// for the reason that `may_stand` gives. It has three seconds: the transaction lasts for ten. Of two transactions
    /// on one partition the one stands whose offsets were sent last, whichever is committed last; so what is
    /// certain at this moment is certain of all that was sent before.
    pub fn record_if(
        &mut self,
        fence: &Fence,
        entries: &BTreeMap<TopicPartition, StoredEntry>,
        records: &[OutgoingRecord],
        may_stand: impl FnOnce() -> Result<(), KafkaError>,
    ) -> RecordOutcome {
        if let Err(error) = check_entries(entries).and_then(|()| check_records(records)) {
            return RecordOutcome::NotRecorded(error);
        }
        self.asker.group = fence.group_id().to_owned();
        let offsets = listed(entries);
        self.in_transaction(|transaction| transaction.run(Some((fence, &offsets)), records, may_stand))
    }

    /// Has a write lie ready: everything but the commit. [`record`](LedgerProducer::record) of the same
    /// entries under the same fence, without records, then only commits; any other write, and
    /// [`unstage`](LedgerProducer::unstage), aborts it. Until then stable reads of its partitions wait, so it
    /// must not lie for longer than [`STAGED_TIME_MAX`]. What does not come about is not told: the write
    /// itself will.
    pub fn stage(&mut self, fence: &Fence, entries: &BTreeMap<TopicPartition, StoredEntry>) {
        self.unstage();
        let Some(client) = self.client.clone().filter(|_| matches!(self.state, State::Ready)) else { return };
        if check_entries(entries).is_err() {
            return;
        }
        self.asker.group = fence.group_id().to_owned();
        let begun = Begun::now(client);
        let transaction = Transaction { client: &begun.client, asker: &self.asker };
        match transaction.send(Some((fence, &listed(entries))), &[]) {
            Ok(()) => self.staged = Some(Staged { fence: fence.clone(), entries: entries.clone(), begun }),
            Err(outcome) => self.conclude_unasked(&begun, &outcome),
        }
    }

    /// Of a write that nobody has asked to commit, no end is in doubt: the next handle's start aborts it.
    fn conclude_unasked(&mut self, begun: &Begun, outcome: &RecordOutcome) {
        match outcome {
            RecordOutcome::Unknown(_) => self.state = State::Tainted,
            outcome => self.conclude(begun, outcome),
        }
    }

    /// Whether a write lies ready.
    pub fn has_staged(&self) -> bool {
        self.staged.is_some()
    }

    /// Aborts the write that lies ready, if one does.
    pub fn unstage(&mut self) {
        let Some(Staged { begun, .. }) = self.staged.take() else { return };
        let transaction = Transaction { client: &begun.client, asker: &self.asker };
        match transaction.give_up() {
            // A process that stood still for so long finds that the broker has ended its transaction, and
            // fenced it for that: nobody need have taken its place. Nothing of the write stands either way.
            RecordOutcome::Fenced(_) if begun.at.elapsed() > TRANSACTION_TIMEOUT => {
                self.state = State::Tainted;
            }
            outcome => self.conclude_unasked(&begun, &outcome),
        }
    }

    /// Writes records alone as one transaction, such as a configuration version (R15). It is not
    /// fenced by a membership.
    pub fn produce_in_transaction(&mut self, records: &[OutgoingRecord]) -> RecordOutcome {
        match check_records(records) {
            Ok(()) => self.in_transaction(|transaction| transaction.run(None, records, || Ok(()))),
            Err(error) => RecordOutcome::NotRecorded(error),
        }
    }

    /// Proves that `records` would be taken (rights, leaders, replicas): they are written in a
    /// transaction that is aborted, so that no reader of committed data ever sees them.
    /// Errors: why they would not be taken. A `FateUnknown` needs [`replace`](LedgerProducer::replace).
    pub fn rehearse(&mut self, records: &[OutgoingRecord]) -> Result<(), KafkaError> {
        check_records(records)?;
        let outcome = self.in_transaction(|transaction| transaction.rehearse(records));
        match outcome {
            // What it would have been.
            RecordOutcome::Recorded => Ok(()),
            RecordOutcome::Fenced(error)
            | RecordOutcome::NotRecorded(error)
            | RecordOutcome::Unknown(error) => Err(error),
        }
    }

    fn in_transaction(&mut self, perform: impl FnOnce(&Transaction<'_>) -> RecordOutcome) -> RecordOutcome {
        self.unstage();
        match &self.state {
            State::Unsettled(error) => return RecordOutcome::Unknown(error.clone()),
            State::Fenced(error) => return RecordOutcome::Fenced(error.clone()),
            State::Tainted | State::Ready => {}
        }
        if (self.tainted() || self.client.is_none())
            && let Err(error) = self.replace()
        {
            return RecordOutcome::NotRecorded(error);
        }
        let client = Arc::clone(self.client.as_ref().expect("a replacement that succeeds leaves a handle"));
        let begun = Begun::now(client);
        let outcome = perform(&Transaction { client: &begun.client, asker: &self.asker });
        self.conclude(&begun, &outcome);
        outcome
    }

    /// How far the handle may be used after this.
    fn conclude(&mut self, begun: &Begun, outcome: &RecordOutcome) {
        let client = &begun.client;
        self.state = match outcome {
            RecordOutcome::Unknown(error) => State::Unsettled(error.clone()),
            RecordOutcome::Fenced(error @ KafkaError::ProducerReplaced { .. }) => {
                State::Fenced(error.clone())
            }
            _ if client.sockets_closed() != begun.closed_before || client.fatal_error().is_some() => {
                State::Tainted
            }
            _ => State::Ready,
        };
    }
}

impl Begun {
    fn now(client: Arc<Client>) -> Begun {
        Begun { closed_before: client.sockets_closed(), client, at: Instant::now() }
    }
}

fn listed(entries: &BTreeMap<TopicPartition, StoredEntry>) -> PartitionList {
    let mut offsets = PartitionList::new();
    for (topic_partition, entry) in entries {
        offsets.add_entry(topic_partition, entry.offset, &entry.metadata);
    }
    offsets
}

fn init(settings: &Settings, asker: &Asker, timeout: Duration) -> Result<Arc<Client>, KafkaError> {
    let client = Client::new(Kind::Producer, settings)?;
    let end = Instant::now() + timeout;
    transaction::wait_for_broker(&client, timeout.min(CONNECTING));
    loop {
        let left = end.saturating_duration_since(Instant::now());
        match transaction::init(&client, left) {
            Ok(()) => return Ok(client),
            Err(raw) if raw.retriable && !raw.fatal && Instant::now() < end => {}
            Err(raw) => {
                let cause = worst(&client, raw);
                let told = refused_login(&client, asker);
                return Err(told.unwrap_or_else(|| asker.sort("opening the ledger", &cause)));
            }
        }
    }
}

/// Beyond this, librdkafka's own way of asking again is no slower.
const CONNECTING: Duration = Duration::from_secs(1);

/// Callbacks that are served to find out why a handle did not open: a broker that cannot be reached is
/// told a few times a second.
const TOLD_EVENTS_MAX: usize = 1_000;

/// A refused login is told by the connection, while the call that waits for it only times out.
fn refused_login(client: &Client, asker: &Asker) -> Option<KafkaError> {
    (0..TOLD_EVENTS_MAX).find_map(|_| {
        // Each callback ends its poll.
        client.poll(Duration::ZERO);
        match client.next_event()? {
            CallbackEvent::Error(raw) => Some(asker.sort("opening the ledger", &raw))
                .filter(|error| matches!(error, KafkaError::Login { .. })),
            CallbackEvent::Assign(_) | CallbackEvent::Revoke(_) => None,
        }
    })
}

fn check_entries(entries: &BTreeMap<TopicPartition, StoredEntry>) -> Result<(), KafkaError> {
    let mut total = 0;
    for (topic_partition, entry) in entries {
        let units = entry.metadata.encode_utf16().count();
        if units > METADATA_UTF16_MAX {
            let reason = format!(
                "{topic_partition}: metadata of {units} UTF-16 units, {METADATA_UTF16_MAX} are taken"
            );
            return Err(KafkaError::WriteTooLarge { reason });
        }
        total += entry.metadata.len() + topic_partition.topic.as_str().len() + ENTRY_OVERHEAD_BYTES;
    }
    if total > OFFSETS_BYTES_MAX {
        let reason = format!("{} entries of {total} bytes, {OFFSETS_BYTES_MAX} are taken", entries.len());
        return Err(KafkaError::WriteTooLarge { reason });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pumphouse_types::{Offset, Partition, TopicName};

    fn entries(count: u32, metadata: &str) -> BTreeMap<TopicPartition, StoredEntry> {
        let entry = StoredEntry { offset: Offset::ZERO, metadata: metadata.to_owned() };
        (0..count)
            .map(|number| {
                let topic_partition =
                    TopicPartition { topic: TopicName::new("t"), partition: Partition(number) };
                (topic_partition, entry.clone())
            })
            .collect()
    }

    #[test]
    fn metadata_is_counted_in_utf16_units() {
        assert!(check_entries(&entries(1, &"\u{e4}".repeat(4_096))).is_ok());
        assert!(check_entries(&entries(1, &"\u{e4}".repeat(4_097))).is_err());
        assert!(check_entries(&entries(1, &"\u{1f600}".repeat(2_049))).is_err());
    }

    #[test]
    fn a_write_stays_below_the_offsets_topics_limit() {
        assert!(check_entries(&entries(200, &"x".repeat(4_000))).is_ok());
        assert!(check_entries(&entries(256, &"x".repeat(4_000))).is_err());
    }
}
