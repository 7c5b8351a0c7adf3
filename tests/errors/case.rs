//! Trouble as its page in docs/errors describes it, and the page's remedy. Many connectors share a worker, so
//! that a suite of them takes two starts: one that stops with the codes, one that delivers everything once.
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use pumphouse_testkit::DATABASE;
use pumphouse_tests::{Corner, Worker, WorkerOptions, bed};

const LIMIT: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// As the value of an option: it is not given.
pub const REMOVED: &str = "(removed)";

/// Three records, and what most tables have of them.
pub const NUMBERS: &[&str] = &[r#"{"n":1}"#, r#"{"n":2}"#, r#"{"n":3}"#];

/// Where the trouble shows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    /// In the `trace` of a connector or task that is FAILED.
    InStatus,
    /// In the log of a process that ends at once.
    AtTheEnd,
}

/// In SQL and values `{t}` stands for the topic's table, `{o}` for another one, `{d}` for the database.
pub struct Case {
    /// What is to be seen.
    pub code: &'static str,
    /// Where.
    pub shows: Shows,
    /// Statements beforehand.
    pub given: &'static [&'static str],
    /// What else is done beforehand.
    pub given_by: fn(&Corner<'_>),
    /// Options of the connector.
    pub options: &'static [(&'static str, &'static str)],
    /// What is written.
    pub records: &'static [&'static str],
    /// The remedy's statements; `(message)` is the ALTER TABLE of the message.
    pub sql: &'static [&'static str],
    /// What else the remedy does.
    pub done: fn(&Corner<'_>),
    /// Options that the remedy changes.
    pub set: &'static [(&'static str, &'static str)],
    /// The table that is filled in the end.
    pub into: &'static str,
    /// The rows that it has then.
    pub rows: u64,
}

impl Case {
    /// A good table for the numbers, and nothing wrong.
    pub const NONE: Case = Case {
        code: "",
        shows: Shows::InStatus,
        given: &["CREATE TABLE {t} (n UInt64) ENGINE = MergeTree ORDER BY n {w}"],
        given_by: |_| {},
        options: &[],
        records: NUMBERS,
        sql: &[],
        done: |_| {},
        set: &[],
        into: "{t}",
        rows: 3,
    };
}

/// A case with its corner.
struct Tried<'c> {
    case: &'c Case,
    corner: Option<Corner<'static>>,
    said: String,
}

impl Tried<'_> {
    fn corner(&self) -> &Corner<'static> {
        self.corner.as_ref().expect("it is only away while it is changed")
    }

    fn text(&self, text: &str) -> String {
        let table = &self.corner().table;
        text.replace("{t}", table)
            .replace("{o}", &format!("{table}_other"))
            .replace("{d}", DATABASE)
            .replace("{w}", "SETTINGS non_replicated_deduplication_window = 10000")
    }

    fn run(&self, statements: &[&str]) {
        for statement in statements {
            let statement = match *statement {
                "(message)" => altering(&self.said),
                other => self.text(other),
            };
            let done = self.corner().sql().run(&statement);
            done.unwrap_or_else(|error| panic!("{}: {statement}: {error}", self.case.code));
        }
    }

    fn set(&mut self, options: &[(&str, &str)]) {
        for (name, value) in options {
            let value = self.text(value);
            let corner = self.corner.take().expect("it is put back below");
            self.corner =
                Some(if value == REMOVED { corner.without(name) } else { corner.with(name, &value) });
        }
    }
}

/// The statement of a PROOF message: up to its end, or to what the list of failures says next.
fn altering(said: &str) -> String {
    let from = said.find("ALTER TABLE").unwrap_or_else(|| panic!("no statement in {said}"));
    let statement = &said[from..];
    let end = statement.find(['\n', ';']).unwrap_or(statement.len());
    statement[..end].to_owned()
}

