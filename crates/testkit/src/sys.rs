//! The few system calls that the standard library does not offer: the only unsafe code here.
//!
//! Signals to a process group, a child that dies with its parent, connections that end with a reset, and the clock
//! tick of `/proc`.

#![allow(unsafe_code)]

use std::io;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// A signal that the testkit sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// SIGTERM: please stop.
    Terminate,
    /// SIGKILL: gone without a last word.
    Kill,
    /// SIGSTOP: frozen, sockets stay open.
    Pause,
    /// SIGCONT: goes on.
    Resume,
    /// Signal 0: only asks whether the group exists.
    Probe,
}

/// Sends a signal to every process of the group `group_id`.
/// Errors: `NotFound` when the group has no process any more.
pub(crate) fn signal_group(group_id: u32, signal: Signal) -> io::Result<()> {
    let number = match signal {
        Signal::Terminate => libc::SIGTERM,
        Signal::Kill => libc::SIGKILL,
        Signal::Pause => libc::SIGSTOP,
        Signal::Resume => libc::SIGCONT,
        Signal::Probe => 0,
    };
    // 0 would mean our own group and 1 everything that we may signal.
    assert!(group_id > 1, "{group_id} is no process group of ours");
    // SAFETY: killpg takes two integers and touches no memory of ours.
    let answer = unsafe { libc::killpg(group_id as libc::pid_t, number) };
    if answer == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() == Some(libc::ESRCH) {
        return Err(io::Error::new(io::ErrorKind::NotFound, error));
    }
    Err(error)
}

/// Makes the child lead its own process group and die (SIGKILL) when the *thread* that spawned it
/// ends; see `process.rs` for the thread that is made for this.
pub(crate) fn lead_group_and_die_with_parent(command: &mut Command) {
    command.process_group(0);
    let parent = std::process::id();
    // SAFETY: between fork and exec only async-signal-safe calls are allowed: prctl and getppid
    // are plain system calls, nothing is allocated and no lock is taken.
    unsafe {
        command.pre_exec(move || {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                return Err(io::Error::last_os_error());
            }
            // The parent may have died before prctl: nobody would send the signal any more.
            if libc::getppid() as u32 != parent {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
            Ok(())
        });
    }
}

/// From now on closing the socket resets the connection: what was not sent yet is dropped, and the other side gets an
/// error rather than an end. Best effort: on an error it ends as connections do.
pub(crate) fn reset_on_close(socket: &TcpStream) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    // SAFETY: the descriptor is open as long as `socket` is borrowed, and the kernel reads `linger`, which lives over
    // the call, in the length that is given.
    unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            std::ptr::from_ref(&linger).cast(),
            size_of::<libc::linger>() as libc::socklen_t,
        );
    }
}

/// Clock ticks per second, the unit of the times in `/proc/<pid>/stat`.
pub(crate) fn clock_ticks_per_second() -> u64 {
    // SAFETY: sysconf takes an integer and returns one.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    assert!(ticks > 0, "sysconf knows the clock tick on every Linux");
    ticks as u64
}
