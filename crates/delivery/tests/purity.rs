//! The crate stays pure: nothing in it can differ between two runs of the simulator. The test reads
//! the crate's own manifest and sources, so a new dependency or call has to be argued for here.
use std::fs;
use std::path::{Path, PathBuf};

/// Crates without I/O, clock or randomness.
const DEPENDENCIES: [&str; 4] = ["pumphouse-types", "serde", "serde_json", "thiserror"];

/// Where time, I/O, threads, and orders that differ between runs come from.
const NOT_HERE: [&str; 17] = [
    "Instant",
    "SystemTime",
    "UNIX_EPOCH",
    "std::net",
    "std::fs",
    "std::io",
    "std::env",
    "std::process",
    "std::thread",
    "thread_local",
    "std::sync",
    "rand::",
    "HashMap",
    "HashSet",
    "RandomState",
    "async fn",
    "println!",
];

fn crate_dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What stands in `[dependencies]`, sorted.
fn dependencies(manifest: &str) -> Vec<&str> {
    let section = manifest.split("\n[").find_map(|part| part.strip_prefix("dependencies]"));
    let mut names: Vec<&str> = section
        .expect("the manifest has dependencies")
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|line| line.split(['.', '=', ' ']).next().expect("split gives one"))
        .collect();
    names.sort_unstable();
    names
}

/// Sources that are shipped: test modules may do as they please.
fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("the crate's folders can be read") {
        let path = entry.expect("an entry of a folder").path();
        let is_tests = path.file_stem().is_some_and(|stem| stem == "tests");
        if is_tests {
            continue;
        } else if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn it_depends_on_crates_without_io_only() {
    let manifest = fs::read_to_string(crate_dir().join("Cargo.toml")).unwrap();
    assert_eq!(dependencies(&manifest), DEPENDENCIES);
    assert!(!manifest.contains("build-dependencies") && !manifest.contains("[target"));
}

#[test]
fn its_sources_know_no_clock_no_io_and_no_chance() {
    let sources = sources(&crate_dir().join("src"));
    assert!(sources.len() >= 12, "the sources were found: {sources:?}");
    for path in sources {
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap();
            let found = NOT_HERE.iter().find(|word| code.contains(*word));
            assert_eq!(found, None, "{}:{}: {line}", path.display(), number + 1);
        }
    }
}
