//! A member of the connector's consumer group. It tells what the group protocol wants, and fetches
//! what it is told to, from where it is told to; it never commits. Carries PROTOCOL R5 (fence,
//! rebalance events) and R14 (stable reads, explicit offsets).
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pumphouse_delivery::StoredEntry;
use pumphouse_types::{Offset, OffsetRange, TopicId, TopicName, TopicPartition};

use crate::admin::{TopicDescription, describe_topics, list_offsets};
use crate::error::{Asker, KafkaError};
use crate::fence::Fence;
use crate::ffi::admin::Side;
use crate::ffi::client::{CallbackEvent, Client, Kind};
use crate::ffi::partition_list::PartitionList;
use crate::ffi::raw::RawError;
use crate::ffi::{codes, group, message};
use crate::lane_queue::{DataQueue, LaneQueue};
use crate::settings::{self, Protocol, Settings};

/// For how long a member that has joined nothing yet is looked after; a group that takes longer waits for its others.
const JOINING: Duration = Duration::from_secs(3);

/// How long a question about the coordinator waits before the next one.
const COORDINATOR_STEP: Duration = Duration::from_millis(5);

/// What the group protocol or the brokers say to a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConsumerEvent {
    /// These are all partitions of this member now. Nothing is fetched before [`Consumer::fetch`].
    Assigned(Vec<TopicPartition>),
    /// Nothing was given or taken, but the group has gone on to another generation: the fence is to be read anew.
    Renewed,
    /// The group wants these back, and waits for [`Consumer::revoked`]. In an eager group they are all that the
    /// member has; in an incremental one the others are its own still ([`Consumer::owned`]).
    Revoking {
        /// What is to be given up.
        partitions: Vec<TopicPartition>,
        /// They belong to somebody else already: the session is over. To be answered all the same.
        lost: bool,
    },
    /// A partition or a topic cannot be read.
    PartitionFailed {
        /// Which; `None` where librdkafka names none.
        topic_partition: Option<TopicPartition>,
        /// Why.
        error: KafkaError,
    },
    /// The consumer is broken for good: end the membership.
    Failed(KafkaError),
    /// Something that librdkafka goes on trying, unless its remedy says otherwise.
    Trouble(KafkaError),
}

/// Which side of a partition a start offset is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    /// The first record that is left.
    Earliest,
    /// Behind the last record that is committed (the last stable offset).
    Latest,
}

/// What closing does to the membership of a static member. A dynamic member always leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaving {
    /// The member keeps its partitions until its session is over: it comes back soon.
    Stay,
    /// The group spreads the partitions at once.
    Leave,
}

/// A member of a consumer group: classic, eager or cooperative, or of KIP-848.
pub struct Consumer {
    // The queues are dropped before the handle (see `ffi::client::Client`).
    queues: BTreeMap<TopicName, Arc<DataQueue>>,
    client: Arc<Client>,
    asker: Asker,
    /// What a revocation that waits for its answer takes.
    revoking: Option<Vec<TopicPartition>>,
    protocol: Protocol,
    /// What the group has given and not taken back.
    owned: BTreeSet<TopicPartition>,
    /// Whether the group has given anything since the membership began, or was lost; be it nothing.
    heard: bool,
    opened: Instant,
    /// What librdkafka fetches.
    fetched: BTreeSet<TopicPartition>,
}

/// Asks what a topic's identity is, from another thread than the consumer's.
pub struct TopicAsker {
    client: Arc<Client>,
    asker: Asker,
}

impl TopicAsker {
    /// The topic's identity; `None`: there is no such topic.
    pub fn topic_id(&self, topic: &TopicName, timeout: Duration) -> Result<Option<TopicId>, KafkaError> {
        let described = describe_topics(&self.client, &self.asker, std::slice::from_ref(topic), timeout)?;
        Ok(described.get(topic).copied().flatten().map(|described| described.topic_id))
    }
}

