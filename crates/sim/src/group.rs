//! The broker's side of the consumer group: the classic protocol with generations, sessions and static members, eager or
//! incremental (cooperative). A write's fence is current while its member is in the group and no
//! generation has followed.
use std::collections::{BTreeMap, BTreeSet};

use pumphouse_conduct::Trouble;

use crate::rng::Rng;

/// How long a rebalance waits for members to join again.
const REBALANCE_TIMEOUT_MS: u64 = 12_000;

/// What a ledger write proves its membership with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    /// The broker's name for the member, new for each time it joins anew.
    pub member: u64,
    /// The group's generation.
    pub generation: u64,
}

/// A member as the broker knows it.
#[derive(Debug)]
struct Member {
    proc: usize,
    request: u64,
    instance: Option<u64>,
    heard_at: u64,
    joined: bool,
    /// What it had when it joined last, where a rebalance leaves it its own.
    owned: BTreeSet<(usize, u32)>,
    assignment: Vec<(usize, u32)>,
}

/// What a heartbeat is told.
#[derive(Debug, PartialEq, Eq)]
pub enum Pulse {
    /// All is well.
    Fine,
    /// Give up everything and join again.
    Rebalancing,
    /// No member of this name.
    Unknown,
    /// Another process has the instance id.
    Fenced,
}

/// The answer to a join.
#[derive(Debug, Clone)]
pub struct Joined {
    /// Whose join is answered.
    pub proc: usize,
    /// Which of its requests.
    pub request: u64,
    /// Its fence from now on.
    pub fence: Fence,
    /// All that it has.
    pub partitions: Vec<(usize, u32)>,
}

/// The group coordinator.
#[derive(Debug)]
pub struct Group {
    generation: u64,
    members: BTreeMap<u64, Member>,
    /// Until when the members may join again; `None` = stable.
    rebalancing_until: Option<u64>,
    next_member: u64,
    session_ms: u64,
    partitions: Vec<(usize, u32)>,
    /// A rebalance takes only what goes to somebody else.
    incremental: bool,
    /// What was dealt last, while some of it has not been given up yet.
    promised: Option<Dealt>,
}

/// Partitions by member.
type Dealt = BTreeMap<u64, Vec<(usize, u32)>>;

impl Group {
    /// A group without members.
    pub fn new(session_ms: u64, partitions: Vec<(usize, u32)>, incremental: bool) -> Group {
        Group {
            generation: 0,
            members: BTreeMap::new(),
            rebalancing_until: None,
            next_member: 1,
            session_ms,
            partitions,
            incremental,
            promised: None,
        }
    }

    /// Whether nobody is a member.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether a write with this fence is let in now. Errors: what the broker says in its place.
    pub fn let_in(&self, fence: Option<Fence>) -> Result<(), Trouble> {
        let Some(fence) = fence else { return Err(Trouble::MemberGone) };
        if !self.members.contains_key(&fence.member) {
            Err(Trouble::MemberGone)
        } else if self.generation != fence.generation {
            Err(Trouble::GenerationPassed)
        } else {
            Ok(())
        }
    }

    /// A process joins: anew, or as the member that it is. A static one that joins anew takes its
    /// predecessor's place at once; others wait for [`Group::check`].
    pub fn join(
        &mut self,
        proc: usize,
        request: u64,
        instance: Option<u64>,
        member: Option<u64>,
        owned: BTreeSet<(usize, u32)>,
        now: u64,
    ) -> Option<Joined> {
        let known = member.filter(|id| self.members.contains_key(id));
        let id = known.unwrap_or_else(|| {
            self.next_member += 1;
            self.next_member
        });
        let predecessor = instance.and_then(|instance| {
            self.members.iter().find(|(_, m)| m.instance == Some(instance)).map(|(id, _)| *id)
        });
        let mut assignment = Vec::new();
        if let Some(predecessor) = predecessor.filter(|other| *other != id) {
            let gone = self.members.remove(&predecessor).expect("just found");
            if self.rebalancing_until.is_none() {
                assignment.clone_from(&gone.assignment);
                let member =
                    Member { proc, request, instance, heard_at: now, joined: true, owned, assignment };
                let partitions = member.assignment.clone();
                self.members.insert(id, member);
                let fence = Fence { member: id, generation: self.generation };
                if self.promised.is_some() {
                    // Its predecessor was about to give something up, and would have joined again.
                    self.begin(now);
                }
                return Some(Joined { proc, request, fence, partitions });
            }
        }
        self.members
            .insert(id, Member { proc, request, instance, heard_at: now, joined: true, owned, assignment });
        self.begin(now);
        if let Some(member) = self.members.get_mut(&id) {
            member.joined = true;
        }
        None
    }

