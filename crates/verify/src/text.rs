//! The report as a person reads it.
use std::fmt::Write as _;

use crate::ranges::RangeList;
use crate::report::{PartitionReport, Proof, Report, TopicReport, Verdict};

/// Some lines per topic and partition; the last one is the verdict.
pub fn as_text(report: &Report) -> String {
    let mut out = String::new();
    for connector in &report.connectors {
        line(&mut out, 0, &format!("connector {}", connector.connector));
        for topic in &connector.topics {
            write_topic(&mut out, topic);
        }
        if let Some(error) = &connector.error {
            line(&mut out, 2, &format!("NOT CHECKED: {error}"));
        }
    }
    line(
        &mut out,
        0,
        match report.verdict {
            Verdict::AllThere => "ALL THERE: every record once, and nothing else",
            Verdict::Differences => "DIFFERENCES: see above",
            Verdict::NotChecked => "NOT CHECKED: no difference found, but not everything could be looked at",
        },
    );
    out
}

fn line(out: &mut String, indent: usize, text: &str) {
    let _ = writeln!(out, "{:indent$}{text}", "");
}

fn write_topic(out: &mut String, topic: &TopicReport) {
    let by = match topic.proof {
        Some(Proof::Lineage) => ", by lineage columns",
        Some(Proof::QueryLog) => ", by the query log",
        None => "",
    };
    line(out, 2, &format!("topic {} -> table {}{by}", topic.topic, topic.table));
    for note in &topic.notes {
        line(out, 4, &format!("note: {note}"));
    }
    for partition in &topic.partitions {
        write_partition(out, partition, topic.proof);
    }
    if topic.rows_of_unknown_partitions > 0 {
        let rows = topic.rows_of_unknown_partitions;
        line(out, 4, &format!("FOREIGN: {rows} rows of partitions that the topic does not have"));
    }
    if let Some(error) = &topic.error {
        line(out, 4, &format!("NOT CHECKED: {error}"));
    }
}

fn write_partition(out: &mut String, partition: &PartitionReport, proof: Option<Proof>) {
    let number = partition.partition;
    if let Some(error) = &partition.error {
        return line(out, 4, &format!("partition {number}: NOT CHECKED: {error}"));
    }
    let Some(ledger) = partition.ledger else {
        return line(out, 4, &format!("partition {number}: not begun"));
    };
    let found = &partition.found;
    let mut text = format!("partition {number}: {}", partition.range);
    if partition.positions_checked < partition.range.positions() {
        let _ = write!(text, ", {} positions of it", partition.positions_checked);
    }
    if proof == Some(Proof::Lineage) {
        let _ = write!(text, ": {} records, {} rows", found.records, found.rows);
    }
    let mut also = |count: u64, what: &str| {
        if count > 0 {
            let _ = write!(text, ", {count} {what}");
        }
    };
    also(found.dead_letters, "dead letters");
    also(found.rows_older_than_source, "rows older than the source");
    also(partition.rows_open, "rows ahead of what had landed");
    if let Some([first, end]) = ledger.open {
        let _ = write!(text, "; open: {first}..{end}");
    }
    line(out, 4, &text);
    ranges(out, "MISSING", &found.missing, "");
    let surplus = format!(" ({} too many)", found.doubled_surplus);
    ranges(out, "DOUBLED", &found.doubled, &surplus);
    ranges(out, "FOREIGN", &found.foreign, "");
    ranges(out, "NOT CHECKED, older than the query log", &partition.unproven, "");
}

fn ranges(out: &mut String, kind: &str, list: &RangeList, remark: &str) {
    if list.is_empty() {
        return;
    }
    let shown: Vec<String> = list.shown().iter().map(ToString::to_string).collect();
    let mut text = format!("{kind}: {} offsets{remark}: {}", list.offsets(), shown.join(", "));
    if list.ranges_left_out() > 0 {
        let _ = write!(text, " and {} more ranges", list.ranges_left_out());
    }
    line(out, 6, &text);
}

#[cfg(test)]
mod tests {
    use pumphouse_types::{Offset, OffsetRange};

    use super::*;
    use crate::compare::Differences;
    use crate::report::{ConnectorReport, Ledger};

    #[test]
    fn a_report_names_every_range_and_ends_with_the_verdict() {
        let at = |offset| Offset::new(offset).unwrap();
        let mut found = Differences { records: 8, rows: 7, doubled_surplus: 1, ..Differences::default() };
        [2, 3].into_iter().for_each(|offset| found.missing.push(at(offset)));
        found.doubled.push(at(5));
        let partition = PartitionReport {
            partition: 1,
            error: None,
            ledger: Some(Ledger { landed: 9, open: Some([9, 12]) }),
            range: OffsetRange::new(at(0), at(9)).unwrap(),
            positions_checked: 9,
            found,
            rows_open: 3,
            unproven: RangeList::default(),
        };
        let topic = TopicReport {
            topic: "t".into(),
            table: "d.t".into(),
            proof: Some(Proof::Lineage),
            error: None,
            notes: vec!["so it is".into()],
            rows_of_unknown_partitions: 0,
            partitions: vec![partition],
        };
        let report =
            Report::new(vec![ConnectorReport { connector: "c".into(), error: None, topics: vec![topic] }]);
        assert_eq!(
            as_text(&report),
            "connector c\n  topic t -> table d.t, by lineage columns\n    note: so it is\n    \
             partition 1: 0..9: 8 records, 7 rows, 3 rows ahead of what had landed; open: 9..12\n      \
             MISSING: 2 offsets: 2..4\n      DOUBLED: 1 offsets (1 too many): 5..6\nDIFFERENCES: see above\n"
        );
    }
}