impl Consumer {
    /// A member of `group`, not subscribed yet. With `instance` it is a static member (KIP-345): when
    /// it comes back within its session, it has its partitions at once.
    /// Errors: settings, and `Client`; an unreachable broker is told by `poll_events`.
    pub fn open(given: &Settings, group: &str, instance: Option<&str>) -> Result<Consumer, KafkaError> {
        let protocol = settings::protocol(given)?;
        let client = Client::new(Kind::Consumer, &settings::member(given, group, instance)?)?;
        if protocol != Protocol::Eager {
            client.set_incremental();
        }
        let asker = Asker { group: group.to_owned(), ..Asker::default() };
        Ok(Consumer {
            queues: BTreeMap::new(),
            client,
            asker,
            revoking: None,
            protocol,
            owned: BTreeSet::new(),
            heard: false,
            opened: Instant::now(),
            fetched: BTreeSet::new(),
        })
    }

    /// Whether a rebalance takes only what goes to somebody else, so that generations follow one another while
    /// partitions stay.
    pub fn is_incremental(&self) -> bool {
        self.protocol != Protocol::Eager
    }

    /// Whether the brokers have to know the group's protocol, which older ones do not, and do not say (KIP-848).
    pub fn needs_new_brokers(&self) -> bool {
        self.protocol == Protocol::Brokers
    }

    /// What the group has given to this member and not taken back.
    pub fn owned(&self) -> Vec<TopicPartition> {
        self.owned.iter().cloned().collect()
    }

    /// Waits, for `at_most`, until the group's coordinator is found and connected: what `subscribe` sends from then on
    /// goes to it at once. Tells of no trouble; who joins hears of it.
    pub fn wait_for_coordinator(&self, at_most: Duration) {
        let end = Instant::now() + at_most;
        // Offsets of no partition: librdkafka answers by itself, once there is a coordinator. Each question has it take the
        // next step towards that, which it does by itself every half second only.
        while Instant::now() < end {
            match group::committed(&self.client, PartitionList::new(), COORDINATOR_STEP) {
                Err(error) if error.code == codes::TIMED_OUT => {}
                Ok(_) | Err(_) => return,
            }
        }
    }

    /// Asks to be a member for these topics. A name that begins with `^` is a regular expression.
    pub fn subscribe(&self, topics: &[TopicName]) -> Result<(), KafkaError> {
        group::subscribe(&self.client, &PartitionList::of_topics(topics))
            .map_err(|raw| self.asker.sort("subscribing", &raw))
    }

    /// What happened; waits at most `timeout` for something. To be called again within
    /// `max.poll.interval.ms`, whatever the lanes do. Never returns records.
    pub fn poll_events(&mut self, timeout: Duration) -> Vec<ConsumerEvent> {
        if !self.heard && self.opened.elapsed() < JOINING {
            group::go_on_joining(&self.client);
        }
        let mut events = Vec::new();
        let mut patience = timeout;
        loop {
            let failed = message::poll_consumer(&self.client, patience);
            let quiet = failed.is_none();
            events.extend(failed.map(|failed| self.failed(failed)));
            let before = events.len();
            while let Some(event) = self.client.next_event() {
                events.extend(self.serve(event));
            }
            if quiet && events.len() == before {
                return events;
            }
            patience = Duration::ZERO;
        }
    }

    fn failed(&self, failed: message::MessageError) -> ConsumerEvent {
        if failed.error.fatal {
            return self.fatal_by(failed.error);
        }
        let topic_partition = failed.topic_partition;
        let error = self.asker.sort_partition(topic_partition.as_ref(), failed.offset, &failed.error);
        match topic_partition {
            Some(topic_partition) => {
                ConsumerEvent::PartitionFailed { topic_partition: Some(topic_partition), error }
            }
            None => match error {
                KafkaError::OffsetOutOfRange { .. }
                | KafkaError::TopicGone { .. }
                | KafkaError::TopicDenied { .. }
                | KafkaError::RecordDamaged { .. } => {
                    ConsumerEvent::PartitionFailed { topic_partition: None, error }
                }
                error => ConsumerEvent::Trouble(error),
            },
        }
    }

