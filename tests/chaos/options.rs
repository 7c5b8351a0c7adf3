//! The command line.

use std::collections::BTreeMap;
use std::time::Duration;

use pumphouse_tests::Engine;

use crate::kind::Kind;
use crate::trouble::Result;

/// Shown for a word that nobody knows.
const USAGE: &str = "chaos [--seconds N] [--seed S] [--workers 1..3] [--engine plain|replicated|both] \
                     [--ledger kafka|keepermap|both] [--only KIND]... [--times N] [--set OPTION=VALUE]... [--full-disk] [--kinds]";

/// The seed of a run that is not given one, so that the tests try the same faults each time.
const SEED: u64 = 77;

/// Faults of each kind in one round.
const TIMES: u32 = 3;

/// Where a connector keeps its ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ledger {
    Kafka,
    KeeperMap,
}

/// Where the connectors of a run keep theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ledgers {
    /// All in the same place.
    All(Ledger),
    /// In Kafka beside a plain table, in KeeperMap beside a replicated one.
    Both,
}

impl Ledgers {
    /// Of the connector over a table of this engine.
    pub fn of(self, engine: Engine) -> Ledger {
        match (self, engine) {
            (Ledgers::All(ledger), _) => ledger,
            (Ledgers::Both, Engine::Plain) => Ledger::Kafka,
            (Ledgers::Both, Engine::Replicated) => Ledger::KeeperMap,
        }
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Ledgers::All(Ledger::Kafka) => "kafka",
            Ledgers::All(Ledger::KeeperMap) => "keepermap",
            Ledgers::Both => "both",
        }
    }
}

/// What is to be tried.
#[derive(Debug)]
pub struct Options {
    /// Rounds over all kinds are begun for so long; the first one is done in any case.
    pub lasting: Duration,
    /// What everything is drawn from.
    pub seed: u64,
    /// Workers of the group, beside those that come and go.
    pub workers: usize,
    /// The tables, one connector each.
    pub engines: Vec<Engine>,
    /// Where they keep their ledgers.
    pub ledgers: Ledgers,
    /// The kinds of faults.
    pub kinds: Vec<Kind>,
    /// Faults of each kind in one round.
    pub times: u32,
    /// The tables are on a disk of their own, which is really filled; the server may damage its own parts then.
    pub full_disk: bool,
    /// Options of the connectors that are added to, or replace, the suite's own.
    pub connector: BTreeMap<String, String>,
}

/// What the command line asks for.
#[derive(Debug)]
pub enum Asked {
    /// To run.
    Run(Options),
    /// The names of the kinds.
    Kinds,
    /// Nothing of this suite's: `cargo test <filter>` and `--list` reach every test program.
    Nothing,
}

/// Reads the command line.
pub fn read(words: impl Iterator<Item = String>) -> Result<Asked> {
    let mut options = Options {
        lasting: Duration::ZERO,
        seed: SEED,
        workers: 2,
        engines: vec![Engine::Plain, Engine::Replicated],
        ledgers: Ledgers::Both,
        kinds: Vec::new(),
        times: TIMES,
        full_disk: false,
        connector: BTreeMap::new(),
    };
    let mut words = words;
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value\n{USAGE}"));
        match word.as_str() {
            "--seconds" => options.lasting = Duration::from_secs(number(&value()?)?),
            "--seed" => options.seed = number(&value()?)?,
            "--times" => options.times = number(&value()?)?.clamp(1, 1_000) as u32,
            "--workers" => {
                options.workers = number(&value()?)? as usize;
                if !(1..=3).contains(&options.workers) {
                    return Err("--workers is 1, 2 or 3".to_owned());
                }
            }
            "--engine" => options.engines = engines(&value()?)?,
            "--ledger" => options.ledgers = ledgers(&value()?)?,
            "--only" => options.kinds.push(Kind::of_name(&value()?)?),
            "--set" => {
                let text = value()?;
                let (name, value) = text.split_once('=').ok_or_else(|| format!("{text} has no `=`"))?;
                options.connector.insert(name.to_owned(), value.to_owned());
            }
            "--full-disk" => options.full_disk = true,
            "--kinds" => return Ok(Asked::Kinds),
            // What the test harness of cargo is told.
            "--nocapture" | "--quiet" | "--test-threads=1" | "chaos" => {}
            "--list" => return Ok(Asked::Nothing),
            filter if !filter.starts_with('-') => return Ok(Asked::Nothing),
            _ => return Err(format!("{word}: unknown\n{USAGE}")),
        }
    }
    let in_keeper_map = options.engines.iter().any(|&engine| options.ledgers.of(engine) == Ledger::KeeperMap);
    let can_be = |kind: &Kind| in_keeper_map || *kind != Kind::LedgerAnswerLost;
    if let Some(kind) = options.kinds.iter().find(|&kind| !can_be(kind)) {
        return Err(format!("{}: no ledger is in KeeperMap", kind.name()));
    }
    if options.kinds.is_empty() {
        options.kinds = Kind::ALL.iter().copied().filter(can_be).collect();
    }
    Ok(Asked::Run(options))
}

fn number(text: &str) -> Result<u64> {
    text.parse().map_err(|_| format!("{text:?} is no number\n{USAGE}"))
}

fn ledgers(text: &str) -> Result<Ledgers> {
    let all = [Ledgers::All(Ledger::Kafka), Ledgers::All(Ledger::KeeperMap), Ledgers::Both];
    let named = all.into_iter().find(|ledgers| ledgers.name() == text);
    named.ok_or_else(|| format!("{text} is no ledger\n{USAGE}"))
}

fn engines(text: &str) -> Result<Vec<Engine>> {
    match text {
        "plain" => Ok(vec![Engine::Plain]),
        "replicated" => Ok(vec![Engine::Replicated]),
        "both" => Ok(vec![Engine::Plain, Engine::Replicated]),
        other => Err(format!("{other} is no engine\n{USAGE}")),
    }
}
