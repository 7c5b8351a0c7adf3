//! The proof of membership that a ledger write carries (PROTOCOL R5).
use std::fmt;

/// The group metadata of one member in one generation. The broker refuses a write that carries one
/// of a replaced member. It is made only from an id that is not empty and a generation >= 0: with
/// an empty id the broker takes the write from anybody.
#[derive(Clone, PartialEq, Eq)]
pub struct Fence {
    group_id: String,
    member_id: String,
    generation: i32,
    group_instance_id: Option<String>,
}

impl Fence {
    pub(crate) fn new(
        group_id: String,
        member_id: String,
        generation: i32,
        group_instance_id: Option<String>,
    ) -> Option<Fence> {
        let proves_something = !group_id.is_empty() && !member_id.is_empty() && generation >= 0;
        proves_something.then_some(Fence { group_id, member_id, generation, group_instance_id })
    }

    /// The consumer group.
    pub fn group_id(&self) -> &str {
        &self.group_id
    }

    /// The id that the broker gave the member; never empty.
    pub fn member_id(&self) -> &str {
        &self.member_id
    }

    /// The group's generation (KIP-848: the member's epoch); never negative.
    pub fn generation(&self) -> i32 {
        self.generation
    }

    /// The name of a static member.
    pub fn group_instance_id(&self) -> Option<&str> {
        self.group_instance_id.as_deref()
    }
}

impl fmt::Debug for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} in generation {}", self.member_id, self.group_id, self.generation)?;
        self.group_instance_id.iter().try_for_each(|instance| write!(f, " ({instance})"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_that_proves_nothing_is_none() {
        let fence =
            |member: &str, generation| Fence::new("g".to_owned(), member.to_owned(), generation, None);
        assert!(fence("", 3).is_none());
        assert!(fence("m", -1).is_none());
        assert_eq!(fence("m", 0).map(|fence| fence.generation()), Some(0));
    }
}
