//! `bench-part`: what runs in a child of the benchmark. Not for people.

mod consume;
mod insert;

use std::time::Instant;

use anyhow::Result;
use clap::Subcommand;
use pumphouse_testkit::Usage;
use serde_json::{Value, json};

/// The part to run.
#[derive(Subcommand)]
pub enum Part {
    /// Reads the topic.
    Consume(consume::Options),
    /// Sends finished blocks.
    Insert(insert::Options),
}

/// Runs it, and says what came of it.
pub fn run(part: &Part) -> Result<()> {
    let result = match part {
        Part::Consume(options) => consume::run(options)?,
        Part::Insert(options) => insert::run(options)?,
    };
    println!("{result}");
    Ok(())
}

/// Wall and CPU time of the measured part.
struct Stopwatch {
    begun: Instant,
    cpu_s: f64,
}

impl Stopwatch {
    fn start() -> Result<Stopwatch> {
        Ok(Stopwatch { begun: Instant::now(), cpu_s: super::meter::cpu_s(std::process::id())? })
    }

    /// What every part answers.
    fn stop(&self) -> Result<Value> {
        let seconds = self.begun.elapsed().as_secs_f64();
        let usage = Usage::of(std::process::id())?;
        let cpu_s = (usage.user_ms + usage.system_ms) as f64 / 1_000.0 - self.cpu_s;
        Ok(json!({ "seconds": seconds, "cpu_s": cpu_s, "rss_peak_bytes": usage.rss_peak_bytes }))
    }
}
