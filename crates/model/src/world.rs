//! The state: two tasks and everything around them, as plain data that is copied at every step.
use std::collections::{BTreeMap, BTreeSet};

use pumphouse_delivery::promises::{self, Place, Row};
use pumphouse_delivery::{Entry, Rule, StoredEntry, TableEngine, TableFacts};
use pumphouse_types::{
    ConfigVersion, DedupToken, Millis, Offset, Partition, ServerMillis, TableUuid, TopicId, TopicName,
    TopicPartition,
};

use crate::bounds::{Bounds, Budget};
use crate::edge::{Edge, Notice};
use crate::keeper::Keeper;

/// The server's clock when the model's stands at 0.
const SERVER_EPOCH_MS: u64 = 1_700_000_000_000;

/// Blocks that the table remembers.
pub(crate) const WINDOW_BLOCKS: u64 = 1_000;

/// More than the model's own inserts come to.
const OWN_BLOCKS: u64 = 100;

/// What a process that starts anew has for a start: far from the one before.
const SERVER_LIFE_MS: u64 = 1_000_000;

/// An attempt that has passed the check of its deadline: it may commit at any time, until it is killed.
#[derive(Debug, Clone)]
pub(crate) struct Flight {
    pub task: usize,
    pub claim: pumphouse_delivery::ClaimId,
    pub batch: pumphouse_types::BatchId,
    pub token: DedupToken,
    pub attempt: u32,
    pub rows: Vec<Row>,
    /// Somebody still waits for the answer.
    pub waited_for: bool,
    /// The table's count of blocks when it set out.
    pub sent_at: u64,
}

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Its name.
    pub promise: &'static str,
    /// What was seen.
    pub what: String,
}

/// Everything.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub tasks: Vec<Edge>,
    pub ledger: BTreeMap<Partition, StoredEntry>,
    /// The group's, as the broker has it; a write under another one is refused.
    pub generation: u64,
    pub flights: Vec<Flight>,
    /// How often each record is in the table.
    pub rows: BTreeMap<Row, u64>,
    /// Tokens, and the table's count of blocks when they came.
    pub tokens: BTreeMap<DedupToken, u64>,
    pub blocks: u64,
    pub server_lives: u64,
    pub now: u64,
    pub budget: Budget,
    pub partitions: u32,
    pub records: i64,
    engine: TableEngine,
    /// The window can end, so that it counts how many blocks have come.
    pub blocks_matter: bool,
    /// The ledger is in KeeperMap.
    pub keeper: Option<Keeper>,
    pub sent: BTreeMap<DedupToken, Vec<Row>>,
    pub passed: BTreeMap<u32, i64>,
    pub broken: Option<Broken>,
}

impl World {
    /// Both tasks are told their first assignment: the first one has everything.
    pub fn new(bounds: &Bounds, without: Option<Rule>) -> World {
        let mut world = World {
            tasks: (0..2).map(|number| Edge::new(number, 0, bounds.rows_max, without)).collect(),
            ledger: BTreeMap::new(),
            generation: 1,
            flights: Vec::new(),
            rows: BTreeMap::new(),
            tokens: BTreeMap::new(),
            blocks: 0,
            server_lives: 0,
            now: 0,
            budget: bounds.budget,
            partitions: bounds.partitions,
            records: bounds.records,
            engine: bounds.engine,
            blocks_matter: bounds.budget.half_windows > 0,
            keeper: bounds.keeper.then(|| Keeper::new(without)),
            sent: BTreeMap::new(),
            passed: BTreeMap::new(),
            broken: None,
        };
        let all = world.all_partitions();
        world.tasks[0].notices.push_back(Notice::Assigned { partitions: all, generation: 1 });
        world.tasks[1].notices.push_back(Notice::Assigned { partitions: Vec::new(), generation: 1 });
        world
    }

    pub fn all_partitions(&self) -> Vec<Partition> {
        (0..self.partitions).map(Partition).collect()
    }

    pub fn now(&self) -> Millis {
        Millis(self.now)
    }

    pub fn server_now(&self) -> ServerMillis {
        ServerMillis(SERVER_EPOCH_MS + self.now)
    }

    /// Waits until the server's clock is past a moment.
    pub fn wait_past(&mut self, moment: ServerMillis) {
        self.now = self.now.max(moment.0.saturating_sub(SERVER_EPOCH_MS) + 1);
    }

