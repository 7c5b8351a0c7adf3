//! What is known of every connector and its tasks: the states that REST shows.
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A state in Kafka Connect's words; those that this version can be in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Not started yet: what it needs does not answer.
    Unassigned,
    /// At work; with what an operator should know, if anything.
    Running(Option<String>),
    /// A person has to look: why.
    Failed(String),
    /// Stopped, because the worker is.
    Stopped,
}

/// A connector and its tasks.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Its configuration, secrets masked.
    pub config: BTreeMap<String, String>,
    /// The connector's own state.
    pub state: State,
    /// Its tasks' states, by number.
    pub tasks: Vec<State>,
}

/// All connectors of this worker.
#[derive(Debug, Default)]
pub struct Board(Mutex<BTreeMap<String, Shown>>);

impl Board {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Shown>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connector with its tasks, none of them started.
    pub fn add(&self, name: &str, config: BTreeMap<String, String>, tasks: usize) {
        let tasks = vec![State::Unassigned; tasks];
        self.lock().insert(name.to_owned(), Shown { config, state: State::Unassigned, tasks });
    }

    /// The connector's own state.
    pub fn connector_is(&self, name: &str, state: State) {
        if let Some(shown) = self.lock().get_mut(name) {
            shown.state = state;
        }
    }

    /// A task's state.
    pub fn task_is(&self, name: &str, task: usize, state: State) {
        if let Some(slot) = self.lock().get_mut(name).and_then(|shown| shown.tasks.get_mut(task)) {
            *slot = state;
        }
    }

    /// Tasks that have failed.
    pub fn failed_tasks(&self, name: &str) -> usize {
        let failed =
            |shown: &Shown| shown.tasks.iter().filter(|state| matches!(state, State::Failed(_))).count();
        self.lock().get(name).map_or(0, failed)
    }

    /// The names.
    pub fn names(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// One connector.
    pub fn show(&self, name: &str) -> Option<Shown> {
        self.lock().get(name).cloned()
    }
}
