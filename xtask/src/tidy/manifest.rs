//! The dependency names in a Cargo.toml, as this workspace writes them: one per line.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;

use super::files::read;

/// What a crate names in `[dependencies]`; development dependencies are no arrows.
pub fn dependencies(root: &Path, room: &str) -> Result<BTreeSet<String>> {
    let text = read(&root.join("crates").join(room).join("Cargo.toml"))?;
    Ok(section(&text, "[dependencies]"))
}

fn section(text: &str, header: &str) -> BTreeSet<String> {
    text.lines()
        .skip_while(|line| line.trim() != header)
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .map(|line| line.split(['.', '=', ' ']).next().unwrap_or_default().trim())
        .filter(|name| !name.is_empty() && !name.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_every_spelling_and_only_from_the_section() {
        let text = "[package]\nname = \"a\"\n\n[dependencies]\n# why\npumphouse-types.workspace = true\n\
                    jiff = { workspace = true, features = [\"x\"] }\nbytes = \"1\"\n\n[dev-dependencies]\nproptest.workspace = true\n";
        let names: Vec<String> = section(text, "[dependencies]").into_iter().collect();
        assert_eq!(names, ["bytes", "jiff", "pumphouse-types"]);
    }
}
