//! Topics and consumer groups as a test sees them: create, delete, end offsets, committed offsets.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode;

use crate::error::{Result, TestkitError, kafka};
use crate::wait::wait_until;

/// One question to a broker; generous, because a broker that has just started loads its state.
const REQUEST_LIMIT: Duration = Duration::from_secs(20);

/// What a group has committed for one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset the group would read.
    pub offset: i64,
    /// The text that was committed with it.
    pub metadata: String,
}

/// Administration of one cluster.
pub struct Topics {
    bootstrap: String,
    admin: AdminClient<DefaultClientContext>,
    // Reads committed: its end offsets are the stable ones.
    stable_reader: BaseConsumer,
    reader: BaseConsumer,
}

impl Topics {
    /// Clients for a cluster; nothing is asked yet.
    pub fn new(bootstrap: &str) -> Result<Topics> {
        let config = client_config(bootstrap);
        let reader = |isolation: &str| {
            let mut config = config.clone();
            config.set("isolation.level", isolation).create().map_err(kafka("create a reader"))
        };
        Ok(Topics {
            bootstrap: bootstrap.to_owned(),
            admin: config.create().map_err(kafka("create an admin client"))?,
            stable_reader: reader("read_committed")?,
            reader: reader("read_uncommitted")?,
        })
    }

    /// Creates a topic with one replica and waits until every partition has a leader.
    pub fn create(&self, topic: &str, partitions: i32, config: &[(&str, &str)]) -> Result<()> {
        let mut new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        for (name, value) in config {
            new = new.set(name, value);
        }
        let action = || format!("create topic {topic}");
        let results =
            block_on(self.admin.create_topics([&new], &admin_options())).map_err(kafka(action()))?;
        first_error(results).map_err(kafka(action()))?;
        let awaited = format!("a leader for each partition of {topic}");
        wait_until(&awaited, REQUEST_LIMIT, || {
            let leaders = self.leaders(topic).map_err(|error| error.to_string())?;
            let ready = leaders.len() == partitions as usize && leaders.iter().all(|&id| id >= 0);
            if ready { Ok(()) } else { Err(format!("leaders {leaders:?}")) }
        })
    }

    /// Sets offsets of a group that has no members.
    /// Errors: the group has members, or the broker does not answer.
    pub fn commit(&self, group: &str, topic: &str, offsets: &BTreeMap<i32, i64>) -> Result<()> {
        let consumer: BaseConsumer = client_config(&self.bootstrap)
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .create()
            .map_err(kafka(format!("act for group {group}")))?;
        let mut list = TopicPartitionList::new();
        for (&partition, &offset) in offsets {
            list.add_partition_offset(topic, partition, Offset::Offset(offset))
                .map_err(kafka(format!("name {topic}-{partition}")))?;
        }
        consumer.commit(&list, CommitMode::Sync).map_err(kafka(format!("set offsets of group {group}")))
    }

    /// Gives a topic more partitions. `partitions`: how many it has then. Errors: the broker's.
    pub fn grow(&self, topic: &str, partitions: usize) -> Result<()> {
        let action = || format!("give topic {topic} {partitions} partitions");
        let wanted = NewPartitions::new(topic, partitions);
        let results =
            block_on(self.admin.create_partitions(&[wanted], &admin_options())).map_err(kafka(action()))?;
        first_error(results).map_err(kafka(action()))
    }

    /// Deletes a topic and waits until the cluster does not list it any more.
    pub fn delete(&self, topic: &str) -> Result<()> {
        let action = || format!("delete topic {topic}");
        let results =
            block_on(self.admin.delete_topics(&[topic], &admin_options())).map_err(kafka(action()))?;
        first_error(results).map_err(kafka(action()))?;
        wait_until(&format!("the end of {topic}"), REQUEST_LIMIT, || {
            let topics = self.list().map_err(|error| error.to_string())?;
            if topics.iter().any(|name| name == topic) {
                return Err("still listed".to_owned());
            }
            Ok(())
        })
    }

    /// Deletes an empty group with its committed offsets, as their expiry would.
    pub fn delete_group(&self, group: &str) -> Result<()> {
        let action = || format!("delete group {group}");
        let results =
            block_on(self.admin.delete_groups(&[group], &admin_options())).map_err(kafka(action()))?;
        first_error(results).map_err(kafka(action()))
    }

    /// Deletes the records of each partition below the given offset, as retention would.
    pub fn delete_records(&self, topic: &str, below: &BTreeMap<i32, i64>) -> Result<()> {
        let mut list = TopicPartitionList::new();
        for (&partition, &offset) in below {
            list.add_partition_offset(topic, partition, Offset::Offset(offset))
                .map_err(kafka("name an offset"))?;
        }
        let answer = block_on(self.admin.delete_records(&list, &admin_options()))
            .map_err(kafka(format!("delete records of {topic}")))?;
        for element in answer.elements() {
            element.error().map_err(kafka(format!("delete records of {topic}")))?;
        }
        Ok(())
    }

