//! What a claim finds in the entries, and how an open batch is taken up: gather the entries of all
//! its partitions, read its ranges again, make its earlier attempts end. Carries R6, R9 and R17's stop.
use std::collections::BTreeMap;

use pumphouse_types::{BatchId, Offset, Partition};

use crate::batch::{Batch, BatchRange};
use crate::entry::{Entry, StoredEntry};
use crate::lane::{Attempts, Cx, Lane, Part, Work};
use crate::rules::Rule;
use crate::stop::StopReason;
use crate::talk::{Action, RereadRange};

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
                    // The lead is ours, but does not know the batch.
                    Some(_) => {
                        *cx.failed = Some(self.disagree(member.batch, String::new(), member.lead));
                        return;
                    }
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
        let (id, ranges_text) = (batch.id, batch.ranges_text());
        for (partition, share) in &mut batch.ranges {
            let stored = found.get(partition);
            match stored.and_then(|stored| share_of(id, *partition, stored)) {
                Some(theirs) if theirs.range == share.range => *share = theirs,
                Some(_) | None => {
                    *cx.failed = Some(self.disagree(id, ranges_text, *partition));
                    return;
                }
            }
        }
        if Some(batch.config_version) != self.config_version {
            *cx.failed = Some(StopReason::OtherConfiguration {
                topic: self.topic.clone(),
                batch: id.to_string(),
                ranges: ranges_text,
                recorded: batch.config_version.to_string(),
                current: self.config_version.map_or_else(String::new, |v| v.to_string()),
            });
            return;
        }
        let action = Action::Reread { claim: cx.claim, topic: self.topic.clone(), batch: batch.clone() };
        self.work = Work::Rereading { batch };
        cx.actions.push(action);
    }

    /// R9: the rows must be the recorded ones; then the earlier attempts are made to end.
    pub(crate) fn reread(&mut self, id: BatchId, found: &BTreeMap<Partition, RereadRange>, cx: &mut Cx) {
        match std::mem::replace(&mut self.work, Work::Idle) {
            Work::Rereading { batch } if batch.id == id => {
                if cx.rules.keep(Rule::R9)
                    && let Some(reason) = self.source_changed(&batch, found)
                {
                    *cx.failed = Some(reason);
                    return;
                }
                // Whoever recorded it may have sent it.
                let attempts = Attempts { sent: 0, first_and_only: false };
                self.work = Work::BackOff { batch, attempts, until: cx.now };
            }
            work => self.work = work,
        }
    }

    fn source_changed(&self, batch: &Batch, found: &BTreeMap<Partition, RereadRange>) -> Option<StopReason> {
        let changed = |(partition, share): (&Partition, &BatchRange)| {
            let read = found.get(partition);
            let same = read.is_some_and(|r| r.rows == share.rows && r.hash == share.hash);
            (!same).then(|| StopReason::SourceChanged {
                topic: self.topic.clone(),
                partition: *partition,
                batch: batch.id.to_string(),
                range: share.range.to_string(),
                recorded: share.rows,
                found: read.map_or(0, |r| r.rows),
            })
        };
        batch.ranges.iter().find_map(changed)
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
            let same = now == part;
            let lead_left = found.get(&lead).is_some_and(
                |stored| !matches!(Entry::parse(lead, stored), Ok(Entry::Lead(b)) if b.id == batch),
            );
            if same && lead_left {
                *cx.failed = Some(self.disagree(batch, String::new(), lead));
                return;
            }
            self.parts.insert(partition, now);
        }
    }

    fn disagree(&self, batch: BatchId, ranges: String, partition: Partition) -> StopReason {
        let topic = self.topic.clone();
        StopReason::EntriesDisagree { topic, batch: batch.to_string(), ranges, partition }
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

fn active(next: Offset, recorded: Option<Offset>) -> Part {
    Part::Active { next, landed: next, recorded }
}
