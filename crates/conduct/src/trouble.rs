//! What goes wrong with Kafka, as far as it matters to a membership.

/// Something went wrong with Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// No answer, or one that asks for patience: the same again.
    NoAnswer,
    /// A topic or a partition is not there: deleted, or not made yet.
    TopicGone,
    /// Another process has this task's name: its instance id, or its transactional id.
    NameTaken,
    /// Only the generation is not the group's any more: the member may be one still.
    GenerationPassed,
    /// The membership is over, or its client is broken.
    MemberGone,
    /// The producer is broken, or its last write is in doubt: it is replaced.
    ProducerBroken,
    /// A person must act.
    Hopeless,
}

/// What the consuming thread does about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterTrouble {
    /// It asks again.
    AskAgain,
    /// It compares the topics with what they were at claim, at once (R15).
    CompareTopics,
    /// The membership ends.
    Ended,
    /// It reads the fence anew (R5).
    RenewFence,
    /// It says why the task fails.
    Fail,
}
