//! What the consuming thread asks Kafka on behalf of the protocol: claims, entries, start offsets,
//! topic identities. Each question is short; one that is not answered is asked again in the next round,
//! so that the group protocol is served in between (R5).
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use pumphouse_clickhouse::{ClickHouseError, KeeperAnswer};
use pumphouse_delivery::{Action, ClaimId, Entry, Event};
use pumphouse_kafka::{Fence, KafkaError, Mark, StartAt};
use pumphouse_types::{BatchId, Millis, Offset, Partition, TopicId, TopicName, TopicPartition};
use tracing::{debug, info, warn};

use super::failure::Failure;
use super::keeper_asks::{Claiming, Entries, KeeperAsker, Underway};
use super::ledger_thread::Order;
use super::mail::{Mail, PanicReport};
use super::marks;
use super::shell::Shell;
use super::stores::is_informed;

/// One question to a broker.
const ASK_TIMEOUT: Duration = Duration::from_secs(1);

/// Pause before a question that was not answered is asked again.
const ASK_AGAIN_MS: u64 = 100;

/// How often topics are compared with what they were at claim (R9).
const TOPIC_IDS_MS: u64 = 5_000;

/// How often the lag is measured.
const LAG_MS: u64 = 5_000;

/// Brokers that know the protocol take a member within seconds, whatever the others of the group do.
const GROUP_ANSWERS_MS: u64 = 60_000;

struct PendingClaim {
    claim: ClaimId,
    partitions: Vec<TopicPartition>,
    /// The ledger's thread has said that no write is in doubt.
    prepared: bool,
    /// The claim that KeeperMap was asked for.
    claiming: Option<Claiming>,
}

#[derive(PartialEq, Eq)]
struct PendingRead {
    claim: ClaimId,
    topic: TopicName,
    gather: Option<BatchId>,
    partitions: Vec<Partition>,
}

struct PendingStart {
    claim: ClaimId,
    partitions: Vec<TopicPartition>,
}

/// Start offsets, and the first entries that are being written of them.
struct Entering {
    start: PendingStart,
    offsets: BTreeMap<TopicPartition, Offset>,
    entries: Entries,
    written: Underway<KeeperAnswer>,
}

/// Why a question has no answer.
enum Unanswered {
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

/// Questions that wait for their answer.
#[derive(Default)]
pub(super) struct Asks {
    claim: Option<PendingClaim>,
    reads: Vec<PendingRead>,
    starts: Vec<PendingStart>,
    /// The read, and the first entries, that KeeperMap was asked for.
    reading: Option<(PendingRead, Underway<Result<Entries, ClickHouseError>>)>,
    entering: Option<Entering>,
    not_before: Millis,
    topic_ids_at: Millis,
    /// One of the connector's own topics was not there when they were looked for last.
    lacked: Option<TopicName>,
    lag_at: Millis,
    /// Since when a group is waited for whose protocol the brokers may not know; `None`: it is not, or was met.
    group_since: Option<Millis>,
    group_met: bool,
}

impl Asks {
    pub(super) fn prepared(&mut self, claim: ClaimId, current: ClaimId) {
        if let Some(pending) = self.claim.as_mut().filter(|p| p.claim == claim && claim == current) {
            pending.prepared = true;
        }
    }

    /// A lane that waits asks again and again; while the brokers do not answer, once is enough.
    fn read(&mut self, read: PendingRead) {
        if !self.reads.contains(&read)
            && self.reading.as_ref().is_none_or(|(under_way, _)| *under_way != read)
        {
            self.reads.push(read);
        }
    }

    /// Topics are compared with what they were at claim in the next round.
    pub(super) fn compare_topics_soon(&mut self) {
        self.topic_ids_at = Millis::default();
    }

