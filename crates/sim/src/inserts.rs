//! Inserts from their sending to their end, and what a process asks the server besides: the table,
//! whether attempts have ended, its process.
use pumphouse_delivery::{
    Batch, ClaimId, Event, InsertAnswer, Refusal, RefusalClass, TableEngine, TableFacts,
};
use pumphouse_types::{BatchId, ServerMillis, TopicName};

use crate::run::{Ev, World};
use crate::source::Slot;
use crate::table::{Attempt, Stage};

/// A reading of the server's clock whose round trip took longer is asked for again.
const ROUND_TRIP_MS_MAX: u64 = 1_000;

/// Pause before a server that did not answer is asked again.
const ASK_AGAIN_MS: u64 = 300;

/// What a table was read for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum FactsFor {
    Inspected { claim: ClaimId, topic: usize },
    Settled { claim: ClaimId, topic: usize, batch: BatchId },
    Confirmed { claim: ClaimId, topic: usize, batch: BatchId },
}

impl FactsFor {
    fn claim(self) -> ClaimId {
        match self {
            FactsFor::Inspected { claim, .. }
            | FactsFor::Settled { claim, .. }
            | FactsFor::Confirmed { claim, .. } => claim,
        }
    }

    fn topic(self) -> usize {
        match self {
            FactsFor::Inspected { topic, .. }
            | FactsFor::Settled { topic, .. }
            | FactsFor::Confirmed { topic, .. } => topic,
        }
    }
}

impl World {
    pub fn begin_inspect(&mut self, proc: usize, claim: ClaimId, topic: &TopicName) {
        self.ask_facts(proc, FactsFor::Inspected { claim, topic: self.topic(topic) });
    }

    pub fn begin_confirm(&mut self, proc: usize, claim: ClaimId, topic: &TopicName, batch: BatchId) {
        self.ask_facts(proc, FactsFor::Confirmed { claim, topic: self.topic(topic), batch });
    }

    pub fn begin_settle(
        &mut self,
        proc: usize,
        claim: ClaimId,
        topic: &TopicName,
        batch: BatchId,
        after: Option<ServerMillis>,
    ) {
        let topic = self.topic(topic);
        let due = after.map_or(0, |after| self.server.moment_after(after).saturating_sub(self.now));
        let hop = self.hop();
        self.after(due + hop, Ev::KillAsked { proc, topic, batch, claim });
    }

    /// KILL QUERY .. SYNC: what has not begun to write ends at once, or commits; what writes, does.
    /// An attempt whose body is on its way is not in the list.
    pub fn kill_asked(&mut self, proc: usize, topic: usize, batch: BatchId, claim: ClaimId) {
        let event = Ev::KillAsked { proc, topic, batch, claim };
        let Some(event) = self.if_awake(proc, event) else { return };
        if self.procs[proc].task.claim() != claim && self.without.is_none() {
            return;
        }
        if !self.server.is_reached(self.now) {
            self.after(ASK_AGAIN_MS, event);
            return;
        }
        for attempt in self.server.running(batch) {
            if self.server.attempts[attempt].stage == Stage::Running && self.rng.below(2) == 0 {
                self.saw("attempt killed");
                self.say(|| format!("attempt a{attempt} is killed"));
                self.server.attempts[attempt].stage = Stage::Ended;
                self.insert_answer(attempt, InsertAnswer::Unknown);
            }
        }
        if self.server.running(batch).is_empty() {
            self.ask_facts(proc, FactsFor::Settled { claim, topic, batch });
        } else {
            self.after(50, event);
        }
    }

    fn ask_facts(&mut self, proc: usize, for_: FactsFor) {
        let hop = self.hop();
        self.after(hop, Ev::FactsAsked { proc, for_, sent: self.now });
    }

    pub fn facts_asked(&mut self, proc: usize, for_: FactsFor, sent: u64) {
        if !self.server.is_reached(self.now) {
            self.after(ASK_AGAIN_MS, Ev::FactsAsked { proc, for_, sent: self.now });
            return;
        }
        let facts = Box::new(self.server.facts(for_.topic(), self.now));
        let hop = self.hop();
        self.after(hop, Ev::FactsBack { proc, for_, sent, facts });
    }

