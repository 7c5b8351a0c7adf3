//! Connections that break, in front of servers that do not notice.

use std::time::Duration;

use pumphouse_testkit::Fault;

use crate::run::Run;
use crate::trouble::Result;

/// What the worker's inserts, and no other of its statements, have in their first line.
const INSERT: &[u8] = b"INSERT";

/// The same of what it writes to the ledger in KeeperMap.
const ALTER: &[u8] = b"ALTER TABLE";

pub fn kafka_cut(run: &mut Run) -> Result<()> {
    for _ in 0..1 + run.rng.below(4) {
        run.stage.kafka_proxy.cut();
        let pause = run.draw_ms(10, 800);
        run.let_pass(pause)?;
    }
    if run.rng.chance(0.3) {
        run.stage.kafka_proxy.set(Fault::Refuse);
        run.stage.kafka_proxy.cut();
        let pause = run.draw_ms(500, 2_000);
        run.let_pass(pause)?;
        run.stage.kafka_proxy.set(Fault::None);
    }
    Ok(())
}

pub fn kafka_delayed(run: &mut Run) -> Result<()> {
    let delay = run.draw_ms(20, 200);
    run.stage.kafka_proxy.set(Fault::Delay(delay));
    run.let_pass(Duration::from_secs(3))?;
    run.stage.kafka_proxy.set(Fault::None);
    Ok(())
}

pub fn clickhouse_cut(run: &mut Run) -> Result<()> {
    for _ in 0..2 + run.rng.below(6) {
        run.stage.clickhouse_proxy.cut();
        let pause = run.draw_ms(10, 400);
        run.let_pass(pause)?;
    }
    if run.rng.chance(0.5) {
        run.stage.clickhouse_proxy.set(Fault::Refuse);
        run.stage.clickhouse_proxy.cut();
        let pause = run.draw_ms(500, 3_000);
        run.let_pass(pause)?;
        run.stage.clickhouse_proxy.set(Fault::None);
    }
    Ok(())
}

pub fn clickhouse_delayed(run: &mut Run) -> Result<()> {
    let delay = run.draw_ms(50, 600);
    run.stage.clickhouse_proxy.set(Fault::Delay(delay));
    run.let_pass(Duration::from_secs(3))?;
    run.stage.clickhouse_proxy.set(Fault::None);
    Ok(())
}

pub fn body_reset(run: &mut Run) -> Result<()> {
    let (after, many) = (run.rng.below(3_000) as usize, 1 + run.rng.below(4));
    break_requests(run, Fault::ResetInBody { marker: INSERT, after }, many)
}

pub fn answer_lost(run: &mut Run) -> Result<()> {
    let many = 1 + run.rng.below(5);
    break_requests(run, Fault::LoseAnswer { marker: INSERT }, many)
}

pub fn ledger_answer_lost(run: &mut Run) -> Result<()> {
    let many = 1 + run.rng.below(4);
    break_requests(run, Fault::LoseAnswer { marker: ALTER }, many)
}

/// The worker gives such an insert up by itself, some ten seconds later.
pub fn insert_timeout(run: &mut Run) -> Result<()> {
    break_requests(run, Fault::HoldAnswer { marker: INSERT }, 1)
}

/// Until as many requests have met the fault.
pub fn break_requests(run: &mut Run, fault: Fault, many: u64) -> Result<()> {
    let before = run.stage.clickhouse_proxy.broken_requests();
    run.stage.clickhouse_proxy.set(fault);
    let met = run.wait("requests to be broken", |stage| {
        let broken = stage.clickhouse_proxy.broken_requests() - before;
        if broken >= many { Ok(()) } else { Err(format!("{broken} of {many}")) }
    });
    run.stage.clickhouse_proxy.set(Fault::None);
    met
}
