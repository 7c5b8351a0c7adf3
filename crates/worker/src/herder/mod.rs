//! The herder: the connectors of this process, what each is to be, and how REST changes it. A change is
//! checked, taken note of, and carried out by the connector's own keeper; the others go on undisturbed.
mod changes;
mod keeper;
mod managed;
pub(crate) mod offsets;
mod target;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pumphouse_kafka::Leaving;

use pumphouse_config::{RawConfig, WorkerConfig};
use pumphouse_rest::{
    ConnectorView, Herder, LetterSample, OffsetChange, PartitionOffset, Process, Refusal, Restart,
    TargetState, WorkerView,
};
use pumphouse_types::TopicName;
use tracing::info;

use crate::letter_sample;
use crate::placement::Placement;
use crate::worker::{Shared, holds_within};
pub(crate) use changes::{Checked, log_notes, patched, unmasked};
pub(crate) use keeper::Order;
pub(crate) use managed::Connectors;
pub(crate) use target::Target;

/// The connectors of this process.
pub(crate) struct StandaloneHerder {
    worker: WorkerConfig,
    shared: Arc<Shared>,
    connectors: Mutex<Connectors>,
}

impl StandaloneHerder {
    pub(crate) fn new(worker: WorkerConfig, shared: Arc<Shared>) -> StandaloneHerder {
        StandaloneHerder { worker, shared, connectors: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Connectors> {
        self.connectors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a connector that was checked before, and lets it begin.
    /// Errors: 409 if there is one of this name; 500 if no thread can be had.
    pub(crate) fn add(&self, checked: Checked, target: Target) -> Result<(), Refusal> {
        let name = checked.spec.name.clone();
        // The counters live as long as the process, and may be those of an earlier connector of this name.
        let taken_before = self.shared.all_bytes_taken(&checked.spec);
        let mut connectors = self.lock();
        connectors.check_open()?;
        if connectors.managed.contains_key(&name) {
            return Err(already_exists(&name));
        }
        info!(connector = name, state = ?target, "connector created");
        let placement = Arc::new(Placement::everything());
        connectors.add(&self.shared, checked, target, placement, taken_before)
    }

    /// Lets all connectors land what they have taken, and waits for them, at most `limit`. False: some had not
    /// ended; their open batches stand in the ledger, and the next owner resolves them.
    pub(crate) fn stop_all(&self, limit: Duration) -> bool {
        self.lock().close(Leaving::Leave);
        holds_within(limit, || self.lock().have_ended())
    }

    fn view(&self, name: &str) -> Result<ConnectorView, Refusal> {
        self.connector(name).ok_or_else(|| not_found(name))
    }

    /// A connector's configuration becomes `raw`, which was made of `seen`; no other connector notices.
    fn change(&self, name: &str, seen: &RawConfig, raw: RawConfig) -> Result<ConnectorView, Refusal> {
        let checked = Checked::new(raw, &self.worker)?;
        let mut connectors = self.lock();
        let managed = connectors.find(name, not_found)?;
        if managed.raw != *seen {
            let why =
                format!("The configuration of {name} was changed by another request meanwhile; try again");
            return Err(Refusal::new(409, why));
        }
        managed.configure(checked);
        drop(connectors);
        self.view(name)
    }
}

impl WorkerView for StandaloneHerder {
    fn process(&self) -> &dyn Process {
        &*self.shared
    }

    fn connectors(&self) -> Vec<String> {
        self.shared.board.names()
    }

    fn connector(&self, name: &str) -> Option<ConnectorView> {
        self.shared.connector(name)
    }
}

impl Herder for StandaloneHerder {
    fn create(
        &self,
        config: BTreeMap<String, String>,
        initial: TargetState,
    ) -> Result<ConnectorView, Refusal> {
        let checked = Checked::new(config.into_iter().collect(), &self.worker)?;
        let name = checked.spec.name.clone();
        self.add(checked, Target::of_new(initial))?;
        self.view(&name)
    }

    fn put_config(
        &self,
        name: &str,
        config: BTreeMap<String, String>,
    ) -> Result<(ConnectorView, bool), Refusal> {
        let known =
            self.lock().managed.get(name).map(|managed| (managed.raw.clone(), managed.config.masked()));
        match known {
            Some((raw, masked)) => {
                let now = unmasked(config, &raw, &masked);
                Ok((self.change(name, &raw, now)?, false))
            }
            None => Ok((self.create(config, TargetState::Running)?, true)),
        }
    }

    fn patch_config(
        &self,
        name: &str,
        patch: BTreeMap<String, Option<String>>,
    ) -> Result<ConnectorView, Refusal> {
        let (seen, raw) = {
            let mut connectors = self.lock();
            let managed = connectors.find(name, not_found)?;
            (managed.raw.clone(), patched(name, &managed.raw, &managed.config.masked(), patch)?)
        };
        self.change(name, &seen, raw)
    }

    fn delete(&self, name: &str) -> Result<(), Refusal> {
        let mut connectors = self.lock();
        connectors.find(name, not_found)?;
        connectors.remove(&self.shared, name, Leaving::Leave);
        drop(connectors);
        info!(connector = name, "connector deleted");
        Ok(())
    }

    fn set_target(&self, name: &str, target: TargetState) -> Result<(), Refusal> {
        let mut connectors = self.lock();
        let managed = connectors.find(name, unknown)?;
        info!(connector = name, state = ?target, "target state set");
        managed.become_state(managed.target.then(target));
        Ok(())
    }

    fn restart(&self, name: &str, what: Restart) -> Result<ConnectorView, Refusal> {
        let mut connectors = self.lock();
        let managed =
            connectors.find(name, |name| Refusal::new(404, format!("Unknown connector: {name}")))?;
        managed.restart(what);
        drop(connectors);
        self.view(name)
    }

    fn restart_task(&self, name: &str, task: usize) -> Result<(), Refusal> {
        let mut connectors = self.lock();
        let managed =
            connectors.find(name, |name| Refusal::new(404, format!("Unknown connector: {name}")))?;
        managed.restart_task(task)
    }

    fn topics(&self, name: &str) -> Vec<String> {
        let known =
            self.lock().managed.get(name).map(|managed| (managed.spec.clone(), managed.taken_before.clone()));
        let Some((spec, before)) = known else { return Vec::new() };
        let taken = |topic: &&TopicName| {
            self.shared.bytes_taken(name, topic) > before.get(*topic).copied().unwrap_or(0)
        };
        offsets::topics_of(&spec).iter().filter(taken).map(ToString::to_string).collect()
    }

    fn reset_topics(&self, name: &str) {
        let Some(spec) = self.lock().managed.get(name).map(|managed| managed.spec.clone()) else { return };
        let taken = self.shared.all_bytes_taken(&spec);
        if let Some(managed) = self.lock().managed.get_mut(name) {
            managed.taken_before = taken;
        }
    }

    fn offsets(&self, name: &str) -> Result<Vec<PartitionOffset>, Refusal> {
        let spec = self.lock().find(name, not_found)?.spec.clone();
        offsets::read(&spec, &self.shared.runtime)
    }

    fn dead_letters(&self, name: &str) -> Result<LetterSample, Refusal> {
        let spec = self.lock().find(name, not_found)?.spec.clone();
        letter_sample::sample(&spec)
    }

    fn change_offsets(&self, name: &str, change: OffsetChange) -> Result<(), Refusal> {
        let changing = {
            let mut connectors = self.lock();
            let managed = connectors.find(name, not_found)?;
            if managed.target != Target::Stopped {
                return Err(not_stopped(name));
            }
            managed.change_offsets(managed.spec.clone(), &self.shared, change)
        };
        changing.wait()
    }
}

pub(crate) fn not_found(name: &str) -> Refusal {
    Refusal::new(404, format!("Connector {name} not found"))
}

pub(crate) fn unknown(name: &str) -> Refusal {
    Refusal::new(404, format!("Unknown connector {name}"))
}

pub(crate) fn already_exists(name: &str) -> Refusal {
    Refusal::new(409, format!("Connector {name} already exists"))
}

pub(crate) fn not_stopped(name: &str) -> Refusal {
    Refusal::new(
        400,
        format!(
            "Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the \
             specified connector by issuing a 'PUT' request to the '/connectors/{name}/stop' endpoint"
        ),
    )
}
