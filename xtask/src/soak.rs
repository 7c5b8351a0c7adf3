//! `cargo xtask soak`: new seeds of the simulator for as long as one likes; millions in an hour.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use clap::Args;

use crate::interrupt;
use crate::tool::{cargo, succeed};

/// Seeds of one call of the simulator: some seconds on one core.
const SEEDS: u64 = 20_000;

/// Options of the soak.
#[derive(Args, Clone)]
pub struct Options {
    /// How long new seeds are begun.
    #[arg(long, default_value_t = 60)]
    minutes: u64,
    /// The first seed; by default one that nobody has used yet.
    #[arg(long)]
    from: Option<u64>,
}

/// Runs seeds until the time is over.
/// Errors: a seed breaks a promise; the simulator has printed it.
pub fn run(options: &Options) -> Result<()> {
    interrupt::catch()?;
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Above all that tests and documents name.
    let mut from = options.from.unwrap_or(since_epoch.as_secs() * 1_000_000);
    let (begun, limit) = (Instant::now(), Duration::from_secs(60 * options.minutes));
    let mut seeds = 0;
    loop {
        let mut command = cargo();
        command.args(["run", "--release", "--quiet", "-p", "pumphouse-sim", "--"]);
        command.args(["--from", &from.to_string(), "--seeds", &SEEDS.to_string()]);
        succeed(&mut command)?;
        (from, seeds) = (from + SEEDS, seeds + SEEDS);
        println!("{seeds} seeds in {} min", begun.elapsed().as_secs() / 60);
        if begun.elapsed() >= limit {
            return Ok(());
        }
        interrupt::check()?;
    }
}
