//! What one seed does to the system: its shape, and how often each thing goes wrong. Each class of
//! fault is on in some seeds and off in others, so that rare meetings of few faults are not drowned.
use pumphouse_delivery::{TableEngine, window_needed_ms};

use crate::rng::Rng;

/// What can be seen of a batch's rows in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lineage {
    /// Lineage columns, and the table keeps every row.
    Complete,
    /// Lineage columns, but rows vanish in merges.
    Merging,
    /// No lineage columns: the query log is all there is.
    None,
}

/// The plan of one run. Chances are in 10,000 for each occasion; an occasion for those that have
/// none of their own (crashes, pauses ...) is 100 ms of one worker.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Processes.
    pub workers: usize,
    /// Topics, each with a table of its own.
    pub topics: usize,
    /// Partitions of each topic.
    pub partitions: u32,
    /// How the tables deduplicate.
    pub engine: TableEngine,
    /// What can be seen of a batch's rows.
    pub lineage: Lineage,
    /// What the tables check depends on nothing but the row and the definition.
    pub pure_checks: bool,
    /// Views hang on the tables: what is refused is refused by them, after the table took its parts.
    pub views: bool,
    /// Parts that a block becomes at most.
    pub table_partitions: u64,
    /// Records that cannot be inserted go to the dead letters.
    pub leaves_out: bool,
    /// Blocks of the tables' windows.
    pub window_blocks: u64,
    /// Time of the tables' windows.
    pub window_ms: Option<u64>,
    /// Whether the windows can be outlived within the run.
    pub tiny_window: bool,
    /// Other writers' blocks per second and table.
    pub foreign_blocks_per_s: u64,
    /// Longest time from the deadline check to the commit.
    pub commit_ms_max: u64,
    /// As in the task's options.
    pub deadline_ms: u64,
    /// As in the task's options.
    pub linger_ms: u64,
    /// As in the task's options.
    pub rows_max: u64,
    /// As in the task's options.
    pub retry_timeout_ms: Option<u64>,
    /// A client waits that long for the answer to an insert.
    pub insert_timeout_ms: u64,
    /// Added to simulated time: the server's clock.
    pub server_clock_ms: u64,
    /// Group session.
    pub session_ms: u64,
    /// Whether members have an instance id.
    pub static_members: bool,
    /// A restarted worker has another identity.
    pub other_identity: u64,
    /// How long faults happen.
    pub faults_ms: u64,
    /// Longest time that a worker is down or stopped.
    pub down_ms_max: u64,
    /// A worker is killed.
    pub crash: u64,
    /// A worker is killed between two actions; for each action.
    pub crash_at_action: u64,
    /// A worker is stopped (SIGSTOP) and continues later.
    pub pause: u64,
    /// A stopped worker is replaced by one of the same identity.
    pub twin: u64,
    /// A worker does not reach the broker for a while.
    pub cut: u64,
    /// A worker is told to stop.
    pub clean_stop: u64,
    /// The group rebalances for no reason of ours.
    pub rebalance: u64,
    /// The fate of a ledger write becomes unknown; for each write.
    pub ledger_unknown: u64,
    /// A ledger write does not come about; for each write.
    pub ledger_not_recorded: u64,
    /// No ledger write comes about for a while: the coordinator moves, or is down.
    pub ledger_outage: u64,
    /// An insert's answer is lost; for each attempt.
    pub answer_lost: u64,
    /// An insert's body takes long; for each attempt.
    pub slow_body: u64,
    /// An insert takes long to commit; for each attempt.
    pub slow_commit: u64,
    /// The server refuses for load; for each attempt.
    pub overload: u64,
    /// The server is not reached for a while.
    pub outage: u64,
    /// The server is killed and starts again.
    pub server_kill: u64,
    /// The server is killed between dedup log and rename; for each block of a plain table.
    pub kill_at_rename: u64,
    /// A server that starts again has another version.
    pub other_version: u64,
    /// The server is killed between two parts of a block; for each part.
    pub kill_between_parts: u64,
    /// An insert fails with an error that may come after some parts are in place; for each part.
    pub bounded: u64,
    /// A record is one that the table refuses; for each record.
    pub poison: u64,
    /// A record cannot be decoded; for each record.
    pub undecodable: u64,
    /// The source loses records of an open batch.
    pub compaction: u64,
    /// A record comes to stand in an open batch where none was.
    pub rewriting: u64,
    /// The connector is stopped, and offsets are set.
    pub resets: u64,
    /// The connector is stopped until the broker has forgotten its offsets.
    pub long_rests: u64,
    /// Who is asked has an answer.
    pub answers: bool,
    /// The table's columns or checks change: blocks are filled by another configuration version.
    pub new_columns: u64,
    /// As ALTER TABLE, twice: a window that is small for a moment. Once in how many occasions.
    pub window_dips: u64,
    /// A topic is to go to its other table.
    pub remaps: u64,
    /// A topic is deleted and created again.
    pub rebirths: u64,
    /// The table's window is shorter than the start-up proof allows.
    pub short_window: bool,
    /// A rebalance takes only what goes to somebody else.
    pub incremental: bool,
    /// Somebody takes the right to insert away for a while.
    pub denied: u64,
    /// The connector delivers at least once: rows may come twice, and none may be lost.
    pub at_least_once: bool,
}

