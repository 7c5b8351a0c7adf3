//! A block that the server refuses for its rows: what the refusal proves (R10), and how what can be
//! inserted is told from what cannot (R11). Also a block whose shape the table no longer has (R15).
use pumphouse_types::{BatchId, ConfigVersion};

use crate::batch::Cut;
use crate::lane::{Cx, Lane};
use crate::piece;
use crate::rules::Rule;
use crate::stop::StopReason;
use crate::talk::{Action, Letter, Refusal, RefusalClass, Verdict};
use crate::window::NeedsEvidence;
use crate::work::{Doubt, Open, Purpose, Work};

/// Readings of the table that may show its old shape: one may have been under way.
const SHAPE_LOOKS_MAX: u32 = 2;

impl Lane {
    /// R10: a refusal proves that nothing landed if the block was one, no view hangs on the table, and
    /// every other attempt of the token was answered so, too.
    pub(crate) fn refused_for_its_rows(&mut self, open: Open, refusal: Refusal, cx: &mut Cx) {
        if !cx.rules.keep(Rule::R4) {
            return self.refused(open, refusal, cx);
        }
        let has_views = self.facts.as_ref().is_none_or(|facts| facts.has_views);
        if has_views && cx.options.exactly_once && cx.rules.keep(Rule::R10) {
            // A view may have failed after the table took its part: a person has to look.
            self.refused(open, refusal, cx);
        } else if open.attempts.unknown && cx.options.exactly_once && cx.rules.keep(Rule::R10) {
            let why = NeedsEvidence::RefusedLater { code: refusal.code };
            self.doubt(open, Doubt { why, refusal: Some(refusal) }, cx);
        } else {
            self.without_refused(open, refusal, cx);
        }
    }

    /// Nothing of the piece has landed, and it cannot be sent as it is.
    pub(crate) fn without_refused(&mut self, open: Open, refusal: Refusal, cx: &mut Cx) {
        match refusal.class {
            RefusalClass::Schema => self.reshape(open, refusal),
            RefusalClass::Data
            | RefusalClass::DeadlinePassed
            | RefusalClass::Overload
            | RefusalClass::Bounded
            | RefusalClass::Fatal => self.amend(open, refusal, cx),
        }
    }

    /// R11: a smaller piece under a fresh token; the last record that is left goes to the dead letters.
    pub(crate) fn amend(&mut self, mut open: Open, refusal: Refusal, cx: &mut Cx) {
        let Some(rows) = open.piece_rows() else {
            let config_version = open.batch.config_version;
            return self.read_again(open, config_version, Purpose::Amend(refusal), cx);
        };
        // The records were read again for this, and the source no longer has them.
        if rows.is_empty() {
            return self.nothing_left(open, cx);
        }
        let size = piece::count(&rows);
        // A record that was refused together with others, which are in the table or gone from the
        // source, was not refused itself.
        if size > 1 || open.notes.sent_rows > 1 {
            let named = refusal.row.filter(|row| *row < size);
            let next = named.unwrap_or(size / 2).max(1);
            open.notes.suspected = named.is_some_and(|row| row > 0);
            if size > 1 {
                open.batch.piece_end = piece::cut_after(&rows, next);
            }
            self.report(open.batch.id, Verdict::Amended { rows: next }, cx);
            self.work = Work::New { draft: open.with_fresh_token(cx) };
            return;
        }
        let Some(Cut { partition, offset }) = rows
            .first_key_value()
            .map(|(partition, offsets)| Cut { partition: *partition, offset: offsets[0] })
        else {
            panic!("R11: a piece without rows is not sent");
        };
        if !cx.options.leaves_out {
            *cx.failed = Some(StopReason::RecordRefused {
                topic: self.topic.clone(),
                partition,
                offset,
                table: open.batch.table.name.clone(),
                refusal,
            });
            return;
        }
        self.report(open.batch.id, Verdict::LeftOut { partition, offset }, cx);
        if refusal.row.is_none() {
            open.notes.piece_rows = Some(1);
        }
        open.notes.letters.push(Letter { partition, offset, refusal: Some(refusal) });
        self.advance(open, Cut { partition, offset: offset.next() }, cx);
    }

