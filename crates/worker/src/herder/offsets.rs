//! A connector's offsets, shown and changed: they are its ledger. A change is made by a member of the
//! connector's group, in one transaction with the marks of the state topic (R5, R16), and only once no
//! partition of the connector carries an open batch (R6): what stands open is settled first, by the
//! connector's own task, which takes nothing.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pumphouse_clickhouse::{KeeperAnswer, KeeperLedger};
use pumphouse_conduct::Mark;
use pumphouse_delivery::Entry;
use pumphouse_kafka::{
    Admin, Consumer, ConsumerEvent, Fence, KafkaError, Leaving, LedgerProducer, OutgoingRecord,
    RecordOutcome, StoredEntry, mark_key, mark_record,
};
use pumphouse_rest::{OffsetChange, PartitionOffset, Refusal};
use pumphouse_types::{Offset, OffsetRange, Partition, TopicId, TopicName, TopicPartition};
use tokio::runtime::Handle;
use tracing::{info, warn};

use crate::board::{Board, State};
use crate::connector::Connector;
use crate::placement::Placement;
use crate::spec::ConnectorSpec;
use crate::task::informed;
use crate::worker::Shared;

/// One question to a broker.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// What stands open is settled within this time, or the change is refused.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(45);
const SETTLE_LOOK: Duration = Duration::from_millis(200);

/// A member has its partitions within this time, if it is the only one.
const JOIN_TIMEOUT: Duration = Duration::from_secs(15);
const JOIN_LOOK: Duration = Duration::from_millis(50);

/// Leaving the group is not waited for longer.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// What the group has committed for the connector's topics.
pub(crate) fn read(spec: &ConnectorSpec, runtime: &Handle) -> Result<Vec<PartitionOffset>, Refusal> {
    if spec.memory_ledger.is_some() {
        return Ok(Vec::new());
    }
    let failed = |why: String| Refusal::new(500, format!("The offsets cannot be read: {why}"));
    let text = |error: KafkaError| failed(error.to_string());
    let spec = &with_topics(spec).map_err(text)?;
    let consumer = Consumer::open(&spec.consumer_settings, &spec.group, None).map_err(text)?;
    let read = Ledger::read(&consumer, spec, runtime).map_err(failed);
    let _ = consumer.close(Leaving::Leave, CLOSE_TIMEOUT);
    let shown = |(tp, entry): (TopicPartition, StoredEntry)| PartitionOffset {
        topic: tp.topic.to_string(),
        partition: tp.partition.0,
        offset: entry.offset.get(),
    };
    Ok(read?.entries.into_iter().map(shown).collect())
}

/// Changes the ledger of a connector that does not run.
pub(crate) fn change(
    spec: &ConnectorSpec,
    shared: &Arc<Shared>,
    change: &OffsetChange,
) -> Result<(), Refusal> {
    if spec.memory_ledger.is_some() {
        let why = "pumphouse.ledger.store is memory: there are no offsets while the connector is stopped";
        return Err(Refusal::new(400, why.to_owned()));
    }
    let verb = match change {
        OffsetChange::Reset => "reset",
        OffsetChange::Alter(_) => "alter",
    };
    let spec = &with_topics(spec).map_err(|error| said(spec, verb, &error.to_string()))?;
    settle(spec, shared).map_err(|why| said(spec, verb, &why))?;
    let mut member = Member::join(spec, shared).map_err(|why| said(spec, verb, &why))?;
    let wanted = member.wanted(spec, change).and_then(|wanted| {
        member.write(spec, shared, &wanted).map_err(|why| said(spec, verb, &why))?;
        Ok(wanted)
    });
    let left = member.consumer.close(Leaving::Leave, CLOSE_TIMEOUT);
    let wanted = wanted?;
    if let Err(error) = left {
        warn!(connector = spec.name, %error, "leaving the group was not answered");
    }
    if let Err(why) = forget(spec, &wanted) {
        // The ledger is changed already: an error would make the operator believe that it is not.
        warn!(
            connector = spec.name,
            why,
            "the offsets are changed; the broker still shows where the partitions that were reset begin, since it may not forget their offsets (DELETE on the group)"
        );
    }
    info!(connector = spec.name, partitions = wanted.len(), "offsets changed");
    Ok(())
}

