//! What is tried: how much there is to do, and how much of each kind of trouble there is.
use pumphouse_delivery::{Rule, TableEngine};

/// The bounds of one check. Everything that they allow is tried in every order.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// What it is called.
    pub name: &'static str,
    /// What it looks at.
    pub what: &'static str,
    /// How the table deduplicates.
    pub engine: TableEngine,
    /// The ledger is in KeeperMap, not in Kafka's transactions.
    pub keeper: bool,
    /// Partitions of the topic.
    pub partitions: u32,
    /// Records of each.
    pub records: i64,
    /// Rows of a block.
    pub rows_max: u64,
    /// How much may happen.
    pub budget: Budget,
}

/// How often each kind of trouble may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// The group assigns the partitions anew; members hear of it later.
    pub rebalances: u8,
    /// A task dies; it comes back, or the other one gets its partitions.
    pub task_crashes: u8,
    /// An insert commits, and its answer is lost.
    pub lost_answers: u8,
    /// A client gives an insert up that is still under way, and may commit at any later time.
    pub delayed_inserts: u8,
    /// A ledger write comes about or does not, and its answer is lost; in KeeperMap it may come about later.
    pub unknown_writes: u8,
    /// Half a window of other people's blocks comes in: two of them, and the table has forgotten a token.
    pub half_windows: u8,
    /// The server dies with what is under way; on a plain table a token may be in its log without its part.
    pub server_crashes: u8,
    /// A second passes, for lingering, pauses and polls.
    pub seconds: u8,
}

const QUIET: Budget = Budget {
    rebalances: 0,
    task_crashes: 0,
    lost_answers: 0,
    delayed_inserts: 0,
    unknown_writes: 0,
    half_windows: 0,
    server_crashes: 0,
    seconds: 2,
};

/// The checks that must find nothing.
pub const SCENARIOS: [Bounds; 7] = [
    Bounds {
        name: "owners",
        what: "a batch over two partitions, of which the group scatters the owners, with a lost answer",
        engine: TableEngine::Replicated,
        keeper: false,
        partitions: 2,
        records: 1,
        rows_max: 2,
        budget: Budget { rebalances: 2, lost_answers: 1, seconds: 1, ..QUIET },
    },
    Bounds {
        name: "crash",
        what: "a task dies at any moment, while an insert is delayed and commits late",
        engine: TableEngine::Replicated,
        keeper: false,
        partitions: 2,
        records: 1,
        rows_max: 2,
        budget: Budget { task_crashes: 1, delayed_inserts: 1, ..QUIET },
    },
    Bounds {
        name: "ledger",
        what: "a ledger write of unknown fate, with a rebalance, over three partitions",
        engine: TableEngine::Replicated,
        keeper: false,
        partitions: 3,
        records: 1,
        rows_max: 3,
        budget: Budget { unknown_writes: 1, rebalances: 1, seconds: 1, ..QUIET },
    },
    Bounds {
        name: "keeper",
        what: "the ledger in KeeperMap: a write of unknown fate that may come late, with a rebalance",
        engine: TableEngine::Replicated,
        keeper: true,
        partitions: 2,
        records: 1,
        rows_max: 2,
        budget: Budget { unknown_writes: 1, rebalances: 1, seconds: 1, ..QUIET },
    },
    Bounds {
        name: "batches",
        what: "one batch after the other, with a lost answer and a task that dies",
        engine: TableEngine::Replicated,
        keeper: false,
        partitions: 1,
        records: 2,
        rows_max: 1,
        budget: Budget { lost_answers: 1, task_crashes: 1, ..QUIET },
    },
    Bounds {
        name: "window",
        what: "the table forgets tokens between two attempts",
        engine: TableEngine::Replicated,
        keeper: false,
        partitions: 1,
        records: 1,
        rows_max: 1,
        budget: Budget { lost_answers: 1, task_crashes: 1, half_windows: 3, ..QUIET },
    },
    Bounds {
        name: "server",
        what: "a plain table whose server dies between dedup log and part",
        engine: TableEngine::Plain,
        keeper: false,
        partitions: 2,
        records: 1,
        rows_max: 2,
        budget: Budget { server_crashes: 1, task_crashes: 1, ..QUIET },
    },
];

/// A rule, and the check that finds its absence.
#[derive(Debug, Clone, Copy)]
pub struct Mutation {
    /// The rule that is switched off.
    pub rule: Rule,
    /// Its name.
    pub name: &'static str,
    /// The scenario, by its name.
    pub scenario: &'static str,
    /// The promise that is broken; `assertion` is one of the protocol's own, which stops the task.
    pub broken: &'static str,
}

/// The rules that the model covers. The others (R9, R10, R11, R16, R17) need a source that changes, blocks that are
/// refused, or an operator: the simulator has those.
pub const MUTATIONS: [Mutation; 8] = [
    Mutation { rule: Rule::R1, name: "R1", scenario: "crash", broken: "no_row_twice" },
    Mutation { rule: Rule::R2, name: "R2", scenario: "crash", broken: "no_row_twice" },
    Mutation { rule: Rule::R3, name: "R3", scenario: "batches", broken: "passed_is_landed" },
    Mutation { rule: Rule::R5, name: "R5", scenario: "ledger", broken: "assertion" },
    Mutation { rule: Rule::R5, name: "R5", scenario: "keeper", broken: "assertion" },
    Mutation { rule: Rule::R6, name: "R6", scenario: "crash", broken: "no_row_twice" },
    Mutation { rule: Rule::R7, name: "R7", scenario: "window", broken: "no_row_twice" },
    Mutation { rule: Rule::R8, name: "R8", scenario: "server", broken: "passed_is_landed" },
];
