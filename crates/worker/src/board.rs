//! What is known of every connector and its tasks: the states that REST shows.
//!
//! A connector has a face, and each of its runs speaks through it with a voice of its own. When the herder
//! begins a new run, the voices of the one before it are no longer heard: what an ending task says last
//! must not hide what its successor is.
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A state in Kafka Connect's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Not started yet: what it needs does not answer.
    Unassigned,
    /// At work; with what an operator should know, if anything.
    Running(Option<String>),
    /// It keeps its place in the group and takes nothing.
    Paused,
    /// It ends, to begin anew.
    Restarting,
    /// A person has to look: why.
    Failed(String),
    /// Stopped, because the worker or the connector is.
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

impl Shown {
    fn rename(&mut self, old: impl Fn(&State) -> bool, new: &State) {
        std::iter::once(&mut self.state).chain(&mut self.tasks).filter(|state| old(state)).for_each(
            |state| {
                *state = new.clone();
            },
        );
    }
}

/// All connectors of this worker.
#[derive(Debug, Default)]
pub struct Board(Mutex<BTreeMap<String, Arc<Face>>>);

impl Board {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Face>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connector with its tasks, none of them started.
    pub fn add(&self, name: &str, config: BTreeMap<String, String>, tasks: usize) -> Arc<Face> {
        let tasks = vec![State::Unassigned; tasks];
        let shown = Shown { config, state: State::Unassigned, tasks };
        let inner = Mutex::new(Inner { shown, paused: false, run: 0, lives: Vec::new() });
        let face = Arc::new(Face { name: name.to_owned(), inner });
        self.lock().insert(name.to_owned(), Arc::clone(&face));
        face
    }

    /// The connector is no more; what its last run still says is heard by nobody.
    pub fn remove(&self, name: &str) {
        self.lock().remove(name);
    }

    /// The names.
    pub fn names(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// One connector.
    pub fn show(&self, name: &str) -> Option<Shown> {
        let face = self.lock().get(name).cloned()?;
        Some(face.show())
    }
}

/// One connector as it is shown.
#[derive(Debug)]
pub struct Face {
    /// The connector's name.
    pub name: String,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    shown: Shown,
    paused: bool,
    /// Which run is heard.
    run: u64,
    /// Which life of each task is heard.
    lives: Vec<u64>,
}

impl Face {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be shown now.
    pub fn show(&self) -> Shown {
        let inner = self.lock();
        let mut shown = inner.shown.clone();
        if inner.paused {
            shown.rename(|state| matches!(state, State::Running(_) | State::Unassigned), &State::Paused);
        }
        shown
    }

    /// Whether what works or waits is shown as paused.
    pub fn set_paused(&self, paused: bool) {
        self.lock().paused = paused;
    }

    /// Whether what works or waits is shown as paused.
    pub fn is_paused(&self) -> bool {
        self.lock().paused
    }

    /// Nothing runs, and nothing begins before it is resumed.
    pub fn waits(&self) {
        self.lock().shown.rename(|state| *state == State::Restarting, &State::Unassigned);
    }

    /// Another configuration. As many tasks as given; `None`: the number stays.
    pub fn configured(&self, config: BTreeMap<String, String>, tasks: Option<usize>) {
        let mut inner = self.lock();
        inner.shown.config = config;
        if let Some(tasks) = tasks {
            inner.shown.tasks.resize(tasks, State::Unassigned);
        }
    }

    /// The tasks of these numbers, and the connector itself if `connector`, are about to begin anew.
    pub fn restarting(&self, connector: bool, tasks: &[usize]) {
        let shown = &mut self.lock().shown;
        if connector {
            shown.state = State::Restarting;
        }
        for task in tasks {
            if let Some(state) = shown.tasks.get_mut(*task) {
                *state = State::Restarting;
            }
        }
    }

    /// Tasks for which `is_mine` does not hold are another worker's: what they still say here is not heard.
    pub fn placed(&self, is_mine: impl Fn(usize) -> bool) {
        let inner = &mut *self.lock();
        for (task, state) in inner.shown.tasks.iter_mut().enumerate().filter(|(task, _)| !is_mine(*task)) {
            *state = State::Unassigned;
            if let Some(life) = inner.lives.get_mut(task) {
                *life += 1;
            }
        }
    }

    /// It is stopped: it has no tasks. No earlier run is heard any more.
    pub fn stopped(&self) {
        let mut inner = self.lock();
        inner.run += 1;
        inner.shown.state = State::Stopped;
        inner.shown.tasks.clear();
    }

