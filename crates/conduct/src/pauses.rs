//! Pauses between questions that were not answered: short at first, then longer.

/// Doubles from the first pause to the longest.
#[derive(Debug, Clone, Copy)]
pub struct Pauses {
    next_ms: u64,
    longest_ms: u64,
}

impl Pauses {
    /// Between questions to ClickHouse.
    pub const ASKING_SERVER: Pauses = Pauses::new(200, 5_000);

    /// `first_ms`: the first pause; `longest_ms`: the longest.
    pub const fn new(first_ms: u64, longest_ms: u64) -> Pauses {
        Pauses { next_ms: first_ms, longest_ms }
    }

    /// The pause before the next question, in ms.
    #[allow(clippy::should_implement_trait, reason = "it never ends")]
    pub fn next(&mut self) -> u64 {
        let pause_ms = self.next_ms;
        self.next_ms = (pause_ms * 2).min(self.longest_ms);
        pause_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut pauses = Pauses::ASKING_SERVER;
        let taken: Vec<u64> = (0..7).map(|_| pauses.next()).collect();
        assert_eq!(taken, [200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
    }
}
