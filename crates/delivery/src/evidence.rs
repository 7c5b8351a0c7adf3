//! What is done about a batch whose fate is not known: it is looked for in the table once no attempt
//! at it can write any more. Carries R7's second half.
use pumphouse_types::BatchId;

use crate::lane::{Cx, Lane};
use crate::piece::{self, RowList};
use crate::rules::Rule;
use crate::stop::StopReason;
use crate::talk::{Action, Decision, Evidence, Verdict};
use crate::window::{TableFacts, may_have_changed_since};
use crate::work::{Doubt, Open, Purpose, Work};

impl Lane {
    /// Asks for evidence. At least once, what is not proven is sent again, under a token that no server can take for
    /// one whose rows it has: under the old one they might be dropped although they are not there.
    pub(crate) fn doubt(&mut self, mut open: Open, doubt: Doubt, cx: &mut Cx) {
        if !cx.options.exactly_once {
            self.report(open.batch.id, Verdict::AtLeastOnce(doubt.why), cx);
            open.batch.by_evidence = false;
            self.work = Work::New { draft: open.with_fresh_token(cx) };
            return;
        }
        // Also for a batch that is doubted as it was found: the server may not answer from here on.
        open.notes.trouble_since.get_or_insert(cx.now);
        self.report(open.batch.id, Verdict::EvidenceNeeded(doubt.why), cx);
        let (topic, batch) = (self.topic.clone(), open.batch.clone());
        cx.actions.push(Action::Evidence {
            claim: cx.claim,
            topic,
            ranges: batch.piece_ranges(),
            rows: open.rows_to_send(),
            after: batch.deadline,
            batch,
        });
        self.work = Work::Doubting { open, doubt };
    }

    pub(crate) fn evidence_found(&mut self, id: BatchId, facts: TableFacts, evidence: Evidence, cx: &mut Cx) {
        match std::mem::replace(&mut self.work, Work::Idle) {
            Work::Doubting { open, doubt } if open.batch.id == id => {
                self.facts = Some(facts);
                match evidence {
                    Evidence::Finished if open.notes.token_covers_piece => {
                        let why = "the query log tells of a part of the rows only".to_owned();
                        self.undecided(open, doubt, None, why, cx);
                    }
                    Evidence::Finished => {
                        self.report(id, Verdict::QueryFinished, cx);
                        self.landed(open, cx);
                    }
                    Evidence::Rows { found, complete } => self.compare(open, doubt, found, complete, cx),
                    Evidence::Unknown { why, found } => self.undecided(open, doubt, found, why, cx),
                }
            }
            work => self.work = work,
        }
    }

    /// Rows that were found prove that they landed; missing rows prove something only if the table
    /// keeps every row and the answer is complete.
    pub(crate) fn compare(
        &mut self,
        mut open: Open,
        doubt: Doubt,
        found: RowList,
        complete: bool,
        cx: &mut Cx,
    ) {
        let Some(piece_rows) = open.piece_rows() else {
            let none = found.is_empty() && complete;
            if !none {
                let config_version = open.batch.config_version;
                let purpose = Purpose::Compare { doubt, found, complete };
                return self.read_again(open, config_version, purpose, cx);
            }
            return self.not_landed(open, doubt, cx);
        };
        let missing = piece::without(&piece_rows, &found);
        if missing.is_empty() {
            self.report(open.batch.id, Verdict::RowsFound, cx);
            return self.landed(open, cx);
        }
        if !complete {
            let why = "rows are missing, but the table does not keep every row".to_owned();
            return self.undecided(open, doubt, Some(found), why, cx);
        }
        open.notes.present = piece::union(&open.notes.present, &piece::without(&piece_rows, &missing));
        self.not_landed(open, doubt, cx);
    }

    /// What is missing is recorded under a new token, or amended if it was refused.
    fn not_landed(&mut self, mut open: Open, doubt: Doubt, cx: &mut Cx) {
        open.batch.by_evidence = !open.notes.present.is_empty();
        if let Some(refusal) = doubt.refusal {
            return self.without_refused(open, refusal, cx);
        }
        let (missing, rows) = (open.rows_to_send(), open.batch.rows());
        self.report(open.batch.id, Verdict::RowsMissing { missing, rows }, cx);
        self.work = Work::New { draft: open.with_fresh_token(cx) };
    }

    /// The table cannot tell. R10: under an unchanged definition, checks that look at nothing but the
    /// row refused this block before, too. Else an operator decides, or has to.
    fn undecided(&mut self, mut open: Open, doubt: Doubt, found: Option<RowList>, why: String, cx: &mut Cx) {
        let nothing_found = found.as_ref().is_none_or(RowList::is_empty);
        if doubt.refusal.is_some() && nothing_found && self.refused_before(&open) {
            self.report(open.batch.id, Verdict::RefusedBefore, cx);
            return self.not_landed(open, doubt, cx);
        }
        if open.take_as_found_later() {
            return self.doubt(open, Doubt { refusal: None, ..doubt }, cx);
        }
        let question = open.question();
        let decision = cx.options.decisions.get(&question).copied();
        if let Some(decision) = decision {
            self.report(open.batch.id, Verdict::Decided(decision), cx);
        }
        match (decision, found) {
            (Some(Decision::Landed), _) => self.landed(open, cx),
            (Some(Decision::Again), _) => self.not_landed(open, doubt, cx),
            (Some(Decision::Missing), Some(found)) => self.compare(open, doubt, found, true, cx),
            (Some(Decision::Missing), None) | (None, _) => {
                let reason = StopReason::EvidenceNeeded {
                    topic: self.topic.clone(),
                    batch: open.batch.id.to_string(),
                    question,
                    // What the decision is about.
                    ranges: open.batch.piece_ranges_text(),
                    table: open.batch.table.name.clone(),
                    why: doubt.why,
                    evidence: why,
                };
                self.ask(open, reason, cx);
            }
        }
    }

    /// R5: only who is in charge of the batch asks a person about it. A member that stood still may be in doubt about one
    /// that its successor has landed meanwhile: the fence tells.
    pub(crate) fn ask(&mut self, open: Open, reason: StopReason, cx: &mut Cx) {
        if open.notes.in_ledger.is_none() || !cx.rules.keep(Rule::R5) {
            *cx.failed = Some(reason);
            return;
        }
        self.work = Work::Asking { open, reason };
    }

    fn refused_before(&self, open: &Open) -> bool {
        let seen = &open.batch.table;
        self.facts.as_ref().is_some_and(|facts| {
            facts.pure_checks
                && !facts.has_views
                && facts.definition == seen.definition
                && !may_have_changed_since(facts.definition, open.batch.first_recorded)
                && facts.uuid == seen.uuid
                && facts.server_version == seen.server_version
        })
    }
}
