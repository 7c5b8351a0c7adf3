//! `pumphouse check`: the command's words, its report and its exit code.
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use pumphouse_worker::{CheckReport, CheckRequest, Weight, check};

#[derive(Args)]
pub(crate) struct CheckArguments {
    /// The connector's configuration, as JSON or properties.
    connector: PathBuf,
    /// The worker's properties [default: Kafka at localhost:9092].
    worker: Option<PathBuf>,
    /// How many of the last records of each topic are tried.
    #[arg(long, value_name = "RECORDS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(0..=1_000_000))]
    sample: u64,
}

/// Checks, and writes the report to standard output. 0: the connector would run; 1: it would not.
pub(crate) fn run(given: CheckArguments) -> ExitCode {
    let report =
        check(&CheckRequest { connector: given.connector, worker: given.worker, sample: given.sample });
    print!("{}", as_text(&report));
    if report.is_fine() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn as_text(report: &CheckReport) -> String {
    let mut text = String::new();
    let mut about = "";
    for finding in &report.findings {
        if finding.about != about {
            about = &finding.about;
            let _ = writeln!(text, "{about}");
        }
        let sign = match finding.weight {
            Weight::Fine => "ok   ",
            Weight::Notice => "note ",
            Weight::Wrong => "WRONG",
        };
        let _ = writeln!(text, "  {sign} {}", finding.text);
    }
    text.push_str(if report.is_fine() {
        "READY: the connector would run; nothing was written\n"
    } else {
        "NOT READY: what is WRONG above would stop the connector; nothing was written\n"
    });
    text
}

#[cfg(test)]
mod tests {
    use pumphouse_worker::Finding;

    use super::*;

    #[test]
    fn findings_stand_under_their_headings_and_the_last_line_says_whether_it_would_run() {
        let finding = |about: &str, weight, text: &str| Finding {
            about: about.to_owned(),
            weight,
            text: text.to_owned(),
        };
        let mut report = CheckReport {
            findings: vec![finding("Kafka", Weight::Fine, "a"), finding("Kafka", Weight::Notice, "b")],
        };
        assert_eq!(
            as_text(&report),
            "Kafka\n  ok    a\n  note  b\nREADY: the connector would run; nothing was written\n"
        );
        report.findings.push(finding("table t", Weight::Wrong, "c"));
        assert!(as_text(&report).contains("table t\n  WRONG c\nNOT READY: "));
    }
}
