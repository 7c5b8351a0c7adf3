//! The topics in which the broker keeps the ledger: how much of the cluster may fail before an entry that
//! was acknowledged is gone. Carries R12's warning.
use std::fmt;
use std::time::Duration;

use pumphouse_types::TopicName;

use crate::admin::Admin;
use crate::error::KafkaError;

/// Committed offsets with their entries, and the fate of transactions.
const LEDGER_TOPICS: [&str; 2] = ["__consumer_offsets", "__transaction_state"];

/// A topic of the broker's that acknowledges what one broker alone has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeakTopic {
    topic: TopicName,
    replicas: u32,
    in_sync: u32,
}

impl fmt::Display for WeakTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WeakTopic { topic, replicas, in_sync } = self;
        write!(
            f,
            "{topic} has {replicas} replicas and min.insync.replicas {in_sync}: the ledger's entries may be lost \
             with one broker; 3 and 2 survive it"
        )
    }
}

impl Admin {
    /// The ledger's topics that one broker's loss may cost. Topics that do not exist yet, or that may not be
    /// described (DESCRIBE and DESCRIBE_CONFIGS), are passed over: nothing depends on the answer.
    /// Errors: the broker does not answer.
    pub fn weak_ledger_topics(&self, timeout: Duration) -> Result<Vec<WeakTopic>, KafkaError> {
        let mut weak = Vec::new();
        for topic in LEDGER_TOPICS.map(TopicName::new) {
            let described = match self.describe(std::slice::from_ref(&topic), timeout) {
                Err(KafkaError::TopicDenied { .. }) => continue,
                described => described?.remove(&topic).flatten(),
            };
            let Some(described) = described else { continue };
            let options = match self.topic_options(&topic, timeout) {
                Err(KafkaError::TopicDenied { .. } | KafkaError::TopicGone { .. }) => continue,
                options => options?,
            };
            let in_sync = options.get("min.insync.replicas").and_then(|text| text.parse().ok()).unwrap_or(1);
            if described.replicas < 2 || in_sync < 2 {
                weak.push(WeakTopic { topic, replicas: described.replicas, in_sync });
            }
        }
        Ok(weak)
    }
}
