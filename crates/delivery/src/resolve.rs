//! What a claim finds in the entries, and how an open batch is taken up: gather the entries of all
//! its partitions, read its ranges again, make its earlier attempts end. Carries R6, R9 and R17.
use std::collections::BTreeMap;

use pumphouse_types::{BatchId, DedupToken, Offset, Partition};

use crate::batch::{Batch, BatchRange, TableSeen};
use crate::entry::{Entry, StoredEntry};
use crate::lane::{Cx, Lane, Part};
use crate::piece::{self, RowList};
use crate::rules::Rule;
use crate::stop::StopReason;
use crate::talk::{Action, RereadRange, Verdict};
use crate::window::NeedsEvidence;
use crate::work::{Doubt, Open, Purpose, Work};

impl Lane {
    /// Takes over the partitions of an assignment. `None` = no entry.
    pub(crate) fn claim(&mut self, found: BTreeMap<Partition, Option<StoredEntry>>, cx: &mut Cx) {
        let mut entries = BTreeMap::new();
        for (partition, stored) in found {
            let Some(entry) = self.understand(partition, stored.as_ref(), cx) else { return };
            entries.insert(partition, entry);
        }
        for (partition, entry) in &entries {
            let part = match entry {
                None => Part::Starting,
                Some(Entry::Plain { next, .. }) => active(*next, Some(*next)),
                Some(Entry::Lead(batch)) => {
                    self.to_resolve.push_back((**batch).clone());
                    Part::Resolving { batch: batch.id }
                }
                Some(Entry::Member(member)) => match entries.get(&member.lead) {
                    // Ours to resolve, together with its lead.
                    Some(Some(Entry::Lead(batch))) if batch.id == member.batch => {
                        Part::Resolving { batch: batch.id }
                    }
                    // The lead is ours, but does not carry the batch.
                    Some(_) => match self.orphan(member.batch, member.lead, *partition, member.share, cx) {
                        Some(part) => part,
                        None => return,
                    },
                    None => Part::Waiting { batch: member.batch, lead: member.lead },
                },
            };
            if self.parts.insert(*partition, part).is_none() {
                self.fetch_changed = true;
            }
        }
    }

    /// The entry, as far as it speaks of the topic as it is now (R9): one of an earlier topic of the
    /// same name is gone with it (R15). `None` = it cannot be understood, and the task stops.
    fn understand(
        &self,
        partition: Partition,
        stored: Option<&StoredEntry>,
        cx: &mut Cx,
    ) -> Option<Option<Entry>> {
        let Some(stored) = stored else { return Some(None) };
        if !cx.rules.keep(Rule::R6) {
            return Some(Some(Entry::plain(stored.offset, self.topic_id)));
        }
        match Entry::parse(partition, stored) {
            Ok(entry) if entry.topic_id().is_none_or(|id| id == self.topic_id) => Some(Some(entry)),
            Ok(entry) => {
                if entry.batch_id().is_some() {
                    cx.actions.push(Action::WarnTopicGone { topic: self.topic.clone(), partition });
                }
                Some(None)
            }
            Err(why) => {
                let topic = self.topic.clone();
                *cx.failed = Some(StopReason::EntryUnreadable { topic, partition, why });
                None
            }
        }
    }

    /// Where a partition without an entry starts. It gets one before anything is sealed for it.
    pub(crate) fn start_at(&mut self, partition: Partition, offset: Offset) {
        if let Some(part @ Part::Starting) = self.parts.get_mut(&partition) {
            *part = active(offset, None);
            self.fetch_changed = true;
        }
    }

    /// R6: first of all, whether all its partitions still carry the batch.
    pub(crate) fn gather(&mut self, batch: Batch, cx: &mut Cx) {
        cx.actions.push(Action::ReadEntries {
            claim: cx.claim,
            topic: self.topic.clone(),
            gather: Some(batch.id),
            partitions: batch.ranges.keys().copied().collect(),
        });
        self.work = Work::Gathering { batch };
    }

    pub(crate) fn entries_read(
        &mut self,
        gather: Option<BatchId>,
        found: &BTreeMap<Partition, StoredEntry>,
        cx: &mut Cx,
    ) {
        let Some(id) = gather else {
            self.look_at_waiting(found, cx);
            return;
        };
        match std::mem::replace(&mut self.work, Work::Idle) {
            Work::Gathering { batch } if batch.id == id => self.gathered(batch, found, cx),
            work => self.work = work,
        }
    }

