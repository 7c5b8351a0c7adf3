//! Inserts from their sending to their end, and what a process asks the server besides: the table,
//! whether attempts have ended, what landed of them, its process.
use std::collections::BTreeMap;

use pumphouse_conduct::{Answer, DEADLINE_MARKER, Pauses};
use pumphouse_delivery::{Batch, ClaimId, Event, Evidence, TableEngine, TableFacts};
use pumphouse_types::{
    BatchId, ConfigVersion, DedupToken, Offset, OffsetRange, Partition, ServerMillis, TopicName,
};

use crate::invariants::begin_of;
use crate::run::{Ev, World};
use crate::source::LIFE;
use crate::table::{Attempt, Row, Stage};

/// A reading of the server's clock whose round trip took longer is asked for again.
const ROUND_TRIP_MS_MAX: u64 = 1_000;

/// What a server with too much to do says: code and words. None of these tells that a part was committed (A7).
const OVERLOADED: [(i32, &str); 4] = [
    (252, "Too many parts (3000). Merges are processing significantly slower than inserts"),
    (241, "(total) memory limit exceeded: would use 10.02 GiB"),
    (243, "Cannot reserve 1.00 MiB, not enough space"),
    (202, "Too many simultaneous queries. Maximum: 100"),
];

/// What one says that is in trouble, after which a part of the block may be there.
const IN_TROUBLE: [(i32, &str); 3] = [
    (241, "Query memory limit exceeded: would use 2.01 MiB"),
    (1002, "Unknown exception"),
    (75, "Cannot write to file descriptor, errno: 5"),
];

/// What one says after which nobody knows.
const GIVEN_UP: [(i32, &str); 3] =
    [(394, "Query was cancelled"), (210, "I/O error: Broken pipe"), (319, "Unknown status of part")];

/// What a table was read for.
#[derive(Debug, Clone)]
pub(crate) enum Reason {
    Inspected,
    Settled {
        batch: BatchId,
    },
    Confirmed {
        batch: BatchId,
    },
    Doubted {
        batch: BatchId,
        token: DedupToken,
        /// Where the life of the topic begins that the batch is of.
        begin: i64,
        ranges: BTreeMap<Partition, OffsetRange>,
        rows: u64,
    },
}

/// Who asked for a reading of a table, and why.
#[derive(Debug, Clone)]
pub(crate) struct FactsFor {
    claim: ClaimId,
    topic: usize,
    table: usize,
    reason: Reason,
    /// Between one question and the next, while nobody answers.
    pauses: Pauses,
}

/// What the server said of a table at one moment.
#[derive(Debug)]
pub(crate) struct Reading {
    facts: TableFacts,
    config_version: ConfigVersion,
    evidence: Option<Evidence>,
}

/// Attempts that are being made to end, and what is read afterwards.
#[derive(Debug)]
pub(crate) struct Quieting {
    proc: usize,
    batch: BatchId,
    then: FactsFor,
}

impl FactsFor {
    fn new(claim: ClaimId, topic: usize, table: usize, reason: Reason) -> FactsFor {
        FactsFor { claim, topic, table, reason, pauses: Pauses::ASKING_SERVER }
    }
}

impl World {
    pub fn begin_inspect(&mut self, proc: usize, claim: ClaimId, topic: &TopicName, named: Option<&str>) {
        let topic = self.topic(topic);
        let table = match named {
            Some(name) => self.table(name),
            None => self.home(proc, topic),
        };
        let for_ = FactsFor::new(claim, topic, table, Reason::Inspected);
        self.ask_facts(proc, for_);
    }

    pub fn begin_confirm(
        &mut self,
        proc: usize,
        claim: ClaimId,
        topic: &TopicName,
        (batch, table): (BatchId, &str),
    ) {
        let (topic, table) = (self.topic(topic), self.table(table));
        let for_ = FactsFor::new(claim, topic, table, Reason::Confirmed { batch });
        self.ask_facts(proc, for_);
    }

    pub fn begin_settle(
        &mut self,
        proc: usize,
        claim: ClaimId,
        topic: &TopicName,
        (batch, table): (BatchId, &str),
        after: Option<ServerMillis>,
    ) {
        let (topic, table) = (self.topic(topic), self.table(table));
        let then = FactsFor::new(claim, topic, table, Reason::Settled { batch });
        self.begin_quieting(Quieting { proc, batch, then }, after);
    }

