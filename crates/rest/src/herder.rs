//! What the API asks of the worker: changes of connectors. Each call returns when the change is taken note of;
//! what it leads to shows in the connector's status.
use std::collections::BTreeMap;

use crate::figures::LetterSample;
use crate::view::{ConnectorView, WorkerView};

/// What a connector is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetState {
    /// At work.
    Running,
    /// Its tasks keep their place in the group and take nothing.
    Paused,
    /// It has no tasks.
    Stopped,
}

/// What a restart takes along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Restart {
    /// The tasks, too.
    pub include_tasks: bool,
    /// Only what is FAILED.
    pub only_failed: bool,
}

/// Where a partition goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionOffset {
    /// Kafka topic.
    pub topic: String,
    /// Its partition.
    pub partition: u32,
    /// The next offset to take.
    pub offset: i64,
}

/// A change of offsets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OffsetChange {
    /// All partitions begin anew.
    Reset,
    /// These go on there; `None`: anew.
    Alter(BTreeMap<(String, u32), Option<i64>>),
}

/// Why a request is not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// Kafka Connect's words where it has any.
    pub message: String,
}

impl Refusal {
    /// Puts one together.
    pub fn new(status: u16, message: String) -> Refusal {
        Refusal { status, message }
    }

    /// What a worker says that takes no changes.
    fn read_only() -> Refusal {
        Refusal::new(405, "HTTP 405 Method Not Allowed".to_owned())
    }
}

/// Which worker carries a change out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The one that was asked.
    Here,
    /// Another one, under this address (`http://host:port`).
    At(String),
    /// Nobody knows at the moment.
    Unknown,
}

/// The worker, as the API changes it. Calls may block for as long as a broker takes to answer. One that
/// implements none of them can only be looked at.
pub trait Herder: WorkerView {
    /// Who changes this connector, or restarts this task of it.
    fn place_of(&self, name: &str, task: Option<usize>) -> Place {
        let _ = (name, task);
        Place::Here
    }
    /// Waits until this worker sees what another one has just changed; not for ever.
    fn catch_up(&self) {}
    /// Sets the level of a logger on every worker, this one among them. False: there are no others, and nothing is set.
    /// Errors: 500.
    fn set_level_everywhere(&self, logger: &str, level: &str) -> Result<bool, Refusal> {
        let _ = (logger, level);
        Ok(false)
    }
    /// A new connector; its name is the option `name`. Errors: 400, 409.
    fn create(
        &self,
        config: BTreeMap<String, String>,
        initial: TargetState,
    ) -> Result<ConnectorView, Refusal> {
        let _ = (config, initial);
        Err(Refusal::read_only())
    }
    /// A whole configuration, for a connector that need not exist. True: it did not. Errors: 400.
    fn put_config(
        &self,
        name: &str,
        config: BTreeMap<String, String>,
    ) -> Result<(ConnectorView, bool), Refusal> {
        let _ = (name, config);
        Err(Refusal::read_only())
    }
    /// Single options; `None` removes one. Errors: 400, 404.
    fn patch_config(
        &self,
        name: &str,
        patch: BTreeMap<String, Option<String>>,
    ) -> Result<ConnectorView, Refusal> {
        let _ = (name, patch);
        Err(Refusal::read_only())
    }
    /// Errors: 404.
    fn delete(&self, name: &str) -> Result<(), Refusal> {
        let _ = (name,);
        Err(Refusal::read_only())
    }
    /// Errors: 404.
    fn set_target(&self, name: &str, target: TargetState) -> Result<(), Refusal> {
        let _ = (name, target);
        Err(Refusal::read_only())
    }
    /// Answers how things stand with what begins anew marked. Errors: 404.
    fn restart(&self, name: &str, what: Restart) -> Result<ConnectorView, Refusal> {
        let _ = (name, what);
        Err(Refusal::read_only())
    }
    /// Errors: 404.
    fn restart_task(&self, name: &str, task: usize) -> Result<(), Refusal> {
        let _ = (name, task);
        Err(Refusal::read_only())
    }
    /// The topics that the connector has taken records of since it was created, or since the last reset;
    /// none for a connector that does not exist.
    fn topics(&self, name: &str) -> Vec<String> {
        let _ = name;
        Vec::new()
    }
    /// Forgets these.
    fn reset_topics(&self, name: &str) {
        let _ = name;
    }
    /// Errors: 404, 500.
    fn offsets(&self, name: &str) -> Result<Vec<PartitionOffset>, Refusal> {
        let _ = (name,);
        Err(Refusal::read_only())
    }
    /// Errors: 400, 404, 500.
    fn change_offsets(&self, name: &str, change: OffsetChange) -> Result<(), Refusal> {
        let _ = (name, change);
        Err(Refusal::read_only())
    }
    /// A look at the newest dead letters, that changes nothing. Errors: 404, 500.
    fn dead_letters(&self, name: &str) -> Result<LetterSample, Refusal> {
        let _ = name;
        Err(Refusal::read_only())
    }
}
