//! What this worker tells the others about what runs here.
use pumphouse_kafka::OutgoingRecord;
use pumphouse_rest::ConnectorState;
use pumphouse_types::TopicName;

use super::{DistributedHerder, locked};
use crate::distributed::cluster::Cluster;
use crate::distributed::places::{place_of_connector, place_of_task};
use crate::distributed::words::{Said, Writes};
use crate::worker::in_rest_words;

impl DistributedHerder {
    /// What this worker knows better than the status topic says: to be written there.
    pub(in crate::distributed) fn news(&self) -> Vec<OutgoingRecord> {
        let topic = TopicName::new(&self.wires.distributed.status_topic.name);
        let writes = Writes { topic: &topic };
        let mut local = locked(&self.local);
        if local.connectors.is_closed() {
            return Vec::new();
        }
        let mut cluster = self.cluster();
        // Before it is looked what was taken since.
        for (name, topic) in cluster.take_forgotten() {
            if let Some(managed) = local.connectors.managed.get_mut(&name) {
                let topic = TopicName::new(&topic);
                let taken = self.shared.bytes_taken(&name, &topic);
                managed.taken_before.insert(topic, taken);
            }
        }
        let mut news = Vec::new();
        let mut tell = |name: &str, task: Option<usize>, state: ConnectorState| {
            let said = Said { state, worker_id: self.shared.worker_id.clone() };
            if cluster.said(name, task) != Some(&said) {
                news.push(writes.state(name, task, Some(&said)));
            }
        };
        for (name, managed) in &local.connectors.managed {
            let shown = managed.face.show();
            if self.wires.membership.has(place_of_connector(name)) {
                tell(name, None, in_rest_words(shown.state));
            }
            for (task, state) in shown.tasks.into_iter().enumerate() {
                if self.wires.membership.has(place_of_task(name, task)) && task < cluster.tasks(name) {
                    tell(name, Some(task), in_rest_words(state));
                }
            }
        }
        for (name, known) in cluster.connectors() {
            let why = known.read.as_ref().err().or_else(|| local.refused.get(name).map(|(_, why)| why));
            let Some(why) = why.filter(|_| !local.connectors.managed.contains_key(name)) else { continue };
            if self.wires.membership.has(place_of_connector(name)) {
                tell(name, None, ConnectorState::Failed(why.clone()));
            }
            // Other workers may be able to read it: they show what is said here of the tasks that stand here.
            let tasks = known.tasks();
            let has_tasks = cluster.target(name).has_tasks();
            for task in (0..tasks).filter(|_| has_tasks) {
                if self.wires.membership.has(place_of_task(name, task)) {
                    tell(name, Some(task), ConnectorState::Failed(why.clone()));
                }
            }
        }
        // One that was deleted may still be ending here: what it took is nobody's news any more.
        let known = |name: &String| cluster.connector(name).is_some();
        for (name, managed) in local.connectors.managed.iter().filter(|(name, _)| known(name)) {
            for topic in managed.spec.tables.keys() {
                let before = managed.taken_before.get(topic).copied().unwrap_or(0);
                let is_told = || cluster.topics(name).contains(topic.as_str());
                if self.shared.bytes_taken(name, topic) > before && !is_told() {
                    news.push(writes.topic(name, topic.as_str(), true));
                }
            }
        }
        news.extend(self.obsolete(&cluster, &writes));
        news
    }

    /// States of what is no more, where this worker has the connector's place.
    fn obsolete(&self, cluster: &Cluster, writes: &Writes<'_>) -> Vec<OutgoingRecord> {
        let is_mine = |name: &str| self.wires.membership.has(place_of_connector(name));
        let states = cluster.all_said().filter(|(name, task)| match task {
            None => cluster.connector(name).is_none(),
            // Who cannot read the configuration does not know how many tasks there are; others may.
            Some(task) => {
                cluster.connector(name).is_none_or(|known| known.read.is_ok()) && *task >= cluster.tasks(name)
            }
        });
        let states = states.filter(|(name, _)| is_mine(name));
        let states = states.map(|(name, task)| writes.state(name, task, None));
        let topics = cluster.topics_of_all().iter();
        let topics = topics.filter(|(name, _)| cluster.connector(name).is_none() && is_mine(name));
        let topics =
            topics.flat_map(|(name, topics)| topics.iter().map(|topic| writes.topic(name, topic, false)));
        states.chain(topics).collect()
    }
}