    #[allow(clippy::too_many_arguments, reason = "the fields of one action")]
    pub fn begin_evidence(
        &mut self,
        proc: usize,
        claim: ClaimId,
        topic: &TopicName,
        batch: &Batch,
        ranges: BTreeMap<Partition, OffsetRange>,
        rows: u64,
        after: ServerMillis,
    ) {
        let begin = begin_of(batch.topic_id);
        let reason = Reason::Doubted { batch: batch.id, token: batch.token, begin, ranges, rows };
        let table = self.table(&batch.table.name);
        let then = FactsFor::new(claim, self.topic(topic), table, reason);
        self.begin_quieting(Quieting { proc, batch: batch.id, then }, Some(after));
    }

    fn begin_quieting(&mut self, quieting: Quieting, after: Option<ServerMillis>) {
        let due = after.map_or(0, |after| self.server.moment_after(after).saturating_sub(self.now));
        let hop = self.hop();
        self.after(due + hop, Ev::KillAsked(quieting));
    }

    /// KILL QUERY .. SYNC: what has not begun to write ends at once, or commits; what writes, does.
    /// An attempt whose body is on its way is not in the list.
    pub fn kill_asked(&mut self, quieting: Quieting) {
        let proc = quieting.proc;
        let Some(Ev::KillAsked(mut quieting)) = self.if_awake(proc, Ev::KillAsked(quieting)) else { return };
        if self.procs[proc].task.claim() != quieting.then.claim && self.without.is_none() {
            return;
        }
        if !self.server.is_reached(self.now) {
            let pause_ms = quieting.then.pauses.next();
            self.after(pause_ms, Ev::KillAsked(quieting));
            return;
        }
        for attempt in self.server.running(quieting.batch) {
            if self.server.attempts[attempt].stage == Stage::Running && self.rng.below(2) == 0 {
                self.saw("attempt killed");
                self.say(|| format!("attempt a{attempt} is killed"));
                self.server.attempts[attempt].stage = Stage::Ended;
                self.fails(attempt, &GIVEN_UP);
            }
        }
        if self.server.running(quieting.batch).is_empty() {
            self.ask_facts(proc, FactsFor { pauses: Pauses::ASKING_SERVER, ..quieting.then });
        } else {
            self.after(50, Ev::KillAsked(quieting));
        }
    }

    fn ask_facts(&mut self, proc: usize, for_: FactsFor) {
        let hop = self.hop();
        self.after(hop, Ev::FactsAsked { proc, for_, sent: self.now });
    }

    pub fn facts_asked(&mut self, proc: usize, mut for_: FactsFor, sent: u64) {
        if !self.server.is_reached(self.now) {
            let pause_ms = for_.pauses.next();
            self.after(pause_ms, Ev::FactsAsked { proc, for_, sent: self.now });
            return;
        }
        let evidence = match &for_.reason {
            Reason::Inspected | Reason::Settled { .. } | Reason::Confirmed { .. } => None,
            Reason::Doubted { token, begin, ranges, rows, .. } => {
                Some(self.server.evidence(for_.table, *begin, *token, ranges, *rows))
            }
        };
        if matches!(for_.reason, Reason::Settled { .. }) {
            self.server.relied_on(for_.table, self.now);
        }
        let reading = Box::new(Reading {
            facts: self.server.facts(for_.table, self.now),
            config_version: self.server.config_version(for_.table),
            evidence,
        });
        let hop = self.hop();
        self.after(hop, Ev::FactsBack { proc, for_, sent, reading });
    }

