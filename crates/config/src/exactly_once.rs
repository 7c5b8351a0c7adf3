//! `exactlyOnce`, whose absence is a value of its own.
use crate::reading::Reading;

/// What is promised, and what happens where it cannot be (PROTOCOL R12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExactlyOnce {
    /// `true`: exactly once, or the connector does not start.
    Required,
    /// Not given: exactly once where the start-up proof passes, else at least once with a warning.
    WherePossible,
    /// `false`: at least once.
    Off,
}

pub(crate) fn read(reading: &Reading<'_>) -> ExactlyOnce {
    match reading.given("exactlyOnce") {
        None => ExactlyOnce::WherePossible,
        Some(_) if reading.boolean("exactlyOnce") => ExactlyOnce::Required,
        Some(_) => ExactlyOnce::Off,
    }
}
