//! A small script language around one task: what happens to it, and what it then asks for.
//!
//! A script is a list of steps divided by `;`. What stands behind `|` is observed: `check` compares
//! the actions that it led to. Partitions are written `p0` (topic `t`) or `u/p0` (topic `u`).
//! Tokens get letters in the order in which they are first seen, so `insert A #2` is the second
//! attempt with the first token. Readings of the table are answered at once and not shown, nor is a
//! fetch of nothing, nor that a settled batch's block is released, nor what the next write is foreseen to say.
mod answers;
mod texts;

use std::collections::BTreeMap;

use pumphouse_types::{
    BatchId, ConfigVersion, DedupToken, Millis, Offset, OffsetRange, OffsetsHash, Partition, QuestionId,
    ServerMillis, TableUuid, TopicId, TopicName, TopicPartition,
};

use crate::{
    Action, Batch, BatchRange, Decision, Entry, Event, StoredEntry, TableEngine, TableFacts, TableSeen, Task,
    TaskOptions,
};

/// The server's clock when the process's own stands at 0.
pub const SERVER_EPOCH_MS: u64 = 1_700_000_000_000;

/// When a script begins, on the process's clock.
const START_MS: u64 = 1_000;

/// Runs `script`; the actions of the steps behind `|` must read as `expected`.
#[track_caller]
pub fn check(script: &str, expected: &str) {
    let (before, observed) = script.split_once('|').unwrap_or(("", script));
    let mut stage = Stage::new();
    stage.run(before);
    stage.shown.clear();
    stage.run(observed);
    assert_eq!(stage.shown.join("; "), expected, "after: {script}");
}

pub fn offset(value: i64) -> Offset {
    Offset::new(value).unwrap()
}

/// `p3`, `u/p3`.
pub fn tp(text: &str) -> TopicPartition {
    let (topic, partition) = text.split_once('/').unwrap_or(("t", text));
    let number = partition.strip_prefix('p').and_then(|n| n.parse().ok());
    TopicPartition {
        topic: TopicName::new(topic),
        partition: Partition(number.unwrap_or_else(|| panic!("not a partition: {text}"))),
    }
}

fn name(tp: &TopicPartition) -> String {
    match tp.topic.as_str() {
        "t" => format!("p{}", tp.partition),
        topic => format!("{topic}/p{}", tp.partition),
    }
}

/// Range and hash of a share without gaps.
pub fn share(first: i64, end: i64) -> BatchRange {
    let hash = (first..end).fold(OffsetsHash::EMPTY, |hash, o| hash.push(offset(o)));
    let range = OffsetRange::new(offset(first), offset(end)).unwrap();
    BatchRange { range, rows: range.positions(), hash, left_out: 0 }
}

pub fn facts(engine: TableEngine) -> TableFacts {
    TableFacts {
        name: "db.events".into(),
        uuid: TableUuid(1),
        engine,
        server_version: "26.7.1".into(),
        server_started: ServerMillis(SERVER_EPOCH_MS - 1_000_000),
        window_blocks: 10_000,
        window_ms: match engine {
            TableEngine::Replicated => Some(3_600_000),
            TableEngine::Plain => None,
        },
        blocks: Some(100),
        definition: 5,
        has_views: false,
        pure_checks: false,
        server_now: ServerMillis(SERVER_EPOCH_MS),
        read_at: Millis(0),
    }
}

pub struct Stage {
    pub task: Task,
    pub shown: Vec<String>,
    /// What writes were foreseen to say, oldest first.
    pub foreseen: Vec<BTreeMap<TopicPartition, StoredEntry>>,
    now: Millis,
    /// Of the table that the topics go to.
    facts: TableFacts,
    /// The table that they went to before, while it is there.
    earlier: Option<TableFacts>,
    server_silent: bool,
    config: ConfigVersion,
    topic_ids: BTreeMap<TopicName, TopicId>,
    ledger: BTreeMap<TopicPartition, StoredEntry>,
    /// Asked for and not answered yet, oldest first.
    asked: Vec<Action>,
    tokens: Vec<DedupToken>,
    opened: u128,
}

impl Stage {
    pub fn new() -> Stage {
        Stage::with_rows_max(10)
    }

