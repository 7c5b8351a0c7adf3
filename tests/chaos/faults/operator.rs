//! Records that nobody can insert, and offsets that a person sets back.

use std::collections::BTreeMap;

use crate::run::Run;
use crate::trouble::Result;

pub fn bad_records(run: &mut Run) -> Result<()> {
    let many = 5 + run.rng.below(40);
    run.stage.load.spoil(many);
    let pause = run.draw_ms(1_000, 2_500);
    run.let_pass(pause)
}

/// Stops a connector on all workers, sets the offsets of some partitions back, and lets it go on. The records between
/// there and where it was are asked for again: they have one more row, or one more dead letter, from then on.
pub fn offsets_reset(run: &mut Run) -> Result<()> {
    let which = run.rng.below(run.stage.sinks.len() as u64) as usize;
    let topics = run.stage.topics()?;
    let marks = loop {
        run.crew.tell_all(&run.stage.sinks[which], "stop")?;
        for member in 0..run.crew.members.len() {
            // Not through `wait`: nobody is to restart anything now.
            pumphouse_testkit::wait::wait_until("STOPPED", crate::run::RESUME_LIMIT, || {
                match run.crew.members[member].state(&run.stage.sinks[which])?.as_str() {
                    "STOPPED" => Ok(()),
                    other => Err(other.to_owned()),
                }
            })
            .map_err(crate::trouble::text)?;
        }
        let (marks, open) = run.stage.sinks[which].marks(&topics, &run.stage.sql())?;
        if !open {
            break marks;
        }
        // A stop that was cut off has left a batch open: what is asked for again would not be known exactly.
        run.crew.tell_all(&run.stage.sinks[which], "resume")?;
        let pause = run.draw_ms(500, 1_500);
        run.let_pass(pause)?;
    };
    let mut offsets = BTreeMap::new();
    for (&partition, &mark) in &marks {
        if run.rng.chance(0.6) {
            offsets.insert(partition, mark - run.rng.below(mark.clamp(1, 300) as u64) as i64);
        }
    }
    if !offsets.is_empty() {
        run.crew.set_offsets(&run.stage.sinks[which], &offsets)?;
    }
    for (partition, first) in offsets {
        run.stage.sinks[which].asked_again(partition, first, marks[&partition]);
    }
    run.crew.tell_all(&run.stage.sinks[which], "resume")
}
