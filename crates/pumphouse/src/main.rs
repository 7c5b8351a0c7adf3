//! The binary: command line, logging, exit code.
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Kafka topics into ClickHouse tables, each record exactly once.
#[derive(Parser)]
#[command(name = "pumphouse", version)]
struct CommandLine {
    /// Form of the log on standard error. What is logged is set by RUST_LOG (default: info).
    #[arg(long, global = true, value_enum, default_value = "text", env = "PUMPHOUSE_LOG_FORMAT")]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// Runs connectors in this process, as Kafka Connect's connect-standalone does.
    Standalone {
        /// The worker's properties.
        worker: PathBuf,
        /// Connector configurations, as JSON or properties.
        #[arg(required = true)]
        connectors: Vec<PathBuf>,
    },
}

fn main() -> ExitCode {
    let line = CommandLine::parse();
    start_logging(line.log_format);
    let outcome = match line.command {
        Command::Standalone { worker, connectors } => pumphouse_worker::run_standalone(&worker, &connectors),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn start_logging(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let logger = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => logger.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
        LogFormat::Json => logger.json().init(),
    }
}
