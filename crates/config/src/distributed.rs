//! What the file of a worker says that is one of a group: the group, and the topics that its workers share.
use std::collections::BTreeMap;

use crate::error::ConfigCode;
use crate::option::{Scope, Status};
use crate::options;
use crate::reading::Reading;

/// A worker's part in distributed mode, defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distributed {
    /// `group.id`.
    pub group: String,
    /// `session.timeout.ms`.
    pub session_timeout_ms: u64,
    /// `heartbeat.interval.ms`.
    pub heartbeat_interval_ms: u64,
    /// `rebalance.timeout.ms`.
    pub rebalance_timeout_ms: u64,
    /// Configurations and target states.
    pub config_topic: TopicCreation,
    /// States, and the workers' addresses.
    pub status_topic: TopicCreation,
    /// Places of tasks; `partitions` is for the worker to say.
    pub tasks_topic: TopicCreation,
}

/// A topic that is created if it is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicCreation {
    /// Its name.
    pub name: String,
    /// `None`: the broker's default.
    pub partitions: Option<u32>,
    /// `None`: the broker's default.
    pub replicas: Option<u32>,
    /// Further options.
    pub options: BTreeMap<String, String>,
}

impl Distributed {
    /// Says of a worker that is alone which of its options mean nothing to it.
    pub(crate) fn note_options(reading: &mut Reading<'_>) {
        let given: Vec<&str> = reading.family("").map(|(name, _)| name).collect();
        for name in given {
            let row = options::find(name, Scope::Worker);
            if row
                .is_some_and(|row| row.group == options::DISTRIBUTED_GROUP && row.status == Status::Honoured)
            {
                reading.note(name, "It belongs to distributed mode.");
            }
        }
    }

    pub(crate) fn read(reading: &mut Reading<'_>) -> Distributed {
        let group = required(reading, "group.id");
        let replicas = |reading: &mut Reading<'_>, name: &str| match reading.text(name) {
            "0" => {
                let remedy = "Give 1 or more, or -1 for the broker's default.";
                reading.error(ConfigCode::Value, name, "a topic cannot have 0 replicas", remedy);
                None
            }
            // -1 does not parse, and means the broker's default.
            text => text.parse().ok(),
        };
        let config_replicas = replicas(reading, "config.storage.replication.factor");
        let own_replicas = "pumphouse.tasks.topic.replication.factor";
        let tasks_replicas = match reading.given(own_replicas) {
            Some(_) => replicas(reading, own_replicas),
            None => config_replicas,
        };
        let config_topic = TopicCreation {
            name: required(reading, "config.storage.topic"),
            partitions: Some(1),
            replicas: config_replicas,
            options: topic_options(
                reading,
                "config.storage.",
                &["topic", "replication.factor", "partitions", "cleanup.policy"],
            ),
        };
        let status_topic = TopicCreation {
            name: required(reading, "status.storage.topic"),
            partitions: reading.text("status.storage.partitions").parse().ok(),
            replicas: replicas(reading, "status.storage.replication.factor"),
            options: topic_options(
                reading,
                "status.storage.",
                &["topic", "replication.factor", "partitions", "cleanup.policy"],
            ),
        };
        let tasks_topic = TopicCreation {
            name: reading
                .given("pumphouse.tasks.topic")
                .map_or_else(|| format!("{group}-tasks"), str::to_owned),
            partitions: None,
            replicas: tasks_replicas,
            options: BTreeMap::new(),
        };
        if reading.text("status.storage.partitions") == "0" {
            let remedy = "Give 1 or more, or -1 for the broker's default.";
            reading.error(ConfigCode::Value, "status.storage.partitions", "a topic has partitions", remedy);
        }
        let distributed = Distributed {
            group,
            session_timeout_ms: reading.integer("session.timeout.ms"),
            heartbeat_interval_ms: reading.integer("heartbeat.interval.ms"),
            rebalance_timeout_ms: reading.integer("rebalance.timeout.ms"),
            config_topic,
            status_topic,
            tasks_topic,
        };
        distributed.check(reading);
        distributed
    }

    fn check(&self, reading: &mut Reading<'_>) {
        let topics = [
            ("config.storage.topic", &self.config_topic.name),
            ("status.storage.topic", &self.status_topic.name),
            ("pumphouse.tasks.topic", &self.tasks_topic.name),
            ("pumphouse.state.topic", &reading.text("pumphouse.state.topic").to_owned()),
        ];
        for (place, (option, name)) in topics.iter().enumerate() {
            if let Some((other, _)) =
                topics[..place].iter().find(|(_, known)| !name.is_empty() && known == name)
            {
                let message = format!("it names the topic of {other}");
                reading.error(ConfigCode::Conflict, option, message, "Give each a topic of its own.");
            }
        }
        if self.heartbeat_interval_ms >= self.session_timeout_ms {
            reading.error(
                ConfigCode::Conflict,
                "heartbeat.interval.ms",
                "a worker would be given up between two heartbeats",
                "Make it a third of session.timeout.ms at most.",
            );
        }
    }
}

