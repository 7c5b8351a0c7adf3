//! Performs the protocol's actions. Each line here may be the last of the process: what then happens
//! is written in PROTOCOL.md, "Life of a batch".
use std::sync::Arc;

use pumphouse_decode::TablePlan;
use pumphouse_delivery::{Action, ClaimId, Event};
use pumphouse_kafka::OutgoingRecord;
use pumphouse_types::{BatchId, ConfigVersion, TopicName, TopicPartition};
use tracing::{error, info, warn};

use super::block::Block;
use super::failure::Failure;
use super::lane_shell::LaneShell;
use super::ledger_thread::Order;
use super::marks;
use super::reread::Reread;
use super::server_jobs::{self, Attempt};
use super::shell::{Outcome, Shell};
use crate::failpoint::{self, Moment};

/// A configuration version on its way to the state topic, and the event that waits for it.
pub(super) struct Publishing {
    claim: ClaimId,
    version: ConfigVersion,
    event: Event,
}

impl Shell<'_> {
    /// Performs everything that is asked for, until nothing is.
    pub(super) fn perform(&mut self) {
        loop {
            let actions = self.task.take_actions();
            if actions.is_empty() {
                return;
            }
            for action in actions {
                self.perform_one(action);
            }
        }
    }

    fn perform_one(&mut self, action: Action) {
        match action {
            Action::Claim { .. } | Action::ReadEntries { .. } | Action::AskStartOffsets { .. } => {
                self.ask(action);
            }
            Action::Inspect { claim, topic } => self.inspect(claim, topic),
            Action::Fetch { positions } => {
                for lane in self.lanes.values_mut() {
                    lane.drop_in_hand();
                }
                if let Err(error) = self.consumer.fetch(&positions) {
                    self.kafka_trouble(error);
                }
            }
            Action::Seal { topic, batch } => {
                let (runtime, mail) = (&self.cx.runtime, &self.mail);
                if let Some(lane) = self.lanes.get_mut(&topic) {
                    lane.seal(batch, runtime, mail);
                }
                failpoint::reach(Moment::AfterSeal);
            }
            Action::Record { claim, write, entries } => {
                let fence = self.fence.clone();
                let going = self.unmarked.go_with(write, entries.keys());
                let mark =
                    |tp: &TopicPartition| Some(marks::mark(self.cx, *self.topic_ids.get(&tp.topic)?, tp));
                let records = going.iter().filter_map(mark).collect();
                self.order(Order::Record { claim, write, fence, entries, records });
            }
            Action::Reread { claim, topic, batch } => {
                let Some(plan) = self.lanes.get(&topic).and_then(LaneShell::plan) else { return };
                info!(task = %self.cx.task_id, %topic, batch = %batch.id, ranges = batch.ranges_text(),
                    rows = batch.rows(), "an open batch is resolved: its ranges are read again (R6)");
                let reread = Reread {
                    settings: self.cx.consumer_settings.clone(),
                    group: self.cx.group.clone(),
                    claim,
                    topic,
                    batch,
                    plan: Arc::clone(plan),
                };
                reread.start(&self.cx.runtime, self.mail.clone());
            }
            Action::Settle { claim, topic, batch, after } => {
                server_jobs::settle(self.cx, self.mail.clone(), claim, topic, batch, after);
            }
            Action::Insert { claim, topic, batch, attempt } => {
                let Some((block, plan)) = self.block_and_plan(&topic, batch.id) else {
                    self.fail(Failure::Thread(format!("the block of batch {} is missing", batch.id)));
                    return;
                };
                let attempt = Attempt { claim, topic, batch, attempt, block, plan };
                let topic = attempt.topic.clone();
                let job = server_jobs::insert(self.cx, self.mail.clone(), attempt);
                if let Some(lane) = self.lanes.get_mut(&topic) {
                    lane.sending(job);
                }
            }
            Action::Confirm { claim, topic, batch } => {
                server_jobs::confirm(self.cx, self.mail.clone(), claim, topic, batch);
            }
            Action::Landed { topic, batch } => {
                self.cx.meters.landed(&topic, batch.rows());
                if let Some(lane) = self.lanes.get_mut(&topic) {
                    lane.release(batch.id);
                }
            }
            Action::WarnTopicGone { topic, partition } => {
                warn!(task = %self.cx.task_id, %topic, %partition,
                    "an entry of a topic that was deleted is dropped; the new topic starts its own (R15)");
            }
            Action::GiveUp => self.give_up(),
            Action::EndMembership => {
                self.drop_lanes();
                self.rejoin();
            }
            Action::Fail(reason) => {
                error!(task = %self.cx.task_id, %reason, "the task stops");
                self.fail(Failure::Delivery(reason));
            }
            Action::Leave => {
                self.drop_lanes();
                self.outcome.get_or_insert(Outcome::Left);
            }
        }
    }

    fn block_and_plan(&self, topic: &TopicName, batch: BatchId) -> Option<(Block, Arc<TablePlan>)> {
        let lane = self.lanes.get(topic)?;
        Some((lane.block(batch)?.clone(), Arc::clone(lane.plan()?)))
    }

    fn give_up(&mut self) {
        self.drop_lanes();
        self.assigned.clear();
        self.asks.clear();
        self.fence = None;
        if let Err(error) = self.consumer.revoked() {
            self.kafka_trouble(error);
        }
    }

    /// Whatever belongs to the claim that ended.
    pub(super) fn drop_lanes(&mut self) {
        self.lanes.clear();
        self.publishing.clear();
        self.unmarked.clear();
        self.asks.clear();
    }

    pub(super) fn order(&mut self, order: Order) {
        if self.orders.send(order).is_err() {
            self.fail(Failure::Thread("the ledger's thread has died".to_owned()));
        }
    }

    fn inspect(&mut self, claim: ClaimId, topic: TopicName) {
        if !self.lanes.contains_key(&topic) {
            let Some(queue) = self.consumer.lane_queue(&topic) else {
                self.fail(Failure::Thread(format!("the queue of {topic} is taken")));
                return;
            };
            self.lanes.insert(topic.clone(), LaneShell::new(topic.clone(), queue));
        }
        server_jobs::inspect(self.cx, self.mail.clone(), claim, topic);
    }

    /// R15: a configuration version stands in the state topic before a batch names it.
    pub(super) fn inspected(&mut self, event: Event, plan: &Arc<TablePlan>, config_text: String) {
        let Event::Inspected { claim, topic, config_version, .. } = &event else { return };
        if *claim != self.task.claim() {
            return;
        }
        if let Some(lane) = self.lanes.get_mut(topic) {
            lane.set_plan(Arc::clone(plan));
        }
        if self.published.contains(config_version) || self.cx.memory_ledger.is_some() {
            self.hear(event);
            return;
        }
        let record = OutgoingRecord {
            topic: self.cx.state_topic.clone(),
            partition: None,
            key: Some(format!("{}/config/{config_version}", self.cx.connector).into_bytes()),
            value: Some(config_text.into_bytes()),
            headers: Vec::new(),
            timestamp_ms: None,
        };
        let (claim, version) = (*claim, *config_version);
        self.publishing.push(Publishing { claim, version, event });
        self.order(Order::Publish { claim, record });
    }

    pub(super) fn published(&mut self, claim: ClaimId) {
        // The ledger's thread answers in the order in which it was asked.
        let Some(at) = self.publishing.iter().position(|publishing| publishing.claim == claim) else {
            return;
        };
        let Publishing { version, event, .. } = self.publishing.remove(at);
        self.published.insert(version);
        self.hear(event);
    }

    pub(super) fn reread_done(&mut self, event: Event, batch: BatchId, block: Block) {
        if let Event::Reread { claim, topic, .. } = &event
            && *claim == self.task.claim()
            && let Some(lane) = self.lanes.get_mut(topic)
        {
            lane.keep(batch, block);
        }
        self.hear(event);
    }
}
