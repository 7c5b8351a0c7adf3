//! The one batch that a lane may have open (R3): as a draft that the ledger does not know, as an open batch, and
//! what it waits for.
use std::collections::BTreeMap;

use pumphouse_types::{BatchId, ConfigVersion, DedupToken, Millis, Offset, Partition, QuestionId};

use crate::batch::{Batch, BatchRange, Cut};
use crate::entry::Entry;
use crate::foresight::Foreseen;
use crate::lane::Cx;
use crate::piece::{self, RowList};
use crate::rules::Rule;
use crate::stop::StopReason;
use crate::talk::{Letter, Refusal};
use crate::window::NeedsEvidence;

/// A batch under a token that the ledger does not know yet.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub id: BatchId,
    pub token: DedupToken,
    pub ranges: BTreeMap<Partition, BatchRange>,
    pub piece_end: Option<Cut>,
    pub by_evidence: bool,
    /// `None` = the one that fills the lane's blocks.
    pub config_version: Option<ConfigVersion>,
    /// As its record was foreseen, if it was.
    pub foreseen: Option<Foreseen>,
    pub notes: Notes,
}

impl Draft {
    pub(crate) fn rows(&self) -> u64 {
        self.ranges.values().map(|share| share.rows).sum()
    }
}

/// The open batch, as the ledger carries it or is about to.
#[derive(Debug, Clone)]
pub(crate) struct Open {
    pub batch: Batch,
    pub attempts: Attempts,
    pub notes: Notes,
}

impl Open {
    /// A batch that was found: whoever recorded it may have sent it.
    pub(crate) fn found(batch: Batch) -> Open {
        Open { batch, attempts: Attempts::OF_OTHERS, notes: Notes::default() }
    }

    /// Rows that the open piece is to insert, if the rows are known.
    pub(crate) fn piece_rows(&self) -> Option<RowList> {
        let rows = piece::before(self.notes.rows.as_ref()?, self.batch.piece_end);
        Some(piece::without(&rows, &self.notes.present))
    }

    /// How many rows an attempt sends.
    pub(crate) fn rows_to_send(&self) -> u64 {
        self.piece_rows().map_or_else(|| self.batch.rows(), |rows| piece::count(&rows))
    }

    /// Whether it is known that no row of the open piece is to be inserted.
    pub(crate) fn has_nothing_left(&self) -> bool {
        self.piece_rows().is_some_and(|rows| rows.is_empty())
    }

    /// What a person is asked about it: what became of the rows that are named, by the attempts that the ledger knows
    /// of (R7).
    pub(crate) fn question(&self) -> QuestionId {
        let ranges = self.batch.piece_ranges_text();
        match &self.notes.in_ledger {
            Some(Entry::Lead(batch)) => QuestionId::about(batch.token, batch.deadline, &ranges),
            // Shares without their lead (R17): nothing is sent under the token that they had. Each owner asks about its own.
            Some(Entry::Plain { .. } | Entry::Member(_)) | None => {
                QuestionId::about_shares(self.batch.id, &ranges)
            }
        }
    }

    /// Whether the ledger has it as a piece that was recorded by evidence; then it is taken for all that is left, as every
    /// later claim takes it, which cannot know the rows behind the piece that the table has (R7). A person is asked
    /// about that only, so that question and decision are about the same rows.
    pub(crate) fn take_as_found_later(&mut self) -> bool {
        let by_evidence = matches!(&self.notes.in_ledger, Some(Entry::Lead(batch)) if batch.by_evidence);
        if !by_evidence || self.batch.piece_end.take().is_none() {
            return false;
        }
        self.notes.present = RowList::new();
        self.notes.token_covers_piece = true;
        true
    }

    /// The same batch under a token that was never used.
    pub(crate) fn with_fresh_token(self, cx: &mut Cx) -> Draft {
        let mut draft = self.into_draft();
        draft.notes.token_covers_piece = false;
        if cx.rules.keep(Rule::R11) {
            draft.token = DedupToken(cx.ids.draw());
        }
        draft
    }

    /// The same batch, to be recorded anew.
    pub(crate) fn into_draft(self) -> Draft {
        let Open { batch, notes, .. } = self;
        Draft {
            id: batch.id,
            token: batch.token,
            ranges: batch.ranges,
            piece_end: batch.piece_end,
            by_evidence: batch.by_evidence,
            config_version: Some(batch.config_version),
            foreseen: None,
            notes,
        }
    }
}

