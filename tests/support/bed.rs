//! One broker, one ClickHouse and one ZooKeeper for all tests of a suite. Tests that break a server
//! start their own.

use std::sync::LazyLock;

use pumphouse_testkit::{Testbed, TestbedOptions};

/// The shared servers; started by the first test that asks. They end with this process.
pub fn bed() -> &'static Testbed {
    static BED: LazyLock<Testbed> = LazyLock::new(|| {
        Testbed::start(TestbedOptions { zookeeper: true, ..TestbedOptions::default() }).unwrap()
    });
    &BED
}
