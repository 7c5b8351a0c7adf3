//! `instructions list` prints name, units and unit of every path; `instructions <path> <rounds>` runs one.
//! Run under callgrind with 0 and with 1 rounds, the difference is what `units` units cost when warm.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use pumphouse_hot_paths::PATHS;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["list"] => {
            for path in PATHS {
                println!("{}\t{}\t{}", path.name, path.units, path.unit);
            }
            ExitCode::SUCCESS
        }
        [name, rounds] => {
            let path = PATHS.iter().find(|path| path.name == *name);
            let (Some(path), Ok(rounds)) = (path, rounds.parse()) else { return usage() };
            (path.run)(path.units, rounds);
            ExitCode::SUCCESS
        }
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("instructions list | instructions <path> <rounds>");
    ExitCode::FAILURE
}
