//! A topic's check: what is known of it before a record is read, and which positions are asked about.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pumphouse_config::StartAt;
use pumphouse_kafka::{Admin, KafkaError};
use pumphouse_types::{Offset, OffsetRange, Partition, TopicId, TopicName, TopicPartition};

use crate::compare::{Differences, Unsourced};
use crate::dead_letters::{DeadLetters, ReplayPositions};
use crate::error::{LedgerProblem, VerifyError};
use crate::ledger::{LedgerReader, Position, Positions};
use crate::ranges::RangeList;
use crate::report::{Ledger, PartitionReport, TopicReport};
use crate::request::{Progress, VerifyRequest};
use crate::source::Source;
use crate::table::{Server, Table};
use crate::{by_lineage, by_query_log};

const ASK_TIMEOUT: Duration = Duration::from_secs(30);

/// A person who waits wants to see that something moves.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// The servers, as one connector reaches them.
pub(crate) struct Servers {
    pub server: Server,
    pub source: Source,
    pub ledger: LedgerReader,
    pub admin: Admin,
}

/// What does not change while a topic is checked.
pub(crate) struct Topic<'a> {
    pub connector: &'a str,
    pub topic: TopicName,
    pub topic_id: TopicId,
    pub partitions: u32,
    pub table: Table,
    pub unsourced: Unsourced,
    /// The ledger, as it was before the dead letters were read.
    pub positions: Positions,
    pub dead_letters: &'a DeadLetters,
    pub replay_positions: ReplayPositions,
    pub request: &'a VerifyRequest,
    pub start_at: StartAt,
    pub hosts: usize,
}

/// A partition whose ledger entry and log are known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    pub position: Position,
    /// What the log held when the check began.
    pub log: OffsetRange,
    /// What is asked about.
    pub range: OffsetRange,
}

/// Says now and then how far it is.
pub(crate) struct Teller<'p> {
    progress: Progress<'p>,
    told: Instant,
}

impl<'p> Teller<'p> {
    pub(crate) fn new(progress: Progress<'p>) -> Teller<'p> {
        Teller { progress, told: Instant::now() }
    }

    pub(crate) fn now_at(&mut self, topic: &TopicName, partition: Partition, range: OffsetRange, at: Offset) {
        if self.told.elapsed() >= PROGRESS_EVERY {
            self.told = Instant::now();
            (self.progress)(&format!("{topic}-{partition}: at {at} of {range}"));
        }
    }
}

impl Topic<'_> {
    /// Dead letters that stand for records of a range.
    pub(crate) fn dead(&self, partition: Partition, range: OffsetRange) -> Vec<Offset> {
        self.dead_letters.within(&self.topic, self.topic_id, partition, range, &self.replay_positions)
    }

    /// Dead letters about records of a range, those included that a replay has taken since.
    pub(crate) fn ever_dead(&self, partition: Partition, range: OffsetRange) -> Vec<Offset> {
        self.dead_letters.within(&self.topic, self.topic_id, partition, range, &ReplayPositions::new())
    }

    /// Whether the partition is among those that were asked for.
    pub(crate) fn wants(&self, partition: Partition) -> bool {
        self.request.partitions.is_empty() || self.request.partitions.contains(&partition)
    }

    fn known(
        &self,
        servers: &Servers,
        partition: Partition,
        position: Position,
    ) -> Result<Known, VerifyError> {
        let log = servers.source.log(&self.topic, partition)?;
        let topic_partition = || TopicPartition { topic: self.topic.clone(), partition };
        if position.landed > log.end() {
            let why = LedgerProblem::BeyondLog { position: position.landed, log_end: log.end() };
            return Err(VerifyError::Ledger { topic_partition: topic_partition(), why });
        }
        let end = self.request.to.map_or(position.landed, |to| to.min(position.landed));
        let first = match (self.request.from, &self.table.lineage) {
            (Some(from), _) => from,
            // What was there before the connector began was never to be taken.
            (None, Some(lineage)) if self.start_at == StartAt::Latest => {
                let (table, topic) = (&self.table.name, &self.topic);
                let lowest =
                    servers.server.ask(|client| client.lowest_offset(table, lineage, topic, partition))?;
                lowest.unwrap_or(end).max(log.first())
            }
            (None, Some(_) | None) => log.first(),
        };
        let range = OffsetRange::new(first.min(end), end).expect("not behind its end");
        Ok(Known { position, log, range })
    }
}