/// The topics that it reads, where they are not named, are those that match now.
fn with_topics(spec: &ConnectorSpec) -> Result<ConnectorSpec, KafkaError> {
    match &spec.topic_choice {
        None => Ok(spec.clone()),
        Some(choice) => choice.found_now(spec),
    }
}

/// The topics of a connector; none while the brokers cannot be asked for those that match a pattern.
pub(crate) fn topics_of(spec: &ConnectorSpec) -> Vec<TopicName> {
    with_topics(spec).map(|spec| spec.tables.into_keys().collect()).unwrap_or_default()
}

/// As Kafka Connect says it, with the reason.
fn said(spec: &ConnectorSpec, verb: &str, why: &str) -> Refusal {
    Refusal::new(500, format!("Failed to {verb} consumer group offsets for connector {}: {why}", spec.name))
}

/// What the brokers know of the connector's partitions.
struct Ledger {
    /// The connector's topics that exist, and how many partitions each has.
    topics: BTreeMap<TopicName, (TopicId, u32)>,
    entries: BTreeMap<TopicPartition, StoredEntry>,
    /// Its dead letters are still to be written (R4).
    owes: Option<TopicPartition>,
}

impl Ledger {
    fn read(consumer: &Consumer, spec: &ConnectorSpec, runtime: &Handle) -> Result<Ledger, String> {
        let text = |error: KafkaError| error.to_string();
        let names: Vec<TopicName> = spec.tables.keys().cloned().collect();
        let described = consumer.describe(&names, ASK_TIMEOUT).map_err(text)?;
        let exists = |(topic, is): (TopicName, Option<pumphouse_kafka::TopicDescription>)| {
            is.map(|is| (topic, (is.topic_id, is.partitions)))
        };
        let topics: BTreeMap<_, _> = described.into_iter().filter_map(exists).collect();
        let partitions: Vec<TopicPartition> = partitions(&topics).collect();
        let (entries, owes) = match &spec.keeper_ledger {
            // Not the group's offsets: they only inform.
            Some(keeper) => {
                let found = runtime.block_on(keeper.another().look(&partitions));
                let found = found.map_err(|error| error.to_string())?;
                (found.entries, found.owes.into_keys().next())
            }
            None => {
                let committed = consumer.committed(&partitions, ASK_TIMEOUT).map_err(text)?;
                (committed.into_iter().filter_map(|(tp, entry)| Some((tp, entry?))).collect(), None)
            }
        };
        Ok(Ledger { topics, entries, owes })
    }

    /// The first partition that carries an open batch, or owes dead letters. Errors: an entry that cannot be understood.
    fn open(&self) -> Result<Option<&TopicPartition>, String> {
        for (tp, stored) in &self.entries {
            let entry = Entry::parse(tp.partition, stored).map_err(|error| format!("{tp}: {error}"))?;
            if entry.batch_id().is_some() {
                return Ok(Some(tp));
            }
        }
        Ok(self.owes.as_ref())
    }
}

fn partitions(topics: &BTreeMap<TopicName, (TopicId, u32)>) -> impl Iterator<Item = TopicPartition> + '_ {
    topics.iter().flat_map(|(topic, (_, count))| {
        (0..*count).map(|number| TopicPartition { topic: topic.clone(), partition: Partition(number) })
    })
}

/// Lets open batches land, with a task that takes nothing new. Errors: they cannot be settled now.
fn settle(spec: &ConnectorSpec, shared: &Arc<Shared>) -> Result<(), String> {
    let consumer =
        Consumer::open(&spec.consumer_settings, &spec.group, None).map_err(|error| error.to_string())?;
    let outcome = settle_seen(spec, shared, &consumer);
    let _ = consumer.close(Leaving::Leave, CLOSE_TIMEOUT);
    outcome
}