    pub fn facts_back(&mut self, proc: usize, for_: FactsFor, sent: u64, reading: Box<Reading>) {
        let event = Ev::FactsBack { proc, for_, sent, reading };
        let Some(Ev::FactsBack { for_, reading, .. }) = self.if_awake(proc, event) else { return };
        if self.procs[proc].task.claim() != for_.claim && self.without.is_none() {
            return;
        }
        let round_trip = self.now - sent;
        if round_trip > ROUND_TRIP_MS_MAX {
            self.ask_facts(proc, for_);
            return;
        }
        let Reading { mut facts, config_version, evidence } = *reading;
        facts.server_now = facts.server_now.plus(round_trip / 2);
        facts.read_at = self.clock(proc);
        let (claim, topic) = (for_.claim, self.topics[for_.topic].clone());
        let event = match for_.reason {
            Reason::Inspected => Event::Inspected { claim, topic, facts, config_version },
            Reason::Settled { batch } => Event::Settled { claim, topic, batch, facts },
            Reason::Confirmed { batch } => {
                Event::Confirmed { claim, topic, batch, server_started: facts.server_started }
            }
            Reason::Doubted { batch, .. } => {
                let evidence = evidence.expect("it was read for it");
                Event::Evidence { claim, topic, batch, facts, evidence }
            }
        };
        self.deliver(proc, crate::worker::Message::Event(event));
    }

    pub fn begin_insert(
        &mut self,
        proc: usize,
        claim: ClaimId,
        topic: &TopicName,
        batch: Batch,
        number: u32,
        asked: Option<BTreeMap<Partition, Vec<Offset>>>,
    ) {
        let topic = self.topic(topic);
        let rows = self.rows_to_send(proc, &batch, asked);
        let version = batch.config_version;
        let table = self.table(&batch.table.name);
        if !self.server.is_version_of(table, version) {
            self.watch.violated("blocks_are_of_their_table", format!("{version} in {}", batch.table.name));
        }
        self.watch.same_rows_per_token(batch.token, version, &self.source, topic, &rows);
        let attempt = self.server.attempts.len();
        self.say(|| format!("a{attempt} is attempt {number} of p{proc} at {} with {rows:?}", batch.token));
        self.server.attempts.push(Attempt {
            proc,
            claim,
            topic,
            table,
            batch,
            number,
            rows,
            parts: Default::default(),
            hit: false,
            stage: Stage::Sending,
            sent_at: self.now,
            answered: false,
        });
        let held_back = self.held_back_ms(proc, topic);
        self.server.attempts[attempt].sent_at = self.now + held_back;
        let slow = self.strikes(self.plan.slow_body);
        let travel = if slow { self.rng.between(100, 2 * self.plan.deadline_ms) } else { self.hop() };
        self.after(held_back + travel, Ev::AttemptArrives(attempt));
        self.after(held_back + self.plan.insert_timeout_ms, Ev::AttemptTimesOut(attempt));
    }

    /// The rows that the process has of the block, or those of them that were asked for.
    fn rows_to_send(
        &mut self,
        proc: usize,
        batch: &Batch,
        asked: Option<BTreeMap<Partition, Vec<Offset>>>,
    ) -> Vec<Row> {
        let Some(block) = self.procs[proc].blocks.get(&batch.id) else {
            if self.without.is_none() {
                self.watch.violated("blocks_are_kept", format!("p{proc} has no block of {}", batch.id));
            }
            return Vec::new();
        };
        if block.version.is_some_and(|version| version != batch.config_version) {
            let what = format!("{:?} instead of {}", block.version, batch.config_version);
            self.watch.violated("blocks_are_of_their_version", what);
        }
        let Some(asked) = asked else { return block.rows.clone() };
        let asked = asked
            .into_iter()
            .flat_map(|(partition, offsets)| offsets.into_iter().map(move |at| (partition.0, at.get())));
        let mut rows = Vec::new();
        let mut lacking = None;
        for (partition, offset) in asked {
            match block.rows.iter().find(|row| (row.0, row.1 % LIFE) == (partition, offset)) {
                Some(row) => rows.push(*row),
                None => lacking = Some((partition, offset)),
            }
        }
        if let Some(row) = lacking {
            self.watch.violated("blocks_have_what_is_asked_for", format!("{row:?}"));
        }
        rows
    }

    /// The sender has died: a body that was not all sent is cut off, unless it was.
    pub fn connection_lost(&mut self, attempt: usize) {
        let sent = &self.server.attempts[attempt];
        if sent.stage == Stage::Sending && (sent.sent_at > self.now || self.rng.below(2) == 0) {
            self.server.attempts[attempt].stage = Stage::Ended;
        }
    }

    /// The lane has ended: what is held back is not sent any more.
    pub fn drop_held_back(&mut self, proc: usize) {
        let now = self.now;
        let held_back =
            self.server.attempts.iter_mut().filter(|attempt| attempt.proc == proc && attempt.sent_at > now);
        held_back.for_each(|attempt| attempt.stage = Stage::Ended);
    }

