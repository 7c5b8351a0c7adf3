//! What came of it: a line per kind.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::kind::Kind;
use crate::sink::Outcome;

/// The outcome of one kind.
#[derive(Clone, Debug)]
pub struct Row {
    pub kind: Kind,
    /// How long after each fault everything had landed.
    pub resumed: Vec<Duration>,
    /// Codes of tasks that had to be restarted.
    pub restarts: Vec<String>,
    rows: u64,
    missing: u64,
    doubled: u64,
    foreign: u64,
    letters: u64,
    says: String,
}

impl Row {
    /// Nothing has happened yet.
    pub fn new(kind: Kind) -> Row {
        Row {
            kind,
            resumed: Vec::new(),
            restarts: Vec::new(),
            rows: 0,
            missing: 0,
            doubled: 0,
            foreign: 0,
            letters: 0,
            says: String::new(),
        }
    }

    /// Adds what a check has found.
    pub fn add(&mut self, outcome: Outcome) {
        self.rows += outcome.rows;
        self.missing += outcome.missing;
        self.doubled += outcome.doubled;
        self.foreign += outcome.foreign;
        self.letters += outcome.letters;
        self.says += &outcome.says;
    }

    /// Whether every record was where it belongs, once.
    pub fn is_kept(&self) -> bool {
        self.missing + self.doubled + self.foreign == 0
    }

    /// The line of the table, and what is wrong below it.
    pub fn line(&self) -> String {
        let (p50, max) = self.p50_and_max();
        let mut line = format!(
            "{:<20}{:>6}{:>9.1}{:>8.1}{:>11}{:>9}{:>9}{:>9}{:>9}{:>10}",
            self.kind.name(),
            self.resumed.len(),
            p50.as_secs_f64(),
            max.as_secs_f64(),
            self.rows,
            self.letters,
            self.missing,
            self.doubled,
            self.foreign,
            self.restarts.len(),
        );
        if !self.says.is_empty() {
            line += &format!("\n{}", self.says);
        }
        line
    }

    fn p50_and_max(&self) -> (Duration, Duration) {
        let mut sorted = self.resumed.clone();
        sorted.sort();
        let p50 = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
        (p50, sorted.last().copied().unwrap_or_default())
    }
}

/// The lines.
#[derive(Default)]
pub struct Report {
    rows: BTreeMap<Kind, Row>,
}

/// What the columns are.
pub const HEAD: &str =
    "kind                faults  p50 [s] max [s]  rows seen  letters  missing  doubled  foreign  restarts";

impl Report {
    /// Adds a phase to those of its kind.
    pub fn add(&mut self, row: Row) {
        match self.rows.get_mut(&row.kind) {
            None => drop(self.rows.insert(row.kind, row)),
            Some(known) => {
                known.resumed.extend(row.resumed);
                known.restarts.extend(row.restarts);
                // The check looks at the whole history each time: its last count is the one that counts.
                (known.rows, known.letters) = (row.rows, row.letters);
                known.missing += row.missing;
                known.doubled += row.doubled;
                known.foreign += row.foreign;
                known.says += &row.says;
            }
        }
    }

    /// The table.
    pub fn text(&self) -> String {
        let mut text = format!("{HEAD}\n");
        for row in self.rows.values() {
            text += &format!("{}\n", row.line());
        }
        let faults: usize = self.rows.values().map(|row| row.resumed.len()).sum();
        let mut codes: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
        for row in self.rows.values() {
            for code in &row.restarts {
                *codes.entry(code).or_default().entry(row.kind.name()).or_default() += 1;
            }
        }
        text += &format!("{faults} faults of {} kinds\n", self.rows.len());
        for (code, kinds) in codes {
            text += &format!("tasks that stopped with {code} and were restarted: {kinds:?}\n");
        }
        text
    }

    /// Kinds that kept the promise, and such that did not.
    pub fn counts(&self) -> (usize, usize) {
        let kept = self.rows.values().filter(|row| row.is_kept()).count();
        (kept, self.rows.len() - kept)
    }
}