fn required(reading: &mut Reading<'_>, option: &str) -> String {
    match reading.given(option) {
        Some(text) => text.to_owned(),
        None => {
            let remedy = "Give it, as to every worker of the group.";
            reading.error(ConfigCode::Missing, option, "it has to be given in distributed mode", remedy);
            String::new()
        }
    }
}

fn topic_options(reading: &Reading<'_>, prefix: &'static str, own: &[&str]) -> BTreeMap<String, String> {
    reading
        .family(prefix)
        .filter(|(name, _)| !own.contains(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::{ConfigCode, RawConfig, WorkerConfig};

    const KAFKA_CONNECTS_OWN: &str = "\
        bootstrap.servers=localhost:9092\ngroup.id=connect-cluster\n\
        key.converter=org.apache.kafka.connect.json.JsonConverter\n\
        value.converter=org.apache.kafka.connect.json.JsonConverter\n\
        key.converter.schemas.enable=true\nvalue.converter.schemas.enable=true\n\
        offset.storage.topic=connect-offsets\noffset.storage.replication.factor=1\n\
        config.storage.topic=connect-configs\nconfig.storage.replication.factor=1\n\
        status.storage.topic=connect-status\nstatus.storage.replication.factor=1\n\
        offset.flush.interval.ms=10000\nplugin.path=/usr/share/java\n";

    fn raw(further: &[(&str, &str)]) -> RawConfig {
        let mut raw = crate::parse_properties(KAFKA_CONNECTS_OWN.as_bytes()).unwrap();
        further.iter().for_each(|(name, value)| raw.set(*name, *value));
        raw
    }

    #[test]
    fn the_file_that_comes_with_kafka_connect_is_understood() {
        let (worker, distributed) = WorkerConfig::distributed_from_raw(&raw(&[])).unwrap();
        assert_eq!((distributed.group.as_str(), distributed.session_timeout_ms), ("connect-cluster", 10_000));
        assert_eq!(distributed.tasks_topic.name, "connect-cluster-tasks");
        assert_eq!(
            (distributed.status_topic.partitions, distributed.tasks_topic.replicas),
            (Some(5), Some(1))
        );
        let noted: Vec<&str> = worker.notes.iter().map(|note| note.option.as_str()).collect();
        assert!(noted.contains(&"offset.storage.topic") && !noted.contains(&"group.id"), "{noted:?}");
    }

    #[test]
    fn alone_it_is_said_that_the_group_means_nothing() {
        let worker = WorkerConfig::from_raw(&raw(&[])).unwrap();
        for option in ["group.id", "config.storage.topic", "status.storage.replication.factor"] {
            assert!(worker.notes.iter().any(|note| note.option == option), "{option}: {:?}", worker.notes);
        }
    }

    #[test]
    fn options_of_topics_are_passed_on_and_the_rest_is_not() {
        let further = [
            ("config.storage.min.insync.replicas", "2"),
            ("config.storage.cleanup.policy", "delete"),
            ("config.storage.replication.factor", "-1"),
            ("pumphouse.tasks.topic.replication.factor", "3"),
        ];
        let (_, distributed) = WorkerConfig::distributed_from_raw(&raw(&further)).unwrap();
        let options: Vec<_> = distributed.config_topic.options.into_iter().collect();
        assert_eq!(options, [("min.insync.replicas".to_owned(), "2".to_owned())]);
        assert_eq!((distributed.config_topic.replicas, distributed.tasks_topic.replicas), (None, Some(3)));
    }

    #[test]
    fn others_may_be_told_an_https_listener() {
        let further = [("listeners", "https://w:8443"), ("ssl.keystore.location", "/k.pem")];
        let (worker, _) = WorkerConfig::distributed_from_raw(&raw(&further)).unwrap();
        assert_eq!(worker.advertised_url("h", 8443), "https://w:8443");
    }

    #[test]
    fn what_is_refused() {
        let refused = |further: &[(&str, &str)]| {
            let errors = WorkerConfig::distributed_from_raw(&raw(further)).unwrap_err().0;
            errors.into_iter().map(|error| (error.code, error.option)).collect::<Vec<_>>()
        };
        assert_eq!(refused(&[("group.id", "")]), [(ConfigCode::Missing, "group.id".to_owned())]);
        assert_eq!(
            refused(&[("status.storage.topic", "connect-configs")]),
            [(ConfigCode::Conflict, "status.storage.topic".to_owned())]
        );
        assert_eq!(
            refused(&[("heartbeat.interval.ms", "10000")]),
            [(ConfigCode::Conflict, "heartbeat.interval.ms".to_owned())]
        );
        assert_eq!(
            refused(&[("config.storage.replication.factor", "0")]),
            [
                (ConfigCode::Value, "config.storage.replication.factor".to_owned()),
                (ConfigCode::Value, "config.storage.replication.factor".to_owned())
            ][..1]
        );
    }
}
