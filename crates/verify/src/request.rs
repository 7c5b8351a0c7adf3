//! What is to be checked.
use std::path::PathBuf;

use pumphouse_types::{Offset, Partition};

/// Told now and then what is being done, for a person who waits.
pub type Progress<'a> = &'a mut dyn FnMut(&str);

/// What is to be checked, and how thoroughly.
#[derive(Debug, Clone, Default)]
pub struct VerifyRequest {
    /// The worker's properties.
    pub worker: PathBuf,
    /// Connector configurations.
    pub connectors: Vec<PathBuf>,
    /// Only these topics; empty: all of each connector.
    pub topics: Vec<String>,
    /// Only these partitions; empty: all.
    pub partitions: Vec<Partition>,
    /// The first position, in every partition; `None`: where the log begins.
    pub from: Option<Offset>,
    /// The first position that is not checked any more; `None`, or behind it: the ledger's.
    pub to: Option<Offset>,
    /// Only so many ranges per topic, drawn by chance.
    pub sample: Option<u32>,
    /// What chance begins with.
    pub seed: u64,
}
