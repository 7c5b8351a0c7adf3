//! What follows an attempt: landed, to be sent again unchanged, or a stop. Carries R2, R7, R8, R10's stop.
use pumphouse_types::{BatchId, Millis, ServerMillis};

use crate::batch::Batch;
use crate::lane::{Attempts, Cx, Lane, Work};
use crate::rules::Rule;
use crate::stop::StopReason;
use crate::talk::{Action, InsertAnswer, Refusal, RefusalClass};
use crate::window::{NeedsEvidence, TableEngine, TableFacts, may_send_again, same_process};

/// First pause before a batch is sent again; doubles with each attempt.
const BACK_OFF_FIRST_MS: u64 = 100;

/// Longest pause: a server that is back should not be waited for longer.
const BACK_OFF_MAX_MS: u64 = 10_000;

impl Lane {
    pub(crate) fn insert_answered(&mut self, id: BatchId, attempt: u32, answer: InsertAnswer, cx: &mut Cx) {
        match std::mem::replace(&mut self.work, Work::Idle) {
            Work::Inserting { batch, attempts } if batch.id == id && attempts.sent == attempt => {
                self.decide(batch, attempts, answer, cx);
            }
            // A late answer: about an attempt that a retry has replaced.
            work => self.work = work,
        }
    }

    fn decide(&mut self, batch: Batch, attempts: Attempts, answer: InsertAnswer, cx: &mut Cx) {
        match answer {
            InsertAnswer::Accepted => self.accepted(batch, attempts, cx),
            // R2: of unknown fate: sent again unchanged, after killing the attempt before it.
            InsertAnswer::Unknown => self.back_off(batch, attempts, cx),
            InsertAnswer::Refused(refusal) => match refusal.class {
                RefusalClass::DeadlinePassed | RefusalClass::Overload => {
                    self.back_off(batch, attempts, cx);
                }
                RefusalClass::Data | RefusalClass::Schema | RefusalClass::Fatal => {
                    self.refused(batch, refusal, cx);
                }
            },
        }
    }

    /// R8: on plain MergeTree only the answer to the first and only attempt proves by itself.
    fn accepted(&mut self, batch: Batch, attempts: Attempts, cx: &mut Cx) {
        let proven = batch.table.engine == TableEngine::Replicated || attempts.first_and_only;
        if proven || !cx.rules.keep(Rule::R8) {
            self.landed(batch, cx);
            return;
        }
        let topic = self.topic.clone();
        cx.actions.push(Action::Confirm { claim: cx.claim, topic, batch: batch.id });
        self.work = Work::Confirming { batch };
    }

    pub(crate) fn confirmed(&mut self, id: BatchId, server_started: ServerMillis, cx: &mut Cx) {
        match std::mem::replace(&mut self.work, Work::Idle) {
            Work::Confirming { batch } if batch.id == id => match same_process(&batch, server_started) {
                Ok(()) => self.landed(batch, cx),
                Err(why) => self.needs_evidence(&batch, why, cx),
            },
            work => self.work = work,
        }
    }

    /// R4, R10: a refused batch is never passed. It stays open in the ledger.
    fn refused(&mut self, batch: Batch, refusal: Refusal, cx: &mut Cx) {
        if !cx.rules.keep(Rule::R4) {
            self.landed(batch, cx);
            return;
        }
        *cx.failed = Some(StopReason::Refused {
            topic: self.topic.clone(),
            batch: batch.id.to_string(),
            ranges: batch.ranges_text(),
            table: batch.table.name.clone(),
            refusal,
        });
    }

    fn back_off(&mut self, batch: Batch, attempts: Attempts, cx: &mut Cx) {
        let doubled = BACK_OFF_FIRST_MS << attempts.sent.saturating_sub(1).min(10);
        let until = cx.now.plus(doubled.min(BACK_OFF_MAX_MS));
        self.work = Work::BackOff { batch, attempts, until };
    }

    /// Before a batch is sent again, the attempts before it are made to end. On plain MergeTree they
    /// must be certain to have ended (R8), so their deadline is waited for; a replicated table takes
    /// a second one for what it is.
    pub(crate) fn settle(&mut self, cx: &mut Cx) {
        let Work::BackOff { batch, attempts, .. } = std::mem::replace(&mut self.work, Work::Idle) else {
            panic!("only a batch that waits is settled");
        };
        let after = match batch.table.engine {
            TableEngine::Plain if cx.rules.keep(Rule::R8) => Some(batch.deadline),
            TableEngine::Plain | TableEngine::Replicated => None,
        };
        let topic = self.topic.clone();
        cx.actions.push(Action::Settle { claim: cx.claim, topic, batch: batch.id, after });
        self.work = Work::Settling { batch, attempts };
    }

    /// R7: sent again only while the table certainly remembers the token.
    pub(crate) fn settled(&mut self, id: BatchId, facts: TableFacts, cx: &mut Cx) {
        match std::mem::replace(&mut self.work, Work::Idle) {
            Work::Settling { batch, attempts } if batch.id == id => {
                let verdict = may_send_again(&batch, &facts, cx.now);
                self.facts = Some(facts);
                match verdict {
                    Err(NeedsEvidence::OtherProcess) if !cx.rules.keep(Rule::R8) => {}
                    Err(why) if cx.rules.keep(Rule::R7) => {
                        self.needs_evidence(&batch, why, cx);
                        return;
                    }
                    Ok(()) | Err(_) => {}
                }
                self.work = Work::Again { batch, attempts, settled_at: cx.now };
            }
            work => self.work = work,
        }
    }

    fn needs_evidence(&mut self, batch: &Batch, why: NeedsEvidence, cx: &mut Cx) {
        *cx.failed = Some(StopReason::EvidenceNeeded {
            topic: self.topic.clone(),
            batch: batch.id.to_string(),
            ranges: batch.ranges_text(),
            table: batch.table.name.clone(),
            why,
        });
    }
}

/// R2: the deadline of an attempt that is recorded now: never later than half the dedup window after
/// the token was first recorded.
pub(crate) fn deadline(
    facts: &TableFacts,
    first_recorded: ServerMillis,
    deadline_ms: u64,
    now: Millis,
) -> ServerMillis {
    let wanted = facts.server_clock(now).plus(deadline_ms);
    match facts.window_ms {
        Some(window_ms) => wanted.min(first_recorded.plus(window_ms / 2)),
        None => wanted,
    }
}

#[cfg(test)]
mod tests;
