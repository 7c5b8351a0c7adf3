//! A batch that is open for another table than its topic goes to now: `topic2TableMap` or `database` was
//! changed while it was open. It is resolved in its own table, with the configuration that built it, and
//! only then does the lane go on with the new one. Carries R15.
use pumphouse_types::{ConfigVersion, TableUuid};

use crate::batch::Batch;
use crate::lane::{Cx, Lane};
use crate::piece::RowList;
use crate::stop::StopReason;
use crate::talk::{Decision, Refusal, RefusalClass, Verdict};
use crate::work::{Attempts, Draft, Open, Purpose, Work};

/// Databases that keep no identities of their tables have this one for all of them.
const NO_IDENTITY: TableUuid = TableUuid(0);

/// ClickHouse's UNKNOWN_TABLE.
const NO_TABLE_CODE: i32 = 60;

/// The table that the topic goes to now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Home {
    pub name: String,
    pub uuid: TableUuid,
}

/// The table of the batch that is being resolved, where it is not the lane's home.
#[derive(Debug, Clone)]
pub(crate) struct Away {
    pub name: String,
    /// The batch, as it was found.
    batch: Batch,
    /// What fills blocks for it as it is now, once it was read for that.
    pub version: Option<ConfigVersion>,
}

impl Lane {
    /// Whether a reading of the table of this name is one that the lane can use now: while it is away, of
    /// the other table, else of its own.
    pub(crate) fn is_at(&self, name: &str) -> bool {
        match (&self.away, &self.home) {
            (Some(away), _) => away.name == name,
            (None, Some(home)) => home.name == name,
            (None, None) => true,
        }
    }

    /// The configuration that fills blocks for the table that the lane is at, as it is now.
    pub(crate) fn shape_version(&self) -> Option<ConfigVersion> {
        self.away.as_ref().map_or(self.latest_version, |away| away.version)
    }

    /// Goes to the table of a batch that was found. One that was only renamed is at home under its new name.
    pub(crate) fn go_where_it_is(&mut self, batch: &mut Batch, cx: &mut Cx) {
        let home = self.home.as_ref().expect("nothing is started before the table was read");
        if batch.table.name == home.name {
            return;
        }
        if batch.table.uuid == home.uuid && home.uuid != NO_IDENTITY {
            batch.table.name = home.name.clone();
            return;
        }
        let (name, now) = (batch.table.name.clone(), home.name.clone());
        self.report(batch.id, Verdict::OpenElsewhere { table: name.clone(), now }, cx);
        self.away = Some(Away { name, batch: batch.clone(), version: None });
        self.facts = None;
    }

    /// Nothing is open for the other table any more.
    pub(crate) fn come_home(&mut self) {
        if self.away.take().is_some() {
            self.facts = None;
        }
    }

    /// The table of this name is not there.
    pub(crate) fn table_gone(&mut self, name: &str, cx: &mut Cx) {
        self.inspecting = false;
        if self.away.as_ref().is_none_or(|away| away.name != name) {
            return;
        }
        match std::mem::replace(&mut self.work, Work::Idle) {
            Work::Settling { open }
            | Work::Doubting { open, .. }
            | Work::Confirming { open }
            | Work::BackOff { open, .. }
            | Work::Again { open, .. }
            | Work::Reshaping { open, .. } => self.without_table(open, cx),
            // The ledger has another token for it, which a decision has to name: the task begins anew from there.
            Work::New { draft } => {
                let open = self.as_found(draft);
                if !cx.options.exactly_once {
                    return self.build_for_home(open, cx);
                }
                let message = "the table is gone".to_owned();
                let refusal =
                    Refusal { class: RefusalClass::Schema, code: NO_TABLE_CODE, message, row: None };
                self.refused(open, refusal, cx);
            }
            // Asked again where it is needed.
            work @ (Work::Idle
            | Work::Marking { .. }
            | Work::Lettering { .. }
            | Work::Recording { .. }
            | Work::Inserting { .. }
            | Work::Asking { .. }
            | Work::Gathering { .. }
            | Work::Rereading { .. }) => self.work = work,
        }
    }

    /// Rows that went with their table are not looked for. Whether the records are to be in the table that the
    /// topic goes to now, a person decides; at least once, they are.
    fn without_table(&mut self, mut open: Open, cx: &mut Cx) {
        open.take_as_found_later();
        let question = open.question();
        let decision = cx.options.decisions.get(&question).copied();
        if let Some(decision) = decision {
            self.report(open.batch.id, Verdict::Decided(decision), cx);
        }
        match decision {
            Some(Decision::Landed) => {
                self.landed(open, cx);
                // What was accepted is the piece under the token that was decided about: the rows behind it never went
                // to the other table, and no table is there to take them.
                match std::mem::replace(&mut self.work, Work::Idle) {
                    Work::New { draft } => {
                        let open = self.as_found(draft);
                        self.build_for_home(open, cx);
                    }
                    work => self.work = work,
                }
            }
            Some(Decision::Again | Decision::Missing) => self.build_for_home(open, cx),
            None if !cx.options.exactly_once => self.build_for_home(open, cx),
            None => {
                let reason = StopReason::TableGone {
                    topic: self.topic.clone(),
                    batch: open.batch.id.to_string(),
                    question,
                    ranges: open.batch.piece_ranges_text(),
                    table: open.batch.table.name.clone(),
                    now: self.home.as_ref().map_or_else(String::new, |home| home.name.clone()),
                };
                self.ask(open, reason, cx);
            }
        }
    }

    /// A draft of the batch that was found open for the other table.
    fn as_found(&self, draft: Draft) -> Open {
        let like = self.away.as_ref().expect("only away a table can be gone").batch.clone();
        let Draft { id, token, ranges, piece_end, by_evidence, notes, .. } = draft;
        let batch = Batch { id, token, ranges, piece_end, by_evidence, ..like };
        Open { batch, attempts: Attempts::NONE, notes }
    }

    fn build_for_home(&mut self, mut open: Open, cx: &mut Cx) {
        self.come_home();
        // What the other table had does not count here.
        open.notes.present = RowList::new();
        open.notes.token_covers_piece = false;
        open.batch.by_evidence = false;
        let version = self.latest_version.expect("nothing is started before the table was read");
        self.read_again(open, version, Purpose::Rebuild(version), cx);
    }
}
