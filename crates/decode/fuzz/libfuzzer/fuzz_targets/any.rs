//! The targets of pumphouse-fuzz under libFuzzer; `PUMPHOUSE_FUZZ_TARGET` says which.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use pumphouse_fuzz::{TARGETS, Target};

fn chosen() -> &'static Target {
    static CHOSEN: OnceLock<&'static Target> = OnceLock::new();
    CHOSEN.get_or_init(|| {
        let name = std::env::var("PUMPHOUSE_FUZZ_TARGET").unwrap_or_default();
        TARGETS.iter().find(|target| target.name == name).expect("PUMPHOUSE_FUZZ_TARGET names a target")
    })
}

fuzz_target!(|input: &[u8]| {
    (chosen().run)(input);
});
