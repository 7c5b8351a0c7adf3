//! The binary: command line, logging, exit code.
mod allocator;
mod check;
mod dlq;
mod logging;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Kafka topics into ClickHouse tables, each record exactly once.
#[derive(Parser)]
#[command(name = "pumphouse", version)]
struct CommandLine {
    /// Form of the log on standard error. What is logged is set by RUST_LOG (default: info).
    #[arg(long, global = true, value_enum, default_value = "text", env = "PUMPHOUSE_LOG_FORMAT")]
    log_format: logging::LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs connectors in this process, as Kafka Connect's connect-standalone does.
    Standalone {
        /// The worker's properties.
        worker: PathBuf,
        /// Connector configurations, as JSON or properties. More may come over REST; those live as long as the
        /// process.
        connectors: Vec<PathBuf>,
    },
    /// Runs as one of many workers that share connectors, as Kafka Connect's connect-distributed does.
    Distributed {
        /// The worker's properties: `group.id`, `config.storage.topic` and `status.storage.topic` among them. Connectors
        /// come over REST.
        worker: PathBuf,
    },
    /// Says what would happen if a connector were started: proof of its tables, plan, sample, differences.
    ///
    /// Exit code: 0 it would run, 1 it would not. Joins no group and writes nothing.
    Check(check::CheckArguments),
    /// Checks that every record is in its table once, or among the dead letters, and nothing else is.
    ///
    /// Exit code: 0 all there, 1 differences, 2 could not be checked. Reads only; the connector may run.
    Verify(verify::VerifyArguments),
    /// Dead letters.
    #[command(subcommand)]
    Dlq(dlq::DlqCommand),
}

fn main() -> ExitCode {
    allocator::gives_back_soon();
    let line = CommandLine::parse();
    // Beside a report only what needs attention.
    let level = match line.command {
        Command::Standalone { .. } | Command::Distributed { .. } => "info",
        Command::Check(_) | Command::Verify(_) | Command::Dlq(_) => "warn",
    };
    let loggers = logging::start(line.log_format, level);
    let outcome = match line.command {
        Command::Standalone { worker, connectors } => {
            pumphouse_worker::run_standalone(&worker, &connectors, loggers)
        }
        Command::Distributed { worker } => pumphouse_worker::run_distributed(&worker, loggers),
        Command::Check(arguments) => return check::run(arguments),
        Command::Verify(arguments) => return verify::run(arguments),
        Command::Dlq(command) => return dlq::run(command),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
