//! This worker's place among the workers: one thread that is a member of their group, tells which places it has, ends
//! what runs at places that go to others before it lets go of them, and proves to Kafka what it may write.
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use pumphouse_kafka::{Fence, GroupEvent, KafkaError, Settings, WorkersGroup, WorkersGroupSettings};
use pumphouse_types::{Partition, TopicName};
use tracing::{error, info, warn};

/// One wait for news of the group; who wants to write is heard after it.
const LOOK: Duration = Duration::from_millis(20);

/// Leaving is not waited for longer.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// Before a membership that failed is begun anew.
const REJOIN: Duration = Duration::from_secs(1);

/// A process that was started on purpose under this worker's id has this long before this one asks again.
const REPLACED_PAUSE: Duration = Duration::from_secs(30);

/// Tasks that do not end although they were cut off are not waited for beyond this.
const SETTLE_SLACK: Duration = Duration::from_secs(2);

/// A write is begun within this time, or the client is told that the workers rebalance.
const FENCE_TIMEOUT: Duration = Duration::from_secs(10);

/// What hangs on places.
pub(super) trait Moves: Send + Sync + 'static {
    /// The worker has these places from now on, and no others. Returns at once.
    fn places_are(&self, places: &BTreeSet<Partition>);
    /// Whether nothing runs any more at other places.
    fn is_settled(&self) -> bool;
}

/// How the worker is a member.
pub(super) struct Member {
    pub settings: Settings,
    pub topic: TopicName,
    pub group: WorkersGroupSettings,
    /// How long tasks may take to land what they have taken.
    pub shutdown_timeout: Duration,
}

/// What the others of this process know of it.
pub(super) struct Membership {
    places: Mutex<BTreeSet<Partition>>,
    asks: Sender<Ask>,
    asked: Receiver<Ask>,
}

struct Ask {
    place: Partition,
    answer: Sender<Option<Fence>>,
}

impl Membership {
    /// None yet.
    pub(super) fn new() -> Membership {
        let (asks, asked) = unbounded();
        Membership { places: Mutex::default(), asks, asked }
    }

    /// The places that this worker has now.
    pub(super) fn places(&self) -> BTreeSet<Partition> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether it has this one.
    pub(super) fn has(&self, place: Partition) -> bool {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).contains(&place)
    }

    fn set(&self, places: &BTreeSet<Partition>) {
        places.clone_into(&mut self.places.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The proof that this worker has the place, for a write about it; `None`: it has not, or nobody knows.
    pub(super) fn fence(&self, place: Partition) -> Option<Fence> {
        let (answer, told) = bounded(1);
        self.asks.send(Ask { place, answer }).ok()?;
        told.recv_timeout(FENCE_TIMEOUT).ok().flatten()
    }

    /// Is a member until `stop` is set, and again after each failure. Errors: no thread can be had.
    pub(super) fn start(
        self: &Arc<Membership>,
        member: Member,
        moves: Arc<dyn Moves>,
        stop: Arc<AtomicBool>,
    ) -> std::io::Result<JoinHandle<()>> {
        let membership = Arc::clone(self);
        std::thread::Builder::new()
            .name("workers-group".to_owned())
            .spawn(move || Being { member, moves, stop, membership, places: BTreeSet::new() }.work())
    }
}

struct Being {
    member: Member,
    moves: Arc<dyn Moves>,
    stop: Arc<AtomicBool>,
    membership: Arc<Membership>,
    places: BTreeSet<Partition>,
}

impl Being {
    fn work(mut self) {
        while !self.stop.load(Ordering::Relaxed) {
            let Err(error) = self.be() else { return };
            // Somebody else may have everything that this worker had.
            self.change(BTreeSet::new());
            self.settle();
            let pause = match error {
                KafkaError::InstanceFenced { .. } => REPLACED_PAUSE,
                _ => REJOIN,
            };
            error!(%error, pause_s = pause.as_secs(), "the worker has lost its place among the workers; it joins anew after a pause");
            let until = Instant::now() + pause;
            while Instant::now() < until && !self.stop.load(Ordering::Relaxed) {
                self.answer_none();
                std::thread::sleep(LOOK);
            }
        }
    }

    /// One membership. Errors: how it ended; `Ok`: it was to.
    fn be(&mut self) -> Result<(), KafkaError> {
        let Member { settings, topic, group, .. } = &self.member;
        let mut member = WorkersGroup::join(settings, topic, group)?;
        while !self.stop.load(Ordering::Relaxed) {
            for event in member.poll(LOOK) {
                self.serve(event, &mut member)?;
            }
            while let Ok(ask) = self.membership.asked.try_recv() {
                // R5: the fence is read first, then every event that waits is served; it proves something if the place
                // is still there after that.
                let fence = member.fence();
                for event in member.poll(Duration::ZERO) {
                    self.serve(event, &mut member)?;
                }
                let _ = ask.answer.send(fence.filter(|_| self.places.contains(&ask.place)));
            }
        }
        if let Err(error) = member.close(CLOSE_TIMEOUT) {
            warn!(%error, "the end of the worker's membership was not answered");
        }
        Ok(())
    }

    fn serve(&mut self, event: GroupEvent, member: &mut WorkersGroup) -> Result<(), KafkaError> {
        match event {
            GroupEvent::Assigned(places) => {
                if !places.is_empty() {
                    info!(places = places.len(), "places of tasks come to this worker");
                }
                let all = self.places.union(&places).copied().collect();
                self.change(all);
            }
            GroupEvent::Revoking { places, lost } => {
                info!(places = places.len(), lost, "places of tasks go to other workers");
                self.change(self.places.difference(&places).copied().collect());
                self.settle();
                member.revoked()?;
            }
            GroupEvent::Failed(error) => return Err(error),
            GroupEvent::Trouble(error) => warn!(%error, "the workers' group"),
        }
        Ok(())
    }

    fn change(&mut self, places: BTreeSet<Partition>) {
        self.places = places;
        self.membership.set(&self.places);
        self.moves.places_are(&self.places);
    }

    /// Waits until tasks that belong to others have ended. That nothing is landed twice does not hang on it: the next
    /// owner's claim fences them.
    fn settle(&self) {
        // A member that is not polled for the rebalance time-out loses everything that it has.
        let group = &self.member.group;
        let polled = Duration::from_millis(group.rebalance_timeout_ms.max(group.session_timeout_ms)) * 3 / 4;
        let until = Instant::now() + (self.member.shutdown_timeout + SETTLE_SLACK).min(polled);
        while !self.moves.is_settled() {
            if Instant::now() >= until {
                return warn!(
                    "tasks that move to other workers have not ended in time; their next owners fence them"
                );
            }
            self.answer_none();
            std::thread::sleep(LOOK);
        }
    }

    fn answer_none(&self) {
        while let Ok(ask) = self.membership.asked.try_recv() {
            let _ = ask.answer.send(None);
        }
    }
}
