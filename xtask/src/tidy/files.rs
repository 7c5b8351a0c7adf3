//! Finding and reading the files of the project.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A file's text.
pub fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// All files below `directory` whose name ends so, in order; build output and hidden folders are left
/// out, and a missing directory has none.
pub fn below(directory: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    collect(directory, ending, &mut found)?;
    found.sort();
    Ok(found)
}

fn collect(directory: &Path, ending: &str, found: &mut Vec<PathBuf>) -> Result<()> {
    let Ok(entries) = fs::read_dir(directory) else { return Ok(()) };
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list {}", directory.display()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_dir() {
            if name != "target" && !name.starts_with('.') {
                collect(&entry.path(), ending, found)?;
            }
        } else if name.ends_with(ending) {
            found.push(entry.path());
        }
    }
    Ok(())
}

/// A path as it is named from the project's root.
pub fn named(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

/// The folders of `crates/`, in order.
pub fn rooms(root: &Path) -> Result<Vec<String>> {
    let mut rooms = Vec::new();
    for entry in fs::read_dir(root.join("crates")).context("cannot list crates/")? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").is_file() {
            rooms.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    rooms.sort();
    Ok(rooms)
}

/// Lines of code with their numbers, from 1: no comment lines, nothing from the tests at the foot on.
pub fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .take_while(|line| *line != "#[cfg(test)]")
        .enumerate()
        .map(|(index, line)| (index + 1, line.split("//").next().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_tests_are_no_code() {
        let text = "//! doc\nuse a; // why\n\n#[cfg(test)]\nmod tests {}\n";
        let lines: Vec<_> = code_lines(text).filter(|(_, line)| !line.trim().is_empty()).collect();
        assert_eq!(lines, [(2, "use a; ")]);
    }
}
