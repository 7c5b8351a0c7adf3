//! The exact check: each row's lineage columns against the records of the source. The table is scanned
//! once per topic for fingerprints of a million positions each; only slices whose fingerprint differs from
//! the source's are compared offset by offset, so time grows with the table once, and memory not at all.
use std::collections::BTreeMap;

use pumphouse_clickhouse::{LineageNames, OffsetsPrint, RowCopies, SLICE_POSITIONS};
use pumphouse_types::{Offset, OffsetRange, Partition, TopicPartition};

use crate::compare::{Seen, Unsourced, compare};
use crate::error::{LedgerProblem, VerifyError};
use crate::report::{PartitionReport, Proof, TopicReport};
use crate::sample;
use crate::topic_check::{Known, Servers, Teller, Topic};

/// Ranges of rows beyond the ledger that are asked for per partition; their rows are counted all the same.
const RUNS_MAX: u32 = 1_000;

pub(crate) fn check(
    servers: &mut Servers,
    topic: &Topic<'_>,
    lineage: &LineageNames,
    known: &BTreeMap<Partition, Known>,
    teller: &mut Teller<'_>,
    report: &mut TopicReport,
) -> Result<(), VerifyError> {
    report.proof = Some(Proof::Lineage);
    let wanted: Vec<(Partition, OffsetRange)> =
        known.iter().map(|(partition, is)| (*partition, is.range)).collect();
    if let Some(ranges) = topic.request.sample {
        let drawn = sample::draw(&wanted, ranges, topic.request.seed);
        for (partition, range) in drawn {
            let entry = entry_of(report, partition);
            let check = Slices { servers, topic, lineage, partition, known: known[&partition] };
            check.run(range, None, teller, entry)?;
        }
        report.notes.push(format!(
            "a sample: {ranges} ranges of up to {} positions each (--seed {})",
            sample::POSITIONS,
            topic.request.seed
        ));
        return Ok(());
    }
    let ahead = rows_outside(servers, topic, lineage, known, report)?;
    let (name, of) = (&topic.table.name, &topic.topic);
    let prints = servers.server.ask(|client| client.row_prints(name, lineage, of, &wanted))?;
    for (partition, range) in wanted {
        let entry = entry_of(report, partition);
        let check = Slices { servers, topic, lineage, partition, known: known[&partition] };
        check.run(range, Some(&prints), teller, entry)?;
    }
    // Added behind all others, as ranges have to be.
    for (partition, foreign) in ahead {
        entry_of(report, partition).found.foreign.push_range(foreign);
    }
    Ok(())
}

fn entry_of(report: &mut TopicReport, partition: Partition) -> &mut PartitionReport {
    let found = report.partitions.iter_mut().find(|entry| entry.partition == partition.0);
    found.expect("every partition that is known has an entry")
}

/// One partition's comparison.
struct Slices<'s, 't> {
    servers: &'s mut Servers,
    topic: &'s Topic<'t>,
    lineage: &'s LineageNames,
    partition: Partition,
    known: Known,
}

impl Slices<'_, '_> {
    /// Compares `range`, slice by slice. `prints`: fingerprints of exactly the rows of `range`.
    fn run(
        self,
        range: OffsetRange,
        prints: Option<&BTreeMap<(Partition, u64), OffsetsPrint>>,
        teller: &mut Teller<'_>,
        entry: &mut PartitionReport,
    ) -> Result<(), VerifyError> {
        let mut records = Vec::new();
        for slice in slices(range) {
            teller.now_at(&self.topic.topic, self.partition, range, slice.first());
            let log_start = match OffsetRange::new(slice.first().max(self.known.log.first()), slice.end()) {
                Some(left) => {
                    let (topic, partition) = (&self.topic.topic, self.partition);
                    self.servers.source.offsets(topic, partition, left, &mut records)?
                }
                // All of it is older than the source.
                None => {
                    records.clear();
                    slice.end()
                }
            };
            let dead = self.topic.dead(self.partition, slice);
            let index = slice.first().get().cast_unsigned() / SLICE_POSITIONS;
            let print =
                prints.map(|prints| prints.get(&(self.partition, index)).copied().unwrap_or_default());
            entry.positions_checked += slice.positions();
            if log_start == slice.first() && print == expected(&records, &dead) {
                entry.found.records += records.len() as u64;
                entry.found.dead_letters += dead.len() as u64;
                entry.found.rows += (records.len() - dead.len()) as u64;
                continue;
            }
            self.compare_exactly(slice, log_start, &records, &dead, entry)?;
        }
        Ok(())
    }

    fn compare_exactly(
        &self,
        slice: OffsetRange,
        log_start: Offset,
        records: &[Offset],
        dead: &[Offset],
        entry: &mut PartitionReport,
    ) -> Result<(), VerifyError> {
        let (topic, partition) = (self.topic, self.partition);
        let rows = self.servers.server.ask(|client| {
            client.row_offsets(&topic.table.name, self.lineage, &topic.topic, partition, slice)
        })?;
        let cut = rows.partition_point(|row| row.offset < log_start);
        let (older, rows): (&[RowCopies], _) = rows.split_at(cut);
        let nothing = Seen { records: &[], rows: older, dead_letters: &[] };
        compare(nothing, Unsourced::Older, &mut entry.found);
        let cut = dead.partition_point(|offset| *offset < log_start);
        let seen = Seen { records, rows, dead_letters: &dead[cut..] };
        compare(seen, topic.unsourced, &mut entry.found);
        Ok(())
    }
}

