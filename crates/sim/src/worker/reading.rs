//! How a process takes records from its client, fills blocks, and reads records again.

use super::*;

impl World {
    /// Takes a few records of one partition into the open block, as the consumer's queue gives them.
    pub(super) fn poll(&mut self, proc: usize) {
        self.procs[proc].poll_queued = false;
        let places: Vec<Place> = self.procs[proc].fetch.keys().copied().collect();
        for _ in 0..places.len() {
            self.procs[proc].turn += 1;
            let place = places[self.procs[proc].turn % places.len()];
            // The place before may have ended the process.
            if self.procs[proc].alive && self.poll_place(proc, place) {
                self.procs[proc].inbox.push_back(Message::Poll);
                self.procs[proc].poll_queued = true;
                return;
            }
        }
        for topic in 0..self.topics.len() {
            self.seal_early(proc, topic);
        }
    }

    /// Nothing has come for a while, and nothing of the lane is under way.
    pub(super) fn seal_early(&mut self, proc: usize, topic: usize) {
        let now = self.clock(proc);
        let process = &mut self.procs[proc];
        let is_idle = process.task.is_idle(&self.topics[topic]);
        if is_idle && process.early.get_mut(&topic).is_some_and(|early| early.is_due(now, || false)) {
            process.task.seal_early(&self.topics[topic], now);
            process.actions.extend(process.task.take_actions());
            self.saw("block sealed before its linger was over");
        }
    }

    pub(super) fn poll_place(&mut self, proc: usize, (topic, partition): Place) -> bool {
        let now = self.clock(proc);
        let name = self.topics[topic].clone();
        let records_max = self.rng.between(1, 5) as usize;
        let tells_position = self.rng.below(3) == 0;
        let process = &mut self.procs[proc];
        if !process.task.takes(&name, Partition(partition)) {
            return false;
        }
        let Some(expected) = process.task.expected(&name, Partition(partition)) else { return false };
        let begin = self.source.begin(topic);
        let known = *process.handle.entry(topic).or_insert(begin);
        if !self.source.exists(topic) || known != begin {
            self.goes_over(proc, topic);
            return false;
        }
        let mut position = process.fetch[&(topic, partition)];
        if begin + position > self.source.end(topic, partition) {
            return self.out_of_range(proc, (topic, partition));
        }
        let mut offsets = Vec::new();
        while offsets.len() < records_max {
            match self.source.at(topic, partition, begin + position) {
                // One that cannot be decoded comes by itself.
                Some(Slot::Record(Kind::Undecodable)) if position >= expected.get() => {
                    if offsets.is_empty() {
                        return self.leave_out(proc, (topic, partition), position);
                    }
                    break;
                }
                Some(Slot::Record(_) | Slot::Rewritten) => {
                    // The consumer may give records again that were taken already.
                    if position >= expected.get() {
                        offsets.push(Offset::new(position).expect("offsets are not negative"));
                    }
                }
                Some(Slot::Gap | Slot::Removed(_)) => {}
                None => break,
            }
            position += 1;
        }
        process.fetch.insert((topic, partition), position);
        if !offsets.is_empty() {
            let block = process.open.entry(topic).or_default();
            block.extend(offsets.iter().map(|offset| (partition, begin + offset.get())));
            let taken = offsets.iter().map(|at| (((topic, partition), at.get()), begin + at.get()));
            process.taken.extend(taken);
            let bytes = 100 * block.len() as u64;
            let linger_ms = self.plan.linger_ms;
            process.early.entry(topic).or_insert_with(|| EarlySeal::new(linger_ms, 0)).took(now);
            process.task.filled(&name, Partition(partition), &offsets, bytes, now);
            let rest = self.source.end(topic, partition) - begin - position;
            process.task.waits(&name, rest.max(0) as u64);
        }
        if tells_position && position > 0 {
            let position = Offset::new(position).expect("offsets are not negative");
            process.task.positioned(&name, Partition(partition), position, now);
        }
        process.actions.extend(process.task.take_actions());
        !offsets.is_empty()
    }