    pub(super) fn clear(&mut self) {
        self.claim = None;
        self.reads.clear();
        self.starts.clear();
        self.reading = None;
        self.entering = None;
    }
}

impl Shell<'_> {
    /// Takes an action that is a question to Kafka.
    pub(super) fn ask(&mut self, action: Action) {
        match action {
            Action::Claim { claim, partitions } => {
                self.drop_lanes();
                self.asks.claim = Some(PendingClaim { claim, partitions, prepared: false, claiming: None });
                self.order(Order::Prepare { claim });
                self.cx.meters.claimed();
            }
            Action::ReadEntries { claim, topic, gather, partitions } => {
                self.asks.read(PendingRead { claim, topic, gather, partitions });
            }
            Action::AskStartOffsets { claim, partitions } => {
                self.asks.starts.push(PendingStart { claim, partitions });
            }
            other => panic!("not a question to Kafka: {other:?}"),
        }
    }

    /// Asks whatever is open.
    pub(super) fn serve_asks(&mut self) {
        let now = self.now();
        if now < self.asks.not_before {
            return;
        }
        self.look_for_group();
        let answered =
            self.serve_claim() && self.serve_reads() && self.serve_entering() && self.serve_starts();
        if !answered {
            self.asks.not_before = now.plus(ASK_AGAIN_MS);
        }
        if now.since(self.asks.topic_ids_at) >= TOPIC_IDS_MS {
            self.asks.topic_ids_at = now;
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

    /// R5: the fence is read first, then every queued event of the group protocol is served; what was
    /// read is used only if the claim is still in force. False: not answered.
    fn serve_claim(&mut self) -> bool {
        let Some(mut pending) = self.asks.claim.take_if(|pending| pending.prepared) else { return true };
        let fence = match &pending.claiming {
            Some(claiming) => Some(claiming.fence.clone()),
            None => self.consumer.group_metadata(),
        };
        self.serve_group();
        if self.task.claim() != pending.claim {
            return true;
        }
        let Some(fence) = fence else {
            self.asks.claim = Some(pending);
            return false;
        };
        match self.read_claim(&mut pending, &fence) {
            Ok(Some((entries, topic_ids))) => {
                self.serve_group();
                if self.task.claim() == pending.claim {
                    info!(task = %self.cx.task_id, generation = fence.generation(), entries = entries.len(),
                        "entries claimed (R5)");
                    self.fence = Some(fence);
                    self.topic_ids = topic_ids.clone();
                    self.unmarked.add(&pending.partitions);
                    self.show_in_group(&entries);
                    let claim = pending.claim;
                    self.hear(Event::Claimed { claim, entries, topic_ids });
                }
                true
            }
            Ok(None) => {
                self.asks.claim = Some(pending);
                true
            }
            Err(error) => {
                self.asks.claim = Some(pending);
                self.not_answered(error)
            }
        }
    }

    /// Entries are read once no earlier owner can write them any more: under a new member of the group (R5), or under
    /// a higher epoch. `None`: that is under way.
    #[allow(clippy::type_complexity)]
    fn read_claim(
        &self,
        pending: &mut PendingClaim,
        fence: &Fence,
    ) -> Result<Option<(Entries, BTreeMap<TopicName, TopicId>)>, Unanswered> {
        let partitions = &pending.partitions;
        let entries = match self.keeper_asker() {
            None => self.entries(partitions)?,
            Some(asker) => {
                let ask = || asker.claim(fence, partitions);
                let Some(answer) = pending.claiming.get_or_insert_with(ask).entries.look() else {
                    return Ok(None);
                };
                pending.claiming = None;
                answer?
            }
        };
        let mut topics: Vec<TopicName> = partitions.iter().map(|tp| tp.topic.clone()).collect();
        topics.sort();
        topics.dedup();
        let ids = self.consumer.topic_ids(&topics, ASK_TIMEOUT)?;
        Ok(Some((entries, ids.into_iter().filter_map(|(topic, id)| Some((topic, id?))).collect())))
    }

    /// A ledger in KeeperMap is shown in the group's offsets; entries of a topic's earlier life are not.
    pub(super) fn show_in_group(&mut self, entries: &Entries) {
        let Some(fence) = self.fence.clone().filter(|_| self.keeper.is_some()) else { return };
        let is_of_topic = |(tp, stored): &(&TopicPartition, &_)| {
            let entry = Entry::parse(tp.partition, stored).ok();
            entry
                .and_then(|entry| entry.topic_id())
                .is_some_and(|id| self.topic_ids.get(&tp.topic) == Some(&id))
        };
        let entries = entries.iter().filter(is_of_topic).map(|(tp, stored)| (tp.clone(), stored.clone()));
        let entries = entries.collect();
        self.order(Order::Stands { fence, entries });
    }

    fn keeper_asker(&self) -> Option<KeeperAsker<'_>> {
        let (runtime, mail, claim) = (&self.cx.runtime, &self.mail, self.task.claim());
        self.keeper.as_ref().map(|ledger| KeeperAsker { runtime, ledger, mail, claim })
    }

    fn entries(&self, partitions: &[TopicPartition]) -> Result<Entries, Unanswered> {
        if let Some(memory) = &self.cx.memory_ledger {
            let ledger = memory.lock().expect("nobody panics holding it");
            let found = partitions.iter().filter_map(|tp| Some((tp.clone(), ledger.get(tp)?.clone())));
            return Ok(found.collect());
        }
        let found = self.consumer.committed(partitions, ASK_TIMEOUT)?;
        let entries = found.into_iter().filter_map(|(tp, entry)| Some((tp, entry?)));
        Ok(entries.filter(|(_, entry)| !is_informed(entry)).collect())
    }

    fn serve_reads(&mut self) -> bool {
        if let Some((read, under_way)) = self.asks.reading.take() {
            let Some(answer) = under_way.look() else {
                self.asks.reading = Some((read, under_way));
                return true;
            };
            if !self.entries_read(read, answer.map_err(Unanswered::from)) {
                return false;
            }
        }
        while let Some(read) = self.asks.reads.pop() {
            if read.claim != self.task.claim() {
                continue;
            }
            let of =
                |partition: &Partition| TopicPartition { topic: read.topic.clone(), partition: *partition };
            let wanted: Vec<TopicPartition> = read.partitions.iter().map(of).collect();
            if let Some(asker) = self.keeper_asker() {
                let under_way = asker.read(wanted);
                self.asks.reading = Some((read, under_way));
                return true;
            }
            let found = self.entries(&wanted);
            if !self.entries_read(read, found) {
                return false;
            }
        }
        true
    }

    fn entries_read(&mut self, read: PendingRead, found: Result<Entries, Unanswered>) -> bool {
        match found {
            Ok(found) => {
                let entries = found.into_iter().map(|(tp, entry)| (tp.partition, entry)).collect();
                let PendingRead { claim, topic, gather, .. } = read;
                self.hear(Event::EntriesRead { claim, topic, gather, entries });
                true
            }
            Err(error) => {
                self.asks.read(read);
                self.not_answered(error)
            }
        }
    }

    fn serve_starts(&mut self) -> bool {
        if self.asks.entering.is_some() {
            return true;
        }
        while let Some(start) = self.asks.starts.pop() {
            if start.claim != self.task.claim() {
                continue;
            }
            match self.starts(&start) {
                Ok(Ok(offsets)) => {
                    if let Some(asker) = self.keeper_asker() {
                        let entries = self.first_entries(&offsets);
                        let written = asker.enter(entries.clone());
                        self.asks.entering = Some(Entering { start, offsets, entries, written });
                        return true;
                    }
                    self.hear(Event::StartOffsets { claim: start.claim, offsets });
                }
                Ok(Err(failure)) => match self.is_outdated(&failure) {
                    Ok(false) => {
                        self.fail(failure);
                        return true;
                    }
                    Ok(true) => {
                        warn!(task = %self.cx.task_id, %failure, "this member stood still, and others went on meanwhile (R5)");
                        self.rejoin();
                        return true;
                    }
                    Err(error) => {
                        self.asks.starts.push(start);
                        return self.not_answered(error);
                    }
                },
                Err(error) => {
                    self.asks.starts.push(start);
                    return self.not_answered(error);
                }
            }
        }
        true
    }

    /// R5: whether a history without an entry is that of a member which stood still since it read the entries: somebody
    /// has written one since, or the topic is another one by now. Nobody is asked about that (R16).
    fn is_outdated(&self, failure: &Failure) -> Result<bool, Unanswered> {
        let Failure::OffsetsLost { topic_partition } = failure else { return Ok(false) };
        let topic = &topic_partition.topic;
        let claimed = self.topic_ids.get(topic).copied();
        let ids = self.consumer.topic_ids(std::slice::from_ref(topic), ASK_TIMEOUT)?;
        if ids.get(topic).copied().flatten() != claimed {
            return Ok(true);
        }
        // Rows in KeeperMap are entered under the claim's epoch, which tells by itself.
        if self.keeper.is_some() {
            return Ok(false);
        }
        let now = self.consumer.committed(std::slice::from_ref(topic_partition), ASK_TIMEOUT * 5)?;
        Ok(now.values().flatten().any(|stored| {
            // One of an earlier topic of the name is no entry.
            Entry::parse(topic_partition.partition, stored)
                .is_ok_and(|entry| entry.topic_id().is_none_or(|id| Some(id) == claimed))
        }))
    }

    /// R6: a partition without an entry gets one at claim. In KeeperMap at once, before its mark goes to the state
    /// topic, which no transaction joins with it: a process that dies in between leaves an entry that says where to
    /// begin, not a mark without one (R16).
    fn first_entries(&self, offsets: &BTreeMap<TopicPartition, Offset>) -> Entries {
        let entry = |(tp, offset): (&TopicPartition, &Offset)| {
            let topic_id = *self.topic_ids.get(&tp.topic)?;
            Some((tp.clone(), Entry::plain(*offset, topic_id).to_stored()))
        };
        offsets.iter().filter_map(entry).collect()
    }

    /// False: not answered.
    fn serve_entering(&mut self) -> bool {
        let Some(answer) = self.asks.entering.as_ref().and_then(|entering| entering.written.look()) else {
            return true;
        };
        let Some(Entering { start, offsets, entries, .. }) = self.asks.entering.take() else { return true };
        match answer {
            KeeperAnswer::Recorded => {
                self.show_in_group(&entries);
                self.hear(Event::StartOffsets { claim: start.claim, offsets });
                true
            }
            KeeperAnswer::Fenced(why) => {
                warn!(task = %self.cx.task_id, why, "partitions were claimed by somebody else; the membership ends (R5)");
                self.rejoin();
                true
            }
            KeeperAnswer::Refused(why) | KeeperAnswer::Unknown(why) => {
                self.asks.starts.push(start);
                let asked = "writing the first entries of the ledger";
                self.not_answered(Unanswered::ClickHouse(ClickHouseError::NoAnswer { asked, why }))
            }
        }
    }

    /// R16: a missing entry is a fresh start only for a partition that was never taken; one that a clean
    /// stop left at rest goes on from there.
    /// Errors: Kafka's, and inside of those, why a person has to look.
    fn starts(
        &self,
        start: &PendingStart,
    ) -> Result<Result<BTreeMap<TopicPartition, Offset>, Failure>, Unanswered> {
        let named: Vec<(TopicPartition, TopicId)> = start
            .partitions
            .iter()
            .filter_map(|tp| Some((tp.clone(), *self.topic_ids.get(&tp.topic)?)))
            .collect();
        let (mut offsets, mut fresh) = (BTreeMap::new(), Vec::new());
        let histories = marks::histories(self.cx, &named)?;
        for topic_partition in &start.partitions {
            let topic_partition = topic_partition.clone();
            match histories.get(&topic_partition) {
                None => fresh.push(topic_partition),
                Some(Mark::AtRest { next }) => {
                    warn!(task = %self.cx.task_id, rule = "R16", %topic_partition, %next,
                        "the group's offset is gone; the partition goes on from where a clean stop left it (R16)");
                    self.cx.meters.ruled("R16");
                    offsets.insert(topic_partition, *next);
                }
                Some(Mark::Running) if self.cx.limits.exactly_once => {
                    return Ok(Err(Failure::OffsetsLost { topic_partition }));
                }
                // At least once, lost offsets are a fresh start, as for any consumer.
                Some(Mark::Running) => {
                    warn!(task = %self.cx.task_id, rule = "R16", %topic_partition,
                        "the group's offset is gone; the partition begins anew, as for any consumer (R16)");
                    self.cx.meters.ruled("R16");
                    fresh.push(topic_partition);
                }
            }
        }
        match self.left_by_others(&mut fresh)? {
            Ok(left) => offsets.extend(left),
            Err(failure) => return Ok(Err(failure)),
        }
        if fresh.is_empty() {
            return Ok(Ok(offsets));
        }
        let Some(start_at) = self.cx.start_at else {
            return Ok(Err(Failure::NoStart { topic_partition: fresh[0].clone() }));
        };
        offsets.extend(self.consumer.start_offsets(&fresh, start_at, ASK_TIMEOUT * 5)?);
        Ok(Ok(offsets))
    }

    /// A connector whose ledger is in KeeperMap from now on goes on where the group stands that another tool, such
    /// as Kafka Connect, has brought there. An offset of ours without a mark of ours is none of these (R16).
    fn left_by_others(
        &self,
        fresh: &mut Vec<TopicPartition>,
    ) -> Result<Result<BTreeMap<TopicPartition, Offset>, Failure>, Unanswered> {
        let mut left = BTreeMap::new();
        if self.keeper.is_none() || fresh.is_empty() {
            return Ok(Ok(left));
        }
        for (topic_partition, stored) in self.consumer.committed(fresh, ASK_TIMEOUT * 5)? {
            let Some(stored) = stored else { continue };
            let ours = is_informed(&stored)
                || !matches!(
                    Entry::parse(topic_partition.partition, &stored),
                    Ok(Entry::Plain { topic_id: None, .. })
                );
            if !ours {
                left.insert(topic_partition, stored.offset);
            } else if self.cx.limits.exactly_once {
                return Ok(Err(Failure::OffsetsLost { topic_partition }));
            }
        }
        fresh.retain(|topic_partition| !left.contains_key(topic_partition));
        Ok(Ok(left))
    }

    fn not_answered(&mut self, error: Unanswered) -> bool {
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
        false
    }

    pub(super) fn compare_topic_ids(&mut self) {
        // A topic that was gone at claim has no lane; whether it is back must be seen all the same (R15).
        let topics: BTreeSet<TopicName> = self.assigned.iter().map(|tp| tp.topic.clone()).collect();
        let topics: Vec<TopicName> = topics.into_iter().collect();
        let claim = self.task.claim();
        if topics.is_empty() {
            return;
        }
        if let Ok(ids) = self.consumer.topic_ids(&topics, ASK_TIMEOUT) {
            let topic_ids: BTreeMap<TopicName, TopicId> =
                ids.into_iter().filter_map(|(topic, id)| Some((topic, id?))).collect();
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
                        std::thread::sleep(Duration::from_millis(ASK_AGAIN_MS));
                    }
                }
            }
        });
    }

    /// Without the state topic or the dead letter topic no write comes about: the task ends, and the next
    /// start makes the topic again, or says why it cannot.
    fn look_for_own_topics(&mut self) {
        let own = self.cx.own_topics();
        if self.assigned.is_empty() || own.is_empty() {
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
        let Ok(ends) = self.consumer.start_offsets(&self.assigned, StartAt::Latest, ASK_TIMEOUT) else {
            return;
        };
        for (tp, end) in ends {
            if let Some(recorded) = self.task.recorded(&tp.topic, tp.partition) {
                self.cx.meters.lag(&tp, (end.get() - recorded.get()).max(0));
            }
        }
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

    fn read(claim: u64, gather: Option<BatchId>) -> PendingRead {
        let partitions = vec![Partition(0), Partition(3)];
        PendingRead { claim: ClaimId(claim), topic: TopicName::new("t"), gather, partitions }
    }

    #[test]
    fn a_question_that_waits_is_not_queued_twice() {
        let mut asks = Asks::default();
        for _ in 0..1_000 {
            asks.read(read(1, None));
        }
        asks.read(read(1, Some(BatchId(9))));
        asks.read(read(2, None));
        assert_eq!(asks.reads.len(), 3);
    }

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
