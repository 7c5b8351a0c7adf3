//! What a process does in and around a membership, as `conduct` decides it: joins, is given partitions and gives them
//! up, claims, finds where partitions begin, ends.

use super::*;

impl World {
    /// A membership begins, unless the connector was stopped meanwhile.
    pub fn begin_membership(&mut self, proc: usize) {
        if self.if_awake(proc, Ev::JoinAnew { proc }).is_none() {
            return;
        }
        if self.procs[proc].told_to_stop {
            return self.kill_proc(proc);
        }
        let now = self.clock(proc);
        let process = &mut self.procs[proc];
        process.memberships += 1;
        process.joined_at = Some(self.now);
        process.member = Membership::new(self.plan.incremental, process.life.cut_off());
        // Whatever an earlier membership left is over, and so is what it asked for.
        process.task.hear(Event::Lost, now);
        process.task.take_actions();
        self.join_anew(proc);
    }

    /// The membership is closed if it has come to its end, and what follows it is begun.
    pub(super) fn look_for_end(&mut self, proc: usize) {
        let process = &mut self.procs[proc];
        let Some(outcome) = process.member.ended().filter(|_| process.alive) else { return };
        let lived_ms = self.now - process.joined_at.take().unwrap_or(self.now);
        let (stays, next) = (outcome.stays(false), process.life.after(outcome, lived_ms));
        self.drop_blocks(proc);
        let process = &mut self.procs[proc];
        process.actions.clear();
        process.inbox.clear();
        process.poll_queued = false;
        process.handle.clear();
        // The next one opens a producer of its own.
        process.suspect = true;
        self.close_consumer(proc, stays);
        match next {
            Next::Join { after_ms } => {
                self.saw(if after_ms < 30_000 {
                    "membership ended"
                } else {
                    "name taken by another process"
                });
                self.say(|| format!("p{proc} joins anew after {after_ms} ms"));
                self.after(after_ms, Ev::JoinAnew { proc });
            }
            Next::Stopped { landed } => {
                self.saw(if landed { "clean stop" } else { "stop that leaves something open" });
                self.kill_proc(proc);
            }
            Next::Failed(Why { reason, question: Some(question) }) => self.stopped(proc, &reason, question),
            Next::Failed(Why { reason, question: None }) => {
                self.saw("failed task begun anew by itself");
                let slot = self.procs[proc].slot;
                let ran_ms = self.now - self.procs[proc].started_at;
                let pause_ms = self.restarts[slot].after(ran_ms);
                self.say(|| format!("p{proc} is begun anew after {pause_ms} ms: {reason}"));
                if self.end_proc(proc) {
                    self.after(pause_ms, Ev::Start { slot, other_identity: false });
                }
            }
        }
    }

    /// Asks whatever the membership wants to know.
    pub fn serve_asks(&mut self, proc: usize) {
        if self.procs[proc].joined_at.is_none() {
            return;
        }
        loop {
            let (claim, now) = (self.procs[proc].task.claim(), self.clock(proc));
            let Some(step) = self.procs[proc].member.claim_step(claim, now) else { break };
            match step {
                ClaimStep::ReadFence => {
                    let process = &mut self.procs[proc];
                    process.member.fence_read(process.consumer.fence, now);
                }
                ClaimStep::ServeGroup => self.serve_group(proc),
                ClaimStep::ReadEntries { partitions, .. } => {
                    let left = partitions.iter().map(|tp| self.place(tp)).collect();
                    self.begin_reading(Asked::new(proc, claim, ReadFor::Claim, left));
                }
                ClaimStep::ReadTopics(_) => {
                    let hop = self.hop();
                    self.after(hop, Ev::TopicsOfClaim { proc, claim });
                }
                ClaimStep::Claimed(Claimed { claim, entries, topic_ids, .. }) => {
                    self.hear(proc, Event::Claimed { claim, entries, topic_ids });
                }
            }
        }
        let (claim, now) = (self.procs[proc].task.claim(), self.clock(proc));
        if let Some(asked) = self.procs[proc].member.next_entries(claim, now) {
            let topic = self.topic(&asked.topic);
            let left = asked.partitions.iter().map(|partition| (topic, partition.0)).collect();
            self.begin_reading(Asked::new(proc, claim, ReadFor::Entries, left));
        }
        if let Some(asked) = self.procs[proc].member.next_starts(claim, now) {
            self.start_offsets(proc, asked);
        }
        self.wake(proc);
    }