    fn serve(&mut self, event: CallbackEvent) -> Option<ConsumerEvent> {
        match event {
            CallbackEvent::Assign(partitions) => {
                // Answered at once with "fetch nothing" (more): the member goes on to hear of rebalances
                // while its partitions are being claimed, however long that takes.
                let answered = if self.is_incremental() {
                    group::incremental_assign(&self.client, &PartitionList::new())
                } else {
                    self.owned.clear();
                    self.fetched.clear();
                    group::assign(&self.client, &PartitionList::new())
                };
                if let Err(raw) = answered {
                    return Some(self.fatal(self.asker.sort("answering an assignment", &raw)));
                }
                let renewed = self.is_incremental() && self.heard && partitions.is_empty();
                self.heard = true;
                self.owned.extend(partitions);
                Some(if renewed { ConsumerEvent::Renewed } else { ConsumerEvent::Assigned(self.owned()) })
            }
            CallbackEvent::Revoke(partitions) => {
                self.revoking = Some(partitions.clone());
                let lost = group::assignment_lost(&self.client);
                Some(ConsumerEvent::Revoking { partitions, lost })
            }
            CallbackEvent::Error(raw) if raw.fatal => Some(self.fatal_by(raw)),
            CallbackEvent::Error(raw) => Some(ConsumerEvent::Trouble(self.asker.sort("consuming", &raw))),
        }
    }

    /// The call that fails by a broken handle only says that it is broken; the handle says why.
    fn fatal_by(&self, raw: RawError) -> ConsumerEvent {
        let cause = self.client.fatal_error().unwrap_or(raw);
        if matches!(cause.code, codes::UNSUPPORTED_FEATURE | codes::UNSUPPORTED_VERSION) {
            return ConsumerEvent::Failed(KafkaError::GroupProtocolUnknown { reason: cause.text });
        }
        self.fatal(self.asker.sort("being a member", &cause))
    }

    /// A broken handle is replaced, whatever broke it.
    fn fatal(&self, error: KafkaError) -> ConsumerEvent {
        ConsumerEvent::Failed(match error {
            KafkaError::Refused { reason, .. } => KafkaError::ConsumerFailed { reason },
            error => error,
        })
    }

    /// The queue of a topic's records; `None` while the one that was given out before lives.
    pub fn lane_queue(&mut self, topic: &TopicName) -> Option<LaneQueue> {
        let queue = self.queue_of(topic);
        LaneQueue::take(&queue)
    }

    fn queue_of(&mut self, topic: &TopicName) -> Arc<DataQueue> {
        let (client, asker) = (&self.client, &self.asker);
        let queue =
            self.queues.entry(topic.clone()).or_insert_with(|| DataQueue::new(client, topic, asker.clone()));
        Arc::clone(queue)
    }

    /// Fetches exactly these partitions from these offsets, in place of what was fetched before. What
    /// was fetched but not taken is dropped; a `MessageBatch` in hand is the caller's to drop.
    /// While a revocation waits for its answer nothing is fetched.
    /// Waits for a `consume_batch` that runs in another thread.
    pub fn fetch(&mut self, positions: &BTreeMap<TopicPartition, Offset>) -> Result<(), KafkaError> {
        if self.revoking.is_some() {
            return Ok(());
        }
        let mut wanted = PartitionList::new();
        for (topic_partition, offset) in positions {
            wanted.add_offset(topic_partition, *offset);
            self.queue_of(&topic_partition.topic);
        }
        let queues: Vec<Arc<DataQueue>> = self.queues.values().map(Arc::clone).collect();
        let mut states: Vec<_> = queues.iter().map(|queue| queue.lock()).collect();
        self.stop_fetching()?;
        states.iter_mut().for_each(|state| state.restart());
        for topic_partition in positions.keys() {
            self.queues[&topic_partition.topic].queue.take_records_of(topic_partition);
        }
        let assigned = if self.is_incremental() {
            group::incremental_assign(&self.client, &wanted)
        } else {
            group::assign(&self.client, &wanted)
        };
        assigned.map_err(|raw| self.asker.sort("fetching", &raw))?;
        self.fetched = positions.keys().cloned().collect();
        Ok(())
    }