    fn gathered(&mut self, mut batch: Batch, found: &BTreeMap<Partition, StoredEntry>, cx: &mut Cx) {
        let (id, ranges_text, lead) = (batch.id, batch.ranges_text(), batch.lead());
        // The entry cannot say which rows behind the piece the table has already: all are looked for.
        let piece_by_evidence = batch.by_evidence && batch.piece_end.take().is_some();
        let mut overwritten = Vec::new();
        for (partition, share) in &mut batch.ranges {
            let stored = found.get(partition);
            match stored.and_then(|stored| share_of(id, *partition, stored)) {
                Some(theirs) if theirs.range == share.range => *share = theirs,
                Some(_) | None => overwritten.push(*partition),
            }
        }
        if let Some(partition) = overwritten.first() {
            if !cx.overwritten.contains(&id) {
                *cx.failed = Some(self.disagree(id, ranges_text, *partition));
                return;
            }
            // What this claim has found to carry the batch was overwritten since: the claim is outdated.
            let ours = |partition: &Partition| matches!(self.parts.get(partition), Some(Part::Resolving { batch }) if *batch == id);
            if overwritten.iter().any(ours) {
                *cx.failed = Some(self.disagree(id, ranges_text, *partition));
                return;
            }
            batch.ranges.retain(|partition, _| !overwritten.contains(partition));
            // R17: what its token has put into the table is known by evidence only.
            self.report(id, Verdict::OffsetsWereSet, cx);
            batch.by_evidence = true;
        }
        let config_version = batch.config_version;
        let mut open = Open::found(batch);
        open.notes.token_covers_piece = piece_by_evidence;
        let of_lead = |stored| Entry::parse(lead, stored).ok().filter(|entry| entry.batch_id() == Some(id));
        open.notes.in_ledger = found.get(&lead).and_then(of_lead);
        self.read_again(open, config_version, Purpose::Resolve, cx);
    }

    /// R17: shares whose lead's entry was overwritten are resolved where they are, by evidence: each
    /// owner asks for the rows of its own partitions only, so nobody inserts a row twice.
    pub(crate) fn adopt(&mut self, id: BatchId, shares: BTreeMap<Partition, BatchRange>, cx: &mut Cx) {
        let facts = self.facts.as_ref().expect("nothing is started before the table was read");
        let first_recorded = facts.server_clock(cx.now);
        let batch = Batch {
            id,
            // Nothing is sent under it: it is what an operator's decision names, claim after claim.
            token: DedupToken(id.0),
            topic_id: self.topic_id,
            ranges: shares,
            table: TableSeen::from_facts(facts),
            first_recorded,
            // Its own deadline stood in the lead's entry. One that had grown with attempts that came too late
            // is what the operator waits for before setting offsets (PROTOCOL R17).
            deadline: first_recorded.plus(cx.options.deadline_ms),
            config_version: self.config_version.expect("nothing is started without"),
            piece_end: None,
            by_evidence: true,
        };
        self.report(id, Verdict::OffsetsWereSet, cx);
        let config_version = batch.config_version;
        self.read_again(Open::found(batch), config_version, Purpose::Resolve, cx);
    }

    /// A share whose lead does not carry the batch: `None` = it is to be looked at under another
    /// membership first.
    fn orphan(
        &mut self,
        batch: BatchId,
        lead: Partition,
        partition: Partition,
        share: BatchRange,
        cx: &mut Cx,
    ) -> Option<Part> {
        if !cx.rules.keep(Rule::R17) {
            return Some(active(share.range.first(), Some(share.range.first())));
        }
        if !cx.overwritten.contains(&batch) {
            *cx.failed = Some(self.disagree(batch, String::new(), lead));
            return None;
        }
        self.orphans.entry(batch).or_default().insert(partition, share);
        Some(Part::Resolving { batch })
    }

    /// R9: the rows must be the recorded ones, or fewer of them where the source has lost some.
    pub(crate) fn reread(&mut self, id: BatchId, found: &BTreeMap<Partition, RereadRange>, cx: &mut Cx) {
        if !self.is_reading_again(id) {
            return;
        }
        let Work::Rereading { mut open, purpose } = std::mem::replace(&mut self.work, Work::Idle) else {
            panic!("just looked");
        };
        open.notes.of_this_life = true;
        let rows: RowList = found
            .iter()
            .filter(|(_, range)| !range.offsets.is_empty())
            .map(|(partition, range)| (*partition, range.offsets.clone()))
            .collect();
        if let Purpose::Rebuild(version) = purpose {
            // Fewer rows could be the other configuration's doing as well as the source's.
            let same =
                open.batch.ranges.iter().all(|(partition, share)| is_same(share, found.get(partition)));
            open.notes.rows = Some(rows);
            return self.rebuilt(open, version, same, cx);
        }
        if cx.rules.keep(Rule::R9)
            && let Some(reason) = self.take_source(&mut open, found, cx)
        {
            *cx.failed = Some(reason);
            return;
        }
        open.notes.piece_rows = open.batch.piece_end.map(|_| open.rows_to_send().max(1));
        open.notes.rows = Some(rows);
        match purpose {
            Purpose::Resolve => self.resolve(open, cx),
            Purpose::Amend(refusal) => self.amend(open, refusal, cx),
            Purpose::Compare { doubt, found, complete } => self.compare(open, doubt, found, complete, cx),
            Purpose::Rebuild(_) => panic!("handled above"),
        }
    }