    /// Begins a rebalance, if none is under way.
    pub fn begin(&mut self, now: u64) {
        if self.rebalancing_until.is_none() {
            self.rebalancing_until = Some(now + REBALANCE_TIMEOUT_MS);
            for member in self.members.values_mut() {
                member.joined = false;
            }
        }
    }

    /// A member shows that it lives.
    pub fn heartbeat(&mut self, fence: Fence, instance: Option<u64>, now: u64) -> Pulse {
        let Some(member) = self.members.get_mut(&fence.member) else {
            let twin = instance.is_some() && self.members.values().any(|m| m.instance == instance);
            return if twin { Pulse::Fenced } else { Pulse::Unknown };
        };
        member.heard_at = now;
        if self.rebalancing_until.is_some() && !member.joined {
            return Pulse::Rebalancing;
        }
        if fence.generation == self.generation { Pulse::Fine } else { Pulse::Rebalancing }
    }

    /// A member leaves.
    pub fn leave(&mut self, member: u64, now: u64) {
        if self.members.remove(&member).is_some() {
            self.begin(now);
        }
    }

    /// Time has passed: sessions expire, and a rebalance that waits for nobody ends.
    pub fn check(&mut self, rng: &mut Rng, now: u64) -> Vec<Joined> {
        let rebalancing = self.rebalancing_until.is_some();
        let before = self.members.len();
        let session_ms = self.session_ms;
        // A member that waits for the others' joins has its session kept.
        self.members.retain(|_, m| (rebalancing && m.joined) || now <= m.heard_at + session_ms);
        if self.members.len() != before {
            self.begin(now);
        }
        let Some(until) = self.rebalancing_until else { return Vec::new() };
        if now < until && !self.members.values().all(|m| m.joined) {
            return Vec::new();
        }
        self.members.retain(|_, m| m.joined);
        self.rebalancing_until = None;
        self.generation += 1;
        self.assign(rng, now)
    }

    fn assign(&mut self, rng: &mut Rng, now: u64) -> Vec<Joined> {
        let ids: Vec<u64> = self.members.keys().copied().collect();
        if ids.is_empty() {
            return Vec::new();
        }
        let promised = self.promised.take().filter(|promised| promised.keys().eq(ids.iter()));
        let dealt = promised.unwrap_or_else(|| self.deal(rng, &ids));
        let given = self.hold_back(dealt);
        self.answer(given, now)
    }

    fn deal(&mut self, rng: &mut Rng, ids: &[u64]) -> Dealt {
        let mut dealt: Dealt = ids.iter().map(|id| (*id, Vec::new())).collect();
        let mut partitions = self.partitions.clone();
        if self.incremental && rng.below(2) == 0 {
            // Whoever has some keeps them.
            for (id, member) in &self.members {
                let kept = partitions.extract_if(.., |partition| member.owned.contains(partition));
                dealt.entry(*id).or_default().extend(kept);
            }
        }
        rng.shuffle(&mut partitions);
        for (turn, partition) in partitions.into_iter().enumerate() {
            dealt.entry(ids[turn % ids.len()]).or_default().push(partition);
        }
        dealt
    }

    /// Where a rebalance takes only what goes to somebody else, that one gets it in the next one.
    fn hold_back(&mut self, dealt: Dealt) -> Dealt {
        if !self.incremental {
            return dealt;
        }
        let mut given = dealt.clone();
        for (id, partitions) in &mut given {
            let others = || self.members.iter().filter(|(other, _)| *other != id);
            partitions.retain(|partition| !others().any(|(_, member)| member.owned.contains(partition)));
        }
        if given != dealt {
            self.promised = Some(dealt);
        }
        given
    }

    fn answer(&mut self, dealt: Dealt, now: u64) -> Vec<Joined> {
        let mut answers = Vec::new();
        for (id, mut partitions) in dealt {
            partitions.sort_unstable();
            let member = self.members.get_mut(&id).expect("dealt to members");
            member.assignment.clone_from(&partitions);
            member.heard_at = now;
            let fence = Fence { member: id, generation: self.generation };
            answers.push(Joined { proc: member.proc, request: member.request, fence, partitions });
        }
        answers
    }
}
