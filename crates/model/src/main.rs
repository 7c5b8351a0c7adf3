//! `model [--scenario NAME] [--without R5] [--mutations] [--states N]`: checks all scenarios, or what their absence
//! does to the rules.
#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::time::Instant;

use pumphouse_delivery::Rule;
use pumphouse_model::{Bounds, Found, MUTATIONS, SCENARIOS, check};

const USAGE: &str = "model [--scenario NAME] [--without R5] [--mutations] [--states N]";

/// More states than any scenario has.
const STATES_MAX: u64 = 50_000_000;

struct Options {
    scenario: Option<String>,
    without: Option<(String, Rule)>,
    mutations: bool,
    states_max: u64,
}

fn options() -> Result<Options, String> {
    let mut options = Options { scenario: None, without: None, mutations: false, states_max: STATES_MAX };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value\n{USAGE}"));
        match word.as_str() {
            "--scenario" => options.scenario = Some(value()?),
            "--mutations" => options.mutations = true,
            "--states" => {
                options.states_max = value()?.parse().map_err(|_| format!("no number\n{USAGE}"))?;
            }
            "--without" => {
                let name = value()?;
                let known = MUTATIONS.iter().find(|mutation| mutation.name == name);
                let rule = known.ok_or_else(|| {
                    format!(
                        "the model does not cover {name}; the simulator may: cargo xtask sim --without {name}"
                    )
                })?;
                options.without = Some((name, rule.rule));
            }
            _ => return Err(format!("{word}: unknown\n{USAGE}")),
        }
    }
    if let Some(name) = &options.scenario
        && !SCENARIOS.iter().any(|bounds| bounds.name == name)
    {
        return Err(format!("there is no scenario {name}"));
    }
    Ok(options)
}

fn main() -> ExitCode {
    // A broken assertion is reported as a broken promise, with its text.
    std::panic::set_hook(Box::new(|_| {}));
    match options() {
        Ok(options) if options.mutations => mutations(&options),
        Ok(options) => scenarios(&options),
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

fn scenarios(options: &Options) -> ExitCode {
    let rule = options.without.as_ref().map(|(_, rule)| *rule);
    let mut broken = false;
    println!("{:<10}{:>12}{:>12}{:>9}{:>9}  outcome", "scenario", "states", "steps", "longest", "seconds");
    let wanted = |bounds: &&Bounds| options.scenario.as_deref().is_none_or(|name| name == bounds.name);
    for bounds in SCENARIOS.iter().filter(wanted) {
        let begun = Instant::now();
        let found = check(bounds, rule, options.states_max);
        println!("{}  {}", line(bounds.name, &found, begun), outcome(&found));
        if let Some((_, what, steps)) = &found.broken {
            broken = true;
            println!("    {what}\n    {}", steps.join("\n    "));
        }
    }
    if broken { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Success is that each absence is found.
fn mutations(options: &Options) -> ExitCode {
    let mut missed = false;
    println!("{:<20}{:<10}{:>12}{:>9}  found", "without", "scenario", "states", "seconds");
    for mutation in MUTATIONS {
        let bounds = SCENARIOS.iter().find(|bounds| bounds.name == mutation.scenario);
        let bounds = bounds.expect("a mutation names a scenario");
        let begun = Instant::now();
        let found = check(bounds, Some(mutation.rule), options.states_max);
        let broken = found.broken.as_ref().map(|(promise, ..)| *promise);
        missed |= broken != Some(mutation.broken);
        println!(
            "{:<20}{:<10}{:>12}{:>9.1}  {}",
            mutation.name,
            bounds.name,
            found.states,
            begun.elapsed().as_secs_f64(),
            broken.unwrap_or("NOTHING")
        );
    }
    if missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn line(name: &str, found: &Found, begun: Instant) -> String {
    let seconds = begun.elapsed().as_secs_f64();
    format!("{name:<10}{:>12}{:>12}{:>9}{seconds:>9.1}", found.states, found.steps, found.longest)
}

fn outcome(found: &Found) -> String {
    match &found.broken {
        Some((promise, ..)) => format!("BREAKS {promise}"),
        None if found.stops > 0 => format!("kept; {} states with a task that stopped", found.stops),
        None if !found.complete => "kept, but not every state was looked at".to_owned(),
        None => "kept".to_owned(),
    }
}