/// `chance` in one of `of` seeds, else 0.
fn sometimes(rng: &mut Rng, of: u64, chance_max: u64) -> u64 {
    if rng.below(of) == 0 { rng.between(1, chance_max) } else { 0 }
}

impl Plan {
    /// The plan that a seed stands for.
    pub fn draw(rng: &mut Rng) -> Plan {
        let engine = rng.pick(&[TableEngine::Plain, TableEngine::Replicated]);
        let tiny_window = rng.below(4) == 0;
        let deadline_ms = if tiny_window { rng.between(1_500, 3_000) } else { rng.between(1_500, 12_000) };
        let commit_ms_max = if tiny_window { 1_500 } else { rng.between(1_000, 12_000) };
        let workers = rng.between(1, 3);
        let foreign_blocks_per_s = if tiny_window { rng.between(5, 30) } else { rng.below(5) };
        // R12: four times what can be inserted while an attempt may be under way.
        let in_flight_ms = deadline_ms + commit_ms_max;
        let blocks_per_s = foreign_blocks_per_s + 12 * workers;
        let (window_blocks, window_ms) = if tiny_window {
            (4 * in_flight_ms * blocks_per_s / 1_000, 4 * in_flight_ms + rng.below(5_000))
        } else {
            (10_000, 3_600_000)
        };
        // Most runs have too much trouble for a token to be forgotten between two looks at the table:
        // some have none but lost answers and a ledger that keeps retries waiting.
        let forgetful = tiny_window && rng.below(3) == 0;
        let server_faults = !forgetful && rng.below(3) == 0;
        let lineage = rng.pick(&[Lineage::Complete, Lineage::Complete, Lineage::Merging, Lineage::None]);
        let table_partitions = rng.pick(&[1, 1, 2, 3]);
        let compaction = sometimes(rng, 8, 300);
        let resets = sometimes(rng, 8, 60);
        let long_rests = sometimes(rng, 12, 60);
        let undecodable = sometimes(rng, 4, 400);
        // Drawn aside, so that the seeds of before stand for what they stood for.
        let mut aside = Rng::new(rng.clone().bits());
        // Shares whose lead was overwritten do not name their table (PROTOCOL R17).
        let remaps = if resets == 0 { sometimes(&mut aside, 6, 100) } else { 0 };
        let kill_at_rename = if server_faults { sometimes(rng, 2, 1_500) } else { 0 };
        let at_least_once = aside.below(10) == 0;
        // Who sets offsets, or restores them, speaks of one life of a topic.
        let rebirths = if resets + long_rests == 0 { sometimes(&mut aside, 6, 100) } else { 0 };
        let short_window = aside.below(40) == 0;
        let incremental = aside.below(3) == 0;
        let denied = sometimes(&mut aside, 10, 60);
        // Too short for what R12 is about: a commit that takes longer than the table remembers.
        let (deadline_ms, commit_ms_max) =
            if short_window { (aside.between(6_000, 12_000), 12_000) } else { (deadline_ms, commit_ms_max) };
        let window_dips = sometimes(&mut aside, 6, 60);
        let window_ms = if short_window { 3 * commit_ms_max / 4 } else { window_ms };
        let insert_timeout_ms = rng.between(1_000, deadline_ms + commit_ms_max);
        let (slow_body, slow_commit) = (sometimes(rng, 2, 2_000), sometimes(rng, 2, 2_000));
        let mut plan = Plan {
            workers: workers as usize,
            topics: if rng.below(5) == 0 { 2 } else { 1 },
            partitions: rng.between(2, 4) as u32,
            engine: match (short_window, forgetful) {
                (true, _) => TableEngine::Replicated,
                (false, true) => TableEngine::Plain,
                (false, false) => engine,
            },
            lineage,
            pure_checks: rng.below(4) > 0,
            views: rng.below(8) == 0,
            table_partitions,
            leaves_out: undecodable > 0 || rng.below(10) > 0,
            window_blocks: window_blocks * table_partitions,
            window_ms: (short_window || (engine == TableEngine::Replicated && !forgetful))
                .then_some(window_ms),
            tiny_window,
            foreign_blocks_per_s,
            commit_ms_max,
            deadline_ms,
            linger_ms: rng.between(100, 1_000),
            rows_max: rng.between(4, 30),
            insert_timeout_ms: if short_window { 1_000 } else { insert_timeout_ms },
            server_clock_ms: 1_700_000_000_000 + rng.below(1_000_000),
            session_ms: rng.between(3_000, 10_000),
            static_members: rng.below(2) == 0,
            other_identity: sometimes(rng, 2, 5_000),
            faults_ms: rng.between(5_000, 45_000),
            down_ms_max: rng.pick(&[1_000, 8_000, 30_000, 60_000]),
            crash: sometimes(rng, 2, 150),
            crash_at_action: sometimes(rng, 2, 300),
            pause: sometimes(rng, 2, 150),
            twin: sometimes(rng, 2, 6_000),
            cut: sometimes(rng, 3, 100),
            clean_stop: sometimes(rng, 3, 60),
            rebalance: sometimes(rng, 3, 100),
            ledger_unknown: sometimes(rng, 2, 1_500),
            ledger_not_recorded: sometimes(rng, 3, 1_500),
            ledger_outage: if forgetful { 100 } else { sometimes(rng, 6, 80) },
            answer_lost: if forgetful { 2_500 } else { sometimes(rng, 2, 2_500) },
            slow_body: if short_window { 3_000 } else { slow_body },
            slow_commit: if short_window { 5_000 } else { slow_commit },
            overload: sometimes(rng, 3, 2_000),
            outage: sometimes(rng, 4, 60),
            server_kill: if server_faults { rng.between(1, 60) } else { 0 },
            kill_at_rename,
            other_version: if server_faults { sometimes(rng, 3, 5_000) } else { 0 },
            kill_between_parts: if server_faults { sometimes(rng, 2, 1_500) } else { 0 },
            bounded: sometimes(rng, 5, 1_000),
            poison: sometimes(rng, 3, 300),
            undecodable,
            compaction,
            // What was lost and what came in its place could make up for one another (R9's limit), and
            // who sets offsets back reads the log as it is now.
            rewriting: if compaction + resets + long_rests == 0 { sometimes(rng, 20, 300) } else { 0 },
            new_columns: sometimes(rng, 6, 60),
            window_dips,
            remaps,
            rebirths,
            short_window,
            at_least_once,
            incremental,
            denied,
            resets,
            long_rests,
            answers: rng.below(4) > 0,
            retry_timeout_ms: (rng.below(12) == 0).then(|| rng.between(200, 5_000)),
        };
        // One ALTER that leaves something behind another one hides it (A9).
        if plan.new_columns > 0 {
            plan.window_dips = 0;
        }
        plan
    }

