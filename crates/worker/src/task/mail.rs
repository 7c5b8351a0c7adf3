//! What reaches the consuming thread from the threads and jobs beside it.
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Sender;
use pumphouse_delivery::{ClaimId, Event, LedgerAnswer};
use pumphouse_kafka::{KafkaError, OutgoingRecord};
use pumphouse_types::{BatchId, SchemaId, TopicName};

use super::block::ReadRows;
use super::failure::Failure;
use super::letter_reader::ReadLetter;
use super::recipe::Recipe;
use super::schemas::Fetched;

/// A letter. Those with a claim are read only while it is in force.
pub(super) enum Mail {
    /// An answer for the protocol.
    Event(Event),
    /// A ledger write was answered.
    Written { event: Event, took: Duration },
    /// No ledger write is in doubt any more.
    Prepared { claim: ClaimId },
    /// The configuration version stands in the state topic.
    Published { claim: ClaimId },
    /// The ledger's producer cannot be had.
    LedgerFailed { error: KafkaError },
    /// The lane's table was read; the recipe turns records into its rows.
    Inspected { event: Event, recipe: Arc<Recipe> },
    /// A batch was read again from Kafka.
    Reread { event: Event, batch: BatchId, rows: Arc<ReadRows> },
    /// Records of dead letters were read by their coordinates.
    LettersRead { claim: ClaimId, topic: TopicName, records: Vec<ReadLetter> },
    /// Letters that an earlier claim had not come to, those of each write.
    DueRead { claim: ClaimId, letters: Result<Vec<Vec<OutgoingRecord>>, KafkaError> },
    /// They were written, or not.
    Paid { claim: ClaimId, answer: LedgerAnswer, letters: Vec<Vec<OutgoingRecord>> },
    /// The registry has answered about a schema that a lane's next record names.
    Schema { claim: ClaimId, topic: TopicName, id: SchemaId, fetched: Fetched },
    /// What a lane waits for, to be shown; `None`: for nothing any more.
    Waiting { claim: ClaimId, topic: TopicName, waiting: Option<String> },
    /// An attempt was answered.
    Inserted { event: Event, took: Duration, bytes: u64 },
    /// Something that stops the task, unless the claim that it is about has ended; `None` = in any case.
    Failed { claim: Option<ClaimId>, failure: Failure },
}

/// Held by a thread or a job that owes an answer: if it panics, the task hears of it, where it would
/// otherwise wait for ever.
pub(super) struct PanicReport {
    mail: Sender<Mail>,
    claim: Option<ClaimId>,
    what: &'static str,
}

impl PanicReport {
    pub(super) fn new(mail: &Sender<Mail>, claim: Option<ClaimId>, what: &'static str) -> PanicReport {
        PanicReport { mail: mail.clone(), claim, what }
    }
}

impl Drop for PanicReport {
    fn drop(&mut self) {
        // A job that is aborted is dropped as well, and owes nothing.
        if std::thread::panicking() {
            let failure = Failure::Thread(format!("{} panicked; the ledger is intact", self.what));
            let _ = self.mail.send(Mail::Failed { claim: self.claim, failure });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_reported() {
        let (mail, letters) = crossbeam_channel::unbounded();
        let report = PanicReport::new(&mail, Some(ClaimId(7)), "a job");
        let job = std::thread::spawn(move || {
            let _report = report;
            panic!("as the test wants");
        });
        assert!(job.join().is_err());
        assert!(matches!(letters.try_recv(), Ok(Mail::Failed { claim: Some(ClaimId(7)), .. })));
    }

    #[test]
    fn an_end_without_panic_is_not() {
        let (mail, letters) = crossbeam_channel::unbounded();
        drop(PanicReport::new(&mail, None, "a job"));
        assert!(letters.try_recv().is_err());
    }
}
