//! Follows one of the workers' topics for as long as the worker lives. What it says so far comes in one piece, and what
//! is said from then on record by record; who needs to know what was said last waits for it.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use pumphouse_kafka::{KafkaError, RecordView, Settings, Tail};
use pumphouse_types::{Offset, Partition, TopicName, TopicPartition};
use tracing::warn;

/// One question to the brokers.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// A wait for records; who asks for the topic's end is heard after it.
const LOOK: Duration = Duration::from_millis(20);

/// Before a topic that could not be followed is opened again.
const OPEN_AGAIN: Duration = Duration::from_secs(1);

/// A transaction that a killed worker left open ends within its time-out and the broker's look at it (10 s each).
const CAUGHT_UP_TIMEOUT: Duration = Duration::from_secs(30);

/// Who listens.
pub(super) trait Listener: Send + Sync + 'static {
    /// All that the topic says, in the order in which it was said; again after it could not be followed.
    fn hear_all(&self, records: Vec<Read>);
    /// What was said since.
    fn hear(&self, key: &[u8], value: Option<&[u8]>);
}

/// A record that was read again, or for the first time.
pub(super) struct Read {
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    /// It was said after this worker had begun to follow, and it has not heard it yet.
    pub is_new: bool,
}

/// What is needed to follow.
pub(super) struct Followed {
    pub settings: Settings,
    pub group: String,
    pub topic: TopicName,
}

/// The handle of the thread that follows.
pub(super) struct Follower {
    asks: Sender<Sender<()>>,
    topic: TopicName,
}

impl Follower {
    /// Begins to follow, until `stop` is set. Errors: no thread can be had.
    pub(super) fn start(
        followed: Followed,
        listener: Arc<dyn Listener>,
        stop: Arc<AtomicBool>,
    ) -> std::io::Result<(Follower, JoinHandle<()>)> {
        let (asks, asked) = unbounded();
        let topic = followed.topic.clone();
        let thread = std::thread::Builder::new()
            .name(format!("follow-{topic}"))
            .spawn(move || Following { followed, listener, stop, asked, heard: None }.work())?;
        Ok((Follower { asks, topic }, thread))
    }

    /// Waits until everything was heard that had been said when this was called.
    /// Errors: it was not, in time.
    pub(super) fn catch_up(&self) -> Result<(), String> {
        let (done, told) = bounded(1);
        // A thread that has ended answers nothing.
        let _ = self.asks.send(done);
        told.recv_timeout(CAUGHT_UP_TIMEOUT)
            .map_err(|_| format!("Request timed out: topic {} cannot be read to its end", self.topic))
    }
}

struct Following {
    followed: Followed,
    listener: Arc<dyn Listener>,
    stop: Arc<AtomicBool>,
    asked: Receiver<Sender<()>>,
    /// Up to where each partition was heard; `None`: nothing was heard yet.
    heard: Option<Heard>,
}

/// The next offset of each partition.
#[derive(Default)]
struct Heard(BTreeMap<Partition, Offset>);

impl Heard {
    fn hear(&mut self, partition: Partition, offset: Offset) {
        self.0.insert(partition, offset.next());
    }

    fn has(&self, partition: Partition, offset: Offset) -> bool {
        self.0.get(&partition).is_some_and(|next| offset < *next)
    }
}

/// Somebody waits until the topic was read up to there.
struct Waiting {
    ends: BTreeMap<TopicPartition, Offset>,
    done: Sender<()>,
}

impl Following {
    fn work(mut self) {
        while !self.stop.load(Ordering::Relaxed) {
            if let Err(error) = self.follow() {
                warn!(topic = %self.followed.topic, %error, "a topic of the workers cannot be followed; it is opened again");
                std::thread::sleep(OPEN_AGAIN);
            }
        }
    }

    fn follow(&mut self) -> Result<(), KafkaError> {
        let Followed { settings, group, topic } = &self.followed;
        let mut tail = Tail::open(settings, group, topic, ASK_TIMEOUT)?;
        if !self.read_all(&mut tail)? {
            return Ok(());
        }
        let heard = self.heard.get_or_insert_default();
        let mut waiting: Vec<Waiting> = Vec::new();
        while !self.stop.load(Ordering::Relaxed) {
            while let Ok(done) = self.asked.try_recv() {
                waiting.push(Waiting { ends: tail.ends(ASK_TIMEOUT)?, done });
            }
            tail.poll(LOOK, |record: &RecordView<'_>| {
                heard.hear(record.partition(), record.offset());
                if let Some(key) = record.key() {
                    self.listener.hear(key, record.value());
                }
            })?;
            waiting.retain(|one| {
                let reached = tail.has_reached(&one.ends);
                if reached {
                    // Whoever has stopped waiting is not told.
                    let _ = one.done.send(());
                }
                !reached
            });
        }
        Ok(())
    }

    /// False: stopped meanwhile.
    fn read_all(&mut self, tail: &mut Tail) -> Result<bool, KafkaError> {
        let ends = tail.ends(ASK_TIMEOUT)?;
        let (mut last, mut count) = (BTreeMap::new(), 0_u64);
        let (before, mut heard) = (self.heard.as_ref(), Heard::default());
        let mut progress = Instant::now();
        while !tail.has_reached(&ends) {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            let taken = tail.poll(LOOK, |record: &RecordView<'_>| {
                heard.hear(record.partition(), record.offset());
                if let Some(key) = record.key() {
                    count += 1;
                    let is_new =
                        before.is_some_and(|before| !before.has(record.partition(), record.offset()));
                    let value = record.value().map(<[u8]>::to_vec);
                    last.insert(key.to_vec(), (count, is_new, value));
                }
            })?;
            if taken > 0 {
                progress = Instant::now();
            } else if progress.elapsed() > CAUGHT_UP_TIMEOUT {
                return Err(KafkaError::NoAnswer {
                    asked: format!("reading topic {}", self.followed.topic),
                    reason: "its end is not reached".to_owned(),
                });
            }
        }
        let mut said: Vec<_> = last
            .into_iter()
            .filter_map(|(key, (at, is_new, value))| Some((at, Read { key, value: value?, is_new })))
            .collect();
        said.sort_unstable_by_key(|(at, _)| *at);
        self.listener.hear_all(said.into_iter().map(|(_, read)| read).collect());
        self.heard = Some(heard);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_while_the_topic_was_not_read_is_new() {
        let mut heard = Heard::default();
        let offset = |at| Offset::new(at).unwrap();
        heard.hear(Partition(0), offset(6));
        heard.hear(Partition(0), offset(7));
        assert!(heard.has(Partition(0), offset(0)) && heard.has(Partition(0), offset(7)));
        assert!(!heard.has(Partition(0), offset(8)) && !heard.has(Partition(1), offset(0)));
    }
}
