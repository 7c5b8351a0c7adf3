//! Questions of one kind that wait for their answers: one is under way at a time, and those of a claim that has ended
//! are not asked any more.
use pumphouse_delivery::ClaimId;

/// A question that a claim asks.
pub(crate) trait OfClaim: Clone + PartialEq {
    fn claim(&self) -> ClaimId;
}

/// They are asked last come, first served: the newest is about the state of now.
#[derive(Debug)]
pub(crate) struct Questions<Q> {
    waiting: Vec<Q>,
    under_way: Option<Q>,
}

impl<Q> Default for Questions<Q> {
    fn default() -> Questions<Q> {
        Questions { waiting: Vec::new(), under_way: None }
    }
}

impl<Q: OfClaim> Questions<Q> {
    /// Nobody waits for an answer any more.
    pub(crate) fn clear(&mut self) {
        *self = Questions::default();
    }

    /// Who waits asks again and again; while nobody answers, once is enough.
    pub(crate) fn ask(&mut self, question: Q) {
        if !self.waiting.contains(&question) && self.under_way.as_ref() != Some(&question) {
            self.waiting.push(question);
        }
    }

    /// What is to be asked now. `current`: the claim in force.
    pub(crate) fn next(&mut self, current: ClaimId) -> Option<Q> {
        if self.under_way.is_some() {
            return None;
        }
        self.waiting.retain(|question| question.claim() == current);
        self.under_way = self.waiting.pop();
        self.under_way.clone()
    }

    /// What was under way; it is not any more.
    pub(crate) fn answered(&mut self) -> Option<Q> {
        self.under_way.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq)]
    struct Asked(u64, char);

    impl OfClaim for Asked {
        fn claim(&self) -> ClaimId {
            ClaimId(self.0)
        }
    }

    #[test]
    fn a_question_that_waits_is_not_queued_twice() {
        let mut questions = Questions::default();
        for _ in 0..1_000 {
            questions.ask(Asked(1, 'a'));
        }
        questions.ask(Asked(1, 'b'));
        questions.ask(Asked(2, 'a'));
        assert_eq!(questions.waiting.len(), 3);
        assert_eq!(questions.next(ClaimId(1)), Some(Asked(1, 'b')));
        assert_eq!(questions.next(ClaimId(1)), None, "one at a time");
        questions.ask(Asked(1, 'b'));
        assert_eq!(
            questions.waiting,
            [Asked(1, 'a')],
            "it is under way, and the other claim is not in force"
        );
        assert_eq!(questions.answered(), Some(Asked(1, 'b')));
        assert_eq!(questions.next(ClaimId(1)), Some(Asked(1, 'a')));
    }
}