    pub fn attempt_arrives(&mut self, attempt: usize) {
        let (proc, table) = (self.server.attempts[attempt].proc, self.server.attempts[attempt].table);
        if self.server.attempts[attempt].stage != Stage::Sending {
            return;
        }
        let paused_until = self.procs[proc].paused_until;
        if self.procs[proc].alive && paused_until > self.now && self.rng.below(2) == 0 {
            // The rest of the body leaves the stopped process when it continues.
            self.after(paused_until - self.now, Ev::AttemptArrives(attempt));
            return;
        }
        if !self.server.is_reached(self.now) {
            self.server.attempts[attempt].stage = Stage::Ended;
            self.insert_answer(attempt, Answer::Unknown { why: "no connection".to_owned() });
            return;
        }
        let refusal = if self.server.clock(self.now) > self.server.attempts[attempt].batch.deadline {
            self.saw("deadline passed");
            Some((395, format!("Value passed to 'throwIf' function is non-zero: {DEADLINE_MARKER}")))
        } else if self.server.denied_until > self.now {
            Some((497, "sink: Not enough privileges. To execute this query, grant INSERT".to_owned()))
        } else if self.strikes(self.plan.overload) {
            let (code, words) = OVERLOADED[attempt % OVERLOADED.len()];
            Some((code, words.to_owned()))
        } else if !self.server.fits(table, self.server.attempts[attempt].batch.config_version) {
            self.saw("block of another shape refused");
            Some((16, "No such column v2 in table".to_owned()))
        } else if !self.server.has_views() && self.is_refused(attempt) {
            Some(self.violated(attempt))
        } else {
            None
        };
        if let Some((code, words)) = refusal {
            self.server.attempts[attempt].stage = Stage::Ended;
            self.insert_answer(attempt, Answer::of_error(code, words));
            return;
        }
        self.server.attempts[attempt].stage = Stage::Running;
        self.server.attempts[attempt].parts = self.server.parts(&self.server.attempts[attempt].rows);
        let slow = self.strikes(self.plan.slow_commit);
        let ms = if slow { self.rng.between(50, self.plan.commit_ms_max) } else { self.rng.between(1, 20) };
        self.after(ms, Ev::AttemptCommits(attempt));
    }

    /// The attempt ends with one of these errors.
    fn fails(&mut self, attempt: usize, errors: &[(i32, &str)]) {
        self.server.attempts[attempt].stage = Stage::Ended;
        let (code, words) = errors[attempt % errors.len()];
        self.insert_answer(attempt, Answer::of_error(code, words.to_owned()));
    }

    /// What the server says of rows that a constraint forbids.
    fn violated(&mut self, attempt: usize) -> (i32, String) {
        let at = match self.named_row(attempt) {
            Some(row) => format!(" at row {}", row + 1),
            None => String::new(),
        };
        (469, format!("Constraint `c` for table d.t is violated{at}. Expression: (v >= 0)"))
    }

    /// The row that the server names as the bad one: none, the right one, or any.
    fn named_row(&mut self, attempt: usize) -> Option<u64> {
        let sent = &self.server.attempts[attempt];
        let (topic, table, rows) = (sent.topic, sent.table, sent.rows.len() as u64);
        let is_bad = |&(partition, offset): &Row| {
            self.server.refuses(table, self.source.kind(topic, partition, offset), self.now)
        };
        let mut sorted = sent.rows.clone();
        sorted.sort_unstable();
        let first = sorted.iter().position(is_bad).map(|at| at as u64);
        match self.rng.below(4) {
            0 => Some(self.rng.below(rows + 1)),
            1 => None,
            _ => first,
        }
    }

    fn is_refused(&self, attempt: usize) -> bool {
        let (topic, table) = (self.server.attempts[attempt].topic, self.server.attempts[attempt].table);
        self.server.attempts[attempt].rows.iter().any(|&(partition, offset)| {
            self.server.refuses(table, self.source.kind(topic, partition, offset), self.now)
        })
    }

