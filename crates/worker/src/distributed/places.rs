//! Where a connector and its tasks are: at partitions of the tasks topic, which Kafka's group protocol spreads over the
//! workers. The same everywhere and for ever, or two workers would run one task.
use std::collections::BTreeSet;

use pumphouse_types::Partition;
use sha2::{Digest, Sha256};

use crate::placement::PLACES;

/// The first eight bytes of the SHA-256 of its name, big-endian. Not the standard library's hash: that one may differ
/// from build to build.
fn hash(connector: &str) -> u64 {
    let digest = Sha256::digest(connector.as_bytes());
    u64::from_be_bytes(digest[..8].try_into().expect("a digest has 32 bytes"))
}

/// From a task to the next one of its connector. Odd, so that 64 tasks have 64 places; near 64 times the golden section,
/// so that a few tasks stand far apart: the group's assignor gives a worker mostly neighbours.
const STRIDE: u64 = 39;

/// The place of the connector itself: who changes it, and says how it is.
pub(super) fn place_of_connector(connector: &str) -> Partition {
    at(hash(connector).wrapping_sub(STRIDE))
}

/// The place of a task.
pub(super) fn place_of_task(connector: &str, task: usize) -> Partition {
    at(hash(connector).wrapping_add(STRIDE * task as u64))
}

fn at(number: u64) -> Partition {
    Partition((number % u64::from(PLACES)) as u32)
}

/// The tasks of a connector that stand at these places, by their numbers modulo [`PLACES`].
pub(super) fn tasks_at(connector: &str, places: &BTreeSet<Partition>) -> BTreeSet<u32> {
    (0..PLACES).filter(|task| places.contains(&place_of_task(connector, *task as usize))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_never_change() {
        // A worker of another version has to find the same.
        let places = |name: &str| [place_of_connector(name), place_of_task(name, 0), place_of_task(name, 1)];
        assert_eq!(places("events").map(|place| place.0), EVENTS);
    }

    const EVENTS: [u32; 3] = [36, 11, 50];

    #[test]
    fn a_few_tasks_are_on_all_of_three_workers() {
        // Three workers with neighbouring places each, wherever the connector begins.
        for name in (0..100).map(|number| format!("connector-{number}")) {
            let on: BTreeSet<u32> = (0..6).map(|task| place_of_task(&name, task).0 * 3 / PLACES).collect();
            assert_eq!(on.len(), 3, "{name}");
        }
    }

    #[test]
    fn every_task_has_one_place() {
        let all: BTreeSet<Partition> = (0..PLACES).map(Partition).collect();
        assert_eq!(tasks_at("c", &all), (0..PLACES).collect());
        let one = BTreeSet::from([place_of_task("c", 3)]);
        assert_eq!(tasks_at("c", &one), [3].into());
        assert_eq!(place_of_task("c", 3), place_of_task("c", 67));
    }
}
