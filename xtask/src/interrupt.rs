//! Ctrl-C and SIGTERM as a question that long tasks ask, so that they end in order: servers stopped,
//! directories removed. A second Ctrl-C ends the process at once; the kernel then ends its children.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::signal::unix::{SignalKind, signal};

static INTERRUPTS: AtomicU32 = AtomicU32::new(0);

/// Catches the signals from now on.
pub fn catch() -> Result<()> {
    static CAUGHT: OnceLock<()> = OnceLock::new();
    if CAUGHT.set(()).is_err() {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .context("cannot make a runtime for signals")?;
    // Set up before the thread starts: a signal that comes right after this call is caught.
    let (mut interrupts, mut terminations) = runtime
        .block_on(async {
            Ok::<_, std::io::Error>((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?))
        })
        .context("cannot catch signals")?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = interrupts.recv() => {}
                    _ = terminations.recv() => {}
                }
                if INTERRUPTS.fetch_add(1, Ordering::Relaxed) > 0 {
                    std::process::exit(130);
                }
            }
        });
    });
    Ok(())
}

/// Errors: a signal came.
pub fn check() -> Result<()> {
    if came() {
        bail!("interrupted");
    }
    Ok(())
}

/// Whether a signal came.
pub fn came() -> bool {
    INTERRUPTS.load(Ordering::Relaxed) > 0
}

/// Returns when a signal has come.
pub fn wait() {
    while !came() {
        std::thread::sleep(Duration::from_millis(100));
    }
}
