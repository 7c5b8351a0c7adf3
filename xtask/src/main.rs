//! Everyday tasks, one entry each: `cargo xtask <task>`. `./test`, `./quickstart` and CI call the
//! same entries.
#![forbid(unsafe_code)]

mod bench;
mod chaos;
mod check;
mod closings;
mod decode_bench;
mod deny;
mod fuzz;
mod instructions;
mod interrupt;
mod model;
mod quickstart;
mod run;
mod sim;
mod soak;
mod test;
mod tidy;
mod tool;
mod worker_watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Everyday tasks of Pumphouse.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Format, lint, unit tests and the links of the documentation; before every commit.
    Check,
    /// All tests, real servers included, or only those of one room.
    Test {
        /// A folder of crates/, or `tests` for the black-box suites.
        room: Option<String>,
    },
    /// The simulator: thousands of seeds, or one seed again with its whole story.
    Sim {
        /// The seed that a failure printed; or the simulator's own options, such as `--without R7` and `--needed`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// New seeds of the simulator for as long as one likes.
    Soak(soak::Options),
    /// The protocol in every order of a few faults, and without its rules.
    Model(model::Options),
    /// Faults against real servers under load, drawn from a seed, and the whole history looked up after each kind.
    Chaos(chaos::Options),
    /// The black-box suites on real servers, or one of them (exactly_once, type_roundtrip, connect_rest, formats,
    /// verify, check, errors).
    E2e {
        /// A folder of tests/.
        suite: Option<String>,
    },
    /// Flights into ClickHouse while the worker is killed; ends with a report.
    Quickstart(quickstart::Options),
    /// Broker, server and worker on this machine, until Ctrl-C.
    Run(run::Options),
    /// Rows per second, CPU and memory, next to ClickHouse's own Kafka engine and to the limits.
    Bench(bench::Options),
    /// What a record costs to decode, next to the simplest other way, on one core.
    DecodeBench(decode_bench::Options),
    /// Instructions of the hot paths, against the kept figures.
    Instructions(instructions::Options),
    /// A part of `bench` in a process of its own.
    #[command(hide = true, subcommand)]
    BenchPart(bench::part::Part),
    /// Hostile bytes against every parser; `./test` does the same for a minute.
    Fuzz(fuzz::Options),
    /// What no compiler checks: rooms, purity, error pages, rules, links.
    Tidy,
    /// Licences and advisories of the dependencies.
    Deny,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Check => check::run(),
        Task::Test { room } => test::run(room.as_deref()),
        Task::Sim { words } => sim::run(&words),
        Task::Soak(options) => soak::run(&options),
        Task::Model(options) => model::run(&options),
        Task::Chaos(options) => chaos::run(&options),
        Task::E2e { suite } => test::run_suites(suite.as_deref()),
        Task::Quickstart(options) => quickstart::run(options),
        Task::Run(options) => run::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::DecodeBench(options) => decode_bench::run(&options),
        Task::Instructions(options) => instructions::run(&options),
        Task::BenchPart(part) => bench::part::run(&part),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::Tidy => tidy::run(),
        Task::Deny => deny::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
