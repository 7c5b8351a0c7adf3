//! What a process has used, from `/proc`: for the benchmarks.

use std::fs;

use crate::error::{Result, TestkitError, io};
use crate::sys::clock_ticks_per_second;

/// Used since the process began. CPU times have the resolution of the clock tick, 10 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// CPU time in user mode, all threads.
    pub user_ms: u64,
    /// CPU time in the kernel, all threads.
    pub system_ms: u64,
    /// Largest resident set so far.
    pub rss_peak_bytes: u64,
}

impl Usage {
    /// Reads the figures of a process that runs or is paused.
    /// Errors: `Io` when there is none, `Malformed` when it has just ended.
    /// Source: proc(5), fields 14 and 15 of `stat`, VmHWM of `status`.
    pub fn of(pid: u32) -> Result<Usage> {
        let read = |file: &str| {
            let path = format!("/proc/{pid}/{file}");
            fs::read_to_string(&path).map_err(io(format!("read {path}")))
        };
        let (stat, status) = (read("stat")?, read("status")?);
        parse(&stat, &status, clock_ticks_per_second()).ok_or_else(|| TestkitError::Malformed {
            what: format!("/proc/{pid}"),
            problem: "no CPU times or no VmHWM; the process may have ended".to_owned(),
        })
    }
}

fn parse(stat: &str, status: &str, ticks_per_second: u64) -> Option<Usage> {
    // The second field is the program's name in brackets and may hold anything, brackets too.
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user_ticks: u64 = fields.next()?.parse().ok()?;
    let system_ticks: u64 = fields.next()?.parse().ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let peak_kib: u64 = peak.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Usage {
        user_ms: user_ticks * 1_000 / ticks_per_second,
        system_ms: system_ticks * 1_000 / ticks_per_second,
        rss_peak_bytes: peak_kib * 1_024,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_program_name_does_not_shift_the_fields() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 250 75 0 0 20 0 1 0 5 6 7";
        let status = "Name:\ta\nVmPeak:\t  900 kB\nVmHWM:\t  512 kB\n";
        let usage = parse(stat, status, 100).unwrap();
        let expected = Usage { user_ms: 2_500, system_ms: 750, rss_peak_bytes: 512 * 1_024 };
        assert_eq!(usage, expected);
    }

    #[test]
    fn our_own_work_is_seen() {
        let before = Usage::of(std::process::id()).unwrap();
        let begun = std::time::Instant::now();
        let mut sum = 0_u64;
        while begun.elapsed() < std::time::Duration::from_millis(300) {
            sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(7));
        }
        let after = Usage::of(std::process::id()).unwrap();
        assert!(after.user_ms > before.user_ms, "{before:?} {after:?}");
        assert!(after.rss_peak_bytes > 1 << 20);
    }
}
