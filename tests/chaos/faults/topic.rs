//! A topic that is deleted under load and created again. Its offsets begin anew, so rows of the earlier life are
//! removed from the table first, as PROTOCOL.md's A6 asks for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use pumphouse_testkit::events;
use pumphouse_testkit::filling::fill_fast;

use crate::run::Run;
use crate::sink::{Outcome, Sink};
use crate::stage::REBORN_PARTITIONS;
use crate::trouble::{Result, text};

/// Ids of a life begin at a multiple of this.
const LIFE_IDS: u64 = 1 << 32;

/// Records of the life that is looked up in the end.
const RECORDS: u64 = 3_000;

fn reborn(run: &Run) -> Result<&Sink> {
    run.stage.reborn.as_ref().ok_or_else(|| "the topic to be created again was not set up".to_owned())
}

/// The life that the topic is in, by its rows.
fn life(run: &Run) -> Result<u64> {
    let query = format!("SELECT intDiv(max(id), {LIFE_IDS}) FROM {}", reborn(run)?.table);
    Ok(run.stage.sql().number(&query).map_err(text)? as u64)
}

pub fn recreated(run: &mut Run) -> Result<()> {
    let (topic, table) = (reborn(run)?.topic.clone(), reborn(run)?.table.clone());
    let (bootstrap, topics) = (run.stage.bootstrap(), run.stage.topics()?);
    let first_id = (life(run)? + 1) * LIFE_IDS;
    let ended = AtomicBool::new(false);
    let before = run.draw_ms(500, 2_500);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut id = first_id;
            while !ended.load(Ordering::Relaxed) {
                let records =
                    events::events(1, id).take(100).map(|event| event.into_record(REBORN_PARTITIONS));
                // The topic goes away meanwhile.
                if fill_fast(&bootstrap, &topic, records).is_err() {
                    return;
                }
                id += 100;
                thread::sleep(Duration::from_millis(50));
            }
        });
        let deleted = run.let_pass(before).and_then(|()| topics.delete(&topic).map_err(text));
        ended.store(true, Ordering::Relaxed);
        deleted
    })?;
    // No insert of its records is under way any more.
    let running = format!("SELECT count() FROM system.processes WHERE query LIKE 'INSERT INTO%{table}%'");
    run.wait("the end of its inserts", |stage| match stage.sql().number(&running).map_err(text)? {
        0 => Ok(()),
        other => Err(format!("{other} inserts")),
    })?;
    // Sometimes so long that the client has noted down that there is no such topic.
    let pause = if run.rng.chance(0.3) { Duration::from_secs(12) } else { run.draw_ms(0, 1_500) };
    run.let_pass(pause)?;
    run.stage.sql().run(&format!("TRUNCATE TABLE {table}")).map_err(text)?;
    run.wait("the topic to be created again", |_| {
        topics.create(&topic, REBORN_PARTITIONS, &[]).map_err(text)
    })?;
    let records = events::events(1, first_id + LIFE_IDS).take(RECORDS as usize);
    fill_fast(&bootstrap, &topic, records.map(|event| event.into_record(REBORN_PARTITIONS))).map_err(text)?;
    let ends = topics.end_offsets(&topic).map_err(text)?;
    run.wait("the new topic's records", |stage| match &stage.reborn {
        Some(sink) => sink.is_at(&topics, &stage.sql(), &ends),
        None => Ok(()),
    })
}

/// Every record of the last life is there once. Rows of the one before may be, of inserts that were on their way; not
/// twice.
pub fn check(run: &Run) -> Result<Outcome> {
    let (sink, sql) = (reborn(run)?, run.stage.sql());
    let first_id = life(run)? * LIFE_IDS;
    let mut outcome = sink.check(&run.stage.bootstrap(), &sql, &format!("id >= {first_id}"))?;
    if outcome.rows != RECORDS {
        outcome.says += &format!("reborn: {} rows of {RECORDS} records\n", outcome.rows);
        outcome.missing += RECORDS.saturating_sub(outcome.rows);
    }
    let twice = format!("SELECT count() - uniqExact(id) FROM {} WHERE id < {first_id}", sink.table);
    let twice = sql.number(&twice).map_err(text)? as u64;
    if twice > 0 {
        outcome.doubled += twice;
        outcome.says += &format!("reborn: {twice} rows of the earlier life are doubled\n");
    }
    Ok(outcome)
}