    /// R5: whatever the client has heard of the group is heard before anything else that waits.
    pub(super) fn serve_group(&mut self, proc: usize) {
        let waiting = std::mem::take(&mut self.procs[proc].inbox);
        for message in waiting {
            match message {
                Message::Group(event) => self.group_said(proc, event),
                other => self.procs[proc].inbox.push_back(other),
            }
        }
    }

    pub(super) fn group_said(&mut self, proc: usize, event: GroupEvent) {
        let process = &mut self.procs[proc];
        match process.member.group_said(event, process.has_lanes) {
            GroupStep::Hear(event) => self.hear(proc, event),
            GroupStep::RenewFence => self.renew_fence(proc),
        }
    }

    /// R5: read first, then the group is heard, and what was read is used only if the claim is still in force.
    pub(super) fn renew_fence(&mut self, proc: usize) {
        let process = &self.procs[proc];
        let claim = process.task.claim();
        let Some(fence) = process.consumer.fence.filter(|_| process.member.fence().is_some()) else { return };
        self.serve_group(proc);
        let process = &mut self.procs[proc];
        if process.member.renewed(fence, claim, process.task.claim()) {
            self.saw("fence read anew");
        }
    }

    pub(super) fn has_trouble(&mut self, proc: usize, trouble: Trouble) {
        match self.procs[proc].member.trouble(trouble) {
            // The topics are compared with the next beat.
            AfterTrouble::Ended | AfterTrouble::CompareTopics => {}
            other => panic!("{trouble:?} is answered with {other:?}"),
        }
    }

    /// R15: the brokers say what topics there are. What nobody answers is asked again later.
    pub fn topics_asked(&mut self, proc: usize, claim: ClaimId) {
        if !self.cut(proc) {
            let topic_ids = self.topic_ids();
            self.answer(proc, Event::TopicIds { claim, topic_ids });
        }
    }

    /// Where partitions without an entry start, by their marks (R16).
    pub(super) fn start_offsets(&mut self, proc: usize, asked: PartitionsAsked) {
        let PartitionsAsked { claim, partitions } = asked;
        let (mut offsets, mut starts) = (BTreeMap::new(), BTreeMap::new());
        for tp in partitions {
            let place = self.place(&tp);
            let topic_id = self.procs[proc].member.topic_ids().get(&tp.topic).copied();
            let mark = topic_id.filter(|_| self.without != Some(Rule::R16));
            let mark = mark.and_then(|topic_id| self.ledger.mark(place, topic_id));
            let start = match start_of(mark, !self.plan.at_least_once) {
                Start::Fresh => Offset::ZERO,
                Start::Anew => {
                    self.saw("partition begun anew");
                    let begin = self.source.begin(place.0);
                    self.watch.offset_set(place, None, begin, &self.ledger, &self.source, &self.server);
                    Offset::ZERO
                }
                Start::AtRest(next) => {
                    self.saw("offset restored from rest");
                    next
                }
                Start::Lost => return self.lost_or_outdated(proc, &tp),
            };
            starts.insert(place, start.get());
            offsets.insert(tp, start);
        }
        if !self.keeper_enters(proc, claim, &starts) {
            return self.procs[proc].member.rejoin();
        }
        let hop = self.hop();
        self.after(hop, Ev::StartsFound { proc, claim, offsets });
    }

    /// R16: the offsets are lost, unless somebody has written since the claim's entries were read.
    pub(super) fn lost_or_outdated(&mut self, proc: usize, tp: &TopicPartition) {
        let (now, place) = (self.clock(proc), self.place(tp));
        if self.ledger.is_unstable(place) {
            self.procs[proc].member.starts_found(None, now);
            return;
        }
        let topic_id = self.procs[proc].member.topic_ids().get(&tp.topic).copied();
        let entry = self.ledger.entry(place);
        if topic_id.is_some_and(|id| is_outdated(tp.partition, entry, id, self.topic_id(place.0))) {
            self.saw("entry written since the claim");
            return self.procs[proc].member.rejoin();
        }
        let reason = format!("WORKER-006: {tp} has history and no offset");
        self.procs[proc].member.fail(Why { reason, question: Some(Question::Offsets) });
    }

    pub fn starts_found(&mut self, proc: usize, claim: ClaimId, offsets: BTreeMap<TopicPartition, Offset>) {
        let event = Ev::StartsFound { proc, claim, offsets };
        let Some(Ev::StartsFound { offsets, .. }) = self.if_awake(proc, event) else { return };
        let now = self.clock(proc);
        if self.procs[proc].task.claim() == claim {
            let event = self.procs[proc].member.starts_found(Some(offsets), now);
            event.into_iter().for_each(|event| self.hear(proc, event));
            self.wake(proc);
        }
    }
}
