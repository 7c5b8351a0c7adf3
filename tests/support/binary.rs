//! The worker under test: `PUMPHOUSE_TEST_BINARY`, else one that is built now, with fail points.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// Path of the worker.
pub fn binary() -> PathBuf {
    static BINARY: LazyLock<PathBuf> = LazyLock::new(|| match std::env::var_os("PUMPHOUSE_TEST_BINARY") {
        Some(given) => given.into(),
        None => build(),
    });
    BINARY.clone()
}

fn build() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--package", "pumphouse", "--features", "failpoints"])
        .current_dir(root)
        .status()
        .unwrap();
    assert!(status.success(), "the worker could not be built: {status}");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let built = root.join(target).join("debug/pumphouse");
    assert!(built.is_file(), "no worker at {}", built.display());
    built
}
