//! The command's work: files, servers, topics, one after the other.
use pumphouse_config::{BadRecords, ConnectorConfig, LedgerStore};
use pumphouse_kafka::{Admin, client_settings};
use pumphouse_types::{TopicId, TopicName};

use crate::compare::Unsourced;
use crate::dead_letters::{DeadLetters, ReplayPositions};
use crate::error::{ReplayProblem, VerifyError};
use crate::files::{read_connector, read_worker};
use crate::ledger::{LedgerReader, Positions};
use crate::pattern::with_matching_topics;
use crate::replays::ReplayLedger;
use crate::report::{ConnectorReport, Report, TopicReport};
use crate::request::{Progress, VerifyRequest};
use crate::source::Source;
use crate::table::{Server, Table};
use crate::topic_check::{Servers, Teller, Topic, check_topic};

/// Checks what is asked for. What could not be checked stands in the report beside what could.
/// Errors: files that cannot be read or understood; nothing was asked then. A topic that no connector has.
pub fn verify(request: &VerifyRequest, progress: Progress<'_>) -> Result<Report, VerifyError> {
    let worker = read_worker(&request.worker)?;
    let mut configs = Vec::new();
    for path in &request.connectors {
        let config = read_connector(path, &worker)?;
        configs.push(with_matching_topics(config, &worker.state_topic)?);
    }
    let unread = |topic: &&String| !configs.iter().any(|config| config.tables.contains_key(*topic));
    if let Some(topic) = request.topics.iter().find(unread) {
        return Err(VerifyError::NothingToCheck { what: format!("no connector reads topic {topic}") });
    }
    let mut teller = Teller::new(progress);
    let mut connectors = Vec::new();
    for config in &configs {
        let mut report = ConnectorReport { connector: config.name.clone(), error: None, topics: Vec::new() };
        if let Err(error) =
            check_connector(config, &worker.state_topic, request, &mut teller, &mut report.topics)
        {
            report.error = Some(error.to_string());
        }
        connectors.push(report);
    }
    Ok(Report::new(connectors))
}

fn check_connector(
    config: &ConnectorConfig,
    state_topic: &str,
    request: &VerifyRequest,
    teller: &mut Teller<'_>,
    reports: &mut Vec<TopicReport>,
) -> Result<(), VerifyError> {
    let mut servers = open(config)?;
    let mut letters = LetterBox::open(config, &mut servers)?;
    let wanted = |topic: &&String| request.topics.is_empty() || request.topics.contains(topic);
    let mut prepared = Vec::new();
    for topic in config.tables.keys().filter(wanted) {
        let known = prepare(config, request, &servers, TopicName::new(topic)).and_then(|known| {
            let replay = letters.replay_of(config, &known, state_topic)?;
            Ok((known, replay))
        });
        prepared.push((topic, known));
    }
    // Behind the positions, so that what a worker has left out below them is among what is read.
    letters.read(config, &mut servers)?;
    for (topic, known) in prepared {
        let mut report = TopicReport {
            topic: topic.clone(),
            table: table_of(config, topic).to_string(),
            proof: None,
            error: None,
            notes: letters.notes.clone(),
            rows_of_unknown_partitions: 0,
            partitions: Vec::new(),
        };
        let checked = known.and_then(|(known, replay)| {
            let mut topic = Topic {
                connector: &config.name,
                topic: known.topic,
                topic_id: known.topic_id,
                partitions: known.partitions,
                table: known.table,
                unsourced: Unsourced::Foreign,
                positions: known.positions,
                dead_letters: &letters.found,
                replay_positions: replay.as_ref().map(|(_, positions)| positions.clone()).unwrap_or_default(),
                request,
                start_at: config.start_at,
                hosts: config.endpoint.hostnames.len(),
            };
            check_topic(&mut servers, &mut topic, teller, &mut report)?;
            match replay {
                Some((ledger, before)) if ledger.positions()? != before => {
                    Err(ledger.problem(ReplayProblem::Moved))
                }
                Some(_) | None => Ok(()),
            }
        });
        if let Err(error) = checked {
            report.error = Some(error.to_string());
        }
        reports.push(report);
    }
    Ok(())
}

fn open(config: &ConnectorConfig) -> Result<Servers, VerifyError> {
    let consumer = client_settings(config.consumer_options.reveal())?.consumer;
    let connection = client_settings(config.ledger_options.reveal())?.connection;
    Ok(Servers {
        server: Server::open(config)?,
        source: Source::open(&consumer, &config.group_id)?
            .skipping_tombstones(config.row_rules.skip_tombstones),
        ledger: LedgerReader::open(config, &consumer)?,
        admin: Admin::open(&connection)?,
    })
}

