//! What a worker hears from the workers' topics, and takes note of.
use std::sync::{Arc, Mutex};

use crossbeam_channel::Sender;
use pumphouse_config::WorkerConfig;
use pumphouse_rest::Loggers;
use tracing::warn;

use super::locked;
use crate::distributed::cluster::Cluster;
use crate::distributed::follower::{Listener, Read};
use crate::distributed::words::{ConfigWord, config_word, status_word};

/// Hears the configuration topic.
pub(in crate::distributed) struct HearsConfig {
    pub cluster: Arc<Mutex<Cluster>>,
    pub worker: WorkerConfig,
    pub loggers: Arc<Loggers>,
    pub wake: Sender<()>,
}

impl HearsConfig {
    fn hear_word(&self, cluster: &mut Cluster, word: ConfigWord, live: bool) {
        match word {
            ConfigWord::Level(logger, level) if live => {
                if let Err(refusal) = self.loggers.set(&logger, &level) {
                    warn!(logger, level, why = refusal.message, "a level for all workers is not set");
                }
            }
            word => cluster.hear_config(word, live, &self.worker),
        }
    }
}

impl Listener for HearsConfig {
    fn hear_all(&self, records: Vec<Read>) {
        let mut cluster = locked(&self.cluster);
        cluster.forget_config();
        for Read { key, value, is_new } in records {
            self.hear_word(&mut cluster, config_word(&key, Some(&value)), is_new);
        }
        drop(cluster);
        let _ = self.wake.try_send(());
    }

    fn hear(&self, key: &[u8], value: Option<&[u8]>) {
        self.hear_word(&mut locked(&self.cluster), config_word(key, value), true);
        let _ = self.wake.try_send(());
    }
}

/// Hears the status topic.
pub(in crate::distributed) struct HearsStatus(pub Arc<Mutex<Cluster>>);

impl Listener for HearsStatus {
    fn hear_all(&self, records: Vec<Read>) {
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