    pub fn with_rows_max(batch_rows_max: u64) -> Stage {
        Stage {
            task: Task::new(TaskOptions { batch_rows_max, ..TaskOptions::for_tests() }),
            shown: Vec::new(),
            foreseen: Vec::new(),
            now: Millis(START_MS),
            facts: facts(TableEngine::Replicated),
            earlier: None,
            server_silent: false,
            config: ConfigVersion(1),
            topic_ids: [("t", 1), ("u", 2), ("v", 3)]
                .map(|(topic, id)| (TopicName::new(topic), TopicId(id)))
                .into(),
            ledger: BTreeMap::new(),
            asked: Vec::new(),
            tokens: Vec::new(),
            opened: 0,
        }
    }

    pub fn run(&mut self, script: &str) {
        for step in script.split(';').map(str::trim).filter(|step| !step.is_empty()) {
            let words: Vec<&str> = step.split_whitespace().collect();
            self.step(words[0], &words[1..]);
        }
    }

    fn step(&mut self, verb: &str, args: &[&str]) {
        match verb {
            "plain-table" | "views" | "pure-checks" | "table" | "restart" | "silent" | "config"
            | "topic-id" | "gone" | "mapped" | "renamed" | "dropped" => {
                self.change_world(verb, args);
            }
            "mark" | "foreign-tool" | "old-topic" | "garbage" | "open" | "no-entry" => {
                self.change_ledger(verb, args);
            }
            "at-least-once" | "tolerate-none" | "retry-timeout" | "decide" | "decide-open"
            | "decide-orphan" => {
                self.change_options(verb, args);
            }
            "recorded" | "not-recorded" | "fenced" | "unknown-write" | "refused-write" | "other-topic" => {
                self.answer_write(verb);
            }
            "accepted" | "lost-answer" | "overload" | "too-late" | "bad-data" | "bad-first"
            | "bad-fourth" | "no-table" | "no-right" | "busy" => self.answer_insert(verb),
            "assign" => {
                let partitions = args.iter().map(|arg| tp(arg)).collect();
                self.hear(Event::Assigned { partitions });
            }
            "claimed" | "started" | "entries" | "re-read" | "re-read-fewer" | "re-read-other"
            | "re-read-nothing" | "settled" | "confirmed" => self.answer(verb),
            "found" | "finished" | "unclear" | "unclear-found" | "some-found" => {
                self.answer_evidence(verb, args)
            }
            // Assigned, claimed, started where no entry is, and those entries written.
            "claim" => {
                self.step("assign", args);
                self.step("claimed", &[]);
                if self.asked.iter().any(|a| matches!(a, Action::AskStartOffsets { .. })) {
                    self.step("started", &[]);
                }
                while self.asked.iter().any(|a| matches!(a, Action::Record { .. })) {
                    self.step("recorded", &[]);
                }
            }
            "fill" => self.fill(&tp(args[0]), args[1].parse().unwrap(), 1),
            "leave-out" => self.leave_out(&tp(args[0])),
            "fill-bytes" => self.fill(&tp(args[0]), 1, args[1].parse().unwrap()),
            "pass" => {
                let (tp, to) = (tp(args[0]), offset(args[1].parse().unwrap()));
                self.task.positioned(&tp.topic, tp.partition, to, self.now);
            }
            "waits" => {
                let tp = tp(args[0]);
                self.task.waits(&tp.topic, args[1].parse().unwrap());
            }
            "takes" => assert!(self.takes(args[0]), "{} is taken", args[0]),
            "refuses" => assert!(!self.takes(args[0]), "{} is not taken", args[0]),
            "wait" => {
                self.now = self.now.plus(args[0].parse().unwrap());
                self.hear(Event::Tick);
            }
            "revoke" => self.hear(Event::Revoking),
            "lost" => self.hear(Event::Lost),
            "stop" => self.hear(Event::StopRequested),
            "topic-ids" => {
                let (claim, topic_ids) = (self.task.claim(), self.topic_ids.clone());
                self.hear(Event::TopicIds { claim, topic_ids });
            }
            other => panic!("no such step: {other}"),
        }
    }

