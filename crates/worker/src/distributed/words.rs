//! What workers write to their topics, and how it is read. Keys and values of configurations, target states, restarts
//! and states are Kafka Connect's own (`KafkaConfigBackingStore`, `KafkaStatusBackingStore`, JSON without schemas), so
//! that the topics of a Kafka Connect cluster can be taken over as they are; what is Pumphouse's begins with its name.
use std::collections::{BTreeMap, BTreeSet};

use pumphouse_config::RawConfig;
use pumphouse_kafka::OutgoingRecord;
use pumphouse_rest::{ConnectorState, Restart};
use pumphouse_types::{Partition, TopicName};
use serde_json::{Value, json};

use crate::herder::Target;

const CONNECTOR: &str = "connector-";
const TARGET: &str = "target-state-";
const RESTART: &str = "restart-connector-";
const LOGGER: &str = "logger-cluster-";
const STATUS_CONNECTOR: &str = "status-connector-";
const STATUS_TASK: &str = "status-task-";
const STATUS_TOPIC: &str = "status-topic-";
const OF_CONNECTOR: &str = ":connector-";
const WORKER: &str = "pumphouse-worker-";

/// Says of a paused connector that it has no tasks before it is resumed. Kafka Connect has it from the tasks'
/// configurations, which are not written here.
const WITHOUT_TASKS: &str = "pumphouse.without.tasks";

/// A record of the configuration topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ConfigWord {
    /// A connector's configuration; `None`: it is deleted.
    Config(String, Option<RawConfig>),
    /// What a connector is to be; `None`: nothing is said, which means RUNNING.
    Target(String, Option<Target>),
    /// A connector is to begin anew. It concerns those who hear it when it is said.
    Restart(String, Restart),
    /// A logger is to have this level on every worker. It concerns those who hear it when it is said.
    Level(String, String),
    /// Kafka Connect's own business.
    Other,
}

/// A record of the status topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StatusWord {
    /// A connector's state, or that of a task of it.
    State { connector: String, task: Option<usize>, said: Option<Said> },
    /// Whether records of a topic were taken for a connector.
    Topic { connector: String, topic: String, taken: bool },
    /// A worker, and what it has.
    Worker(String, Option<WorkerAt>),
    /// Something else.
    Other,
}

/// A state, and who said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub state: ConnectorState,
    pub worker_id: String,
}

/// How a worker is reached, and its places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WorkerAt {
    pub url: String,
    pub places: BTreeSet<Partition>,
}

fn object(value: Option<&[u8]>) -> Option<Value> {
    serde_json::from_slice::<Value>(value?).ok().filter(Value::is_object)
}

/// What a record of the configuration topic says.
pub(super) fn config_word(key: &[u8], value: Option<&[u8]>) -> ConfigWord {
    let Ok(key) = std::str::from_utf8(key) else { return ConfigWord::Other };
    let value = object(value);
    if let Some(name) = key.strip_prefix(CONNECTOR) {
        let properties = value.as_ref().and_then(|value| value.get("properties")?.as_object());
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            other => Some(other.to_string()),
        };
        let config = properties.map(|properties| {
            properties.iter().filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect()
        });
        return ConfigWord::Config(name.to_owned(), config);
    }
    if let Some(name) = key.strip_prefix(TARGET) {
        let said = value.as_ref().and_then(|value| value.get("state.v2").or(value.get("state"))?.as_str());
        let target = match said {
            Some("STOPPED") => Some(Target::Stopped),
            Some("PAUSED") => {
                let without = value.as_ref().and_then(|value| value.get(WITHOUT_TASKS)?.as_bool());
                Some(if without == Some(true) { Target::PausedWithoutTasks } else { Target::Paused })
            }
            Some("STARTED") => Some(Target::Running),
            _ => None,
        };
        return ConfigWord::Target(name.to_owned(), target);
    }
    if let (Some(name), Some(value)) = (key.strip_prefix(RESTART), &value) {
        let flag = |name: &str| value.get(name).and_then(Value::as_bool).unwrap_or(false);
        let what = Restart { include_tasks: flag("include-tasks"), only_failed: flag("only-failed") };
        return ConfigWord::Restart(name.to_owned(), what);
    }
    if let (Some(name), Some(value)) = (key.strip_prefix(LOGGER), value) {
        let level = value.get("level").and_then(Value::as_str);
        return level.map_or(ConfigWord::Other, |level| ConfigWord::Level(name.to_owned(), level.to_owned()));
    }
    ConfigWord::Other
}