    /// librdkafka undoes the forwarding of a partition's queue when it stops fetching it, some time
    /// after it was told to. A forwarding set before that would be lost, and the partition stall.
    fn stop_fetching(&mut self) -> Result<(), KafkaError> {
        let fetched = std::mem::take(&mut self.fetched);
        if !fetched.is_empty() {
            let stopped = if self.is_incremental() {
                group::incremental_unassign(&self.client, &PartitionList::of(&fetched))
            } else {
                group::assign(&self.client, &PartitionList::new())
            };
            stopped.map_err(|raw| self.asker.sort("stopping to fetch", &raw))?;
        }
        // Also for fetches that a revocation has stopped.
        group::wait_for_stopped_fetches(&self.client);
        Ok(())
    }

    /// Every lane is given up: answers the revocation, if one waits, and fetches nothing any more.
    pub fn revoked(&mut self) -> Result<(), KafkaError> {
        let (fetched, revoked) = (std::mem::take(&mut self.fetched), self.revoking.take());
        for topic_partition in revoked.iter().flatten() {
            self.owned.remove(topic_partition);
        }
        let answer = match (self.is_incremental(), &revoked) {
            (true, None) if fetched.is_empty() => Ok(()),
            (true, _) => group::incremental_unassign(&self.client, &PartitionList::of(&fetched)),
            (false, Some(_)) => group::unassign(&self.client),
            (false, None) => group::assign(&self.client, &PartitionList::new()),
        };
        self.heard &= !self.owned.is_empty() || revoked.is_none();
        answer.map_err(|raw| self.asker.sort("answering a revocation", &raw))
    }

    /// Whether the assignment was lost: somebody else has the partitions already.
    pub fn assignment_lost(&self) -> bool {
        group::assignment_lost(&self.client)
    }

    /// The proof of this membership; `None` before the first generation and after the last.
    pub fn group_metadata(&self) -> Option<Fence> {
        group::group_metadata(&self.client)
    }

    /// The group's entries, stable: a transaction that is still open on one is waited for, within
    /// `timeout`. `None`: nothing is committed for the partition. Anybody may have written the
    /// metadata; what is not UTF-8 in it is replaced (U+FFFD), so such a text is never one of ours.
    pub fn committed(
        &self,
        partitions: &[TopicPartition],
        timeout: Duration,
    ) -> Result<BTreeMap<TopicPartition, Option<StoredEntry>>, KafkaError> {
        if partitions.is_empty() {
            return Ok(BTreeMap::new());
        }
        let elements = group::committed(&self.client, PartitionList::of(partitions), timeout)
            .map_err(|raw| self.asker.sort("reading committed offsets", &raw))?;
        let entries = elements.into_iter().map(|element| {
            let entry = element.offset.map(|offset| StoredEntry {
                offset,
                metadata: String::from_utf8_lossy(&element.metadata).into_owned(),
            });
            (element.topic_partition, entry)
        });
        Ok(entries.collect())
    }

    /// The positions that the partition holds now, up to the last stable offset.
    pub fn watermarks(
        &self,
        topic_partition: &TopicPartition,
        timeout: Duration,
    ) -> Result<OffsetRange, KafkaError> {
        watermarks(&self.client, &self.asker, topic_partition, timeout)
    }