    /// Everything before `cut` is settled: the next piece is cut from what is left, if anything is.
    pub(crate) fn advance(&mut self, mut open: Open, cut: Cut, cx: &mut Cx) {
        let all = open.notes.rows.take().expect("a piece is only cut from rows that are known");
        for (partition, share) in &open.batch.ranges {
            let to = piece::settled_up_to(*partition, share, cut);
            if to > share.range.first() {
                self.pass(*partition, share, to, cx);
            }
        }
        let rows = piece::from(&all, cut);
        open.batch.ranges = piece::shrink(&open.batch.ranges, &rows, cut);
        open.notes.present = piece::from(&open.notes.present, cut);
        open.notes.partly_settled = true;
        let missing = piece::without(&rows, &open.notes.present);
        open.notes.rows = Some(rows);
        open.batch.by_evidence = !open.notes.present.is_empty();
        if missing.is_empty() && open.notes.letters.is_empty() {
            return self.settled_whole(open.batch.id, &open.batch.ranges, cx);
        }
        let suspect = std::mem::take(&mut open.notes.suspected).then_some(1);
        let rows_max = suspect.or(open.notes.piece_rows);
        open.batch.piece_end = rows_max.and_then(|rows_max| piece::cut_after(&missing, rows_max));
        self.work = Work::New { draft: open.with_fresh_token(cx) };
    }

    /// R15: the table has another shape than the block; what it is now has to be read.
    fn reshape(&mut self, open: Open, refusal: Refusal) {
        self.facts = None;
        self.work = Work::Reshaping { open, refusal, looks: 0 };
    }

    /// The table was read again: if its shape is another one, the block is built for it.
    pub(crate) fn look_at_shape(&mut self, cx: &mut Cx) {
        let Work::Reshaping { .. } = self.work else { return };
        let Work::Reshaping { open, refusal, looks } = std::mem::replace(&mut self.work, Work::Idle) else {
            panic!("just matched");
        };
        match self.shape_version() {
            Some(latest) if latest != open.batch.config_version => {
                self.read_again(open, latest, Purpose::Rebuild(latest), cx);
            }
            Some(_) | None if looks + 1 < SHAPE_LOOKS_MAX => {
                self.facts = None;
                self.work = Work::Reshaping { open, refusal, looks: looks + 1 };
            }
            Some(_) | None => self.refused(open, refusal, cx),
        }
    }

    /// The block was built by `version`, for the table's new shape: the rows must be the same records.
    pub(crate) fn rebuilt(&mut self, mut open: Open, version: ConfigVersion, same: bool, cx: &mut Cx) {
        if !same {
            *cx.failed = Some(StopReason::OtherConfiguration {
                topic: self.topic.clone(),
                batch: open.batch.id.to_string(),
                ranges: open.batch.ranges_text(),
                recorded: open.batch.config_version.to_string(),
                current: version.to_string(),
            });
            return;
        }
        self.report(open.batch.id, Verdict::Rebuilt, cx);
        open.batch.config_version = version;
        self.work = Work::New { draft: open.with_fresh_token(cx) };
    }

    /// Reads the batch's records again, for `purpose`.
    pub(crate) fn read_again(
        &mut self,
        open: Open,
        config_version: ConfigVersion,
        purpose: Purpose,
        cx: &mut Cx,
    ) {
        let (topic, batch) = (self.topic.clone(), open.batch.clone());
        cx.actions.push(Action::Reread { claim: cx.claim, topic, batch, config_version });
        self.work = Work::Rereading { open, purpose };
    }

    pub(crate) fn is_reading_again(&self, id: BatchId) -> bool {
        matches!(&self.work, Work::Rereading { open, .. } if open.batch.id == id)
    }
}