/// Checks one topic of a connector.
pub(crate) fn check_topic(
    servers: &mut Servers,
    topic: &mut Topic<'_>,
    teller: &mut Teller<'_>,
    report: &mut TopicReport,
) -> Result<(), VerifyError> {
    report.notes.append(&mut topic.table.notes);
    topic.unsourced = unsourced(servers, &topic.topic, &mut report.notes)?;
    let mut known = BTreeMap::new();
    for (partition, position) in std::mem::take(&mut topic.positions) {
        if !topic.wants(partition) {
            continue;
        }
        let topic_partition = TopicPartition { topic: topic.topic.clone(), partition };
        let position =
            position.map_err(|why| VerifyError::Ledger { topic_partition: topic_partition.clone(), why });
        let mut entry = blank(partition);
        match position.and_then(|position| position.map(|is| topic.known(servers, partition, is)).transpose())
        {
            Ok(Some(is)) => {
                let open = is.position.open.map(|open| [open.first().get(), open.end().get()]);
                if is.position.owes {
                    report.notes.push(format!(
                        "{topic_partition} owes dead letters, which its connector writes when it runs again: their records are \
                         reported as missing until then"
                    ));
                }
                entry.ledger = Some(Ledger { landed: is.position.landed.get(), open });
                entry.range = is.range;
                known.insert(partition, is);
            }
            Ok(None) => {}
            Err(error @ VerifyError::Ledger { .. }) => entry.error = Some(error.to_string()),
            Err(error) => return Err(error),
        }
        report.partitions.push(entry);
    }
    if topic.start_at == StartAt::Latest && topic.request.from.is_none() {
        report.notes.push(
            "auto.offset.reset is latest: each partition is checked from its lowest row on; give --from \
             where the connector began"
                .to_owned(),
        );
    }
    match topic.table.lineage.clone() {
        Some(lineage) => by_lineage::check(servers, topic, &lineage, &known, teller, report),
        None => by_query_log::check(servers, topic, &known, teller, report),
    }
}

/// A partition of which nothing is known yet.
fn blank(partition: Partition) -> PartitionReport {
    PartitionReport {
        partition: partition.0,
        error: None,
        ledger: None,
        range: OffsetRange::new(Offset::ZERO, Offset::ZERO).expect("no position"),
        positions_checked: 0,
        found: Differences::default(),
        rows_open: 0,
        unproven: RangeList::default(),
    }
}

/// Whether the broker removes single records, so that a row may be all that is left of one.
fn unsourced(
    servers: &Servers,
    topic: &TopicName,
    notes: &mut Vec<String>,
) -> Result<Unsourced, VerifyError> {
    let options = servers.admin.topic_options(topic, ASK_TIMEOUT);
    match options.map(|options| options.get("cleanup.policy").cloned()) {
        Ok(Some(policy)) if !policy.contains("compact") => Ok(Unsourced::Foreign),
        Ok(Some(_)) => {
            notes.push(
                "the topic is compacted: a row without a record counts as older than the source, not as \
                 foreign"
                    .to_owned(),
            );
            Ok(Unsourced::Older)
        }
        Ok(None) | Err(KafkaError::TopicDenied { .. }) => {
            notes.push(
                "whether the topic is compacted is not known (the right DESCRIBE_CONFIGS on it tells): a row \
                 without a record counts as older than the source, not as foreign"
                    .to_owned(),
            );
            Ok(Unsourced::Older)
        }
        Err(error) => Err(error.into()),
    }
}
