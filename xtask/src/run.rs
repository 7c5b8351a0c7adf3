//! `cargo xtask run`: broker, server and worker on this machine, with the quickstart's connector and
//! an empty table, until Ctrl-C.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use pumphouse_testkit::{Testbed, TestbedOptions};

use crate::interrupt;
use crate::quickstart::target::Target;
use crate::tool::{cargo, root, succeed};
use crate::worker_watch::{Watched, binary, setup};

/// Options of `run`.
#[derive(Args)]
pub struct Options {
    /// The worker; by default a development build of this source.
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// Starts everything, prints the addresses, and waits.
/// Errors: something did not start, or the worker ended or failed.
pub fn run(options: &Options) -> Result<()> {
    interrupt::catch()?;
    if options.binary.is_none() {
        succeed(cargo().args(["build", "--package", "pumphouse"]))?;
    }
    let binary = binary(options.binary.clone())?;
    let bed = Testbed::start(TestbedOptions { zookeeper: true, ..TestbedOptions::default() })?;
    let directory = tempfile::Builder::new().prefix("pumphouse-run-").tempdir()?;
    let setup = setup(&bed, binary, directory.path())?;
    let target = Target::create(&bed, false)?;
    let mut worker = Watched::start(&setup)?;
    println!("{}", crate::quickstart::addresses(&bed, &worker, &setup));
    println!("Root of the project: {}\nCtrl-C ends all of it.", root().display());
    while !interrupt::came() {
        worker.check()?;
        std::thread::sleep(Duration::from_millis(500));
    }
    worker.process.terminate()?;
    worker.process.wait_exit(Duration::from_secs(30))?;
    drop(target);
    Ok(())
}
