//! The check of a table without lineage columns: the ranges that finished inserts have reported in the query
//! log, against the positions up to the ledger's. It proves less than rows do: that each range was written
//! once, by this server, as far as its log goes back; not that the rows are in the table now.
use std::collections::BTreeMap;

use pumphouse_clickhouse::{ClickHouseError, LoggedRange};
use pumphouse_types::{Offset, OffsetRange, Partition};

use crate::coverage::{CoveringRange, cover};
use crate::error::VerifyError;
use crate::report::{PartitionReport, Proof, TopicReport};
use crate::topic_check::{Known, Servers, Teller, Topic};

/// Some 150 bytes each.
const LOGGED_RANGES_MAX: usize = 3_000_000;

/// Positions of a gap whose records are read at once.
const READ_POSITIONS: u64 = 1_000_000;

/// ClickHouse: no right; no such table (it appears with its first flush).
const ACCESS_DENIED: i32 = 497;
const UNKNOWN_TABLE: i32 = 60;

pub(crate) fn check(
    servers: &mut Servers,
    topic: &Topic<'_>,
    known: &BTreeMap<Partition, Known>,
    teller: &mut Teller<'_>,
    report: &mut TopicReport,
) -> Result<(), VerifyError> {
    if known.values().all(|is| is.range.is_empty()) {
        report.proof = Some(Proof::QueryLog);
        return Ok(());
    }
    let cannot = |why: String| VerifyError::QueryLog { table: topic.table.name.to_string(), why };
    if topic.hosts > 1 {
        return Err(cannot(format!("each of the {} hosts has a log of its own", topic.hosts)));
    }
    flush(servers, report);
    let (connector, of) = (topic.connector, &topic.topic);
    let summary = servers
        .server
        .ask(|client| client.logged_summary(connector, of))
        .map_err(|error| cannot_read(topic, error))?;
    if summary.inserts == 0 {
        let why = format!("it holds no finished insert for {of}, and goes back to {} only", summary.oldest);
        return Err(cannot(why));
    }
    if summary.cut > 0 {
        let why = format!("{} inserts have a comment that was too long to be kept whole", summary.cut);
        return Err(cannot(why));
    }
    report.proof = Some(Proof::QueryLog);
    report.notes.push(format!(
        "no lineage columns: this says that each range was inserted once on the server that was asked, as \
         far as its query log goes back ({}), not that the rows are in the table now; columns _topic, \
         _partition and _offset would prove it",
        summary.oldest
    ));
    if topic.request.sample.is_some() {
        report.notes.push("--sample needs lineage columns; everything was checked".to_owned());
    }
    for (partition, is) in known {
        let logged = logged(servers, topic, *partition)?;
        let entry = report.partitions.iter_mut().find(|entry| entry.partition == partition.0);
        let entry = entry.expect("every partition that is known has an entry");
        check_partition(servers, topic, *partition, is, &logged, teller, entry)?;
        let dropped = logged.iter().filter(|range| range.written == 0).count();
        if dropped > 0 {
            report.notes.push(format!(
                "partition {partition}: of {dropped} ranges the log has only a retry that the table dropped \
                 as known; that it knew them is taken for landed"
            ));
        }
    }
    Ok(())
}

fn flush(servers: &Servers, report: &mut TopicReport) {
    if let Err(error) = servers.server.ask(|client| client.flush_logs()) {
        report.notes.push(format!(
            "the query log could not be flushed ({error}): inserts of the last seconds may be reported as \
             missing"
        ));
    }
}

fn cannot_read(topic: &Topic<'_>, error: ClickHouseError) -> VerifyError {
    let why = match &error {
        ClickHouseError::Server { code: ACCESS_DENIED, .. } => {
            "GRANT SELECT ON system.query_log to the connector's user".to_owned()
        }
        ClickHouseError::Server { code: UNKNOWN_TABLE, .. } => "the server keeps none".to_owned(),
        _ => return error.into(),
    };
    VerifyError::QueryLog { table: topic.table.name.to_string(), why }
}

fn logged(
    servers: &Servers,
    topic: &Topic<'_>,
    partition: Partition,
) -> Result<Vec<LoggedRange>, VerifyError> {
    let (mut all, mut from) = (Vec::new(), Some(Offset::ZERO));
    while let Some(first) = from {
        let (connector, of) = (topic.connector, &topic.topic);
        let (page, next) =
            servers.server.ask(|client| client.logged_ranges(connector, of, partition, first))?;
        all.extend(page);
        if all.len() > LOGGED_RANGES_MAX {
            return Err(VerifyError::TooMany { what: "logged ranges", limit: LOGGED_RANGES_MAX });
        }
        from = next;
    }
    Ok(all)
}

fn check_partition(
    servers: &mut Servers,
    topic: &Topic<'_>,
    partition: Partition,
    is: &Known,
    logged: &[LoggedRange],
    teller: &mut Teller<'_>,
    entry: &mut PartitionReport,
) -> Result<(), VerifyError> {
    let covering: Vec<CoveringRange<'_>> = logged
        .iter()
        .map(|one| CoveringRange { range: one.range, batch: &one.batch, written: one.written })
        .collect();
    let coverage = cover(is.range, &covering);
    entry.positions_checked += is.range.positions();
    entry.found.doubled_surplus = coverage.overlaps.offsets();
    entry.found.doubled = coverage.overlaps;
    // What lies before every range that is logged may just be older than the log.
    let oldest = covering.iter().map(|one| one.range.first()).min();
    for gap in coverage.gaps {
        let may_be_older = oldest.is_none_or(|oldest| gap.end() <= oldest);
        let mut left = gap.first().max(is.log.first());
        while left < gap.end() {
            teller.now_at(&topic.topic, partition, gap, left);
            let end = left.get().saturating_add(READ_POSITIONS.cast_signed()).min(gap.end().get());
            let end = Offset::new(end).expect("behind an offset");
            let part = OffsetRange::new(left, end).expect("not empty");
            let mut records = Vec::new();
            servers.source.offsets(&topic.topic, partition, part, &mut records)?;
            // Inserts of a replay name the dead letter topic: they are not among the ranges.
            let dead = topic.ever_dead(partition, part);
            entry.found.records += records.len() as u64;
            for offset in records {
                if dead.binary_search(&offset).is_ok() {
                    entry.found.dead_letters += 1;
                } else if may_be_older {
                    entry.unproven.push(offset);
                } else {
                    entry.found.missing.push(offset);
                }
            }
            left = end;
        }
    }
    Ok(())
}