    /// The next part of the block comes into the table; after the last one the attempt ends.
    pub fn attempt_commits(&mut self, attempt: usize) {
        let sent = &self.server.attempts[attempt];
        if sent.stage != Stage::Running {
            return;
        }
        let table = sent.table;
        let Some(&row) = sent.parts.front().and_then(|part| part.first()) else {
            self.finished(attempt);
            return;
        };
        let begun = sent.parts.len() < self.server.parts(&sent.rows).len();
        if begun && self.strikes(self.plan.kill_between_parts) && self.kill_server() {
            self.saw("killed between parts");
            return;
        }
        if self.strikes(self.plan.bounded) {
            self.saw(if begun { "error after some parts" } else { "error before any part" });
            self.fails(attempt, &IN_TROUBLE);
            return;
        }
        let token = (self.server.attempts[attempt].batch.token, self.server.table_partition(row));
        if self.server.remembers(table, token, self.now) {
            self.saw("duplicate part dropped");
            self.say(|| format!("a part of a{attempt} is a duplicate"));
            self.server.attempts[attempt].hit = true;
            self.server.attempts[attempt].parts.pop_front();
            self.attempt_commits(attempt);
            return;
        }
        self.server.remember(table, token, self.now);
        match self.plan.engine {
            TableEngine::Replicated => self.put(attempt),
            TableEngine::Plain => {
                self.server.attempts[attempt].stage = Stage::Logged;
                if self.strikes(self.plan.kill_at_rename) && self.kill_server() {
                    self.saw("token without rows");
                    return;
                }
                let ms = if self.rng.below(10) == 0 { self.rng.between(1, 300) } else { 0 };
                self.after(ms, Ev::AttemptRenames(attempt));
            }
        }
    }

    pub fn attempt_renames(&mut self, attempt: usize) {
        if self.server.attempts[attempt].stage == Stage::Logged {
            self.server.attempts[attempt].stage = Stage::Running;
            self.put(attempt);
        }
    }

    fn put(&mut self, attempt: usize) {
        let sent = &mut self.server.attempts[attempt];
        let (topic, table, late) = (sent.topic, sent.table, sent.answered);
        let rows = sent.parts.pop_front().expect("a part is put in place");
        if late {
            self.saw("insert landed after its client gave up");
        }
        self.say(|| format!("{rows:?} of a{attempt} are in the table"));
        self.server.put(table, &rows);
        self.watch.rows_put(topic, &rows, &self.ledger, &self.source, &self.server);
        if self.server.attempts[attempt].parts.is_empty() {
            self.finished(attempt);
        } else {
            let ms = if self.rng.below(10) == 0 { self.rng.between(1, 300) } else { 0 };
            self.after(ms, Ev::AttemptCommits(attempt));
        }
    }

    /// All parts are in place; views come last.
    fn finished(&mut self, attempt: usize) {
        let table = self.server.attempts[attempt].table;
        if self.server.has_views() && self.is_refused(attempt) {
            self.saw("view failed after the table's part");
            self.server.attempts[attempt].stage = Stage::Ended;
            let (code, words) = self.violated(attempt);
            self.insert_answer(attempt, Answer::of_error(code, words));
            return;
        }
        let sent = &mut self.server.attempts[attempt];
        sent.stage = Stage::Ended;
        if !sent.hit {
            let (token, rows) = (sent.batch.token, sent.rows.len() as u64);
            self.server.log_finished(table, token, rows, self.now);
        }
        self.insert_answer(attempt, Answer::Accepted);
    }

    /// The answer sets out, and may get lost: then the client's time runs out.
    fn insert_answer(&mut self, attempt: usize, answer: Answer) {
        let lost = self.strikes(self.plan.answer_lost) || self.server.unreachable_until > self.now;
        if self.server.attempts[attempt].answered || lost {
            return;
        }
        self.tell(attempt, answer);
    }

    pub fn attempt_times_out(&mut self, attempt: usize) {
        if !self.server.attempts[attempt].answered {
            self.tell(attempt, Answer::Unknown { why: "time is over".to_owned() });
        }
    }

    fn tell(&mut self, attempt: usize, answer: Answer) {
        let sent = &mut self.server.attempts[attempt];
        sent.answered = true;
        let event = Event::Insert {
            claim: sent.claim,
            topic: self.topics[sent.topic].clone(),
            batch: sent.batch.id,
            attempt: sent.number,
            answer: answer.heard(),
        };
        let proc = sent.proc;
        self.answer(proc, event);
    }
}
