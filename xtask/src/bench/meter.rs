//! CPU time of the processes of a run, from `/proc`.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use pumphouse_testkit::Usage;

/// Ticks of `/proc/stat` per second: fixed by Linux for what user programs see.
const TICKS_PER_SECOND: f64 = 100.0;

/// The servers that every contender uses.
#[derive(Clone, Copy, Debug)]
pub struct Servers {
    /// Process of ClickHouse.
    pub clickhouse: u32,
    /// Process of the broker.
    pub broker: u32,
}

/// CPU seconds used until a moment.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    at: Instant,
    clickhouse: f64,
    broker: f64,
    own: f64,
    machine: f64,
}

/// CPU seconds used between two readings.
#[derive(Clone, Copy, Debug)]
pub struct Spent {
    /// Wall time.
    pub wall_s: f64,
    /// ClickHouse.
    pub clickhouse_s: f64,
    /// The broker.
    pub broker_s: f64,
    /// This program: it asks for the number of rows.
    pub own_s: f64,
    /// The whole machine.
    pub machine_s: f64,
}

impl Reading {
    /// Now.
    pub fn take(servers: Servers) -> Result<Reading> {
        Ok(Reading {
            at: Instant::now(),
            clickhouse: cpu_s(servers.clickhouse)?,
            broker: cpu_s(servers.broker)?,
            own: cpu_s(std::process::id())?,
            machine: machine_s()?,
        })
    }

    /// What was used since `earlier`.
    pub fn since(&self, earlier: &Reading) -> Spent {
        Spent {
            wall_s: (self.at - earlier.at).as_secs_f64(),
            clickhouse_s: self.clickhouse - earlier.clickhouse,
            broker_s: self.broker - earlier.broker,
            own_s: self.own - earlier.own,
            machine_s: self.machine - earlier.machine,
        }
    }
}

/// What ClickHouse uses when nothing lands, in CPU seconds per second, while `wait` waits for a moment as
/// it will when something does.
pub fn idle_cores(servers: Servers, mut wait: impl FnMut() -> Result<()>) -> Result<f64> {
    let before = Reading::take(servers)?;
    while before.at.elapsed() < IDLE_MEASURED {
        wait()?;
    }
    let spent = Reading::take(servers)?.since(&before);
    Ok(spent.clickhouse_s / spent.wall_s)
}

const IDLE_MEASURED: Duration = Duration::from_millis(2_000);

/// User and system time of a process so far.
pub fn cpu_s(pid: u32) -> Result<f64> {
    let usage = Usage::of(pid)?;
    Ok((usage.user_ms + usage.system_ms) as f64 / 1_000.0)
}

/// Time that all CPUs together were busy since the machine started.
/// Source: proc(5), first line of `stat`: user, nice, system, idle, iowait, irq, softirq.
fn machine_s() -> Result<f64> {
    let text = fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
    busy_ticks(&text).map(|ticks| ticks as f64 / TICKS_PER_SECOND).context("/proc/stat is strange")
}

fn busy_ticks(text: &str) -> Option<u64> {
    let mut fields = text.lines().next()?.strip_prefix("cpu ")?.split_ascii_whitespace();
    let mut ticks = 0;
    for place in 0..7 {
        let value: u64 = fields.next()?.parse().ok()?;
        let is_idle = place == 3 || place == 4;
        ticks += if is_idle { 0 } else { value };
    }
    Some(ticks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_time_and_waiting_for_disks_is_not_busy() {
        let text = "cpu  100 1 20 5000 600 3 4 0 0 0\ncpu0 1 2 3 4 5 6 7 0 0 0\n";
        assert_eq!(busy_ticks(text), Some(128));
        assert_eq!(busy_ticks("intr 1 2"), None);
    }
}
