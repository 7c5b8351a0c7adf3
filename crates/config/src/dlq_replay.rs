//! The configuration that a connector's dead letters are taken again with: its own, over the dead letter
//! topic, under a name and a group of their own.
use crate::bad_records::BadRecords;
use crate::connector_config::ConnectorConfig;
use crate::start_at::StartAt;

impl ConnectorConfig {
    /// The connector that takes this one's dead letters of `topic` into that topic's table. Each topic has
    /// its own, because each passes over what the others have to take. `None`: the topic is none of the
    /// connector's, or it has no dead letter topic.
    /// A ledger finds its batches by these names: they never change.
    pub fn dlq_replay(&self, topic: &str) -> Option<ConnectorConfig> {
        let table = self.tables.get(topic)?;
        let BadRecords::DeadLetter(letters) = &self.bad_records else { return None };
        let suffix = format!("dlq-replay-{topic}");
        let mut replay = self.clone();
        replay.name = format!("{}-{suffix}", self.name);
        replay.group_id = format!("{}-{suffix}", self.group_id);
        replay.topics = vec![letters.topic.clone()];
        replay.topic_pattern = None;
        replay.tables = [(letters.topic.clone(), table.clone())].into();
        replay.start_at = StartAt::Earliest;
        // Letters are few: a second task would only make the group settle twice.
        replay.tasks_max = 1;
        Some(replay)
    }
}

#[cfg(test)]
mod tests {
    use crate::{ConnectorConfig, StartAt, WorkerConfig, parse_connector_file, parse_properties};

    fn config(dead_letters: &str) -> ConnectorConfig {
        let worker = parse_properties(b"bootstrap.servers=b:9092\n").unwrap();
        let worker = WorkerConfig::from_raw(&worker).unwrap();
        let text = format!(
            r#"{{"name":"c","config":{{
                "connector.class":"com.clickhouse.kafka.connect.ClickHouseSinkConnector",
                "topics":"a,b","topic2TableMap":"b=t","hostname":"h","tasks.max":"4",
                "consumer.override.auto.offset.reset":"latest",
                "value.converter":"org.apache.kafka.connect.json.JsonConverter",
                "value.converter.schemas.enable":"false"{dead_letters}}}}}"#
        );
        ConnectorConfig::from_raw(&parse_connector_file(text.as_bytes()).unwrap(), &worker).unwrap()
    }

    #[test]
    fn a_replay_takes_the_letters_of_one_topic_from_the_beginning() {
        let letters = r#","errors.tolerance":"all","errors.deadletterqueue.topic.name":"dead""#;
        let replay = config(letters).dlq_replay("b").unwrap();
        assert_eq!(
            (replay.name.as_str(), replay.group_id.as_str()),
            ("c-dlq-replay-b", "connect-c-dlq-replay-b")
        );
        assert_eq!(replay.topics, ["dead"]);
        assert_eq!(replay.tables, [("dead".to_owned(), "t".to_owned())].into());
        assert_eq!((replay.tasks_max, replay.start_at), (1, StartAt::Earliest));
    }

    #[test]
    fn there_is_nothing_to_take_from_without_a_dead_letter_topic() {
        assert!(config("").dlq_replay("b").is_none());
        assert!(config(r#","errors.tolerance":"all""#).dlq_replay("b").is_none());
        let letters = r#","errors.tolerance":"all","errors.deadletterqueue.topic.name":"dead""#;
        assert!(config(letters).dlq_replay("other").is_none());
    }
}