    fn change_world(&mut self, verb: &str, args: &[&str]) {
        match verb {
            "plain-table" => self.facts = facts(TableEngine::Plain),
            "views" => self.facts.has_views = true,
            "pure-checks" => self.facts.pure_checks = true,
            "restart" => self.facts.server_started = self.facts.server_started.plus(500_000),
            "silent" => self.server_silent = true,
            // The topics go to another table from now on, with another configuration.
            "mapped" => {
                self.earlier = Some(self.facts.clone());
                self.facts = TableFacts { name: "db.other".into(), uuid: TableUuid(2), ..self.facts.clone() };
                self.config = ConfigVersion(self.config.0 + 1);
            }
            "renamed" => self.facts.name = "db.other".into(),
            "dropped" => self.earlier = None,
            "config" => self.config = ConfigVersion(args[0].parse().unwrap()),
            "topic-id" => {
                self.topic_ids.insert(TopicName::new(args[0]), TopicId(args[1].parse().unwrap()));
            }
            "gone" => {
                self.topic_ids.remove(&TopicName::new(args[0]));
            }
            _ => match args[0] {
                "blocks" => self.facts.blocks = args[1].parse().ok(),
                "window-ms" => self.facts.window_ms = args[1].parse().ok(),
                "definition" => self.facts.definition = args[1].parse().unwrap(),
                "uuid" => self.facts.uuid = TableUuid(args[1].parse().unwrap()),
                other => panic!("no such fact: {other}"),
            },
        }
    }

    /// Before anything else: the task is another one.
    fn change_options(&mut self, verb: &str, args: &[&str]) {
        let mut options = self.task.options.clone();
        match verb {
            "at-least-once" => options.exactly_once = false,
            "tolerate-none" => options.leaves_out = false,
            "retry-timeout" => options.retry_timeout_ms = args[0].parse().ok(),
            _ => {
                let decision = match args[0] {
                    "landed" => Decision::Landed,
                    "again" => Decision::Again,
                    _ => Decision::Missing,
                };
                let question = match verb {
                    // About the first batch, as it is opened at the beginning.
                    "decide" => {
                        let opened = ServerMillis(SERVER_EPOCH_MS).plus(START_MS);
                        let ranges = args.get(1).unwrap_or(&"0:90..92");
                        QuestionId::about(DedupToken(2_001), opened.plus(30_000), ranges)
                    }
                    // About what p0 carries.
                    "decide-open" => match Entry::parse(Partition(0), &self.ledger[&tp("p0")]).unwrap() {
                        Entry::Lead(batch) => {
                            let whole = batch.by_evidence || batch.piece_end.is_none();
                            let ranges = if whole { batch.ranges_text() } else { batch.piece_ranges_text() };
                            QuestionId::about(batch.token, batch.deadline, &ranges)
                        }
                        other => panic!("nothing is open: {other:?}"),
                    },
                    // Orphaned shares go by their batch's id.
                    _ => QuestionId::about_shares(BatchId(1_001), args[1]),
                };
                options.decisions.insert(question, decision);
            }
        }
        self.task = Task::new(options);
    }

    fn change_ledger(&mut self, verb: &str, args: &[&str]) {
        let (own, earlier) = (self.topic_ids[&tp(args[0]).topic], TopicId(99));
        match verb {
            "no-entry" => drop(self.ledger.remove(&tp(args[0]))),
            "mark" => {
                let entry = Entry::plain(offset(args[1].parse().unwrap()), own);
                self.ledger.insert(tp(args[0]), entry.to_stored());
            }
            "foreign-tool" | "garbage" => {
                let metadata = match verb {
                    "garbage" => "{\"pumphouse\":9}",
                    _ => "set by hand",
                };
                let offset = offset(args[1].parse().unwrap());
                self.ledger.insert(tp(args[0]), StoredEntry { offset, metadata: metadata.into() });
            }
            "old-topic" => self.open(args, earlier),
            _ => self.open(args, own),
        }
    }

    /// `open p0 90..120 p1 5..9`: the entries of a batch of the current configuration and table.
    fn open(&mut self, args: &[&str], topic_id: TopicId) {
        self.opened += 1;
        let mut ranges = BTreeMap::new();
        for pair in args.chunks(2) {
            let (first, end) = pair[1].split_once("..").unwrap();
            let share = share(first.parse().unwrap(), end.parse().unwrap());
            ranges.insert(tp(pair[0]).partition, share);
        }
        let batch = Batch {
            id: BatchId(1_000 + self.opened),
            token: DedupToken(2_000 + self.opened),
            topic_id,
            ranges,
            table: TableSeen::from_facts(&self.facts),
            first_recorded: self.server_now(),
            deadline: self.server_now().plus(30_000),
            config_version: self.config,
            piece_end: None,
            by_evidence: false,
        };
        self.letter(batch.token);
        for partition in batch.ranges.keys() {
            let tp = TopicPartition { topic: TopicName::new("t"), partition: *partition };
            self.ledger.insert(tp, Entry::of_batch(&batch, *partition).to_stored());
        }
    }

