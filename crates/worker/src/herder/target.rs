//! What a connector is to be, step after step.
use pumphouse_rest::TargetState;

/// What a connector is to be, and whether it has tasks meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// At work.
    Running,
    /// Its tasks keep what they have, and take nothing.
    Paused,
    /// As in Kafka Connect: it was created paused, or was stopped before, and has no tasks before it is resumed.
    PausedWithoutTasks,
    /// It has no tasks.
    Stopped,
}

impl Target {
    /// Of a connector that is created so.
    pub(crate) fn of_new(initial: TargetState) -> Target {
        // One that has no tasks yet is like one that is stopped.
        Target::Stopped.then(initial)
    }

    /// After it was asked for another state.
    pub(crate) fn then(self, asked: TargetState) -> Target {
        match (asked, self) {
            (TargetState::Running, _) => Target::Running,
            (TargetState::Stopped, _) => Target::Stopped,
            (TargetState::Paused, Target::Running | Target::Paused) => Target::Paused,
            (TargetState::Paused, Target::PausedWithoutTasks | Target::Stopped) => Target::PausedWithoutTasks,
        }
    }

    pub(crate) fn is_paused(self) -> bool {
        matches!(self, Target::Paused | Target::PausedWithoutTasks)
    }

    pub(crate) fn has_tasks(self) -> bool {
        matches!(self, Target::Running | Target::Paused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connector_has_tasks_once_it_has_run() {
        use TargetState::{Paused, Running, Stopped};
        for (asked, has_tasks) in [
            (&[Running][..], true),
            (&[Paused], false),
            (&[Paused, Paused], false),
            (&[Paused, Running, Paused], true),
            (&[Running, Paused], true),
            (&[Running, Paused, Stopped], false),
            (&[Running, Stopped, Paused], false),
            (&[Running, Stopped, Paused, Running], true),
            (&[Stopped, Paused, Stopped], false),
        ] {
            let first = Target::of_new(asked[0]);
            let last = asked[1..].iter().fold(first, |target, next| target.then(*next));
            assert_eq!(last.has_tasks(), has_tasks, "{asked:?}");
            assert_eq!(last.is_paused(), asked.last() == Some(&Paused), "{asked:?}");
        }
    }
}