fn table_of(config: &ConnectorConfig, topic: &str) -> pumphouse_clickhouse::TableName {
    pumphouse_clickhouse::TableName {
        database: config.endpoint.database.clone(),
        table: config.tables[topic].clone(),
    }
}

/// What is known of a topic before the dead letters are read.
struct KnownTopic {
    topic: TopicName,
    topic_id: TopicId,
    partitions: u32,
    table: Table,
    positions: Positions,
}

fn prepare(
    config: &ConnectorConfig,
    request: &VerifyRequest,
    servers: &Servers,
    topic: TopicName,
) -> Result<KnownTopic, VerifyError> {
    let missing = |what: String| VerifyError::NothingToCheck { what };
    let (topic_id, partitions) =
        servers.ledger.describe(&topic)?.ok_or_else(|| missing(format!("topic {topic} does not exist")))?;
    if let Some(partition) = request.partitions.iter().find(|partition| partition.0 >= partitions) {
        return Err(missing(format!("topic {topic} has no partition {partition}")));
    }
    if config.ledger_store == LedgerStore::Memory {
        let topic_partition =
            pumphouse_types::TopicPartition { topic, partition: pumphouse_types::Partition(0) };
        return Err(VerifyError::Ledger { topic_partition, why: crate::error::LedgerProblem::InMemory });
    }
    let table = servers.server.table(table_of(config, topic.as_str()))?;
    let positions = servers.ledger.positions(&topic, topic_id, partitions)?;
    Ok(KnownTopic { topic, topic_id, partitions, table, positions })
}

/// The dead letters, and what one should know of them.
struct LetterBox {
    /// `None`: there are none.
    topic: Option<TopicName>,
    found: DeadLetters,
    notes: Vec<String>,
}

impl LetterBox {
    /// Finds the dead letter topic, and reads it as it is now.
    fn open(config: &ConnectorConfig, servers: &mut Servers) -> Result<LetterBox, VerifyError> {
        let mut notes = Vec::new();
        // Transforms are not built yet; once they are, this is what they do to the figures.
        if config.masked().get("transforms").is_some_and(|names| !names.trim().is_empty()) {
            notes.push("records that a transform leaves out are reported as missing".to_owned());
        }
        let topic = match &config.bad_records {
            BadRecords::Stop => None,
            BadRecords::Drop => {
                notes.push(
                    "errors.tolerance is all without a dead letter topic: records that were dropped for their \
                     errors are reported as missing"
                        .to_owned(),
                );
                None
            }
            BadRecords::DeadLetter(letters) => Some(TopicName::new(&letters.topic)),
        };
        let mut letters = LetterBox { topic: None, found: DeadLetters::default(), notes };
        if let Some(topic) = topic {
            if servers.ledger.describe(&topic)?.is_none() {
                letters.notes.push(format!(
                    "the dead letter topic {topic} does not exist: no dead letters are counted"
                ));
                return Ok(letters);
            }
            letters.found.read_on(&mut servers.source, &config.name, &topic)?;
            letters.topic = Some(topic);
        }
        Ok(letters)
    }

    /// The ledger of the topic's replay, where it stands; `None`: no letter is about the topic.
    fn replay_of(
        &self,
        config: &ConnectorConfig,
        known: &KnownTopic,
        state_topic: &str,
    ) -> Result<Option<(ReplayLedger, ReplayPositions)>, VerifyError> {
        let Some(replay) = config.dlq_replay(known.topic.as_str()) else { return Ok(None) };
        if !self.found.has_any(&known.topic, known.topic_id) {
            return Ok(None);
        }
        let ledger = ReplayLedger::open(&replay, state_topic)?;
        let positions = ledger.positions()?;
        if positions.values().any(|position| position.is_open()) {
            return Err(ledger.problem(ReplayProblem::Open));
        }
        Ok(Some((ledger, positions)))
    }

    /// Reads what has come since.
    fn read(&mut self, config: &ConnectorConfig, servers: &mut Servers) -> Result<(), VerifyError> {
        let Some(topic) = &self.topic else { return Ok(()) };
        self.found.read_on(&mut servers.source, &config.name, topic)?;
        if self.found.nameless > 0 {
            self.notes.push(format!(
                "{} records of {topic} do not say what they stand for and are not counted",
                self.found.nameless
            ));
        }
        if self.found.shortened > 0 {
            self.notes.push(format!(
                "retention has removed the beginning of {} partitions of {topic}: records whose dead letters \
                 are gone are reported as missing",
                self.found.shortened
            ));
        }
        Ok(())
    }
}