/// What a record of the status topic says.
pub(super) fn status_word(key: &[u8], value: Option<&[u8]>) -> StatusWord {
    let Ok(key) = std::str::from_utf8(key) else { return StatusWord::Other };
    let value = object(value);
    if let Some(name) = key.strip_prefix(STATUS_CONNECTOR) {
        let said = value.as_ref().and_then(said);
        return StatusWord::State { connector: name.to_owned(), task: None, said };
    }
    if let Some((connector, task)) = key.strip_prefix(STATUS_TASK).and_then(|rest| rest.rsplit_once('-')) {
        let Ok(task) = task.parse() else { return StatusWord::Other };
        let said = value.as_ref().and_then(said);
        return StatusWord::State { connector: connector.to_owned(), task: Some(task), said };
    }
    if let Some((topic, connector)) =
        key.strip_prefix(STATUS_TOPIC).and_then(|rest| rest.split_once(OF_CONNECTOR))
    {
        let (connector, topic) = (connector.to_owned(), topic.to_owned());
        return StatusWord::Topic { connector, topic, taken: value.is_some() };
    }
    if let Some(id) = key.strip_prefix(WORKER) {
        return StatusWord::Worker(id.to_owned(), value.as_ref().and_then(worker_at));
    }
    StatusWord::Other
}

fn said(value: &Value) -> Option<Said> {
    let trace = value.get("trace").and_then(Value::as_str).map(str::to_owned);
    let state = match value.get("state")?.as_str()? {
        "RUNNING" => trace.map_or(ConnectorState::Running, ConnectorState::RunningWith),
        "PAUSED" => ConnectorState::Paused,
        "STOPPED" => ConnectorState::Stopped,
        "RESTARTING" => ConnectorState::Restarting,
        "FAILED" => ConnectorState::Failed(trace.unwrap_or_default()),
        _ => ConnectorState::Unassigned,
    };
    Some(Said { state, worker_id: value.get("worker_id")?.as_str()?.to_owned() })
}

fn worker_at(value: &Value) -> Option<WorkerAt> {
    let place = |value: &Value| Some(Partition(u32::try_from(value.as_u64()?).ok()?));
    let places = value.get("places")?.as_array()?.iter().map(place).collect::<Option<_>>()?;
    Some(WorkerAt { url: value.get("url")?.as_str()?.to_owned(), places })
}

/// Where records go.
pub(super) struct Writes<'a> {
    pub topic: &'a TopicName,
}

impl Writes<'_> {
    fn record(&self, partition: Option<Partition>, key: String, value: Option<Value>) -> OutgoingRecord {
        OutgoingRecord {
            topic: self.topic.clone(),
            partition,
            key: Some(key.into_bytes()),
            value: value.map(|value| value.to_string().into_bytes()),
            headers: Vec::new(),
            timestamp_ms: None,
        }
    }

    fn config_record(&self, key: String, value: Option<Value>) -> OutgoingRecord {
        self.record(Some(Partition(0)), key, value)
    }

    pub(super) fn config(&self, connector: &str, config: Option<&RawConfig>) -> OutgoingRecord {
        let value = config.map(|config| {
            let properties: BTreeMap<&str, &str> = config.iter().collect();
            json!({ "properties": properties })
        });
        self.config_record(format!("{CONNECTOR}{connector}"), value)
    }

    pub(super) fn target(&self, connector: &str, target: Option<Target>) -> OutgoingRecord {
        let value = target.map(|target| {
            // The first is for workers that know no STOPPED.
            let (state, state_v2) = match target {
                Target::Running => ("STARTED", "STARTED"),
                Target::Paused | Target::PausedWithoutTasks => ("PAUSED", "PAUSED"),
                Target::Stopped => ("PAUSED", "STOPPED"),
            };
            let mut value = json!({ "state": state, "state.v2": state_v2 });
            if target == Target::PausedWithoutTasks {
                value[WITHOUT_TASKS] = json!(true);
            }
            value
        });
        self.config_record(format!("{TARGET}{connector}"), value)
    }

    pub(super) fn restart(&self, connector: &str, what: Restart) -> OutgoingRecord {
        let value = json!({ "include-tasks": what.include_tasks, "only-failed": what.only_failed });
        self.config_record(format!("{RESTART}{connector}"), Some(value))
    }

    pub(super) fn level(&self, logger: &str, level: &str) -> OutgoingRecord {
        self.config_record(format!("{LOGGER}{logger}"), Some(json!({ "level": level })))
    }

    /// `None`: the state of something that is no more.
    pub(super) fn state(&self, connector: &str, task: Option<usize>, said: Option<&Said>) -> OutgoingRecord {
        let key = match task {
            None => format!("{STATUS_CONNECTOR}{connector}"),
            Some(task) => format!("{STATUS_TASK}{connector}-{task}"),
        };
        let value = said.map(|said| {
            let (state, trace) = words_of(&said.state);
            let version = env!("CARGO_PKG_VERSION");
            json!({ "state": state, "trace": trace, "worker_id": said.worker_id, "generation": 0, "version": version })
        });
        self.record(None, key, value)
    }

    pub(super) fn topic(&self, connector: &str, topic: &str, taken: bool) -> OutgoingRecord {
        let value = taken.then(|| json!({ "topic": { "name": topic, "connector": connector } }));
        self.record(None, format!("{STATUS_TOPIC}{topic}{OF_CONNECTOR}{connector}"), value)
    }

    /// All of them in one partition: of two workers that name a place, the later has it.
    /// `None`: it has not had a place for long.
    pub(super) fn worker(&self, id: &str, at: Option<&WorkerAt>) -> OutgoingRecord {
        let value = at.map(|at| {
            let places: Vec<u32> = at.places.iter().map(|place| place.0).collect();
            json!({ "url": at.url, "places": places })
        });
        self.record(Some(Partition(0)), format!("{WORKER}{id}"), value)
    }
}