    pub fn facts_back(&mut self, proc: usize, for_: FactsFor, sent: u64, facts: TableFacts) {
        let event = Ev::FactsBack { proc, for_, sent, facts: Box::new(facts) };
        let Some(Ev::FactsBack { mut facts, .. }) = self.if_awake(proc, event) else { return };
        if self.procs[proc].task.claim() != for_.claim() && self.without.is_none() {
            return;
        }
        let round_trip = self.now - sent;
        if round_trip > ROUND_TRIP_MS_MAX {
            self.ask_facts(proc, for_);
            return;
        }
        facts.server_now = facts.server_now.plus(round_trip / 2);
        facts.read_at = self.clock(proc);
        let facts = *facts;
        let event = match for_ {
            FactsFor::Inspected { claim, topic } => Event::Inspected {
                claim,
                topic: self.topics[topic].clone(),
                facts,
                config_version: self.config_versions[topic],
            },
            FactsFor::Settled { claim, topic, batch } => {
                Event::Settled { claim, topic: self.topics[topic].clone(), batch, facts }
            }
            FactsFor::Confirmed { claim, topic, batch } => Event::Confirmed {
                claim,
                topic: self.topics[topic].clone(),
                batch,
                server_started: facts.server_started,
            },
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
    ) {
        let topic = self.topic(topic);
        let rows = self.procs[proc].blocks.get(&batch.id).cloned().unwrap_or_default();
        self.watch.same_rows_per_token(batch.token, &rows);
        let attempt = self.server.attempts.len();
        self.say(|| format!("a{attempt} is attempt {number} of p{proc} at {}", batch.ranges_text()));
        self.server.attempts.push(Attempt {
            proc,
            claim,
            topic,
            batch,
            number,
            rows,
            stage: Stage::Sending,
            answered: false,
        });
        let slow = self.strikes(self.plan.slow_body);
        let travel = if slow { self.rng.between(100, 2 * self.plan.deadline_ms) } else { self.hop() };
        self.after(travel, Ev::AttemptArrives(attempt));
        self.after(self.plan.insert_timeout_ms, Ev::AttemptTimesOut(attempt));
    }

    /// The sender has died: a body that was not all sent is cut off, unless it was.
    pub fn connection_lost(&mut self, attempt: usize) {
        if self.server.attempts[attempt].stage == Stage::Sending && self.rng.below(2) == 0 {
            self.server.attempts[attempt].stage = Stage::Ended;
        }
    }

    pub fn attempt_arrives(&mut self, attempt: usize) {
        let (proc, topic) = (self.server.attempts[attempt].proc, self.server.attempts[attempt].topic);
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
            self.insert_answer(attempt, InsertAnswer::Unknown);
            return;
        }
        let refusal = if self.server.clock(self.now) > self.server.attempts[attempt].batch.deadline {
            self.saw("deadline passed");
            Some((RefusalClass::DeadlinePassed, 395))
        } else if self.strikes(self.plan.overload) {
            Some((RefusalClass::Overload, 252))
        } else if self.is_poisoned(attempt, topic) {
            Some((RefusalClass::Data, 469))
        } else {
            None
        };
        if let Some((class, code)) = refusal {
            self.server.attempts[attempt].stage = Stage::Ended;
            let refusal = Refusal { class, code, message: format!("{class:?}") };
            self.insert_answer(attempt, InsertAnswer::Refused(refusal));
            return;
        }
        self.server.attempts[attempt].stage = Stage::Running;
        let slow = self.strikes(self.plan.slow_commit);
        let ms = if slow { self.rng.between(50, self.plan.commit_ms_max) } else { self.rng.between(1, 20) };
        self.after(ms, Ev::AttemptCommits(attempt));
    }

    fn is_poisoned(&self, attempt: usize, topic: usize) -> bool {
        self.server.attempts[attempt].rows.iter().any(|&(partition, offset)| {
            self.source.at(topic, partition, offset) == Some(Slot::Record { poison: true })
        })
    }

    pub fn attempt_commits(&mut self, attempt: usize) {
        let sent = &self.server.attempts[attempt];
        if sent.stage != Stage::Running {
            return;
        }
        let (topic, token) = (sent.topic, sent.batch.token);
        if self.server.remembers(topic, token, self.now) {
            self.saw("duplicate block dropped");
            self.say(|| format!("a{attempt} is a duplicate"));
            self.server.attempts[attempt].stage = Stage::Ended;
            self.insert_answer(attempt, InsertAnswer::Accepted);
            return;
        }
        self.server.remember(topic, token, self.now);
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
            self.put(attempt);
        }
    }

    fn put(&mut self, attempt: usize) {
        let rows = self.server.attempts[attempt].rows.clone();
        let topic = self.server.attempts[attempt].topic;
        self.server.attempts[attempt].stage = Stage::Ended;
        if self.server.attempts[attempt].answered {
            self.saw("insert landed after its client gave up");
        }
        self.say(|| format!("a{attempt} is in the table"));
        self.watch.only_committed_records(&self.source, topic, &rows);
        let twice = self.server.put(topic, &rows);
        self.watch.no_row_twice(topic, twice);
        self.insert_answer(attempt, InsertAnswer::Accepted);
    }

    /// The answer sets out, and may get lost: then the client's time runs out.
    fn insert_answer(&mut self, attempt: usize, answer: InsertAnswer) {
        let lost = self.strikes(self.plan.answer_lost) || self.server.unreachable_until > self.now;
        if self.server.attempts[attempt].answered || lost {
            return;
        }
        self.tell(attempt, answer);
    }

    pub fn attempt_times_out(&mut self, attempt: usize) {
        if !self.server.attempts[attempt].answered {
            self.tell(attempt, InsertAnswer::Unknown);
        }
    }

    fn tell(&mut self, attempt: usize, answer: InsertAnswer) {
        let sent = &mut self.server.attempts[attempt];
        sent.answered = true;
        let event = Event::Insert {
            claim: sent.claim,
            topic: self.topics[sent.topic].clone(),
            batch: sent.batch.id,
            attempt: sent.number,
            answer,
        };
        let proc = sent.proc;
        self.answer(proc, event);
    }
}