fn settle_seen(spec: &ConnectorSpec, shared: &Arc<Shared>, consumer: &Consumer) -> Result<(), String> {
    let ledger = || Ledger::read(consumer, spec, &shared.runtime);
    let Some(open) = ledger()?.open()?.cloned() else { return Ok(()) };
    info!(connector = spec.name, topic_partition = %open, "what stands open is settled before offsets are changed (R6)");
    // Nobody looks at this board: the connector is shown as STOPPED meanwhile.
    let face = Board::default().add(&spec.name, BTreeMap::new(), 1);
    let alone = ConnectorSpec { tasks: 1, ..spec.clone() };
    let everything = Arc::new(Placement::everything());
    let run = Connector::start(alone, everything, Arc::clone(shared), face.begin_run(1), true)
        .map_err(|error| format!("WORKER-005: {error}"))?;
    let until = Instant::now() + SETTLE_TIMEOUT;
    let outcome = loop {
        match ledger().and_then(|ledger| ledger.open().map(|open| open.cloned())) {
            Ok(None) => break Ok(()),
            seen if Instant::now() >= until => {
                break Err(match seen {
                    Ok(_) => format!(
                        "{open} carries an open batch, or owes dead letters, and could not be settled in time"
                    ),
                    Err(error) => error,
                });
            }
            Ok(Some(_)) | Err(_) => {}
        }
        let shown = face.show();
        let failed = shown.tasks.into_iter().chain([shown.state]).find_map(|state| match state {
            State::Failed(why) => Some(why),
            State::Unassigned | State::Running(_) | State::Paused | State::Restarting | State::Stopped => {
                None
            }
        });
        if let Some(why) = failed {
            break Err(format!(
                "{open} carries an open batch, or owes dead letters, and cannot be settled: {why}"
            ));
        }
        std::thread::sleep(SETTLE_LOOK);
    };
    run.ask_to_stop(Leaving::Leave);
    while !run.has_ended() {
        std::thread::sleep(JOIN_LOOK);
    }
    outcome
}

/// Where each partition is to go on; `None`: it is to have no offset.
type Wanted = BTreeMap<TopicPartition, Option<Offset>>;

/// A membership that does nothing but write to the ledger.
struct Member {
    consumer: Consumer,
    fence: Fence,
    ledger: Ledger,
}

impl Member {
    /// Joins, and reads the entries under the membership. Errors: somebody else is in the group, or an open
    /// batch has come up.
    fn join(spec: &ConnectorSpec, shared: &Shared) -> Result<Member, String> {
        let text = |error: KafkaError| error.to_string();
        let mut consumer = Consumer::open(&spec.consumer_settings, &spec.group, None).map_err(text)?;
        match Member::joined(spec, shared, &mut consumer) {
            Ok((fence, ledger)) => Ok(Member { consumer, fence, ledger }),
            Err(why) => {
                let _ = consumer.close(Leaving::Leave, CLOSE_TIMEOUT);
                Err(why)
            }
        }
    }

    fn joined(
        spec: &ConnectorSpec,
        shared: &Shared,
        consumer: &mut Consumer,
    ) -> Result<(Fence, Ledger), String> {
        let text = |error: KafkaError| error.to_string();
        let topics: Vec<TopicName> = spec.tables.keys().cloned().collect();
        consumer.subscribe(&topics).map_err(text)?;
        let assigned = assignment(consumer)?;
        // R5: the fence first, then every queued event; what is read is used only if nothing was lost by that.
        let fence = consumer.group_metadata().ok_or("the group has not taken the member")?;
        let ledger = Ledger::read(consumer, spec, &shared.runtime)?;
        if consumer
            .poll_events(Duration::ZERO)
            .iter()
            .any(|event| matches!(event, ConsumerEvent::Revoking { .. }))
        {
            return Err("the group has another member".to_owned());
        }
        if let Some(other) = partitions(&ledger.topics).find(|tp| !assigned.contains(tp)) {
            return Err(format!(
                "{other} belongs to another member of the group: its tasks have not stopped"
            ));
        }
        match ledger.open()? {
            None => Ok((fence, ledger)),
            Some(open) => Err(format!("{open} carries an open batch again: somebody writes")),
        }
    }

