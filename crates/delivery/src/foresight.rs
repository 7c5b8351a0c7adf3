//! The next ledger write, composed while the attempt before it is still under way, so that whoever performs
//! it can have it lie ready at the broker, uncommitted (R14). Nothing depends on it: the write itself is
//! asked for when the attempt has landed (R3), and says the same or something else.
use std::collections::BTreeMap;

use pumphouse_types::{Millis, Partition};

use crate::batch::Batch;
use crate::entry::Entry;
use crate::lane::{Cx, FACTS_AGE_MS_MAX, Lane};
use crate::window::TableFacts;
use crate::work::{Draft, Notes, Work};

/// What was foreseen is not used when it is older: the deadline in it runs.
const FORESIGHT_MS_MAX: u64 = 2_000;

/// A batch as its record was foreseen.
#[derive(Debug, Clone)]
pub(crate) struct Foreseen {
    batch: Batch,
    at: Millis,
    /// When the facts were read that stand in it.
    facts_read_at: Millis,
}

impl Foreseen {
    /// The batch, if it is what would be composed now but for a deadline and a first recording that are a
    /// little earlier, which is the safe side (R2, R7).
    pub(crate) fn if_still_right(self, facts: &TableFacts, cx: &Cx) -> Option<Batch> {
        let age_ms_max = FORESIGHT_MS_MAX.min(cx.options.deadline_ms / 4);
        let right = facts.read_at == self.facts_read_at && cx.now.since(self.at) <= age_ms_max;
        right.then_some(self.batch)
    }
}

impl Lane {
    /// The entries of the next write, if the first attempt under way lands and another block is sealed
    /// already, and half of the time has passed that the last attempt took; once for each block.
    pub(crate) fn foresee(&mut self, cx: &Cx) -> Option<BTreeMap<Partition, Entry>> {
        let Work::Inserting { open } = &self.work else { return None };
        let facts = self.facts.as_ref()?;
        let draft = self.ready.as_ref()?;
        // Readers of the entries wait while the write lies ready: not for more than half of the time.
        let (Some(sent_at), Some(last_took_ms)) = (open.notes.sent_at, self.last_took_ms) else {
            return None;
        };
        let likely = cx.options.exactly_once
            && cx.now.since(sent_at) >= last_took_ms / 2
            && open.attempts.sent == 1
            && open.attempts.first_and_only
            && open.batch.piece_end.is_none()
            && cx.now.since(facts.read_at) <= FACTS_AGE_MS_MAX
            && draft.foreseen.is_none()
            && draft.notes.letters.is_empty()
            && draft.rows() > 0;
        if !likely {
            return None;
        }
        let facts_read_at = facts.read_at;
        let batch = self.open(draft.sketch(), cx).batch;
        let mut marks = self.marks_after(&open.batch.ranges);
        marks.retain(|partition, _| !batch.ranges.contains_key(partition));
        let entries = self.entries_with(&batch, &marks);
        let draft = self.ready.as_mut().expect("it was there");
        draft.foreseen = Some(Foreseen { batch, at: cx.now, facts_read_at });
        Some(entries)
    }
}

impl Draft {
    /// The same batch, without what no ledger knows.
    fn sketch(&self) -> Draft {
        Draft {
            id: self.id,
            token: self.token,
            ranges: self.ranges.clone(),
            piece_end: self.piece_end,
            by_evidence: self.by_evidence,
            config_version: self.config_version,
            foreseen: None,
            notes: Notes::default(),
        }
    }
}