    /// R12: the part of the start-up proof that is about time.
    pub fn passes_proof(&self) -> bool {
        let needed_ms = window_needed_ms(self.deadline_ms, self.commit_ms_max);
        self.window_ms.is_none_or(|window_ms| window_ms >= needed_ms)
    }

    /// Whether the server's process can change.
    pub fn server_restarts(&self) -> bool {
        self.server_kill > 0 || self.kill_at_rename > 0 || self.kill_between_parts > 0
    }

    /// Whether a stop with this code is what the protocol promises under this plan's faults.
    pub fn may_stop(&self, code: &str) -> bool {
        let plain = self.engine == TableEngine::Plain;
        let refusals = self.poison > 0 || self.new_columns > 0;
        match code {
            // Whoever starts a connector that the proof refuses has to expect anything.
            "DELIVERY-001" if self.short_window => true,
            // The table cannot tell what landed, and something asks for it.
            "DELIVERY-001" => {
                self.lineage != Lineage::Complete
                    && (self.tiny_window
                        || (plain && self.server_restarts())
                        || self.other_version > 0
                        || self.resets > 0
                        || self.new_columns > 0
                        || self.window_dips > 0
                        || (self.poison > 0 && !self.pure_checks))
            }
            // A view may have failed after the table took its part.
            "DELIVERY-002" => self.views && refusals,
            "DELIVERY-003" => self.rewriting > 0,
            // Rows of the old shape cannot be compared with what the source has lost since.
            "DELIVERY-006" => self.new_columns > 0 && (self.compaction > 0 || self.rewriting > 0),
            // The offsets were forgotten while something was open.
            "WORKER-006" => self.long_rests > 0,
            "PROOF-006" => self.short_window,
            // The log of a topic that was created again does not reach so far yet.
            "KAFKA-011" => self.rebirths > 0,
            "DELIVERY-009" => self.retry_timeout_ms.is_some(),
            "DELIVERY-008" => self.poison > 0 && !self.leaves_out,
            _ => false,
        }
    }
}
