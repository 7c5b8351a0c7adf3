//! Free TCP ports on the loopback address.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::{Result, TestkitError};

/// Ports are taken from below the range (32768 and up) that Linux gives to outgoing connections:
/// a killed server must get its port back, and a client's connection could sit on it meanwhile.
const FIRST_PORT: u32 = 12_000;
const END_PORT: u32 = 32_000;

/// Ports that are tried before giving up; a machine with this many taken in a row is broken.
const TRIES_MAX: u32 = 2_000;

/// Steps through the range; starts at a place that depends on the process, so that test binaries
/// that run side by side seldom meet.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// Finds `N` different ports that nobody listens on at this moment.
/// Another process may take one before the server binds it; the server then fails to start, and
/// its log says so.
pub fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let span = END_PORT - FIRST_PORT;
    let start = std::process::id().wrapping_mul(2_654_435_761) % span;
    let mut ports = [0; N];
    let mut found = 0;
    for _ in 0..TRIES_MAX {
        if found == N {
            return Ok(ports);
        }
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = (FIRST_PORT + (start + step) % span) as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            ports[found] = port;
            found += 1;
        }
    }
    Err(TestkitError::TooLate {
        awaited: format!("{N} free ports"),
        waited_ms: 0,
        last_seen: format!("{found} found in {TRIES_MAX} tries"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_differ_and_a_taken_one_is_passed_over() {
        let [first] = free_ports::<1>().unwrap();
        let span = END_PORT - FIRST_PORT;
        let next = FIRST_PORT + (u32::from(first) - FIRST_PORT + 1) % span;
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, next as u16));
        let more = free_ports::<3>().unwrap();
        assert!(!more.contains(&(next as u16)), "{next} is taken: {more:?}");
        assert!(more[0] != more[1] && more[1] != more[2] && !more.contains(&first));
    }
}