/// What is known of the open batch beside what the ledger holds. It ends with the claim.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notes {
    /// The entry of its lead, as the ledger has it; `None` = it was recorded by nobody, or its lead was overwritten.
    pub in_ledger: Option<Entry>,
    /// Dead letters that no write has carried yet.
    pub letters: Vec<Letter>,
    /// Since its records were read the topic was seen to be the one that was claimed (R15).
    pub of_this_life: bool,
    /// All its rows, once they were read again.
    pub rows: Option<RowList>,
    /// Rows that the table has, by evidence.
    pub present: RowList,
    /// A piece that was recorded by evidence, and is asked about as all that is left (R7): an attempt under its
    /// token that finished proves nothing of the rows behind the piece.
    pub token_covers_piece: bool,
    /// The block that the worker keeps has more rows than the batch still has.
    pub partly_settled: bool,
    /// Rows of the next piece at most; twice what landed last (R11).
    pub piece_rows: Option<u64>,
    /// When the last attempt was sent.
    pub sent_at: Option<Millis>,
    /// The server has named the row behind the open piece: it is sent alone next.
    pub suspected: bool,
    /// Rows of the last attempt; 0 = none was sent.
    pub sent_rows: u64,
    /// Attempts at the open piece that came to nothing, under whatever token.
    pub in_vain: u32,
    /// Since when attempts have come to nothing.
    pub trouble_since: Option<Millis>,
    /// Attempts that came too late: each doubles the time that the next one gets.
    pub too_late: u32,
    /// Refusals that are worth only so many further attempts.
    pub bounded_refusals: u32,
}

/// How often the batch was sent under its token, and what is known of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attempts {
    /// Under this claim.
    pub sent: u32,
    /// False once an attempt was sent that is not the one in question: an earlier owner's may
    /// always have been (R8).
    pub first_and_only: bool,
    /// Some attempt's answer is not known (R10).
    pub unknown: bool,
}

impl Attempts {
    pub(crate) const NONE: Attempts = Attempts { sent: 0, first_and_only: true, unknown: false };
    pub(crate) const OF_OTHERS: Attempts = Attempts { sent: 0, first_and_only: false, unknown: true };
}

/// Why the rows of a batch are read again.
#[derive(Debug, Clone)]
pub(crate) enum Purpose {
    /// Found at claim: to send them again (R6).
    Resolve,
    /// The block was refused: to send less of it (R11).
    Amend(Refusal),
    /// Some rows are in the table: to know which are not (R7).
    Compare { doubt: Doubt, found: RowList, complete: bool },
    /// The table has another shape: to build the block anew, by this version (R15).
    Rebuild(ConfigVersion),
}

/// What is not known of a batch.
#[derive(Debug, Clone)]
pub(crate) struct Doubt {
    pub why: NeedsEvidence,
    /// The last attempt was refused: what has not landed is not sent as it is.
    pub refusal: Option<Refusal>,
}

/// The one batch that may be open (R3), and what it waits for.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    Idle,
    /// Plain marks are being written.
    Marking {
        marks: BTreeMap<Partition, Offset>,
    },
    /// Ready to be recorded for the first time under its token.
    New {
        draft: Draft,
    },
    /// Nothing is left of it but dead letters, which are being written with its marks.
    Lettering {
        draft: Draft,
        marks: BTreeMap<Partition, Offset>,
    },
    /// To be recorded again with a later deadline; the table was asked at a moment whether it
    /// remembers the token (R7).
    Again {
        open: Open,
        settled_at: Millis,
    },
    /// Its entries are being written.
    Recording {
        open: Open,
        marks: BTreeMap<Partition, Offset>,
    },
    /// An attempt is under way.
    Inserting {
        open: Open,
    },
    /// Accepted; the server's process is asked for (R8).
    Confirming {
        open: Open,
    },
    /// To be made quiet, not before a moment.
    BackOff {
        open: Open,
        until: Millis,
    },
    /// Earlier attempts are being ended.
    Settling {
        open: Open,
    },
    /// It is being made quiet and looked for in the table (R7).
    Doubting {
        open: Open,
        doubt: Doubt,
    },
    /// A person is to be asked, if the fence still stands: the lead's entry is written once more, as it is (R5).
    Asking {
        open: Open,
        reason: StopReason,
    },
    /// The table's new shape is waited for (R15).
    Reshaping {
        open: Open,
        refusal: Refusal,
        looks: u32,
    },
    /// Found at claim: the entries of its partitions are being read.
    Gathering {
        batch: Batch,
    },
    /// Its records are being read again.
    Rereading {
        open: Open,
        purpose: Purpose,
    },
}
