//! Where a partition without an entry is begun. Carries R16: a missing entry is a fresh start only for a partition that
//! was never taken; one that a clean stop left at rest goes on from there.
use pumphouse_delivery::{Entry, StoredEntry};
use pumphouse_types::{Offset, Partition, TopicId};

use crate::mark::Mark;

/// Where it is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Where the configuration says: it was never taken.
    Fresh,
    /// As [`Start::Fresh`], although records of it were taken: at least once, as for any consumer.
    Anew,
    /// Where a clean stop left it.
    AtRest(Offset),
    /// Where, nobody knows: a person has to say, unless the claim is outdated ([`is_outdated`]).
    Lost,
}

/// Where a partition of this mark is begun, when it has no entry.
pub fn start_of(mark: Option<Mark>, exactly_once: bool) -> Start {
    match mark {
        None => Start::Fresh,
        Some(Mark::AtRest { next }) => Start::AtRest(next),
        Some(Mark::Running) if exactly_once => Start::Lost,
        Some(Mark::Running) => Start::Anew,
    }
}

/// Whether the claim is lost, and not the offsets: the topic, `claimed` then, is another one by `now`, or there is an
/// entry of it, which somebody has written since the claim's entries were read.
pub fn is_outdated(
    partition: Partition,
    entry: Option<&StoredEntry>,
    claimed: TopicId,
    now: Option<TopicId>,
) -> bool {
    // One of an earlier topic of the name is no entry.
    let is_ours = |entry: Entry| entry.topic_id().is_none_or(|id| id == claimed);
    let entry = entry.and_then(|stored| Entry::parse(partition, stored).ok());
    now != Some(claimed) || entry.is_some_and(is_ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset(at: i64) -> Offset {
        Offset::new(at).unwrap()
    }

    #[test]
    fn a_partition_with_history_and_without_an_entry_is_never_begun_by_a_guess() {
        assert_eq!(start_of(None, true), Start::Fresh);
        assert_eq!(start_of(Some(Mark::AtRest { next: offset(7) }), true), Start::AtRest(offset(7)));
        assert_eq!(start_of(Some(Mark::Running), true), Start::Lost);
        assert_eq!(start_of(Some(Mark::Running), false), Start::Anew);
    }

    #[test]
    fn an_entry_that_has_come_since_says_that_the_claim_is_lost_and_not_the_offset() {
        let (mine, other) = (TopicId(1), TopicId(2));
        let entry = Entry::plain(offset(3), mine).to_stored();
        assert!(is_outdated(Partition(0), Some(&entry), mine, Some(mine)));
        assert!(
            !is_outdated(Partition(0), Some(&entry), other, Some(other)),
            "it is of another life of the topic"
        );
        assert!(!is_outdated(Partition(0), None, mine, Some(mine)));
        assert!(
            is_outdated(Partition(0), None, mine, Some(other)) && is_outdated(Partition(0), None, mine, None)
        );
    }
}
