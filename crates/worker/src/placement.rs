//! Which tasks of a connector run in this process, and which of them are at work: what a worker that gives places
//! back has to wait for.
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Tasks are placed by their number, modulo this.
pub(crate) const PLACES: u32 = 64;

/// The tasks of one connector that belong to this process. It outlives the connector's runs.
#[derive(Debug)]
pub(crate) struct Placement(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    /// Numbers modulo [`PLACES`]; `None`: all.
    mine: Option<BTreeSet<u32>>,
    at_work: BTreeSet<usize>,
}

impl Inner {
    fn is_mine(&self, task: usize) -> bool {
        self.mine.as_ref().is_none_or(|mine| mine.contains(&((task as u64 % u64::from(PLACES)) as u32)))
    }
}

impl Placement {
    /// All tasks are here: the worker is alone.
    pub(crate) fn everything() -> Placement {
        Placement(Mutex::new(Inner { mine: None, at_work: BTreeSet::new() }))
    }

    /// Tasks of these numbers, modulo [`PLACES`], are here.
    pub(crate) fn of(mine: BTreeSet<u32>) -> Placement {
        Placement(Mutex::new(Inner { mine: Some(mine), at_work: BTreeSet::new() }))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on tasks of these numbers, modulo [`PLACES`], are here. True: these are others.
    pub(crate) fn set(&self, mine: BTreeSet<u32>) -> bool {
        let mut inner = self.lock();
        let mine = Some(mine);
        if inner.mine == mine {
            return false;
        }
        inner.mine = mine;
        true
    }

    /// Whether this task belongs here.
    pub(crate) fn is_mine(&self, task: usize) -> bool {
        self.lock().is_mine(task)
    }

    /// Takes note that the task is at work from now on. False: it does not belong here any more, and must not
    /// begin.
    pub(crate) fn begin(&self, task: usize) -> bool {
        let mut inner = self.lock();
        let may = inner.is_mine(task);
        if may {
            inner.at_work.insert(task);
        }
        may
    }

    /// The task's thread has ended.
    pub(crate) fn ended(&self, task: usize) {
        self.lock().at_work.remove(&task);
    }

    /// Whether no task works that belongs to another process.
    pub(crate) fn is_settled(&self) -> bool {
        let inner = self.lock();
        inner.at_work.iter().all(|task| inner.is_mine(*task))
    }

    /// Whether no task works at all.
    pub(crate) fn is_idle(&self) -> bool {
        self.lock().at_work.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moved_away_is_waited_for_and_does_not_begin() {
        let placement = Placement::of([0, 1].into());
        assert!(placement.begin(0) && placement.begin(64) && !placement.begin(2));
        assert!(placement.is_settled() && !placement.is_idle());
        assert!(placement.set([1].into()) && !placement.set([1].into()));
        assert!(!placement.is_settled() && !placement.begin(0));
        placement.ended(0);
        assert!(!placement.is_settled());
        placement.ended(64);
        assert!(placement.is_settled() && placement.is_idle());
    }

    #[test]
    fn alone_everything_is_here() {
        assert!(Placement::everything().is_mine(1_000));
    }
}
