//! The steps that are possible in a state, and what each does.
use pumphouse_delivery::{Event, InsertAnswer, Rule};
use pumphouse_types::Partition;

use crate::bounds::Bounds;
use crate::edge::{Edge, WriteFate};
use crate::world::{WINDOW_BLOCKS, World};

/// One thing that happens.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// A member hears of its assignment.
    Notice(usize),
    /// A task takes records.
    Fill(usize),
    /// A task's oldest question is answered.
    Answer(usize, WriteFate),
    /// An attempt commits, and is answered; or its answer is lost.
    Commit { flight: usize, heard: bool },
    /// The client gives an attempt up that is under way.
    GiveUpOn(usize),
    /// The group assigns anew: all to one task, or half to each.
    Rebalance(Owners),
    /// A task dies. It comes back with what it had, or the other one gets everything.
    CrashTask { task: usize, comes_back: bool },
    /// Half a window of other people's blocks comes in.
    HalfWindow,
    /// A ledger write that somebody gave up comes about.
    LateWrite(usize),
    /// The server dies; this attempt's token is in the log of a plain table, without its part.
    CrashServer { logged: Option<usize> },
    /// A second passes.
    Second,
}

/// Who has what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owners {
    First,
    Second,
    Both,
    BothOtherwise,
}

impl Owners {
    fn partitions(self, world: &World) -> Vec<Vec<Partition>> {
        let all = world.all_partitions();
        match self {
            Owners::First => vec![all, Vec::new()],
            Owners::Second => vec![Vec::new(), all],
            // The first partition leads most batches.
            Owners::Both => {
                let (first, others) = all.split_at(1);
                vec![others.to_vec(), first.to_vec()]
            }
            Owners::BothOtherwise => {
                let (first, others) = all.split_at(1);
                vec![first.to_vec(), others.to_vec()]
            }
        }
    }
}

impl World {
    /// Everything that could happen next.
    pub fn steps(&self, plain: bool) -> Vec<Step> {
        let mut steps = Vec::new();
        let budget = &self.budget;
        for (number, edge) in self.tasks.iter().enumerate() {
            if edge.failed.is_some() {
                continue;
            }
            if !edge.notices.is_empty() {
                steps.push(Step::Notice(number));
            }
            if self.clone().fill(number) {
                steps.push(Step::Fill(number));
            }
            if !edge.asked.is_empty() {
                steps.push(Step::Answer(number, WriteFate::Told));
            }
            if budget.unknown_writes > 0 && self.takes_write(edge) {
                steps.push(Step::Answer(number, WriteFate::StandsUntold));
                // What may come about at any later time may never.
                let never = if self.keeper.is_some() { WriteFate::LateUntold } else { WriteFate::LostUntold };
                steps.push(Step::Answer(number, never));
            }
            if budget.task_crashes > 0 {
                steps.push(Step::CrashTask { task: number, comes_back: true });
                steps.push(Step::CrashTask { task: number, comes_back: false });
            }
        }
        let late = self.keeper.as_ref().map_or(0, |keeper| keeper.late.len());
        steps.extend((0..late).map(Step::LateWrite));
        for (flight, attempt) in self.flights.iter().enumerate() {
            steps.push(Step::Commit { flight, heard: true });
            if attempt.waited_for && budget.lost_answers > 0 {
                steps.push(Step::Commit { flight, heard: false });
            }
            if attempt.waited_for && budget.delayed_inserts > 0 {
                steps.push(Step::GiveUpOn(flight));
            }
            if plain && budget.server_crashes > 0 {
                steps.push(Step::CrashServer { logged: Some(flight) });
            }
        }
        if budget.rebalances > 0 {
            let now = self.owners();
            let others = [Owners::First, Owners::Second, Owners::Both, Owners::BothOtherwise].into_iter();
            steps.extend(others.filter(|next| next.partitions(self) != now).map(Step::Rebalance));
        }
        if budget.half_windows > 0 && self.takes_half_a_window() {
            steps.push(Step::HalfWindow);
        }
        if budget.server_crashes > 0 {
            steps.push(Step::CrashServer { logged: None });
        }
        if budget.seconds > 0 {
            steps.push(Step::Second);
        }
        steps
    }

    /// Whether a task's next question is a write that the ledger would take.
    fn takes_write(&self, edge: &Edge) -> bool {
        match (&self.keeper, edge.next_write()) {
            (None, Some((_, generation))) => generation == self.generation,
            (Some(keeper), Some((write, _))) => {
                edge.guards.get(&write).is_some_and(|guard| keeper.holds(guard))
            }
            (_, None) => false,
        }
    }

    /// Does it.
    pub fn take(&mut self, step: Step, bounds: &Bounds, without: Option<Rule>) {
        match step {
            Step::Notice(task) => self.hear_notice(task),
            Step::Fill(task) => drop(self.fill(task)),
            Step::Answer(task, fate) => {
                self.budget.unknown_writes -= u8::from(fate != WriteFate::Told);
                self.answer(task, fate);
            }
            Step::Commit { flight, heard } => {
                let flight = self.flights.remove(flight);
                self.tasks[flight.task].looked_at = None;
                self.commit(flight.token, &flight.rows);
                self.budget.lost_answers -= u8::from(!heard);
                let answer = if heard { InsertAnswer::Accepted } else { InsertAnswer::Unknown };
                self.heard_of(&flight, answer);
            }
            Step::GiveUpOn(flight) => {
                self.budget.delayed_inserts -= 1;
                let given_up = self.flights[flight].clone();
                self.flights[flight].waited_for = false;
                self.heard_of(&given_up, InsertAnswer::Unknown);
            }
            Step::LateWrite(late) => self.comes_late(late),
            Step::Rebalance(owners) => {
                self.budget.rebalances -= 1;
                let owners = owners.partitions(self);
                self.assign(&owners);
            }
            Step::CrashTask { task, comes_back } => self.crash_task(task, comes_back, bounds, without),
            Step::HalfWindow => {
                self.budget.half_windows -= 1;
                self.blocks += WINDOW_BLOCKS / 2;
            }
            Step::CrashServer { logged } => {
                self.budget.server_crashes -= 1;
                if let Some(flight) = logged {
                    self.tokens.insert(self.flights[flight].token, self.blocks);
                }
                self.server_lives += 1;
                for flight in std::mem::take(&mut self.flights) {
                    self.heard_of(&flight, InsertAnswer::Unknown);
                }
            }
            Step::Second => {
                self.budget.seconds -= 1;
                self.now += 1_000;
                for task in 0..self.tasks.len() {
                    self.tell(task, Event::Tick);
                }
            }
        }
    }

    fn crash_task(&mut self, task: usize, comes_back: bool, bounds: &Bounds, without: Option<Rule>) {
        self.budget.task_crashes -= 1;
        let mut owners = self.owners();
        let life = self.tasks[task].life + 1;
        self.tasks[task] = Edge::new(task, life, bounds.rows_max, without);
        for flight in self.flights.iter_mut().filter(|flight| flight.task == task) {
            flight.waited_for = false;
        }
        if !comes_back {
            owners = (0..owners.len())
                .map(|other| if other == task { Vec::new() } else { self.all_partitions() })
                .collect();
        }
        self.assign(&owners);
    }
}
