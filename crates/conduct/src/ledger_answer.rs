//! What the fate of a Kafka transaction tells the protocol. Carries R5's difference between a member that was replaced
//! and one whose generation has passed.
use pumphouse_delivery::LedgerAnswer;

use crate::trouble::Trouble;

/// What became of a transaction, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteFate {
    /// It stands, all of it.
    Recorded,
    /// It does not stand, and this member or this producer may not write any more.
    Fenced(Trouble),
    /// It does not stand.
    NotRecorded(Trouble),
    /// It may stand.
    Unknown,
}

/// What the protocol hears of it. `incremental`: rebalances of the group are; `why`: words for a refusal.
/// R5: a member whose generation has passed may have all its partitions still, where rebalances are incremental: the
/// fence is read anew before the write is tried again. If it has lost one, the group says so first, and the claim ends.
pub fn heard_of_write(fate: WriteFate, incremental: bool, why: impl FnOnce() -> String) -> LedgerAnswer {
    match fate {
        WriteFate::Recorded => LedgerAnswer::Recorded,
        WriteFate::Fenced(Trouble::GenerationPassed) if incremental => LedgerAnswer::NotRecorded,
        WriteFate::Fenced(_) => LedgerAnswer::Fenced,
        WriteFate::NotRecorded(Trouble::Hopeless) => LedgerAnswer::Refused(why()),
        // Which topic is gone is told by the identities, which the consuming thread compares: without a source the
        // claim begins anew (R15), without one of the connector's own topics the task does.
        WriteFate::NotRecorded(
            Trouble::TopicGone
            | Trouble::NoAnswer
            | Trouble::NameTaken
            | Trouble::GenerationPassed
            | Trouble::MemberGone
            | Trouble::ProducerBroken,
        ) => LedgerAnswer::NotRecorded,
        WriteFate::Unknown => LedgerAnswer::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(fate: WriteFate, incremental: bool) -> LedgerAnswer {
        heard_of_write(fate, incremental, || "too large".to_owned())
    }

    #[test]
    fn only_where_rebalances_are_incremental_a_passed_generation_may_write_again() {
        let passed = WriteFate::Fenced(Trouble::GenerationPassed);
        assert_eq!(heard(passed, true), LedgerAnswer::NotRecorded);
        assert_eq!(heard(passed, false), LedgerAnswer::Fenced);
        for trouble in [Trouble::NameTaken, Trouble::MemberGone] {
            assert_eq!(heard(WriteFate::Fenced(trouble), true), LedgerAnswer::Fenced);
        }
    }

    #[test]
    fn a_write_that_never_can_stand_is_refused_and_others_are_tried_again() {
        let refused = LedgerAnswer::Refused("too large".to_owned());
        assert_eq!(heard(WriteFate::NotRecorded(Trouble::Hopeless), true), refused);
        for trouble in [Trouble::NoAnswer, Trouble::TopicGone, Trouble::ProducerBroken] {
            assert_eq!(heard(WriteFate::NotRecorded(trouble), false), LedgerAnswer::NotRecorded);
        }
        assert_eq!(heard(WriteFate::Unknown, true), LedgerAnswer::Unknown);
        assert_eq!(heard(WriteFate::Recorded, true), LedgerAnswer::Recorded);
    }
}
