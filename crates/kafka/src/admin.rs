//! Topics: what they are, and their creation.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use pumphouse_types::{Offset, TopicId, TopicName, TopicPartition};

use crate::error::{Asker, KafkaError};
use crate::ffi::client::{Client, Kind};
use crate::ffi::partition_list::Element;
use crate::ffi::{admin, codes, group_offsets, metadata};
use crate::settings::{self, Settings};

/// A topic as the broker describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicDescription {
    /// Its identity: a re-created topic of the same name has another one.
    pub topic_id: TopicId,
    /// Partitions, numbered from 0.
    pub partitions: u32,
    /// Replicas of its first partition.
    pub replicas: u32,
}

/// A handle for questions about topics; it joins no group and produces nothing.
pub struct Admin {
    client: Arc<Client>,
    asker: Asker,
}

impl Admin {
    /// Errors: settings, and `Client`.
    pub fn open(given: &Settings) -> Result<Admin, KafkaError> {
        let client = Client::new(Kind::Producer, &settings::admin(given))?;
        Ok(Admin { client, asker: Asker::default() })
    }

    /// Identity, partitions and replicas of each topic; `None` for one that does not exist.
    pub fn describe(
        &self,
        topics: &[TopicName],
        timeout: Duration,
    ) -> Result<BTreeMap<TopicName, Option<TopicDescription>>, KafkaError> {
        describe_topics(&self.client, &self.asker, topics, timeout)
    }

    /// The names of all topics that we may see, sorted.
    pub fn topics(&self, timeout: Duration) -> Result<BTreeSet<TopicName>, KafkaError> {
        metadata::topic_names(&self.client, timeout)
            .map(BTreeSet::from_iter)
            .map_err(|raw| self.asker.sort("asking for the cluster's topics", &raw))
    }

    /// Lets the broker forget what `group` has committed for these partitions; partitions without an offset
    /// stay without one. Refused while the group has a member that reads their topics.
    /// Errors: the broker's, for the first partition that was refused.
    pub fn forget_offsets(
        &self,
        group: &str,
        partitions: &[TopicPartition],
        timeout: Duration,
    ) -> Result<(), KafkaError> {
        if partitions.is_empty() {
            return Ok(());
        }
        let asked = format!("forgetting offsets of group {group}");
        let elements = group_offsets::forget(&self.client, group, partitions, timeout)
            .map_err(|raw| self.asker.sort(&asked, &raw))?;
        match elements.into_iter().find_map(|element| element.error) {
            Some(raw) => Err(self.asker.sort(&asked, &raw)),
            None => Ok(()),
        }
    }

    /// The cluster's id; `None`: no broker has answered in time.
    pub fn cluster_id(&self, timeout: Duration) -> Option<String> {
        group_offsets::cluster_id(&self.client, timeout)
    }

    /// The topic's options as they hold, the broker's defaults filled in; secrets are empty.
    /// Errors: `TopicDenied` without the right DESCRIBE_CONFIGS, `TopicGone`.
    pub fn topic_options(
        &self,
        topic: &TopicName,
        timeout: Duration,
    ) -> Result<BTreeMap<String, String>, KafkaError> {
        admin::describe_config(&self.client, topic, timeout)
            .map_err(|raw| self.asker.sort(&format!("asking for the options of topic {topic}"), &raw))
    }

    /// Creates the topic unless it exists, and waits until it can be described. `replicas` `None`:
    /// the broker's default. `config`: topic options such as `cleanup.policy`; those of a topic that
    /// exists are left alone.
    pub fn create_topic_if_missing(
        &self,
        topic: &TopicName,
        partitions: u32,
        replicas: Option<u32>,
        config: &BTreeMap<String, String>,
        timeout: Duration,
    ) -> Result<TopicDescription, KafkaError> {
        let end = std::time::Instant::now() + timeout;
        let left = || end.saturating_duration_since(std::time::Instant::now());
        let names = [topic.clone()];
        if let Some(Some(found)) = self.describe(&names, left())?.remove(topic) {
            return Ok(found);
        }
        self.create(topic, partitions, replicas, config, left())?;
        // Other brokers hear of the topic a little later.
        loop {
            if let Some(Some(found)) = self.describe(&names, left())?.remove(topic) {
                return Ok(found);
            }
            if left().is_zero() {
                let reason = "created, but not described in time".to_owned();
                return Err(KafkaError::CreateTopic { topic: topic.clone(), reason });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn create(
        &self,
        topic: &TopicName,
        partitions: u32,
        replicas: Option<u32>,
        config: &BTreeMap<String, String>,
        timeout: Duration,
    ) -> Result<(), KafkaError> {
        let replicas = replicas.map_or(-1, |replicas| i32::try_from(replicas).unwrap_or(i32::MAX));
        let partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
        match admin::create(&self.client, topic, partitions, replicas, config, timeout) {
            Ok(()) => Ok(()),
            // Somebody else was faster.
            Err(raw) if raw.code == codes::TOPIC_ALREADY_EXISTS => Ok(()),
            Err(raw) => Err(match self.asker.sort(&format!("creating topic {topic}"), &raw) {
                KafkaError::Refused { reason, .. } => {
                    KafkaError::CreateTopic { topic: topic.clone(), reason }
                }
                error => error,
            }),
        }
    }
}

pub(crate) fn describe_topics(
    client: &Arc<Client>,
    asker: &Asker,
    topics: &[TopicName],
    timeout: Duration,
) -> Result<BTreeMap<TopicName, Option<TopicDescription>>, KafkaError> {
    if topics.is_empty() {
        return Ok(BTreeMap::new());
    }
    let answers = admin::describe(client, topics, timeout)
        .map_err(|raw| asker.sort("asking for topic identities", &raw))?;
    let understand = |(topic, answer): (TopicName, Result<admin::Described, _>)| match answer {
        Ok(is) => {
            let is =
                TopicDescription { topic_id: is.topic_id, partitions: is.partitions, replicas: is.replicas };
            Ok((topic, Some(is)))
        }
        Err(raw) => match asker.sort(&format!("asking for topic {topic}"), &raw) {
            KafkaError::TopicGone { .. } => Ok((topic, None)),
            error => Err(error),
        },
    };
    answers.into_iter().map(understand).collect()
}

pub(crate) fn list_offsets(
    client: &Arc<Client>,
    asker: &Asker,
    partitions: &[TopicPartition],
    side: admin::Side,
    timeout: Duration,
) -> Result<BTreeMap<TopicPartition, Offset>, KafkaError> {
    if partitions.is_empty() {
        return Ok(BTreeMap::new());
    }
    let asked = "asking for the offsets of partitions";
    let elements =
        admin::list_offsets(client, partitions, side, timeout).map_err(|raw| asker.sort(asked, &raw))?;
    let understand = |element: Element| match (element.error, element.offset) {
        (None, Some(offset)) => Ok((element.topic_partition, offset)),
        (Some(raw), _) => {
            Err(asker.sort(&format!("asking for the offsets of {}", element.topic_partition), &raw))
        }
        (None, None) => Err(KafkaError::NoAnswer {
            asked: asked.to_owned(),
            reason: format!("{} has no offset", element.topic_partition),
        }),
    };
    elements.into_iter().map(understand).collect()
}
