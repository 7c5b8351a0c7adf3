//! Tables that forget, refuse, or change their shape.

use std::time::{Duration, Instant};

use pumphouse_testkit::Fault;

use crate::faults::network::break_requests;
use crate::run::Run;
use crate::sink::Sink;
use crate::small_disk::SmallDisk;
use crate::stage::EXTRA_COLUMN;
use crate::trouble::{Result, text};

/// What a worker logs of a disk without space: the server sees that before it writes a part, or while it does.
const NO_SPACE: &[&str] = &["code=243", "No space left on device"];

/// The settings of both engines; each table has one of them.
fn set_window(run: &Run, blocks: u32) -> Result<()> {
    run.stage.for_tables(|sink| {
        let prefix = if sink.label == "plain" { "non_replicated" } else { "replicated" };
        format!("ALTER TABLE {} MODIFY SETTING {prefix}_deduplication_window = {blocks}", sink.table)
    })
}

/// While answers are lost: whether a block landed can be looked up only.
pub fn tiny_window(run: &mut Run) -> Result<()> {
    set_window(run, 3)?;
    let many = 2 + run.rng.below(3);
    let met = break_requests(run, Fault::LoseAnswer { marker: b"INSERT" }, many);
    // Most often wide again before a worker has read that it was small: the time of the change tells (R7).
    let pause = run.draw_ms(500, 4_000);
    run.let_pass(pause)?;
    set_window(run, 10_000)?;
    met
}

/// The tables' disk is filled. Without such a disk, the server says what it would say.
pub fn disk_full(run: &mut Run) -> Result<()> {
    if run.stage.small_disk.is_none() {
        let all: Vec<String> = run.stage.sinks.iter().map(|sink| sink.table.clone()).collect();
        let (setting, value) = ("min_free_disk_bytes_to_perform_insert", "1000000000000000000");
        return refused(run, &all, setting, value, &["code=243"]);
    }
    let before = logged(run, NO_SPACE);
    // What the server gives back by and by, of parts that were merged, is taken, too.
    let fill = |run: &Run| run.stage.small_disk.as_ref().map_or(Ok(()), SmallDisk::fill);
    let heard = until_logged(run, NO_SPACE, before, fill);
    let longer = Instant::now() + run.draw_ms(500, 4_000);
    while heard.is_ok() && Instant::now() < longer {
        fill(run)?;
        run.let_pass(Duration::from_millis(300))?;
    }
    run.stage.small_disk.as_ref().map_or(Ok(()), SmallDisk::empty)?;
    heard
}

/// A plain table by its setting, which a replicated one does not have: that is read-only while ZooKeeper is away.
pub fn read_only(run: &mut Run) -> Result<()> {
    let (plain, replicated): (Vec<&Sink>, Vec<&Sink>) =
        run.stage.sinks.iter().partition(|sink| sink.label == "plain");
    let plain: Vec<String> = plain.into_iter().map(|sink| sink.table.clone()).collect();
    let replicated: Vec<String> = replicated.into_iter().map(|sink| sink.table.clone()).collect();
    if !plain.is_empty() {
        refused(run, &plain, "table_readonly", "1", &["code=774"])?;
    }
    for table in replicated {
        run.stage.zookeeper.kill().map_err(text)?;
        let query = format!("SELECT is_readonly FROM system.replicas WHERE table = '{table}'");
        let seen = run.wait("the replica to be read-only", |stage| match stage.sql().number(&query) {
            Ok(1) => Ok(()),
            other => Err(format!("{other:?}")),
        });
        let longer = run.draw_ms(0, 1_000);
        run.let_pass(longer)?;
        run.stage.zookeeper.restart().map_err(text)?;
        seen?;
    }
    Ok(())
}

/// A setting makes these tables refuse inserts until a worker has said so, and some seconds more.
fn refused(run: &mut Run, tables: &[String], setting: &str, value: &str, said: &[&str]) -> Result<()> {
    let before = logged(run, said);
    let alter = |run: &Run, what: &str| {
        let mut each = tables.iter().map(|table| format!("ALTER TABLE {table} {what}"));
        each.try_for_each(|statement| run.stage.sql().run(&statement).map_err(text))
    };
    alter(run, &format!("MODIFY SETTING {setting} = {value}"))?;
    let heard = until_logged(run, said, before, |_| Ok(()));
    let longer = run.draw_ms(0, 2_000);
    run.let_pass(longer)?;
    alter(run, &format!("RESET SETTING {setting}"))?;
    heard
}

/// How often workers have logged one of these.
fn logged(run: &Run, said: &[&str]) -> usize {
    said.iter().map(|said| run.crew.logged(said)).sum()
}

/// Until one of these is logged once more; `meanwhile` is done again and again.
/// Errors: it never is.
fn until_logged(
    run: &mut Run,
    said: &[&str],
    before: usize,
    meanwhile: impl Fn(&Run) -> Result<()>,
) -> Result<()> {
    for _ in 0..200 {
        meanwhile(run)?;
        run.let_pass(Duration::from_millis(300))?;
        if logged(run, said) > before {
            return Ok(());
        }
    }
    Err(format!("no worker has logged any of {said:?}"))
}

pub fn column_dropped(run: &mut Run) -> Result<()> {
    run.stage.for_tables(|sink| format!("ALTER TABLE {} DROP COLUMN extra", sink.table))?;
    let pause = run.draw_ms(200, 2_500);
    run.let_pass(pause)?;
    run.stage.for_tables(|sink| format!("ALTER TABLE {} ADD COLUMN {EXTRA_COLUMN} AFTER note", sink.table))
}
