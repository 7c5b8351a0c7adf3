//! A run: kinds in a drawn order, faults of a kind one after the other, and after each kind every record is looked up.

use std::time::{Duration, Instant};

use pumphouse_testkit::Topics;
use pumphouse_testkit::seeded::Seeded;

use crate::crew::Crew;
use crate::faults;
use crate::kind::Kind;
use crate::options::Options;
use crate::report::{Report, Row};
use crate::sink::{Outcome, Sink};
use crate::stage::Stage;
use crate::trouble::{Result, text};

/// Until everything that was written up to the end of a fault has landed. A machine of two cores that builds
/// something else meanwhile takes 10 s for what takes 1 s on an idle one.
pub const RESUME_LIMIT: Duration = Duration::from_secs(240);

/// Between two looks at the committed offsets: each makes a client of its own.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What the faults work on.
pub struct Run {
    pub stage: Stage,
    pub crew: Crew,
    pub rng: Seeded,
}

impl Run {
    /// Rounds over all kinds, until the time is over.
    /// Errors: the suite itself could not go on. Whether promises were kept is in the report.
    pub fn rounds(&mut self, options: &Options, report: &mut Report) -> Result<()> {
        let begun = Instant::now();
        self.resumes(&Topics::new(&self.stage.bootstrap()).map_err(text)?)?;
        loop {
            let mut kinds = options.kinds.clone();
            for last in (1..kinds.len()).rev() {
                kinds.swap(last, self.rng.below(last as u64 + 1) as usize);
            }
            for kind in kinds {
                let row = self.phase(kind, options.times).map_err(|why| format!("{}: {why}", kind.name()))?;
                println!("{}", row.line());
                let kept = row.is_kept();
                report.add(row);
                if !kept {
                    return Err(format!("{} broke the promise", kind.name()));
                }
            }
            if begun.elapsed() >= options.lasting {
                return Ok(());
            }
        }
    }

    /// Faults of one kind, and the check of everything.
    fn phase(&mut self, kind: Kind, times: u32) -> Result<Row> {
        let mut row = Row::new(kind);
        self.crew.take_restarts();
        for _ in 0..times {
            faults::carry_out(self, kind)?;
            let topics = self.stage.topics()?;
            row.resumed.push(self.resumes(&topics)?);
        }
        row.restarts = self.crew.take_restarts();
        for outcome in self.check_everything()? {
            row.add(outcome);
        }
        if kind == Kind::TopicRecreated {
            row.add(faults::topic::check(self)?);
        }
        Ok(row)
    }

    /// Waits until everything that is in the topic now has landed in every table; answers how long that took.
    pub fn resumes(&mut self, topics: &Topics) -> Result<Duration> {
        let begun = Instant::now();
        let topic = self.stage.topic.clone();
        let ends = self.wait("the ends of the topic", |_| topics.end_offsets(&topic).map_err(text))?;
        self.wait("all tables to be filled to there", |stage| {
            let sql = stage.sql();
            stage.sinks.iter().try_for_each(|sink| sink.is_at(topics, &sql, &ends))
        })?;
        Ok(begun.elapsed())
    }

    /// Waits, and looks after the workers meanwhile.
    pub fn wait<T>(&mut self, awaited: &str, mut look: impl FnMut(&Stage) -> Result<T>) -> Result<T> {
        let begun = Instant::now();
        loop {
            let seen = match look(&self.stage) {
                Ok(value) => return Ok(value),
                Err(seen) => seen,
            };
            self.crew.look_after(&self.stage)?;
            if begun.elapsed() > RESUME_LIMIT {
                return Err(format!("waited {RESUME_LIMIT:?} for {awaited}: {seen}"));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Sleeps, and looks after the workers meanwhile.
    pub fn let_pass(&mut self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.crew.look_after(&self.stage)?;
            std::thread::sleep(Duration::from_millis(20).min(time));
        }
        Ok(())
    }

    /// A time of `first..end` milliseconds.
    pub fn draw_ms(&mut self, first: u64, end: u64) -> Duration {
        Duration::from_millis(first + self.rng.below(end - first))
    }

    fn check_everything(&mut self) -> Result<Vec<Outcome>> {
        self.stage.load.pause()?;
        let topics = self.stage.topics()?;
        self.resumes(&topics)?;
        let (bootstrap, sql) = (self.stage.bootstrap(), self.stage.sql());
        let checked = self.stage.sinks.iter().map(|sink: &Sink| sink.check(&bootstrap, &sql, "1")).collect();
        self.stage.load.resume();
        checked
    }
}
