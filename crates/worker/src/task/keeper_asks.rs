//! What the consuming thread asks of a ledger in KeeperMap. A Keeper that is slow, or away, answers late or not at
//! all; the group is served and a stop is heard meanwhile (R5). So each question is a job beside the consuming
//! thread, which looks for its answer in every round.
use std::collections::BTreeMap;

use crossbeam_channel::{Receiver, Sender, bounded};
use pumphouse_clickhouse::{ClickHouseError, KeeperAnswer, KeeperLedger, KeeperRows};
use pumphouse_delivery::{ClaimId, StoredEntry};
use pumphouse_types::TopicPartition;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::mail::{Mail, PanicReport};

/// First entries of one write.
const FIRST_ENTRIES_MAX: usize = 1_000;

pub(super) type Entries = BTreeMap<TopicPartition, StoredEntry>;

/// A question that is under way. Nobody waits for it any more when it is dropped: what it has sent by then may still
/// be carried out, as after an answer that was lost.
pub(super) struct Underway<T> {
    answer: Receiver<T>,
    job: AbortHandle,
}

impl<T> Underway<T> {
    /// Whether the answer is there.
    pub(super) fn is_answered(&self) -> bool {
        !self.answer.is_empty()
    }

    /// The answer, once it is there; it is given once.
    pub(super) fn look(&self) -> Option<T> {
        self.answer.try_recv().ok()
    }
}

impl<T> Drop for Underway<T> {
    fn drop(&mut self) {
        self.job.abort();
    }
}

/// Who asks, and whom.
pub(super) struct KeeperAsker<'a> {
    pub(super) runtime: &'a Handle,
    pub(super) ledger: &'a KeeperLedger,
    pub(super) mail: &'a Sender<Mail>,
    pub(super) claim: ClaimId,
}

impl KeeperAsker<'_> {
    pub(super) fn claim(
        &self,
        partitions: &[TopicPartition],
    ) -> Underway<Result<KeeperRows, ClickHouseError>> {
        let (ledger, partitions) = (self.ledger.clone(), partitions.to_vec());
        let claim = async move { ledger.claim(rand::random(), &partitions).await };
        self.start("claiming in KeeperMap", claim)
    }

    pub(super) fn read(&self, partitions: Vec<TopicPartition>) -> Underway<Result<Entries, ClickHouseError>> {
        let ledger = self.ledger.clone();
        self.start("reading in KeeperMap", async move { ledger.read(&partitions).await })
    }

    /// Writes first entries. None of them needs the others, and one statement takes some thousands.
    pub(super) fn enter(&self, entries: Entries) -> Underway<KeeperAnswer> {
        let ledger = self.ledger.clone();
        self.start("writing in KeeperMap", async move {
            let entries: Vec<_> = entries.into_iter().collect();
            for some in entries.chunks(FIRST_ENTRIES_MAX) {
                match ledger.record(rand::random(), &some.iter().cloned().collect()).await {
                    KeeperAnswer::Recorded => {}
                    other => return other,
                }
            }
            KeeperAnswer::Recorded
        })
    }

    fn start<T: Send + 'static>(
        &self,
        what: &'static str,
        question: impl Future<Output = T> + Send + 'static,
    ) -> Underway<T> {
        let report = PanicReport::new(self.mail, Some(self.claim), what);
        start(self.runtime, async move {
            let _report = report;
            question.await
        })
    }
}

fn start<T: Send + 'static>(
    runtime: &Handle,
    question: impl Future<Output = T> + Send + 'static,
) -> Underway<T> {
    let (answered, answer) = bounded(1);
    let job = runtime.spawn(async move {
        // Nobody waits: the claim has ended.
        let _ = answered.send(question.await);
    });
    Underway { answer, job: job.abort_handle() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn an_answer_is_looked_for_and_not_waited_for() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let (tell, told) = tokio::sync::oneshot::channel();
        let question = start(runtime.handle(), async { told.await.unwrap() });
        assert_eq!(question.look(), None);
        tell.send(7).unwrap();
        let until = Instant::now() + PATIENCE;
        while question.look().is_none_or(|answer| answer != 7) {
            assert!(Instant::now() < until);
        }
    }

    #[test]
    fn a_question_that_nobody_waits_for_is_ended() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let (alive, ended) = bounded::<()>(0);
        let question = start(runtime.handle(), async move {
            std::future::pending::<()>().await;
            drop(alive);
        });
        drop(question);
        assert_eq!(ended.recv_timeout(PATIENCE), Err(crossbeam_channel::RecvTimeoutError::Disconnected));
    }
}
