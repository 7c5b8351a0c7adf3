//! One transaction of the ledger's producer, from its begin to its end: what each refusal on the way makes of the
//! write. Carries PROTOCOL R14.
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{Asker, KafkaError};
use crate::fence::Fence;
use crate::ffi::client::Client;
use crate::ffi::partition_list::PartitionList;
use crate::ffi::raw::RawError;
use crate::ffi::transaction;
use crate::ledger_producer::RecordOutcome;
use crate::outgoing_record::OutgoingRecord;

/// One answer to sending the offsets, and the acknowledgement of the records: a third of the
/// transaction's time-out each.
const SEND_TIMEOUT: Duration = Duration::from_millis(3_300);

/// One call of commit or abort; it is repeated until it answers.
const SETTLE_CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// All calls of commit or abort together: the transaction's time-out and the broker's scan for such
/// transactions (10 s each) are over by then.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(25);

/// One transaction on its way.
pub(crate) struct Transaction<'a> {
    pub client: &'a Arc<Client>,
    pub asker: &'a Asker,
}

impl Transaction<'_> {
    /// `may_stand` is asked when all of it was taken.
    pub(crate) fn run(
        &self,
        offsets: Option<(&Fence, &PartitionList)>,
        records: &[OutgoingRecord],
        may_stand: impl FnOnce() -> Result<(), KafkaError>,
    ) -> RecordOutcome {
        if let Err(outcome) = self.send(offsets, records) {
            return outcome;
        }
        match may_stand() {
            Ok(()) => self.commit(),
            Err(error) => match self.give_up() {
                RecordOutcome::Recorded => RecordOutcome::NotRecorded(error),
                outcome => outcome,
            },
        }
    }

    /// All but the commit, in whose place it is aborted; `Recorded` says that it could have been.
    pub(crate) fn rehearse(&self, records: &[OutgoingRecord]) -> RecordOutcome {
        if let Err(outcome) = self.send(None, records) {
            return outcome;
        }
        self.give_up()
    }

    /// Ends it without a commit; `Recorded` says that this was answered.
    pub(crate) fn give_up(&self) -> RecordOutcome {
        match settle(|timeout| transaction::abort(self.client, timeout)) {
            Ok(()) => RecordOutcome::Recorded,
            Err(raw) => match self.sort(raw) {
                error @ KafkaError::ProducerReplaced { .. } => RecordOutcome::Fenced(error),
                error => unknown(&error),
            },
        }
    }

    /// Begins, and has everything acknowledged. Errors: the transaction has ended, as the outcome says.
    pub(crate) fn send(
        &self,
        offsets: Option<(&Fence, &PartitionList)>,
        records: &[OutgoingRecord],
    ) -> Result<(), RecordOutcome> {
        if let Err(raw) = transaction::begin(self.client) {
            // Nothing was sent; but a handle that cannot begin is not known to have ended.
            return Err(match self.sort(raw) {
                error @ KafkaError::ProducerReplaced { .. } => RecordOutcome::Fenced(error),
                error => unknown(&error),
            });
        }
        // Reports of records that an abort purged belong to the transaction before.
        self.client.poll(Duration::ZERO);
        self.client.take_delivery_error();
        let sent = self
            .produce(records)
            .and_then(|()| offsets.map_or(Ok(()), |(fence, list)| self.send_offsets(fence, list)))
            .and_then(|()| self.wait_for_acknowledgements());
        sent.map_err(|raw| self.abort(self.cause(raw)))
    }

    /// What broke the transaction, where `raw` only says that something did.
    fn cause(&self, raw: RawError) -> RawError {
        if raw.fatal {
            return raw;
        }
        self.client.poll(Duration::from_millis(1));
        let is_cause = |error: &RawError| !crate::ffi::codes::is_purge(error.code);
        // Sending the offsets fails by a record that failed before, and does not say why that did.
        let told = self.client.take_delivery_error().filter(is_cause);
        match told {
            Some(cause) => cause,
            None if is_cause(&raw) => raw,
            // Records were given up with their transaction. One that is broken cannot be begun again,
            // and the refusal says why it is; one that is not broken refuses as well.
            None => transaction::begin(self.client).err().filter(|error| error.abortable).unwrap_or(raw),
        }
    }

    fn produce(&self, records: &[OutgoingRecord]) -> Result<(), RawError> {
        records.iter().try_for_each(|record| transaction::produce(self.client, record))
    }

    fn send_offsets(&self, fence: &Fence, offsets: &PartitionList) -> Result<(), RawError> {
        let end = Instant::now() + SEND_TIMEOUT;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match transaction::send_offsets(self.client, offsets, fence, left) {
                // librdkafka goes on with the same request; asking again hears its answer.
                Err(raw) if raw.retriable && !raw.abortable && !raw.fatal && Instant::now() < end => {}
                answer => return answer,
            }
        }
    }

    /// The commit would wait for them too, in slices of 100 ms.
    fn wait_for_acknowledgements(&self) -> Result<(), RawError> {
        let end = Instant::now() + SEND_TIMEOUT;
        while transaction::in_flight(self.client) > 0 {
            if Instant::now() >= end {
                return Err(RawError::from_code(crate::ffi::codes::TIMED_OUT));
            }
            self.client.poll(Duration::from_millis(1));
        }
        self.client.take_delivery_error().map_or(Ok(()), Err)
    }

    pub(crate) fn commit(&self) -> RecordOutcome {
        match settle(|timeout| transaction::commit(self.client, timeout)) {
            Ok(()) => RecordOutcome::Recorded,
            Err(raw) if raw.fatal => match self.sort(raw) {
                error @ KafkaError::ProducerReplaced { .. } => RecordOutcome::Fenced(error),
                error => unknown(&error),
            },
            Err(raw) if raw.abortable => self.abort(raw),
            Err(raw) => unknown(&self.sort(raw)),
        }
    }

    /// `cause`: why the transaction cannot be committed.
    fn abort(&self, cause: RawError) -> RecordOutcome {
        if cause.fatal {
            return match self.sort(cause) {
                error @ KafkaError::ProducerReplaced { .. } => RecordOutcome::Fenced(error),
                // A right that is missing needs no settling: the broker took nothing.
                error @ KafkaError::TransactionalIdDenied { .. } => RecordOutcome::NotRecorded(error),
                error => unknown(&error),
            };
        }
        let error = self.sort(cause);
        match settle(|timeout| transaction::abort(self.client, timeout)) {
            Ok(()) => match error {
                error @ (KafkaError::MemberReplaced { .. } | KafkaError::InstanceFenced { .. }) => {
                    RecordOutcome::Fenced(error)
                }
                KafkaError::Refused { name, reason, .. } => {
                    RecordOutcome::NotRecorded(KafkaError::WriteAborted {
                        reason: format!("{name}: {reason}"),
                    })
                }
                error => RecordOutcome::NotRecorded(error),
            },
            Err(raw) => match self.sort(raw) {
                error @ KafkaError::ProducerReplaced { .. } => RecordOutcome::Fenced(error),
                failed => unknown(&KafkaError::WriteAborted { reason: format!("{error}; abort: {failed}") }),
            },
        }
    }

    fn sort(&self, raw: RawError) -> KafkaError {
        self.asker.sort("writing to the ledger", &worst(self.client, raw))
    }
}

/// Calls until there is an answer that is not "call again", or all time is over.
fn settle(mut call: impl FnMut(Duration) -> Result<(), RawError>) -> Result<(), RawError> {
    let end = Instant::now() + SETTLE_TIMEOUT;
    loop {
        match call(SETTLE_CALL_TIMEOUT) {
            Err(raw) if raw.retriable && !raw.abortable && !raw.fatal && Instant::now() < end => {
                // Some of librdkafka's "call again" come at once.
                std::thread::sleep(Duration::from_millis(1));
            }
            answer => return answer,
        }
    }
}

fn unknown(error: &KafkaError) -> RecordOutcome {
    RecordOutcome::Unknown(KafkaError::FateUnknown { reason: error.to_string() })
}

/// The error that broke the handle, if one did; it says more than the call that failed by it.
pub(crate) fn worst(client: &Client, raw: RawError) -> RawError {
    if raw.fatal { client.fatal_error().unwrap_or(raw) } else { raw }
}
