//! What the quickstart says at its end, and whether all of it is as promised.

use std::fmt::Write;
use std::time::Duration;

use pumphouse_testkit::filling::FillReport;
use pumphouse_testkit::history::HistoryReport;

/// All that was found out.
pub struct Report {
    /// What the producer wrote.
    pub filled: FillReport,
    /// The full-history check.
    pub history: HistoryReport,
    /// SIGKILLs.
    pub kills: u32,
    /// Positions between the committed offsets and the ends of the log, over all partitions.
    pub lag: i64,
    /// From the worker's first start to the last row.
    pub took: Duration,
    /// Rows in the best second.
    pub best_second_rows: u64,
    /// A query's result, as a table.
    pub sample: String,
}

impl Report {
    /// Whether every committed record is in the table once and the committed offsets say so.
    pub fn is_right(&self) -> bool {
        self.history.is_exactly_once()
            && self.history.committed_records == self.filled.committed_records
            && self.history.committed_records > 0
            && self.filled.aborted_records > 0
            && self.kills > 0
            && self.lag == 0
    }

    /// The report as text.
    pub fn text(&self) -> String {
        let history = &self.history;
        let rows_per_second = (history.table_rows as f64 / self.took.as_secs_f64()) as u64;
        let lines = [
            ("committed records", grouped(history.committed_records), ""),
            ("rows in the table", grouped(history.table_rows), ""),
            ("missing", grouped(history.missing), ""),
            ("duplicates", grouped(history.duplicated), ""),
            ("foreign rows", grouped(history.foreign), "  (aborted records that leaked, rows of no record)"),
            ("other content", grouped(history.different), "  (hash over all columns of the row)"),
            (
                "aborted records",
                grouped(self.filled.aborted_records),
                "  (in the topic; none may be in the table)",
            ),
            (
                "worker killed",
                grouped(u64::from(self.kills)),
                "  times with SIGKILL, while rows were landing",
            ),
            ("lag", self.lag.to_string(), "  (committed offsets to the ends of the log)"),
            (
                "rows/s",
                grouped(rows_per_second),
                "  (whole run: paced producer, kills and restarts included)",
            ),
            ("rows/s, best", grouped(self.best_second_rows), "  (best second)"),
        ];
        let mut text = String::new();
        for (name, value, remark) in lines {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {name:<18}{value:>10}{remark}");
        }
        if !history.is_exactly_once() {
            let _ = writeln!(text, "\nWhere (partition@offset):\n{history}");
        }
        let _ = writeln!(text, "\n{}", self.sample.trim_end());
        let verdict = if self.is_right() {
            "Every committed record is in the table exactly once."
        } else {
            "SOMETHING IS OFF: see the numbers above."
        };
        let _ = write!(text, "\n{verdict}");
        text
    }
}

/// 336776 as 336,776.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn right() -> Report {
        Report {
            filled: FillReport { committed_records: 10, aborted_records: 2, ..FillReport::default() },
            history: HistoryReport { committed_records: 10, table_rows: 10, ..HistoryReport::default() },
            kills: 4,
            lag: 0,
            took: Duration::from_secs(2),
            best_second_rows: 7,
            sample: "UA 58,665".to_owned(),
        }
    }

    #[test]
    fn anything_off_is_off() {
        assert!(right().is_right() && right().text().ends_with("exactly once."));
        let spoilers: [fn(&mut Report); 8] = [
            |report| report.history.missing = 1,
            |report| report.history.duplicated = 1,
            |report| report.history.foreign = 1,
            |report| report.history.different = 1,
            |report| report.filled.committed_records = 11,
            |report| report.filled.aborted_records = 0,
            |report| report.kills = 0,
            |report| report.lag = 1,
        ];
        for (place, spoil) in spoilers.into_iter().enumerate() {
            let mut report = right();
            spoil(&mut report);
            assert!(!report.is_right() && report.text().contains("OFF"), "spoiler {place}");
        }
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(
            [0, 12, 999, 1_000, 336_776, 1_234_567].map(grouped),
            ["0", "12", "999", "1,000", "336,776", "1,234,567"]
        );
    }
}