    /// Names of all topics, Kafka's own included, sorted.
    pub fn list(&self) -> Result<Vec<String>> {
        let metadata = self.reader.fetch_metadata(None, REQUEST_LIMIT).map_err(kafka("list the topics"))?;
        let mut names: Vec<String> = metadata.topics().iter().map(|topic| topic.name().to_owned()).collect();
        names.sort();
        Ok(names)
    }

    /// Number of partitions of a topic.
    pub fn partition_count(&self, topic: &str) -> Result<i32> {
        Ok(self.leaders(topic)?.len() as i32)
    }

    /// High watermark per partition: the end of everything, open transactions included. Counts
    /// positions, so control records of transactions are in it.
    pub fn end_offsets(&self, topic: &str) -> Result<BTreeMap<i32, i64>> {
        self.ends(topic, &self.reader)
    }

    /// Last stable offset per partition: the end of what read_committed consumers can see.
    pub fn stable_end_offsets(&self, topic: &str) -> Result<BTreeMap<i32, i64>> {
        self.ends(topic, &self.stable_reader)
    }

    /// What a group has committed for a topic, with the metadata texts; partitions without a
    /// commit are left out. Waits for transactions that are about to change it.
    pub fn committed(&self, group: &str, topic: &str) -> Result<BTreeMap<i32, CommittedOffset>> {
        let action = || format!("read the offsets of group {group}");
        let consumer: BaseConsumer = client_config(&self.bootstrap)
            .set("group.id", group)
            .set("isolation.level", "read_committed")
            .create()
            .map_err(kafka(action()))?;
        let mut asked = TopicPartitionList::new();
        asked.add_partition_range(topic, 0, self.partition_count(topic)? - 1);
        let found = consumer.committed_offsets(asked, REQUEST_LIMIT).map_err(kafka(action()))?;
        let mut committed = BTreeMap::new();
        for element in found.elements() {
            element.error().map_err(kafka(action()))?;
            if let Offset::Offset(offset) = element.offset() {
                let metadata = element.metadata().to_owned();
                committed.insert(element.partition(), CommittedOffset { offset, metadata });
            }
        }
        Ok(committed)
    }

    fn leaders(&self, topic: &str) -> Result<Vec<i32>> {
        let metadata = self
            .reader
            .fetch_metadata(Some(topic), REQUEST_LIMIT)
            .map_err(kafka(format!("describe topic {topic}")))?;
        let Some(found) = metadata.topics().first() else {
            return Ok(Vec::new());
        };
        Ok(found.partitions().iter().map(|partition| partition.leader()).collect())
    }

    fn ends(&self, topic: &str, reader: &BaseConsumer) -> Result<BTreeMap<i32, i64>> {
        (0..self.partition_count(topic)?)
            .map(|partition| {
                let (_, end) = reader
                    .fetch_watermarks(topic, partition, REQUEST_LIMIT)
                    .map_err(kafka(format!("ask for the end of {topic}-{partition}")))?;
                Ok((partition, end))
            })
            .collect()
    }
}

/// Client settings that all helpers of the testkit share.
pub(crate) fn client_config(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap)
        // Tests restart brokers: come back at once, and keep the reconnecting off the terminal.
        .set("reconnect.backoff.max.ms", "200")
        .set("log_level", "0");
    config
}

fn admin_options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(REQUEST_LIMIT)).request_timeout(Some(REQUEST_LIMIT))
}

fn first_error(
    results: Vec<std::result::Result<String, (String, RDKafkaErrorCode)>>,
) -> std::result::Result<(), KafkaError> {
    match results.into_iter().find_map(std::result::Result::err) {
        Some((_, code)) => Err(KafkaError::AdminOp(code)),
        None => Ok(()),
    }
}

/// Runs one of the admin client's futures to its end. They are woken by the client's own threads
/// and end by their time-out, so parking this thread is all that is needed.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

/// Waits until a group has committed at least `ends` for every partition of a topic.
/// Errors: `TooLate` with what was committed last.
pub fn wait_committed(
    topics: &Topics,
    group: &str,
    topic: &str,
    ends: &BTreeMap<i32, i64>,
    limit: Duration,
) -> Result<()> {
    wait_until(&format!("offsets of group {group} at {ends:?}"), limit, || {
        let committed = topics.committed(group, topic).map_err(|error: TestkitError| error.to_string())?;
        let reached = |(partition, &end): (&i32, &i64)| {
            end == 0 || committed.get(partition).is_some_and(|found| found.offset >= end)
        };
        if ends.iter().all(reached) { Ok(()) } else { Err(format!("{committed:?}")) }
    })
}