    /// What the change means partition by partition.
    fn wanted(&self, spec: &ConnectorSpec, change: &OffsetChange) -> Result<Wanted, Refusal> {
        let asked = match change {
            OffsetChange::Reset => {
                // Also partitions whose offsets the broker has forgotten: their marks are to go (R16).
                return Ok(partitions(&self.ledger.topics).map(|tp| (tp, None)).collect());
            }
            OffsetChange::Alter(asked) => asked,
        };
        let mut wanted = Wanted::new();
        for ((topic, partition), offset) in asked {
            let tp = TopicPartition { topic: TopicName::new(topic), partition: Partition(*partition) };
            let known = self.ledger.topics.get(&tp.topic).is_some_and(|(_, count)| *partition < *count);
            if !known {
                return Err(said(spec, "alter", &format!("{tp} is no partition of the connector's topics")));
            }
            let offset = match offset {
                None => None,
                Some(offset) => Some(self.checked(spec, &tp, *offset)?),
            };
            wanted.insert(tp, offset);
        }
        Ok(wanted)
    }

    /// An offset behind the log's end would be one that no record ever had.
    fn checked(&self, spec: &ConnectorSpec, tp: &TopicPartition, offset: i64) -> Result<Offset, Refusal> {
        let Some(known) = Offset::new(offset) else {
            return Err(Refusal::new(
                500,
                format!("Failed to modify offsets for sink connector {}", spec.name),
            ));
        };
        let range: OffsetRange = self
            .consumer
            .watermarks(tp, ASK_TIMEOUT)
            .map_err(|error| said(spec, "alter", &error.to_string()))?;
        if known > range.end() {
            let why = format!("{tp} ends at {}, and offset {known} lies behind it", range.end());
            return Err(Refusal::new(400, format!("The offsets are not altered: {why}")));
        }
        Ok(known)
    }

    /// One transaction: plain marks, and what the state topic says of the partitions. One that is to have no
    /// offset gets the one that it would begin with, and no mark: from here on it counts as never taken.
    fn write(&mut self, spec: &ConnectorSpec, shared: &Shared, wanted: &Wanted) -> Result<(), String> {
        let text = |error: KafkaError| error.to_string();
        let fresh: Vec<TopicPartition> =
            wanted.iter().filter(|(_, offset)| offset.is_none()).map(|(tp, _)| tp.clone()).collect();
        let starts = match spec.start_at {
            Some(start_at) => self.consumer.start_offsets(&fresh, start_at, ASK_TIMEOUT).map_err(text)?,
            None => BTreeMap::new(),
        };
        let (mut entries, mut records) = (BTreeMap::new(), Vec::new());
        for (tp, offset) in wanted {
            let (topic_id, _) = self.ledger.topics[&tp.topic];
            let next = offset.or_else(|| starts.get(tp).copied()).unwrap_or(Offset::ZERO);
            entries.insert(tp.clone(), Entry::plain(next, topic_id).to_stored());
            records.push(match offset {
                Some(next) => {
                    let mark = Mark::AtRest { next: *next };
                    mark_record(mark, &spec.state_topic, &spec.name, topic_id, tp.partition)
                }
                None => OutgoingRecord {
                    topic: spec.state_topic.clone(),
                    partition: None,
                    key: Some(mark_key(&spec.name, topic_id, tp.partition)),
                    value: None,
                    headers: Vec::new(),
                    timestamp_ms: None,
                },
            });
        }
        if entries.is_empty() {
            return Ok(());
        }
        if let Some(keeper) = &spec.keeper_ledger {
            // One that is to have no offset has no entry, and begins as if it had never been taken.
            let wanted = |(tp, entry): (&TopicPartition, &StoredEntry)| {
                (tp.clone(), wanted[tp].is_some().then(|| entry.clone()))
            };
            write_keeper(keeper, &shared.runtime, &entries.iter().map(wanted).collect())?;
        }
        let id = spec.transactional_id(&shared.task_scope, 0);
        let mut producer = LedgerProducer::open(&spec.producer_settings, &id, ASK_TIMEOUT).map_err(text)?;
        let shown = match &spec.keeper_ledger {
            None => entries.clone(),
            Some(_) => entries.iter().map(|(tp, entry)| (tp.clone(), informed(entry))).collect(),
        };
        match producer.record(&self.fence, &shown, &records) {
            RecordOutcome::Recorded => Ok(()),
            RecordOutcome::Fenced(error) | RecordOutcome::NotRecorded(error) => Err(error.to_string()),
            RecordOutcome::Unknown(error) => {
                // Settles the write, one way or the other; then the entries say which.
                producer.replace().map_err(text)?;
                let partitions: Vec<TopicPartition> = shown.keys().cloned().collect();
                let now = self.consumer.committed(&partitions, ASK_TIMEOUT).map_err(text)?;
                if shown.iter().all(|(tp, entry)| now.get(tp).and_then(Option::as_ref) == Some(entry)) {
                    Ok(())
                } else {
                    Err(error.to_string())
                }
            }
        }
    }
}

