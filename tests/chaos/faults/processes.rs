//! Processes that die or stand still.

use std::time::Duration;

use crate::crew::SESSION;
use crate::run::Run;
use crate::trouble::{Result, text};

/// Back at once, soon, or (one in four) after its session, so that others have its partitions.
pub fn worker_killed(run: &mut Run) -> Result<()> {
    let who = run.rng.below(run.crew.members.len() as u64) as usize;
    run.crew.members[who].kill()?;
    let away = if run.rng.chance(0.25) { SESSION + Duration::from_secs(1) } else { run.draw_ms(0, 1_500) };
    run.let_pass(away)?;
    run.crew.members[who].start()
}

/// Shorter than its session, or (one in four) longer: then it wakes up as one that was replaced.
pub fn worker_stopped(run: &mut Run) -> Result<()> {
    let who = run.rng.below(run.crew.members.len() as u64) as usize;
    run.crew.members[who].pause()?;
    let still = if run.rng.chance(0.25) { SESSION + Duration::from_secs(2) } else { run.draw_ms(500, 4_000) };
    run.let_pass(still)?;
    run.crew.members[who].resume()
}

/// Twice: comes, takes partitions, and goes, in order or by SIGKILL.
pub fn second_worker(run: &mut Run) -> Result<()> {
    for _ in 0..2 {
        run.crew.guest.start()?;
        let stay = run.draw_ms(1_500, 4_000);
        run.let_pass(stay)?;
        if run.rng.chance(0.5) {
            run.crew.guest.kill()?
        } else {
            run.crew.guest.stop()?
        }
        let pause = run.draw_ms(0, 1_000);
        run.let_pass(pause)?;
    }
    Ok(())
}

pub fn broker_killed(run: &mut Run) -> Result<()> {
    run.stage.kafka.kill().map_err(text)?;
    let away = run.draw_ms(0, 2_000);
    run.let_pass(away)?;
    run.stage.kafka.restart().map_err(text)
}

pub fn broker_stopped(run: &mut Run) -> Result<()> {
    run.stage.kafka.pause().map_err(text)?;
    let still = run.draw_ms(1_000, 8_000);
    run.let_pass(still)?;
    run.stage.kafka.resume().map_err(text)
}

pub fn clickhouse_killed(run: &mut Run) -> Result<()> {
    run.stage.clickhouse.kill().map_err(text)?;
    let away = run.draw_ms(0, 3_000);
    run.let_pass(away)?;
    run.stage.clickhouse.restart().map_err(text)
}

pub fn clickhouse_stopped(run: &mut Run) -> Result<()> {
    run.stage.clickhouse.pause().map_err(text)?;
    let still = run.draw_ms(500, 5_000);
    run.let_pass(still)?;
    run.stage.clickhouse.resume().map_err(text)
}

pub fn zookeeper_killed(run: &mut Run) -> Result<()> {
    run.stage.zookeeper.kill().map_err(text)?;
    let away = run.draw_ms(500, 3_000);
    run.let_pass(away)?;
    run.stage.zookeeper.restart().map_err(text)
}

/// ClickHouse's session with it lasts 10 s.
pub fn zookeeper_stopped(run: &mut Run) -> Result<()> {
    run.stage.zookeeper.pause().map_err(text)?;
    let still = if run.rng.chance(0.25) { Duration::from_secs(12) } else { run.draw_ms(1_000, 5_000) };
    run.let_pass(still)?;
    run.stage.zookeeper.resume().map_err(text)
}