    pub fn server_started(&self) -> ServerMillis {
        ServerMillis(SERVER_EPOCH_MS - SERVER_LIFE_MS * 100 + SERVER_LIFE_MS * self.server_lives)
    }

    pub fn facts(&self) -> TableFacts {
        TableFacts {
            name: "model.table".to_owned(),
            uuid: TableUuid(1),
            engine: self.engine,
            server_version: "1".to_owned(),
            server_started: self.server_started(),
            window_blocks: WINDOW_BLOCKS,
            window_ms: None,
            blocks: Some(self.blocks),
            definition: 1,
            has_views: false,
            pure_checks: true,
            server_now: self.server_now(),
            read_at: self.now(),
        }
    }

    /// Half a window of other people's blocks comes in, if no attempt that is under way, and none that is about to
    /// follow a look at the table, has seen as much already: A1, and R7's look at the rate of blocks, exclude that.
    pub fn takes_half_a_window(&self) -> bool {
        let looks = self.tasks.iter().filter_map(|edge| edge.looked_at);
        let mut since = self.flights.iter().map(|flight| flight.sent_at).chain(looks);
        since.all(|at| self.blocks + WINDOW_BLOCKS / 2 - at <= WINDOW_BLOCKS / 2 + OWN_BLOCKS)
    }

    pub fn breaks(&mut self, promise: &'static str, what: String) {
        self.broken.get_or_insert(Broken { promise, what });
    }

    /// An attempt sets out.
    pub fn send(&mut self, flight: Flight) {
        let mut rows = flight.rows.clone();
        rows.sort_unstable();
        let before = self.sent.entry(flight.token).or_insert_with(|| rows.clone());
        if !promises::same_rows_per_token(before, &rows, |_| false) {
            let what = format!("token {}: {before:?}, then {rows:?}", flight.token);
            self.breaks("same_rows_per_token", what);
        }
        self.flights.push(flight);
    }

    /// An attempt commits: its rows come in, unless its token is known.
    pub fn commit(&mut self, token: DedupToken, rows: &[Row]) {
        if self.tokens.get(&token).is_some_and(|at| self.blocks - at < WINDOW_BLOCKS) {
            return;
        }
        self.blocks += 1;
        self.tokens.insert(token, self.blocks);
        for row in rows {
            let many = self.rows.entry(*row).or_insert(0);
            *many += 1;
            if !promises::no_row_twice(*many, 1) {
                let what = format!("{row:?} is there {many} times");
                self.breaks("no_row_twice", what);
            }
        }
    }

    /// A ledger write comes about.
    pub fn record(&mut self, entries: &BTreeMap<TopicPartition, StoredEntry>) {
        for (at, entry) in entries {
            self.ledger.insert(at.partition, entry.clone());
        }
        let mut parsed: BTreeMap<Place, Entry> = BTreeMap::new();
        for (partition, stored) in self.ledger.clone() {
            match Entry::parse(partition, &stored) {
                Ok(entry) => drop(parsed.insert((0, partition.0), entry)),
                Err(error) => self.breaks("entries_are_read_back", error.to_string()),
            }
            self.passed_to(partition.0, stored.offset.get());
        }
        if let Err(why) = promises::shares_agree(&parsed, &BTreeSet::new()) {
            self.breaks("shares_agree", why);
        }
    }

    fn passed_to(&mut self, partition: u32, bound: i64) {
        let before = self.passed.insert(partition, bound).unwrap_or(0);
        if !promises::offsets_never_go_back(before, bound) {
            self.breaks("offsets_never_go_back", format!("{partition}: {before}, then {bound}"));
        }
        let lacks = |offset| !self.rows.contains_key(&(partition, offset));
        if let Err(offset) = promises::passed_is_landed(before, bound, lacks) {
            self.breaks(
                "passed_is_landed",
                format!("{partition}: {offset} lies below {bound} and is not there"),
            );
        }
    }
}

/// The one topic.
pub(crate) fn topic() -> TopicName {
    TopicName::new("t")
}

/// Its identity.
pub(crate) const TOPIC_ID: TopicId = TopicId(1);

/// The configuration that fills all blocks.
pub(crate) const CONFIG: ConfigVersion = ConfigVersion(1);

/// A partition of the one topic.
pub(crate) fn place(partition: Partition) -> TopicPartition {
    TopicPartition { topic: topic(), partition }
}

/// An offset of the model's: small, and never below 0.
pub(crate) fn offset(value: i64) -> Offset {
    Offset::new(value).expect("the model's offsets begin at 0")
}