/// The fingerprint that the rows of a slice have if all is well; `None` where the dead letters are not some
/// of the records, each once, so that only a comparison can tell.
fn expected(records: &[Offset], dead: &[Offset]) -> Option<OffsetsPrint> {
    let mut print = OffsetsPrint::default();
    let mut dead = dead.iter().peekable();
    for offset in records {
        if dead.next_if_eq(&offset).is_none() {
            print.add(*offset);
        }
    }
    dead.peek().is_none().then_some(print)
}

/// The range cut at multiples of a slice.
fn slices(range: OffsetRange) -> impl Iterator<Item = OffsetRange> {
    let mut first = range.first();
    std::iter::from_fn(move || {
        let next = (first.get().cast_unsigned() / SLICE_POSITIONS + 1) * SLICE_POSITIONS;
        let end = Offset::new(next.cast_signed())?.min(range.end());
        let slice = OffsetRange::new(first, end).filter(|slice| !slice.is_empty())?;
        first = end;
        Some(slice)
    })
}

/// Rows below what is asked about, rows of partitions without an entry, rows of partitions that do not exist;
/// answers those ahead of the ledger, ascending.
fn rows_outside(
    servers: &Servers,
    topic: &Topic<'_>,
    lineage: &LineageNames,
    known: &BTreeMap<Partition, Known>,
    report: &mut TopicReport,
) -> Result<Vec<(Partition, OffsetRange)>, VerifyError> {
    let (name, of) = (&topic.table.name, &topic.topic);
    let inside = known.iter().map(|(partition, is)| (*partition, is.range)).collect();
    let outside = servers.server.ask(|client| client.rows_outside(name, lineage, of, &inside))?;
    let mut ahead = Vec::new();
    for rows in outside {
        if rows.partition.0 >= topic.partitions {
            if topic.request.partitions.is_empty() {
                report.rows_of_unknown_partitions += rows.below + rows.ahead;
            }
            continue;
        }
        if !topic.wants(rows.partition) {
            continue;
        }
        let entry = entry_of(report, rows.partition);
        if let Some(is) = known.get(&rows.partition) {
            // Otherwise they lie below what was asked for.
            if topic.request.from.is_none() {
                entry.found.rows_older_than_source += rows.below;
            }
            if rows.ahead > 0 && topic.request.to.is_none() {
                ahead.push((rows.partition, is.position.landed));
            }
        } else if entry.error.is_none() {
            let topic_partition = TopicPartition { topic: of.clone(), partition: rows.partition };
            let why = LedgerProblem::NoEntry { rows: rows.below + rows.ahead };
            entry.error = Some(VerifyError::Ledger { topic_partition, why }.to_string());
        }
    }
    rows_ahead(servers, topic, lineage, &ahead, report)
}

/// Rows at or behind the ledger's position. A worker may be running: what is seen ahead of the ledger as it
/// was read first may have landed since. So the rows are read now and the ledger again after them: a row
/// that it does not cover even then was sent by nobody who recorded it (PROTOCOL R1).
fn rows_ahead(
    servers: &Servers,
    topic: &Topic<'_>,
    lineage: &LineageNames,
    ahead: &[(Partition, Offset)],
    report: &mut TopicReport,
) -> Result<Vec<(Partition, OffsetRange)>, VerifyError> {
    if ahead.is_empty() {
        return Ok(Vec::new());
    }
    let (name, of) = (&topic.table.name, &topic.topic);
    let mut found = Vec::new();
    for &(partition, landed) in ahead {
        let runs =
            servers.server.ask(|client| client.row_runs(name, lineage, of, partition, landed, RUNS_MAX))?;
        if runs.len() >= RUNS_MAX as usize {
            report.notes.push(format!(
                "partition {partition}: rows ahead of the ledger beyond their first {RUNS_MAX} ranges are not \
                 reported"
            ));
        }
        found.extend(runs.into_iter().map(|(run, rows)| (partition, run, rows)));
    }
    let now = servers.ledger.positions(of, topic.topic_id, topic.partitions)?;
    let mut foreign = Vec::new();
    for (partition, run, rows) in found {
        let sent_end = match now.get(&partition) {
            Some(Ok(Some(position))) => position.sent_end(),
            Some(Ok(None)) | None => run.first(),
            Some(Err(why)) => {
                let topic_partition = TopicPartition { topic: of.clone(), partition };
                return Err(VerifyError::Ledger { topic_partition, why: why.clone() });
            }
        };
        match OffsetRange::new(run.first().max(sent_end), run.end()).filter(|range| !range.is_empty()) {
            Some(range) => foreign.push((partition, range)),
            None => entry_of(report, partition).rows_open += rows,
        }
    }
    Ok(foreign)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: i64) -> Offset {
        Offset::new(offset).unwrap()
    }

    #[test]
    fn slices_are_cut_at_multiples() {
        let slice = SLICE_POSITIONS.cast_signed();
        let found: Vec<_> = slices(OffsetRange::new(at(7), at(2 * slice + 1)).unwrap())
            .map(|range| (range.first().get(), range.end().get()))
            .collect();
        assert_eq!(found, [(7, slice), (slice, 2 * slice), (2 * slice, 2 * slice + 1)]);
        assert_eq!(slices(OffsetRange::new(at(7), at(7)).unwrap()).count(), 0);
    }

    #[test]
    fn dead_letters_are_taken_out_of_what_is_expected_only_if_they_are_records() {
        let mut print = OffsetsPrint::default();
        print.add(at(1));
        print.add(at(3));
        assert_eq!(expected(&[at(1), at(2), at(3)], &[at(2)]), Some(print));
        assert_eq!(expected(&[at(1), at(3)], &[at(2)]), None);
        assert_eq!(expected(&[at(1), at(2), at(3)], &[at(2), at(2)]), None);
    }
}
