//! `topics.regex`: a connector reads the topics of the cluster that match. When they change, its tasks land what
//! they took and begin anew with the others: a topic is taken up, or dropped, between two memberships, so that a
//! lane never changes under an open batch (R15).
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pumphouse_config::ConnectorConfig;
use pumphouse_kafka::{Admin, KafkaError, Settings};
use pumphouse_types::TopicName;
use tracing::{info, warn};

use crate::board::{State, Voice};
use crate::restart::pause_or_stop;
use crate::spec::{ConnectorSpec, tables};

/// One question to the brokers.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// Kafka's default of `metadata.max.age.ms`, after which its consumers see new topics.
const REFRESH_MS_DEFAULT: u64 = 300_000;

/// Nothing to read yet: asked again so often, at least.
const NONE_YET: Duration = Duration::from_secs(10);

/// How a connector chooses its topics.
#[derive(Clone)]
pub(crate) struct TopicChoice {
    config: Arc<ConnectorConfig>,
    state_topic: String,
    refresh: Duration,
}

impl TopicChoice {
    /// `None`: the configuration names its topics.
    pub(crate) fn of(config: &ConnectorConfig, state_topic: &str) -> Option<TopicChoice> {
        config.topic_pattern.as_ref()?;
        let age =
            config.consumer_options.get("metadata.max.age.ms").and_then(|text| text.trim().parse().ok());
        Some(TopicChoice {
            config: Arc::new(config.clone()),
            state_topic: state_topic.to_owned(),
            refresh: Duration::from_millis(age.unwrap_or(REFRESH_MS_DEFAULT)),
        })
    }

    /// Runs the connector, anew whenever the topics change, until `stop` is set or it ends by itself.
    pub(crate) fn run(
        &self,
        spec: &ConnectorSpec,
        voice: &Voice,
        stop: &Arc<AtomicBool>,
        run_with: &mut dyn FnMut(&ConnectorSpec, &Arc<AtomicBool>),
    ) {
        loop {
            let Some(found) = self.wait_for_some(spec, voice, stop) else { return };
            info!(connector = spec.name, topics = ?found, "topics that match topics.regex");
            let config = self.with(&found);
            let spec = ConnectorSpec { tables: tables(&config), ..spec.clone() };
            let round = Round { stop: Arc::clone(stop), ended: Arc::default(), round_stop: Arc::default() };
            let changed = std::thread::scope(|scope| {
                let watcher = scope.spawn(|| self.watch(&spec, &found, &round));
                run_with(&spec, &round.round_stop);
                round.ended.store(true, Ordering::Relaxed);
                watcher.join().unwrap_or(false)
            });
            if !changed || stop.load(Ordering::Relaxed) {
                return;
            }
        }
    }

    /// The topics that match now. Errors: the brokers do not answer.
    pub(crate) fn found_now(&self, spec: &ConnectorSpec) -> Result<ConnectorSpec, KafkaError> {
        let config = self.with(&self.find(&spec.producer_settings)?);
        Ok(ConnectorSpec { tables: tables(&config), ..spec.clone() })
    }

    /// The configuration for these topics.
    fn with(&self, found: &BTreeSet<TopicName>) -> ConnectorConfig {
        self.config.with_topics(found.iter().map(ToString::to_string).collect())
    }

    /// `None`: stopped meanwhile.
    fn wait_for_some(
        &self,
        spec: &ConnectorSpec,
        voice: &Voice,
        stop: &AtomicBool,
    ) -> Option<BTreeSet<TopicName>> {
        loop {
            match self.find(&spec.producer_settings) {
                Ok(found) if !found.is_empty() => return Some(found),
                Ok(_) => {
                    let why = "no topic matches topics.regex yet".to_owned();
                    voice.connector_is(State::Running(Some(why)));
                }
                Err(error) => {
                    warn!(connector = spec.name, %error, "the cluster's topics cannot be asked for")
                }
            }
            if pause_or_stop(self.refresh.min(NONE_YET), stop) {
                return None;
            }
        }
    }

    /// Ends the round when it is to stop, or when other topics match. True: the latter.
    fn watch(&self, spec: &ConnectorSpec, known: &BTreeSet<TopicName>, round: &Round) -> bool {
        loop {
            if round.pause(self.refresh) {
                round.round_stop.store(true, Ordering::Relaxed);
                return false;
            }
            match self.find(&spec.producer_settings) {
                // None at all is rather a right that was taken away than a cluster without topics.
                Ok(found) if found.is_empty() || found == *known => {}
                Ok(found) => {
                    info!(connector = spec.name, topics = ?found, "other topics match topics.regex; what was taken lands first");
                    round.round_stop.store(true, Ordering::Relaxed);
                    return true;
                }
                Err(error) => {
                    warn!(connector = spec.name, %error, "the cluster's topics cannot be asked for")
                }
            }
        }
    }

    /// The cluster's topics that match, our own state topic left out.
    fn find(&self, settings: &Settings) -> Result<BTreeSet<TopicName>, KafkaError> {
        let Some(pattern) = &self.config.topic_pattern else { return Ok(BTreeSet::new()) };
        let meant = |topic: &TopicName| topic.as_str() != self.state_topic && pattern.matches(topic.as_str());
        Ok(Admin::open(settings)?.topics(ASK_TIMEOUT)?.into_iter().filter(meant).collect())
    }
}

/// From one change of the topics to the next.
struct Round {
    /// The connector's.
    stop: Arc<AtomicBool>,
    /// The tasks have ended.
    ended: Arc<AtomicBool>,
    /// What the tasks listen to.
    round_stop: Arc<AtomicBool>,
}

impl Round {
    /// True: it is over.
    fn pause(&self, pause: Duration) -> bool {
        const LOOK: Duration = Duration::from_millis(20);
        let until = std::time::Instant::now() + pause;
        while std::time::Instant::now() < until {
            if self.stop.load(Ordering::Relaxed) || self.ended.load(Ordering::Relaxed) {
                return true;
            }
            std::thread::sleep(LOOK);
        }
        false
    }
}
