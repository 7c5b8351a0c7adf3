//! Depth first through every state that the bounds allow; each is looked at once.
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pumphouse_delivery::{Rule, TableEngine};

use crate::bounds::Bounds;
use crate::canon::fingerprint;
use crate::step::Step;
use crate::world::{Broken, World};

/// A way that is longer than any that the bounds allow: it would be a loop.
const STEPS_MAX: usize = 400;

/// What a check has come to.
#[derive(Debug, Clone)]
pub struct Found {
    /// Different states.
    pub states: u64,
    /// Steps that were tried.
    pub steps: u64,
    /// The longest way.
    pub longest: usize,
    /// Whether every state was looked at; else the limit came first.
    pub complete: bool,
    /// Ways on which a task stopped for a person.
    pub stops: u64,
    /// The first promise that was broken: its name, what was seen, and the steps that lead there.
    pub broken: Option<(&'static str, String, Vec<String>)>,
}

struct Frame {
    world: World,
    steps: Vec<Step>,
    tried: usize,
}

/// Looks at every state within the bounds, or at the first `states_max`, until a promise is broken.
pub fn check(bounds: &Bounds, without: Option<Rule>, states_max: u64) -> Found {
    let plain = bounds.engine == TableEngine::Plain;
    let first = World::new(bounds, without);
    let mut seen: HashSet<u64> = [fingerprint(&first)].into();
    let mut found = Found { states: 1, steps: 0, longest: 0, complete: true, stops: 0, broken: None };
    let steps = first.steps(plain);
    let mut way = vec![Frame { world: first, steps, tried: 0 }];
    while let Some(frame) = way.last_mut() {
        let Some(&step) = frame.steps.get(frame.tried) else {
            way.pop();
            continue;
        };
        frame.tried += 1;
        let mut next = frame.world.clone();
        found.steps += 1;
        // A broken assertion of the protocol's is a broken promise, too.
        let done = catch_unwind(AssertUnwindSafe(|| {
            next.take(step, bounds, without);
            next
        }));
        let broken = match &done {
            Ok(world) => world.broken.clone(),
            Err(panic) => Some(Broken { promise: "assertion", what: text_of(panic.as_ref()) }),
        };
        if let Some(Broken { promise, what }) = broken {
            let steps = way.iter().map(|frame| format!("{:?}", frame.steps[frame.tried - 1])).collect();
            found.broken = Some((promise, what, steps));
            return found;
        }
        let Ok(next) = done else { return found };
        if !seen.insert(fingerprint(&next)) {
            continue;
        }
        found.states += 1;
        found.stops += u64::from(next.tasks.iter().any(|task| task.failed.is_some()));
        if found.states >= states_max || way.len() >= STEPS_MAX {
            found.complete = false;
            if found.states >= states_max {
                return found;
            }
            continue;
        }
        found.longest = found.longest.max(way.len());
        let steps = next.steps(plain);
        way.push(Frame { world: next, steps, tried: 0 });
    }
    found
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a text").to_owned()
}
