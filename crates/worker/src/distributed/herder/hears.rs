//! What a worker hears from the workers' topics, and takes note of.
use std::sync::{Arc, Mutex};

use crossbeam_channel::Sender;
use pumphouse_config::WorkerConfig;

use super::locked;
use crate::distributed::cluster::Cluster;
use crate::distributed::follower::{Listener, Read};
use crate::distributed::words::{config_word, status_word};

/// Hears the configuration topic.
pub(in crate::distributed) struct HearsConfig {
    pub cluster: Arc<Mutex<Cluster>>,
    pub worker: WorkerConfig,
    pub wake: Sender<()>,
}

impl Listener for HearsConfig {
    fn from_the_beginning(&self, records: Vec<Read>) {
        let mut cluster = locked(&self.cluster);
        cluster.forget_config();
        for Read { key, value, is_new } in records {
            cluster.hear_config(config_word(&key, Some(&value)), is_new, &self.worker);
        }
        drop(cluster);
        let _ = self.wake.try_send(());
    }

    fn hear(&self, key: &[u8], value: Option<&[u8]>) {
        locked(&self.cluster).hear_config(config_word(key, value), true, &self.worker);
        let _ = self.wake.try_send(());
    }
}

/// Hears the status topic.
pub(in crate::distributed) struct HearsStatus(pub Arc<Mutex<Cluster>>);

impl Listener for HearsStatus {
    fn from_the_beginning(&self, records: Vec<Read>) {
        let mut cluster = locked(&self.0);
        cluster.forget_status();
        for Read { key, value, .. } in records {
            cluster.hear_status(status_word(&key, Some(&value)));
        }
    }

    fn hear(&self, key: &[u8], value: Option<&[u8]>) {
        locked(&self.0).hear_status(status_word(key, value));
    }
}
