//! What goes wrong by itself: deaths, stops, lost connections, rebalances, server restarts and a
//! source that forgets. Ends when the plan's time is over; then everything is mended.
use pumphouse_delivery::Entry;
use pumphouse_types::Partition;

use crate::invariants::entry_now;
use crate::operator::Chore;
use crate::run::{Ev, World};
use crate::source::Slot;
use crate::worker::Message;

/// How often there is an occasion.
const OCCASION_MS: u64 = 100;

/// A server process lives longer than the tolerance within which two starts are taken for one.
const SERVER_LIFE_MS_MIN: u64 = 5_000;

/// From the reading before an attempt until it is sent: as long as that reading counts for, and what deadlines grow by
/// when attempts come too late.
const RELIED_ON_MS: u64 = 5_000;
const DEADLINES_GROWN: u64 = 8;

/// A worker that was told to stop and does not is killed.
pub(crate) const STOP_TIMEOUT_MS: u64 = 8_000;

/// A stopped worker that was replaced and continues is found and ended within this time.
const TWIN_MS_MAX: u64 = 20_000;

impl World {
    pub fn chaos(&mut self) {
        if self.now >= self.plan.faults_ms {
            self.mend();
            return;
        }
        for slot in 0..self.slots.len() {
            if let Some(proc) = self.slots[slot] {
                self.trouble(proc);
            }
        }
        if self.strikes(self.plan.rebalance) {
            self.say(|| "the group rebalances".to_owned());
            self.group.begin(self.now);
        }
        if self.strikes(self.plan.server_kill) {
            self.kill_server();
        }
        if self.strikes(self.plan.outage) {
            let ms = self.rng.between(500, 45_000);
            self.say(|| format!("the server is out of reach for {ms} ms"));
            self.server.unreachable_until = self.now + ms;
        }
        if self.strikes(self.plan.denied) {
            let ms = self.rng.between(500, 20_000);
            self.say(|| format!("nobody may insert for {ms} ms"));
            self.server.denied_until = self.now + ms;
        }
        if self.strikes(self.plan.ledger_outage) {
            let ms = self.rng.between(500, 45_000);
            self.say(|| format!("the ledger takes no writes for {ms} ms"));
            self.ledger_out_until = self.now + ms;
        }
        if self.strikes(self.plan.compaction) {
            self.thin();
        }
        if self.strikes(self.plan.rewriting) {
            self.rewrite();
        }
        if self.strikes(self.plan.new_columns) {
            self.change_table();
        }
        if self.strikes(self.plan.window_dips) {
            self.alter_window();
        }
        if self.strikes(self.plan.remaps) {
            self.remap();
        }
        if self.strikes(self.plan.rebirths) {
            self.delete_topic();
        }
        if self.strikes(self.plan.resets) {
            self.begin_upkeep(Chore::SetOffsets);
        }
        if self.strikes(self.plan.long_rests) {
            self.begin_upkeep(Chore::LongRest);
        }
        self.after(OCCASION_MS, Ev::Chaos);
    }

    fn trouble(&mut self, proc: usize) {
        if self.strikes(self.plan.crash) {
            self.kill_proc(proc);
        } else if self.strikes(self.plan.pause) {
            self.pause(proc);
        } else if self.strikes(self.plan.cut) {
            let ms = self.rng.between(500, 2 * self.plan.session_ms);
            self.say(|| format!("p{proc} is cut off for {ms} ms"));
            self.procs[proc].cut_until = self.now + ms;
        } else if !self.procs[proc].told_to_stop && self.strikes(self.plan.clean_stop) {
            self.say(|| format!("p{proc} is told to stop"));
            self.procs[proc].told_to_stop = true;
            self.deliver(proc, Message::Stop);
            // Some have a supervisor that loses its patience; without one it must leave by itself.
            if self.rng.below(2) == 0 {
                self.after(STOP_TIMEOUT_MS, Ev::KillProc(proc));
            }
        }
    }

    /// kill -9 of the server, which comes up again after a while. False: it was spared.
    pub fn kill_server(&mut self) -> bool {
        if !self.server.up || self.now < self.server.started + SERVER_LIFE_MS_MIN {
            return false;
        }
        self.say(|| "the server is killed".to_owned());
        self.server.kill(self.now);
        let ms = self.rng.between(500, 5_000);
        self.after(ms, Ev::ServerStarts);
        true
    }

    pub fn server_starts(&mut self) {
        self.say(|| "the server starts".to_owned());
        let other_version = self.strikes(self.plan.other_version);
        self.server.start(self.now, other_version);
    }

    /// ALTER TABLE: columns to which older blocks fit or not, or other checks.
    fn change_table(&mut self) {
        let topic = self.rng.below(self.topics.len() as u64) as usize;
        match self.rng.below(3) {
            0 => self.server.change_checks(self.homes[topic]),
            kind => self.server.change_columns(self.homes[topic], kind == 1),
        }
        let version = self.server.config_version(self.homes[topic]);
        self.say(|| format!("topic {topic}'s table is altered, blocks are filled by {version}"));
    }

    /// Somebody works on a table's window: ALTER TABLE, sometimes just after another ALTER, so that the time of the last
    /// change, which is in seconds, may stay as it was.
    fn alter_window(&mut self) {
        let table = self.homes[self.rng.below(self.topics.len() as u64) as usize];
        if self.rng.below(2) == 0 {
            return self.dip_window(table);
        }
        self.server.alter_a_comment(table, self.now);
        let ms = self.rng.between(50, 950);
        self.after(ms, Ev::DipWindow(table));
    }