    /// The voice of a new run with so many tasks. What is RESTARTING stays so until the run speaks.
    pub fn begin_run(self: &Arc<Face>, tasks: usize) -> Voice {
        let mut inner = self.lock();
        inner.run += 1;
        inner.lives = vec![0; tasks];
        inner.shown.tasks.resize(tasks, State::Unassigned);
        inner.shown.rename(|state| *state != State::Restarting, &State::Unassigned);
        Voice { face: Arc::clone(self), run: inner.run }
    }
}

/// What a run says of its connector; nothing, once a later run has begun.
#[derive(Debug, Clone)]
pub struct Voice {
    face: Arc<Face>,
    run: u64,
}

impl Voice {
    /// The connector's own state.
    pub fn connector_is(&self, state: State) {
        let mut inner = self.face.lock();
        if inner.run == self.run {
            inner.shown.state = state;
        }
    }

    /// The voice of a task that begins (anew); an earlier life of it is no longer heard.
    pub fn task(&self, number: usize) -> TaskVoice {
        let mut inner = self.face.lock();
        let mut life = 0;
        if inner.run == self.run
            && let Some(current) = inner.lives.get_mut(number)
        {
            *current += 1;
            life = *current;
        }
        TaskVoice { voice: self.clone(), number, life }
    }

    /// Tasks that have failed.
    pub fn failed_tasks(&self) -> usize {
        self.face.lock().shown.tasks.iter().filter(|state| matches!(state, State::Failed(_))).count()
    }
}

/// What a task says of itself.
#[derive(Debug, Clone)]
pub struct TaskVoice {
    voice: Voice,
    number: usize,
    life: u64,
}

impl TaskVoice {
    /// The task's state.
    pub fn is(&self, state: State) {
        let mut inner = self.voice.face.lock();
        let heard = inner.run == self.voice.run && inner.lives.get(self.number) == Some(&self.life);
        if heard && let Some(slot) = inner.shown.tasks.get_mut(self.number) {
            *slot = state;
        }
    }

    /// The run that it belongs to.
    pub fn run(&self) -> &Voice {
        &self.voice
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(tasks: usize) -> (Board, Arc<Face>) {
        let board = Board::default();
        let face = board.add("c", BTreeMap::new(), tasks);
        (board, face)
    }

    #[test]
    fn an_ended_run_is_not_heard() {
        let (board, face) = face(1);
        let first = face.begin_run(1);
        let task = first.task(0);
        task.is(State::Running(None));
        let second = face.begin_run(2);
        task.is(State::Stopped);
        first.connector_is(State::Failed("old".to_owned()));
        second.task(1).is(State::Running(None));
        let shown = board.show("c").unwrap();
        assert_eq!(shown.state, State::Unassigned);
        assert_eq!(shown.tasks, [State::Unassigned, State::Running(None)]);
    }

    #[test]
    fn an_earlier_life_of_a_task_is_not_heard() {
        let (board, face) = face(1);
        let run = face.begin_run(1);
        let first = run.task(0);
        first.is(State::Failed("why".to_owned()));
        assert_eq!(run.failed_tasks(), 1);
        run.task(0).is(State::Running(None));
        first.is(State::Stopped);
        assert_eq!(board.show("c").unwrap().tasks, [State::Running(None)]);
    }

    #[test]
    fn what_works_is_shown_as_paused_and_what_failed_is_not() {
        let (board, face) = face(2);
        let run = face.begin_run(2);
        run.connector_is(State::Running(None));
        run.task(0).is(State::Running(None));
        run.task(1).is(State::Failed("why".to_owned()));
        face.set_paused(true);
        let shown = board.show("c").unwrap();
        assert_eq!((shown.state, &shown.tasks[0]), (State::Paused, &State::Paused));
        assert_eq!(shown.tasks[1], State::Failed("why".to_owned()));
        face.set_paused(false);
        assert_eq!(board.show("c").unwrap().state, State::Running(None));
    }

    #[test]
    fn a_restart_is_seen_until_the_new_run_speaks_and_a_stop_leaves_no_tasks() {
        let (board, face) = face(2);
        face.restarting(true, &[1]);
        let run = face.begin_run(2);
        let shown = board.show("c").unwrap();
        assert_eq!(
            (shown.state, shown.tasks),
            (State::Restarting, vec![State::Unassigned, State::Restarting])
        );
        run.task(1).is(State::Running(None));
        face.stopped();
        run.task(1).is(State::Running(None));
        let shown = board.show("c").unwrap();
        assert_eq!((shown.state, shown.tasks.len()), (State::Stopped, 0));
        board.remove("c");
        assert!(board.show("c").is_none());
    }
}
