//! What follows an attempt: landed, to be sent again unchanged, or doubt. Carries R2, R8, and when R7
//! and R10 have to look closer.
use pumphouse_types::{BatchId, Millis, ServerMillis};

use crate::lane::{Cx, Lane};
use crate::rules::Rule;
use crate::stop::StopReason;
use crate::talk::{Action, InsertAnswer, Refusal, RefusalClass, Verdict};
use crate::window::{NeedsEvidence, TableEngine, TableFacts, may_send_again, same_process};
use crate::work::{Doubt, Open, Work};

/// First pause before a batch is sent again; doubles with each attempt.
const BACK_OFF_FIRST_MS: u64 = 100;

/// Refusals of the bounded kind that are followed by another attempt.
const BOUNDED_REFUSALS_MAX: u32 = 10;

/// Attempts that may come too late before a person is asked: the last one had the deadline's 64-fold.
const TOO_LATE_MAX: u32 = 8;

/// How often the deadline is doubled.
const DEADLINE_DOUBLINGS_MAX: u32 = 6;

/// No deadline is further ahead, unless the configuration's own is: a batch is found again within it after
/// a crash.
pub const DEADLINE_MS_MAX: u64 = 600_000;

impl Lane {
    pub(crate) fn insert_answered(&mut self, id: BatchId, attempt: u32, answer: InsertAnswer, cx: &mut Cx) {
        match std::mem::replace(&mut self.work, Work::Idle) {
            Work::Inserting { open } if open.batch.id == id && open.attempts.sent == attempt => {
                self.decide(open, answer, cx);
            }
            // A late answer: about an attempt that a retry has replaced.
            work => self.work = work,
        }
    }

    fn decide(&mut self, mut open: Open, answer: InsertAnswer, cx: &mut Cx) {
        let refusal = match answer {
            InsertAnswer::Accepted => return self.accepted(open, cx),
            // R2: of unknown fate: sent again unchanged, after killing the attempt before it.
            InsertAnswer::Unknown => {
                open.attempts.unknown = true;
                return self.back_off(open, cx);
            }
            InsertAnswer::Refused(refusal) => refusal,
        };
        match refusal.class {
            RefusalClass::Overload => self.back_off(open, cx),
            RefusalClass::DeadlinePassed => {
                open.notes.too_late += 1;
                if open.notes.too_late > TOO_LATE_MAX {
                    self.refused(open, refusal, cx)
                } else {
                    self.back_off(open, cx)
                }
            }
            RefusalClass::Bounded => {
                open.notes.bounded_refusals += 1;
                // An error of this kind may come after a part of the block was committed.
                open.attempts.unknown = true;
                if open.notes.bounded_refusals > BOUNDED_REFUSALS_MAX {
                    self.refused(open, refusal, cx);
                } else {
                    self.back_off(open, cx);
                }
            }
            RefusalClass::Data | RefusalClass::Schema => self.refused_for_its_rows(open, refusal, cx),
            RefusalClass::Fatal => self.refused(open, refusal, cx),
        }
    }

    /// R8: on plain MergeTree only the answer to the first and only attempt proves by itself.
    fn accepted(&mut self, open: Open, cx: &mut Cx) {
        let proven = open.batch.table.engine == TableEngine::Replicated || open.attempts.first_and_only;
        if proven || !cx.rules.keep(Rule::R8) {
            self.landed(open, cx);
            return;
        }
        let (topic, batch, table) = (self.topic.clone(), open.batch.id, open.batch.table.name.clone());
        cx.actions.push(Action::Confirm { claim: cx.claim, topic, batch, table });
        self.work = Work::Confirming { open };
    }

    pub(crate) fn confirmed(&mut self, id: BatchId, server_started: ServerMillis, cx: &mut Cx) {
        match std::mem::replace(&mut self.work, Work::Idle) {
            Work::Confirming { open } if open.batch.id == id => {
                match same_process(&open.batch, server_started) {
                    Ok(()) => {
                        self.report(id, Verdict::SameProcess, cx);
                        self.landed(open, cx);
                    }
                    Err(why) => self.doubt(open, Doubt { why, refusal: None }, cx),
                }
            }
            work => self.work = work,
        }
    }

    /// R4: a refused batch is never passed. It stays open in the ledger.
    pub(crate) fn refused(&mut self, open: Open, refusal: Refusal, cx: &mut Cx) {
        if !cx.rules.keep(Rule::R4) {
            self.settled_whole(open.batch.id, &open.batch.ranges, cx);
            return;
        }
        *cx.failed = Some(StopReason::Refused {
            topic: self.topic.clone(),
            batch: open.batch.id.to_string(),
            ranges: open.batch.ranges_text(),
            table: open.batch.table.name.clone(),
            refusal,
        });
    }

    fn back_off(&mut self, mut open: Open, cx: &mut Cx) {
        open.notes.trouble_since.get_or_insert(cx.now);
        let doubled = BACK_OFF_FIRST_MS << open.notes.in_vain.min(16);
        open.notes.in_vain += 1;
        let pause_ms = doubled.min(cx.options.retry_delay_ms_max.max(BACK_OFF_FIRST_MS));
        // Some of it, drawn: tasks that met the same trouble do not come back at the same moment.
        let jitter_ms = pause_ms * cx.options.retry_jitter_percent / 100;
        let drawn_ms = (cx.ids.draw() % u128::from(jitter_ms + 1)) as u64;
        self.work = Work::BackOff { open, until: cx.now.plus(pause_ms - drawn_ms) };
    }

