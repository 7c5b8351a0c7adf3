//! Compares committed records with table rows. Pure: both sides are given.

use std::collections::BTreeMap;
use std::fmt;

/// A committed record: where it is, and the hash of its content (`None`: not for the table).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CommittedRecord {
    pub(super) offset: i64,
    pub(super) content: u64,
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TableRow {
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) content: u64,
}

/// Committed records per partition, by ascending offset.
pub(super) type Committed = BTreeMap<i32, Vec<CommittedRecord>>;

/// Examples kept per problem: enough to see a pattern, few enough to read.
pub const EXAMPLES_PER_PROBLEM: usize = 5;

/// What can be wrong with a record or a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Problem {
    /// A committed record has no row.
    Missing,
    /// A committed record has more than one row; each additional row counts.
    Duplicated,
    /// A row belongs to no committed record: an aborted one that leaked, or one out of thin air.
    Foreign,
    /// A row is there, but its content is not the record's.
    Different,
}

/// One place where something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Example {
    /// What is wrong.
    pub problem: Problem,
    /// Topic partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

/// The outcome. `Display` prints a short table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryReport {
    /// Committed records that belong into the table.
    pub committed_records: u64,
    /// Rows found.
    pub table_rows: u64,
    /// Rows that records lack.
    pub missing: u64,
    /// Rows beyond those that a record is to have, one mostly.
    pub duplicated: u64,
    /// Rows of no committed record.
    pub foreign: u64,
    /// Rows whose content differs from their record's.
    pub different: u64,
    /// The first few of each problem; for foreign, duplicated and different rows in the order in
    /// which the server returned them.
    pub examples: Vec<Example>,
}

impl HistoryReport {
    /// Whether every committed record is in the table once, unchanged, and nothing else is.
    pub fn is_exactly_once(&self) -> bool {
        self.missing + self.duplicated + self.foreign + self.different == 0
    }

    /// Fails a test with the table when the history is not exactly once, or when the topic has
    /// other than `records` committed records: a check of nothing proves nothing.
    pub fn assert_exactly_once(&self, records: u64) {
        assert!(self.is_exactly_once(), "\n{self}");
        assert_eq!(self.committed_records, records, "\n{self}");
    }
}

impl fmt::Display for HistoryReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "committed records {:>12}", self.committed_records)?;
        writeln!(out, "table rows        {:>12}", self.table_rows)?;
        let problems = [
            ("missing", self.missing, Problem::Missing),
            ("duplicated", self.duplicated, Problem::Duplicated),
            ("foreign", self.foreign, Problem::Foreign),
            ("different", self.different, Problem::Different),
        ];
        for (name, count, problem) in problems {
            write!(out, "{name:<18}{count:>12}")?;
            for example in self.examples.iter().filter(|example| example.problem == problem) {
                write!(out, "  {}@{}", example.partition, example.offset)?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}

/// Takes the rows one by one and remembers, per record, how often it was seen.
pub(super) struct Comparison<'c> {
    committed: Committed,
    seen: BTreeMap<i32, Vec<u32>>,
    /// How many rows a record (partition, offset) is to have.
    copies: &'c dyn Fn(i32, i64) -> u64,
    report: HistoryReport,
}