/// The entries in KeeperMap, before the marks: a mark beside an entry says nothing (R16). A member of the group
/// has no claim there yet; raising the epoch shuts out whoever holds an older one.
fn write_keeper(
    keeper: &KeeperLedger,
    runtime: &Handle,
    entries: &BTreeMap<TopicPartition, Option<StoredEntry>>,
) -> Result<(), String> {
    let keeper = keeper.another();
    let partitions: Vec<TopicPartition> = entries.keys().cloned().collect();
    runtime.block_on(async {
        keeper.ensure().await.map_err(|error| error.to_string())?;
        let stand = keeper.claim(rand::random(), &partitions).await.map_err(|error| error.to_string())?;
        if let Some(tp) = stand.owes.keys().next() {
            return Err(format!("{tp} owes dead letters again: somebody writes"));
        }
        for (tp, stored) in &stand.entries {
            let entry = Entry::parse(tp.partition, stored).map_err(|error| format!("{tp}: {error}"))?;
            if entry.batch_id().is_some() {
                return Err(format!("{tp} carries an open batch again: somebody writes"));
            }
        }
        match keeper.set(rand::random(), entries).await {
            KeeperAnswer::Recorded => Ok(()),
            KeeperAnswer::Fenced(why) | KeeperAnswer::Refused(why) | KeeperAnswer::Unknown(why) => Err(why),
        }
    })
}

/// Waits for the partitions that the group gives to a new member.
fn assignment(consumer: &mut Consumer) -> Result<BTreeSet<TopicPartition>, String> {
    let until = Instant::now() + JOIN_TIMEOUT;
    while Instant::now() < until {
        for event in consumer.poll_events(JOIN_LOOK) {
            match event {
                ConsumerEvent::Assigned(partitions) => return Ok(partitions.into_iter().collect()),
                ConsumerEvent::Failed(error) => return Err(error.to_string()),
                ConsumerEvent::Revoking { .. }
                | ConsumerEvent::Renewed
                | ConsumerEvent::PartitionFailed { .. }
                | ConsumerEvent::Trouble(_) => {}
            }
        }
    }
    Err("the group has not taken the member in time: its tasks may not have stopped".to_owned())
}

/// Lets the broker forget the offsets of partitions that are to have none. They stand already where these
/// partitions begin: a crash before this changes nothing but what is shown.
fn forget(spec: &ConnectorSpec, wanted: &Wanted) -> Result<(), String> {
    let fresh: Vec<TopicPartition> =
        wanted.iter().filter(|(_, offset)| offset.is_none()).map(|(tp, _)| tp.clone()).collect();
    if fresh.is_empty() {
        return Ok(());
    }
    let admin = Admin::open(&spec.producer_settings).map_err(|error| error.to_string())?;
    admin.forget_offsets(&spec.group, &fresh, ASK_TIMEOUT).map_err(|error| error.to_string())
}
