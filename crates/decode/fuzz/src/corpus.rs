//! The inputs that are kept in the tree: one folder per target, one file per input.
use std::io;
use std::path::PathBuf;

use crate::targets::Target;

/// Kept inputs are small: what is longer is not worth its place in the tree.
const KEPT_BYTES_MAX: usize = 1024;

fn folder(target: &Target) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name)
}

/// The kept inputs, by name, and behind them those that the target makes itself.
/// Errors: the folder cannot be read.
pub fn inputs(target: &Target) -> io::Result<Vec<Vec<u8>>> {
    let mut paths = Vec::new();
    match std::fs::read_dir(folder(target)) {
        Ok(entries) => {
            for entry in entries {
                paths.push(entry?.path());
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    paths.sort();
    let mut inputs = paths.iter().map(std::fs::read).collect::<io::Result<Vec<_>>>()?;
    inputs.extend((target.seeds)());
    // Nothing at all is an input, too; and mutation needs one.
    inputs.push(Vec::new());
    Ok(inputs)
}

/// Adds an input to the tree; answers where, or `None` for one that is too long.
/// Errors: the file cannot be written.
pub fn keep(target: &Target, prefix: &str, input: &[u8]) -> io::Result<Option<PathBuf>> {
    if input.len() > KEPT_BYTES_MAX {
        return Ok(None);
    }
    let folder = folder(target);
    std::fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{prefix}{:016x}", fingerprint(input)));
    std::fs::write(&path, input)?;
    Ok(Some(path))
}

/// FNV-1a, for names.
fn fingerprint(input: &[u8]) -> u64 {
    input.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
