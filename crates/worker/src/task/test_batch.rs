//! A batch for tests that look at its ranges and at little else.
use std::collections::BTreeMap;

use pumphouse_delivery::{Batch, BatchRange, TableEngine, TableSeen};
use pumphouse_types::{BatchId, ConfigVersion, DedupToken, Partition, ServerMillis, TableUuid, TopicId};

/// Of token 7, for the table `d.t`, whole.
pub(crate) fn batch(id: u128, ranges: BTreeMap<Partition, BatchRange>) -> Batch {
    Batch {
        id: BatchId(id),
        token: DedupToken(7),
        topic_id: TopicId(1),
        ranges,
        table: TableSeen {
            name: "d.t".to_owned(),
            uuid: TableUuid(1),
            engine: TableEngine::Plain,
            server_version: String::new(),
            server_started: ServerMillis(0),
            window_blocks: 1,
            window_ms: None,
            blocks: None,
            definition: 0,
        },
        first_recorded: ServerMillis(0),
        deadline: ServerMillis(0),
        config_version: ConfigVersion(1),
        piece_end: None,
        by_evidence: false,
    }
}
