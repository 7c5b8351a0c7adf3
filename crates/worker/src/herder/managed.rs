//! The connectors that run in this process, or a part of them: what each is to be, and how that is changed. Who decides
//! it, REST or the workers' topics, is the herder's.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};
use pumphouse_config::{ConnectorConfig, RawConfig};
use pumphouse_kafka::Leaving;
use pumphouse_rest::{OffsetChange, Refusal, Restart};
use pumphouse_types::TopicName;
use tracing::info;

use super::changes::Checked;
use super::keeper::{Keeper, Order};
use super::offsets;
use super::target::Target;
use crate::board::{Face, State};
use crate::placement::Placement;
use crate::spec::ConnectorSpec;
use crate::worker::Shared;

/// A change of offsets that takes longer is not waited for by its client.
const OFFSETS_TIMEOUT: Duration = Duration::from_secs(80);

/// By name.
#[derive(Default)]
pub(crate) struct Connectors {
    pub managed: BTreeMap<String, Managed>,
    /// Deleted ones that may not have ended yet.
    ending: BTreeMap<String, Keeper>,
    /// The process ends: nothing is begun any more.
    closed: bool,
}

/// One of them.
pub(crate) struct Managed {
    pub raw: RawConfig,
    pub config: ConnectorConfig,
    pub spec: ConnectorSpec,
    pub target: Target,
    pub face: Arc<Face>,
    pub keeper: Keeper,
    pub placement: Arc<Placement>,
    /// Bytes of each topic's records before they were last forgotten.
    pub taken_before: BTreeMap<TopicName, u64>,
}

/// A change of offsets that waits for its turn.
pub(crate) struct Changing(Receiver<Result<(), Refusal>>);

impl Changing {
    /// Waits for what became of it. Errors: that; 500 where it takes too long.
    pub(crate) fn wait(self) -> Result<(), Refusal> {
        self.0.recv_timeout(OFFSETS_TIMEOUT).unwrap_or_else(|_| {
            Err(Refusal::new(500, "Request timed out. The change may still be carried out".to_owned()))
        })
    }
}

impl Connectors {
    /// Begins one that is not there. Errors: 500 if no thread can be had.
    pub(crate) fn add(
        &mut self,
        shared: &Arc<Shared>,
        checked: Checked,
        target: Target,
        placement: Arc<Placement>,
        taken_before: BTreeMap<TopicName, u64>,
    ) -> Result<(), Refusal> {
        let Checked { raw, config, spec } = checked;
        let name = spec.name.clone();
        let tasks = if target.has_tasks() { spec.tasks } else { 0 };
        let face = shared.board.add(&name, config.masked(), tasks);
        shared.metrics.pulses.began(&name);
        let before = self.ending.remove(&name);
        let keeper = Keeper::start(Arc::clone(&face), Arc::clone(&placement), Arc::clone(shared), before)
            .map_err(|error| Refusal::new(500, format!("WORKER-005: {error}")))?;
        let managed = Managed { raw, config, spec, target, face, keeper, placement, taken_before };
        managed.show_target();
        managed.run();
        self.managed.insert(name, managed);
        Ok(())
    }

    /// Ends one; what it took lands first. `leaving`: whether its tasks are to be found elsewhere.
    pub(crate) fn remove(&mut self, shared: &Shared, name: &str, leaving: Leaving) {
        let Some(managed) = self.managed.remove(name) else { return };
        shared.board.remove(name);
        shared.metrics.pulses.remove(name);
        managed.keeper.order(Order::End(leaving));
        self.ending.retain(|_, keeper| !keeper.has_ended());
        self.ending.insert(name.to_owned(), managed.keeper);
    }

