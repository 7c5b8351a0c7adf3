//! The topics that the workers share: created if they are missing, and refused if they would forget what is written.
use std::collections::BTreeMap;
use std::time::Duration;

use pumphouse_config::{Distributed, TopicCreation};
use pumphouse_kafka::{Admin, KafkaError, Settings};
use pumphouse_types::TopicName;
use tracing::{info, warn};

use crate::placement::PLACES;

/// One question to the brokers; creation included.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(30);

/// A topic of the workers cannot be used. Nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    /// It would be made, or asked for, and was not.
    #[error("{option}: {source}")]
    Kafka {
        /// The option that names it.
        option: &'static str,
        /// Why, with its code.
        #[source]
        source: KafkaError,
    },
    /// It exists, and is not what it has to be.
    #[error("WORKER-009: {option}: topic {topic} {what}; {remedy}")]
    Unfit {
        /// The option that names it.
        option: &'static str,
        /// Its name.
        topic: String,
        /// What is wrong.
        what: String,
        /// What to do.
        remedy: String,
    },
}

const COMPACT: &str = "cleanup.policy";

/// Makes sure of all three. Errors: [`TopicError`]; also while no broker answers.
pub(super) fn ensure(settings: &Settings, distributed: &Distributed) -> Result<(), TopicError> {
    let failed = |option| move |source| TopicError::Kafka { option, source };
    let admin = Admin::open(settings).map_err(failed("bootstrap.servers"))?;
    for (option, wanted) in [
        ("config.storage.topic", &distributed.config_topic),
        ("status.storage.topic", &distributed.status_topic),
    ] {
        let partitions = partitions(&admin, option, wanted, None)?;
        if option == "config.storage.topic" && partitions != 1 {
            return Err(TopicError::Unfit {
                option,
                topic: wanted.name.clone(),
                what: format!("has {partitions} partitions, and changes must have one order"),
                remedy: "name another topic, or delete it if nothing in it is needed".to_owned(),
            });
        }
        check_compacted(&admin, option, &wanted.name)?;
    }
    let option = "pumphouse.tasks.topic";
    let tasks = &distributed.tasks_topic;
    let partitions = partitions(&admin, option, tasks, Some(PLACES))?;
    if partitions != PLACES {
        return Err(TopicError::Unfit {
            option,
            topic: tasks.name.clone(),
            what: format!("has {partitions} partitions, and tasks are placed on {PLACES}"),
            remedy: "name another topic, or delete it while no worker runs: it holds no records".to_owned(),
        });
    }
    Ok(())
}

/// Creates it if it is missing. Answers how many partitions it has.
fn partitions(
    admin: &Admin,
    option: &'static str,
    wanted: &TopicCreation,
    places: Option<u32>,
) -> Result<u32, TopicError> {
    let failed = |source| TopicError::Kafka { option, source };
    let topic = TopicName::new(&wanted.name);
    let known = admin.describe(std::slice::from_ref(&topic), ADMIN_TIMEOUT).map_err(failed)?;
    if let Some(Some(known)) = known.get(&topic) {
        return Ok(known.partitions);
    }
    let mut options: BTreeMap<String, String> = wanted.options.clone();
    if places.is_none() {
        options.insert(COMPACT.to_owned(), "compact".to_owned());
    }
    let partitions = places.or(wanted.partitions).unwrap_or(1);
    let made = admin
        .create_topic_if_missing(&topic, partitions, wanted.replicas, &options, ADMIN_TIMEOUT)
        .map_err(failed)?;
    info!(%topic, partitions = made.partitions, replicas = made.replicas, "topic of the workers created");
    Ok(made.partitions)
}

fn check_compacted(admin: &Admin, option: &'static str, name: &str) -> Result<(), TopicError> {
    let topic = TopicName::new(name);
    match admin.topic_options(&topic, ADMIN_TIMEOUT) {
        Ok(options) => match options.get(COMPACT).map(String::as_str) {
            Some("compact") | None => Ok(()),
            Some(policy) => Err(TopicError::Unfit {
                option,
                topic: name.to_owned(),
                what: format!("has {COMPACT}={policy}, and would forget what is written"),
                remedy: format!(
                    "set it: kafka-configs.sh --alter --entity-type topics --entity-name {name} --add-config {COMPACT}=compact"
                ),
            }),
        },
        Err(error @ KafkaError::TopicDenied { .. }) => {
            warn!(%topic, %error, "whether the topic is compacted cannot be asked for: grant DESCRIBE_CONFIGS");
            Ok(())
        }
        Err(source) => Err(TopicError::Kafka { option, source }),
    }
}
