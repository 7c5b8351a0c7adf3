//! The pure rooms own no socket, clock, thread or global: what they may depend on, and which words
//! must not stand in their code.

use std::path::Path;

use anyhow::Result;

use super::files::{below, code_lines, named, read};
use super::manifest::dependencies;

/// A pure room, and the crates from outside that it may use: all without I/O.
struct PureRoom {
    room: &'static str,
    may_use: &'static [&'static str],
    /// Words that are forbidden here beside those of all pure rooms.
    also_forbidden: &'static [&'static str],
}

const PURE_ROOMS: [PureRoom; 5] = [
    PureRoom { room: "types", may_use: &["thiserror"], also_forbidden: &[] },
    PureRoom {
        room: "delivery",
        may_use: &["thiserror", "serde", "serde_json"],
        // Their order differs from run to run, and an order can reach an action.
        also_forbidden: &["HashMap", "HashSet", "async fn", ".await"],
    },
    PureRoom { room: "conduct", may_use: &[], also_forbidden: &["HashMap", "HashSet", "async fn", ".await"] },
    PureRoom {
        room: "columns",
        may_use: &["thiserror", "bytes", "lz4_flex", "zstd", "cityhash-rs", "hashbrown"],
        also_forbidden: &[],
    },
    PureRoom {
        room: "decode",
        // jiff with its time zones built in: it reads neither the clock nor the system's files.
        may_use: &[
            "thiserror",
            "hashbrown",
            "jiff",
            "fast-float2",
            "atoi_simd",
            "percent-encoding",
            "bytes",
            "serde",
            "serde_json",
            "prost",
            "prost-types",
            "protox-parse",
        ],
        also_forbidden: &["jiff::Zoned::now", "Timestamp::now"],
    },
];

/// What reaches outside, or makes two runs differ.
const FORBIDDEN: [&str; 19] = [
    "std::net",
    "std::fs",
    "std::io",
    "std::env",
    "std::process",
    "std::thread",
    "std::os",
    "Instant::now",
    "SystemTime",
    "UNIX_EPOCH",
    "std::time::Instant",
    "thread_local!",
    "static mut",
    "OnceLock",
    "LazyLock",
    "RandomState",
    "rand::",
    "println!",
    "tokio",
];

/// Foreign dependencies and forbidden words of the pure rooms.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for pure in &PURE_ROOMS {
        for dependency in dependencies(root, pure.room)? {
            if !dependency.starts_with("pumphouse-") && !pure.may_use.contains(&dependency.as_str()) {
                findings
                    .push(format!("crates/{} depends on {dependency}, which is not on its list", pure.room));
            }
        }
        for path in below(&root.join("crates").join(pure.room).join("src"), ".rs")? {
            // Tests may do what they like; they live in files of this name or at the foot of a file.
            if path.file_name().is_some_and(|name| name == "tests.rs") {
                continue;
            }
            for (line, word) in words_in(&read(&path)?, pure.also_forbidden) {
                findings.push(format!("{}:{line}: `{word}` in a pure room", named(root, &path)));
            }
        }
    }
    Ok(findings)
}

fn words_in(text: &str, also_forbidden: &[&'static str]) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    for (number, line) in code_lines(text) {
        let words = FORBIDDEN.iter().chain(also_forbidden);
        found.extend(words.filter(|word| line.contains(**word)).map(|word| (number, *word)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_and_threads_are_seen_and_comments_are_not() {
        let text = "//! never std::thread\nuse std::time::Duration;\nlet now = Instant::now();\n\
                    let map = HashMap::new(); // rand::random\n#[cfg(test)]\nuse std::fs;\n";
        assert_eq!(words_in(text, &["HashMap"]), [(3, "Instant::now"), (4, "HashMap")]);
        assert_eq!(words_in(text, &[]), [(3, "Instant::now")]);
    }
}
