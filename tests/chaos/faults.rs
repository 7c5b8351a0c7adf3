//! Carries the faults out, and mends what they broke. Each returns when nothing is broken any more; how long the sink
//! needs from there on is measured by the caller.

mod network;
mod operator;
mod processes;
mod tables;
pub mod topic;

use crate::kind::Kind;
use crate::run::Run;
use crate::trouble::Result;

/// One fault.
/// Errors: it could not be brought about, or mended; or a worker ended by itself.
pub fn carry_out(run: &mut Run, kind: Kind) -> Result<()> {
    match kind {
        Kind::WorkerKilled => processes::worker_killed(run),
        Kind::WorkerStopped => processes::worker_stopped(run),
        Kind::SecondWorker => processes::second_worker(run),
        Kind::BrokerKilled => processes::broker_killed(run),
        Kind::BrokerStopped => processes::broker_stopped(run),
        Kind::ClickHouseKilled => processes::clickhouse_killed(run),
        Kind::ClickHouseStopped => processes::clickhouse_stopped(run),
        Kind::ZooKeeperKilled => processes::zookeeper_killed(run),
        Kind::ZooKeeperStopped => processes::zookeeper_stopped(run),
        Kind::KafkaCut => network::kafka_cut(run),
        Kind::KafkaDelayed => network::kafka_delayed(run),
        Kind::ClickHouseCut => network::clickhouse_cut(run),
        Kind::ClickHouseDelayed => network::clickhouse_delayed(run),
        Kind::BodyReset => network::body_reset(run),
        Kind::AnswerLost => network::answer_lost(run),
        Kind::LedgerAnswerLost => network::ledger_answer_lost(run),
        Kind::InsertTimeout => network::insert_timeout(run),
        Kind::TinyWindow => tables::tiny_window(run),
        Kind::DiskFull => tables::disk_full(run),
        Kind::ReadOnly => tables::read_only(run),
        Kind::ColumnDropped => tables::column_dropped(run),
        Kind::BadRecords => operator::bad_records(run),
        Kind::OffsetsReset => operator::offsets_reset(run),
        Kind::TopicRecreated => topic::recreated(run),
    }
}
