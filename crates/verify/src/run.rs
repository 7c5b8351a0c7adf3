//! The command's work: files, servers, topics, one after the other.
use pumphouse_config::{BadRecords, ConnectorConfig, LedgerStore};
use pumphouse_kafka::{Admin, client_settings};
use pumphouse_types::TopicName;

use crate::compare::Unsourced;
use crate::dead_letters::DeadLetters;
use crate::error::VerifyError;
use crate::files::{read_connector, read_worker};
use crate::ledger::LedgerReader;
use crate::report::{ConnectorReport, Report, TopicReport};
use crate::request::{Progress, VerifyRequest};
use crate::source::Source;
use crate::table::Server;
use crate::topic_check::{Servers, Teller, Topic, check_topic};

/// Checks what is asked for. What could not be checked stands in the report beside what could.
/// Errors: files that cannot be read or understood; nothing was asked then. A topic that no connector has.
pub fn verify(request: &VerifyRequest, progress: Progress<'_>) -> Result<Report, VerifyError> {
    let worker = read_worker(&request.worker)?;
    let mut configs = Vec::new();
    for path in &request.connectors {
        configs.push(read_connector(path, &worker)?);
    }
    let unread = |topic: &&String| !configs.iter().any(|config| config.tables.contains_key(*topic));
    if let Some(topic) = request.topics.iter().find(unread) {
        return Err(VerifyError::NothingToCheck { what: format!("no connector reads topic {topic}") });
    }
    let mut teller = Teller::new(progress);
    let mut connectors = Vec::new();
    for config in &configs {
        let mut report = ConnectorReport { connector: config.name.clone(), error: None, topics: Vec::new() };
        if let Err(error) = check_connector(config, request, &mut teller, &mut report.topics) {
            report.error = Some(error.to_string());
        }
        connectors.push(report);
    }
    Ok(Report::new(connectors))
}

fn check_connector(
    config: &ConnectorConfig,
    request: &VerifyRequest,
    teller: &mut Teller<'_>,
    reports: &mut Vec<TopicReport>,
) -> Result<(), VerifyError> {
    let mut servers = open(config)?;
    let (letters, notes) = dead_letters(config, &mut servers)?;
    for (topic, table) in &config.tables {
        if !request.topics.is_empty() && !request.topics.contains(topic) {
            continue;
        }
        let table_name = pumphouse_clickhouse::TableName {
            database: config.endpoint.database.clone(),
            table: table.clone(),
        };
        let mut report = TopicReport {
            topic: topic.clone(),
            table: table_name.to_string(),
            proof: None,
            error: None,
            notes: notes.clone(),
            rows_of_unknown_partitions: 0,
            partitions: Vec::new(),
        };
        let checked = prepare(config, request, &servers, &letters, TopicName::new(topic), table_name)
            .and_then(|mut topic| check_topic(&mut servers, &mut topic, teller, &mut report));
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
        source: Source::open(&consumer, &config.group_id)?,
        ledger: LedgerReader::open(&consumer, &config.group_id)?,
        admin: Admin::open(&connection)?,
    })
}

fn prepare<'a>(
    config: &'a ConnectorConfig,
    request: &'a VerifyRequest,
    servers: &Servers,
    dead_letters: &'a DeadLetters,
    topic: TopicName,
    table: pumphouse_clickhouse::TableName,
) -> Result<Topic<'a>, VerifyError> {
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
    Ok(Topic {
        connector: &config.name,
        topic,
        topic_id,
        partitions,
        table: servers.server.table(table)?,
        unsourced: Unsourced::Foreign,
        dead_letters,
        request,
        start_at: config.start_at,
        hosts: config.endpoint.hostnames.len(),
    })
}

/// The dead letters, and what one should know of them.
fn dead_letters(
    config: &ConnectorConfig,
    servers: &mut Servers,
) -> Result<(DeadLetters, Vec<String>), VerifyError> {
    let mut notes = Vec::new();
    // Transforms are not built yet; once they are, this is what they do to the figures.
    if config.masked().get("transforms").is_some_and(|names| !names.trim().is_empty()) {
        notes.push("records that a transform leaves out are reported as missing".to_owned());
    }
    let named = match &config.bad_records {
        BadRecords::Stop => return Ok((DeadLetters::default(), notes)),
        BadRecords::Drop => {
            notes.push(
                "errors.tolerance is all without a dead letter topic: records that were dropped for their \
                 errors are reported as missing"
                    .to_owned(),
            );
            return Ok((DeadLetters::default(), notes));
        }
        BadRecords::DeadLetter(letters) => &letters.topic,
    };
    let topic = TopicName::new(named);
    let Some((_, partitions)) = servers.ledger.describe(&topic)? else {
        notes.push(format!("the dead letter topic {topic} does not exist: no dead letters are counted"));
        return Ok((DeadLetters::default(), notes));
    };
    let letters = DeadLetters::read(&mut servers.source, &config.name, &topic, partitions)?;
    if letters.nameless > 0 {
        notes.push(format!(
            "{} records of {topic} do not say what they stand for and are not counted",
            letters.nameless
        ));
    }
    if letters.shortened > 0 {
        notes.push(format!(
            "retention has removed the beginning of {} partitions of {topic}: records whose dead letters are \
             gone are reported as missing",
            letters.shortened
        ));
    }
    Ok((letters, notes))
}
