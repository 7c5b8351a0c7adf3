//! Asks Kafka and the ledger what the membership wants to know on behalf of the protocol: claims, entries, topic
//! identities; start offsets are `start_asks.rs`. Each question is short; which one is next, and when one that was not answered is asked
//! again, is the membership's (`conduct`), so that the group protocol is served in between (R5).
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pumphouse_clickhouse::{ClickHouseError, KeeperRows};
use pumphouse_conduct::{ClaimStep, Claimed, EntriesAsked, PartitionsAsked};
use pumphouse_delivery::{Action, ClaimId, Entry, Event};
use pumphouse_kafka::{Fence, KafkaError, StartAt};
use pumphouse_types::{BatchId, Millis, Partition, TopicId, TopicName, TopicPartition};
use tracing::{debug, info, warn};

use super::failure::Failure;
use super::keeper_asks::{Entries, KeeperAsker, Underway};
use super::ledger_thread::Order;
use super::mail::{Mail, PanicReport};
use super::owed::Paying;
use super::shell::Shell;
use super::start_asks::Entering;
use super::stores::is_informed;

/// One question to a broker.
pub(super) const ASK_TIMEOUT: Duration = Duration::from_secs(1);

/// Pause before a topic's identity is asked for again beside the consuming thread.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// How often the lag is measured.
const LAG_MS: u64 = 5_000;

/// Brokers that know the protocol take a member within seconds, whatever the others of the group do.
const GROUP_ANSWERS_MS: u64 = 60_000;

/// Why a question has no answer.
pub(super) enum Unanswered {
    Kafka(KafkaError),
    ClickHouse(ClickHouseError),
}

impl From<KafkaError> for Unanswered {
    fn from(error: KafkaError) -> Unanswered {
        Unanswered::Kafka(error)
    }
}

impl From<ClickHouseError> for Unanswered {
    fn from(error: ClickHouseError) -> Unanswered {
        Unanswered::ClickHouse(error)
    }
}

/// Answers that are waited for: which questions there are is the membership's to know.
#[derive(Default)]
pub(super) struct Asks {
    /// KeeperMap was asked for a claim, for entries, to write first ones, or for one that is missing.
    claiming: Option<(ClaimId, Underway<Result<KeeperRows, ClickHouseError>>)>,
    /// Its rows owe dead letters, which go out first.
    pub(super) paying: Option<Paying>,
    reading: Option<Underway<Result<Entries, ClickHouseError>>>,
    pub(super) entering: Option<Entering>,
    pub(super) doubting: Option<(TopicPartition, Underway<Result<Entries, ClickHouseError>>)>,
    /// One of the connector's own topics was not there when they were looked for last.
    lacked: Option<TopicName>,
    lag_at: Millis,
    /// Since when a group is waited for whose protocol the brokers may not know; `None`: it is not, or was met.
    group_since: Option<Millis>,
    group_met: bool,
}

impl Asks {
    pub(super) fn clear(&mut self) {
        self.claiming = None;
        self.paying = None;
        self.reading = None;
        self.entering = None;
        self.doubting = None;
    }
}

