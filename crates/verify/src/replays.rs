//! How far the replays of a connector's dead letters have come, and which letters wait for one
//! (docs/dead-letters.md). A replay has a group, and so a ledger, of its own for each topic.
use std::collections::BTreeMap;
use std::time::Duration;

use pumphouse_config::{BadRecords, ConnectorConfig};
use pumphouse_kafka::{KafkaError, Mark, RangeReader, ReadLimits, Settings, client_settings, read_marks};
use pumphouse_types::{Offset, Partition, TopicId, TopicName};

use crate::dead_letters::{DeadLetters, ReplayPositions};
use crate::error::{ReplayProblem, VerifyError};
use crate::ledger::{LedgerReader, Position};
use crate::source::Source;

/// The state topic holds a mark per partition and some configuration versions per connector.
const STATE_LIMITS: ReadLimits =
    ReadLimits { records_max: 2_000_000, bytes_max: 512 << 20, idle_timeout: Duration::from_secs(30) };

/// One question about the state topic.
const ASK_TIMEOUT: Duration = Duration::from_secs(30);

/// Reads the ledger of a replay.
pub struct ReplayLedger {
    ledger: LedgerReader,
    settings: Settings,
    connector: String,
    group: String,
    state_topic: TopicName,
    letters: TopicName,
    letters_id: TopicId,
    partitions: u32,
}

impl ReplayLedger {
    /// `replay`: as `ConnectorConfig::dlq_replay` makes it.
    /// Errors: its dead letter topic does not exist, and Kafka's.
    pub fn open(replay: &ConnectorConfig, state_topic: &str) -> Result<ReplayLedger, VerifyError> {
        let settings = client_settings(replay.consumer_options.reveal())?.consumer;
        let ledger = LedgerReader::open(replay, &settings)?;
        let letters = TopicName::new(&replay.topics[0]);
        let (letters_id, partitions) = described(&ledger, &letters)?;
        Ok(ReplayLedger {
            ledger,
            settings,
            connector: replay.name.clone(),
            group: replay.group_id.clone(),
            state_topic: TopicName::new(state_topic),
            letters,
            letters_id,
            partitions,
        })
    }

    /// Where it stands; partitions that no replay ever took are left out.
    /// Errors: an entry that is no position, offsets that are lost, and Kafka's.
    pub fn positions(&self) -> Result<ReplayPositions, VerifyError> {
        let entries = self.ledger.positions(&self.letters, self.letters_id, self.partitions)?;
        let (mut found, mut without) = (ReplayPositions::new(), Vec::new());
        for (partition, position) in entries {
            let topic_partition =
                || pumphouse_types::TopicPartition { topic: self.letters.clone(), partition };
            match position.map_err(|why| VerifyError::Ledger { topic_partition: topic_partition(), why })? {
                Some(position) => drop(found.insert(partition, position)),
                None => without.push(partition),
            }
        }
        if without.is_empty() {
            return Ok(found);
        }
        // Kafka forgets the offsets of a group without members; what a clean stop left is marked (R16).
        let marks = self.marks()?;
        for partition in without {
            match marks.get(&(self.letters_id, partition)) {
                Some(Mark::AtRest { next }) => {
                    found.insert(partition, Position { landed: *next, open: None, owes: false });
                }
                Some(Mark::Running) => return Err(self.problem(ReplayProblem::OffsetsLost { partition })),
                None => {}
            }
        }
        Ok(found)
    }

    fn marks(&self) -> Result<BTreeMap<(TopicId, Partition), Mark>, VerifyError> {
        let mut reader = RangeReader::open(&self.settings, &self.group)?;
        match read_marks(&mut reader, &self.state_topic, &self.connector, STATE_LIMITS, ASK_TIMEOUT) {
            // No connector ever ran.
            Err(KafkaError::TopicGone { .. }) => Ok(BTreeMap::new()),
            answer => Ok(answer?),
        }
    }

    pub(crate) fn problem(&self, why: ReplayProblem) -> VerifyError {
        VerifyError::Replay { connector: self.connector.clone(), why }
    }
}

fn described(ledger: &LedgerReader, topic: &TopicName) -> Result<(TopicId, u32), VerifyError> {
    let missing = || VerifyError::NothingToCheck { what: format!("topic {topic} does not exist") };
    ledger.describe(topic)?.ok_or_else(missing)
}

/// What waits for a replay of a connector's letters.
#[derive(Debug, Clone)]
pub struct WaitingLetters {
    /// The dead letter topic.
    pub topic: TopicName,
    /// Where each of its partitions ended; everything below is settled.
    pub ends: BTreeMap<Partition, Offset>,
    /// Per topic of the records.
    pub of: BTreeMap<TopicName, Waiting>,
    /// Letters that do not say what they stand for; no replay takes them.
    pub nameless: u64,
}

/// What waits of one topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// The topic's identity.
    pub topic_id: TopicId,
    /// Letters that no replay has taken yet.
    pub letters: u64,
    /// A replay was interrupted with a batch of which only its ledger knows what became, or before its last letters were written.
    pub interrupted: bool,
}

/// Reads which letters wait. `topics`: of which records; those of the connector.
/// Errors: the connector has no dead letter topic, topics that do not exist, and Kafka's.
pub fn waiting_letters(
    config: &ConnectorConfig,
    state_topic: &str,
    topics: &[String],
) -> Result<WaitingLetters, VerifyError> {
    let BadRecords::DeadLetter(wanted) = &config.bad_records else {
        let what = format!("{} has no dead letter topic", config.name);
        return Err(VerifyError::NothingToCheck { what });
    };
    let settings = client_settings(config.consumer_options.reveal())?.consumer;
    let ledger = LedgerReader::open(config, &settings)?;
    let mut source = Source::open(&settings, &config.group_id)?;
    let topic = TopicName::new(&wanted.topic);
    described(&ledger, &topic)?;
    let mut letters = DeadLetters::default();
    letters.read_on(&mut source, &config.name, &topic)?;
    let mut of = BTreeMap::new();
    for name in topics {
        let Some(replay) = config.dlq_replay(name) else {
            return Err(VerifyError::NothingToCheck { what: format!("no connector reads topic {name}") });
        };
        let name = TopicName::new(name);
        let (topic_id, _) = described(&ledger, &name)?;
        let mut waiting = Waiting { topic_id, letters: 0, interrupted: false };
        if letters.has_any(&name, topic_id) {
            let positions = ReplayLedger::open(&replay, state_topic)?.positions()?;
            waiting.letters = letters.standing(&name, topic_id, &positions);
            waiting.interrupted = positions.values().any(Position::is_open);
        }
        of.insert(name, waiting);
    }
    Ok(WaitingLetters { topic, ends: letters.read_to, of, nameless: letters.nameless })
}