    /// The topic that the consumer's handle reads is gone. When it is there again, the handle reads on where it was.
    pub(super) fn goes_over(&mut self, proc: usize, topic: usize) {
        if self.source.exists(topic) && self.rng.below(10) == 0 {
            self.saw("old handle reads the next life");
            let begin = self.source.begin(topic);
            self.procs[proc].handle.insert(topic, begin);
        } else if self.rng.below(20) == 0 {
            // An error of the handle's has the topics compared at once.
            self.has_trouble(proc, Trouble::TopicGone);
        }
    }

    /// The log ends before the position: in a topic that was created again that ends the membership (R15); else what
    /// was taken lands, and the task fails.
    pub(super) fn out_of_range(&mut self, proc: usize, place: Place) -> bool {
        self.saw("position out of range");
        self.procs[proc].fetch.remove(&place);
        let claim = self.procs[proc].task.claim();
        if !self.cut(proc) {
            let topic_ids = self.topic_ids();
            self.hear(proc, Event::TopicIds { claim, topic_ids });
        }
        if self.procs[proc].task.claim() == claim {
            let why = Why { reason: "KAFKA-011: out of range".to_owned(), question: Some(Question::Restart) };
            let event = self.procs[proc].member.leave_because(why);
            self.hear(proc, event);
        }
        false
    }

    /// A record that cannot be decoded: nothing of it comes into the block.
    pub(super) fn leave_out(&mut self, proc: usize, (topic, partition): Place, position: i64) -> bool {
        self.saw("record left out undecoded");
        let now = self.clock(proc);
        let name = self.topics[topic].clone();
        let process = &mut self.procs[proc];
        process.fetch.insert((topic, partition), position + 1);
        process.taken.insert(((topic, partition), position), self.source.begin(topic) + position);
        let bytes = 100 * process.open.get(&topic).map_or(0, |block| block.len() as u64 + 1);
        let offset = Offset::new(position).expect("offsets are not negative");
        let linger_ms = self.plan.linger_ms;
        process.early.entry(topic).or_insert_with(|| EarlySeal::new(linger_ms, 0)).took(now);
        process.task.left_out(&name, Partition(partition), offset, bytes, now);
        process.actions.extend(process.task.take_actions());
        true
    }

    /// Reads the batch's records again, from whatever topic has the name now.
    pub(super) fn reread(
        &mut self,
        proc: usize,
        topic: usize,
        batch: &Batch,
    ) -> (Vec<Row>, BTreeMap<Partition, RereadRange>) {
        let (mut rows, mut found) = (Vec::new(), BTreeMap::new());
        let begin = self.source.begin(topic);
        for (partition, share) in &batch.ranges {
            let (first, end) = (begin + share.range.first().get(), begin + share.range.end().get());
            let mut range = RereadRange { offsets: Vec::new(), left_out: 0 };
            for at in self.source.records(topic, partition.0, first, end) {
                self.procs[proc].taken.insert(((topic, partition.0), at - begin), at);
                if self.source.is_undecodable(topic, partition.0, at) {
                    range.left_out += 1;
                } else {
                    range.offsets.push(Offset::new(at - begin).expect("offsets are not negative"));
                    rows.push((partition.0, at));
                }
            }
            found.insert(*partition, range);
        }
        (rows, found)
    }

    /// R15: last of all, which topic that was.
    pub fn reread_ends(
        &mut self,
        proc: usize,
        claim: ClaimId,
        topic: usize,
        batch: BatchId,
        ranges: BTreeMap<Partition, RereadRange>,
    ) {
        let (topic_id, topic) = (self.topic_id(topic), self.topics[topic].clone());
        self.deliver(proc, Message::Event(Event::Reread { claim, topic, batch, ranges, topic_id }));
    }
}
