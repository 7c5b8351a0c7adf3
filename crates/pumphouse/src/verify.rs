//! `pumphouse verify`: the command's words, and its exit code.
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use pumphouse_types::{Offset, Partition};
use pumphouse_verify::{Verdict, VerifyRequest, as_text, verify};

/// Something is missing, doubled or foreign.
const DIFFERENCES: u8 = 1;

/// Something could not be checked. Arguments that clap refuses end with the same code.
const NOT_CHECKED: u8 = 2;

#[derive(Args)]
pub(crate) struct VerifyArguments {
    /// The worker's properties.
    worker: PathBuf,
    /// Connector configurations, as JSON or properties.
    #[arg(required = true)]
    connectors: Vec<PathBuf>,
    /// Only this topic; may be given several times.
    #[arg(long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,
    /// Only this partition; may be given several times.
    #[arg(long = "partition", value_name = "NUMBER")]
    partitions: Vec<u32>,
    /// The first offset to check, in each partition [default: where the log begins].
    #[arg(long, value_name = "OFFSET", value_parser = offset)]
    from: Option<Offset>,
    /// The first offset not to check any more [default: the ledger's position, which is never passed].
    #[arg(long, value_name = "OFFSET", value_parser = offset)]
    to: Option<Offset>,
    /// Only so many ranges of 10,000 positions per topic, drawn by chance.
    #[arg(long, value_name = "RANGES", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    sample: Option<u32>,
    /// What chance begins with, to draw the same ranges again [default: the time].
    #[arg(long, requires = "sample")]
    seed: Option<u64>,
    /// The report as JSON.
    #[arg(long)]
    json: bool,
}

fn offset(text: &str) -> Result<Offset, String> {
    let number: i64 = text.parse().map_err(|error: std::num::ParseIntError| error.to_string())?;
    Offset::new(number).ok_or_else(|| "offsets begin at 0".to_owned())
}

/// Checks, and writes the report to standard output. 0: all there; 1: differences; 2: could not be checked.
pub(crate) fn run(given: VerifyArguments) -> ExitCode {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let request = VerifyRequest {
        worker: given.worker,
        connectors: given.connectors,
        topics: given.topics,
        partitions: given.partitions.into_iter().map(Partition).collect(),
        from: given.from,
        to: given.to,
        sample: given.sample,
        seed: given.seed.unwrap_or(now.as_secs()),
    };
    let report = match verify(&request, &mut |what| eprintln!("{what}")) {
        Ok(report) => report,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(NOT_CHECKED);
        }
    };
    if given.json {
        let json = serde_json::to_string_pretty(&report).expect("a report of numbers and texts becomes JSON");
        println!("{json}");
    } else {
        print!("{}", as_text(&report));
    }
    match report.verdict {
        Verdict::AllThere => ExitCode::SUCCESS,
        Verdict::Differences => ExitCode::from(DIFFERENCES),
        Verdict::NotChecked => ExitCode::from(NOT_CHECKED),
    }
}
