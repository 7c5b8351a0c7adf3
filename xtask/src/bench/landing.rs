//! Watching rows become visible.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::stage::Table;
use crate::interrupt;

/// How often rows are counted: a fiftieth of what the fastest contender takes.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// No contender may take longer for all its rows. The slowest takes a tenth on an idle machine.
const LANDING_LIMIT: Duration = Duration::from_secs(240);

/// Nor may nothing new be visible for so long.
const STANDSTILL_LIMIT: Duration = Duration::from_secs(120);

/// The moments at which more rows were visible.
#[derive(Clone, Debug)]
pub struct Landing {
    begun: Instant,
    /// Rows seen, and when for the first time.
    pub seen: Vec<(Instant, u64)>,
}

impl Landing {
    /// Waits until `rows` rows of `table` are visible. `alive` is asked each time.
    /// Errors: `alive` says so, or it takes too long.
    pub fn watch(table: &Table, rows: u64, mut alive: impl FnMut() -> Result<()>) -> Result<Landing> {
        let mut landing = Landing { begun: Instant::now(), seen: Vec::new() };
        let (mut last, mut changed) = (0, Instant::now());
        loop {
            interrupt::check()?;
            let now = table.visible()?;
            if now != last {
                (last, changed) = (now, Instant::now());
                landing.seen.push((changed, now));
            }
            if now >= rows {
                return Ok(landing);
            }
            alive()?;
            if landing.begun.elapsed() > LANDING_LIMIT || changed.elapsed() > STANDSTILL_LIMIT {
                bail!("{now} of {rows} rows after {:?}: given up", landing.begun.elapsed());
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// When the first rows were visible.
    pub fn first(&self) -> Instant {
        self.seen.first().map_or(self.begun, |(at, _)| *at)
    }

    /// When the last rows were visible.
    pub fn last(&self) -> Instant {
        self.seen.last().map_or(self.begun, |(at, _)| *at)
    }

    /// The highest average rate, in rows per second, from `start` to any moment. Leaves out a wait for a
    /// timer in the end, when the last block is not full.
    pub fn best_average(&self, start: Instant) -> f64 {
        let rate =
            |(at, rows): &(Instant, u64)| *rows as f64 / at.saturating_duration_since(start).as_secs_f64();
        self.seen.iter().map(rate).filter(|rate| rate.is_finite()).fold(0.0, f64::max)
    }
}

/// One look, and the pause before the next one.
pub fn look(table: &Table) -> Result<()> {
    table.visible()?;
    std::thread::sleep(LOOK_EVERY);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_average_leaves_a_wait_in_the_end_out() {
        let begun = Instant::now();
        let at = |ms, rows| (begun + Duration::from_millis(ms), rows);
        let landing = Landing { begun, seen: vec![at(1_000, 100), at(2_000, 400), at(8_000, 500)] };
        assert!((landing.best_average(begun) - 200.0).abs() < 1e-6);
        assert_eq!(landing.last() - landing.first(), Duration::from_secs(7));
    }
}