impl Comparison<'_> {
    pub(super) fn new(committed: Committed, copies: &dyn Fn(i32, i64) -> u64) -> Comparison<'_> {
        for records in committed.values() {
            assert!(records.is_sorted_by_key(|record| record.offset), "a log is in offset order");
        }
        let seen =
            committed.iter().map(|(&partition, records)| (partition, vec![0; records.len()])).collect();
        let committed_records = committed.values().map(|records| records.len() as u64).sum();
        let report = HistoryReport { committed_records, ..HistoryReport::default() };
        Comparison { committed, seen, copies, report }
    }

    pub(super) fn row(&mut self, row: TableRow) {
        self.report.table_rows += 1;
        let records = self.committed.get(&row.partition).map_or(&[][..], Vec::as_slice);
        let Ok(place) = records.binary_search_by_key(&row.offset, |record| record.offset) else {
            self.report.foreign += 1;
            return self.example(Problem::Foreign, row.partition, row.offset);
        };
        let content = records[place].content;
        let seen = self.seen.get_mut(&row.partition).expect("made for the same partitions");
        seen[place] += 1;
        if u64::from(seen[place]) > (self.copies)(row.partition, row.offset) {
            self.report.duplicated += 1;
            self.example(Problem::Duplicated, row.partition, row.offset);
        }
        if content != row.content {
            self.report.different += 1;
            self.example(Problem::Different, row.partition, row.offset);
        }
    }

    pub(super) fn report(mut self) -> HistoryReport {
        for (partition, seen) in std::mem::take(&mut self.seen) {
            for (place, seen) in seen.into_iter().enumerate() {
                let offset = self.committed[&partition][place].offset;
                let lacking = (self.copies)(partition, offset).saturating_sub(u64::from(seen));
                if lacking > 0 {
                    self.report.missing += lacking;
                    self.example(Problem::Missing, partition, offset);
                }
            }
        }
        self.report
    }

    fn example(&mut self, problem: Problem, partition: i32, offset: i64) {
        let examples = &mut self.report.examples;
        let known = examples.iter().filter(|example| example.problem == problem).count();
        if known < EXAMPLES_PER_PROBLEM {
            examples.push(Example { problem, partition, offset });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Partition 0 has records at 0..10 except the control record at 4, partition 2 has one at 7;
    /// a record's content is its offset times 100.
    fn compared(rows: impl IntoIterator<Item = (i32, i64, u64)>) -> HistoryReport {
        compared_with(rows, &|_, _| 1)
    }

    fn compared_with(
        rows: impl IntoIterator<Item = (i32, i64, u64)>,
        copies: &dyn Fn(i32, i64) -> u64,
    ) -> HistoryReport {
        let record = |offset: i64| CommittedRecord { offset, content: offset as u64 * 100 };
        let committed = Committed::from([
            (0, (0..10).filter(|&offset| offset != 4).map(record).collect()),
            (2, vec![record(7)]),
        ]);
        let mut comparison = Comparison::new(committed, copies);
        for (partition, offset, content) in rows {
            comparison.row(TableRow { partition, offset, content });
        }
        comparison.report()
    }

    fn right_rows() -> Vec<(i32, i64, u64)> {
        let mut rows: Vec<_> = (0..10).rev().map(|offset| (0, offset, offset as u64 * 100)).collect();
        rows.retain(|&(_, offset, _)| offset != 4);
        rows.push((2, 7, 700));
        rows
    }

    fn problems(report: &HistoryReport) -> [u64; 4] {
        [report.missing, report.duplicated, report.foreign, report.different]
    }

    #[test]
    fn the_same_rows_in_any_order_are_exactly_once() {
        let report = compared(right_rows());
        assert_eq!(problems(&report), [0; 4]);
        assert_eq!((report.committed_records, report.table_rows), (10, 10));
        report.assert_exactly_once(10);
    }

    #[test]
    fn a_lost_row_is_missing() {
        let mut rows = right_rows();
        rows.pop();
        let report = compared(rows);
        assert_eq!(problems(&report), [1, 0, 0, 0]);
        let example = Example { problem: Problem::Missing, partition: 2, offset: 7 };
        assert_eq!(report.examples, [example]);
        assert!(!report.is_exactly_once());
    }

    #[test]
    fn a_row_twice_is_duplicated_and_thrice_counts_twice() {
        let mut rows = right_rows();
        rows.extend([(0, 3, 300), (0, 3, 300)]);
        assert_eq!(problems(&compared(rows)), [0, 2, 0, 0]);
    }

    #[test]
    fn records_that_were_asked_for_again_are_there_twice_and_the_others_once() {
        let again = |partition, offset| if partition == 0 && offset >= 8 { 2 } else { 1 };
        assert_eq!(problems(&compared_with(right_rows(), &again)), [2, 0, 0, 0]);
        let mut rows = right_rows();
        rows.extend([(0, 8, 800), (0, 9, 900)]);
        assert_eq!(problems(&compared_with(rows.clone(), &again)), [0; 4]);
        rows.push((0, 7, 700));
        assert_eq!(problems(&compared_with(rows, &again)), [0, 1, 0, 0]);
    }

    #[test]
    fn a_row_of_an_aborted_or_unknown_record_is_foreign() {
        let mut rows = right_rows();
        rows.extend([(0, 4, 400), (0, 10, 0), (1, 0, 0)]);
        assert_eq!(problems(&compared(rows)), [0, 0, 3, 0]);
    }

    #[test]
    fn a_row_with_other_content_is_different() {
        let mut rows = right_rows();
        rows[0].2 += 1;
        let report = compared(rows);
        assert_eq!(problems(&report), [0, 0, 0, 1]);
        assert!(report.to_string().contains("different                    1  0@9"), "{report}");
    }

    #[test]
    #[should_panic(expected = "duplicated                   1  2@7")]
    fn a_test_fails_with_the_table() {
        let mut rows = right_rows();
        rows.push((2, 7, 700));
        compared(rows).assert_exactly_once(10);
    }

    #[test]
    #[should_panic(expected = "committed records           10")]
    fn a_topic_that_is_emptier_than_expected_fails_too() {
        compared(right_rows()).assert_exactly_once(11);
    }

    #[test]
    fn examples_are_few() {
        let report = compared([]);
        assert_eq!(report.missing, 10);
        assert_eq!(report.examples.len(), EXAMPLES_PER_PROBLEM);
    }
}
