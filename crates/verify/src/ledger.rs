//! Where the ledger stands: the committed offset of each partition, and the range of its open batch.
use std::collections::BTreeMap;
use std::time::Duration;

use pumphouse_clickhouse::{KeeperLedger, StateTable, TableName};
use pumphouse_config::{ConnectorConfig, LedgerStore};
use pumphouse_delivery::{Entry, StoredEntry};
use pumphouse_kafka::{Consumer, KafkaError, Settings};
use pumphouse_types::{Offset, OffsetRange, Partition, TopicId, TopicName, TopicPartition};

use crate::error::{LedgerProblem, VerifyError};
use crate::table::Server;

/// One question; an entry under a transaction that is still open is waited for that long.
const ASK_TIMEOUT: Duration = Duration::from_secs(30);

/// A partition's entry, as far as reconciling needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Everything below has landed, or was left out on purpose.
    pub landed: Offset,
    /// The open batch: its rows may be there or not.
    pub open: Option<OffsetRange>,
    /// Dead letters of records that it passes are still to be written, by its connector (PROTOCOL R4).
    pub owes: bool,
}

/// What each partition's entry says.
pub(crate) type Positions = BTreeMap<Partition, Result<Option<Position>, LedgerProblem>>;

impl Position {
    /// Whether a task has something left to do of what it has taken.
    pub fn is_open(&self) -> bool {
        self.open.is_some() || self.owes
    }

    /// The first position that no insert can have been sent for (PROTOCOL R1).
    pub(crate) fn sent_end(&self) -> Offset {
        self.open.map_or(self.landed, |range| range.end())
    }
}

/// Reads entries without being a member of the group.
pub(crate) struct LedgerReader {
    consumer: Consumer,
    /// Where the entries are, if not in the group's offsets.
    keeper: Option<(Server, KeeperLedger)>,
}

impl LedgerReader {
    /// `settings`: of the connector's consumer.
    pub(crate) fn open(config: &ConnectorConfig, settings: &Settings) -> Result<LedgerReader, VerifyError> {
        let keeper = match config.ledger_store {
            LedgerStore::Kafka | LedgerStore::Memory => None,
            LedgerStore::KeeperMap => {
                let server = Server::open(config)?;
                let (database, table) = (config.endpoint.database.clone(), config.keeper_table.table.clone());
                let path = config.keeper_table.path.clone();
                let table = StateTable { name: TableName { database, table }, path };
                let ledger = KeeperLedger::new(server.client(), table, &config.group_id);
                Some((server, ledger))
            }
        };
        Ok(LedgerReader { consumer: Consumer::open(settings, &config.group_id, None)?, keeper })
    }

    /// Identity and number of partitions; `None`: there is no such topic.
    pub(crate) fn describe(&self, topic: &TopicName) -> Result<Option<(TopicId, u32)>, KafkaError> {
        let described = self.consumer.describe(std::slice::from_ref(topic), ASK_TIMEOUT)?.remove(topic);
        Ok(described.flatten().map(|is| (is.topic_id, is.partitions)))
    }

    /// The position of each partition; `Ok(None)` without an entry.
    pub(crate) fn positions(
        &self,
        topic: &TopicName,
        topic_id: TopicId,
        partitions: u32,
    ) -> Result<Positions, VerifyError> {
        let asked: Vec<_> = (0..partitions)
            .map(|number| TopicPartition { topic: topic.clone(), partition: Partition(number) })
            .collect();
        let (entries, owes) = match &self.keeper {
            Some((server, ledger)) => {
                let mut found = server.ask(|_| ledger.look(&asked))?;
                let entries = asked.iter().map(|tp| (tp.clone(), found.entries.remove(tp))).collect();
                (entries, found.owes)
            }
            None => (self.consumer.committed(&asked, ASK_TIMEOUT)?, BTreeMap::new()),
        };
        let understand = |(topic_partition, stored): (TopicPartition, Option<StoredEntry>)| {
            let partition = topic_partition.partition;
            let position = stored.map(|stored| {
                let entry = Entry::parse(partition, &stored).map_err(LedgerProblem::NotUnderstood)?;
                let position = position_of(&entry, partition, topic_id)?;
                Ok(Position { owes: owes.contains_key(&topic_partition), ..position })
            });
            (partition, position.transpose())
        };
        Ok(entries.into_iter().map(understand).collect())
    }
}

fn position_of(entry: &Entry, partition: Partition, topic_id: TopicId) -> Result<Position, LedgerProblem> {
    // Another tool's mark does not say which topic it counts in.
    if entry.topic_id().is_some_and(|counted_in| counted_in != topic_id) {
        return Err(LedgerProblem::OtherTopic);
    }
    Ok(match entry {
        Entry::Plain { next, .. } => Position { landed: *next, open: None, owes: false },
        Entry::Lead(batch) => open(batch.ranges[&partition].range),
        Entry::Member(member) => open(member.share.range),
    })
}

fn open(range: OffsetRange) -> Position {
    Position { landed: range.first(), open: Some(range), owes: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(metadata: &str) -> Result<Position, LedgerProblem> {
        let stored = StoredEntry { offset: Offset::new(5).unwrap(), metadata: metadata.to_owned() };
        position_of(&Entry::parse(Partition(3), &stored).unwrap(), Partition(3), TopicId(7))
    }

    #[test]
    fn an_open_batch_ends_what_has_landed() {
        let topic = TopicId(7);
        let batch = "0".repeat(32);
        let member = format!(
            r#"{{"pumphouse":1,"topic":"{topic}","share":{{"batch":"{batch}","lead":2,"end":9,"rows":4,"hash":"{}"}}}}"#,
            "0".repeat(16)
        );
        let open = position(&member).unwrap();
        assert_eq!((open.landed.get(), open.sent_end().get()), (5, 9));
        let plain = position(&format!(r#"{{"pumphouse":1,"topic":"{topic}"}}"#)).unwrap();
        assert_eq!((plain.landed.get(), plain.sent_end().get()), (5, 5));
        assert_eq!(position("").unwrap(), plain);
    }

    #[test]
    fn an_entry_of_another_topic_is_no_position() {
        let other = format!(r#"{{"pumphouse":1,"topic":"{}"}}"#, TopicId(8));
        assert_eq!(position(&other), Err(LedgerProblem::OtherTopic));
    }
}