fn words_of(state: &ConnectorState) -> (&'static str, Option<&str>) {
    match state {
        ConnectorState::Unassigned => ("UNASSIGNED", None),
        ConnectorState::Running => ("RUNNING", None),
        ConnectorState::RunningWith(note) => ("RUNNING", Some(note)),
        ConnectorState::Paused => ("PAUSED", None),
        ConnectorState::Restarting => ("RESTARTING", None),
        ConnectorState::Failed(why) => ("FAILED", Some(why)),
        ConnectorState::Stopped => ("STOPPED", None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_config(record: &OutgoingRecord) -> ConfigWord {
        config_word(record.key.as_deref().unwrap(), record.value.as_deref())
    }

    fn of_status(record: &OutgoingRecord) -> StatusWord {
        status_word(record.key.as_deref().unwrap(), record.value.as_deref())
    }

    #[test]
    fn what_is_written_is_read() {
        let topic = TopicName::new("t");
        let writes = Writes { topic: &topic };
        let config: RawConfig = [("a", "1"), ("b", "x\ny")].into_iter().collect();
        let name = || "c-1".to_owned();
        assert_eq!(
            of_config(&writes.config("c-1", Some(&config))),
            ConfigWord::Config(name(), Some(config.clone()))
        );
        assert_eq!(of_config(&writes.config("c-1", None)), ConfigWord::Config(name(), None));
        for target in [Target::Running, Target::Paused, Target::PausedWithoutTasks, Target::Stopped] {
            assert_eq!(
                of_config(&writes.target("c-1", Some(target))),
                ConfigWord::Target(name(), Some(target))
            );
        }
        let what = Restart { include_tasks: true, only_failed: false };
        assert_eq!(of_config(&writes.restart("c-1", what)), ConfigWord::Restart(name(), what));
        let level = ConfigWord::Level("a::b".to_owned(), "DEBUG".to_owned());
        assert_eq!(of_config(&writes.level("a::b", "DEBUG")), level);
        for state in [
            ConnectorState::Unassigned,
            ConnectorState::Running,
            ConnectorState::RunningWith("note".to_owned()),
            ConnectorState::Paused,
            ConnectorState::Restarting,
            ConnectorState::Failed("why".to_owned()),
            ConnectorState::Stopped,
        ] {
            let said = Said { state, worker_id: "w:1".to_owned() };
            let word = StatusWord::State { connector: name(), task: Some(7), said: Some(said.clone()) };
            assert_eq!(of_status(&writes.state("c-1", Some(7), Some(&said))), word);
        }
        let gone = StatusWord::State { connector: name(), task: None, said: None };
        assert_eq!(of_status(&writes.state("c-1", None, None)), gone);
        for taken in [true, false] {
            let word = StatusWord::Topic { connector: name(), topic: "t".to_owned(), taken };
            assert_eq!(of_status(&writes.topic("c-1", "t", taken)), word);
        }
        let at = WorkerAt { url: "http://h:1".to_owned(), places: [Partition(0), Partition(63)].into() };
        let id = || "w:1".to_owned();
        assert_eq!(of_status(&writes.worker("w:1", Some(&at))), StatusWord::Worker(id(), Some(at)));
        assert_eq!(of_status(&writes.worker("w:1", None)), StatusWord::Worker(id(), None));
    }

    #[test]
    fn records_of_kafka_connect_are_understood() {
        let word = |key: &str, value: &str| config_word(key.as_bytes(), Some(value.as_bytes()));
        let config: RawConfig = [("name", "c"), ("tasks.max", "3")].into_iter().collect();
        assert_eq!(
            word("connector-c", r#"{"properties":{"name":"c","tasks.max":"3"}}"#),
            ConfigWord::Config("c".to_owned(), Some(config))
        );
        let paused = ConfigWord::Target("c".to_owned(), Some(Target::Paused));
        assert_eq!(word("target-state-c", r#"{"state":"PAUSED"}"#), paused);
        let level = ConfigWord::Level("root".to_owned(), "INFO".to_owned());
        assert_eq!(word("logger-cluster-root", r#"{"level":"INFO"}"#), level);
        for key in ["task-c-0", "commit-c", "session-key"] {
            assert_eq!(
                word(key, r#"{"properties":{},"tasks":1,"key":"s","level":"INFO"}"#),
                ConfigWord::Other
            );
        }
        let status = r#"{"state":"FAILED","trace":"why","worker_id":"h:8083","generation":4,"version":"1"}"#;
        let said = Said { state: ConnectorState::Failed("why".to_owned()), worker_id: "h:8083".to_owned() };
        assert_eq!(
            status_word(b"status-task-a-b-12", Some(status.as_bytes())),
            StatusWord::State { connector: "a-b".to_owned(), task: Some(12), said: Some(said) }
        );
    }
}
