//! What the outside answers to what the task has asked for.
use std::collections::BTreeMap;

use pumphouse_types::{Offset, Partition, TopicName, TopicPartition};

use super::{Stage, offset, tp};
use crate::{
    Action, BatchRange, Event, Evidence, InsertAnswer, LedgerAnswer, Refusal, RefusalClass, RereadRange,
};

impl Stage {
    pub(super) fn answer(&mut self, verb: &str) {
        let wanted: fn(&Action) -> bool = match verb {
            "claimed" => |a| matches!(a, Action::Claim { .. }),
            "started" => |a| matches!(a, Action::AskStartOffsets { .. }),
            "entries" => |a| matches!(a, Action::ReadEntries { .. }),
            "settled" => |a| matches!(a, Action::Settle { .. }),
            "confirmed" => |a| matches!(a, Action::Confirm { .. }),
            _ => |a| matches!(a, Action::Reread { .. }),
        };
        let event = match self.take(wanted, verb) {
            Action::Claim { claim, partitions } => {
                let of = |tp: &TopicPartition| Some((tp.clone(), self.ledger.get(tp)?.clone()));
                let entries = partitions.iter().filter_map(of).collect();
                Event::Claimed { claim, entries, topic_ids: self.topic_ids.clone() }
            }
            Action::AskStartOffsets { claim, partitions } => {
                let offsets = partitions.into_iter().map(|tp| (tp, Offset::ZERO)).collect();
                Event::StartOffsets { claim, offsets }
            }
            Action::ReadEntries { claim, topic, gather, partitions } => {
                let of = |partition: Partition| {
                    let tp = TopicPartition { topic: topic.clone(), partition };
                    Some((partition, self.ledger.get(&tp)?.clone()))
                };
                let entries = partitions.into_iter().filter_map(of).collect();
                Event::EntriesRead { claim, topic, gather, entries }
            }
            Action::Settle { claim, topic, batch, table, .. } => match self.facts_of(&table) {
                Some(facts) => Event::Settled { claim, topic, batch, facts },
                None => Event::TableGone { claim, topic, table },
            },
            Action::Confirm { claim, topic, batch, .. } => {
                let server_started = self.facts.server_started;
                Event::Confirmed { claim, topic, batch, server_started }
            }
            Action::Reread { claim, topic, batch, .. } => {
                let read = |share: &BatchRange| {
                    let (first, end) = (share.range.first().get(), share.range.end().get());
                    let offsets: Vec<Offset> = match verb {
                        "re-read-fewer" => (first..end - 1).map(offset).collect(),
                        "re-read-other" => (first + 1..=end).map(offset).collect(),
                        "re-read-nothing" => Vec::new(),
                        // What was left out of these shares came last.
                        _ => (first..end).take(share.rows as usize).map(offset).collect(),
                    };
                    RereadRange { offsets, left_out: share.left_out }
                };
                let ranges = batch.ranges.iter().map(|(p, share)| (*p, read(share))).collect();
                let topic_id = self.topic_ids.get(&topic).copied();
                Event::Reread { claim, topic, batch: batch.id, ranges, topic_id }
            }
            other => panic!("{other:?} has no answer here"),
        };
        self.hear(event);
    }

    /// `found p0 90..120 p1 5..9`, complete; `some-found ..`: rows may have gone from the table since.
    pub(super) fn answer_evidence(&mut self, verb: &str, args: &[&str]) {
        let taken = self.take(|a| matches!(a, Action::Evidence { .. }), verb);
        let Action::Evidence { claim, topic, batch, .. } = taken else { unreachable!() };
        let mut found = BTreeMap::new();
        for pair in args.chunks(2) {
            let (first, end) = pair[1].split_once("..").unwrap();
            let offsets: Vec<Offset> =
                (first.parse().unwrap()..end.parse::<i64>().unwrap()).map(offset).collect();
            found.insert(tp(pair[0]).partition, offsets);
        }
        let evidence = match verb {
            "finished" => Evidence::Finished,
            "unclear" => Evidence::Unknown { why: "no lineage columns".into(), found: None },
            "unclear-found" => Evidence::Unknown { why: "a TTL".into(), found: Some(found) },
            _ => Evidence::Rows { found, complete: verb == "found" },
        };
        let table = batch.table.name.clone();
        self.hear(match self.facts_of(&table) {
            Some(facts) => Event::Evidence { claim, topic, batch: batch.id, facts, evidence },
            None => Event::TableGone { claim, topic, table },
        });
    }

    pub(super) fn answer_write(&mut self, verb: &str) {
        let taken = self.take(|a| matches!(a, Action::Record { .. }), verb);
        let Action::Record { claim, write, entries, .. } = taken else { unreachable!() };
        let answer = match verb {
            "recorded" => LedgerAnswer::Recorded,
            "not-recorded" => LedgerAnswer::NotRecorded,
            "fenced" => LedgerAnswer::Fenced,
            "refused-write" => LedgerAnswer::Refused("no right".into()),
            "other-topic" => LedgerAnswer::OtherTopic(self.topic_ids.get(&TopicName::new("t")).copied()),
            _ => LedgerAnswer::Unknown,
        };
        if answer == LedgerAnswer::Recorded {
            self.ledger.extend(entries);
        }
        self.hear(Event::Ledger { claim, write, answer });
    }

    pub(super) fn answer_insert(&mut self, verb: &str) {
        let taken = self.take(|a| matches!(a, Action::Insert { .. }), verb);
        let Action::Insert { claim, topic, batch, attempt, .. } = taken else { unreachable!() };
        let row = match verb {
            "bad-first" => Some(0),
            "bad-fourth" => Some(3),
            _ => None,
        };
        let refused = |class, code| InsertAnswer::Refused(Refusal { class, code, message: "no".into(), row });
        let answer = match verb {
            "accepted" => InsertAnswer::Accepted,
            "overload" => refused(RefusalClass::Overload, 252),
            "too-late" => refused(RefusalClass::DeadlinePassed, 395),
            "busy" => refused(RefusalClass::Bounded, 425),
            "bad-data" => refused(RefusalClass::Data, 321),
            "bad-first" | "bad-fourth" => refused(RefusalClass::Data, 469),
            "no-table" => refused(RefusalClass::Schema, 60),
            "no-right" => refused(RefusalClass::Fatal, 497),
            _ => InsertAnswer::Unknown,
        };
        self.hear(Event::Insert { claim, topic, batch: batch.id, attempt, answer });
    }
}
