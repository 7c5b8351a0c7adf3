//! The log: its form, and its levels, which REST changes while the worker runs.
use std::io::IsTerminal;

use clap::ValueEnum;
use pumphouse_rest::{Levels, Loggers, ROOT};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt, reload};

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// The crates of the worker, which are its loggers from the start.
const TARGETS: [&str; 6] = [
    "pumphouse_clickhouse",
    "pumphouse_kafka",
    "pumphouse_registry",
    "pumphouse_rest",
    "pumphouse_verify",
    "pumphouse_worker",
];

/// Starts the log on standard error. What is logged: RUST_LOG (`warn,pumphouse_worker=debug`), else `level`.
pub(crate) fn start(format: LogFormat, level: &str) -> Loggers {
    let given = std::env::var("RUST_LOG").ok().filter(|given| !given.trim().is_empty());
    let parsed = given.as_ref().map(|given| given.parse::<Targets>());
    let filter = match parsed {
        Some(Ok(filter)) => filter,
        Some(Err(_)) | None => {
            level.parse().unwrap_or_else(|_| Targets::new().with_default(LevelFilter::INFO))
        }
    };
    let levels = levels_of(&filter);
    let (filter, handle) = reload::Layer::new(filter);
    let writer = std::io::stderr;
    let layer = match format {
        LogFormat::Text => fmt::layer().with_writer(writer).with_ansi(writer().is_terminal()).boxed(),
        LogFormat::Json => fmt::layer().with_writer(writer).json().boxed(),
    };
    tracing_subscriber::registry().with(layer.with_filter(filter)).init();
    Loggers::new(levels, move |levels| {
        if let Err(error) = handle.reload(filter_of(levels)) {
            tracing::error!(%error, "log levels cannot be changed");
        }
    })
}

fn levels_of(filter: &Targets) -> Levels {
    let root = filter.default_level().unwrap_or(LevelFilter::OFF);
    let mut levels: Levels = TARGETS
        .iter()
        .map(|target| {
            let own =
                filter.iter().filter(|(name, _)| is_below(target, name)).max_by_key(|(name, _)| name.len());
            ((*target).to_owned(), own.map_or(root, |(_, level)| level).to_string())
        })
        .collect();
    levels.extend(filter.iter().map(|(name, level)| (name.to_owned(), level.to_string())));
    levels.insert(ROOT.to_owned(), root.to_string());
    levels
}

fn is_below(target: &str, name: &str) -> bool {
    target.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn filter_of(levels: &Levels) -> Targets {
    let own = levels.iter().filter(|(name, _)| *name != ROOT);
    let root = levels.get(ROOT).map_or(LevelFilter::INFO, |level| level_of(level));
    own.fold(Targets::new().with_default(root), |filter, (name, level)| {
        filter.with_target(name.clone(), level_of(level))
    })
}

/// Log4j's levels; what the log does not have is its nearest.
fn level_of(level: &str) -> LevelFilter {
    match level {
        "OFF" => LevelFilter::OFF,
        "FATAL" | "ERROR" => LevelFilter::ERROR,
        "WARN" => LevelFilter::WARN,
        "INFO" => LevelFilter::INFO,
        "DEBUG" => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_those_of_the_filter_and_lead_back_to_it() {
        let filter: Targets = "warn,pumphouse_worker=debug,pumphouse_worker::task=trace".parse().unwrap();
        let levels = levels_of(&filter);
        assert_eq!(levels["root"], "warn");
        assert_eq!(levels["pumphouse_worker"], "debug");
        assert_eq!(levels["pumphouse_worker::task"], "trace");
        assert_eq!(levels["pumphouse_kafka"], "warn");
        let upper: Levels =
            levels.into_iter().map(|(name, level)| (name, level.to_ascii_uppercase())).collect();
        let back = filter_of(&upper);
        assert_eq!(back.default_level(), Some(LevelFilter::WARN));
        let enabled = |target: &str, level| back.would_enable(target, &level);
        assert!(enabled("pumphouse_worker::task::shell", tracing::Level::TRACE));
        assert!(enabled("pumphouse_worker::connector", tracing::Level::DEBUG));
        assert!(!enabled("pumphouse_worker::connector", tracing::Level::TRACE));
        assert!(!enabled("hyper", tracing::Level::INFO));
    }
}