impl Shell<'_> {
    /// Takes an action that is a question to Kafka.
    pub(super) fn ask(&mut self, action: Action) {
        match action {
            Action::Claim { claim, partitions } => {
                self.drop_lanes();
                self.member.claim(claim, partitions);
                self.order(Order::Prepare { claim });
                self.cx.meters.claimed();
            }
            Action::ReadEntries { claim, topic, gather, partitions } => {
                self.member.ask_entries(EntriesAsked { claim, topic, gather, partitions });
            }
            Action::AskStartOffsets { claim, partitions } => {
                self.member.ask_starts(PartitionsAsked { claim, partitions });
            }
            other => panic!("not a question to Kafka: {other:?}"),
        }
    }

    /// Asks whatever is open.
    pub(super) fn serve_asks(&mut self) {
        let now = self.now();
        if !self.member.may_ask(now) {
            return;
        }
        self.look_for_group();
        self.serve_claim();
        self.serve_reads();
        self.serve_entering();
        self.serve_doubting();
        self.serve_starts();
        if self.member.topics_are_due(now) {
            self.compare_topic_ids();
            self.look_for_own_topics();
        }
        if now.since(self.asks.lag_at) >= LAG_MS {
            self.asks.lag_at = now;
            self.measure_lag();
        }
    }

    /// Older brokers neither take a member of KIP-848 nor refuse it. One that answers for the group's offsets, and not
    /// to its member, does not know the protocol.
    fn look_for_group(&mut self) {
        if self.asks.group_met || !self.consumer.needs_new_brokers() {
            return;
        }
        let now = self.now();
        let since = *self.asks.group_since.get_or_insert(now);
        self.asks.group_met = self.consumer.group_metadata().is_some();
        if self.asks.group_met || now.since(since) < GROUP_ANSWERS_MS {
            return;
        }
        self.asks.group_since = None;
        let some = self
            .cx
            .topics
            .first()
            .map(|topic| TopicPartition { topic: topic.clone(), partition: Partition(0) });
        if some.is_some_and(|some| self.consumer.committed(&[some], ASK_TIMEOUT).is_ok()) {
            let reason = format!("no membership within {} s", GROUP_ANSWERS_MS / 1_000);
            self.fail(Failure::Kafka(KafkaError::GroupProtocolUnknown { reason }));
        }
    }

    /// R5: the membership says what a claim needs next.
    fn serve_claim(&mut self) {
        let waited = self.asks.claiming.take_if(|(_, under_way)| under_way.is_answered());
        if let Some((claim, under_way)) = waited {
            match under_way.look().expect("it is answered") {
                Ok(found) if !found.owes.is_empty() => self.pay(claim, found),
                answer => {
                    let entries = answer.map(|found| found.entries);
                    self.claim_read(claim, entries.map_err(Unanswered::from));
                }
            }
        }
        while let Some(step) = self.member.claim_step(self.task.claim(), self.now()) {
            let claim = self.task.claim();
            match step {
                ClaimStep::ReadFence => self.member.fence_read(self.consumer.group_metadata(), self.now()),
                ClaimStep::ServeGroup => self.serve_group(),
                // Entries are read once no earlier owner can write them any more: under a new member of the group (R5),
                // or under a higher epoch.
                ClaimStep::ReadEntries { partitions, .. } => match self.keeper_asker() {
                    Some(asker) => self.asks.claiming = Some((claim, asker.claim(&partitions))),
                    None => {
                        let found = self.entries(&partitions);
                        self.claim_read(claim, found);
                    }
                },
                ClaimStep::ReadTopics(topics) => {
                    let found = self.there_are(&topics);
                    let (topic_ids, error) = told(found);
                    self.member.topics_read(claim, topic_ids, self.now());
                    error.into_iter().for_each(|error| self.not_answered(error));
                }
                ClaimStep::Claimed(claimed) => self.claimed(claimed),
            }
        }
    }

    pub(super) fn claim_read(&mut self, claim: ClaimId, found: Result<Entries, Unanswered>) {
        let (entries, error) = told(found);
        self.member.claim_read(claim, entries, self.now());
        error.into_iter().for_each(|error| self.not_answered(error));
    }

    fn claimed(&mut self, claimed: Claimed<Fence>) {
        let Claimed { fence, claim, partitions, entries, topic_ids } = claimed;
        info!(task = %self.cx.task_id, generation = fence.generation(), entries = entries.len(),
            "entries claimed (R5)");
        self.unmarked.add(&partitions);
        self.show_in_group(&entries);
        self.hear(Event::Claimed { claim, entries, topic_ids });
    }

    /// The identities of those of these topics that there are.
    pub(super) fn there_are(&self, topics: &[TopicName]) -> Result<BTreeMap<TopicName, TopicId>, Unanswered> {
        let ids = self.consumer.topic_ids(topics, ASK_TIMEOUT)?;
        Ok(ids.into_iter().filter_map(|(topic, id)| Some((topic, id?))).collect())
    }

    /// A ledger in KeeperMap is shown in the group's offsets; entries of a topic's earlier life are not.
    pub(super) fn show_in_group(&mut self, entries: &Entries) {
        let Some(fence) = self.member.fence().cloned().filter(|_| self.keeper.is_some()) else { return };
        let is_of_topic = |(tp, stored): &(&TopicPartition, &_)| {
            let entry = Entry::parse(tp.partition, stored).ok();
            entry
                .and_then(|entry| entry.topic_id())
                .is_some_and(|id| self.member.topic_ids().get(&tp.topic) == Some(&id))
        };
        let entries = entries.iter().filter(is_of_topic).map(|(tp, stored)| (tp.clone(), stored.clone()));
        let entries = entries.collect();
        self.order(Order::Stands { fence, entries });
    }

    pub(super) fn keeper_asker(&self) -> Option<KeeperAsker<'_>> {
        let (runtime, mail, claim) = (&self.cx.runtime, &self.mail, self.task.claim());
        self.keeper.as_ref().map(|ledger| KeeperAsker { runtime, ledger, mail, claim })
    }

    pub(super) fn entries(&self, partitions: &[TopicPartition]) -> Result<Entries, Unanswered> {
        if let Some(memory) = &self.cx.memory_ledger {
            let ledger = memory.lock().expect("nobody panics holding it");
            let found = partitions.iter().filter_map(|tp| Some((tp.clone(), ledger.get(tp)?.clone())));
            return Ok(found.collect());
        }
        let found = self.consumer.committed(partitions, ASK_TIMEOUT)?;
        let entries = found.into_iter().filter_map(|(tp, entry)| Some((tp, entry?)));
        Ok(entries.filter(|(_, entry)| !is_informed(entry)).collect())
    }

    fn serve_reads(&mut self) {
        let waited = self.asks.reading.take_if(|under_way| under_way.is_answered());
        if let Some(under_way) = waited {
            let answer = under_way.look().expect("it is answered");
            self.entries_read(answer.map_err(Unanswered::from));
        }
        while let Some(asked) = self.member.next_entries(self.task.claim(), self.now()) {
            let of =
                |partition: &Partition| TopicPartition { topic: asked.topic.clone(), partition: *partition };
            let wanted: Vec<TopicPartition> = asked.partitions.iter().map(of).collect();
            match self.keeper_asker() {
                Some(asker) => self.asks.reading = Some(asker.read(wanted)),
                None => {
                    let found = self.entries(&wanted);
                    self.entries_read(found);
                }
            }
        }
    }

    fn entries_read(&mut self, found: Result<Entries, Unanswered>) {
        let (entries, error) = told(found);
        let entries =
            entries.map(|found| found.into_iter().map(|(tp, entry)| (tp.partition, entry)).collect());
        if let Some(event) = self.member.entries_read(entries, self.now()) {
            self.hear(event);
        }
        error.into_iter().for_each(|error| self.not_answered(error));
    }

    pub(super) fn not_answered(&mut self, error: Unanswered) {
        match error {
            Unanswered::Kafka(error) => {
                debug!(task = %self.cx.task_id, %error, "a question to Kafka is asked again");
                self.kafka_trouble(error);
            }
            Unanswered::ClickHouse(error) if error.is_transient() => {
                warn!(task = %self.cx.task_id, %error, "a question to the ledger is asked again");
            }
            Unanswered::ClickHouse(error) => self.fail(Failure::from(error)),
        }
    }

    pub(super) fn compare_topic_ids(&mut self) {
        let (claim, topics) = (self.task.claim(), self.member.topics());
        if topics.is_empty() {
            return;
        }
        if let Ok(topic_ids) = self.there_are(&topics) {
            self.hear(Event::TopicIds { claim, topic_ids });
        }
    }

    /// R15: asked beside this thread, which has records to take meanwhile; the batch is not recorded before the answer.
    pub(super) fn identify(&mut self, claim: ClaimId, topic: TopicName, batch: BatchId) {
        let Some(lane) = self.lanes.get(&topic) else { return };
        let (asker, ended, mail) = (self.consumer.topic_asker(), lane.ended(), self.mail.clone());
        self.cx.runtime.spawn_blocking(move || {
            let _report = PanicReport::new(&mail, Some(claim), "asking for the identity of a topic");
            while !ended.load(Ordering::Relaxed) {
                match asker.topic_id(&topic, ASK_TIMEOUT) {
                    Ok(topic_id) => {
                        // When nobody reads, the task has ended.
                        let _ = mail.send(Mail::Event(Event::Identified { claim, topic, batch, topic_id }));
                        return;
                    }
                    Err(error) => {
                        debug!(%topic, %error, "the topic's identity is asked for again");
                        std::thread::sleep(ASK_AGAIN);
                    }
                }
            }
        });
    }

    /// Without the state topic or the dead letter topic no write comes about: the task ends, and the next
    /// start makes the topic again, or says why it cannot.
    fn look_for_own_topics(&mut self) {
        let own = self.cx.own_topics();
        if self.member.assigned().is_empty() || own.is_empty() {
            return;
        }
        let Ok(ids) = self.consumer.topic_ids(&own, ASK_TIMEOUT) else { return };
        let missing = ids.into_iter().find_map(|(topic, id)| id.is_none().then_some(topic));
        // A broker may not have heard yet of a topic that was just made: one look is not enough.
        if let Some(topic) = gone(&mut self.asks.lacked, missing) {
            let asked = format!("looking for {topic}, which the connector writes to");
            let reason = "it was deleted".to_owned();
            self.fail(Failure::Kafka(KafkaError::TopicGone { asked, reason }));
        }
    }

    /// One question for all partitions; what is not answered is measured the next time.
    fn measure_lag(&mut self) {
        if self.lanes.is_empty() {
            return;
        }
        let Ok(ends) = self.consumer.start_offsets(self.member.assigned(), StartAt::Latest, ASK_TIMEOUT)
        else {
            return;
        };
        for (tp, end) in ends {
            if let Some(recorded) = self.task.recorded(&tp.topic, tp.partition) {
                self.cx.meters.lag(&tp, (end.get() - recorded.get()).max(0));
            }
        }
    }
}

/// An answer, or why there is none.
pub(super) fn told<T>(answer: Result<T, Unanswered>) -> (Option<T>, Option<Unanswered>) {
    match answer {
        Ok(answer) => (Some(answer), None),
        Err(error) => (None, Some(error)),
    }
}

/// The topic that was missing at two looks one after the other.
fn gone(lacked: &mut Option<TopicName>, missing: Option<TopicName>) -> Option<TopicName> {
    let before = std::mem::replace(lacked, missing.clone());
    missing.filter(|missing| before.as_ref() == Some(missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_gone_after_two_looks() {
        let (dead, state) = (TopicName::new("dead"), TopicName::new("state"));
        let mut lacked = None;
        assert_eq!(gone(&mut lacked, Some(dead.clone())), None);
        assert_eq!(gone(&mut lacked, None), None);
        assert_eq!(gone(&mut lacked, Some(dead.clone())), None);
        assert_eq!(gone(&mut lacked, Some(state.clone())), None);
        assert_eq!(gone(&mut lacked, Some(state.clone())), Some(state));
    }
}
