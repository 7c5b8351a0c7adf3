//! `pumphouse dlq replay`: the command's words, its report and its exit code.
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use pumphouse_worker::{ReplayReport, ReplayRequest, replay_dead_letters};

#[derive(Subcommand)]
pub(crate) enum DlqCommand {
    /// Takes a connector's dead letters again, each into its table once or back among the letters.
    ///
    /// Takes what is in the dead letter topic when it begins, and ends. May be interrupted and begun again at
    /// any moment. Exit code: 0 all landed, 1 some failed again, or it could not come to its end.
    Replay(ReplayArguments),
}

#[derive(Args)]
pub(crate) struct ReplayArguments {
    /// The worker's properties.
    worker: PathBuf,
    /// The connector's configuration, as JSON or properties.
    connector: PathBuf,
    /// Only letters about records of this topic; may be given several times.
    #[arg(long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,
}

/// Takes the letters, and writes the report to standard output.
pub(crate) fn run(command: DlqCommand) -> ExitCode {
    let DlqCommand::Replay(ReplayArguments { worker, connector, topics }) = command;
    let request = ReplayRequest { worker, connector, topics };
    match replay_dead_letters(&request, &mut |what| eprintln!("{what}")) {
        Ok(report) => {
            print!("{}", as_text(&report));
            if report.all_landed() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn as_text(report: &ReplayReport) -> String {
    let mut text = String::new();
    for topic in &report.topics {
        let _ = writeln!(
            text,
            "{} -> {}: {} dead letters waited, {} landed, {} failed again",
            topic.topic, topic.table, topic.waiting, topic.landed, topic.failed_again
        );
        if let Some(why) = &topic.ended_early {
            let _ = writeln!(text, "  not all were taken: {why}");
        }
    }
    if report.nameless > 0 {
        let _ = writeln!(
            text,
            "{} records of {} do not say what they stand for and stay where they are",
            report.nameless, report.dead_letter_topic
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use pumphouse_worker::TopicReplay;

    use super::*;

    #[test]
    fn the_report_names_what_is_left() {
        let topic = TopicReplay {
            topic: "orders".to_owned(),
            table: "db.orders".to_owned(),
            waiting: 5,
            landed: 3,
            failed_again: 1,
            ended_early: Some("it was asked to stop".to_owned()),
        };
        let report = ReplayReport { dead_letter_topic: "dead".to_owned(), topics: vec![topic], nameless: 2 };
        assert!(!report.all_landed());
        assert_eq!(
            as_text(&report),
            "orders -> db.orders: 5 dead letters waited, 3 landed, 1 failed again\n  \
             not all were taken: it was asked to stop\n\
             2 records of dead do not say what they stand for and stay where they are\n"
        );
    }
}
