//! How long a lane holds a batch back after the server said that it has too much to do. While a batch is
//! held back the next block fills, so fewer and larger batches reach the server (R3: one at a time).
use std::time::Duration;

use pumphouse_delivery::{InsertAnswer, RefusalClass};

/// First pause after an overload answer.
const PAUSE_FIRST: Duration = Duration::from_millis(250);

/// Doubles with each overload answer, halves with each batch that is taken.
#[derive(Debug)]
pub(super) struct Pace {
    pause: Duration,
    pause_max: Duration,
}

impl Pace {
    pub(super) fn new(pause_max: Duration) -> Pace {
        Pace { pause: Duration::ZERO, pause_max }
    }

    /// To be waited before an attempt is sent.
    pub(super) fn pause(&self) -> Duration {
        self.pause
    }

    /// Hears what became of an attempt.
    pub(super) fn answered(&mut self, answer: &InsertAnswer) {
        match answer {
            InsertAnswer::Accepted => self.taken(),
            InsertAnswer::Refused(refusal) if refusal.class == RefusalClass::Overload => self.overloaded(),
            InsertAnswer::Refused(_) | InsertAnswer::Unknown => {}
        }
    }

    fn overloaded(&mut self) {
        self.pause = (self.pause * 2).max(PAUSE_FIRST).min(self.pause_max);
    }

    fn taken(&mut self) {
        let halved = self.pause / 2;
        self.pause = if halved < PAUSE_FIRST { Duration::ZERO } else { halved };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overloaded_server_gets_fewer_batches_and_recovers_its_rate() {
        let mut pace = Pace::new(Duration::from_secs(3));
        assert_eq!(pace.pause(), Duration::ZERO);
        let mut pauses = Vec::new();
        for _ in 0..5 {
            pace.overloaded();
            pauses.push(pace.pause().as_millis());
        }
        assert_eq!(pauses, [250, 500, 1_000, 2_000, 3_000]);
        for _ in 0..4 {
            pace.taken();
        }
        assert_eq!(pace.pause(), Duration::ZERO);
    }
}