    /// Where partitions without an entry start.
    pub fn start_offsets(
        &self,
        partitions: &[TopicPartition],
        start_at: StartAt,
        timeout: Duration,
    ) -> Result<BTreeMap<TopicPartition, Offset>, KafkaError> {
        let side = match start_at {
            StartAt::Earliest => Side::Earliest,
            StartAt::Latest => Side::LatestStable,
        };
        list_offsets(&self.client, &self.asker, partitions, side, timeout)
    }

    /// The identity of each topic; `None` for one that does not exist.
    pub fn topic_ids(
        &self,
        topics: &[TopicName],
        timeout: Duration,
    ) -> Result<BTreeMap<TopicName, Option<TopicId>>, KafkaError> {
        let described = self.describe(topics, timeout)?;
        Ok(described.into_iter().map(|(topic, is)| (topic, is.map(|is| is.topic_id))).collect())
    }

    /// Asks for identities beside the thread that holds the consumer. The handle lives as long as it does.
    pub fn topic_asker(&self) -> TopicAsker {
        TopicAsker { client: Arc::clone(&self.client), asker: self.asker.clone() }
    }

    /// Identity, partitions and replicas of each topic; `None` for one that does not exist.
    pub fn describe(
        &self,
        topics: &[TopicName],
        timeout: Duration,
    ) -> Result<BTreeMap<TopicName, Option<TopicDescription>>, KafkaError> {
        describe_topics(&self.client, &self.asker, topics, timeout)
    }

    /// Ends the membership, within `timeout`. Rebalance events that wait are answered, so everything
    /// must have been given up. Lane queues and batches must have been dropped: while one lives, the
    /// handle goes on to exist without being a member.
    /// Errors: `NoAnswer` when time was over; the broker then ends the membership with the session.
    pub fn close(mut self, leaving: Leaving, timeout: Duration) -> Result<(), KafkaError> {
        let deadline = Instant::now() + timeout;
        self.client.set_closing();
        // An event that the callback queued before is not answered by it.
        while let Some(event) = self.client.next_event() {
            match event {
                CallbackEvent::Revoke(partitions) => self.revoking = Some(partitions),
                // Answered here: nobody takes it.
                CallbackEvent::Assign(_) if self.is_incremental() => {
                    let _ = group::incremental_assign(&self.client, &PartitionList::new());
                }
                CallbackEvent::Assign(_) => self.revoking = Some(Vec::new()),
                CallbackEvent::Error(_) => {}
            }
        }
        let _ = self.revoked();
        if leaving == Leaving::Leave {
            // Closing alone sends no LeaveGroup for a static member; unsubscribing does.
            group::unsubscribe(&self.client);
            while self.group_metadata().is_some() && Instant::now() < deadline {
                message::poll_consumer(&self.client, Duration::from_millis(10));
            }
        }
        self.queues.clear();
        match group::close(&self.client, deadline) {
            Ok(true) => Ok(()),
            Ok(false) => Err(KafkaError::NoAnswer {
                asked: "leaving the group".to_owned(),
                reason: format!("{} ms are over", timeout.as_millis()),
            }),
            // A broken handle is no member.
            Err(raw) if raw.fatal => Ok(()),
            Err(raw) => Err(self.asker.sort("leaving the group", &raw)),
        }
    }
}

pub(crate) fn watermarks(
    client: &Client,
    asker: &Asker,
    topic_partition: &TopicPartition,
    timeout: Duration,
) -> Result<OffsetRange, KafkaError> {
    let asked = || format!("asking for the offsets of {topic_partition}");
    let (low, high) =
        group::watermarks(client, topic_partition, timeout).map_err(|raw| asker.sort(&asked(), &raw))?;
    Offset::new(low)
        .zip(Offset::new(high))
        .and_then(|(low, high)| OffsetRange::new(low, high))
        .ok_or_else(|| KafkaError::NoAnswer { asked: asked(), reason: format!("{low}..{high}") })
}
