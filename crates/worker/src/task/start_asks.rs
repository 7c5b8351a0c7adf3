//! Where partitions without an entry begin (R16), and their first entries in KeeperMap (R6).
use std::collections::BTreeMap;

use pumphouse_clickhouse::{ClickHouseError, KeeperAnswer};
use pumphouse_conduct::{PartitionsAsked, Start, is_outdated, start_of};
use pumphouse_delivery::Entry;
use pumphouse_types::{Offset, TopicId, TopicPartition};
use tracing::{info, warn};

use super::asks::{ASK_TIMEOUT, Unanswered, told};
use super::failure::Failure;
use super::keeper_asks::{Entries, Underway};
use super::marks;
use super::shell::Shell;
use super::stores::is_informed;

/// Start offsets, and the first entries that are being written of them.
pub(super) struct Entering {
    offsets: BTreeMap<TopicPartition, Offset>,
    entries: Entries,
    pub(super) written: Underway<KeeperAnswer>,
}

/// What is known of partitions without an entry.
enum Starts {
    Found(BTreeMap<TopicPartition, Offset>),
    /// This one has a history and no entry: it is looked whether that holds still (R16).
    Doubted(TopicPartition),
    Failed(Failure),
}

impl Shell<'_> {
    pub(super) fn serve_starts(&mut self) {
        while let Some(asked) = self.member.next_starts(self.task.claim(), self.now()) {
            match self.starts(&asked) {
                Ok(Starts::Found(offsets)) => match self.keeper_asker() {
                    Some(asker) => {
                        let entries = self.first_entries(&offsets);
                        let written = asker.enter(entries.clone());
                        self.asks.entering = Some(Entering { offsets, entries, written });
                    }
                    None => self.starts_found(Ok(offsets)),
                },
                Ok(Starts::Doubted(tp)) => match self.keeper_asker() {
                    Some(asker) => {
                        let under_way = asker.read(vec![tp.clone()]);
                        self.asks.doubting = Some((tp, under_way));
                    }
                    None => {
                        let found = self.entries(std::slice::from_ref(&tp));
                        self.lost_or_outdated(tp, found);
                    }
                },
                Ok(Starts::Failed(failure)) => self.fail(failure),
                Err(error) => self.starts_found(Err(error)),
            }
        }
    }

    fn starts_found(&mut self, found: Result<BTreeMap<TopicPartition, Offset>, Unanswered>) {
        let (offsets, error) = told(found);
        if let Some(event) = self.member.starts_found(offsets, self.now()) {
            self.hear(event);
        }
        error.into_iter().for_each(|error| self.not_answered(error));
    }

    pub(super) fn serve_doubting(&mut self) {
        let waited = self.asks.doubting.take_if(|(_, under_way)| under_way.is_answered());
        if let Some((tp, under_way)) = waited {
            let answer = under_way.look().expect("it is answered");
            self.lost_or_outdated(tp, answer.map_err(Unanswered::from));
        }
    }

    /// R16: the offsets are lost, unless somebody has written since the claim's entries were read.
    fn lost_or_outdated(&mut self, topic_partition: TopicPartition, found: Result<Entries, Unanswered>) {
        let found = match found {
            Ok(found) => found,
            Err(error) => return self.starts_found(Err(error)),
        };
        let topic = &topic_partition.topic;
        let now = match self.there_are(std::slice::from_ref(topic)) {
            Ok(now) => now.get(topic).copied(),
            Err(error) => return self.starts_found(Err(error)),
        };
        let claimed = self.member.topic_ids().get(topic).copied();
        let entry = found.get(&topic_partition);
        if claimed.is_some_and(|claimed| is_outdated(topic_partition.partition, entry, claimed, now)) {
            info!(task = %self.cx.task_id, %topic_partition,
                "somebody else has written since the claim; the membership ends (R5)");
            return self.rejoin();
        }
        self.fail(Failure::OffsetsLost { topic_partition });
    }

    /// R6: a partition without an entry gets one at claim. In KeeperMap at once, before its mark goes to the state
    /// topic, which no transaction joins with it: a process that dies in between leaves an entry that says where to
    /// begin, not a mark without one (R16).
    fn first_entries(&self, offsets: &BTreeMap<TopicPartition, Offset>) -> Entries {
        let entry = |(tp, offset): (&TopicPartition, &Offset)| {
            let topic_id = *self.member.topic_ids().get(&tp.topic)?;
            Some((tp.clone(), Entry::plain(*offset, topic_id).to_stored()))
        };
        offsets.iter().filter_map(entry).collect()
    }

    pub(super) fn serve_entering(&mut self) {
        let Some(entering) = self.asks.entering.take_if(|entering| entering.written.is_answered()) else {
            return;
        };
        let Entering { offsets, entries, written } = entering;
        match written.look().expect("it is answered") {
            KeeperAnswer::Recorded => {
                self.show_in_group(&entries);
                self.starts_found(Ok(offsets));
            }
            KeeperAnswer::Fenced(why) => {
                warn!(task = %self.cx.task_id, why, "partitions were claimed by somebody else; the membership ends (R5)");
                self.rejoin();
            }
            KeeperAnswer::Refused(why) | KeeperAnswer::Unknown(why) => {
                let asked = "writing the first entries of the ledger";
                self.starts_found(Err(Unanswered::ClickHouse(ClickHouseError::NoAnswer { asked, why })));
            }
        }
    }

    /// R16: where partitions without an entry are begun. Errors: Kafka's.
    fn starts(&self, asked: &PartitionsAsked) -> Result<Starts, Unanswered> {
        let named: Vec<(TopicPartition, TopicId)> = asked
            .partitions
            .iter()
            .filter_map(|tp| Some((tp.clone(), *self.member.topic_ids().get(&tp.topic)?)))
            .collect();
        let (mut offsets, mut fresh) = (BTreeMap::new(), Vec::new());
        let histories = marks::histories(self.cx, &named)?;
        for topic_partition in &asked.partitions {
            let topic_partition = topic_partition.clone();
            match start_of(histories.get(&topic_partition).copied(), self.cx.limits.exactly_once) {
                Start::Fresh => fresh.push(topic_partition),
                Start::AtRest(next) => {
                    warn!(task = %self.cx.task_id, rule = "R16", %topic_partition, %next,
                        "the group's offset is gone; the partition goes on from where a clean stop left it (R16)");
                    self.cx.meters.ruled("R16");
                    offsets.insert(topic_partition, next);
                }
                Start::Anew => {
                    warn!(task = %self.cx.task_id, rule = "R16", %topic_partition,
                        "the group's offset is gone; the partition begins anew, as for any consumer (R16)");
                    self.cx.meters.ruled("R16");
                    fresh.push(topic_partition);
                }
                Start::Lost => return Ok(Starts::Doubted(topic_partition)),
            }
        }
        match self.left_by_others(&mut fresh)? {
            Ok(left) => offsets.extend(left),
            Err(failure) => return Ok(Starts::Failed(failure)),
        }
        if fresh.is_empty() {
            return Ok(Starts::Found(offsets));
        }
        let Some(start_at) = self.cx.start_at else {
            return Ok(Starts::Failed(Failure::NoStart { topic_partition: fresh[0].clone() }));
        };
        offsets.extend(self.consumer.start_offsets(&fresh, start_at, ASK_TIMEOUT * 5)?);
        Ok(Starts::Found(offsets))
    }

    /// A connector whose ledger is in KeeperMap from now on goes on where the group stands that another tool, such
    /// as Kafka Connect, has brought there. An offset of ours without a mark of ours is none of these (R16).
    fn left_by_others(
        &self,
        fresh: &mut Vec<TopicPartition>,
    ) -> Result<Result<BTreeMap<TopicPartition, Offset>, Failure>, Unanswered> {
        let mut left = BTreeMap::new();
        if self.keeper.is_none() || fresh.is_empty() {
            return Ok(Ok(left));
        }
        for (topic_partition, stored) in self.consumer.committed(fresh, ASK_TIMEOUT * 5)? {
            let Some(stored) = stored else { continue };
            let ours = is_informed(&stored)
                || !matches!(
                    Entry::parse(topic_partition.partition, &stored),
                    Ok(Entry::Plain { topic_id: None, .. })
                );
            if !ours {
                left.insert(topic_partition, stored.offset);
            } else if self.cx.limits.exactly_once {
                return Ok(Err(Failure::OffsetsLost { topic_partition }));
            }
        }
        fresh.retain(|topic_partition| !left.contains_key(topic_partition));
        Ok(Ok(left))
    }
}
