//! One broker, one ClickHouse and one ZooKeeper for all tests of a suite. Tests that break a server
//! start their own.

use std::sync::LazyLock;

use pumphouse_testkit::{KafkaOptions, Testbed, TestbedOptions};

/// In groups of KIP-848 the broker says how long a member that died keeps its partitions: 45 s by default.
const SHORT_SESSIONS: [(&str, &str); 4] = [
    ("group.consumer.session.timeout.ms", "6000"),
    ("group.consumer.min.session.timeout.ms", "6000"),
    ("group.consumer.heartbeat.interval.ms", "1000"),
    ("group.consumer.min.heartbeat.interval.ms", "1000"),
];

/// The shared servers; started by the first test that asks. They end with this process.
pub fn bed() -> &'static Testbed {
    static BED: LazyLock<Testbed> = LazyLock::new(|| {
        let properties = SHORT_SESSIONS.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let kafka_options = KafkaOptions { properties, ..KafkaOptions::default() };
        Testbed::start(TestbedOptions { zookeeper: true, kafka_options, ..TestbedOptions::default() })
            .unwrap()
    });
    &BED
}