    /// Whatever is waited for, an answer or the next attempt: `errors.retry.timeout` ends it.
    pub(crate) fn stop_if_exhausted(&self, cx: &mut Cx) {
        let (Work::BackOff { open, .. }
        | Work::Settling { open }
        | Work::Again { open, .. }
        | Work::Doubting { open, .. }
        | Work::Confirming { open }) = &self.work
        else {
            return;
        };
        let Some((since, timeout_ms)) = open.notes.trouble_since.zip(cx.options.retry_timeout_ms) else {
            return;
        };
        let waited_ms = cx.now.since(since);
        if waited_ms > timeout_ms {
            *cx.failed = Some(StopReason::RetriesExhausted {
                topic: self.topic.clone(),
                batch: open.batch.id.to_string(),
                ranges: open.batch.ranges_text(),
                table: open.batch.table.name.clone(),
                waited_ms,
            });
        }
    }

    /// Before a batch is sent again, the attempts before it are made to end. On plain MergeTree they
    /// must be certain to have ended (R8), so their deadline is waited for, unless each was answered; a
    /// replicated table takes a second one for what it is.
    pub(crate) fn settle(&mut self, cx: &mut Cx) {
        let Work::BackOff { mut open, .. } = std::mem::replace(&mut self.work, Work::Idle) else {
            panic!("only a batch that waits is settled");
        };
        // Also for a batch that was found: the server may not answer from here on.
        open.notes.trouble_since.get_or_insert(cx.now);
        let after = match open.batch.table.engine {
            TableEngine::Plain if cx.rules.keep(Rule::R8) && open.attempts.unknown => {
                Some(open.batch.deadline)
            }
            TableEngine::Plain | TableEngine::Replicated => None,
        };
        let (topic, batch, table) = (self.topic.clone(), open.batch.id, open.batch.table.name.clone());
        cx.actions.push(Action::Settle { claim: cx.claim, topic, batch, table, after });
        self.work = Work::Settling { open };
    }

    /// R12, R7: whether the table remembers the token until another attempt has ended, at the rate at which
    /// blocks come.
    fn lasts_for_another(&self, open: &Open, facts: &TableFacts, cx: &Cx) -> Result<(), NeedsEvidence> {
        let ahead_ms = deadline(facts, open, cx).since(facts.server_clock(cx.now));
        let blocks = facts.blocks.unwrap_or(0).saturating_sub(open.batch.table.blocks.unwrap_or(0));
        // Another table's blocks were not counted (R15).
        if self.away.is_some()
            || !cx.rules.keep(Rule::R12)
            || self.rate.leaves_room(facts, blocks, ahead_ms + cx.options.commit_ms_max)
        {
            return Ok(());
        }
        Err(NeedsEvidence::WindowUsedUp { blocks, window_blocks: facts.window_blocks })
    }

    /// R7: sent again only while the table certainly remembers the token.
    pub(crate) fn settled(&mut self, id: BatchId, facts: TableFacts, cx: &mut Cx) {
        match std::mem::replace(&mut self.work, Work::Idle) {
            Work::Settling { open } if open.batch.id == id => {
                let verdict = may_send_again(&open.batch, &facts, cx.now)
                    .and_then(|()| self.lasts_for_another(&open, &facts, cx));
                self.facts = Some(facts);
                match verdict {
                    Err(NeedsEvidence::OtherProcess) if !cx.rules.keep(Rule::R8) => {}
                    Err(why) if cx.rules.keep(Rule::R7) => {
                        return self.doubt(open, Doubt { why, refusal: None }, cx);
                    }
                    Ok(()) | Err(_) => {}
                }
                self.work = Work::Again { open, settled_at: cx.now };
            }
            work => self.work = work,
        }
    }
}

/// The deadline of an attempt that is recorded now. Attempts that came too late get more time. R2: never sooner than
/// the one before it: an attempt that carries that may still begin, and whoever looks for its rows waits for the
/// deadline that is recorded.
pub(crate) fn deadline(facts: &TableFacts, open: &Open, cx: &Cx) -> ServerMillis {
    let grown = cx.options.deadline_ms << open.notes.too_late.min(DEADLINE_DOUBLINGS_MAX);
    let ahead_ms = grown.min(DEADLINE_MS_MAX.max(cx.options.deadline_ms));
    deadline_ahead(facts, open.batch.first_recorded, ahead_ms, cx.now).max(open.batch.deadline)
}

/// R2: never later than half the dedup window after the token was first recorded.
fn deadline_ahead(
    facts: &TableFacts,
    first_recorded: ServerMillis,
    ahead_ms: u64,
    now: Millis,
) -> ServerMillis {
    let wanted = facts.server_clock(now).plus(ahead_ms);
    match facts.window_ms {
        Some(window_ms) => wanted.min(first_recorded.plus(window_ms / 2)),
        None => wanted,
    }
}

#[cfg(test)]
mod tests;
