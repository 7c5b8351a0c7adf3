//! Makes a table of the pages in `docs/errors/`, so that a worker shows them without the internet.
use std::path::Path;

fn main() {
    // Read when it runs: a build script may be left over from another working tree.
    let package = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let pages = Path::new(&package).join("../../docs/errors");
    println!("cargo::rerun-if-changed={}", pages.display());
    let mut names: Vec<_> = std::fs::read_dir(&pages)
        .expect("docs/errors is part of the source")
        .map(|entry| entry.expect("a directory that can be listed").path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "md"))
        .collect();
    names.sort();
    let mut table = String::from("&[\n");
    for path in names {
        let code = path.file_stem().expect("a file has a name").to_string_lossy();
        let path = path.canonicalize().expect("it was listed");
        table.push_str(&format!("    ({code:?}, include_str!({path:?})),\n"));
    }
    table.push_str("]\n");
    let out = std::env::var("OUT_DIR").expect("cargo sets it");
    std::fs::write(Path::new(&out).join("error_pages.rs"), table).expect("cargo's directory is ours");
}