    /// ALTER TABLE, and back again: not between the reading before an attempt and the attempt's end (A9).
    pub fn dip_window(&mut self, table: usize) {
        let attempt_ms = RELIED_ON_MS + DEADLINES_GROWN * self.plan.deadline_ms + self.plan.commit_ms_max;
        if !self.calm && self.server.dip_window(table, self.now, attempt_ms) {
            self.saw("window dipped");
            self.say(|| format!("the window of table {table} was small for a moment"));
        }
    }

    /// The topic goes to its other table from now on, in processes that are started from now on; one is started
    /// at once.
    fn remap(&mut self) {
        let topic = self.rng.below(self.topics.len() as u64) as usize;
        let home = &mut self.homes[topic];
        *home = if *home == topic { topic + self.topics.len() } else { topic };
        self.say(|| format!("topic {topic} is to go to table {}", self.homes[topic]));
        if let Some(proc) = self.slots.iter().flatten().next().copied() {
            self.kill_proc(proc);
        }
    }

    /// A range of an open batch, if there is one: topic, partition, first and end.
    fn open_range(&mut self) -> Option<(usize, u32, i64, i64)> {
        let mut ranges = Vec::new();
        for &(topic, partition) in &self.places {
            let entry = entry_now(&self.ledger, &self.source, (topic, partition));
            let share = match entry {
                Some(Ok((Entry::Lead(batch), _))) => batch.ranges[&Partition(partition)],
                Some(Ok((Entry::Member(member), _))) => member.share,
                Some(Ok((Entry::Plain { .. }, _)) | Err(_)) | None => continue,
            };
            let begin = self.source.begin(topic);
            let (first, end) = (share.range.first().get(), share.range.end().get());
            ranges.push((topic, partition, begin + first, begin + end));
        }
        if ranges.is_empty() { None } else { Some(self.rng.pick(&ranges)) }
    }

    /// Compaction takes a record of an open batch, or retention all of the partition up to there.
    fn thin(&mut self) {
        let Some((topic, partition, first, end)) = self.open_range() else { return };
        let records = self.source.records(topic, partition, first, end);
        if records.is_empty() {
            return;
        }
        let offset = self.rng.pick(&records);
        if self.rng.below(2) == 0 {
            self.say(|| format!("the source loses {topic}/{partition}:{offset}"));
            self.source.remove(topic, partition, offset);
        } else {
            self.say(|| format!("the source loses {topic}/{partition} up to {offset}"));
            for lost in self.source.begin(topic)..=offset {
                self.source.remove(topic, partition, lost);
            }
        }
    }

    /// The log of an open batch's partition is rewritten: a record stands where none was.
    fn rewrite(&mut self) {
        let Some((topic, partition, first, end)) = self.open_range() else { return };
        let gaps: Vec<i64> =
            (first..end).filter(|&at| self.source.at(topic, partition, at) == Some(Slot::Gap)).collect();
        if let Some(&offset) = gaps.first() {
            self.say(|| format!("the log of {topic}/{partition} is rewritten at {offset}"));
            self.source.rewrite(topic, partition, offset);
        }
    }

    /// A topic is deleted, and another one of its name created at once or a while later. The group may hear of either.
    fn delete_topic(&mut self) {
        let topic = self.rng.below(self.topics.len() as u64) as usize;
        if !self.source.exists(topic) {
            return;
        }
        self.say(|| format!("topic {topic} is deleted"));
        self.source.delete(topic);
        // KeeperMap knows nothing of topics.
        if self.keeper.is_none() && self.rng.below(2) == 0 {
            self.ledger.drop_topic(topic);
        }
        self.ledger.drop_nameless(topic);
        self.may_rebalance();
        let gone_ms = if self.rng.below(2) == 0 { self.rng.below(300) } else { self.rng.below(20_000) };
        self.after(gone_ms, Ev::CreateTopic(topic));
    }

    /// Its producers have waited for it.
    pub fn create_topic(&mut self, topic: usize) {
        if self.source.exists(topic) {
            return;
        }
        self.saw("topic created again");
        self.say(|| format!("topic {topic} is created again"));
        self.source.create(topic);
        for partition in 0..self.plan.partitions {
            for _ in 0..self.rng.below(12) {
                self.source.append(&mut self.rng, topic, partition, &self.plan);
            }
        }
        self.may_rebalance();
    }

    fn may_rebalance(&mut self) {
        if self.rng.below(2) == 0 {
            self.group.begin(self.now);
        }
    }

    /// Faults stop: whoever is stopped continues, whoever is down comes back.
    fn mend(&mut self) {
        self.say(|| "faults stop".to_owned());
        self.calm = true;
        self.server.unreachable_until = self.now;
        self.server.denied_until = self.now;
        self.ledger_out_until = self.now;
        (0..self.topics.len()).for_each(|topic| self.create_topic(topic));
        for proc in 0..self.procs.len() {
            self.procs[proc].cut_until = 0;
            if self.procs[proc].alive && self.procs[proc].paused_until > self.now {
                self.procs[proc].paused_until = self.now;
                self.after(0, Ev::Resume(proc));
            }
        }
        for proc in 0..self.procs.len() {
            let replaced = self.slots[self.procs[proc].slot] != Some(proc);
            if self.procs[proc].alive && replaced {
                // Two processes of one transactional id fence one another for ever: whoever looks
                // after the workers ends the one that it has replaced.
                let ms = self.rng.below(TWIN_MS_MAX);
                self.after(ms, Ev::KillProc(proc));
            }
        }
        for slot in 0..self.slots.len() {
            self.after(200, Ev::Start { slot, other_identity: false });
        }
    }
}