    /// The earlier attempts are made to end, and what they may have done is looked for if the token
    /// does not cover a known block.
    fn resolve(&mut self, open: Open, cx: &mut Cx) {
        if open.has_nothing_left() {
            self.nothing_left(open, cx);
        } else if open.batch.by_evidence {
            let why = if cx.overwritten.contains(&open.batch.id) {
                NeedsEvidence::OffsetsSet
            } else {
                NeedsEvidence::ByEvidence
            };
            self.doubt(open, Doubt { why, refusal: None }, cx);
        } else if cx.options.exactly_once && cx.options.decisions.contains_key(&open.question()) {
            // R7: a further attempt would be another question, and the decision none about it.
            self.doubt(open, Doubt { why: NeedsEvidence::Decided, refusal: None }, cx);
        } else {
            self.work = Work::BackOff { open, until: cx.now };
        }
    }

    /// The source has nothing of the open piece any more: whether it landed makes no difference (R4).
    pub(crate) fn nothing_left(&mut self, open: Open, cx: &mut Cx) {
        match open.batch.piece_end {
            None => self.settled_whole(open.batch.id, &open.batch.ranges, cx),
            Some(cut) => self.advance(open, cut, cx),
        }
    }

    /// Takes what the source has now for what the batch covers.
    /// Answers why not: records that were not recorded, or that no longer become rows.
    fn take_source(
        &self,
        open: &mut Open,
        found: &BTreeMap<Partition, RereadRange>,
        cx: &mut Cx,
    ) -> Option<StopReason> {
        let recorded = open.batch.rows();
        for (partition, share) in &mut open.batch.ranges {
            let read = found.get(partition);
            if is_same(share, read) {
                continue;
            }
            let (rows, left_out) = read.map_or((0, 0), |read| (read.rows(), read.left_out));
            if rows >= share.rows || left_out > share.left_out {
                return Some(StopReason::SourceChanged {
                    topic: self.topic.clone(),
                    partition: *partition,
                    batch: open.batch.id.to_string(),
                    range: share.range.to_string(),
                    recorded: share.rows,
                    found: rows,
                });
            }
            let offsets = read.map_or(&[][..], |read| read.offsets.as_slice());
            *share = piece::share_of(share.range, offsets, left_out);
        }
        let found = open.batch.rows();
        if found < recorded {
            self.report(open.batch.id, Verdict::SourceThinned { found, recorded }, cx);
        }
        None
    }

    /// Partitions whose batch another task resolves: free again when their entry is plain.
    fn look_at_waiting(&mut self, found: &BTreeMap<Partition, StoredEntry>, cx: &mut Cx) {
        let waiting: Vec<_> = self.parts.iter().map(|(p, part)| (*p, *part)).collect();
        for (partition, part) in waiting {
            let Part::Waiting { batch, lead } = part else { continue };
            let Some(stored) = found.get(&partition) else { continue };
            let Some(entry) = self.understand(partition, Some(stored), cx) else { return };
            let now = match entry {
                None => Part::Starting,
                Some(Entry::Plain { next, .. }) => {
                    self.fetch_changed = true;
                    active(next, Some(next))
                }
                Some(Entry::Member(member)) => Part::Waiting { batch: member.batch, lead: member.lead },
                // Only its owner records for a partition, and we own it.
                Some(Entry::Lead(_)) => {
                    *cx.failed = Some(self.disagree(batch, String::new(), partition));
                    return;
                }
            };
            // Both were read at one moment: the lead is rewritten together with its members. An entry
            // that is gone carries nothing either.
            let lead_left = !found.get(&lead).is_some_and(
                |stored| matches!(Entry::parse(lead, stored), Ok(Entry::Lead(b)) if b.id == batch),
            );
            let now = if now == part && lead_left {
                let share = found.get(&partition).and_then(|stored| share_of(batch, partition, stored));
                let Some(share) = share else { continue };
                match self.orphan(batch, lead, partition, share, cx) {
                    Some(now) => now,
                    None => return,
                }
            } else {
                now
            };
            self.parts.insert(partition, now);
        }
    }

    fn disagree(&self, batch: BatchId, ranges: String, partition: Partition) -> StopReason {
        let topic = self.topic.clone();
        StopReason::EntriesDisagree { topic, id: batch, batch: batch.to_string(), ranges, partition }
    }
}

/// What `partition` carries of the batch; `None` if it does not carry it.
fn share_of(id: BatchId, partition: Partition, stored: &StoredEntry) -> Option<BatchRange> {
    match Entry::parse(partition, stored) {
        Ok(Entry::Lead(lead)) if lead.id == id => Some(lead.ranges[&partition]),
        Ok(Entry::Member(member)) if member.batch == id => Some(member.share),
        Ok(Entry::Plain { .. } | Entry::Lead(_) | Entry::Member(_)) | Err(_) => None,
    }
}

/// Whether the source still has exactly the recorded rows.
fn is_same(share: &BatchRange, read: Option<&RereadRange>) -> bool {
    match read {
        Some(read) => {
            read.rows() == share.rows && read.hash() == share.hash && read.left_out <= share.left_out
        }
        None => share.rows == 0,
    }
}

fn active(next: Offset, recorded: Option<Offset>) -> Part {
    Part::Active { next, landed: next, recorded }
}