/// Provokes each, follows its page, and expects every record once.
pub fn try_all(name: &str, cases: &[Case]) {
    let mut tried: Vec<Tried<'_>> = cases.iter().map(|case| prepared(name, case)).collect();
    for each in tried.iter_mut().filter(|each| each.case.shows == Shows::AtTheEnd) {
        let mut worker = each.corner().worker(&WorkerOptions::called("alone"));
        each.said = worker.wait_refused();
        assert!(each.said.contains(each.case.code), "{} is not in {}", each.case.code, each.said);
    }
    provoke(&mut tried);
    for each in &mut tried {
        let case = each.case;
        each.run(case.sql);
        (case.done)(each.corner());
        each.set(case.set);
    }
    let corners: Vec<&Corner<'_>> = tried.iter().map(Tried::corner).collect();
    let mut worker = Worker::of(&corners, &WorkerOptions::called("mended"));
    let begun = Instant::now();
    while let Err(lacks) = delivered(&tried, &worker) {
        assert!(begun.elapsed() < LIMIT && worker.is_running(), "{lacks}\n{}", worker.log());
        std::thread::sleep(LOOK_EVERY);
    }
    assert!(worker.stop().success(), "{}", worker.log());
    delivered(&tried, &worker).unwrap();
}

fn prepared<'c>(name: &str, case: &'c Case) -> Tried<'c> {
    let prefix = format!("{name}_{}", case.code.replace('-', "_").to_lowercase());
    let corner = Corner::new(bed(), &prefix, 1).with_small_batches(100, 50);
    let mut each = Tried { case, corner: Some(corner), said: String::new() };
    each.set(case.options);
    each.run(case.given);
    (case.given_by)(each.corner());
    each.corner().write_json(case.records);
    each
}

/// One worker runs them all until each code was seen.
fn provoke(tried: &mut [Tried<'_>]) {
    let shows = tried.iter().map(|each| each.case.shows).enumerate();
    let mut waiting: BTreeSet<usize> =
        shows.filter(|(_, shows)| *shows == Shows::InStatus).map(|(at, _)| at).collect();
    if waiting.is_empty() {
        return;
    }
    let corners: Vec<&Corner<'_>> = waiting.iter().map(|at| tried[*at].corner()).collect();
    let mut worker = Worker::of(&corners, &WorkerOptions::called("troubled"));
    let begun = Instant::now();
    while !waiting.is_empty() {
        waiting.retain(|at| {
            let each = &mut tried[*at];
            let Some(trace) = worker.failure_of(&each.corner().connector) else { return true };
            assert!(trace.contains(each.case.code), "{} is not in {trace}", each.case.code);
            each.said = trace;
            false
        });
        let left: Vec<&str> = waiting.iter().map(|at| tried[*at].case.code).collect();
        assert!(begun.elapsed() < LIMIT && worker.is_running(), "not seen: {left:?}\n{}", worker.log());
        std::thread::sleep(LOOK_EVERY);
    }
    for each in tried.iter().filter(|each| each.case.shows == Shows::InStatus) {
        let none = each.corner().sql().number(&format!("SELECT count() FROM {}", each.text(each.case.into)));
        let bad = each.case.rows + 1;
        assert!(none.is_err() || none.unwrap() < bad as i64, "{}: rows went on", each.case.code);
    }
    assert!(worker.stop().success(), "{}", worker.log());
}

/// Errors: what is not there yet, or too often.
fn delivered(tried: &[Tried<'_>], worker: &Worker) -> Result<(), String> {
    let mut lacks = Vec::new();
    for each in tried {
        let table = each.text(each.case.into);
        let rows = each.corner().sql().number(&format!("SELECT count() FROM {table}"));
        if rows.as_ref().ok() != Some(&(each.case.rows as i64)) {
            let why = worker.failure_of(&each.corner().connector);
            lacks.push(format!("{}: {rows:?} of {} rows; {why:?}", each.case.code, each.case.rows));
        }
    }
    if lacks.is_empty() { Ok(()) } else { Err(lacks.join("\n")) }
}