    pub(crate) fn check_open(&self) -> Result<(), Refusal> {
        if self.closed { Err(Refusal::new(503, "The worker is stopping".to_owned())) } else { Ok(()) }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn find(&mut self, name: &str, absent: fn(&str) -> Refusal) -> Result<&mut Managed, Refusal> {
        self.check_open()?;
        self.managed.get_mut(name).ok_or_else(|| absent(name))
    }

    /// All of them end, and none begins any more.
    pub(crate) fn close(&mut self, leaving: Leaving) {
        self.closed = true;
        self.managed.values().for_each(|managed| managed.keeper.order(Order::End(leaving)));
    }

    pub(crate) fn have_ended(&self) -> bool {
        self.managed
            .values()
            .map(|managed| &managed.keeper)
            .chain(self.ending.values())
            .all(Keeper::has_ended)
    }
}

impl Managed {
    fn show_target(&self) {
        self.face.set_paused(self.target.is_paused());
    }

    /// Begins (anew), as far as the target state lets it.
    fn run(&self) {
        let spec = Box::new(self.spec.clone());
        self.keeper.order(match self.target {
            Target::Running => Order::Run { spec, paused: false },
            Target::Paused => Order::Run { spec, paused: true },
            Target::PausedWithoutTasks => Order::Wait(spec),
            Target::Stopped => Order::Stop,
        });
    }

    /// Another configuration of the same connector.
    pub(crate) fn configure(&mut self, checked: Checked) {
        let Checked { raw, config, spec } = checked;
        let tasks = (self.target == Target::Running).then_some(spec.tasks);
        self.face.configured(config.masked(), tasks);
        (self.raw, self.config, self.spec) = (raw, config, spec);
        info!(connector = self.spec.name, "connector configured anew");
        self.run();
    }

    pub(crate) fn become_state(&mut self, target: Target) {
        let before = std::mem::replace(&mut self.target, target);
        self.show_target();
        if before.has_tasks() && target.has_tasks() {
            self.keeper.order(Order::Pause(target.is_paused()));
        } else if before != target {
            self.run();
        }
    }

    /// What of it is here begins anew, as far as that is asked for.
    pub(crate) fn restart(&self, what: Restart) {
        if self.target == Target::Stopped {
            return;
        }
        let shown = self.face.show();
        let wanted = |state: &State| !what.only_failed || matches!(state, State::Failed(_));
        let is_here = |task: &usize| self.placement.is_mine(*task);
        let tasks: Vec<usize> = match what.include_tasks {
            true => {
                (0..shown.tasks.len()).filter(is_here).filter(|task| wanted(&shown.tasks[*task])).collect()
            }
            false => Vec::new(),
        };
        // A connector that could not prove its tables takes its tasks along: they have never begun.
        let never_began = matches!(shown.state, State::Failed(_));
        if wanted(&shown.state) && (never_began || what.include_tasks) {
            self.face.restarting(true, &tasks);
            self.run();
        } else if !tasks.is_empty() {
            self.face.restarting(false, &tasks);
            self.keeper.order(Order::RestartTasks(tasks));
        }
    }

    /// Changes its offsets, which are those of `spec`: in its turn, so that tasks that still end are waited for, and a
    /// resume waits for it.
    pub(crate) fn change_offsets(
        &self,
        spec: ConnectorSpec,
        shared: &Arc<Shared>,
        change: OffsetChange,
    ) -> Changing {
        let (done, told) = bounded(1);
        let shared = Arc::clone(shared);
        self.keeper.order(Order::WhileStopped(Box::new(move || {
            let _ = done.send(offsets::change(&spec, &shared, &change));
        })));
        Changing(told)
    }

    /// Errors: 404 for a task that it does not have.
    pub(crate) fn restart_task(&self, task: usize) -> Result<(), Refusal> {
        if task >= self.face.show().tasks.len() {
            return Err(Refusal::new(404, format!("Unknown task: {}-{task}", self.spec.name)));
        }
        self.face.restarting(false, &[task]);
        self.keeper.order(Order::RestartTasks(vec![task]));
        Ok(())
    }
}