    fn takes(&mut self, text: &str) -> bool {
        let tp = tp(text);
        self.task.takes(&tp.topic, tp.partition)
    }

    pub fn fill(&mut self, tp: &TopicPartition, rows: i64, bytes: u64) {
        assert!(self.task.takes(&tp.topic, tp.partition), "{tp} is not taken");
        let first = self.task.expected(&tp.topic, tp.partition).unwrap().get();
        let offsets: Vec<Offset> = (first..first + rows).map(offset).collect();
        self.task.filled(&tp.topic, tp.partition, &offsets, bytes, self.now);
        self.perform();
    }

    fn leave_out(&mut self, tp: &TopicPartition) {
        assert!(self.task.takes(&tp.topic, tp.partition), "{tp} is not taken");
        let at = self.task.expected(&tp.topic, tp.partition).unwrap();
        self.task.left_out(&tp.topic, tp.partition, at, 1, self.now);
        self.perform();
    }

    /// Takes one record at `at`, far behind what is expected.
    pub fn fill_far(&mut self, tp: &TopicPartition, at: i64) {
        self.task.filled(&tp.topic, tp.partition, &[offset(at)], 1, self.now);
        self.perform();
    }

    pub fn now_ms(&self) -> u64 {
        self.now.0
    }

    pub fn last_asked(&self, wanted: impl Fn(&Action) -> bool) -> &Action {
        self.asked.iter().rfind(|action| wanted(action)).expect("it was asked for")
    }

    fn server_now(&self) -> ServerMillis {
        ServerMillis(SERVER_EPOCH_MS).plus(self.now.0)
    }

    /// What the server says now of the table of this name, if it is there.
    fn facts_of(&self, name: &str) -> Option<TableFacts> {
        let facts =
            [Some(&self.facts), self.earlier.as_ref()].into_iter().flatten().find(|f| f.name == name)?;
        Some(TableFacts { server_now: self.server_now(), read_at: self.now, ..facts.clone() })
    }

    fn hear(&mut self, event: Event) {
        self.task.hear(event, self.now);
        self.perform();
    }

    /// Shows what the task asks for, and keeps what is to be answered.
    fn perform(&mut self) {
        let mut identified = Vec::new();
        for action in self.task.take_actions() {
            if let Action::Inspect { claim, topic, table } = action {
                if !self.server_silent {
                    let name = table.unwrap_or_else(|| self.facts.name.clone());
                    self.hear(match self.facts_of(&name) {
                        Some(facts) => {
                            // The earlier table's recipe is the one before.
                            let version =
                                if name == self.facts.name { self.config.0 } else { self.config.0 - 1 };
                            Event::Inspected { claim, topic, facts, config_version: ConfigVersion(version) }
                        }
                        None => Event::TableGone { claim, topic, table: name },
                    });
                }
                continue;
            }
            // The brokers answer at once.
            if let Action::Identify { claim, topic, batch } = action {
                let topic_id = self.topic_ids.get(&topic).copied();
                identified.push(Event::Identified { claim, topic, batch, topic_id });
                continue;
            }
            if let Action::Foresee { entries, .. } = action {
                self.foreseen.push(entries);
                continue;
            }
            if matches!(&action, Action::Fetch { positions } if positions.is_empty())
                || matches!(&action, Action::Release { .. })
            {
                continue;
            }
            let text = self.text(&action);
            self.shown.push(text);
            self.asked.push(action);
        }
        for event in identified {
            self.hear(event);
        }
    }

    /// Takes out the oldest unanswered action that `wanted` likes.
    fn take(&mut self, wanted: impl Fn(&Action) -> bool, what: &str) -> Action {
        let at = self.asked.iter().position(wanted);
        self.asked.remove(at.unwrap_or_else(|| panic!("nothing to answer with {what}")))
    }
}
