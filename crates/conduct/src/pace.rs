//! How long a lane holds a batch back after the server said that it has too much to do. While a batch is
//! held back the next block fills, so fewer and larger batches reach the server (R3: one at a time).
use pumphouse_delivery::{InsertAnswer, RefusalClass};

/// First pause after an overload answer.
const PAUSE_FIRST_MS: u64 = 250;

/// Doubles with each overload answer, halves with each batch that is taken.
#[derive(Debug)]
pub struct Pace {
    pause_ms: u64,
    pause_max_ms: u64,
}

impl Pace {
    /// `deadline_ms`: of an attempt. Held back for much longer, it would meet its deadline on the way.
    pub fn new(deadline_ms: u64) -> Pace {
        Pace { pause_ms: 0, pause_max_ms: deadline_ms / 4 }
    }

    /// To be waited before an attempt is sent, in ms.
    pub fn pause_ms(&self) -> u64 {
        self.pause_ms
    }

    /// Hears what became of an attempt.
    pub fn answered(&mut self, answer: &InsertAnswer) {
        match answer {
            InsertAnswer::Accepted => self.taken(),
            InsertAnswer::Refused(refusal) if refusal.class == RefusalClass::Overload => self.overloaded(),
            InsertAnswer::Refused(_) | InsertAnswer::Unknown => {}
        }
    }

    fn overloaded(&mut self) {
        self.pause_ms = (self.pause_ms * 2).max(PAUSE_FIRST_MS).min(self.pause_max_ms);
    }

    fn taken(&mut self) {
        let halved = self.pause_ms / 2;
        self.pause_ms = if halved < PAUSE_FIRST_MS { 0 } else { halved };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overloaded_server_gets_fewer_batches_and_recovers_its_rate() {
        let mut pace = Pace::new(12_000);
        assert_eq!(pace.pause_ms(), 0);
        let mut pauses = Vec::new();
        for _ in 0..5 {
            pace.overloaded();
            pauses.push(pace.pause_ms());
        }
        assert_eq!(pauses, [250, 500, 1_000, 2_000, 3_000]);
        for _ in 0..4 {
            pace.taken();
        }
        assert_eq!(pace.pause_ms(), 0);
    }
}
